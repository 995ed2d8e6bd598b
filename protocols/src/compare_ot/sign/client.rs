//! C's side of signs. `server.rs` mirrors it.

use std::sync::Arc;

use xonn_crypto::Wiped;
use xonn_crypto::block::Block;
use xonn_crypto::share::RingTensor;

use super::Plan;
use crate::steps::StepError;
use crate::steps::column::Column;
use crate::steps::compare::{self, AwaitProducts};
use crate::steps::convert;
use crate::steps::error::expect;
use crate::steps::frame::{Reader, Writer};
use crate::steps::rows::{ReceiverRows, SenderRows, Tweaks};

/// C sent its cross terms and waits for S's shares of products.
#[derive(Debug)]
pub struct Client {
    plan: Arc<Plan>,
    tweaks: Tweaks,
    comparison: AwaitProducts,
    /// K of the row of each flip.
    flips: Wiped<Block>,
}

/// C is ready, and waits for the tables.
#[derive(Debug)]
pub struct AwaitTables {
    plan: Arc<Plan>,
    tweaks: Tweaks,
    comparison: compare::AwaitTables,
    flips: Wiped<Block>,
    /// Of each flip what S opened of it, which is C's share.
    opened: Column,
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
        let [masks, flips] = plan.split(masks.split_at(plan.comparison.mask_rows()), masks.keys().len())?;
        let (message, comparison) = AwaitProducts::start(plan.comparison, tweaks, masks)?;
        let flips = flips.keys().iter().copied().collect();
        Ok((message, Self { plan: Arc::clone(plan), tweaks, comparison, flips }))
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
        let Self { plan, tweaks, comparison, flips } = self;
        let (products, opened) = plan.cut_products(message)?;
        let (message, comparison) = comparison.on_products(products, y1, leaves)?;
        Ok((message, AwaitTables { plan, tweaks, comparison, flips, opened }))
    }
}

impl AwaitTables {
    /// F1 comes, F2 goes; `rho` is C's share of the results.
    ///
    /// # Errors
    /// [`StepError`] if message or rho have another length or ring than the plan says.
    pub fn on_tables(self, message: &[u8], rho: &RingTensor) -> Result<Vec<u8>, StepError> {
        let plan = self.plan;
        expect("bits of the results' ring", plan.ring as usize, rho.bits() as usize)?;
        expect("shares of windows", plan.windows.len(), rho.len())?;
        let mut tables = Reader::new("tables", message, &plan.comparison.tables())?;
        let mut out = Writer::new(&plan.answer());
        let bits = self.comparison.on_tables(&mut tables, &mut out)?;
        let bits = bits.followed_by(&self.opened, &self.flips);
        let tweak = self.tweaks.behind(plan.comparison.tweaks()).first;
        convert::send(&plan.conversion, &bits, rho, &self.tweaks.masks, tweak, &mut out)?;
        Ok(out.finish())
    }
}
