//! The index of the largest of n shared numbers, by comparisons of two: only the client learns it.
//!
//! In: shares `x = y0 + y1` modulo 2^k with a sign, y1 of C known ahead; any two numbers differ by less than
//! 2^(k - 1). Out: the index of the largest, of equal ones the first, as ceil(log2(n)) bits that C alone
//! learns.
//!
//! A level leaves the larger of each two neighbours a, b: `b + [a >= b] (a - b)`, as in
//! [`numbers`](super::numbers); one without a neighbour goes on as it is. So of the numbers that are left
//! number i is one of `2^l i, .., 2^l (i + 1) - 1` behind l levels, and the lowest l bits of its index are
//! its way down: bit l - 1 is `1 + [a >= b]` of the last level, shares of which both have without a message.
//! The bits below are picked like the number, `i_b + [a >= b] (i_a + i_b)`, as bits (`+` is XOR): two bits are
//! sent for each. The last level leaves no number.
//!
//! | flight | fields |
//! |---|---|
//! | ahead | those of the comparisons ([`compare`](crate::steps::compare)), level by level |
//! | F1, S to C | the tables; `X = a0 - b0 - alpha`, k bits; `Y = i_a0 + i_b0 + beta`, m bits |
//! | F2, C to S | what the comparisons open; `t = [a >= b]_C + gamma`; two messages of k bits; `c`, m bits |
//! | after the last level, S to C | S's share of the index |
//!
//! m is how many bits the indexes have so far. X and messages are left out in the last level, Y and c in the
//! first one. `alpha = H(K + Delta_S) - H(K)` and `beta = H(K + Delta_S) + H(K)` are of one row, by other
//! bits of the hashes: the lowest k are alpha's, those above beta's. So it is with the messages' keys and c.
//!
//! Rows of the S-sender pool a level: the comparisons', a row a pair; of the C-sender pool the comparisons'.
//! Tweaks: the comparisons', a use of the row, one of the messages.
//!
//! Why neither host learns anything else: `docs/protocols/compare_ot.md`.

mod client;
mod server;

pub use client::{AwaitIndex, AwaitTables, Client, ClientTurn};
pub use server::{AwaitAnswer, AwaitDigits, AwaitShare, Server, ServerTurn};

use xonn_crypto::Wiped;
use xonn_crypto::share::RingTensor;

use super::Cost;
use super::numbers::MOST_FROM;
use crate::steps::StepError;
use crate::steps::compare::Comparison;
use crate::steps::convert::ring_tensor;
use crate::steps::digits::Digits;
use crate::steps::error::{expect, within};
use crate::steps::frame::Fields;

/// Most numbers: their indexes and the numbers share the 64 bits of a hash.
pub const MOST_CLASSES: usize = 1 << 24;

/// A tournament. Public.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Plan {
    classes: usize,
    bits: u32,
    half: u64,
    levels: Vec<Level>,
}

/// The larger of each two neighbours. Public.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Level {
    comparison: Comparison,
    /// Bits of indexes so far.
    index: u32,
    /// Whether no number is left.
    last: bool,
}

/// Of some numbers of a level the first ones of pairs, the second ones, and one without a neighbour.
struct Pairs {
    first: Wiped<u64>,
    second: Wiped<u64>,
    alone: Option<u64>,
}

impl Pairs {
    fn of(numbers: &[u64]) -> Self {
        let (pairs, alone) = numbers.as_chunks::<2>();
        let side = |which: usize| pairs.iter().map(|pair| pair[which]).collect();
        Self { first: side(0), second: side(1), alone: alone.first().copied() }
    }

    /// What the level leaves: of pairs this, and the one without a neighbour.
    fn join(of_pairs: impl Iterator<Item = u64>, alone: Option<u64>) -> Wiped<u64> {
        of_pairs.chain(alone).collect()
    }
}

impl Plan {
    /// Of so many numbers of `bits` bits.
    ///
    /// Numbers with noise have bits of `fraction`: a difference that lies half a unit below 0, or less, is
    /// none then, so that equal numbers stay equal.
    ///
    /// # Errors
    /// [`StepError::Range`] for fewer than 2 numbers or more than [`MOST_CLASSES`], or bits that are not
    /// compared.
    pub fn new(classes: usize, bits: u32, fraction: u32) -> Result<Self, StepError> {
        within("numbers of an argmax", classes, [2, MOST_CLASSES])?;
        within("bits of numbers", bits as usize, [2, MOST_FROM])?;
        within("bits of fraction", fraction as usize, [0, bits as usize - 2])?;
        let digits = Digits::cheapest(bits - 1)?;
        let (mut levels, mut left) = (Vec::new(), classes);
        while left > 1 {
            let (comparison, index) = (Comparison::new(left / 2, digits), levels.len() as u32);
            left = left.div_ceil(2);
            levels.push(Level { comparison, index, last: left == 1 });
        }
        Ok(Self { classes, bits, half: (1 << fraction) >> 1, levels })
    }

    /// How many numbers.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Bits of their shares.
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// Bits of the index, which is also how many levels there are.
    pub fn index_bits(&self) -> u32 {
        self.levels.len() as u32
    }

    /// What it costs: two messages online a level, of which the last level's second one may have no field,
    /// and one more.
    pub fn cost(&self) -> Cost {
        let levels = self.levels.iter();
        let mut all = levels.fold(Cost::default(), |all, level| all.followed_by(level.cost(self.bits)));
        all.online.push(self.opening());
        all
    }

    /// S's share of the index.
    fn opening(&self) -> Fields {
        Fields::default().with(1, self.index_bits())
    }

    /// Fields of one message ahead, of each level.
    fn ahead(&self, which: usize) -> Vec<Fields> {
        self.levels.iter().map(|level| level.cost(self.bits).ahead[which].clone()).collect()
    }

    fn check_share(&self, share: &RingTensor) -> Result<(), StepError> {
        expect("numbers of an argmax", self.classes, share.len())?;
        expect("bits of numbers", self.bits as usize, share.bits() as usize)
    }

    /// A host's shares of the differences of pairs.
    fn differences(&self, pairs: &Pairs) -> Result<RingTensor, StepError> {
        let all = pairs.first.iter().zip(pairs.second.iter());
        ring_tensor(self.bits, all.map(|(a, b)| a.wrapping_sub(*b)).collect())
    }
}

impl Level {
    fn pairs(&self) -> usize {
        self.comparison.elements()
    }

    /// Whether anything is picked: a number, or bits of an index.
    fn picks(&self) -> bool {
        !self.last || self.index > 0
    }

    /// Rows that serve what is picked.
    fn rows(&self) -> usize {
        if self.picks() { self.pairs() } else { 0 }
    }

    /// The bits of an index that there are so far.
    fn low(&self) -> u64 {
        (1 << self.index) - 1
    }

    /// F1, with numbers of so many bits.
    fn tables(&self, bits: u32) -> Fields {
        let fields = self.comparison.tables();
        let fields = if self.last { fields } else { fields.with(self.pairs(), bits) };
        if self.index == 0 { fields } else { fields.with(self.pairs(), self.index) }
    }

    /// F2.
    fn answer(&self, bits: u32) -> Fields {
        let fields = self.comparison.openings();
        let fields = if self.picks() { fields.with_columns(1, self.pairs()) } else { fields };
        let fields = if self.last { fields } else { fields.with(2 * self.pairs(), bits) };
        if self.index == 0 { fields } else { fields.with(self.pairs(), self.index) }
    }

    fn cost(&self, bits: u32) -> Cost {
        let comparison = &self.comparison;
        Cost {
            ahead: [comparison.cross_terms(), comparison.product_bits(), comparison.corrections()],
            online: vec![self.tables(bits), self.answer(bits)],
            leaf_rows: comparison.leaf_rows() + self.rows(),
            mask_rows: comparison.mask_rows(),
            tweaks: comparison.tweaks() + 2 * self.rows(),
        }
    }

    /// Tweaks from the level's first on: of the row, of the messages.
    fn tweaks(&self) -> [usize; 2] {
        [self.comparison.tweaks(), self.comparison.tweaks() + self.rows()]
    }
}
