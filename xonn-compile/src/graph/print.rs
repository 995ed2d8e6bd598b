//! The layer graph as text, for people and for the tests of passes (`tests/all/passes`).

use std::fmt;

use petgraph::stable_graph::NodeIndex;

use super::{LayerGraph, LayerOp};

impl fmt::Display for LayerGraph {
    /// One line a layer, in topological order: `%id = operation(%inputs) "name" [shape], details`; the output
    /// is starred.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(order) = self.order() else { return f.write_str("a graph with a cycle\n") };
        let id = |node: NodeIndex| order.iter().position(|&n| n == node).unwrap_or(usize::MAX);
        for &node in &order {
            let layer = &self.graph[node];
            let inputs: Vec<String> =
                self.inputs_of(node).into_iter().map(|n| format!("%{}", id(n))).collect();
            let star = if node == self.output { "*" } else { "" };
            write!(
                f,
                "%{}{star} = {}({}) {:?} {:?}",
                id(node),
                layer.op.name(),
                inputs.join(", "),
                layer.name,
                layer.shape
            )?;
            details(&layer.op, f)?;
            writeln!(f)?;
        }
        Ok(())
    }
}

fn details(op: &LayerOp, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match op {
        LayerOp::Dense { kernel, bias, .. } => {
            write!(f, ", kernel {:?}", kernel.shape)?;
            bias.as_ref().map_or(Ok(()), |_| f.write_str(", bias"))
        }
        LayerOp::Conv2d { kernel, bias, conv, .. } | LayerOp::DepthwiseConv2d { kernel, bias, conv, .. } => {
            write!(f, ", kernel {:?}, stride {:?}, {:?}", kernel.shape, conv.stride, conv.padding)?;
            if conv.pad_value != 0.0 {
                write!(f, " with {:?}", conv.pad_value)?;
            }
            bias.as_ref().map_or(Ok(()), |_| f.write_str(", bias"))
        }
        LayerOp::BatchNorm(norm) => {
            let gamma = norm.gamma.as_ref().map_or(&[][..], |gamma| &gamma.data);
            let (falling, constant) =
                (gamma.iter().filter(|&&g| g < 0.0).count(), gamma.iter().filter(|&&g| g == 0.0).count());
            write!(f, ", epsilon {}, gamma < 0: {falling}, = 0: {constant}", norm.epsilon)
        }
        LayerOp::Pad2d { border, value } => write!(f, ", {border:?} with {value:?}"),
        LayerOp::Rescale { scale, offset } => write!(f, ", x * {scale} + {offset}"),
        LayerOp::Divide { by } => write!(f, ", x / {by}"),
        LayerOp::Quantize(quantizer) => write!(f, ", {quantizer:?}"),
        LayerOp::Function(function) => write!(f, ", {function:?}"),
        _ => Ok(()),
    }
}
