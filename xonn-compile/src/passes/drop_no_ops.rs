//! Drops layers that do not change the prediction.
//!
//! Before: ... Dropout ... BatchNorm, Softmax     After: ... BatchNorm
//! A function that keeps the order is dropped at the output only: the largest score stays the largest.

use petgraph::stable_graph::NodeIndex;

use super::PassError;
use crate::graph::{Function, LayerGraph, LayerOp};

/// Runs the pass; tells the user what changed the meaning of the scores.
///
/// # Errors
/// [`PassError::Layer`] for a softmax over one unit, which is 1 whatever is computed.
pub fn run(graph: &mut LayerGraph, notes: &mut Vec<String>) -> Result<(), PassError> {
    for node in graph.order()? {
        if graph.graph[node].op == LayerOp::NoOp {
            graph.bypass(node);
        }
    }
    while let LayerOp::Function(function) = graph.graph[graph.output].op {
        if !is_dropped(graph, graph.output, function) {
            break;
        }
        let layer = &graph.graph[graph.output];
        if matches!(function, Function::Softmax | Function::LogSoftmax) && layer.shape.last() == Some(&1) {
            let reason = format!(
                "{function:?} over a single unit gives the same whatever is computed, expected several units, or a sigmoid"
            );
            return Err(PassError::Layer { layer: layer.name.clone(), reason });
        }
        let mut note = format!(
            "layer {:?}: the final {function:?} is dropped, it keeps the order of the scores",
            layer.name
        );
        if matches!(function, Function::Sigmoid | Function::Tanh) && layer.shape.last() != Some(&1) {
            note.push_str(" (Keras's own float32 scores may tie where they saturate)");
        }
        notes.push(note);
        graph.bypass(graph.output);
    }
    Ok(())
}

/// Whether the model's prediction is the same without a function at its end.
fn is_dropped(graph: &LayerGraph, node: NodeIndex, function: Function) -> bool {
    // A single unit's class is whether hard_sigmoid is above 0.5, which it is where its argument is above 0.
    let one_unit = graph.graph[node].shape.last() == Some(&1);
    function.keeps_order() || (one_unit && matches!(function, Function::HardSigmoid { .. }))
}

/// The functions at the end of a model that [`run`] drops, the last one first. Shapes must have been inferred.
#[must_use]
pub fn left_out(graph: &LayerGraph) -> Vec<Function> {
    let (mut functions, mut node) = (Vec::new(), graph.output);
    loop {
        match graph.graph[node].op {
            LayerOp::Function(function) if is_dropped(graph, node, function) => functions.push(function),
            LayerOp::NoOp => {}
            _ => return functions,
        }
        match graph.inputs_of(node)[..] {
            [read] => node = read,
            _ => return functions,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Quantizer;

    #[test]
    fn only_the_last_softmax_goes() {
        let mut graph = LayerGraph::default();
        let softmax = LayerOp::Function(Function::Softmax);
        let ops =
            [LayerOp::NoOp, softmax.clone(), LayerOp::Quantize(Quantizer::Sign), softmax, LayerOp::NoOp];
        let mut last = graph.add("in", "InputLayer", LayerOp::Input { shape: vec![3] }, &[]);
        graph.inputs = vec![last];
        for op in ops {
            last = graph.add("x", "X", op, &[last]);
        }
        graph.output = last;
        let mut notes = Vec::new();
        assert_eq!(left_out(&graph), [Function::Softmax]);
        run(&mut graph, &mut notes).unwrap();
        graph.verify().unwrap();
        let ops: Vec<_> = graph.order().unwrap().iter().map(|&n| graph.graph[n].op.name()).collect();
        assert_eq!((ops.as_slice(), notes.len()), (&["input", "function", "quantize"][..], 1));
    }

    #[test]
    fn a_softmax_over_one_unit_is_refused() {
        for (units, refused) in [(1, true), (2, false)] {
            let mut graph = LayerGraph::default();
            let input = graph.add("in", "InputLayer", LayerOp::Input { shape: vec![units] }, &[]);
            graph.inputs = vec![input];
            graph.output = graph.add("s", "Softmax", LayerOp::Function(Function::Softmax), &[input]);
            super::super::infer_shapes::run(&mut graph, &mut Vec::new()).unwrap();
            assert_eq!(run(&mut graph, &mut Vec::new()).is_err(), refused, "{units}");
        }
    }

    /// One unit is compared with 0.5, several are compared with each other where they saturate.
    #[test]
    fn a_hard_sigmoid_goes_from_a_single_unit() {
        for (units, left) in [(1, 1), (3, 2)] {
            let mut graph = LayerGraph::default();
            let input = graph.add("in", "InputLayer", LayerOp::Input { shape: vec![units] }, &[]);
            graph.inputs = vec![input];
            let op = LayerOp::Function(Function::HardSigmoid { slope: 0.2 });
            graph.output = graph.add("h", "Activation", op, &[input]);
            super::super::infer_shapes::run(&mut graph, &mut Vec::new()).unwrap();
            run(&mut graph, &mut Vec::new()).unwrap();
            assert_eq!(graph.order().unwrap().len(), left);
        }
    }
}
