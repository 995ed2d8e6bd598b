//! Sums that are shared before the client's input is known.
//!
//! Sums are linear: `sum of w u = sum of w u' + sum of w (u - u')`. Ahead of its input the client shares the sums of random
//! numbers `u'`, uniform modulo the power of two that shares have. When the input is there it sends the differences `u - u'`,
//! one for each number whatever the number of neurons that read it, and the server, which knows all `w`, adds up the second
//! sum on its own share. The client's share stays what it was. (Linear layers are prepared this way in MiniONN [Liu, Juuti,
//! Lu, Asokan, CCS 2017, section 4.2].)
//!
//! A difference is a number minus a uniform one that is used once: the server learns nothing from it.

use rand::CryptoRng;
use rayon::prelude::*;
use zeroize::Zeroizing;

use super::OcaError;
use super::packing::{Packer, Unpacker, mask};
use super::receiver::Receiver;
use super::sums::{Group, Oca};
use xonn_crypto::block::mask as secret_mask;

/// Random numbers in place of the client's, for one inference.
pub struct Masks(Zeroizing<Vec<u64>>);

impl Masks {
    /// Draws them.
    #[must_use]
    pub fn random(oca: &Oca, rng: &mut impl CryptoRng) -> Self {
        let mut masks = Zeroizing::new(vec![0; oca.values.count()]);
        masks.iter_mut().for_each(|value| *value = rng.next_u64() & mask(oca.values.bits()));
        Self(masks)
    }

    /// Bytes of memory that they take.
    #[must_use]
    pub fn bytes(oca: &Oca) -> usize {
        size_of::<u64>() * oca.values.count()
    }

    pub(super) fn values(&self) -> Zeroizing<Vec<u64>> {
        self.0.clone()
    }

    /// What takes them to the numbers of `input`, the bits of the original program's input: [`Oca::difference_bytes`]. Each
    /// use tells the server the numbers of one input minus these, so there is one.
    ///
    /// # Panics
    /// If `input` has another length.
    #[must_use]
    pub fn differences(self, oca: &Oca, input: &[bool]) -> Vec<u8> {
        assert_eq!(input.len(), oca.input_bits(), "the bits of the program that numbers go into");
        let (values, bits) = (oca.values.of_input(input), oca.values.bits());
        let mut packer = Packer::with_capacity(oca.difference_bytes());
        for (value, mask_value) in values.iter().zip(self.0.iter()) {
            packer.push(value.wrapping_sub(*mask_value) & mask(bits), bits);
        }
        packer.finish()
    }
}

impl Oca {
    /// Bytes of the differences of an input: for each number that a sum reads, once, as many bits as the widest sum has.
    #[must_use]
    pub fn difference_bytes(&self) -> usize {
        (self.values.count() * self.values.bits() as usize).div_ceil(8)
    }
}

impl Receiver {
    /// Adds to the server's `shares` what the differences make, so that they are those of the client's input.
    ///
    /// # Errors
    /// [`OcaError::Differences`] if there are not [`Oca::difference_bytes`].
    ///
    /// # Panics
    /// If `shares` are not [`Oca::share_bits`] bits.
    pub fn add_differences(
        &self,
        oca: &Oca,
        differences: &[u8],
        shares: &mut [bool],
    ) -> Result<(), OcaError> {
        assert_eq!(shares.len(), oca.share_bits(), "the shares of one host");
        let (found, expected) = (differences.len(), oca.difference_bytes());
        if found != expected {
            return Err(OcaError::Differences { found, expected });
        }
        let (mut reader, bits) = (Unpacker::new(differences), oca.values.bits());
        let differences: Vec<u64> = (0..oca.values.count()).map(|_| reader.next(bits)).collect();
        let common: Vec<_> = oca
            .sums
            .iter()
            .enumerate()
            .map(|(i, sum)| sum.same_numbers.then(|| oca.values.of_group((i, sum), 0, &differences)))
            .collect();
        let added = oca.groups.par_iter().map(|group| {
            let own;
            let numbers = match &common[group.sum] {
                Some(numbers) => numbers,
                None => {
                    let sum = (group.sum, &oca.sums[group.sum]);
                    own = oca.values.of_group(sum, group.instance, &differences);
                    &own
                }
            };
            self.sums_of(oca, group, numbers)
        });
        for (group, added) in oca.groups.iter().zip(added.collect::<Vec<_>>()) {
            let sum = &oca.sums[group.sum];
            let mut all = Zeroizing::new(Vec::with_capacity(added.len()));
            let both = sum.positions.iter().zip(added.iter());
            all.extend(both.map(|(at, more)| sum.load(group.instance + at, shares).wrapping_add(*more)));
            sum.store(group, &all, shares);
        }
        Ok(())
    }

    /// Each position's sum of numbers times weights, a minus sign being the choice 1.
    pub(super) fn sums_of(&self, oca: &Oca, group: &Group, numbers: &[u64]) -> Zeroizing<Vec<u64>> {
        let sum = &oca.sums[group.sum];
        let (positions, planes) = (sum.positions.len(), sum.linear.shifts.len());
        let mut sums = Zeroizing::new(vec![0u64; positions]);
        for (weight, &ot) in sum.ots_of(group.number).iter().enumerate() {
            let shift = sum.linear.shifts[weight % planes];
            // All ones for a minus sign: no branch depends on a weight.
            let minus = secret_mask(self.streams.choice(ot));
            let numbers = &numbers[weight / planes * positions..][..positions];
            for (sum, &number) in sums.iter_mut().zip(numbers) {
                let number = number << shift;
                *sum = sum.wrapping_add((number ^ minus).wrapping_sub(minus));
            }
        }
        sums
    }
}
