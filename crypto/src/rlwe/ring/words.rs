//! The numbers of a polynomial, as 32-bit or as 64-bit words; wiped when dropped.

use crate::wiped::wipe;

/// One of the two is empty.
#[derive(Clone)]
pub(in crate::rlwe) struct Words {
    narrow: Vec<u32>,
    wide: Vec<u64>,
}

impl Words {
    /// These words, and zeros behind them.
    #[inline]
    pub fn new(wide: bool, len: usize, numbers: impl Iterator<Item = u64>) -> Self {
        let mut words = Self { narrow: Vec::new(), wide: Vec::new() };
        if wide {
            words.wide = Vec::with_capacity(len);
            words.wide.extend(numbers.take(len));
            words.wide.resize(len, 0);
        } else {
            words.narrow = Vec::with_capacity(len);
            words.narrow.extend(numbers.take(len).map(|number| number as u32));
            words.narrow.resize(len, 0);
        }
        words
    }

    /// Zeros.
    pub fn zeros(wide: bool, len: usize) -> Self {
        let [narrow, wide] = if wide { [0, len] } else { [len, 0] };
        Self { narrow: vec![0; narrow], wide: vec![0; wide] }
    }

    /// Zeros of the same kind and number.
    pub fn like(&self) -> Self {
        Self { narrow: vec![0; self.narrow.len()], wide: vec![0; self.wide.len()] }
    }

    pub fn narrow(&self) -> &[u32] {
        &self.narrow
    }

    pub fn narrow_mut(&mut self) -> &mut [u32] {
        &mut self.narrow
    }

    pub fn wide(&self) -> &[u64] {
        &self.wide
    }

    pub fn wide_mut(&mut self) -> &mut [u64] {
        &mut self.wide
    }

    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.narrow.iter().map(|&word| u64::from(word)).chain(self.wide.iter().copied())
    }

    pub fn get(&self, i: usize) -> u64 {
        if self.wide.is_empty() { u64::from(self.narrow[i]) } else { self.wide[i] }
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        wipe(&mut self.narrow);
        wipe(&mut self.wide);
    }
}
