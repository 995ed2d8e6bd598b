//! Elements in other places and shapes, and borders around them.

use std::sync::Arc;

use xonn_program::{LayerId, Op};

use super::{Fold, Value};
use crate::graph::{Array, Conv, Layer, LayerOp, Padding};

impl Fold<'_> {
    /// A border that no convolution takes in: a convolution of its own, of one tap a channel with weight 1.
    pub(super) fn pad(
        &mut self,
        layer: &Layer,
        value: &Value,
        border: [[usize; 2]; 2],
        pad_value: f32,
    ) -> Result<Value, String> {
        let channels = value.shape.last().copied().unwrap_or(1);
        let padding = Padding::Explicit(border);
        let conv = Conv { stride: [1, 1], dilation: [1, 1], padding, pad_value, groups: 1 };
        let kernel = Arc::new(Array { shape: vec![1, 1, channels, 1], data: vec![1.0; channels] });
        let op = LayerOp::DepthwiseConv2d { kernel, bias: None, conv, secret_scale: false };
        self.linear(&Layer { op, ..layer.clone() }, value)
    }

    pub(super) fn permute(&mut self, layer: &Layer, mut value: Value, source: Vec<usize>) -> Value {
        let all = value.shape.iter().product::<usize>();
        if source.len() != all || source.iter().enumerate().any(|(i, &s)| i != s) {
            value.f.permute(&source);
            value.accuracy = value.accuracy.moved(&source);
            let kind = self.kind(&value);
            value.node = self.push(layer, Op::Permute { source }, &[value.node], layer.shape.clone(), kind);
        }
        value.shape.clone_from(&layer.shape);
        value
    }

    /// The integer tensor of `value`, in its shape.
    pub(super) fn shaped(&mut self, layer: &Layer, value: &Value) -> LayerId {
        if self.nodes[value.node].shape == value.shape {
            return value.node;
        }
        let source = (0..value.shape.iter().product()).collect();
        let kind = self.kind(value);
        self.push(layer, Op::Permute { source }, &[value.node], value.shape.clone(), kind)
    }
}

/// For each element of the transposed tensor, in row-major order, the element of the tensor of shape `from`
/// that it is.
pub(in crate::passes) fn transposition(from: &[usize], axes: &[usize]) -> Vec<usize> {
    let stride = |axis: usize| from[axis + 1..].iter().product::<usize>();
    let mut source = vec![0];
    for &axis in axes {
        let step = stride(axis);
        source = source.iter().flat_map(|&base| (0..from[axis]).map(move |i| base + i * step)).collect();
    }
    source
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transpositions_by_hand() {
        // [2, 3] to [3, 2].
        assert_eq!(transposition(&[2, 3], &[1, 0]), [0, 3, 1, 4, 2, 5]);
        // Channels of [2 channels, 1 row, 2 columns] go last.
        assert_eq!(transposition(&[2, 1, 2], &[1, 2, 0]), [0, 2, 1, 3]);
        assert_eq!(transposition(&[2, 3, 4], &[0, 1, 2]), (0..24).collect::<Vec<_>>());
    }
}
