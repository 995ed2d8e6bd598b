//! The float computation between an integer sum and a sign, and where it changes sign.

use crate::graph::BatchNorm;
use crate::integer::{Cut, Range};

/// Float32 steps on one integer tensor, in Keras's order, channel by channel.
#[derive(Clone, Default, Debug)]
pub struct FloatFn {
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
enum Step {
    /// `scale * (y - shift)`, the input's scale; exact integers before the one rounding to float32.
    Input {
        scale: f64,
        shift: Vec<f64>,
    },
    Bias(Vec<f32>),
    Norm(BatchNorm),
}

impl FloatFn {
    /// Appends the input's scale: `x = scale * q + offset` summed with weights whose sum is `weight_sum[channel]`.
    pub fn input(&mut self, scale: f64, offset: f64, weight_sum: &[i64]) {
        let shift = weight_sum.iter().map(|&sum| -offset / scale * sum as f64).collect();
        self.steps.push(Step::Input { scale, shift });
    }

    /// Appends a bias.
    pub fn bias(&mut self, bias: Vec<f32>) {
        self.steps.push(Step::Bias(bias));
    }

    /// Appends a batch normalisation.
    pub fn norm(&mut self, norm: BatchNorm) {
        self.steps.push(Step::Norm(norm));
    }

    /// Whether nothing is computed.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.steps.is_empty()
    }

    /// What Keras computes for the integer `y`, in float32.
    #[must_use]
    pub fn apply(&self, channel: usize, y: i64) -> f32 {
        let mut x = y as f32;
        for step in &self.steps {
            x = match step {
                Step::Input { scale, shift } => (scale * (y as f64 - shift[channel])) as f32,
                Step::Bias(bias) => x + bias[channel],
                Step::Norm(norm) => norm.apply(channel, x),
            };
        }
        x
    }

    /// Slope and offset in double precision: `apply(y) = slope * y + offset` up to rounding.
    #[must_use]
    pub fn line(&self, channel: usize) -> (f64, f64) {
        let (mut slope, mut offset) = (1.0f64, 0.0f64);
        for step in &self.steps {
            match step {
                Step::Input { scale, shift } => {
                    (slope, offset) = (slope * scale, scale * (offset - shift[channel]))
                }
                Step::Bias(bias) => offset += f64::from(bias[channel]),
                Step::Norm(norm) => {
                    // The float32 parameters are what Keras multiplies by.
                    let a = f64::from(norm.slope(channel));
                    (slope, offset) = (slope * a, offset * a + f64::from(norm.offset(channel)));
                }
            }
        }
        (slope, offset)
    }

    /// Where `apply(y) >= 0` over the integers of `range`, found by asking the float function itself.
    ///
    /// Every step is monotone and stays so in float32 (a product with a constant and a sum with a constant round
    /// monotonically), so one edge is enough and bisection finds it: no rounding case is left to argue about.
    ///
    /// # Errors
    /// The value if the function gives no number at an end of the range.
    pub fn cut(&self, channel: usize, range: Range) -> Result<Cut, f32> {
        let fires = |y: i64| self.apply(channel, y) >= 0.0;
        for end in [range.lo, range.hi] {
            let value = self.apply(channel, end);
            if !value.is_finite() {
                return Err(value);
            }
        }
        let rising = self.line(channel).0 >= 0.0;
        if rising {
            // The smallest y that fires, hi + 1 if none does.
            let (mut low, mut high) = (range.lo, range.hi + 1);
            while low < high {
                let middle = low + (high - low) / 2;
                if fires(middle) { high = middle } else { low = middle + 1 }
            }
            Ok(Cut { rising, at: low })
        } else {
            // The largest y that fires, lo - 1 if none does.
            let (mut low, mut high) = (range.lo - 1, range.hi);
            while low < high {
                let middle = high - (high - low) / 2;
                if fires(middle) { low = middle } else { high = middle - 1 }
            }
            Ok(Cut { rising, at: low })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn norm(gamma: f32, beta: f32, mean: f32, variance: f32, epsilon: f32) -> BatchNorm {
        BatchNorm {
            gamma: vec![gamma],
            beta: vec![beta],
            mean: vec![mean],
            variance: vec![variance],
            epsilon,
        }
    }

    /// Every integer of the range agrees with the float layer, for every sign and size of gamma.
    #[test]
    fn cuts_agree_with_the_float_layer_on_every_integer() {
        let range = Range { lo: -784, hi: 784 };
        for gamma in [1.0f32, -1.0, 0.0, -0.0, 1e-30, -1e-30, 0.37, -12.5] {
            for beta in [0.0f32, 0.3, -0.3, 1e-30, 40.0, -40.0] {
                for mean in [0.0f32, 3.0, -17.25, 900.0] {
                    for (variance, epsilon) in [(0.0f32, 1e-3f32), (255.3, 1e-3), (1e6, 0.01), (0.0, 1e-12)] {
                        let mut f = FloatFn::default();
                        f.bias(vec![0.125]);
                        f.norm(norm(gamma, beta, mean, variance, epsilon));
                        let cut = f.cut(0, range).expect("finite");
                        for y in range.lo..=range.hi {
                            assert_eq!(
                                cut.fires(y),
                                f.apply(0, y) >= 0.0,
                                "gamma {gamma} beta {beta} mean {mean} y {y}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_tie_at_the_mean_fires_for_either_sign_of_gamma() {
        for gamma in [0.7f32, -0.7] {
            let mut f = FloatFn::default();
            f.norm(norm(gamma, 0.0, 5.0, 2.0, 1e-3));
            assert!(
                f.cut(0, Range { lo: -10, hi: 10 }).expect("finite").fires(5),
                "x == mean gives exactly 0, so +1"
            );
        }
    }

    #[test]
    fn overflow_is_an_error() {
        let mut f = FloatFn::default();
        f.norm(norm(f32::MAX, 0.0, 0.0, 0.0, 1e-3));
        assert!(f.cut(0, Range { lo: -9, hi: 9 }).is_err());
    }

    #[test]
    fn the_inputs_scale_and_zero_move_the_edge() {
        // x = 0.5 * q - 10, three weights that sum to 1: y_float = 0.5 * y - 10.
        let mut f = FloatFn::default();
        f.input(0.5, -10.0, &[1]);
        let cut = f.cut(0, Range { lo: -100, hi: 100 }).expect("finite");
        assert_eq!(cut, Cut { rising: true, at: 20 });
    }
}
