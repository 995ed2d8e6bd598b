//! The negacyclic number-theoretic transform: products modulo `X^n + 1` become products place by place.
//!
//! A level is n / 2 butterflies of two words whose numbers differ in one bit, the first level in the top bit.
//! The butterfly's factor is a power of psi, a primitive 2n-th root of one: `psi^bitrev(2^l + i)` for level l
//! and block i. Vectors want partners that are far apart, so the first [`TURNED`] levels turn the numbering:
//! partners come from both halves of one buffer, and leave as neighbours in another. The bit that was used is
//! then the lowest, and the next one the top bit. The other levels stay in place and pair words half a block
//! apart, in blocks that halve, but never closer than `2^TURNED`. The order that results is nobody's but this
//! file's: coefficients of two transforms agree in it, which is all that a product needs.
//!
//! Tables: [`Field::constant`] of the factors, level by level, in the order in which a level reads them.

use super::field::Field;
use super::kernel::Kernel;

/// Levels that turn the numbering; even, so that the result is in the first buffer, and with 2^TURNED no
/// fewer than the words of any vector.
const TURNED: usize = 4;

/// Words in a group that shares its upper number.
const GROUP: usize = 1 << TURNED;

/// Factors of both directions.
pub(super) struct Ntt<F: Field> {
    pub(super) field: F,
    n: usize,
    forward: Vec<Level<F::Word>>,
    inverse: Vec<Level<F::Word>>,
    /// `1 / n`.
    last: [F::Word; 2],
}

/// Words that a level loads together.
type Group<W> = [W; GROUP];

/// The buffer with the numbers, and another as long.
type Buffers<'a, W> = (&'a mut [Group<W>], &'a mut [Group<W>]);

/// Factors of a level, and what is precomputed of each.
type Level<W> = Vec<[Group<W>; 2]>;

fn power(base: u64, exponent: u64, q: u64) -> u64 {
    let product = |a: u64, b: u64| (u128::from(a) * u128::from(b) % u128::from(q)) as u64;
    let (mut base, mut exponent, mut result) = (base, exponent, 1);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = product(result, base);
        }
        base = product(base, base);
        exponent >>= 1;
    }
    result
}

impl<F: Field> Ntt<F> {
    /// Tables for degree n, a power of two of at least 256, and a prime q that is 1 modulo 2n.
    pub(super) fn new(field: F, n: usize, q: u64) -> Self {
        let levels = n.trailing_zeros();
        assert!(n.is_power_of_two() && levels as usize > TURNED, "the degree is a power of two");
        assert_eq!((q - 1) % (2 * n as u64), 0, "q is 1 modulo 2n");
        let non_residue =
            (2..q).find(|&x| power(x, (q - 1) / 2, q) == q - 1).expect("half of all are no squares");
        let psi = power(non_residue, (q - 1) / (2 * n as u64), q);
        let reversed = |i: usize| (i.reverse_bits() >> (usize::BITS - levels)) as u64;
        let tables = |psi: u64| {
            (0..levels as usize)
                .map(|level| {
                    let blocks = 1 << level;
                    // In reading order: the first bits used, up to TURNED of them, are the lowest.
                    let block = |i: usize| match level.checked_sub(TURNED) {
                        None => i % blocks,
                        Some(top) => ((i % GROUP) << top) + i / GROUP,
                    };
                    let groups = (blocks / GROUP).max(1);
                    let constant = |i: usize| field.constant(power(psi, reversed(blocks + block(i)), q));
                    (0..groups)
                        .map(|group| {
                            let constants: [_; GROUP] = core::array::from_fn(|i| constant(group * GROUP + i));
                            [constants.map(|[factor, _]| factor), constants.map(|[_, companion]| companion)]
                        })
                        .collect()
                })
                .collect()
        };
        let last = field.constant(power(n as u64, q - 2, q));
        Self { field, n, forward: tables(psi), inverse: tables(power(psi, q - 2, q)), last }
    }

    /// Coefficients in `[0, q)` to values in `[0, q)`. `other` is written over.
    #[inline(always)]
    pub(super) fn forward<K: Kernel<Word = F::Word>>(
        &self,
        k: K,
        words: &mut [F::Word],
        other: &mut [F::Word],
    ) {
        const { assert!(K::LEN <= GROUP, "a group holds whole vectors") };
        let (words, other) = self.groups(words, other);
        let mut level = 0;
        while level < TURNED {
            turn(k, &self.forward[level], words, other);
            turn(k, &self.forward[level + 1], other, words);
            level += 2;
        }
        while level < self.forward.len() {
            straight::<K, false>(k, &self.forward[level], words);
            level += 1;
        }
        each(k, words, None);
    }

    /// Values in `[0, q)` to coefficients in `[0, q)`. `other` is written over.
    #[inline(always)]
    pub(super) fn inverse<K: Kernel<Word = F::Word>>(
        &self,
        k: K,
        words: &mut [F::Word],
        other: &mut [F::Word],
    ) {
        const { assert!(K::LEN <= GROUP, "a group holds whole vectors") };
        let (words, other) = self.groups(words, other);
        let mut level = self.inverse.len();
        while level > TURNED {
            level -= 1;
            straight::<K, true>(k, &self.inverse[level], words);
        }
        while level > 0 {
            level -= 2;
            turn_back(k, &self.inverse[level + 1], words, other);
            turn_back(k, &self.inverse[level], other, words);
        }
        each(k, words, Some(self.last));
    }

    #[inline(always)]
    fn groups<'a>(&self, words: &'a mut [F::Word], other: &'a mut [F::Word]) -> Buffers<'a, F::Word> {
        assert!(words.len() == self.n && other.len() == self.n, "a polynomial has n coefficients");
        (words.as_chunks_mut().0, other.as_chunks_mut().0)
    }
}

// Loops below count by themselves: calls into an iterator that the compiler happens not to inline cost more
// than a butterfly.

/// Each word tidied, or multiplied by a constant.
#[inline(always)]
fn each<K: Kernel>(k: K, words: &mut [Group<K::Word>], last: Option<[K::Word; 2]>) {
    let mut i = 0;
    while i < words.len() {
        let mut at = 0;
        while at < GROUP {
            let word = &mut words[i][at..at + K::LEN];
            let x = k.load(word);
            let x = match last {
                None => k.tidy(x),
                Some(last) => k.scale(x, [k.splat(last[0]), k.splat(last[1])]),
            };
            k.store(x, word);
            at += K::LEN;
        }
        i += 1;
    }
}

/// A level in place, forth or back: in each block partners are half of it apart, and factors repeat after
/// [`GROUP`] words.
#[inline(always)]
fn straight<K: Kernel, const BACK: bool>(
    k: K,
    factors: &[[Group<K::Word>; 2]],
    words: &mut [Group<K::Word>],
) {
    let half = words.len() / factors.len() / 2;
    let (mut block, mut start) = (0, 0);
    while block < factors.len() {
        let (low, high) = words[start..start + 2 * half].split_at_mut(half);
        let mut at = 0;
        while at < GROUP {
            let w =
                [k.load(&factors[block][0][at..at + K::LEN]), k.load(&factors[block][1][at..at + K::LEN])];
            let mut i = 0;
            while i < half {
                let (x, y) = (&mut low[i][at..at + K::LEN], &mut high[i][at..at + K::LEN]);
                let (a, b) = if BACK {
                    k.inverse(k.load(x), k.load(y), w)
                } else {
                    k.forward(k.load(x), k.load(y), w)
                };
                k.store(a, x);
                k.store(b, y);
                i += 1;
            }
            at += K::LEN;
        }
        (block, start) = (block + 1, start + 2 * half);
    }
}

/// A level whose partners come from both halves and leave as neighbours.
#[inline(always)]
fn turn<K: Kernel>(
    k: K,
    factors: &[[Group<K::Word>; 2]],
    from: &[Group<K::Word>],
    to: &mut [Group<K::Word>],
) {
    let half = from.len() / 2;
    let (low, high) = from.split_at(half);
    let (pairs, _) = to.as_chunks_mut::<2>();
    assert!(pairs.len() == half && high.len() == half, "both buffers have the same length");
    let mut at = 0;
    while at < GROUP {
        let w = [k.load(&factors[0][0][at..at + K::LEN]), k.load(&factors[0][1][at..at + K::LEN])];
        let mut i = 0;
        while i < half {
            let (a, b) = k.forward(k.load(&low[i][at..at + K::LEN]), k.load(&high[i][at..at + K::LEN]), w);
            let (a, b) = k.interleave(a, b);
            let pair = pairs[i].as_flattened_mut();
            k.store(a, &mut pair[2 * at..2 * at + K::LEN]);
            k.store(b, &mut pair[2 * at + K::LEN..2 * (at + K::LEN)]);
            i += 1;
        }
        at += K::LEN;
    }
}

/// A level whose partners are neighbours and leave for both halves.
#[inline(always)]
fn turn_back<K: Kernel>(
    k: K,
    factors: &[[Group<K::Word>; 2]],
    from: &[Group<K::Word>],
    to: &mut [Group<K::Word>],
) {
    let half = to.len() / 2;
    let (low, high) = to.split_at_mut(half);
    let (pairs, _) = from.as_chunks::<2>();
    assert!(pairs.len() == half && high.len() == half, "both buffers have the same length");
    let mut at = 0;
    while at < GROUP {
        let w = [k.load(&factors[0][0][at..at + K::LEN]), k.load(&factors[0][1][at..at + K::LEN])];
        let mut i = 0;
        while i < half {
            let pair = pairs[i].as_flattened();
            let (a, b) = (&pair[2 * at..2 * at + K::LEN], &pair[2 * at + K::LEN..2 * (at + K::LEN)]);
            let (a, b) = k.deinterleave(k.load(a), k.load(b));
            let (a, b) = k.inverse(a, b, w);
            k.store(a, &mut low[i][at..at + K::LEN]);
            k.store(b, &mut high[i][at..at + K::LEN]);
            i += 1;
        }
        at += K::LEN;
    }
}
