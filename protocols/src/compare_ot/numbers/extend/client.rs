//! C's side of a larger ring. `server.rs` mirrors it.

use xonn_crypto::Wiped;
use xonn_crypto::share::RingTensor;

use super::Extend;
use crate::steps::StepError;
use crate::steps::error::expect;
use crate::steps::extend::{ClientRows, ClientShares};
use crate::steps::frame::{Reader, Writer};
use crate::steps::rows::{SenderRows, Tweaks};

/// C waits for its share.
#[derive(Debug)]
pub(in super::super) struct Started {
    plan: Extend,
    rows: ClientRows,
}

/// C is ready, and waits for S's bits.
#[derive(Debug)]
pub(in super::super) struct Ready {
    plan: Extend,
    shares: ClientShares,
    rho: RingTensor,
}

impl Started {
    pub fn new(plan: &Extend, tweaks: Tweaks, masks: SenderRows<'_>) -> Result<Self, StepError> {
        Ok(Self { plan: *plan, rows: ClientRows::new(plan.0, &tweaks.masks, tweaks.first, masks)? })
    }

    pub fn on_share(self, y1: &RingTensor, rho: RingTensor) -> Result<(Vec<u8>, Ready), StepError> {
        let Self { plan, rows } = self;
        expect("shares of results", plan.elements(), rho.len())?;
        expect("bits of the results' ring", plan.to() as usize, rho.bits() as usize)?;
        let mut out = Writer::new(&plan.0.corrections());
        let shares = rows.corrections(y1, &mut out)?;
        Ok((out.finish(), Ready { plan, shares, rho }))
    }
}

impl Ready {
    pub fn on_openings(self, message: &[u8]) -> Result<Vec<u8>, StepError> {
        let Self { plan, shares, rho } = self;
        let mut openings = Reader::new("bits of an extension", message, &plan.0.openings())?;
        let share = shares.on_openings(&mut openings)?;
        let all = share.values().iter().zip(rho.values());
        let corrections: Wiped<u64> = all.map(|(share, rho)| share.wrapping_sub(*rho)).collect();
        let mut out = Writer::new(&plan.answer());
        out.numbers(&corrections, plan.to());
        Ok(out.finish())
    }
}
