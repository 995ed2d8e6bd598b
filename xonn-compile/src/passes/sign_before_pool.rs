//! Moves a quantiser in front of the max-pooling that it reads, also through layers that only move elements
//! or put a border around them.
//!
//! Before: BatchNorm, MaxPool, Flatten, Sign     After: BatchNorm, Sign, MaxPool, Flatten
//! A quantiser does not fall, so it commutes with the maximum exactly; the pooling is then one of bits, an
//! OR. A border is quantised as well.

use petgraph::stable_graph::NodeIndex;

use super::PassError;
use crate::graph::{LayerGraph, LayerOp, Quantizer};

/// Runs the pass.
///
/// # Errors
/// None of its own.
pub fn run(graph: &mut LayerGraph, _notes: &mut Vec<String>) -> Result<(), PassError> {
    // Against the order, so that a quantiser behind two poolings moves in front of both.
    for node in graph.order()?.into_iter().rev() {
        while matches!(
            graph.graph[node].op,
            LayerOp::MaxPool2d(_)
                | LayerOp::Reshape { .. }
                | LayerOp::Transpose { .. }
                | LayerOp::Pad2d { .. }
        ) {
            let Some(quantizer) = common_quantizer(graph, node) else { break };
            move_in_front(graph, node, quantizer);
        }
    }
    Ok(())
}

/// The readers of `pool` if all of them are one and the same quantiser.
fn common_quantizer(graph: &LayerGraph, pool: NodeIndex) -> Option<Vec<NodeIndex>> {
    let readers = graph.readers_of(pool);
    if graph.output == pool {
        return None;
    }
    let op = &graph.graph[*readers.first()?].op;
    let moves_only = !matches!(graph.graph[pool].op, LayerOp::MaxPool2d(_));
    let rises = match op {
        LayerOp::Quantize(_) if moves_only => true,
        LayerOp::Quantize(Quantizer::Ternary | Quantizer::TernaryAt { .. }) => true,
        LayerOp::Quantize(quantizer) => quantizer.values().is_some_and(|[low, high]| low < high),
        _ => false,
    };
    (rises && readers.iter().all(|&reader| graph.graph[reader].op == *op)).then_some(readers)
}

fn move_in_front(graph: &mut LayerGraph, pool: NodeIndex, quantizers: Vec<NodeIndex>) {
    let mut moved = graph.graph[quantizers[0]].clone();
    for quantizer in quantizers {
        graph.bypass(quantizer);
    }
    if let (LayerOp::Pad2d { value, .. }, LayerOp::Quantize(quantizer)) =
        (&mut graph.graph[pool].op, &moved.op)
    {
        *value = quantizer.apply(*value);
    }
    let read = graph.inputs_of(pool)[0];
    moved.shape = graph.graph[read].shape.clone();
    let moved = graph.graph.add_node(moved);
    let edges: Vec<_> =
        graph.graph.edges_connecting(read, pool).map(|edge| petgraph::visit::EdgeRef::id(&edge)).collect();
    for edge in edges {
        graph.graph.remove_edge(edge);
    }
    graph.graph.add_edge(read, moved, 0);
    graph.graph.add_edge(moved, pool, 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Padding, Pool};

    fn ops(graph: &LayerGraph) -> Vec<&'static str> {
        graph.order().unwrap().iter().map(|&n| graph.graph[n].op.name()).collect()
    }

    #[test]
    fn a_sign_moves_in_front_of_two_poolings() {
        let pool = LayerOp::MaxPool2d(Pool::Window { size: [2, 2], stride: [2, 2], padding: Padding::Valid });
        let mut graph = LayerGraph::default();
        let input = graph.add("in", "InputLayer", LayerOp::Input { shape: vec![8, 8, 1] }, &[]);
        let a = graph.add("a", "MaxPooling2D", pool.clone(), &[input]);
        let b = graph.add("b", "MaxPooling2D", pool.clone(), &[a]);
        graph.output = graph.add("s", "SteSign", LayerOp::Quantize(Quantizer::Sign), &[b]);
        graph.inputs = vec![input];
        let mut notes = Vec::new();
        run(&mut graph, &mut notes).unwrap();
        super::super::infer_shapes::run(&mut graph, &mut notes).unwrap();
        graph.verify().unwrap();
        assert_eq!(ops(&graph), ["input", "quantize", "max_pool2d", "max_pool2d"]);
        assert_eq!(graph.graph[graph.output].shape, [2, 2, 1]);
    }

    #[test]
    fn a_pooling_with_another_reader_stays() {
        let pool = LayerOp::MaxPool2d(Pool::Global { keep_axes: false });
        let mut graph = LayerGraph::default();
        let input = graph.add("in", "InputLayer", LayerOp::Input { shape: vec![8, 8, 1] }, &[]);
        let a = graph.add("a", "GlobalMaxPooling2D", pool, &[input]);
        let s = graph.add("s", "SteSign", LayerOp::Quantize(Quantizer::Sign), &[a]);
        graph.output = graph.add("j", "Concatenate", LayerOp::Concatenate, &[a, s]);
        graph.inputs = vec![input];
        run(&mut graph, &mut Vec::new()).unwrap();
        assert_eq!(ops(&graph), ["input", "max_pool2d", "quantize", "concatenate"]);
    }
}
