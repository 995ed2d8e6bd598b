//! Recurrent layers, written out step by step: `SimpleRNN`, `LSTM`, `GRU`, and `Bidirectional` around them.
//!
//! What a layer does with its input is one dense layer over all steps; each step adds what its kernel makes
//! of the state before. Every step reads the same arrays. States begin with zeros, so the first step has
//! none.

mod cell;

use std::sync::Arc;

use petgraph::stable_graph::NodeIndex;
use serde_json::Value;

use super::{Builder, Built, Layer};
use crate::graph::{Array, Function, LayerOp, Quantizer};
use crate::keras::config::is_of_a_library;
use crate::keras::fields::Fields;
use crate::keras::inbound::{Argument, brief};
use crate::keras::quantizer::{self, Activation};
use cell::Unrolled;

/// Most steps that are written out.
const MAX_STEPS: usize = 512;

/// Most multiplications of all steps of a layer together.
const MAX_WORK: usize = 1 << 28;

/// What one step computes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Simple,
    Lstm,
    Gru {
        /// Whether the state is multiplied by the reset gate behind its kernel.
        reset_after: bool,
    },
}

impl Kind {
    fn of(class: &str, fields: Fields<'_>) -> Result<Option<Self>, String> {
        Ok(Some(match class {
            "SimpleRNN" => Self::Simple,
            "LSTM" => Self::Lstm,
            // Files from before there was that argument have the older form.
            "GRU" => Self::Gru { reset_after: fields.flag("reset_after", false)? },
            _ => return Ok(None),
        }))
    }

    /// Columns of the kernels for each unit.
    fn gates(self) -> usize {
        match self {
            Self::Simple => 1,
            Self::Lstm => 4,
            Self::Gru { .. } => 3,
        }
    }
}

/// One direction of a recurrent layer.
struct Direction {
    kind: Kind,
    units: usize,
    activation: Option<Function>,
    recurrent_activation: Option<Function>,
    /// Whether the last step comes first.
    backwards: bool,
    /// Whether all states are given, or the last alone.
    sequences: bool,
    weights: CellWeights,
}

/// Weights as Keras has them.
struct CellWeights {
    /// `[feature, gate * units]`.
    kernel: Arc<Array>,
    /// `[unit, gate * units]`.
    recurrent: Arc<Array>,
    /// `[gate * units]`; of a GRU that resets behind the kernel two rows.
    bias: Option<Arc<Array>>,
}

/// Names of the three weights.
type Roles = [&'static str; 3];

const PLAIN: Roles = ["kernel", "recurrent_kernel", "bias"];
const FORWARD: Roles = ["forward_kernel", "forward_recurrent_kernel", "forward_bias"];
const BACKWARD: Roles = ["backward_kernel", "backward_recurrent_kernel", "backward_bias"];

impl Builder<'_> {
    /// `SimpleRNN`, `LSTM` or `GRU`.
    pub(super) fn recurrent(&mut self, layer: &Layer<'_>, call: usize) -> Built<NodeIndex> {
        let fields = layer.fields();
        self.check_recurrent(layer, call, &layer.config.kind, fields)?;
        let roles = roles_of(fields, PLAIN)?;
        let arrays = self.weights(layer, &roles)?;
        let direction = self.direction(layer, &layer.config.kind, fields, arrays)?;
        let states = self.unrolled(layer, &direction)?;
        self.stacked(layer, states, direction.sequences)
    }

    /// `Bidirectional` around one of them: both directions read the same tensor.
    pub(super) fn bidirectional(&mut self, layer: &Layer<'_>, call: usize) -> Built<NodeIndex> {
        let fields = layer.fields();
        let merge = match fields.get("merge_mode") {
            Value::String(mode) if ["concat", "sum", "ave", "mul"].contains(&mode.as_str()) => mode.as_str(),
            Value::Null if layer.config.config.get("merge_mode").is_none() => "concat",
            other => {
                return Err(format!(
                    "merge_mode is {}, expected concat, sum, ave or mul: one tensor of both directions",
                    brief(other)
                )
                .into());
            }
        };
        let forward = inner(&layer.config.config["layer"], "layer")?;
        let own = Some(&layer.config.config["backward_layer"]).filter(|own| own.is_object());
        let backward = own.map(|own| inner(own, "backward_layer")).transpose()?.unwrap_or(forward);
        let mut roles = Vec::new();
        for (part, names) in [(forward, FORWARD), (backward, BACKWARD)] {
            self.check_recurrent(layer, call, part.0, part.1)?;
            part.1.check_dtype()?;
            roles.extend(roles_of(part.1, names)?);
        }
        let mut arrays = self.weights(layer, &roles)?;
        let behind = arrays.split_off(roles_of(forward.1, FORWARD)?.len());
        let first = self.direction(layer, forward.0, forward.1, arrays)?;
        let mut second = self.direction(layer, backward.0, backward.1, behind)?;
        if own.is_none() {
            second.backwards = !first.backwards;
        }
        if first.sequences != second.sequences || first.backwards == second.backwards {
            return Err(
                "its two layers go in the same direction, or only one of them gives all steps; expected \
                 go_backwards of one of them and the same return_sequences of both"
                    .to_owned()
                    .into(),
            );
        }
        let ahead = self.unrolled(layer, &first)?;
        let mut back = self.unrolled(layer, &second)?;
        // Keras turns what the second one gives, whichever that is.
        back.reverse();
        let last = |states: &[NodeIndex], reversed: bool| {
            if reversed { states.first().copied() } else { states.last().copied() }
        };
        let parts = match first.sequences {
            true => [self.stacked(layer, ahead, true)?, self.stacked(layer, back, true)?],
            false => {
                let ends = last(&ahead, false).zip(last(&back, true));
                let (ahead, back) = ends.ok_or_else(|| "it has no steps, expected one".to_owned())?;
                [ahead, back]
            }
        };
        match merge {
            "concat" => self.add(layer, LayerOp::Concatenate, &parts),
            "mul" => self.add(layer, LayerOp::Multiply, &parts),
            mode => {
                let sum = self.add(layer, LayerOp::Add, &parts)?;
                match mode {
                    "ave" => self.add(layer, LayerOp::Rescale { scale: 0.5, offset: 0.0 }, &[sum]),
                    _ => Ok(sum),
                }
            }
        }
    }

    /// What no recurrent layer may ask for.
    fn check_recurrent(
        &mut self,
        layer: &Layer<'_>,
        call: usize,
        class: &str,
        fields: Fields<'_>,
    ) -> Built<()> {
        let mut arguments = layer.config.calls[call].arguments.iter();
        if arguments.any(|(name, value)| {
            name.as_deref() == Some("mask") && !matches!(value, Argument::Value(Value::Null))
        }) {
            return Err("it reads a mask, of an Embedding with mask_zero or a Masking in front of it, by \
                which steps of a sample are left out; expected none: train without it, on samples that are \
                padded or cut to one length"
                .to_owned()
                .into());
        }
        if layer.reads.len() > 1 {
            return Err(format!(
                "it reads {} tensors, so that it begins with a state of other layers (initial_state); \
                 expected one that begins with zeros: give that state to it as features of each step, by \
                 RepeatVector and Concatenate",
                layer.reads.len()
            )
            .into());
        }
        // In front of the weights, which may not be known.
        let gates =
            if class == "SimpleRNN" { &["activation"][..] } else { &["activation", "recurrent_activation"] };
        for key in gates {
            self.gate_function(fields, key)?;
        }
        if fields.flag("time_major", false)? {
            return Err(
                "time_major is true, expected samples along the first axis and steps along the second"
                    .to_owned()
                    .into(),
            );
        }
        if fields.flag("stateful", false)? {
            let note = format!(
                "layer {:?} is stateful: Keras keeps its state from one call to the next; here each \
                 prediction begins with a state of zeros, as after reset_states(), and its steps are all \
                 that is known of what came before",
                layer.path
            );
            if !self.graph.notes.contains(&note) {
                self.graph.notes.push(note);
            }
        }
        Ok(())
    }

    fn direction(
        &self,
        layer: &Layer<'_>,
        class: &str,
        fields: Fields<'_>,
        mut arrays: Vec<Arc<Array>>,
    ) -> Built<Direction> {
        let kind = Kind::of(class, fields)?;
        let kind = kind.ok_or_else(|| format!("it is a {class}, expected SimpleRNN, LSTM or GRU"))?;
        let units = fields.count("units", None)?;
        let columns = units * kind.gates();
        let features = self.only_shape(layer).and_then(|shape| shape.last().copied());
        let bias = (arrays.len() == 3).then(|| arrays.remove(2));
        let [kernel, recurrent] =
            <[_; 2]>::try_from(arrays).map_err(|_| "it has no two kernels, expected them".to_owned())?;
        self.check_shape(layer, "kernel", &kernel, &[features, Some(columns)])?;
        self.check_shape(layer, "recurrent_kernel", &recurrent, &[Some(units), Some(columns)])?;
        if let Some(bias) = &bias {
            let expected: &[_] = match kind {
                Kind::Gru { reset_after: true } => &[Some(2), Some(columns)],
                _ => &[Some(columns)],
            };
            self.check_shape(layer, "bias", bias, expected)?;
        }
        let recurrent_activation = match kind {
            Kind::Simple => None,
            _ => self.gate_function(fields, "recurrent_activation")?,
        };
        Ok(Direction {
            kind,
            units,
            activation: self.gate_function(fields, "activation")?,
            recurrent_activation,
            backwards: fields.flag("go_backwards", false)?,
            sequences: fields.flag("return_sequences", false)?,
            weights: CellWeights { kernel, recurrent, bias },
        })
    }

    /// The function of a gate; `None` for none.
    fn gate_function(&self, fields: Fields<'_>, key: &str) -> Built<Option<Function>> {
        if fields.0.get(key).is_none() {
            return Err(format!("{key} is not given, expected a name such as tanh, or null").into());
        }
        match quantizer::activation(fields.get(key), &self.origin.options.custom, self.origin.keras, false)? {
            Activation::Function(Function::Softmax | Function::LogSoftmax) => {
                Err(format!("{key} is a softmax over all units, expected a function of each").into())
            }
            Activation::Function(function) => Ok(Some(function)),
            Activation::Quantize(Quantizer::Identity) => Ok(None),
            _ => Err(format!(
                "{key} is {}, a quantiser inside of a recurrent layer; expected tanh, sigmoid, relu or the \
                 like",
                brief(fields.get(key))
            )
            .into()),
        }
    }

    fn only_shape(&self, layer: &Layer<'_>) -> Option<&[usize]> {
        layer.only_read().ok().and_then(|read| self.shape(read))
    }

    /// The states behind all steps, in the order in which they are computed.
    fn unrolled(&mut self, layer: &Layer<'_>, direction: &Direction) -> Built<Vec<NodeIndex>> {
        let read = layer.only_read()?;
        let Some(shape) = self.shape(read).map(<[usize]>::to_vec) else {
            // Behind a refused layer nothing has a shape.
            return Ok(vec![self.add(layer, LayerOp::NoOp, &[read])?]);
        };
        let &[steps, _] = &shape[..] else {
            return Err(format!(
                "it reads a tensor of shape {shape:?}, expected steps and features of each, [steps, features]"
            )
            .into());
        };
        let weights = direction.weights.kernel.data.len() + direction.weights.recurrent.data.len();
        if steps > MAX_STEPS || steps.saturating_mul(weights) > MAX_WORK {
            return Err(format!(
                "it has {steps} steps of {weights} weights, and all steps are written out; expected at most \
                 {MAX_STEPS} steps and {MAX_WORK} multiplications: give it fewer steps, by shorter samples, \
                 or a Conv1D with strides or a pooling in front of it"
            )
            .into());
        }
        Unrolled::new(self, layer, direction).states(read, steps)
    }

    /// The last state, or all of them as rows.
    fn stacked(&mut self, layer: &Layer<'_>, states: Vec<NodeIndex>, sequences: bool) -> Built<NodeIndex> {
        let last = states.last().copied().ok_or_else(|| "it has no steps, expected one".to_owned())?;
        if !sequences || self.shape(last).is_none() {
            return Ok(last);
        }
        let target = Some(vec![Some(states.len()), None]);
        let row = self.add(layer, LayerOp::Concatenate, &states)?;
        self.add(layer, LayerOp::Reshape { target }, &[row])
    }
}

/// The weights that the configuration says there are.
fn roles_of(fields: Fields<'_>, names: Roles) -> Result<Vec<&'static str>, String> {
    let count = if fields.flag("use_bias", true)? { 3 } else { 2 };
    Ok(names[..count].to_vec())
}

/// The class and the configuration of a layer inside of a `Bidirectional`.
fn inner<'c>(json: &'c Value, key: &str) -> Result<(&'c str, Fields<'c>), String> {
    let class = json["class_name"].as_str().unwrap_or_default();
    let own = class.contains('>')
        || json["module"].as_str().is_some_and(|module| !is_of_a_library(module))
        || json["registered_name"].as_str().is_some_and(|name| name != class);
    if own || !matches!(class, "SimpleRNN" | "LSTM" | "GRU") {
        return Err(format!(
            "its {key} is of class {class:?}, expected SimpleRNN, LSTM or GRU of Keras's own"
        ));
    }
    Ok((class, Fields(&json["config"])))
}

#[cfg(test)]
mod tests;
