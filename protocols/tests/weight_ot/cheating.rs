//! Clients that send other corrections than their numbers make: what it does to the sums, and what it tells
//! of weights.
//!
//! A correction that is e too large takes `2^place e` off its own sum where the sign is a minus. So a client
//! brings another number to each sign, and nothing stops it: `docs/protocols/weight_ot.md`.

use rand::{Rng, RngExt};
use xonn_program::op::{Linear, Planes};
use xonn_protocols::protocol::{Protocol, Trust};
use xonn_protocols::weight_ot::WeightOt;

use crate::common::{Case, Hosts, Outcome, rng};
use crate::layers;

/// Replaces the digest by that of what is sent, as a client that cheats can.
fn signed(hosts: &Hosts, mut parts: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    parts.push(hosts.digest(&parts));
    parts
}

/// A prediction whose corrections are changed, digest included, and the same one without a change.
fn pair(case: &Case, weights: &[i32], change: impl Fn(&mut [Vec<u8>])) -> [Outcome; 2] {
    let zeros = vec![0; case.inputs()];
    let honest = case.connect(weights.to_vec(), 3).predict(&zeros, &vec![0; case.inputs()], &|_| {});
    let mut hosts = case.connect(weights.to_vec(), 3);
    // The same seeds give the same corrections.
    let parts = honest.sent[..honest.sent.len() - 1].to_vec();
    hosts.predictions = 1;
    let mut changed = parts.clone();
    change(&mut changed);
    let messages = signed(&hosts, changed);
    hosts.predictions = 0;
    let cheated = hosts.predict(&zeros, &vec![0; case.inputs()], &move |sent| {
        assert_eq!(sent[..sent.len() - 1], parts);
        sent.clone_from(&messages);
    });
    [honest, cheated]
}

fn opened(outcome: &Outcome) -> Vec<u64> {
    let server = outcome.server.as_ref().expect("every correction is one that a client can have");
    server.shares().unwrap().0.add(&outcome.client).unwrap().values().to_vec()
}

/// Each neuron shows the sign of a weight of the client's choice: the top bit of its correction is changed,
/// so its sum changes by half of the ring where the weight is negative, and not at all where it is positive.
#[test]
fn each_neuron_shows_the_sign_of_one_weight() {
    let (inputs, neurons) = (13, 5);
    let case = Case::new(Linear::dense(inputs, neurons, Planes::Sign), 1, 255);
    let bits = case.bits as usize - 1;
    for seed in 0..4 {
        let weights = case.weights(&mut rng(seed));
        let asked = |neuron: usize| (neuron * 5 + seed as usize) % inputs;
        let [honest, cheated] = pair(&case, &weights, |parts| {
            for neuron in 0..neurons {
                let bit = 8 * (inputs * bits).div_ceil(8) * neuron + asked(neuron) * bits + bits - 1;
                parts[0][bit / 8] ^= 1 << (bit % 8);
            }
        });
        let (honest, cheated) = (opened(&honest), opened(&cheated));
        for neuron in 0..neurons {
            let half = 1 << (case.bits - 1);
            let negative = weights[neuron * inputs + asked(neuron)] < 0;
            assert_eq!(honest[neuron] ^ cheated[neuron], if negative { half } else { 0 }, "neuron {neuron}");
        }
    }
}

/// Adds `e` to the number in `bits` bits from bit `at` on, modulo the power of two.
fn add(part: &mut [u8], at: usize, bits: usize, e: u64) {
    let mut carry = false;
    for (k, bit) in (at..at + bits).enumerate() {
        let (a, b) = (part[bit / 8] >> (bit % 8) & 1 == 1, e >> k & 1 == 1);
        part[bit / 8] ^= u8::from(b ^ carry) << (bit % 8);
        carry = a & b | a & carry | b & carry;
    }
}

/// A correction that is e too large takes `2^place e` off its own sum where the sign is a minus. Nothing else
/// changes.
#[test]
fn a_wrong_correction_moves_its_sum_where_its_sign_is_a_minus_and_nothing_else() {
    for planes in [Planes::Sign, Planes::Odd { bits: 3 }] {
        let (inputs, neurons) = (13, 5);
        let case = Case::new(Linear::dense(inputs, neurons, planes), 1, 255);
        let (bits, rng) = (case.bits as usize, &mut rng(21));
        let weights = case.weights(rng);
        // Of each sign: its neuron, its place, where its correction is, what is added to it.
        let places: Vec<usize> = planes.shifts().into_iter().map(|shift| shift + 1).collect();
        let each: usize = places.iter().map(|place| bits - place).sum();
        let (mut changes, mut moved) = (Vec::new(), vec![0u64; neurons]);
        for (weight, &value) in weights.iter().enumerate() {
            let neuron = weight / inputs;
            let mut at = 8 * (inputs * each).div_ceil(8) * neuron + weight % inputs * each;
            for (&place, minus) in places.iter().zip(planes.negative(value)) {
                let e = if rng.random_range(0..3) == 0 { rng.next_u64() } else { 0 };
                changes.push((at, bits - place, e));
                moved[neuron] = moved[neuron].wrapping_add(if minus { e << place } else { 0 });
                at += bits - place;
            }
        }
        let [honest, cheated] = pair(&case, &weights, |parts| {
            changes.iter().for_each(|&(at, bits, e)| add(&mut parts[0], at, bits, e));
        });
        let expected: Vec<u64> = opened(&honest)
            .iter()
            .zip(&moved)
            .map(|(sum, moved)| sum.wrapping_sub(*moved) & ((1 << bits) - 1))
            .collect();
        assert_eq!(opened(&cheated), expected, "{planes:?}");
        assert!(moved.iter().any(|moved| moved & ((1 << bits) - 1) != 0), "a test of no minus shows nothing");
    }
}

/// Whether corrections are taken depends on their lengths and the digest, and on no weight: no failure tells
/// of one.
#[test]
fn no_corrections_are_refused_for_what_the_weights_are() {
    for (what, case) in layers::all() {
        for seed in 0..2 {
            let weights = case.weights(&mut rng(seed));
            let [_, cheated] = pair(&case, &weights, |parts| {
                parts.iter_mut().for_each(|part| rng(9).fill_bytes(part));
            });
            assert!(cheated.server.is_ok(), "{what}");
            let share = opened(&cheated);
            assert_eq!(share.len(), case.elements(), "{what}");
        }
    }
}

/// So it is for clients that follow the protocol, and says so.
#[test]
fn it_holds_against_clients_that_follow_the_protocol_only() {
    assert_eq!(WeightOt.holds(), Trust::SemiHonest);
}
