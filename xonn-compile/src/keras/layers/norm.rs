//! BatchNormalization, Normalization, and activations that are layers with arguments of their own.

use std::sync::Arc;

use petgraph::stable_graph::NodeIndex;
use serde_json::Value;

use super::{Builder, Built, Layer};
use crate::graph::{Array, BatchNorm, Function, LayerOp, Quantizer};
use crate::keras::quantizer;

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
        let quantized = |key: &str, array: Option<Arc<Array>>| -> Result<Option<Arc<Array>>, String> {
            let quantizer = quantizer::kernel(fields.get(key), &self.origin.options.custom, true)?;
            Ok(array.map(|array| match quantizer {
                Quantizer::Identity => array,
                quantizer => Arc::new(quantizer.constant(&array)),
            }))
        };
        let gamma = if scale { arrays.next() } else { None };
        let beta = if center { arrays.next() } else { None };
        let (mean, variance) = (arrays.next(), arrays.next());
        // QBatchNormalization's; other classes have no such fields.
        let [gamma, beta] = [quantized("gamma_quantizer", gamma)?, quantized("beta_quantizer", beta)?];
        let [mean, variance] =
            [quantized("mean_quantizer", mean)?, quantized("variance_quantizer", variance)?];
        let (Some(mean), Some(variance)) = (mean, variance) else {
            return Err("it has no moving statistics".to_owned().into());
        };
        if [&gamma, &beta].into_iter().flatten().any(|array| array.data.len() != variance.data.len()) {
            return Err("its weights have different lengths, expected one for each channel"
                .to_owned()
                .into());
        }
        if gamma.iter().chain(&beta).any(|array| array.data.iter().any(|w| !w.is_finite())) {
            return Err("its quantised weights are not finite, expected fewer bits".to_owned().into());
        }
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
        let fused = layer.config.kind == "BatchNormalization"
            && self.origin.keras < 3
            && rank == 3
            && (channel_axis == 0 || channel_axis == 2)
            && fields.get("fused") != &Value::Bool(false);
        let norm = BatchNorm { gamma, beta, mean, variance, epsilon, fused };
        let quantized = !fields.get("variance_quantizer").is_null();
        let op = LayerOp::BatchNorm(if quantized { with_rounded_inverse(norm) } else { norm });
        let (there, back) = moved_to_end(rank, channel_axis);
        let read = self.transposed(layer, read, &there)?;
        let normed = self.add(layer, op, &[read])?;
        self.transposed(layer, normed, &back)
    }

    /// `(x - mean) / max(sqrt(variance), epsilon)`, with the mean and variance as weights or in the
    /// configuration.
    pub(super) fn normalization(&mut self, layer: &Layer<'_>) -> Built<NodeIndex> {
        let fields = layer.fields();
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
        let deviation: Vec<f32> = variance.data.iter().map(|v| v.sqrt().max(1e-7)).collect();
        let Some(shape) = self.shape(read).map(<[usize]>::to_vec) else {
            // Behind a refused layer there is nothing to check the axes with.
            return self.add(layer, LayerOp::NoOp, &[read]);
        };
        let kept = kept_axes(fields.get("axis"), shape.len())
            .ok_or_else(|| format!("axis is {}, expected axes of what it reads", fields.get("axis")))?;
        let elements: usize = shape.iter().product();
        let [mean, deviation] = [spread(&mean.data, &shape, &kept)?, spread(&deviation, &shape, &kept)?];
        let every = [&mean, &deviation].iter().any(|numbers| numbers.len() > 1 && numbers.len() == elements);
        let op = if fields.flag("invert", false)? {
            line(deviation, mean)
        } else {
            LayerOp::Normalize {
                mean: Arc::new(Array::vector(mean)),
                deviation: Arc::new(Array::vector(deviation)),
            }
        };
        if !every || shape.len() == 1 {
            return self.add(layer, op, &[read]);
        }
        let flat = self.add(layer, LayerOp::Reshape { target: None }, &[read])?;
        let normed = self.add(layer, op, &[flat])?;
        self.add(layer, LayerOp::Reshape { target: Some(shape.into_iter().map(Some).collect()) }, &[normed])
    }

    /// `scale * x + offset`, with one number for all or one for each of the last axis.
    pub(super) fn rescaling(&mut self, layer: &Layer<'_>) -> Built<NodeIndex> {
        let fields = layer.fields();
        let numbers = |key: &str| {
            let mut numbers = Vec::new();
            let mut list = fields.get(key);
            // Only numbers along the last axis: outer lists of one element each do not move them to another.
            while let Some([inner @ Value::Array(_)]) = list.as_array().map(Vec::as_slice) {
                list = inner;
            }
            let flat = list.as_array().is_some_and(|list| list.iter().all(Value::is_number));
            (flat && flatten_numbers(list, &mut numbers) && numbers.len() > 1).then_some(numbers)
        };
        let lists = [numbers("scale"), numbers("offset")];
        let count = lists.iter().flatten().map(Vec::len).max();
        let one = |key, default| fields.number(key, default).map(|number| number as f32);
        let [scale, offset] = match (lists, count) {
            ([None, None], _) | (_, None) => {
                let (scale, offset) = (one("scale", None)?, one("offset", Some(0.0))?);
                return self.push(layer, LayerOp::Rescale { scale, offset });
            }
            ([scale, offset], Some(count)) => [
                scale.map_or_else(|| Ok(vec![one("scale", None)?; count]), Ok::<_, String>)?,
                offset.map_or_else(|| Ok(vec![one("offset", Some(0.0))?; count]), Ok::<_, String>)?,
            ],
        };
        if scale.len() != offset.len() || scale.iter().chain(&offset).any(|number| !number.is_finite()) {
            return Err(
                "scale and offset are lists that do not fit together, expected as many numbers in both"
                    .to_owned()
                    .into(),
            );
        }
        self.push(layer, line(scale, offset))
    }

    /// `PReLU`, whose slopes are one for each of the last axis, or one for each element.
    pub(super) fn p_relu(&mut self, layer: &Layer<'_>) -> Built<NodeIndex> {
        let read = layer.only_read()?;
        let slope = self.weights(layer, &["alpha"])?.remove(0);
        let Some(shape) = self.shape(read).map(<[usize]>::to_vec) else {
            return self.add(layer, LayerOp::NoOp, &[read]);
        };
        let (channels, elements) = (shape.last().copied().unwrap_or(1), shape.iter().product::<usize>());
        let row = Arc::new(Array::vector(slope.data.clone()));
        let leading: usize = slope.shape.iter().rev().skip(1).product();
        if slope.data.len() == 1 || (slope.data.len() == channels && leading == 1) {
            return self.add(layer, LayerOp::PRelu { slope: row }, &[read]);
        }
        if slope.data.len() != elements {
            return Err(format!(
                "its slopes have shape {:?} for numbers of shape {shape:?}, expected one for each channel \
                 or for each element",
                slope.shape
            )
            .into());
        }
        let flat = self.add(layer, LayerOp::Reshape { target: None }, &[read])?;
        let made = self.add(layer, LayerOp::PRelu { slope: row }, &[flat])?;
        self.add(layer, LayerOp::Reshape { target: Some(shape.into_iter().map(Some).collect()) }, &[made])
    }

    /// The softmax layer, over the last axis.
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
}

/// `scale * x + offset` for each of the last axis, as the BatchNorm that computes just that, or one for all.
pub(super) fn line(scale: Vec<f32>, offset: Vec<f32>) -> LayerOp {
    if let ([scale], [offset]) = (scale.as_slice(), offset.as_slice()) {
        return LayerOp::Rescale { scale: *scale, offset: *offset };
    }
    let count = scale.len().max(offset.len());
    let all =
        |numbers: Vec<f32>| Arc::new(Array::vector((0..count).map(|i| numbers[i % numbers.len()]).collect()));
    LayerOp::BatchNorm(BatchNorm {
        gamma: Some(all(scale)),
        beta: Some(all(offset)),
        mean: all(vec![0.0]),
        variance: all(vec![1.0]),
        epsilon: 0.0,
        fused: false,
    })
}

/// The same norm with its factor `gamma / sqrt(variance + epsilon)` rounded once. Quantised statistics are
/// powers of two, whose sums are on the edge of a sign again and again; there TensorFlow's vectorised `rsqrt`
/// is the rounded number, and `1 / sqrt` in float32 is not.
fn with_rounded_inverse(norm: BatchNorm) -> BatchNorm {
    let count = norm.variance.data.len();
    let inverse = |i: usize| (1.0 / f64::from(norm.variance.data[i] + norm.epsilon).sqrt()) as f32;
    let factor = |i: usize| norm.gamma.as_ref().map_or(inverse(i), |gamma| inverse(i) * gamma.data[i]);
    let gamma = Some(Arc::new(Array::vector((0..count).map(factor).collect())));
    let variance = Arc::new(Array::vector(vec![1.0; count]));
    BatchNorm { gamma, variance, epsilon: 0.0, ..norm }
}

/// The axes, from 0 and without the batch, that have numbers of their own; `None` if the field makes no
/// sense. Keras counts the batch as axis 0.
fn kept_axes(json: &Value, rank: usize) -> Option<Vec<usize>> {
    let axis = |json: &Value| {
        let axis = json.as_i64()?;
        let place = if axis < 0 { axis + rank as i64 } else { axis - 1 };
        usize::try_from(place).ok().filter(|&place| place < rank)
    };
    match json {
        Value::Null => Some(Vec::new()),
        Value::Array(list) => list.iter().map(axis).collect(),
        one => Some(vec![axis(one)?]),
    }
}

/// `numbers`, one for all or one for each element of the `kept` axes, as one for all, for each of the last
/// axis or for each element of a tensor of `shape`.
fn spread(numbers: &[f32], shape: &[usize], kept: &[usize]) -> Result<Vec<f32>, String> {
    let count: usize = kept.iter().map(|&axis| shape[axis]).product();
    if numbers.len() == 1 || (kept == [shape.len() - 1] && numbers.len() == count) {
        return Ok(numbers.to_vec());
    }
    if numbers.len() != count {
        return Err(format!(
            "it has {} means or variances, expected 1 or {count}, one for each element of its axes",
            numbers.len()
        ));
    }
    let place = |mut element: usize| {
        let (mut place, mut step) = (0, 1);
        for axis in (0..shape.len()).rev() {
            if kept.contains(&axis) {
                place += element % shape[axis] * step;
                step *= shape[axis];
            }
            element /= shape[axis];
        }
        place
    };
    Ok((0..shape.iter().product()).map(|element| numbers[place(element)]).collect())
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
    fn statistics_of_several_axes_are_spread_over_the_elements() {
        let axes = |json: serde_json::Value| kept_axes(&json, 3);
        assert_eq!(axes(serde_json::json!([1, -1])), Some(vec![0, 2]));
        assert_eq!((axes(serde_json::json!(0)), axes(serde_json::json!([4]))), (None, None));
        let spread = |numbers: &[f32], shape: &[usize], kept: &[usize]| spread(numbers, shape, kept).ok();
        assert_eq!(spread(&[1.0, 2.0], &[2, 2, 1], &[0]).unwrap(), [1.0, 1.0, 2.0, 2.0]);
        assert_eq!(
            spread(&[1.0, 2.0, 3.0, 4.0], &[2, 2, 2], &[0, 2]).unwrap(),
            [1.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0, 4.0]
        );
        assert_eq!(spread(&[1.0, 2.0], &[3, 2], &[1]).unwrap(), [1.0, 2.0]);
        assert_eq!(spread(&[7.0], &[3, 2], &[0]).unwrap(), [7.0]);
        // Keras would take them along the second axis, not along the last.
        assert_eq!(spread(&[1.0, 2.0, 3.0, 4.0], &[3, 4, 4], &[0, 1]), None);
    }

    #[test]
    fn an_axis_moves_to_the_end_and_back() {
        let (there, back) = moved_to_end(3, 0);
        assert_eq!((there.as_slice(), back.as_slice()), (&[1, 2, 0][..], &[2, 0, 1][..]));
        assert_eq!(moved_to_end(2, 1), (vec![0, 1], vec![0, 1]));
    }
}
