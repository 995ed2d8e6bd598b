//! Polynomials of a ring: [`Coefficients`] and [`Values`], their sums and products.
//!
//! Products are taken place by place on values of the transform, sums on either; a polynomial of one kind
//! where the other belongs does not compile. Everything here may be a secret: it is wiped when dropped and
//! `Debug` shows the ring only.
//!
//! ```
//! use xonn_crypto::rlwe::{Params, ring::Ring};
//!
//! let ring = Ring::of(Params::N1024Q21);
//! // (1 + 2X) (3 + 4X)
//! let [a, b] = [[1, 2], [3, 4]].map(|numbers| ring.polynomial(&numbers).into_values());
//! let product = a.multiply(&b).into_coefficients();
//! assert_eq!([0, 1, 2, 3].map(|i| product.get(i)), [3, 10, 8, 0]);
//! ```
//! Coefficients have no product, and are not added to values:
//! ```compile_fail,E0599
//! # let ring = xonn_crypto::rlwe::ring::Ring::of(xonn_crypto::rlwe::Params::N1024Q21);
//! let a = ring.polynomial(&[1, 2]);
//! a.multiply(&a);
//! ```
//! ```compile_fail,E0308
//! # let ring = xonn_crypto::rlwe::ring::Ring::of(xonn_crypto::rlwe::Params::N1024Q21);
//! let mut a = ring.polynomial(&[1, 2]);
//! a.add(&ring.polynomial(&[3]).into_values());
//! ```

/// `$body` with the transform of the ring's field and the level of vector instructions.
macro_rules! with_tables {
    ($ring:expr, $ntt:ident, $simd:ident => $body:expr) => {
        match &$ring.tables {
            Tables::Short($ntt) => dispatch!($ring.level, $simd => $body),
            Tables::Full($ntt) => dispatch!($ring.level, $simd => $body),
            Tables::Wide($ntt) => dispatch!($ring.level, $simd => $body),
        }
    };
}

mod sum;
mod words;

use core::fmt;
use std::sync::OnceLock;

use fearless_simd::{Level, dispatch};

use super::Params;
use super::field::{Field, Full, Short, Wide};
use super::ntt::Ntt;
use crate::Wiped;
pub use sum::Sum;
pub(super) use words::Words;

/// A ring's tables.
pub struct Ring {
    n: usize,
    q: u64,
    name: &'static str,
    level: Level,
    tables: Tables,
}

enum Tables {
    Short(Ntt<Short>),
    Full(Ntt<Full>),
    Wide(Ntt<Wide>),
}

/// The fastest instructions of this processor; the build's own with `--cfg xonn_portable`.
fn level() -> Level {
    if cfg!(xonn_portable) { Level::baseline() } else { Level::new() }
}

impl Ring {
    /// The ring of a row of the menu; its tables are computed once a process.
    pub fn of(params: Params) -> &'static Self {
        static RINGS: [OnceLock<Ring>; Params::ALL.len()] = [const { OnceLock::new() }; Params::ALL.len()];
        RINGS[params as usize].get_or_init(|| Self::new("ring", params.n(), params.q(), level()))
    }

    /// A ring for exact integers, not for encryption: of degree n, modulo 1073692673.
    pub(super) fn exact(n: usize) -> &'static Self {
        static RINGS: [OnceLock<Ring>; 2] = [const { OnceLock::new() }; 2];
        RINGS[usize::from(n > 1024)].get_or_init(|| Self::new("exact", n, Params::N2048Q30.q(), level()))
    }

    fn new(name: &'static str, n: usize, q: u64, level: Level) -> Self {
        let tables = match u64::BITS - q.leading_zeros() {
            ..=30 => Tables::Short(Ntt::new(Short::new(q), n, q)),
            31..=32 => Tables::Full(Ntt::new(Full::new(q), n, q)),
            _ => Tables::Wide(Ntt::new(Wide::new(q), n, q)),
        };
        Self { n, q, name, level, tables }
    }

    /// How many coefficients a polynomial has.
    pub fn n(&self) -> usize {
        self.n
    }

    /// The modulus.
    pub fn q(&self) -> u64 {
        self.q
    }

    /// The vector instructions that its transforms use, by name; all give the same numbers.
    pub fn instructions(&self) -> &'static str {
        match self.level {
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Level::Avx512(_) => "avx-512",
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Level::Avx2(_) => "avx2",
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Level::Sse4_2(_) => "sse4.2",
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Level::Sse2(_) => "sse2",
            #[cfg(target_arch = "aarch64")]
            Level::Neon(_) => "neon",
            _ => "portable",
        }
    }

    pub(super) fn level(&self) -> Level {
        self.level
    }

    fn is_wide(&self) -> bool {
        matches!(self.tables, Tables::Wide(_))
    }

    /// The polynomial of these numbers, each below q, and zeros behind them.
    #[inline]
    pub(super) fn coefficients(&'static self, numbers: impl Iterator<Item = u64>) -> Coefficients {
        Coefficients { ring: self, words: Words::new(self.is_wide(), self.n, numbers) }
    }

    /// The polynomial of these numbers modulo q, zeros behind them.
    ///
    /// # Panics
    /// If they are more than n, or one is q or more: a mistake of the caller.
    pub fn polynomial(&'static self, numbers: &[u64]) -> Coefficients {
        assert!(numbers.len() <= self.n, "{} coefficients for {}", numbers.len(), self.n);
        assert!(numbers.iter().fold(true, |all, &number| all & (number < self.q)), "numbers below q");
        self.coefficients(numbers.iter().copied())
    }

    /// The polynomial of these signed numbers modulo q, zeros behind them: plaintext weights for instance.
    ///
    /// # Panics
    /// If they are more than n, or one is not between -q and q: a mistake of the caller.
    pub fn lift(&'static self, numbers: &[i64]) -> Coefficients {
        assert!(numbers.len() <= self.n, "{} coefficients for {}", numbers.len(), self.n);
        let small = |number: &i64| number.unsigned_abs() < self.q;
        assert!(numbers.iter().fold(true, |all, number| all & small(number)), "numbers between -q and q");
        let lifted = |number: i64| (number + (self.q as i64 & (number >> 63))) as u64;
        self.coefficients(numbers.iter().map(|&number| lifted(number)))
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of degree {} modulo {}", self.name, self.n, self.q)
    }
}

/// A polynomial by its coefficients.
#[derive(Clone)]
pub struct Coefficients {
    ring: &'static Ring,
    words: Words,
}

/// A polynomial by its values: where products are taken.
#[derive(Clone)]
pub struct Values {
    ring: &'static Ring,
    words: Words,
}

impl Coefficients {
    /// Its values.
    pub fn into_values(mut self) -> Values {
        let mut other = self.words.like();
        let (words, ring) = (&mut self.words, self.ring);
        with_tables!(ring, ntt, simd => {
            ntt.forward(ntt.field.kernel(simd), ntt.field.of_mut(words), ntt.field.of_mut(&mut other));
        });
        Values { ring, words: self.words }
    }

    /// The coefficients, each below q.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.words.iter()
    }

    /// The coefficient at `X^i`.
    ///
    /// # Panics
    /// If i is n or more, a mistake of the caller.
    pub fn get(&self, i: usize) -> u64 {
        self.words.get(i)
    }

    /// The coefficients as the signed numbers nearest to zero.
    pub(super) fn signed(&self) -> Wiped<i64> {
        let q = self.ring.q as i64;
        let signed = |x: u64| x as i64 - (q & ((q / 2 - x as i64) >> 63));
        self.iter().map(signed).collect()
    }
}

impl Values {
    /// Its coefficients.
    pub fn into_coefficients(mut self) -> Coefficients {
        let mut other = self.words.like();
        let (words, ring) = (&mut self.words, self.ring);
        with_tables!(ring, ntt, simd => {
            ntt.inverse(ntt.field.kernel(simd), ntt.field.of_mut(words), ntt.field.of_mut(&mut other));
        });
        Coefficients { ring, words: self.words }
    }

    /// The product.
    ///
    /// # Panics
    /// If the rings differ, a mistake of the caller.
    pub fn multiply(&self, by: &Self) -> Self {
        let mut sum = self.ring.sum();
        sum.multiply_add(self, by);
        sum.into_values()
    }
}

macro_rules! polynomial {
    ($($Type:ident)*) => {$(
        impl $Type {
            /// The ring it belongs to.
            pub fn ring(&self) -> &'static Ring {
                self.ring
            }

            /// Adds a polynomial.
            ///
            /// # Panics
            /// If the rings differ, a mistake of the caller.
            pub fn add(&mut self, other: &Self) {
                assert!(core::ptr::eq(self.ring, other.ring), "polynomials of one ring");
                with_tables!(self.ring, ntt, _simd => {
                    add(ntt.field, ntt.field.of_mut(&mut self.words), ntt.field.of(&other.words));
                });
            }

            /// Subtracts a polynomial.
            ///
            /// # Panics
            /// If the rings differ, a mistake of the caller.
            pub fn sub(&mut self, other: &Self) {
                assert!(core::ptr::eq(self.ring, other.ring), "polynomials of one ring");
                with_tables!(self.ring, ntt, _simd => {
                    sub(ntt.field, ntt.field.of_mut(&mut self.words), ntt.field.of(&other.words));
                });
            }
        }

        impl fmt::Debug for $Type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($Type)).field("ring", self.ring).finish_non_exhaustive()
            }
        }
    )*};
}

polynomial!(Coefficients Values);

// These loops are inlined where vector instructions are enabled, and become vector code there. They count by
// themselves, see `ntt.rs`.

#[inline(always)]
fn add<F: Field>(field: F, words: &mut [F::Word], others: &[F::Word]) {
    let others = &others[..words.len()];
    let mut i = 0;
    while i < words.len() {
        words[i] = field.add(words[i], others[i]);
        i += 1;
    }
}

#[inline(always)]
fn sub<F: Field>(field: F, words: &mut [F::Word], others: &[F::Word]) {
    let others = &others[..words.len()];
    let mut i = 0;
    while i < words.len() {
        words[i] = field.sub(words[i], others[i]);
        i += 1;
    }
}

#[cfg(test)]
mod tests;
