//! All layers one after another: what each makes of the tensors that it reads.

use std::collections::HashSet;

use petgraph::stable_graph::NodeIndex;
use xonn_program::{Kind, Op};

use super::accuracy::{Accuracy, Typical};
use super::architecture::is_normalised;
use super::moves::transposition;
use super::{Fold, Problems, Value, real};
use crate::graph::{Array, Function, Layer, LayerGraph, LayerOp, Line};
use crate::passes::PassError;
use crate::passes::float_fn::FloatFn;
use crate::passes::input::InputSpec;

impl Fold<'_> {
    /// Folds all layers; gives what is wrong with single ones, and the nodes that depend on these.
    pub(super) fn layers(
        mut self,
        graph: &LayerGraph,
        used: &[NodeIndex],
        spec: &InputSpec,
    ) -> Result<(Self, Problems, HashSet<NodeIndex>), PassError> {
        self.tokens = spec.tokens;
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
                    self.number = self.numbers.of(node);
                    self.number_reads = inputs.iter().map(|&read| self.numbers.of(read)).collect();
                    let reads_apart = inputs.iter().any(|&read| self.numbers.is_apart(read));
                    self.apart = [self.numbers.is_apart(node), reads_apart];
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

    fn layer(&mut self, layer: &Layer, mut reads: Vec<Value>) -> Result<Value, String> {
        if let Some(number) = self.number
            && let Some(value) = self.number_layer(layer, &mut reads, number)?
        {
            return Ok(value);
        }
        let read = match (reads.len(), &layer.op) {
            (1, _) => reads.remove(0),
            (_, LayerOp::Add) => return self.add(layer, reads),
            (_, LayerOp::Concatenate) if self.apart[0] => return self.joined_apart(layer, reads),
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
                let line = Line::new(f64::from(*scale), f64::from(*offset));
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
                value.accuracy =
                    value.accuracy.map(1, 1, |_, x| x.line(Line::new(1.0 / f64::from(*by), 0.0)));
                value.f.divide(*by);
            }
            // What the client sends.
            LayerOp::OneHot { .. } => return Ok(Value { shape: layer.shape.clone(), ..value }),
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

    /// What stands for the tensor of a refused layer, so that the layers behind it are looked at as well.
    fn stand_in(&mut self, layer: &Layer) -> Value {
        let shape = layer.shape.clone();
        let node = self.push(layer, Op::Input, &[], shape.clone(), Kind::Bit);
        let accuracy = Accuracy::all(Typical::SIGN);
        Value { node, f: FloatFn::default(), parity: Some(1), shape, stream: None, accuracy }
    }
}
