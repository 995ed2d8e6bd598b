//! How the client's numbers enter.

use petgraph::stable_graph::NodeIndex;
use xonn_program::{Kind, Op, Range};

use super::accuracy::{Accuracy, Typical};
use super::{Fold, Value};
use crate::graph::{Layer, LayerGraph, LayerOp, Line};
use crate::passes::float_fn::{FloatFn, Origin};
use crate::passes::input::InputSpec;
use crate::passes::{InputOptions, Options, PassError};

/// One input as it is, several one after another.
pub(super) fn input_spec(
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
            "a Normalization reads the input: if the client's numbers are no integers, --input-standardised \
             lets it do what that layer does, for far fewer gates, and makes that layer's numbers public"
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

impl Fold<'_> {
    /// The client's numbers, or of several inputs their part of all of them, in the order of the model's
    /// inputs.
    pub(super) fn input(
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
        let (f, shape) = (FloatFn::line(lines, Origin::Public), layer.shape.clone());
        Value { node: id, f, parity: None, shape, stream: None, accuracy }
    }
}

/// The client's numbers, taken as spread evenly over their range; standardised ones are.
fn of_input(spec: &InputSpec, lines: &[Line]) -> Accuracy {
    if spec.standardised {
        return Accuracy::all(Typical::SIGN);
    }
    let Range { lo, hi } = spec.range();
    let (mean, spread) = ((hi + lo) as f64 / 2.0, (hi - lo) as f64 / 12f64.sqrt());
    Accuracy::each(lines.iter().map(|&line| Typical { mean, spread, error: 0.0 }.line(line)))
}
