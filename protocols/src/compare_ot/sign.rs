//! Signs as numbers, or ORs of windows of up to 4 signs, in one round trip; S may flip ORs, too.
//!
//! | flight | message |
//! |---|---|
//! | ahead | those of [`compare`](crate::steps::compare); of flipped ORs a bit each, S to C: flip + choice |
//! | F1, S to C | the tables |
//! | F2, C to S | the opened bits; `2^members` numbers a window ([`convert`]), twice as many if flipped |
//!
//! Rows: the comparison's, then for flips one of the C-sender pool a window. Tweaks: the comparison's, then
//! one a window.
//!
//! [`convert`]: crate::steps::convert

mod client;
mod server;

pub use client::{AwaitTables, Client};
pub use server::{AwaitAnswer, AwaitDigits, AwaitShare, Server};

use xonn_crypto::share::MOST_BITS;

use super::Cost;
use crate::steps::StepError;
use crate::steps::column::Column;
use crate::steps::compare::Comparison;
use crate::steps::convert::Conversion;
use crate::steps::digits::Digits;
use crate::steps::error::{expect, within};
use crate::steps::frame::{Fields, Reader};
use crate::steps::windows::Windows;

/// A layer of signs. Public.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Plan {
    pub(super) comparison: Comparison,
    pub(super) windows: Windows,
    /// What C answers.
    pub(super) conversion: Conversion,
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
        let conversion = Conversion::of(&windows)?;
        within("bits of a ring", ring as usize, [1, MOST_BITS as usize])?;
        Ok(Self { comparison: Comparison::new(windows.elements(), digits), windows, conversion, ring })
    }

    /// The same, with a flip of S's for each OR.
    ///
    /// # Errors
    /// [`StepError::Range`] if there are 2^32 elements and windows, and more.
    pub fn flipped(self) -> Result<Self, StepError> {
        Ok(Self { conversion: Conversion::flipped(&self.windows)?, ..self })
    }

    /// Flips of ORs: as many as windows, or none.
    pub fn flips(&self) -> usize {
        if self.conversion.flips() { self.windows.len() } else { 0 }
    }

    /// The second message ahead, of S: the products, then the flips.
    fn products(&self) -> Fields {
        let columns = usize::from(self.conversion.flips());
        self.comparison.product_bits().with_columns(columns, self.windows.len())
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

    /// The products of the second message ahead, and what S opened of flips.
    fn cut_products<'m>(&self, message: &'m [u8]) -> Result<(&'m [u8], Column), StepError> {
        let (all, first) = (self.products(), self.comparison.product_bits());
        let (products, flips) = message.split_at(first.bytes().min(message.len()));
        if message.len() != all.bytes() {
            let (expected, actual) = (all.bytes(), message.len());
            return Err(StepError::Length { what: "products of masks", expected, actual });
        }
        let fields = Fields::default().with_columns(usize::from(self.conversion.flips()), self.windows.len());
        let mut flips = Reader::new("flips of windows", flips, &fields)?;
        let flips = if self.flips() > 0 { flips.column(self.flips())? } else { Column::zeros(0) };
        Ok((products, flips))
    }

    /// The comparison's mask rows, and those of flips, of which `found` are there together.
    fn split<R>(&self, rows: Option<[R; 2]>, found: usize) -> Result<[R; 2], StepError> {
        let (what, expected) = ("mask rows of a comparison", self.cost().mask_rows);
        expect(what, expected, found)?;
        rows.ok_or(StepError::Shape { what, expected, actual: found })
    }

    /// F2.
    fn answer(&self) -> Fields {
        self.comparison.openings().followed_by(self.conversion.fields(self.ring))
    }

    /// What the layer costs.
    pub fn cost(&self) -> Cost {
        let comparison = &self.comparison;
        Cost {
            ahead: [comparison.cross_terms(), self.products(), comparison.corrections()],
            online: vec![comparison.tables(), self.answer()],
            leaf_rows: comparison.leaf_rows(),
            mask_rows: comparison.mask_rows() + self.flips(),
            tweaks: comparison.tweaks() + self.windows.len(),
        }
    }
}
