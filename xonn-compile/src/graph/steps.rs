//! Quantisers of several values: QKeras's `quantized_bits` and its kin, DoReFa's activations.
//!
//! None of them falls, so on activations each is a few thresholds, whose edges are found by asking the
//! float32 function itself.

/// A quantiser of several values, element by element.
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub enum Steps {
    /// QKeras `quantized_bits` with a number as `alpha`.
    Bits {
        /// All bits, with the sign.
        bits: u32,
        /// Those in front of the point.
        integer: i32,
        /// Whether the lowest value is left out.
        symmetric: bool,
        /// Whether there are values below 0.
        keep_negative: bool,
        /// `alpha`.
        scale: f32,
    },
    /// QKeras `quantized_relu`.
    Relu {
        /// All bits, with the sign of a leaky one.
        bits: u32,
        /// Those in front of the point.
        integer: i32,
        /// Slope below 0, a power of two, or 0.
        slope: f32,
    },
    /// QKeras `quantized_po2` and, with a slope below 0, `quantized_relu_po2`.
    PowerOfTwo {
        /// Exponents from here.
        least: i32,
        /// To here.
        most: i32,
        /// Larger magnitudes count as this.
        max: Option<f32>,
        /// Whether exponents are even.
        quadratic: bool,
        /// Whether logarithms are rounded down.
        floor: bool,
        /// `None` keeps the sign.
        slope: Option<f32>,
    },
    /// `round(clip(x, 0, 1) * levels) / levels`: DoReFa's activations.
    Unit {
        /// Steps from 0 to 1.
        levels: u32,
    },
}

impl Steps {
    /// The quantised value.
    #[must_use]
    pub fn apply(self, x: f32) -> f32 {
        match self {
            Self::Bits { bits, integer, symmetric, keep_negative, scale } => {
                let unsigned = bits as i32 - i32::from(keep_negative);
                let (m, whole) = (power(unsigned), power(integer));
                let q = if unsigned > 0 {
                    let least = if keep_negative { f32::from(u8::from(symmetric)) - m } else { 0.0 };
                    whole * (x * m / whole).round_ties_even().clamp(least, m - 1.0) / m
                } else if x >= 0.0 {
                    1.0
                } else if keep_negative {
                    -1.0
                } else {
                    0.0
                };
                scale * q
            }
            Self::Relu { bits, integer, slope } => {
                let (m, whole) = (power(bits as i32 - i32::from(slope != 0.0)), power(integer));
                let p = x * m / whole;
                let above = whole * (p.round_ties_even() / m).clamp(0.0, 1.0 - 1.0 / m);
                if slope == 0.0 {
                    return above;
                }
                let below = ((p * slope).round_ties_even() * (1.0 / (slope * m))).clamp(-1.0, 0.0);
                above + whole * slope * below
            }
            Self::PowerOfTwo { slope: None, .. } => {
                if x >= 0.0 {
                    self.power_of_two(x)
                } else {
                    -self.power_of_two(-x)
                }
            }
            Self::PowerOfTwo { slope: Some(slope), .. } => {
                if x >= 0.0 || slope == 0.0 {
                    self.power_of_two(x.max(0.0))
                } else {
                    -self.power_of_two(-x * slope)
                }
            }
            Self::Unit { levels } => {
                let n = levels as f32;
                (x.clamp(0.0, 1.0) * n).round_ties_even() / n
            }
        }
    }

    /// What QKeras makes of a weight: `x + (apply(x) - x)`, which rounds.
    #[must_use]
    pub fn of_weight(self, x: f32) -> f32 {
        let from = match self {
            Self::Relu { slope, .. } | Self::PowerOfTwo { slope: Some(slope), .. } => {
                if x >= 0.0 {
                    x
                } else {
                    slope * x
                }
            }
            _ => x,
        };
        from + (self.apply(x) - from)
    }

    /// QKeras's `_clip_power_of_two`, of a number that is not negative.
    fn power_of_two(self, x: f32) -> f32 {
        let Self::PowerOfTwo { least, most, max, quadratic, floor, .. } = self else { return x };
        // keras.backend.epsilon()
        if x < 1e-7 {
            return power(least);
        }
        let x = max.map_or(x, |max| x.min(max));
        let log = (if quadratic { x.sqrt() } else { x }).ln() / std::f32::consts::LN_2;
        let log = if floor { log.floor() } else { log.round_ties_even() };
        let exponent = log.clamp(least as f32, most as f32);
        (if quadratic { 2.0 * exponent } else { exponent }).exp2()
    }

    /// The lowest value, and for each further one the least number that gives it; `None` if there are more
    /// than `most` of them.
    #[must_use]
    pub fn edges(self, most: usize) -> Option<(f32, Vec<(f32, f32)>)> {
        let (mut at, end) = (ordered(-f32::MAX), ordered(f32::MAX));
        let lowest = self.apply(from_ordered(at));
        let (mut value, mut edges) = (lowest, Vec::new());
        while self.apply(from_ordered(end)) > value {
            if edges.len() == most {
                return None;
            }
            // The first place behind `at` with a larger value.
            let (mut low, mut high) = (at, end);
            while high - low > 1 {
                let middle = low + (high - low) / 2;
                if self.apply(from_ordered(middle)) > value { high = middle } else { low = middle }
            }
            at = high;
            value = self.apply(from_ordered(at));
            edges.push((from_ordered(at), value));
        }
        Some((lowest, edges))
    }
}

fn power(exponent: i32) -> f32 {
    (exponent as f32).exp2()
}

/// The place of a number among all float32 numbers.
fn ordered(x: f32) -> i64 {
    let bits = i64::from(x.to_bits() & 0x7fff_ffff);
    if x.is_sign_negative() { -bits } else { bits }
}

fn from_ordered(place: i64) -> f32 {
    let x = f32::from_bits(u32::try_from(place.unsigned_abs()).unwrap_or(0));
    if place < 0 { -x } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Thresholds at the edges give the function back, also right beside them.
    #[test]
    fn edges_are_those_of_the_function() {
        let all = [
            Steps::Bits { bits: 3, integer: 1, symmetric: false, keep_negative: true, scale: 1.0 },
            Steps::Bits { bits: 1, integer: 0, symmetric: true, keep_negative: true, scale: 0.75 },
            Steps::Bits { bits: 1, integer: 0, symmetric: true, keep_negative: false, scale: 1.0 },
            Steps::Relu { bits: 2, integer: 1, slope: 0.0 },
            Steps::Relu { bits: 3, integer: 0, slope: 0.25 },
            Steps::Unit { levels: 3 },
            Steps::PowerOfTwo { least: -2, most: 1, max: None, quadratic: false, floor: false, slope: None },
        ];
        for steps in all {
            let (lowest, edges) = steps.edges(16).expect("few");
            let by_edges =
                |x: f32| edges.iter().rev().find(|(edge, _)| x >= *edge).map_or(lowest, |(_, value)| *value);
            let near = |x: f32| [x, from_ordered(ordered(x) - 1), from_ordered(ordered(x) + 1)];
            let grid = (-400..400).map(|i| i as f32 / 64.0);
            for x in grid.chain(edges.iter().map(|(edge, _)| *edge)).flat_map(near) {
                assert_eq!(by_edges(x), steps.apply(x), "{steps:?} at {x}");
            }
        }
        assert!(Steps::Unit { levels: 255 }.edges(16).is_none());
        assert_eq!(Steps::Unit { levels: 1 }.edges(16).map(|(_, edges)| edges.len()), Some(1));
    }

    /// As QKeras 0.9 computes them.
    #[test]
    fn values_by_hand() {
        let relu = Steps::Relu { bits: 2, integer: 0, slope: 0.0 };
        assert_eq!(
            [-1.0, 0.12, 0.13, 0.375, 0.38, 9.0].map(|x| relu.apply(x)),
            [0.0, 0.0, 0.25, 0.5, 0.5, 0.75]
        );
        let bits = Steps::Bits { bits: 2, integer: 0, symmetric: false, keep_negative: true, scale: 1.0 };
        assert_eq!([-9.0, -0.3, 0.2, 0.3].map(|x| bits.apply(x)), [-1.0, -0.5, 0.0, 0.5]);
        let po2 =
            Steps::PowerOfTwo { least: -8, most: 7, max: None, quadratic: false, floor: false, slope: None };
        assert_eq!([0.3, -0.36, 0.0, 1e9].map(|x| po2.apply(x)), [0.25, -0.25 * 2.0, 2f32.powi(-8), 128.0]);
    }
}
