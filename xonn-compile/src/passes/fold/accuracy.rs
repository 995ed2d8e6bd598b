//! How far fixed point moves real numbers, beside how far they spread: what decides whether a circuit may be
//! built.
//!
//! For each channel three numbers are carried along the layers: the mean and the deviation that its values
//! have on data, and the deviation of what rounding adds to them. Mean and deviation are those that a
//! BatchNorm has seen in training; where there is none, inputs are taken as independent. Roundings are taken
//! as independent too [Widrow, Kollar 2008: uniform, so the deviation of a rounding to steps of `u` is `u /
//! sqrt(12)`]. Signs start again: they are what they are, or they flipped.
//!
//! These are estimates from secret weights. They decide between an error and a circuit, and never what the
//! circuit looks like.

use std::sync::Arc;

use super::{Fold, Value};
use crate::graph::{BatchNorm, Line, Quantizer};

/// Largest share of a layer's signs that rounding may turn, on average, and largest chance that a class does.
const MOST_TURNED: f64 = 1.0 / 256.0;

/// Most signs of a whole prediction that rounding may be expected to turn: one in four predictions has one,
/// and one in some fifty another label, where weights are random; trained networks bear more.
const MOST_TURNED_IN_ALL: f64 = 0.25;

/// Signs that are worth a note.
const TOLD: f64 = 0.01;

/// By how much a BatchNorm's deviation may be smaller than that of independent inputs.
const UNSEEN: f64 = 32.0;

/// What is expected of one channel.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Typical {
    /// Of its values.
    pub mean: f64,
    /// Deviation of its values.
    pub spread: f64,
    /// Deviation of what rounding adds to a value.
    pub error: f64,
}

impl Typical {
    /// Of +1 and -1.
    pub const SIGN: Self = Self { mean: 0.0, spread: 1.0, error: 0.0 };

    /// A line of it.
    pub fn line(self, line: Line) -> Self {
        let times = |x: f64| (line.scale * x).abs();
        Self { mean: line.at(self.mean), spread: times(self.spread), error: times(self.error) }
    }

    /// Root of the mean square of `x - b`.
    pub fn size_from(self, b: f64) -> f64 {
        self.spread.hypot(self.mean - b)
    }

    /// The chance that rounding moves a value across `edge`: the mean distance `E|e|` times how densely
    /// values lie there.
    fn crosses(self, edge: f64) -> f64 {
        let spread = self.spread.hypot(self.error);
        if self.error == 0.0 || spread == 0.0 {
            return 0.0;
        }
        let at = (edge - self.mean) / spread;
        let density = (-at * at / 2.0).exp() / (spread * std::f64::consts::TAU.sqrt());
        (self.error * (2.0 / std::f64::consts::PI).sqrt() * density).min(0.5)
    }
}

/// What is expected of a tensor; element `i` is channel `i % len`.
#[derive(Clone, Debug)]
pub(super) struct Accuracy(Arc<Vec<Typical>>);

impl Accuracy {
    /// The same for all elements.
    pub fn all(typical: Typical) -> Self {
        Self(Arc::new(vec![typical]))
    }

    /// One for each channel.
    pub fn each(channels: impl IntoIterator<Item = Typical>) -> Self {
        Self(Arc::new(channels.into_iter().collect()))
    }

    /// Of element `i`.
    pub fn at(&self, i: usize) -> Typical {
        self.0[i % self.0.len()]
    }

    /// After how many elements they repeat.
    pub fn period(&self) -> usize {
        self.0.len()
    }

    /// `f` of each channel, where `f` repeats after `period` of the tensor's `elements`.
    pub fn map(&self, period: usize, elements: usize, f: impl Fn(usize, Typical) -> Typical) -> Self {
        let (long, short) = (period.max(self.period()), period.min(self.period()).max(1));
        let count = if long.is_multiple_of(short) { long } else { elements };
        Self::each((0..count).map(|i| f(i, self.at(i))))
    }

    /// With a further rounding by element.
    pub fn rounded(&self, period: usize, elements: usize, deviation: impl Fn(usize) -> f64) -> Self {
        self.map(period, elements, |i, x| Typical { error: x.error.hypot(deviation(i)), ..x })
    }

    /// Behind a BatchNorm, which knows what it has seen.
    pub fn normalised(&self, norm: &BatchNorm, elements: usize) -> Self {
        let channels = norm.mean.data.len();
        self.map(channels, elements, |i, x| {
            let channel = i % channels;
            let scale = norm.line(channel).scale;
            let beta = norm.beta.as_ref().map_or(0.0, |beta| f64::from(beta.data[channel]));
            let seen = f64::from(norm.variance.data[channel]).sqrt();
            // One that has seen next to nothing of what there could be was not trained on data.
            let spread = (scale * seen.max(x.spread / UNSEEN)).abs();
            Typical { mean: beta, spread, error: (scale * x.error).abs() }
        })
    }

    /// The sum of tensors of `elements` elements.
    pub fn sum<'a>(all: impl Iterator<Item = &'a Self>, elements: usize) -> Self {
        let nothing = Self::all(Typical { mean: 0.0, spread: 0.0, error: 0.0 });
        all.fold(nothing, |sum, x| {
            sum.map(x.period(), elements, |i, a| {
                let b = x.at(i);
                Typical {
                    mean: a.mean + b.mean,
                    spread: a.spread.hypot(b.spread),
                    error: a.error.hypot(b.error),
                }
            })
        })
    }

    /// Tensors with these widths of their last axis side by side, `rows` rows of them.
    pub fn joined(all: &[(&Self, usize)], rows: usize) -> Self {
        let by_channel = all.iter().all(|(x, width)| width.is_multiple_of(x.period()));
        let row = |row: usize| all.iter().flat_map(move |(x, n)| (0..*n).map(move |i| x.at(row * n + i)));
        Self::each((0..if by_channel { 1 } else { rows }).flat_map(row))
    }

    /// Element `i` was element `source[i]`.
    pub fn moved(&self, source: &[usize]) -> Self {
        if self.period() == 1 { self.clone() } else { Self::each(source.iter().map(|&i| self.at(i))) }
    }
}

impl Fold<'_> {
    /// Whether signs of `value` may be taken, whose roundings turn few of them.
    ///
    /// # Errors
    /// What was found, unless the user allows it.
    pub(super) fn may_be_compared(&mut self, value: &Value, quantizer: Quantizer) -> Result<(), String> {
        let edges = match quantizer {
            Quantizer::TernaryAt { threshold } => vec![f64::from(-threshold), f64::from(threshold)],
            Quantizer::From { at } | Quantizer::Above { at } => vec![f64::from(at)],
            Quantizer::DoReFaActivation => vec![0.5],
            _ => vec![0.0],
        };
        let channels = 0..value.accuracy.period();
        let turned = |x: Typical| edges.iter().map(|&edge| x.crosses(edge)).fold(0.0, f64::max);
        let each: Vec<f64> = channels.map(|i| turned(value.accuracy.at(i))).collect();
        let share = each.iter().sum::<f64>() / each.len() as f64;
        self.turned += share * value.shape.iter().product::<usize>() as f64;
        if share <= MOST_TURNED {
            return Ok(());
        }
        let worst = (0..each.len()).max_by(|&a, &b| each[a].total_cmp(&each[b])).unwrap_or(0);
        let Typical { spread, error, .. } = value.accuracy.at(worst);
        self.allow(format!(
            "rounding turns about {:.1} % of its signs: numbers are moved by {error:.1e} where their \
             deviation is {spread:.1e} (channel {worst})",
            share * 100.0
        ))
    }

    /// Whether the signs of all layers together may be taken.
    ///
    /// # Errors
    /// As [`Fold::may_be_compared`].
    pub(super) fn may_be_predicted(&mut self) -> Result<(), String> {
        let found = format!(
            "rounding of real weights and sums turns about {:.2} signs of a prediction in the layers up to \
             here",
            self.turned
        );
        if self.turned > MOST_TURNED_IN_ALL {
            return self.allow(found);
        }
        if self.turned > TOLD {
            self.notes.push(format!("estimated: {found}"));
        }
        Ok(())
    }

    /// Whether scores may be compared with each other.
    ///
    /// # Errors
    /// As [`Fold::may_be_compared`].
    pub(super) fn may_be_ranked(&mut self, value: &Value, classes: usize) -> Result<(), String> {
        let all = || (0..classes).map(|i| value.accuracy.at(i));
        let count = classes as f64;
        let root = |of: fn(Typical) -> f64| (all().map(|x| of(x).powi(2)).sum::<f64>() / count).sqrt();
        let mean = all().map(|x| x.mean).sum::<f64>() / count;
        let between = (all().map(|x| (x.mean - mean).powi(2)).sum::<f64>() / count).sqrt();
        let (error, spread) = (root(|x| x.error), root(|x| x.spread).hypot(between));
        // The two largest of some normal numbers are nearer than e with a chance of about 2 e / spread.
        let turned = if error == 0.0 { 0.0 } else { 2.0 * error * 2f64.sqrt() / spread };
        if turned <= 4.0 * MOST_TURNED {
            return Ok(());
        }
        self.allow(format!(
            "rounding changes about {:.1} % of the classes: scores are moved by {error:.1e} where their \
             deviation is {spread:.1e}",
            (turned * 100.0).min(100.0)
        ))
    }

    /// An error is stated only to those who asked for it; others get none.
    fn allow(&mut self, found: String) -> Result<(), String> {
        if !self.options.allow_error {
            return Err(format!(
                "{found}; give more --weight-bits or --scale-bits, or --allow-error to build it all the same"
            ));
        }
        self.notes.push(format!("estimated: {found}"));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_are_those_of_normal_numbers() {
        let x = Typical { mean: 0.3, spread: 2.0, error: 0.05 };
        // Counted: how many of many pairs (x, e) lie on both sides of the edge.
        let mut state = 7u64;
        let mut normal = || {
            let mut sum = 0.0;
            for _ in 0..12 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                sum += (state >> 11) as f64 / (1u64 << 53) as f64;
            }
            sum - 6.0
        };
        let mut crossed = 0;
        for _ in 0..400_000 {
            let value = x.mean + x.spread * normal();
            crossed += u32::from((value > 1.0) != (value + x.error * normal() > 1.0));
        }
        let counted = f64::from(crossed) / 400_000.0;
        assert!((x.crosses(1.0) / counted - 1.0).abs() < 0.1, "{} {counted}", x.crosses(1.0));
        assert_eq!(Typical { error: 0.0, ..x }.crosses(0.3), 0.0);
        assert!(Typical { spread: 0.0, ..x }.crosses(0.3) > 0.2, "a constant on the edge");
        assert!(Typical { spread: 0.0, ..x }.crosses(1.3) < 1e-9, "a constant far from it");
    }
}
