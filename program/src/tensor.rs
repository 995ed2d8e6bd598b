//! Secret tensors: the weights, cuts and lines that one model has and its architecture does not tell.
//!
//! A [`TensorSpec`] is public and follows from the program: how many numbers there are and how many bits each
//! may take.

use zeroize::Zeroize;

use crate::op::{Cut, Line, Planes};
use crate::program::Range;

/// The secret numbers of one layer, or of several that share them.
#[derive(Clone, PartialEq, Eq, Zeroize)]
#[non_exhaustive]
pub enum Tensor {
    /// Weights of sums, each held by the operation's [`Planes`]; the order is the operation's.
    Weights(Vec<i32>),
    /// Cuts, one a channel of the last axis.
    Cuts(Vec<Cut>),
    /// Lines, one a channel of the last axis.
    Lines(Vec<Line>),
    /// Numbers that are added, one a channel of the last axis.
    Offsets(Vec<i64>),
}

impl std::fmt::Debug for Tensor {
    /// How many numbers there are, and none of them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Weights(weights) => write!(f, "{} weights", weights.len()),
            Self::Cuts(cuts) => write!(f, "{} cuts", cuts.len()),
            Self::Lines(lines) => write!(f, "{} lines", lines.len()),
            Self::Offsets(offsets) => write!(f, "{} offsets", offsets.len()),
        }
    }
}

impl Tensor {
    /// The weights; of a tensor of another kind none.
    #[must_use]
    pub fn weights(&self) -> &[i32] {
        match self {
            Self::Weights(weights) => weights,
            _ => &[],
        }
    }

    /// The cuts; of a tensor of another kind none.
    #[must_use]
    pub fn cuts(&self) -> &[Cut] {
        match self {
            Self::Cuts(cuts) => cuts,
            _ => &[],
        }
    }

    /// The lines; of a tensor of another kind none.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        match self {
            Self::Lines(lines) => lines,
            _ => &[],
        }
    }

    /// The offsets; of a tensor of another kind none.
    #[must_use]
    pub fn offsets(&self) -> &[i64] {
        match self {
            Self::Offsets(offsets) => offsets,
            _ => &[],
        }
    }

    /// Weights of `+1` (true) and `-1`.
    #[must_use]
    pub fn signs(positive: &[bool]) -> Self {
        Self::Weights(positive.iter().map(|&positive| if positive { 1 } else { -1 }).collect())
    }
}

/// What is public of a tensor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TensorSpec {
    /// Weights of sums.
    Weights {
        /// Which integers they may be.
        planes: Planes,
        /// How many.
        count: usize,
    },
    /// Cuts.
    Cuts {
        /// How many.
        count: usize,
        /// The numbers that are cut; an edge lies at most one beside them.
        range: Range,
    },
    /// Lines.
    Lines {
        /// How many.
        count: usize,
        /// Bits of a scale in two's complement. An offset has 64.
        bits: u32,
    },
    /// Numbers that are added.
    Offsets {
        /// How many.
        count: usize,
        /// Bits of each in two's complement.
        bits: u32,
    },
}

/// Bits of an offset.
const OFFSET_BITS: u32 = 64;

impl TensorSpec {
    /// How many numbers there are.
    #[must_use]
    pub fn count(self) -> usize {
        match self {
            Self::Weights { count, .. }
            | Self::Cuts { count, .. }
            | Self::Lines { count, .. }
            | Self::Offsets { count, .. } => count,
        }
    }

    /// Bits of each number's code.
    fn code_bits(self) -> u32 {
        match self {
            Self::Weights { planes, .. } => planes.code_bits(),
            Self::Cuts { range, .. } => 1 + edge_bits(range),
            Self::Lines { bits, .. } => bits + OFFSET_BITS,
            Self::Offsets { bits, .. } => bits,
        }
    }

    /// Bits that the tensor takes in a file.
    #[must_use]
    pub fn bits(self) -> u64 {
        self.count() as u64 * u64::from(self.code_bits())
    }

    /// Whether `tensor` is such a one.
    ///
    /// # Errors
    /// What is wrong with it; of its numbers nothing is told.
    pub fn check(self, tensor: &Tensor) -> Result<(), String> {
        let (found, fits) = match (self, tensor) {
            (Self::Weights { planes, .. }, Tensor::Weights(weights)) => {
                (weights.len(), weights.iter().all(|&weight| planes.holds(weight)))
            }
            (Self::Cuts { range, .. }, Tensor::Cuts(cuts)) => {
                (cuts.len(), cuts.iter().all(|&cut| cut == cut.within(range)))
            }
            (Self::Lines { bits, .. }, Tensor::Lines(lines)) => {
                let most = 1i64 << (bits - 1);
                (lines.len(), lines.iter().all(|line| (1 - most..most).contains(&line.scale)))
            }
            (Self::Offsets { bits, .. }, Tensor::Offsets(offsets)) => {
                let most = 1i64 << (bits - 1);
                (offsets.len(), offsets.iter().all(|offset| (1 - most..most).contains(offset)))
            }
            (_, other) => return Err(format!("{other:?}, expected {}", self.named())),
        };
        match (found == self.count(), fits) {
            (false, _) => Err(format!("{found} numbers, expected {}", self.named())),
            (true, false) => Err(format!("numbers that are none of its {}", self.named())),
            (true, true) => Ok(()),
        }
    }

    fn named(self) -> String {
        match self {
            Self::Weights { count, .. } => format!("{count} weights"),
            Self::Cuts { count, .. } => format!("{count} cuts"),
            Self::Lines { count, .. } => format!("{count} lines"),
            Self::Offsets { count, .. } => format!("{count} offsets"),
        }
    }

    /// Writes the numbers' codes, each least significant bit first.
    ///
    /// # Panics
    /// If the tensor is not one of [`TensorSpec::check`].
    pub(crate) fn write(self, tensor: &Tensor, out: &mut BitWriter<'_>) {
        match (self, tensor) {
            (Self::Weights { planes, .. }, Tensor::Weights(weights)) => {
                weights.iter().for_each(|&weight| out.put(planes.code(weight), planes.code_bits()));
            }
            (Self::Cuts { range, .. }, Tensor::Cuts(cuts)) => {
                for cut in cuts {
                    out.put(u64::from(cut.rising), 1);
                    out.put((cut.at - (range.lo - 1)) as u64, edge_bits(range));
                }
            }
            (Self::Lines { bits, .. }, Tensor::Lines(lines)) => {
                for line in lines {
                    out.put(line.scale as u64, bits);
                    out.put(line.offset as u64, OFFSET_BITS);
                }
            }
            (Self::Offsets { bits, .. }, Tensor::Offsets(offsets)) => {
                offsets.iter().for_each(|&offset| out.put(offset as u64, bits));
            }
            _ => panic!("a tensor of another kind than its specification"),
        }
    }

    /// Reads a tensor back; none if a code is not one of its numbers.
    pub(crate) fn read(self, bits: &mut BitReader<'_>) -> Option<Tensor> {
        Some(match self {
            Self::Weights { planes, count } => {
                let weight = |_| planes.weight(bits.take(planes.code_bits()));
                Tensor::Weights((0..count).map(weight).collect::<Option<_>>()?)
            }
            Self::Cuts { count, range } => {
                let cut = |_| {
                    let rising = bits.take(1) == 1;
                    let cut = Cut { rising, at: range.lo - 1 + bits.take(edge_bits(range)) as i64 };
                    (cut == cut.within(range)).then_some(cut)
                };
                Tensor::Cuts((0..count).map(cut).collect::<Option<_>>()?)
            }
            Self::Lines { count, bits: scale_bits } => {
                let line = |_| {
                    let scale = bits.take_signed(scale_bits)?;
                    Some(Line { scale, offset: bits.take(OFFSET_BITS) as i64 })
                };
                Tensor::Lines((0..count).map(line).collect::<Option<_>>()?)
            }
            Self::Offsets { count, bits: width } => {
                Tensor::Offsets((0..count).map(|_| bits.take_signed(width)).collect::<Option<_>>()?)
            }
        })
    }
}

/// Bits of an edge from one below a range to one above it.
fn edge_bits(range: Range) -> u32 {
    64 - ((range.hi - range.lo + 2) as u64).leading_zeros()
}

/// Appends numbers to bytes, least significant bit first.
pub(crate) struct BitWriter<'b> {
    bytes: &'b mut Vec<u8>,
    /// Bits of the last byte that are used; 8 if it is full.
    used: u32,
}

impl<'b> BitWriter<'b> {
    pub fn new(bytes: &'b mut Vec<u8>) -> Self {
        Self { bytes, used: 8 }
    }

    fn put(&mut self, number: u64, bits: u32) {
        for i in 0..bits {
            if self.used == 8 {
                self.bytes.push(0);
                self.used = 0;
            }
            let bit = (number >> i & 1) as u8;
            *self.bytes.last_mut().expect("a byte was pushed") |= bit << self.used;
            self.used += 1;
        }
    }
}

/// Takes numbers from bytes, of which there are enough.
pub(crate) struct BitReader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> BitReader<'b> {
    pub fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// A number in two's complement; none if it is the smallest, which is no number's negative.
    fn take_signed(&mut self, bits: u32) -> Option<i64> {
        let unused = 64 - bits;
        let number = (self.take(bits) << unused) as i64 >> unused;
        (number > -1i64 << (bits - 1)).then_some(number)
    }

    fn take(&mut self, bits: u32) -> u64 {
        let mut number = 0;
        for i in 0..bits {
            number |= u64::from(self.bytes[self.at / 8] >> (self.at % 8) & 1) << i;
            self.at += 1;
        }
        number
    }
}
