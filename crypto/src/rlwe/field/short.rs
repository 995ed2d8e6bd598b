//! Numbers modulo a q below 2^30: Shoup's product by a constant, and sums of several products in 64 bits.

use fearless_simd::Simd;

use super::Field;
use crate::rlwe::kernel::{Kernel, ShortKernel};
use crate::rlwe::ring::Words;

/// q below 2^30.
#[derive(Clone, Copy)]
pub(in crate::rlwe) struct Short {
    q: u32,
    /// 1 and 2^32, modulo q, as constants.
    places: [[u32; 2]; 2],
}

impl Short {
    pub(in crate::rlwe) fn new(q: u64) -> Self {
        assert!(q < 1 << 30, "q is below 2^30");
        let mut field = Self { q: q as u32, places: [[0; 2]; 2] };
        field.places = [field.constant(1), field.constant((1 << 32) % q)];
        field
    }

    /// `w x` in `[0, 2q)` for any word x: the quotient is at most one too small.
    #[inline(always)]
    fn loose_product(self, x: u32, [w, quotient]: [u32; 2]) -> u32 {
        let times = ((u64::from(x) * u64::from(quotient)) >> 32) as u32;
        x.wrapping_mul(w).wrapping_sub(times.wrapping_mul(self.q))
    }

    /// `x - m`, or x where that is negative: for x below 2m, m below 2^31.
    #[inline(always)]
    fn below(x: u32, m: u32) -> u32 {
        x.min(x.wrapping_sub(m))
    }
}

impl Field for Short {
    type Word = u32;

    #[inline(always)]
    fn q(self) -> u64 {
        u64::from(self.q)
    }

    #[inline(always)]
    fn room(self) -> u64 {
        let largest = u64::from(self.q - 1);
        (u64::MAX - largest) / (largest * largest)
    }

    fn constant(self, factor: u64) -> [u32; 2] {
        [factor as u32, ((factor << 32) / u64::from(self.q)) as u32]
    }

    #[inline(always)]
    fn add(self, x: u32, y: u32) -> u32 {
        Self::below(x + y, self.q)
    }

    #[inline(always)]
    fn sub(self, x: u32, y: u32) -> u32 {
        let difference = x.wrapping_sub(y);
        difference.min(difference.wrapping_add(self.q))
    }

    #[inline(always)]
    fn multiply_add(self, sum: u64, x: u32, y: u32) -> u64 {
        sum + u64::from(x) * u64::from(y)
    }

    #[inline(always)]
    fn reduce(self, sum: u64) -> u32 {
        let low = self.loose_product(sum as u32, self.places[0]);
        let high = self.loose_product((sum >> 32) as u32, self.places[1]);
        Self::below(Self::below(low + high, 2 * self.q), self.q)
    }

    #[inline(always)]
    fn settle(self, sum: u64) -> u64 {
        u64::from(self.reduce(sum))
    }

    #[inline(always)]
    fn of(self, words: &Words) -> &[u32] {
        words.narrow()
    }

    #[inline(always)]
    fn of_mut(self, words: &mut Words) -> &mut [u32] {
        words.narrow_mut()
    }

    #[inline(always)]
    fn kernel<S: Simd>(self, simd: S) -> impl Kernel<Word = u32> {
        ShortKernel::new(simd, self)
    }
}
