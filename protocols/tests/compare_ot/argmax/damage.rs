//! Whatever a message says, a host goes on or returns an error: it never panics, and never checks what it
//! decrypted.

use xonn_crypto::block::Block;
use xonn_protocols::compare_ot::argmax::{Client, MOST_CLASSES, Plan, Server};
use xonn_protocols::steps::StepError;
use xonn_protocols::steps::rows::{ReceiverRows, SenderRows};

use super::Stage;
use crate::common::{self, numbers, rng};

/// Counts and bits: one digit, two and three, pairs alone and with one left over.
const SHAPES: [(usize, u32); 6] = [(2, 3), (2, 12), (3, 5), (5, 9), (8, 4), (11, 12)];

/// Shares of any numbers, also such that are too far apart.
pub fn stages(seed: u64) -> Vec<Stage> {
    let rng = &mut rng(seed);
    let stage = |(count, bits)| Stage::of([(); 2].map(|()| numbers(count, bits, rng)), 0, seed);
    SHAPES.into_iter().map(stage).collect()
}

#[test]
fn a_flipped_bit_gives_an_index() {
    for stage in stages(1) {
        let pools = stage.pools(&mut rng(2));
        let (right, sent) = stage.run(&pools, &|_, _| {}).unwrap();
        let (mut changed, mut all) = (0, 0);
        for (number, message) in sent.iter().enumerate() {
            for bit in 0..8 * message.len() {
                let flip = |which: usize, message: &mut Vec<u8>| {
                    if which == number {
                        message[bit / 8] ^= 1 << (bit % 8);
                    }
                };
                match stage.run(&pools, &flip) {
                    Ok((index, others)) => {
                        assert_eq!(index.len(), right.len());
                        assert!(others.iter().zip(&sent).all(|(a, b)| a.len() == b.len()));
                        changed += usize::from(index != right);
                    }
                    Err(StepError::Bits { .. }) => {}
                    Err(other) => panic!("message {number}, bit {bit}: {other}"),
                }
                all += 1;
            }
        }
        assert!(changed > 0, "{:?}: none of {all} flips changed the index", stage.plan);
    }
}

#[test]
fn another_length_is_an_error_and_any_bytes_give_an_index() {
    for stage in stages(3) {
        let pools = stage.pools(&mut rng(4));
        let (right, sent) = stage.run(&pools, &|_, _| {}).unwrap();
        for (number, message) in sent.iter().enumerate() {
            for length in [0, 1, message.len().wrapping_sub(1), message.len() + 1, 2 * message.len() + 8] {
                if length == message.len() || length == usize::MAX {
                    continue;
                }
                let resize = |which: usize, message: &mut Vec<u8>| {
                    if which == number {
                        message.resize(length, 0x5a);
                    }
                };
                let StepError::Length { expected, actual, .. } = stage.run(&pools, &resize).unwrap_err()
                else {
                    panic!("message {number} of {length} bytes: not an error of its length");
                };
                assert_eq!((expected, actual), (message.len(), length), "message {number}");
            }
            for seed in 0..20 {
                let filled = stage.run(&pools, &|which, message| {
                    if which == number {
                        match seed {
                            0 => message.fill(0),
                            1 => message.fill(0xff),
                            _ => rand::RngExt::fill(&mut common::rng(seed), &mut message[..]),
                        }
                    }
                });
                match filled {
                    Ok((index, _)) => assert_eq!(index.len(), right.len()),
                    Err(error) => assert!(matches!(error, StepError::Bits { .. }), "{error}"),
                }
            }
        }
    }
}

#[test]
fn what_a_host_does_with_a_damaged_message_depends_on_no_secret() {
    // Each bit set, with three sets of secrets, padding included: the same error, or the same lengths.
    let all = [5, 6, 7].map(stages);
    let mut errors = 0;
    for shape in 0..SHAPES.len() {
        let stages = all.each_ref().map(|stages| &stages[shape]);
        let (_, sent) = stages[0].run(&stages[0].pools(&mut rng(8)), &|_, _| {}).unwrap();
        for (number, message) in sent.iter().enumerate() {
            for bit in 0..8 * message.len() {
                let set = |which: usize, message: &mut Vec<u8>| {
                    if which == number {
                        message[bit / 8] |= 1 << (bit % 8);
                    }
                };
                let [first, others @ ..] =
                    stages.map(|stage| match stage.run(&stage.pools(&mut rng(10 + stage.seed)), &set) {
                        Ok((_, sent)) => Ok(sent.iter().map(Vec::len).collect::<Vec<_>>()),
                        Err(StepError::Bits { what, .. }) => Err(what),
                        Err(other) => panic!("{:?}, message {number}, bit {bit}: {other}", stage.plan),
                    });
                assert!(others.iter().all(|other| *other == first), "message {number}, bit {bit}");
                errors += usize::from(first.is_err());
            }
        }
    }
    assert!(errors > 0, "no bit of padding");
}

/// What an error names.
fn what(error: StepError) -> &'static str {
    match error {
        StepError::Shape { what, .. } | StepError::Range { what, .. } => what,
        other => panic!("{other}"),
    }
}

#[test]
fn rows_and_shares_that_do_not_belong_to_the_plan_are_errors() {
    for stage in stages(11) {
        let pools = stage.pools(&mut rng(12));
        let (plan, tweaks) = (&stage.plan, pools.tweaks);
        let few = |rows: &[Block]| rows[1..].to_vec();
        let (masks, keys) = (pools.masks.sender(), few(pools.masks.sender().keys()));
        let refused = Client::start(plan, tweaks, SenderRows::new(&keys, masks.delta()));
        assert_eq!(what(refused.unwrap_err()), "mask rows of an argmax");
        let keys = few(pools.masks.receiver().keys());
        let refused = Server::start(plan, tweaks, ReceiverRows::new(&keys));
        assert_eq!(what(refused.unwrap_err()), "mask rows of an argmax");

        let server = || Server::start(plan, tweaks, pools.masks.receiver()).unwrap();
        let client = || Client::start(plan, tweaks, masks).unwrap();
        let (products, _) = server().on_cross_terms(&client().0).unwrap();
        let digits = |y1: &_, rows| client().1.on_products(&products, y1, rows, &mut rng(1));
        let (rows, sender) = (pools.leaves.receiver(), pools.leaves.sender());
        let keys = few(rows.keys());
        let refused = digits(&stage.y1, ReceiverRows::new(&keys));
        assert_eq!(what(refused.unwrap_err()), "leaf rows of an argmax");
        let waits = || server().on_cross_terms(&client().0).unwrap().1;
        let (message, _) = digits(&stage.y1, rows).unwrap();
        let keys = few(sender.keys());
        let refused = waits().on_digits(&message, SenderRows::new(&keys, sender.delta()));
        assert_eq!(what(refused.unwrap_err()), "leaf rows of an argmax");

        let (count, bits) = (plan.classes(), plan.bits());
        for (count, bits, error) in
            [(count + 1, bits, "numbers of an argmax"), (count, bits + 1, "bits of numbers")]
        {
            let other = numbers(count, bits, &mut rng(3));
            assert_eq!(what(digits(&other, rows).unwrap_err()), error);
            let ready = waits().on_digits(&message, sender).unwrap();
            assert_eq!(what(ready.on_share(&other).unwrap_err()), error);
        }
    }
}

#[test]
fn plans_that_cannot_be_are_refused() {
    for (classes, bits, fraction, error) in [
        (0, 8, 0, "numbers of an argmax"),
        (1, 8, 0, "numbers of an argmax"),
        (MOST_CLASSES + 1, 8, 0, "numbers of an argmax"),
        (usize::MAX, 8, 0, "numbers of an argmax"),
        (2, 1, 0, "bits of numbers"),
        (2, 29, 0, "bits of numbers"),
        (2, 8, 7, "bits of fraction"),
        (2, 8, u32::MAX, "bits of fraction"),
    ] {
        assert_eq!(what(Plan::new(classes, bits, fraction).unwrap_err()), error);
    }
}
