//! S's side of a comparison. `client.rs` mirrors it.

use core::fmt;

use xonn_crypto::Wiped;
use xonn_crypto::block::Block;
use xonn_crypto::share::RingTensor;

use super::Comparison;
use crate::steps::column::Column;
use crate::steps::error::{StepError, expect};
use crate::steps::frame::{Reader, Writer};
use crate::steps::leaves;
use crate::steps::masks::{self, Carry, E1, E1G0, E2, E2E1, E2G0, G0, G1, HashBits};
use crate::steps::rows::{ReceiverRows, Rows, SenderRows, Tweaks};

/// S has its rows of masks and waits for C's cross terms.
pub struct AwaitCrossTerms {
    plan: Comparison,
    tweaks: Tweaks,
    rows: MaskRows,
    /// Of each hashed row: `H(M)`.
    hashes: Vec<HashBits>,
}

/// S's rows of masks, and the choice of each.
struct MaskRows {
    keys: Wiped<Block>,
    betas: Vec<Column>,
}

/// S sent its shares of products and waits for C's digits.
pub struct AwaitDigits {
    plan: Comparison,
    tweaks: Tweaks,
    rows: MaskRows,
    /// S's share of the products of masks that no opened value multiplies, as far as it is known.
    constant: Column,
    /// `H(M)` bits of the last two cross terms.
    last: Option<[Column; 2]>,
}

/// S is ready, and waits for its own share y0.
pub struct AwaitInput {
    plan: Comparison,
    rows: MaskRows,
    constant: Column,
    pads: Vec<Wiped<u64>>,
}

/// S sent its tables and waits for the opened bits.
pub struct AwaitOpenings {
    plan: Comparison,
    rows: MaskRows,
}

/// S's shares of the bits, and its messages of the correlated OT on them.
pub struct ServerBits {
    /// `b0`.
    pub bits: Column,
    /// `MM = KK + b0 Delta_C`.
    pub keys: Wiped<Block>,
}

impl ServerBits {
    /// More elements behind these: their messages M, whose choice bits are the shares.
    #[must_use]
    pub(crate) fn followed_by(self, keys: &[Block]) -> Self {
        if keys.is_empty() {
            return self;
        }
        let bits = self.bits.followed_by(&Column::of_lsbs(keys));
        Self { bits, keys: self.keys.iter().chain(keys).copied().collect() }
    }
}

impl AwaitCrossTerms {
    /// The rows.
    ///
    /// # Errors
    /// [`StepError::Shape`] if there are not as many as the plan says.
    pub fn start(plan: Comparison, tweaks: Tweaks, rows: ReceiverRows<'_>) -> Result<Self, StepError> {
        rows.check("mask rows of a comparison", plan.mask_rows())?;
        let n = plan.elements();
        let row = |q: usize| &rows.keys()[q * n..][..n];
        let hashed = tweaks.behind(plan.digits().count() * n);
        let hashes = (0..plan.digits().hashed_rows())
            .map(|q| masks::received(&tweaks.masks, hashed.behind(q * n).first, row(q + 1)))
            .collect();
        let betas = (0..plan.digits().mask_rows()).map(|q| Column::of_lsbs(row(q))).collect();
        let rows = MaskRows { keys: rows.keys().iter().copied().collect(), betas };
        Ok(Self { plan, tweaks, rows, hashes })
    }

    /// A bit of `H(M)` of a row.
    fn hash(&self, row: usize, bit: usize) -> &Column {
        &self.hashes[row - 1][bit]
    }

    /// S's share of the product of two values' masks, but for the cross terms that C sent.
    fn product(&self, [x, y]: [usize; 2], bits: [usize; 2]) -> Column {
        let own = &self.rows.betas[x] & &self.rows.betas[y];
        &(&own ^ self.hash(x, bits[0])) ^ self.hash(y, bits[1])
    }

    /// Step 2 of 5, ahead: C's cross terms come; S's shares of products go.
    ///
    /// # Errors
    /// [`StepError`] if the message has another length than the plan says, or its padding is not zero.
    pub fn on_cross_terms(self, message: &[u8]) -> Result<(Vec<u8>, AwaitDigits), StepError> {
        let plan = self.plan;
        let n = plan.elements();
        let mut reader = Reader::new("cross terms", message, &plan.cross_terms())?;
        let mut out = Writer::new(&plan.product_bits());
        let betas = &self.rows.betas;
        let (constant, last) = match plan.digits().count() {
            2 => (self.product([1, 2], [0, 0]), None),
            3 => {
                let f: [Column; 4] = reader.columns(n)?;
                let mut e2e1 = self.product([E2, E1], [1, 1]);
                e2e1 ^= &(&betas[E2] & &f[0]);
                e2e1 ^= &(&betas[E1] & &f[1]);
                let mut e2g0 = self.product([E2, G0], [2, 1]);
                e2g0 ^= &(&betas[E2] & &f[2]);
                e2g0 ^= &(&betas[G0] & &f[3]);
                let e1g0 = self.product([E1, G0], [0, 0]);
                for (share, row) in [(e2e1, E2E1), (e2g0, E2G0), (e1g0, E1G0)] {
                    out.column(&(&share ^ &betas[row]));
                }
                let constant = &self.product([E2, G1], [0, 0]) ^ &(&betas[E2E1] & &betas[G0]);
                (constant, Some([self.hash(E2E1, 1).clone(), self.hash(G0, 2).clone()]))
            }
            _ => (Column::zeros(n), None),
        };
        let next = AwaitDigits { plan, tweaks: self.tweaks, rows: self.rows, constant, last };
        Ok((out.finish(), next))
    }
}

impl AwaitDigits {
    /// Step 3 of 5, ahead: C's digits and last cross terms come. The tables' pads are hashed.
    ///
    /// # Errors
    /// [`StepError`] if message or rows have another length than the plan says, or padding is not zero.
    pub fn on_digits(mut self, message: &[u8], rows: SenderRows<'_>) -> Result<AwaitInput, StepError> {
        let plan = self.plan;
        let n = plan.elements();
        rows.check("leaf rows of a comparison", plan.leaf_rows())?;
        let mut reader = Reader::new("corrections of digits", message, &plan.corrections())?;
        let mut pads = Vec::new();
        for (i, digit) in plan.digits().iter().enumerate() {
            let corrections = reader.numbers(n, digit.bits)?;
            let tweak = self.tweaks.behind(i * n).first;
            pads.push(leaves::table_pads(&self.tweaks.leaves, tweak, rows, digit, &corrections));
        }
        if let Some([e2e1, g0]) = &self.last {
            let f: [Column; 2] = reader.columns(n)?;
            self.constant ^= e2e1;
            self.constant ^= g0;
            self.constant ^= &(&self.rows.betas[E2E1] & &f[0]);
            self.constant ^= &(&self.rows.betas[G0] & &f[1]);
        }
        Ok(AwaitInput { plan, rows: self.rows, constant: self.constant, pads })
    }
}

impl AwaitInput {
    /// Step 4 of 5: from y0, the tables, into `out`. Where `flips` is 1 the bit is the other one.
    ///
    /// # Errors
    /// [`StepError::Shape`] if y0 or flips are not what the plan says.
    pub fn tables(
        mut self,
        y0: &RingTensor,
        flips: &Column,
        out: &mut Writer,
    ) -> Result<AwaitOpenings, StepError> {
        let plan = self.plan;
        plan.check_share(y0)?;
        expect("flips", plan.elements(), flips.len())?;
        let (y0, betas) = (y0.values(), &self.rows.betas);
        // 1 + msb(y0) + const_S + flip, and the mask of the last row, o
        let top = &(&Column::of_bit(y0, plan.digits().total()).inverted() ^ &self.constant) ^ flips;
        let top = &top ^ &betas[0];
        let none = Column::zeros(plan.elements());
        let masks: &[[&Column; 2]] = match &betas[..] {
            [_] => &[[&top, &none]],
            [_, e1, g0] => &[[g0, &none], [&top, e1]],
            _ => &[[&betas[G0], &none], [&betas[G1], &betas[E1]], [&top, &betas[E2]]],
        };
        for ((digit, pads), [greater, equal]) in plan.digits().iter().zip(&mut self.pads).zip(masks) {
            leaves::write(pads, digit, |i| digit.of(!y0[i]), greater, equal);
            out.numbers(pads, digit.words().1);
        }
        Ok(AwaitOpenings { plan, rows: self.rows })
    }
}

impl AwaitOpenings {
    /// Behind step 5: the opened bits come, as the next fields of `openings`.
    ///
    /// # Errors
    /// [`StepError`] if the message ends early or its padding is not zero.
    pub fn on_openings(self, openings: &mut Reader<'_>) -> Result<ServerBits, StepError> {
        let n = self.plan.elements();
        let opened: Vec<Column> =
            (0..self.plan.digits().openings()).map(|_| openings.column(n)).collect::<Result<_, _>>()?;
        let carry = Carry::new(&opened, n);
        let betas = &self.rows.betas;
        Ok(ServerBits { bits: carry.sum(|q| &betas[q], &betas[0]), keys: carry.key(&self.rows.keys, n) })
    }
}

macro_rules! debug_plan {
    ($($state:ident)*) => {$(
        impl fmt::Debug for $state {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($state)).field("plan", &self.plan).finish_non_exhaustive()
            }
        }
    )*};
}

debug_plan!(AwaitCrossTerms AwaitDigits AwaitInput AwaitOpenings);

impl fmt::Debug for ServerBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerBits({})", self.bits.len())
    }
}
