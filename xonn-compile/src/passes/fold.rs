//! Linear layers become integer sums; everything float between a sum and a sign becomes one integer cut a channel.
//!
//! Before: Dense, bias, BatchNorm, Sign     After: Dense, Threshold { cuts }
//! Leaves: no float. Cuts are found by asking the float32 layer itself ([`FloatFn::cut`]).
//!
//! Every tensor is kept as an integer tensor and a [`FloatFn`] that says which real numbers these integers stand for.
//! Quantisers, poolings and the output consume the function; linear layers need one that is the same line for all
//! elements, `x = a t + b`, since `sum(w x) = a sum(w t) + b sum(w)`.

mod linear;
mod pool;

use petgraph::stable_graph::NodeIndex;
use std::collections::HashMap;

use super::float_fn::FloatFn;
use super::{Options, PassError, affine_head};
use crate::graph::{Function, Layer, LayerGraph, LayerOp, Quantizer};
use crate::integer::{Cut, IntegerNetwork, Kind, Node, NodeId, Op, OutputSpec, Range};

/// Runs the pass.
///
/// # Errors
/// [`PassError`] naming the layer.
pub(super) fn run(
    graph: &LayerGraph,
    options: &Options,
    notes: &mut Vec<String>,
) -> Result<IntegerNetwork, PassError> {
    let used: Vec<NodeIndex> = graph
        .inputs
        .iter()
        .copied()
        .filter(|&input| input == graph.output || !graph.readers_of(input).is_empty())
        .collect();
    let [input] = used[..] else {
        let names: Vec<&str> = used.iter().map(|&input| graph.graph[input].name.as_str()).collect();
        let reason = format!("the model reads the inputs {names:?}, expected 1");
        return Err(PassError::Input { reason });
    };
    let spec = options.input.spec(&graph.graph[input].shape, notes)?;
    let mut fold = Fold { nodes: Vec::new(), values: HashMap::new(), notes };
    for node in graph.order()? {
        if graph.graph[node].shape.is_empty() || (!used.contains(&node) && graph.inputs.contains(&node)) {
            continue;
        }
        let layer = &graph.graph[node];
        let value = match layer.op {
            LayerOp::Input { .. } => {
                let kind = Kind::Int(spec.range());
                let f = FloatFn::line(vec![(spec.scale, -spec.scale * spec.zero as f64)]);
                let id = fold.push(layer, Op::Input, &[], layer.shape.clone(), kind);
                Value { node: id, f, parity: None, shape: layer.shape.clone() }
            }
            _ => {
                let reads: Vec<Value> =
                    graph.inputs_of(node).iter().map(|read| fold.values[read].clone()).collect();
                fold.layer(layer, reads)
                    .map_err(|reason| PassError::Layer { layer: layer.name.clone(), reason })?
            }
        };
        fold.values.insert(node, value);
    }
    let layer = &graph.graph[graph.output];
    let output = fold
        .head(options, layer, graph.output)
        .map_err(|reason| PassError::Layer { layer: layer.name.clone(), reason })?;
    Ok(IntegerNetwork { input: spec, nodes: fold.nodes, output })
}

/// A real tensor: integers and what they stand for.
#[derive(Clone, Debug)]
struct Value {
    /// The integer tensor.
    node: NodeId,
    /// The real numbers.
    f: FloatFn,
    /// `Some(p)` if all values are known to be `p` modulo 2.
    parity: Option<i64>,
    /// The tensor's shape. The integer tensor has the same elements in the same order, but maybe in another shape:
    /// reshapes wait until something looks at the shape, so that a sum and its sign stay together.
    shape: Vec<usize>,
}

struct Fold<'a> {
    nodes: Vec<Node>,
    values: HashMap<NodeIndex, Value>,
    notes: &'a mut Vec<String>,
}

impl Fold<'_> {
    fn push(&mut self, layer: &Layer, op: Op, reads: &[NodeId], shape: Vec<usize>, kind: Kind) -> NodeId {
        self.nodes.push(Node { name: layer.name.clone(), op, inputs: reads.to_vec(), shape, kind });
        self.nodes.len() - 1
    }

    fn kind(&self, value: &Value) -> Kind {
        self.nodes[value.node].kind
    }

    fn layer(&mut self, layer: &Layer, mut reads: Vec<Value>) -> Result<Value, String> {
        let read = match reads.len() {
            1 => reads.remove(0),
            n => return Err(format!("{} of {n} tensors is not supported yet", layer.op.name())),
        };
        let mut value = read;
        match &layer.op {
            LayerOp::Dense { .. } | LayerOp::Conv2d { .. } | LayerOp::DepthwiseConv2d { .. } => {
                return self.linear(layer, &value);
            }
            LayerOp::MaxPool2d(pool) => return self.max_pool(layer, &value, pool),
            LayerOp::AveragePool2d(pool) => return self.average_pool(layer, &value, pool),
            LayerOp::Quantize(quantizer) => return self.quantize(layer, &value, *quantizer),
            LayerOp::BatchNorm(norm) => value.f.norm(norm),
            LayerOp::Rescale { scale, offset } => value.f.rescale(*scale, *offset),
            LayerOp::Normalize { mean, deviation } => value.f.normalize(mean, deviation),
            LayerOp::Function(Function::Softmax | Function::LogSoftmax) => {
                return Err(
                    "a softmax inside of the network has no integer form, expected one at the end".into()
                );
            }
            LayerOp::Function(function) => value.f.function(*function),
            LayerOp::NoOp => {}
            LayerOp::Add => {} // of one tensor
            LayerOp::Concatenate => {}
            LayerOp::Reshape { .. } => {
                let elements = layer.shape.iter().product();
                return Ok(self.permute(layer, value, (0..elements).collect()));
            }
            LayerOp::Transpose { axes } => {
                let source = transposition(&value.shape, axes);
                return Ok(self.permute(layer, value, source));
            }
            LayerOp::Pad2d { .. } => {
                return Err(
                    "a border of zeros is supported in front of convolutions with valid padding only".into(),
                );
            }
            LayerOp::Input { .. } => return Err("an input reads nothing".into()),
        }
        Ok(value)
    }

    fn permute(&mut self, layer: &Layer, mut value: Value, source: Vec<usize>) -> Value {
        if source.iter().enumerate().any(|(i, &s)| i != s) {
            value.f.permute(&source);
            let kind = self.kind(&value);
            value.node = self.push(layer, Op::Permute { source }, &[value.node], layer.shape.clone(), kind);
        }
        value.shape.clone_from(&layer.shape);
        value
    }

    /// The integer tensor of `value`, in its shape.
    fn shaped(&mut self, layer: &Layer, value: &Value) -> NodeId {
        if self.nodes[value.node].shape == value.shape {
            return value.node;
        }
        let source = (0..value.shape.iter().product()).collect();
        let kind = self.kind(value);
        self.push(layer, Op::Permute { source }, &[value.node], value.shape.clone(), kind)
    }

    /// A quantiser: bits, and the line from bits to its two values.
    fn quantize(&mut self, layer: &Layer, value: &Value, quantizer: Quantizer) -> Result<Value, String> {
        let Some([low, high]) = quantizer.values() else {
            return Err(format!("{quantizer:?} on activations, expected a quantiser with two values"));
        };
        let (low, high) = (f64::from(low), f64::from(high));
        let f = FloatFn::line(vec![((high - low) / 2.0, (high + low) / 2.0)]);
        let shape = self.nodes[value.node].shape.clone();
        // The sign of +1 and -1 is itself.
        let is_sign =
            matches!(quantizer, Quantizer::Sign | Quantizer::Ternary | Quantizer::BinaryTanh { .. });
        if self.kind(value) == Kind::Bit && value.f.is_identity() && is_sign {
            return Ok(Value { node: value.node, f, parity: Some(1), shape: value.shape.clone() });
        }
        let range = self.kind(value).range();
        let cuts = self.cuts(value, range, &shape, quantizer)?;
        let node = self.push(layer, Op::Threshold { cuts }, &[value.node], shape, Kind::Bit);
        Ok(Value { node, f, parity: Some(1), shape: value.shape.clone() })
    }

    /// One cut for each element until they repeat, but at least one for each of the last axis.
    fn cuts(
        &self,
        value: &Value,
        range: Range,
        shape: &[usize],
        quantizer: Quantizer,
    ) -> Result<Vec<Cut>, String> {
        let elements: usize = shape.iter().product();
        let channels = shape.last().copied().unwrap_or(1);
        let period = value.f.period();
        let count = if channels % period == 0 { channels } else { period };
        if count == 0 || !elements.is_multiple_of(count) {
            return Err(format!(
                "{period} channels of numbers in a tensor of shape {shape:?}, expected whole repetitions"
            ));
        }
        let overflow = |element: usize| {
            move |x: f32| format!("channel {element} is {x} at the end of its range, expected finite numbers")
        };
        let distinct = (0..period).map(|element| {
            if quantizer == Quantizer::Ternary {
                let zeros = value.f.zeros(element, range).map_err(overflow(element))?;
                let met = |y: &i64| value.parity.is_none_or(|parity| (y - parity) % 2 == 0);
                if let Some(y) = zeros.take(2).find(met) {
                    return Err(format!(
                        "its sign gives 0 where the sum of channel {element} is {y}, expected +1 or -1; use a sign that is +1 \
                         at 0, such as larq's ste_sign"
                    ));
                }
            }
            value.f.cut(element, range, quantizer).map_err(overflow(element))
        });
        let distinct: Vec<Cut> = distinct.collect::<Result<_, String>>()?;
        Ok((0..count).map(|i| distinct[i % period]).collect())
    }

    /// What the network gives: the largest of its last tensor, with the pending float steps in fixed point, or for a
    /// single unit whether it is above 0.
    fn head(&mut self, options: &Options, layer: &Layer, output: NodeIndex) -> Result<OutputSpec, String> {
        let mut value =
            self.values.get(&output).cloned().ok_or("the model's output is none of its layers")?;
        if matches!(self.nodes[value.node].op, Op::Input) {
            return Err("the model has no layer that computes anything".into());
        }
        let shape = value.shape.clone();
        let elements: usize = shape.iter().product();
        if shape.last() != Some(&elements) {
            return Err(format!("the model's output has shape {shape:?}, expected a vector of scores"));
        }
        let kind = self.kind(&value);
        value.node = self.shaped(layer, &value);
        if elements == 1 {
            let last = if kind == Kind::Bit && value.f.common_line().is_some_and(|(a, _)| a > 0.0) {
                value.node
            } else {
                // sigmoid(x) > 0.5 and tanh(x) > 0 exactly where x > 0.
                let cuts = self.cuts(&value, kind.range(), &shape, Quantizer::Heaviside)?;
                self.push(layer, Op::Threshold { cuts }, &[value.node], shape, Kind::Bit)
            };
            self.must_be_last(layer, last);
            return Ok(OutputSpec::Sign);
        }
        // A common rising line keeps the order.
        let same_order = value.f.common_line().is_some_and(|(a, _)| a > 0.0 && value.f.rises());
        if same_order {
            self.must_be_last(layer, value.node);
        } else {
            match affine_head::fold(
                &value.f,
                elements,
                kind.range(),
                value.parity,
                options.head_bits,
                self.notes,
            )? {
                Some(head) => {
                    self.push(layer, head.op, &[value.node], shape, Kind::Int(head.range));
                }
                None => self.must_be_last(layer, value.node),
            }
        }
        Ok(OutputSpec::Argmax { classes: elements })
    }

    /// The output is the last node; where other branches came later, it is repeated there.
    fn must_be_last(&mut self, layer: &Layer, node: NodeId) {
        if node + 1 != self.nodes.len() {
            let (shape, kind) = (self.nodes[node].shape.clone(), self.nodes[node].kind);
            let source = (0..shape.iter().product()).collect();
            self.push(layer, Op::Permute { source }, &[node], shape, kind);
        }
    }
}

/// For each element of the transposed tensor, in row-major order, the element of the tensor of shape `from` that it is.
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
