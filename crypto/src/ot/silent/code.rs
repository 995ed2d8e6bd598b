//! The local code: each row of the output is the sum of ten rows of the word.
//!
//! Which ten is public and follows from the session: AES-128 in counter mode makes numbers of 32 bits, of
//! which the lowest give the places. Numbers may repeat. Rows of the word are secret, their places are not,
//! so the memory accesses tell nothing.

use super::set::{Set, WEIGHT};
use crate::block::{Block, Loop, Prg, vectorised};
use crate::ot::SessionId;
use crate::ot::oracle::oracle_block;

/// Rows whose places are drawn at a time.
const RUN: usize = 128;
/// Blocks of the generator for that.
const BLOCKS: usize = RUN * WEIGHT / 4;

/// The code of one connection and direction.
#[derive(Clone, Copy)]
pub(crate) struct Code {
    /// Public.
    seed: Block,
}

impl Code {
    pub fn new(session: &SessionId, transcript: &[u8; 64]) -> Self {
        Self { seed: oracle_block("silent: code", session, &[transcript]) }
    }

    /// Adds the code's rows that belong to tree `tree` of round `round` to `leaves`.
    pub fn add(&self, set: Set, (round, tree): (u64, usize), word: &[Block], leaves: &mut [Block]) {
        // Trees are whole runs, and rounds have streams of their own.
        let base = Block::from(u128::from(round) << 64);
        let places = Prg::based(self.seed, base, (tree * leaves.len() / RUN * BLOCKS) as u64);
        match set {
            Set::B10 => vectorised(Add::<{ Set::B10.word() }>::new(places, word, leaves)),
            Set::B11 => vectorised(Add::<{ Set::B11.word() }>::new(places, word, leaves)),
            Set::B12 => vectorised(Add::<{ Set::B12.word() }>::new(places, word, leaves)),
            Set::B13 => vectorised(Add::<{ Set::B13.word() }>::new(places, word, leaves)),
        }
    }
}

/// With the length a constant, a place needs no check of bounds.
struct Add<'a, const WORD: usize> {
    places: Prg,
    word: &'a [Block; WORD],
    leaves: &'a mut [Block],
}

impl<'a, const WORD: usize> Add<'a, WORD> {
    fn new(places: Prg, word: &'a [Block], leaves: &'a mut [Block]) -> Self {
        Self { places, word: word.try_into().expect("a word of the set's length"), leaves }
    }
}

impl<const WORD: usize> Loop for Add<'_, WORD> {
    type Output = ();

    #[inline(always)]
    fn run(mut self) {
        let mut blocks = [Block::ZERO; BLOCKS];
        for leaves in self.leaves.chunks_exact_mut(RUN) {
            self.places.fill(&mut blocks);
            let places = Block::as_bytes(&blocks).as_chunks::<4>().0.as_chunks::<WEIGHT>().0;
            for (leaf, places) in leaves.iter_mut().zip(places) {
                let mut sum = u128::from(*leaf);
                for &place in places {
                    sum ^= u128::from(self.word[u32::from_le_bytes(place) as usize & (WORD - 1)]);
                }
                *leaf = Block::from(sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the sums as the module doc writes them.
    #[test]
    fn a_row_is_the_sum_of_ten_places() {
        let code = Code::new(&[1; 32], &[2; 64]);
        let word: Vec<Block> =
            (0..Set::B10.word() as u128).map(|i| Block::from(1 << (i % 128) | i << 64)).collect();
        for (round, tree) in [(0, 0), (0, 3), (2, 849)] {
            let mut leaves = vec![Block::from(5); Set::B10.leaves()];
            code.add(Set::B10, (round, tree), &word, &mut leaves);
            let mut stream = vec![Block::ZERO; Set::B10.leaves() * 10 / 4];
            let first = tree * stream.len();
            Prg::based(code.seed, Block::from(u128::from(round) << 64), first as u64).fill(&mut stream);
            let bytes = Block::as_bytes(&stream);
            for (row, leaf) in leaves.iter().enumerate() {
                let sum = (0..10).fold(Block::from(5), |sum, i| {
                    let at = 40 * row + 4 * i;
                    let place = usize::from(bytes[at]) | usize::from(bytes[at + 1]) << 8;
                    sum ^ word[place]
                });
                assert_eq!(*leaf, sum, "round {round}, tree {tree}, row {row}");
            }
        }
    }

    #[test]
    fn every_tree_round_and_session_has_places_of_its_own() {
        let word: Vec<Block> = (0..Set::B10.word() as u128).map(Block::from).collect();
        let mut seen = std::collections::HashSet::new();
        for (session, transcript) in [(1, 2), (1, 3), (2, 2)] {
            let code = Code::new(&[session; 32], &[transcript; 64]);
            for at in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                let mut leaves = vec![Block::ZERO; Set::B10.leaves()];
                code.add(Set::B10, at, &word, &mut leaves);
                assert!(seen.insert(Block::as_bytes(&leaves[..4]).to_vec()), "{session} {transcript} {at:?}");
            }
        }
    }
}
