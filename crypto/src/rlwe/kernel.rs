//! The butterflies of the transform on several numbers at a time.
//!
//! [`Short`] and [`Full`] run on the vectors of any [`Simd`] level, eight numbers at a time with AVX2;
//! [`Wide`] needs products of 64 bits by 64, which vector units lack.
//!
//! *Loose* numbers are congruent to the right ones and small enough to go on with: in `[0, 4q)` on the way
//! forth, in `[0, 2q)` on the way back (Harvey's butterflies); [`Full`] has no bits to spare and stays in
//! `[0, q)`.

use fearless_simd::{Select, Simd, SimdBase};

use super::field::{Field, Full, Short, Wide};

/// The vectors of one field at one level of instructions.
pub(super) trait Kernel: Copy {
    /// What holds one number.
    type Word: Copy;
    /// Several numbers.
    type Vector: Copy;
    /// How many; a power of two, at most 16.
    const LEN: usize;

    /// The first [`Kernel::LEN`] words of a slice that has no others.
    fn load(self, words: &[Self::Word]) -> Self::Vector;
    /// The same number in each place.
    fn splat(self, word: Self::Word) -> Self::Vector;
    /// Back into a slice of [`Kernel::LEN`] words.
    fn store(self, vector: Self::Vector, words: &mut [Self::Word]);
    /// `a0 b0 a1 b1 ..`, in two vectors.
    fn interleave(self, a: Self::Vector, b: Self::Vector) -> (Self::Vector, Self::Vector);
    /// What [`Kernel::interleave`] undoes.
    fn deinterleave(self, a: Self::Vector, b: Self::Vector) -> (Self::Vector, Self::Vector);
    /// `(x + w y, x - w y)`; `w` is a constant of the field.
    fn forward(self, x: Self::Vector, y: Self::Vector, w: [Self::Vector; 2]) -> (Self::Vector, Self::Vector);
    /// `(x + y, w (x - y))`.
    fn inverse(self, x: Self::Vector, y: Self::Vector, w: [Self::Vector; 2]) -> (Self::Vector, Self::Vector);
    /// `w x` in `[0, q)`.
    fn scale(self, x: Self::Vector, w: [Self::Vector; 2]) -> Self::Vector;
    /// A loose number of the way forth, in `[0, q)`.
    fn tidy(self, x: Self::Vector) -> Self::Vector;
}

/// The upper halves of the products, lane by lane: even lanes and odd lanes as products of 64 bits each.
#[inline(always)]
fn high_product<S: Simd>(simd: S, x: S::u32s, y: S::u32s) -> S::u32s {
    #[cfg(target_arch = "aarch64")]
    {
        use fearless_simd::{SimdIntWiden, SimdNarrow};
        let (low, high) = x.widening_mul(y);
        let _ = simd;
        (low >> 32).narrow(high >> 32)
    }
    #[cfg(not(target_arch = "aarch64"))]
    {
        use fearless_simd::Bytes;
        let low = S::u64s::splat(simd, u64::from(u32::MAX));
        let (x, y) = (x.bitcast::<S::u64s>(), y.bitcast::<S::u64s>());
        let even = (x & low) * (y & low);
        let odd = (x >> 32) * (y >> 32);
        ((even >> 32) | (odd & !low)).bitcast()
    }
}

/// `x - y`, plus q where that is negative.
#[inline(always)]
fn sub_mod<S: Simd>(simd: S, x: S::u32s, y: S::u32s, q: S::u32s) -> S::u32s {
    let less = x.simd_lt(y);
    (x - y) + less.select(q, S::u32s::splat(simd, 0))
}

/// [`Short`] at a level.
#[derive(Clone, Copy)]
pub(super) struct ShortKernel<S: Simd> {
    simd: S,
    q: S::u32s,
    twice: S::u32s,
}

impl<S: Simd> ShortKernel<S> {
    #[inline(always)]
    pub(super) fn new(simd: S, field: Short) -> Self {
        let q = S::u32s::splat(simd, field.q() as u32);
        Self { simd, q, twice: q + q }
    }

    #[inline(always)]
    fn loose_product(self, x: S::u32s, [w, quotient]: [S::u32s; 2]) -> S::u32s {
        x * w - high_product(self.simd, x, quotient) * self.q
    }

    #[inline(always)]
    fn below(x: S::u32s, m: S::u32s) -> S::u32s {
        x.min(x - m)
    }
}

/// What is the same for both fields of 32-bit words.
macro_rules! memory {
    () => {
        type Word = u32;
        type Vector = S::u32s;
        const LEN: usize = <S::u32s as SimdBase<S>>::LEN;

        #[inline(always)]
        fn load(self, words: &[u32]) -> S::u32s {
            S::u32s::from_slice(self.simd, words)
        }

        #[inline(always)]
        fn splat(self, word: u32) -> S::u32s {
            S::u32s::splat(self.simd, word)
        }

        #[inline(always)]
        fn store(self, vector: S::u32s, words: &mut [u32]) {
            vector.store_slice(words);
        }

        #[inline(always)]
        fn interleave(self, a: S::u32s, b: S::u32s) -> (S::u32s, S::u32s) {
            a.interleave(b)
        }

        #[inline(always)]
        fn deinterleave(self, a: S::u32s, b: S::u32s) -> (S::u32s, S::u32s) {
            a.deinterleave(b)
        }
    };
}

impl<S: Simd> Kernel for ShortKernel<S> {
    memory!();

    #[inline(always)]
    fn forward(self, x: S::u32s, y: S::u32s, w: [S::u32s; 2]) -> (S::u32s, S::u32s) {
        let x = Self::below(x, self.twice);
        let y = self.loose_product(y, w);
        (x + y, x + (self.twice - y))
    }

    #[inline(always)]
    fn inverse(self, x: S::u32s, y: S::u32s, w: [S::u32s; 2]) -> (S::u32s, S::u32s) {
        (Self::below(x + y, self.twice), self.loose_product(x + (self.twice - y), w))
    }

    #[inline(always)]
    fn scale(self, x: S::u32s, w: [S::u32s; 2]) -> S::u32s {
        Self::below(self.loose_product(x, w), self.q)
    }

    #[inline(always)]
    fn tidy(self, x: S::u32s) -> S::u32s {
        Self::below(Self::below(x, self.twice), self.q)
    }
}

/// [`Full`] at a level.
#[derive(Clone, Copy)]
pub(super) struct FullKernel<S: Simd> {
    simd: S,
    q: S::u32s,
}

impl<S: Simd> FullKernel<S> {
    #[inline(always)]
    pub(super) fn new(simd: S, field: Full) -> Self {
        Self { simd, q: S::u32s::splat(simd, field.q() as u32) }
    }

    #[inline(always)]
    fn sub(self, x: S::u32s, y: S::u32s) -> S::u32s {
        sub_mod(self.simd, x, y, self.q)
    }
}

impl<S: Simd> Kernel for FullKernel<S> {
    memory!();

    #[inline(always)]
    fn forward(self, x: S::u32s, y: S::u32s, w: [S::u32s; 2]) -> (S::u32s, S::u32s) {
        let y = self.scale(y, w);
        (self.sub(x, self.q - y), self.sub(x, y))
    }

    #[inline(always)]
    fn inverse(self, x: S::u32s, y: S::u32s, w: [S::u32s; 2]) -> (S::u32s, S::u32s) {
        (self.sub(x, self.q - y), self.scale(self.sub(x, y), w))
    }

    #[inline(always)]
    fn scale(self, x: S::u32s, [w, divided]: [S::u32s; 2]) -> S::u32s {
        self.sub(high_product(self.simd, x, w), high_product(self.simd, x * divided, self.q))
    }

    #[inline(always)]
    fn tidy(self, x: S::u32s) -> S::u32s {
        x
    }
}

/// [`Wide`], four numbers in a row for the processor to overlap.
#[derive(Clone, Copy)]
pub(super) struct WideKernel(pub Wide);

/// `$body` for each place, counted by hand for the reason that `ntt.rs` gives.
macro_rules! each {
    ($i:ident: $body:expr) => {{
        let mut all = [0; 4];
        let mut $i = 0;
        while $i < 4 {
            all[$i] = $body;
            $i += 1;
        }
        all
    }};
}

impl Kernel for WideKernel {
    type Word = u64;
    type Vector = [u64; 4];
    const LEN: usize = 4;

    #[inline(always)]
    fn load(self, words: &[u64]) -> [u64; 4] {
        [words[0], words[1], words[2], words[3]]
    }

    #[inline(always)]
    fn splat(self, word: u64) -> [u64; 4] {
        [word; 4]
    }

    #[inline(always)]
    fn store(self, vector: [u64; 4], words: &mut [u64]) {
        words.copy_from_slice(&vector);
    }

    #[inline(always)]
    fn interleave(self, a: [u64; 4], b: [u64; 4]) -> ([u64; 4], [u64; 4]) {
        ([a[0], b[0], a[1], b[1]], [a[2], b[2], a[3], b[3]])
    }

    #[inline(always)]
    fn deinterleave(self, a: [u64; 4], b: [u64; 4]) -> ([u64; 4], [u64; 4]) {
        ([a[0], a[2], b[0], b[2]], [a[1], a[3], b[1], b[3]])
    }

    #[inline(always)]
    fn forward(self, x: [u64; 4], y: [u64; 4], [w, quotient]: [[u64; 4]; 2]) -> ([u64; 4], [u64; 4]) {
        let twice = 2 * self.0.q();
        let x = each!(i: Wide::below(x[i], twice));
        let y = each!(i: self.0.loose_product(y[i], [w[i], quotient[i]]));
        (each!(i: x[i] + y[i]), each!(i: x[i] + (twice - y[i])))
    }

    #[inline(always)]
    fn inverse(self, x: [u64; 4], y: [u64; 4], [w, quotient]: [[u64; 4]; 2]) -> ([u64; 4], [u64; 4]) {
        let twice = 2 * self.0.q();
        let difference = each!(i: x[i] + (twice - y[i]));
        let sum = each!(i: Wide::below(x[i] + y[i], twice));
        (sum, each!(i: self.0.loose_product(difference[i], [w[i], quotient[i]])))
    }

    #[inline(always)]
    fn scale(self, x: [u64; 4], [w, quotient]: [[u64; 4]; 2]) -> [u64; 4] {
        each!(i: self.0.scale(x[i], [w[i], quotient[i]]))
    }

    #[inline(always)]
    fn tidy(self, x: [u64; 4]) -> [u64; 4] {
        each!(i: Wide::below(Wide::below(x[i], 2 * self.0.q()), self.0.q()))
    }
}
