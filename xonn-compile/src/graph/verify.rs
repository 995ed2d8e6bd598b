//! What must hold of every layer graph; checked of what is read, and after each pass.
//!
//! - The graph has no cycle, and its output is one of its nodes.
//! - Inputs read nothing; `Add` and what else joins read at least one tensor, every other layer exactly one.
//! - The inputs of a layer are numbered 0, 1, ... without a gap.
//! - Weights have as many elements as their shapes say and are finite; variances are not negative.

use petgraph::Direction;

use super::{Array, LayerGraph, LayerOp};

/// A rule that a graph breaks.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// Layers read each other in a circle.
    #[error("layer {layer:?} depends on itself, expected a graph without cycles")]
    Cycle {
        /// A layer on the cycle.
        layer: String,
    },
    /// The output is not in the graph.
    #[error("the model's output is none of its layers")]
    Output,
    /// A layer reads too many or too few tensors.
    #[error("layer {layer:?} ({op}): found {found} inputs, expected {expected}")]
    Inputs {
        /// The layer.
        layer: String,
        /// Its operation.
        op: &'static str,
        /// Tensors it reads.
        found: usize,
        /// Tensors it should read.
        expected: &'static str,
    },
    /// A weight array is damaged.
    #[error("layer {layer:?}: {weight} {problem}")]
    Weight {
        /// The layer.
        layer: String,
        /// Which array.
        weight: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

impl LayerGraph {
    /// Checks that there is no cycle, that each layer reads as many tensors as it takes, numbered without a
    /// gap, that the output is a layer, and that weights are finite, as many as their shapes say, and no
    /// variance is negative.
    ///
    /// # Errors
    /// The first rule found broken.
    pub fn verify(&self) -> Result<(), GraphError> {
        if !self.graph.contains_node(self.output) {
            return Err(GraphError::Output);
        }
        for node in self.order()? {
            let layer = &self.graph[node];
            let mut positions: Vec<usize> =
                self.graph.edges_directed(node, Direction::Incoming).map(|edge| *edge.weight()).collect();
            positions.sort_unstable();
            let in_order = positions.iter().enumerate().all(|(i, &position)| i == position);
            let (fits, expected) = match &layer.op {
                LayerOp::Input { .. } => (positions.is_empty(), "0"),
                op if op.joins() => (!positions.is_empty(), "at least 1"),
                _ => (positions.len() == 1, "1"),
            };
            if !fits || !in_order {
                let (layer, op) = (layer.name.clone(), layer.op.name());
                return Err(GraphError::Inputs { layer, op, found: positions.len(), expected });
            }
            for (weight, array) in weights(&layer.op) {
                check(array, weight == "variance").map_err(|problem| GraphError::Weight {
                    layer: layer.name.clone(),
                    weight,
                    problem,
                })?;
            }
        }
        Ok(())
    }
}

/// The weight arrays of an operation, with the names that messages give them.
fn weights(op: &LayerOp) -> Vec<(&'static str, &Array)> {
    let pairs: Vec<(&'static str, Option<&Array>)> = match op {
        LayerOp::Dense { kernel, bias, .. }
        | LayerOp::Conv2d { kernel, bias, .. }
        | LayerOp::DepthwiseConv2d { kernel, bias, .. } => {
            vec![("kernel", Some(kernel)), ("bias", bias.as_deref())]
        }
        LayerOp::BatchNorm(norm) => vec![
            ("gamma", norm.gamma.as_deref()),
            ("beta", norm.beta.as_deref()),
            ("mean", Some(&norm.mean)),
            ("variance", Some(&norm.variance)),
        ],
        LayerOp::Normalize { mean, deviation } => vec![("mean", Some(mean)), ("deviation", Some(deviation))],
        LayerOp::PRelu { slope } => vec![("slope", Some(slope))],
        _ => Vec::new(),
    };
    pairs.into_iter().filter_map(|(name, array)| Some((name, array?))).collect()
}

fn check(array: &Array, not_negative: bool) -> Result<(), String> {
    let expected: usize = array.shape.iter().product();
    if array.data.len() != expected {
        return Err(format!(
            "has {} elements, expected {expected} for shape {:?}",
            array.data.len(),
            array.shape
        ));
    }
    if let Some(i) = array.data.iter().position(|x| !x.is_finite()) {
        return Err(format!("is {} at element {i}, expected finite numbers", array.data[i]));
    }
    if let Some(i) = array.data.iter().position(|&x| not_negative && x < 0.0) {
        return Err(format!("is {} at element {i}, expected no negative numbers", array.data[i]));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn graph() -> LayerGraph {
        let mut graph = LayerGraph::default();
        let input = graph.add("in", "InputLayer", LayerOp::Input { shape: vec![2] }, &[]);
        let kernel = Arc::new(Array { shape: vec![2, 1], data: vec![1.0, -1.0] });
        graph.output =
            graph.add("fc", "Dense", LayerOp::Dense { kernel, bias: None, secret_scale: false }, &[input]);
        graph.inputs = vec![input];
        graph
    }

    #[test]
    fn a_sound_graph_passes() {
        assert_eq!(graph().verify(), Ok(()));
    }

    #[test]
    fn each_rule_is_checked() {
        let mut cyclic = graph();
        let a = cyclic.add("a", "Dropout", LayerOp::NoOp, &[]);
        let b = cyclic.add("b", "Dropout", LayerOp::NoOp, &[a]);
        cyclic.graph.add_edge(b, a, 0);
        assert!(matches!(cyclic.verify(), Err(GraphError::Cycle { .. })));

        let mut alone = graph();
        alone.add("a", "Dropout", LayerOp::NoOp, &[]);
        assert_eq!(
            alone.verify().unwrap_err().to_string(),
            "layer \"a\" (no_op): found 0 inputs, expected 1"
        );

        let mut headless = graph();
        headless.graph.remove_node(headless.output);
        assert_eq!(headless.verify(), Err(GraphError::Output));

        let mut poisoned = graph();
        let kernel = Arc::new(Array { shape: vec![2, 1], data: vec![1.0, f32::NAN] });
        poisoned.graph[poisoned.output].op = LayerOp::Dense { kernel, bias: None, secret_scale: false };
        assert_eq!(
            poisoned.verify().unwrap_err().to_string(),
            "layer \"fc\": kernel is NaN at element 1, expected finite numbers"
        );
    }
}
