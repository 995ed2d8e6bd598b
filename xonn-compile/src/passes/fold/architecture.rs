//! What the architecture alone tells, so that it is the same for all weights.

use std::collections::HashMap;

use petgraph::stable_graph::NodeIndex;

use super::linear;
use crate::graph::{LayerGraph, LayerOp};

/// Bits of a real weight where nobody says otherwise, from the architecture alone: a weight is rounded by
/// some `2^-bits` of the deviation of its sum, and each sign that such a sum reaches may turn, so one bit
/// more for twice as many signs.
pub(super) fn weight_bits(graph: &LayerGraph) -> u32 {
    let mut inexact: HashMap<NodeIndex, bool> = HashMap::new();
    let mut signs = 0usize;
    for node in graph.order().unwrap_or_default() {
        let layer = &graph.graph[node];
        let read = graph.inputs_of(node).iter().any(|read| inexact[read]);
        let is = match &layer.op {
            LayerOp::Quantize(_) => {
                signs += if read { layer.shape.iter().product() } else { 0 };
                false
            }
            LayerOp::Dense { kernel, secret_scale, .. }
            | LayerOp::Conv2d { kernel, secret_scale, .. }
            | LayerOp::DepthwiseConv2d { kernel, secret_scale, .. } => {
                let depthwise = matches!(layer.op, LayerOp::DepthwiseConv2d { .. });
                read || !linear::is_exact(kernel, depthwise, *secret_scale)
            }
            _ => read,
        };
        inexact.insert(node, is);
    }
    (usize::BITS - signs.leading_zeros() + 5).clamp(LEAST_WEIGHT_BITS, MOST_WEIGHT_BITS)
}

/// Bits of a real weight in front of few signs, or none.
pub(super) const LEAST_WEIGHT_BITS: u32 = 16;

/// Bits of a real weight in front of any number of signs.
const MOST_WEIGHT_BITS: u32 = 22;

/// Whether all that reads a layer compares or normalises each of its channels by itself, so that each may
/// have a unit of its own for nothing. Told by the architecture.
pub(super) fn is_normalised(graph: &LayerGraph, node: NodeIndex) -> bool {
    let readers = graph.readers_of(node);
    node != graph.output
        && !readers.is_empty()
        && readers.iter().all(|&reader| match &graph.graph[reader].op {
            LayerOp::BatchNorm(_) | LayerOp::Quantize(_) => true,
            LayerOp::NoOp
            | LayerOp::Function(_)
            | LayerOp::Rescale { .. }
            | LayerOp::Divide { .. }
            | LayerOp::MaxPool2d(_)
            | LayerOp::AveragePool2d(_) => is_normalised(graph, reader),
            _ => false,
        })
}
