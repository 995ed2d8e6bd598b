//! Layers from their configuration and weights: what is understood becomes graph operations, the rest refusals.
//!
//! What Keras does in one layer may be several operations here: input quantiser, kernel, activation. Layers with
//! `channels_first` stand between two transpositions, 1D layers between two reshapes, so that every operation sees
//! `[height, width, channels]`.

mod arithmetic;
mod arrays;
mod combine;
mod crop;
pub(super) mod expression;
mod folded;
mod linear;
mod norm;
mod operation;
mod pool;
mod survey;
mod unsupported;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use petgraph::stable_graph::NodeIndex;
use serde_json::Value;

use super::config::{LayerConfig, ModelConfig, TensorRef};
use super::fields::Fields;
use super::functions;
use super::inbound::brief;
use super::quantizer::{self, Activation};
use super::weights::{Weights, join};
use super::{KerasError, ReadOptions, Refusal};
use crate::graph::{Array, Function, LayerGraph, LayerOp, Quantizer, Steps, shape};

/// Most operations of a graph; nested models that are called several times multiply.
const MAX_NODES: usize = 1 << 15;

/// Most numbers of a model's input: a colour image of 1,182 x 1,182, and half a gigabyte of labels at 8 bits each.
const MAX_INPUT: usize = 1 << 22;

/// Deepest nesting of models.
const MAX_DEPTH: usize = 16;

/// Where a graph comes from.
pub(super) struct Origin<'a> {
    /// The file, for messages.
    pub file: &'a str,
    /// Major version of the Keras that wrote it.
    pub keras: u32,
    /// The user's part.
    pub options: &'a ReadOptions,
}

/// Builds the graph of a model; with what is wrong with the weights as a whole, if they could not be read.
///
/// # Errors
/// [`KerasError::Refused`] with everything that is wrong; the error itself if it is one about a weight.
pub(super) fn build(
    model: &ModelConfig,
    weights: Result<Weights, KerasError>,
    origin: Origin<'_>,
) -> Result<LayerGraph, KerasError> {
    let file = origin.file.to_owned();
    let (weights, unread) = match weights {
        Ok(weights) => (weights, None),
        Err(error) => (Weights::default(), Some(error)),
    };
    let mut builder = Builder {
        graph: LayerGraph::default(),
        weights: &weights,
        weights_are_known: unread.is_none(),
        arrays: HashMap::new(),
        origin,
        refusals: Vec::new(),
        broken: unread,
        integers: HashSet::new(),
    };
    if let Some(error) = &builder.broken {
        builder.refusals = error.refusals();
    }
    let outputs = builder.model(model, "", None, 0)?;
    // Found in the order of the graph; samples come in the order of the model's arguments.
    let place = |node: &NodeIndex, graph: &LayerGraph| {
        model.inputs.iter().position(|&input| model.layers[input].name == graph.graph[*node].name)
    };
    let mut inputs = std::mem::take(&mut builder.graph.inputs);
    inputs.sort_by_key(|node| place(node, &builder.graph).unwrap_or(usize::MAX));
    builder.graph.inputs = inputs;
    let output = choose_output(model, &outputs, &builder.origin);
    if let (Err(error), false) = (&output, builder.refusals.is_empty()) {
        builder.refusals.extend(error.refusals());
    }
    match (builder.refusals.len(), builder.broken) {
        (0, _) => {}
        (1, Some(broken)) => return Err(broken),
        _ => {
            let rest = Box::new(rest_of(builder.graph));
            return Err(KerasError::Refused { file, refusals: builder.refusals, rest });
        }
    }
    let mut graph = builder.graph;
    graph.notes.extend(model.own_class.as_ref().map(|class| {
        format!(
            "the model is of your own class {class:?} and is taken as the graph of layers in its file; if \
             its call() does more than run that graph, the circuit is not yours"
        )
    }));
    graph.output = output?;
    graph.retain_ancestors_of_output();
    graph.verify().map_err(|e| KerasError::Config { file: file.clone(), reason: e.to_string() })?;
    Ok(graph)
}

/// What does not depend on a refused layer: such layers, and those behind them, have no shape.
fn rest_of(mut graph: LayerGraph) -> LayerGraph {
    graph.graph.retain_nodes(|graph, node| !graph[node].shape.is_empty());
    let LayerGraph { graph: nodes, inputs, .. } = &mut graph;
    inputs.retain(|&input| nodes.contains_node(input));
    graph
}

/// The output that the user named, or the only one.
fn choose_output(
    model: &ModelConfig,
    outputs: &[NodeIndex],
    origin: &Origin<'_>,
) -> Result<NodeIndex, KerasError> {
    let names: Vec<&str> = model.outputs.iter().map(|r| model.layers[r.layer].name.as_str()).collect();
    let error = |reason: String| Err(KerasError::Config { file: origin.file.into(), reason });
    match &origin.options.output {
        Some(name) => match (0..names.len()).filter(|&i| names[i] == name).collect::<Vec<_>>()[..] {
            [i] => Ok(outputs[i]),
            [_, _, ..] => error(format!(
                "several outputs are named {name:?}, of {names:?}; expected one, call the layer once or save a model with that \
                 output alone"
            )),
            [] => error(format!("no output is named {name:?}, expected one of {names:?}")),
        },
        None if outputs.len() == 1 => Ok(outputs[0]),
        None => {
            error(format!("the model has the outputs {names:?}, expected one; choose it with --output-layer"))
        }
    }
}

/// Why a layer could not be built.
enum Trouble {
    /// Not supported.
    Refused(String),
    /// Missing or malformed weights.
    Broken(Box<KerasError>),
    /// It needs weights, and why there are none is told once, for the model.
    NoWeights,
}

impl From<String> for Trouble {
    fn from(reason: String) -> Self {
        Self::Refused(reason)
    }
}

type Built<T> = Result<T, Trouble>;

struct Builder<'a> {
    graph: LayerGraph,
    weights: &'a Weights,
    /// Whether the weights could be read at all.
    weights_are_known: bool,
    /// Weights as they are computed with, by path and role, so that calls of a shared layer share them.
    arrays: HashMap<(String, &'static str), Arc<Array>>,
    origin: Origin<'a>,
    /// Everything that is wrong.
    refusals: Vec<Refusal>,
    /// The first error about weights among them.
    broken: Option<KerasError>,
    /// Tensors of integers, which Keras adds up in their own type: inputs, and what moves or picks their elements.
    integers: HashSet<NodeIndex>,
}

/// One call of a layer that is being built.
struct Layer<'c> {
    config: &'c LayerConfig,
    /// Its name within nested models.
    path: String,
    reads: Vec<NodeIndex>,
}

impl<'c> Layer<'c> {
    fn fields(&self) -> Fields<'c> {
        Fields(&self.config.config)
    }

    fn only_read(&self) -> Built<NodeIndex> {
        match self.reads[..] {
            [read] => Ok(read),
            _ => Err(format!("it reads {} tensors, expected 1", self.reads.len()).into()),
        }
    }
}

impl Builder<'_> {
    /// Adds all layers of a model and gives its outputs; `arguments` are the tensors that a nested model is called with.
    fn model(
        &mut self,
        model: &ModelConfig,
        outer: &str,
        arguments: Option<&[NodeIndex]>,
        depth: usize,
    ) -> Result<Vec<NodeIndex>, KerasError> {
        let config_error = |reason: String| KerasError::Config { file: self.origin.file.into(), reason };
        if depth > MAX_DEPTH {
            return Err(config_error(format!("models are nested more than {MAX_DEPTH} deep")));
        }
        if let Some(arguments) = arguments.filter(|arguments| arguments.len() != model.inputs.len()) {
            let reason = format!(
                "model {outer:?} is called with {} tensors, expected {}",
                arguments.len(),
                model.inputs.len()
            );
            return Err(config_error(reason));
        }
        // A refused layer gives what it reads, so that all refusals are found at once; such tensors have no shape.
        let mut results: HashMap<(usize, usize), Vec<NodeIndex>> = HashMap::new();
        for &TensorRef { layer, call, .. } in &model.order {
            let config = &model.layers[layer];
            let path = join(outer, &config.name);
            if self.graph.graph.node_count() > MAX_NODES {
                let reason = format!("more than {MAX_NODES} operations with all nested models written out");
                return Err(KerasError::Config { file: self.origin.file.into(), reason });
            }
            let reads: Vec<NodeIndex> =
                config.calls[call].reads.iter().map(|r| results[&(r.layer, r.call)][r.tensor]).collect();
            let argument =
                arguments.and_then(|a| Some(a[model.inputs.iter().position(|&input| input == layer)?]));
            let made = match (&config.nested, argument) {
                (_, Some(argument)) => vec![argument],
                (Some(nested), None) => {
                    let layer = Layer { config, path, reads };
                    // With training=True its BatchNorm takes the batch's statistics.
                    if let Some(reason) = survey::extra_argument(&layer, call) {
                        self.note(&layer, call, Trouble::Refused(reason));
                    }
                    self.model(nested, &layer.path, Some(&layer.reads), depth + 1)?
                }
                (None, None) => {
                    let layer = Layer { config, path, reads };
                    vec![self.layer_or_refusal(&layer, call)]
                }
            };
            results.insert((layer, call), made);
        }
        Ok(model.outputs.iter().map(|r| results[&(r.layer, r.call)][r.tensor]).collect())
    }

    fn layer_or_refusal(&mut self, layer: &Layer<'_>, call: usize) -> NodeIndex {
        let built = match survey::extra_argument(layer, call) {
            Some(reason) => Err(Trouble::Refused(reason)),
            None => {
                check_dtype(layer.config).map_err(Trouble::Refused).and_then(|()| self.layer(layer, call))
            }
        };
        match built {
            Ok(node) => {
                self.note_float64(layer, node);
                return node;
            }
            Err(trouble) => self.note(layer, call, trouble),
        }
        // Without a shape, so that nothing behind it is blamed.
        self.graph.add(&layer.path, &layer.config.class, LayerOp::NoOp, &[])
    }

    /// Says where float64 may round otherwise than float32, in which cuts are found: nowhere where elements
    /// move only, and not in front of a sign alone.
    fn note_float64(&mut self, layer: &Layer<'_>, node: NodeIndex) {
        let exact = matches!(
            self.graph.graph[node].op,
            LayerOp::Input { .. }
                | LayerOp::NoOp
                | LayerOp::Reshape { .. }
                | LayerOp::Transpose { .. }
                | LayerOp::Pick { .. }
                | LayerOp::Concatenate
                | LayerOp::MaxPool2d(_)
                | LayerOp::Quantize(Quantizer::Sign | Quantizer::Heaviside | Quantizer::Ternary)
        );
        if layer.fields().is_float64() && !exact {
            self.graph.notes.push(format!(
                "layer {:?} computes in float64, and its cuts are found in float32: predictions may differ \
                 where a sum is within a rounding of float32 of a threshold",
                layer.path
            ));
        }
    }

    fn layer(&mut self, layer: &Layer<'_>, call: usize) -> Built<NodeIndex> {
        let fields = layer.fields();
        // A class of the user's own may do anything, also under the name of a known one. BinaryNet's come from no library.
        let config = layer.config;
        let own = config.is_registered() || config.is_of_own_module();
        let custom = &self.origin.options.custom;
        let said = [Some(&config.class), config.registered.as_ref()]
            .into_iter()
            .flatten()
            .any(|n| custom.contains_key(n));
        if let Some(name) = operation::name(config).filter(|_| !said) {
            return self.operation(layer, call, &name);
        }
        if !said && unsupported::is_of_binary_net(config) {
            self.check_binary_net(layer)?;
        } else if own && !said {
            return Err(self.unsupported(layer).into());
        }
        match config.kind.as_str() {
            "InputLayer" => self.input(layer),
            "Dense" | "QuantDense" | "QDense" | "BinaryDense" => self.dense(layer),
            "Conv1D" | "QuantConv1D" | "QConv1D" | "BinaryConv1D" | "Convolution1D" => self.conv(layer, 1),
            "Conv2D" | "QuantConv2D" | "QConv2D" | "BinaryConv2D" | "Convolution2D" => self.conv(layer, 2),
            "DepthwiseConv1D" => self.depthwise_conv(layer, 1),
            "DepthwiseConv2D" | "QuantDepthwiseConv2D" | "QDepthwiseConv2D" => self.depthwise_conv(layer, 2),
            "SeparableConv1D" | "QuantSeparableConv1D" | "QSeparableConv1D" => self.separable_conv(layer, 1),
            "SeparableConv2D" | "QuantSeparableConv2D" | "QSeparableConv2D" => self.separable_conv(layer, 2),
            "BatchNormalization" | "SyncBatchNormalization" | "QBatchNormalization" => self.batch_norm(layer),
            "QConv2DBatchnorm" => self.folded_conv(layer),
            "QDepthwiseConv2DBatchnorm" => self.folded_depthwise_conv(layer),
            "Normalization" => self.normalization(layer),
            "Rescaling" => self.rescaling(layer),
            "Activation" | "QActivation" => {
                let read = layer.only_read()?;
                self.activation(layer, fields.get("activation"), read)
            }
            "Softmax" => self.softmax(layer),
            "ReLU" | "LeakyReLU" | "ELU" | "ThresholdedReLU" => {
                let function = functions::by_class(&config.kind, &config.config)?;
                self.push(layer, function.map_or(LayerOp::NoOp, LayerOp::Function))
            }
            "PReLU" => self.p_relu(layer),
            "MaxPooling1D" | "MaxPool1D" => self.pool(layer, 1, LayerOp::MaxPool2d),
            "MaxPooling2D" | "MaxPool2D" => self.pool(layer, 2, LayerOp::MaxPool2d),
            "AveragePooling1D" | "AvgPool1D" => self.pool(layer, 1, LayerOp::AveragePool2d),
            "AveragePooling2D" | "AvgPool2D" => self.pool(layer, 2, LayerOp::AveragePool2d),
            "QAveragePooling2D" => {
                let made = self.pool(layer, 2, LayerOp::AveragePool2d)?;
                self.behind_quantized_average(layer, made)
            }
            "GlobalMaxPooling1D" | "GlobalMaxPool1D" => self.global_pool(layer, 1, LayerOp::MaxPool2d),
            "GlobalMaxPooling2D" | "GlobalMaxPool2D" => self.global_pool(layer, 2, LayerOp::MaxPool2d),
            "GlobalAveragePooling1D" | "GlobalAvgPool1D" => {
                self.global_pool(layer, 1, LayerOp::AveragePool2d)
            }
            "GlobalAveragePooling2D" | "GlobalAvgPool2D" => {
                self.global_pool(layer, 2, LayerOp::AveragePool2d)
            }
            "QGlobalAveragePooling2D" => {
                let made = self.global_pool(layer, 2, LayerOp::AveragePool2d)?;
                self.behind_quantized_average(layer, made)
            }
            "ZeroPadding1D" => self.zero_padding(layer, 1),
            "ZeroPadding2D" => self.zero_padding(layer, 2),
            "Flatten" => self.flatten(layer),
            "Reshape" => self.reshape(layer),
            "Permute" => self.permute(layer),
            "Add" | "Subtract" | "Multiply" | "Maximum" | "Minimum" | "Average" => {
                self.merge(layer, &config.kind)
            }
            "Cropping1D" => self.cropping(layer, 1),
            "Cropping2D" => self.cropping(layer, 2),
            "CenterCrop" => self.center_crop(layer),
            "RepeatVector" => self.repeat_vector(layer),
            "UpSampling1D" => self.up_sampling(layer, 1),
            "UpSampling2D" => self.up_sampling(layer, 2),
            "Concatenate" => self.concatenate(layer),
            "Dropout"
            | "SpatialDropout1D"
            | "SpatialDropout2D"
            | "GaussianDropout"
            | "GaussianNoise"
            | "AlphaDropout"
            | "ActivityRegularization"
            | "RandomFlip"
            | "RandomRotation"
            | "RandomTranslation"
            | "RandomZoom"
            | "RandomHeight"
            | "RandomWidth"
            | "RandomContrast"
            | "RandomBrightness"
            | "Identity" => self.push(layer, LayerOp::NoOp),
            kind if expression::is_expression(kind) => self.expression(layer),
            kind => match quantizer::layer(kind, &config.config, self.origin.keras)? {
                Some(activation) => {
                    self.without_weights(layer)?;
                    let read = layer.only_read()?;
                    self.apply(layer, activation, read)
                }
                None => Err(self.unsupported(layer).into()),
            },
        }
    }

    fn input(&mut self, layer: &Layer<'_>) -> Built<NodeIndex> {
        let config = &layer.config.config;
        let list = ["batch_input_shape", "batch_shape"].into_iter().find_map(|key| config[key].as_array());
        let list =
            list.ok_or_else(|| "its shape is not known; build the model before it is saved".to_owned())?;
        let axes = list.iter().skip(1).map(|axis| axis.as_u64().and_then(|n| usize::try_from(n).ok()));
        let shape: Vec<usize> = axes.collect::<Option<_>>().ok_or_else(|| {
            format!(
                "its shape is {}, expected a known length for each axis but the batch",
                brief(&Value::from(list.clone()))
            )
        })?;
        if shape.is_empty() {
            return Err(
                "its shape is [], expected at least one axis behind the batch: give it the shape (1,)"
                    .to_owned()
                    .into(),
            );
        }
        let numbers = shape.iter().try_fold(1usize, |product, &axis| product.checked_mul(axis));
        if numbers.is_none_or(|numbers| numbers > MAX_INPUT) {
            return Err(format!("its shape is {shape:?}, expected at most {MAX_INPUT} numbers").into());
        }
        let node = self.add(layer, LayerOp::Input { shape }, &[])?;
        self.graph.inputs.push(node);
        if layer.fields().check_dtype().is_err() {
            self.integers.insert(node);
        }
        Ok(node)
    }

    /// Adds an operation that reads `reads`, with its shape.
    fn add(&mut self, layer: &Layer<'_>, op: LayerOp, reads: &[NodeIndex]) -> Built<NodeIndex> {
        let known = reads.iter().all(|&read| self.shape(read).is_some());
        if op.joins() && reads.is_empty() {
            return Err("it reads no tensors, expected at least 1".to_owned().into());
        }
        let of_integers = reads.iter().any(|read| self.integers.contains(read));
        if of_integers && op == LayerOp::Add {
            return Err("it adds up integers, which Keras does in their own type, where sums wrap around; expected float32: set the \
                        dtype of the model's inputs"
                .to_owned()
                .into());
        }
        if of_integers && self.origin.keras < 3 && matches!(op, LayerOp::AveragePool2d(_)) {
            return Err("it takes the mean of integers, which Keras 2 rounds down; expected float32: set the dtype of the model's inputs"
                .to_owned()
                .into());
        }
        let moves = matches!(
            op,
            LayerOp::Reshape { .. }
                | LayerOp::Transpose { .. }
                | LayerOp::Pick { .. }
                | LayerOp::Pad2d { .. }
                | LayerOp::MaxPool2d(_)
                | LayerOp::AveragePool2d(_)
                | LayerOp::Concatenate
                | LayerOp::NoOp
        );
        let node = self.graph.add(&layer.path, &layer.config.shown_class(), op, reads);
        if of_integers && moves {
            self.integers.insert(node);
        }
        if known {
            let inputs: Vec<&[usize]> =
                reads.iter().map(|&read| self.graph.graph[read].shape.as_slice()).collect();
            let inferred = shape::infer(&self.graph.graph[node], &inputs)?;
            self.graph.graph[node].shape = inferred;
        }
        Ok(node)
    }

    /// Adds an operation that reads what the layer reads; all but joining ones read one tensor.
    fn push(&mut self, layer: &Layer<'_>, op: LayerOp) -> Built<NodeIndex> {
        if !op.joins() {
            layer.only_read()?;
        }
        self.add(layer, op, &layer.reads)
    }

    /// A tensor's shape; `None` behind a refused layer.
    fn shape(&self, node: NodeIndex) -> Option<&[usize]> {
        let shape = self.graph.graph[node].shape.as_slice();
        (!shape.is_empty()).then_some(shape)
    }

    fn activation(&mut self, layer: &Layer<'_>, json: &Value, read: NodeIndex) -> Built<NodeIndex> {
        let (custom, of_qkeras) = (&self.origin.options.custom, layer.config.is_of_qkeras());
        let activation = quantizer::activation(json, custom, self.origin.keras, of_qkeras)?;
        let activation = match activation {
            // QKeras looks names up among its own functions first: clip(0.5 x + 0.5, 0, 1) (qkeras/quantizers.py).
            Activation::Function(Function::HardSigmoid { .. }) if of_qkeras => {
                Activation::Function(Function::HardSigmoid { slope: 0.5 })
            }
            other => other,
        };
        self.apply(layer, activation, read)
    }

    fn apply(&mut self, layer: &Layer<'_>, activation: Activation, read: NodeIndex) -> Built<NodeIndex> {
        match activation {
            Activation::Quantize(Quantizer::Identity) => Ok(read),
            Activation::Quantize(quantizer) => self.quantized(layer, quantizer, read),
            Activation::Affine { quantizer, scale, offset } => {
                let read = self.quantized(layer, quantizer, read)?;
                self.add(layer, LayerOp::Rescale { scale, offset }, &[read])
            }
            Activation::Function(function) => self.add(layer, LayerOp::Function(function), &[read]),
        }
    }

    /// A quantiser of several values: a sum of one threshold for each step.
    fn steps(&mut self, layer: &Layer<'_>, steps: Steps, read: NodeIndex) -> Built<NodeIndex> {
        let (lowest, edges) = steps.edges(MOST_VALUES - 1).ok_or_else(|| {
            format!(
                "its activation {steps:?} has more than {MOST_VALUES} values, and each costs a comparison; \
                 expected at most 4 bits, better one or two"
            )
        })?;
        let Some(&(_, highest)) = edges.last() else {
            return Err(format!(
                "its activation {steps:?} gives {lowest} whatever it reads, expected two values"
            )
            .into());
        };
        let values = std::iter::once(lowest).chain(edges.iter().map(|(_, value)| *value));
        let heights: Vec<f32> = values.clone().zip(values.skip(1)).map(|(low, high)| high - low).collect();
        let even = heights.iter().all(|&height| height == heights[0]);
        let mut terms = Vec::with_capacity(edges.len());
        for (&(edge, _), &height) in edges.iter().zip(&heights) {
            let sign = self.add(layer, LayerOp::Quantize(Quantizer::From { at: edge }), &[read])?;
            terms.push(match even {
                true => sign,
                false => self.add(layer, LayerOp::Rescale { scale: height / 2.0, offset: 0.0 }, &[sign])?,
            });
        }
        let sum = if terms.len() == 1 { terms[0] } else { self.add(layer, LayerOp::Add, &terms)? };
        // Signs are half a step below and above the middle.
        let scale = if even { heights[0] / 2.0 } else { 1.0 };
        self.add(layer, LayerOp::Rescale { scale, offset: (lowest + highest) / 2.0 }, &[sum])
    }

    /// A quantiser, in front of the moves of elements that it reads: these then stand between layers of images, where they
    /// cancel. One layer leaves two moves at most.
    fn quantized(&mut self, layer: &Layer<'_>, quantizer: Quantizer, read: NodeIndex) -> Built<NodeIndex> {
        let (mut moves, mut read) = (Vec::new(), read);
        while let (op @ (LayerOp::Reshape { .. } | LayerOp::Transpose { .. }), &[before], 0..2) =
            (&self.graph.graph[read].op, &self.graph.inputs_of(read)[..], moves.len())
        {
            moves.push(op.clone());
            read = before;
        }
        let mut made = match quantizer {
            Quantizer::Steps(steps) => self.steps(layer, steps, read)?,
            quantizer => self.add(layer, LayerOp::Quantize(quantizer), &[read])?,
        };
        for op in moves.into_iter().rev() {
            made = self.add(layer, op, &[made])?;
        }
        Ok(made)
    }
}

/// Most values of a quantiser on activations: 4 bits. Each further one is a comparison more.
const MOST_VALUES: usize = 16;

/// Whether the layer computes in float32; an input may be of integers, which become float32 in the first layer.
fn check_dtype(config: &LayerConfig) -> Result<(), String> {
    let fields = Fields(&config.config);
    if fields.is_int8() && config.kind != "Dense" {
        return Err(
            "it was quantised to int8, which is read of Dense layers behind a sign only; save the model \
             before model.quantize(\"int8\") is called"
                .into(),
        );
    }
    if config.kind == "InputLayer" { fields.check_input_dtype() } else { fields.check_dtype() }
}

fn broken(error: KerasError) -> Trouble {
    Trouble::Broken(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keras::config;
    use crate::keras::quantizer::CustomNames;
    use serde_json::json;

    fn graph(json: &Value) -> Result<LayerGraph, KerasError> {
        graph_of(3, json)
    }

    fn graph_of(keras: u32, json: &Value) -> Result<LayerGraph, KerasError> {
        let model = config::parse(json, "m", &CustomNames::new())?;
        let options = ReadOptions::default();
        build(&model, Ok(Weights::default()), Origin { file: "m", keras, options: &options })
    }

    /// A border, a sign and a pooling with channels first stand side by side, without moves of elements between them.
    #[test]
    fn moves_between_images_cancel() {
        let layer = |class: &str, more: Value| {
            let mut config = json!({ "name": class, "data_format": "channels_first" });
            config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({ "class_name": class, "config": config })
        };
        let names = |layers: Value| -> Vec<&'static str> {
            let graph =
                graph(&json!({ "class_name": "Sequential", "config": { "layers": layers } })).unwrap();
            graph.order().unwrap().into_iter().map(|node| graph.graph[node].op.name()).collect()
        };
        let images = json!([
            layer("ZeroPadding2D", json!({ "padding": 1, "batch_input_shape": [null, 2, 4, 4] })),
            layer("SteSign", json!({})),
            layer("MaxPooling2D", json!({})),
        ]);
        assert_eq!(names(images), ["input", "transpose", "pad2d", "quantize", "max_pool2d", "transpose"]);
        let rows = json!([
            layer(
                "ZeroPadding1D",
                json!({ "padding": 1, "data_format": null, "batch_input_shape": [null, 4, 2] })
            ),
            layer("SteSign", json!({})),
            layer("MaxPooling1D", json!({ "data_format": null })),
        ]);
        assert_eq!(names(rows), ["input", "reshape", "pad2d", "quantize", "max_pool2d", "reshape"]);
    }

    /// The graph finds `b` first, but samples come as the model's arguments do.
    #[test]
    fn inputs_are_in_the_order_of_the_models_arguments() {
        let input = |name: &str| {
            json!({ "class_name": "InputLayer", "name": name, "inbound_nodes": [],
                    "config": { "name": name, "batch_shape": [null, 2] } })
        };
        for [first, second] in [["a", "b"], ["b", "a"]] {
            let join = json!({ "class_name": "Concatenate", "name": "c", "config": { "name": "c" },
                               "inbound_nodes": [[["b", 0, 0, {}], ["a", 0, 0, {}]]] });
            let config = json!({
                "layers": [input("b"), input("a"), join],
                "input_layers": [[first, 0, 0], [second, 0, 0]],
                "output_layers": [["c", 0, 0]]
            });
            let graph = graph(&json!({ "class_name": "Functional", "config": config })).unwrap();
            let names: Vec<&str> = graph.inputs.iter().map(|&i| graph.graph[i].name.as_str()).collect();
            assert_eq!(names, [first, second]);
        }
    }

    /// A functional model of layers, each `(class, name, configuration, what it reads)`.
    fn functional(layers: &[(&str, &str, Value, Value)], outputs: Value) -> Value {
        let mut list = vec![];
        for (class, name, config, inbound) in layers {
            let mut config = config.clone();
            config["name"] = json!(name);
            list.push(
                json!({ "class_name": class, "name": name, "config": config, "inbound_nodes": inbound }),
            );
        }
        let inputs: Vec<Value> = layers
            .iter()
            .filter(|(class, ..)| *class == "InputLayer")
            .map(|(_, name, ..)| json!([name, 0, 0]))
            .collect();
        json!({ "class_name": "Functional",
                "config": { "layers": list, "input_layers": inputs, "output_layers": outputs } })
    }

    fn input_of(dtype: &str) -> Value {
        json!({ "batch_shape": [null, 2], "dtype": dtype })
    }

    /// Keras 2 hands the argument on to the layers within.
    #[test]
    fn a_nested_model_in_training_is_refused() {
        let inner = json!({ "layers": [{ "class_name": "Dropout",
            "config": { "name": "d", "batch_input_shape": [null, 2] } }] });
        for (argument, refused) in
            [(json!({ "training": true }), true), (json!({ "training": false }), false)]
        {
            let layers = [
                ("InputLayer", "in", input_of("float32"), json!([])),
                ("Sequential", "block", inner.clone(), json!([[["in", 0, 0, argument]]])),
                ("SteSign", "s", json!({}), json!([[["block", 1, 0, {}]]])),
            ];
            let built = graph(&functional(&layers, json!([["s", 0, 0]])));
            assert_eq!(built.is_err(), refused, "{:?}", built.err());
            if let Err(error) = built {
                let text = error.refusals().iter().map(|r| r.reason.clone()).collect::<String>();
                assert!(text.contains("training=true"), "{text}");
            }
        }
    }

    /// 200 * 2 is 144 in eight bits, but a division gives float32.
    #[test]
    fn integers_are_not_scaled_but_divided() {
        let tensor = |name: &str| json!({ "class_name": "__keras_tensor__", "config": { "keras_history": [name, 0, 0] } });
        for (class, dtype, refused) in
            [("Multiply", "uint8", true), ("Multiply", "float32", false), ("TrueDivide", "uint8", false)]
        {
            let inbound = json!([{ "args": [tensor("a"), 2], "kwargs": {} }]);
            let layers = json!([
                { "class_name": "InputLayer", "name": "a", "inbound_nodes": [],
                  "config": { "name": "a", "batch_shape": [null, 2], "dtype": dtype } },
                { "class_name": class, "module": "keras.src.ops.numpy", "name": "f", "config": { "name": "f" },
                  "inbound_nodes": inbound },
            ]);
            let model = json!({ "class_name": "Functional", "config": {
                "layers": layers, "input_layers": [["a", 0, 0]], "output_layers": [["f", 0, 0]] } });
            assert_eq!(graph_of(3, &model).is_err(), refused, "{class} {dtype}");
        }
    }

    /// 200 + 100 is 44 in eight bits.
    #[test]
    fn integers_are_not_added_up() {
        for (dtype, refused) in [("uint8", true), ("int32", true), ("float32", false)] {
            let layers = [
                ("InputLayer", "a", input_of(dtype), json!([])),
                ("InputLayer", "b", input_of(dtype), json!([])),
                ("Reshape", "r", json!({ "target_shape": [2] }), json!([[["a", 0, 0, {}]]])),
                ("Add", "sum", json!({}), json!([[["r", 0, 0, {}], ["b", 0, 0, {}]]])),
            ];
            let built = graph(&functional(&layers, json!([["sum", 0, 0]])));
            assert_eq!(built.is_err(), refused, "{dtype}: {:?}", built.err());
        }
        // What a sign makes of them is float32.
        let layers = [
            ("InputLayer", "a", input_of("uint8"), json!([])),
            ("SteSign", "s", json!({}), json!([[["a", 0, 0, {}]]])),
            ("Add", "sum", json!({}), json!([[["s", 0, 0, {}], ["s", 0, 0, {}]]])),
        ];
        graph(&functional(&layers, json!([["sum", 0, 0]]))).unwrap();
    }

    /// Keras 2's mean of 0, 0, 0 and 255 is 63.
    #[test]
    fn means_of_integers_are_those_of_keras_3() {
        for (keras, dtype, refused) in [(2, "uint8", true), (2, "float32", false), (3, "uint8", false)] {
            let layers = [
                ("InputLayer", "a", json!({ "batch_shape": [null, 2, 2, 1], "dtype": dtype }), json!([])),
                ("GlobalAveragePooling2D", "mean", json!({}), json!([[["a", 0, 0, {}]]])),
            ];
            let built = graph_of(keras, &functional(&layers, json!([["mean", 0, 0]])));
            assert_eq!(built.is_err(), refused, "Keras {keras}, {dtype}: {:?}", built.err());
        }
    }

    #[test]
    fn an_input_without_axes_is_refused_and_augmentation_is_not() {
        let scalar = [("InputLayer", "a", json!({ "batch_shape": [null] }), json!([]))];
        let refused = graph(&functional(&scalar, json!([["a", 0, 0]]))).unwrap_err().to_string();
        assert!(refused.contains("its shape is []"), "{refused}");
        let layers = [
            ("InputLayer", "a", json!({ "batch_shape": [null, 4, 4, 1] }), json!([])),
            ("RandomFlip", "f", json!({}), json!([[["a", 0, 0, {}]]])),
            ("RandomContrast", "c", json!({}), json!([[["f", 0, 0, {}]]])),
        ];
        graph(&functional(&layers, json!([["c", 0, 0]]))).unwrap();
    }

    #[test]
    fn an_output_of_a_name_that_several_have_is_refused() {
        let layers = [
            ("InputLayer", "a", input_of("float32"), json!([])),
            ("InputLayer", "b", input_of("float32"), json!([])),
            ("SteSign", "s", json!({}), json!([[["a", 0, 0, {}]], [["b", 0, 0, {}]]])),
        ];
        let json = functional(&layers, json!([["s", 0, 0], ["s", 1, 0]]));
        let model = config::parse(&json, "m", &CustomNames::new()).unwrap();
        let options = ReadOptions { output: Some("s".into()), ..ReadOptions::default() };
        let built = build(&model, Ok(Weights::default()), Origin { file: "m", keras: 3, options: &options });
        assert!(built.unwrap_err().to_string().contains("several outputs are named \"s\""));
    }

    /// Keras's is 0.2 x + 0.5 or x / 6 + 0.5, QKeras's 0.5 x + 0.5; a class from a module of the user's is neither's.
    #[test]
    fn a_name_means_what_its_library_means() {
        let of = |class: &str, module: Value| {
            let config = json!({ "name": "h", "activation": "hard_sigmoid", "batch_input_shape": [null, 2] });
            let registered = if module.is_null() { json!(class) } else { Value::Null };
            let layer = json!({ "class_name": class, "config": config, "module": module, "registered_name": registered });
            graph(&json!({ "class_name": "Sequential", "config": { "layers": [layer] } }))
                .map(|graph| graph.graph[graph.output].op.clone())
        };
        let slope = |slope: f32| LayerOp::Function(Function::HardSigmoid { slope });
        assert_eq!(of("QActivation", json!("qkeras.qlayers")).unwrap(), slope(0.5));
        assert_eq!(of("QActivation", Value::Null).unwrap(), slope(0.5));
        assert_eq!(of("Activation", json!("keras.layers")).unwrap(), slope(1.0 / 6.0));
        for module in [json!("__main__"), Value::Null] {
            let own = of("Activation", module).unwrap_err();
            assert!(own.refusals()[0].reason.contains("--custom"), "{:?}", own.refusals());
        }
    }
}
