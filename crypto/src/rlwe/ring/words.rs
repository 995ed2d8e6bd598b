//! The numbers of a polynomial, as 32-bit or as 64-bit words; wiped when dropped.

use zeroize::optimization_barrier;

/// One of the two is empty.
#[derive(Clone)]
pub(in crate::rlwe) struct Words {
    narrow: Vec<u32>,
    wide: Vec<u64>,
}

impl Words {
    /// As many words, the i-th is `word(i)`.
    #[inline]
    pub fn new(wide: bool, len: usize, mut word: impl FnMut(usize) -> u64) -> Self {
        if wide {
            Self { narrow: Vec::new(), wide: (0..len).map(word).collect() }
        } else {
            Self { narrow: (0..len).map(|i| word(i) as u32).collect(), wide: Vec::new() }
        }
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
        // A plain fill, which is a block of vector stores, and a barrier that keeps it.
        self.narrow.fill(0);
        self.wide.fill(0);
        optimization_barrier(self.narrow.as_slice());
        optimization_barrier(self.wide.as_slice());
    }
}
