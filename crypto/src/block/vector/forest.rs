//! Trees of seeds, two streams at a time from key to sum.

use super::super::Block;
use super::super::forest::{LEVELS, PIECE, ROUND_KEYS, Sums, To, Trees};
use super::One;
use super::hash::{KEYS, RCON, next_words, transpose};
use super::lanes::Lanes;

/// Vectors of each of the two streams in flight, eight in all: see `counter.rs`. Their two round keys are
/// loaded for each round, so sixteen registers suffice.
const WIDE: usize = 4;

/// Expands and adds up at most as many seeds as `keys` has room for, see
/// [`super::super::forest::Forest::add_up`].
///
/// # Safety
/// The instructions of `V` must be enabled in the caller, see [`Lanes`]. `trees` must be whole ones of at
/// most [`LEVELS`] levels with a base for each seed, and `keys` as long as [`ROUND_KEYS`] times the seeds,
/// rounded up to 16.
#[inline(always)]
pub(super) unsafe fn add_up<V: Lanes>(keys: &mut [Block], trees: Trees<'_>, mut to: To<'_>) {
    let Trees { seeds, bases, k, first, length: all, .. } = trees;
    debug_assert!(keys.len() >= seeds.len().next_multiple_of(16) * ROUND_KEYS && k <= LEVELS);
    let mut room = Sums::ZERO;
    let mut counters = [Block::ZERO; PIECE];
    // SAFETY: the instructions and `keys` are the caller's promise.
    unsafe { schedules::<V>(seeds, bases, keys) };
    for from in (0..all).step_by(PIECE) {
        // What comes behind the end of a piece is computed and not used.
        let length = PIECE.min(all - from).next_multiple_of(WIDE * V::BLOCKS);
        for at in (0..length).step_by(V::BLOCKS) {
            // SAFETY: `PIECE` is a multiple of a vector's blocks, and `length` at most `PIECE`.
            unsafe {
                V::count_from(first.wrapping_add((from + at) as u64)).store(counters.as_mut_ptr().add(at));
            }
        }
        for tree in 0..seeds.len() >> k {
            room.columns[..k].iter_mut().for_each(|column| column[..length].fill(Block::ZERO));
            for pair in 0..1usize << (k - 1) {
                let seed = (tree << k) + 2 * pair;
                for at in (0..length).step_by(WIDE * V::BLOCKS) {
                    // SAFETY: `seed` and `seed + 1` are among the seeds, whose keys are there, and `length`
                    // blocks of each row of `room` and of `counters` are a multiple of those of the vectors
                    // in flight.
                    unsafe { two::<V>(keys, seed, pair, &counters, at, &mut room) };
                }
            }
            trees.put(&room, tree, from, &mut to);
        }
    }
    super::counter::wipe(&mut room.open);
    super::counter::wipe(&mut room.columns);
}

/// Where a round key lies: those of a vector's seeds side by side, round after round.
#[inline(always)]
fn place<V: Lanes>(seed: usize, round: usize) -> usize {
    ((seed / V::BLOCKS) * ROUND_KEYS + round) * V::BLOCKS + seed % V::BLOCKS
}

/// The round keys of all seeds, with the base added to the first.
///
/// # Safety
/// As for [`add_up`].
#[inline(always)]
unsafe fn schedules<V: Lanes>(seeds: &[Block], bases: &[Block], keys: &mut [Block]) {
    let batch = KEYS * V::BLOCKS;
    for (number, (seeds, bases)) in seeds.chunks(batch).zip(bases.chunks(batch)).enumerate() {
        // At most 4 x 4 seeds; a batch at the end is filled up.
        let mut padded = [[Block::ZERO; 16]; 2];
        padded[0][..seeds.len()].copy_from_slice(seeds);
        padded[1][..bases.len()].copy_from_slice(bases);
        let keys = &mut keys[number * batch * ROUND_KEYS..][..batch * ROUND_KEYS];
        // SAFETY: vector `m` of a batch is its blocks from `m * V::BLOCKS` on, of both `padded` (16, at least
        // a batch) and `keys`, where `place` has it round after round; the instructions are the caller's
        // promise.
        unsafe {
            let mut batch = [V::words([0; 4]); KEYS];
            for m in 0..KEYS {
                let at = m * V::BLOCKS;
                batch[m] = V::load(padded[0].as_ptr().add(at));
                let first = batch[m].xor(V::load(padded[1].as_ptr().add(at)));
                first.store(keys.as_mut_ptr().add(place::<V>(at, 0)));
            }
            let mut words = transpose(batch);
            for round in 1..ROUND_KEYS {
                words = next_words(words, RCON[round - 1]);
                let batch = transpose(words);
                for m in 0..KEYS {
                    batch[m].store(keys.as_mut_ptr().add(place::<V>(m * V::BLOCKS, round)));
                }
            }
        }
        super::counter::wipe(&mut padded);
    }
}

/// Adds the blocks from `at` on, `WIDE` vectors, of the streams of `seed` and `seed + 1`, pair number `pair`
/// of its tree.
///
/// # Safety
/// As for [`add_up`]; the round keys of both are in `keys`, and that many blocks from `at` on are within a
/// piece.
#[inline(always)]
unsafe fn two<V: Lanes>(
    keys: &[Block],
    seed: usize,
    pair: usize,
    counters: &[Block; PIECE],
    at: usize,
    room: &mut Sums,
) {
    debug_assert!(at + WIDE * V::BLOCKS <= PIECE);
    // SAFETY: the caller's promises; rows of `room` are `PIECE` blocks.
    unsafe {
        let key = |seed: usize, round| V::splat(One::load(keys.as_ptr().add(place::<V>(seed, round))));
        let (first, second) = (key(seed, 0), key(seed + 1, 0));
        let mut a = [first; WIDE];
        let mut b = [second; WIDE];
        for i in 0..WIDE {
            let counter = V::load(counters.as_ptr().add(at + i * V::BLOCKS));
            a[i] = first.xor(counter);
            b[i] = second.xor(counter);
        }
        for round in 1..ROUND_KEYS - 1 {
            let (first, second) = (key(seed, round), key(seed + 1, round));
            for i in 0..WIDE {
                a[i] = a[i].round(first);
            }
            for i in 0..WIDE {
                b[i] = b[i].round(second);
            }
        }
        let (first, second) = (key(seed, ROUND_KEYS - 1), key(seed + 1, ROUND_KEYS - 1));
        let column = room.columns[0].as_mut_ptr().add(at);
        for i in 0..WIDE {
            a[i] = a[i].last_round(first);
            b[i] = b[i].last_round(second);
            let column = column.add(i * V::BLOCKS);
            V::load(column).xor(b[i]).store(column);
            a[i] = a[i].xor(b[i]);
        }
        // A pair that ends a right subtree of height `bit` has the sum of that subtree added to it, which is
        // all of a column that its numbers add to.
        let ended = 1 + (!pair).trailing_zeros() as usize;
        for bit in 1..ended {
            let column = room.columns[bit].as_mut_ptr().add(at);
            let open = room.open[bit].as_ptr().add(at);
            for i in 0..WIDE {
                let column = column.add(i * V::BLOCKS);
                V::load(column).xor(a[i]).store(column);
                a[i] = a[i].xor(V::load(open.add(i * V::BLOCKS)));
            }
        }
        let open = room.open[ended].as_mut_ptr().add(at);
        for i in 0..WIDE {
            a[i].store(open.add(i * V::BLOCKS));
        }
    }
}
