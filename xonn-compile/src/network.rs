//! A program with one model's numbers, and the Keras layers that they came from.

use xonn_program::circuit::{self, LowerError, Lowered};
use xonn_program::evaluate::{self, Evaluated, InputError};
use xonn_program::op::{Cut, Line, Linear};
use xonn_program::program::ProgramError;
use xonn_program::{InputEncoding, Layer, LayerId, Op, OutputEncoding, Prediction, Program, Tensor};

/// What a Keras model compiles to.
#[derive(Clone, PartialEq, Debug)]
pub struct Network {
    program: Program,
    tensors: Vec<Tensor>,
    /// The Keras layer of each layer, for messages only.
    names: Vec<String>,
}

/// Why a network has no circuit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// A layer that has no circuit.
    #[error("layer {layer:?}: {reason}")]
    Layer {
        /// The Keras layer.
        layer: String,
        /// What is not supported.
        reason: String,
    },
    /// The program or its circuit is too large.
    #[error(transparent)]
    Circuit(LowerError),
}

impl Network {
    /// * `names`: of the Keras layers, one for each layer.
    ///
    /// # Errors
    /// The rule that the program breaks; tensors of other lengths or kinds than it takes are none of its own.
    pub(crate) fn new(
        input: InputEncoding,
        layers: Vec<Layer>,
        output: OutputEncoding,
        tensors: Vec<Tensor>,
        names: Vec<String>,
    ) -> Result<Self, ProgramError> {
        let program = Program::new(input, layers, output)?;
        debug_assert_eq!((program.tensors().len(), program.layers().len()), (tensors.len(), names.len()));
        Ok(Self { program, tensors, names })
    }

    /// What is public.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// What is secret: one tensor for each of [`Program::tensors`].
    #[must_use]
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// The layers, the input first.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        self.program.layers()
    }

    /// The Keras layer that a layer came from.
    #[must_use]
    pub fn name(&self, id: LayerId) -> &str {
        &self.names[id]
    }

    /// The secret numbers of a layer.
    #[must_use]
    pub fn tensor(&self, id: LayerId) -> Option<&Tensor> {
        self.layers()[id].secret.map(|tensor| &self.tensors[tensor])
    }

    /// The sums that a layer is, with its weights.
    #[must_use]
    pub fn sums(&self, id: LayerId) -> Option<(&Linear, &[i32])> {
        match &self.layers()[id].op {
            Op::Linear(linear) => Some((linear, self.tensor(id)?.weights())),
            _ => None,
        }
    }

    /// The cuts of a threshold; of another layer none.
    #[must_use]
    pub fn cuts(&self, id: LayerId) -> Option<&[Cut]> {
        match &self.layers()[id].op {
            Op::Threshold { .. } => Some(self.tensor(id)?.cuts()),
            _ => None,
        }
    }

    /// How the client's numbers enter.
    #[must_use]
    pub fn input(&self) -> &InputEncoding {
        self.program.input()
    }

    /// What the client learns.
    #[must_use]
    pub fn output(&self) -> &OutputEncoding {
        self.program.output()
    }

    /// Every layer's tensor for one sample; bits are `+1` and `-1`.
    #[must_use]
    pub fn trace(&self, q: &[i64]) -> Vec<Vec<i64>> {
        evaluate::tensors(self.layers(), &self.tensors, q)
    }

    /// Evaluates any number of samples, as [`Program::evaluate`] does.
    ///
    /// # Errors
    /// [`InputError`] for the first sample of the wrong length or with a number out of the input's range.
    pub fn evaluate(&self, samples: &[Vec<i64>]) -> Result<Vec<Evaluated>, InputError> {
        self.program.evaluate(&self.tensors, samples)
    }

    /// What the client learns of a sample.
    #[must_use]
    pub fn prediction(&self, evaluated: &Evaluated) -> Prediction {
        evaluated.prediction(self.output())
    }

    /// The circuit, and the bits that the garbler brings to it.
    ///
    /// # Errors
    /// [`NetworkError`] naming the Keras layer.
    pub fn lower(&self) -> Result<Lowered, NetworkError> {
        circuit::lower_with(&self.program, &self.tensors).map_err(|error| match error {
            LowerError::Unsupported { layer, reason } => {
                NetworkError::Layer { layer: self.names[layer].clone(), reason }
            }
            other => NetworkError::Circuit(other),
        })
    }
}

/// An operation with the secret numbers that it takes.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Made {
    pub op: Op,
    pub tensor: Option<Tensor>,
}

impl From<Op> for Made {
    fn from(op: Op) -> Self {
        Self { op, tensor: None }
    }
}

impl Made {
    /// Sums with these weights.
    pub fn sums(linear: Linear, weights: Vec<i32>) -> Self {
        Self { op: Op::Linear(linear), tensor: Some(Tensor::Weights(weights)) }
    }

    /// A threshold with these cuts.
    pub fn threshold(cuts: Vec<Cut>) -> Self {
        Self { op: Op::Threshold { cuts: cuts.len() }, tensor: Some(Tensor::Cuts(cuts)) }
    }

    /// `y = scale * x + offset`, one pair a channel, `|scale| < 2^(bits - 1)`.
    pub fn scale(scale: &[i64], offset: &[i64], bits: u32) -> Self {
        let lines = scale.iter().zip(offset).map(|(&scale, &offset)| Line { scale, offset });
        let lines: Vec<Line> = lines.collect();
        Self { op: Op::Scale { lines: lines.len(), bits }, tensor: Some(Tensor::Lines(lines)) }
    }
}
