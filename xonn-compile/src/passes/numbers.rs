//! Hidden numbers: which tensors of a network are real numbers that are kept in fixed point, and in which
//! units.
//!
//! A tensor is a number if anything but a quantiser reads it, through operations that leave values as they
//! are but for a line. Tensors between which values pass unchanged, and all that are added up, share a unit.
//! The unit is what the largest value that calibration samples have shown is, divided by `2^activation_bits`;
//! numbers are kept in [`HEADROOM`] bits more, so that others may be larger: by a factor of two for sure, and
//! what does not fit is counted by `check`.
//!
//! Widths are public and follow from the options. Units are secret: they go into the weights.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use petgraph::stable_graph::NodeIndex;
use petgraph::unionfind::UnionFind;
use petgraph::visit::NodeIndexable as _;
use rayon::prelude::*;

use super::fold::is_exact;
use super::{PassError, Rewrite};
use crate::graph::{Array, Function, LayerGraph, LayerOp, Line};

/// Bits of a number beside those of its largest value on the calibration samples: its sign, and a factor of
/// two to either side of the ring's ends.
pub const HEADROOM: u32 = 3;

/// How hidden numbers are kept, and the samples that tell their units.
#[derive(Clone, Debug)]
pub struct NumberOptions {
    /// Bits of the largest activation of a layer on the samples.
    pub activation_bits: u32,
    /// Bits of the largest weight of a layer.
    pub weight_bits: u32,
    /// What tells their ranges.
    pub samples: Arc<NumberSamples>,
}

/// Calibration samples, and what was seen of them, which does not depend on the bits.
#[derive(Debug)]
pub struct NumberSamples {
    /// Of each sample the model's inputs, in order.
    inputs: Vec<Vec<Vec<f32>>>,
    seen: OnceLock<HashMap<NodeIndex, Seen>>,
}

impl NumberSamples {
    /// * `inputs`: of each sample the model's inputs, in order.
    #[must_use]
    pub fn new(inputs: Vec<Vec<Vec<f32>>>) -> Self {
        Self { inputs, seen: OnceLock::new() }
    }

    fn seen(&self, graph: &LayerGraph) -> Result<&HashMap<NodeIndex, Seen>, String> {
        if self.seen.get().is_none() {
            // Of two that look at the same time either is right.
            let _ = self.seen.set(Seen::of_all(graph, &self.inputs)?);
        }
        self.seen.get().ok_or_else(|| "nothing was seen of the calibration samples".into())
    }
}

impl NumberOptions {
    /// # Errors
    /// Bits that are no use.
    fn check(&self) -> Result<(), String> {
        match (self.activation_bits, self.weight_bits) {
            (4..=20, 3..=20) => Ok(()),
            (activation @ (..4 | 21..), _) => {
                Err(format!("--activation-bits {activation}, expected 4 to 20"))
            }
            (_, weight) => Err(format!("--weight-bits {weight} of hidden numbers, expected 3 to 20")),
        }
    }
}

/// How one tensor's numbers are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number {
    /// The real number that 1 stands for.
    pub unit: f64,
    /// Bits of two's complement.
    pub bits: u32,
    /// Mean on the samples.
    pub mean: f64,
    /// Deviation on the samples.
    pub spread: f64,
}

/// The numbers of a network.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    of: HashMap<NodeIndex, Number>,
    /// Bits of the largest weight.
    pub weight_bits: u32,
}

impl Numbers {
    /// How the tensor of `node` is kept, if it is a number.
    pub fn of(&self, node: NodeIndex) -> Option<Number> {
        self.of.get(&node).copied()
    }

    /// Looks at all samples.
    ///
    /// # Errors
    /// Options that are no use, and samples that the model does not take or that lead to no finite numbers.
    pub fn measure(graph: &LayerGraph, options: &NumberOptions) -> Result<Self, PassError> {
        let error = |reason: String| PassError::Input { reason };
        options.check().map_err(error)?;
        let real = real_tensors(graph)?;
        let seen = options.samples.seen(graph).map_err(error)?;
        let mut groups = UnionFind::new(graph.graph.node_bound());
        for node in graph.order()? {
            if real.contains(&node) && keeps_values(&graph.graph[node].op) {
                for read in graph.inputs_of(node) {
                    groups.union(node.index(), read.index());
                }
            }
        }
        let mut largest: HashMap<usize, f64> = HashMap::new();
        for (node, seen) in seen {
            let of_group = largest.entry(groups.find(node.index())).or_insert(0.0);
            *of_group = of_group.max(seen.largest);
        }
        let mut of = HashMap::new();
        for &node in &real {
            let seen = &seen[&node];
            if !seen.largest.is_finite() {
                let name = &graph.graph[node].name;
                return Err(error(format!(
                    "layer {name:?} gives no finite numbers on the calibration samples"
                )));
            }
            let largest = largest[&groups.find(node.index())];
            // A layer that gives nothing but 0 has any unit.
            let unit = if largest > 0.0 { largest / f64::from(1u32 << options.activation_bits) } else { 1.0 };
            let [mean, spread] = seen.mean_and_spread();
            of.insert(node, Number { unit, bits: options.activation_bits + HEADROOM, mean, spread });
        }
        Ok(Self { of, weight_bits: options.weight_bits })
    }
}

/// What has been seen of a tensor.
#[derive(Clone, Copy, Default, Debug)]
struct Seen {
    largest: f64,
    count: f64,
    sum: f64,
    squares: f64,
}

impl Seen {
    fn of(values: &[f32]) -> Self {
        let mut seen = Self { count: values.len() as f64, ..Self::default() };
        for value in values.iter().map(|&x| f64::from(x)) {
            // NaN is passed on.
            seen.largest = if value.is_nan() { f64::NAN } else { seen.largest.max(value.abs()) };
            seen.sum += value;
            seen.squares += value * value;
        }
        seen
    }

    fn with(self, other: &Self) -> Self {
        let largest = match self.largest.is_nan() || other.largest.is_nan() {
            true => f64::NAN,
            false => self.largest.max(other.largest),
        };
        Self {
            largest,
            count: self.count + other.count,
            sum: self.sum + other.sum,
            squares: self.squares + other.squares,
        }
    }

    fn of_all(graph: &LayerGraph, samples: &[Vec<Vec<f32>>]) -> Result<HashMap<NodeIndex, Self>, String> {
        let of_one = |sample: &Vec<Vec<f32>>| -> Result<HashMap<NodeIndex, Self>, String> {
            let tensors = graph.evaluate(sample)?;
            Ok(tensors.iter().map(|(&node, values)| (node, Self::of(values))).collect())
        };
        let join = |mut all: HashMap<NodeIndex, Self>, one: HashMap<NodeIndex, Self>| {
            for (node, seen) in one {
                let of_node = all.entry(node).or_default();
                *of_node = of_node.with(&seen);
            }
            Ok(all)
        };
        samples.par_iter().map(of_one).try_reduce(HashMap::new, join)
    }

    fn mean_and_spread(&self) -> [f64; 2] {
        let mean = self.sum / self.count.max(1.0);
        [mean, (self.squares / self.count.max(1.0) - mean * mean).max(0.0).sqrt()]
    }
}

/// Whether the operation gives what it reads, or 0, or something between.
fn keeps_values(op: &LayerOp) -> bool {
    match op {
        LayerOp::NoOp
        | LayerOp::MaxPool2d(_)
        | LayerOp::Reshape { .. }
        | LayerOp::Transpose { .. }
        | LayerOp::Pick { .. }
        | LayerOp::Pad2d { .. }
        | LayerOp::PRelu { .. }
        | LayerOp::Add
        | LayerOp::Maximum
        | LayerOp::Concatenate => true,
        LayerOp::Function(function) => {
            matches!(function, Function::Relu { .. } | Function::HardTanh | Function::Clip { .. })
        }
        _ => false,
    }
}

/// Whether a sign behind the operation is still one cut an element, or none is needed.
fn is_passed(op: &LayerOp, reads: usize) -> bool {
    match op {
        LayerOp::NoOp
        | LayerOp::BatchNorm(_)
        | LayerOp::Rescale { .. }
        | LayerOp::Divide { .. }
        | LayerOp::Normalize { .. }
        | LayerOp::Function(_)
        | LayerOp::PRelu { .. }
        | LayerOp::MaxPool2d(_)
        | LayerOp::Reshape { .. }
        | LayerOp::Transpose { .. }
        | LayerOp::Pick { .. }
        | LayerOp::Concatenate => true,
        LayerOp::Add | LayerOp::Multiply | LayerOp::Maximum => reads == 1,
        _ => false,
    }
}

/// The tensors of which more than signs is read, and products.
fn real_tensors(graph: &LayerGraph) -> Result<HashSet<NodeIndex>, PassError> {
    let mut real = HashSet::new();
    for node in graph.order()?.into_iter().rev() {
        let mut readers = graph.readers_of(node).into_iter();
        let is_read = readers.any(|reader| match &graph.graph[reader].op {
            LayerOp::Quantize(_) => false,
            op if is_passed(op, graph.inputs_of(reader).len()) => real.contains(&reader),
            _ => true,
        });
        // A product of numbers is none of the lines that a sign looks through.
        let is_product = matches!(graph.graph[node].op, LayerOp::Multiply) && graph.inputs_of(node).len() > 1;
        let is_read = is_read || is_product || node == graph.output;
        if is_read && !matches!(graph.graph[node].op, LayerOp::Input { .. }) {
            real.insert(node);
        }
    }
    Ok(real)
}

/// Whether a network has hidden numbers that nothing else computes: what a function gives of more than two
/// values and more than signs is read of, and products of such.
///
/// # Errors
/// [`PassError`] of a graph that breaks a rule.
pub(super) fn are_needed(graph: &LayerGraph) -> Result<bool, PassError> {
    let real = real_tensors(graph)?;
    let mut two_valued = HashSet::new();
    let mut needed = false;
    for node in graph.order()? {
        let (op, reads) = (&graph.graph[node].op, graph.inputs_of(node));
        let of_two = !reads.is_empty() && reads.iter().all(|read| two_valued.contains(read));
        match op {
            LayerOp::Quantize(_) => {
                two_valued.insert(node);
            }
            LayerOp::Multiply if of_two => {
                two_valued.insert(node);
            }
            op if of_two && is_passed(op, 1) => {
                two_valued.insert(node);
            }
            LayerOp::Function(_) | LayerOp::PRelu { .. } => {
                needed |= node != graph.output && real.contains(&node);
            }
            LayerOp::Multiply => needed |= reads.len() > 1,
            _ => {}
        }
    }
    Ok(needed)
}

/// Rewrites of networks of numbers, behind the others.
pub(super) const REWRITES: &[Rewrite] = &[
    Rewrite { name: "fold_lines", rewrite: fold_lines },
    Rewrite { name: "pool_before_function", rewrite: pool_before_function },
    Rewrite { name: "infer_shapes", rewrite: super::infer_shapes::run },
];

/// Takes the line behind a real kernel, a BatchNorm above all, into kernel and bias, so that it costs
/// nothing.
fn fold_lines(graph: &mut LayerGraph, _: &mut Vec<String>) -> Result<(), PassError> {
    let real = real_tensors(graph)?;
    for node in graph.order()? {
        while node != graph.output && real.contains(&node) {
            let [reader] = graph.readers_of(node)[..] else { break };
            let Some(line) = line_of(&graph.graph[reader].op) else { break };
            let op = &mut graph.graph[node].op;
            let depthwise = matches!(op, LayerOp::DepthwiseConv2d { .. });
            let (LayerOp::Dense { kernel, bias, secret_scale }
            | LayerOp::Conv2d { kernel, bias, secret_scale, .. }
            | LayerOp::DepthwiseConv2d { kernel, bias, secret_scale, .. }) = op
            else {
                break;
            };
            if is_exact(kernel, depthwise, *secret_scale) {
                break;
            }
            let outputs: usize = kernel.shape.iter().rev().take(if depthwise { 2 } else { 1 }).product();
            let scaled = |(at, &w): (usize, &f32)| (f64::from(w) * line(at % outputs).scale) as f32;
            let data = kernel.data.iter().enumerate().map(scaled).collect();
            let offset = |o: usize| bias.as_ref().map_or(0.0, |bias| f64::from(bias.data[o]));
            let offsets = (0..outputs).map(|o| line(o).at(offset(o)) as f32).collect();
            *kernel = Arc::new(Array { shape: kernel.shape.clone(), data });
            *bias = Some(Arc::new(Array::vector(offsets)));
            graph.bypass(reader);
        }
    }
    Ok(())
}

/// The line of each channel that an operation is, if it is one.
fn line_of(op: &LayerOp) -> Option<Box<dyn Fn(usize) -> Line>> {
    let of = |array: &Array, i: usize| f64::from(array.data[i % array.data.len()]);
    match op {
        LayerOp::BatchNorm(norm) => {
            let norm = norm.clone();
            Some(Box::new(move |channel| norm.line(channel)))
        }
        LayerOp::Normalize { mean, deviation } => {
            let (mean, deviation) = (Arc::clone(mean), Arc::clone(deviation));
            Some(Box::new(move |i| Line::new(1.0 / of(&deviation, i), -of(&mean, i) / of(&deviation, i))))
        }
        &LayerOp::Rescale { scale, offset } => {
            Some(Box::new(move |_| Line::new(f64::from(scale), f64::from(offset))))
        }
        &LayerOp::Divide { by } => Some(Box::new(move |_| Line::new(1.0 / f64::from(by), 0.0))),
        _ => None,
    }
}

/// Largest values are taken before a ReLU, of which fewer are needed then: they commute.
fn pool_before_function(graph: &mut LayerGraph, _: &mut Vec<String>) -> Result<(), PassError> {
    for node in graph.order()? {
        let rises = |op: &LayerOp| match op {
            LayerOp::Function(Function::Softmax | Function::LogSoftmax) => false,
            LayerOp::Function(function) => function.turn().is_none(),
            _ => false,
        };
        let [reader] = graph.readers_of(node)[..] else { continue };
        if node == graph.output
            || !rises(&graph.graph[node].op)
            || !matches!(graph.graph[reader].op, LayerOp::MaxPool2d(_))
        {
            continue;
        }
        // The nodes stay where they are and exchange what they do.
        let (a, b) = graph.graph.index_twice_mut(node, reader);
        std::mem::swap(a, b);
        graph.graph[node].shape.clear();
    }
    Ok(())
}
