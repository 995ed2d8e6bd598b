//! Curves as public tables of line pieces.
//!
//! All numbers that can be are far more than a curve bends in: a sigmoid is flat from 12 on. So a table may
//! cover the middle alone, its first and last lines going on; how much of the middle is what leaves the
//! smallest error.

use xonn_program::op::Spline;

use crate::graph::Function;
use crate::passes::numbers::Number;

/// Binary logarithm of the pieces of a curve of numbers of [`BITS`] bits or fewer; each further bit doubles
/// them.
const PIECES: u32 = 8;

/// Bits of numbers of 12 bits, with their headroom.
const BITS: u32 = 15;

/// Binary logarithm of the most pieces.
const MOST_PIECES: u32 = 11;

/// Bits of a slope behind those that a piece's length takes.
const FINE: u32 = 2;

/// Bits of a slope beside a jump, behind the point.
const JUMP_BITS: u32 = 16;

/// Places at which a table is compared with its curve, in each of the middles that it may cover.
const PLACES: i64 = 128;

/// Tables that were made, with the units and widths on both of their sides: steps of a recurrent layer take
/// the same.
#[derive(Default)]
pub(super) struct Curves(Vec<(Function, [Side; 2], Spline)>);

/// The unit and the width of numbers.
type Side = (f64, u32);

impl Curves {
    /// A curve as a table; both units are powers of two, so that it tells no more of the weights than these.
    pub fn table(&mut self, function: Function, read: Number, number: Number) -> Spline {
        let sides = [read, number].map(|number| (number.unit, number.bits));
        if let Some((.., table)) = self.0.iter().find(|(f, s, _)| (*f, *s) == (function, sides)) {
            return table.clone();
        }
        let table = best(function, sides);
        self.0.push((function, sides, table.clone()));
        table
    }
}

/// The table that comes nearest to the curve.
fn best(function: Function, sides: [Side; 2]) -> Spline {
    let [(_, bits), _] = sides;
    let finest = pieces(sides);
    if function == Function::Abs {
        return absolute(sides);
    }
    if let Some(table) = jump(function, sides) {
        return table;
    }
    let tables = (finest.min(bits)..=bits).map(|span| of_middle(function, sides, span));
    let with_errors = tables.map(|table| (error(function, sides, &table), table));
    let (mut least, mut best) = (f64::INFINITY, None);
    for (error, table) in with_errors {
        if error < least || best.is_none() {
            (least, best) = (error, Some(table));
        }
    }
    best.unwrap_or_else(|| of_middle(function, sides, bits))
}

/// The curve at an integer, in units of the result, within its numbers.
fn at(function: Function, [(read, _), (unit, bits)]: [Side; 2], x: f64) -> f64 {
    let most = f64::from(1u32 << (bits - 1));
    (f64::from(function.apply((x * read) as f32)) / unit).clamp(-most, most - 1.0)
}

/// Binary logarithm of the pieces, by the finer of both sides' widths.
fn pieces([(_, read), (_, made)]: [Side; 2]) -> u32 {
    (PIECES + read.min(made).saturating_sub(BITS)).min(MOST_PIECES)
}

/// A table over the numbers of `span` bits.
fn of_middle(function: Function, sides: [Side; 2], span: u32) -> Spline {
    let pieces = pieces(sides).min(span);
    let (piece, from) = (span - pieces, -(1i64 << (span - 1)));
    let drop = piece + FINE;
    let fine = f64::from(drop).exp2();
    let line = |i: i64| {
        let (x, length) = ((from + (i << piece)) as f64, f64::from(1u32 << piece));
        let [first, middle, last] = [0.0, 0.5, 1.0].map(|part| at(function, sides, x + part * length));
        // The chord, moved halfway to the curve; and a half, so that dropping bits rounds.
        let moved = (middle - (first + last) / 2.0) / 2.0;
        [((first + moved + 0.5) * fine).round() as i64, ((last - first) / length * fine).round() as i64]
    };
    Spline { from, piece, lines: (0..1i64 << pieces).map(line).collect(), drop }
}

/// The absolute value: two lines, exact but for a rounding where the result is coarser than what is read.
fn absolute([(read, bits), (unit, _)]: [Side; 2]) -> Spline {
    let half = 1i64 << (bits - 1);
    let ratio = read / unit;
    let drop = (-ratio.log2()).clamp(0.0, 24.0) as u32;
    let slope = (ratio * f64::from(drop).exp2()).round() as i64;
    let rounds = (1i64 << drop) >> 1;
    Spline {
        from: -half,
        piece: bits - 1,
        lines: vec![[half * slope + rounds, -slope], [rounds, slope]],
        drop,
    }
}

/// A function that jumps, `x` from a threshold on and a slope below: two lines. `None` of any other.
fn jump(function: Function, [(read, bits), (unit, _)]: [Side; 2]) -> Option<Spline> {
    let (threshold, slope, first) = match function {
        Function::ReluFrom { threshold, slope, .. } => {
            (threshold, slope, (f64::from(threshold) / read).ceil())
        }
        Function::ThresholdedRelu { theta } => (theta, 0.0, (f64::from(theta) / read).floor() + 1.0),
        _ => return None,
    };
    // Beyond all numbers is where none is.
    let first = first.min(f64::from(1u32 << (bits - 1))) as i64;
    let (piece, drop) = (bits - 2, JUMP_BITS);
    let fine = f64::from(drop).exp2();
    let scale = read / unit;
    let from = first - (1i64 << piece);
    let slope = f64::from(slope);
    let below = slope * (from as f64 * scale - f64::from(threshold) / unit);
    let line = |at: f64, slope: f64| [((at + 0.5) * fine).round() as i64, (slope * fine).round() as i64];
    let lines = vec![line(below, slope * scale), line(first as f64 * scale, scale)];
    Some(Spline { from, piece, lines, drop })
}

/// The largest distance of a table from its curve, in units of the result.
fn error(function: Function, sides: [Side; 2], table: &Spline) -> f64 {
    let [(_, bits), _] = sides;
    let places = (2..=bits).flat_map(|span| {
        let half = 1i64 << (span - 1);
        (0..=PLACES).map(move |i| (2 * half * i / PLACES - half).clamp(-half, half - 1))
    });
    places.map(|x| (table.of(x) as f64 - at(function, sides, x as f64)).abs()).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bounds in units of a result of 12 bits: what lies far out costs nothing where the curve is flat or
    /// straight there.
    #[test]
    fn wide_numbers_leave_curves_as_they_are() {
        let cases = [
            (Function::Sigmoid, -12, 1.5),
            (Function::Tanh, -12, 3.0),
            (Function::Softsign, -12, 80.0),
            (Function::Softplus, -5, 1.5),
            (Function::Silu, -5, 1.5),
            (Function::Selu, -5, 4.0),
        ];
        for (function, unit, most) in cases {
            for read in [-9i32, -7] {
                let sides = [(f64::from(read).exp2(), 15), (f64::from(unit).exp2(), 15)];
                let found = error(function, sides, &best(function, sides));
                assert!(found <= most, "{function:?} of numbers in units of 2^{read}: off by {found}");
            }
        }
        // The cell state of a recurrent layer, up to 256.
        let sides = [(f64::from(-9).exp2(), 18), (f64::from(-12).exp2(), 15)];
        let found = error(Function::Tanh, sides, &best(Function::Tanh, sides));
        assert!(found <= 3.0, "off by {found}");
    }

    #[test]
    fn the_absolute_value_is_exact() {
        for (unit, want) in [(1.0, [255, 3, 2, 7]), (0.5, [510, 6, 4, 14]), (4.0, [64, 1, 1, 2])] {
            let table = best(Function::Abs, [(1.0, 9), (unit, 12)]);
            assert_eq!([-255, -3, 2, 7].map(|x| table.of(x)), want, "in units of {unit}");
        }
    }

    /// Every number that can be, beside the function itself.
    #[test]
    fn functions_that_jump_do_so_where_keras_does() {
        let from = |threshold, slope| Function::ReluFrom { threshold, slope, max: None };
        for function in
            [from(0.3, 0.0), from(0.25, 0.125), from(1e9, 0.5), Function::ThresholdedRelu { theta: 0.25 }]
        {
            for [read, unit] in [[0.0625, 0.0625], [0.0625, 0.25]] {
                let table = jump(function, [(read, 9), (unit, 9)]).expect("it jumps");
                for x in -256..256i64 {
                    let want = f64::from(function.apply((x as f64 * read) as f32)) / unit;
                    let found = table.of(x) as f64;
                    assert!(
                        want.abs() > 1e8 || (found - want).abs() <= 0.51,
                        "{function:?} {x}: {found} {want}"
                    );
                }
            }
        }
    }
}
