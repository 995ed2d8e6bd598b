//! C's side of a comparison. `server.rs` mirrors it.

use core::fmt;

use xonn_crypto::Wiped;
use xonn_crypto::block::Block;
use xonn_crypto::share::RingTensor;

use super::Comparison;
use crate::steps::column::Column;
use crate::steps::error::StepError;
use crate::steps::frame::{Reader, Writer};
use crate::steps::leaves;
use crate::steps::masks::{self, Carry, E1, E2, E2E1, G0, G1, HashBits, PRODUCTS, partner};
use crate::steps::rows::{ReceiverRows, Rows, SenderRows, Tweaks};

/// C sent its cross terms and waits for S's shares of products.
pub struct AwaitProducts {
    plan: Comparison,
    tweaks: Tweaks,
    rows: MaskRows,
    /// Of each hashed row: `H(K)` and `H(K) + H(K + Delta)`.
    hashes: Vec<[HashBits; 2]>,
}

/// C's rows of masks.
struct MaskRows {
    keys: Wiped<Block>,
    delta: Wiped<Block>,
}

/// C is ready, and waits for the tables.
pub struct AwaitTables {
    plan: Comparison,
    rows: MaskRows,
    /// `a_q` of each opened value, then `P_C` of each product, by rows; row o has none.
    masks: Vec<Column>,
    /// C's share of the products of masks that no opened value multiplies, and msb(y1).
    constant: Column,
    digits: Vec<Wiped<u64>>,
    pads: Vec<Wiped<u64>>,
}

/// C's shares of the bits, and its keys on S's shares.
pub struct ClientBits {
    /// `b1`.
    pub bits: Column,
    /// `KK`.
    pub keys: Wiped<Block>,
    /// `Delta_C`, one block.
    pub delta: Wiped<Block>,
}

impl ClientBits {
    pub(crate) fn delta(&self) -> Block {
        self.delta[0]
    }

    /// Bits and keys of more elements behind these.
    #[must_use]
    pub(crate) fn followed_by(self, bits: &Column, keys: &[Block]) -> Self {
        if bits.is_empty() {
            return self;
        }
        let keys = self.keys.iter().chain(keys).copied().collect();
        Self { bits: self.bits.followed_by(bits), keys, delta: self.delta }
    }
}

impl AwaitProducts {
    /// Step 1 of 5, ahead: the cross terms of two products of masks.
    ///
    /// # Errors
    /// [`StepError::Shape`] if there are not as many rows as the plan says.
    pub fn start(
        plan: Comparison,
        tweaks: Tweaks,
        rows: SenderRows<'_>,
    ) -> Result<(Vec<u8>, Self), StepError> {
        rows.check("mask rows of a comparison", plan.mask_rows())?;
        let n = plan.elements();
        let hashed = tweaks.behind(plan.digits().count() * n);
        let hashes: Vec<_> = (0..plan.digits().hashed_rows())
            .map(|q| {
                let row = &rows.keys()[(q + 1) * n..][..n];
                masks::sent(&tweaks.masks, hashed.behind(q * n).first, row, rows.delta())
            })
            .collect();
        let rows = MaskRows {
            keys: rows.keys().iter().copied().collect(),
            delta: core::iter::once(rows.delta()).collect(),
        };
        let this = Self { plan, tweaks, rows, hashes };
        let fields = plan.cross_terms();
        let mut message = Writer::new(&fields);
        if plan.three_digits() {
            for (row, value, bit) in [(E2, E1, 1), (E1, E2, 1), (E2, G0, 2), (G0, E2, 1)] {
                message.column(&(this.both(row, bit) ^ this.mask(value)));
            }
        }
        Ok((message.finish(), this))
    }

    /// A bit of `H(K)` of a row.
    fn own(&self, row: usize, bit: usize) -> &Column {
        &self.hashes[row - 1][0][bit]
    }

    /// A bit of `H(K) + H(K + Delta)` of a row.
    fn both(&self, row: usize, bit: usize) -> &Column {
        &self.hashes[row - 1][1][bit]
    }

    /// C's mask of an opened value.
    fn mask(&self, value: usize) -> &Column {
        self.both(partner(value), 0)
    }

    /// C's share of the product of two values' masks, with the bits of each row's hash that serve its cross
    /// term.
    fn product(&self, [x, y]: [usize; 2], bits: [usize; 2]) -> Column {
        let own = self.mask(x) & self.mask(y);
        &(&own ^ self.own(x, bits[0])) ^ self.own(y, bits[1])
    }

    /// Step 3 of 5, ahead: S's shares of products come, y1 is known; C's digits go, and the last cross terms.
    ///
    /// # Errors
    /// [`StepError`] if message, rows or y1 have another length than the plan says.
    pub fn on_products(
        self,
        message: &[u8],
        y1: &RingTensor,
        rows: ReceiverRows<'_>,
    ) -> Result<(Vec<u8>, AwaitTables), StepError> {
        let plan = self.plan;
        let n = plan.elements();
        plan.check_share(y1)?;
        rows.check("leaf rows of a comparison", plan.leaf_rows())?;
        let mut reader = Reader::new("products of masks", message, &plan.product_bits())?;

        let mut out = Writer::new(&plan.corrections());
        let (mut digits, mut pads) = (Vec::new(), Vec::new());
        for (i, digit) in plan.digits().iter().enumerate() {
            let own: Wiped<u64> = y1.values().iter().map(|&y1| digit.of(y1)).collect();
            out.numbers(&leaves::corrections(rows, digit, &own), digit.bits);
            let tweak = self.tweaks.behind(i * n).first;
            pads.push(leaves::entry_pads(&self.tweaks.leaves, tweak, rows, digit, n));
            digits.push(own);
        }

        let mut constant = Column::of_bit(y1.values(), plan.digits().total());
        let mut masks: Vec<Column> =
            (1..=plan.digits().openings()).map(|value| self.mask(value).clone()).collect();
        match plan.digits().count() {
            2 => constant ^= &self.product([1, 2], [0, 0]),
            3 => {
                let mut products = [
                    self.product([E2, E1], [1, 1]),
                    self.product([E2, G0], [2, 1]),
                    self.product([E1, G0], [0, 0]),
                ];
                let corrections: [Column; PRODUCTS.len()] = reader.columns(n)?;
                products.iter_mut().zip(&corrections).for_each(|(share, correction)| *share ^= correction);
                let (a_g0, p) = (self.mask(G0), &products[0]);
                out.column(&(self.both(E2E1, 1) ^ a_g0));
                out.column(&(self.both(G0, 2) ^ p));
                constant ^= &self.product([E2, G1], [0, 0]);
                constant ^= &(p & a_g0);
                constant ^= self.own(E2E1, 1);
                constant ^= self.own(G0, 2);
                masks.extend(products);
            }
            _ => {}
        }
        Ok((out.finish(), AwaitTables { plan, rows: self.rows, masks, constant, digits, pads }))
    }
}

impl AwaitTables {
    /// Step 5 of 5: the tables come, as the next fields of `tables`; the opened bits go, into `out`.
    ///
    /// # Errors
    /// [`StepError`] if the message ends early or its padding is not zero.
    pub fn on_tables(self, tables: &mut Reader<'_>, out: &mut Writer) -> Result<ClientBits, StepError> {
        let n = self.plan.elements();
        let (mut greater, mut equal) = (Vec::new(), Vec::new());
        for ((digit, own), pads) in self.plan.digits().iter().zip(&self.digits).zip(&self.pads) {
            let (words, bits) = digit.words();
            let entries = leaves::select(&tables.numbers(words * n, bits)?, digit, own, pads);
            greater.push(Column::of_bit(&entries, 0));
            equal.push(Column::of_bit(&entries, 1));
        }
        // The top digit's g is part of b1; values in the order of their rows.
        let values: Vec<&Column> = match &greater[..] {
            [g0, _] => vec![&equal[1], g0],
            [g0, g1, _] => vec![&equal[2], g1, &equal[1], g0],
            _ => Vec::new(),
        };
        let opened: Vec<Column> = values.iter().zip(&self.masks).map(|(&value, mask)| value ^ mask).collect();
        opened.iter().for_each(|column| out.column(column));
        let carry = Carry::new(&opened, n);
        let mut bits = carry.sum(|q| &self.masks[q - 1], &carry.constant);
        bits ^= &self.constant;
        if let Some(top) = greater.last() {
            bits ^= top;
        }
        Ok(ClientBits { bits, keys: carry.key(&self.rows.keys, n), delta: self.rows.delta })
    }
}

impl fmt::Debug for AwaitProducts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwaitProducts").field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl fmt::Debug for AwaitTables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwaitTables").field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl fmt::Debug for ClientBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientBits({})", self.bits.len())
    }
}
