//! One key from several rows of one Delta: `H(sum x^i row_i, tweak)`, sums over GF(2^128).
//!
//! The field is `GF(2)[x] / (x^128 + x^7 + x^2 + x + 1)`, bit i of a little-endian block being x^i. Entry j
//! of a table has the key of the rows `K_i + j_i Delta`, that is of `sum x^i K_i + j(x) Delta` with `j(x) =
//! sum j_i x^i`: no two entries share a key, and keys are not hashed one by one and added, which would leave
//! sums of pads that are zero.

use xonn_crypto::Wiped;
use xonn_crypto::block::Block;

/// Elements that are hashed together: so many that the hash is fast, and few enough for the first cache.
pub(super) const CHUNK: usize = 64;

/// Times x.
#[inline(always)]
pub fn times_x(block: Block) -> Block {
    let bits = u128::from(block);
    // x^128 = x^7 + x^2 + x + 1
    Block::from((bits << 1) ^ (0x87 & (bits >> 127).wrapping_neg()))
}

/// `j(x) Delta` for all j of so many bits, in order.
pub fn multiples(delta: Block, bits: u32) -> Wiped<Block> {
    let mut all = Wiped::zeros(1 << bits);
    let mut power = delta;
    for i in 0..bits {
        for j in 0..1 << i {
            all[(1 << i) + j] = all[j] ^ power;
        }
        power = times_x(power);
    }
    all
}

/// `sum x^i rows_i` of a chunk of elements into `sums`, the rows from the highest power down.
#[inline(always)]
pub(super) fn horner<'a>(sums: &mut [Block], rows: impl DoubleEndedIterator<Item = &'a [Block]>) {
    sums.fill(Block::ZERO);
    for row in rows.rev() {
        sums.iter_mut().zip(row).for_each(|(sum, &row)| *sum = times_x(*sum) ^ row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Multiplication by its definition, bit by bit.
    fn product(a: u128, b: u128) -> u128 {
        let times_x = |v: u128| if v >> 127 == 1 { (v << 1) ^ 0x87 } else { v << 1 };
        (0..128).rev().fold(0, |sum, i| times_x(sum) ^ if b >> i & 1 == 1 { a } else { 0 })
    }

    #[test]
    fn multiples_are_those_of_the_field() {
        let delta = 0xf3a5_0123_4567_89ab_cdef_0011_2233_4455_u128;
        for (j, multiple) in multiples(Block::from(delta), 7).iter().enumerate() {
            assert_eq!(u128::from(*multiple), product(delta, j as u128), "{j}");
        }
        assert_eq!(u128::from(times_x(Block::from(1 << 127))), 0x87);
    }

    #[test]
    fn horner_is_the_sum_of_powers() {
        let rows: Vec<[Block; 2]> = (1..6u128).map(|i| [i << 120, i << 125 | 3].map(Block::from)).collect();
        let mut sums = [Block::ZERO; 2];
        horner(&mut sums, rows.iter().map(|row| &row[..]));
        for (e, sum) in sums.iter().enumerate() {
            let expected =
                rows.iter().enumerate().fold(0, |sum, (i, row)| sum ^ product(row[e].into(), 1 << i));
            assert_eq!(u128::from(*sum), expected);
        }
    }
}
