//! Folds a border into the convolution that reads it.
//!
//! Before: Pad2d { value 0 }, Conv2d { valid }     After: Conv2d { explicit padding, value 0 }
//! A border of zeros has no bits; in a convolution its taps are dropped. A quantiser between the two has been
//! moved in front of the border before ([`super::sign_before_pool`]).

use petgraph::stable_graph::NodeIndex;

use super::PassError;
use crate::graph::{LayerGraph, LayerOp, Padding};

/// Runs the pass.
///
/// # Errors
/// None of its own.
pub fn run(graph: &mut LayerGraph, _notes: &mut Vec<String>) -> Result<(), PassError> {
    for node in graph.order()? {
        if graph.graph[node].op.name() == "reshape" {
            merge_reshapes(graph, node);
        }
    }
    for node in graph.order()? {
        let LayerOp::Pad2d { border, value } = graph.graph[node].op else { continue };
        let readers = graph.readers_of(node);
        if graph.output == node
            || readers.is_empty()
            || !readers.iter().all(|&reader| takes_border(graph, reader))
        {
            continue;
        }
        for reader in readers {
            if let LayerOp::Conv2d { conv, .. } | LayerOp::DepthwiseConv2d { conv, .. } =
                &mut graph.graph[reader].op
            {
                conv.padding = Padding::Explicit(border);
                conv.pad_value = value;
            }
        }
        graph.bypass(node);
    }
    Ok(())
}

/// A reshape of a reshape is one, and none at all if it undoes the other: such pairs stand between
/// one-dimensional layers.
fn merge_reshapes(graph: &mut LayerGraph, node: NodeIndex) {
    while let [read] = graph.inputs_of(node)[..] {
        let [source] = graph.inputs_of(read)[..] else { break };
        if graph.graph[read].op.name() != "reshape" {
            break;
        }
        graph.graph.retain_edges(|graph, edge| graph.edge_endpoints(edge) != Some((read, node)));
        graph.graph.add_edge(source, node, 0);
        if graph.readers_of(read).is_empty() && graph.output != read {
            graph.graph.remove_node(read);
        }
    }
    if let [read] = graph.inputs_of(node)[..]
        && graph.graph[read].shape == graph.graph[node].shape
    {
        graph.bypass(node);
    }
}

/// Whether a layer is a convolution without padding of its own.
fn takes_border(graph: &LayerGraph, node: NodeIndex) -> bool {
    matches!(
        &graph.graph[node].op,
        LayerOp::Conv2d { conv, .. } | LayerOp::DepthwiseConv2d { conv, .. } if conv.padding == Padding::Valid
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::graph::{Array, Conv, Quantizer};
    use crate::passes::{infer_shapes, sign_before_pool};

    #[test]
    fn reshapes_that_undo_each_other_go() {
        let mut graph = LayerGraph::default();
        let input = graph.add("in", "InputLayer", LayerOp::Input { shape: vec![6, 2] }, &[]);
        let reshape =
            |target: &[usize]| LayerOp::Reshape { target: Some(target.iter().copied().map(Some).collect()) };
        let image = graph.add("a", "Conv1D", reshape(&[1, 6, 2]), &[input]);
        let line = graph.add("b", "Conv1D", reshape(&[6, 2]), &[image]);
        let again = graph.add("c", "Conv1D", reshape(&[1, 6, 2]), &[line]);
        let sign = graph.add("s", "SteSign", LayerOp::Quantize(Quantizer::Sign), &[again]);
        (graph.inputs, graph.output) = (vec![input], sign);
        for pass in [infer_shapes::run, run] {
            pass(&mut graph, &mut Vec::new()).unwrap();
        }
        graph.verify().unwrap();
        let ops: Vec<_> = graph.order().unwrap().iter().map(|&n| graph.graph[n].op.name()).collect();
        assert_eq!(ops, ["input", "reshape", "quantize"]);
    }

    #[test]
    fn a_border_of_zeros_behind_a_sign_is_one_of_plus_ones() {
        for (sign, value) in [(true, 1.0), (false, 0.0)] {
            let mut graph = LayerGraph::default();
            let input = graph.add("in", "InputLayer", LayerOp::Input { shape: vec![3, 3, 1] }, &[]);
            let mut last = graph.add(
                "p",
                "ZeroPadding2D",
                LayerOp::Pad2d { border: [[1, 2], [0, 1]], value: 0.0 },
                &[input],
            );
            if sign {
                last = graph.add("s", "SteSign", LayerOp::Quantize(Quantizer::Sign), &[last]);
            }
            let conv =
                Conv { stride: [1, 1], dilation: [1, 1], padding: Padding::Valid, pad_value: 0.0, groups: 1 };
            let kernel = Arc::new(Array { shape: vec![2, 2, 1, 1], data: vec![1.0; 4] });
            let op = LayerOp::Conv2d { kernel, bias: None, conv, secret_scale: false };
            graph.output = graph.add("c", "Conv2D", op, &[last]);
            graph.inputs = vec![input];
            for pass in [infer_shapes::run, sign_before_pool::run, run, infer_shapes::run] {
                pass(&mut graph, &mut Vec::new()).unwrap();
            }
            graph.verify().unwrap();
            let LayerOp::Conv2d { conv, .. } = &graph.graph[graph.output].op else { panic!("a convolution") };
            assert_eq!((conv.padding, conv.pad_value), (Padding::Explicit([[1, 2], [0, 1]]), value));
            assert_eq!(graph.graph[graph.output].shape, [5, 3, 1]);
        }
    }
}
