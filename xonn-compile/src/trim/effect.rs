//! What a channel's removal does to the loss, measured on samples.
//!
//! For a space with one consumer the sums of that consumer are kept for every sample. A channel is removed
//! from them in place, `y - w (x - mean x)`, and everything behind (the *tail*) is computed anew: an exact
//! effect, but for the rounding of the mean. What stands in front of the consumer is not computed again. Sums
//! are kept in units of 1/16 so that means keep a fraction, and cuts lie in the middle between the last sum
//! that fires and the first that does not.
//!
//! Where a tail is too long for all channels, the channels whose bits vary least are measured and the others
//! ranked behind them by that variance; so are all channels of a space with several consumers.

mod tail;

use rayon::prelude::*;

use super::edit::Means;
use super::model::{Model, Samples};
use super::space::{Consumer, Space};
use tail::Tail;
use xonn_program::op::Pad;
use xonn_program::{Kind, LayerId};

/// Parts of an integer sum.
pub(super) const UNIT: i64 = 16;

/// Numbers that the kept tensors may have: 1 GiB.
const MAX_KEPT: usize = 1 << 27;

/// Additions that one ranking may take: a few seconds on two cores.
const MAX_WORK: u64 = 3_000_000_000;

/// Fewest samples that an effect is measured on.
const FEWEST: usize = 64;

/// Every sample's tensors, of which rankings look at some.
pub struct Observed {
    /// `[sample][node]`.
    tensors: Vec<Vec<Vec<i64>>>,
    labels: Vec<usize>,
}

impl Observed {
    /// Computes the tensors of the first `count` samples, or as many as memory allows.
    #[must_use]
    pub fn new(model: &Model, samples: &Samples, count: usize) -> Self {
        let numbers: usize = model.network.layers().iter().map(|layer| layer.elements()).sum();
        let count = count.min(samples.q.len()).min((MAX_KEPT / numbers.max(1)).max(1));
        let tensors = samples.q[..count].par_iter().map(|q| model.network.trace(q)).collect();
        Self { tensors, labels: samples.labels[..count].to_vec() }
    }

    /// How many samples there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Mean and variance of each element of a tensor, as integers.
    fn moments(&self, node: LayerId) -> (Vec<f64>, Vec<f64>) {
        let elements = self.tensors.first().map_or(0, |tensors| tensors[node].len());
        let (mut sum, mut squares) = (vec![0i64; elements], vec![0i64; elements]);
        for tensors in &self.tensors {
            for (i, &x) in tensors[node].iter().enumerate() {
                sum[i] += x;
                squares[i] += x * x;
            }
        }
        let n = self.len().max(1) as f64;
        let mean: Vec<f64> = sum.iter().map(|&s| s as f64 / n).collect();
        let variance = squares.iter().zip(&mean).map(|(&s, m)| s as f64 / n - m * m).collect();
        (mean, variance)
    }
}

/// What a consumer reads: its mean and variance by element of the consumer's axis.
struct Read {
    mean: Vec<f64>,
    variance: Vec<f64>,
    /// The integer of the larger of a bit's two numbers: 1, or more where bits are averaged.
    largest: f64,
}

impl Read {
    fn new(model: &Model, observed: &Observed, consumer: &Consumer) -> Option<Self> {
        let layer = &model.network.layers()[consumer_sums(model, consumer)?];
        let read = *layer.reads.first()?;
        let (mean, variance) = observed.moments(read);
        let length = consumer.axis.len();
        if mean.is_empty() || !mean.len().is_multiple_of(length) {
            return None;
        }
        // The pixels of an image have one mean a channel.
        let pixels = mean.len() / length;
        let pooled = |all: &[f64]| -> Vec<f64> {
            (0..length).map(|i| all.iter().skip(i).step_by(length).sum::<f64>() / pixels as f64).collect()
        };
        let largest = model.network.layers()[read].kind.range().magnitude().max(1) as f64;
        Some(Self { mean: pooled(&mean), variance: pooled(&variance), largest })
    }
}

/// The node in which a consumer multiplies the channels; `None` in a separable convolution, whose channels
/// meet two.
fn consumer_sums(model: &Model, consumer: &Consumer) -> Option<LayerId> {
    model.sums_of(&consumer.name).filter(|_| consumer.is_direct)
}

/// The mean of every element that the space's consumers read, in Keras's numbers; 0 where it is not known.
#[must_use]
pub fn means(model: &Model, observed: &Observed, space: &Space) -> Vec<Means> {
    let of = |consumer: &Consumer| {
        let [low, high] = consumer.values.map(f64::from);
        match Read::new(model, observed, consumer) {
            Some(read) => {
                read.mean.iter().map(|m| low + (m / read.largest + 1.0) / 2.0 * (high - low)).collect()
            }
            None => vec![0.0; consumer.axis.len()],
        }
    };
    space.consumers.iter().map(of).collect()
}

/// The space's channels, those first whose removal hurts least.
#[must_use]
pub fn rank(model: &Model, observed: &Observed, space: &Space) -> Vec<usize> {
    let variance = variances(model, observed, space);
    let mut order: Vec<usize> = (0..space.channels).collect();
    order.sort_by(|&a, &b| variance[a].total_cmp(&variance[b]));
    let [consumer] = &space.consumers[..] else { return order };
    let Some(mut trial) = Trial::new(model, observed, consumer) else { return order };
    let affordable = usize::try_from(MAX_WORK / trial.work.max(1)).unwrap_or(usize::MAX);
    let measured = (affordable / FEWEST).max(8).min(order.len());
    trial.samples = (affordable / measured.max(1)).max(FEWEST).min(observed.len());
    let base = trial.loss(None);
    let mut effects: Vec<(f64, usize)> =
        order[..measured].par_iter().map(|&channel| (trial.loss(Some(channel)) - base, channel)).collect();
    effects.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (place, (_, channel)) in order.iter_mut().zip(effects) {
        *place = channel;
    }
    order
}

/// How much a channel's numbers vary, over all that read it.
fn variances(model: &Model, observed: &Observed, space: &Space) -> Vec<f64> {
    let mut total = vec![0.0; space.channels];
    for consumer in &space.consumers {
        let Some(read) = Read::new(model, observed, consumer) else { continue };
        for (element, variance) in read.variance.iter().enumerate() {
            total[consumer.axis.channel(element)] += variance / (read.largest * read.largest);
        }
    }
    total
}

/// A consumer whose sums are taken apart.
struct Trial<'a> {
    model: &'a Model,
    observed: &'a Observed,
    consumer: &'a Consumer,
    /// The node of the sums, and the node that it reads.
    nodes: [LayerId; 2],
    tail: Tail,
    /// Subtracted from the channel: its mean where something takes it up, in units.
    means: Vec<i64>,
    /// Additions for one sample and channel.
    work: u64,
    samples: usize,
}

impl<'a> Trial<'a> {
    fn new(model: &'a Model, observed: &'a Observed, consumer: &'a Consumer) -> Option<Self> {
        let sums = consumer_sums(model, consumer)?;
        let read = *model.network.layers()[sums].reads.first()?;
        let (linear, _) = model.network.sums(sums).filter(|(linear, _)| linear.groups == 1)?;
        let bits = model.network.layers()[read].kind == Kind::Bit;
        let pads = linear.pad == Pad::Drop && linear.window.is_padded();
        // Sums of bits are all odd or all even.
        let tail = Tail::new(&model.network, sums, if bits && !pads { 2 } else { 1 })?;
        let mean = Read::new(model, observed, consumer)?.mean;
        let means = match consumer.absorber {
            Some(_) => mean.iter().map(|m| (m * UNIT as f64).round() as i64).collect(),
            None => vec![0; mean.len()],
        };
        let per_channel = if linear.window.is_dense() {
            linear.filters * consumer.axis.outer * consumer.axis.inner
        } else {
            linear.elements() * linear.window.kernel[0] * linear.window.kernel[1]
        };
        let work = tail.work + per_channel as u64;
        Some(Self { model, observed, consumer, nodes: [sums, read], tail, means, work, samples: 0 })
    }

    /// The mean loss without a channel.
    fn loss(&self, removed: Option<usize>) -> f64 {
        let losses: Vec<f64> = (0..self.samples)
            .into_par_iter()
            .map(|sample| {
                let tensors = &self.observed.tensors[sample];
                let mut sums: Vec<i64> = tensors[self.nodes[0]].iter().map(|y| y * UNIT).collect();
                if let Some(channel) = removed {
                    self.remove(channel, &tensors[self.nodes[1]], &mut sums);
                }
                self.tail.loss(&sums, self.observed.labels[sample])
            })
            .collect();
        losses.iter().sum::<f64>() / self.samples.max(1) as f64
    }

    /// Takes a channel out of the sums of one sample.
    fn remove(&self, channel: usize, read: &[i64], sums: &mut [i64]) {
        let length = self.consumer.axis.len();
        // `new` takes no other operation.
        let Some((linear, weights)) = self.model.network.sums(self.nodes[0]) else { return };
        // What is read outside of the image; dropped taps count as 0, and their mean is taken up all the
        // same.
        let outside = linear.outside().unwrap_or(0) * UNIT;
        let centred = |pixel: Option<usize>, element: usize| {
            pixel.map_or(outside, |pixel| read[pixel * length + element] * UNIT) - self.means[element]
        };
        let (filters, window) = (linear.filters, &linear.window);
        let kernel = window.kernel[0] * window.kernel[1] * length;
        for (at, position) in window.positions().enumerate() {
            for (tap, pixel) in window.taps(position).enumerate() {
                for element in self.consumer.axis.elements(channel) {
                    let x = centred(pixel, element);
                    for filter in 0..filters {
                        let weight = weights[filter * kernel + tap * length + element];
                        sums[at * filters + filter] -= i64::from(weight) * x;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keras_write::Document;
    use crate::trim::model::How;
    use crate::trim::space;
    use xonn_program::evaluate;
    use xonn_program::{Layer, Op, Range};

    fn model(name: &str) -> Model {
        let path = format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
        Model::new(Document::read(path.as_ref()).unwrap(), &How::default()).unwrap()
    }

    fn observed(model: &Model, count: usize) -> Observed {
        let length: usize = model.network.input().elements();
        let q = |s: usize| (0..length).map(|i| ((i * 37 + s * 101 + i * i * s) % 256) as i64).collect();
        let samples = Samples { q: (0..count).map(q).collect(), labels: vec![0; count] };
        Observed::new(model, &samples, count)
    }

    /// Taking a channel out of the sums is the same as the layer's own sums of an input without it.
    #[test]
    fn sums_without_a_channel_are_those_of_an_input_without_it() {
        for name in ["tiny_mlp.h5", "conv_valid.h5", "conv_same.h5", "conv_pool_before.h5"] {
            let model = model(name);
            let observed = observed(&model, 3);
            for space in space::find(&model).0 {
                let [consumer] = &space.consumers[..] else { panic!("{name} is a chain") };
                let mut trial = Trial::new(&model, &observed, consumer).unwrap();
                trial.means.fill(0);
                let [sums, read] = trial.nodes;
                // The consumer alone, on numbers from -1 to 1.
                let kind = Kind::Int(Range { lo: -1, hi: 1 });
                let layers = model.network.layers();
                let input =
                    Layer { op: Op::Input, reads: vec![], kind, secret: None, ..layers[read].clone() };
                let alone = [input, Layer { reads: vec![0], ..layers[sums].clone() }];
                for channel in 0..space.channels {
                    let mut x = observed.tensors[2][read].clone();
                    let mut found: Vec<i64> = observed.tensors[2][sums].iter().map(|y| y * UNIT).collect();
                    trial.remove(channel, &x, &mut found);
                    for (i, x) in x.iter_mut().enumerate() {
                        if consumer.axis.channel(i % consumer.axis.len()) == channel {
                            *x = 0;
                        }
                    }
                    let tensors = evaluate::tensors(&alone, model.network.tensors(), &x);
                    let expected: Vec<i64> = tensors[1].iter().map(|y| y * UNIT).collect();
                    assert_eq!(found, expected, "{name}, {:?} without channel {channel}", space.name);
                }
            }
        }
    }

    /// A channel at its mean changes nothing where its bits never change.
    #[test]
    fn a_channel_that_never_changes_has_no_effect() {
        let model = model("conv_valid.h5");
        let observed = observed(&model, 40);
        let space = &space::find(&model).0[0];
        let variance = variances(&model, &observed, space);
        let still: Vec<usize> = (0..space.channels).filter(|&c| variance[c] == 0.0).collect();
        assert!(!still.is_empty(), "its first BatchNorm has a gamma of 0: {variance:?}");
        let mut trial = Trial::new(&model, &observed, &space.consumers[0]).unwrap();
        trial.samples = 40;
        for channel in still {
            assert_eq!(trial.loss(Some(channel)), trial.loss(None));
        }
        // All of them are measured, so one that has no effect comes before those that hurt.
        let order = rank(&model, &observed, space);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..space.channels).collect::<Vec<_>>());
        let effect = |c: usize| trial.loss(Some(c));
        assert!(order.windows(2).all(|pair| effect(pair[0]) <= effect(pair[1])));
    }

    #[test]
    fn means_are_in_keras_numbers() {
        let model = model("tiny_mlp.h5");
        let observed = observed(&model, 16);
        let space = &space::find(&model).0[0];
        let means = &means(&model, &observed, space)[0];
        let read = model.network.layers()[model.sums_of(&space.consumers[0].name).unwrap()].reads[0];
        for (element, mean) in means.iter().enumerate() {
            let sum: i64 = observed.tensors.iter().map(|tensors| tensors[read][element]).sum();
            assert_eq!(*mean, sum as f64 / 16.0);
        }
    }
}
