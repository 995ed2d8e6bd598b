//! The program: exact operations on integers, every tensor with its public value range.
//!
//! This is what a Keras model means once no float is left, and the reference that circuits and protocols are
//! compared with. A program is public: shapes, kinds and ranges follow from the architecture alone (fan-in,
//! input bits, declared bits), never from the weights, which stand in secret [`Tensor`](crate::Tensor)s.
//!
//! Tensors are row-major with the channel last.

mod verify;

pub use verify::ProgramError;
pub(crate) use verify::kind;

use crate::encoding::{InputEncoding, OutputEncoding};
use crate::op::Op;
use crate::tensor::TensorSpec;

/// Index of a layer, and of the tensor of integers that it makes.
pub type LayerId = usize;

/// Index of a tensor of secret numbers.
pub type TensorId = usize;

/// A verified program: the client's input, layers in order, and what the last layer's integers mean.
#[derive(Clone, PartialEq, Debug)]
pub struct Program {
    input: InputEncoding,
    layers: Vec<Layer>,
    output: OutputEncoding,
    tensors: Vec<TensorSpec>,
}

/// One operation on the tensors of earlier layers.
#[derive(Clone, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// What it does.
    pub op: Op,
    /// The layers whose tensors it reads.
    pub reads: Vec<LayerId>,
    /// Shape of its tensor, channels last.
    pub shape: Vec<usize>,
    /// What its values are.
    pub kind: Kind,
    /// The secret numbers that it takes; several layers may share them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<TensorId>,
}

impl Layer {
    /// Number of elements of the layer's tensor.
    #[must_use]
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Length of the last axis.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }
}

/// What a tensor's values are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `+1` (bit 1) or `-1` (bit 0).
    Bit,
    /// Integers of a public range.
    Int(Range),
}

impl Kind {
    /// The smallest and the largest value; a bit is `-1` or `+1`.
    #[must_use]
    pub fn range(self) -> Range {
        match self {
            Self::Bit => Range { lo: -1, hi: 1 },
            Self::Int(range) => range,
        }
    }
}

/// A range of integers, both ends included. In a file it is `[lo, hi]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(from = "[i64; 2]", into = "[i64; 2]")]
pub struct Range {
    /// Smallest.
    pub lo: i64,
    /// Largest.
    pub hi: i64,
}

impl From<[i64; 2]> for Range {
    fn from([lo, hi]: [i64; 2]) -> Self {
        Self { lo, hi }
    }
}

impl From<Range> for [i64; 2] {
    fn from(range: Range) -> Self {
        [range.lo, range.hi]
    }
}

impl Range {
    /// The largest absolute value.
    #[must_use]
    pub fn magnitude(self) -> i64 {
        self.hi.max(-self.lo)
    }

    /// Bits of the two's complement numbers that hold it.
    #[must_use]
    pub fn signed_bits(self) -> u32 {
        let largest = self.hi.max(-(self.lo + 1)).max(0);
        64 - (largest as u64).leading_zeros() + 1
    }
}

impl Program {
    /// Makes a program of its parts, if they obey every rule of [`ProgramError`].
    ///
    /// # Errors
    /// The first rule broken, with the layer.
    pub fn new(
        input: InputEncoding,
        layers: Vec<Layer>,
        output: OutputEncoding,
    ) -> Result<Self, ProgramError> {
        let tensors = verify::verify(&input, &layers, &output)?;
        Ok(Self { input, layers, output, tensors })
    }

    /// How the client's numbers become bits.
    #[must_use]
    pub fn input(&self) -> &InputEncoding {
        &self.input
    }

    /// The layers, the input first.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// What the last layer's tensor becomes for the client.
    #[must_use]
    pub fn output(&self) -> &OutputEncoding {
        &self.output
    }

    /// What is public of each tensor of secret numbers.
    #[must_use]
    pub fn tensors(&self) -> &[TensorSpec] {
        &self.tensors
    }

    /// Bits that the secret numbers take in a file.
    #[must_use]
    pub fn secret_bits(&self) -> u64 {
        self.tensors.iter().map(|spec| spec.bits()).sum()
    }
}
