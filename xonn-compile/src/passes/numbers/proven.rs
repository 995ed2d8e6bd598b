//! Ranges that hold for every input that a client can send: no samples are needed, and no number can fail to
//! fit.
//!
//! Each layer takes intervals to intervals [Moore 1966], channel by channel with its own weights: of a sum
//! with weights w that is the L1 norm of w times what it reads. What follows from the weights chooses units,
//! which are secret. Widths are public and must follow from the architecture alone: a sum of n independent
//! numbers is as large as the root of n of them, and may be as large as n, so each layer of sums takes half
//! of log2(n) bits more than usual numbers do ([`Growth`]). That is why proven ranges serve for a few layers:
//! where a function has an end, as tanh has, it begins again.
//!
//! These intervals are of real numbers. What rounding adds to them is bounded where integers are made
//! (`fold/bounds.rs`), which refuses what could overflow.

use std::collections::HashMap;

use petgraph::stable_graph::NodeIndex;

use super::super::PassError;
use super::{NumberSamples, Seen};
use crate::graph::{Array, Function, LayerGraph, LayerOp, Line, Padding};

/// Smallest and largest number.
pub(in crate::passes) type Ends = [f64; 2];

/// Samples that are drawn to estimate how exact numbers are; ranges do not depend on them.
const DRAWN: usize = 16;

/// How much larger than a usual number one can be, as far as the architecture tells.
#[derive(Clone, Copy, Debug)]
struct Growth {
    worst: f64,
    usual: f64,
}

impl Growth {
    /// Of what has ends, or comes from the client: usual numbers reach them.
    const NONE: Self = Self { worst: 1.0, usual: 1.0 };

    /// Bits beside those of usual numbers.
    fn bits(self) -> u32 {
        ((self.worst / self.usual).log2() - 1e-9).ceil().clamp(0.0, 1000.0) as u32
    }

    /// A sum of `n` such numbers.
    fn summed(self, n: usize) -> Self {
        Self { worst: self.worst * (n.max(1) as f64).sqrt(), usual: self.usual }
    }

    fn product(self, other: Self) -> Self {
        Self { worst: self.worst * other.worst, usual: self.usual * other.usual }
    }
}

/// What is known of a tensor for all inputs.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    /// Of element `i` entry `i % len`.
    ends: Vec<Ends>,
    growth: Growth,
}

impl Bound {
    /// The largest number either way.
    pub fn largest(&self) -> f64 {
        self.ends.iter().flatten().fold(0.0, |most: f64, &x| if x.is_nan() { x } else { most.max(x.abs()) })
    }

    /// Bits beside those of usual numbers: public.
    pub fn bits(&self) -> u32 {
        self.growth.bits()
    }

    fn at(&self, i: usize) -> Ends {
        self.ends[i % self.ends.len()]
    }

    fn each(&self, f: impl Fn(Ends) -> Ends) -> Self {
        Self { ends: self.ends.iter().map(|&x| f(x)).collect(), growth: self.growth }
    }

    /// `f` of each channel, where `f` repeats after `period` of `elements`.
    fn map(&self, period: usize, elements: usize, f: impl Fn(usize, Ends) -> Ends) -> Self {
        let count = common(self.ends.len(), period.max(1), elements);
        Self { ends: (0..count).map(|i| f(i, self.at(i))).collect(), growth: self.growth }
    }

    /// One interval a channel, whatever the position.
    fn by_channel(&self, channels: usize) -> Vec<Ends> {
        let mut all: Vec<Ends> = (0..channels).map(|i| self.at(i)).collect();
        if !channels.is_multiple_of(self.ends.len()) {
            (0..self.ends.len()).for_each(|i| all[i % channels] = union(all[i % channels], self.ends[i]));
        }
        all
    }
}

/// The bounds of all tensors; `inputs`: of each model input those of what the client sends.
pub(super) fn bounds(
    graph: &LayerGraph,
    inputs: &HashMap<NodeIndex, Vec<Ends>>,
) -> Result<HashMap<NodeIndex, Bound>, PassError> {
    let mut all: HashMap<NodeIndex, Bound> = HashMap::new();
    for node in graph.order()? {
        let reads = graph.inputs_of(node);
        let bound = match inputs.get(&node) {
            Some(ends) => Bound { ends: ends.clone(), growth: Growth::NONE },
            None if reads.is_empty() => Bound { ends: vec![[0.0; 2]], growth: Growth::NONE },
            None => {
                let read: Vec<&Bound> = reads.iter().map(|read| &all[read]).collect();
                of_layer(graph, node, &reads, &read)
            }
        };
        all.insert(node, bound);
    }
    Ok(all)
}

fn of_layer(graph: &LayerGraph, node: NodeIndex, nodes: &[NodeIndex], reads: &[&Bound]) -> Bound {
    let (layer, x) = (&graph.graph[node], reads[0]);
    let elements = layer.shape.iter().product::<usize>().max(1);
    let shape = &graph.graph[nodes[0]].shape;
    let channels = shape.last().copied().unwrap_or(1).max(1);
    let of = |array: &Array, i: usize| f64::from(array.data[i % array.data.len()]);
    match &layer.op {
        LayerOp::Dense { kernel, bias, .. } => {
            let (fan_in, units) = (kernel.shape[0], kernel.shape[1]);
            let looks_up = matches!(graph.graph[nodes[0]].op, LayerOp::OneHot { .. });
            let read = x.by_channel(fan_in);
            let unit = |o: usize| {
                let products = (0..fan_in).map(|i| times(f64::from(kernel.data[i * units + o]), read[i]));
                let sum = match looks_up {
                    // One of the rows.
                    true => products.map(|[lo, hi]| [lo + hi; 2]).reduce(union).unwrap_or([0.0; 2]),
                    false => products.fold([0.0; 2], plus),
                };
                plus(sum, [bias.as_ref().map_or(0.0, |bias| of(bias, o)); 2])
            };
            let growth = if looks_up { Growth::NONE } else { x.growth.summed(fan_in) };
            Bound { ends: (0..units).map(unit).collect(), growth }
        }
        LayerOp::Conv2d { kernel, bias, conv, .. } => {
            let depth = kernel.shape[2];
            let filters = kernel.last_axis();
            let first = |filter: usize| filter / (filters / conv.groups).max(1) * depth;
            let outside = (conv.padding != Padding::Valid).then(|| f64::from(conv.pad_value));
            let read = x.by_channel(channels);
            convolved(&read, kernel, bias.as_deref(), outside, (filters, depth, x.growth), first)
        }
        LayerOp::DepthwiseConv2d { kernel, bias, conv, .. } => {
            let multiplier = kernel.shape[3];
            let filters = kernel.shape[2] * multiplier;
            let outside = (conv.padding != Padding::Valid).then(|| f64::from(conv.pad_value));
            let read = x.by_channel(channels);
            let first = |filter: usize| filter / multiplier.max(1);
            convolved(&read, kernel, bias.as_deref(), outside, (filters, 1, x.growth), first)
        }
        LayerOp::BatchNorm(norm) => {
            x.map(norm.mean.data.len(), elements, |i, x| on(norm.line(i % norm.mean.data.len()), x))
        }
        &LayerOp::Rescale { scale, offset } => {
            x.each(|x| on(Line::new(f64::from(scale), f64::from(offset)), x))
        }
        &LayerOp::Divide { by } => x.each(|x| times(1.0 / f64::from(by), x)),
        LayerOp::Normalize { mean, deviation } => {
            let period = mean.data.len().max(deviation.data.len());
            x.map(period, elements, |i, x| {
                on(Line::new(1.0 / of(deviation, i), -of(mean, i) / of(deviation, i)), x)
            })
        }
        LayerOp::Quantize(quantizer) => {
            let at = |x: f64| f64::from(quantizer.apply(x as f32));
            Bound { growth: Growth::NONE, ..x.each(|[lo, hi]| sorted([at(lo), at(hi)])) }
        }
        LayerOp::Function(function) => of_function(*function, x),
        LayerOp::PRelu { slope } => x.map(slope.data.len(), elements, |i, [lo, hi]| {
            let at = |x: f64| if x >= 0.0 { x } else { of(slope, i) * x };
            let ends = sorted([at(lo), at(hi)]);
            if lo < 0.0 && hi > 0.0 { union(ends, [0.0; 2]) } else { ends }
        }),
        LayerOp::MaxPool2d(_) | LayerOp::AveragePool2d(_) => {
            Bound { ends: x.by_channel(channels), growth: x.growth }
        }
        LayerOp::Pick { source, .. } if x.ends.len() > 1 => {
            Bound { ends: source.iter().map(|&i| x.at(i)).collect(), growth: x.growth }
        }
        LayerOp::Transpose { axes } if x.ends.len() > 1 => {
            let source = super::super::fold::transposition(shape, axes);
            Bound { ends: source.into_iter().map(|i| x.at(i)).collect(), growth: x.growth }
        }
        LayerOp::Pad2d { value, .. } => {
            let ends = x.by_channel(channels).into_iter().map(|x| union(x, [f64::from(*value); 2]));
            Bound { ends: ends.collect(), growth: x.growth }
        }
        LayerOp::OneHot { .. } => Bound { ends: vec![[0.0, 1.0]], growth: Growth::NONE },
        LayerOp::Add => {
            let square = |read: &&Bound| read.growth.usual * read.growth.usual;
            let growth = Growth {
                worst: reads.iter().map(|read| read.growth.worst).sum(),
                usual: reads.iter().map(square).sum::<f64>().sqrt(),
            };
            Bound { growth, ..joined(reads, elements, plus) }
        }
        LayerOp::Multiply => {
            let growth = reads.iter().map(|read| read.growth).fold(Growth::NONE, Growth::product);
            let product = |a: Ends, b: Ends| union(times(a[0], b), times(a[1], b));
            Bound { growth, ..joined(reads, elements, product) }
        }
        LayerOp::Maximum => joined(reads, elements, |a, b| [a[0].max(b[0]), a[1].max(b[1])]),
        LayerOp::Concatenate => {
            let widths: Vec<usize> = nodes
                .iter()
                .map(|&node| graph.graph[node].shape.last().copied().unwrap_or(1).max(1))
                .collect();
            let parts = || reads.iter().zip(&widths);
            let by_channel = parts().all(|(read, width)| width.is_multiple_of(read.ends.len()));
            let rows = if by_channel { 1 } else { elements / widths.iter().sum::<usize>().max(1) };
            let row = |row: usize| {
                parts().flat_map(move |(read, &width)| (0..width).map(move |i| read.at(row * width + i)))
            };
            Bound { ends: (0..rows).flat_map(row).collect(), growth: widest(reads) }
        }
        // What is left changes no number.
        _ => x.clone(),
    }
}

/// Sums of products over a window; kernels are `[row, column, depth, filter]`.
fn convolved(
    read: &[Ends],
    kernel: &Array,
    bias: Option<&Array>,
    outside: Option<f64>,
    (filters, depth, growth): (usize, usize, Growth),
    first: impl Fn(usize) -> usize,
) -> Bound {
    let taps = kernel.data.len() / (filters * depth).max(1);
    let filter = |filter: usize| {
        let mut sum = [bias.map_or(0.0, |bias| f64::from(bias.data[filter % bias.data.len()])); 2];
        for tap in 0..taps {
            for i in 0..depth {
                let x = read[(first(filter) + i) % read.len()];
                let x = outside.map_or(x, |outside| union(x, [outside; 2]));
                sum = plus(sum, times(f64::from(kernel.data[(tap * depth + i) * filters + filter]), x));
            }
        }
        sum
    };
    Bound { ends: (0..filters).map(filter).collect(), growth: growth.summed(taps * depth) }
}

fn of_function(function: Function, x: &Bound) -> Bound {
    match function {
        // Refused where numbers would have to pass through it.
        Function::LogSoftmax | Function::Exponential => return x.clone(),
        Function::Softmax => return Bound { ends: vec![[0.0, 1.0]], growth: Growth::NONE },
        _ => {}
    }
    let at = |x: f64| f64::from(function.apply(x.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32));
    let ends = x.each(|[lo, hi]| {
        let ends = sorted([at(lo), at(hi)]);
        match function.turn().map(f64::from) {
            Some(turn) if lo < turn && turn < hi => union(ends, [at(turn); 2]),
            _ => ends,
        }
    });
    let growth = match function {
        Function::Sigmoid
        | Function::HardSigmoid { .. }
        | Function::Tanh
        | Function::HardTanh
        | Function::Softsign
        | Function::Relu { slope: 0.0, max: Some(_) }
        | Function::ReluFrom { slope: 0.0, max: Some(_), .. } => Growth::NONE,
        Function::Clip { low, high } if low.is_finite() && high.is_finite() => Growth::NONE,
        Function::Square => x.growth.product(x.growth),
        _ => x.growth,
    };
    Bound { growth, ..ends }
}

/// An operation on the elements of several tensors.
fn joined(reads: &[&Bound], elements: usize, f: impl Fn(Ends, Ends) -> Ends) -> Bound {
    let count = reads.iter().fold(1, |count, read| common(count, read.ends.len(), elements));
    let one = |i: usize| reads.iter().map(|read| read.at(i)).reduce(&f).unwrap_or([0.0; 2]);
    Bound { ends: (0..count).map(one).collect(), growth: widest(reads) }
}

/// Of tensors side by side: each keeps its bits.
fn widest(reads: &[&Bound]) -> Growth {
    let (mut worst, mut usual) = (0.0f64, f64::INFINITY);
    for read in reads {
        (worst, usual) = (worst.max(read.growth.worst), usual.min(read.growth.usual));
    }
    Growth { worst, usual }
}

/// What numbers are like if inputs are drawn evenly: for estimates of what rounding does.
pub(super) fn drawn(
    graph: &LayerGraph,
    inputs: &HashMap<NodeIndex, Vec<Ends>>,
) -> Result<HashMap<NodeIndex, Seen>, String> {
    let mut state = 1u64;
    let mut share = || {
        // Knuth's MMIX generator.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut sample = || -> Vec<Vec<f32>> {
        let of = |&node: &NodeIndex| -> Vec<f32> {
            let elements = graph.graph[node].shape.iter().product();
            let Some(ends) = inputs.get(&node) else { return vec![0.0; elements] };
            let readers = graph.readers_of(node);
            let tokens = readers.iter().any(|&node| matches!(graph.graph[node].op, LayerOp::OneHot { .. }));
            let one = |i: usize| {
                let [lo, hi] = ends[i % ends.len()];
                let x = lo + (hi - lo) * share();
                if tokens { x.round() as f32 } else { x as f32 }
            };
            (0..elements).map(one).collect()
        };
        graph.inputs.iter().map(of).collect()
    };
    let samples = NumberSamples::new((0..DRAWN).map(|_| sample()).collect());
    samples.seen(graph).cloned()
}

fn times(factor: f64, [lo, hi]: Ends) -> Ends {
    // 0 times what has no end is 0 here.
    if factor == 0.0 { [0.0; 2] } else { sorted([factor * lo, factor * hi]) }
}

fn plus(a: Ends, b: Ends) -> Ends {
    [a[0] + b[0], a[1] + b[1]]
}

fn on(line: Line, x: Ends) -> Ends {
    sorted([line.at(x[0]), line.at(x[1])])
}

fn sorted([a, b]: Ends) -> Ends {
    if a.is_nan() || b.is_nan() { [f64::NAN; 2] } else { [a.min(b), a.max(b)] }
}

fn union(a: Ends, b: Ends) -> Ends {
    let [lo, _] = sorted([a[0], b[0]]);
    let [_, hi] = sorted([a[1], b[1]]);
    [lo, hi]
}

/// After how many of `elements` two sequences both repeat.
fn common(a: usize, b: usize, elements: usize) -> usize {
    let (long, short) = (a.max(b), a.min(b));
    if long.is_multiple_of(short) { long } else { elements }
}
