//! Comparisons of the same numbers side by side, each with rows of its own: what both hosts do in each
//! flight.

use xonn_crypto::share::RingTensor;

use super::round::{parts_of, split_rows};
use crate::steps::StepError;
use crate::steps::column::Column;
use crate::steps::compare::{self, Comparison};
use crate::steps::convert::ring_tensor;
use crate::steps::extend::{ClientRows, ClientShares};
use crate::steps::frame::{Fields, Reader, Writer};
use crate::steps::rows::{ReceiverRows, SenderRows, Tweaks};

/// So many comparisons of a layer's numbers. Public.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Compared {
    pub comparison: Comparison,
    pub count: usize,
}

/// What C has of a number in the ring that is computed in: what extends its share, or the share itself.
#[derive(Debug)]
pub(super) enum Value {
    Extends(ClientShares),
    Stays(RingTensor),
}

impl Compared {
    pub fn elements(&self) -> usize {
        self.comparison.elements()
    }

    /// The fields of all.
    pub fn fields(&self, fields: impl Fn(&Comparison) -> Fields) -> Fields {
        let each = (0..self.count).map(|_| fields(&self.comparison));
        each.fold(Fields::default(), Fields::followed_by)
    }

    /// The fields of each.
    fn each(&self, fields: impl Fn(&Comparison) -> Fields) -> Vec<Fields> {
        (0..self.count).map(|_| fields(&self.comparison)).collect()
    }

    pub fn leaf_rows(&self) -> usize {
        self.count * self.comparison.leaf_rows()
    }

    pub fn mask_rows(&self) -> usize {
        self.count * self.comparison.mask_rows()
    }

    pub fn tweaks(&self) -> usize {
        self.count * self.comparison.tweaks()
    }

    /// C, ahead 1: its cross terms, and the rows that are left.
    pub fn start<'r>(
        &self,
        tweaks: Tweaks,
        masks: SenderRows<'r>,
    ) -> Result<(Vec<u8>, Vec<compare::AwaitProducts>, SenderRows<'r>), StepError> {
        let (mut message, mut next, mut rest) = (Vec::new(), Vec::new(), masks);
        for number in 0..self.count {
            let [own, others] = split_rows(rest.split_at(self.comparison.mask_rows()))?;
            rest = others;
            let tweaks = tweaks.behind(number * self.comparison.tweaks());
            let (cross, waits) = compare::AwaitProducts::start(self.comparison, tweaks, own)?;
            message.extend(cross);
            next.push(waits);
        }
        Ok((message, next, rest))
    }

    /// C, ahead 3: its digits, and the rows that are left.
    pub fn on_products<'r>(
        &self,
        states: Vec<compare::AwaitProducts>,
        message: &[u8],
        y1: &RingTensor,
        leaves: ReceiverRows<'r>,
    ) -> Result<(Vec<u8>, Vec<compare::AwaitTables>, ReceiverRows<'r>), StepError> {
        let (mut corrections, mut next, mut rest) = (Vec::new(), Vec::new(), leaves);
        let messages = parts_of("products of masks", message, self.each(Comparison::product_bits))?;
        for (state, message) in states.into_iter().zip(messages) {
            let [own, others] = split_rows(rest.split_at(self.comparison.leaf_rows()))?;
            rest = others;
            let (digits, waits) = state.on_products(message, y1, own)?;
            corrections.extend(digits);
            next.push(waits);
        }
        Ok((corrections, next, rest))
    }

    /// S has its rows; those that are left.
    pub fn wait<'r>(
        &self,
        tweaks: Tweaks,
        masks: ReceiverRows<'r>,
    ) -> Result<(Vec<compare::AwaitCrossTerms>, ReceiverRows<'r>), StepError> {
        let (mut next, mut rest) = (Vec::new(), masks);
        for number in 0..self.count {
            let [own, others] = split_rows(rest.split_at(self.comparison.mask_rows()))?;
            rest = others;
            let tweaks = tweaks.behind(number * self.comparison.tweaks());
            next.push(compare::AwaitCrossTerms::start(self.comparison, tweaks, own)?);
        }
        Ok((next, rest))
    }

    /// S, ahead 2: its shares of products.
    pub fn on_cross_terms(
        &self,
        states: Vec<compare::AwaitCrossTerms>,
        message: &[u8],
    ) -> Result<(Vec<u8>, Vec<compare::AwaitDigits>), StepError> {
        let messages = parts_of("cross terms", message, self.each(Comparison::cross_terms))?;
        let (mut products, mut next) = (Vec::new(), Vec::new());
        for (state, message) in states.into_iter().zip(messages) {
            let (bits, waits) = state.on_cross_terms(message)?;
            products.extend(bits);
            next.push(waits);
        }
        Ok((products, next))
    }

    /// S: C's digits come, with other fields behind them, which are given back with the rows that are left.
    #[allow(clippy::type_complexity)] // what is left of both
    pub fn on_digits<'r, 'm>(
        &self,
        states: Vec<compare::AwaitDigits>,
        message: &'m [u8],
        others: Fields,
        leaves: SenderRows<'r>,
    ) -> Result<(Vec<compare::AwaitInput>, &'m [u8], SenderRows<'r>), StepError> {
        let mut fields = self.each(Comparison::corrections);
        fields.push(others);
        let messages = parts_of("corrections of numbers", message, fields)?;
        let (mut next, mut rest) = (Vec::new(), leaves);
        for (state, message) in states.into_iter().zip(&messages) {
            let [own, others] = split_rows(rest.split_at(self.comparison.leaf_rows()))?;
            rest = others;
            next.push(state.on_digits(message, own)?);
        }
        Ok((next, messages.last().copied().unwrap_or_default(), rest))
    }

    /// S, F1: the first one tells whether numbers are as large as its cut, the second one whether they are
    /// smaller than its own.
    pub fn tables(
        &self,
        states: Vec<compare::AwaitInput>,
        y0: &RingTensor,
        cuts: &[i64],
        out: &mut Writer,
    ) -> Result<Vec<compare::AwaitOpenings>, StepError> {
        let mut next = Vec::new();
        for ((state, cut), flip) in states.into_iter().zip(cuts).zip([0, 1]) {
            let less = y0.values().iter().map(|y0| y0.wrapping_sub(*cut as u64)).collect();
            let less = ring_tensor(y0.bits(), less)?;
            next.push(state.tables(&less, &Column::from_fn(self.elements(), |_| flip), out)?);
        }
        Ok(next)
    }
}

impl Value {
    /// C's share, whose extension's corrections go into `out`.
    pub fn of(rows: Option<ClientRows>, y1: RingTensor, out: &mut Writer) -> Result<Self, StepError> {
        match rows {
            Some(rows) => Ok(Self::Extends(rows.corrections(&y1, out)?)),
            None => Ok(Self::Stays(y1)),
        }
    }

    /// F1 came.
    pub fn share(self, tables: &mut Reader<'_>) -> Result<RingTensor, StepError> {
        match self {
            Self::Extends(shares) => shares.on_openings(tables),
            Self::Stays(share) => Ok(share),
        }
    }
}
