//! Hidden numbers: which tensors of a network are real numbers that are kept in fixed point, and in which
//! units.
//!
//! A tensor is a number if anything but a quantiser reads it, through operations that leave values as they
//! are but for a line. Tensors between which values pass unchanged, and all that are added up, share a unit.
//! The unit is what the largest value that calibration samples have shown is, divided by `2^activation_bits`;
//! numbers are kept in [`HEADROOM`] bits more, so that others may be larger: by a factor of two for sure, and
//! what does not fit is counted by `check`. Ranges that are [proven] in place of seen hold all that can be.
//!
//! Widths are public and follow from the options. Units are secret: they go into the weights.

mod proven;
mod rewrites;

pub(super) use rewrites::REWRITES;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use petgraph::stable_graph::NodeIndex;
use petgraph::unionfind::UnionFind;
use petgraph::visit::NodeIndexable as _;
use rayon::prelude::*;

use super::PassError;
use super::fold::is_exact;
use crate::graph::{Function, LayerGraph, LayerOp, Quantizer};

/// Bits of a number beside those of its largest value on the calibration samples: its sign, and a factor of
/// two to either side of the ring's ends.
pub const HEADROOM: u32 = 3;

/// Most bits of a number whose range is proven.
const MOST_PROVEN: u32 = 30;

/// How hidden numbers are kept, and what tells their units.
#[derive(Clone, Debug)]
pub struct NumberOptions {
    /// Bits of the largest activation of a layer on the samples; where ranges are proven, of a usual one.
    pub activation_bits: u32,
    /// Bits of the largest weight of a layer.
    pub weight_bits: u32,
    /// What tells their ranges.
    pub ranges: Ranges,
}

/// What tells the ranges of hidden numbers.
#[derive(Clone, Debug)]
pub enum Ranges {
    /// Samples: others may be larger, by a factor of two for sure.
    Seen(Arc<NumberSamples>),
    /// The weights, for every input that a client can send: nothing can overflow.
    Proven,
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
    /// Whether the unit is a power of two that everybody may know.
    pub public: bool,
    /// Whether others stand for the same at other steps, and share their weights.
    pub alike: bool,
}

/// The numbers of a network.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    of: HashMap<NodeIndex, Number>,
    /// Joined tensors whose parts keep units of their own.
    apart: HashSet<NodeIndex>,
    /// Bits of the largest weight.
    pub weight_bits: u32,
    /// Whether no number may fail to fit its bits, whatever the input.
    pub proven: bool,
}

/// What is known of one tensor's numbers.
struct Known {
    largest: f64,
    /// Bits beside those of the activations; public.
    more_bits: u32,
    mean_and_spread: [f64; 2],
}

/// By how much units are coarser than proven ranges ask for, so that what rounding adds fits as well; the
/// first that is found to do is taken.
pub(super) const MARGINS: [f64; 3] = [1.125, 1.5, 4.0];

impl Numbers {
    /// How the tensor of `node` is kept, if it is a number.
    pub fn of(&self, node: NodeIndex) -> Option<Number> {
        self.of.get(&node).copied()
    }

    /// Whether a tensor is joined of numbers that keep units of their own.
    pub fn is_apart(&self, node: NodeIndex) -> bool {
        self.apart.contains(&node)
    }

    /// Looks at all samples.
    ///
    /// # Errors
    /// Options that are no use, and samples that the model does not take or that lead to no finite numbers.
    pub fn measure(
        graph: &LayerGraph,
        options: &NumberOptions,
        samples: &NumberSamples,
    ) -> Result<Self, PassError> {
        let error = |reason: String| PassError::Input { reason };
        options.check().map_err(error)?;
        let known = |seen: &Seen| Known {
            largest: seen.largest,
            more_bits: 0,
            mean_and_spread: seen.mean_and_spread(),
        };
        let seen = samples.seen(graph).map_err(error)?;
        let known = seen.iter().map(|(&node, seen)| (node, known(seen))).collect();
        Self::with(graph, options, &known, None)
    }

    /// Bounds all tensors for every input.
    ///
    /// * `inputs`: of each of the model's inputs the ends of what a client can send.
    /// * `margin`: one of [`MARGINS`].
    ///
    /// # Errors
    /// Options that are no use, and numbers that would take too many bits.
    pub fn proven(
        graph: &LayerGraph,
        options: &NumberOptions,
        inputs: &HashMap<NodeIndex, Vec<proven::Ends>>,
        margin: f64,
    ) -> Result<Self, PassError> {
        let error = |reason: String| PassError::Input { reason };
        options.check().map_err(error)?;
        let drawn = proven::drawn(graph, inputs).map_err(error)?;
        let bounds = proven::bounds(graph, inputs)?;
        let known = bounds.iter().map(|(&node, bound)| {
            let mean_and_spread = drawn.get(&node).map_or([0.0; 2], Seen::mean_and_spread);
            (node, Known { largest: bound.largest(), more_bits: bound.bits(), mean_and_spread })
        });
        Self::with(graph, options, &known.collect(), Some(margin))
    }

    /// * `margin`: of proven ranges.
    fn with(
        graph: &LayerGraph,
        options: &NumberOptions,
        known: &HashMap<NodeIndex, Known>,
        margin: Option<f64>,
    ) -> Result<Self, PassError> {
        let mut real = real_tensors(graph)?;
        let apart = tensors_apart(graph, &real)?;
        real.retain(|node| !apart.contains(node));
        let mut groups = UnionFind::new(graph.graph.node_bound());
        for node in graph.order()? {
            if real.contains(&node) && keeps_values(&graph.graph[node].op) {
                for read in graph.inputs_of(node) {
                    groups.union(node.index(), read.index());
                }
            }
        }
        let (mut alike, mut extra) = (HashSet::new(), HashMap::<NodeIndex, u32>::new());
        for row in &graph.alike {
            let nodes: Vec<NodeIndex> =
                row.nodes.iter().copied().filter(|node| real.contains(node)).collect();
            nodes.windows(2).for_each(|pair| {
                groups.union(pair[0].index(), pair[1].index());
            });
            extra.extend(nodes.iter().map(|&node| (node, row.extra_bits)));
            alike.extend(nodes);
        }
        let mut finer: HashMap<usize, u32> = HashMap::new();
        for (node, bits) in extra {
            let of_group = finer.entry(groups.find(node.index())).or_insert(0);
            *of_group = bits.max(*of_group);
        }
        let mut largest: HashMap<usize, (f64, u32)> = HashMap::new();
        for (node, known) in known {
            let of_group = largest.entry(groups.find(node.index())).or_insert((0.0, 0));
            *of_group = (of_group.0.max(known.largest), of_group.1.max(known.more_bits));
        }
        // Tables of curves are public, and with them the units on both of their sides: as coarse as can be
        // told. So are those of recurrent layers: a product of three powers of two is shifted, not
        // multiplied.
        let mut public: HashSet<usize> = alike.iter().map(|node| groups.find(node.index())).collect();
        for &node in &real {
            if matches!(graph.graph[node].op, LayerOp::Function(function) if is_curve(function)) {
                let all = graph.inputs_of(node).into_iter().chain([node]);
                public.extend(all.map(|node| groups.find(node.index())));
            }
        }
        let mut of = HashMap::new();
        for node in graph.order()? {
            let Some(own) = known.get(&node).filter(|_| real.contains(&node)) else { continue };
            let group = groups.find(node.index());
            let ((largest, more_bits), public) = (largest[&group], public.contains(&group));
            let wide = options.activation_bits + finer.get(&group).copied().unwrap_or(0);
            // Of proven ranges none is left above the largest number but the margin.
            let (bits, above) = match margin {
                None => (wide + HEADROOM, HEADROOM - 1),
                Some(_) => (wide + more_bits + 1, 0),
            };
            let layer = &graph.graph[node];
            if margin.is_some() && (!own.largest.is_finite() || bits > MOST_PROVEN) {
                let reason = format!(
                    "its numbers may be up to {:.1e} for some inputs, so that they take {bits} bits where \
                     {wide} are kept of usual ones, expected {MOST_PROVEN} at most: proven ranges grow with \
                     each layer of sums; give samples that the model was trained on with --calibrate D.npz \
                     (array x) and leave out --range proven, or give fewer --activation-bits",
                    own.largest
                );
                return Err(PassError::Layer { layer: layer.name.clone(), reason });
            }
            if !own.largest.is_finite() {
                let name = &layer.name;
                let reason = format!("layer {name:?} gives no finite numbers on the calibration samples");
                return Err(PassError::Input { reason });
            }
            let full = f64::from(1u32 << (bits - 1 - above));
            // A layer that gives nothing but 0 has any unit.
            let unit = if largest > 0.0 { largest * margin.unwrap_or(1.0) / full } else { 1.0 };
            let unit = if public { unit.log2().ceil().exp2() } else { unit };
            let [mean, spread] = own.mean_and_spread;
            let alike = alike.contains(&node);
            of.insert(node, Number { unit, bits, mean, spread, public, alike });
        }
        Ok(Self { of, apart, weight_bits: options.weight_bits, proven: margin.is_some() })
    }
}

/// Whether a function is computed as a table of line pieces.
pub(super) fn is_curve(function: Function) -> bool {
    matches!(
        function,
        Function::Sigmoid
            | Function::Tanh
            | Function::Elu { .. }
            | Function::Selu
            | Function::Softplus
            | Function::Softsign
            | Function::LogSigmoid
            | Function::SoftShrink
            | Function::TanhShrink
            | Function::SquarePlus
            | Function::SparsePlus
            | Function::HardSilu
            | Function::Silu
            | Function::Gelu { .. }
            | Function::Mish
            | Function::Abs
            | Function::ReluFrom { .. }
            | Function::ThresholdedRelu { .. }
    )
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
            matches!(
                function,
                Function::Relu { .. } | Function::HardTanh | Function::Clip { .. } | Function::Abs
            )
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

/// Whether several tensors are added up, or the largest of each element is taken.
fn is_sum(op: &LayerOp, reads: usize) -> bool {
    matches!(op, LayerOp::Add | LayerOp::Maximum) && reads > 1
}

/// Whether there is such a function between a tensor and the layer of sums, or of signs, in front of it.
fn is_behind(graph: &LayerGraph, node: NodeIndex, such: &dyn Fn(&LayerOp) -> bool) -> bool {
    let mut at = node;
    loop {
        let op = &graph.graph[at].op;
        match (op, &graph.inputs_of(at)[..]) {
            (LayerOp::Function(_) | LayerOp::PRelu { .. }, _) if such(op) => return true,
            (op, &[read]) if is_passed(op, 1) => at = read,
            _ => return false,
        }
    }
}

/// Whether a function falls somewhere.
fn falls(op: &LayerOp) -> bool {
    match op {
        LayerOp::Function(function) => function.turn().is_some(),
        LayerOp::PRelu { slope } => slope.data.iter().any(|&slope| slope < 0.0),
        _ => false,
    }
}

/// The tensors of which more than signs is read, products, sums of real numbers, and what is joined behind
/// functions.
fn real_tensors(graph: &LayerGraph) -> Result<HashSet<NodeIndex>, PassError> {
    let mut real = HashSet::new();
    let exact = exact_tensors(graph)?;
    for node in graph.order()?.into_iter().rev() {
        let mut readers = graph.readers_of(node).into_iter();
        let is_read = readers.any(|reader| match &graph.graph[reader].op {
            LayerOp::Quantize(_) => false,
            op if is_passed(op, graph.inputs_of(reader).len()) => real.contains(&reader),
            _ => true,
        });
        // A product of numbers is none of the lines that a sign looks through, nor is a sum.
        let (op, reads) = (&graph.graph[node].op, graph.inputs_of(node));
        let is_product = matches!(op, LayerOp::Multiply) && reads.len() > 1;
        let is_sum = is_sum(op, reads.len()) && !reads.iter().all(|read| exact.contains(read));
        // What is joined is lines of integers: what a function gives has to be a number of its own.
        let is_join = match op {
            LayerOp::Concatenate => reads.iter().any(|&read| is_behind(graph, read, &|_| true)),
            // Nor are the largest behind a function that falls somewhere those of what it reads.
            LayerOp::MaxPool2d(_) => reads.iter().any(|&read| is_behind(graph, read, &falls)),
            _ => false,
        };
        let is_read = is_read || is_product || is_sum || is_join || node == graph.output;
        if is_read && !matches!(graph.graph[node].op, LayerOp::Input { .. }) {
            real.insert(node);
        }
    }
    Ok(real)
}

/// The tensors that are joined of numbers of different size, each in a unit of its own: those that only sums
/// with real weights read, which take the units into their weights. Flattened and pooled ones too.
fn tensors_apart(graph: &LayerGraph, real: &HashSet<NodeIndex>) -> Result<HashSet<NodeIndex>, PassError> {
    let sums = |node: NodeIndex| match &graph.graph[node].op {
        LayerOp::Dense { kernel, secret_scale, .. } => !is_exact(kernel, false, *secret_scale),
        LayerOp::Conv2d { kernel, secret_scale, conv, .. } => {
            !is_exact(kernel, false, *secret_scale) && conv.pad_value == 0.0
        }
        LayerOp::DepthwiseConv2d { kernel, secret_scale, conv, .. } => {
            !is_exact(kernel, true, *secret_scale) && conv.pad_value == 0.0
        }
        _ => false,
    };
    // What only such sums read, behind moves that keep channels where they are.
    let order = graph.order()?;
    let mut summed = HashSet::new();
    for &node in order.iter().rev() {
        let op = &graph.graph[node].op;
        let moves =
            matches!(op, LayerOp::Concatenate | LayerOp::Reshape { target: None } | LayerOp::MaxPool2d(_));
        let readers = graph.readers_of(node);
        let such = |reader: &NodeIndex| {
            let joins = matches!(graph.graph[*reader].op, LayerOp::Concatenate);
            real.contains(reader) && (sums(*reader) || summed.contains(reader) && !joins)
        };
        if moves && node != graph.output && !readers.is_empty() && readers.iter().all(such) {
            summed.insert(node);
        }
    }
    let mut apart = HashSet::new();
    for node in order {
        let reads = graph.inputs_of(node);
        let begins = match graph.graph[node].op {
            LayerOp::Concatenate => reads.len() > 1 && reads.iter().all(|read| real.contains(read)),
            _ => reads.iter().any(|read| apart.contains(read)),
        };
        let alike = graph.alike.iter().any(|row| row.nodes.contains(&node));
        if begins && !alike && summed.contains(&node) {
            apart.insert(node);
        }
    }
    Ok(apart)
}

/// The tensors that are integers times one unit, whatever the weights are: signs and inputs, and what kernels
/// of integers, poolings and sums make of them.
fn exact_tensors(graph: &LayerGraph) -> Result<HashSet<NodeIndex>, PassError> {
    let mut exact = HashSet::new();
    for node in graph.order()? {
        let (op, reads) = (&graph.graph[node].op, graph.inputs_of(node));
        let of_exact = reads.iter().all(|read| exact.contains(read));
        let depthwise = matches!(op, LayerOp::DepthwiseConv2d { .. });
        let is_exact = match op {
            LayerOp::Input { .. } | LayerOp::Quantize(_) => true,
            LayerOp::Dense { kernel, bias, secret_scale }
            | LayerOp::Conv2d { kernel, bias, secret_scale, .. }
            | LayerOp::DepthwiseConv2d { kernel, bias, secret_scale, .. } => {
                of_exact && bias.is_none() && is_exact(kernel, depthwise, *secret_scale)
            }
            LayerOp::Function(Function::Relu { slope: 0.0, max: None }) => of_exact,
            LayerOp::BatchNorm(_)
            | LayerOp::Normalize { .. }
            | LayerOp::Function(_)
            | LayerOp::PRelu { .. }
            | LayerOp::Multiply => false,
            _ => of_exact,
        };
        if is_exact {
            exact.insert(node);
        }
    }
    Ok(exact)
}

/// Why a network has hidden numbers, if it has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Need {
    /// It has none.
    None,
    /// It adds up real numbers, which can be kept in fixed point of worst cases too.
    Sums,
    /// More than signs is read of what a function gives, or of a product, and only samples tell their ranges.
    Functions,
}

/// Whether a network has hidden numbers that samples have to tell the ranges of, or had better.
///
/// # Errors
/// [`PassError`] of a graph that breaks a rule.
pub(super) fn need(graph: &LayerGraph) -> Result<Need, PassError> {
    let real = real_tensors(graph)?;
    let exact = exact_tensors(graph)?;
    let mut two_valued = HashSet::new();
    let mut need = Need::None;
    for node in graph.order()? {
        let (op, reads) = (&graph.graph[node].op, graph.inputs_of(node));
        let of_two = !reads.is_empty() && reads.iter().all(|read| two_valued.contains(read));
        let own = match op {
            LayerOp::Quantize(Quantizer::Steps(_)) => Need::None,
            LayerOp::Quantize(_) => {
                two_valued.insert(node);
                Need::None
            }
            LayerOp::Multiply if of_two => {
                two_valued.insert(node);
                Need::None
            }
            op if of_two && is_passed(op, 1) => {
                two_valued.insert(node);
                Need::None
            }
            LayerOp::Function(_) | LayerOp::PRelu { .. } if node != graph.output && real.contains(&node) => {
                Need::Functions
            }
            LayerOp::Multiply if reads.len() > 1 => Need::Functions,
            op if is_sum(op, reads.len()) && !reads.iter().all(|read| exact.contains(read)) => Need::Sums,
            _ => Need::None,
        };
        need = need.max(own);
    }
    Ok(need)
}
