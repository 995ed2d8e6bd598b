//! Removes channels from a Keras file: its weights, its configuration, and what the sums behind lose.

use serde_json::Value;

use super::model::Model;
use super::space::{Absorber, Axis, Consumer, Space};
use crate::graph::{Array, LayerOp};
use crate::keras_write::Document;

/// What each removed element stood for on average (or always): one number an element of the consumer's axis.
pub type Means = Vec<f64>;

/// The model's file without the channels `removed` (ascending) of `space`.
///
/// * `means`: one a consumer; what the removed elements added to the consumer's sums is put into its bias, or
///   taken from the mean of the BatchNorm behind it, where it has one of the two.
#[must_use]
pub fn remove(model: &Model, space: &Space, removed: &[usize], means: &[Means]) -> Document {
    let mut document = model.document.clone();
    for (consumer, means) in space.consumers.iter().zip(means) {
        let Some(absorber) = &consumer.absorber else { continue };
        let lost = lost(model, consumer, removed, means);
        let (path, sign) = match absorber {
            Absorber::Bias(path) => (path, 1.0),
            Absorber::Mean(path) => (path, -1.0),
        };
        if let Some(array) = document.array_mut(path) {
            for (value, lost) in array.data.iter_mut().zip(&lost) {
                *value = (f64::from(*value) + sign * lost) as f32;
            }
        }
    }
    for slice in &space.slices {
        if let Some(array) = document.array_mut(&slice.path) {
            cut(array, slice.dim, slice.axis, removed);
        }
    }
    configure(&mut document, model, space, removed.len());
    document
}

/// What the sums of each output of `consumer` lose: `sum(kernel * mean)` over the removed elements and all
/// taps.
#[must_use]
pub fn lost(model: &Model, consumer: &Consumer, removed: &[usize], means: &[f64]) -> Vec<f64> {
    let Some(kernel) = kernel(model, consumer) else { return Vec::new() };
    let (inputs, outputs) = (consumer.axis.len(), kernel.last_axis());
    let mut lost = vec![0.0; outputs];
    for element in removed.iter().flat_map(|&channel| consumer.axis.elements(channel)) {
        for row in kernel.data.chunks(outputs).skip(element).step_by(inputs) {
            for (lost, &weight) in lost.iter_mut().zip(row) {
                *lost += f64::from(weight) * means[element];
            }
        }
    }
    lost
}

/// The quantised kernel that multiplies the channels, `[.., input, output]`; `None` in a separable
/// convolution.
#[must_use]
pub fn kernel<'m>(model: &'m Model, consumer: &Consumer) -> Option<&'m Array> {
    let ops = model.ops(&consumer.name);
    let kernel = ops.iter().find_map(|op| match op {
        LayerOp::Dense { kernel, .. } | LayerOp::Conv2d { kernel, .. } => Some(kernel.as_ref()),
        _ => None,
    });
    kernel.filter(|_| consumer.is_direct)
}

/// Removes the elements of some channels from one axis of an array.
fn cut(array: &mut Array, dim: usize, axis: Axis, removed: &[usize]) {
    let length = array.shape[dim];
    let run: usize = array.shape[dim + 1..].iter().product();
    let keep: Vec<bool> = (0..length).map(|i| removed.binary_search(&axis.channel(i)).is_err()).collect();
    let rows = array.data.chunks(run.max(1)).enumerate();
    array.data = rows.filter(|(i, _)| keep[i % length]).flat_map(|(_, row)| row.to_vec()).collect();
    array.shape[dim] = keep.iter().filter(|&&keep| keep).count();
}

/// Puts the new number of channels wherever the configuration has the old one.
fn configure(document: &mut Document, model: &Model, space: &Space, removed: usize) {
    let shorter = |axis: Axis| Axis { channels: axis.channels - removed, ..axis }.len();
    let kernels: Vec<(usize, Vec<usize>)> =
        (space.readers.iter().map(|(layer, _)| *layer).chain([space.layer]))
            .filter_map(|layer| {
                let places = model.places.of(&model.config.layers[layer].name);
                let shapes =
                    places.iter().filter_map(|place| Some(document.array(&place.path)?.shape.clone()));
                Some((layer, shapes.into_iter().next()?))
            })
            .collect();
    let outputs: Vec<(String, usize)> = space
        .writers
        .iter()
        .map(|&(layer, axis)| (model.config.layers[layer].name.clone(), shorter(axis)))
        .collect();
    let layers = document.layers_mut();
    if let Some(count) = layers[space.layer].pointer_mut(&format!("/config/{}", space.key)) {
        *count = Value::from(space.channels - removed);
    }
    for &(reader, axis) in &space.readers {
        for built in ["/build_config/input_shape", "/config/input_quantizer/build_config/input_shape"] {
            if let Some(shape) = layers[reader].pointer_mut(built) {
                set_last(shape, axis.len(), shorter(axis));
            }
        }
    }
    for (layer, shape) in kernels {
        for quantizer in ["kernel_quantizer", "depthwise_quantizer"] {
            let built = layers[layer].pointer_mut(&format!("/config/{quantizer}/build_config/input_shape"));
            if let Some(built) = built.filter(|b| b.as_array().is_some_and(|b| b.len() == shape.len())) {
                *built = Value::from(shape.clone());
            }
        }
    }
    for layer in layers {
        set_revived(layer, &outputs);
    }
}

/// Sets the last number of a list of lengths, if it is the old one.
fn set_last(shape: &mut Value, old: usize, new: usize) {
    if let Some(last) = shape.as_array_mut().and_then(|list| list.last_mut())
        && last.as_u64() == Some(old as u64)
    {
        *last = Value::from(new);
    }
}

/// Keras 3 repeats a tensor's shape wherever a layer is called with it.
fn set_revived(json: &mut Value, outputs: &[(String, usize)]) {
    match json {
        Value::Array(list) => list.iter_mut().for_each(|json| set_revived(json, outputs)),
        Value::Object(object) if object.get("class_name") == Some(&Value::from("__keras_tensor__")) => {
            let Some(config) = object.get_mut("config") else { return };
            let name = config.pointer("/keras_history/0").and_then(Value::as_str);
            let length = outputs.iter().find(|(output, _)| Some(output.as_str()) == name).map(|(_, n)| *n);
            if let Some(length) = length
                && let Some(last) =
                    config.get_mut("shape").and_then(Value::as_array_mut).and_then(|shape| shape.last_mut())
            {
                *last = Value::from(length);
            }
        }
        Value::Object(object) => object.values_mut().for_each(|json| set_revived(json, outputs)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cutting_removes_whole_channels() {
        let axis = Axis { outer: 2, channels: 3, inner: 1 };
        let mut array = Array { shape: vec![6, 2], data: (0..12).map(|i| i as f32).collect() };
        cut(&mut array, 0, axis, &[1]);
        assert_eq!(array.shape, [4, 2]);
        assert_eq!(array.data, [0.0, 1.0, 4.0, 5.0, 6.0, 7.0, 10.0, 11.0]);
        let mut last = Array { shape: vec![2, 3], data: vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0] };
        cut(&mut last, 1, Axis { outer: 1, ..axis }, &[0, 2]);
        assert_eq!((last.shape, last.data), (vec![2, 1], vec![1.0, 4.0]));
    }

    #[test]
    fn shapes_in_the_configuration_follow() {
        let mut json = serde_json::json!({"args": [{"class_name": "__keras_tensor__", "config": {
            "shape": [null, 4, 16], "dtype": "float32", "keras_history": ["dense", 0, 0]}}]});
        set_revived(&mut json, &[("dense".into(), 11)]);
        assert_eq!(json["args"][0]["config"]["shape"], serde_json::json!([null, 4, 11]));
        let mut shape = serde_json::json!([null, 7]);
        set_last(&mut shape, 8, 6);
        assert_eq!(shape, serde_json::json!([null, 7]), "another length is left alone");
    }
}
