//! Arithmetic modulo q without a branch on a value, in three forms, written so that loops over it become
//! vector code. The butterflies of the transform are in `kernel.rs`.
//!
//! | | q | word | product by a constant |
//! |---|---|---|---|
//! | [`Short`] | below 2^30 | u32 | Shoup's, left in `[0, 2q)` |
//! | [`Full`] | 32 bits | u32 | Montgomery's by a constant in Montgomery form, in `[0, q)` |
//! | [`Wide`] | 33 to 62 bits | u64 | as `Short`, with 128-bit products |
//!
//! A conditional subtraction is a minimum, `min(x, x - q)` with wrap-around, or a mask made of a comparison.
//!
//! Sources: Shoup's product with a precomputed quotient and the lazy butterflies of `kernel.rs`: Harvey,
//! "Faster arithmetic for number-theoretic transforms", 2014. Montgomery, "Modular multiplication without
//! trial division", 1985.

use fearless_simd::Simd;

use super::kernel::{FullKernel, Kernel, ShortKernel, WideKernel};
use super::ring::Words;

/// Numbers modulo a prime q.
pub(super) trait Field: Copy + Send + Sync + 'static {
    /// What holds one number.
    type Word: Copy;

    /// The modulus.
    fn q(self) -> u64;

    /// How many products of two tidy words fit into a sum next to a tidy word, see [`Field::multiply_add`].
    fn room(self) -> u64;

    /// A factor and what is precomputed of it; `factor` is below q.
    fn constant(self, factor: u64) -> [Self::Word; 2];

    /// `x + y` of tidy words.
    fn add(self, x: Self::Word, y: Self::Word) -> Self::Word;

    /// `x - y` of tidy words.
    fn sub(self, x: Self::Word, y: Self::Word) -> Self::Word;

    /// `sum` plus a number congruent to `x y`; at most [`Field::room`] times until the sum is reduced.
    fn multiply_add(self, sum: u64, x: Self::Word, y: Self::Word) -> u64;

    /// The sum in `[0, q)`.
    fn reduce(self, sum: u64) -> Self::Word;

    /// As [`Field::reduce`], but the result is a sum to go on with.
    fn settle(self, sum: u64) -> u64;

    /// The words of this kind.
    fn of(self, words: &Words) -> &[Self::Word];

    /// The words of this kind.
    fn of_mut(self, words: &mut Words) -> &mut [Self::Word];

    /// Its butterflies with these vector instructions.
    fn kernel<S: Simd>(self, simd: S) -> impl Kernel<Word = Self::Word>;
}

/// q below 2^30.
#[derive(Clone, Copy)]
pub(super) struct Short {
    q: u32,
    /// 1 and 2^32, modulo q, as constants.
    places: [[u32; 2]; 2],
}

impl Short {
    pub(super) fn new(q: u64) -> Self {
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

/// q below 2^32, and above 2^31.
#[derive(Clone, Copy)]
pub(super) struct Full {
    q: u32,
    /// `q^-1` modulo 2^32.
    inverse: u32,
    /// `2^64` and `2^96` modulo q: with one reduction each stands for 2^32 and for 2^64.
    square: u32,
    cube: u32,
}

impl Full {
    pub(super) fn new(q: u64) -> Self {
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

/// q below 2^62.
#[derive(Clone, Copy)]
pub(super) struct Wide {
    q: u64,
    /// 1 as a constant.
    one: [u64; 2],
    /// `-q^-1` modulo 2^64.
    inverse: u64,
    /// `2^64` modulo q as a constant: it undoes Montgomery's.
    back: [u64; 2],
}

impl Wide {
    pub(super) fn new(q: u64) -> Self {
        assert!((1 << 32..1 << 62).contains(&q), "q has 33 to 62 bits");
        let inverse = (0..5).fold(q, |x, _| x.wrapping_mul(2u64.wrapping_sub(q.wrapping_mul(x))));
        let mut field = Self { q, one: [0; 2], inverse: inverse.wrapping_neg(), back: [0; 2] };
        field.one = field.constant(1);
        field.back = field.constant(((1u128 << 64) % u128::from(q)) as u64);
        field
    }

    /// `w x` in `[0, 2q)` for any word x.
    #[inline(always)]
    pub(super) fn loose_product(self, x: u64, [w, quotient]: [u64; 2]) -> u64 {
        let times = ((u128::from(x) * u128::from(quotient)) >> 64) as u64;
        x.wrapping_mul(w).wrapping_sub(times.wrapping_mul(self.q))
    }

    /// `x - m`, or x where that is negative: for x below 2m, m below 2^63.
    #[inline(always)]
    pub(super) fn below(x: u64, m: u64) -> u64 {
        let difference = x.wrapping_sub(m);
        difference.wrapping_add(m & ((difference as i64 >> 63) as u64))
    }

    /// `w x` in `[0, q)` for any word x.
    #[inline(always)]
    pub(super) fn scale(self, x: u64, w: [u64; 2]) -> u64 {
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
