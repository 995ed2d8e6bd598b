//! Pooling and padding over images, and how 1D and channels-first layers become images with channels last.

use petgraph::stable_graph::NodeIndex;
use serde_json::Value;

use super::{Builder, Built, Layer};
use crate::graph::{LayerOp, Pool};
use crate::keras::classes::{Class, Library};
use crate::keras::inbound::brief;

impl Builder<'_> {
    pub(super) fn pool(
        &mut self,
        layer: &Layer<'_>,
        axes: usize,
        op: fn(Pool) -> LayerOp,
    ) -> Built<NodeIndex> {
        let fields = layer.fields();
        let size = fields.sizes("pool_size", axes, Some([if axes == 1 { 1 } else { 2 }, 2]))?;
        let stride = fields.sizes("strides", axes, Some(size))?;
        let pool = Pool::Window { size, stride, padding: fields.padding(axes)? };
        self.image_op(layer, axes, op(pool))
    }

    pub(super) fn global_pool(
        &mut self,
        layer: &Layer<'_>,
        axes: usize,
        op: fn(Pool) -> LayerOp,
    ) -> Built<NodeIndex> {
        let keep_axes = layer.fields().flag("keepdims", false)?;
        if keep_axes {
            return self.image_op(layer, axes, op(Pool::Global { keep_axes }));
        }
        let read = layer.only_read()?;
        let image = self.as_image(layer, read, axes, layer.fields().channels_first()?)?;
        self.add(layer, op(Pool::Global { keep_axes }), &[image])
    }

    /// QKeras's poolings have a quantiser for the factor 1 / size, which rounds, and an activation of their
    /// own.
    pub(super) fn behind_average(
        &mut self,
        layer: &Layer<'_>,
        class: &Class,
        made: NodeIndex,
    ) -> Built<NodeIndex> {
        if class.library != Library::QKeras {
            return Ok(made);
        }
        let quantizer = layer.fields().get("average_quantizer");
        if !quantizer.is_null() {
            return Err(format!("average_quantizer is {}, expected null", brief(quantizer)).into());
        }
        self.activation(layer, layer.fields().get("activation"), made)
    }

    pub(super) fn zero_padding(&mut self, layer: &Layer<'_>, axes: usize) -> Built<NodeIndex> {
        let fields = layer.fields();
        let json = fields.get("padding");
        let number = |json: &Value| json.as_u64().filter(|&n| n < 1 << 20).map(|n| n as usize);
        let pair = |json: &Value| match json {
            Value::Array(list) if list.len() == 2 => Some([number(&list[0])?, number(&list[1])?]),
            one => number(one).map(|n| [n, n]),
        };
        let border = match (axes, json) {
            (1, json) => pair(json).map(|columns| [[0, 0], columns]),
            (_, Value::Array(list)) if list.len() == 2 => {
                pair(&list[0]).zip(pair(&list[1])).map(|(r, c)| [r, c])
            }
            (_, json) => number(json).map(|n| [[n, n], [n, n]]),
        };
        let border =
            border.ok_or_else(|| format!("padding is {json}, expected numbers of rows and columns"))?;
        self.image_op(layer, axes, LayerOp::Pad2d { border, value: 0.0 })
    }

    fn image_op(&mut self, layer: &Layer<'_>, axes: usize, op: LayerOp) -> Built<NodeIndex> {
        let first = layer.fields().channels_first()?;
        let read = layer.only_read()?;
        let image = self.as_image(layer, read, axes, first)?;
        let made = self.add(layer, op, &[image])?;
        self.in_layer_order(layer, made, axes, first)
    }

    /// `node` as `[height, width, channels]`.
    pub(super) fn as_image(
        &mut self,
        layer: &Layer<'_>,
        node: NodeIndex,
        axes: usize,
        channels_first: bool,
    ) -> Built<NodeIndex> {
        if let Some(shape) = self.shape(node).filter(|shape| shape.len() != axes + 1) {
            return Err(format!("it reads a tensor of shape {shape:?}, expected {} axes", axes + 1).into());
        }
        let last: &[usize] = if axes == 1 { &[1, 0] } else { &[1, 2, 0] };
        let node = if channels_first { self.transposed(layer, node, last)? } else { node };
        match (axes, self.shape(node)) {
            (1, Some(&[columns, channels])) => {
                self.reshaped(layer, node, vec![Some(1), Some(columns), Some(channels)])
            }
            _ => Ok(node),
        }
    }

    /// The way back from [`Builder::to_image`].
    pub(super) fn in_layer_order(
        &mut self,
        layer: &Layer<'_>,
        node: NodeIndex,
        axes: usize,
        channels_first: bool,
    ) -> Built<NodeIndex> {
        let node = match (axes, self.shape(node)) {
            (1, Some(&[1, columns, channels])) => {
                self.reshaped(layer, node, vec![Some(columns), Some(channels)])?
            }
            _ => node,
        };
        let first: &[usize] = if axes == 1 { &[1, 0] } else { &[2, 0, 1] };
        if channels_first { self.transposed(layer, node, first) } else { Ok(node) }
    }

    /// `node` with its axes in another order; nothing is added for the same order, and a way back ends where
    /// the way there began, so that layers of images are neighbours.
    pub(super) fn transposed(
        &mut self,
        layer: &Layer<'_>,
        node: NodeIndex,
        axes: &[usize],
    ) -> Built<NodeIndex> {
        if axes.iter().enumerate().all(|(i, &axis)| i == axis) {
            return Ok(node);
        }
        if let LayerOp::Transpose { axes: there } = &self.graph.graph[node].op
            && there.len() == axes.len()
            && axes.iter().enumerate().all(|(i, &axis)| there.get(axis) == Some(&i))
            && let [before] = self.graph.inputs_of(node)[..]
        {
            return Ok(before);
        }
        self.add(layer, LayerOp::Transpose { axes: axes.to_vec() }, &[node])
    }

    fn reshaped(
        &mut self,
        layer: &Layer<'_>,
        node: NodeIndex,
        target: Vec<Option<usize>>,
    ) -> Built<NodeIndex> {
        if let LayerOp::Reshape { .. } = self.graph.graph[node].op
            && let [before] = self.graph.inputs_of(node)[..]
            && self
                .shape(before)
                .is_some_and(|shape| shape.iter().copied().map(Some).eq(target.iter().copied()))
        {
            return Ok(before);
        }
        self.add(layer, LayerOp::Reshape { target: Some(target) }, &[node])
    }
}
