//! A number of S's times a bit that both have shares of, by one correlated OT and without a message.
//!
//! A row of the S-sender pool: S has K and Delta, C has M and its choice betaC. S's number is `alpha = H(K +
//! Delta) - H(K)`, random; of `betaC alpha` S has the share `-H(K)` and C has `H(M)`. With a bit of C's,
//! `t = bit + betaC` is opened to S: shares of `bit alpha` are `(1 - 2t) share`, and `t alpha` more for S.

use xonn_crypto::Wiped;
use xonn_crypto::block::Tccr;

use super::StepError;
use super::column::Column;
use super::pads;
use super::rows::{ReceiverRows, Rows, SenderRows};

/// A number, or its negative if the mask is all ones. Masks are a [`Column`]'s, hidden from the optimiser: of
/// a bit it knows that it is 0 or 1, and makes a branch of it.
#[inline(always)]
pub(crate) fn negated(number: u64, mask: u64) -> u64 {
    (number ^ mask).wrapping_sub(mask)
}

/// What S has of each row; numbers are modulo 2^64, of which any ring takes its part.
#[derive(Debug)]
pub struct Scale {
    alphas: Wiped<u64>,
    shares: Wiped<u64>,
}

/// What C has of each row.
#[derive(Debug)]
pub struct Scaled {
    shares: Wiped<u64>,
    choices: Column,
}

impl Scale {
    /// Of these rows, under a tweak each.
    ///
    /// # Errors
    /// [`StepError::Shape`] if there are not so many.
    pub fn new(
        hash: &Tccr,
        first_tweak: u64,
        rows: SenderRows<'_>,
        elements: usize,
    ) -> Result<Self, StepError> {
        rows.check("rows of products", elements)?;
        let pads = pads::sent(hash, first_tweak, rows.keys(), rows.delta());
        let alphas = pads.iter().map(|[own, other]| other.wrapping_sub(*own)).collect();
        Ok(Self { alphas, shares: pads.iter().map(|[own, _]| own.wrapping_neg()).collect() })
    }

    /// S's number of an element.
    #[inline(always)]
    pub fn alpha(&self, element: usize) -> u64 {
        self.alphas[element]
    }

    /// S's share of its number times C's bit, from the mask of what C opened.
    #[inline(always)]
    pub fn product(&self, element: usize, opened: u64) -> u64 {
        negated(self.shares[element], opened).wrapping_add(self.alphas[element] & opened)
    }
}

impl Scaled {
    /// Of these rows, under a tweak each.
    ///
    /// # Errors
    /// [`StepError::Shape`] if there are not so many.
    pub fn new(
        hash: &Tccr,
        first_tweak: u64,
        rows: ReceiverRows<'_>,
        elements: usize,
    ) -> Result<Self, StepError> {
        rows.check("rows of products", elements)?;
        let shares = pads::received(hash, first_tweak, rows.keys());
        Ok(Self { shares, choices: Column::of_lsbs(rows.keys()) })
    }

    /// What C opens of its bits.
    pub fn opened(&self, bits: &Column) -> Column {
        bits ^ &self.choices
    }

    /// C's share of S's number times C's bit, from the mask of what it opens.
    #[inline(always)]
    pub fn product(&self, element: usize, opened: u64) -> u64 {
        negated(self.shares[element], opened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xonn_crypto::block::Block;

    #[test]
    fn shares_of_a_product_add_up() {
        let hash = Tccr::new(Block::from(9));
        let delta = Block::from(0xfeed_u128 << 64 | 1);
        let received: Vec<Block> = (0..200u128).map(|i| Block::from(i * 0x1234_5678_9abc_def1)).collect();
        let sent: Vec<Block> = received.iter().map(|&m| m ^ delta.masked(m.lsb())).collect();
        let scale = Scale::new(&hash, 5, SenderRows::new(&sent, delta), 200).unwrap();
        let scaled = Scaled::new(&hash, 5, ReceiverRows::new(&received), 200).unwrap();
        let bits = Column::from_fn(200, |i| (i / 3) as u64);
        let opened = scaled.opened(&bits);
        let mut seen = 0;
        for i in 0..200 {
            let (t, mask, alpha) = (opened.bit(i), opened.mask(i), scale.alpha(i));
            let sum = scale.product(i, mask).wrapping_add(scaled.product(i, mask));
            assert_eq!(sum, alpha * bits.bit(i), "element {i}");
            seen |= 1 << (2 * t + bits.bit(i));
        }
        assert_eq!(seen, 15, "all bits and openings");
    }
}
