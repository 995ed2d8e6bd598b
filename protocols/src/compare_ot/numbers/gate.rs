//! A number times a bit of a comparison: ReLU, leaky ReLU, the larger of two, clamp.
//!
//! With shares `b = b0 + b1` of `[x >= 0]` and `x = xs + xc` of x in the ring of the results:
//!
//! | what | result |
//! |---|---|
//! | ReLU | `b x` |
//! | leaky ReLU | `(2^bits - slope) b x + slope x` |
//! | larger of a and b | `b x + b` with x = a - b |
//! | clamp | `c1 = [x >= hi]`, `c2 = [x < lo]`: `(1 + c1 + c2) x + c1 hi + c2 lo` |
//!
//! | flight | fields |
//! |---|---|
//! | ahead | those of the comparisons ([`compare`](crate::steps::compare)), one after the other |
//! | ahead 3, C to S | besides, if the ring grows by E bits: u, E bits ([`extend`](crate::steps::extend)) |
//! | F1, S to C | the tables of the comparisons; t'' of the extension; `X = xs - alpha` |
//! | F2, C to S | what the comparisons open; `t = gate_C + betaC`; the messages |
//!
//! `alpha` is a random number of S's, a product of which with C's random bit betaC both have shares of
//! ([`scaled`](crate::steps::scaled)). Messages: one for each value of S's shares of the bits of comparisons;
//! with sums one an element, the difference of two, and one a window.
//!
//! Rows and tweaks: the comparisons'; the extension's, of the C-sender pool; the product's, of the S-sender
//! pool; tweaks of the messages.

mod client;
mod server;

pub(super) use client::{Ready, Started};
pub(super) use server::{AwaitAnswer, AwaitCrossTerms, AwaitDigits, AwaitShare};

use crate::compare_ot::Cost;
use crate::steps::StepError;
use crate::steps::compare::Comparison;
use crate::steps::digits::Digits;
use crate::steps::error::{expect, within};
use crate::steps::extend::Extension;
use crate::steps::frame::Fields;
use crate::steps::windows::Windows;

use super::compared::Compared;
use super::shape::MOST_RING;

/// What is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// `2^(bits - drop) x`, and `slope x / 2^drop` below 0.
    Relu { slope: u32, bits: u32, drop: u32 },
    /// The larger of two.
    Larger,
    /// Between two ends.
    Clamp { lo: i64, hi: i64 },
}

/// A layer of numbers times bits. Public.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Gate {
    compared: Compared,
    to: u32,
    kind: Kind,
    sums: Option<Windows>,
}

impl Kind {
    /// A clamp of numbers x of so many bits, `|x| < 2^(from - 2)`. Ends beyond that are no ends.
    pub fn clamp([lo, hi]: [i64; 2], from: u32) -> Result<Self, StepError> {
        let most = 1 << (from - 2);
        let [lo, hi] = [lo, hi].map(|end| end.clamp(-most, most));
        within("an upper end less the lower one", hi.wrapping_sub(lo) as usize, [0, 2 * most as usize])?;
        Ok(Self::Clamp { lo, hi })
    }

    /// Bits that are dropped behind the messages.
    fn dropped(self) -> u32 {
        if let Self::Relu { drop, .. } = self { drop } else { 0 }
    }

    /// How many comparisons.
    fn comparisons(self) -> usize {
        if let Self::Clamp { .. } = self { 2 } else { 1 }
    }

    /// By what the number times the bit, and the number itself, are multiplied.
    fn factors(self) -> [u64; 2] {
        match self {
            Self::Relu { slope, bits, .. } => [(1 << bits) - u64::from(slope), u64::from(slope)],
            _ => [1, 0],
        }
    }
}

impl Gate {
    pub fn new(
        elements: usize,
        [from, to]: [u32; 2],
        kind: Kind,
        sums: Option<Windows>,
    ) -> Result<Self, StepError> {
        let comparison = Comparison::new(elements, Digits::cheapest(from - 1)?);
        within("bits of results", to as usize, [from as usize, MOST_RING - kind.dropped() as usize])?;
        if let Some(windows) = &sums {
            expect("comparisons of numbers that are added", 1, kind.comparisons())?;
            expect("elements of windows", elements, windows.elements())?;
            within("windows", windows.len(), [1, u32::MAX as usize])?;
        }
        Ok(Self { compared: Compared { comparison, count: kind.comparisons() }, to, kind, sums })
    }

    fn elements(&self) -> usize {
        self.compared.elements()
    }

    /// Bits of what is left.
    pub fn to(&self) -> u32 {
        self.to
    }

    /// Whether bits are dropped behind the messages.
    pub fn drops(&self) -> bool {
        self.kind.dropped() > 0
    }

    /// Bits of what is computed on.
    fn ring(&self) -> u32 {
        self.to + self.kind.dropped()
    }

    /// How many numbers are left.
    pub fn results(&self) -> usize {
        self.sums.as_ref().map_or(self.elements(), Windows::len)
    }

    /// If the ring grows.
    fn extension(&self) -> Option<Extension> {
        let bits = [self.compared.comparison.ring_bits(), self.ring()];
        (bits[0] < bits[1]).then(|| Extension::new(self.elements(), bits))
    }

    fn cross_terms(&self) -> Fields {
        self.compared.fields(Comparison::cross_terms)
    }

    fn product_bits(&self) -> Fields {
        self.compared.fields(Comparison::product_bits)
    }

    fn corrections(&self) -> Fields {
        let fields = self.compared.fields(Comparison::corrections);
        fields.followed_by(self.extension().map_or_else(Fields::default, |extension| extension.corrections()))
    }

    fn tables(&self) -> Fields {
        let fields = self.compared.fields(Comparison::tables);
        let openings = self.extension().map_or_else(Fields::default, |extension| extension.openings());
        fields.followed_by(openings).with(self.elements(), self.ring())
    }

    fn answer(&self) -> Fields {
        let fields = self.compared.fields(Comparison::openings).with_columns(1, self.elements());
        match &self.sums {
            None => fields.with(self.elements() << self.kind.comparisons(), self.ring()),
            Some(windows) => fields.with(self.elements(), self.ring()).with(windows.len(), self.ring()),
        }
    }

    /// What it costs.
    pub fn cost(&self) -> Cost {
        let (n, compared) = (self.elements(), &self.compared);
        let extended = if self.extension().is_some() { n } else { 0 };
        Cost {
            ahead: [self.cross_terms(), self.product_bits(), self.corrections()],
            online: vec![self.tables(), self.answer()],
            leaf_rows: compared.leaf_rows() + n,
            mask_rows: compared.mask_rows() + extended,
            tweaks: compared.tweaks() + extended + 2 * n,
        }
    }

    /// Tweaks from the start of the block on: of the extension, the product and the messages.
    fn tweaks(&self) -> [usize; 3] {
        let compared = self.compared.tweaks();
        let extended = if self.extension().is_some() { self.elements() } else { 0 };
        [compared, compared + extended, compared + extended + self.elements()]
    }
}
