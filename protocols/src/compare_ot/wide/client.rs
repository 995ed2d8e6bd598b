//! C's side of a pool by sums. `server.rs` mirrors it.

use std::sync::Arc;

use rand::CryptoRng;
use xonn_crypto::share::RingTensor;

use super::{Plan, split};
use crate::compare_ot::sign;
use crate::steps::StepError;
use crate::steps::convert::ring_tensor;
use crate::steps::error::expect;
use crate::steps::rows::{ReceiverRows, SenderRows, Tweaks};

/// C sent its cross terms and waits for S's shares of products.
#[derive(Debug)]
pub struct Client {
    plan: Arc<Plan>,
    first: sign::Client,
    second: sign::Client,
}

/// C is ready, and waits for the tables.
#[derive(Debug)]
pub struct AwaitTables {
    first: sign::AwaitTables,
    second: sign::AwaitTables,
    /// C's shares of the first signs.
    rho: RingTensor,
}

/// C answered the first tables and waits for those of sums.
#[derive(Debug)]
pub struct AwaitSumTables {
    second: sign::AwaitTables,
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
        let Some([rows, sums]) = masks.split_at(plan.first.cost().mask_rows) else {
            return Err(StepError::Shape { what: "mask rows of a pool", expected, actual });
        };
        let (mut message, first) = sign::Client::start(&plan.first, tweaks, rows)?;
        let (other, second) = sign::Client::start(&plan.second, plan.second_tweaks(tweaks), sums)?;
        message.extend(other);
        Ok((message, Self { plan: Arc::clone(plan), first, second }))
    }

    /// Ahead: S's answer comes, and y1 is known. `rng` draws C's shares of the first signs.
    ///
    /// # Errors
    /// [`StepError`] if message, rows or y1 have another length than the plan says.
    pub fn on_products(
        self,
        message: &[u8],
        y1: &RingTensor,
        leaves: ReceiverRows<'_>,
        rng: &mut impl CryptoRng,
    ) -> Result<(Vec<u8>, AwaitTables), StepError> {
        let plan = self.plan;
        let (expected, actual) = (plan.cost().leaf_rows, leaves.keys().len());
        expect("leaf rows of a pool", expected, actual)?;
        let Some([rows, sums]) = leaves.split_at(plan.first.cost().leaf_rows) else {
            return Err(StepError::Shape { what: "leaf rows of a pool", expected, actual });
        };
        let fields = plan.layers().map(|layer| layer.comparison().product_bits());
        let [message, other] = split("products of masks", message, fields)?;
        let random = (0..plan.windows.elements()).map(|_| rng.next_u64()).collect();
        let rho = ring_tensor(plan.first.ring(), random)?;
        let (mut digits, first) = self.first.on_products(message, y1, rows)?;
        let (others, second) = self.second.on_products(other, &plan.sums(&rho, 0)?, sums)?;
        digits.extend(others);
        Ok((digits, AwaitTables { first, second, rho }))
    }
}

impl AwaitTables {
    /// F1 comes, F2 goes.
    ///
    /// # Errors
    /// [`StepError::Length`] if the message has another length than the plan says.
    pub fn on_tables(self, message: &[u8]) -> Result<(Vec<u8>, AwaitSumTables), StepError> {
        let answer = self.first.on_tables(message, &self.rho)?;
        Ok((answer, AwaitSumTables { second: self.second }))
    }
}

impl AwaitSumTables {
    /// F3 comes, F4 goes; `rho` is C's share of the results.
    ///
    /// # Errors
    /// [`StepError`] if message or rho have another length or ring than the plan says.
    pub fn on_tables(self, message: &[u8], rho: &RingTensor) -> Result<Vec<u8>, StepError> {
        self.second.on_tables(message, rho)
    }
}
