//! The hash and the generator on the `aes` crate: runs everywhere, and is the oracle of the other backends.

use std::array::from_fn;

use aes::Aes128;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use zeroize::Zeroize;

use super::tccr::{SHARING, sigma};
use super::{Block, LANES};

/// As many blocks at a time as the bitsliced and the hardware code of the crate profit from.
const WIDE: usize = 32;

/// Hashes `groups` in place, group `g` of `PER` blocks under the key `start ^ (first_tweak + g)`.
pub(super) fn hash<const PER: usize>(start: Block, first_tweak: u64, groups: &mut [[Block; PER]]) {
    for (tweak, group) in (0..).map(|g| first_tweak.wrapping_add(g)).zip(groups) {
        let inputs = group.map(sigma);
        *group = inputs;
        Cipher::new(start, tweak).encrypt(group);
        group.iter_mut().zip(inputs).for_each(|(block, input)| *block ^= input);
    }
}

/// Hashes in place, block `p * groups + g` under the key `start ^ (first_tweak + g)`.
pub(super) fn hash_strided(start: Block, first_tweak: u64, groups: usize, blocks: &mut [Block]) {
    let mut inputs = vec![Block::ZERO; blocks.len() / groups];
    let mut states = inputs.clone();
    for g in 0..groups {
        let column = blocks.iter().skip(g).step_by(groups);
        inputs.iter_mut().zip(column).for_each(|(input, &block)| *input = sigma(block));
        states.copy_from_slice(&inputs);
        Cipher::new(start, first_tweak.wrapping_add(g as u64)).encrypt(&mut states);
        let column = blocks.iter_mut().skip(g).step_by(groups);
        for (block, (&state, &input)) in column.zip(states.iter().zip(&inputs)) {
            *block = state ^ input;
        }
    }
    inputs.zeroize();
    states.zeroize();
}

/// AES-128 under one key.
pub(super) struct Cipher(Aes128);

impl Cipher {
    /// Under the key `start ^ tweak`.
    pub fn new(start: Block, tweak: u64) -> Self {
        Self(Aes128::new(&(start ^ Block::from(u128::from(tweak))).0.into()))
    }

    /// Those of a gate's lanes, [`SHARING`] after the other under one key.
    pub fn of_gate(start: Block, tweak: u64) -> [Self; LANES / SHARING] {
        from_fn(|key| Self::new(start, tweak.wrapping_add(key as u64)))
    }

    /// Encrypts blocks in place.
    pub fn encrypt(&self, blocks: &mut [Block]) {
        for chunk in blocks.chunks_mut(WIDE) {
            let mut states = [Array::from([0; 16]); WIDE];
            let states = &mut states[..chunk.len()];
            states.iter_mut().zip(&*chunk).for_each(|(state, block)| state.0 = block.0);
            self.0.encrypt_blocks(states);
            chunk.iter_mut().zip(states).for_each(|(block, state)| block.0 = state.0);
        }
    }
}

/// Fills `out` with the AES-128 encryptions under `key` of `base ^ first`, `base ^ (first + 1)`, ... The
/// crate wipes the round keys.
pub(super) fn counter(key: Block, base: Block, first: u64, out: &mut [Block]) {
    let cipher = Aes128::new(&key.0.into());
    let mut next = first;
    for chunk in out.chunks_mut(WIDE) {
        let mut states = [Array::from([0; 16]); WIDE];
        let states = &mut states[..chunk.len()];
        for state in states.iter_mut() {
            state.0 = (base ^ Block::from(u128::from(next))).0;
            next = next.wrapping_add(1);
        }
        cipher.encrypt_blocks(states);
        for (block, state) in chunk.iter_mut().zip(states) {
            *block = Block(state.0);
        }
    }
}
