//! One bit of each element of a layer, 64 to a word, so that AND and XOR work on 64 elements at once.

use core::ops::{BitAnd, BitXor, BitXorAssign};

use xonn_crypto::Wiped;
use xonn_crypto::block::{Block, mask};

/// One bit of each element. Wiped when dropped, and `Debug` shows no bit.
///
/// Element i is bit `i % 64` of word `i / 64`; what the last word has above is 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    len: usize,
    words: Wiped<u64>,
}

impl Column {
    /// All bits 0.
    pub fn zeros(len: usize) -> Self {
        Self { len, words: Wiped::zeros(len.div_ceil(64)) }
    }

    /// The bit that `f` gives in the lowest place, for each element.
    #[inline(always)]
    pub fn from_fn(len: usize, mut f: impl FnMut(usize) -> u64) -> Self {
        let mut column = Self::zeros(len);
        for (number, word) in column.words.iter_mut().enumerate() {
            let start = 64 * number;
            for i in start..(start + 64).min(len) {
                *word |= (f(i) & 1) << (i - start);
            }
        }
        column
    }

    /// Bit `bit` of each number.
    pub fn of_bit(numbers: &[u64], bit: u32) -> Self {
        Self::from_fn(numbers.len(), |i| numbers[i] >> bit)
    }

    /// Bit 0 of each block, which is the receiver's choice of a row.
    pub fn of_lsbs(blocks: &[Block]) -> Self {
        Self::from_fn(blocks.len(), |i| u128::from(blocks[i]) as u64)
    }

    /// The bits, one a `bool`.
    pub fn from_bools(bits: &[bool]) -> Self {
        Self::from_fn(bits.len(), |i| u64::from(bits[i]))
    }

    /// How many elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The words.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// Element i's bit, as 0 or 1.
    ///
    /// # Panics
    /// If there is no such element.
    #[inline(always)]
    pub fn bit(&self, i: usize) -> u64 {
        self.words[i / 64] >> (i % 64) & 1
    }

    /// All ones for the elements whose bit is 1, else zero. The optimiser does not see that it is one of
    /// these, or it makes a branch of it.
    #[inline(always)]
    pub fn mask(&self, i: usize) -> u64 {
        mask(self.bit(i) == 1)
    }

    /// The other bits.
    #[must_use]
    pub fn inverted(mut self) -> Self {
        let used = self.len % 64;
        self.words.iter_mut().for_each(|word| *word = !*word);
        if let (1.., Some(last)) = (used, self.words.last_mut()) {
            *last &= (1 << used) - 1;
        }
        self
    }

    /// These elements, then the others.
    #[must_use]
    pub fn followed_by(&self, others: &Self) -> Self {
        let bit = |i: usize| if i < self.len { self.bit(i) } else { others.bit(i - self.len) };
        Self::from_fn(self.len + others.len, bit)
    }

    /// Sets word `number`; bits above the last element are dropped.
    pub(super) fn set_word(&mut self, number: usize, word: u64) {
        let used = self.len - 64 * number;
        self.words[number] = if used < 64 { word & ((1 << used) - 1) } else { word };
    }

    fn zip(&self, other: &Self, f: impl Fn(u64, u64) -> u64) -> Self {
        debug_assert_eq!(self.len, other.len, "columns of one layer");
        let words = self.words.iter().zip(other.words.iter()).map(|(&a, &b)| f(a, b)).collect();
        Self { len: self.len, words }
    }
}

impl BitXor for &Column {
    type Output = Column;

    fn bitxor(self, other: Self) -> Column {
        self.zip(other, |a, b| a ^ b)
    }
}

impl BitAnd for &Column {
    type Output = Column;

    fn bitand(self, other: Self) -> Column {
        self.zip(other, |a, b| a & b)
    }
}

impl BitXorAssign<&Column> for Column {
    fn bitxor_assign(&mut self, other: &Column) {
        debug_assert_eq!(self.len, other.len, "columns of one layer");
        self.words.iter_mut().zip(other.words.iter()).for_each(|(a, b)| *a ^= b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_those_of_words() {
        for len in [0usize, 1, 63, 64, 65, 130] {
            let bools = |step: usize| -> Vec<bool> { (0..len).map(|i| i.is_multiple_of(step)).collect() };
            let [a, b] = [2, 3].map(|step| Column::from_bools(&bools(step)));
            for i in 0..len {
                let [x, y] = [2, 3].map(|step| u64::from(i.is_multiple_of(step)));
                assert_eq!((&a ^ &b).bit(i), x ^ y);
                assert_eq!((&a & &b).bit(i), x & y);
                assert_eq!(a.clone().inverted().bit(i), 1 - x);
                assert_eq!(a.mask(i), if x == 1 { u64::MAX } else { 0 });
            }
            // Nothing above the last element, or it would be sent.
            assert_eq!(a.clone().inverted().inverted(), a);
            let ones: u32 = a.clone().inverted().words().iter().map(|word| word.count_ones()).sum();
            assert_eq!(ones as usize, len - len.div_ceil(2));
        }
    }
}
