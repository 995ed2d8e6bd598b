//! BatchNormalization, Normalization, and activations that are layers with arguments of their own.

use std::sync::Arc;

use petgraph::stable_graph::NodeIndex;
use serde_json::Value;

use super::{Builder, Built, Layer, Trouble};
use crate::graph::{Array, BatchNorm, Function, LayerOp};

impl Builder<'_> {
    pub(super) fn batch_norm(&mut self, layer: &Layer<'_>) -> Built<NodeIndex> {
        let fields = layer.fields();
        let read = layer.only_read()?;
        let axis = match fields.get("axis") {
            Value::Null => -1,
            Value::Array(list) if list.len() == 1 => list[0].as_i64().unwrap_or(0),
            other => other.as_i64().unwrap_or(0),
        };
        let epsilon = fields.number("epsilon", Some(1e-3))? as f32;
        let (scale, center) = (fields.flag("scale", true)?, fields.flag("center", true)?);
        let mut roles = Vec::new();
        roles.extend(scale.then_some("gamma"));
        roles.extend(center.then_some("beta"));
        roles.extend(["moving_mean", "moving_variance"]);
        let mut arrays = self.weights(layer, &roles)?.into_iter();
        let gamma = if scale { arrays.next() } else { None };
        let beta = if center { arrays.next() } else { None };
        let (Some(mean), Some(variance)) = (arrays.next(), arrays.next()) else {
            return Err("it has no moving statistics".to_owned().into());
        };
        if let Some(channel) = variance.data.iter().position(|&v| v + epsilon <= 0.0) {
            let (variance, channel) = (variance.data[channel], channel);
            return Err(format!(
                "channel {channel} has variance {variance} and epsilon {epsilon}, expected a positive sum"
            )
            .into());
        }
        // Shapes behind a refused layer are not known; then the axis is the last as far as this layer goes.
        let rank = self.shape(read).map_or(1, <[usize]>::len);
        let channel_axis = match axis {
            0 => None,
            axis if axis < 0 => rank.checked_sub(axis.unsigned_abs() as usize),
            axis => Some(axis as usize - 1).filter(|&axis| axis < rank || self.shape(read).is_none()),
        };
        let channel_axis = channel_axis.ok_or_else(|| {
            format!("axis is {}, expected one of the {rank} axes of what it reads", fields.get("axis"))
        })?;
        // Keras 2 takes TensorFlow's fused kernel for images whose channel is on axis 1 or 3.
        let fused = self.origin.keras < 3
            && rank == 3
            && (channel_axis == 0 || channel_axis == 2)
            && fields.get("fused") != &Value::Bool(false);
        let op = LayerOp::BatchNorm(BatchNorm { gamma, beta, mean, variance, epsilon, fused });
        let (there, back) = moved_to_end(rank, channel_axis);
        let read = self.transposed(layer, read, &there)?;
        let normed = self.add(layer, op, &[read])?;
        self.transposed(layer, normed, &back)
    }

    /// `(x - mean) / max(sqrt(variance), epsilon)`, with the mean and variance as weights or in the configuration.
    pub(super) fn normalization(&mut self, layer: &Layer<'_>) -> Built<NodeIndex> {
        let fields = layer.fields();
        if fields.flag("invert", false)? {
            return Err("invert is true, expected false".to_owned().into());
        }
        let axis = match fields.get("axis") {
            Value::Null => None,
            Value::Array(list) if list.is_empty() => None,
            Value::Array(list) if list.len() == 1 => list[0].as_i64(),
            other => other.as_i64(),
        };
        let given = |key: &str| -> Option<Arc<Array>> {
            let json = ["input_", ""]
                .iter()
                .map(|prefix| fields.get(&format!("{prefix}{key}")))
                .find(|v| !v.is_null())?;
            let mut numbers = Vec::new();
            flatten_numbers(json, &mut numbers).then(|| Arc::new(Array::vector(numbers)))
        };
        let (mean, variance) = match (given("mean"), given("variance")) {
            (Some(mean), Some(variance)) => (mean, variance),
            _ => {
                let found = self.weights.of(&layer.path).len();
                let roles: &[&'static str] =
                    if found == 2 { &["mean", "variance"] } else { &["mean", "variance", "count"] };
                let arrays = self.weights(layer, roles)?;
                (Arc::clone(&arrays[0]), Arc::clone(&arrays[1]))
            }
        };
        let read = layer.only_read()?;
        let rank = self.shape(read).map_or(1, <[usize]>::len) as i64;
        if mean.data.len() > 1 && axis.is_some_and(|axis| axis != -1 && axis != rank) {
            return Err(format!("axis is {}, expected the last", fields.get("axis")).into());
        }
        if variance.data.iter().chain(&mean.data).any(|v| !v.is_finite())
            || variance.data.iter().any(|&v| v < 0.0)
        {
            return Err(
                "its mean or variance is not finite or the variance negative, expected adapted statistics"
                    .to_owned()
                    .into(),
            );
        }
        // keras.backend.epsilon()
        let deviation = variance.data.iter().map(|v| v.sqrt().max(1e-7)).collect();
        let mean = Arc::new(Array::vector(mean.data.clone()));
        self.add(layer, LayerOp::Normalize { mean, deviation: Arc::new(Array::vector(deviation)) }, &[read])
    }

    pub(super) fn softmax(&mut self, layer: &Layer<'_>) -> Built<NodeIndex> {
        let read = layer.only_read()?;
        let axis = match layer.fields().get("axis") {
            Value::Null => -1,
            Value::Array(list) if list.len() == 1 => list[0].as_i64().unwrap_or(0),
            other => other.as_i64().unwrap_or(0),
        };
        let rank = self.shape(read).map(|shape| shape.len() as i64);
        if axis != -1 && rank.is_some_and(|rank| axis != rank) {
            return Err(format!("axis is {axis}, expected the last").into());
        }
        self.add(layer, LayerOp::Function(Function::Softmax), &[read])
    }

    pub(super) fn relu(&mut self, layer: &Layer<'_>) -> Built<NodeIndex> {
        let fields = layer.fields();
        if fields.number("threshold", Some(0.0))? != 0.0 {
            return Err(format!("threshold is {}, expected 0", fields.get("threshold")).into());
        }
        let max = match fields.get("max_value") {
            Value::Null => None,
            _ => Some(fields.number("max_value", None)? as f32),
        };
        let slope = fields.number("negative_slope", Some(0.0))? as f32;
        self.push_relu(layer, slope, max)
    }

    /// The layer's own default slope is 0.3, unlike the activation's 0.2.
    pub(super) fn leaky_relu(&mut self, layer: &Layer<'_>) -> Built<NodeIndex> {
        let fields = layer.fields();
        let key = if fields.get("negative_slope").is_null() { "alpha" } else { "negative_slope" };
        let slope = fields.number(key, Some(0.3))? as f32;
        self.push_relu(layer, slope, None)
    }

    fn push_relu(&mut self, layer: &Layer<'_>, slope: f32, max: Option<f32>) -> Built<NodeIndex> {
        if slope < 0.0 || max.is_some_and(|max| max < 0.0) {
            return Err(Trouble::Refused(format!(
                "slope {slope} and maximum {max:?}, expected no negative numbers"
            )));
        }
        self.push(layer, LayerOp::Function(Function::Relu { slope, max }))
    }
}

/// The numbers of nested lists, in order; false if anything else is among them.
fn flatten_numbers(json: &Value, numbers: &mut Vec<f32>) -> bool {
    match json {
        Value::Array(list) => list.iter().all(|item| flatten_numbers(item, numbers)),
        other => other.as_f64().map(|x| numbers.push(x as f32)).is_some(),
    }
}

/// The permutation that moves `axis` behind all others, and the one back.
fn moved_to_end(rank: usize, axis: usize) -> (Vec<usize>, Vec<usize>) {
    let there: Vec<usize> = (0..rank).filter(|&a| a != axis).chain([axis]).collect();
    let mut back = vec![0; rank];
    there.iter().enumerate().for_each(|(new, &old)| {
        if let Some(place) = back.get_mut(old) {
            *place = new;
        }
    });
    (there, back)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_moves_to_the_end_and_back() {
        let (there, back) = moved_to_end(3, 0);
        assert_eq!((there.as_slice(), back.as_slice()), (&[1, 2, 0][..], &[2, 0, 1][..]));
        assert_eq!(moved_to_end(2, 1), (vec![0, 1], vec![0, 1]));
    }
}
