//! How the client's numbers enter.

use std::collections::HashMap;

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
    if let Some(spec) = of_tokens(graph, used, options, notes)? {
        return Ok(spec);
    }
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

/// Of each input of the model the smallest and largest numbers that a client can send, for all elements, or
/// for each until they repeat; of tokens the first and the last.
///
/// # Errors
/// An encoding that is no use.
pub(in crate::passes) fn input_ends(
    graph: &LayerGraph,
    options: &Options,
) -> Result<HashMap<NodeIndex, Vec<[f64; 2]>>, PassError> {
    let used: Vec<NodeIndex> =
        graph.inputs.iter().copied().filter(|&input| !graph.readers_of(input).is_empty()).collect();
    let spec = input_spec(graph, &used, options, &mut Vec::new())?;
    if spec.tokens {
        let last = spec.shape.last().map_or(0.0, |&depth| depth as f64 - 1.0);
        return Ok(used.iter().map(|&input| (input, vec![[0.0, last]])).collect());
    }
    let Range { lo, hi } = spec.range();
    let lines = match spec.standardised {
        // The network's numbers before the client has standardised them.
        true => InputSpec { standardised: false, ..spec }.lines(),
        false => spec.lines(),
    };
    let (mut ends, mut before) = (HashMap::new(), 0);
    for &input in &used {
        let elements: usize = graph.graph[input].shape.iter().product();
        let own =
            if used.len() == 1 || lines.len() == 1 { 0..lines.len() } else { before..before + elements };
        let of = |line: Line| {
            let [a, b] = [lo, hi].map(|q| line.at(q as f64));
            [a.min(b), a.max(b)]
        };
        ends.insert(input, own.map(|i| of(lines[i % lines.len()])).collect());
        before += elements;
    }
    Ok(ends)
}

/// The input of a model that looks its numbers up in a table; `None` if it does not.
fn of_tokens(
    graph: &LayerGraph,
    used: &[NodeIndex],
    options: &Options,
    notes: &mut Vec<String>,
) -> Result<Option<InputSpec>, PassError> {
    let depth_of = |node: &NodeIndex| match graph.graph[*node].op {
        LayerOp::OneHot { depth } => Some(depth),
        _ => None,
    };
    let readers: Vec<NodeIndex> = used.iter().flat_map(|&input| graph.readers_of(input)).collect();
    let Some(&first) = readers.iter().find(|reader| depth_of(reader).is_some()) else { return Ok(None) };
    let layer = graph.graph[first].name.clone();
    let refused = |reason: String| Err(PassError::Layer { layer: layer.clone(), reason });
    if used.len() != 1 {
        return refused(format!(
            "it looks up tokens of one of {} inputs, expected a model of one input, whose tokens are looked \
             up in one table",
            used.len()
        ));
    }
    let depth = depth_of(&first).unwrap_or(0);
    if let Some(other) = readers.iter().find(|reader| depth_of(reader) != Some(depth)) {
        return refused(format!(
            "the input that it looks up is read by {:?} too, which takes {}; expected no other reader than \
             tables of {depth} tokens",
            graph.graph[*other].name,
            depth_of(other).map_or("its numbers".to_owned(), |depth| format!("{depth} tokens"))
        ));
    }
    let shape = graph.graph[first].shape.clone();
    notes.push(format!(
        "the input is tokens, whole numbers from 0 to {}; a client sends {depth} bits for each, all 0 but one",
        depth - 1
    ));
    let encodes = InputOptions { bits: None, ..options.input.clone() } != InputOptions::default();
    if encodes {
        notes.push("the input is tokens: --input-scale and the like are not looked at".into());
    }
    Ok(Some(InputSpec::tokens(shape)))
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
        if spec.tokens {
            let shape = spec.shape.clone();
            let node = self.push(layer, Op::Input, &[], shape.clone(), kind);
            // One in `depth` is 1.
            let share = 1.0 / shape.last().map_or(1.0, |&depth| depth as f64);
            let accuracy = Accuracy::all(Typical { mean: share, spread: share.sqrt(), error: 0.0 });
            let f = FloatFn::line(vec![Line::IDENTITY], Origin::Public);
            return Value { node, f, parity: None, shape, stream: None, accuracy };
        }
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
