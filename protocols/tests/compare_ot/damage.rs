//! Whatever a message says, a host goes on or returns an error: it never panics, and never checks what it
//! decrypted.

use core::cell::Cell;
use std::sync::Arc;

use rand::RngExt;
use xonn_crypto::block::Block;
use xonn_crypto::share::RingTensor;
use xonn_protocols::compare_ot::sign::{Client, Plan, Server};
use xonn_protocols::compare_ot::{narrow, wide};
use xonn_protocols::steps::StepError;
use xonn_protocols::steps::column::Column;
use xonn_protocols::steps::convert::Conversion;
use xonn_protocols::steps::rows::{ReceiverRows, SenderRows};
use xonn_protocols::steps::windows::Windows;

use crate::common::{self, Layer, Pools, Run, Tamper, numbers, random_column, rng};

/// A layer of 16 elements in windows of two, all fields of whole bytes: no bit of a message is padding.
fn layer(w: u32) -> (Windows, Layer) {
    let rng = &mut rng(u64::from(w));
    let windows = Windows::new(16, 2, (0..16).collect()).unwrap();
    let layer = Layer::share(&numbers(16, w + 1, rng), random_column(16, rng), [8, 8], rng);
    (windows, layer)
}

/// Flips each bit of each message: the result is a share of the right length, right or wrong, and no other
/// host sees a difference in lengths.
fn flip_every_bit(run: impl Fn(Tamper<'_>) -> Run) {
    let (right, sent) = run(&|_, _| {}).unwrap();
    let (mut changed, mut all) = (0, 0);
    for (number, message) in sent.iter().enumerate() {
        for bit in 0..8 * message.len() {
            let flip = |which: usize, message: &mut Vec<u8>| {
                if which == number {
                    message[bit / 8] ^= 1 << (bit % 8);
                }
            };
            let (share, others) = run(&flip).unwrap();
            assert_eq!((share.len(), share.bits()), (right.len(), right.bits()));
            assert!(others.iter().zip(&sent).all(|(a, b)| a.len() == b.len()));
            all += 1;
            changed += usize::from(share != right);
        }
    }
    // A flipped message does matter: half of the entries are the ones that are opened, or more.
    assert!(changed > all / 10, "{changed} of {all} flips changed the result");
}

/// Cuts, lengthens and fills each message.
fn replace_every_message(run: impl Fn(Tamper<'_>) -> Run) {
    let (_, sent) = run(&|_, _| {}).unwrap();
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
            let StepError::Length { expected, actual, .. } = run(&resize).unwrap_err() else {
                panic!("message {number} of {length} bytes: not an error of its length");
            };
            assert_eq!((expected, actual), (message.len(), length));
        }
        for fill in [0, 0xff, 0xa5] {
            let filled = run(&|which, message| {
                if which == number {
                    message.fill(fill);
                }
            });
            filled.unwrap();
        }
    }
}

fn each_way(test: impl Fn(&dyn Fn(Tamper<'_>) -> Run)) {
    for w in [3, 6, 9] {
        let (windows, layer) = layer(w);
        let rng = &mut rng(9);
        let plan = Plan::new(w, windows.clone(), 8).unwrap();
        let pools = Pools::of(&plan.cost(), rng);
        test(&|tamper| common::sign(&plan, &pools, &layer, tamper));
        let plan = Plan::new(w, windows.clone(), 8).unwrap().flipped().unwrap();
        let pools = Pools::of(&plan.cost(), rng);
        test(&|tamper| common::sign(&plan, &pools, &layer, tamper));
        let plan = narrow::Plan::new(w, windows.clone(), 8).unwrap();
        let pools = Pools::of(&plan.cost(), rng);
        test(&|tamper| common::narrow(&plan, &pools, &layer, tamper));
        let plan = wide::Plan::new(w, windows, 8).unwrap();
        let pools = Pools::of(&plan.cost(), rng);
        test(&|tamper| common::wide(&plan, &pools, &layer, tamper));
    }
}

#[test]
fn a_flipped_bit_gives_a_share() {
    each_way(|run| flip_every_bit(run));
}

#[test]
fn another_length_is_an_error_and_any_bytes_give_a_share() {
    each_way(|run| replace_every_message(run));
}

#[test]
fn bits_behind_a_field_are_an_error() {
    // 13 elements: each field of single bits ends in a byte with three bits to spare.
    let rng = &mut rng(3);
    let plan = Plan::new(9, Windows::single(13).unwrap(), 8).unwrap();
    let pools = Pools::of(&plan.cost(), rng);
    let layer = Layer::share(&numbers(13, 10, rng), Column::zeros(13), [13, 8], rng);
    let seen = Cell::new(0);
    for number in [0, 1, 2, 4] {
        let run = common::sign(&plan, &pools, &layer, &|which, message| {
            if which == number {
                message[1] |= 0x80;
            }
        });
        match run {
            Err(StepError::Bits { .. }) => seen.set(seen.get() + 1),
            // The third message begins with a field of 13 x 3 bits, of which byte 1 is no end.
            other => assert!(number == 2 && other.is_ok(), "message {number}: {other:?}"),
        }
    }
    assert_eq!(seen.get(), 3);
}

#[test]
fn rows_and_shares_that_do_not_belong_to_the_plan_are_errors() {
    let rng = &mut rng(4);
    let plan = Arc::new(Plan::new(9, Windows::single(16).unwrap(), 8).unwrap());
    let cost = plan.cost();
    let pools = Pools::of(&cost, rng);
    let what = |error: StepError| match error {
        StepError::Shape { what, .. } | StepError::Range { what, .. } => what,
        other => panic!("{other}"),
    };
    let few = |rows: &[Block]| rows[1..].to_vec();
    let keys = few(pools.masks.sender().keys());
    let refused = Client::start(&plan, pools.tweaks, SenderRows::new(&keys, pools.masks.delta()));
    assert_eq!(what(refused.unwrap_err()), "mask rows of a comparison");
    let keys = few(pools.masks.receiver().keys());
    let refused = Server::start(&plan, pools.tweaks, ReceiverRows::new(&keys));
    assert_eq!(what(refused.unwrap_err()), "mask rows of a comparison");

    let client = || Client::start(&plan, pools.tweaks, pools.masks.sender()).unwrap();
    let server = || {
        let server = Server::start(&plan, pools.tweaks, pools.masks.receiver()).unwrap();
        server.on_cross_terms(&client().0).unwrap()
    };
    let leaves = pools.leaves.receiver();
    let on_products = |y1: &RingTensor, leaves| client().1.on_products(&server().0, y1, leaves);
    let refused = |y1: RingTensor| what(on_products(&y1, leaves).unwrap_err());
    assert_eq!(refused(numbers(15, 10, rng)), "numbers to compare");
    assert_eq!(refused(numbers(16, 11, rng)), "bits of a share to compare");
    let y1 = numbers(16, 10, rng);
    let keys = few(leaves.keys());
    let error = on_products(&y1, ReceiverRows::new(&keys)).unwrap_err();
    assert_eq!(what(error), "leaf rows of a comparison");

    let ready = || {
        let (digits, client) = on_products(&y1, leaves).unwrap();
        (client, server().1.on_digits(&digits, pools.leaves.sender()).unwrap())
    };
    let on_share = |y0: RingTensor, flips: usize| ready().1.on_share(&y0, &Column::zeros(flips));
    assert_eq!(what(on_share(numbers(16, 9, rng), 16).unwrap_err()), "bits of a share to compare");
    assert_eq!(what(on_share(numbers(17, 10, rng), 16).unwrap_err()), "numbers to compare");
    assert_eq!(what(on_share(numbers(16, 10, rng), 15).unwrap_err()), "flips");
    let (tables, _) = on_share(numbers(16, 10, rng), 16).unwrap();
    let refused = |rho: RingTensor| what(ready().0.on_tables(&tables, &rho).unwrap_err());
    assert_eq!(refused(numbers(16, 9, rng)), "bits of the results' ring");
    assert_eq!(refused(numbers(15, 8, rng)), "shares of windows");

    let windows = Windows::new(5, 5, (0..5).collect()).unwrap();
    assert_eq!(what(Plan::new(9, windows.clone(), 8).unwrap_err()), "elements of a window");
    assert_eq!(what(narrow::Plan::new(9, windows, 8).unwrap_err()), "elements of a window");
    for ring in [0, 64] {
        let error = Plan::new(9, Windows::single(5).unwrap(), ring).unwrap_err();
        assert_eq!(what(error), "bits of a ring");
    }
    assert_eq!(what(Plan::new(28, Windows::single(5).unwrap(), 8).unwrap_err()), "bits to compare");
    assert_eq!(Conversion::of(&Windows::single(5).unwrap()).unwrap().fields(8).bytes(), 10);
}

#[test]
fn random_messages_of_the_right_length_give_shares() {
    let rng = &mut rng(5);
    for w in [2, 5, 8, 12] {
        let windows = Windows::new(16, 4, (0..16).collect()).unwrap();
        let plan = Plan::new(w, windows, 8).unwrap();
        let pools = Pools::of(&plan.cost(), rng);
        let layer = Layer::share(&numbers(16, w + 1, rng), random_column(16, rng), [4, 8], rng);
        for _ in 0..200 {
            let seed: u64 = rng.random();
            let run = common::sign(&plan, &pools, &layer, &|number, message| {
                common::rng(seed ^ number as u64).fill(&mut message[..]);
            });
            assert_eq!(run.unwrap().0.len(), 4);
        }
    }
}

#[test]
fn what_a_host_does_with_a_damaged_message_depends_on_no_secret() {
    // Each damage with three sets of secrets, padding included: the same error, or messages and shares of the
    // same lengths.
    let n = 13;
    let indices: Vec<u32> = (0..12).collect();
    for w in [3, 6, 9] {
        let windows = Windows::new(n, 2, indices.clone()).unwrap();
        let sign = Plan::new(w, windows.clone(), 7).unwrap();
        let narrow = narrow::Plan::new(w, windows.clone(), 7).unwrap();
        let wide = wide::Plan::new(w, windows, 7).unwrap();
        let run = |way: usize, secret: u64, tamper: Tamper<'_>| {
            let rng = &mut rng(secret);
            let layer = Layer::share(&numbers(n, w + 1, rng), random_column(n, rng), [6, 7], rng);
            let layer = Layer { behind: random_column(6, rng), ..layer };
            match way {
                0 => common::sign(&sign, &Pools::of(&sign.cost(), rng), &layer, tamper),
                1 => common::narrow(&narrow, &Pools::of(&narrow.cost(), rng), &layer, tamper),
                _ => common::wide(&wide, &Pools::of(&wide.cost(), rng), &layer, tamper),
            }
        };
        let mut errors = 0;
        for way in 0..3 {
            let (_, sent) = run(way, 0, &|_, _| {}).unwrap();
            for (number, message) in sent.iter().enumerate() {
                for bit in 0..8 * message.len() {
                    // The bit is 1 whatever it was, so that bits of padding are wrong for all secrets.
                    let set = |which: usize, message: &mut Vec<u8>| {
                        if which == number {
                            message[bit / 8] |= 1 << (bit % 8);
                        }
                    };
                    let [first, others @ ..] = [1, 2, 3].map(|secret| {
                        let run = run(way, secret, &set);
                        let lengths = |sent: Vec<Vec<u8>>| sent.iter().map(Vec::len).collect::<Vec<_>>();
                        match run {
                            Ok((share, sent)) => Ok((share.len(), lengths(sent))),
                            Err(StepError::Bits { what, .. }) => Err(what),
                            Err(other) => panic!("message {number}, bit {bit}: {other}"),
                        }
                    });
                    assert!(others.iter().all(|other| *other == first), "message {number}, bit {bit}");
                    errors += usize::from(first.is_err());
                }
            }
        }
        assert!(errors > 0, "no bit of padding");
    }
}
