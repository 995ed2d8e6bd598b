//! Sums of products, several at a time.

use core::fmt;

use fearless_simd::dispatch;

use super::{Ring, Tables, Values, Words};
use crate::rlwe::field::Field;

/// Coefficients that several sums of products go through together.
const BLOCK: usize = 128;

/// A sum of products of values, reduced when it is needed.
#[derive(Clone)]
pub struct Sum {
    ring: &'static Ring,
    words: Words,
    /// Products that fit into a reduced sum, and into this one.
    pub(super) room: u64,
    pub(super) left: u64,
}

impl Ring {
    /// The empty sum of products.
    pub fn sum(&'static self) -> Sum {
        let room = match &self.tables {
            Tables::Short(ntt) => ntt.field.room(),
            Tables::Full(ntt) => ntt.field.room(),
            Tables::Wide(ntt) => ntt.field.room(),
        };
        Sum { ring: self, words: Words::zeros(true, self.n), room, left: room }
    }
}

impl Sum {
    /// Adds a product. The sum stays unreduced, in 64 bits a place, as long as there is room.
    ///
    /// # Panics
    /// If the rings differ, a mistake of the caller.
    pub fn multiply_add(&mut self, a: &Values, b: &Values) {
        self.multiply_add_all(&[(a, b)]);
    }

    /// Adds products, several at a time where there is room.
    ///
    /// # Panics
    /// If the rings differ, a mistake of the caller.
    pub fn multiply_add_all(&mut self, pairs: &[(&Values, &Values)]) {
        Self::multiply_add_each(&mut [self], &[pairs.to_vec()]);
    }

    /// Adds to each sum its products, as many to each. Coefficients go in blocks, so that sums and what they
    /// share stay in the first cache.
    ///
    /// # Panics
    /// If the rings or the numbers of products differ, a mistake of the caller.
    pub fn multiply_add_each(sums: &mut [&mut Self], pairs: &[Vec<(&Values, &Values)>]) {
        let (Some(first), Some(count)) = (sums.first(), pairs.first().map(Vec::len)) else { return };
        let (ring, room) = (first.ring, first.room);
        let same = |other: &'static Ring| core::ptr::eq(other, ring);
        assert!(sums.iter().all(|sum| same(sum.ring) && sum.room == room), "polynomials of one ring");
        assert!(pairs.iter().flatten().all(|(a, b)| same(a.ring) && same(b.ring)), "polynomials of one ring");
        assert!(
            pairs.len() == sums.len() && pairs.iter().all(|pairs| pairs.len() == count),
            "as many products"
        );
        let least = sums.iter().map(|sum| sum.left).min().unwrap_or(room);
        let mut left = least;
        with_tables!(ring, ntt, _simd => {
            let field = ntt.field;
            for start in (0..ring.n).step_by(BLOCK) {
                let block = start..start + BLOCK;
                left = least;
                let mut done = 0;
                while done < count {
                    let together = if count - done >= 4 && room >= 4 { 4 } else { 1 };
                    let settle = left < together as u64;
                    left = if settle { room } else { left } - together as u64;
                    for (sum, pairs) in sums.iter_mut().zip(pairs) {
                        let sums = &mut sum.words.wide_mut()[block.clone()];
                        if settle {
                            settle_all(field, sums);
                        }
                        if let &[(a, b), (c, d), (e, f), (g, h)] = &pairs[done..done + together] {
                            let words = [a, b, c, d, e, f, g, h];
                            let words = words.map(|values| &field.of(&values.words)[block.clone()]);
                            multiply_add_four(field, sums, words);
                        } else {
                            let (a, b) = pairs[done];
                            let [a, b] = [a, b].map(|values| &field.of(&values.words)[block.clone()]);
                            multiply_add(field, sums, a, b);
                        }
                    }
                    done += together;
                }
            }
        });
        sums.iter_mut().for_each(|sum| sum.left = left);
    }

    /// The sum, reduced.
    pub fn into_values(mut self) -> Values {
        let mut words = Words::zeros(self.ring.is_wide(), self.ring.n);
        let sums = self.words.wide_mut();
        with_tables!(self.ring, ntt, _simd => reduce(ntt.field, sums, ntt.field.of_mut(&mut words)));
        Values { ring: self.ring, words }
    }
}

impl fmt::Debug for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sum").field("ring", self.ring).finish_non_exhaustive()
    }
}

// Inlined as those of `ring.rs`.

#[inline(always)]
fn multiply_add<F: Field>(field: F, sums: &mut [u64], a: &[F::Word], b: &[F::Word]) {
    let (a, b) = (&a[..sums.len()], &b[..sums.len()]);
    let mut i = 0;
    while i < sums.len() {
        sums[i] = field.multiply_add(sums[i], a[i], b[i]);
        i += 1;
    }
}

#[inline(always)]
fn multiply_add_four<F: Field>(field: F, sums: &mut [u64], words: [&[F::Word]; 8]) {
    let [a, b, c, d, e, f, g, h] = words;
    let n = sums.len();
    let (a, b, c, d) = (&a[..n], &b[..n], &c[..n], &d[..n]);
    let (e, f, g, h) = (&e[..n], &f[..n], &g[..n], &h[..n]);
    let mut i = 0;
    while i < n {
        let two = field.multiply_add(field.multiply_add(sums[i], a[i], b[i]), c[i], d[i]);
        sums[i] = field.multiply_add(field.multiply_add(two, e[i], f[i]), g[i], h[i]);
        i += 1;
    }
}

#[inline(always)]
fn settle_all<F: Field>(field: F, sums: &mut [u64]) {
    let mut i = 0;
    while i < sums.len() {
        sums[i] = field.settle(sums[i]);
        i += 1;
    }
}

#[inline(always)]
fn reduce<F: Field>(field: F, sums: &[u64], words: &mut [F::Word]) {
    let sums = &sums[..words.len()];
    let mut i = 0;
    while i < words.len() {
        words[i] = field.reduce(sums[i]);
        i += 1;
    }
}
