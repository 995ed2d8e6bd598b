//! Clients that send other corrections than their numbers give: what it does to the sums, and what it tells of the weights.
//!
//! With the numbers of `oca.rs`, a sum is `K + sum over signs of c A` modulo `2^bits` for a client that cheats, `K` and all `A`
//! being its choice, each `A` an odd multiple of `2^shift`. `docs/protocol.md` says the same.

use super::*;
use crate::oca::packing::{Packer, Unpacker, mask};
use crate::oca::sums::{Group, Sum};

/// A first inference of an honest client, for a server to take or for a test to change.
struct Sent {
    parts: Vec<Vec<u8>>,
    shares: Vec<bool>,
}

/// A connection that has not yet served.
struct Pair<'a> {
    oca: &'a Oca,
    secret: Vec<bool>,
    receiver: Receiver,
}

impl<'a> Pair<'a> {
    /// A server of `secret`, and what an honest client sends it.
    fn new(oca: &'a Oca, secret: Vec<bool>, input: &[bool], rng: &mut ChaCha12Rng) -> (Self, Sent) {
        let (mut sender, receiver) = connect(oca, &secret, rng);
        let mut sending = sender.begin(oca, input);
        let parts = std::iter::from_fn(|| sending.part()).collect();
        let (_, shares) = sending.finish();
        (Self { oca, secret, receiver }, Sent { parts, shares: shares.to_vec() })
    }

    /// What the server makes of these corrections in its first inference: the digest is theirs, as a client can have it.
    fn take(&mut self, parts: &[Vec<u8>]) -> Result<Vec<bool>, OcaError> {
        self.receiver.inferences = 0;
        let mut digest = digest_of(&SESSION, 0);
        let mut receiving = self.receiver.begin(self.oca, &self.secret);
        for part in parts {
            sha2::Digest::update(&mut digest, part);
            receiving.part(part)?;
        }
        Ok(receiving.finish(&sha2::Digest::finalize(digest))?.to_vec())
    }

    /// The sums of a group as the shares in `bits` have them, behind `before` other bits.
    fn shares(&self, group: &Group, bits: &[bool], before: usize) -> Vec<u64> {
        let sum = &self.oca.sums[group.sum];
        let width = sum.linear.bits as usize;
        let share = |position: &u64| {
            let at = before + sum.first_bit + (group.instance + position) as usize * width;
            bits[at..at + width].iter().rev().fold(0, |share, &bit| share << 1 | u64::from(bit))
        };
        sum.positions.iter().map(share).collect()
    }

    /// Whether sign number `weight` of a group is a minus.
    fn sign(&self, group: &Group, weight: usize) -> bool {
        let sum = &self.oca.sums[group.sum];
        self.oca.choices(&self.secret)[sum.ots_of(group.number)[weight] as usize]
    }
}

/// Corrections with `add(group, weight, position)` added to each.
fn changed(oca: &Oca, parts: &[Vec<u8>], mut add: impl FnMut(&Group, usize, usize) -> u64) -> Vec<Vec<u8>> {
    let mut number = 0..;
    let change = |part: &Vec<u8>| {
        let (mut bytes, mut rest) = (Vec::new(), &part[..]);
        for group in oca.part(number.next().unwrap()).unwrap() {
            let sum = &oca.sums[group.sum];
            let (corrections, others) = rest.split_at(group.bytes);
            let (mut reader, mut packer) = (Unpacker::new(corrections), Packer::default());
            for weight in 0..sum.weights() {
                let bits = sum.message_bits(shift(sum, weight));
                for position in 0..sum.positions.len() {
                    packer.push(
                        reader.next(bits).wrapping_add(add(group, weight, position)) & mask(bits),
                        bits,
                    );
                }
            }
            bytes.extend(packer.finish());
            rest = others;
        }
        bytes
    };
    parts.iter().map(change).collect()
}

fn shift(sum: &Sum, weight: usize) -> u32 {
    sum.linear.shifts[weight % sum.linear.shifts.len()]
}

/// A correction that is `e` too large takes `2^(shift + 1) e` off its own sum where the sign is a minus. Nothing else changes.
#[test]
fn a_wrong_correction_moves_its_sum_where_its_sign_is_a_minus_and_nothing_else() {
    let mut rng = ChaCha12Rng::seed_from_u64(11);
    for shape in shapes() {
        let program = shape.program().unwrap();
        let oca = Oca::of(&program).unwrap();
        let secret = random_bits(&mut rng, program.secret_bits() as usize);
        let input = random_bits(&mut rng, program.input_bits());
        let (mut pair, sent) = Pair::new(&oca, secret, &input, &mut rng);
        let honest = pair.take(&sent.parts).unwrap();
        let original = pair.secret.len();
        let mut expected: Vec<Vec<u64>> = Vec::new();
        for group in &oca.groups {
            expected.push(pair.shares(group, &honest, original));
        }
        let mut moved = 0;
        let wrong = changed(&oca, &sent.parts, |group, weight, position| {
            let e = if rng.next_u32() % 3 == 0 { rng.next_u64() } else { 0 };
            let sum = &oca.sums[group.sum];
            if pair.sign(group, weight) && e != 0 {
                let at = oca.groups.iter().position(|other| other.first_message == group.first_message);
                let share = &mut expected[at.unwrap()][position];
                *share = share.wrapping_sub(e << (shift(sum, weight) + 1)) & mask(sum.linear.bits);
                moved += 1;
            }
            e
        });
        let taken = pair.take(&wrong).unwrap();
        assert_eq!(taken[..original], honest[..original], "the server's own bits");
        for (group, expected) in oca.groups.iter().zip(&expected) {
            assert_eq!(pair.shares(group, &taken, original), *expected, "{shape:?}");
        }
        assert!(moved > 0 || shape.taps == 1, "a test of no minus shows nothing");
    }
}

/// Whether corrections are taken depends on their length and digest alone: there is no failure that tells of a weight.
#[test]
fn no_corrections_are_refused_for_what_the_weights_are() {
    let mut rng = ChaCha12Rng::seed_from_u64(12);
    for shape in shapes() {
        let program = shape.program().unwrap();
        let oca = Oca::of(&program).unwrap();
        let input = random_bits(&mut rng, program.input_bits());
        for _ in 0..6 {
            let secret = random_bits(&mut rng, program.secret_bits() as usize);
            let (mut pair, mut sent) = Pair::new(&oca, secret, &input, &mut rng);
            sent.parts.iter_mut().for_each(|part| rng.fill_bytes(part));
            let server = pair.take(&sent.parts).expect("every byte string of the right length is valid");
            let shares = random_bits(&mut rng, sent.shares.len());
            let outputs = evaluate(oca.program(), &server, &[shares]).unwrap();
            assert_eq!(outputs[0].len(), program.output_bits());
        }
    }
}

/// What garbling rules out: each neuron shows another weight, one a neuron and inference, where its output can be seen.
///
/// All `A` are 1 but that of the weight in question, which is `2^(bits - 1) + 1` and so turns the sum's top bit round.
#[test]
fn a_client_that_cheats_sees_a_weight_of_its_choice_in_each_neuron() {
    const WEIGHTS: usize = 13;
    let (shape, neurons) = (FirstLayerShape::dense(WEIGHTS as u32, 8, 5), 5);
    let program = shape.program().unwrap();
    let oca = Oca::of(&program).unwrap();
    let linear = &oca.sums[0].linear;
    let (bits, largest, numbers) = (linear.bits, linear.largest(), vec![false; program.input_bits()]);
    let mut rng = ChaCha12Rng::seed_from_u64(13);
    let mut secret = random_bits(&mut rng, program.secret_bits() as usize);
    for neuron in 0..neurons {
        // Behind the signs, each neuron's addend and flip. An addend below 2^(bits - 2) leaves the top bit to the client.
        secret[WEIGHTS * neurons + neuron * bits as usize + bits as usize - 2] = false;
    }
    // All numbers of the honest corrections are 0, so that what is added is the number itself: A = M - 2 u.
    let (mut pair, sent) = Pair::new(&oca, secret, &numbers, &mut rng);
    let signs: Vec<Vec<bool>> = oca
        .groups
        .iter()
        .map(|group| (0..WEIGHTS).map(|weight| pair.sign(group, weight)).collect())
        .collect();
    let mut answer = |coefficient: &dyn Fn(&Group, usize) -> u64| {
        let parts = changed(&oca, &sent.parts, |group, weight, _| {
            let twice = largest.wrapping_sub(coefficient(group, weight));
            assert_eq!(twice % 2, 0, "only odd coefficients can be had");
            twice / 2
        });
        let server = pair.take(&parts).unwrap();
        evaluate(oca.program(), &server, std::slice::from_ref(&sent.shares)).unwrap().remove(0)
    };
    let flips = answer(&|_, _| 1);
    for probe in 0..WEIGHTS {
        let asked = |neuron: usize| (probe + 3 * neuron) % WEIGHTS;
        let seen = answer(&|group, weight| {
            if weight == asked(group.number) { (1 << (bits - 1)) + 1 } else { 1 }
        });
        for neuron in 0..neurons {
            assert_eq!(seen[neuron] ^ flips[neuron], signs[neuron][asked(neuron)], "{probe} of {neuron}");
        }
    }
    assert!(signs.concat().contains(&true) && signs.concat().contains(&false));
}
