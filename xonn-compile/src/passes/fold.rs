//! Linear layers become integer sums; everything float between a sum and a sign becomes one integer cut a
//! channel.
//!
//! Before: Dense, bias, BatchNorm, Sign     After: Dense, Threshold { cuts }
//! Leaves: no float. Cuts are found by asking the float32 layer itself ([`FloatFn::cut`]).
//!
//! Every tensor is kept as an integer tensor and a [`FloatFn`] that says which real numbers these integers
//! stand for. Quantisers, poolings and the output consume the function; linear layers need one that is the
//! same line for all elements, `x = a t + b`, since `sum(w x) = a sum(w t) + b sum(w)`.

mod accuracy;
mod bounds;
mod fixed;
mod head;
mod join;
mod kernel;
mod linear;
mod merge;
mod pool;
mod quantize;
mod real;

use petgraph::stable_graph::NodeIndex;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use xonn_program::program::ProgramError;
use xonn_program::{Kind, LayerId, Op, OutputEncoding, Range, Tensor};

use super::float_fn::FloatFn;
use super::input::InputSpec;
use super::{InputOptions, Options, PassError, affine_head};
use crate::graph::{Array, Conv, Function, Layer, LayerGraph, LayerOp, Padding};
use crate::network::{Made, Network};
use accuracy::{Accuracy, Typical};
use bounds::{Bounds, Slack};
use fixed::{Stream, Streams};

/// Runs the pass.
///
/// # Errors
/// [`PassError`] naming the layer.
pub(super) fn run(
    graph: &LayerGraph,
    options: &Options,
    notes: &mut Vec<String>,
) -> Result<Network, PassError> {
    let used: Vec<NodeIndex> = graph
        .inputs
        .iter()
        .copied()
        .filter(|&input| input == graph.output || !graph.readers_of(input).is_empty())
        .collect();
    let spec = input_spec(graph, &used, options, notes)?;
    let mut streams = Streams::default();
    let options = Options {
        weight_bits: Some(options.weight_bits.unwrap_or_else(|| weight_bits(graph))),
        ..options.clone()
    };
    for _ in 0..MOST_ATTEMPTS {
        let mut own_notes = Vec::new();
        let network;
        (network, streams) = attempt(graph, &options, &mut own_notes, (&used, &spec), streams)?;
        if !streams.again {
            notes.append(&mut own_notes);
            return Ok(network);
        }
        streams.again = false;
    }
    let reason = "the units of its sums do not settle, expected branches of similar size".into();
    Err(PassError::Layer { layer: graph.graph[graph.output].name.clone(), reason })
}

/// Bits of a real weight where nobody says otherwise, from the architecture alone: a weight is rounded by
/// some `2^-bits` of the deviation of its sum, and each sign that such a sum reaches may turn, so one bit
/// more for twice as many signs.
fn weight_bits(graph: &LayerGraph) -> u32 {
    let mut inexact: HashMap<NodeIndex, bool> = HashMap::new();
    let mut signs = 0usize;
    for node in graph.order().unwrap_or_default() {
        let layer = &graph.graph[node];
        let read = graph.inputs_of(node).iter().any(|read| inexact[read]);
        let is = match &layer.op {
            LayerOp::Quantize(_) => {
                signs += if read { layer.shape.iter().product() } else { 0 };
                false
            }
            LayerOp::Dense { kernel, secret_scale, .. }
            | LayerOp::Conv2d { kernel, secret_scale, .. }
            | LayerOp::DepthwiseConv2d { kernel, secret_scale, .. } => {
                let depthwise = matches!(layer.op, LayerOp::DepthwiseConv2d { .. });
                read || !linear::is_exact(kernel, depthwise, *secret_scale)
            }
            _ => read,
        };
        inexact.insert(node, is);
    }
    (usize::BITS - signs.leading_zeros() + 5).clamp(LEAST_WEIGHT_BITS, MOST_WEIGHT_BITS)
}

/// Bits of a real weight in front of few signs, or none.
const LEAST_WEIGHT_BITS: u32 = 16;

/// Bits of a real weight in front of any number of signs.
const MOST_WEIGHT_BITS: u32 = 22;

/// Layers and what is wrong with them.
type Problems = Vec<(String, String)>;

/// The problems of single layers, without the head's.
pub(super) fn problems_of_layers(graph: &LayerGraph, options: &Options) -> Vec<(String, String)> {
    let used: Vec<NodeIndex> =
        graph.inputs.iter().copied().filter(|&input| !graph.readers_of(input).is_empty()).collect();
    let mut notes = Vec::new();
    let Ok(spec) = input_spec(graph, &used, options, &mut notes) else { return Vec::new() };
    let fold = Fold::new(Streams::default(), &mut notes, options);
    fold.layers(graph, &used, &spec).map_or_else(|_| Vec::new(), |(_, problems, _)| problems)
}

/// How often the layers are looked at until all that joins a stream is known to fit; each attempt settles a
/// stream.
const MOST_ATTEMPTS: usize = 64;

fn attempt(
    graph: &LayerGraph,
    options: &Options,
    notes: &mut Vec<String>,
    (used, spec): (&[NodeIndex], &InputSpec),
    streams: Streams,
) -> Result<(Network, Streams), PassError> {
    let fold = Fold::new(streams, notes, options);
    let (mut fold, mut problems, doubtful) = fold.layers(graph, used, spec)?;
    let layer = &graph.graph[graph.output];
    let output = match fold.head(options, layer, graph.output) {
        Ok(output) => Some(output),
        Err(reason) => {
            if !doubtful.contains(&graph.output) {
                problems.push((layer.name.clone(), reason));
            }
            None
        }
    };
    match (output, problems.is_empty()) {
        (Some(output), true) => {
            let streams = std::mem::take(&mut fold.streams);
            let network = fold.network(spec, output).map_err(|error| PassError::Layer {
                layer: layer.name.clone(),
                reason: format!("the network does not fit a program: {error}"),
            })?;
            Ok((network, streams))
        }
        _ => Err(PassError::of_layers(problems)),
    }
}

/// A real tensor: integers and what they stand for.
#[derive(Clone, Debug)]
struct Value {
    /// The integer tensor.
    node: LayerId,
    /// The real numbers.
    f: FloatFn,
    /// `Some(p)` if all values are known to be `p` modulo 2.
    parity: Option<i64>,
    /// The tensor's shape. The integer tensor has the same elements in the same order, but maybe in another
    /// shape: reshapes wait until something looks at the shape, so that a sum and its sign stay together.
    shape: Vec<usize>,
    /// Of numbers in fixed point: where, so that later summands take their units.
    stream: Option<Stream>,
    /// How the real numbers spread, and how far rounding moves them.
    accuracy: Accuracy,
}

/// The client's numbers, taken as spread evenly over their range; standardised ones are.
fn of_input(spec: &InputSpec, lines: &[(f64, f64)]) -> Accuracy {
    if spec.standardised {
        return Accuracy::all(Typical::SIGN);
    }
    let Range { lo, hi } = spec.range();
    let (mean, spread) = ((hi + lo) as f64 / 2.0, (hi - lo) as f64 / 12f64.sqrt());
    Accuracy::each(lines.iter().map(|&line| Typical { mean, spread, error: 0.0 }.line(line)))
}

/// Whether all that reads a layer compares or normalises each of its channels by itself, so that each may
/// have a unit of its own for nothing. Told by the architecture.
fn is_normalised(graph: &LayerGraph, node: NodeIndex) -> bool {
    let readers = graph.readers_of(node);
    node != graph.output
        && !readers.is_empty()
        && readers.iter().all(|&reader| match &graph.graph[reader].op {
            LayerOp::BatchNorm(_) | LayerOp::Quantize(_) => true,
            LayerOp::NoOp
            | LayerOp::Function(_)
            | LayerOp::Rescale { .. }
            | LayerOp::Divide { .. }
            | LayerOp::MaxPool2d(_)
            | LayerOp::AveragePool2d(_) => is_normalised(graph, reader),
            _ => false,
        })
}

/// How the client's numbers enter: one input as it is, several one after another.
fn input_spec(
    graph: &LayerGraph,
    used: &[NodeIndex],
    options: &Options,
    notes: &mut Vec<String>,
) -> Result<InputSpec, PassError> {
    let features = options.input.features(graph, used, notes)?;
    let normalised = |&input: &NodeIndex| {
        graph
            .readers_of(input)
            .iter()
            .any(|&reader| matches!(graph.graph[reader].op, LayerOp::Normalize { .. }))
    };
    if options.input == InputOptions::default() && used.iter().any(normalised) {
        notes.push(
            "a Normalization reads the input: if the client's numbers are no integers, --input-standardised lets it do what that \
             layer does, for far fewer gates, and makes that layer's numbers public"
                .into(),
        );
    }
    let shapes: Vec<&[usize]> = used.iter().map(|&input| graph.graph[input].shape.as_slice()).collect();
    match shapes[..] {
        [] => Err(PassError::Input { reason: "the output depends on no input, expected at least 1".into() }),
        [shape] => options.input.spec(shape, features, notes),
        _ => {
            let named = used
                .iter()
                .zip(&shapes)
                .map(|(&input, shape)| format!("{:?} of shape {shape:?}", graph.graph[input].name));
            notes.push(format!(
                "the model has {} inputs: a sample is all of them in one row, flattened, in the order {}",
                used.len(),
                named.collect::<Vec<_>>().join(", ")
            ));
            let all = shapes.iter().map(|shape| shape.iter().product::<usize>()).sum();
            options.input.spec(&[all], features, notes)
        }
    }
}

struct Fold<'a> {
    nodes: Vec<xonn_program::Layer>,
    /// The secret numbers of these.
    tensors: Vec<Tensor>,
    /// The Keras layer of each node.
    names: Vec<String>,
    /// What each node's integers can be with these weights: secret.
    bounds: Vec<Bounds>,
    /// By how much each node's range may be wider than what is in it: public.
    slacks: Vec<Slack>,
    values: HashMap<NodeIndex, Value>,
    streams: Streams,
    notes: &'a mut Vec<String>,
    options: &'a Options,
    /// Whether the layer that is looked at [`is_normalised`].
    own_units: bool,
    /// How many signs of a prediction rounding is expected to turn.
    turned: f64,
}

impl<'a> Fold<'a> {
    fn new(streams: Streams, notes: &'a mut Vec<String>, options: &'a Options) -> Self {
        Self {
            nodes: Vec::new(),
            tensors: Vec::new(),
            names: Vec::new(),
            bounds: Vec::new(),
            slacks: Vec::new(),
            values: HashMap::new(),
            streams,
            notes,
            options,
            own_units: false,
            turned: 0.0,
        }
    }
}

impl Fold<'_> {
    /// Adds a layer of the program.
    fn push(
        &mut self,
        layer: &Layer,
        made: impl Into<Made>,
        reads: &[LayerId],
        shape: Vec<usize>,
        kind: Kind,
    ) -> LayerId {
        let mut made = made.into();
        if let (Some(Tensor::Cuts(cuts)), Some(&read)) = (&mut made.tensor, reads.first()) {
            let range = self.nodes[read].kind.range();
            cuts.iter_mut().for_each(|cut| *cut = cut.within(range));
        }
        let reads = reads.to_vec();
        let read: Vec<(&Bounds, usize)> =
            reads.iter().map(|&read| (&self.bounds[read], self.nodes[read].channels())).collect();
        let bounds = Bounds::of(&made, &read, kind, shape.iter().product());
        let slack = Slack::of(&made.op, reads.iter().map(|&read| self.slacks[read]));
        self.bounds.push(bounds);
        self.slacks.push(slack);
        let secret = made.tensor.map(|tensor| {
            self.tensors.push(tensor);
            self.tensors.len() - 1
        });
        self.names.push(layer.name.clone());
        self.nodes.push(xonn_program::Layer { op: made.op, reads, shape, kind, secret });
        self.nodes.len() - 1
    }

    /// What has been folded, as a network.
    fn network(self, spec: &InputSpec, output: OutputEncoding) -> Result<Network, ProgramError> {
        Network::new(spec.encoding(), self.nodes, output, self.tensors, self.names)
    }

    fn kind(&self, value: &Value) -> Kind {
        self.nodes[value.node].kind
    }

    /// Folds all layers; gives what is wrong with single ones, and the nodes that depend on these.
    fn layers(
        mut self,
        graph: &LayerGraph,
        used: &[NodeIndex],
        spec: &InputSpec,
    ) -> Result<(Self, Problems, HashSet<NodeIndex>), PassError> {
        if used.len() > 1 {
            let layer = &graph.graph[used[0]];
            self.push(layer, Op::Input, &[], spec.shape.clone(), Kind::Int(spec.range()));
        }
        let mut problems = Vec::new();
        // What is computed from the stand-in of a refused layer, up to the next quantiser: nothing is said of
        // it.
        let mut doubtful = HashSet::new();
        for node in graph.order()? {
            if graph.graph[node].shape.is_empty() || (!used.contains(&node) && graph.inputs.contains(&node)) {
                continue;
            }
            let layer = &graph.graph[node];
            let inputs = graph.inputs_of(node);
            let value = match layer.op {
                LayerOp::Input { .. } => self.input(graph, layer, node, used, spec),
                // The client has done it.
                LayerOp::Normalize { .. } if spec.standardised && inputs == used => {
                    self.values[&used[0]].clone()
                }
                _ => {
                    let reads: Vec<Value> = inputs.iter().map(|read| self.values[read].clone()).collect();
                    let in_doubt = inputs.iter().any(|read| doubtful.contains(read));
                    if in_doubt && !matches!(layer.op, LayerOp::Quantize(_)) {
                        doubtful.insert(node);
                    }
                    self.own_units = is_normalised(graph, node);
                    let of_functions = reads.iter().any(|read| self.lines(read).is_err());
                    self.layer(layer, reads).unwrap_or_else(|reason| {
                        let better = of_functions.then(|| real::reads_a_function(graph, node)).flatten();
                        if !in_doubt {
                            problems.push((layer.name.clone(), better.unwrap_or(reason)));
                        }
                        doubtful.insert(node);
                        self.stand_in(layer)
                    })
                }
            };
            self.values.insert(node, value);
        }
        Ok((self, problems, doubtful))
    }

    /// The client's numbers, or of several inputs their part of all of them, in the order of the model's
    /// inputs.
    fn input(
        &mut self,
        graph: &LayerGraph,
        layer: &Layer,
        node: NodeIndex,
        used: &[NodeIndex],
        spec: &InputSpec,
    ) -> Value {
        let kind = Kind::Int(spec.range());
        let mut lines = spec.lines();
        let (op, reads) = if used.len() == 1 {
            (Op::Input, vec![])
        } else {
            let elements = |input: &NodeIndex| graph.graph[*input].shape.iter().product::<usize>();
            let before = used.iter().take_while(|&&input| input != node).map(elements).sum::<usize>();
            let own = before..before + elements(&node);
            if lines.len() > 1 {
                lines = own.clone().map(|i| lines[i % lines.len()]).collect();
            }
            (Op::Permute { source: own.collect() }, vec![0])
        };
        let id = self.push(layer, op, &reads, layer.shape.clone(), kind);
        let accuracy = of_input(spec, &lines);
        let (f, shape) = (FloatFn::line(lines), layer.shape.clone());
        Value { node: id, f, parity: None, shape, stream: None, accuracy }
    }

    /// What stands for the tensor of a refused layer, so that the layers behind it are looked at as well.
    fn stand_in(&mut self, layer: &Layer) -> Value {
        let shape = layer.shape.clone();
        let node = self.push(layer, Op::Input, &[], shape.clone(), Kind::Bit);
        let accuracy = Accuracy::all(Typical::SIGN);
        Value { node, f: FloatFn::default(), parity: Some(1), shape, stream: None, accuracy }
    }

    fn layer(&mut self, layer: &Layer, mut reads: Vec<Value>) -> Result<Value, String> {
        let read = match (reads.len(), &layer.op) {
            (1, _) => reads.remove(0),
            (_, LayerOp::Add) => return self.add(layer, reads),
            (_, LayerOp::Concatenate) => return self.concatenate(layer, reads),
            (_, LayerOp::Multiply) => return self.multiply(layer, reads),
            (_, LayerOp::Maximum) => return self.maximum(layer, reads),
            (n, op) => return Err(format!("{} of {n} tensors, expected 1", op.name())),
        };
        let mut value = read;
        match &layer.op {
            LayerOp::Dense { .. } | LayerOp::Conv2d { .. } | LayerOp::DepthwiseConv2d { .. } => {
                return self.linear(layer, &value);
            }
            LayerOp::MaxPool2d(pool) => return self.max_pool(layer, &value, pool),
            LayerOp::AveragePool2d(pool) => return self.average_pool(layer, &value, pool),
            LayerOp::Quantize(quantizer) => return self.quantize(layer, &value, *quantizer),
            LayerOp::BatchNorm(norm) => {
                value.accuracy = value.accuracy.normalised(norm, value.shape.iter().product());
                value.f.norm(norm);
            }
            LayerOp::Rescale { scale, offset } => {
                let line = (f64::from(*scale), f64::from(*offset));
                value.accuracy = value.accuracy.map(1, 1, |_, x| x.line(line));
                value.f.rescale(*scale, *offset);
            }
            LayerOp::Normalize { mean, deviation } => {
                // What adapts to the data gives a deviation of 1.
                let of = |array: &Array, i: usize| f64::from(array.data[i % array.data.len()]);
                let (period, elements) =
                    (mean.data.len().max(deviation.data.len()), value.shape.iter().product());
                value.accuracy = value.accuracy.map(period, elements, |i, x| Typical {
                    error: x.error / of(deviation, i),
                    ..Typical::SIGN
                });
                value.f.normalize(mean, deviation);
            }
            LayerOp::Function(Function::Softmax | Function::LogSoftmax) => {
                return Err(
                    "a softmax inside of the network has no integer form, expected one at the end".into()
                );
            }
            LayerOp::Function(function) => self.function(&mut value, *function),
            LayerOp::PRelu { slope } => self.p_relu(&mut value, slope),
            LayerOp::Divide { by } => {
                value.accuracy = value.accuracy.map(1, 1, |_, x| x.line((1.0 / f64::from(*by), 0.0)));
                value.f.divide(*by);
            }
            LayerOp::NoOp => {}
            op if op.joins() => {} // of one tensor
            LayerOp::Add | LayerOp::Multiply | LayerOp::Maximum | LayerOp::Concatenate => {}
            LayerOp::Pick { source, .. } => return Ok(self.permute(layer, value, source.to_vec())),
            LayerOp::Reshape { .. } => {
                let elements = layer.shape.iter().product();
                return Ok(self.permute(layer, value, (0..elements).collect()));
            }
            LayerOp::Transpose { axes } => {
                let source = transposition(&value.shape, axes);
                return Ok(self.permute(layer, value, source));
            }
            LayerOp::Pad2d { border, value: pad_value } => {
                return self.pad(layer, &value, *border, *pad_value);
            }
            LayerOp::Input { .. } => return Err("an input reads nothing".into()),
        }
        if layer.op != LayerOp::NoOp && !layer.op.joins() {
            value.stream = None;
        }
        Ok(value)
    }

    /// A border that no convolution takes in: a convolution of its own, of one tap a channel with weight 1.
    fn pad(
        &mut self,
        layer: &Layer,
        value: &Value,
        border: [[usize; 2]; 2],
        pad_value: f32,
    ) -> Result<Value, String> {
        let channels = value.shape.last().copied().unwrap_or(1);
        let padding = Padding::Explicit(border);
        let conv = Conv { stride: [1, 1], dilation: [1, 1], padding, pad_value, groups: 1 };
        let kernel = Arc::new(Array { shape: vec![1, 1, channels, 1], data: vec![1.0; channels] });
        let op = LayerOp::DepthwiseConv2d { kernel, bias: None, conv, secret_scale: false };
        self.linear(&Layer { op, ..layer.clone() }, value)
    }

    fn permute(&mut self, layer: &Layer, mut value: Value, source: Vec<usize>) -> Value {
        let all = value.shape.iter().product::<usize>();
        if source.len() != all || source.iter().enumerate().any(|(i, &s)| i != s) {
            value.f.permute(&source);
            value.accuracy = value.accuracy.moved(&source);
            let kind = self.kind(&value);
            value.node = self.push(layer, Op::Permute { source }, &[value.node], layer.shape.clone(), kind);
        }
        value.shape.clone_from(&layer.shape);
        value
    }

    /// The integer tensor of `value`, in its shape.
    fn shaped(&mut self, layer: &Layer, value: &Value) -> LayerId {
        if self.nodes[value.node].shape == value.shape {
            return value.node;
        }
        let source = (0..value.shape.iter().product()).collect();
        let kind = self.kind(value);
        self.push(layer, Op::Permute { source }, &[value.node], value.shape.clone(), kind)
    }

    /// How many bits real weights get.
    fn weight_bits(&self, layer: &Layer) -> Result<u32, String> {
        match self.options.weight_bits.unwrap_or(LEAST_WEIGHT_BITS) {
            bits @ 1..=22 => Ok(bits),
            bits => Err(format!(
                "--weight-bits {bits} for the real weights of {:?}, expected 1 to 22",
                layer.name
            )),
        }
    }
}

fn overflow(element: usize) -> impl Fn(f32) -> String {
    move |x| format!("channel {element} is {x} at the end of its range, expected finite numbers")
}

/// For each element of the transposed tensor, in row-major order, the element of the tensor of shape `from`
/// that it is.
fn transposition(from: &[usize], axes: &[usize]) -> Vec<usize> {
    let stride = |axis: usize| from[axis + 1..].iter().product::<usize>();
    let mut source = vec![0];
    for &axis in axes {
        let step = stride(axis);
        source = source.iter().flat_map(|&base| (0..from[axis]).map(move |i| base + i * step)).collect();
    }
    source
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transpositions_by_hand() {
        // [2, 3] to [3, 2].
        assert_eq!(transposition(&[2, 3], &[1, 0]), [0, 3, 1, 4, 2, 5]);
        // Channels of [2 channels, 1 row, 2 columns] go last.
        assert_eq!(transposition(&[2, 1, 2], &[1, 2, 0]), [0, 2, 1, 3]);
        assert_eq!(transposition(&[2, 3, 4], &[0, 1, 2]), (0..24).collect::<Vec<_>>());
    }
}
