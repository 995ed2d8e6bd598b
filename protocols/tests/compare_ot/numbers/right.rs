//! Results are right: all shares of small rings, random ones of large rings.

use rand::RngExt;
use xonn_protocols::compare_ot::numbers::{Function, Shape};
use xonn_protocols::steps::windows::Windows;

use super::{Stage, all_pairs, alone, edges};
use crate::common::rng;

/// Leaky ReLU in exact numbers, before bits are dropped.
fn leaky(x: i64, slope: u32, bits: u32) -> i64 {
    if x >= 0 { x << bits } else { x * i64::from(slope) }
}

/// A function, and what it gives.
type Case = (Function, Box<dyn Fn(i64) -> i64>);

/// Functions whose results have at most so many bits more than numbers, and what they are.
fn functions(from: u32, to: u32) -> Vec<Case> {
    let mut all: Vec<Case> = vec![(Function::Relu, Box::new(|x: i64| x.max(0)))];
    if to > from {
        all.push((Function::Same, Box::new(|x| x)));
    }
    let quarter = 1i64 << (from - 2);
    for [lo, hi] in [[0, 0], [0, quarter / 2], [-quarter / 2, 1], [-quarter, quarter], [-1, i64::MAX]] {
        all.push((Function::Clamp { lo, hi }, Box::new(move |x| x.clamp(lo, hi))));
    }
    for (slope, bits) in [(0, 1), (1, 1), (77, 8), (255, 8)] {
        if from + bits <= to {
            let function = Function::LeakyRelu { slope, bits, drop: 0 };
            all.push((function, Box::new(move |x| leaky(x, slope, bits))));
        }
    }
    all
}

#[test]
fn all_shares_of_small_rings() {
    let rng = &mut rng(1);
    for from in 3..=8 {
        let ([y0, y1], x) = all_pairs(from);
        for to in [from, from + 1, from + 3, from + 8, 36, 63] {
            for (function, expected) in functions(from, to) {
                let shape = alone(x.len(), [from, to], function.clone());
                let stage = Stage::of(shape, [vec![y0.clone()], vec![y1.clone()]], rng);
                let results = stage.results(rng);
                for (i, (result, &x)) in results.into_iter().zip(&x).enumerate() {
                    assert_eq!(result, expected(x), "{function:?} of {x}, {from} to {to} bits, pair {i}");
                }
            }
        }
    }
}

#[test]
fn random_numbers_of_wide_rings() {
    let rng = &mut rng(2);
    for (from, to) in [(10, 10), (12, 21), (13, 24), (14, 36), (15, 29), (16, 26), (20, 40)] {
        let x = edges(40_000, from, rng);
        for (function, expected) in functions(from, to) {
            let stage = Stage::share(alone(x.len(), [from, to], function.clone()), &[&x], rng);
            let expected: Vec<i64> = x.iter().map(|&x| expected(x)).collect();
            assert!(stage.results(rng) == expected, "{function:?}, {from} to {to} bits");
        }
    }
}

#[test]
fn a_number_that_stays_in_its_ring_may_have_a_bit_more() {
    // Without an extension any number less than half of the ring has the right sign.
    let rng = &mut rng(3);
    let x: Vec<i64> = (-128..128).collect();
    let stage = Stage::share(alone(256, [8, 8], Function::Relu), &[&x], rng);
    assert_eq!(stage.results(rng), x.iter().map(|&x| x.max(0)).collect::<Vec<_>>());
}

#[test]
fn a_number_that_is_too_large_wraps() {
    let rng = &mut rng(4);
    let x: Vec<i64> = (-512..512).collect();
    for function in [Function::Relu, Function::Same, Function::Clamp { lo: 0, hi: 100 }] {
        let stage = Stage::share(alone(1024, [10, 17], function.clone()), &[&x], rng);
        let results = stage.results(rng);
        let fits = |x: &i64| (-256..256).contains(x);
        let right = results.iter().zip(&x).filter(|(result, x)| match function {
            Function::Same => result == x,
            Function::Clamp { lo, hi } => **result == (**x).clamp(lo, hi),
            _ => **result == (**x).max(0),
        });
        let (right, fit): (Vec<_>, usize) =
            (right.map(|(_, x)| *x).collect(), x.iter().filter(|x| fits(x)).count());
        assert_eq!(right.iter().filter(|x| fits(x)).count(), fit);
    }
}

#[test]
fn slopes_are_rounded_by_chance_and_exact_from_0_upwards() {
    let rng = &mut rng(5);
    for (from, to, slope, bits) in [(12, 21, 77, 8), (8, 8, 3, 4), (13, 24, 655, 16)] {
        let x = edges(40_000, from, rng);
        let function = Function::LeakyRelu { slope, bits, drop: bits };
        let stage = Stage::share(alone(x.len(), [from, to], function.clone()), &[&x], rng);
        let results = stage.results(rng);
        let (mut off, mut below) = (0.0, 0);
        for (&x, y) in x.iter().zip(results) {
            let exact = leaky(x, slope, bits);
            let [floor, ceiling] = [exact >> bits, (exact + (1 << bits) - 1) >> bits];
            assert!(y == floor || y == ceiling, "{y} of {x} by {slope} / 2^{bits}");
            if x < 0 {
                off += y as f64 - exact as f64 / f64::from(1 << bits);
                below += 1;
            }
        }
        // A standard deviation of at most a half each.
        assert!((off / f64::from(below)).abs() < 0.02, "on the average wrong by {}", off / f64::from(below));
    }
}

/// The largest number of each window.
fn largest(windows: &Windows, x: &[i64]) -> Vec<i64> {
    windows.iter().map(|window| window.iter().map(|&i| x[i as usize]).max().unwrap()).collect()
}

#[test]
fn the_larger_of_all_shares_of_small_rings() {
    let rng = &mut rng(6);
    for from in 3..=5 {
        let ([y0, y1], x) = all_pairs(from);
        // Each pair of shares of a with each of b.
        let n = x.len();
        let indices: Vec<u32> = (0..n as u32).flat_map(|a| (0..n as u32).flat_map(move |b| [a, b])).collect();
        let windows = Windows::new(n, 2, indices).unwrap();
        for (to, function) in
            [(from, Function::Same), (from, Function::Relu), (from + 4, Function::Same), (30, Function::Relu)]
        {
            let shape = Shape { largest: Some(windows.clone()), ..alone(n, [from, to], function.clone()) };
            let stage = Stage::of(shape, [vec![y0.clone()], vec![y1.clone()]], rng);
            let least = if function == Function::Relu { 0 } else { i64::MIN };
            let expected: Vec<i64> = largest(&windows, &x).iter().map(|&x| x.max(least)).collect();
            assert!(stage.results(rng) == expected, "{function:?}, {from} to {to} bits");
        }
    }
}

#[test]
fn windows_of_any_size() {
    let rng = &mut rng(7);
    for (from, to, members) in
        [(12, 21, 4), (12, 12, 2), (13, 24, 9), (8, 8, 3), (10, 20, 5), (16, 29, 7), (9, 12, 1)]
    {
        let n = 3_000;
        let x = edges(n, from, rng);
        let indices = (0..2_000 * members).map(|_| rng.random_range(0..n as u32)).collect();
        let windows = Windows::new(n, members, indices).unwrap();
        for function in [Function::Same, Function::Relu, Function::Clamp { lo: -3, hi: 50 }] {
            if function == Function::Same && members == 1 && from == to {
                continue;
            }
            let shape = Shape { largest: Some(windows.clone()), ..alone(n, [from, to], function.clone()) };
            let stage = Stage::share(shape, &[&x], rng);
            let expected: Vec<i64> = largest(&windows, &x)
                .iter()
                .map(|&x| match function {
                    Function::Relu => x.max(0),
                    Function::Clamp { lo, hi } => x.clamp(lo, hi),
                    _ => x,
                })
                .collect();
            assert!(stage.results(rng) == expected, "{function:?} of {members}, {from} to {to} bits");
        }
    }
}

#[test]
fn sums_behind_a_relu() {
    let rng = &mut rng(8);
    for (from, to) in [(12, 12), (12, 21), (13, 24)] {
        let n = 4_000;
        let x: Vec<i64> = edges(n, from, rng).iter().map(|x| x / 4).collect();
        // Windows share elements, and some are in none.
        let indices = (0..4 * 900).map(|_| rng.random_range(0..n as u32)).collect();
        let windows = Windows::new(n, 4, indices).unwrap();
        for (slope, bits) in [(0, 0), (77, 8)] {
            let function = match bits {
                0 => Function::Relu,
                _ => Function::LeakyRelu { slope, bits, drop: 0 },
            };
            if from + bits > to {
                continue;
            }
            let shape = Shape { sums: Some(windows.clone()), ..alone(n, [from, to], function.clone()) };
            let stage = Stage::share(shape, &[&x], rng);
            let sum = |window: &[u32]| window.iter().map(|&i| leaky(x[i as usize], slope, bits)).sum();
            let expected: Vec<i64> = windows.iter().map(sum).collect();
            assert_eq!(stage.results(rng), expected, "{function:?}, {from} to {to} bits");
        }
    }
}
