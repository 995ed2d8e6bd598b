//! The tables of a comparison, one a digit: S writes one entry for each value of C's digit, C opens the entry
//! of its own.
//!
//! C's digit c is corrected ahead by the random choices rho of its rows: S learns c + rho and puts entry j
//! under the key of index j + c + rho, so that entry c is under the key of index rho, the one that C has.
//! Pads are hashed ahead; what is left online is to write entries, and to select one.

use xonn_crypto::Wiped;
use xonn_crypto::block::{Block, Tccr};

use super::column::Column;
use super::digits::Digit;
use super::keys::{CHUNK, horner, multiples, times_x};
use super::parts;
use super::rows::{ReceiverRows, SenderRows};

/// Entries of an element that are hashed together.
const TURNS: usize = 16;

/// Bit 0 of each entry of a word, by the bits of an entry.
const FIRST_BITS: [u64; 3] = [0, !0, 0x5555_5555_5555_5555];

/// The rows of a digit, one slice for each of its bits, of the elements from `start` on.
fn rows_of(
    keys: &[Block],
    digit: Digit,
    len: usize,
    start: usize,
    count: usize,
) -> impl DoubleEndedIterator<Item = &[Block]> + ExactSizeIterator {
    (digit.low..digit.low + digit.bits).map(move |i| &keys[i as usize * len + start..][..count])
}

/// C's random choices of a digit's rows, as numbers.
fn choices(rows: ReceiverRows<'_>, digit: Digit, len: usize) -> Wiped<u64> {
    let keys = rows.keys();
    let choice =
        |i: u32, element: usize| (u128::from(keys[(digit.low + i) as usize * len + element]) as u64 & 1) << i;
    (0..len).map(|element| (0..digit.bits).fold(0, |number, i| number | choice(i, element))).collect()
}

/// What C sends of its digits: each added to the choices of its rows.
pub fn corrections(rows: ReceiverRows<'_>, digit: Digit, digits: &[u64]) -> Wiped<u64> {
    let choices = choices(rows, digit, digits.len());
    choices.iter().zip(digits).map(|(choice, digit)| choice ^ digit).collect()
}

/// S's pads of a digit's table, in the places of its entries; words of an element are neighbours.
///
/// Element e is hashed under the tweak `first_tweak + e`, all its entries.
pub fn table_pads(
    hash: &Tccr,
    first_tweak: u64,
    rows: SenderRows<'_>,
    digit: Digit,
    corrections: &[u64],
) -> Wiped<u64> {
    let len = corrections.len();
    let (words, _) = digit.words();
    let used = (1 << digit.columns) - 1;
    let (delta, multiples) = (rows.delta(), multiples(rows.delta(), digit.bits));
    let mut pads = Wiped::zeros(words * len);
    // The tables of up to CHUNK elements from `start` on.
    let chunk = |start: usize, pads: &mut [u64], bases: &mut [Block], keys: &mut [Block]| {
        let count = pads.len() / words;
        let bases = &mut bases[..count];
        // (sum x^i K_i) + correction(x) Delta, for entry 0
        bases.fill(Block::ZERO);
        let corrections = &corrections[start..][..count];
        for (row, i) in rows_of(rows.keys(), digit, len, start, count).zip(0..digit.bits).rev() {
            for ((base, &row), correction) in bases.iter_mut().zip(row).zip(corrections) {
                *base = times_x(*base) ^ row ^ delta.masked(correction >> i & 1 == 1);
            }
        }
        for (turn, offsets) in multiples.chunks(TURNS).enumerate() {
            let keys = &mut keys[..offsets.len() * count];
            for (keys, &offset) in keys.chunks_exact_mut(count).zip(offsets) {
                keys.iter_mut().zip(&*bases).for_each(|(key, &base)| *key = base ^ offset);
            }
            hash.hash_strided(first_tweak.wrapping_add(start as u64), count, keys);
            for (keys, entry) in keys.chunks_exact(count).zip(TURNS * turn..) {
                let at = entry * digit.columns as usize;
                let (word, shift) = (at / 64, at % 64);
                for (pads, &key) in pads.chunks_exact_mut(words).zip(keys) {
                    pads[word] |= (u128::from(key) as u64 & used) << shift;
                }
            }
        }
    };
    parts::fill(&mut pads, words, |first, pads| {
        let (mut bases, mut keys) = (Wiped::zeros(CHUNK), Wiped::zeros(TURNS * CHUNK));
        for (number, pads) in pads.chunks_mut(words * CHUNK).enumerate() {
            chunk(first + number * CHUNK, pads, &mut bases, &mut keys);
        }
    });
    pads
}

/// C's pad of the entry that it opens.
pub fn entry_pads(
    hash: &Tccr,
    first_tweak: u64,
    rows: ReceiverRows<'_>,
    digit: Digit,
    len: usize,
) -> Wiped<u64> {
    let mut pads = Wiped::zeros(len);
    parts::fill(&mut pads, 1, |first, pads| {
        let mut keys = Wiped::zeros(CHUNK);
        for (number, pads) in pads.chunks_mut(CHUNK).enumerate() {
            let start = first + number * CHUNK;
            let keys = &mut keys[..pads.len()];
            horner(keys, rows_of(rows.keys(), digit, len, start, pads.len()));
            hash.hash::<1>(first_tweak.wrapping_add(start as u64), keys);
            for (pad, &key) in pads.iter_mut().zip(&*keys) {
                *pad = u128::from(key) as u64 & ((1 << digit.columns) - 1);
            }
        }
    });
    pads
}

/// Of the entries j of word `word` of a table: the bits `[j > d]`, and `[j = d]` at the first bit of entry j.
#[inline(always)]
fn compared(d: u64, word: usize, columns: u32) -> [u64; 2] {
    let per = 64 / i64::from(columns);
    let d = d as i64 - word as i64 * per;
    // all ones if d is below all entries of this word, or above them
    let below = (d >> 63) as u64;
    let above = ((per - 1 - d) >> 63) as u64;
    let inside = !(below | above);
    let shift = (d & (per - 1)) as u32 * columns;
    let greater = FIRST_BITS[columns as usize] & (below | inside & (!0 << columns) << shift);
    [greater, inside & (1 << shift)]
}

/// S's table of a digit, written over its pads: bit 0 of entry j is `[j > d] + greater`, bit 1, where there
/// is one, `[j = d] + equal`.
pub fn write(
    pads: &mut [u64],
    digit: Digit,
    d: impl Fn(usize) -> u64 + Sync,
    greater: &Column,
    equal: &Column,
) {
    let (words, bits) = digit.words();
    let (columns, used) = (digit.columns, u64::MAX >> (64 - bits));
    let first = FIRST_BITS[columns as usize];
    // nothing where an entry has one bit
    let second = !first;
    parts::fill(pads, words, |start, pads| {
        for (table, element) in pads.chunks_exact_mut(words).zip(start..) {
            let d = d(element);
            let masks = first & greater.mask(element) | second & equal.mask(element);
            for (word, pads) in table.iter_mut().enumerate() {
                let [more, same] = compared(d, word, columns);
                *pads ^= (more ^ (same << 1 & second) ^ masks) & used;
            }
        }
    });
}

/// Writes any table of one bit an entry over its pads.
pub fn write_bits(pads: &mut [u64], entries: impl Fn(usize) -> u64) {
    pads.iter_mut().enumerate().for_each(|(element, pads)| *pads ^= entries(element));
}

/// All ones if the numbers, below 2^63, are equal.
#[inline(always)]
pub(super) fn same(a: u64, b: u64) -> u64 {
    (((a ^ b).wrapping_sub(1) as i64) >> 63) as u64
}

/// C's entries of a digit's tables: all are read, and one is left by masks.
pub fn select(tables: &[u64], digit: Digit, digits: &[u64], pads: &[u64]) -> Wiped<u64> {
    let (words, bits) = digit.words();
    // bits of an index within a word
    let inner = bits.trailing_zeros() - digit.columns.trailing_zeros();
    let one = |((table, &c), pad): ((&[u64], &u64), &u64)| {
        let mut word = match table {
            [word] => *word,
            _ => table.iter().zip(0..).fold(0, |all, (word, at)| all | word & same(at, c >> inner)),
        };
        for i in (0..inner).rev() {
            word ^= (word ^ word >> (digit.columns << i)) & (c >> i & 1).wrapping_neg();
        }
        (word ^ pad) & ((1 << digit.columns) - 1)
    };
    let mut entries = Wiped::zeros(digits.len());
    parts::fill(&mut entries, 1, |first, entries| {
        let all = tables[words * first..].chunks_exact(words).zip(&digits[first..]).zip(&pads[first..]);
        entries.iter_mut().zip(all.map(one)).for_each(|(entry, bits)| *entry = bits);
    });
    entries
}

#[cfg(test)]
mod tests {
    use super::super::digits::{Digits, MOST_DIGIT_BITS};
    use super::*;

    #[test]
    fn every_entry_of_every_digit_is_the_comparison() {
        for s in 1..=MOST_DIGIT_BITS {
            for digits in [&[s][..], &[1, s]] {
                let digits = Digits::new(digits).unwrap();
                let digit = digits.iter().last().unwrap();
                let (words, _) = digit.words();
                let entries = digit.entries() as u64;
                let pairs: Vec<[u64; 2]> =
                    (0..entries).flat_map(|c| (0..entries).map(move |d| [c, d])).collect();
                for (g, e) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                    let [greater, equal] = [g, e].map(|bit| Column::from_fn(pairs.len(), |_| bit));
                    let mut tables = vec![0; words * pairs.len()];
                    write(&mut tables, digit, |i| pairs[i][1], &greater, &equal);
                    let used: usize = digit.table_bits().min(64);
                    assert!(
                        used == 64 || tables.iter().all(|word| word >> used == 0),
                        "bits that are not sent"
                    );
                    let cs: Vec<u64> = pairs.iter().map(|pair| pair[0]).collect();
                    let opened = select(&tables, digit, &cs, &vec![0; cs.len()]);
                    for (opened, [c, d]) in opened.iter().zip(&pairs) {
                        let second = if digit.columns == 2 { (u64::from(c == d) ^ e) << 1 } else { 0 };
                        assert_eq!(*opened, u64::from(c > d) ^ g | second, "{s} bits, {c} and {d}");
                    }
                }
            }
        }
    }
}
