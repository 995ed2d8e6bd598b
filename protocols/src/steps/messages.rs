//! C's messages for each value of S's shares of one or two bits, of which S opens the one of its own.
//!
//! With a correlated OT on each share, `MM_i = KK_i + b0_i Delta_C`, message j of an element is under `H(sum
//! x^i (KK_i + j_i Delta_C))`. One tweak an element.

use xonn_crypto::Wiped;
use xonn_crypto::block::{Block, Tccr};

use super::compare::{ClientBits, ServerBits};
use super::keys::{CHUNK, multiples, times_x};
use super::parts;

/// `sum x^i keys_i` of some elements.
#[inline(always)]
fn combine(keys: &[&[Block]], start: usize, sums: &mut [Block]) {
    let [first, more @ ..] = keys else { return };
    sums.copy_from_slice(&first[start..][..sums.len()]);
    for second in more {
        sums.iter_mut().zip(&second[start..]).for_each(|(sum, &key)| *sum ^= times_x(key));
    }
}

/// The pads of all messages, those of an element side by side; of one comparison or two.
pub(crate) fn pads(bits: &[ClientBits], hash: &Tccr, first_tweak: u64) -> Wiped<u64> {
    let Some(first) = bits.first() else { return Wiped::zeros(0) };
    let keys: Vec<&[Block]> = bits.iter().take(2).map(|bits| &bits.keys[..]).collect();
    let entries = 1 << keys.len();
    let multiples = multiples(first.delta(), keys.len() as u32);
    let mut pads = Wiped::zeros(entries * first.keys.len());
    parts::fill(&mut pads, entries, |first, pads| {
        let (mut sums, mut all) = (Wiped::zeros(CHUNK), Wiped::zeros(entries * CHUNK));
        for (number, pads) in pads.chunks_mut(entries * CHUNK).enumerate() {
            let (start, count) = (first + number * CHUNK, pads.len() / entries);
            let (sums, all) = (&mut sums[..count], &mut all[..pads.len()]);
            combine(&keys, start, sums);
            for (all, &offset) in all.chunks_exact_mut(count).zip(multiples.iter()) {
                all.iter_mut().zip(&*sums).for_each(|(key, &sum)| *key = sum ^ offset);
            }
            hash.hash_strided(first_tweak.wrapping_add(start as u64), count, all);
            for (j, all) in all.chunks_exact(count).enumerate() {
                for (pads, &key) in pads.chunks_exact_mut(entries).zip(all) {
                    pads[j] = u128::from(key) as u64;
                }
            }
        }
    });
    pads
}

/// S's pad of each element's message.
pub(crate) fn pad(bits: &[ServerBits], hash: &Tccr, first_tweak: u64) -> Wiped<u64> {
    let keys: Vec<&[Block]> = bits.iter().take(2).map(|bits| &bits.keys[..]).collect();
    let mut pads = Wiped::zeros(keys.first().map_or(0, |keys| keys.len()));
    parts::fill(&mut pads, 1, |first, pads| {
        let mut sums = Wiped::zeros(CHUNK);
        for (number, pads) in pads.chunks_mut(CHUNK).enumerate() {
            let start = first + number * CHUNK;
            let sums = &mut sums[..pads.len()];
            combine(&keys, start, sums);
            hash.hash::<1>(first_tweak.wrapping_add(start as u64), sums);
            pads.iter_mut().zip(&*sums).for_each(|(pad, &key)| *pad = u128::from(key) as u64);
        }
    });
    pads
}
