//! Curves are the lines of their tables, moved by the server's share, and the lines of their ends.

use std::sync::Arc;

use xonn_crypto::share::RingTensor;
use xonn_program::op::Spline;
use xonn_protocols::compare_ot::numbers::{Curve, End, Function};

use super::{Stage, all_pairs, alone, edges};
use crate::common::{numbers, rng};

/// A table of a function with `2^index` pieces of `2^piece` numbers, the middle one at 0, as a compiler makes
/// it: chords, and a half so that dropping bits rounds.
fn spline(f: &dyn Fn(f64) -> f64, index: u32, piece: u32) -> Spline {
    let (drop, from) = (piece + 2, -(1i64 << (piece + index - 1)));
    let fine = f64::from(drop).exp2();
    let line = |i: i64| {
        let (x, length) = ((from + (i << piece)) as f64, f64::from(piece).exp2());
        let [first, last] = [f(x), f(x + length)];
        [((first + 0.5) * fine).round() as i64, ((last - first) / length * fine).round() as i64]
    };
    Spline { from, piece, lines: (0..1 << index).map(line).collect(), drop }
}

/// What the protocol computes of x with this share of C, before it is rounded: a line of an end, or the chord
/// from S's share on, moved halfway to the curve in its middle, at the bits of C's place that count.
fn moved(curve: &Curve, x: i64, y1: u64) -> f64 {
    let Curve { from, piece, ref lines, drop, ends, low, .. } = *curve;
    let length = 1i64 << piece;
    let line = |end: End| (end.base as f64 + (end.slope as f64) * x as f64) / f64::from(end.drop).exp2();
    if x < from + length {
        return line(ends[0]);
    }
    if x >= from + (lines.len() as i64 - 1) * length {
        return line(ends[1]);
    }
    let table = |x: i64| {
        let u = x - from;
        let index = (u >> piece).min(lines.len() as i64 - 1);
        let [base, slope] = lines[index as usize];
        (base as f64 + (slope * (u - index * length)) as f64) / f64::from(drop).exp2() - 0.5
    };
    let t = (y1 & ((1 << piece) - 1)) as i64;
    let start = x - t;
    let [first, middle, last] = [0, length / 2, length].map(|at| table(start + at));
    let step = 1i64 << (piece - low);
    let place = (t / step * step) as f64 + if step > 1 { step as f64 / 2.0 } else { 0.0 };
    first + (middle - (first + last) / 2.0) / 2.0 + (last - first) / length as f64 * place
}

/// Runs a curve; each result is what is computed, rounded down or up, but for slopes and bases that are
/// rounded, and as near to the table as is said. The largest difference from the table.
fn check(spline: &Spline, curve: &Curve, [from, to]: [u32; 2], shares: [&RingTensor; 2], seed: u64) -> i64 {
    let x = shares[0].reconstruct(shares[1]).unwrap();
    let shape = alone(x.len(), [from, to], Function::Curve(Arc::new(curve.clone())));
    let stage = Stage::of(shape, shares.map(|share| vec![share.clone()]), &mut rng(seed));
    let results = stage.results(&mut rng(seed + 1));
    let fine = f64::from(curve.low).exp2() / f64::from(curve.guard + 1).exp2();
    let bound = 1.0 + fine + 2.0 / f64::from(curve.guard).exp2();
    let (mut off, mut worst) = (0.0, 0);
    for ((&y, &x), &y1) in results.iter().zip(&x).zip(shares[1].values()) {
        let exact = moved(curve, x, y1);
        let wrong = y as f64 - exact;
        assert!(wrong.abs() < bound, "{y} of {x} with {y1}, expected {exact}, bound {bound}");
        off += wrong;
        worst = worst.max((y - spline.of(x)).abs());
    }
    let mean = off / results.len() as f64;
    let chance = 1.25 / (results.len() as f64).sqrt();
    assert!(mean.abs() < chance + fine / 4.0, "on the average wrong by {mean}");
    worst
}

fn sigmoid(unit: f64, most: f64) -> impl Fn(f64) -> f64 {
    move |x| most / (1.0 + (-x * unit).exp())
}

#[test]
fn curves_of_all_shares_of_small_rings() {
    // Of numbers of so many bits, the middle alone has pieces.
    for (bits, index, piece) in [(5, 2, 1), (6, 2, 2), (6, 3, 1), (6, 3, 2), (7, 3, 3), (8, 4, 3)] {
        let ([y0, y1], _) = all_pairs(bits);
        let unit = f64::from(3 - bits as i32).exp2();
        let sigmoid = sigmoid(unit * 4.0, 100.0);
        let softplus = |x: f64| (x * unit * 3.0).exp().ln_1p() / unit;
        let bent = |x: f64| if x < 0.0 { x / 3.0 + 7.0 } else { 7.0 + 2.5 * x };
        for (number, f) in [&sigmoid as &dyn Fn(f64) -> f64, &softplus, &bent].into_iter().enumerate() {
            let table = spline(f, index, piece);
            // As it is, and with fewer bits of a place.
            for low in (1..=piece).rev().take(if bits < 8 { 2 } else { 1 }) {
                let lines = table.lines.clone();
                let ends = table_ends(&table);
                let curve = Curve {
                    from: table.from,
                    piece,
                    lines,
                    drop: table.drop,
                    ends,
                    low,
                    guard: low + 3,
                    bits: 12,
                };
                check(&table, &curve, [bits, 12], [&y0, &y1], number as u64);
                // In a larger ring, which takes an extension.
                if bits < 7 {
                    check(&table, &curve, [bits, 20], [&y0, &y1], number as u64);
                }
            }
            // As few pieces as leave it as it is, if these are enough.
            if let Some(curve) = Curve::of(&table, 12) {
                let worst = check(&table, &curve, [bits, 12], [&y0, &y1], 7);
                assert!(worst <= Spline::SPARE, "{worst} units from the table");
            }
        }
    }
}

/// The lines of a table's ends as [`Curve::of`] has them.
fn table_ends(table: &Spline) -> [End; 2] {
    let two = |[first, last]: [[i64; 2]; 2], piece: u32| {
        let table = Spline { from: table.from, piece, lines: vec![first, last], drop: table.drop };
        Curve::of(&table, 12).expect("two lines").ends
    };
    let (first, last) = (table.lines[0], table.lines[table.lines.len() - 1]);
    let [front, _] = two([first, last], table.piece);
    let length = table.piece + table.lines.len().ilog2();
    // The last line begins at the end of all pieces less one.
    let begin = ((table.lines.len() as i64 - 1) << table.piece) - (1 << length);
    let moved = [last[0] - last[1] * begin, last[1]];
    [front, two([first, moved], length)[1]]
}

#[test]
fn two_lines_are_exact_but_for_rounding() {
    for bits in [4, 6, 8] {
        let ([y0, y1], x) = all_pairs(bits);
        for (at, lines, drop, most) in [
            // The absolute value; a jump; slopes with a fraction; an end beyond all numbers.
            (0, [[1 << (bits - 1), -1], [0, 1]], 0, 0),
            (3, [[-20, 1], [50, 2]], 0, 0),
            (-1, [[7, 3], [100, -5]], 3, 1),
            (1 << bits, [[0, 0], [99, 1]], 0, 0),
        ] {
            let piece = bits - 1;
            let table = Spline { from: at - (1 << piece), piece, lines: lines.to_vec(), drop };
            let curve = Curve::of(&table, 12).expect("two lines");
            for to in [12, 9] {
                let shape = alone(x.len(), [bits, to], Function::Curve(Arc::new(curve.clone())));
                let stage = Stage::of(shape, [vec![y0.clone()], vec![y1.clone()]], &mut rng(3));
                for (y, &x) in stage.results(&mut rng(4)).into_iter().zip(&x) {
                    let right = table.of(x);
                    assert!((y - right).abs() <= most, "{y} of {x} by {table:?}, expected {right}");
                }
            }
        }
    }
}

#[test]
fn a_table_that_bends_or_jumps_sharply_is_not_taken() {
    let bent = |by: f64| spline(&move |x: f64| x.max(0.0) * by, 4, 6);
    assert!(Curve::of(&bent(1.0), 16).is_some(), "a slope that changes by 1 on 64 numbers is off by 9");
    assert!(Curve::of(&bent(2.0), 16).is_none(), "and one that changes by 2 by 18");
    let mut jump = spline(&|x| x, 4, 6);
    jump.lines[8..].iter_mut().for_each(|line| line[0] += 20 << jump.drop);
    assert!(Curve::of(&jump, 16).is_none());
    // A line has no bend: as few pieces as there can be.
    assert_eq!(Curve::of(&spline(&|x| 3.0 * x, 8, 4), 16).map(|curve| curve.lines.len()), Some(4));
}

#[test]
fn curves_of_wide_rings_are_near_the_table() {
    let n = 4_000;
    let rng = &mut rng(3);
    // Numbers up to 32 in units of 2^-9, results in units of 2^-12: pieces over the middle.
    let unit = 1.0 / 512.0;
    let softplus = |x: f64| 512.0 * (x * unit).exp().ln_1p();
    let elu = |x: f64| 512.0 * if x < 0.0 { (x * unit).exp() - 1.0 } else { x * unit };
    let selu = move |x: f64| 1.0507 * if x < 0.0 { 1.6733 * elu(x) } else { x };
    let tanh = |x: f64| 4096.0 * (x * unit).tanh();
    let sigmoid = sigmoid(unit, 4096.0);
    for (name, function, most) in [
        ("sigmoid", &sigmoid as &dyn Fn(f64) -> f64, 128),
        ("tanh", &tanh, 256),
        ("softplus", &softplus, 64),
        ("elu", &elu, 128),
        ("selu", &selu, 256),
    ] {
        for from in [16, 20] {
            let table = spline(function, 8, 5);
            let curve = Curve::of(&table, from + 2).expect("it is smooth enough");
            let x = RingTensor::from_signed(from, &edges(n, from, rng)).unwrap();
            let y1 = numbers(n, from, rng);
            let y0 = x.sub(&y1).unwrap();
            let worst = check(&table, &curve, [from, 24], [&y0, &y1], 4);
            println!("{name}: {} pieces, {worst} units from the table", curve.lines.len());
            assert!(curve.lines.len() <= most, "{name}: {} pieces", curve.lines.len());
            assert!(worst <= 6, "{name}: {worst} units");
        }
    }
}
