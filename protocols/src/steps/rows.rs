//! Correlated OTs as they are handed over, and the tweaks of their hashes.
//!
//! A row: the sender has K, the receiver has a random bit c and M = K + c Delta (`+` is XOR). Bit 0 of Delta
//! is 1 and bit 0 of each K is 0, so that bit 0 of M is c.

use core::fmt;

use xonn_crypto::block::{Block, Tccr};

use super::StepError;
use super::error::expect;

/// Rows of which this host is the sender.
#[derive(Clone, Copy)]
pub struct SenderRows<'a> {
    keys: &'a [Block],
    delta: Block,
}

/// Rows of which this host is the receiver: each M, whose bit 0 is the choice.
#[derive(Clone, Copy)]
pub struct ReceiverRows<'a> {
    keys: &'a [Block],
}

/// Rows of a use are one after the other, element by element; uses follow each other.
pub(super) trait Rows: Sized {
    fn keys(&self) -> &[Block];

    /// An error unless there are as many as the plan says.
    fn check(&self, what: &'static str, expected: usize) -> Result<(), StepError> {
        expect(what, expected, self.keys().len())
    }
}

impl<'a> SenderRows<'a> {
    /// These rows of a pool with this Delta.
    pub fn new(keys: &'a [Block], delta: Block) -> Self {
        Self { keys, delta }
    }

    /// The K of each row.
    pub fn keys(&self) -> &'a [Block] {
        self.keys
    }

    /// The pool's Delta.
    pub fn delta(&self) -> Block {
        self.delta
    }

    /// The first so many rows and the others.
    pub fn split_at(&self, count: usize) -> Option<[Self; 2]> {
        let (first, rest) = self.keys.split_at_checked(count)?;
        Some([first, rest].map(|keys| Self { keys, ..*self }))
    }
}

impl<'a> ReceiverRows<'a> {
    /// These rows.
    pub fn new(keys: &'a [Block]) -> Self {
        Self { keys }
    }

    /// The M of each row.
    pub fn keys(&self) -> &'a [Block] {
        self.keys
    }

    /// The first so many rows and the others.
    pub fn split_at(&self, count: usize) -> Option<[Self; 2]> {
        let (first, rest) = self.keys.split_at_checked(count)?;
        Some([first, rest].map(|keys| Self { keys }))
    }
}

impl Rows for SenderRows<'_> {
    fn keys(&self) -> &[Block] {
        self.keys
    }
}

impl Rows for ReceiverRows<'_> {
    fn keys(&self) -> &[Block] {
        self.keys
    }
}

impl fmt::Debug for SenderRows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SenderRows({})", self.keys.len())
    }
}

impl fmt::Debug for ReceiverRows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReceiverRows({})", self.keys.len())
    }
}

/// The hashes of both pools, and a block of tweaks that was reserved for these steps alone.
///
/// A use of n elements takes n tweaks: `first + use x n + element`, uses in the order of each step's
/// description. Start points belong to the connection, are drawn when both hosts are bound to what they sent
/// before, and no tweak is used twice under one of them.
#[derive(Clone, Copy, Debug)]
pub struct Tweaks {
    /// The hash of the S-sender pool.
    pub leaves: Tccr,
    /// The hash of the C-sender pool.
    pub masks: Tccr,
    /// The first tweak of the block.
    pub first: u64,
}

impl Tweaks {
    /// What is left of the block behind the first so many.
    #[must_use]
    pub fn behind(self, count: usize) -> Self {
        Self { first: self.first.wrapping_add(count as u64), ..self }
    }
}
