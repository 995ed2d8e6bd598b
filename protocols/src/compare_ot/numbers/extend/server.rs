//! S's side of a larger ring. `client.rs` mirrors it.

use xonn_crypto::share::RingTensor;

use super::Extend;
use crate::steps::StepError;
use crate::steps::convert::corrected;
use crate::steps::extend::{ServerRows, ServerShares};
use crate::steps::frame::{Reader, Writer};
use crate::steps::rows::{ReceiverRows, Tweaks};

/// S waits for C's corrections.
#[derive(Debug)]
pub(in super::super) struct AwaitCrossTerms {
    plan: Extend,
    rows: ServerRows,
}

/// S is ready, and waits for its own share.
#[derive(Debug)]
pub(in super::super) struct AwaitShare {
    plan: Extend,
    shares: ServerShares,
}

/// S sent its bits and waits for F2.
#[derive(Debug)]
pub(in super::super) struct AwaitAnswer {
    plan: Extend,
    share: RingTensor,
}

impl AwaitCrossTerms {
    pub fn new(plan: &Extend, tweaks: Tweaks, masks: ReceiverRows<'_>) -> Result<Self, StepError> {
        Ok(Self { plan: *plan, rows: ServerRows::new(plan.0, &tweaks.masks, tweaks.first, masks)? })
    }

    pub fn on_corrections(self, message: &[u8]) -> Result<AwaitShare, StepError> {
        let Self { plan, rows } = self;
        let mut corrections = Reader::new("corrections of an extension", message, &plan.0.corrections())?;
        Ok(AwaitShare { plan, shares: rows.on_corrections(&mut corrections)? })
    }
}

impl AwaitShare {
    pub fn on_share(self, y0: &RingTensor) -> Result<(Vec<u8>, AwaitAnswer), StepError> {
        let Self { plan, shares } = self;
        let mut out = Writer::new(&plan.0.openings());
        let share = shares.open(y0, &mut out)?;
        Ok((out.finish(), AwaitAnswer { plan, share }))
    }
}

impl AwaitAnswer {
    pub fn on_answer(self, message: &[u8]) -> Result<RingTensor, StepError> {
        let Self { plan, share } = self;
        let mut answer = Reader::new("corrections of shares", message, &plan.answer())?;
        corrected(&share, &mut answer, plan.to())
    }
}
