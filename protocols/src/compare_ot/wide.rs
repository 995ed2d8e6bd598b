//! ORs of windows of any size in two round trips: each sign becomes a number of a small ring, those of a
//! window are added, and "sum >= 1" is a sign again.
//!
//! The small ring has c = ceil(log2(members + 1)) + 1 bits, so the second signs compare c - 1. C draws its
//! shares of the first results, so its share of each sum is known ahead, and all messages ahead go together.
//!
//! | flight | message |
//! |---|---|
//! | ahead | those of both layers of signs, the first layer's in front |
//! | F1, F2 | the first signs ([`sign`]), modulo 2^c |
//! | F3, F4 | the signs of sums less 1 |
//!
//! Rows and tweaks: the first layer's, then the second one's.

mod client;
mod server;

pub use client::{AwaitSumTables, AwaitTables, Client};
pub use server::{AwaitAnswer, AwaitDigits, AwaitShare, AwaitSumAnswer, Server};

use std::sync::Arc;

use xonn_crypto::share::RingTensor;

use super::{Cost, sign};
use crate::steps::StepError;
use crate::steps::convert::ring_tensor;
use crate::steps::frame::Fields;
use crate::steps::rows::Tweaks;
use crate::steps::windows::Windows;

/// A layer of signs and an OR pool. Public.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Plan {
    first: Arc<sign::Plan>,
    second: Arc<sign::Plan>,
    windows: Windows,
}

impl Plan {
    /// ORs of windows of signs of numbers of w + 1 bits, as numbers modulo 2^ring; the cheapest digits.
    ///
    /// # Errors
    /// [`StepError::Range`] if w is not 1 to 27, there are no windows or larger ones than 2^27 - 1, or the
    /// ring is none of 1 to 63 bits.
    pub fn new(w: u32, windows: Windows, ring: u32) -> Result<Self, StepError> {
        // bits of the largest sum, which are ceil(log2(members + 1))
        let sum_bits = usize::BITS - windows.members().leading_zeros();
        let first = sign::Plan::new(w, Windows::single(windows.elements())?, sum_bits + 1)?;
        let second = sign::Plan::new(sum_bits, Windows::single(windows.len())?, ring)?;
        Ok(Self { first: Arc::new(first), second: Arc::new(second), windows })
    }

    /// The signs of elements, and those of sums.
    pub fn layers(&self) -> [&sign::Plan; 2] {
        [&self.first, &self.second]
    }

    /// The windows.
    pub fn windows(&self) -> &Windows {
        &self.windows
    }

    /// What the layer costs.
    pub fn cost(&self) -> Cost {
        let [first, second] = self.layers().map(sign::Plan::cost);
        first.followed_by(second)
    }

    /// The second layer's tweaks.
    fn second_tweaks(&self, tweaks: Tweaks) -> Tweaks {
        tweaks.behind(self.first.cost().tweaks)
    }

    /// The sum of a share's numbers in each window, and a constant.
    fn sums(&self, share: &RingTensor, constant: u64) -> Result<RingTensor, StepError> {
        let sum = |window: &[u32]| {
            window.iter().fold(constant, |sum, &element| sum.wrapping_add(share.values()[element as usize]))
        };
        ring_tensor(share.bits(), self.windows.iter().map(sum).collect())
    }
}

/// A message that is one of each layer.
fn split<'m>(
    what: &'static str,
    message: &'m [u8],
    [first, second]: [Fields; 2],
) -> Result<[&'m [u8]; 2], StepError> {
    let (expected, actual) = (first.bytes() + second.bytes(), message.len());
    match message.split_at_checked(first.bytes()) {
        Some((first, rest)) if rest.len() == second.bytes() => Ok([first, rest]),
        _ => Err(StepError::Length { what, expected, actual }),
    }
}
