//! Functions of one element, as Keras and TensorFlow compute them in float32.

/// A function of an activation.
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub enum Function {
    /// `exp(x) / sum(exp)` over the last axis.
    Softmax,
    /// `log(softmax)`.
    LogSoftmax,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `clip(slope * x + 0.5, 0, 1)`: slope 0.2 in Keras 2, 1/6 in Keras 3.
    HardSigmoid {
        /// Slope at 0.
        slope: f32,
    },
    /// The hyperbolic tangent.
    Tanh,
    /// `clip(x, -1, 1)`.
    HardTanh,
    /// `x` above 0, `slope * x` below, at most `max`.
    Relu {
        /// Slope below 0, not negative.
        slope: f32,
        /// Upper limit.
        max: Option<f32>,
    },
    /// `x` from `threshold` upwards, `slope * (x - threshold)` below, at most `max`: Keras's `ReLU` with a
    /// threshold.
    ReluFrom {
        /// Not negative, so that the function does not fall.
        threshold: f32,
        /// Not negative.
        slope: f32,
        /// Upper limit.
        max: Option<f32>,
    },
    /// `x` above `theta`, else 0.
    ThresholdedRelu {
        /// Not negative.
        theta: f32,
    },
    /// `clip(x, low, high)`; either may be infinite.
    Clip {
        /// Lower limit.
        low: f32,
        /// Upper limit, not below the lower one.
        high: f32,
    },
    /// `x` above 0, `alpha * (exp(x) - 1)` below.
    Elu {
        /// Not negative.
        alpha: f32,
    },
    /// `scale * elu(x)` with the constants of self-normalising networks.
    Selu,
    /// `log(1 + exp(x))`.
    Softplus,
    /// `x / (1 + |x|)`.
    Softsign,
    /// `exp(x)`.
    Exponential,
    /// `log(sigmoid(x))`.
    LogSigmoid,
    /// `x` less a half above a half, plus a half below minus a half, else 0.
    SoftShrink,
    /// `x - tanh(x)`.
    TanhShrink,
    /// `(x + sqrt(x * x + 4)) / 2`.
    SquarePlus,
    /// 0 up to -1, `x` from 1 on, `(x + 1)^2 / 4` between.
    SparsePlus,
    /// `x * clip(x + 3, 0, 6) / 6`, which falls up to its turn.
    HardSilu,
    /// `x * sigmoid(x)`, which falls below its [turn](Function::turn).
    Silu,
    /// `x * Phi(x)`, or its approximation by a tanh; falls below its turn.
    Gelu {
        /// Whether Phi is approximated.
        approximate: bool,
    },
    /// `x * tanh(softplus(x))`; falls below its turn.
    Mish,
    /// `|x|`; falls below 0.
    Abs,
    /// `x * x`; falls below 0.
    Square,
}

impl Function {
    /// The function of one element; softmax, which needs all of them, gives `x`, whose order it keeps.
    #[must_use]
    pub fn apply(self, x: f32) -> f32 {
        let limited = |y: f32, max: Option<f32>| max.map_or(y, |max| y.min(max));
        match self {
            Self::Softmax | Self::LogSoftmax => x,
            Self::Sigmoid => sigmoid(x),
            Self::HardSigmoid { slope } => (slope * x + 0.5).clamp(0.0, 1.0),
            Self::Tanh => x.tanh(),
            Self::HardTanh => x.clamp(-1.0, 1.0),
            Self::Relu { slope, max } => limited(if x >= 0.0 { x } else { slope * x }, max),
            Self::ReluFrom { threshold, slope, max } => {
                limited(if x >= threshold { x } else { slope * (x - threshold) }, max)
            }
            Self::ThresholdedRelu { theta } => {
                if x > theta {
                    x
                } else {
                    0.0
                }
            }
            Self::Clip { low, high } => x.max(low).min(high),
            Self::Elu { alpha } => elu(x, alpha),
            Self::Selu => 1.050_701 * elu(x, 1.673_263_2),
            Self::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
            Self::Softsign => x / (1.0 + x.abs()),
            Self::Exponential => x.exp(),
            Self::LogSigmoid => -((-x).max(0.0) + (-x.abs()).exp().ln_1p()),
            Self::SoftShrink => x - x.clamp(-0.5, 0.5),
            Self::TanhShrink => x - x.tanh(),
            // Below 0 the difference of two large numbers loses its digits.
            Self::SquarePlus if x < 0.0 => 2.0 / (x.hypot(2.0) - x),
            Self::SquarePlus => 0.5 * (x + x.hypot(2.0)),
            Self::SparsePlus if x >= 1.0 => x,
            Self::SparsePlus => 0.25 * (x.max(-1.0) + 1.0).powi(2),
            Self::HardSilu => x * ((x + 3.0).clamp(0.0, 6.0) / 6.0),
            Self::Silu => x * sigmoid(x),
            Self::Gelu { approximate } => {
                let x = f64::from(x);
                let cubic = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
                // (1 + tanh(c)) / 2
                let approximated = || 1.0 / (1.0 + (-2.0 * cubic).exp());
                let phi =
                    if approximate { approximated() } else { 0.5 * erfc(-x / std::f64::consts::SQRT_2) };
                (x * phi) as f32
            }
            Self::Mish => x * (x.max(0.0) + (-x.abs()).exp().ln_1p()).tanh(),
            Self::Abs => x.abs(),
            Self::Square => x * x,
        }
    }

    /// Whether larger inputs give strictly larger outputs, so that an argmax may read the input instead.
    #[must_use]
    pub fn keeps_order(self) -> bool {
        matches!(self, Self::Softmax | Self::LogSoftmax | Self::Sigmoid | Self::Tanh)
    }

    /// Where the function stops falling and begins to rise; `None` if it never falls.
    #[must_use]
    pub fn turn(self) -> Option<f32> {
        match self {
            Self::Silu => Some(-1.278_464_5),
            Self::Gelu { approximate: false } => Some(-0.751_791_5),
            Self::Gelu { approximate: true } => Some(-0.752_461_4),
            Self::Mish => Some(-1.192_431_4),
            Self::HardSilu => Some(-1.5),
            Self::Abs | Self::Square => Some(0.0),
            _ => None,
        }
    }
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

fn elu(x: f32, alpha: f32) -> f32 {
    if x > 0.0 { x } else { alpha * x.exp_m1() }
}

/// The complementary error function to about 1e-12: a series near 0, a continued fraction farther out.
fn erfc(x: f64) -> f64 {
    if x < 0.0 {
        return 2.0 - erfc(-x);
    }
    if x < 2.5 {
        // erf(x) = 2 / sqrt(pi) * sum of (-1)^n x^(2n+1) / (n! (2n+1))
        let (mut term, mut sum) = (x, x);
        for n in 1..60 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        return 1.0 - sum * 2.0 / std::f64::consts::PI.sqrt();
    }
    let fraction = (1..60).rev().fold(0.0, |f, n| f64::from(n) / 2.0 / (x + f));
    (-x * x).exp() / std::f64::consts::PI.sqrt() / (x + fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        for (x, want) in [(0.0, 1.0), (0.5, 0.479_500_122), (1.0, 0.157_299_207), (3.0, 2.209_049_7e-5)] {
            assert!((erfc(x) - want).abs() < 1e-9, "erfc({x})");
            assert!((erfc(-x) - (2.0 - want)).abs() < 1e-9);
        }
        assert_eq!(Function::Selu.apply(2.0), 2.101_402);
        assert!((Function::Elu { alpha: 0.5 }.apply(-1.0) + 0.316_060_3).abs() < 1e-6);
        assert_eq!(Function::Clip { low: -1.0, high: 2.0 }.apply(7.0), 2.0);
        let from = Function::ReluFrom { threshold: 1.0, slope: 0.5, max: Some(3.0) };
        assert_eq!([0.0, 1.0, 5.0].map(|x| from.apply(x)), [-0.5, 1.0, 3.0]);
        // By Keras 3.15.
        let keras = [
            (Function::SoftShrink, [-1.5, 0.0, 0.0, 0.0, 0.7]),
            (Function::TanhShrink, [-1.035_972_4, -0.037_882_865, 0.0, 0.002_624_675_6, 0.366_345_4]),
            (Function::SquarePlus, [0.414_213_54, 0.780_776_4, 1.0, 1.104_987_6, 1.766_190_4]),
            (Function::SparsePlus, [0.0, 0.0625, 0.25, 0.36, 1.2]),
        ];
        for (function, want) in keras {
            for (x, want) in [-2.0, -0.5, 0.0, 0.2, 1.2].into_iter().zip(want) {
                let found = function.apply(x);
                assert!((found - want).abs() < 1e-6, "{function:?}({x}) = {found}, expected {want}");
            }
        }
        assert_eq!([1.0, 1.5].map(|x| Function::ThresholdedRelu { theta: 1.0 }.apply(x)), [0.0, 1.5]);
    }

    /// Below its turn a function falls, above it rises; one without a turn never falls.
    #[test]
    fn functions_turn_where_they_say() {
        let all = [
            Function::Sigmoid,
            Function::Tanh,
            Function::Elu { alpha: 1.3 },
            Function::Selu,
            Function::Softplus,
            Function::Softsign,
            Function::Exponential,
            Function::LogSigmoid,
            Function::SoftShrink,
            Function::TanhShrink,
            Function::SquarePlus,
            Function::SparsePlus,
            Function::HardSilu,
            Function::ReluFrom { threshold: 0.5, slope: 0.1, max: None },
            Function::ThresholdedRelu { theta: 0.5 },
            Function::Silu,
            Function::Gelu { approximate: false },
            Function::Gelu { approximate: true },
            Function::Mish,
            Function::Abs,
            Function::Square,
        ];
        for function in all {
            let turn = function.turn().unwrap_or(f32::NEG_INFINITY);
            for i in -800..800 {
                let (x, next) = (i as f32 / 100.0, (i + 1) as f32 / 100.0);
                let (y, z) = (function.apply(x), function.apply(next));
                let slack = 1e-6 * y.abs();
                assert!(
                    if next <= turn { z <= y + slack } else { x < turn || z >= y - slack },
                    "{function:?} {x}"
                );
            }
        }
    }
}
