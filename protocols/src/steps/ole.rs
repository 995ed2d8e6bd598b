//! Shares of a random number of S's times a number of C's that is known ahead, by a correlated OT for each
//! bit of C's number (Gilboa).
//!
//! Modulo 2^ring: S's number m, C's number t of w bits. Row i of the S-sender pool serves bit i of t: S has K
//! and Delta, C has M and its choice c.
//!
//! | flight | fields |
//! |---|---|
//! | ahead, S to C | for each i: `u_i = H(K_i) - H(K_i + Delta) + m` modulo 2^(ring - i) |
//! | ahead, C to S | for each i: `d_i = t_i + c_i` |
//!
//! Shares of `c_i m` are `-H(K_i)` and `H(M_i) + c_i u_i`; of `t_i m` both times `1 - 2 d_i`, S adds `d_i m`.
//! The product is their sum with weights 2^i. Uses of tweaks: one a bit.

use xonn_crypto::Wiped;
use xonn_crypto::block::Tccr;

use super::StepError;
use super::column::Column;
use super::frame::{Fields, Reader, Writer};
use super::rows::{ReceiverRows, Rows, SenderRows, Tweaks};
use super::scaled::negated;
use super::{pads, parts};

/// How many products, of numbers of how many bits, in which ring. Public.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ole {
    elements: usize,
    bits: u32,
    ring: u32,
}

/// S sent its messages and waits for C's bits.
#[derive(Debug)]
pub struct ServerProducts {
    plan: Ole,
    numbers: Wiped<u64>,
    /// `H(K_i)`, bit by bit.
    pads: Wiped<u64>,
}

impl Ole {
    /// So many numbers of so many bits, fewer than the ring's, which are at most 64.
    pub(crate) fn new(elements: usize, bits: u32, ring: u32) -> Self {
        Self { elements, bits, ring }
    }

    /// Rows of the S-sender pool, and tweaks.
    pub fn rows(&self) -> usize {
        self.elements * self.bits as usize
    }

    /// S's fields ahead.
    pub fn messages(&self) -> Fields {
        (0..self.bits).fold(Fields::default(), |fields, i| fields.with(self.elements, self.ring - i))
    }

    /// C's fields ahead.
    pub fn corrections(&self) -> Fields {
        Fields::default().with_columns(self.bits as usize, self.elements)
    }

    /// Ahead: S's numbers, one an element; its message goes, into `out`.
    ///
    /// # Errors
    /// [`StepError::Shape`] if rows or numbers are not as many as the plan says.
    pub fn server(
        self,
        hash: &Tccr,
        tweaks: Tweaks,
        rows: SenderRows<'_>,
        numbers: Wiped<u64>,
        out: &mut Writer,
    ) -> Result<ServerProducts, StepError> {
        rows.check("rows of products of numbers", self.rows())?;
        super::error::expect("numbers of products", self.elements, numbers.len())?;
        let mut own = Wiped::zeros(self.rows());
        for (i, own) in (0..self.bits).zip(own.chunks_exact_mut(self.elements)) {
            let at = i as usize * self.elements;
            let row = &rows.keys()[at..][..self.elements];
            let both = pads::sent(hash, tweaks.behind(at).first, row, rows.delta());
            let all = both.iter().zip(numbers.iter());
            let messages: Wiped<u64> =
                all.map(|([zero, one], number)| zero.wrapping_sub(*one).wrapping_add(*number)).collect();
            out.numbers(&messages, self.ring - i);
            own.iter_mut().zip(both.iter()).for_each(|(own, [zero, _])| *own = *zero);
        }
        Ok(ServerProducts { plan: self, numbers, pads: own })
    }

    /// Ahead: S's message comes, as the next fields of `messages`; C's bits go, into `out`. C's share of each
    /// product, modulo 2^64 of which the ring's part counts.
    ///
    /// # Errors
    /// [`StepError`] if rows or numbers are not as many as the plan says, or the message ends early.
    pub fn client(
        self,
        hash: &Tccr,
        tweaks: Tweaks,
        rows: ReceiverRows<'_>,
        numbers: &[u64],
        messages: &mut Reader<'_>,
        out: &mut Writer,
    ) -> Result<Wiped<u64>, StepError> {
        rows.check("rows of products of numbers", self.rows())?;
        super::error::expect("numbers of products", self.elements, numbers.len())?;
        let mut shares: Wiped<u64> = Wiped::zeros(self.elements);
        for i in 0..self.bits {
            let at = i as usize * self.elements;
            let row = &rows.keys()[at..][..self.elements];
            let received = messages.numbers(self.elements, self.ring - i)?;
            let pads = pads::received(hash, tweaks.behind(at).first, row);
            let choices = Column::of_lsbs(row);
            let opened = &choices ^ &Column::of_bit(numbers, i);
            out.column(&opened);
            parts::fill(&mut shares, 1, |first, shares| {
                for (share, element) in shares.iter_mut().zip(first..) {
                    let product = pads[element].wrapping_add(received[element] & choices.mask(element));
                    *share = share.wrapping_add(negated(product, opened.mask(element)) << i);
                }
            });
        }
        Ok(shares)
    }
}

impl ServerProducts {
    /// Ahead: C's bits come. S's share of each product.
    ///
    /// # Errors
    /// [`StepError`] if the message ends early or its padding is not zero.
    pub fn on_corrections(self, corrections: &mut Reader<'_>) -> Result<Wiped<u64>, StepError> {
        let Self { plan, numbers, pads } = self;
        let mut shares: Wiped<u64> = Wiped::zeros(plan.elements);
        for (i, pads) in (0..plan.bits).zip(pads.chunks_exact(plan.elements)) {
            let opened = corrections.column(plan.elements)?;
            parts::fill(&mut shares, 1, |first, shares| {
                for (share, element) in shares.iter_mut().zip(first..) {
                    let t = opened.mask(element);
                    let product = negated(pads[element].wrapping_neg(), t);
                    *share = share.wrapping_add(product.wrapping_add(numbers[element] & t) << i);
                }
            });
        }
        Ok(shares)
    }
}
