//! Both roles in memory: right labels, damaged messages, recorded bytes.

use chacha20::ChaCha12Rng;
use rand::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

use super::msgs::{BaseReply, BaseRequest, Correlate, Extend};
use super::*;
use crate::block::Block;
use crate::label::{Delta, Label};

const SESSION: SessionId = [9; 32];
const FIELD_BITS: [usize; 4] = [1, 2, 4, 8];

fn set_up(params: Params, rng: &mut ChaCha12Rng) -> (Sender, Receiver) {
    let (setup, request) = SenderSetup::start(params, SESSION, rng);
    let (receiver, reply) = ReceiverSetup::reply(params, SESSION, rng, &request).unwrap();
    (setup.finish(&reply).unwrap(), receiver)
}

fn random_bits(rng: &mut ChaCha12Rng, count: usize) -> Vec<bool> {
    (0..count).map(|_| rng.next_u32() & 1 == 1).collect()
}

#[test]
fn the_client_gets_the_labels_of_its_choices() {
    for k in FIELD_BITS {
        let (mut rng, params) = (ChaCha12Rng::seed_from_u64(1), Params::new(k).unwrap());
        let (mut sender, mut receiver) = set_up(params, &mut rng);
        let mut seen = std::collections::HashSet::new();
        // One connection, a new delta each time.
        for count in [0, 1, 127, 128, 129, 6272, 1, 300] {
            let choices = random_bits(&mut rng, count);
            let delta = Delta::random(&mut rng);
            let (pending, extend) = receiver.extend(&mut rng, &choices).unwrap();
            let extend = extend.encode();
            assert_eq!(extend.len(), Extend::byte_len(params, count));
            let keys = sender.extend(count, &Extend::decode(params, count, &extend).unwrap()).unwrap();
            assert_eq!(keys.count(), count);
            let (zeros, correlate) = keys.correlate(&delta);
            let correlate = correlate.encode();
            assert_eq!(correlate.len(), Correlate::byte_len(count));
            let labels = pending.correlate(&Correlate::decode(count, &correlate).unwrap()).unwrap();
            assert_eq!((labels.len(), zeros.len()), (count, count));
            for (j, ((&label, &zero), &choice)) in labels.iter().zip(&zeros).zip(&choices).enumerate() {
                assert_eq!(label, zero.label(choice, &delta), "k = {k}, OT {j} of {count}");
                assert!(seen.insert(zero.block().to_bytes()), "k = {k}: label {j} of {count} repeats");
            }
        }
    }
}

/// One delta for the connection, which is the sender's secret: nothing is sent for labels, and they are never
/// twice the same.
#[test]
fn the_client_gets_labels_of_the_extensions_own_delta() {
    for k in FIELD_BITS {
        let (mut rng, params) = (ChaCha12Rng::seed_from_u64(6), Params::new(k).unwrap().with_shared_delta());
        let (mut sender, mut receiver) = set_up(params, &mut rng);
        let (mut seen, mut deltas) = (std::collections::HashSet::new(), Vec::new());
        for count in [0, 1, 128, 129, 2000, 300] {
            let choices = random_bits(&mut rng, count);
            let (pending, extend) = receiver.extend(&mut rng, &choices).unwrap();
            let (delta, zeros) = sender.extend(count, &extend).unwrap().into_labels();
            let labels = pending.into_labels();
            assert_eq!((labels.len(), zeros.len()), (count, count));
            for (j, ((&label, &zero), &choice)) in labels.iter().zip(&zeros).zip(&choices).enumerate() {
                assert_eq!(label, zero.label(choice, &delta), "k = {k}, OT {j} of {count}");
                assert!(seen.insert(zero.block().to_bytes()), "k = {k}: label {j} of {count} repeats");
            }
            deltas.push(*delta.block());
        }
        assert!(deltas[0].lsb() && deltas.iter().all(|&delta| delta == deltas[0]), "k = {k}");
        let (mut sender, mut receiver) = set_up(params, &mut rng);
        let (_, extend) = receiver.extend(&mut rng, &[true]).unwrap();
        let (other, _) = sender.extend(1, &extend).unwrap().into_labels();
        assert!(*other.block() != deltas[0], "k = {k}: another connection has another delta");
    }
}

/// Wrong corrections are refused before there are labels, and there are none afterwards.
#[test]
fn there_are_no_labels_of_the_extensions_delta_without_a_check() {
    let params = Params::default().with_shared_delta();
    let mut rng = ChaCha12Rng::seed_from_u64(7);
    let (mut sender, mut receiver) = set_up(params, &mut rng);
    let (_, extend) = receiver.extend(&mut rng, &[true; 200]).unwrap();
    let mut bytes = extend.encode();
    bytes[5] ^= 1;
    let wrong = Extend::decode(params, 200, &bytes).unwrap();
    assert_eq!(sender.extend(200, &wrong).err(), Some(OtError::ExtensionCheck));
    assert_eq!(sender.extend(200, &extend).err(), Some(OtError::Refused));
}

#[test]
#[should_panic(expected = "is not the delta of labels")]
fn a_secret_that_was_not_drawn_for_it_is_no_delta() {
    let mut rng = ChaCha12Rng::seed_from_u64(8);
    let (mut sender, mut receiver) = set_up(Params::default(), &mut rng);
    let (_, extend) = receiver.extend(&mut rng, &[true; 3]).unwrap();
    let _ = sender.extend(3, &extend).unwrap().into_labels();
}

#[test]
fn all_zeros_and_all_ones_are_choices_too() {
    let delta = Delta::from_block(Block::from(3));
    for choice in [false, true] {
        let mut rng = ChaCha12Rng::seed_from_u64(2);
        let (mut sender, mut receiver) = set_up(Params::default(), &mut rng);
        let (pending, extend) = receiver.extend(&mut rng, &[choice; 200]).unwrap();
        let (zeros, correlate) = sender.extend(200, &extend).unwrap().correlate(&delta);
        let expected: Vec<Label> = zeros.into_iter().map(|zero| zero.label(choice, &delta)).collect();
        assert_eq!(pending.correlate(&correlate).unwrap(), expected);
    }
}

#[test]
fn messages_round_trip_and_their_lengths_are_the_formulas() {
    for k in FIELD_BITS {
        let (mut rng, params) = (ChaCha12Rng::seed_from_u64(3), Params::new(k).unwrap());
        let (_, request) = SenderSetup::start(params, SESSION, &mut rng);
        let bytes = request.encode();
        assert_eq!(bytes.len(), 8192);
        assert_eq!(BaseRequest::decode(params, &bytes).unwrap(), request);
        let (mut receiver, reply) = ReceiverSetup::reply(params, SESSION, &mut rng, &request).unwrap();
        let bytes = reply.encode();
        assert_eq!(bytes.len(), 8224 + 4096 / k);
        assert_eq!(BaseReply::decode(params, &bytes).unwrap(), reply);
        for count in [0, 1, 128, 129] {
            let (_, extend) = receiver.extend(&mut rng, &vec![true; count]).unwrap();
            let bytes = extend.encode();
            assert_eq!(bytes.len(), 48 + 2048 / k * (1 + count.div_ceil(128)));
            assert_eq!(Extend::decode(params, count, &bytes).unwrap(), extend);
        }
    }
}

#[test]
fn every_other_length_is_refused() {
    let params = Params::default();
    let wrong = |expected: usize| [0, 1, expected - 1, expected + 1, 2 * expected];
    for length in wrong(BaseRequest::byte_len(params)) {
        let error = BaseRequest::decode(params, &vec![0; length]).unwrap_err();
        assert_eq!(error, OtError::Length { message: "base request", found: length, expected: 8192 });
    }
    for length in wrong(BaseReply::byte_len(params)) {
        let error = BaseReply::decode(params, &vec![0; length]).unwrap_err();
        assert_eq!(error, OtError::Length { message: "base reply", found: length, expected: 9248 });
    }
    for length in wrong(Extend::byte_len(params, 129)) {
        let error = Extend::decode(params, 129, &vec![0; length]).unwrap_err();
        assert_eq!(error, OtError::Length { message: "extension", found: length, expected: 1584 });
    }
    for length in wrong(Correlate::byte_len(3)) {
        let error = Correlate::decode(3, &vec![0; length]).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "peer misbehaved in oblivious transfer: correlation message of {length} bytes, expected 48"
            )
        );
    }
}

#[test]
fn a_message_for_another_number_of_ots_is_refused_and_the_sender_is_over() {
    let mut rng = ChaCha12Rng::seed_from_u64(4);
    let (mut sender, mut receiver) = set_up(Params::default(), &mut rng);
    let (pending, extend) = receiver.extend(&mut rng, &[true; 128]).unwrap();
    assert!(matches!(sender.clone().extend(129, &extend), Err(OtError::Shape { message: "extension", .. })));
    // 127 take as many blocks as 128 but another challenge.
    assert!(matches!(sender.clone().extend(127, &extend), Err(OtError::ExtensionCheck)));
    let too_many = MAX_COUNT + 1;
    let refused = OtError::TooMany { found: too_many, limit: MAX_COUNT };
    assert_eq!(sender.extend(too_many, &extend).unwrap_err(), refused);
    assert_eq!(sender.extend(128, &extend).unwrap_err(), OtError::Refused);
    assert_eq!(receiver.extend(&mut rng, &vec![false; too_many]).unwrap_err(), refused);
    let short = Correlate::decode(127, &[0; 127 * 16]).unwrap();
    assert!(matches!(pending.correlate(&short), Err(OtError::Shape { message: "correlation", .. })));
}

#[test]
fn a_damaged_extension_is_caught_wherever_the_damage_is() {
    for k in [4, 8] {
        let (mut rng, params) = (ChaCha12Rng::seed_from_u64(5), Params::new(k).unwrap());
        let (sender, mut receiver) = set_up(params, &mut rng);
        let choices = random_bits(&mut rng, 5);
        let (_, extend) = receiver.extend(&mut rng, &choices).unwrap();
        let bytes = extend.encode();
        assert!(sender.clone().extend(5, &extend).is_ok());
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (at % 8);
            let mut sender = sender.clone();
            let damaged = Extend::decode(params, 5, &damaged).unwrap();
            assert_eq!(
                sender.extend(5, &damaged).unwrap_err(),
                OtError::ExtensionCheck,
                "k = {k}, byte {at}"
            );
            assert_eq!(sender.extend(5, &extend).unwrap_err(), OtError::Refused, "k = {k}, byte {at}");
        }
    }
}

#[test]
fn a_replayed_or_reordered_extension_is_caught() {
    let mut rng = ChaCha12Rng::seed_from_u64(6);
    let (mut sender, mut receiver) = set_up(Params::default(), &mut rng);
    let (_, first) = receiver.extend(&mut rng, &[true; 10]).unwrap();
    let (_, second) = receiver.extend(&mut rng, &[true; 10]).unwrap();
    assert_eq!(sender.clone().extend(10, &second).unwrap_err(), OtError::ExtensionCheck);
    sender.extend(10, &first).unwrap();
    assert!(sender.clone().extend(10, &second).is_ok());
    assert_eq!(sender.extend(10, &first).unwrap_err(), OtError::ExtensionCheck);
}

/// Damage in the base messages: an error when decoding, from the seed trees' check, or from the first
/// extension, whose challenge takes in all of both messages.
#[test]
fn damaged_base_messages_never_end_in_labels() {
    let params = Params::new(8).unwrap();
    let mut rng = ChaCha12Rng::seed_from_u64(7);
    let mut caught = [0; 3];
    for trial in 0..96 {
        let (setup, request) = SenderSetup::start(params, SESSION, &mut rng);
        let mut bytes = request.encode();
        if trial % 3 == 0 {
            let at = trial * bytes.len() / 96;
            bytes[at] ^= 1 << (trial / 3 % 8);
        }
        let Ok(request) = BaseRequest::decode(params, &bytes) else {
            caught[0] += 1;
            continue;
        };
        let (mut receiver, reply) = ReceiverSetup::reply(params, SESSION, &mut rng, &request).unwrap();
        let mut bytes = reply.encode();
        if trial % 3 != 0 {
            let at = trial * bytes.len() / 96;
            bytes[at] ^= 1 << (trial / 3 % 8);
        }
        let Ok(reply) = BaseReply::decode(params, &bytes) else {
            caught[0] += 1;
            continue;
        };
        let Ok(mut sender) = setup.finish(&reply) else {
            caught[1] += 1;
            continue;
        };
        let (_, extend) = receiver.extend(&mut rng, &[true]).unwrap();
        assert_eq!(sender.extend(1, &extend).unwrap_err(), OtError::ExtensionCheck, "trial {trial}");
        caught[2] += 1;
    }
    assert!(caught.iter().all(|&times| times > 0), "each net catches something: {caught:?}");
}

#[test]
fn other_sessions_and_parameters_do_not_fit() {
    let mut rng = ChaCha12Rng::seed_from_u64(8);
    let params = Params::new(4).unwrap();
    let (setup, request) = SenderSetup::start(params, SESSION, &mut rng);
    let (_, reply) = ReceiverSetup::reply(params, [8; 32], &mut rng, &request).unwrap();
    assert_eq!(setup.finish(&reply).unwrap_err(), OtError::TreeCheck);
    let (setup, request) = SenderSetup::start(params, SESSION, &mut rng);
    let (_, reply) = ReceiverSetup::reply(Params::new(8).unwrap(), SESSION, &mut rng, &request).unwrap();
    let shape = OtError::Shape { message: "base reply", unit: "trees", found: 16, expected: 32 };
    assert_eq!(setup.finish(&reply).unwrap_err(), shape);
}

/// Nothing binds the server to its last message: a bit changed in it changes that bit of the label of a 1, no
/// other.
#[test]
fn a_damaged_correlation_reaches_only_the_labels_it_is_for() {
    let mut rng = ChaCha12Rng::seed_from_u64(10);
    let (mut sender, mut receiver) = set_up(Params::default(), &mut rng);
    for choice in [false, true] {
        let (pending, extend) = receiver.extend(&mut rng, &[choice; 2]).unwrap();
        let delta = Delta::random(&mut rng);
        let (zeros, correlate) = sender.extend(2, &extend).unwrap().correlate(&delta);
        let mut bytes = correlate.encode();
        bytes[16] ^= 1;
        let labels = pending.correlate(&Correlate::decode(2, &bytes).unwrap()).unwrap();
        assert_eq!(labels[0], zeros[0].label(choice, &delta));
        let damage = Label::from_block(Block::from(1).masked(choice));
        assert_eq!(labels[1], zeros[1].label(choice, &delta) ^ damage);
    }
}

#[test]
fn nothing_secret_is_printed() {
    let mut rng = ChaCha12Rng::seed_from_u64(11);
    let (setup, _) = SenderSetup::start(Params::default(), SESSION, &mut rng);
    let params = "Params { field_bits: 4, shared_delta: false }";
    assert_eq!(format!("{setup:?}"), format!("SenderSetup {{ params: {params}, .. }}"));
    let (mut sender, mut receiver) = set_up(Params::default(), &mut rng);
    assert_eq!(format!("{sender:?}"), format!("Sender {{ params: {params}, refused: false, .. }}"));
    assert_eq!(format!("{receiver:?}"), format!("Receiver {{ params: {params}, .. }}"));
    let (pending, extend) = receiver.extend(&mut rng, &[true; 3]).unwrap();
    assert_eq!(format!("{pending:?}"), "PendingReceiver { count: 3, .. }");
    assert_eq!(format!("{:?}", sender.extend(3, &extend).unwrap()), "SenderKeys { count: 3, .. }");
}

/// SHA-256 of all messages of a connection with two extensions, from a fixed seed: the wire format, recorded.
#[test]
fn the_bytes_on_the_wire_are_those_recorded() {
    let recorded = [
        "faa21e5e289430e876975558d610c1657c2fb19117baeee7999437091baeae4d",
        "7308a2b1eba5caec56a77544e28f4061715a8ca204f4e8478ea2e58ea9d6ff26",
        "0473ac053163837237177fe83816802fd0c00afa918b66d1c59a42ecc2c54b95",
        "f794bb8a96d867f0e06b558b6182f5bd9f18a3dac2de4fab1f74c9104db49ec4",
    ];
    for (k, recorded) in FIELD_BITS.into_iter().zip(recorded) {
        let (mut rng, params) = (ChaCha12Rng::seed_from_u64(12), Params::new(k).unwrap());
        let mut digest = Sha256::new();
        let (setup, request) = SenderSetup::start(params, SESSION, &mut rng);
        digest.update(request.encode());
        let (mut receiver, reply) = ReceiverSetup::reply(params, SESSION, &mut rng, &request).unwrap();
        digest.update(reply.encode());
        let mut sender = setup.finish(&reply).unwrap();
        for count in [129, 7] {
            let (_, extend) =
                receiver.extend(&mut rng, &random_bits(&mut ChaCha12Rng::seed_from_u64(1), count)).unwrap();
            digest.update(extend.encode());
            let (zeros, correlate) =
                sender.extend(count, &extend).unwrap().correlate(&Delta::from_block(Block::ZERO));
            digest.update(correlate.encode());
            zeros.iter().for_each(|zero| digest.update(zero.block().to_bytes()));
        }
        let hex: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, recorded, "k = {k}");
    }
}

/// Streams: the receiver has the block of its choice, the other one is another, and neither comes twice.
#[test]
fn streams_give_the_receiver_the_blocks_of_its_choices() {
    let (mut rng, params) = (ChaCha12Rng::seed_from_u64(12), Params::new(8).unwrap());
    let (mut sender, mut receiver) = set_up(params, &mut rng);
    let choices = random_bits(&mut rng, 200);
    let (pending, extend) = receiver.extend(&mut rng, &choices).unwrap();
    let (ours, theirs) = (sender.extend(200, &extend).unwrap().into_streams(), pending.into_streams());
    let mut seen = std::collections::HashSet::new();
    // Any OTs in any order, some twice: the tweaks are what differs.
    for (of, tweak) in [(vec![5, 199, 0, 5], 7), (vec![5; 9], 11), ((0..200).collect(), 1 << 40)] {
        let (mut pairs, mut blocks) = (vec![[Block::ZERO; 2]; of.len()], vec![Block::ZERO; of.len()]);
        ours.blocks(&of, tweak, &mut pairs);
        theirs.blocks(&of, tweak, &mut blocks);
        for ((&ot, pair), block) in of.iter().zip(&pairs).zip(blocks) {
            let choice = choices[ot as usize];
            assert_eq!((theirs.choice(ot), block), (choice, pair[usize::from(choice)]));
            assert!(pair.iter().all(|&block| seen.insert(u128::from(block))));
        }
    }
}
