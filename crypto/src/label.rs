//! The labels of garbled wires. Three kinds of blocks that must not be taken for each other are three types.
//!
//! A wire has two labels: its [`ZeroLabel`] stands for 0, and the same XOR [`Delta`] for 1. The garbler knows
//! both. The evaluator knows one [`Label`] a wire, the active one, and not of which bit. Labels of a kind can
//! be XORed, which is free XOR; to make an active label of a zero label takes delta.
//!
//! ```
//! use xonn_crypto::label::{Delta, ZeroLabel};
//!
//! let rng = &mut rand::rng();
//! let (delta, [a, b]) = (Delta::random(rng), [(); 2].map(|()| ZeroLabel::random(rng)));
//! assert_eq!(a.label(true, &delta) ^ b.label(true, &delta), (a ^ b).label(false, &delta));
//! ```
//!
//! An evaluator takes no zero labels, and nobody takes a delta for a label:
//! ```compile_fail
//! # use xonn_crypto::{block::Tccr, garble::{Evaluator, Scheme, schedule::Schedule}, label::ZeroLabel};
//! # fn f(schedule: &Schedule, hash: Tccr, labels: Vec<ZeroLabel>) {
//! Evaluator::new(schedule, Scheme::HalfGates, hash, labels);
//! # }
//! ```
//! ```compile_fail
//! # use xonn_crypto::label::{Delta, ZeroLabel};
//! # fn f(label: ZeroLabel, delta: Delta) -> ZeroLabel {
//! label ^ delta
//! # }
//! ```

use core::fmt;
use core::ops::BitXor;

use rand::CryptoRng;
use zeroize::{DefaultIsZeroes, Zeroize, ZeroizeOnDrop};

use crate::block::Block;

/// The garbler's offset: the difference of both labels of each wire. Its lowest bit is 1, so that the labels
/// of a wire have different lowest bits. Who knows it and one label of a wire knows the other, so it is wiped
/// when dropped, and `Debug` shows nothing of it.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
#[repr(transparent)]
pub struct Delta(Block);

impl Delta {
    /// A fresh one.
    pub fn random<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        Self::from_block(Block::random(rng))
    }

    /// This block with its lowest bit set.
    #[must_use]
    pub const fn from_block(block: Block) -> Self {
        Self(block.with_lsb_set())
    }

    /// The block. It belongs into gates and corrections, and nowhere else.
    #[inline(always)]
    #[must_use]
    pub const fn block(&self) -> &Block {
        &self.0
    }
}

impl fmt::Debug for Delta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Delta(..)")
    }
}

/// The label of a wire for 0: the garbler's.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct ZeroLabel(Block);

/// The active label of a wire: the evaluator's.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct Label(Block);

impl ZeroLabel {
    /// A fresh one.
    pub fn random<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        Self(Block::random(rng))
    }

    /// The active label for `bit`, in the same time for both.
    #[inline(always)]
    #[must_use]
    pub fn label(self, bit: bool, delta: &Delta) -> Label {
        Label(self.moved(bit, delta).0)
    }

    /// The zero label of the wire XOR a bit that the garbler knows.
    #[inline(always)]
    #[must_use]
    pub(crate) fn moved(self, bit: bool, delta: &Delta) -> Self {
        Self(self.0 ^ delta.0.masked(bit))
    }
}

/// What the labels of both hosts have in common, for what both do with them.
pub(crate) trait AnyLabel:
    Copy + Default + DefaultIsZeroes + BitXor<Output = Self> + Send + Sync
{
    fn block(self) -> Block;
}

macro_rules! label {
    ($label:ident) => {
        impl $label {
            /// A label that is this block.
            #[inline(always)]
            #[must_use]
            pub const fn from_block(block: Block) -> Self {
                Self(block)
            }

            /// Labels that are these blocks, where they are.
            #[must_use]
            pub fn from_blocks(blocks: Vec<Block>) -> Vec<Self> {
                blocks.into_iter().map(Self).collect()
            }

            /// The block.
            #[inline(always)]
            #[must_use]
            pub const fn block(self) -> Block {
                self.0
            }
        }

        impl BitXor for $label {
            type Output = Self;

            #[inline(always)]
            fn bitxor(self, other: Self) -> Self {
                Self(self.0 ^ other.0)
            }
        }

        impl DefaultIsZeroes for $label {}

        impl AnyLabel for $label {
            #[inline(always)]
            fn block(self) -> Block {
                self.0
            }
        }
    };
}

label!(ZeroLabel);
label!(Label);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delta_is_odd_wiped_and_shows_nothing() {
        fn wiped_when_dropped<T: ZeroizeOnDrop>(_: &T) -> bool {
            core::mem::needs_drop::<T>()
        }
        let mut delta = Delta::from_block(Block::from(6));
        assert_eq!(*delta.block(), Block::from(7));
        assert_eq!(format!("{delta:?}"), "Delta(..)");
        assert!(wiped_when_dropped(&delta));
        delta.zeroize();
        assert_eq!(*delta.block(), Block::ZERO);
    }

    #[test]
    fn labels_are_as_large_as_blocks_and_differ_by_delta() {
        let (zero, delta) = (ZeroLabel::from_block(Block::from(10)), Delta::from_block(Block::from(3)));
        assert_eq!(
            [false, true].map(|bit| zero.label(bit, &delta).block()),
            [Block::from(10), Block::from(9)]
        );
        let blocks = vec![Block::from(1), Block::from(2)];
        let at = blocks.as_ptr().cast::<Label>();
        let labels = Label::from_blocks(blocks);
        assert_eq!(labels.as_ptr(), at, "no copy is left behind");
    }
}
