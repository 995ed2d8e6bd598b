//! What a user says about a model.

use std::borrow::Cow;
use std::path::PathBuf;

use xonn_program::data::{self, Tensor};

use super::CompileError;
use crate::calibrate;
use crate::graph::LayerGraph;
use crate::keras::ReadOptions;
use crate::passes;

/// How a model is understood, what its client sends and learns, and how exact its numbers are.
#[derive(Clone, Default, Debug)]
pub struct Options {
    /// The model's file: custom classes, a file of weights, the layer that is the output.
    pub reading: ReadOptions,
    /// How the client's numbers are encoded, what it learns, and the bits of fixed-point numbers.
    pub network: passes::Options,
    /// Samples that tell the input's encoding (unless the client standardises) and, unless they are given,
    /// the bits of real weights.
    pub calibration: Option<Calibration>,
    /// How exact hidden numbers are, of networks that have such.
    pub numbers: NumberBits,
}

/// How exact hidden numbers are, and what tells their ranges.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub struct NumberBits {
    /// Bits of the largest activation of a layer on the samples; `None`: 12.
    pub activations: Option<u32>,
    /// The share of the samples, from 0 to 1, that must get the class of the float network: the cheapest bits
    /// that keep it are looked for.
    pub agreement: Option<f64>,
    /// Whether their ranges are those of the worst case, in which nothing overflows, and not those of the
    /// calibration samples, which are compared with all the same if there are any.
    pub proven: bool,
}

/// Bits of hidden numbers where nobody says otherwise.
pub const DEFAULT_ACTIVATION_BITS: u32 = 12;

/// Bits of the weights in front of hidden numbers where nobody says otherwise.
pub const DEFAULT_NUMBER_WEIGHT_BITS: u32 = 12;

/// Samples as the model was trained on, `[sample, ...]`.
#[derive(Clone, Debug)]
pub enum Calibration {
    /// The array `x` of a sample file. It is read when the model has been.
    File(PathBuf),
    /// In memory.
    Samples(Tensor),
}

/// Calibration samples that are at hand.
pub(crate) struct Samples<'o> {
    pub x: Cow<'o, Tensor>,
    /// What they are called in messages.
    name: String,
}

impl Calibration {
    /// The samples.
    pub(crate) fn samples(&self) -> Result<Samples<'_>, CompileError> {
        Ok(match self {
            Self::File(path) => {
                let x = data::load(path).map_err(CompileError::Data)?.x;
                Samples { x: Cow::Owned(x), name: path.display().to_string() }
            }
            Self::Samples(x) => Samples { x: Cow::Borrowed(x), name: "the calibration samples".to_owned() },
        })
    }
}

impl Options {
    /// What the passes are to know: the options, with the input's encoding as the calibration samples tell it
    /// of any model.
    ///
    /// # Errors
    /// [`CompileError::Data`] or [`CompileError::Calibration`].
    pub(crate) fn of_any_model(&self) -> Result<passes::Options, CompileError> {
        match &self.calibration {
            Some(calibration) if !self.network.input.standardised => {
                Ok(self.calibrated(&calibration.samples()?, None)?.0)
            }
            _ => Ok(self.network.clone()),
        }
    }

    /// The options with the input's encoding as `samples` tell it, and notes about it; `graph` is the model,
    /// if it is known.
    pub(super) fn calibrated(
        &self,
        samples: &Samples<'_>,
        graph: Option<&LayerGraph>,
    ) -> Result<(passes::Options, Vec<String>), CompileError> {
        let (mut network, mut notes) = (self.network.clone(), Vec::new());
        if !network.input.standardised {
            network.input = calibrate::input(&samples.x, graph, network.input.bits, &mut notes)
                .map_err(|reason| CompileError::Calibration { file: samples.name.clone(), reason })?;
        }
        Ok((network, notes))
    }
}
