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
/// [`PassError::Layer`] for a softmax over one unit, which is 1 whatever is computed, and for one with a
/// function behind its sigmoid, which is no longer compared with a half.
pub fn run(graph: &mut LayerGraph, notes: &mut Vec<String>) -> Result<(), PassError> {
    for node in graph.order()? {
        if graph.graph[node].op == LayerOp::NoOp {
            graph.bypass(node);
        }
    }
    check_single_unit(graph)?;
    while let LayerOp::Function(function) = graph.graph[graph.output].op {
        if !is_dropped(graph, graph.output, function) {
            break;
        }
        let layer = &graph.graph[graph.output];
        if matches!(function, Function::Softmax | Function::LogSoftmax) && layer.shape.last() == Some(&1) {
            let reason = format!(
                "{function:?} over a single unit gives the same whatever is computed, expected several \
                 units, or a sigmoid"
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

/// Refuses a single unit that is a function of a sigmoid: `sigmoid(sigmoid(x))` is above a half whatever x
/// is.
fn check_single_unit(graph: &LayerGraph) -> Result<(), PassError> {
    let (mut node, mut behind) = (graph.output, false);
    if graph.graph[node].shape.iter().product::<usize>() != 1 {
        return Ok(());
    }
    loop {
        let layer = &graph.graph[node];
        match layer.op {
            LayerOp::Function(Function::Sigmoid | Function::HardSigmoid { .. }) if behind => {
                let reason = "a function stands behind the sigmoid of a single unit, expected the sigmoid, \
                    or another function, alone";
                return Err(PassError::Layer { layer: layer.name.clone(), reason: reason.into() });
            }
            LayerOp::Function(_) => behind = true,
            LayerOp::NoOp | LayerOp::Reshape { .. } | LayerOp::Transpose { .. } | LayerOp::MaxPool2d(_) => {}
            _ => return Ok(()),
        }
        let [read] = graph.inputs_of(node)[..] else { return Ok(()) };
        node = read;
    }
}

/// Whether the model's prediction is the same without a function at its end.
fn is_dropped(graph: &LayerGraph, node: NodeIndex, function: Function) -> bool {
    // A single unit's class is whether hard_sigmoid is above 0.5, which it is where its argument is above 0.
    let one_unit = graph.graph[node].shape.last() == Some(&1);
    function.keeps_order() || (one_unit && matches!(function, Function::HardSigmoid { .. }))
}

/// The functions at the end of a model that [`run`] drops, the last one first. Shapes must have been
/// inferred.
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
    fn a_function_of_a_single_units_sigmoid_is_refused() {
        let (sigmoid, flat) = (LayerOp::Function(Function::Sigmoid), LayerOp::Reshape { target: None });
        let tanh = LayerOp::Function(Function::Tanh);
        for (units, ops, refused) in [
            (1, vec![sigmoid.clone(), sigmoid.clone()], true),
            (1, vec![sigmoid.clone(), flat.clone(), tanh.clone()], true),
            (1, vec![tanh, sigmoid.clone(), flat], false),
            (2, vec![sigmoid.clone(), sigmoid], false),
        ] {
            let mut graph = LayerGraph::default();
            let mut last = graph.add("in", "InputLayer", LayerOp::Input { shape: vec![units] }, &[]);
            graph.inputs = vec![last];
            for op in ops.clone() {
                last = graph.add("x", "X", op, &[last]);
            }
            graph.output = last;
            super::super::infer_shapes::run(&mut graph, &mut Vec::new()).unwrap();
            assert_eq!(run(&mut graph, &mut Vec::new()).is_err(), refused, "{units}: {ops:?}");
        }
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
