//! Squares and products are right, and rounded by chance.

use xonn_crypto::share::RingTensor;
use xonn_protocols::compare_ot::numbers::{Function, Shape};
use xonn_protocols::steps::windows::Windows;

use super::{Stage, all_pairs, alone, edges};
use crate::common::rng;

/// Each result is the exact one, rounded down or up to the unit of 2^drop, and on the average right.
fn check(exact: &[i64], results: &[i64], drop: u32, what: &str) {
    assert_eq!(exact.len(), results.len());
    let unit = f64::from(drop).exp2();
    let mut off = 0.0;
    for (i, (&exact, &y)) in exact.iter().zip(results).enumerate() {
        let [floor, ceiling] = [exact >> drop, (exact + (1 << drop) - 1) >> drop];
        assert!(y == floor || y == ceiling, "{what}: number {i}, {y} of {exact}");
        off += y as f64 - exact as f64 / unit;
    }
    // A standard deviation of at most a half each.
    let bound = 2.5 / (exact.len() as f64).sqrt();
    assert!((off / exact.len() as f64).abs() < bound, "{what}: on the average wrong by {off}");
}

#[test]
fn squares_of_all_shares_of_small_rings() {
    let rng = &mut rng(1);
    for from in 3..=8 {
        let ([y0, y1], x) = all_pairs(from);
        let exact: Vec<i64> = x.iter().map(|x| x * x).collect();
        for (to, drop) in [(2 * from, 0), (from + 9, 3), (20, 11), (50, 13)] {
            let shape = alone(x.len(), [from, to], Function::Square { drop });
            let stage = Stage::of(shape, [vec![y0.clone()], vec![y1.clone()]], rng);
            check(&exact, &stage.results(rng), drop, &format!("{from} bits, {to} left, {drop} dropped"));
        }
    }
}

#[test]
fn products_of_all_shares_of_small_rings() {
    let rng = &mut rng(2);
    for (first, second, to, drop) in [(3, 3, 6, 0), (4, 4, 9, 2), (3, 5, 12, 1), (5, 4, 30, 0), (4, 3, 2, 11)]
    {
        let ([x0, x1], x) = all_pairs(first);
        let ([y0, y1], y) = all_pairs(second);
        // Each pair of shares of x with each of y.
        let all = |share: &RingTensor, index: &dyn Fn(usize) -> usize| {
            let values = (0..x.len() * y.len()).map(|i| share.values()[index(i)]).collect();
            RingTensor::new(share.bits(), values).unwrap()
        };
        let (row, column) = (|i: usize| i / y.len(), |i: usize| i % y.len());
        let shares = [vec![all(&x0, &row), all(&y0, &column)], vec![all(&x1, &row), all(&y1, &column)]];
        let exact: Vec<i64> = (0..x.len() * y.len()).map(|i| x[row(i)] * y[column(i)]).collect();
        let shape = alone(exact.len(), [first, to], Function::Product { second, drop });
        let results = Stage::of(shape, shares, rng).results(rng);
        check(&exact, &results, drop, &format!("{first} and {second} bits, {to} left, {drop} dropped"));
    }
}

#[test]
fn products_of_wide_rings() {
    let rng = &mut rng(3);
    for (from, to, drop) in [(12, 30, 0), (13, 22, 11), (14, 24, 12), (16, 29, 14), (20, 40, 20), (28, 53, 8)]
    {
        let x = edges(20_000, from, rng);
        let stage = Stage::share(alone(x.len(), [from, to], Function::Square { drop }), &[&x], rng);
        let exact: Vec<i64> = x.iter().map(|x| x * x).collect();
        check(&exact, &stage.results(rng), drop, &format!("square of {from} bits"));
    }
    for (first, second, to, drop) in
        [(13, 13, 24, 0), (13, 17, 17, 11), (13, 13, 17, 14), (13, 13, 27, 12), (16, 12, 29, 7)]
    {
        let x = edges(20_000, first, rng);
        let mut y = edges(20_000, second, rng);
        y.rotate_left(2);
        let shape = alone(x.len(), [first, to], Function::Product { second, drop });
        let exact: Vec<i64> = x.iter().zip(&y).map(|(x, y)| x * y).collect();
        let results = Stage::share(shape, &[&x, &y], rng).results(rng);
        check(&exact, &results, drop, &format!("product of {first} and {second} bits"));
    }
}

#[test]
fn squares_behind_a_pool() {
    let rng = &mut rng(4);
    let x = edges(4_000, 13, rng);
    let windows = Windows::new(4_000, 4, (0..4_000).collect()).unwrap();
    let shape = Shape { largest: Some(windows), ..alone(4_000, [13, 22], Function::Square { drop: 11 }) };
    let exact: Vec<i64> = x.chunks(4).map(|window| window.iter().max().unwrap().pow(2)).collect();
    check(&exact, &Stage::share(shape, &[&x], rng).results(rng), 11, "squares of largest ones");
}
