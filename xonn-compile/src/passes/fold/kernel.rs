//! Kernels as integers: signs, signs and zeros, or fixed point.

use xonn_program::op::Planes;

/// A kernel `w = scale * W`.
pub(super) struct Weights {
    /// Which integers `W` may be.
    pub planes: Planes,
    /// `W`, `[output][input]`.
    pub weights: Vec<i32>,
    /// One for all outputs, or one each.
    pub scales: Vec<f64>,
    /// Of weights of hidden numbers: how many bits of the sums are dropped.
    pub drop: Option<u32>,
    /// Whether `scale * W` is the kernel itself, not near it.
    pub exact: bool,
}

impl Weights {
    /// Whether `scale * W` is the kernel itself, not near it.
    pub fn are_exact(&self) -> bool {
        self.exact
    }

    /// `sum(W)` of each output.
    pub fn sums(&self, fan_in: usize) -> Vec<i64> {
        self.weights.chunks(fan_in).map(|w| w.iter().map(|&w| i64::from(w)).sum()).collect()
    }
}

/// Integer weights for a kernel `[input][output]`.
///
/// * One magnitude an output: signs.
/// * Beside it zeros, the magnitude being the same for all outputs: two signs each, whose halves add up.
/// * A magnitude for each output that a quantiser fits, and zeros: the same with a scale for each output.
/// * Anything else: odd multiples of `max|w| / (2^bits - 1)`; `bits` is an error where that is not wanted.
///
/// `secret_scale`: whether the magnitudes come from a quantiser that takes them from the weights, so that
/// whether they are equal or 0 must not show.
///
/// `own_units`: whether real weights of each output are multiples of a step of its own, so that an output of
/// small weights is as exact as one of large ones.
///
/// # Errors
/// The reason.
pub(super) fn integer_weights(
    kernel: &[f32],
    outputs: usize,
    secret_scale: bool,
    own_units: bool,
    bits: Result<u32, String>,
    mut note: impl FnMut(String),
) -> Result<Weights, String> {
    let fan_in = kernel.len() / outputs.max(1);
    let weights = |to: &dyn Fn(f32, usize) -> i32| -> Vec<i32> {
        (0..outputs).flat_map(|o| (0..fan_in).map(move |i| to(kernel[i * outputs + o], o))).collect()
    };
    let mut scales: Vec<f64> = (0..outputs).map(|o| f64::from(kernel[o].abs())).collect();
    let one_magnitude = (0..kernel.len()).all(|at| f64::from(kernel[at].abs()) == scales[at % outputs]);
    if one_magnitude && (secret_scale || !scales.contains(&0.0)) {
        if !secret_scale && scales.iter().all(|&scale| scale == scales[0]) {
            scales.truncate(1);
        }
        let signs = weights(&|w, _| if w >= 0.0 { 1 } else { -1 });
        return Ok(Weights { planes: Planes::Sign, weights: signs, scales, drop: None, exact: true });
    }
    // Signs and zeros with a magnitude for each output: only a quantiser that fits both to the weights makes
    // these.
    for (at, w) in kernel.iter().enumerate() {
        scales[at % outputs] = scales[at % outputs].max(f64::from(w.abs()));
    }
    if secret_scale
        && (0..kernel.len()).all(|at| [0.0, scales[at % outputs]].contains(&f64::from(kernel[at].abs())))
    {
        let digits = weights(&|w, _| if w == 0.0 { 0 } else { 2 * w.signum() as i32 });
        let scales = scales.iter().map(|scale| scale / 2.0).collect();
        return Ok(Weights { planes: Planes::Ternary, weights: digits, scales, drop: None, exact: true });
    }
    let largest = kernel.iter().fold(0.0f32, |m, w| m.max(w.abs()));
    if !secret_scale && kernel.iter().all(|w| *w == 0.0 || w.abs() == largest) {
        // W is -2, 0 or 2.
        let digits = weights(&|w, _| if w == 0.0 { 0 } else { 2 * w.signum() as i32 });
        // Zeros alone are as many of anything.
        let largest = if largest > 0.0 { f64::from(largest) } else { 1.0 };
        return Ok(Weights {
            planes: Planes::Ternary,
            weights: digits,
            scales: vec![largest / 2.0],
            drop: None,
            exact: true,
        });
    }
    if !secret_scale && let Some((step, most, odd)) = grid(kernel, largest) {
        // Odd multiples of the step itself, or even ones of half of it.
        let digit = |w: f32, _| {
            let n = (f64::from(w) / step).round() as i32;
            if odd { n } else { 2 * n }
        };
        let bits = most.next_power_of_two().ilog2();
        let (planes, scale) = match odd {
            true => (Planes::Odd { bits: u64::BITS - most.leading_zeros() }, step),
            false => (Planes::Even { bits: bits + 2 }, step / 2.0),
        };
        note(format!(
            "its weights are multiples of {step} up to {most} times, kept exactly in {} planes; signs alone \
             take one",
            planes.count()
        ));
        return Ok(Weights {
            planes,
            weights: weights(&digit),
            scales: vec![scale],
            drop: None,
            exact: true,
        });
    }
    let planes = Planes::Odd { bits: bits? };
    let step = |largest: f64| largest / planes.largest() as f64;
    let scales: Vec<f64> = if own_units {
        // Weights of 0 alone are next to nothing times 1: that they are 0 must not show.
        scales.iter().map(|&largest| step(largest.max(f64::from(f32::MIN_POSITIVE)))).collect()
    } else {
        vec![step(f64::from(largest))]
    };
    let odd = |w: f32, o: usize| {
        let unit = scales[o % scales.len()];
        let half = ((f64::from(w) / unit - 1.0) / 2.0).round() as i64;
        if unit > 0.0 { (2 * half + 1).clamp(-planes.largest(), planes.largest()) as i32 } else { 1 }
    };
    let digits = weights(&odd);
    let unit = scales.iter().copied().fold(0.0, f64::max);
    note(format!(
        "its weights are real numbers, written in {} bits: each is off by at most {unit:.1e}, a sum by at \
         most {:.1e} for inputs of +-1; choose the bits with --weight-bits",
        planes.count(),
        unit * fan_in as f64
    ));
    Ok(Weights { planes, weights: digits, scales, drop: None, exact: false })
}

/// Largest multiple of a step in a kernel that is written exactly.
const MOST_STEPS: u64 = 1 << 15;

/// Fewest weights of a kernel whose step may be no power of two.
const FEWEST_WEIGHTS: usize = 16;

/// Most steps of a kernel whose step is no power of two.
const MOST_PARTS: u32 = 255;

/// The step that all weights are multiples of, as a quantiser leaves them: the largest multiple, and whether
/// all are odd. A power of two, or else a part of the largest weight, of which float32 holds each multiple to
/// its last bit.
fn grid(kernel: &[f32], largest: f32) -> Option<(f64, u64, bool)> {
    if kernel.len() < 2 || !largest.is_normal() {
        return None;
    }
    let lowest = |w: &f32| -> i32 {
        // Of the mantissa with its leading one.
        let bits = w.to_bits();
        let (exponent, mantissa) = ((bits >> 23 & 0xff) as i32, bits & 0x7f_ffff);
        match exponent {
            0 => i32::MIN,
            _ => exponent - 150 + (mantissa | 1 << 23).trailing_zeros() as i32,
        }
    };
    let lowest = kernel.iter().filter(|w| **w != 0.0).map(lowest).min()?;
    let dyadic = (lowest > -126).then(|| f64::from(lowest).exp2());
    let steps = |step: f64| (f64::from(largest) / step).round() as u64;
    let dyadic = dyadic.filter(|&step| steps(step) <= MOST_STEPS);
    let near = |parts: u32| {
        let step = f64::from(largest) / f64::from(parts);
        let fits = |w: &f32| {
            let n = f64::from(*w) / step;
            (n - n.round()).abs() <= n.abs().max(1.0) * f64::from(f32::EPSILON)
        };
        kernel.iter().all(fits).then_some(step)
    };
    // A few numbers are multiples of some part by chance.
    let parts = (kernel.len() >= FEWEST_WEIGHTS).then_some(3..=MOST_PARTS);
    let step = dyadic.or_else(|| parts.into_iter().flatten().find_map(near))?;
    let odd = kernel.iter().all(|w| (f64::from(*w) / step).round() as i64 % 2 != 0);
    Some((step, steps(step), odd))
}

/// Most bits of a sum that are dropped.
const MOST_DROPPED: u32 = 40;

/// Integer weights for a kernel `[input][output]` of real numbers whose sums, without their `drop` lowest
/// bits, are in units of `unit`: odd multiples of one step that is `unit / 2^drop` of the sums, as fine as
/// `bits` allow.
///
/// * `slope`: what 1 of what is added up stands for, not 0.
///
/// # Errors
/// A kernel beside which the unit is too small.
pub(super) fn number_weights(
    kernel: &[f32],
    outputs: usize,
    slope: f64,
    unit: f64,
    bits: u32,
) -> Result<Weights, String> {
    let largest = kernel.iter().fold(0.0f64, |most, &w| most.max(f64::from(w.abs())));
    if !(largest * slope.abs()).is_finite() {
        return Err(format!("a weight of {largest}, expected finite numbers"));
    }
    // How large the largest weight is if no bit is dropped.
    let whole = largest * slope.abs() / unit;
    let most = f64::from((1u32 << bits) - 1);
    let drop = (most / whole).log2().floor().clamp(0.0, f64::from(MOST_DROPPED));
    let needed = (whole * drop.exp2() + 1.0).log2().ceil().max(1.0);
    if needed > 22.0 {
        return Err(format!(
            "its weights are up to {largest:.1e} where its results are counted in {unit:.1e}, so that they \
             would need {needed} bits, expected at most 22"
        ));
    }
    let planes = Planes::Odd { bits: bits.max(needed as u32) };
    let step = unit * (-drop).exp2() / slope.abs();
    let fan_in = kernel.len() / outputs.max(1);
    let odd = |w: f32| {
        let half = ((f64::from(w) * slope.signum() / step - 1.0) / 2.0).round() as i64;
        (2 * half + 1).clamp(-planes.largest(), planes.largest()) as i32
    };
    let at = |o: usize| (0..fan_in).map(move |i| i * outputs + o);
    let weights = (0..outputs).flat_map(at).map(|at| odd(kernel[at])).collect();
    Ok(Weights {
        planes,
        weights,
        scales: vec![step * slope.signum()],
        drop: Some(drop as u32),
        exact: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kernel: &[f32], outputs: usize, secret: bool) -> Weights {
        integer_weights(kernel, outputs, secret, false, Ok(6), |_| ()).expect("it can be written")
    }

    /// Kernels of a quantiser of several bits are written as they are.
    #[test]
    fn multiples_of_a_step_are_exact() {
        let bits = of(&[0.25, -0.75, 0.0, 0.5, -1.0, 0.25], 2, false);
        assert_eq!((bits.planes, bits.scales.as_slice()), (Planes::Even { bits: 4 }, &[0.125][..]));
        assert_eq!(bits.weights, [2, 0, -8, -6, 4, 2]);
        // DoReFa's of two bits: odd thirds.
        let thirds = of(&[1.0, -1.0 / 3.0, 1.0 / 3.0, -1.0].repeat(4), 1, false);
        assert_eq!((thirds.planes, &thirds.weights[..4]), (Planes::Odd { bits: 2 }, &[3, -1, 1, -3][..]));
        assert!(thirds.are_exact() && (thirds.scales[0] - 1.0 / 3.0).abs() < 1e-9);
        // Others are not, nor are scales of a quantiser that fits them.
        assert!(!of(&[0.25, -0.751, 0.1, 0.5, -1.0, 0.25], 2, false).are_exact());
        assert!(!of(&[0.25, -0.75, 0.0, 0.5, -1.0, 0.25], 2, true).are_exact());
    }

    #[test]
    fn each_kernel_takes_its_cheapest_form() {
        let signs = of(&[1.0, -2.0, -1.0, 2.0], 2, false);
        assert_eq!((signs.planes, signs.scales.as_slice()), (Planes::Sign, &[1.0, 2.0][..]));
        assert_eq!(signs.weights, [1, -1, -1, 1]);
        assert_eq!(of(&[0.5, 0.5], 2, false).scales, [0.5]);
        assert_eq!(of(&[0.5, 0.5], 2, true).scales, [0.5, 0.5]);
        let ternary = of(&[0.5, 0.0, -0.5, 0.5], 2, false);
        assert_eq!((ternary.planes, ternary.scales.as_slice()), (Planes::Ternary, &[0.25][..]));
        assert_eq!(ternary.weights, [2, -2, 0, 2]);
        let fitted = of(&[0.5, 0.0, -0.5, -2.0], 2, true);
        assert_eq!((fitted.planes, fitted.scales.as_slice()), (Planes::Ternary, &[0.25, 1.0][..]));
        assert_eq!(fitted.weights, [2, -2, 0, -2]);
        assert!(integer_weights(&[0.5, 0.3], 1, false, false, Err("no".into()), |_| ()).is_err());
    }

    /// Every weight of a real kernel is within half a step of what it stands for.
    #[test]
    fn real_weights_are_rounded_to_odd_multiples() {
        let kernel: Vec<f32> = (0..200).map(|i| ((i * 37 % 101) as f32 - 50.3) * 0.013).collect();
        let real = of(&kernel, 4, false);
        let unit = real.scales[0];
        for o in 0..4 {
            for i in 0..50 {
                let w = real.weights[o * 50 + i];
                assert!(real.planes.holds(w));
                assert!((f64::from(w) * unit - f64::from(kernel[i * 4 + o])).abs() <= unit * (1.0 + 1e-9));
            }
        }
        // Each output by itself: the second has weights a thousand times smaller.
        let kernel: Vec<f32> =
            (0..8).map(|i| if i % 2 == 0 { 1.0 } else { 1e-3 } * (i as f32 - 3.4)).collect();
        let own = integer_weights(&kernel, 2, false, true, Ok(6), |_| ()).expect("it can be written");
        for (at, w) in kernel.iter().enumerate() {
            let near = f64::from(own.weights[at % 2 * 4 + at / 2]) * own.scales[at % 2];
            assert!((near - f64::from(*w)).abs() <= own.scales[at % 2] * (1.0 + 1e-9));
        }
        assert!(own.scales[1] < own.scales[0] / 500.0);
        assert!(integer_weights(&[0.0, 1.0], 2, false, true, Ok(6), |_| ()).is_ok_and(|w| w.scales[0] > 0.0));
        assert_eq!(of(&[0.0, 0.0, 0.0], 1, true).scales, [0.0]);
        assert_eq!(of(&[0.0, 0.0, 0.0], 1, false).weights, [0, 0, 0]);
    }
}
