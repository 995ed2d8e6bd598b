//! A head with BatchNorm: real scores `a_c * y_c + b_c` become integers of a public width with the same order.
//!
//! With `unit = max |a| / A` and `A = 2^(bits - 1) - 1`, the scale of class `c` is `round(a_c / unit)` and its offset
//! `round((b_c - max b) / unit)`: a common factor and a common summand do not change which class is largest. Offsets are at
//! most 0; one below `-(2 A Y + 1)`, `Y` the largest `|y|`, belongs to a class that can never be largest and is set to
//! that. So scores lie in `-(3 A Y + 1) ..= A Y`, whatever the weights are, and the width of a score is public.

use super::float_fn::FloatFn;
use crate::integer::{Op, Range};

/// Most (class, value) pairs for which the order is checked.
const MAX_CHECKED: i64 = 1 << 22;

/// A folded head.
pub(super) struct Head {
    pub op: Op,
    pub range: Range,
}

/// Folds the float steps behind the last sum, whose values are `range.lo`, `range.lo + step`, ...; nothing is left to do if
/// there are no steps.
pub(super) fn fold(
    f: &FloatFn,
    classes: usize,
    range: Range,
    step: i64,
    bits: u32,
    notes: &mut Vec<String>,
) -> Result<Option<Head>, String> {
    let lines: Vec<(f64, f64)> = (0..classes).map(|c| f.line(c)).collect();
    if lines.iter().any(|(a, b)| !a.is_finite() || !b.is_finite()) {
        return Err("a score is not finite, expected finite weights".into());
    }
    if f.is_identity() {
        return Ok(None);
    }
    if !(8..=32).contains(&bits) {
        return Err(format!("--head-bits {bits}, expected 8 to 32"));
    }
    let largest_scale = (1i64 << (bits - 1)) - 1;
    let most = range.lo.abs().max(range.hi.abs());
    let Some(span) = largest_scale.checked_mul(most).filter(|&span| span < 1 << 58) else {
        return Err(format!(
            "scores of up to {most} with {bits} bits of scale are too wide, lower --head-bits"
        ));
    };
    let slope = lines.iter().map(|(a, _)| a.abs()).fold(0.0, f64::max);
    let top = lines.iter().map(|(_, b)| *b).fold(f64::NEG_INFINITY, f64::max);
    let spread = lines.iter().map(|(_, b)| top - b).fold(0.0, f64::max);
    // With all slopes 0 only the offsets count; any unit that keeps them apart will do.
    let unit = match (slope > 0.0, spread > 0.0) {
        (true, _) => slope / largest_scale as f64,
        (false, true) => spread / span as f64,
        (false, false) => 1.0,
    };
    let never = -(2 * span + 1);
    let scale: Vec<i64> = lines.iter().map(|(a, _)| (a / unit).round() as i64).collect();
    let offset: Vec<i64> =
        lines.iter().map(|(_, b)| (((b - top) / unit).round() as i64).max(never)).collect();
    notes.push(order_note(f, &scale, &offset, range, step));
    let op = Op::Affine { scale, offset, bits };
    Ok(Some(Head { op, range: Range { lo: -span + never, hi: span } }))
}

/// Compares the order of all (class, value) pairs in float32 and in fixed point.
fn order_note(f: &FloatFn, scale: &[i64], offset: &[i64], range: Range, step: i64) -> String {
    let values = (range.hi - range.lo) / step + 1;
    if values.saturating_mul(scale.len() as i64) > MAX_CHECKED {
        return format!("the head's fixed point is not checked pair by pair, it has {values} values a class");
    }
    let mut pairs: Vec<(f32, i64)> = (0..scale.len())
        .flat_map(|c| (0..values).map(move |i| (c, range.lo + i * step)))
        .map(|(c, y)| (f.apply(c, y), scale[c] * y + offset[c]))
        .collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    // Neighbours in the order of floats whose integers go the other way, or tie where the floats do not.
    let unlike = |w: &&[(f32, i64)]| w[0].0 < w[1].0 && w[0].1 >= w[1].1;
    let margins: Vec<f32> = pairs.windows(2).filter(unlike).map(|w| w[1].0 - w[0].0).collect();
    let ties = pairs.windows(2).filter(|w| w[0].0 == w[1].0 && w[0].1 != w[1].1).count();
    let pairs = pairs.len();
    match (margins.iter().copied().reduce(f32::max), ties) {
        (None, 0) => {
            format!("the head's fixed point orders all {pairs} possible scores as Keras's float32 does")
        }
        (None, _) => format!(
            "the head's fixed point orders all {pairs} possible scores as Keras's float32 does, and tells apart {ties} pairs \
             that tie in float32 by rounding"
        ),
        (Some(widest), _) => format!(
            "the head's fixed point orders {} of {pairs} possible scores unlike Keras's float32, where they are within \
             {widest:.1e} of each other; --head-bits raises its precision",
            margins.len()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::BatchNorm;

    fn head(gamma: &[f32], beta: &[f32]) -> (FloatFn, usize) {
        let n = gamma.len();
        let mut f = FloatFn::default();
        f.norm(BatchNorm {
            gamma: gamma.to_vec(),
            beta: beta.to_vec(),
            mean: (0..n).map(|i| i as f32 * 0.7 - 2.0).collect(),
            variance: (0..n).map(|i| 3.0 + i as f32).collect(),
            epsilon: 1e-3,
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
            let head = fold(&f, n, range, 1, 24, &mut Vec::new()).expect("finite").expect("not the identity");
            let Op::Affine { scale, offset, .. } = head.op else { panic!("a head is affine") };
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
                fold(&f, n, range, 1, 16, &mut Vec::new()).expect("finite").expect("not the identity").range
            })
            .collect();
        assert_eq!(ranges[0], ranges[1]);
    }
}
