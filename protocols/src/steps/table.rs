//! A table of numbers of S's, of which C opens the entry of a number that is known ahead.
//!
//! Rows of the S-sender pool, one for each bit of C's number; S learns the number + C's choices. Entry j is
//! under the key of index j + that sum ([`keys`](super::keys)), so that C has the key of its own. A hash is
//! as long as a block, so an entry may have several columns.

use xonn_crypto::Wiped;
use xonn_crypto::block::{Block, Tccr, mask};

use super::keys::{CHUNK, multiples, times_x};
use super::leaves::same;
use super::parts;

/// `sum x^i rows_i` of some elements.
fn sum<'a>(sums: &mut [Block], rows: impl DoubleEndedIterator<Item = &'a [Block]>, start: usize) {
    sums.fill(Block::ZERO);
    for row in rows.rev() {
        sums.iter_mut().zip(&row[start..]).for_each(|(sum, &row)| *sum = times_x(*sum) ^ row);
    }
}

/// S's pads of all entries, those of an element side by side; element e under the tweak `first_tweak + e`.
/// `corrections` are C's numbers + its choices.
pub(crate) fn sent(
    hash: &Tccr,
    first_tweak: u64,
    rows: &[&[Block]],
    delta: Block,
    corrections: &[u64],
) -> Wiped<u128> {
    let (n, entries) = (corrections.len(), 1 << rows.len());
    let multiples = multiples(delta, rows.len() as u32);
    let mut pads = Wiped::zeros(entries * n);
    parts::fill(&mut pads, entries, |first, pads| {
        let (mut bases, mut keys) = (Wiped::zeros(CHUNK), Wiped::zeros(CHUNK));
        for (number, pads) in pads.chunks_mut(entries * CHUNK).enumerate() {
            let (start, count) = (first + number * CHUNK, pads.len() / entries);
            let (bases, keys) = (&mut bases[..count], &mut keys[..count]);
            sum(bases, rows.iter().copied(), start);
            // corrections(x) Delta, bit by bit
            for (i, multiple) in (0..rows.len()).map(|i| (i, multiples[1 << i])) {
                let all = bases.iter_mut().zip(&corrections[start..]);
                all.for_each(|(base, bits)| *base ^= multiple.masked_by(mask(bits >> i & 1 == 1)));
            }
            for (j, &offset) in multiples.iter().enumerate() {
                keys.iter_mut().zip(&*bases).for_each(|(key, &base)| *key = base ^ offset);
                hash.hash::<1>(first_tweak.wrapping_add(start as u64), keys);
                for (pads, &key) in pads.chunks_exact_mut(entries).zip(&*keys) {
                    pads[j] = key.into();
                }
            }
        }
    });
    pads
}

/// C's pad of its entry.
pub(crate) fn received(hash: &Tccr, first_tweak: u64, rows: &[&[Block]]) -> Wiped<u128> {
    let n = rows.first().map_or(0, |row| row.len());
    let mut pads = Wiped::zeros(n);
    parts::fill(&mut pads, 1, |first, pads| {
        let mut keys = Wiped::zeros(CHUNK);
        for (number, pads) in pads.chunks_mut(CHUNK).enumerate() {
            let start = first + number * CHUNK;
            let keys = &mut keys[..pads.len()];
            sum(keys, rows.iter().copied(), start);
            hash.hash::<1>(first_tweak.wrapping_add(start as u64), keys);
            pads.iter_mut().zip(&*keys).for_each(|(pad, &key)| *pad = key.into());
        }
    });
    pads
}

/// The entry of an index: all are read, and one is left by masks.
#[inline(always)]
pub(crate) fn select(entries: &[u64], index: u64) -> u64 {
    entries.iter().zip(0..).fold(0, |all, (entry, j)| all | entry & same(j, index))
}
