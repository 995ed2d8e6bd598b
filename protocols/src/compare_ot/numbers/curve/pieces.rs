//! A curve of a program as pieces that may be moved: as few as leave it nearly as it is.

use xonn_program::op::Spline;

use super::{Curve, End};
use crate::steps::digits::MOST_DIGIT_BITS;

/// Most bits of a place on a piece that count.
const MOST_LOW: u32 = 10;

/// A result's distance from the table's, in its last bit, up to which pieces are joined to longer ones.
const NEAR: f64 = 4.0;

/// What rounding may add to that: by chance, and of the table's own results.
const ROUNDED: f64 = 1.5;

impl Curve {
    /// The curve of a program's table, computed in a ring of so many bits. By how many units of the last bit
    /// results may differ from the table's at most is [`Spline::SPARE`] or less.
    ///
    /// `None` if it is more, as the table has a sharp bend or a jump between pieces.
    #[must_use]
    pub fn of(spline: &Spline, bits: u32) -> Option<Self> {
        let count = spline.lines.len();
        if count == 2 {
            return Some(Self::joined(spline, 0, bits));
        }
        let mut best: Option<(f64, Self)> = None;
        for times in 0..count.ilog2() - 1 {
            let curve = Self::joined(spline, times, bits);
            if curve.piece == 0 || curve.lines.len() > 1 << MOST_DIGIT_BITS {
                continue;
            }
            let off = curve.off(spline);
            if off <= NEAR || best.as_ref().is_none_or(|(least, _)| off < *least) {
                best = Some((off, curve));
            }
        }
        best.filter(|(off, _)| off + ROUNDED <= Spline::SPARE as f64).map(|(_, curve)| curve)
    }

    /// With pieces that are 2^times of the table's.
    fn joined(spline: &Spline, times: u32, bits: u32) -> Self {
        let &Spline { from, piece, ref lines, drop } = spline;
        let length = 1i64 << piece;
        let one = |all: &[[i64; 2]]| {
            let ([base, _], [end, slope]) = (all[0], all[all.len() - 1]);
            let rise = end.wrapping_add(slope.wrapping_mul(length)).wrapping_sub(base);
            // The whole rise over 2^times pieces, in units that are as many times finer.
            let slope = if times == 0 { slope } else { rise.wrapping_add(length >> 1) >> piece };
            [base << times, slope]
        };
        let last = from.wrapping_add((lines.len() as i64 - 1).wrapping_mul(length));
        let [first_line, last_line] = [lines[0], lines[lines.len() - 1]];
        let (piece, low) = (piece + times, (piece + times).min(MOST_LOW));
        Self {
            from,
            piece,
            lines: lines.chunks(1 << times).map(one).collect(),
            drop: drop + times,
            ends: [End::of(first_line, from, drop), End::of(last_line, last, drop)],
            low,
            guard: low,
            bits,
        }
    }

    /// How far a result is from the table at most, before it is rounded, in units of its last bit; the same
    /// on every machine.
    fn off(&self, spline: &Spline) -> f64 {
        let unit = |x: f64, drop: u32| x / power(drop);
        let (length, own) = (power(self.piece), power(spline.piece));
        let joined = spline.lines.len() / self.lines.len();
        // This curve, its ends and the table at both ends of a piece of the table's.
        let (mut between, mut outside) = (0f64, 0f64);
        for (i, &[base, slope]) in spline.lines.iter().enumerate() {
            let (number, within) = (i / joined, (i % joined) as f64 * own);
            let [of, rises] = self.lines[number];
            for at in [0.0, own] {
                let table = unit(base as f64 + slope as f64 * at, spline.drop);
                let here = unit(of as f64 + rises as f64 * (within + at), self.drop);
                if number > 0 && number + 1 < self.lines.len() {
                    between = between.max((here - table).abs());
                    continue;
                }
                let last = spline.lines.len() - 1;
                let (line, from) = if number == 0 { (0, 0) } else { (last, last) };
                let [of, rises] = spline.lines[line];
                let far = (i as f64 - from as f64) * own + at;
                let end = unit(of as f64 + rises as f64 * far, spline.drop);
                outside = outside.max((end - table).abs());
            }
        }
        // The chord over a moved piece, moved halfway to the middle: most where three eighths are on one.
        let meet = |pair: &[[i64; 2]]| {
            let ([base, slope], [next, after]) = (pair[0].map(|x| x as f64), pair[1].map(|x| x as f64));
            (after - slope).abs() * length * 9.0 / 64.0 + (base + slope * length - next).abs()
        };
        let bends = unit(self.lines.windows(2).map(meet).fold(0.0, f64::max), self.drop);
        let steepest = self.lines.iter().map(|[_, slope]| slope.unsigned_abs()).max().unwrap_or(0);
        let rise = unit(steepest as f64 * length, self.drop);
        // Half of the places that do not count, and a slope and a base that are rounded.
        let places = if self.low < self.piece { rise / power(self.low + 1) } else { 0.0 };
        let lines = (power(self.low) + 1.0) / power(self.guard + 1);
        (between + bends).max(outside) + places + lines
    }
}

/// 2^bits, exactly: both hosts have to find the same pieces.
fn power(bits: u32) -> f64 {
    (1u64 << bits) as f64
}

impl End {
    /// A line that begins at a number, by its value at 0, without bits that it need not have.
    fn of([base, slope]: [i64; 2], begin: i64, drop: u32) -> Self {
        let spare = slope.trailing_zeros().min(drop);
        let (slope, drop) = (slope >> spare, drop - spare);
        // What is rounded by chance needs no half that is added to round.
        let half = (1i64 << drop) >> 1;
        let base = (base >> spare).wrapping_sub(half).wrapping_sub(slope.wrapping_mul(begin));
        Self { base, slope, drop }
    }
}
