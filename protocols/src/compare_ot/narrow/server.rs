//! S's side of a pool in two round trips. `client.rs` mirrors it.

use std::sync::Arc;

use xonn_crypto::Wiped;
use xonn_crypto::block::Block;
use xonn_crypto::share::RingTensor;

use super::Plan;
use crate::steps::StepError;
use crate::steps::column::Column;
use crate::steps::compare::{self, AwaitCrossTerms, AwaitInput, ServerBits};
use crate::steps::convert;
use crate::steps::error::expect;
use crate::steps::frame::{Reader, Writer};
use crate::steps::leaves;
use crate::steps::rows::{ReceiverRows, SenderRows, Tweaks};

/// S waits for C's cross terms.
#[derive(Debug)]
pub struct Server {
    plan: Arc<Plan>,
    tweaks: Tweaks,
    comparison: AwaitCrossTerms,
    /// The row p of each window.
    keys: Wiped<Block>,
}

/// S sent its shares of products and waits for C's digits.
#[derive(Debug)]
pub struct AwaitDigits {
    plan: Arc<Plan>,
    tweaks: Tweaks,
    comparison: compare::AwaitDigits,
    keys: Wiped<Block>,
}

/// S is ready, and waits for its own share y0.
#[derive(Debug)]
pub struct AwaitShare {
    plan: Arc<Plan>,
    tweaks: Tweaks,
    comparison: AwaitInput,
    keys: Wiped<Block>,
    /// The rows of the windows' tables, and Delta.
    leaves: Wiped<Block>,
    delta: Wiped<Block>,
}

/// S sent its tables and waits for the opened bits and C's bits of windows.
#[derive(Debug)]
pub struct AwaitOpenings {
    plan: Arc<Plan>,
    tweaks: Tweaks,
    comparison: compare::AwaitOpenings,
    keys: Wiped<Block>,
    leaves: Wiped<Block>,
    delta: Wiped<Block>,
}

/// S sent the windows' tables and waits for F4.
#[derive(Debug)]
pub struct AwaitAnswer {
    plan: Arc<Plan>,
    tweaks: Tweaks,
    bits: ServerBits,
}

impl Server {
    /// Ahead: the rows.
    ///
    /// # Errors
    /// [`StepError::Shape`] if there are not as many as the plan says.
    pub fn start(plan: &Arc<Plan>, tweaks: Tweaks, masks: ReceiverRows<'_>) -> Result<Self, StepError> {
        let (expected, actual) = (plan.cost().mask_rows, masks.keys().len());
        expect("mask rows of a pool", expected, actual)?;
        let Some([own, windows]) = masks.split_at(plan.comparison().mask_rows()) else {
            return Err(StepError::Shape { what: "mask rows of a pool", expected, actual });
        };
        let comparison = AwaitCrossTerms::start(plan.comparison(), tweaks, own)?;
        let keys = windows.keys().iter().copied().collect();
        Ok(Self { plan: Arc::clone(plan), tweaks, comparison, keys })
    }

    /// Ahead: the first message comes, the second one goes.
    ///
    /// # Errors
    /// [`StepError`] if the message has another length than the plan says.
    pub fn on_cross_terms(self, message: &[u8]) -> Result<(Vec<u8>, AwaitDigits), StepError> {
        let Self { plan, tweaks, comparison, keys } = self;
        let (message, comparison) = comparison.on_cross_terms(message)?;
        Ok((message, AwaitDigits { plan, tweaks, comparison, keys }))
    }
}

impl AwaitDigits {
    /// Ahead: the third message comes.
    ///
    /// # Errors
    /// [`StepError`] if message or rows have another length than the plan says.
    pub fn on_digits(self, message: &[u8], leaves: SenderRows<'_>) -> Result<AwaitShare, StepError> {
        let Self { plan, tweaks, comparison, keys } = self;
        let (expected, actual) = (plan.cost().leaf_rows, leaves.keys().len());
        expect("leaf rows of a pool", expected, actual)?;
        let Some([own, windows]) = leaves.split_at(plan.comparison().leaf_rows()) else {
            return Err(StepError::Shape { what: "leaf rows of a pool", expected, actual });
        };
        let comparison = comparison.on_digits(message, own)?;
        let delta = core::iter::once(leaves.delta()).collect();
        let leaves = windows.keys().iter().copied().collect();
        Ok(AwaitShare { plan, tweaks, comparison, keys, leaves, delta })
    }
}

impl AwaitShare {
    /// F1: from y0, in which thresholds stand already. Where `flips` is 1 the neuron, in front of the OR, is
    /// the other one.
    ///
    /// # Errors
    /// [`StepError::Shape`] if y0 or flips are not what the plan says.
    pub fn on_share(self, y0: &RingTensor, flips: &Column) -> Result<(Vec<u8>, AwaitOpenings), StepError> {
        let Self { plan, tweaks, comparison, keys, leaves, delta } = self;
        let mut out = Writer::new(&plan.comparison().tables());
        let comparison = comparison.tables(y0, flips, &mut out)?;
        Ok((out.finish(), AwaitOpenings { plan, tweaks, comparison, keys, leaves, delta }))
    }
}

impl AwaitOpenings {
    /// F2 comes, F3 goes. Where `flips` is 1 the result of a window, behind the OR, is the other one.
    ///
    /// # Errors
    /// [`StepError`] if the message has another length than the plan says, or there are not as many flips as
    /// windows.
    pub fn on_openings(self, message: &[u8], flips: &Column) -> Result<(Vec<u8>, AwaitAnswer), StepError> {
        let Self { plan, tweaks, comparison, keys, leaves, delta } = self;
        expect("flips of windows", plan.results.len(), flips.len())?;
        let mut openings = Reader::new("openings and bits of windows", message, &plan.openings())?;
        let ServerBits { bits, .. } = comparison.on_openings(&mut openings)?;
        let digit = plan.digit();
        let corrections = openings.numbers(plan.results.len(), digit.bits)?;
        let rows = SenderRows::new(&leaves, delta[0]);
        let tweak = tweaks.behind(plan.tweaks()[0]).first;
        let mut tables = leaves::table_pads(&tweaks.leaves, tweak, rows, digit, &corrections);
        let betas = Column::of_lsbs(&keys);
        let own = plan.gather(|element| bits.bit(element));
        let all = (1u64 << digit.entries()) - 1;
        let others = &betas ^ flips;
        // The OR is 0 for the entry that is what S's bits are, else 1.
        leaves::write_bits(&mut tables, |window| (!(1 << own[window]) ^ others.mask(window)) & all);
        let mut out = Writer::new(&plan.window_tables());
        out.numbers(&tables, digit.table_bits() as u32);
        Ok((out.finish(), AwaitAnswer { plan, tweaks, bits: ServerBits { bits: betas, keys } }))
    }
}

impl AwaitAnswer {
    /// F4 comes: S's share of the results.
    ///
    /// # Errors
    /// [`StepError::Length`] if the message has another length than the plan says.
    pub fn on_answer(self, message: &[u8]) -> Result<RingTensor, StepError> {
        let plan = self.plan;
        let mut answer = Reader::new("messages of windows", message, &plan.answer())?;
        let tweak = self.tweaks.behind(plan.tweaks()[1]).first;
        convert::receive(&plan.results, &self.bits, plan.ring(), &self.tweaks.masks, tweak, &mut answer)
    }
}
