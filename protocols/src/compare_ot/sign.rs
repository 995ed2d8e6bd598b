//! Signs as numbers, or ORs of windows of up to 4 signs, in one round trip.
//!
//! | flight | message |
//! |---|---|
//! | ahead | those of [`compare`](crate::steps::compare) |
//! | F1, S to C | the tables |
//! | F2, C to S | the opened bits; `2^members` numbers a window ([`convert`]) |
//!
//! Tweaks: the comparison's, then one a window.

mod client;
mod server;

pub use client::{AwaitTables, Client};
pub use server::{AwaitAnswer, AwaitDigits, AwaitShare, Server};

use xonn_crypto::share::MOST_BITS;

use super::Cost;
use crate::steps::StepError;
use crate::steps::compare::Comparison;
use crate::steps::convert;
use crate::steps::digits::Digits;
use crate::steps::error::within;
use crate::steps::frame::Fields;
use crate::steps::windows::Windows;

/// A layer of signs. Public.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Plan {
    pub(super) comparison: Comparison,
    pub(super) windows: Windows,
    pub(super) ring: u32,
}

impl Plan {
    /// Signs of numbers of w + 1 bits, or ORs of windows of them, as numbers modulo 2^ring; the cheapest
    /// digits.
    ///
    /// # Errors
    /// [`StepError::Range`] if w is not 1 to 27, windows have more than 4 elements, or the ring is none of 1
    /// to 63 bits.
    pub fn new(w: u32, windows: Windows, ring: u32) -> Result<Self, StepError> {
        Self::with_digits(Digits::cheapest(w)?, windows, ring)
    }

    /// The same with these digits.
    ///
    /// # Errors
    /// As for [`Plan::new`].
    pub fn with_digits(digits: Digits, windows: Windows, ring: u32) -> Result<Self, StepError> {
        windows.check_written_out()?;
        within("bits of a ring", ring as usize, [1, MOST_BITS as usize])?;
        Ok(Self { comparison: Comparison::new(windows.elements(), digits), windows, ring })
    }

    /// The comparison of each element.
    pub fn comparison(&self) -> Comparison {
        self.comparison
    }

    /// The windows.
    pub fn windows(&self) -> &Windows {
        &self.windows
    }

    /// Bits of the ring of the results.
    pub fn ring(&self) -> u32 {
        self.ring
    }

    /// F2.
    fn answer(&self) -> Fields {
        self.comparison.openings().followed_by(convert::fields(&self.windows, self.ring))
    }

    /// What the layer costs.
    pub fn cost(&self) -> Cost {
        let comparison = &self.comparison;
        Cost {
            ahead: [comparison.cross_terms(), comparison.product_bits(), comparison.corrections()],
            online: vec![comparison.tables(), self.answer()],
            leaf_rows: comparison.leaf_rows(),
            mask_rows: comparison.mask_rows(),
            tweaks: comparison.tweaks() + self.windows.len(),
        }
    }
}
