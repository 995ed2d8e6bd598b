//! The lowest bits of shared numbers are dropped, by each host on its own.
//!
//! C drops the lowest f bits of its share, S adds `2^f - 1` to its own and drops them. Where C's share is
//! uniform the sum of both is `floor(v / 2^f + U)` modulo 2^(bits - f), U uniform among `0, 1, .., 2^f - 1`
//! in units of 2^-f: on the average right, and exact where the lowest bits of v are 0.

use xonn_crypto::share::RingTensor;

use super::StepError;
use super::convert::ring_tensor;
use super::error::within;

/// How many bits are dropped. Public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drop(u32);

impl Drop {
    /// So many of the lowest bits; may be none.
    pub fn new(bits: u32) -> Self {
        Self(bits)
    }

    /// S's share of what is left.
    ///
    /// # Errors
    /// [`StepError::Range`] if nothing is left.
    pub fn server(self, share: &RingTensor) -> Result<RingTensor, StepError> {
        self.of(share, |f| (1 << f) - 1)
    }

    /// C's share of what is left.
    ///
    /// # Errors
    /// [`StepError::Range`] if nothing is left.
    pub fn client(self, share: &RingTensor) -> Result<RingTensor, StepError> {
        self.of(share, |_| 0)
    }

    fn of(self, share: &RingTensor, added: impl Fn(u32) -> u64) -> Result<RingTensor, StepError> {
        let Self(f) = self;
        within("bits that are dropped", f as usize, [0, share.bits() as usize - 1])?;
        let (ring, added) = ((1 << share.bits()) - 1, added(f));
        let values = share.values().iter().map(|value| (value.wrapping_add(added) & ring) >> f);
        ring_tensor(share.bits() - f, values.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_share_of_every_number_rounds_by_its_own_chance() {
        let (bits, f) = (7, 3);
        for v in -64i64..64 {
            let y1 = RingTensor::new(bits, (0..128).collect()).unwrap();
            let y0 = RingTensor::from_signed(bits, &[v; 128]).unwrap().sub(&y1).unwrap();
            let drop = Drop::new(f);
            let left = drop.server(&y0).unwrap().reconstruct(&drop.client(&y1).unwrap()).unwrap();
            assert_eq!(drop.server(&y0).unwrap().bits(), 4);
            // U in units of 2^-f, each as often
            let wrap = |x: i64| (x + 8).rem_euclid(16) - 8;
            let mut expected: Vec<i64> = (0..128).map(|u| wrap((v + u % 8) >> f)).collect();
            let mut left = left;
            left.sort_unstable();
            expected.sort_unstable();
            assert_eq!(left, expected, "{v}");
        }
        assert!(Drop::new(7).client(&RingTensor::new(7, vec![1]).unwrap()).is_err());
        let same = RingTensor::new(7, vec![100]).unwrap();
        assert_eq!(Drop::new(0).server(&same), Ok(same));
    }
}
