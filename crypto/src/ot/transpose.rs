//! Transposition of a bit matrix: 128 columns of n bits become n rows of 128 bits.

use zeroize::Zeroize;

use super::COLUMNS;
use crate::block::{Block, Loop, vectorised};

/// Transposes squares of 128 x 128 bits in place, each 128 blocks: bit `c` of block `r` becomes bit `r` of
/// block `c`.
///
/// So columns that lie block after block, for each block all 128 of them, become rows in their order.
///
/// # Panics
/// If there is part of a square.
pub(super) fn rows(squares: &mut [Block]) {
    let (squares, rest) = squares.as_chunks_mut::<COLUMNS>();
    assert!(rest.is_empty(), "whole squares");
    vectorised(Squares(squares));
}

struct Squares<'a>(&'a mut [[Block; COLUMNS]]);

impl Loop for Squares<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let mut square = Square([0; 4 * HALF]);
        for rows in self.0 {
            let (first, second) = rows.split_at_mut(HALF);
            let words = square.0.as_chunks_mut::<4>().0.iter_mut();
            for (words, (first, second)) in words.zip(first.iter().zip(&*second)) {
                let (first, second) = (u128::from(*first), u128::from(*second));
                *words = [first as u64, (first >> 64) as u64, second as u64, (second >> 64) as u64];
            }
            square.transpose();
            let words = square.0.as_chunks::<4>().0.iter();
            for (words, (first, second)) in words.zip(first.iter_mut().zip(second)) {
                // The off-diagonal quarters are exchanged on the way out.
                *first = Block::from(u128::from(words[0]) | u128::from(words[2]) << 64);
                *second = Block::from(u128::from(words[1]) | u128::from(words[3]) << 64);
            }
        }
        square.0.zeroize();
    }
}

/// Rows of half a square.
const HALF: usize = COLUMNS / 2;

/// 128 x 128 bits: words `4 r` to `4 r + 3` are bits 0 to 63 and 64 to 127 of row `r`, then those of row `r +
/// 64`. So four quarters of 64 x 64 bits lie side by side, and all steps below do the same to all of them:
/// vectors of any width do.
struct Square([u64; 4 * HALF]);

impl Square {
    /// Each quarter by itself: swaps its off-diagonal quarters, then those of each quarter, and so on down to
    /// single bits (Warren, Hacker's Delight, §7-3).
    #[inline(always)]
    fn transpose(&mut self) {
        self.stage::<32>(0x0000_0000_ffff_ffff);
        self.stage::<16>(0x0000_ffff_0000_ffff);
        self.stage::<8>(0x00ff_00ff_00ff_00ff);
        self.stage::<4>(0x0f0f_0f0f_0f0f_0f0f);
        self.stage::<2>(0x3333_3333_3333_3333);
        self.stage::<1>(0x5555_5555_5555_5555);
    }

    /// Swaps quarters of `WIDTH` x `WIDTH` bits; `mask` has the lower `WIDTH` of every `2 * WIDTH` bits.
    #[inline(always)]
    fn stage<const WIDTH: usize>(&mut self, mask: u64) {
        for pair in self.0.chunks_exact_mut(8 * WIDTH) {
            let (upper, lower) = pair.split_at_mut(4 * WIDTH);
            for (upper, lower) in upper.iter_mut().zip(lower) {
                let swap = (*upper >> WIDTH ^ *lower) & mask;
                *upper ^= swap << WIDTH;
                *lower ^= swap;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use chacha20::ChaCha12Rng;
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn every_bit_goes_to_its_place() {
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        let bit = |block: Block, at: usize| u128::from(block) >> at & 1;
        for squares in 0..4 {
            let columns: Vec<Block> = (0..COLUMNS * squares).map(|_| Block::random(&mut rng)).collect();
            let mut rows = columns.clone();
            super::rows(&mut rows);
            for (at, &row) in rows.iter().enumerate() {
                let (square, r) = (at / COLUMNS * COLUMNS, at % COLUMNS);
                assert!((0..COLUMNS).all(|c| bit(row, c) == bit(columns[square + c], r)), "row {at}");
            }
        }
    }
}
