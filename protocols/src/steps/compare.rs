//! Shares of the bit `[y0 + y1 >= 0]`, and with them a correlated OT of which C is the sender and S's choice
//! is its share: `b = b0 + b1`, `MM = KK + b0 Delta_C`.
//!
//! y0 + y1 is a number of w + 1 bits with a sign, y1 is C's and known ahead. `b = 1 + msb(y0) + msb(y1) +
//! carry`, the carry out of the low w bits. With c C's low bits and d those of `2^w - 1 - y0`, `carry = [c >
//! d]`, digit by digit: `g_i = [c_i > d_i]`, `e_i = [c_i = d_i]`, `carry = g2 + e2 g1 + e2 e1 g0`.
//!
//! | flight | fields |
//! |---|---|
//! | ahead, C to S | three digits: 4 bits, the f of (e2, a_e1), (e1, a_e2), (e2, a_g0), (g0, a_e2) |
//! | ahead, S to C | three digits: 3 bits, S's share of the masks' products, each + its row's beta |
//! | ahead, C to S | each digit's corrections; three digits: 2 bits, the f of (e2e1, a_g0), (g0, P_C(e2e1)) |
//! | F1, S to C | a table for each digit |
//! | F2, C to S | the opened bits: e2, g1, e1, g0, or e1, g0, or none |
//!
//! Uses of tweaks: a digit each, then the rows e2, g1, e1, g0, e2e1, or e1, g0. Rows: w of the S-sender pool,
//! bit by bit; 8, 3 or 1 of the C-sender pool, in the order of [`masks`](super::masks).
//!
//! Why neither host learns anything: `docs/protocols/compare_ot.md`.

mod client;
mod server;

pub use client::{AwaitProducts, AwaitTables, ClientBits};
pub use server::{AwaitCrossTerms, AwaitDigits, AwaitInput, AwaitOpenings, ServerBits};

use xonn_crypto::share::RingTensor;

use super::StepError;
use super::digits::Digits;
use super::error::expect;
use super::frame::Fields;

/// Comparisons of a layer: how many, of how many bits, cut into which digits. Public.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Comparison {
    elements: usize,
    digits: Digits,
}

impl Comparison {
    /// So many numbers of `digits.total() + 1` bits.
    pub fn new(elements: usize, digits: Digits) -> Self {
        Self { elements, digits }
    }

    /// How many numbers.
    pub fn elements(&self) -> usize {
        self.elements
    }

    /// Their digits.
    pub fn digits(&self) -> Digits {
        self.digits
    }

    /// Bits of the ring that y0 and y1 are of.
    pub fn ring_bits(&self) -> u32 {
        self.digits.total() + 1
    }

    /// Rows of the S-sender pool.
    pub fn leaf_rows(&self) -> usize {
        self.digits.total() as usize * self.elements
    }

    /// Rows of the C-sender pool.
    pub fn mask_rows(&self) -> usize {
        self.digits.mask_rows() * self.elements
    }

    /// Tweaks.
    pub fn tweaks(&self) -> usize {
        (self.digits.count() + self.digits.hashed_rows()) * self.elements
    }

    fn three_digits(&self) -> bool {
        self.digits.count() == 3
    }

    /// Fields of one bit an element, if there are three digits.
    fn products(&self, columns: usize) -> Fields {
        Fields::default().with_columns(if self.three_digits() { columns } else { 0 }, self.elements)
    }

    /// The first message ahead, of C.
    pub fn cross_terms(&self) -> Fields {
        self.products(4)
    }

    /// The second one, of S.
    pub fn product_bits(&self) -> Fields {
        self.products(3)
    }

    /// The third one, of C.
    pub fn corrections(&self) -> Fields {
        let digits =
            self.digits.iter().fold(Fields::default(), |all, digit| all.with(self.elements, digit.bits));
        digits.followed_by(self.products(2))
    }

    /// F1.
    pub fn tables(&self) -> Fields {
        self.digits.iter().fold(Fields::default(), |all, digit| {
            let (words, bits) = digit.words();
            all.with(words * self.elements, bits)
        })
    }

    /// F2.
    pub fn openings(&self) -> Fields {
        Fields::default().with_columns(self.digits.openings(), self.elements)
    }

    /// An error unless these are shares of as many numbers of as many bits.
    fn check_share(&self, share: &RingTensor) -> Result<(), StepError> {
        expect("bits of a share to compare", self.ring_bits() as usize, share.bits() as usize)?;
        expect("numbers to compare", self.elements, share.len())
    }
}
