//! Keras models written by hand: a whole-model file from layers and their weights.

use serde_json::{Value, json};
use xonn_compile::graph::Array;
use xonn_compile::keras_write::{Document, Tree};

/// Small random numbers, the same every time.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    pub fn sign(&mut self) -> f32 {
        if self.below(2) == 1 { 1.0 } else { -1.0 }
    }

    pub fn signs(&mut self, shape: &[usize]) -> Array {
        let data = (0..shape.iter().product()).map(|_| self.sign()).collect();
        Array { shape: shape.to_vec(), data }
    }
}

/// A layer: its class, its configuration, its weights in Keras's order.
#[derive(Clone)]
pub struct Layer {
    pub class: &'static str,
    pub config: Value,
    pub weights: Vec<(&'static str, Array)>,
}

fn layer(class: &'static str, config: Value, weights: Vec<(&'static str, Array)>) -> Layer {
    Layer { class, config, weights }
}

pub fn input(shape: &[usize]) -> Layer {
    let shape: Vec<Value> = [Value::Null].into_iter().chain(shape.iter().map(|&n| json!(n))).collect();
    layer("InputLayer", json!({ "name": "in", "batch_input_shape": shape, "dtype": "float32" }), vec![])
}

/// A larq layer with signs for weights; it binarises what it reads unless it is the first.
fn quantised(
    class: &'static str,
    name: &str,
    more: Value,
    first: bool,
    kernel: Array,
    bias: Option<Vec<f32>>,
) -> Layer {
    let mut config = json!({
        "name": name, "activation": "linear", "use_bias": bias.is_some(), "kernel_quantizer": "ste_sign",
        "input_quantizer": if first { Value::Null } else { json!("ste_sign") }
    });
    let fields = config.as_object_mut().expect("an object");
    fields.extend(more.as_object().expect("an object").clone());
    let mut weights = vec![("kernel", kernel)];
    weights.extend(bias.map(|bias| ("bias", Array::vector(bias))));
    layer(class, config, weights)
}

pub fn dense(name: &str, first: bool, kernel: Array, bias: Option<Vec<f32>>) -> Layer {
    let units = kernel.last_axis();
    quantised("QuantDense", name, json!({ "units": units }), first, kernel, bias)
}

pub fn conv(
    name: &str,
    first: bool,
    kernel: Array,
    bias: Option<Vec<f32>>,
    padding: &str,
    pad: f32,
) -> Layer {
    let more = json!({
        "filters": kernel.last_axis(), "kernel_size": kernel.shape[..2],
        "strides": [1, 1], "padding": padding,
        "data_format": "channels_last", "dilation_rate": [1, 1], "groups": 1, "pad_values": pad
    });
    quantised("QuantConv2D", name, more, first, kernel, bias)
}

/// `gamma`, `beta` and `mean` of each channel; the variance is 1.
pub fn norm(name: &str, channels: &[[f32; 3]]) -> Layer {
    let column = |i: usize| Array::vector(channels.iter().map(|c| c[i]).collect());
    let weights = vec![
        ("gamma", column(0)),
        ("beta", column(1)),
        ("moving_mean", column(2)),
        ("moving_variance", Array::vector(vec![1.0; channels.len()])),
    ];
    let config = json!({ "name": name, "axis": [-1], "epsilon": 0.001, "center": true, "scale": true });
    layer("BatchNormalization", config, weights)
}

pub fn plain(class: &'static str, config: Value) -> Layer {
    layer(class, config, vec![])
}

/// The file of a chain of layers.
pub fn sequential(layers: &[Layer]) -> Document {
    let configs: Vec<Value> =
        layers.iter().map(|l| json!({ "class_name": l.class, "config": l.config })).collect();
    document(json!({ "class_name": "Sequential", "config": { "name": "m", "layers": configs } }), layers)
}

/// The file of layers that are called as said: for each call the layer and call that it reads. The output is
/// the first call of the last layer.
pub fn functional(layers: &[(Layer, Vec<(&str, usize)>)]) -> Document {
    let configs: Vec<Value> = layers
        .iter()
        .map(|(layer, calls)| {
            let calls: Vec<Value> = calls.iter().map(|(name, call)| json!([[name, call, 0, {}]])).collect();
            let name = &layer.config["name"];
            json!({ "class_name": layer.class, "config": layer.config, "name": name, "inbound_nodes": calls })
        })
        .collect();
    let name = |i: usize| layers[i].0.config["name"].clone();
    let config = json!({ "class_name": "Functional", "config": {
        "name": "m", "layers": configs, "input_layers": [[name(0), 0, 0]],
        "output_layers": [[name(layers.len() - 1), 0, 0]]
    } });
    let layers: Vec<Layer> = layers.iter().map(|(layer, _)| layer.clone()).collect();
    document(config, &layers)
}

/// The file of layers that are called once each, with any number of tensors; every layer that reads none is
/// an input. The output is the last layer.
pub fn joined(layers: &[(Layer, Vec<&str>)]) -> Document {
    let name = |layer: &Layer| layer.config["name"].clone();
    let configs: Vec<Value> = layers
        .iter()
        .map(|(layer, reads)| {
            let reads: Vec<Value> = reads.iter().map(|read| json!([read, 0, 0, {}])).collect();
            let calls = if reads.is_empty() { json!([]) } else { json!([reads]) };
            json!({ "class_name": layer.class, "config": layer.config, "name": name(layer),
                    "inbound_nodes": calls })
        })
        .collect();
    let inputs = layers.iter().filter(|(_, reads)| reads.is_empty());
    let inputs: Vec<Value> = inputs.map(|(layer, _)| json!([name(layer), 0, 0])).collect();
    let output = name(&layers[layers.len() - 1].0);
    let config = json!({ "class_name": "Functional", "config": {
        "name": "m", "layers": configs, "input_layers": inputs, "output_layers": [[output, 0, 0]]
    } });
    let layers: Vec<Layer> = layers.iter().map(|(layer, _)| layer.clone()).collect();
    document(config, &layers)
}

fn document(config: Value, layers: &[Layer]) -> Document {
    let mut weights = Tree::default();
    let mut names = Vec::new();
    for layer in layers {
        let name = layer.config["name"].as_str().expect("a name").to_owned();
        let mut group = Tree::default();
        let list = layer.weights.iter().map(|(role, _)| format!("{role}:0")).collect();
        group.lists.insert("weight_names".into(), list);
        group.datasets.extend(layer.weights.iter().map(|(role, array)| (format!("{role}:0"), array.clone())));
        weights.groups.insert(name.clone(), group);
        names.push(name);
    }
    weights.lists.insert("layer_names".into(), names);
    let mut root = Tree::default();
    root.texts.insert("model_config".into(), config.to_string());
    root.texts.insert("keras_version".into(), "2.15.0".into());
    root.groups.insert("model_weights".into(), weights);
    let bytes = root.to_hdf5().expect("it can be written");
    Document::from_bytes(bytes, "by_hand.h5").expect("it can be read")
}
