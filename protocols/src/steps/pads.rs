//! The lowest 64 bits of rows' hashes, as many as a number takes.

use xonn_crypto::Wiped;
use xonn_crypto::block::{Block, Tccr};

use super::keys::CHUNK;
use super::parts;

/// `H(M)` of each row; element e is hashed under the tweak `first_tweak + e`.
pub(crate) fn received(hash: &Tccr, first_tweak: u64, row: &[Block]) -> Wiped<u64> {
    let mut pads = Wiped::zeros(row.len());
    parts::fill(&mut pads, 1, |first, pads| {
        let mut keys = Wiped::zeros(CHUNK);
        for ((pads, row), number) in pads.chunks_mut(CHUNK).zip(row[first..].chunks(CHUNK)).zip(0..) {
            let keys = &mut keys[..row.len()];
            keys.copy_from_slice(row);
            hash.hash::<1>(first_tweak.wrapping_add((first + number * CHUNK) as u64), keys);
            pads.iter_mut().zip(&*keys).for_each(|(pad, &key)| *pad = u128::from(key) as u64);
        }
    });
    pads
}

/// `H(K)` and `H(K + Delta)` of each row.
pub(crate) fn sent(hash: &Tccr, first_tweak: u64, row: &[Block], delta: Block) -> Wiped<[u64; 2]> {
    let mut pads = Wiped::zeros(row.len());
    parts::fill(&mut pads, 1, |first, pads| {
        let mut keys = Wiped::zeros(2 * CHUNK);
        for ((pads, row), number) in pads.chunks_mut(CHUNK).zip(row[first..].chunks(CHUNK)).zip(0..) {
            let keys = &mut keys[..2 * row.len()];
            for (pair, &key) in keys.as_chunks_mut::<2>().0.iter_mut().zip(row) {
                *pair = [key, key ^ delta];
            }
            hash.hash::<2>(first_tweak.wrapping_add((first + number * CHUNK) as u64), keys);
            for (pads, pair) in pads.iter_mut().zip(keys.as_chunks::<2>().0) {
                *pads = pair.map(|key| u128::from(key) as u64);
            }
        }
    });
    pads
}
