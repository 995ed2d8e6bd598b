//! Squares, and products of two numbers, by a table of S's for C's top bits and products with the others.
//!
//! C's share of x is `y1 = h 2^(k - 1) + s`, s its low k - 1 bits. As `|x| < 2^(k - 2)`, `x = X_h + s` over
//! the integers, X_h being the representative of `y0 + h 2^(k - 1)` in `(-3 2^(k - 2), 2^(k - 2)]`. In the
//! ring R = to + drop:
//!
//! * square: `x x = X_h X_h + 2 X_h s + s s`
//! * product, `y = Y_g + t`: `x y = X_h Y_g + X_h t + Y_g s + s t`
//!
//! S's entries are masked by random numbers m, and of `m s`, `m t` both get shares ahead
//! ([`ole`](crate::steps::ole)).
//!
//! | flight | square | product |
//! |---|---|---|
//! | ahead 2, S to C | the OLE of m2 with s | the OLEs of m2 with t, of m3 with s |
//! | ahead 3, C to S | its bits; h + choice | their bits; h and g + choices |
//! | F1, S to C | `X_j X_j - m1`, `2 X_j - m2` | `X_i - m2`, `Y_j - m3`, `X_i Y_j - m1` |
//! | F2, C to S | C's share without `drop` bits, less rho | the same |
//!
//! Entries of a square are two columns under one tweak. Those of a product have the keys of h's row, of g's,
//! and of both, each under a tweak of its own.
//!
//! Rows of the S-sender pool, and uses of tweaks: the OLEs', bit by bit; h's row and g's (one use of tweaks
//! for a square, three for a product).

mod client;
mod server;

pub(super) use client::{AwaitTables, Started};
pub(super) use server::{AwaitAnswer, AwaitBits, AwaitShare, Ready};

use super::shape::MOST_RING;
use crate::compare_ot::Cost;
use crate::steps::StepError;
use crate::steps::error::within;
use crate::steps::frame::Fields;
use crate::steps::ole::Ole;
use crate::steps::rows::Tweaks;

/// A layer of squares or products. Public.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Product {
    elements: usize,
    from: u32,
    /// Bits of the other factor, if it is not the same.
    second: Option<u32>,
    to: u32,
    drop: u32,
}

impl Product {
    /// Of factors with a sign of `from` and `second` bits, or squares.
    pub fn new(
        elements: usize,
        from: u32,
        second: Option<u32>,
        [to, drop]: [u32; 2],
    ) -> Result<Self, StepError> {
        let most = from.max(second.unwrap_or(from)) as usize;
        within("bits of a product that are dropped", drop as usize, [0, MOST_RING - 1])?;
        within("bits of a product", to as usize, [1, MOST_RING - drop as usize])?;
        within("bits of a product before some are dropped", (to + drop) as usize, [most, MOST_RING])?;
        Ok(Self { elements, from, second, to, drop })
    }

    pub fn elements(&self) -> usize {
        self.elements
    }

    pub fn to(&self) -> u32 {
        self.to
    }

    /// R.
    fn ring(&self) -> u32 {
        self.to + self.drop
    }

    /// Bits of each factor.
    fn factors(&self) -> impl Iterator<Item = u32> {
        [self.from].into_iter().chain(self.second)
    }

    /// The OLEs: with s of a square; with t and with s of a product.
    fn oles(&self) -> Vec<Ole> {
        let mut bits: Vec<u32> = self.factors().collect();
        bits.reverse();
        bits.iter().map(|bits| Ole::new(self.elements, bits - 1, self.ring())).collect()
    }

    /// Ahead 2.
    fn messages(&self) -> Fields {
        self.oles().iter().fold(Fields::default(), |all, ole| all.followed_by(ole.messages()))
    }

    /// Ahead 3.
    fn corrections(&self) -> Fields {
        let all = self.oles().iter().fold(Fields::default(), |all, ole| all.followed_by(ole.corrections()));
        all.with_columns(self.factors().count(), self.elements)
    }

    /// F1.
    fn tables(&self) -> Fields {
        let entries: &[usize] = if self.second.is_some() { &[2, 2, 4] } else { &[2, 2] };
        entries.iter().fold(Fields::default(), |all, entries| all.with(entries * self.elements, self.ring()))
    }

    /// F2.
    fn answer(&self) -> Fields {
        Fields::default().with(self.elements, self.to)
    }

    /// What it costs.
    pub fn cost(&self) -> Cost {
        let oles: usize = self.oles().iter().map(Ole::rows).sum();
        let tables = if self.second.is_some() { 3 } else { 1 };
        Cost {
            ahead: [Fields::default(), self.messages(), self.corrections()],
            online: vec![self.tables(), self.answer()],
            leaf_rows: oles + self.factors().count() * self.elements,
            mask_rows: 0,
            tweaks: oles + tables * self.elements,
        }
    }

    /// The first tweak of each table.
    fn tweaks(&self, tweaks: Tweaks) -> [u64; 3] {
        let oles: usize = self.oles().iter().map(Ole::rows).sum();
        [0, 1, 2].map(|use_| tweaks.behind(oles + use_ * self.elements).first)
    }

    /// C's bits of a number, and the low bits.
    fn low(bits: u32) -> u64 {
        (1 << (bits - 1)) - 1
    }
}
