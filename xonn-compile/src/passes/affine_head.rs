//! A head with BatchNorm: real scores `a_c * y_c + b_c` become integers of a public width with the same
//! order.
//!
//! With `A = 2^(bits - 1) - 1` and `unit = max |a| / A`, rounded up to a power of two, the scale of class `c`
//! is
//! `round(a_c / unit)` and its offset `round((b_c - max b) / unit)`: a common factor and a common summand do
//! not change which class is largest. Offsets are at most 0; one below `-(2 A Y + 1)`, `Y` the largest `|y|`,
//! belongs to a class that can never be largest and is set to that. So scores lie in `-(3 A Y + 1) ..= A Y`,
//! whatever the weights are, and the width of a score is public.

mod order;

use super::float_fn::FloatFn;
use crate::graph::Line;
use crate::network::Made;
use order::order_note;
use xonn_program::Range;

/// A folded head.
#[derive(Debug)]
pub(super) struct Head {
    pub made: Made,
    pub range: Range,
}

/// Folds the float steps behind the last sum; nothing is left to do if they are none.
///
/// * `range`: of the sums `y`.
/// * `bits`: of a scale, with its sign.
///
/// # Errors
/// The reason, if a score is not finite, is no line in `y`, or the scores get too wide.
pub(super) fn fold(
    f: &FloatFn,
    classes: usize,
    range: Range,
    parity: Option<i64>,
    bits: u32,
    notes: &mut Vec<String>,
) -> Result<Option<Head>, String> {
    if f.is_identity() {
        return Ok(None);
    }
    let lines: Option<Vec<Line>> = (0..classes).map(|c| f.as_line(c)).collect();
    let lines = lines
        .ok_or("a function that is no line is applied to the scores, expected softmax, sigmoid or none")?;
    if !lines.iter().all(|line| line.is_finite()) {
        return Err("a score is not finite, expected finite weights".into());
    }
    if !(8..=32).contains(&bits) {
        return Err(format!("--head-bits {bits}, expected 8 to 32"));
    }
    let largest_scale = (1i64 << (bits - 1)) - 1;
    let most = range.magnitude();
    let Some(span) = largest_scale.checked_mul(most).filter(|&span| span < 1 << 58) else {
        return Err(format!(
            "scores of up to {most} with {bits} bits of scale are too wide, lower --head-bits"
        ));
    };
    let slope = lines.iter().map(|line| line.scale.abs()).fold(0.0, f64::max);
    let top = lines.iter().map(|line| line.offset).fold(f64::NEG_INFINITY, f64::max);
    let spread = lines.iter().map(|line| top - line.offset).fold(0.0, f64::max);
    // With all slopes 0 only the offsets count; any unit that keeps them apart will do.
    let unit = match (slope > 0.0, spread > 0.0) {
        // A power of two, so that scores which are multiples of one tie where they tie in float32.
        (true, _) => (slope / largest_scale as f64).log2().ceil().exp2(),
        (false, true) => spread / span as f64,
        (false, false) => 1.0,
    };
    let never = -(2 * span + 1);
    let scale: Vec<i64> = lines.iter().map(|line| (line.scale / unit).round() as i64).collect();
    let offset: Vec<i64> =
        lines.iter().map(|line| (((line.offset - top) / unit).round() as i64).max(never)).collect();
    notes.push(order_note(f, &scale, &offset, range, parity));
    let made = Made::scale(&scale, &offset, bits);
    Ok(Some(Head { made, range: Range { lo: -span + never, hi: span } }))
}

/// Binary digits of a score behind the point of its sum, for sums up to `most` with biases: public.
pub(super) fn bias_digits(most: i64) -> u32 {
    let width = 64 - most.max(1).leading_zeros();
    40u32.saturating_sub(width).min(24)
}

/// Folds biases behind sums of one slope: the sums are shifted by `digits` and keep a scale of 1, so nothing
/// is multiplied.
///
/// `range`: of the shifted sums. With `unit` the value of one of them, a bias is `round((b - max b) / unit)`,
/// at least `-(2 Y + 1)` as in [`fold`].
///
/// # Errors
/// The reason, if a bias is not finite.
pub(super) fn fold_biases(
    f: &FloatFn,
    classes: usize,
    range: Range,
    digits: u32,
    parity: Option<i64>,
    notes: &mut Vec<String>,
) -> Result<Head, String> {
    let lines: Option<Vec<Line>> = (0..classes).map(|c| f.as_line(c)).collect();
    let lines = lines.filter(|lines| lines.iter().all(|line| line.is_finite()));
    let lines = lines.ok_or("a score is not finite, expected finite weights")?;
    let (span, step) = (range.magnitude(), 1i64 << digits);
    let unit = lines[0].scale / step as f64;
    let top = lines.iter().map(|line| line.offset).fold(f64::NEG_INFINITY, f64::max);
    let never = -(2 * span + 1);
    let offset: Vec<i64> = lines
        .iter()
        .map(|line| if unit > 0.0 { (((line.offset - top) / unit).round() as i64).max(never) } else { 0 })
        .collect();
    let sums = Range { lo: range.lo / step, hi: range.hi / step };
    notes.push(order_note(f, &vec![step; classes], &offset, sums, parity));
    let made = Made::scale(&vec![1; classes], &offset, 2);
    Ok(Head { made, range: Range { lo: -span + never, hi: span } })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::graph::{Array, BatchNorm};

    fn head(gamma: &[f32], beta: &[f32]) -> (FloatFn, usize) {
        let n = gamma.len();
        let vector = |data: Vec<f32>| Arc::new(Array::vector(data));
        let mut f = FloatFn::default();
        f.norm(&BatchNorm {
            gamma: Some(vector(gamma.to_vec())),
            beta: Some(vector(beta.to_vec())),
            mean: vector((0..n).map(|i| i as f32 * 0.7 - 2.0).collect()),
            variance: vector((0..n).map(|i| 3.0 + i as f32).collect()),
            epsilon: 1e-3,
            fused: false,
        });
        (f, n)
    }

    #[test]
    fn fixed_point_picks_the_class_that_float_picks() {
        let range = Range { lo: -16, hi: 16 };
        for (gamma, beta) in [
            (vec![1.0f32, 0.3, -2.0], vec![0.0f32, 5.0, -1.0]),
            (vec![0.0, 0.0, 0.0], vec![0.1, 0.4, 0.2]),
            (vec![1e-20, 1.0, 1.0], vec![3.0, -1e6, 0.0]),
        ] {
            let (f, n) = head(&gamma, &beta);
            let head = fold(&f, n, range, None, 24, &mut Vec::new()).unwrap().unwrap();
            let lines = head.made.tensor.as_ref().expect("a head is of lines").lines();
            let (scale, offset): (Vec<i64>, Vec<i64>) =
                lines.iter().map(|line| (line.scale, line.offset)).unzip();
            for y in 0..33i64.pow(3) {
                let y: Vec<i64> = (0..3).map(|c| y / 33i64.pow(c) % 33 - 16).collect();
                let float: Vec<f32> = (0..3).map(|c| f.apply(c, y[c])).collect();
                let fixed: Vec<i64> = (0..3).map(|c| scale[c] * y[c] + offset[c]).collect();
                assert!(fixed.iter().all(|&s| head.range.lo <= s && s <= head.range.hi));
                let best =
                    |v: &dyn Fn(usize, usize) -> bool| (0..3).reduce(|a, b| if v(b, a) { b } else { a });
                let by_float = best(&|b, a| float[b] > float[a]);
                let by_fixed = best(&|b, a| fixed[b] > fixed[a]);
                let tie = float
                    .iter()
                    .filter(|&&s| s >= float.iter().copied().fold(f32::MIN, f32::max) - 1e-5)
                    .count()
                    > 1;
                assert!(by_float == by_fixed || tie, "{y:?}: {float:?} {fixed:?}");
            }
        }
    }

    #[test]
    fn the_width_does_not_depend_on_the_weights() {
        let range = Range { lo: -16, hi: 16 };
        let ranges: Vec<Range> = [(vec![1.0f32, -3.0], vec![9.0f32, 1e9]), (vec![0.0, 1e-9], vec![0.0, 0.0])]
            .iter()
            .map(|(gamma, beta)| {
                let (f, n) = head(gamma, beta);
                fold(&f, n, range, None, 16, &mut Vec::new()).unwrap().unwrap().range
            })
            .collect();
        assert_eq!(ranges[0], ranges[1]);
    }

    #[test]
    fn heads_that_do_not_fit_are_refused() {
        let (f, n) = head(&[1.0, 2.0], &[0.0, 0.0]);
        let wide = Range { lo: -(1 << 40), hi: 1 << 40 };
        assert!(fold(&f, n, wide, None, 24, &mut Vec::new()).unwrap_err().contains("too wide"));
        assert!(
            fold(&f, n, Range { lo: -3, hi: 3 }, None, 3, &mut Vec::new())
                .unwrap_err()
                .contains("--head-bits 3")
        );
        assert!(fold(&FloatFn::default(), n, wide, None, 24, &mut Vec::new()).unwrap().is_none());
    }
}
