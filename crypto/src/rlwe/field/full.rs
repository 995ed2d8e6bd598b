//! Numbers modulo a q of 32 bits: Montgomery's product, reduced as it is added, for 32 bits leave no room for
//! loose numbers.

use fearless_simd::Simd;

use super::Field;
use crate::rlwe::kernel::{FullKernel, Kernel};
use crate::rlwe::ring::Words;

/// q below 2^32, and above 2^31.
#[derive(Clone, Copy)]
pub(in crate::rlwe) struct Full {
    q: u32,
    /// `q^-1` modulo 2^32.
    inverse: u32,
    /// `2^64` and `2^96` modulo q: with one reduction each stands for 2^32 and for 2^64.
    square: u32,
    cube: u32,
}

impl Full {
    pub(in crate::rlwe) fn new(q: u64) -> Self {
        assert!((1 << 31..1 << 32).contains(&q), "q has 32 bits");
        let q32 = q as u32;
        // Newton's iteration: each doubles the bits that are right, of which an odd number has three at
        // first.
        let inverse = (0..4).fold(q32, |x, _| x.wrapping_mul(2u32.wrapping_sub(q32.wrapping_mul(x))));
        let power = |exponent: u32| ((1u128 << exponent) % u128::from(q)) as u32;
        Self { q: q32, inverse, square: power(64), cube: power(96) }
    }

    /// All ones if `x < y`.
    #[inline(always)]
    fn less(x: u32, y: u32) -> u32 {
        u32::from(x < y).wrapping_neg()
    }

    /// `sum / 2^32` in `[0, q)`, for a sum below 2^32 q.
    #[inline(always)]
    fn redc(self, sum: u64) -> u32 {
        let times = (sum as u32).wrapping_mul(self.inverse);
        self.sub((sum >> 32) as u32, ((u64::from(times) * u64::from(self.q)) >> 32) as u32)
    }
}

impl Field for Full {
    type Word = u32;

    #[inline(always)]
    fn q(self) -> u64 {
        u64::from(self.q)
    }

    #[inline(always)]
    fn room(self) -> u64 {
        // Of sums below 2^32 q, that is: 2^30 terms below 2q, next to q.
        1 << 30
    }

    /// The factor times 2^32 modulo q, and that divided by q modulo 2^32.
    fn constant(self, factor: u64) -> [u32; 2] {
        let form = ((factor << 32) % u64::from(self.q)) as u32;
        [form, form.wrapping_mul(self.inverse)]
    }

    #[inline(always)]
    fn add(self, x: u32, y: u32) -> u32 {
        // x - (q - y), so that nothing leaves 32 bits.
        self.sub(x, self.q - y)
    }

    #[inline(always)]
    fn sub(self, x: u32, y: u32) -> u32 {
        x.wrapping_sub(y).wrapping_add(self.q & Self::less(x, y))
    }

    /// Adds a number congruent to `x y / 2^32`, below 2q; [`Full::reduce`] brings the factor back.
    #[inline(always)]
    fn multiply_add(self, sum: u64, x: u32, y: u32) -> u64 {
        let product = u64::from(x) * u64::from(y);
        let times = (product as u32).wrapping_mul(self.inverse);
        sum + (product >> 32) + (u64::from(self.q) - ((u64::from(times) * u64::from(self.q)) >> 32))
    }

    #[inline(always)]
    fn reduce(self, sum: u64) -> u32 {
        self.redc(u64::from(self.redc(sum)) * u64::from(self.cube))
    }

    #[inline(always)]
    fn settle(self, sum: u64) -> u64 {
        u64::from(self.redc(u64::from(self.redc(sum)) * u64::from(self.square)))
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
        FullKernel::new(simd, self)
    }
}
