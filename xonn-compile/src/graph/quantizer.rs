//! Quantisers, each by its own measured definition.
//!
//! | quantiser | on activations | on kernels | at 0 |
//! |---|---|---|---|
//! | larq `SteSign`, `ApproxSign`, `SwishSign` | -1, +1 | -1, +1 | +1, -0.0 too |
//! | larq `MagnitudeAwareSign` | refused | `s * -1, +1` | +1 |
//! | larq `SteHeaviside` | 0, 1 | refused | 0 |
//! | larq `DoReFa` with 1 bit | 0, 1 (1 above 0.5) | -1, +1 | 0; -1 |
//! | QKeras `binary` | `-s, +s`, or 0 and `s` | the same | +1 |
//! | QKeras and BinaryNet `binary_tanh` | -1, +1 | `H * -1, +1` | -1 |
//! | larq `SteTern` | -1, 0, +1 | the same | 0 |
//! | QKeras `ternary` | `-s, 0, +s` | the same | 0 |
//! | TensorFlow and Keras `sign` | -1, 0, +1 | refused | 0 |
//!
//! The `s` of `MagnitudeAwareSign` is the mean of the absolute values over all axes but the last; on
//! activations it would depend on the batch.
//!
//! Kernels are saved as latent floats, so a kernel's quantiser is always applied; it changes nothing on a
//! kernel that was saved quantised.

use super::{Array, Steps};

/// Maps real numbers to two (or with [`Quantizer::Ternary`] three) values.
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub enum Quantizer {
    /// `+1` from 0 upwards.
    Sign,
    /// [`Quantizer::Sign`] times the mean magnitude of the channel.
    MagnitudeAwareSign,
    /// 1 above 0, else 0.
    Heaviside,
    /// 1 above 0.5, else 0: DoReFa's activations at 1 bit.
    DoReFaActivation,
    /// `2 * round(tanh(x) / (2 * max|tanh|) + 0.5) - 1`: DoReFa's weights at 1 bit.
    DoReFaWeight,
    /// `low` below 0, `high` from 0 upwards: QKeras `binary`.
    TwoValues {
        /// The value below 0.
        low: f32,
        /// The value from 0 upwards.
        high: f32,
    },
    /// QKeras `binary` with `alpha` `auto` or `auto_po2`: signs times a scale fitted to the channel, see
    /// [`Quantizer::kernel`].
    FittedSign {
        /// Whether the scale is rounded to a power of two.
        power_of_two: bool,
    },
    /// `h * (2 * round(clip(x / (2 h) + 0.5, 0, 1)) - 1)`: BinaryNet's `binary_tanh`.
    BinaryTanh {
        /// The scale `H`; 1 for activations.
        h: f32,
    },
    /// -1, 0, +1.
    Ternary,
    /// -1 up to `-threshold`, +1 from `threshold` upwards, 0 between them: larq's `SteTern`.
    TernaryAt {
        /// Not negative.
        threshold: f32,
    },
    /// [`Quantizer::TernaryAt`] with a threshold of 0.7 times the mean magnitude of the whole kernel: larq's
    /// `SteTern` with `ternary_weight_networks`.
    TernaryWeight,
    /// [`Quantizer::TernaryAt`] times `scale`: QKeras `ternary` with a number as `alpha`, on kernels.
    ScaledTernary {
        /// Not negative.
        threshold: f32,
        /// The magnitude.
        scale: f32,
    },
    /// QKeras `ternary` with `alpha` `auto` or `auto_po2`: threshold and scale fitted to the channel, see
    /// [`Quantizer::kernel`].
    FittedTernary {
        /// Whether the scale is rounded to a power of two.
        power_of_two: bool,
        /// Rounds of fitting.
        rounds: u32,
    },
    /// -1 below `at`, +1 from it upwards.
    From {
        /// The edge.
        at: f32,
    },
    /// -1 up to `at`, +1 above it.
    Above {
        /// The edge.
        at: f32,
    },
    /// Several values, element by element.
    Steps(Steps),
    /// `2 * round((tanh(x) / (2 * max|tanh|) + 0.5) * levels) / levels - 1`: DoReFa's weights of several
    /// bits.
    DoReFaWeights {
        /// Steps from -1 to 1.
        levels: u32,
    },
    /// [`Quantizer::MagnitudeAwareSign`] of weights clipped to -1 and 1: larq zoo's `xnor_weight_scale`.
    ClippedMagnitudeAwareSign,
    /// QKeras `quantized_bits` with `alpha` `auto` or `auto_po2`: a scale fitted to the channel, see
    /// [`Quantizer::kernel`].
    FittedBits {
        /// All bits, with the sign; at least 2.
        bits: u32,
        /// Whether the scale is rounded to a power of two.
        power_of_two: bool,
    },
    /// Leaves numbers as they are: larq's `NoOp`.
    Identity,
}

impl Quantizer {
    /// What the quantiser makes of an activation.
    ///
    /// Quantisers that depend on a whole kernel ([`Quantizer::MagnitudeAwareSign`],
    /// [`Quantizer::FittedSign`],
    /// [`Quantizer::DoReFaWeight`]) have no meaning here and are refused when a model is read; they give the
    /// sign.
    #[must_use]
    pub fn apply(self, x: f32) -> f32 {
        let two = |fires: bool, low: f32, high: f32| if fires { high } else { low };
        match self {
            Self::Sign | Self::MagnitudeAwareSign | Self::FittedSign { .. } | Self::DoReFaWeight => {
                two(x >= 0.0, -1.0, 1.0)
            }
            Self::Heaviside => two(x > 0.0, 0.0, 1.0),
            Self::DoReFaActivation => x.clamp(0.0, 1.0).round_ties_even(),
            Self::TwoValues { low, high } => two(x >= 0.0, low, high),
            Self::BinaryTanh { h } => {
                h * (2.0 * (0.5 * (x / h) + 0.5).clamp(0.0, 1.0).round_ties_even() - 1.0)
            }
            Self::Ternary => two(x == 0.0, two(x > 0.0, -1.0, 1.0), 0.0),
            // sign(sign(x + t) + sign(x - t)), whose inner signs are 0 only on the thresholds.
            Self::TernaryAt { threshold } => two(x >= threshold, two(x <= -threshold, 0.0, -1.0), 1.0),
            Self::TernaryWeight
            | Self::FittedTernary { .. }
            | Self::FittedBits { .. }
            | Self::DoReFaWeights { .. } => x,
            Self::ClippedMagnitudeAwareSign => two(x >= 0.0, -1.0, 1.0),
            Self::Steps(steps) => steps.apply(x),
            Self::ScaledTernary { threshold, scale } => scale * Self::TernaryAt { threshold }.apply(x),
            Self::From { at } => two(x >= at, -1.0, 1.0),
            Self::Above { at } => two(x > at, -1.0, 1.0),
            Self::Identity => x,
        }
    }

    /// The two values of an activation; `None` for quantisers with another number of them.
    #[must_use]
    pub fn values(self) -> Option<[f32; 2]> {
        match self {
            Self::Sign => Some([-1.0, 1.0]),
            Self::Heaviside | Self::DoReFaActivation => Some([0.0, 1.0]),
            Self::TwoValues { low, high } => Some([low, high]),
            Self::BinaryTanh { h } => Some([-h, h]),
            // Its third value is met or not, which is for whoever knows the numbers to say.
            Self::Ternary | Self::TernaryAt { .. } | Self::From { .. } | Self::Above { .. } => {
                Some([-1.0, 1.0])
            }
            _ => None,
        }
    }

    /// Whether the quantiser may stand on activations.
    #[must_use]
    pub fn is_for_activations(self) -> bool {
        self.values().is_some() || matches!(self, Self::Identity | Self::Steps(_))
    }

    /// Whether kernels get a scale that depends on the weights.
    #[must_use]
    pub fn scales_by_weights(self) -> bool {
        matches!(
            self,
            Self::MagnitudeAwareSign
                | Self::ClippedMagnitudeAwareSign
                | Self::FittedSign { .. }
                | Self::FittedTernary { .. }
                | Self::FittedBits { .. }
        )
    }

    /// A quantised bias, or a norm's quantised weight: as the library computes it, with its rounding.
    #[must_use]
    pub fn constant(self, array: &Array) -> Array {
        match self {
            Self::Steps(steps) => {
                let data = array.data.iter().map(|&w| steps.of_weight(w)).collect();
                Array { shape: array.shape.clone(), data }
            }
            other => other.kernel(array),
        }
    }

    /// The quantised kernel; its last axis is the output channel.
    #[must_use]
    pub fn kernel(self, kernel: &Array) -> Array {
        let channels = kernel.last_axis().max(1);
        let count = (kernel.data.len() / channels) as f32;
        let channel =
            |c: usize| -> Vec<f32> { kernel.data.iter().skip(c).step_by(channels).copied().collect() };
        let per_channel = |scale: &dyn Fn(&[f32]) -> f32| -> Vec<f32> {
            let scales: Vec<f32> = (0..channels).map(|c| scale(&channel(c))).collect();
            let signs = kernel.data.iter().enumerate();
            signs.map(|(i, &w)| if w >= 0.0 { scales[i % channels] } else { -scales[i % channels] }).collect()
        };
        let data = match self {
            Self::MagnitudeAwareSign | Self::ClippedMagnitudeAwareSign => {
                let most = if self == Self::MagnitudeAwareSign { f32::MAX } else { 1.0 };
                per_channel(&|w| {
                    (w.iter().map(|w| f64::from(w.abs().min(most))).sum::<f64>() / f64::from(count)) as f32
                })
            }
            Self::DoReFaWeights { levels } => {
                let limit = kernel.data.iter().fold(0.0f32, |m, w| m.max(w.tanh().abs()));
                let n = levels as f32;
                let share = |w: f32| if limit > 0.0 { w.tanh() / (2.0 * limit) + 0.5 } else { 0.5 };
                let rounded = |w: f32| (share(w).clamp(0.0, 1.0) * n).round_ties_even() / n;
                kernel.data.iter().map(|&w| 2.0 * rounded(w) - 1.0).collect()
            }
            Self::FittedBits { bits, power_of_two } => {
                let fitted: Vec<Vec<f32>> =
                    (0..channels).map(|c| fitted_bits(&channel(c), bits, power_of_two)).collect();
                (0..kernel.data.len()).map(|i| fitted[i % channels][i / channels]).collect()
            }
            Self::FittedSign { power_of_two } => per_channel(&|w| fitted_scale(w, power_of_two)),
            Self::DoReFaWeight => {
                let limit = kernel.data.iter().fold(0.0f32, |m, w| m.max(w.tanh().abs()));
                let rounded = |w: f32| (w.tanh() / (2.0 * limit) + 0.5).round_ties_even();
                kernel.data.iter().map(|&w| if limit > 0.0 { 2.0 * rounded(w) - 1.0 } else { -1.0 }).collect()
            }
            Self::FittedTernary { power_of_two, rounds } => {
                let fitted: Vec<Vec<f32>> =
                    (0..channels).map(|c| fitted_ternary(&channel(c), power_of_two, rounds)).collect();
                (0..kernel.data.len()).map(|i| fitted[i % channels][i / channels]).collect()
            }
            Self::TernaryWeight => {
                let mean = kernel.data.iter().map(|w| f64::from(w.abs())).sum::<f64>()
                    / kernel.data.len().max(1) as f64;
                let ternary = Self::TernaryAt { threshold: (0.7 * mean) as f32 };
                kernel.data.iter().map(|&w| ternary.apply(w)).collect()
            }
            _ => kernel.data.iter().map(|&w| self.apply(w)).collect(),
        };
        Array { shape: kernel.shape.clone(), data }
    }
}

/// QKeras's least-squares scale of signs: `mean(|w|)`, or the nearest power of two after five rounds of
/// refinement.
///
/// For signs the refinement has converged after the first round: the scale of `sign(w)` is
/// `mean(w * sign(w))`, and its rounding does not change the signs.
fn fitted_scale(w: &[f32], power_of_two: bool) -> f32 {
    let mean = (w.iter().map(|w| f64::from(w.abs())).sum::<f64>() / w.len().max(1) as f64) as f32;
    if power_of_two { nearest_power_of_two(mean) } else { mean }
}

/// QKeras's power of two; 1e-7 is Keras's epsilon.
fn nearest_power_of_two(scale: f32) -> f32 {
    (scale + 1e-7).log2().round_ties_even().exp2()
}

/// QKeras's kernel of several bits of one channel: digits up to `2^(bits - 1) - 1` times a scale.
fn fitted_bits(w: &[f32], bits: u32, power_of_two: bool) -> Vec<f32> {
    let most = (f64::from(bits - 1).exp2() - 1.0) as f32;
    let mut scale = w.iter().fold(0.0f32, |most, w| most.max(w.abs())) / most;
    let digits = |scale: f32| -> Vec<f32> {
        let digit =
            |w: f32| if w == 0.0 { 0.0 } else { w.signum() * (w.abs() / scale + 0.5).floor().min(most) };
        w.iter().map(|&w| digit(w)).collect()
    };
    if !power_of_two {
        return digits(scale).into_iter().map(|digit| scale * digit).collect();
    }
    scale = nearest_power_of_two(scale);
    let mut found = digits(scale);
    for _ in 0..5 {
        found = digits(scale);
        let mean = |of: &dyn Fn((&f32, &f32)) -> f64| {
            (w.iter().zip(&found).map(of).sum::<f64>() / w.len().max(1) as f64) as f32
        };
        let (fit, share) = (mean(&|(w, d)| f64::from(w * d)), mean(&|(_, d)| f64::from(d * d)));
        scale = nearest_power_of_two(fit / (share + 1e-7));
    }
    found.into_iter().map(|digit| scale * digit).collect()
}

/// QKeras's ternary kernel of one channel: from `2/3 max|w|`, in turn the digits of a scale and the scale of
/// the digits.
fn fitted_ternary(w: &[f32], power_of_two: bool, rounds: u32) -> Vec<f32> {
    let rounded = |scale: f32| if power_of_two { nearest_power_of_two(scale) } else { scale };
    let mut scale = rounded(2.0 * w.iter().fold(0.0f32, |most, w| most.max(w.abs())) / 3.0);
    let mut digits = vec![0.0; w.len()];
    for _ in 0..rounds {
        // A scale of 0 makes no digit: 0 / 0 is below nothing.
        let digit = |w: f32| {
            let fires = (scale * (w / scale).round_ties_even()).abs() >= scale / 2.0;
            if fires && w != 0.0 { w.signum() } else { 0.0 }
        };
        digits = w.iter().map(|&w| digit(w)).collect();
        let mean = |of: &dyn Fn((&f32, &f32)) -> f64| {
            (w.iter().zip(&digits).map(of).sum::<f64>() / w.len().max(1) as f64) as f32
        };
        let (fit, share) = (mean(&|(w, d)| f64::from(w * d)), mean(&|(_, d)| f64::from(d * d)));
        scale = rounded(fit / (share + 1e-7));
    }
    digits.into_iter().map(|digit| scale * digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_at_zero_and_beside_it() {
        let signs = |q: Quantizer| [-0.0, 0.0, 1e-40, -1e-3, 0.5, 0.6].map(|x| q.apply(x));
        assert_eq!(signs(Quantizer::Sign), [1.0, 1.0, 1.0, -1.0, 1.0, 1.0]);
        assert_eq!(signs(Quantizer::Heaviside), [0.0, 0.0, 1.0, 0.0, 1.0, 1.0]);
        assert_eq!(signs(Quantizer::DoReFaActivation), [0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
        assert_eq!(signs(Quantizer::BinaryTanh { h: 1.0 }), [-1.0, -1.0, -1.0, -1.0, 1.0, 1.0]);
        assert_eq!(signs(Quantizer::Ternary), [0.0, 0.0, 1.0, -1.0, 1.0, 1.0]);
    }

    /// The first scale, 2/3 of 0.9, keeps 0.6 and -0.9; their mean is 0.75, whose nearest power of two (by
    /// its logarithm) is 1.
    #[test]
    fn a_fitted_ternary_by_hand() {
        let kernel = Array { shape: vec![4, 1], data: vec![0.6, -0.9, 0.1, 0.0] };
        let fitted = |power_of_two| Quantizer::FittedTernary { power_of_two, rounds: 5 }.kernel(&kernel).data;
        for (found, expected) in fitted(false).into_iter().zip([0.75, -0.75, 0.0, 0.0]) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
        assert_eq!(fitted(true), [1.0, -1.0, 0.0, 0.0]);
        let zeros = Array { shape: vec![2, 1], data: vec![0.0; 2] };
        assert_eq!(
            Quantizer::FittedTernary { power_of_two: false, rounds: 5 }.kernel(&zeros).data,
            [0.0, 0.0]
        );
        let scaled = Quantizer::ScaledTernary { threshold: 0.5, scale: 2.0 };
        assert_eq!(scaled.kernel(&kernel).data, [2.0, -2.0, 0.0, 0.0]);
    }

    /// Half even: numbers below the rounding of 0.5 still give -1.
    #[test]
    fn binary_tanh_is_minus_one_just_above_zero() {
        let q = Quantizer::BinaryTanh { h: 1.0 };
        assert_eq!(q.apply(5e-8), -1.0);
        assert_eq!(q.apply(2e-7), 1.0);
        assert_eq!(Quantizer::BinaryTanh { h: 0.13 }.apply(-0.02), -0.13);
    }

    #[test]
    fn kernels_keep_their_scale_by_channel() {
        let kernel = Array { shape: vec![2, 2], data: vec![0.5, -1.0, -1.5, 0.0] };
        assert_eq!(Quantizer::MagnitudeAwareSign.kernel(&kernel).data, [1.0, -0.5, -1.0, 0.5]);
        assert_eq!(Quantizer::FittedSign { power_of_two: true }.kernel(&kernel).data, [1.0, -0.5, -1.0, 0.5]);
        assert_eq!(Quantizer::DoReFaWeight.kernel(&kernel).data, [1.0, -1.0, -1.0, -1.0]);
        let quantised = Quantizer::MagnitudeAwareSign.kernel(&kernel);
        assert_eq!(Quantizer::MagnitudeAwareSign.kernel(&quantised), quantised);
    }
}
