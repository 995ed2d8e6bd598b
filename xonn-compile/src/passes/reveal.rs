//! Whether what the client is to learn fits the functions at the end of the model.
//!
//! * Several units with a sigmoid each, and the class is asked for: a note, each unit is a label of its own.
//! * Several units with a softmax, and labels are asked for: refused, no sigmoid says which of them are on.
//!
//! Needs: shapes inferred. Leaves the graph as it is.

use std::collections::HashSet;

use petgraph::stable_graph::NodeIndex;

use super::{OutputMode, PassError};
use crate::graph::{Function, LayerGraph, LayerOp};

/// Compares the mode with the end of the model; the shapes of `graph` must have been inferred.
///
/// # Errors
/// [`PassError::Layer`] if labels are asked for and the end of the model does not say what a label is.
pub fn check(graph: &LayerGraph, output: OutputMode, notes: &mut Vec<String>) -> Result<(), PassError> {
    let layer = &graph.graph[graph.output];
    let units: usize = layer.shape.iter().product();
    match (output, end(graph)) {
        (OutputMode::Labels, End::Other(found)) => Err(PassError::Layer {
            layer: layer.name.clone(),
            reason: format!(
                "--reveal labels of {found}, expected a sigmoid at the end, or the numbers in front of one: \
                 a label is on where its unit's sigmoid is above 0.5; --reveal class and --reveal scores \
                 take this end"
            ),
        }),
        (OutputMode::Argmax, End::Sigmoid) if units > 1 => {
            notes.push(format!(
                "layer {:?}: the model ends with {units} sigmoid units, as for labels that do not exclude \
                 each other; the client learns only which one is largest, also where several are on, or \
                 none; --reveal labels tells it each of them",
                layer.name
            ));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// How a model ends.
#[derive(Clone, Copy, PartialEq, Debug)]
enum End {
    /// With numbers that any sign may have.
    Plain,
    /// With a sigmoid, of either kind, of such numbers.
    Sigmoid,
    /// With numbers whose sign says nothing.
    Other(&'static str),
}

const OF_SIGMOID: &str = "numbers that are computed from a sigmoid";

fn end(graph: &LayerGraph) -> End {
    // The functions at the end, the last one first, with moves and maxima between them.
    let (mut functions, mut node) = (Vec::new(), graph.output);
    loop {
        match graph.graph[node].op {
            LayerOp::Function(function) => functions.push(function),
            LayerOp::NoOp | LayerOp::Reshape { .. } | LayerOp::Transpose { .. } | LayerOp::MaxPool2d(_) => {}
            _ => break,
        }
        match graph.inputs_of(node)[..] {
            [read] => node = read,
            _ => break,
        }
    }
    let (last, inner) = match functions.split_first() {
        Some((last, _)) if is_sigmoid(*last) => (End::Sigmoid, &functions[1..]),
        _ => (End::Plain, &functions[..]),
    };
    for &function in inner {
        match function {
            Function::Softmax | Function::LogSoftmax => return End::Other("a softmax"),
            // Behind a sigmoid it does not matter: tanh(x) is above 0 where x is.
            Function::Tanh | Function::HardTanh if last == End::Plain => {
                return End::Other("numbers from -1 to 1");
            }
            function if is_sigmoid(function) => return End::Other(OF_SIGMOID),
            _ => {}
        }
    }
    if last == End::Plain && reads_sigmoid(graph, node) { End::Other(OF_SIGMOID) } else { last }
}

fn is_sigmoid(function: Function) -> bool {
    matches!(function, Function::Sigmoid | Function::HardSigmoid { .. })
}

/// Whether `node` is computed from a sigmoid, or a function like it, with no weights or signs between.
fn reads_sigmoid(graph: &LayerGraph, node: NodeIndex) -> bool {
    let (mut open, mut seen) = (vec![node], HashSet::new());
    while let Some(node) = open.pop() {
        match graph.graph[node].op {
            LayerOp::Dense { .. } | LayerOp::Conv2d { .. } | LayerOp::DepthwiseConv2d { .. } => continue,
            LayerOp::Quantize(_) | LayerOp::Input { .. } => continue,
            LayerOp::Function(Function::Softmax | Function::LogSoftmax | Function::Tanh) => return true,
            LayerOp::Function(function) if is_sigmoid(function) => return true,
            _ => {}
        }
        open.extend(graph.inputs_of(node).into_iter().filter(|&read| seen.insert(read)));
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Quantizer;

    fn ends(units: usize, ops: Vec<LayerOp>) -> End {
        let mut graph = LayerGraph::default();
        let mut last = graph.add("in", "InputLayer", LayerOp::Input { shape: vec![units] }, &[]);
        graph.inputs = vec![last];
        for op in ops {
            last = graph.add("x", "X", op, &[last]);
        }
        graph.output = last;
        end(&graph)
    }

    #[test]
    fn ends_are_told_apart() {
        let f = LayerOp::Function;
        let (sigmoid, tanh, softmax) = (f(Function::Sigmoid), f(Function::Tanh), f(Function::Softmax));
        let hard = f(Function::HardSigmoid { slope: 0.2 });
        let rescale = LayerOp::Rescale { scale: 2.0, offset: -1.0 };
        let flat = LayerOp::Reshape { target: None };
        let sign = LayerOp::Quantize(Quantizer::Sign);
        let other = End::Other(OF_SIGMOID);
        for (ops, expected) in [
            (vec![], End::Plain),
            (vec![rescale.clone()], End::Plain),
            (vec![sigmoid.clone(), LayerOp::NoOp], End::Sigmoid),
            (vec![hard.clone(), flat], End::Sigmoid),
            (vec![tanh.clone(), sigmoid.clone()], End::Sigmoid),
            // Above a half whatever is computed.
            (vec![sigmoid.clone(), sigmoid.clone()], other),
            (vec![sigmoid.clone(), tanh.clone(), hard.clone()], other),
            (vec![softmax.clone(), sigmoid.clone()], End::Other("a softmax")),
            (vec![softmax], End::Other("a softmax")),
            (vec![tanh], End::Other("numbers from -1 to 1")),
            (vec![sigmoid.clone(), rescale.clone()], other),
            // Signs are compared with 0 as they are.
            (vec![sigmoid, rescale, sign], End::Plain),
        ] {
            assert_eq!(ends(3, ops.clone()), expected, "{ops:?}");
        }
    }

    /// Branches that meet again and again are looked at once.
    #[test]
    fn many_branches_take_no_time() {
        let mut graph = LayerGraph::default();
        let mut last = graph.add("in", "InputLayer", LayerOp::Input { shape: vec![2] }, &[]);
        graph.inputs = vec![last];
        last = graph.add("s", "S", LayerOp::Function(Function::Sigmoid), &[last]);
        for _ in 0..200 {
            last = graph.add("a", "Add", LayerOp::Add, &[last, last]);
        }
        graph.output = last;
        assert_eq!(end(&graph), End::Other(OF_SIGMOID));
    }
}
