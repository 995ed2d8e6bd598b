//! S's side of signs. `client.rs` mirrors it.

use std::sync::Arc;

use xonn_crypto::share::RingTensor;

use super::Plan;
use crate::steps::StepError;
use crate::steps::column::Column;
use crate::steps::compare::{self, AwaitCrossTerms, AwaitInput, AwaitOpenings};
use crate::steps::convert;
use crate::steps::frame::{Reader, Writer};
use crate::steps::rows::{ReceiverRows, SenderRows, Tweaks};

/// S waits for C's cross terms.
#[derive(Debug)]
pub struct Server {
    plan: Arc<Plan>,
    tweaks: Tweaks,
    comparison: AwaitCrossTerms,
}

/// S sent its shares of products and waits for C's digits.
#[derive(Debug)]
pub struct AwaitDigits {
    plan: Arc<Plan>,
    tweaks: Tweaks,
    comparison: compare::AwaitDigits,
}

/// S is ready, and waits for its own share y0.
#[derive(Debug)]
pub struct AwaitShare {
    plan: Arc<Plan>,
    tweaks: Tweaks,
    comparison: AwaitInput,
}

/// S sent its tables and waits for F2.
#[derive(Debug)]
pub struct AwaitAnswer {
    plan: Arc<Plan>,
    tweaks: Tweaks,
    comparison: AwaitOpenings,
}

impl Server {
    /// Ahead: the rows.
    ///
    /// # Errors
    /// [`StepError::Shape`] if there are not as many as the plan says.
    pub fn start(plan: &Arc<Plan>, tweaks: Tweaks, masks: ReceiverRows<'_>) -> Result<Self, StepError> {
        let comparison = AwaitCrossTerms::start(plan.comparison, tweaks, masks)?;
        Ok(Self { plan: Arc::clone(plan), tweaks, comparison })
    }

    /// Ahead: the first message comes, the second one goes.
    ///
    /// # Errors
    /// [`StepError`] if the message has another length than the plan says.
    pub fn on_cross_terms(self, message: &[u8]) -> Result<(Vec<u8>, AwaitDigits), StepError> {
        let (message, comparison) = self.comparison.on_cross_terms(message)?;
        Ok((message, AwaitDigits { plan: self.plan, tweaks: self.tweaks, comparison }))
    }
}

impl AwaitDigits {
    /// Ahead: the third message comes.
    ///
    /// # Errors
    /// [`StepError`] if message or rows have another length than the plan says.
    pub fn on_digits(self, message: &[u8], leaves: SenderRows<'_>) -> Result<AwaitShare, StepError> {
        let comparison = self.comparison.on_digits(message, leaves)?;
        Ok(AwaitShare { plan: self.plan, tweaks: self.tweaks, comparison })
    }
}

impl AwaitShare {
    /// F1: from y0, in which thresholds stand already. Where `flips` is 1 the neuron is the other one.
    ///
    /// # Errors
    /// [`StepError::Shape`] if y0 or flips are not what the plan says.
    pub fn on_share(self, y0: &RingTensor, flips: &Column) -> Result<(Vec<u8>, AwaitAnswer), StepError> {
        let mut out = Writer::new(&self.plan.comparison.tables());
        let comparison = self.comparison.tables(y0, flips, &mut out)?;
        Ok((out.finish(), AwaitAnswer { plan: self.plan, tweaks: self.tweaks, comparison }))
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
        let bits = self.comparison.on_openings(&mut answer)?;
        let tweak = self.tweaks.behind(plan.comparison.tweaks()).first;
        convert::receive(&plan.windows, &bits, plan.ring, &self.tweaks.masks, tweak, &mut answer)
    }
}
