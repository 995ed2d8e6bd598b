//! How two hosts hold a tensor between two stages of a plan.

use serde::{Deserialize, Serialize};
use xonn_crypto::Wiped;
use xonn_crypto::share::{RingTensor, ShareError};
use xonn_program::circuit::Sharing;

/// What both hosts know of how a tensor is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Form {
    /// The client has its numbers in the clear: what its input encodes to.
    Client,
    /// Both have a share of each element.
    Shares(Ring),
    /// The client has the program's output bits.
    Output,
}

/// Shares modulo a power of two: server y0, client y1, and
///
/// ```text
/// t = floor((y0 + y1 mod 2^bits) / 2^fraction),  0 <= t <= span        value = step t + offset
/// ```
///
/// The offset is one number an element that only the server knows and never sends: adding to it is taking
/// from its share. The server has moved it so that no t of that element is below 0. Bits of fraction hold the
/// noise of sums by lattice encryption; without them shares are exact.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ring {
    /// Bits of the shares.
    pub bits: u32,
    /// Bits of fraction.
    pub fraction: u32,
    /// How many noisy sums are added up in each element, each of which loses less than 2 units of the shares'
    /// last bit; 0 if shares are exact. What the server adds so that t is right most surely is in its share
    /// already.
    pub terms: u32,
    /// Value of one t; at least 1.
    pub step: i64,
    /// The largest t that any weights make possible; less than `2^(bits - fraction)`.
    pub span: u64,
}

impl Ring {
    /// Most bits of shares that stages hold.
    pub const MOST_BITS: u32 = Sharing::MOST_BITS;

    /// Exact shares of bits, `+1` and `-1`.
    #[must_use]
    pub fn of_bits(bits: u32) -> Self {
        Self { bits, fraction: 0, terms: 0, step: 2, span: 1 }
    }

    /// Bits of t.
    #[must_use]
    pub fn whole(self) -> u32 {
        self.bits - self.fraction
    }

    /// Whether t is exact, without noise.
    #[must_use]
    pub fn is_exact(self) -> bool {
        self.terms == 0
    }

    /// What stands behind the point so that noise of either sign is met alike: `(2^fraction + 2 terms - 1) /
    /// 2`, in halves. See `docs/protocols/rlwe.md`.
    #[must_use]
    pub fn centre_halves(self) -> i64 {
        if self.is_exact() { 0 } else { (1 << self.fraction) + 2 * i64::from(self.terms) - 1 }
    }

    /// Noise that leaves t as it is, in counts of t: `(2^fraction - 2 terms + 1) / 2^(fraction + 1)`.
    #[must_use]
    pub fn margin(self) -> f64 {
        let whole = f64::from(self.fraction).exp2();
        (whole - 2.0 * f64::from(self.terms) + 1.0) / (2.0 * whole)
    }

    /// The client's share of the values of exact shares, modulo 2^bits.
    ///
    /// # Errors
    /// [`ShareError`] if the ring has fewer bits.
    pub(crate) fn numbers_of_client(self, share: &RingTensor, bits: u32) -> Result<RingTensor, ShareError> {
        let times = |y: &u64| y.wrapping_mul(self.step as u64);
        RingTensor::new(bits, share.reduce(bits)?.values().iter().map(times).collect())
    }

    /// The server's share of the values of exact shares, modulo 2^bits.
    ///
    /// # Errors
    /// [`ShareError`] if the ring has fewer bits, or there is not an offset for each share.
    pub(crate) fn numbers_of_server(
        self,
        share: &RingTensor,
        offsets: &[i64],
        bits: u32,
    ) -> Result<RingTensor, ShareError> {
        self.numbers_of_client(share, bits)?.add(&RingTensor::from_signed(bits, offsets)?)
    }
}

/// A tensor as the client has it. Wiped when dropped.
#[derive(Clone, Debug)]
pub enum ClientValue {
    /// Its numbers.
    Clear(Wiped<i64>),
    /// Its share of each element.
    Shares(RingTensor),
    /// The output bits.
    Output(Vec<bool>),
}

/// A tensor as the server has it. Wiped when dropped.
#[derive(Clone, Debug)]
pub enum ServerValue {
    /// It has nothing of it.
    Nothing,
    /// Its share of each element.
    Shares {
        /// y0.
        share: RingTensor,
        /// The offset of each element.
        offsets: Wiped<i64>,
    },
}

impl ClientValue {
    /// The client's numbers.
    #[must_use]
    pub fn numbers(&self) -> Option<&Wiped<i64>> {
        match self {
            Self::Clear(numbers) => Some(numbers),
            _ => None,
        }
    }

    /// Its share.
    #[must_use]
    pub fn share(&self) -> Option<&RingTensor> {
        match self {
            Self::Shares(share) => Some(share),
            _ => None,
        }
    }
}

impl ServerValue {
    /// What a share of numbers is whose range begins at `lo`.
    ///
    /// # Errors
    /// [`ShareError`] of a ring that is none.
    pub(crate) fn of_numbers(numbers: &RingTensor, lo: i64) -> Result<Self, ShareError> {
        let share = numbers.sub(&RingTensor::from_signed(numbers.bits(), &vec![lo; numbers.len()])?)?;
        Ok(Self::Shares { share, offsets: vec![lo; numbers.len()].into() })
    }

    /// Its share, and the offset of each element.
    #[must_use]
    pub fn shares(&self) -> Option<(&RingTensor, &Wiped<i64>)> {
        match self {
            Self::Shares { share, offsets } => Some((share, offsets)),
            Self::Nothing => None,
        }
    }
}
