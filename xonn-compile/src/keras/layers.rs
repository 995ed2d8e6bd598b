//! Layers from their configuration and weights: what is understood becomes graph operations, the rest
//! refusals.
//!
//! What Keras does in one layer may be several operations here: input quantiser, kernel, activation. Layers
//! with `channels_first` stand between two transpositions, 1D layers between two reshapes, so that every
//! operation sees `[height, width, channels]`.

mod activation;
mod arithmetic;
mod arrays;
mod combine;
mod crop;
mod embedding;
pub(super) mod expression;
mod folded;
mod input;
mod linear;
mod model;
mod norm;
mod operation;
mod pool;
mod recurrent;
mod survey;
mod transposed;
mod unsupported;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use petgraph::stable_graph::NodeIndex;

use super::classes::{self, Family, Library};
use super::config::LayerConfig;
use super::fields::Fields;
use super::functions;
use super::quantizer;
use super::weights::Weights;
use super::{KerasError, ReadOptions, Refusal};
use crate::graph::{Array, LayerGraph, LayerOp, Quantizer, shape};
pub(super) use model::build;

/// Where a graph comes from.
pub(super) struct Origin<'a> {
    /// The file, for messages.
    pub file: &'a str,
    /// Major version of the Keras that wrote it.
    pub keras: u32,
    /// The user's part.
    pub options: &'a ReadOptions,
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
    /// Tensors of integers, which Keras adds up in their own type: inputs, and what moves or picks their
    /// elements.
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
        // A class of the user's own may do anything, also under the name of a known one. BinaryNet's come
        // from no library.
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
        if !said && classes::is_of(Library::BinaryNet, &config.class) {
            self.check_binary_net(layer)?;
        } else if own && !said {
            return Err(self.unsupported(layer).into());
        }
        let Some(class) = classes::of(&config.kind) else { return self.of_no_known_class(layer) };
        let axes = class.axes;
        match class.family {
            Family::Input => self.input(layer),
            Family::Dense => self.dense(layer),
            Family::Conv => self.conv(layer, axes),
            Family::DepthwiseConv => self.depthwise_conv(layer, axes),
            Family::SeparableConv => self.separable_conv(layer, axes),
            Family::TransposedConv => self.transposed_conv(layer, axes),
            Family::FoldedConv => self.folded_conv(layer),
            Family::FoldedDepthwiseConv => self.folded_depthwise_conv(layer),
            Family::BatchNorm => self.batch_norm(layer),
            Family::Normalization => self.normalization(layer),
            Family::Rescaling => self.rescaling(layer),
            Family::Activation => {
                let read = layer.only_read()?;
                self.activation(layer, fields.get("activation"), read)
            }
            Family::Softmax => self.softmax(layer),
            Family::Function => {
                let function = functions::by_class(&config.kind, &config.config)?;
                self.push(layer, function.map_or(LayerOp::NoOp, LayerOp::Function))
            }
            Family::PRelu => self.p_relu(layer),
            Family::MaxPool => self.pool(layer, axes, LayerOp::MaxPool2d),
            Family::AveragePool => {
                let made = self.pool(layer, axes, LayerOp::AveragePool2d)?;
                self.behind_average(layer, class, made)
            }
            Family::GlobalMaxPool => self.global_pool(layer, axes, LayerOp::MaxPool2d),
            Family::GlobalAveragePool => {
                let made = self.global_pool(layer, axes, LayerOp::AveragePool2d)?;
                self.behind_average(layer, class, made)
            }
            Family::Border => self.zero_padding(layer, axes),
            Family::Flatten => self.flatten(layer),
            Family::Reshape => self.reshape(layer),
            Family::Permute => self.permute(layer),
            Family::Merge => self.merge(layer, &config.kind),
            Family::Concatenate => self.concatenate(layer),
            Family::Crop => self.cropping(layer, axes),
            Family::CenterCrop => self.center_crop(layer),
            Family::Repeat => self.repeat_vector(layer),
            Family::UpSampling => self.up_sampling(layer, axes),
            Family::Embedding => self.embedding(layer),
            Family::Recurrent => self.recurrent(layer, call),
            Family::Bidirectional => self.bidirectional(layer, call),
            Family::Nothing => self.push(layer, LayerOp::NoOp),
            Family::Refused => self.of_no_known_class(layer),
        }
    }

    /// An expression of the custom map, or a quantiser or function in the place of a layer.
    fn of_no_known_class(&mut self, layer: &Layer<'_>) -> Built<NodeIndex> {
        let config = layer.config;
        if expression::is_expression(&config.kind) {
            return self.expression(layer);
        }
        match quantizer::layer(&config.kind, &config.config, self.origin.keras)? {
            Some(activation) => {
                self.without_weights(layer)?;
                let read = layer.only_read()?;
                self.apply(layer, activation, read)
            }
            None => Err(self.unsupported(layer).into()),
        }
    }

    /// Adds an operation that reads `reads`, with its shape.
    fn add(&mut self, layer: &Layer<'_>, op: LayerOp, reads: &[NodeIndex]) -> Built<NodeIndex> {
        let known = reads.iter().all(|&read| self.shape(read).is_some());
        if op.joins() && reads.is_empty() {
            return Err("it reads no tensors, expected at least 1".to_owned().into());
        }
        let of_integers = reads.iter().any(|read| self.integers.contains(read));
        if of_integers && op == LayerOp::Add {
            return Err("it adds up integers, which Keras does in their own type, where sums wrap around; \
                        expected float32: set the dtype of the model's inputs"
                .to_owned()
                .into());
        }
        if of_integers && self.origin.keras < 3 && matches!(op, LayerOp::AveragePool2d(_)) {
            return Err(
                "it takes the mean of integers, which Keras 2 rounds down; expected float32: set the \
                dtype of the model's inputs"
                    .to_owned()
                    .into(),
            );
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
}

/// Whether the layer computes in float32; an input may be of integers, which become float32 in the first
/// layer.
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
mod tests;
