//! Both roles of a pool in memory: right rows, bytes as the closed form says, messages damaged, recorded
//! bytes.

use chacha20::ChaCha12Rng;
use rand::SeedableRng;
use sha2::{Digest, Sha256};

use super::*;
use crate::ot::{Params, ReceiverSetup, SenderSetup, Set};

fn set_up(supply: Supply, seed: u64) -> (PoolSender, PoolReceiver, ChaCha12Rng) {
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    let (setup, request) = SenderSetup::start(PoolSender::PARAMS, [7; 32], &mut rng);
    let (receiver, reply) = ReceiverSetup::reply(PoolSender::PARAMS, [7; 32], &mut rng, &request).unwrap();
    let sender = PoolSender::new(setup.finish(&reply).unwrap(), supply).unwrap();
    (sender, PoolReceiver::new(receiver, supply).unwrap(), rng)
}

/// Brings an extension to its end; `damage` may change each message, by its number. Returns the messages.
fn run(
    (sender, receiver): (&mut PoolSender, &mut PoolReceiver),
    rng: &mut ChaCha12Rng,
    count: usize,
    damage: impl Fn(usize, &mut Vec<u8>),
) -> Result<(Vec<Vec<u8>>, Traffic), OtError> {
    sender.extend(count)?;
    receiver.extend(count)?;
    let (mut messages, mut traffic) = (Vec::new(), Traffic::default());
    loop {
        match (sender.step(rng)?, receiver.step(rng)?) {
            (Step::Done, Step::Done) => return Ok((messages, traffic)),
            (Step::Send(mut message), Step::Receive(length)) => {
                assert_eq!(message.len(), length);
                traffic.to_receiver += length;
                damage(messages.len(), &mut message);
                receiver.receive(&message)?;
                messages.push(message);
            }
            (Step::Receive(length), Step::Send(mut message)) => {
                assert_eq!(message.len(), length);
                traffic.to_sender += length;
                damage(messages.len(), &mut message);
                sender.receive(&message)?;
                messages.push(message);
            }
            other => panic!("both hosts are at {other:?}"),
        }
        traffic.messages = messages.len();
    }
}

/// Reserves rows at both and checks each.
fn reserve(sender: &mut PoolSender, receiver: &mut PoolReceiver, count: usize) -> (SenderRows, ReceiverRows) {
    let (keys, rows) = (sender.reserve(count).unwrap(), receiver.reserve(count).unwrap());
    assert_eq!((keys.len(), rows.len()), (count, count));
    assert_eq!(keys.numbers(), rows.numbers());
    let delta = sender.delta().unwrap();
    for (i, (&key, &row)) in keys.iter().zip(rows.iter()).enumerate() {
        assert!(!key.lsb() && row == key ^ delta.masked(rows.choice(i)), "row {i} of {count}");
    }
    (keys, rows)
}

#[test]
fn soft_spoken_rows_are_correlated_and_random() {
    for k in [1, 2, 4, 8] {
        let mut rng = ChaCha12Rng::seed_from_u64(k as u64);
        let params = Params::new(k).unwrap().with_shared_delta();
        let (setup, request) = SenderSetup::start(params, [7; 32], &mut rng);
        let (receiver, reply) = ReceiverSetup::reply(params, [7; 32], &mut rng, &request).unwrap();
        let mut sender = PoolSender::new(setup.finish(&reply).unwrap(), Supply::SoftSpoken).unwrap();
        let mut receiver = PoolReceiver::new(receiver, Supply::SoftSpoken).unwrap();
        assert!(sender.delta().unwrap().lsb());
        let (mut first, mut ones) = (0, 0);
        for (wanted, count) in [(0, 0), (1, 1), (3000, 1000), (2000, 2000), (5000, 5000)] {
            run((&mut sender, &mut receiver), &mut rng, wanted, |_, _| {}).unwrap();
            assert_eq!((sender.ready(), receiver.ready()), (wanted, wanted));
            let (keys, rows) = reserve(&mut sender, &mut receiver, count);
            assert_eq!(keys.numbers(), first..first + count as u64);
            first += count as u64;
            ones += (0..count).filter(|&i| rows.choice(i)).count();
        }
        assert!((3700..4300).contains(&ones), "{ones} of 8,001 choices are 1");
    }
}

/// Soft-spoken rows, a first silent round, a larger one on its rows; rows handed out in odd pieces; all of
/// them right, none twice, the bytes those of the formula.
#[test]
fn many_rows_are_silent() {
    let supply = Supply::Cheapest { largest: Set::B11 };
    let (mut sender, mut receiver, mut rng) = set_up(supply, 1);
    let (messages, traffic) = run((&mut sender, &mut receiver), &mut rng, 2_000_000, |_, _| {}).unwrap();
    assert_eq!(traffic, cost(PoolSender::PARAMS, supply, 2_000_000));
    let lengths: Vec<usize> = messages.iter().map(Vec::len).collect();
    assert_eq!(lengths, [148_784, 136_000, 16, 32, 205_920, 16, 32]);
    assert_eq!(sender.ready(), 870_400 - 144_070 + 2_396_160 - 144_070);
    let mut seen = std::collections::HashSet::new();
    for count in [1, 1000, 777_777, 0, 900_000, 321_222] {
        let (keys, _) = reserve(&mut sender, &mut receiver, count);
        assert!(keys.iter().step_by(100).all(|key| seen.insert(key.to_bytes())));
    }
    assert_eq!((sender.ready(), receiver.ready()), (978_420, 978_420));
    // The next ones are there from rows that were kept.
    run((&mut sender, &mut receiver), &mut rng, 1_100_000, |_, _| {}).unwrap();
    reserve(&mut sender, &mut receiver, 1_100_000);
}

#[test]
#[ignore = "some seconds"]
fn the_largest_sets_follow_a_small_one() {
    for (largest, count) in [(Set::B12, 6_000_000), (Set::B13, 12_000_000)] {
        let supply = Supply::Cheapest { largest };
        let (mut sender, mut receiver, mut rng) = set_up(supply, 2);
        let (messages, traffic) = run((&mut sender, &mut receiver), &mut rng, count, |_, _| {}).unwrap();
        assert_eq!(traffic, cost(PoolSender::PARAMS, supply, count));
        assert_eq!(messages[4].len(), largest.corrections_len());
        for _ in 0..12 {
            reserve(&mut sender, &mut receiver, count / 12);
        }
    }
}

/// A changed bit in any message: an error, or all rows are right, and after an error there is nothing left to
/// ask.
#[test]
fn damaged_messages_give_errors_or_right_rows() {
    for (message, at) in
        [(0, 0), (0, 70_000), (0, 148_740), (0, 148_783), (1, 0), (1, 99_999), (2, 3), (3, 31)]
    {
        let (mut sender, mut receiver, mut rng) = set_up(Supply::default(), 3);
        let result = run((&mut sender, &mut receiver), &mut rng, 200_000, |number, bytes| {
            if number == message {
                bytes[at] ^= 0x10;
            }
        });
        let expected = if message == 0 { OtError::ExtensionCheck } else { OtError::SilentCheck };
        assert_eq!(result.err(), Some(expected.clone()), "byte {at} of message {message}");
        if expected == OtError::ExtensionCheck {
            assert_eq!(sender.delta().err(), Some(OtError::Refused));
            assert_eq!(sender.reserve(0).err(), Some(OtError::Refused));
            assert_eq!(sender.step(&mut rng).err(), Some(OtError::Refused));
        } else {
            assert_eq!(receiver.reserve(0).err(), Some(OtError::Refused));
            assert_eq!(receiver.extend(0).err(), Some(OtError::Refused));
            assert_eq!(receiver.receive(&[]).err(), Some(OtError::Refused));
        }
    }
}

#[test]
fn wrong_lengths_are_errors() {
    for message in 0..4 {
        for longer in [false, true] {
            let (mut sender, mut receiver, mut rng) = set_up(Supply::default(), 4);
            let result = run((&mut sender, &mut receiver), &mut rng, 200_000, |number, bytes| {
                if number == message {
                    bytes.resize(if longer { bytes.len() + 1 } else { bytes.len() - 1 }, 0);
                }
            });
            assert!(matches!(result, Err(OtError::Length { .. })), "message {message}: {result:?}");
        }
    }
}

#[test]
fn what_is_called_out_of_turn_is_refused() {
    let (mut sender, mut receiver, mut rng) = set_up(Supply::SoftSpoken, 5);
    assert_eq!(sender.reserve(1).err(), Some(OtError::TooFew { wanted: 1, ready: 0 }));
    assert!(matches!(sender.extend(usize::MAX), Err(OtError::TooMany { .. })));
    sender.extend(10).unwrap();
    assert_eq!(sender.extend(10).err(), Some(OtError::Unfinished));
    assert!(matches!(sender.step(&mut rng), Ok(Step::Receive(560))));
    assert!(matches!(sender.step(&mut rng), Ok(Step::Receive(560))), "it is asked for until it is there");
    assert_eq!(sender.reserve(0).err(), Some(OtError::Unfinished));
    assert_eq!(receiver.receive(&[1; 3]).err(), Some(OtError::Unexpected { found: 3 }));
    assert_eq!(receiver.step(&mut rng).err(), Some(OtError::Refused));
}

#[test]
fn a_secret_that_was_not_drawn_for_it_makes_no_pool() {
    let mut rng = ChaCha12Rng::seed_from_u64(6);
    let (setup, request) = SenderSetup::start(Params::default(), [7; 32], &mut rng);
    let (receiver, reply) = ReceiverSetup::reply(Params::default(), [7; 32], &mut rng, &request).unwrap();
    assert_eq!(
        PoolSender::new(setup.finish(&reply).unwrap(), Supply::SoftSpoken).err(),
        Some(OtError::NoDelta)
    );
    assert_eq!(PoolReceiver::new(receiver, Supply::SoftSpoken).err(), Some(OtError::NoDelta));
}

/// The bytes of a whole run for fixed seeds: a change of them is a change of the protocol.
#[test]
fn messages_and_rows_are_those_recorded() {
    let (mut sender, mut receiver, mut rng) = set_up(Supply::default(), 7);
    let (mut messages, mut rows) = (Sha256::new(), Sha256::new());
    for count in [1000, 200_000, 900_000] {
        let (said, _) = run((&mut sender, &mut receiver), &mut rng, count, |_, _| {}).unwrap();
        said.iter().for_each(|message| messages.update(message));
        let (keys, own) = reserve(&mut sender, &mut receiver, count);
        rows.update(Block::as_bytes(&keys));
        rows.update(Block::as_bytes(&own));
    }
    let hex =
        |hash: Sha256| hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let recorded = ["e02f5cc973f32506427ec1d5e23c0e8f", "9295efcdae2456917acdf575dd23c8f3"];
    assert_eq!([hex(messages), hex(rows)], recorded);
}

#[test]
fn nothing_secret_is_printed() {
    let (mut sender, mut receiver, mut rng) = set_up(Supply::SoftSpoken, 8);
    run((&mut sender, &mut receiver), &mut rng, 5, |_, _| {}).unwrap();
    let (keys, rows) = reserve(&mut sender, &mut receiver, 5);
    assert_eq!(
        format!("{sender:?} {receiver:?}"),
        "PoolSender { ready: 0, refused: false, .. } PoolReceiver { ready: 0, refused: false, .. }"
    );
    assert_eq!(
        format!("{keys:?} {rows:?}"),
        "SenderRows { numbers: 0..5, .. } ReceiverRows { numbers: 0..5, .. }"
    );
}
