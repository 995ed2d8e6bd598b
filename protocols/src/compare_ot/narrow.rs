//! ORs of windows of up to 4 signs in two round trips and fewer bytes: 2x2 windows take 16 l bits in one
//! round trip, 20 + 2 l in two.
//!
//! | flight | message |
//! |---|---|
//! | ahead | those of [`compare`](crate::steps::compare) |
//! | F1, S to C | the tables |
//! | F2, C to S | the opened bits; C's bits b1_i of each window, each + the choice of an S-sender row |
//! | F3, S to C | `2^members` bits a window: `OR_i (b0_i + j_i) + beta_p + flip` under the key of index j |
//! | F4, C to S | two numbers a window: `(v + j) - rho` under `H(K_p + j Delta_C)`, v what C opened |
//!
//! p is a row of the C-sender pool, one a window.
//!
//! Rows and tweaks: the comparison's; then `members` rows of the S-sender pool and one of the C-sender pool a
//! window; then two tweaks a window, for F3 and for F4.

mod client;
mod server;

pub use client::{AwaitTables, AwaitWindowTables, Client};
pub use server::{AwaitAnswer, AwaitDigits, AwaitOpenings, AwaitShare, Server};

use super::{Cost, sign};
use crate::steps::StepError;
use crate::steps::compare::Comparison;
use crate::steps::convert::Conversion;
use crate::steps::digits::Digit;
use crate::steps::frame::Fields;
use crate::steps::windows::Windows;

/// A layer of signs and an OR pool. Public.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Plan {
    signs: sign::Plan,
    /// Each window's result by itself.
    results: Conversion,
}

impl Plan {
    /// ORs of windows of signs of numbers of w + 1 bits, as numbers modulo 2^ring; the cheapest digits.
    ///
    /// # Errors
    /// [`StepError::Range`] if w is not 1 to 27, windows are none or have more than 4 elements, or the ring
    /// is none of 1 to 63 bits.
    pub fn new(w: u32, windows: Windows, ring: u32) -> Result<Self, StepError> {
        let results = Conversion::of(&Windows::single(windows.len())?)?;
        Ok(Self { signs: sign::Plan::new(w, windows, ring)?, results })
    }

    /// The comparison of each element.
    pub fn comparison(&self) -> Comparison {
        self.signs.comparison
    }

    /// The windows.
    pub fn windows(&self) -> &Windows {
        &self.signs.windows
    }

    /// Bits of the ring of the results.
    pub fn ring(&self) -> u32 {
        self.signs.ring
    }

    /// C's bits of a window, as a digit with a table.
    fn digit(&self) -> Digit {
        Digit { low: 0, bits: self.windows().members() as u32, columns: 1 }
    }

    /// Tweaks of F3 and of F4, from the start of the block on.
    fn tweaks(&self) -> [usize; 2] {
        let first = self.comparison().tweaks();
        [first, first + self.results.len()]
    }

    /// F2.
    fn openings(&self) -> Fields {
        self.comparison().openings().with(self.results.len(), self.digit().bits)
    }

    /// F3.
    fn window_tables(&self) -> Fields {
        Fields::default().with(self.results.len(), self.digit().table_bits() as u32)
    }

    /// F4.
    fn answer(&self) -> Fields {
        self.results.fields(self.ring())
    }

    /// What the layer costs.
    pub fn cost(&self) -> Cost {
        let signs = self.signs.cost();
        let (windows, members) = (self.results.len(), self.windows().members());
        Cost {
            online: vec![self.comparison().tables(), self.openings(), self.window_tables(), self.answer()],
            leaf_rows: signs.leaf_rows + members * windows,
            mask_rows: signs.mask_rows + windows,
            tweaks: self.comparison().tweaks() + 2 * windows,
            ..signs
        }
    }

    /// The bits of each window as a number, member i at place i.
    fn gather(&self, bit: impl Fn(usize) -> u64) -> xonn_crypto::Wiped<u64> {
        let number = |window: &[u32]| {
            window.iter().zip(0..).fold(0, |number, (&element, i)| number | bit(element as usize) << i)
        };
        self.windows().iter().map(number).collect()
    }
}
