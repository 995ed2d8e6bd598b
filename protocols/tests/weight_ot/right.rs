//! What both shares open to is what the layer gives in the clear.

use std::thread;

use rand::{Rng, RngExt};
use xonn_crypto::share::RingTensor;
use xonn_program::Op;
use xonn_program::Tensor;
use xonn_protocols::protocol::Phase;
use xonn_protocols::value::{ClientValue, ServerValue};
use xonn_protocols::wire::Memory;

use crate::common::{Case, Outcome, rng, with_client, with_server};
use crate::layers;

/// Compares all elements with the layer in the clear; gives each t.
fn check(
    what: &str,
    case: &Case,
    weights: &[i32],
    (t, offsets): (&[u64], &[i64]),
    outcome: Outcome,
) -> Vec<u64> {
    let x: Vec<i64> =
        t.iter().zip(offsets).map(|(&t, &offset)| case.reads.step * t as i64 + offset).collect();
    let tensor = Tensor::Weights(weights.to_vec());
    let channels = case.linear.window.input[2];
    let want = Op::Linear(case.linear).evaluate(Some(&tensor), &[(&x, channels)]);
    let server = outcome.server.unwrap();
    let (share, offsets) = server.shares().unwrap();
    let opened = share.add(&outcome.client).unwrap();
    assert_eq!(opened.bits(), case.bits);
    let ring = case.leaves();
    assert!(opened.values().iter().all(|&t| t <= ring.span), "{what}: t above {}", ring.span);
    let value = |(&t, &offset): (&u64, &i64)| ring.step * t as i64 + offset;
    let values: Vec<i64> = opened.values().iter().zip(offsets.iter()).map(value).collect();
    assert_eq!(values, want, "{what}");
    opened.values().to_vec()
}

/// Several predictions on a connection, of several models; numbers of any size, all smallest, all largest.
#[test]
fn every_kind_of_layer() {
    for (seed, (what, case)) in (1..).zip(layers::all()) {
        let rng = &mut rng(seed);
        for model in 0..3 {
            let weights = case.weights(rng);
            let mut hosts = case.connect(weights.clone(), seed + model);
            for kind in 0..5 {
                let span = case.reads.span;
                let t: Vec<u64> = match kind {
                    0 => vec![0; case.inputs()],
                    1 => vec![span; case.inputs()],
                    _ => (0..case.inputs()).map(|_| rng.random_range(0..=span)).collect(),
                };
                // A bit's offset is -1; others are whatever the server's stages before have made.
                let offsets: Vec<i64> = match case.linear.pad {
                    xonn_program::op::Pad::Bit(_) => vec![-1; case.inputs()],
                    _ => (0..case.inputs()).map(|_| rng.random_range(-1000..1000)).collect(),
                };
                let outcome = hosts.predict(&t, &offsets, &|_| {});
                check(what, &case, &weights, (&t, &offsets), outcome);
            }
        }
    }
}

/// The inputs that make sums smallest and largest: t is 0 in the one case and its largest value in the other.
#[test]
fn the_least_and_the_largest_sums() {
    let mut largest = Vec::new();
    for (seed, case) in [
        layers::dense(xonn_program::op::Planes::Sign),
        layers::dense(xonn_program::op::Planes::Odd { bits: 2 }),
    ]
    .map(|linear| Case::new(xonn_program::op::Linear { filters: 1, ..linear }, 1, 255))
    .iter()
    .enumerate()
    {
        // The largest weights, of either sign.
        let rng = &mut rng(seed as u64);
        let most = case.linear.weights.largest() as i32;
        let weights: Vec<i32> =
            (0..case.inputs()).map(|_| if rng.next_u32() & 1 == 1 { most } else { -most }).collect();
        let mut hosts = case.connect(weights.clone(), 9);
        let offsets = vec![0; case.inputs()];
        for negative in [true, false] {
            let t: Vec<u64> =
                weights.iter().map(|&weight| if (weight < 0) == negative { 255 } else { 0 }).collect();
            let outcome = hosts.predict(&t, &offsets, &|_| {});
            largest.extend(check("extremes", case, &weights, (&t, &offsets), outcome));
        }
    }
    assert_eq!(largest, [0, 13 * 255, 0, 13 * 3 * 255]);
}

#[test]
fn several_parts_with_several_runs_each() {
    let (case, rng) = (layers::large(), &mut rng(5));
    let weights = case.weights(rng);
    let mut hosts = case.connect(weights.clone(), 5);
    for _ in 0..2 {
        let t: Vec<u64> = (0..case.inputs()).map(|_| rng.random_range(0..=case.reads.span)).collect();
        let offsets = vec![-3; case.inputs()];
        let outcome = hosts.predict(&t, &offsets, &|_| {});
        // Several parts and the digest.
        assert!(outcome.sent.len() > 3, "{} messages", outcome.sent.len());
        check("large", &case, &weights, (&t, &offsets), outcome);
    }
}

/// Two threads and a connection in memory, as sessions run it: all predictions' first phase first.
#[test]
fn two_hosts_at_the_same_time() {
    let (_, case) = layers::all().swap_remove(9);
    let rng = &mut rng(6);
    let weights = case.weights(rng);
    let mut hosts = case.connect(weights.clone(), 6);
    let bits = case.reads.bits;
    let inputs: Vec<Vec<u64>> =
        (0..3).map(|_| (0..case.inputs()).map(|_| rng.random_range(0..=case.reads.span)).collect()).collect();
    let random =
        |_: &Vec<u64>| RingTensor::new(bits, (0..case.inputs()).map(|_| rng.next_u64()).collect()).unwrap();
    let masks: Vec<RingTensor> = inputs.iter().map(random).collect();
    let [mut to_client, mut to_server] = Memory::pair();
    let (server, client) = (&hosts.server, &hosts.client);
    let [server_kept, client_kept] = &mut hosts.kept;
    let (shares, servers) = thread::scope(|scope| {
        let servers = scope.spawn(|| {
            with_server(server_kept, &mut to_client, &mut crate::common::rng(1), |context| {
                let mut runs: Vec<_> = inputs.iter().map(|_| server.begin()).collect();
                for phase in Phase::ALL {
                    runs.iter_mut().for_each(|run| run.prepare(phase, context).unwrap());
                }
                let answer = |((run, t), mask): (
                    (Box<dyn xonn_protocols::protocol::ServerRun>, &Vec<u64>),
                    &RingTensor,
                )| {
                    let share = RingTensor::new(bits, t.clone()).unwrap().sub(mask).unwrap();
                    let read = ServerValue::Shares { share, offsets: vec![0; t.len()].into() };
                    run.run(context, &[&read]).unwrap()
                };
                runs.into_iter().zip(&inputs).zip(&masks).map(answer).collect::<Vec<_>>()
            })
        });
        let shares = with_client(client_kept, &mut to_server, &mut crate::common::rng(2), |context| {
            let ahead = |mask: &RingTensor| {
                let read = ClientValue::Shares(mask.clone());
                let left = client.begin().prepare(Phase::One, context, &[Some(&read)]).unwrap();
                left.unwrap().share().unwrap().clone()
            };
            masks.iter().map(ahead).collect::<Vec<_>>()
        });
        (shares, servers.join().unwrap())
    });
    for ((t, client), server) in inputs.iter().zip(shares).zip(servers) {
        let outcome = Outcome { server: Ok(server), client, sent: vec![] };
        check("threads", &case, &weights, (t, &vec![0; t.len()]), outcome);
    }
}

/// The same share twice gives corrections and sums that have nothing in common: fresh streams each time.
#[test]
fn no_prediction_repeats_another() {
    for linear in [layers::dense(xonn_program::op::Planes::Sign), layers::all().swap_remove(9).1.linear] {
        let case = Case::new(linear, 1, 255);
        let mut hosts = case.connect(case.weights(&mut rng(2)), 2);
        let zeros = RingTensor::new(case.reads.bits, vec![0; case.inputs()]).unwrap();
        let mut run = || hosts.client(ClientValue::Shares(zeros.clone())).unwrap();
        let ((first, sent), (second, again)) = (run(), run());
        let differing = |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>();
        let bits = 8 * sent[0].len() as u32;
        let (between, ones) = (differing(&sent[0], &again[0]), differing(&sent[0], &vec![0; sent[0].len()]));
        // Half of the bits, give or take six standard deviations.
        let spread = 6.0 * f64::from(bits).sqrt() / 2.0;
        for found in [between, ones] {
            assert!((f64::from(found) - f64::from(bits) / 2.0).abs() < spread, "{found} of {bits} bits");
        }
        assert_ne!(first.values(), second.values());
    }
}
