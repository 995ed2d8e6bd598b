//! The same number in a larger ring.
//!
//! | flight | fields |
//! |---|---|
//! | ahead 3, C to S | u, E bits ([`extend`](crate::steps::extend)) |
//! | F1, S to C | t'' |
//! | F2, C to S | C's share less rho |
//!
//! One row of the C-sender pool and one tweak an element.

mod client;
mod server;

pub(super) use client::{Ready, Started};
pub(super) use server::{AwaitAnswer, AwaitCrossTerms, AwaitShare};

use super::shape::MOST_RING;
use crate::compare_ot::Cost;
use crate::steps::StepError;
use crate::steps::error::within;
use crate::steps::extend::Extension;
use crate::steps::frame::Fields;

/// A layer of numbers whose ring grows. Public.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Extend(Extension);

impl Extend {
    pub fn new(elements: usize, [from, to]: [u32; 2]) -> Result<Self, StepError> {
        within("bits of results", to as usize, [from as usize + 1, MOST_RING])?;
        Ok(Self(Extension::new(elements, [from, to])))
    }

    pub fn elements(&self) -> usize {
        self.0.elements()
    }

    pub fn to(&self) -> u32 {
        self.0.to()
    }

    fn answer(&self) -> Fields {
        Fields::default().with(self.elements(), self.to())
    }

    /// What it costs.
    pub fn cost(&self) -> Cost {
        Cost {
            ahead: [Fields::default(), Fields::default(), self.0.corrections()],
            online: vec![self.0.openings(), self.answer()],
            leaf_rows: 0,
            mask_rows: self.elements(),
            tweaks: self.elements(),
        }
    }
}
