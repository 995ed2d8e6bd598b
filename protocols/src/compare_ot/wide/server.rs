//! S's side of a pool by sums. `client.rs` mirrors it.

use std::sync::Arc;

use xonn_crypto::share::RingTensor;

use super::{Plan, split};
use crate::compare_ot::sign;
use crate::steps::StepError;
use crate::steps::column::Column;
use crate::steps::error::expect;
use crate::steps::rows::{ReceiverRows, SenderRows, Tweaks};

/// S waits for C's cross terms.
#[derive(Debug)]
pub struct Server {
    plan: Arc<Plan>,
    first: sign::Server,
    second: sign::Server,
}

/// S sent its shares of products and waits for C's digits.
#[derive(Debug)]
pub struct AwaitDigits {
    plan: Arc<Plan>,
    first: sign::AwaitDigits,
    second: sign::AwaitDigits,
}

/// S is ready, and waits for its own share y0.
#[derive(Debug)]
pub struct AwaitShare {
    plan: Arc<Plan>,
    first: sign::AwaitShare,
    second: sign::AwaitShare,
}

/// S sent its tables and waits for F2.
#[derive(Debug)]
pub struct AwaitAnswer {
    plan: Arc<Plan>,
    first: sign::AwaitAnswer,
    second: sign::AwaitShare,
}

/// S sent the tables of sums and waits for F4.
#[derive(Debug)]
pub struct AwaitSumAnswer {
    second: sign::AwaitAnswer,
}

impl Server {
    /// Ahead: the rows.
    ///
    /// # Errors
    /// [`StepError::Shape`] if there are not as many as the plan says.
    pub fn start(plan: &Arc<Plan>, tweaks: Tweaks, masks: ReceiverRows<'_>) -> Result<Self, StepError> {
        let (expected, actual) = (plan.cost().mask_rows, masks.keys().len());
        expect("mask rows of a pool", expected, actual)?;
        let Some([rows, sums]) = masks.split_at(plan.first.cost().mask_rows) else {
            return Err(StepError::Shape { what: "mask rows of a pool", expected, actual });
        };
        let first = sign::Server::start(&plan.first, tweaks, rows)?;
        let second = sign::Server::start(&plan.second, plan.second_tweaks(tweaks), sums)?;
        Ok(Self { plan: Arc::clone(plan), first, second })
    }

    /// Ahead: the first message comes, the second one goes.
    ///
    /// # Errors
    /// [`StepError`] if the message has another length than the plan says.
    pub fn on_cross_terms(self, message: &[u8]) -> Result<(Vec<u8>, AwaitDigits), StepError> {
        let fields = self.plan.layers().map(|layer| layer.comparison().cross_terms());
        let [message, other] = split("cross terms", message, fields)?;
        let (mut products, first) = self.first.on_cross_terms(message)?;
        let (others, second) = self.second.on_cross_terms(other)?;
        products.extend(others);
        Ok((products, AwaitDigits { plan: self.plan, first, second }))
    }
}

impl AwaitDigits {
    /// Ahead: the third message comes.
    ///
    /// # Errors
    /// [`StepError`] if message or rows have another length than the plan says.
    pub fn on_digits(self, message: &[u8], leaves: SenderRows<'_>) -> Result<AwaitShare, StepError> {
        let plan = self.plan;
        let (expected, actual) = (plan.cost().leaf_rows, leaves.keys().len());
        expect("leaf rows of a pool", expected, actual)?;
        let Some([rows, sums]) = leaves.split_at(plan.first.cost().leaf_rows) else {
            return Err(StepError::Shape { what: "leaf rows of a pool", expected, actual });
        };
        let fields = plan.layers().map(|layer| layer.comparison().corrections());
        let [message, other] = split("corrections of digits", message, fields)?;
        let first = self.first.on_digits(message, rows)?;
        Ok(AwaitShare { plan, first, second: self.second.on_digits(other, sums)? })
    }
}

impl AwaitShare {
    /// F1: from y0, in which thresholds stand already. Where `flips` is 1 the neuron, in front of the OR, is
    /// the other one.
    ///
    /// # Errors
    /// [`StepError::Shape`] if y0 or flips are not what the plan says.
    pub fn on_share(self, y0: &RingTensor, flips: &Column) -> Result<(Vec<u8>, AwaitAnswer), StepError> {
        let (tables, first) = self.first.on_share(y0, flips)?;
        Ok((tables, AwaitAnswer { plan: self.plan, first, second: self.second }))
    }
}

impl AwaitAnswer {
    /// F2 comes, F3 goes. Where `flips` is 1 the result of a window, behind the OR, is the other one.
    ///
    /// # Errors
    /// [`StepError`] if the message has another length than the plan says, or there are not as many flips as
    /// windows.
    pub fn on_answer(self, message: &[u8], flips: &Column) -> Result<(Vec<u8>, AwaitSumAnswer), StepError> {
        let plan = self.plan;
        // "sum >= 1" is "sum - 1 >= 0"
        let y0 = plan.sums(&self.first.on_answer(message)?, 1u64.wrapping_neg())?;
        let (tables, second) = self.second.on_share(&y0, flips)?;
        Ok((tables, AwaitSumAnswer { second }))
    }
}

impl AwaitSumAnswer {
    /// F4 comes: S's share of the results.
    ///
    /// # Errors
    /// [`StepError`] if the message has another length than the plan says.
    pub fn on_answer(self, message: &[u8]) -> Result<RingTensor, StepError> {
        self.second.on_answer(message)
    }
}
