//! The consistency check of a round: leaves hashed by a challenge, and what makes both hosts' hashes equal.
//!
//! Yang, Weng, Lan, Zhang and Wang, CCS 2020. With v_i and w_i the leaves of sender and receiver, w_i = v_i +
//! \[i is noise\] Delta, and weights chi_i that nobody knew before the corrections,
//!
//! ```text
//! sum chi_i w_i = sum chi_i v_i + (sum of chi_i over the noise) Delta.
//! ```
//!
//! The receiver sends that last sum masked by the choices of 128 rows, the sender adds it times Delta, and
//! the keys of these rows, and answers with a hash of what it has.
//!
//! Here the weights of a tree of n leaves are K^n, ..., K^2, K, with a K for each tree from the transcript:
//! the sum is POLYVAL of the leaves, and errors that are fixed before K go unnoticed for at most n of 2^128
//! values of it. All is in POLYVAL's field (RFC 8452), GF(2)\[X\] modulo X^128 + X^127 + X^126 + X^121 + 1,
//! bit i of a block being X^i. `dot(a, b)` is a b X^-128, as there; K is the challenge times X^-128, and a
//! "bar" is a number times X^128, so that `dot` of two bars is a bar, and of a bar and a plain number is
//! plain.

use polyval::Polyval;
use polyval::universal_hash::UniversalHash;
use zeroize::Zeroize;

use super::set::MASKS;
use crate::block::{Block, mask};
use crate::ot::SessionId;
use crate::ot::oracle::oracle;

/// What X^128 is: the one, as a bar.
const ONE: u128 = 1 << 127 | 1 << 126 | 1 << 121 | 1;

/// The transcript with a tree's corrections in it, and the tree's challenge, which is part of that: both are
/// public.
pub(crate) fn challenge(session: &SessionId, transcript: &mut [u8; 64], corrections: &[u8]) -> Block {
    *transcript = oracle("silent: tree", session, &[&*transcript, corrections]);
    Block::from_bytes(core::array::from_fn(|i| transcript[i]))
}

/// The weighted sum of a tree's leaves.
pub(crate) fn weigh(key: Block, leaves: &[Block]) -> Block {
    let mut hash = Polyval::new(&key.to_bytes().into());
    let (blocks, _) = Block::as_bytes(leaves).as_chunks::<16>();
    hash.update(polyval::Block::cast_slice_from_core(blocks));
    Block::from_bytes(hash.finalize().into())
}

/// The weight of leaf `place` of `leaves`, a power of two, as a bar. No step depends on the place.
pub(crate) fn weight(key: Block, leaves: usize, place: usize) -> Block {
    let one = Block::from(ONE);
    // K^(leaves - place) = K^((leaves - 1 - place) + 1); the first factor's exponent is the inverted bits.
    let (exponent, mut square, mut product) = (leaves - 1 - place, key, key);
    for bit in 0..leaves.trailing_zeros() {
        let factor = one ^ (one ^ square).masked_by(mask(exponent >> bit & 1 == 1));
        product = dot(product, factor);
        square = dot(square, square);
    }
    product
}

/// The sum of X^j times row j, of the rows that mask the check, times X^-128.
pub(crate) fn packed(masks: &[Block]) -> Block {
    debug_assert_eq!(masks.len(), MASKS);
    let mut sum = 0;
    for &row in masks.iter().rev() {
        sum = times_x(sum) ^ u128::from(row);
    }
    dot(Block::from(sum), Block::from(1))
}

/// The choices of the rows that mask the check.
pub(crate) fn choices(masks: &[Block]) -> Block {
    Block::from(masks.iter().rev().fold(0, |bits: u128, row| bits << 1 | u128::from(row.lsb())))
}

/// What the sender proves that it has; the transcript goes on with the receiver's mask.
pub(crate) fn answer(session: &SessionId, transcript: &mut [u8; 64], masked: Block, sum: Block) -> [u8; 32] {
    *transcript = oracle("silent: mask", session, &[&*transcript, &masked.to_bytes()]);
    let mut hash = oracle("silent: answer", session, &[&*transcript, &sum.to_bytes()]);
    let answer = core::array::from_fn(|i| hash[i]);
    hash.zeroize();
    answer
}

/// a b X^-128.
pub(crate) fn dot(a: Block, b: Block) -> Block {
    weigh(a, &[b])
}

fn times_x(a: u128) -> u128 {
    let carry = u128::from(mask(a >> 127 == 1));
    a << 1 ^ (ONE & (carry | carry << 64))
}

#[cfg(test)]
mod tests {
    use chacha20::ChaCha12Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// a b by the definition.
    fn times(a: u128, b: u128) -> u128 {
        (0..128).rev().fold(0, |sum, i| times_x(sum) ^ if b >> i & 1 == 1 { a } else { 0 })
    }

    #[test]
    fn the_field_is_that_of_polyval() {
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        for _ in 0..50 {
            let (a, b): (u128, u128) = (rng.random(), rng.random());
            let product = dot(Block::from(a), Block::from(b));
            assert_eq!(
                u128::from(product),
                times(times(a, b), u128::from(dot(Block::from(1), Block::from(1))))
            );
            // X^-128 is what `dot` takes away, and the bar puts back.
            assert_eq!(dot(Block::from(ONE), Block::from(a)), Block::from(a));
        }
    }

    #[test]
    fn a_leafs_weight_is_its_factor_in_the_sum() {
        let mut rng = ChaCha12Rng::seed_from_u64(2);
        for leaves in [4usize, 64, 1024] {
            let key = Block::random(&mut rng);
            let mut tree = vec![Block::ZERO; leaves];
            for place in [0, 1, leaves / 2, leaves - 2, leaves - 1] {
                let value = Block::random(&mut rng);
                tree[place] = value;
                assert_eq!(weigh(key, &tree), dot(weight(key, leaves, place), value), "{place} of {leaves}");
                tree[place] = Block::ZERO;
            }
        }
    }

    #[test]
    fn masks_fit_their_choices() {
        let mut rng = ChaCha12Rng::seed_from_u64(3);
        let delta = Block::random(&mut rng).with_lsb_set();
        let keys: Vec<Block> =
            (0..128).map(|_| Block::from(u128::from(Block::random(&mut rng)) & !1)).collect();
        let rows: Vec<Block> = keys.iter().map(|&key| key ^ delta.masked(rng.random())).collect();
        assert_eq!(packed(&rows), packed(&keys) ^ dot(choices(&rows), delta));
        // Each mask counts.
        for j in 0..128 {
            let mut other = rows.clone();
            other[j] ^= Block::from(2);
            assert_ne!(packed(&other), packed(&rows), "row {j}");
        }
    }

    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    #[test]
    fn a_weight_takes_the_same_steps_for_all_places() {
        crate::block::steps::assert_same_steps("weight", &[0, 1023, 77, 512], |&place| {
            weight(Block::from(0x1234_5678_9abc_def0 << 60), 1024, place)
        });
        let rows = [[Block::ZERO; 128], [Block::from(u128::MAX); 128], [Block::from(5 << 125); 128]];
        crate::block::steps::assert_same_steps("masks", &rows, |rows| (packed(rows), choices(rows)));
    }
}
