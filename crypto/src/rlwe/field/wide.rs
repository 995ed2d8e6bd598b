//! Numbers modulo a q of 33 to 62 bits: products of 128 bits.

use fearless_simd::Simd;

use super::Field;
use crate::rlwe::kernel::{Kernel, WideKernel};
use crate::rlwe::ring::Words;

/// q below 2^62.
#[derive(Clone, Copy)]
pub(in crate::rlwe) struct Wide {
    q: u64,
    /// 1 as a constant.
    one: [u64; 2],
    /// `-q^-1` modulo 2^64.
    inverse: u64,
    /// `2^64` modulo q as a constant: it undoes Montgomery's.
    back: [u64; 2],
}

impl Wide {
    pub(in crate::rlwe) fn new(q: u64) -> Self {
        assert!((1 << 32..1 << 62).contains(&q), "q has 33 to 62 bits");
        let inverse = (0..5).fold(q, |x, _| x.wrapping_mul(2u64.wrapping_sub(q.wrapping_mul(x))));
        let mut field = Self { q, one: [0; 2], inverse: inverse.wrapping_neg(), back: [0; 2] };
        field.one = field.constant(1);
        field.back = field.constant(((1u128 << 64) % u128::from(q)) as u64);
        field
    }

    /// `w x` in `[0, 2q)` for any word x.
    #[inline(always)]
    pub(in crate::rlwe) fn loose_product(self, x: u64, [w, quotient]: [u64; 2]) -> u64 {
        let times = ((u128::from(x) * u128::from(quotient)) >> 64) as u64;
        x.wrapping_mul(w).wrapping_sub(times.wrapping_mul(self.q))
    }

    /// `x - m`, or x where that is negative: for x below 2m, m below 2^63.
    #[inline(always)]
    pub(in crate::rlwe) fn below(x: u64, m: u64) -> u64 {
        let difference = x.wrapping_sub(m);
        difference.wrapping_add(m & ((difference as i64 >> 63) as u64))
    }

    /// `w x` in `[0, q)` for any word x.
    #[inline(always)]
    pub(in crate::rlwe) fn scale(self, x: u64, w: [u64; 2]) -> u64 {
        Self::below(self.loose_product(x, w), self.q)
    }
}

impl Field for Wide {
    type Word = u64;

    #[inline(always)]
    fn q(self) -> u64 {
        self.q
    }

    #[inline(always)]
    fn room(self) -> u64 {
        (u64::MAX - self.q) / (2 * self.q)
    }

    fn constant(self, factor: u64) -> [u64; 2] {
        [factor, ((u128::from(factor) << 64) / u128::from(self.q)) as u64]
    }

    #[inline(always)]
    fn add(self, x: u64, y: u64) -> u64 {
        Self::below(x + y, self.q)
    }

    #[inline(always)]
    fn sub(self, x: u64, y: u64) -> u64 {
        Self::below(x + (self.q - y), self.q)
    }

    #[inline(always)]
    fn multiply_add(self, sum: u64, x: u64, y: u64) -> u64 {
        // x y / 2^64 by Montgomery, below q + 1, to be multiplied by 2^64 when the sum is reduced
        let product = u128::from(x) * u128::from(y);
        let times = (product as u64).wrapping_mul(self.inverse);
        sum + ((product + u128::from(times) * u128::from(self.q)) >> 64) as u64
    }

    #[inline(always)]
    fn reduce(self, sum: u64) -> u64 {
        self.scale(sum, self.back)
    }

    #[inline(always)]
    fn settle(self, sum: u64) -> u64 {
        self.scale(sum, self.one)
    }

    #[inline(always)]
    fn of(self, words: &Words) -> &[u64] {
        words.wide()
    }

    #[inline(always)]
    fn of_mut(self, words: &mut Words) -> &mut [u64] {
        words.wide_mut()
    }

    #[inline(always)]
    fn kernel<S: Simd>(self, _: S) -> impl Kernel<Word = u64> {
        WideKernel(self)
    }
}
