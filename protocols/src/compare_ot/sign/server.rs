//! S's side of signs. `client.rs` mirrors it.

use std::sync::Arc;

use xonn_crypto::Wiped;
use xonn_crypto::block::Block;
use xonn_crypto::share::RingTensor;

use super::Plan;
use crate::steps::StepError;
use crate::steps::column::Column;
use crate::steps::compare::{self, AwaitCrossTerms, AwaitInput, AwaitOpenings};
use crate::steps::convert;
use crate::steps::error::expect;
use crate::steps::frame::{Fields, Reader, Writer};
use crate::steps::rows::{ReceiverRows, SenderRows, Tweaks};

/// S waits for C's cross terms.
#[derive(Debug)]
pub struct Server {
    plan: Arc<Plan>,
    tweaks: Tweaks,
    comparison: AwaitCrossTerms,
    /// M of the row of each flip.
    flips: Wiped<Block>,
    /// What ORs are flipped by.
    flipped: Column,
}

/// S sent its shares of products and waits for C's digits.
#[derive(Debug)]
pub struct AwaitDigits {
    plan: Arc<Plan>,
    tweaks: Tweaks,
    comparison: compare::AwaitDigits,
    flips: Wiped<Block>,
}

/// S is ready, and waits for its own share y0.
#[derive(Debug)]
pub struct AwaitShare {
    plan: Arc<Plan>,
    tweaks: Tweaks,
    comparison: AwaitInput,
    flips: Wiped<Block>,
}

/// S sent its tables and waits for F2.
#[derive(Debug)]
pub struct AwaitAnswer {
    plan: Arc<Plan>,
    tweaks: Tweaks,
    comparison: AwaitOpenings,
    flips: Wiped<Block>,
}

impl Server {
    /// Ahead: the rows.
    ///
    /// # Errors
    /// [`StepError::Shape`] if there are not as many as the plan says.
    pub fn start(plan: &Arc<Plan>, tweaks: Tweaks, masks: ReceiverRows<'_>) -> Result<Self, StepError> {
        let [masks, flips] = plan.split(masks.split_at(plan.comparison.mask_rows()), masks.keys().len())?;
        let comparison = AwaitCrossTerms::start(plan.comparison, tweaks, masks)?;
        let flips: Wiped<Block> = flips.keys().iter().copied().collect();
        let flipped = Column::zeros(flips.len());
        Ok(Self { plan: Arc::clone(plan), tweaks, comparison, flips, flipped })
    }

    /// Ahead: which ORs are flipped.
    ///
    /// # Errors
    /// [`StepError::Shape`] if the plan has not as many.
    pub fn flipped(self, by: Column) -> Result<Self, StepError> {
        expect("flips of windows", self.flips.len(), by.len())?;
        Ok(Self { flipped: by, ..self })
    }

    /// Ahead: the first message comes, the second one goes.
    ///
    /// # Errors
    /// [`StepError`] if the message has another length than the plan says.
    pub fn on_cross_terms(self, message: &[u8]) -> Result<(Vec<u8>, AwaitDigits), StepError> {
        let Self { plan, tweaks, comparison, flips, flipped } = self;
        let (mut message, comparison) = comparison.on_cross_terms(message)?;
        if !flips.is_empty() {
            let mut opened = Writer::new(&Fields::default().with_columns(1, flips.len()));
            opened.column(&(&flipped ^ &Column::of_lsbs(&flips)));
            message.extend_from_slice(&opened.finish());
        }
        Ok((message, AwaitDigits { plan, tweaks, comparison, flips }))
    }
}

impl AwaitDigits {
    /// Ahead: the third message comes.
    ///
    /// # Errors
    /// [`StepError`] if message or rows have another length than the plan says.
    pub fn on_digits(self, message: &[u8], leaves: SenderRows<'_>) -> Result<AwaitShare, StepError> {
        let Self { plan, tweaks, comparison, flips } = self;
        Ok(AwaitShare { plan, tweaks, comparison: comparison.on_digits(message, leaves)?, flips })
    }
}

impl AwaitShare {
    /// F1: from y0, in which thresholds stand already. Where `flips` is 1 the neuron is the other one.
    ///
    /// # Errors
    /// [`StepError::Shape`] if y0 or flips are not what the plan says.
    pub fn on_share(self, y0: &RingTensor, flips: &Column) -> Result<(Vec<u8>, AwaitAnswer), StepError> {
        let Self { plan, tweaks, comparison, flips: of_windows } = self;
        let mut out = Writer::new(&plan.comparison.tables());
        let comparison = comparison.tables(y0, flips, &mut out)?;
        Ok((out.finish(), AwaitAnswer { plan, tweaks, comparison, flips: of_windows }))
    }
}

impl AwaitAnswer {
    /// F2 comes: S's share of the results.
    ///
    /// # Errors
    /// [`StepError`] if the message has another length than the plan says.
    pub fn on_answer(self, message: &[u8]) -> Result<RingTensor, StepError> {
        let plan = self.plan;
        let mut answer = Reader::new("openings and messages", message, &plan.answer())?;
        let bits = self.comparison.on_openings(&mut answer)?.followed_by(&self.flips);
        let tweak = self.tweaks.behind(plan.comparison.tweaks()).first;
        convert::receive(&plan.conversion, &bits, plan.ring, &self.tweaks.masks, tweak, &mut answer)
    }
}
