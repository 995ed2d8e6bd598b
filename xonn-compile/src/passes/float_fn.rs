//! The float computation between an integer and the next sign, and where it crosses an edge.

use std::sync::Arc;

use crate::graph::{Array, BatchNorm, Function, Quantizer};
use xonn_program::Range;
use xonn_program::op::Cut;

/// What a real tensor is in terms of an integer one: a line, rounded to float32 once, then float32 steps in Keras's order.
///
/// Elements are taken by channel: element `i` (row-major) of the tensor belongs to channel `i % period`. Whether
/// channels differ at all is told by the architecture, never by the weights.
#[derive(Clone, PartialEq, Debug)]
pub struct FloatFn {
    base: Base,
    steps: Vec<Step>,
    /// The channel of each element where elements were moved.
    channels: Option<Arc<Vec<usize>>>,
    /// Whether the line's numbers follow from the architecture alone, so that the circuit may depend on them.
    public: bool,
}

/// The real number before the first step.
#[derive(Clone, PartialEq, Debug)]
enum Base {
    /// `scale * y + offset`, one for all or one a channel.
    Line(Vec<(f64, f64)>),
    /// Element `i` is element `of[i].1` of `parts[of[i].0]`, repeating.
    Joined { parts: Vec<FloatFn>, of: Arc<Vec<(usize, usize)>> },
}

impl Base {
    fn len(&self) -> usize {
        match self {
            Self::Line(line) => line.len(),
            Self::Joined { of, .. } => of.len(),
        }
    }
}

#[derive(Clone, PartialEq, Debug)]
enum Step {
    Bias(Arc<Array>),
    Norm(BatchNorm),
    Rescale { scale: f32, offset: f32 },
    Divide(f32),
    PRelu(Arc<Array>),
    Normalize { mean: Arc<Array>, deviation: Arc<Array> },
    Function(Function),
}

impl Default for FloatFn {
    /// The integer itself.
    fn default() -> Self {
        Self::line(vec![(1.0, 0.0)])
    }
}

impl FloatFn {
    /// `scale * y + offset`, one pair for all channels or one each.
    #[must_use]
    pub fn line(line: Vec<(f64, f64)>) -> Self {
        Self { base: Base::Line(line), steps: Vec::new(), channels: None, public: true }
    }

    /// [`FloatFn::line`] with numbers that follow from the weights.
    #[must_use]
    pub fn secret_line(line: Vec<(f64, f64)>) -> Self {
        Self { public: false, ..Self::line(line) }
    }

    /// Element `i` is element `of[i].1` of `parts[of[i].0]`; repeats after the last.
    #[must_use]
    pub fn joined(parts: Vec<Self>, of: Vec<(usize, usize)>) -> Self {
        Self {
            base: Base::Joined { parts, of: Arc::new(of) },
            steps: Vec::new(),
            channels: None,
            public: false,
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
    #[expect(clippy::result_unit_err, reason = "who asks knows the layer and says it")]
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

    /// A step with numbers for each channel counts the channels of the tensor as it is now, the steps before it those from
    /// before its elements were moved: these become a function of the element.
    fn push(&mut self, step: Step) {
        if let Some(channels) = self.channels.as_ref().filter(|_| step.channels() > 1) {
            let of = (0..channels.len()).map(|element| (0, element)).collect();
            let public = self.public;
            *self = Self { public, ..Self::joined(vec![std::mem::take(self)], of) };
        }
        self.steps.push(step);
    }

    /// Appends a function that does not fall.
    pub fn function(&mut self, function: Function) {
        self.steps.push(Step::Function(function));
    }

    /// What is computed before a last sigmoid of either kind, which is above a half exactly where that is above 0. `None` if
    /// the last step is another.
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
            Base::Line(line) => line.iter_mut().for_each(|(scale, _)| *scale /= count as f64),
            Base::Joined { parts, .. } => {
                parts.iter_mut().for_each(|part| *part = std::mem::take(part).mean_of(count));
            }
        }
        self
    }

    /// Whether nothing is computed.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.steps.is_empty() && self.base == Base::Line(vec![(1.0, 0.0)])
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
            Base::Line(line) => {
                let (scale, offset) = line[channel % line.len()];
                (scale * y as f64 + offset) as f32
            }
            Base::Joined { parts, of } => {
                let (part, element) = of[channel % of.len()];
                parts[part].apply(element, y)
            }
        };
        self.steps.iter().fold(x, |x, step| step.apply(channel, x))
    }

    /// Slope and offset as real numbers: [`FloatFn::apply`] but for its roundings; `None` if it is no line.
    #[must_use]
    pub fn as_line(&self, element: usize) -> Option<(f64, f64)> {
        let channel = self.channel(element);
        let base = match &self.base {
            Base::Line(line) => line[channel % line.len()],
            Base::Joined { parts, of } => {
                let (part, element) = of[channel % of.len()];
                parts[part].as_line(element)?
            }
        };
        self.steps.iter().try_fold(base, |(slope, offset), step| {
            let (a, b) = step.line(channel)?;
            Some((slope * a, offset * a + b))
        })
    }

    /// The line if it is the same for all channels, which does not depend on the weights even if its numbers do.
    #[must_use]
    pub fn common_line(&self) -> Option<(f64, f64)> {
        if self.period() == 1 { self.as_line(0) } else { None }
    }

    /// [`FloatFn::common_line`] if its numbers are the same for every model of this architecture.
    #[must_use]
    pub fn public_line(&self) -> Option<(f64, f64)> {
        let steps = self.steps.iter().all(|step| matches!(step, Step::Rescale { .. } | Step::Divide(_)));
        if self.public && steps { self.common_line() } else { None }
    }

    /// Whether slopes and offsets are the same for every model of this architecture, whichever element they are of.
    #[must_use]
    pub fn has_public_lines(&self) -> bool {
        let steps = self.steps.iter().all(|step| matches!(step, Step::Rescale { .. } | Step::Divide(_)));
        self.public && steps && matches!(self.base, Base::Line(_))
    }

    /// The slope if all channels share it and it is the same for every model of this architecture; offsets may differ.
    #[must_use]
    pub fn public_slope(&self) -> Option<f64> {
        let steps = self
            .steps
            .iter()
            .all(|step| matches!(step, Step::Bias(_) | Step::Rescale { .. } | Step::Divide(_)));
        let slope = match &self.base {
            _ if !steps => return None,
            Base::Line(line) if self.public => {
                Some(line[0].0).filter(|&slope| line.iter().all(|l| l.0 == slope))?
            }
            Base::Line(_) => return None,
            Base::Joined { parts, .. } => {
                let slope = parts[0].public_slope()?;
                Some(slope).filter(|&slope| parts.iter().all(|part| part.public_slope() == Some(slope)))?
            }
        };
        let of = |step: &Step| match step {
            Step::Rescale { scale, .. } => f64::from(*scale),
            Step::Divide(by) => 1.0 / f64::from(*by),
            _ => 1.0,
        };
        Some(self.steps.iter().map(of).product::<f64>() * slope)
    }

    /// The slope if all channels of every model of this architecture share it and only their offsets differ.
    #[must_use]
    pub fn common_slope(&self) -> Option<f64> {
        let base = matches!(&self.base, Base::Line(line) if line.len() == 1);
        let steps = self
            .steps
            .iter()
            .all(|step| matches!(step, Step::Bias(_) | Step::Rescale { .. } | Step::Divide(_)));
        if base && steps { self.as_line(0).map(|(slope, _)| slope) } else { None }
    }

    /// Whether it is the same for all channels and rises whatever the weights are, so that a maximum commutes with it.
    #[must_use]
    pub fn rises(&self) -> bool {
        let steps = self.steps.iter().all(|step| match step {
            Step::Norm(_) | Step::PRelu(_) => false,
            Step::Rescale { scale, .. } => *scale > 0.0,
            Step::Divide(by) => *by > 0.0,
            Step::Function(function) => function.turn().is_none(),
            Step::Bias(_) | Step::Normalize { .. } => true,
        });
        let base = match &self.base {
            Base::Line(line) => line.iter().all(|(scale, _)| *scale > 0.0),
            Base::Joined { parts, .. } => parts.iter().all(Self::rises),
        };
        steps && base
    }

    /// Where the quantised value is the larger of its two, over the integers of `range`.
    ///
    /// Every step is monotone and stays so in float32 (a product with a constant and a sum with a constant round
    /// monotonically), so one edge is enough. It is found by bisection of the float function itself: no rounding case is
    /// left to argue about.
    ///
    /// # Errors
    /// The value if the function gives no finite number at an end of the range.
    pub fn cut(&self, element: usize, range: Range, quantizer: Quantizer) -> Result<Cut, f32> {
        let high = quantizer.values().map_or(1.0, |[_, high]| high);
        self.edge(element, range, |x| quantizer.apply(x) == high)
    }

    /// The integers of `range` for which the function gives exactly 0, as the first and the one after the last.
    ///
    /// # Errors
    /// As [`FloatFn::cut`].
    pub fn zeros(&self, element: usize, range: Range) -> Result<std::ops::Range<i64>, f32> {
        let integers = |cut: Cut| if cut.rising { cut.at..range.hi + 1 } else { range.lo..cut.at + 1 };
        let above = integers(self.edge(element, range, |x| x > 0.0)?);
        let from = integers(self.edge(element, range, |x| x >= 0.0)?);
        // The first holds the second, and they share an end unless the second is empty.
        Ok(match (above.is_empty(), from.start < above.start) {
            (true, _) => from,
            (false, true) => from.start..above.start,
            (false, false) => above.end..from.end,
        })
    }

    /// Where `fires(apply(y))` holds, `fires` being true from some number upwards.
    fn edge(&self, element: usize, range: Range, fires: impl Fn(f32) -> bool) -> Result<Cut, f32> {
        let ends = [range.lo, range.hi].map(|y| self.apply(element, y));
        if let Some(value) = ends.into_iter().find(|value| !value.is_finite()) {
            return Err(value);
        }
        let fires = |y: i64| fires(self.apply(element, y));
        // The smallest y from which on `holds`, hi + 1 if there is none.
        let first = |holds: &dyn Fn(i64) -> bool| {
            let (mut low, mut high) = (range.lo, range.hi + 1);
            while low < high {
                let middle = low + (high - low) / 2;
                if holds(middle) { high = middle } else { low = middle + 1 }
            }
            low
        };
        if fires(range.lo) && !fires(range.hi) {
            Ok(Cut { rising: false, at: first(&|y| !fires(y)) - 1 })
        } else {
            Ok(Cut { rising: true, at: first(&fires) })
        }
    }
}

/// After how many elements two sequences both repeat. Channels that a reshape cut anew need not be multiples of one another.
fn least_common_multiple(a: usize, b: usize) -> usize {
    let (mut divisor, mut rest) = (a, b);
    while rest > 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    a / divisor.max(1) * b
}

impl Step {
    fn channels(&self) -> usize {
        match self {
            Self::Bias(bias) => bias.data.len(),
            Self::Norm(norm) => norm.mean.data.len(),
            Self::Normalize { mean, deviation } => mean.data.len().max(deviation.data.len()),
            Self::PRelu(slope) => slope.data.len(),
            Self::Rescale { .. } | Self::Divide(_) | Self::Function(_) => 1,
        }
    }

    fn apply(&self, channel: usize, x: f32) -> f32 {
        let of = |array: &Array| array.data[channel % array.data.len()];
        match self {
            Self::Bias(bias) => x + of(bias),
            Self::Norm(norm) => norm.apply(channel % norm.mean.data.len(), x),
            Self::Rescale { scale, offset } => x * scale + offset,
            Self::Normalize { mean, deviation } => (x - of(mean)) / of(deviation),
            Self::Divide(by) => x / by,
            Self::PRelu(slope) => {
                if x >= 0.0 {
                    x
                } else {
                    of(slope) * x
                }
            }
            Self::Function(function) => function.apply(x),
        }
    }

    fn line(&self, channel: usize) -> Option<(f64, f64)> {
        let of = |array: &Array| f64::from(array.data[channel % array.data.len()]);
        match self {
            Self::Bias(bias) => Some((1.0, of(bias))),
            Self::Norm(norm) => Some(norm.line(channel % norm.mean.data.len())),
            Self::Rescale { scale, offset } => Some((f64::from(*scale), f64::from(*offset))),
            Self::Normalize { mean, deviation } => Some((1.0 / of(deviation), -of(mean) / of(deviation))),
            Self::Divide(by) => Some((1.0 / f64::from(*by), 0.0)),
            Self::PRelu(_) | Self::Function(_) => None,
        }
    }

    fn turn(&self) -> Option<f32> {
        match self {
            Self::PRelu(_) => Some(0.0),
            Self::Function(function) => function.turn(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(x: f32) -> Arc<Array> {
        Arc::new(Array::vector(vec![x]))
    }

    fn norm(gamma: f32, beta: f32, mean: f32, variance: f32, epsilon: f32, fused: bool) -> BatchNorm {
        BatchNorm {
            gamma: Some(vector(gamma)),
            beta: Some(vector(beta)),
            mean: vector(mean),
            variance: vector(variance),
            epsilon,
            fused,
        }
    }

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
            assert_eq!(f.as_line(element), Some((1.0, (was % 3 + element % 2) as f64)));
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

    /// Every integer of the range agrees with the float layer, for every sign and size of gamma and every quantiser.
    #[test]
    fn cuts_agree_with_the_float_layer_on_every_integer() {
        let range = Range { lo: -784, hi: 784 };
        let quantizers = [
            Quantizer::Sign,
            Quantizer::Heaviside,
            Quantizer::DoReFaActivation,
            Quantizer::BinaryTanh { h: 1.0 },
        ];
        let mut crossings = 0;
        for gamma in [1.0f32, -1.0, 0.0, -0.0, 1e-30, -1e-30, 0.37, -12.5] {
            for beta in [0.0f32, 0.3, -0.3, 1e-30, 40.0, -40.0] {
                for mean in [0.0f32, 3.0, -17.25, 900.0] {
                    for (variance, epsilon) in [(0.0f32, 1e-3f32), (255.3, 1e-3), (1e6, 0.01), (0.0, 1e-12)] {
                        for (fused, quantizer) in
                            [false, true].into_iter().flat_map(|f| quantizers.map(|q| (f, q)))
                        {
                            let mut f = FloatFn::default();
                            f.bias(&vector(0.125));
                            f.norm(&norm(gamma, beta, mean, variance, epsilon, fused));
                            let cut = f.cut(0, range, quantizer).unwrap();
                            for y in range.lo..=range.hi {
                                let want = quantizer.apply(f.apply(0, y)) == quantizer.values().unwrap()[1];
                                assert_eq!(
                                    cut.fires(y),
                                    want,
                                    "gamma {gamma} beta {beta} mean {mean} y {y} {quantizer:?}"
                                );
                            }
                            crossings += u32::from(cut.fires(range.lo) != cut.fires(range.hi));
                        }
                    }
                }
            }
        }
        assert!(crossings > 500, "the cases must have edges, found {crossings}");
    }

    #[test]
    fn a_tie_at_the_mean_fires_for_either_sign_of_gamma() {
        for (gamma, fused) in [(0.7f32, true), (-0.7, true), (0.7, false), (-0.7, false)] {
            let mut f = FloatFn::default();
            f.norm(&norm(gamma, 0.0, 5.0, 2.0, 1e-3, fused));
            let cut = f.cut(0, Range { lo: -10, hi: 10 }, Quantizer::Sign).unwrap();
            assert!(cut.fires(5), "x == mean gives exactly 0, so +1");
        }
    }

    #[test]
    fn zeros_are_the_integers_that_give_exactly_0() {
        let range = Range { lo: -9, hi: 9 };
        for gamma in [0.5f32, -0.5] {
            let mut f = FloatFn::default();
            f.norm(&norm(gamma, 0.0, 5.0, 2.0, 1e-3, false));
            assert_eq!(f.zeros(0, range), Ok(5..6));
            f.bias(&vector(0.25));
            assert!(f.zeros(0, range).unwrap().is_empty());
        }
        let mut constant = FloatFn::default();
        constant.norm(&norm(0.0, 0.0, 5.0, 2.0, 1e-3, false));
        assert_eq!(constant.zeros(0, range), Ok(-9..10));
    }

    #[test]
    fn overflow_is_an_error() {
        let mut f = FloatFn::default();
        f.norm(&norm(f32::MAX, 0.0, 0.0, 0.0, 1e-3, false));
        assert!(f.cut(0, Range { lo: -9, hi: 9 }, Quantizer::Sign).is_err());
    }

    #[test]
    fn moved_elements_keep_their_channel() {
        let mut f = FloatFn::line(vec![(1.0, 0.0), (1.0, 10.0)]);
        // [2 positions][2 channels] to [2 channels][2 positions].
        f.permute(&[0, 2, 1, 3]);
        let offsets: Vec<f32> = (0..4).map(|i| f.apply(i, 0)).collect();
        assert_eq!((offsets.as_slice(), f.period()), (&[0.0, 0.0, 10.0, 10.0][..], 4));
        f.permute(&[3, 0, 1, 2]);
        assert_eq!((0..4).map(|i| f.apply(i, 1)).collect::<Vec<_>>(), [11.0, 1.0, 1.0, 11.0]);
    }

    #[test]
    fn lines_compose() {
        let mut f = FloatFn::line(vec![(0.5, -10.0)]);
        f.rescale(2.0, 1.0);
        f.normalize(&vector(1.0), &vector(4.0));
        assert_eq!(f.common_line(), Some((0.25, -5.0)));
        assert_eq!(f.apply(0, 40), 5.0);
        f.function(Function::HardTanh);
        assert_eq!((f.as_line(0), f.apply(0, 40)), (None, 1.0));
    }
}
