//! Tensors of numbers modulo 2^l: what additive shares are made of.

use core::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// Most bits of a ring.
pub const MOST_BITS: u32 = 63;

/// Numbers modulo `2^bits`, in row-major order. They are wiped when dropped, and `Debug` shows how many there
/// are.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct RingTensor {
    bits: u32,
    values: Vec<u64>,
}

/// Two tensors do not belong together, or a ring is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShareError {
    /// A ring of no bits or of too many.
    #[error("a ring of {bits} bits, expected 1 to {most}")]
    Bits {
        /// Bits asked for.
        bits: u32,
        /// Most bits that are possible.
        most: u32,
    },
    /// Different rings.
    #[error("numbers of {left} bits with numbers of {right} bits")]
    Rings {
        /// Bits of the first tensor.
        left: u32,
        /// Bits of the second tensor.
        right: u32,
    },
    /// Different lengths.
    #[error("{left} numbers with {right}")]
    Lengths {
        /// Numbers of the first tensor.
        left: usize,
        /// Numbers of the second tensor.
        right: usize,
    },
}

impl RingTensor {
    /// The numbers modulo 2^bits.
    ///
    /// # Errors
    /// [`ShareError::Bits`] if bits are not 1 to 63.
    ///
    /// # Example
    /// ```
    /// use xonn_crypto::share::RingTensor;
    ///
    /// let y0 = RingTensor::new(8, vec![250, 3])?;
    /// let y1 = RingTensor::from_signed(8, &[10, -5])?;
    /// assert_eq!(y0.add(&y1)?.signed(), [4, -2]);
    /// # Ok::<(), xonn_crypto::share::ShareError>(())
    /// ```
    pub fn new(bits: u32, mut values: Vec<u64>) -> Result<Self, ShareError> {
        if !(1..=MOST_BITS).contains(&bits) {
            values.zeroize();
            return Err(ShareError::Bits { bits, most: MOST_BITS });
        }
        let mask = Self::mask(bits);
        values.iter_mut().for_each(|value| *value &= mask);
        Ok(Self { bits, values })
    }

    /// Signed numbers modulo 2^bits.
    ///
    /// # Errors
    /// [`ShareError::Bits`] if bits are not 1 to 63.
    pub fn from_signed(bits: u32, values: &[i64]) -> Result<Self, ShareError> {
        Self::new(bits, values.iter().map(|&value| value as u64).collect())
    }

    fn mask(bits: u32) -> u64 {
        (1 << bits) - 1
    }

    /// Bits of the ring.
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// The numbers, each below 2^bits.
    pub fn values(&self) -> &[u64] {
        &self.values
    }

    /// How many numbers.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn zip(&self, other: &Self, f: impl Fn(u64, u64) -> u64) -> Result<Self, ShareError> {
        if self.bits != other.bits {
            return Err(ShareError::Rings { left: self.bits, right: other.bits });
        }
        if self.len() != other.len() {
            return Err(ShareError::Lengths { left: self.len(), right: other.len() });
        }
        let mask = Self::mask(self.bits);
        let values = self.values.iter().zip(&other.values).map(|(&a, &b)| f(a, b) & mask).collect();
        Ok(Self { bits: self.bits, values })
    }

    /// The sums; of two shares, what they are shares of.
    ///
    /// # Errors
    /// [`ShareError`] if the rings or the lengths differ.
    pub fn add(&self, other: &Self) -> Result<Self, ShareError> {
        self.zip(other, u64::wrapping_add)
    }

    /// The differences.
    ///
    /// # Errors
    /// [`ShareError`] if the rings or the lengths differ.
    pub fn sub(&self, other: &Self) -> Result<Self, ShareError> {
        self.zip(other, u64::wrapping_sub)
    }

    /// The negatives.
    pub fn neg(&self) -> Self {
        let mask = Self::mask(self.bits);
        Self {
            bits: self.bits,
            values: self.values.iter().map(|value| value.wrapping_neg() & mask).collect(),
        }
    }

    /// The same numbers modulo a smaller power of two: shares of x become shares of x modulo 2^bits.
    ///
    /// # Errors
    /// [`ShareError::Bits`] if the ring has fewer bits than are asked for.
    pub fn reduce(&self, bits: u32) -> Result<Self, ShareError> {
        if bits > self.bits {
            return Err(ShareError::Bits { bits, most: self.bits });
        }
        Self::new(bits, self.values.clone())
    }

    /// What two shares are shares of, as signed numbers.
    ///
    /// # Errors
    /// [`ShareError`] if the rings or the lengths differ.
    pub fn reconstruct(&self, other: &Self) -> Result<Vec<i64>, ShareError> {
        Ok(self.add(other)?.signed())
    }

    /// The numbers as those of `-2^(bits - 1)` up to, without it, `2^(bits - 1)`.
    pub fn signed(&self) -> Vec<i64> {
        let unused = u64::BITS - self.bits;
        self.values.iter().map(|value| ((value << unused) as i64) >> unused).collect()
    }
}

impl fmt::Debug for RingTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RingTensor")
            .field("bits", &self.bits)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn shares_add_up(bits in 1u32..=63, pairs in prop::collection::vec(any::<(i64, u64)>(), 0..20)) {
            let wrap_to = |bits: u32, x: i128| {
                let half = 1i128 << (bits - 1);
                ((x + half).rem_euclid(2 * half) - half) as i64
            };
            let wrap = |x| wrap_to(bits, x);
            let x: Vec<i64> = pairs.iter().map(|&(x, _)| wrap(x.into())).collect();
            let y1 = RingTensor::new(bits, pairs.iter().map(|&(_, r)| r).collect()).unwrap();
            let y0 = RingTensor::from_signed(bits, &x).unwrap().sub(&y1).unwrap();
            prop_assert!(y0.values().iter().all(|&value| value >> bits == 0));
            prop_assert_eq!(&y0.reconstruct(&y1).unwrap(), &x);
            let negative: Vec<i64> = x.iter().map(|&x| wrap(-i128::from(x))).collect();
            prop_assert_eq!(y0.neg().reconstruct(&y1.neg()).unwrap(), negative);
            for fewer in 1..=bits {
                let low: Vec<i64> = x.iter().map(|&x| wrap_to(fewer, x.into())).collect();
                let shares = [&y0, &y1].map(|share| share.reduce(fewer).unwrap());
                prop_assert_eq!(shares[0].reconstruct(&shares[1]).unwrap(), low);
            }
        }
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let eight = RingTensor::new(8, vec![1, 2]).unwrap();
        assert_eq!(RingTensor::new(64, vec![]), Err(ShareError::Bits { bits: 64, most: 63 }));
        assert_eq!(RingTensor::new(0, vec![]), Err(ShareError::Bits { bits: 0, most: 63 }));
        assert_eq!(eight.reduce(9), Err(ShareError::Bits { bits: 9, most: 8 }));
        let nine = RingTensor::new(9, vec![1, 2]).unwrap();
        assert_eq!(eight.add(&nine), Err(ShareError::Rings { left: 8, right: 9 }));
        let one = RingTensor::new(8, vec![1]).unwrap();
        assert_eq!(eight.sub(&one), Err(ShareError::Lengths { left: 2, right: 1 }));
    }
}
