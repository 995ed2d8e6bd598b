//! Why a layer is refused that reads real numbers, and what to do instead.

use std::collections::HashSet;

use petgraph::stable_graph::NodeIndex;

use crate::graph::{Function, LayerGraph, LayerOp};

/// The nearest function in front of `node` whose results are real numbers: through layers that move, pool,
/// scale or join them.
fn function_in_front(graph: &LayerGraph, node: NodeIndex) -> Option<NodeIndex> {
    let mut seen = HashSet::new();
    let mut waiting: std::collections::VecDeque<NodeIndex> = graph.inputs_of(node).into();
    while let Some(at) = waiting.pop_front() {
        if !seen.insert(at) {
            continue;
        }
        match graph.graph[at].op {
            LayerOp::Function(_) | LayerOp::PRelu { .. } => return Some(at),
            LayerOp::Quantize(_)
            | LayerOp::Dense { .. }
            | LayerOp::Conv2d { .. }
            | LayerOp::DepthwiseConv2d { .. }
            | LayerOp::Input { .. } => {}
            _ => waiting.extend(graph.inputs_of(at)),
        }
    }
    None
}

/// What is said of a layer that reads the real numbers of a function; `None` if no function stands in front
/// of it.
pub(super) fn reads_a_function(graph: &LayerGraph, node: NodeIndex) -> Option<String> {
    let function = function_in_front(graph, node)?;
    let front = &graph.graph[function];
    let what = match &front.op {
        LayerOp::Function(Function::Relu { slope: 0.0, .. }) => "ReLU".to_owned(),
        LayerOp::Function(Function::Relu { .. }) => "leaky ReLU".to_owned(),
        LayerOp::PRelu { .. } => "PReLU".to_owned(),
        LayerOp::Function(function) => {
            format!("{function:?}").split([' ', '{']).next().unwrap_or_default().to_owned()
        }
        _ => String::new(),
    };
    Some(format!(
        "it reads the real numbers that the {what} of {:?} ({}) gives, whose range samples tell; give some \
         that it was trained on with --calibrate D.npz (array x), and hidden numbers are kept in fixed \
         point; or --range proven, which takes the worst case and no samples, for networks of a few layers",
        front.name, front.class
    ))
}
