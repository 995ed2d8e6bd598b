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

mod full;
mod short;
mod wide;

use fearless_simd::Simd;

use super::kernel::Kernel;
use super::ring::Words;
pub(super) use full::Full;
pub(super) use short::Short;
pub(super) use wide::Wide;

/// Numbers modulo a prime q.
pub(super) trait Field: Copy + Send + Sync + 'static {
    /// What holds one number.
    type Word: Copy;

    /// The modulus.
    fn q(self) -> u64;

    /// How many products a sum has room for, next to what [`Field::settle`] leaves.
    fn room(self) -> u64;

    /// A factor and what is precomputed of it; `factor` is below q.
    fn constant(self, factor: u64) -> [Self::Word; 2];

    /// `x + y`, all three in `[0, q)`.
    fn add(self, x: Self::Word, y: Self::Word) -> Self::Word;

    /// `x - y`, all three in `[0, q)`.
    fn sub(self, x: Self::Word, y: Self::Word) -> Self::Word;

    /// Adds the product of x and y, in `[0, q)`, in a form of the field's own; at most [`Field::room`] times
    /// until the sum is settled or reduced.
    fn multiply_add(self, sum: u64, x: Self::Word, y: Self::Word) -> u64;

    /// The sum as a number in `[0, q)`, brought back from the form of products.
    fn reduce(self, sum: u64) -> Self::Word;

    /// The same sum, in `[0, q)`, to go on with.
    fn settle(self, sum: u64) -> u64;

    /// The words of this kind.
    fn of(self, words: &Words) -> &[Self::Word];

    /// The words of this kind.
    fn of_mut(self, words: &mut Words) -> &mut [Self::Word];

    /// Its butterflies with these vector instructions.
    fn kernel<S: Simd>(self, simd: S) -> impl Kernel<Word = Self::Word>;
}
