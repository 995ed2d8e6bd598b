//! Transposition of a bit matrix: 128 columns of n bits become n rows of 128 bits.

use super::COLUMNS;
use crate::block::Block;

/// The first `count` rows of a matrix whose column `c` is the blocks from `c * stride` on.
///
/// Bit `c` of row `j` is bit `j % 128` of block `j / 128` of column `c`. `columns` holds 128 columns of
/// `stride` blocks, and `count <= 128 * stride`.
pub(super) fn rows(columns: &[Block], stride: usize, count: usize) -> Vec<Block> {
    debug_assert!(columns.len() == COLUMNS * stride && count <= COLUMNS * stride);
    let mut rows = Vec::with_capacity(count.next_multiple_of(COLUMNS));
    let mut square = Square { low: [0; COLUMNS], high: [0; COLUMNS] };
    for j in 0..count.div_ceil(COLUMNS) {
        for ((low, high), column) in
            square.low.iter_mut().zip(&mut square.high).zip(columns.chunks_exact(stride))
        {
            let column = u128::from(column[j]);
            (*low, *high) = (column as u64, (column >> 64) as u64);
        }
        square.transpose();
        rows.extend(
            square
                .low
                .iter()
                .zip(&square.high)
                .map(|(&low, &high)| Block::from(u128::from(low) | u128::from(high) << 64)),
        );
    }
    rows.truncate(count);
    rows
}

/// 128 x 128 bits: row `r` is `low[r]` (bits 0 to 63) and `high[r]`.
struct Square {
    low: [u64; COLUMNS],
    high: [u64; COLUMNS],
}

impl Square {
    /// Swaps the off-diagonal quarters of the square, then those of each quarter, and so on down to single
    /// bits (Warren, Hacker's Delight, §7-3). In halves of 64 bits, so that the compiler finds vectors in the
    /// inner loops.
    fn transpose(&mut self) {
        for (high, low) in self.high[..64].iter_mut().zip(&mut self.low[64..]) {
            core::mem::swap(high, low);
        }
        for half in [&mut self.low, &mut self.high] {
            stage::<32>(half, 0x0000_0000_ffff_ffff);
            stage::<16>(half, 0x0000_ffff_0000_ffff);
            stage::<8>(half, 0x00ff_00ff_00ff_00ff);
            stage::<4>(half, 0x0f0f_0f0f_0f0f_0f0f);
            stage::<2>(half, 0x3333_3333_3333_3333);
            stage::<1>(half, 0x5555_5555_5555_5555);
        }
    }
}

/// Swaps quarters of `WIDTH` x `WIDTH` bits; `mask` has the lower `WIDTH` of every `2 * WIDTH` bits.
#[inline(always)]
fn stage<const WIDTH: usize>(words: &mut [u64; COLUMNS], mask: u64) {
    for pair in words.chunks_exact_mut(2 * WIDTH) {
        let (upper, lower) = pair.split_at_mut(WIDTH);
        for (upper, lower) in upper.iter_mut().zip(lower) {
            let swap = (*upper >> WIDTH ^ *lower) & mask;
            *upper ^= swap << WIDTH;
            *lower ^= swap;
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
        for (stride, count) in [(1, 0), (1, 1), (1, 128), (2, 129), (3, 300), (3, 384)] {
            let columns: Vec<Block> = (0..COLUMNS * stride).map(|_| Block::random(&mut rng)).collect();
            let rows = rows(&columns, stride, count);
            assert_eq!(rows.len(), count);
            for (j, &row) in rows.iter().enumerate() {
                for c in 0..COLUMNS {
                    assert_eq!(
                        bit(row, c),
                        bit(columns[c * stride + j / 128], j % 128),
                        "row {j}, column {c}"
                    );
                }
            }
        }
    }
}
