//! The hash and the generator on the `aes` crate: runs everywhere, and is the oracle of the other backends.

use aes::Aes128;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};

use super::Block;
use super::tccr::sigma;

/// Hashes `groups` in place, group `g` of `PER` blocks under the key `start ^ (first_tweak + g)`.
pub(super) fn hash<const PER: usize>(start: Block, first_tweak: u64, groups: &mut [[Block; PER]]) {
    for (tweak, group) in (0..).map(|g| first_tweak.wrapping_add(g)).zip(groups) {
        let inputs = group.map(sigma);
        for ((block, state), input) in group.iter_mut().zip(encrypt(start, tweak, inputs)).zip(inputs) {
            *block = state ^ input;
        }
    }
}

/// The AES-128 encryptions of `blocks` under the key `start ^ tweak`.
pub(super) fn encrypt<const N: usize>(start: Block, tweak: u64, blocks: [Block; N]) -> [Block; N] {
    let cipher = Aes128::new(&(start ^ Block::from(u128::from(tweak))).0.into());
    let mut states: [_; N] = blocks.map(|x| Array::from(x.0));
    cipher.encrypt_blocks(&mut states);
    states.map(|state| Block(state.0))
}

/// Fills `out` with the AES-128 encryptions under `key` of the counters `first`, `first + 1`, ...
pub(super) fn counter(key: Block, first: u64, out: &mut [Block]) {
    // As many counters at a time as the bitsliced and the hardware code of the crate profit from.
    const WIDE: usize = 32;
    let cipher = Aes128::new(&key.0.into());
    let mut next = first;
    for chunk in out.chunks_mut(WIDE) {
        let mut states = [Array::from([0; 16]); WIDE];
        let states = &mut states[..chunk.len()];
        for state in states.iter_mut() {
            state.0 = Block::from(u128::from(next)).0;
            next = next.wrapping_add(1);
        }
        cipher.encrypt_blocks(states);
        for (block, state) in chunk.iter_mut().zip(states) {
            *block = Block(state.0);
        }
    }
}
