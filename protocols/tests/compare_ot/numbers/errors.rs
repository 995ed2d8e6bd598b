//! How far off numbers are where a function rounds: mean and deviation, with fixed seeds, beside those that
//! follow from the formulas. Sums whose lowest bits are dropped: `tests/networks/numbers/rounding.rs`.

use std::sync::Arc;

use rand::RngExt;
use xonn_protocols::compare_ot::numbers::{Curve, End, Function, Shape};
use xonn_protocols::steps::windows::Windows;

use super::{Stage, alone, edges};
use crate::common::rng;

const COUNT: usize = 100_000;
/// Of curves, whose tables are long.
const OF_CURVES: usize = 16_000;

/// Of some errors.
#[derive(Debug)]
struct Spread {
    mean: f64,
    std: f64,
    largest: f64,
}

fn spread(errors: &[f64]) -> Spread {
    let n = errors.len() as f64;
    let mean = errors.iter().sum::<f64>() / n;
    let std = (errors.iter().map(|error| error * error).sum::<f64>() / n - mean * mean).sqrt();
    Spread { mean, std, largest: errors.iter().fold(0.0, |most, error| most.max(error.abs())) }
}

/// What changes the ring, compares and adds up is exact: no mean, no deviation.
#[test]
fn extensions_gates_and_pools_are_off_by_nothing() {
    let rng = &mut rng(1);
    let pool = || Windows::new(COUNT, 4, (0..COUNT as u32).collect()).unwrap();
    let shape = |function| alone(COUNT, [12, 21], function);
    let x = edges(COUNT, 12, rng);
    let relu = |x: i64| x.max(0);
    let cases: [(&str, Shape, Vec<i64>); 4] = [
        ("extension", shape(Function::Same), x.clone()),
        ("ReLU", shape(Function::Relu), x.iter().map(|&x| relu(x)).collect()),
        (
            "mean pool",
            Shape { sums: Some(pool()), ..shape(Function::Relu) },
            x.chunks(4).map(|window| window.iter().map(|&x| relu(x)).sum()).collect(),
        ),
        (
            "max pool",
            Shape { largest: Some(pool()), ..shape(Function::Relu) },
            x.chunks(4).map(|window| relu(*window.iter().max().unwrap())).collect(),
        ),
    ];
    for (what, shape, exact) in cases {
        let results = Stage::share(shape, &[&x], rng).results(rng);
        let errors: Vec<f64> = results.iter().zip(&exact).map(|(y, exact)| (y - exact) as f64).collect();
        let found = spread(&errors);
        println!("{what}: {found:?}");
        assert_eq!((found.mean, found.std, found.largest), (0.0, 0.0, 0.0), "{what}");
    }
}

/// `floor(v / 2^f + U)`: right on the average; where the fraction of `v / 2^f` is p, one too many with the
/// probability p, so the deviation is the root of the mean of `p (1 - p)`, and 1 / sqrt 6 = 0.408 where
/// fractions are uniform.
#[test]
fn functions_that_drop_bits_deviate_as_chance_does() {
    let rng = &mut rng(2);
    let mut random = |bits: u32| -> Vec<i64> {
        let quarter = 1i64 << (bits - 2);
        (0..COUNT).map(|_| rng.random_range(-quarter..quarter)).collect()
    };
    let products = |x: &[i64], y: &[i64]| x.iter().zip(y).map(|(x, y)| x * y).collect::<Vec<i64>>();
    let (x, y) = (random(13), random(14));
    let below: Vec<i64> = x.iter().map(|x| -1 - x.abs() / 2).collect();
    let leaky = Function::LeakyRelu { slope: 77, bits: 8, drop: 8 };
    let scaled: Vec<i64> = below.iter().map(|x| 77 * x).collect();
    type Case<'a> = (&'a str, Function, u32, Vec<&'a [i64]>, Vec<i64>);
    let cases: [Case<'_>; 4] = [
        ("square", Function::Square { drop: 11 }, 11, vec![&x], products(&x, &x)),
        ("product", Function::Product { second: 14, drop: 12 }, 12, vec![&x, &y], products(&x, &y)),
        (
            "product, one bit dropped",
            Function::Product { second: 14, drop: 1 },
            1,
            vec![&x, &y],
            products(&x, &y),
        ),
        ("leaky ReLU below 0", leaky, 8, vec![&below], scaled),
    ];
    for (what, function, drop, reads, exact) in cases {
        let shape = alone(COUNT, [13, 30], function);
        let results =
            Stage::share(shape, &reads, &mut crate::common::rng(3)).results(&mut crate::common::rng(4));
        let exact: Vec<f64> = exact.iter().map(|&exact| exact as f64 / f64::from(drop).exp2()).collect();
        let errors: Vec<f64> = results.iter().zip(&exact).map(|(&y, exact)| y as f64 - exact).collect();
        let variance = |exact: &f64| (exact - exact.floor()) * (1.0 - (exact - exact.floor()));
        let expected = (exact.iter().map(variance).sum::<f64>() / COUNT as f64).sqrt();
        let found = spread(&errors);
        println!("{what}: {found:?}, expected a deviation of {expected:.4}");
        assert!(found.mean.abs() < 5.0 * expected / (COUNT as f64).sqrt(), "{what}: {found:?}");
        assert!((found.std / expected - 1.0).abs() < 0.015, "{what}: {found:?}, expected {expected}");
        assert!(found.largest < 1.0, "{what}: {found:?}");
        assert!(drop == 1 || (expected - 0.408).abs() < 0.015, "{what}: fractions are nearly uniform");
    }
}

/// A table of `2^index` chords over a ring, results in units of 2^-11 of the function's.
fn chords(f: impl Fn(f64) -> f64, bits: u32, index: u32, low: u32) -> Curve {
    let piece = bits - index;
    let (drop, from) = (piece + 2, -(1i64 << (bits - 1)));
    let fine = f64::from(drop).exp2();
    let line = |i: i64| {
        let (x, length) = ((from + (i << piece)) as f64, f64::from(piece).exp2());
        let [first, last] = [x, x + length].map(|x| 2047.0 * f(x));
        [((first + 0.5) * fine).round() as i64, ((last - first) / length * fine).round() as i64]
    };
    let lines = (0..1 << index).map(line).collect();
    // No number that fits is out there.
    let ends = [End { base: 0, slope: 0, drop: 0 }; 2];
    Curve { from, piece, lines, drop, ends, low, guard: 3, bits: 63 }
}

/// Sigmoid and tanh with four bits of a place on their pieces, beside the largest and the mean error of a
/// simulation in which S takes its lines from the function. Here they come from a public table of chords, so
/// the largest error is up to twice as large with pieces as long; the mean is as small.
#[test]
fn curves_are_as_near_as_the_formulas_say() {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    type Case = (&'static str, Box<dyn Fn(f64) -> f64>, [u32; 2], f64, [f64; 2]);
    let cases: [Case; 4] = [
        // 2^5 pieces from -16 to 16 and units of 1/256; the ring is eight times as wide.
        ("sigmoid, pieces of 1", Box::new(sigmoid), [16, 8], 256.0, [0.011, 0.0002]),
        ("sigmoid, pieces of 1/2", Box::new(sigmoid), [16, 9], 256.0, [0.005, 0.0002]),
        ("tanh, pieces of 1/2", Box::new(f64::tanh), [16, 8], 512.0, [0.022, 0.0004]),
        ("tanh, pieces of 1/4", Box::new(f64::tanh), [16, 9], 512.0, [0.009, 0.0004]),
    ];
    for (what, f, [bits, index], unit, [most, mean]) in cases {
        let of = |x: f64| f(x / unit);
        let curve = Function::Curve(Arc::new(chords(of, bits, index, 4)));
        let x = edges(OF_CURVES, bits, &mut rng(5));
        let results =
            Stage::share(alone(OF_CURVES, [bits, 13], curve), &[&x], &mut rng(6)).results(&mut rng(7));
        let errors: Vec<f64> =
            results.iter().zip(&x).map(|(&y, &x)| y as f64 / 2047.0 - of(x as f64)).collect();
        let found = spread(&errors);
        println!("{what}: {found:?}, said are {most} and {mean}");
        assert!(found.largest < 2.0 * most && found.mean.abs() < mean, "{what}: {found:?}");
    }
}
