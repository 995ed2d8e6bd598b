//! C's side of a pool in two round trips. `server.rs` mirrors it.

use std::sync::Arc;

use xonn_crypto::Wiped;
use xonn_crypto::block::Block;
use xonn_crypto::share::RingTensor;

use super::Plan;
use crate::steps::StepError;
use crate::steps::column::Column;
use crate::steps::compare::{self, AwaitProducts, ClientBits};
use crate::steps::convert;
use crate::steps::error::expect;
use crate::steps::frame::{Reader, Writer};
use crate::steps::leaves;
use crate::steps::rows::{ReceiverRows, SenderRows, Tweaks};

/// C sent its cross terms and waits for S's shares of products.
#[derive(Debug)]
pub struct Client {
    plan: Arc<Plan>,
    tweaks: Tweaks,
    comparison: AwaitProducts,
    /// The row p of each window, and Delta.
    keys: Wiped<Block>,
    delta: Wiped<Block>,
}

/// C is ready, and waits for the tables.
#[derive(Debug)]
pub struct AwaitTables {
    plan: Arc<Plan>,
    tweaks: Tweaks,
    comparison: compare::AwaitTables,
    keys: Wiped<Block>,
    delta: Wiped<Block>,
    /// C's random choices of the windows' rows, and the pads of the entries that they open.
    choices: Wiped<u64>,
    pads: Wiped<u64>,
}

/// C sent its opened bits and waits for the windows' tables.
#[derive(Debug)]
pub struct AwaitWindowTables {
    plan: Arc<Plan>,
    tweaks: Tweaks,
    keys: Wiped<Block>,
    delta: Wiped<Block>,
    /// C's bits of each window.
    bits: Wiped<u64>,
    pads: Wiped<u64>,
}

impl Client {
    /// Ahead: the first message.
    ///
    /// # Errors
    /// [`StepError::Shape`] if there are not as many rows as the plan says.
    pub fn start(
        plan: &Arc<Plan>,
        tweaks: Tweaks,
        masks: SenderRows<'_>,
    ) -> Result<(Vec<u8>, Self), StepError> {
        let (expected, actual) = (plan.cost().mask_rows, masks.keys().len());
        expect("mask rows of a pool", expected, actual)?;
        let Some([own, windows]) = masks.split_at(plan.comparison().mask_rows()) else {
            return Err(StepError::Shape { what: "mask rows of a pool", expected, actual });
        };
        let (message, comparison) = AwaitProducts::start(plan.comparison(), tweaks, own)?;
        let keys = windows.keys().iter().copied().collect();
        let delta = core::iter::once(masks.delta()).collect();
        Ok((message, Self { plan: Arc::clone(plan), tweaks, comparison, keys, delta }))
    }

    /// Ahead: S's answer comes, and y1 is known.
    ///
    /// # Errors
    /// [`StepError`] if message, rows or y1 have another length than the plan says.
    pub fn on_products(
        self,
        message: &[u8],
        y1: &RingTensor,
        leaves: ReceiverRows<'_>,
    ) -> Result<(Vec<u8>, AwaitTables), StepError> {
        let Self { plan, tweaks, comparison, keys, delta } = self;
        let (expected, actual) = (plan.cost().leaf_rows, leaves.keys().len());
        expect("leaf rows of a pool", expected, actual)?;
        let Some([own, windows]) = leaves.split_at(plan.comparison().leaf_rows()) else {
            return Err(StepError::Shape { what: "leaf rows of a pool", expected, actual });
        };
        let (message, comparison) = comparison.on_products(message, y1, own)?;
        let count = plan.results.len();
        let choices = leaves::corrections(windows, plan.digit(), &vec![0; count]);
        let tweak = tweaks.behind(plan.tweaks()[0]).first;
        let pads = leaves::entry_pads(&tweaks.leaves, tweak, windows, plan.digit(), count);
        Ok((message, AwaitTables { plan, tweaks, comparison, keys, delta, choices, pads }))
    }
}

impl AwaitTables {
    /// F1 comes, F2 goes.
    ///
    /// # Errors
    /// [`StepError::Length`] if the message has another length than the plan says.
    pub fn on_tables(self, message: &[u8]) -> Result<(Vec<u8>, AwaitWindowTables), StepError> {
        let Self { plan, tweaks, comparison, keys, delta, choices, pads } = self;
        let mut tables = Reader::new("tables", message, &plan.comparison().tables())?;
        let mut out = Writer::new(&plan.openings());
        let ClientBits { bits, .. } = comparison.on_tables(&mut tables, &mut out)?;
        let bits = plan.gather(|element| bits.bit(element));
        let corrections: Wiped<u64> = bits.iter().zip(choices.iter()).map(|(a, b)| a ^ b).collect();
        out.numbers(&corrections, plan.digit().bits);
        Ok((out.finish(), AwaitWindowTables { plan, tweaks, keys, delta, bits, pads }))
    }
}

impl AwaitWindowTables {
    /// F3 comes, F4 goes; `rho` is C's share of the results.
    ///
    /// # Errors
    /// [`StepError`] if message or rho have another length or ring than the plan says.
    pub fn on_window_tables(self, message: &[u8], rho: &RingTensor) -> Result<Vec<u8>, StepError> {
        let plan = self.plan;
        expect("bits of the results' ring", plan.ring() as usize, rho.bits() as usize)?;
        let mut reader = Reader::new("tables of windows", message, &plan.window_tables())?;
        let digit = plan.digit();
        let tables = reader.numbers(plan.results.len(), digit.table_bits() as u32)?;
        let opened = leaves::select(&tables, digit, &self.bits, &self.pads);
        let bits = ClientBits { bits: Column::of_bit(&opened, 0), keys: self.keys, delta: self.delta };
        let mut out = Writer::new(&plan.answer());
        let tweak = self.tweaks.behind(plan.tweaks()[1]).first;
        convert::send(&plan.results, &bits, rho, &self.tweaks.masks, tweak, &mut out)?;
        Ok(out.finish())
    }
}
