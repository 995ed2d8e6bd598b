//! Drops layers that do not change the prediction.
//!
//! Before: ... Dropout ... BatchNorm, Softmax     After: ... BatchNorm
//! Softmax is monotone, so the largest score stays the largest; it is dropped at the end only.

use crate::graph::{LayerGraph, Op};

/// Runs the pass; tells the user what changed the meaning of the scores.
pub fn run(graph: &LayerGraph, notes: &mut Vec<String>) -> LayerGraph {
    let path = graph.path();
    let input = graph.layer(graph.input());
    let mut kept = LayerGraph::new(&input.name, input.shape.clone());
    let mut last = kept.input();
    for &node in &path[1..] {
        let layer = graph.layer(node);
        match &layer.op {
            Op::Identity => {}
            Op::Softmax if node == graph.output() => {
                notes.push(format!(
                    "layer {:?}: the final softmax is dropped, it does not change which class is largest",
                    layer.name
                ));
            }
            op => {
                last = kept
                    .add(&layer.name, op.clone(), last)
                    .expect("shapes were checked when the graph was made")
            }
        }
    }
    kept.set_output(last);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_softmax_goes() {
        let mut graph = LayerGraph::new("in", vec![3]);
        let mut at = graph.input();
        for op in [Op::Identity, Op::Softmax, Op::Sign, Op::Identity, Op::Softmax] {
            at = graph.add("x", op, at).expect("fits");
        }
        let mut notes = Vec::new();
        let kept = run(&graph, &mut notes);
        let ops: Vec<_> = kept.path().iter().map(|&n| kept.layer(n).op.name()).collect();
        assert_eq!((ops.as_slice(), notes.len()), (&["input", "softmax", "sign"][..], 1));
    }
}
