//! Folds a border into the convolution that reads it.
//!
//! Before: Pad2d { value 0 }, Sign, Conv2d { valid }     After: Sign, Conv2d { explicit padding, value +1 }
//! A border of zeros has no bits; in a convolution its taps are dropped. A quantiser between the two quantises the
//! border as well.

use petgraph::stable_graph::NodeIndex;

use super::PassError;
use crate::graph::{LayerGraph, LayerOp, Padding};

/// Runs the pass.
///
/// # Errors
/// None of its own.
pub fn run(graph: &mut LayerGraph, _notes: &mut Vec<String>) -> Result<(), PassError> {
    for node in graph.order()? {
        let LayerOp::Pad2d { border, mut value } = graph.graph[node].op else { continue };
        // Through quantisers that are the only readers.
        let mut quantizers = Vec::new();
        let mut last = node;
        while let [reader] = graph.readers_of(last)[..] {
            let LayerOp::Quantize(quantizer) = graph.graph[reader].op else { break };
            value = quantizer.apply(value);
            quantizers.push(reader);
            last = reader;
        }
        let readers = graph.readers_of(last);
        if graph.output == last
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
            run(&mut graph, &mut Vec::new()).unwrap();
            graph.verify().unwrap();
            super::super::infer_shapes::run(&mut graph, &mut Vec::new()).unwrap();
            let LayerOp::Conv2d { conv, .. } = &graph.graph[graph.output].op else { panic!("a convolution") };
            assert_eq!((conv.padding, conv.pad_value), (Padding::Explicit([[1, 2], [0, 1]]), value));
            assert_eq!(graph.graph[graph.output].shape, [5, 3, 1]);
        }
    }
}
