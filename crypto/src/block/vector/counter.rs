//! AES-128 in counter mode under one key.

use super::super::Block;
use super::One;
use super::hash::RCON;
use super::lanes::Lanes;

/// Vectors in flight: a round takes 3 to 5 cycles and one or two can start in each, so eight keep the units
/// busy.
const WIDE: usize = 8;

/// Fills `out` with the encryptions under `key` of `base ^ first`, `base ^ (first + 1)`, ... (the counter
/// modulo 2^64). The round keys are wiped from the stack; what the compiler spilled of them elsewhere is out
/// of reach.
///
/// # Safety
/// The instructions of `V` must be enabled in the caller, see [`Lanes`].
#[inline(always)]
pub(super) unsafe fn fill<V: Lanes>(key: Block, base: Block, first: u64, out: &mut [Block]) {
    // SAFETY: each pointer is to a slice or an array of at least the `batch` blocks that `encrypt` writes
    // (`V::BLOCKS` is at most 4); the instructions are the caller's promise.
    unsafe {
        let mut schedule = key_schedule(One::load(&key));
        let mut keys = [V::splat(schedule[0]); 11];
        for (to, &from) in keys.iter_mut().zip(&schedule) {
            *to = V::splat(from);
        }
        wipe(&mut schedule);
        // The base goes into the first round key, so that it costs nothing.
        keys[0] = keys[0].xor(V::splat(One::load(&base)));
        let batch = WIDE * V::BLOCKS;
        let mut next = first;
        let mut whole = out.chunks_exact_mut(batch);
        for chunk in &mut whole {
            encrypt::<V>(&keys, next, chunk.as_mut_ptr());
            next = next.wrapping_add(batch as u64);
        }
        let rest = whole.into_remainder();
        if !rest.is_empty() {
            let mut padded = [Block::ZERO; WIDE * 4];
            encrypt::<V>(&keys, next, padded.as_mut_ptr());
            rest.copy_from_slice(&padded[..rest.len()]);
            wipe(&mut padded);
        }
        wipe(&mut keys);
    }
}

/// Overwrites round keys or what they made, in a way that is not optimised away.
#[inline(always)]
pub(super) fn wipe<T: Copy, const N: usize>(secret: &mut [T; N]) {
    // SAFETY: blocks and vectors of them are valid whatever their bytes are, zeros too, and the pointer is to
    // one of the array.
    secret.iter_mut().for_each(|one| unsafe { core::ptr::write_volatile(one, core::mem::zeroed()) });
    core::sync::atomic::compiler_fence(core::sync::atomic::Ordering::SeqCst);
}

/// Writes the encryptions of `WIDE * V::BLOCKS` counters from `first` on.
///
/// # Safety
/// That many blocks can be written at `to`, and the instructions of `V` are enabled in the caller.
#[inline(always)]
unsafe fn encrypt<V: Lanes>(keys: &[V; 11], first: u64, to: *mut Block) {
    unsafe {
        let mut states = [keys[0]; WIDE];
        for (i, state) in states.iter_mut().enumerate() {
            *state = state.xor(V::count_from(first.wrapping_add((i * V::BLOCKS) as u64)));
        }
        for &key in &keys[1..10] {
            for state in &mut states {
                *state = state.round(key);
            }
        }
        // By reference, for an array that is iterated by value is copied first.
        for (i, state) in states.iter().enumerate() {
            state.last_round(keys[10]).store(to.add(i * V::BLOCKS));
        }
    }
}

/// Words 0, 1 and 2 moved one place up, and word 0 cleared: an index of [`Lanes::shuffle`].
const UP_ONE: [u32; 4] = [!0, 0x0302_0100, 0x0706_0504, 0x0b0a_0908];

/// Words 0 and 1 moved two places up, and both cleared.
const UP_TWO: [u32; 4] = [!0, !0, 0x0302_0100, 0x0706_0504];

/// The eleven round keys of `key`, FIPS 197 §5.2.
///
/// # Safety
/// The instructions of [`One`] are enabled in the caller.
#[inline(always)]
unsafe fn key_schedule(key: One) -> [One; 11] {
    unsafe {
        let mut keys = [key; 11];
        for round in 0..RCON.len() {
            let key = keys[round];
            // RotWord of word 3 in all four words: ShiftRows leaves equal words as they are, SubBytes is
            // SubWord.
            let rotated = key.shuffle(One::words([0x0c0f_0e0d; 4]));
            let change = rotated.last_round(One::words([RCON[round]; 4]));
            // Word i of the sum is the sum of words 0 to i.
            let sum = key.xor(key.shuffle(One::words(UP_ONE)));
            keys[round + 1] = sum.xor3(sum.shuffle(One::words(UP_TWO)), change);
        }
        keys
    }
}
