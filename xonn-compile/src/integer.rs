//! The integer network: exact operations on integers, every tensor with its public value range.
//!
//! This is what a Keras model means once no float is left, and the reference that circuits are compared with. Shapes,
//! kinds and ranges follow from the architecture alone (fan-in, input bits, declared bits), never from the weights.
//!
//! Tensors are row-major with the channel last.

pub mod evaluate;
pub mod kernel;
pub mod window;

pub use evaluate::{Evaluated, InputError};
pub use kernel::{Kernel, Planes};
pub use window::Window2d;

use xonn_circuits::data::Feature;

/// Index of a node, and of the tensor it makes.
pub type NodeId = usize;

/// A network of integer operations.
#[derive(Clone, PartialEq, Debug)]
pub struct IntegerNetwork {
    /// How numbers enter.
    pub input: InputSpec,
    /// Nodes in topological order; node 0 is the input, the last node is the output.
    pub nodes: Vec<Node>,
    /// What the last node's tensor means.
    pub output: OutputSpec,
}

/// The client's numbers: `x = scale * (q - zero)`, `q` an integer of `bits` bits; `x` is standardised by feature where
/// `features` is not empty.
#[derive(Clone, PartialEq, Debug)]
pub struct InputSpec {
    /// Shape of one sample, channels last.
    pub shape: Vec<usize>,
    /// Bits of each `q`.
    pub bits: u32,
    /// Whether `q` is in two's complement.
    pub signed: bool,
    /// Value of one unit of `q`.
    pub scale: f64,
    /// The `q` that stands for 0; also between two integers, as in `q / 127.5 - 1`.
    pub zero: f64,
    /// One for each index of the last axis: what the client standardises by. Empty if it does not.
    pub features: Vec<Feature>,
    /// Whether the network computes with standardised numbers, as the `Normalization` that the client does in
    /// its place would give them; else with the client's own, which `features` only encode.
    pub standardised: bool,
}

impl InputSpec {
    /// Raw numbers as they are: `bits` bits without a sign, one unit being 1.
    #[must_use]
    pub fn unsigned(shape: Vec<usize>, bits: u32) -> Self {
        Self { shape, bits, signed: false, scale: 1.0, zero: 0.0, features: Vec::new(), standardised: false }
    }

    /// Slope and offset of the network's numbers in terms of `q`: one for all, or one for each index of the
    /// last axis.
    #[must_use]
    pub fn lines(&self) -> Vec<(f64, f64)> {
        let (scale, offset) = (self.scale, -self.scale * self.zero);
        if self.standardised || self.features.is_empty() {
            return vec![(scale, offset)];
        }
        self.features.iter().map(|f| (f.deviation * scale, f.mean + f.deviation * offset)).collect()
    }

    /// The smallest and the largest `q`.
    #[must_use]
    pub fn range(&self) -> Range {
        if self.signed {
            Range { lo: -(1 << (self.bits - 1)), hi: (1 << (self.bits - 1)) - 1 }
        } else {
            Range { lo: 0, hi: (1 << self.bits) - 1 }
        }
    }
}

/// One operation.
#[derive(Clone, PartialEq, Debug)]
pub struct Node {
    /// The Keras layer it came from, for messages only.
    pub name: String,
    /// What it does.
    pub op: Op,
    /// The tensors it reads, all of them of earlier nodes.
    pub inputs: Vec<NodeId>,
    /// Shape of its tensor, channels last.
    pub shape: Vec<usize>,
    /// What its values are.
    pub kind: Kind,
}

impl Node {
    /// Number of elements of the node's tensor.
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
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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

/// A range of integers, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    /// Smallest.
    pub lo: i64,
    /// Largest.
    pub hi: i64,
}

impl Range {
    /// The largest absolute value.
    #[must_use]
    pub fn magnitude(self) -> i64 {
        self.hi.max(-self.lo)
    }
}

/// An operation on integers.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Op {
    /// The client's `q`.
    Input,
    /// `y[unit] = sum(weight * x)`.
    Dense {
        /// `[unit][input]`.
        kernel: Kernel,
        /// Number of outputs.
        units: usize,
    },
    /// `y = step * x + offset` with public numbers: what turns the client's `q` into the integers that are added up.
    Recode {
        /// At least 1.
        step: i64,
        /// Value of `x = 0`.
        offset: i64,
    },
    /// `y[row, column, filter] = sum(weight * x)` over the window of each position.
    Conv2d {
        /// `[filter][kernel row][kernel column][channel]`, the channels being those of the filter's group.
        kernel: Kernel,
        /// Number of filters; filter `f` reads group `f / (filters / groups)` of the channels.
        filters: usize,
        /// Into how many equal runs of neighbours the input channels are cut; 1 for an ordinary convolution.
        groups: usize,
        /// Input size, kernel, stride, padding.
        window: Window2d,
        /// What stands outside of the image.
        pad: Pad,
    },
    /// The largest value of each window and channel; what is outside of the image never wins.
    MaxPool2d {
        /// Input size, kernel, stride, padding.
        window: Window2d,
    },
    /// The sum of each window and channel; what is outside of the image adds nothing.
    SumPool2d {
        /// Input size, kernel, stride, padding.
        window: Window2d,
    },
    /// An integer becomes a bit, by one cut a channel.
    Threshold {
        /// One a channel, the last axis.
        cuts: Vec<Cut>,
    },
    /// `y = scale * x + offset` a channel, in fixed point.
    Affine {
        /// One a channel, `|scale| < 2^(bits - 1)`.
        scale: Vec<i64>,
        /// One a channel.
        offset: Vec<i64>,
        /// Bits of a scale, public.
        bits: u32,
    },
    /// `y = floor(x / 2^bits)`: the lowest bits are dropped.
    Truncate {
        /// At least 1.
        bits: u32,
    },
    /// The sum of all inputs, element by element.
    Add,
    /// The product of two tensors of bits, element by element.
    Product,
    /// All inputs along the last axis.
    Concatenate,
    /// Any reordering or selection: element `i` of the output is element `source[i]` of the input.
    Permute {
        /// One an output element.
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
            Self::Dense { .. } => "dense",
            Self::Conv2d { .. } => "conv2d",
            Self::MaxPool2d { .. } => "max_pool2d",
            Self::SumPool2d { .. } => "sum_pool2d",
            Self::Threshold { .. } => "threshold",
            Self::Affine { .. } => "scale",
            Self::Truncate { .. } => "truncate",
            Self::Add => "add",
            Self::Product => "product",
            Self::Concatenate => "concatenate",
            Self::Permute { .. } => "permute",
        }
    }
}

/// What a convolution reads outside of its image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pad {
    /// Nothing: these taps are dropped, so border positions add up fewer numbers (Keras's zero padding).
    Drop,
    /// `+1` (true) or `-1` (larq's `pad_values`); only where the input is bits.
    Bit(bool),
}

/// Where a channel fires.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cut {
    /// Fires from `at` upwards (`y >= at`), else downwards (`y <= at`).
    pub rising: bool,
    /// The edge.
    pub at: i64,
}

impl Cut {
    /// Whether `y` fires.
    #[must_use]
    pub fn fires(self, y: i64) -> bool {
        if self.rising { y >= self.at } else { y <= self.at }
    }
}

/// What the last tensor means.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum OutputSpec {
    /// The index of the largest element; ties go to the lowest index.
    Argmax {
        /// Number of elements.
        classes: usize,
    },
    /// All elements, in fixed point.
    Scores {
        /// Real value of one unit; public, and so never taken from the weights.
        unit: f64,
    },
    /// One bit: whether the only element, a [`Kind::Bit`], is `+1`.
    Sign,
    /// One bit for each element, all of them [`Kind::Bit`]: whether it is `+1`.
    Labels {
        /// Number of elements.
        units: usize,
    },
}
