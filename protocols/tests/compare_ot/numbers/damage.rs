//! Whatever a message says, a host goes on or returns an error: it never panics, and never checks what it
//! decrypted.

use std::sync::Arc;

use rand::RngExt;
use xonn_crypto::block::Block;
use xonn_crypto::share::RingTensor;
use xonn_protocols::compare_ot::numbers::{AwaitTables, Client, Curve, End, Function, Plan, Server, Shape};
use xonn_protocols::steps::StepError;
use xonn_protocols::steps::rows::{ReceiverRows, SenderRows};
use xonn_protocols::steps::windows::Windows;

use super::{Stage, alone, lines};
use crate::common::{self, Pools, numbers, rng};

/// Stages of all functions, of so many elements, windows of 3 of them.
pub fn shapes(n: usize) -> Vec<Shape> {
    let windows = || Windows::new(n, 3, (0..3 * n as u32).map(|i| i * 7 % n as u32).collect()).unwrap();
    let pool = |to, function| Shape { largest: Some(windows()), ..alone(n, [6, to], function) };
    vec![
        alone(n, [9, 16], Function::Same),
        alone(n, [9, 16], Function::Relu),
        alone(n, [5, 5], Function::Relu),
        alone(n, [9, 16], Function::LeakyRelu { slope: 5, bits: 4, drop: 3 }),
        alone(n, [9, 16], Function::Clamp { lo: -3, hi: 40 }),
        alone(n, [6, 8], Function::Square { drop: 3 }),
        alone(n, [5, 8], Function::Product { second: 6, drop: 1 }),
        alone(n, [6, 8], Function::Curve(lines(8, 2, [2, 2, 3]))),
        alone(n, [6, 8], Function::Curve(lines(2, 2, [2, 2, 3]))),
        pool(6, Function::Same),
        pool(8, Function::Relu),
        Shape { sums: Some(windows()), ..alone(n, [6, 8], Function::Relu) },
    ]
}

/// A stage with shares of any numbers, also such that do not fit.
pub fn stage(shape: &Shape, seed: u64) -> Stage {
    let rng = &mut rng(seed);
    let random: [Vec<_>; 2] =
        [0, 1].map(|_| shape.reads().into_iter().map(|bits| numbers(shape.elements, bits, rng)).collect());
    Stage::of(shape.clone(), random, rng)
}

#[test]
fn a_flipped_bit_gives_a_share() {
    for shape in shapes(16) {
        let stage = stage(&shape, 1);
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
                let (share, others) = stage.run(&pools, &flip).unwrap();
                assert_eq!((share.len(), share.bits()), (right.len(), right.bits()));
                assert!(others.iter().zip(&sent).all(|(a, b)| a.len() == b.len()));
                all += 1;
                changed += usize::from(share != right);
            }
        }
        // A flipped message does matter: of tables and messages some entries are opened.
        assert!(changed > all / 10, "{shape:?}: {changed} of {all} flips changed the result");
    }
}

#[test]
fn another_length_is_an_error_and_any_bytes_give_a_share() {
    for shape in shapes(16) {
        let stage = stage(&shape, 3);
        let pools = stage.pools(&mut rng(4));
        let (_, sent) = stage.run(&pools, &|_, _| {}).unwrap();
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
                assert_eq!((expected, actual), (message.len(), length), "{shape:?}, message {number}");
            }
            for seed in 0..20 {
                let filled = stage.run(&pools, &|which, message| {
                    if which == number {
                        match seed {
                            0 => message.fill(0),
                            1 => message.fill(0xff),
                            _ => common::rng(seed).fill(&mut message[..]),
                        }
                    }
                });
                assert_eq!(filled.unwrap().0.len(), stage.plan.results());
            }
        }
    }
}

#[test]
fn what_a_host_does_with_a_damaged_message_depends_on_no_secret() {
    // Each bit set, with three sets of secrets, padding included: the same error, or the same lengths.
    let mut errors = 0;
    for shape in shapes(13) {
        let stages = [5, 6, 7].map(|seed| (stage(&shape, seed), seed));
        let (_, sent) = stages[0].0.run(&stages[0].0.pools(&mut rng(8)), &|_, _| {}).unwrap();
        for (number, message) in sent.iter().enumerate() {
            for bit in 0..8 * message.len() {
                let set = |which: usize, message: &mut Vec<u8>| {
                    if which == number {
                        message[bit / 8] |= 1 << (bit % 8);
                    }
                };
                let [first, others @ ..] = stages.each_ref().map(|(stage, seed)| {
                    match stage.run(&stage.pools(&mut rng(10 + seed)), &set) {
                        Ok((share, sent)) => Ok((share.len(), sent.iter().map(Vec::len).collect::<Vec<_>>())),
                        Err(StepError::Bits { what, .. }) => Err(what),
                        Err(other) => panic!("{shape:?}, message {number}, bit {bit}: {other}"),
                    }
                });
                assert!(others.iter().all(|other| *other == first), "{shape:?}, message {number}, bit {bit}");
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
    for shape in shapes(16) {
        let stage = stage(&shape, 11);
        let pools = stage.pools(&mut rng(12));
        let (plan, tweaks) = (&stage.plan, pools.tweaks);
        let few = |rows: &[Block]| rows[rows.len().min(1)..].to_vec();
        let masks = pools.masks.sender();
        if !masks.keys().is_empty() {
            let keys = few(masks.keys());
            let refused = Client::start(plan, tweaks, SenderRows::new(&keys, masks.delta()));
            assert_eq!(what(refused.unwrap_err()), "mask rows of numbers");
            let keys = few(pools.masks.receiver().keys());
            let refused = Server::start(plan, tweaks, ReceiverRows::new(&keys));
            assert_eq!(what(refused.unwrap_err()), "mask rows of numbers");
        }
        let sender = pools.leaves.sender();
        let server = || Server::start(plan, tweaks, pools.masks.receiver()).unwrap();
        let cross = || Client::start(plan, tweaks, masks).unwrap().0;
        let rows = pools.leaves.receiver();
        if !rows.keys().is_empty() {
            let keys = few(rows.keys());
            let refused = digits(&stage, &pools, &stage.y1, &stage.rho, ReceiverRows::new(&keys));
            assert_eq!(what(refused.unwrap_err()), "leaf rows of numbers");
            let keys = few(sender.keys());
            let rows = SenderRows::new(&keys, sender.delta());
            let refused = server().on_cross_terms(&cross(), rows, &mut rng(1));
            assert_eq!(what(refused.unwrap_err()), "leaf rows of numbers");
        }
        let refused =
            |reads: &[RingTensor], rho: &_| what(digits(&stage, &pools, reads, rho, rows).unwrap_err());
        assert_eq!(refused(&stage.y1[1..], &stage.rho), "shares that are read");
        let other = |count, bits| numbers(count, bits, &mut rng(3));
        let with = |first| [vec![first], stage.y1[1..].to_vec()].concat();
        let (few, wide) = (with(other(15, shape.from)), with(other(16, shape.from + 1)));
        assert_eq!(refused(&few, &stage.rho), "numbers that are read");
        assert_eq!(refused(&wide, &stage.rho), "bits of numbers that are read");
        let results = stage.plan.results();
        assert_eq!(refused(&stage.y1, &other(results + 1, shape.to)), "shares of results");
        assert_eq!(refused(&stage.y1, &other(results, shape.to + 1)), "bits of the results' ring");
        let (digits, _) = digits(&stage, &pools, &stage.y1, &stage.rho, rows).unwrap();
        let refused = |reads: &[RingTensor]| {
            let server = server().on_cross_terms(&cross(), sender, &mut rng(1)).unwrap().1;
            let ready = server.on_digits(&digits, sender).unwrap();
            what(ready.on_share(&reads.iter().collect::<Vec<_>>()).unwrap_err())
        };
        assert_eq!(refused(&few), "numbers that are read");
        assert_eq!(refused(&wide), "bits of numbers that are read");
    }
}

/// C's third message.
fn digits(
    stage: &Stage,
    pools: &Pools,
    reads: &[RingTensor],
    rho: &RingTensor,
    rows: ReceiverRows<'_>,
) -> Result<(Vec<u8>, AwaitTables), StepError> {
    let (plan, tweaks) = (&stage.plan, pools.tweaks);
    let (cross, client) = Client::start(plan, tweaks, pools.masks.sender()).unwrap();
    let server = Server::start(plan, tweaks, pools.masks.receiver()).unwrap();
    let (products, _) = server.on_cross_terms(&cross, pools.leaves.sender(), &mut rng(1)).unwrap();
    client.on_products(&products, &reads.iter().collect::<Vec<_>>(), rho, rows, &mut rng(2))
}

#[test]
fn shapes_that_cannot_be_are_refused() {
    let refused = |shape| what(Plan::new(shape).unwrap_err());
    let one = |rings, function| refused(alone(8, rings, function));
    let leak = |slope, bits, drop| Function::LeakyRelu { slope, bits, drop };
    let product = |second, drop| Function::Product { second, drop };
    let curve = |pieces, numbers| Function::Curve(lines(pieces, 3, numbers));
    let long = Function::Curve(lines(32, 5, [2, 2, 2]));
    let end = End { base: 0, slope: 1, drop: 41 };
    let steep = Curve { lines: vec![[0, i64::MIN]; 32], ..(*lines(32, 3, [2, 2, 2])).clone() };
    let ends =
        |end| Function::Curve(Arc::new(Curve { ends: [end; 2], ..(*lines(32, 3, [2, 2, 2])).clone() }));
    for (rings, function, expected) in [
        ([2, 8], Function::Relu, "bits of numbers"),
        ([29, 30], Function::Relu, "bits of numbers"),
        ([9, 8], Function::Relu, "bits of results"),
        ([9, 64], Function::Relu, "bits of results"),
        ([9, 64], Function::Same, "bits of results"),
        ([9, 9], Function::Same, "round trips of a layer"),
        ([9, 8], Function::Same, "round trips of a layer"),
        ([9, 9], leak(1, 0, 0), "bits of a slope"),
        ([9, 9], leak(1, 17, 0), "bits of a slope"),
        ([9, 9], leak(256, 8, 0), "a slope"),
        ([9, 9], leak(255, 8, 9), "bits that are dropped"),
        ([9, 56], leak(255, 8, 8), "bits of results"),
        ([9, 9], Function::Clamp { lo: 1, hi: 0 }, "an upper end less the lower one"),
        ([9, 0], Function::Square { drop: 20 }, "bits of a product"),
        ([9, 4], Function::Square { drop: 4 }, "bits of a product before some are dropped"),
        ([9, 50], Function::Square { drop: 14 }, "bits of a product"),
        ([9, 9], Function::Square { drop: 63 }, "bits of a product that are dropped"),
        ([9, 12], product(2, 0), "bits of the second factor"),
        ([9, 12], curve(1, [2, 2, 2]), "bits of a number of pieces"),
        ([9, 12], curve(1024, [2, 2, 2]), "bits of a number of pieces"),
        ([9, 12], curve(24, [2, 2, 2]), "pieces of a curve"),
        ([9, 12], curve(32, [2, 0, 2]), "bits of a place that count"),
        ([9, 12], curve(32, [2, 4, 2]), "bits of a place that count"),
        ([9, 12], long, "bits of a curve's middle"),
        ([9, 12], ends(end), "bits of an end behind the point"),
        ([9, 60], ends(End { drop: 4, ..end }), "bits of an end"),
        ([9, 12], curve(32, [2, 2, 25]), "bits of a line behind the point"),
        ([9, 12], curve(32, [41, 2, 2]), "bits of bases behind the point"),
        ([9, 64], curve(32, [2, 2, 3]), "bits of an end"),
        ([9, 61], curve(32, [2, 2, 3]), "bits of lines"),
        ([9, 1], curve(32, [2, 3, 1]), "bits of lines"),
        ([9, 12], Function::Curve(Arc::new(steep)), "a base, or how far a piece rises"),
        ([9, 12], product(13, 0), "bits of a product before some are dropped"),
    ] {
        assert_eq!(one(rings, function.clone()), expected, "{function:?}, {rings:?}");
    }
    let windows = |elements| Windows::new(elements, 2, (0..8).collect()).unwrap();
    let alone = |function| alone(8, [9, 12], function);
    let pool = |elements, function| Shape { largest: Some(windows(elements)), ..alone(function) };
    let sums = |elements, function| Shape { sums: Some(windows(elements)), ..alone(function) };
    assert_eq!(refused(pool(9, Function::Relu)), "elements of windows");
    assert_eq!(refused(sums(9, Function::Relu)), "elements of windows");
    assert_eq!(refused(pool(8, product(9, 0))), "largest ones of two factors");
    assert_eq!(refused(sums(8, Function::Same)), "sums behind what is no ReLU");
    assert_eq!(refused(sums(8, Function::Square { drop: 0 })), "sums behind what is no ReLU");
    assert_eq!(refused(sums(8, Function::Clamp { lo: 0, hi: 1 })), "comparisons of numbers that are added");
    assert_eq!(refused(Shape::of(0, [9, 12], Function::Relu)), "numbers of a layer");
    let none = Windows::new(8, 2, Vec::new()).unwrap();
    assert_eq!(refused(Shape { largest: Some(none), ..alone(Function::Relu) }), "windows");
    // The largest of windows of one number, and nothing more, is no message.
    let same = Windows::single(8).unwrap();
    let shape = Shape { largest: Some(same), to: 9, ..alone(Function::Same) };
    assert_eq!(refused(shape), "round trips of a layer");
    assert!(Arc::new(Plan::new(pool(8, Function::Square { drop: 6 })).unwrap()).results() == 4);
}
