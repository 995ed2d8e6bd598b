//! The operations of a program, each with its fields, its rules and its clear evaluation.
//!
//! An operation says what a layer computes and which tensor of secret numbers it takes ([`Op::tensor`]); the
//! numbers themselves are the server's and stand in a [`Tensor`].

mod linear;
pub mod permute;
mod planes;
pub(crate) mod pool;
mod relu;
mod round;
mod scale;
mod spline;
mod threshold;
mod window;

pub use linear::{Linear, Pad};
pub use planes::Planes;
pub use relu::Leak;
pub use round::{Round, Rounding};
pub use scale::{Line, gcd};
pub use spline::Spline;
pub use threshold::Cut;
pub(crate) use threshold::split;
pub use window::Window2d;

use crate::program::{Kind, Range};
use crate::tensor::{Tensor, TensorSpec};

/// An operation on integers.
#[derive(Clone, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Op {
    /// The client's `q`.
    Input,
    /// `y = step * x + offset` with public numbers: what turns the client's `q` into the integers that are
    /// added up.
    Recode {
        /// At least 1.
        step: i64,
        /// Value of `x = 0`.
        offset: i64,
    },
    /// Sums of products with secret weights.
    Linear(Linear),
    /// The largest value of each window and channel; what is outside of the image never wins.
    MaxPool {
        /// Input size, kernel, stride, padding.
        window: Window2d,
    },
    /// The sum of each window and channel; what is outside of the image adds nothing.
    SumPool {
        /// Input size, kernel, stride, padding.
        window: Window2d,
    },
    /// An integer becomes a bit. Its tensor is the cuts.
    Threshold {
        /// How many cuts there are: element `i` has cut `i % cuts`.
        cuts: usize,
    },
    /// `y = scale * x + offset` in fixed point. Its tensor is the lines.
    Scale {
        /// How many lines there are: element `i` has line `i % lines`.
        lines: usize,
        /// Bits of a scale: `|scale| < 2^(bits - 1)`.
        bits: u32,
    },
    /// `y = floor(x / 2^bits)`: the lowest bits are dropped.
    Truncate {
        /// At least 1.
        bits: u32,
    },
    /// `y = x / 2^bits` rounded to the nearest number, and to the even one of two: what TensorFlow's `round`
    /// gives. Exact everywhere, by chance nowhere.
    TiesToEven {
        /// At least 1.
        bits: u32,
    },
    /// `y = x + offset` with secret offsets, a bias. Its tensor is the offsets.
    Offset {
        /// How many offsets there are: element `i` has offset `i % offsets`.
        offsets: usize,
        /// Bits of an offset: `|offset| < 2^(bits - 1)`.
        bits: u32,
    },
    /// The lowest bits are dropped, rounded, and the result is kept in a public number of bits.
    Round(Round),
    /// `y = max(x, 0)`.
    Relu,
    /// A leaky ReLU with a public slope.
    LeakyRelu(Leak),
    /// `y = min(max(x, lo), hi)` with public ends.
    Clamp(Range),
    /// The sum of all inputs, element by element.
    Add,
    /// The product of two tensors, element by element: both of bits, or both of numbers.
    Product,
    /// `y = x x`.
    Square,
    /// A curve, as a public table of line pieces.
    Spline(Spline),
    /// All inputs along the last axis.
    Concatenate,
    /// Any reordering or selection: element `i` of the output is element `source[i]` of the input.
    Permute {
        /// One an output element.
        #[serde(with = "permute")]
        source: Vec<usize>,
    },
}

impl Op {
    /// The operation's name, for messages.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Recode { .. } => "recode",
            Self::Linear(linear) if linear.window.is_dense() => "dense",
            Self::Linear(_) => "conv2d",
            Self::MaxPool { .. } => "max_pool2d",
            Self::SumPool { .. } => "sum_pool2d",
            Self::Threshold { .. } => "threshold",
            Self::Scale { .. } => "scale",
            Self::Truncate { .. } => "truncate",
            Self::TiesToEven { .. } => "ties_to_even",
            Self::Offset { .. } => "offset",
            Self::Round(_) => "round",
            Self::Relu => "relu",
            Self::LeakyRelu(_) => "leaky_relu",
            Self::Clamp(_) => "clamp",
            Self::Add => "add",
            Self::Product => "product",
            Self::Square => "square",
            Self::Spline(_) => "spline",
            Self::Concatenate => "concatenate",
            Self::Permute { .. } => "permute",
        }
    }

    /// What tensor of secret numbers the operation takes, if any, on a tensor of integers of `read`.
    #[must_use]
    pub fn tensor(&self, read: Range) -> Option<TensorSpec> {
        match *self {
            Self::Linear(linear) => {
                Some(TensorSpec::Weights { planes: linear.weights, count: linear.weight_count() })
            }
            Self::Threshold { cuts } => Some(TensorSpec::Cuts { count: cuts, range: read }),
            Self::Scale { lines, bits } => Some(TensorSpec::Lines { count: lines, bits }),
            Self::Offset { offsets, bits } => Some(TensorSpec::Offsets { count: offsets, bits }),
            _ => None,
        }
    }

    /// The least kind that holds all that the operation can give, of tensors of these kinds.
    ///
    /// # Errors
    /// What is wrong with the operation or what it reads; numbers beyond 2^60; inputs and scales, whose kind
    /// is declared.
    pub fn kind(&self, reads: &[Kind]) -> Result<Kind, String> {
        crate::program::kind(self, reads)
    }

    /// Evaluates the operation in the clear; where it rounds, to the nearest number.
    ///
    /// * `tensor`: of [`Op::tensor`].   * `reads`: each tensor read, and its number of channels.
    ///
    /// # Panics
    /// If lengths are not those of a verified program.
    #[must_use]
    pub fn evaluate(&self, tensor: Option<&Tensor>, reads: &[(&[i64], usize)]) -> Vec<i64> {
        let x = reads.first().map_or(&[][..], |read| read.0);
        match self {
            Self::Input => x.to_vec(),
            &Self::Recode { step, offset } => {
                x.iter().map(|&x| step.wrapping_mul(x).wrapping_add(offset)).collect()
            }
            Self::Linear(linear) => linear.evaluate(tensor.map_or(&[], Tensor::weights), x),
            Self::MaxPool { window } => pool::evaluate(x, window, i64::max),
            Self::SumPool { window } => pool::evaluate(x, window, i64::wrapping_add),
            Self::Threshold { .. } => threshold::evaluate(x, tensor.map_or(&[], Tensor::cuts)),
            Self::Scale { .. } => scale::evaluate(x, tensor.map_or(&[], Tensor::lines)),
            &Self::Truncate { bits } => x.iter().map(|&x| x >> bits).collect(),
            &Self::TiesToEven { bits } => x.iter().map(|&x| ties_to_even(x, bits)).collect(),
            Self::Offset { .. } => {
                let offsets = tensor.map_or(&[][..], Tensor::offsets);
                x.iter().zip(offsets.iter().cycle()).map(|(&x, &offset)| x.wrapping_add(offset)).collect()
            }
            Self::Round(round) => round.evaluate(x, &mut Rounding::Half).0,
            Self::Relu => x.iter().map(|&x| x.max(0)).collect(),
            Self::LeakyRelu(leak) => x.iter().map(|&x| leak.of(x)).collect(),
            &Self::Clamp(Range { lo, hi }) => x.iter().map(|&x| x.max(lo).min(hi)).collect(),
            Self::Square => x.iter().map(|&x| x.wrapping_mul(x)).collect(),
            Self::Spline(spline) => x.iter().map(|&x| spline.of(x)).collect(),
            Self::Add => {
                let sum = |i: usize| reads.iter().fold(0i64, |sum, (x, _)| sum.wrapping_add(x[i]));
                (0..x.len()).map(sum).collect()
            }
            Self::Product => x.iter().zip(reads[1].0).map(|(a, b)| a.wrapping_mul(*b)).collect(),
            Self::Concatenate => {
                let rows = x.len() / reads[0].1.max(1);
                let row = |r: usize| reads.iter().flat_map(move |(x, n)| &x[r * n..][..*n]).copied();
                (0..rows).flat_map(row).collect()
            }
            Self::Permute { source } => source.iter().map(|&s| x[s]).collect(),
        }
    }
}

/// `x / 2^bits` to the nearest number, and to the even one of two; `x` is below 2^61.
pub(crate) fn ties_to_even(x: i64, bits: u32) -> i64 {
    x.wrapping_add((1 << (bits - 1)) - 1).wrapping_add(x >> bits & 1) >> bits
}
