//! No branch depends on weights, shares or keys: the instructions that run are the same whatever they are.
//!
//! Each instruction is a trap, so what takes minutes is run when asked for:
//!
//!     cargo test --release -p xonn-protocols --test rlwe steps -- --include-ignored
//!
//! Addresses are not looked at.

#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

#[path = "../../../crypto/src/block/steps.rs"]
mod single;

use std::cell::RefCell;

use rand::RngExt;
use single::{assert_same_steps, most_runs};
use xonn_program::Tensor;
use xonn_program::op::{Linear, Pad, Planes};
use xonn_protocols::plan::{How, Stage};
use xonn_protocols::protocol::{ClientRun, Phase, Protocol as _, ServerRun};
use xonn_protocols::rlwe::Rlwe;
use xonn_protocols::value::{ClientValue, ServerValue};

use crate::common::{Conv, Ends, Reads, Sides, found, program, rng, share, tensors, weight};

/// Runs a test on one thread, the one that is looked at.
fn alone(test: impl FnOnce()) {
    let _pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().unwrap();
    test();
}

/// Layers whose sums are 16 bits, 32 bits and of a window with padding, strides and groups.
fn layers() -> [(&'static str, Linear, Reads); 3] {
    let conv = Conv([5, 4, 4], [3, 2], [1, 2], [1; 2], [1; 2], [5, 2], 4, 2);
    [
        ("dense", Linear::dense(40, 6, Planes::Ternary), Reads::Bits),
        ("dense of numbers", Linear::dense(20, 4, Planes::Odd { bits: 4 }), Reads::Numbers(8, 1, -128)),
        ("convolution", conv.linear(Planes::Sign, Pad::Bit(false)), Reads::Bits),
    ]
}

/// Weights: the least, the largest, by turns, random.
fn weights(linear: &Linear) -> Vec<Vec<i32>> {
    let (count, most) = (linear.weight_count(), linear.weights.largest() as i32);
    let rng = &mut rng(51);
    vec![
        vec![-most; count],
        vec![most; count],
        (0..count).map(|i| if i % 2 == 0 { most } else { -most }).collect(),
        (0..count).map(|_| weight(linear.weights, rng)).collect(),
    ]
}

/// A model, inputs and shares of them; all random numbers are drawn alike.
struct Secret {
    tensors: Vec<Tensor>,
    read: (ServerValue, ClientValue),
}

fn secrets(linear: &Linear, reads: Reads, stage: &Stage) -> Vec<Secret> {
    let How::Rlwe(choice) = stage.how else { panic!() };
    let ring = reads.ring(choice.bits + 3);
    let inputs: usize = linear.window.input.iter().product();
    let each = |(seed, weights)| {
        let rng = &mut rng(52 + seed);
        let t: Vec<u64> = (0..inputs)
            .map(|_| match seed {
                0 => 0,
                1 => ring.span,
                _ => rng.random_range(0..=ring.span),
            })
            .collect();
        let read = share(ring, &t, &vec![reads.offset(); inputs], rng);
        Secret { tensors: tensors(linear, reads, weights), read }
    };
    (0u64..).zip(weights(linear)).map(each).collect()
}

/// What a server does once the input is there.
#[test]
fn sums_of_the_input_run_the_same_steps() {
    alone(|| {
        for (name, linear, reads) in layers() {
            let program = program(linear, reads);
            let stage = found(&linear, &program, reads);
            let secrets = secrets(&linear, reads, &stage);
            // A server that has run is spent.
            let runs = most_runs(secrets.len());
            let secrets: Vec<_> = secrets
                .into_iter()
                .map(|secret| {
                    let sides = Sides::new(&stage, &program, &secret.tensors).unwrap();
                    let mut ends = Ends::new(53);
                    let mut run = || -> Box<dyn ServerRun> {
                        let (mut server, mut client) = (sides.server.begin(), sides.client.begin());
                        let read = &[Some(&secret.read.1)];
                        ends.at_client(|context| client.prepare(Phase::One, context, read)).unwrap();
                        for phase in [Phase::One, Phase::Two] {
                            ends.at_server(|context| server.prepare(phase, context)).unwrap();
                        }
                        ends.at_client(|context| client.prepare(Phase::Two, context, read)).unwrap();
                        server
                    };
                    let ready: Vec<_> = (0..runs).map(|_| run()).collect();
                    RefCell::new((ready, ends, secret.read.0))
                })
                .collect();
            assert_same_steps(&format!("the server's sums, {name}"), &secrets, |secret| {
                let (ready, ends, read) = &mut *secret.borrow_mut();
                let server = ready.pop().unwrap();
                ends.at_server(|context| server.run(context, &[read])).unwrap()
            });
        }
    });
}

/// The first of the layers, and its two most different secrets: each instruction is slow.
fn small() -> (xonn_program::Program, Stage, Vec<Secret>) {
    let [(_, linear, reads), ..] = layers();
    let program = program(linear, reads);
    let stage = found(&linear, &program, reads);
    let mut secrets = secrets(&linear, reads, &stage);
    (program, stage, secrets.split_off(2))
}

/// A model is made ready for its clients.
#[test]
#[ignore = "minutes"]
fn loading_weights_runs_the_same_steps() {
    alone(|| {
        let (program, stage, secrets) = small();
        assert_same_steps("loading", &secrets, |secret| {
            Rlwe.server(&stage, &program, &secret.tensors).unwrap()
        });
    });
}

/// Both hosts ahead of the input: other weights and shares, and the same random numbers.
#[test]
#[ignore = "minutes"]
fn messages_ahead_run_the_same_steps() {
    alone(|| {
        let (program, stage, secrets) = small();
        let secrets: Vec<_> = secrets
            .into_iter()
            .map(|secret| {
                let sides = Sides::new(&stage, &program, &secret.tensors).unwrap();
                RefCell::new((Ends::new(54), sides, secret.read.1))
            })
            .collect();
        assert_same_steps("ahead", &secrets, |secret| {
            let (ends, sides, read) = &mut *secret.borrow_mut();
            // The same random numbers each time.
            (ends.server.2, ends.client.2) = (rng(55), rng(56));
            let mut server: Box<dyn ServerRun> = sides.server.begin();
            let mut client: Box<dyn ClientRun> = sides.client.begin();
            let read = &[Some(&*read)];
            ends.at_client(|context| client.prepare(Phase::One, context, read)).unwrap();
            for phase in [Phase::One, Phase::Two] {
                ends.at_server(|context| server.prepare(phase, context)).unwrap();
            }
            ends.at_client(|context| client.prepare(Phase::Two, context, read)).unwrap()
        });
    });
}
