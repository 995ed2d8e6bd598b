//! Layers from their configuration and weights: what is understood becomes graph operations, the rest refusals.

use petgraph::graph::NodeIndex;
use serde_json::Value;

use super::config::{LayerConfig, ModelConfig};
use super::hdf5::Array;
use super::quantizer::{self, Quantizer};
use super::weights::Weights;
use super::{KerasError, ReadOptions, Refusal};
use crate::graph::{BatchNorm, LayerGraph, Op};

/// Largest number of elements of a tensor.
const MAX_ELEMENTS: usize = 1 << 24;

/// Most units of a dense layer.
const MAX_UNITS: u64 = 1 << 20;

/// Builds the graph of a model.
///
/// # Errors
/// [`KerasError::Refused`] with every refusal, or the first missing or malformed weight.
pub fn build(
    model: &ModelConfig,
    mut weights: Weights,
    file: &str,
    options: &ReadOptions,
) -> Result<LayerGraph, KerasError> {
    let inputs: Vec<&LayerConfig> = model.layers.iter().filter(|l| l.class == "InputLayer").collect();
    let [input] = inputs.as_slice() else {
        let reason = format!("the model has {} inputs, expected 1", inputs.len());
        return Err(KerasError::Config { file: file.into(), reason });
    };
    let shape =
        input_shape(&input.config).map_err(|reason| KerasError::Config { file: file.into(), reason })?;
    let mut builder = Builder { graph: LayerGraph::new(&input.name, shape), options, file };
    let mut refusals = Vec::new();
    // The node of each layer; a refused layer passes its input on, so that all refusals are found at once.
    let mut nodes: Vec<NodeIndex> = Vec::new();
    let mut shapes_known = true;
    for layer in &model.layers {
        let read = layer.inputs.first().map_or(builder.graph.input(), |&i| nodes[i]);
        let refuse = |reason| Refusal { layer: layer.name.clone(), class: layer.class.clone(), reason };
        if layer.inputs.len() > 1 {
            refusals.push(refuse(format!(
                "it reads {} tensors, layers that join branches are not supported yet",
                layer.inputs.len()
            )));
            nodes.push(read);
            continue;
        }
        match builder.layer(layer, weights.take(&layer.name), read) {
            Ok(node) => nodes.push(node),
            Err(Trouble::Refused(reasons)) => {
                refusals.extend(reasons.into_iter().map(refuse));
                shapes_known = false;
                nodes.push(read);
            }
            // Behind a refused layer shapes are not known, so they may not be blamed.
            Err(Trouble::Misfit(_) | Trouble::Broken(_)) if !shapes_known => nodes.push(read),
            Err(Trouble::Misfit(reason)) => {
                refusals.push(refuse(reason));
                shapes_known = false;
                nodes.push(read);
            }
            Err(Trouble::Broken(error)) => return Err(*error),
        }
    }
    if refusals.is_empty() {
        builder.graph.set_output(nodes[model.output]);
        Ok(builder.graph)
    } else {
        Err(KerasError::Refused { file: file.into(), refusals })
    }
}

fn input_shape(config: &Value) -> Result<Vec<usize>, String> {
    let shape = ["batch_input_shape", "batch_shape"].into_iter().find_map(|key| config[key].as_array());
    let shape = shape.ok_or("the input layer has no shape")?;
    let mut axes = Vec::new();
    for axis in shape.iter().skip(1) {
        let length = axis.as_u64().filter(|&n| n > 0 && n <= MAX_ELEMENTS as u64).ok_or_else(|| {
            format!(
                "the input has shape {}, expected a known length for each axis",
                Value::from(shape.clone())
            )
        })?;
        axes.push(length as usize);
    }
    match axes.iter().try_fold(1usize, |n, &axis| n.checked_mul(axis)) {
        Some(elements) if elements <= MAX_ELEMENTS && !axes.is_empty() => Ok(axes),
        _ => Err(format!("the input has shape {axes:?}, expected 1 to {MAX_ELEMENTS} elements")),
    }
}

/// Why a layer could not be built.
enum Trouble {
    /// Not supported; all reasons at once.
    Refused(Vec<String>),
    /// It does not fit the shape that it reads.
    Misfit(String),
    /// Missing or malformed weights.
    Broken(Box<KerasError>),
}

impl From<String> for Trouble {
    fn from(reason: String) -> Self {
        Self::Refused(vec![reason])
    }
}

type Built<T> = Result<T, Trouble>;

struct Builder<'a> {
    graph: LayerGraph,
    options: &'a ReadOptions,
    file: &'a str,
}

/// Classes that do nothing at prediction time.
const NO_OPS: [&str; 8] = [
    "Dropout",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "GaussianDropout",
    "GaussianNoise",
    "AlphaDropout",
    "ActivityRegularization",
    "Identity",
];

impl Builder<'_> {
    fn layer(
        &mut self,
        layer: &LayerConfig,
        weights: Vec<(String, Array)>,
        read: NodeIndex,
    ) -> Built<NodeIndex> {
        let config = &layer.config;
        check_dtype(&config["dtype"])?;
        match layer.class.as_str() {
            "InputLayer" => Ok(self.graph.input()),
            "Dense" => self.dense(layer, weights, read, Quantizer::Identity, Quantizer::Identity),
            "QuantDense" => {
                let input = quantizer::parse(&config["input_quantizer"], &self.options.custom);
                let kernel = quantizer::parse(&config["kernel_quantizer"], &self.options.custom);
                let both: Vec<String> =
                    [&input, &kernel].into_iter().filter_map(|q| q.clone().err()).collect();
                match (input, kernel) {
                    (Ok(input), Ok(kernel)) => self.dense(layer, weights, read, input, kernel),
                    _ => Err(Trouble::Refused(both)),
                }
            }
            "BatchNormalization" => self.batch_norm(layer, weights, read),
            "Activation" => self.activation(&layer.name, &config["activation"], read),
            "Softmax" => self.add(&layer.name, Op::Softmax, read),
            "Flatten" => self.add(&layer.name, Op::Flatten, read),
            "Rescaling" => {
                let number = |key: &str| {
                    let value = config[key].as_f64().filter(|v| v.is_finite());
                    value
                        .map(|v| v as f32)
                        .ok_or_else(|| format!("{key} is {}, expected one number", config[key]))
                };
                Ok(self.graph.add(
                    &layer.name,
                    Op::Rescale { scale: number("scale")?, offset: number("offset")? },
                    read,
                )?)
            }
            class if NO_OPS.contains(&class) => self.add(&layer.name, Op::Identity, read),
            class => match quantizer::parse(&Value::from(class), &self.options.custom) {
                Ok(quantizer) => self.quantize(&layer.name, quantizer, read),
                Err(_) => Err(unsupported_class(layer).into()),
            },
        }
    }

    fn add(&mut self, name: &str, op: Op, read: NodeIndex) -> Built<NodeIndex> {
        self.graph.add(name, op, read).map_err(Trouble::Misfit)
    }

    fn quantize(&mut self, name: &str, quantizer: Quantizer, read: NodeIndex) -> Built<NodeIndex> {
        match quantizer {
            Quantizer::Identity => Ok(read),
            Quantizer::Sign => self.add(name, Op::Sign, read),
        }
    }

    fn activation(&mut self, name: &str, activation: &Value, read: NodeIndex) -> Built<NodeIndex> {
        match activation {
            Value::Null => Ok(read),
            Value::String(known) if known == "linear" => Ok(read),
            Value::String(known) if known == "softmax" => self.add(name, Op::Softmax, read),
            other => {
                let quantizer = quantizer::parse(other, &self.options.custom)?;
                self.quantize(name, quantizer, read)
            }
        }
    }

    fn dense(
        &mut self,
        layer: &LayerConfig,
        weights: Vec<(String, Array)>,
        read: NodeIndex,
        input_quantizer: Quantizer,
        kernel_quantizer: Quantizer,
    ) -> Built<NodeIndex> {
        let config = &layer.config;
        let units = config["units"].as_u64().filter(|n| (1..=MAX_UNITS).contains(n));
        let units =
            units.ok_or_else(|| format!("units is {}, expected 1 to {MAX_UNITS}", config["units"]))? as usize;
        let [inputs] = self.graph.layer(read).shape[..] else {
            let shape = &self.graph.layer(read).shape;
            return Err(Trouble::Misfit(format!(
                "it reads shape {shape:?}, expected a vector; put a Flatten before it"
            )));
        };
        let use_bias = config["use_bias"].as_bool().unwrap_or(true);
        let mut taken = Taken { weights: weights.into_iter(), layer: &layer.name, file: self.file };
        let latent = taken.next("kernel", &[inputs, units])?;
        let bias = if use_bias { Some(taken.next("bias", &[units])?) } else { None };
        let kernel: Vec<f32> = latent.iter().map(|&w| kernel_quantizer.apply(w)).collect();
        if let Some(at) = kernel.iter().position(|w| w.abs() != 1.0) {
            return Err(format!(
                "its kernel is not binary: element {at} is {}, expected +1 or -1; use larq's QuantDense with \
                 kernel_quantizer=\"ste_sign\", or save the binarised kernel",
                kernel[at]
            )
            .into());
        }
        let read = self.quantize(&layer.name, input_quantizer, read)?;
        let dense = self.add(&layer.name, Op::Dense { kernel, units, bias }, read)?;
        self.activation(&layer.name, &config["activation"], dense)
    }

    fn batch_norm(
        &mut self,
        layer: &LayerConfig,
        weights: Vec<(String, Array)>,
        read: NodeIndex,
    ) -> Built<NodeIndex> {
        let config = &layer.config;
        let shape = self.graph.layer(read).shape.clone();
        let axis = match &config["axis"] {
            Value::Array(list) if list.len() == 1 => list[0].as_i64(),
            other => other.as_i64(),
        };
        // Axes count the batch; -1 is the last.
        if axis.is_none_or(|axis| axis != -1 && axis != shape.len() as i64) {
            return Err(format!("axis {}, expected the last axis", config["axis"]).into());
        }
        let epsilon = config["epsilon"].as_f64().unwrap_or(1e-3) as f32;
        let flag = |key: &str| config[key].as_bool().unwrap_or(true);
        let channels = shape.last().copied().unwrap_or(1);
        let mut taken = Taken { weights: weights.into_iter(), layer: &layer.name, file: self.file };
        let one = &[channels];
        let gamma = if flag("scale") { taken.next("gamma", one)? } else { vec![1.0; channels] };
        let beta = if flag("center") { taken.next("beta", one)? } else { vec![0.0; channels] };
        let (mean, variance) = (taken.next("moving_mean", one)?, taken.next("moving_variance", one)?);
        if let Some(index) = variance.iter().position(|&v| v < 0.0 || v + epsilon <= 0.0) {
            return Err(Trouble::Broken(Box::new(KerasError::WeightValue {
                file: self.file.into(),
                layer: layer.name.clone(),
                weight: "moving_variance".into(),
                index,
                value: variance[index],
                expected: "a number that is not negative, and positive with epsilon added",
            })));
        }
        let norm = BatchNorm { gamma, beta, mean, variance, epsilon };
        self.add(&layer.name, Op::BatchNorm(norm), read)
    }
}

fn unsupported_class(layer: &LayerConfig) -> String {
    let registered = layer.registered.as_deref().filter(|name| *name != layer.class);
    let name = registered.map_or(String::new(), |name| format!(" (registered as {name})"));
    format!("layers of class {}{name} are not supported", layer.class)
}

/// Models that compute in another precision round differently, so their cuts would be others.
fn check_dtype(dtype: &Value) -> Result<(), String> {
    let name = match dtype {
        Value::Null => return Ok(()),
        Value::String(name) => Some(name.as_str()),
        policy => policy["config"]["name"].as_str(),
    };
    match name {
        Some("float32") => Ok(()),
        _ => Err(format!("dtype {dtype}, expected float32")),
    }
}

/// A layer's weights, taken in the order in which Keras saves them.
struct Taken<'a> {
    weights: std::vec::IntoIter<(String, Array)>,
    layer: &'a str,
    file: &'a str,
}

impl Taken<'_> {
    fn next(&mut self, weight: &str, expected: &[usize]) -> Built<Vec<f32>> {
        let broken = |error| Err(Trouble::Broken(Box::new(error)));
        let (file, layer, weight) = (self.file.to_owned(), self.layer.to_owned(), weight.to_owned());
        let found = match self.weights.next() {
            // Whole-model files name their weights, numbered ones do not.
            Some((name, array)) if name == weight || name.bytes().all(|b| b.is_ascii_digit()) => array,
            Some((name, _)) => {
                let found = format!("found {name:?} in its place");
                return broken(KerasError::MissingWeight { file, layer, weight, found });
            }
            None => {
                let found = "found none".into();
                return broken(KerasError::MissingWeight { file, layer, weight, found });
            }
        };
        if found.shape != expected {
            let (found, expected) = (found.shape, expected.to_vec());
            return broken(KerasError::WeightShape { file, layer, weight, found, expected });
        }
        match found.values.iter().position(|v| !v.is_finite()) {
            Some(index) => {
                let (value, expected) = (found.values[index], "a finite number");
                broken(KerasError::WeightValue { file, layer, weight, index, value, expected })
            }
            None => Ok(found.values),
        }
    }
}
