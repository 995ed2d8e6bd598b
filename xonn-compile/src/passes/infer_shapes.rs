//! Gives every layer its shape, from the shapes of what it reads.
//!
//! Needs: a graph without cycles.   Leaves: a shape on every layer.

use super::PassError;
use crate::graph::{LayerGraph, shape};

/// Runs the pass.
///
/// # Errors
/// [`PassError::Layer`] if a layer does not fit what it reads.
pub fn run(graph: &mut LayerGraph, _notes: &mut Vec<String>) -> Result<(), PassError> {
    for node in graph.order()? {
        let inputs: Vec<Vec<usize>> =
            graph.inputs_of(node).into_iter().map(|input| graph.graph[input].shape.clone()).collect();
        let inputs: Vec<&[usize]> = inputs.iter().map(Vec::as_slice).collect();
        let layer = &graph.graph[node];
        let shape = shape::infer(layer, &inputs)
            .map_err(|reason| PassError::Layer { layer: layer.name.clone(), reason })?;
        graph.graph[node].shape = shape;
    }
    Ok(())
}
