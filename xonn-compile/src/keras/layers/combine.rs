//! Layers that move elements: Flatten, Reshape, Permute, Concatenate.

use petgraph::stable_graph::NodeIndex;
use serde_json::Value;

use super::{Builder, Built, Layer};
use crate::graph::LayerOp;

impl Builder<'_> {
    /// Row-major; with `channels_first` in its own configuration Flatten moves the channels to the end
    /// before.
    pub(super) fn flatten(&mut self, layer: &Layer<'_>) -> Built<NodeIndex> {
        let mut read = layer.only_read()?;
        let rank = self.shape(read).map_or(1, <[usize]>::len);
        if layer.fields().channels_first()? && rank > 1 {
            let axes: Vec<usize> = (1..rank).chain([0]).collect();
            read = self.transposed(layer, read, &axes)?;
        }
        self.add(layer, LayerOp::Reshape { target: None }, &[read])
    }

    pub(super) fn reshape(&mut self, layer: &Layer<'_>) -> Built<NodeIndex> {
        let json = layer.fields().get("target_shape");
        let axis = |axis: &Value| match axis.as_i64() {
            Some(-1) => Some(None),
            Some(n) if n > 0 => usize::try_from(n).ok().map(Some),
            _ => None,
        };
        let target = json.as_array().and_then(|list| list.iter().map(axis).collect::<Option<Vec<_>>>());
        let target = target.ok_or_else(|| format!("target_shape is {json}, expected a list of lengths"))?;
        self.push(layer, LayerOp::Reshape { target: Some(target) })
    }

    /// Keras counts axes from 1.
    pub(super) fn permute(&mut self, layer: &Layer<'_>) -> Built<NodeIndex> {
        let json = layer.fields().get("dims");
        let axis = |axis: &Value| axis.as_u64()?.checked_sub(1).and_then(|n| usize::try_from(n).ok());
        let axes = json.as_array().and_then(|list| list.iter().map(axis).collect::<Option<Vec<_>>>());
        let axes = axes.ok_or_else(|| format!("dims is {json}, expected a list of axes from 1"))?;
        self.push(layer, LayerOp::Transpose { axes })
    }

    /// Along any axis: it is moved to the end and back.
    pub(super) fn concatenate(&mut self, layer: &Layer<'_>) -> Built<NodeIndex> {
        let axis = match layer.fields().get("axis") {
            Value::Null => -1,
            json => json.as_i64().unwrap_or(0),
        };
        self.concatenate_along(layer, axis)
    }

    /// All that the layer reads along an axis, which counts the batch.
    pub(super) fn concatenate_along(&mut self, layer: &Layer<'_>, axis: i64) -> Built<NodeIndex> {
        let rank = layer.reads.first().and_then(|&read| self.shape(read)).map(<[usize]>::len);
        let Some(rank) = rank.filter(|&rank| axis != -1 && axis != rank as i64) else {
            return self.push(layer, LayerOp::Concatenate);
        };
        // Keras counts the batch as axis 0.
        let place = if axis < 0 { axis + rank as i64 } else { axis - 1 };
        let place =
            usize::try_from(place).ok().filter(|&place| place < rank && axis != 0).ok_or_else(|| {
                format!("axis is {axis} for tensors of {rank} axes beside the batch, expected one of these")
            })?;
        let to_last: Vec<usize> = (0..rank).filter(|&axis| axis != place).chain([place]).collect();
        let back: Vec<usize> = (0..place).chain([rank - 1]).chain(place..rank - 1).collect();
        let reads = layer.reads.clone();
        let moved: Vec<NodeIndex> =
            reads.iter().map(|&read| self.transposed(layer, read, &to_last)).collect::<Result<_, _>>()?;
        let joined = self.add(layer, LayerOp::Concatenate, &moved)?;
        self.transposed(layer, joined, &back)
    }
}
