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
    /// QKeras `quantized_sigmoid`: `clip(x / 2 + 1/2, 0, 1)` in steps of `2^-bits`, without 1.
    Sigmoid {
        /// Bits behind the point.
        bits: u32,
        /// Whether 0 is left out too.
        symmetric: bool,
    },
    /// `round(clip(x, 0, 1) * levels) / levels`: DoReFa's activations.
    Unit {
        /// Steps from 0 to 1.
        levels: u32,
    },
}

/// A quantiser whose values are `origin` and `unit` times all integers from `lo` to `hi`: the nearest to `x /
/// step`, ties to even.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Grid {
    /// How far the middles of two values are apart on the axis of what is quantised.
    pub step: f64,
    /// The smallest integer.
    pub lo: i64,
    /// The largest.
    pub hi: i64,
    /// What the integer 1 stands for in the result.
    pub unit: f64,
    /// What 0 stands for.
    pub origin: f64,
}

impl Steps {
    /// Most bits of a [`Grid`].
    const MOST_BITS: u32 = 16;

    /// The values as a grid; `None` of quantisers that are none, or of more than 16 bits.
    #[must_use]
    pub fn grid(self) -> Option<Grid> {
        let power = |exponent: i32| f64::from(exponent).exp2();
        match self {
            Self::Bits { bits, integer, symmetric, keep_negative, scale } if bits <= Self::MOST_BITS => {
                let unsigned = bits.checked_sub(u32::from(keep_negative)).filter(|&bits| bits > 0)?;
                let (m, step) = (1i64 << unsigned, power(integer - unsigned as i32));
                let lo = if keep_negative { i64::from(symmetric) - m } else { 0 };
                Some(Grid { step, lo, hi: m - 1, unit: f64::from(scale) * step, origin: 0.0 })
            }
            Self::Relu { bits: bits @ 1..=Self::MOST_BITS, integer, slope: 0.0 } => {
                let step = power(integer - bits as i32);
                Some(Grid { step, lo: 0, hi: (1 << bits) - 1, unit: step, origin: 0.0 })
            }
            // A half is a whole number of steps, an even one, so that it can be added behind the rounding.
            Self::Sigmoid { bits: bits @ 2..=Self::MOST_BITS, symmetric } => {
                let half = 1i64 << (bits - 1);
                let (step, unit) = (power(1 - bits as i32), power(-(bits as i32)));
                Some(Grid { step, lo: i64::from(symmetric) - half, hi: half - 1, unit, origin: 0.5 })
            }
            Self::Unit { levels: levels @ 1..=0xffff } => {
                let step = 1.0 / f64::from(levels);
                Some(Grid { step, lo: 0, hi: i64::from(levels), unit: step, origin: 0.0 })
            }
            _ => None,
        }
    }

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
            Self::Sigmoid { bits, symmetric } => {
                let m = power(bits as i32);
                let p = (0.5 * x + 0.5).clamp(0.0, 1.0);
                ((p * m).round_ties_even() / m).clamp(f32::from(u8::from(symmetric)) / m, 1.0 - 1.0 / m)
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

    /// The least number between `low` and `high` whose value is above `value`; `None` if there is none.
    #[must_use]
    pub fn rises_above(self, value: f32, low: f32, high: f32) -> Option<f32> {
        let (mut low, mut high) = (ordered(low), ordered(high));
        if self.apply(from_ordered(high)) <= value || low >= high {
            return None;
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.apply(from_ordered(middle)) > value { high = middle } else { low = middle }
        }
        Some(from_ordered(high))
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

    /// Grids are the function itself, ties and ends included.
    #[test]
    fn grids_are_the_function() {
        let all = [
            Steps::Bits { bits: 6, integer: 1, symmetric: false, keep_negative: true, scale: 0.5 },
            Steps::Bits { bits: 5, integer: 0, symmetric: true, keep_negative: true, scale: 1.0 },
            Steps::Bits { bits: 4, integer: 2, symmetric: true, keep_negative: false, scale: 1.0 },
            Steps::Relu { bits: 6, integer: 2, slope: 0.0 },
            Steps::Relu { bits: 8, integer: -1, slope: 0.0 },
            Steps::Sigmoid { bits: 6, symmetric: false },
            Steps::Sigmoid { bits: 5, symmetric: true },
        ];
        for steps in all {
            let grid = steps.grid().expect("a grid");
            for x in (-40_000..40_000).map(|i| i as f32 / 4096.0) {
                let n = (f64::from(x) / grid.step).round_ties_even().clamp(grid.lo as f64, grid.hi as f64);
                assert_eq!(n * grid.unit + grid.origin, f64::from(steps.apply(x)), "{steps:?} at {x}");
            }
        }
        assert_eq!(Steps::Relu { bits: 4, integer: 0, slope: 0.25 }.grid(), None);
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
