//! Both sides in memory: the program on shares gives what the original gives, and what is sent looks random.

mod cheating;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod steps;

use chacha20::ChaCha12Rng;
use rand::{Rng, SeedableRng};
use xonn_circuits::tiled::evaluate::evaluate;

use super::receiver::Receiver;
use super::sender::Sender;
use super::*;
use crate::bench::FirstLayerShape;
use xonn_crypto::ot;

const SESSION: SessionId = [3; 32];

/// The client and the server of a connection.
fn connect(oca: &Oca, secret: &[bool], rng: &mut ChaCha12Rng) -> (Sender, Receiver) {
    let (setup, request) = ot::SenderSetup::start(params(), SESSION, rng);
    let (mut receiver, reply) = ot::ReceiverSetup::reply(params(), SESSION, rng, &request).unwrap();
    let mut sender = setup.finish(&reply).unwrap();
    let (pending, extend) = receiver.extend(rng, &oca.choices(secret)).unwrap();
    let keys = sender.extend(oca.ots(), &extend).unwrap();
    (Sender::new(SESSION, keys), Receiver::new(SESSION, pending))
}

fn random_bits(rng: &mut ChaCha12Rng, count: usize) -> Vec<bool> {
    (0..count).map(|_| rng.next_u32() & 1 == 1).collect()
}

fn shapes() -> Vec<FirstLayerShape> {
    let dense = FirstLayerShape::dense(13, 8, 5);
    let conv = FirstLayerShape { positions: 40, filters: 3, taps: 4, padded: true, ..dense.clone() };
    vec![
        dense.clone(),
        FirstLayerShape { also_bits: true, ..dense.clone() },
        FirstLayerShape { also_bits: true, signed: true, ..conv.clone() },
        FirstLayerShape::dense(1, 1, 1),
        FirstLayerShape { signed: true, shifts: vec![0, 1, 2], ..dense.clone() },
        FirstLayerShape { shifts: vec![0, 0], width: 3, ..conv.clone() },
        FirstLayerShape { signed: true, shifts: vec![2, 0, 1], width: 11, ..conv.clone() },
        conv,
    ]
}

/// Corrections of one inference, and what both sides make of it.
fn infer(
    oca: &Oca,
    mut sending: sender::Sending<'_>,
    mut receiving: receiver::Receiving<'_>,
) -> (Vec<u8>, Vec<bool>, Vec<bool>) {
    let mut all = Vec::new();
    let mut lengths = oca.part_lengths();
    while let Some(part) = sending.part() {
        assert_eq!(Some(part.len()), lengths.next());
        receiving.part(&part).unwrap();
        all.extend(part);
    }
    let (digest, client) = sending.finish();
    let server = receiving.finish(&digest).unwrap();
    (all, client.to_vec(), server.to_vec())
}

/// A connection with a secret, and an input.
struct Case<'a> {
    oca: &'a Oca,
    sender: &'a mut Sender,
    receiver: &'a mut Receiver,
    secret: &'a [bool],
    input: &'a [bool],
    rng: &'a mut ChaCha12Rng,
}

/// Compares what `answer` makes of each case with the original program: several inferences on one extension.
fn compare(seed: u64, answer: impl Fn(Case<'_>) -> Vec<bool>) {
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    for shape in shapes() {
        let program = shape.program().unwrap();
        let oca = Oca::of(&program).expect("its sums are described");
        let mut answers = Vec::new();
        for _ in 0..8 {
            let secret = random_bits(&mut rng, program.secret_bits() as usize);
            let (mut sender, mut receiver) = connect(&oca, &secret, &mut rng);
            let inputs: Vec<_> = (0..4).map(|_| random_bits(&mut rng, program.input_bits())).collect();
            let wants = evaluate(&program, &secret, &inputs).unwrap();
            for (input, want) in inputs.iter().zip(&wants) {
                let (sender, receiver) = (&mut sender, &mut receiver);
                let case = Case { oca: &oca, sender, receiver, secret: &secret, input, rng: &mut rng };
                assert_eq!(answer(case), *want, "{shape:?}");
                answers.extend(want.iter().copied());
            }
        }
        assert!(answers.contains(&true) && answers.contains(&false), "one answer everywhere shows nothing");
    }
}

#[test]
fn the_program_on_shares_gives_what_the_original_gives() {
    compare(1, |Case { oca, sender, receiver, secret, input, .. }| {
        let (_, client, server) = infer(oca, sender.begin(oca, input), receiver.begin(oca, secret));
        evaluate(oca.program(), &server, &[client]).unwrap().remove(0)
    });
}

/// Shares of random numbers, to which the differences of the input are added later, for the program that takes the
/// server's shares as inputs.
#[test]
fn sums_shared_ahead_of_the_input_give_what_the_original_gives() {
    compare(4, |Case { oca, sender, receiver, secret, input, rng }| {
        let ahead = oca.program_ahead().expect("few shares");
        assert_eq!(ahead.secret_bits(), secret.len() as u64);
        let masks = ahead::Masks::random(oca, rng);
        let (_, client, server) = infer(oca, sender.begin_ahead(oca, &masks), receiver.begin(oca, secret));
        let mut server = server[secret.len()..].to_vec();
        let differences = masks.differences(oca, input);
        let short = &differences[1..];
        let refused = receiver.add_differences(oca, short, &mut server);
        let (found, expected) = (short.len(), differences.len());
        assert_eq!(refused, Err(OcaError::Differences { found, expected }));
        receiver.add_differences(oca, &differences, &mut server).unwrap();
        let behind: &[bool] = if oca.reads_input() { input } else { &[] };
        evaluate(ahead, secret, &[[&client[..], &server, behind].concat()]).unwrap().remove(0)
    });
}

/// A number has one difference, however many neurons or positions read it.
#[test]
fn differences_are_as_many_as_numbers() {
    let dense = Oca::of(&FirstLayerShape::dense(784, 8, 128).program().unwrap()).unwrap();
    assert_eq!(dense.difference_bytes(), 784 * 19 / 8);
    let conv = FirstLayerShape {
        positions: 40,
        filters: 3,
        taps: 4,
        padded: true,
        ..FirstLayerShape::dense(1, 8, 1)
    };
    let program = conv.program().unwrap();
    let oca = Oca::of(&program).unwrap();
    let bits = oca.sums.iter().map(|sum| sum.linear.bits as usize).max().unwrap();
    assert_eq!(oca.difference_bytes(), (program.input_bits() / 8 * bits).div_ceil(8));
}

/// OTs: a weight's signs. Bytes: for each sign at each position the bits of a sum but one and the sign's shift.
#[test]
fn ots_and_bytes_are_those_of_the_closed_form() {
    let dense = FirstLayerShape::dense(784, 8, 128).program().unwrap();
    let oca = Oca::of(&dense).unwrap();
    // 784 * 255 has 18 bits; the addend needs one more, and c u one less than that.
    assert_eq!((oca.ots(), oca.bytes()), (784 * 128, 784 * 128 * 18 / 8));
    assert_eq!((oca.program().input_bits(), oca.program().costs().total()), (128 * 19, 128 * 18));
    let conv = FirstLayerShape {
        width: 8,
        signed: false,
        shifts: vec![0, 1],
        taps: 9,
        positions: 100,
        filters: 4,
        padded: true,
        also_bits: false,
    };
    let oca = Oca::of(&conv.program().unwrap()).unwrap();
    // 9 * 3 * 255 and 8 * 3 * 255 have 13 bits: 13 of c u and 12 of 2 c u. The borders use the same signs.
    let group = |taps: u64, positions: u64| (taps * positions * (13 + 12)).div_ceil(8);
    assert_eq!((oca.ots(), oca.bytes()), (4 * 9 * 2, 4 * (group(9, 100) + 2 * group(8, 1))));
    assert_eq!(oca.program().input_bits(), 4 * 102 * 14);
    let signs_twice: usize = oca.sums.iter().map(|sum| sum.ots.len()).sum();
    assert_eq!(signs_twice, 4 * 2 * (9 + 8 + 8));
}

/// The same input twice gives corrections and shares that have nothing in common: fresh streams each time.
#[test]
fn no_inference_repeats_another() {
    let mut rng = ChaCha12Rng::seed_from_u64(2);
    for shape in [
        FirstLayerShape::dense(64, 8, 16),
        FirstLayerShape { positions: 50, ..FirstLayerShape::dense(9, 8, 4) },
    ] {
        let program = shape.program().unwrap();
        let oca = Oca::of(&program).unwrap();
        let secret = random_bits(&mut rng, program.secret_bits() as usize);
        let (mut sender, mut receiver) = connect(&oca, &secret, &mut rng);
        let input = vec![false; program.input_bits()];
        let mut run = || infer(&oca, sender.begin(&oca, &input), receiver.begin(&oca, &secret));
        let (first, second) = (run(), run());
        let differing = |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>();
        let bits = 8 * first.0.len() as u32;
        let (between, ones) = (differing(&first.0, &second.0), differing(&first.0, &vec![0; first.0.len()]));
        // Half of the bits, give or take six standard deviations.
        let spread = 6.0 * f64::from(bits).sqrt() / 2.0;
        for found in [between, ones] {
            assert!((f64::from(found) - f64::from(bits) / 2.0).abs() < spread, "{found} of {bits} bits");
        }
        assert_ne!(first.1, second.1);
    }
}

#[test]
fn damaged_missing_and_further_parts_are_refused() {
    let mut rng = ChaCha12Rng::seed_from_u64(3);
    let program = FirstLayerShape::dense(9, 4, 3).program().unwrap();
    let oca = Oca::of(&program).unwrap();
    let secret = random_bits(&mut rng, program.secret_bits() as usize);
    let (mut sender, mut receiver) = connect(&oca, &secret, &mut rng);
    let input = random_bits(&mut rng, program.input_bits());
    let mut sending = sender.begin(&oca, &input);
    let part = sending.part().unwrap();
    assert!(sending.part().is_none());
    let (digest, _) = sending.finish();
    // Each attempt is what the server makes of the same first inference.
    let mut attempt = |act: &dyn Fn(&mut receiver::Receiving<'_>) -> Result<(), OcaError>, digest: &[u8]| {
        receiver.inferences = 0;
        let mut receiving = receiver.begin(&oca, &secret);
        act(&mut receiving).and_then(|()| receiving.finish(digest).map(drop))
    };
    assert_eq!(attempt(&|r| r.part(&part), &digest), Ok(()));
    for byte in 0..part.len() {
        let mut damaged = part.clone();
        damaged[byte] ^= 1 << (byte % 8);
        assert_eq!(attempt(&|r| r.part(&damaged), &digest), Err(OcaError::Damaged), "byte {byte}");
    }
    assert_eq!(attempt(&|r| r.part(&part), &digest[..31]), Err(OcaError::Damaged));
    assert_eq!(attempt(&|_| Ok(()), &digest), Err(OcaError::Parts { found: 0, expected: 1 }));
    let twice = |r: &mut receiver::Receiving<'_>| r.part(&part).and_then(|()| r.part(&part));
    assert_eq!(attempt(&twice, &digest), Err(OcaError::Parts { found: 2, expected: 1 }));
    let short = OcaError::Length { part: 0, found: part.len() - 1, expected: part.len() };
    assert_eq!(attempt(&|r| r.part(&part[1..]), &digest), Err(short));
}

#[test]
fn programs_without_sums_or_with_too_many_have_no_form() {
    assert!(Oca::of(&xonn_circuits::tiled::sample::binary_layer(9, 1024)).is_none());
    // More messages than OTs of an extension.
    assert!(Oca::of(&FirstLayerShape::dense(1 << 13, 1, 1 << 12).program().unwrap()).is_none());
    let fits = FirstLayerShape { positions: 1 << 10, ..FirstLayerShape::dense(2, 1, 1 << 8) };
    assert!(Oca::of(&fits.program().unwrap()).is_some());
    // 2^24 share bits and more are more than an input has.
    let many = FirstLayerShape { positions: 1 << 15, ..fits };
    assert!(Oca::of(&many.program().unwrap()).is_none());
}

/// The same keys under two sessions' ids: what is sent of numbers that take more than a block differs, since
/// their streams have counters of their own.
#[test]
fn streams_of_other_sessions_have_counters_of_their_own() {
    let shape = FirstLayerShape { positions: 40, filters: 3, taps: 4, ..FirstLayerShape::dense(13, 8, 5) };
    let program = shape.program().unwrap();
    let oca = Oca::of(&program).expect("its sums are described");
    let sent = [[3; 32], [4; 32]].map(|session| {
        let mut rng = ChaCha12Rng::seed_from_u64(31);
        let (setup, request) = ot::SenderSetup::start(params(), SESSION, &mut rng);
        let (mut receiver, reply) = ot::ReceiverSetup::reply(params(), SESSION, &mut rng, &request).unwrap();
        let mut sender = setup.finish(&reply).unwrap();
        let secret = random_bits(&mut rng, program.secret_bits() as usize);
        let (_, extend) = receiver.extend(&mut rng, &oca.choices(&secret)).unwrap();
        let mut sender = Sender::new(session, sender.extend(oca.ots(), &extend).unwrap());
        sender.begin(&oca, &vec![false; program.input_bits()]).part().unwrap()
    });
    let equal = sent[0].iter().zip(&sent[1]).filter(|(a, b)| a == b).count();
    assert!(equal < sent[0].len() / 16, "{equal} of {} bytes", sent[0].len());
}
