//! The layer graph as text, for golden tests and for people.

use std::fmt;

use super::{LayerGraph, Op};

impl fmt::Display for LayerGraph {
    /// One line a layer, in order: name, operation, output shape, and what its weights are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for node in self.path() {
            let layer = self.layer(node);
            write!(f, "{}: {} {:?}", layer.name, layer.op.name(), layer.shape)?;
            match &layer.op {
                Op::Dense { kernel, bias, .. } => {
                    let positive = kernel.iter().filter(|&&w| w > 0.0).count();
                    write!(f, ", {positive} of {} weights +1", kernel.len())?;
                    if bias.is_some() {
                        f.write_str(", bias")?;
                    }
                }
                Op::BatchNorm(norm) => {
                    let falling = norm.gamma.iter().filter(|&&g| g < 0.0).count();
                    let constant = norm.gamma.iter().filter(|&&g| g == 0.0).count();
                    write!(f, ", epsilon {}, gamma < 0: {falling}, = 0: {constant}", norm.epsilon)?;
                }
                Op::Rescale { scale, offset } => write!(f, ", x * {scale} + {offset}")?,
                _ => {}
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
