//! Shares of a number become shares of the same number in a larger ring.
//!
//! `x = y0 + y1` modulo 2^from with a sign, `|x| < 2^(from - 2)`. With `X0 = y0 + 2^(from - 2)`, the sum
//! `x + 2^(from - 2) = X0 + y1` is in the lower half of the ring. So the two, as integers, add up to 2^from
//! too much but where both top bits are 0: `x = X0 + y1 - 2^(from - 2) - 2^from + 2^from mu nu`, with `mu = 1
//! - msb(X0)` of S and `nu = 1 - msb(y1)` of C, which is known ahead.
//!
//! A row of the C-sender pool: C has K and Delta, S has M and its choice beta. All modulo 2^E, E = to - from.
//!
//! | flight | field |
//! |---|---|
//! | ahead, C to S | `u = H(K) - H(K + Delta) + nu`, E bits |
//! | F1, S to C | `t = mu + beta`, a bit |
//!
//! Shares of `beta nu` are `-H(K)` and `H(M) + beta u`, and `mu nu = t nu + (1 - 2t) beta nu`.

use xonn_crypto::Wiped;
use xonn_crypto::block::Tccr;
use xonn_crypto::share::RingTensor;

use super::StepError;
use super::column::Column;
use super::convert::ring_tensor;
use super::error::expect;
use super::frame::{Fields, Reader, Writer};
use super::pads;
use super::rows::{ReceiverRows, Rows, SenderRows};
use super::scaled::negated;

/// How many numbers, from which ring to which. Public.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Extension {
    elements: usize,
    from: u32,
    to: u32,
}

/// C has hashed its rows.
#[derive(Debug)]
pub struct ClientRows {
    plan: Extension,
    pads: Wiped<[u64; 2]>,
}

/// C sent its corrections, and waits for S's bits.
#[derive(Debug)]
pub struct ClientShares {
    plan: Extension,
    y1: RingTensor,
    /// `-H(K)` of each row.
    shares: Wiped<u64>,
}

/// S has hashed its rows, and waits for C's corrections.
#[derive(Debug)]
pub struct ServerRows {
    plan: Extension,
    pads: Wiped<u64>,
    betas: Column,
}

/// S waits for its own shares.
#[derive(Debug)]
pub struct ServerShares {
    plan: Extension,
    shares: Wiped<u64>,
    betas: Column,
}

impl Extension {
    /// So many numbers; `from < to`, at least 2.
    pub(crate) fn new(elements: usize, [from, to]: [u32; 2]) -> Self {
        Self { elements, from, to }
    }

    /// How many numbers.
    pub fn elements(&self) -> usize {
        self.elements
    }

    /// Bits of the larger ring.
    pub fn to(&self) -> u32 {
        self.to
    }

    /// E.
    fn grows(&self) -> u32 {
        self.to - self.from
    }

    /// C's field ahead.
    pub fn corrections(&self) -> Fields {
        Fields::default().with(self.elements, self.grows())
    }

    /// S's field in F1.
    pub fn openings(&self) -> Fields {
        Fields::default().with_columns(1, self.elements)
    }

    fn check(&self, share: &RingTensor) -> Result<(), StepError> {
        expect("bits of a share to extend", self.from as usize, share.bits() as usize)?;
        expect("numbers to extend", self.elements, share.len())
    }

    /// 1 less the top bit of a number of the smaller ring.
    #[inline(always)]
    fn lower(&self, number: u64) -> u64 {
        !number >> (self.from - 1) & 1
    }
}

impl ClientRows {
    /// The rows, under a tweak each.
    ///
    /// # Errors
    /// [`StepError::Shape`] if there are not as many as the plan says.
    pub fn new(
        plan: Extension,
        hash: &Tccr,
        first_tweak: u64,
        rows: SenderRows<'_>,
    ) -> Result<Self, StepError> {
        rows.check("rows of an extension", plan.elements)?;
        Ok(Self { plan, pads: pads::sent(hash, first_tweak, rows.keys(), rows.delta()) })
    }

    /// Ahead: y1 is known; the corrections go, into `out`.
    ///
    /// # Errors
    /// [`StepError::Shape`] if y1 is not what the plan says.
    pub fn corrections(self, y1: &RingTensor, out: &mut Writer) -> Result<ClientShares, StepError> {
        let Self { plan, pads } = self;
        plan.check(y1)?;
        let all = pads.iter().zip(y1.values());
        let corrections: Wiped<u64> =
            all.map(|([own, other], &y1)| own.wrapping_sub(*other).wrapping_add(plan.lower(y1))).collect();
        out.numbers(&corrections, plan.grows());
        let shares = pads.iter().map(|[own, _]| own.wrapping_neg()).collect();
        Ok(ClientShares { plan, y1: y1.clone(), shares })
    }
}

impl ClientShares {
    /// F1 came: C's share in the larger ring.
    ///
    /// # Errors
    /// [`StepError`] if the message ends early or its padding is not zero.
    pub fn on_openings(self, openings: &mut Reader<'_>) -> Result<RingTensor, StepError> {
        let Self { plan, y1, shares } = self;
        let opened = openings.column(plan.elements)?;
        let share = |(i, (&y1, &share)): (usize, (&u64, &u64))| {
            let t = opened.mask(i);
            let product = negated(share, t).wrapping_add(t & plan.lower(y1));
            y1.wrapping_add(product << plan.from)
        };
        ring_tensor(plan.to, y1.values().iter().zip(shares.iter()).enumerate().map(share).collect())
    }
}

impl ServerRows {
    /// The rows, under a tweak each.
    ///
    /// # Errors
    /// [`StepError::Shape`] if there are not as many as the plan says.
    pub fn new(
        plan: Extension,
        hash: &Tccr,
        first_tweak: u64,
        rows: ReceiverRows<'_>,
    ) -> Result<Self, StepError> {
        rows.check("rows of an extension", plan.elements)?;
        let pads = pads::received(hash, first_tweak, rows.keys());
        Ok(Self { plan, pads, betas: Column::of_lsbs(rows.keys()) })
    }

    /// Ahead: the corrections come.
    ///
    /// # Errors
    /// [`StepError`] if the message ends early or its padding is not zero.
    pub fn on_corrections(self, corrections: &mut Reader<'_>) -> Result<ServerShares, StepError> {
        let Self { plan, pads, betas } = self;
        let corrections = corrections.numbers(plan.elements, plan.grows())?;
        let all = pads.iter().zip(corrections.iter()).enumerate();
        let shares = all.map(|(i, (pad, &u))| pad.wrapping_add(u & betas.mask(i))).collect();
        Ok(ServerShares { plan, shares, betas })
    }
}

impl ServerShares {
    /// F1: from y0, a bit of each number, into `out`, and S's share in the larger ring.
    ///
    /// # Errors
    /// [`StepError::Shape`] if y0 is not what the plan says.
    pub fn open(self, y0: &RingTensor, out: &mut Writer) -> Result<RingTensor, StepError> {
        let Self { plan, shares, betas } = self;
        plan.check(y0)?;
        let quarter = 1 << (plan.from - 2);
        let moved: Wiped<u64> = y0.values().iter().map(|y0| y0.wrapping_add(quarter)).collect();
        let opened = &Column::from_fn(plan.elements, |i| plan.lower(moved[i])) ^ &betas;
        out.column(&opened);
        let ring = (1 << plan.from) - 1;
        let share = |(i, (&moved, &share)): (usize, (&u64, &u64))| {
            let product = negated(share, opened.mask(i));
            (moved & ring).wrapping_sub(quarter).wrapping_add(product.wrapping_sub(1) << plan.from)
        };
        ring_tensor(plan.to, moved.iter().zip(shares.iter()).enumerate().map(share).collect())
    }
}
