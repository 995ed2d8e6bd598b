//! The integer network: exact operations on integers, every tensor with its public value range.
//!
//! This is what a Keras model means once no float is left, and the reference that circuits are compared with. Shapes,
//! kinds and ranges follow from the architecture alone (fan-in, input bits, declared bits), never from the weights.
//!
//! Tensors are row-major with the channel last.

pub mod evaluate;

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

/// The client's numbers: `x = scale * (q - zero)`, `q` an integer of `bits` bits.
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
    /// The `q` that stands for 0.
    pub zero: i64,
}

impl InputSpec {
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

/// What a tensor's values are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `+1` (bit 1) or `-1` (bit 0).
    Bit,
    /// Integers of a public range.
    Int(Range),
}

/// A range of integers, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    /// Smallest.
    pub lo: i64,
    /// Largest.
    pub hi: i64,
}

/// An operation on integers.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Op {
    /// The client's `q`.
    Input,
    /// `y[unit] = sum(weight * x)`, weights `+1` (true) or `-1`.
    Dense {
        /// `[unit][input]`.
        weights: Vec<bool>,
        /// Number of outputs.
        units: usize,
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
    /// Any reordering: element `i` of the output is element `source[i]` of the input.
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
            Self::Dense { .. } => "dense",
            Self::Threshold { .. } => "threshold",
            Self::Affine { .. } => "scale",
            Self::Permute { .. } => "permute",
        }
    }
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
}
