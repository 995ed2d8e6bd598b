//! The masks of a comparison's table entries, and shares of the products of these masks.
//!
//! Rows of the C-sender pool, one of each name an element: o, e1, g0 with two digits; o, e2, g1, e1, g0 and
//! the three of products e2e1, e2g0, e1g0 with three; o alone with one. S's random bit `beta_q` of row q is
//! its mask of the value q. C's mask `a_q` of a value is a bit that the row of its partner gives without a
//! message: `a_p = h(K_q) + h(K_q + Delta)`, p and q being e2 and g1, or e1 and g0. The mask of value q is
//! `beta_q + a_q`.
//!
//! Shares of `beta_x a_y`: where a_y is the bit of row x, C's is `h(K_x)` and S's `h(M_x)`, for `M_x = K_x +
//! beta_x Delta`. Else C sends `f = h'(K_x) + h'(K_x + Delta) + a_y`; C's share is `h'(K_x)`, S's `h'(M_x) +
//! beta_x f`. A row is hashed once: bit 0 of the hash is h, bits 1 and 2 are h' of its first and second f.

use xonn_crypto::Wiped;
use xonn_crypto::block::{Block, Tccr};

use super::column::Column;
use super::parts;

/// Rows by their place, with three digits.
pub(super) const E2: usize = 1;
pub(super) const G1: usize = 2;
pub(super) const E1: usize = 3;
pub(super) const G0: usize = 4;
pub(super) const E2E1: usize = 5;
pub(super) const E2G0: usize = 6;
pub(super) const E1G0: usize = 7;

/// The products of two masks that become rows, and those rows, in the order of the messages.
pub(super) const PRODUCTS: [usize; 3] = [E2E1, E2G0, E1G0];

/// Bits of a row's hash that are used.
pub(super) const HASH_BITS: usize = 3;

/// The row whose hash is C's mask of the value of row q: the rows behind o are partners by twos.
pub(super) const fn partner(q: usize) -> usize {
    ((q - 1) ^ 1) + 1
}

/// Elements of a column's word, which are hashed together.
const WORD: usize = 64;

/// The bits of a row's hash, each for all elements.
pub(super) type HashBits = [Column; HASH_BITS];

/// Bits of up to 64 rows' hashes, a word each.
type Words = [u64; HASH_BITS];

fn words(hashes: impl Iterator<Item = u64>) -> Words {
    let mut words = [0; HASH_BITS];
    for (i, hash) in hashes.enumerate() {
        for (bit, word) in words.iter_mut().enumerate() {
            *word |= (hash >> bit & 1) << i;
        }
    }
    words
}

fn columns<'a>(len: usize, words: impl Iterator<Item = &'a Words>) -> HashBits {
    let mut bits = [0; HASH_BITS].map(|_| Column::zeros(len));
    for (number, words) in words.enumerate() {
        bits.iter_mut().zip(words).for_each(|(column, &word)| column.set_word(number, word));
    }
    bits
}

/// S's: of `H(M)`, element e under the tweak `first_tweak + e`.
pub(super) fn received(hash: &Tccr, first_tweak: u64, row: &[Block]) -> HashBits {
    let mut all: Wiped<Words> = Wiped::zeros(row.len().div_ceil(WORD));
    parts::fill_words(&mut all, |first, all| {
        let mut keys = Wiped::zeros(WORD);
        for ((to, row), number) in all.iter_mut().zip(row[first..].chunks(WORD)).zip(0..) {
            let keys = &mut keys[..row.len()];
            keys.copy_from_slice(row);
            hash.hash::<1>(first_tweak.wrapping_add((first + number * WORD) as u64), keys);
            *to = words(keys.iter().map(|&key| u128::from(key) as u64));
        }
    });
    columns(row.len(), all.iter())
}

/// C's: of `H(K)`, and of `H(K) + H(K + Delta)`.
pub(super) fn sent(hash: &Tccr, first_tweak: u64, row: &[Block], delta: Block) -> [HashBits; 2] {
    let mut all: Wiped<[Words; 2]> = Wiped::zeros(row.len().div_ceil(WORD));
    parts::fill_words(&mut all, |first, all| {
        let mut pairs = Wiped::zeros(2 * WORD);
        for ((to, row), number) in all.iter_mut().zip(row[first..].chunks(WORD)).zip(0..) {
            let pairs = &mut pairs[..2 * row.len()];
            for (pair, &key) in pairs.as_chunks_mut::<2>().0.iter_mut().zip(row) {
                *pair = [key, key ^ delta];
            }
            hash.hash::<2>(first_tweak.wrapping_add((first + number * WORD) as u64), pairs);
            let pairs = pairs.as_chunks::<2>().0;
            let hashes = || pairs.iter().map(|pair| pair.map(|key| u128::from(key) as u64));
            let (own, both) = (hashes().map(|[own, _]| own), hashes().map(|[own, other]| own ^ other));
            *to = [words(own), words(both)];
        }
    });
    [0, 1].map(|which| columns(row.len(), all.iter().map(|words| &words[which])))
}

/// From the opened values `d_q = value + mask`, in the order of the rows behind o: which masks the carry
/// takes besides, as the rows' coefficients `T_q`, and the part without a mask.
pub(super) struct Carry {
    pub coefficients: Vec<(usize, Column)>,
    pub constant: Column,
}

impl Carry {
    /// Of two digits `carry = g1 + e1 g0`, of three `g2 + e2 g1 + e2 e1 g0`, less the masked top digit.
    pub fn new(opened: &[Column], len: usize) -> Self {
        match opened {
            [e1, g0] => Self { coefficients: vec![(1, g0.clone()), (2, e1.clone())], constant: e1 & g0 },
            [e2, g1, e1, g0] => {
                let low = e1 & g0;
                let upper = g1 ^ &low;
                let coefficients = vec![
                    (E2, upper.clone()),
                    (G1, e2.clone()),
                    (E1, e2 & g0),
                    (G0, e2 & e1),
                    (E1G0, e2.clone()),
                    (E2G0, e1.clone()),
                    (E2E1, g0.clone()),
                ];
                Self { coefficients, constant: e2 & &upper }
            }
            _ => Self { coefficients: Vec::new(), constant: Column::zeros(len) },
        }
    }

    /// The sum of `T_q rows_q` with row o, over rows of `len` elements each.
    pub fn key(&self, rows: &[Block], len: usize) -> Wiped<Block> {
        let mut keys: Wiped<Block> = rows[..len].iter().copied().collect();
        parts::fill(&mut keys, 1, |first, keys| {
            for (q, coefficient) in &self.coefficients {
                for ((key, &row), i) in keys.iter_mut().zip(&rows[q * len + first..]).zip(first..) {
                    *key ^= row.masked(coefficient.bit(i) == 1);
                }
            }
        });
        keys
    }

    /// The sum of `T_q bits_q`.
    pub fn sum<'a>(&self, bits: impl Fn(usize) -> &'a Column, first: &Column) -> Column {
        self.coefficients.iter().fold(first.clone(), |sum, (q, coefficient)| &sum ^ &(coefficient & bits(*q)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partners_are_each_others() {
        assert_eq!([E2, G1, E1, G0].map(partner), [G1, E2, G0, E1]);
        assert_eq!([1, 2].map(partner), [2, 1]);
    }

    #[test]
    fn opened_values_and_masks_give_the_carry() {
        // All values and masks of three digits: e2 (g1 + e1 g0) from values + masks, masks and products of
        // masks.
        let bit = |at: u32| Column::from_fn(256, move |i| (i >> at) as u64);
        let [e2, g1, e1, g0] = [0, 1, 2, 3].map(bit);
        let [m2, m1, n1, n0] = [4, 5, 6, 7].map(bit);
        let opened = [&e2 ^ &m2, &g1 ^ &m1, &e1 ^ &n1, &g0 ^ &n0];
        let products = [&m2 & &n1, &m2 & &n0, &n1 & &n0];
        let all = [&m2, &m2, &m1, &n1, &n0, &products[0], &products[1], &products[2]];
        let carry = Carry::new(&opened, 256);
        let constants = &(&m2 & &m1) ^ &(&(&m2 & &n1) & &n0);
        let sum = &(&carry.sum(|q| all[q], &carry.constant) ^ &constants);
        assert_eq!(*sum, &e2 & &(&g1 ^ &(&e1 & &g0)));
        // Two digits: e1 g0.
        let carry = Carry::new(&opened[2..], 256);
        let sum = &carry.sum(|q| [&n1, &n1, &n0][q], &carry.constant) ^ &(&n1 & &n0);
        assert_eq!(sum, &e1 & &g0);
    }
}
