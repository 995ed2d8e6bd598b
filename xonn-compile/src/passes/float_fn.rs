//! The float computation between an integer and the next sign.

mod cut;
mod line;
mod step;

use std::sync::Arc;

use crate::graph::{Array, BatchNorm, Function, Line};
use step::Step;

/// What a real tensor is in terms of an integer one: a line, rounded to float32 once, then float32 steps in
/// Keras's order.
///
/// Elements are taken by channel: element `i` (row-major) of the tensor belongs to channel `i % period`.
/// Whether channels differ at all is told by the architecture, never by the weights.
#[derive(Clone, PartialEq, Debug)]
pub struct FloatFn {
    base: Base,
    steps: Vec<Step>,
    /// The channel of each element where elements were moved.
    channels: Option<Arc<Vec<usize>>>,
    /// What the line's numbers follow from.
    origin: Origin,
}

/// What numbers follow from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// The architecture alone: the circuit may depend on them.
    Public,
    /// The weights: the circuit must not.
    Secret,
}

impl Origin {
    /// [`Origin::Public`] under a condition.
    #[must_use]
    pub fn public_if(public: bool) -> Self {
        if public { Self::Public } else { Self::Secret }
    }
}

/// The real number before the first step.
#[derive(Clone, PartialEq, Debug)]
enum Base {
    /// One for all or one a channel.
    Line(Vec<Line>),
    /// Element `i` is element `of[i].1` of `parts[of[i].0]`, repeating.
    Joined { parts: Vec<FloatFn>, of: Arc<Vec<(usize, usize)>> },
}

impl Base {
    fn len(&self) -> usize {
        match self {
            Self::Line(lines) => lines.len(),
            Self::Joined { of, .. } => of.len(),
        }
    }
}

impl Default for FloatFn {
    /// The integer itself.
    fn default() -> Self {
        Self::line(vec![Line::IDENTITY], Origin::Public)
    }
}

impl FloatFn {
    /// A line of the integer, one for all channels or one each.
    #[must_use]
    pub fn line(lines: Vec<Line>, origin: Origin) -> Self {
        Self { base: Base::Line(lines), steps: Vec::new(), channels: None, origin }
    }

    /// Element `i` is element `of[i].1` of `parts[of[i].0]`; repeats after the last.
    #[must_use]
    pub fn joined(parts: Vec<Self>, of: Vec<(usize, usize)>) -> Self {
        Self {
            base: Base::Joined { parts, of: Arc::new(of) },
            steps: Vec::new(),
            channels: None,
            origin: Origin::Secret,
        }
    }

    /// Appends a bias.
    pub fn bias(&mut self, bias: &Arc<Array>) {
        self.push(Step::Bias(Arc::clone(bias)));
    }

    /// Appends a batch normalisation.
    pub fn norm(&mut self, norm: &BatchNorm) {
        self.push(Step::Norm(norm.clone()));
    }

    /// Appends `x * scale + offset`.
    pub fn rescale(&mut self, scale: f32, offset: f32) {
        self.steps.push(Step::Rescale { scale, offset });
    }

    /// Appends `x / by`.
    pub fn divide(&mut self, by: f32) {
        self.steps.push(Step::Divide(by));
    }

    /// Appends a `PReLU`, whose slopes may be negative.
    pub fn p_relu(&mut self, slope: &Arc<Array>) {
        self.push(Step::PRelu(Arc::clone(slope)));
    }

    /// What is computed before the only step that may fall and rise again, and where that step turns; an
    /// error if there are several. Whether there is one is told by the architecture, so a `PReLU` counts
    /// whatever its slopes are.
    ///
    /// # Errors
    /// `()` if two steps turn, or one in front of a join.
    pub fn turn(&self) -> Result<Option<(Self, f32)>, ()> {
        let turns: Vec<(usize, f32)> =
            self.steps.iter().enumerate().filter_map(|(at, step)| Some((at, step.turn()?))).collect();
        if let Base::Joined { parts, .. } = &self.base
            && parts.iter().any(|part| part.turn() != Ok(None))
        {
            return Err(());
        }
        match turns[..] {
            [] => Ok(None),
            [(at, turn)] => Ok(Some((Self { steps: self.steps[..at].to_vec(), ..self.clone() }, turn))),
            _ => Err(()),
        }
    }

    /// The function with the factor of each norm off by one rounding, as TensorFlow's own `rsqrt` may be;
    /// `None` without a norm.
    #[must_use]
    pub fn nudged(&self, up: bool) -> Option<Self> {
        let nudge = |x: f32| x * if up { 1.0 + f32::EPSILON } else { 1.0 - f32::EPSILON };
        let mut other = self.clone();
        let mut found = false;
        for step in &mut other.steps {
            if let Step::Norm(norm) = step {
                let factors =
                    (0..norm.mean.data.len()).map(|c| nudge(norm.gamma.as_ref().map_or(1.0, |g| g.data[c])));
                norm.gamma = Some(Arc::new(Array::vector(factors.collect())));
                found = true;
            }
        }
        found.then_some(other)
    }

    /// Appends `(x - mean) / deviation`.
    pub fn normalize(&mut self, mean: &Arc<Array>, deviation: &Arc<Array>) {
        self.push(Step::Normalize { mean: Arc::clone(mean), deviation: Arc::clone(deviation) });
    }

    /// A step with numbers for each channel counts the channels of the tensor as it is now, the steps before
    /// it those from before its elements were moved: these become a function of the element.
    fn push(&mut self, step: Step) {
        if let Some(channels) = self.channels.as_ref().filter(|_| step.channels() > 1) {
            let of = (0..channels.len()).map(|element| (0, element)).collect();
            let origin = self.origin;
            *self = Self { origin, ..Self::joined(vec![std::mem::take(self)], of) };
        }
        self.steps.push(step);
    }

    /// Appends a function that does not fall.
    pub fn function(&mut self, function: Function) {
        self.steps.push(Step::Function(function));
    }

    /// What is computed before a last sigmoid of either kind, which is above a half exactly where that is
    /// above 0. `None` if the last step is another.
    #[must_use]
    pub fn before_sigmoid(&self) -> Option<Self> {
        match self.steps.split_last() {
            Some((Step::Function(Function::Sigmoid | Function::HardSigmoid { .. }), before)) => {
                Some(Self { steps: before.to_vec(), ..self.clone() })
            }
            _ => None,
        }
    }

    /// Moves elements: element `i` was element `source[i]`.
    pub fn permute(&mut self, source: &[usize]) {
        if self.period() > 1 {
            let mut channels: Vec<usize> = source.iter().map(|&i| self.channel(i)).collect();
            // Crops and repetitions of whole rows of channels repeat as these do.
            let period = self.period();
            let repeats = |by: usize| channels.iter().enumerate().all(|(i, &c)| c == channels[i % by]);
            if period < channels.len() && channels.len().is_multiple_of(period) && repeats(period) {
                channels.truncate(period);
            }
            self.channels = Some(Arc::new(channels));
        }
    }

    /// The integer divided by `count` before anything else: the mean of `count` numbers in terms of their
    /// sum.
    #[must_use]
    pub fn mean_of(mut self, count: usize) -> Self {
        match &mut self.base {
            Base::Line(lines) => lines.iter_mut().for_each(|line| line.scale /= count as f64),
            Base::Joined { parts, .. } => {
                parts.iter_mut().for_each(|part| *part = std::mem::take(part).mean_of(count));
            }
        }
        self
    }

    /// Whether nothing is computed.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.steps.is_empty() && self.base == Base::Line(vec![Line::IDENTITY])
    }

    /// After how many elements the functions repeat.
    #[must_use]
    pub fn period(&self) -> usize {
        match &self.channels {
            Some(channels) => channels.len(),
            None => self.steps.iter().map(Step::channels).fold(self.base.len(), least_common_multiple),
        }
    }

    fn channel(&self, element: usize) -> usize {
        match &self.channels {
            Some(channels) => channels[element % channels.len()],
            None => element % self.period(),
        }
    }

    /// What Keras computes in float32 where the integer is `y`.
    #[must_use]
    pub fn apply(&self, element: usize, y: i64) -> f32 {
        let channel = self.channel(element);
        let x = match &self.base {
            Base::Line(lines) => lines[channel % lines.len()].at(y as f64) as f32,
            Base::Joined { parts, of } => {
                let (part, element) = of[channel % of.len()];
                parts[part].apply(element, y)
            }
        };
        self.steps.iter().fold(x, |x, step| step.apply(channel, x))
    }
}

/// After how many elements two sequences both repeat. Channels that a reshape cut anew need not be multiples
/// of one another.
fn least_common_multiple(a: usize, b: usize) -> usize {
    let (mut divisor, mut rest) = (a, b);
    while rest > 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    a / divisor.max(1) * b
}

#[cfg(test)]
mod tests {
    use super::*;

    /// BatchNorms over different axes, with a transposition or a reshape between them.
    #[test]
    fn channels_are_counted_where_a_step_stands() {
        let bias = |n: i32| Arc::new(Array::vector((0..n).map(|i| i as f32).collect()));
        // [2, 3] to [3, 2], element i of which was source[i].
        let source = [0, 3, 1, 4, 2, 5];
        let mut f = FloatFn::default();
        f.bias(&bias(3));
        f.permute(&source);
        f.bias(&bias(2));
        assert_eq!(f.period(), 6);
        for (element, was) in source.into_iter().enumerate() {
            assert_eq!(f.apply(element, 0), (was % 3 + element % 2) as f32);
            assert_eq!(f.as_line(element), Some(Line::new(1.0, (was % 3 + element % 2) as f64)));
        }
        // [4, 3] to [6, 2], and [2, 6] to [3, 4].
        for (first, second) in [(3, 2), (6, 4)] {
            let mut f = FloatFn::default();
            f.bias(&bias(first));
            f.bias(&bias(second));
            assert_eq!(f.period(), if first == 3 { 6 } else { 12 });
            assert!((0..12).all(|i| f.apply(i as usize, 0) == (i % first + i % second) as f32));
        }
    }

    #[test]
    fn moved_elements_keep_their_channel() {
        let mut f = FloatFn::line(vec![Line::IDENTITY, Line::new(1.0, 10.0)], Origin::Public);
        // [2 positions][2 channels] to [2 channels][2 positions].
        f.permute(&[0, 2, 1, 3]);
        let offsets: Vec<f32> = (0..4).map(|i| f.apply(i, 0)).collect();
        assert_eq!((offsets.as_slice(), f.period()), (&[0.0, 0.0, 10.0, 10.0][..], 4));
        f.permute(&[3, 0, 1, 2]);
        assert_eq!((0..4).map(|i| f.apply(i, 1)).collect::<Vec<_>>(), [11.0, 1.0, 1.0, 11.0]);
    }
}
