//! Curves: functions that a public table of line pieces gives, with a line of its own at both ends.
//!
//! `u = x - from` modulo 2^span is on piece `u >> piece` of 2^index pieces, span = piece + index. C's share
//! is `y1 = h 2^piece + t` modulo 2^span, so u lies on the 2^piece numbers from S's share `+ h 2^piece`
//! on. Entry
//! h is one line over these: the chord of the table, moved halfway to the table in the middle. So pieces are
//! moved by S's share, and no carry is computed. Moved pieces of numbers on the first and the last piece may
//! go over the table's end, and numbers in front of it or behind it are on no piece: two comparisons tell
//! these, whose results are on the lines of the ends. With shares of v from the table, of the lines l_i of
//! the ends, and of the bits c_i of the comparisons,
//!
//! ```text
//! y = v + c_1 (l_1 - v) + c_2 (l_2 - v)          two pieces: l_2 + c_1 (l_1 - l_2)
//! ```
//!
//! The table is computed in units of 2^-guard, modulo 2^(to + guard), of the highest `low` bits of t.
//!
//! | flight | fields |
//! |---|---|
//! | ahead 1, C to S | those of the comparisons |
//! | ahead 2, S to C | those of the comparisons; the OLE of m2 with t ([`ole`](crate::steps::ole)) |
//! | ahead 3, C to S | those of the comparisons; u of the extension; the OLE's bits; h + choices of rows |
//! | F1, S to C | the comparisons' tables; t'' of the extension; 2^index `A_j - m1`, `B_j - m2`; each `X_i` |
//! | F2, C to S | what the comparisons open; `t_i = c_i + betaC_i`; the messages |
//!
//! The extension ([`extend`](crate::steps::extend)) brings x to the ring in which a sloped end is computed;
//! without one it is left out. X_i is S's share of `l_i - v` less alpha_i. alpha_i and messages are as in
//! [`gate`](super::gate): a message for each value
//! of S's shares of the bits. Of two pieces there is no table, OLE or index, and one comparison.
//!
//! Rows and tweaks: the comparisons'; the extension's, of the C-sender pool; of the S-sender pool the OLE's
//! bit by bit, the table's (one use of tweaks), each alpha's; tweaks of the messages.

mod client;
mod lines;
mod pieces;
mod server;

pub(super) use client::{AwaitTables, Started};
pub(super) use server::{AwaitAnswer, AwaitCrossTerms, AwaitDigits, AwaitShare};

use std::sync::Arc;

use xonn_crypto::share::RingTensor;

use super::compared::Compared;
use super::shape::MOST_RING;
use crate::compare_ot::Cost;
use crate::steps::StepError;
use crate::steps::compare::Comparison;
use crate::steps::convert::ring_tensor;
use crate::steps::digits::{Digit, Digits, MOST_DIGIT_BITS};
use crate::steps::error::{expect, within};
use crate::steps::extend::Extension;
use crate::steps::frame::Fields;
use crate::steps::ole::Ole;
use crate::steps::truncate::Drop;

/// A public table of line pieces: `y = (base + slope t) / 2^drop` on the piece that t counts from the start
/// of. Numbers on the first piece and in front of it are on the line of the first end, those on the last one
/// and behind it on that of the other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Curve {
    /// Where the first piece begins.
    pub from: i64,
    /// Binary logarithm of a piece's length.
    pub piece: u32,
    /// Base and slope of each piece: 2 to 512 of them, a power of two. Two are the ends alone.
    pub lines: Vec<[i64; 2]>,
    /// Bits of bases and slopes behind the point.
    pub drop: u32,
    /// The lines of the ends.
    pub ends: [End; 2],
    /// How many bits of a number's place on its piece count, from the highest one down; at least 1.
    pub low: u32,
    /// Bits behind the point in which lines are sent. With as many as `low` a line's slope is half a unit of
    /// the result wrong at most.
    pub guard: u32,
    /// Bits of the ring in which it is computed; a larger one takes a round trip more.
    pub bits: u32,
}

/// A line `(base + slope x) / 2^drop`, rounded by chance; exact without dropped bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct End {
    /// Its value at 0, modulo 2^64.
    pub base: i64,
    /// Its slope.
    pub slope: i64,
    /// Bits of both behind the point.
    pub drop: u32,
}

/// A layer of curves. Public.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Curves {
    compared: Compared,
    from: u32,
    to: u32,
    curve: Arc<Curve>,
}

/// Largest base, and largest rise of a piece.
const LARGEST: u64 = 1 << 50;

/// Most entries of all tables of a layer: what they take of a host's memory is some 32 bytes each.
const MOST_ENTRIES: usize = 1 << 23;

impl Curves {
    pub fn new(elements: usize, [from, to]: [u32; 2], curve: &Arc<Curve>) -> Result<Self, StepError> {
        let Curve { lines, drop, ends, low, guard, piece, .. } = &**curve;
        let index = lines.len().checked_ilog2().unwrap_or(0);
        within("bits of a number of pieces", index as usize, [1, MOST_DIGIT_BITS as usize])?;
        within("pieces of a curve", lines.len(), [1 << index, 1 << index])?;
        within("bits of results", to as usize, [1, MOST_RING])?;
        for end in ends {
            within("bits of an end behind the point", end.drop as usize, [0, 40])?;
            if end.slope != 0 {
                within("bits of an end", (to + end.drop) as usize, [1, MOST_RING])?;
            }
        }
        if lines.len() > 2 {
            within("bits of a place on a piece", *piece as usize, [1, 24])?;
            within("bits of a curve's middle", (piece + index) as usize, [1, from as usize])?;
            within("bits of a place that count", *low as usize, [1, *piece as usize])?;
            within("bits of a line behind the point", *guard as usize, [0, 24])?;
            within("bits of bases behind the point", *drop as usize, [0, 40])?;
            within("bits of lines", (to + guard) as usize, [*low as usize, MOST_RING])?;
            within("entries of all tables", elements << index, [1, MOST_ENTRIES])?;
            let largest = |[base, slope]: &[i64; 2]| {
                base.unsigned_abs().max(slope.unsigned_abs().saturating_mul(1 << piece))
            };
            let largest = lines.iter().map(largest).max().unwrap_or(0);
            within("a base, or how far a piece rises", largest as usize, [0, LARGEST as usize])?;
        } else {
            within("bits of a place on a piece", *piece as usize, [0, 60])?;
        }
        let comparison = Comparison::new(elements, Digits::cheapest(from - 1)?);
        let count = if lines.len() > 2 { 2 } else { 1 };
        Ok(Self { compared: Compared { comparison, count }, from, to, curve: Arc::clone(curve) })
    }

    pub fn elements(&self) -> usize {
        self.compared.elements()
    }

    pub fn to(&self) -> u32 {
        self.to
    }

    /// Whether there are more pieces than the ends.
    fn has_table(&self) -> bool {
        self.curve.lines.len() > 2
    }

    /// Bits of the number of pieces.
    fn index(&self) -> u32 {
        self.curve.lines.len().checked_ilog2().unwrap_or(0)
    }

    /// Bits of the ring of lines.
    fn ring(&self) -> u32 {
        self.to + self.curve.guard
    }

    /// From which number on results are on the last line, and below which on the first one; numbers that fit
    /// are within those of the ring that are compared.
    fn cuts(&self) -> [i64; 2] {
        let Curve { from, piece, lines, .. } = &*self.curve;
        let most = 1i64 << (self.from - 2);
        let length = 1i64 << piece;
        let last = from.saturating_add((lines.len() as i64 - 1).saturating_mul(length));
        [last, from.saturating_add(length)].map(|cut| cut.clamp(-most, most))
    }

    /// The lines of the comparisons, in their order; then what they are in place of, if there is no table.
    fn lines(&self) -> [End; 2] {
        let [first, last] = self.curve.ends;
        [last, first]
    }

    /// The ring that x is brought to for the ends, if that is larger.
    fn extension(&self) -> Option<Extension> {
        let sloped = self.curve.ends.iter().filter(|end| end.slope != 0);
        let to = sloped.map(|end| self.to + end.drop).max().unwrap_or(0);
        (to > self.from).then(|| Extension::new(self.elements(), [self.from, to]))
    }

    fn ole(&self) -> Ole {
        let bits = if self.has_table() { self.curve.low } else { 0 };
        Ole::new(self.elements(), bits, self.ring())
    }

    /// C's index, as a digit with a table.
    fn digit(&self) -> Digit {
        Digit { low: 0, bits: self.index(), columns: 1 }
    }

    /// Rows of the table: one a bit of an index.
    fn index_rows(&self) -> usize {
        if self.has_table() { self.index() as usize * self.elements() } else { 0 }
    }

    /// Of these fields, if there is a table.
    fn table(&self, fields: impl FnOnce(Fields) -> Fields) -> Fields {
        if self.has_table() { fields(Fields::default()) } else { Fields::default() }
    }

    fn extended(&self, fields: impl FnOnce(&Extension) -> Fields) -> Fields {
        self.extension().as_ref().map_or_else(Fields::default, fields)
    }

    /// Ahead 2.
    fn products(&self) -> Fields {
        self.compared.fields(Comparison::product_bits).followed_by(self.ole().messages())
    }

    /// Ahead 3, without the comparisons' digits.
    fn corrections(&self) -> Fields {
        let index = self.table(|fields| fields.with(self.elements(), self.index()));
        let ole = self.extended(Extension::corrections).followed_by(self.ole().corrections());
        ole.followed_by(index)
    }

    /// F1.
    fn tables(&self) -> Fields {
        let n = self.elements();
        let fields = self.compared.fields(Comparison::tables).followed_by(self.extended(Extension::openings));
        let entries = n << self.index();
        let table = self.table(|fields| fields.with(entries, self.ring()).with(entries, self.ring()));
        let fields = fields.followed_by(table);
        (0..self.compared.count).fold(fields, |fields, _| fields.with(n, self.to))
    }

    /// F2.
    fn answer(&self) -> Fields {
        let (n, count) = (self.elements(), self.compared.count);
        let fields = self.compared.fields(Comparison::openings).with_columns(count, n);
        fields.with(n << count, self.to)
    }

    /// What it costs.
    pub fn cost(&self) -> Cost {
        let (n, compared) = (self.elements(), &self.compared);
        let extended = if self.extension().is_some() { n } else { 0 };
        Cost {
            ahead: [
                compared.fields(Comparison::cross_terms),
                self.products(),
                compared.fields(Comparison::corrections).followed_by(self.corrections()),
            ],
            online: vec![self.tables(), self.answer()],
            leaf_rows: compared.leaf_rows() + self.ole().rows() + self.index_rows() + compared.count * n,
            mask_rows: compared.mask_rows() + extended,
            tweaks: self.tweaks()[4] + n,
        }
    }

    /// Tweaks from the start of the block on: of the extension, the OLE, the table, the products and the
    /// messages.
    fn tweaks(&self) -> [usize; 5] {
        let n = self.elements();
        let extension = self.compared.tweaks();
        let ole = extension + if self.extension().is_some() { n } else { 0 };
        let table = ole + self.ole().rows();
        let products = table + if self.has_table() { n } else { 0 };
        [extension, ole, table, products, products + self.compared.count * n]
    }

    /// An error unless this is a share of the numbers.
    fn check(&self, share: &RingTensor) -> Result<(), StepError> {
        expect("bits of a share of a curve", self.from as usize, share.bits() as usize)?;
        expect("numbers of a curve", self.elements(), share.len())
    }

    /// A host's share of a line of numbers; `server` says which host.
    fn line(&self, end: End, share: &RingTensor, server: bool) -> Result<RingTensor, StepError> {
        let base = if server { end.base } else { 0 };
        let line = |x: &u64| x.wrapping_mul(end.slope as u64).wrapping_add(base as u64);
        // Of a level line no bit is dropped.
        let drop = if end.slope == 0 { 0 } else { end.drop };
        let share = ring_tensor(self.to + drop, share.values().iter().map(line).collect())?;
        if server { Drop::new(drop).server(&share) } else { Drop::new(drop).client(&share) }
    }
}
