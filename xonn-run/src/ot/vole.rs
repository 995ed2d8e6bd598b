//! Seeds to columns: the small-field VOLE of SoftSpokenOT, and the universal hash that checks it.
//!
//! Roy, "SoftSpokenOT", CRYPTO 2022, §3 (small-field VOLE) and §4 (subspace VOLE and its check). One tree of
//! 2^k seeds gives, for each position j of a long vector, the bits `r_x[j]` of the seeds' streams. With the
//! field elements x as bit strings of length k the client has
//!
//! ```text
//! u[j] = sum over x of r_x[j],   v[j] = sum over x of x * r_x[j],
//! ```
//!
//! and the server, who has all seeds but that at its secret D, has
//!
//! ```text
//! w[j] = sum over x of (x + D) * r_x[j] = v[j] + D * u[j],
//! ```
//!
//! in which the missing seed has the factor 0. So with the server's seeds kept in the order of y = x + D both
//! hosts run the same code. Only additions and factors from GF(2) occur: v and w are k columns of bits each.

use polyval::Polyval;
use polyval::universal_hash::UniversalHash;

use super::pprf::tweak;
use crate::block::{Block, Prg, mask};

/// Blocks expanded at a time: 16 buffers of 1 KiB and what they are added to stay in a first cache of 32 KiB.
const PIECE: usize = 64;

/// The most field bits, see [`super::Params`].
const MAX_FIELD_BITS: usize = 8;

/// Expands one tree from block `first` of its streams on.
///
/// * `seeds`: 2^k seeds, by x at the client, by y = x + D at the server (whose seed 0 counts for `sum` only).
/// * `base`: where the counters of seed x = 0 begin; `moved`: 0 at the client, D at the server.
/// * `columns`: k columns of `sum.len()` blocks, overwritten; column b is the sum of the streams whose index
///   has bit b.
/// * `sum`: overwritten with the sum of all streams.
pub(super) fn expand_tree(
    seeds: &[Block],
    (base, moved): (Block, usize),
    first: u64,
    columns: &mut [Block],
    sum: &mut [Block],
) {
    let stride = sum.len();
    columns.fill(Block::ZERO);
    let mut open = [[Block::ZERO; PIECE]; MAX_FIELD_BITS];
    let mut stream = [Block::ZERO; PIECE];
    for (piece, sum) in sum.chunks_mut(PIECE).enumerate() {
        let from = piece * PIECE;
        let stream = &mut stream[..sum.len()];
        for (index, &seed) in seeds.iter().enumerate() {
            let base = base ^ tweak(0, 0, index ^ moved);
            Prg::based(seed, base, first + from as u64).fill(stream);
            // The sums of subtrees whose right sibling is still to come are `open`. A stream that ends a
            // right subtree of height `bit` has the subtree's sum added to it; that sum is all of a column
            // that its index range adds to.
            let ended = (!index).trailing_zeros() as usize;
            for (bit, open) in open.iter().enumerate().take(ended) {
                add(&mut columns[bit * stride + from..][..stream.len()], stream);
                add(stream, open);
            }
            match index + 1 < seeds.len() {
                true => open[ended][..stream.len()].copy_from_slice(stream),
                false => sum.copy_from_slice(stream),
            }
        }
    }
}

/// `to ^= from`, over the shorter length.
pub(super) fn add(to: &mut [Block], from: &[Block]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to ^= from;
    }
}

/// `to ^= from` if `bit` is 1, in the same time if it is 0.
pub(super) fn add_masked(to: &mut [Block], from: &[Block], bit: bool) {
    let mask = mask(bit);
    for (to, &from) in to.iter_mut().zip(from) {
        *to ^= from.masked_by(mask);
    }
}

/// The F_2-linear universal hash that the consistency check is made of.
///
/// For a column of m blocks and a mask block: POLYVAL (RFC 8452) of the m blocks under the challenge, plus
/// the mask. Two different columns collide for at most m of the 2^128 challenges; and as the mask is uniform,
/// the hash of a column tells nothing of the m blocks.
pub(super) struct ColumnHash(Polyval);

impl ColumnHash {
    pub(super) fn new(challenge: Block) -> Self {
        Self(Polyval::new(&challenge.to_bytes().into()))
    }

    /// The hash of a column whose last block is the mask.
    pub(super) fn hash(&self, column: &[Block]) -> Block {
        let Some((&mask, blocks)) = column.split_last() else { return Block::ZERO };
        let (blocks, _) = Block::as_bytes(blocks).as_chunks::<16>();
        let mut hash = self.0.clone();
        hash.update(polyval::Block::cast_slice_from_core(blocks));
        Block::from_bytes(hash.finalize().into()) ^ mask
    }
}

#[cfg(test)]
mod tests {
    use chacha20::ChaCha12Rng;
    use rand::SeedableRng;

    use super::*;

    /// Against the sums as the module doc writes them, for lengths around the piece.
    #[test]
    fn columns_are_the_weighted_sums() {
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        for (k, stride) in [(1, 1), (2, 3), (4, 64), (4, 65), (8, 2), (8, 130)] {
            let seeds: Vec<Block> = (0..1 << k).map(|_| Block::random(&mut rng)).collect();
            let (mut columns, mut sum) = (vec![Block::from(9); k * stride], vec![Block::from(9); stride]);
            let base = Block::from(0x1234_5678 << 80);
            expand_tree(&seeds, (base, 1), 5, &mut columns, &mut sum);
            let (mut expected, mut expected_sum) = (vec![Block::ZERO; k * stride], vec![Block::ZERO; stride]);
            for (index, &seed) in seeds.iter().enumerate() {
                let mut stream = vec![Block::ZERO; 5 + stride];
                Prg::based(seed, base ^ tweak(0, 0, index ^ 1), 0).fill(&mut stream);
                add(&mut expected_sum, &stream[5..]);
                for (bit, column) in expected.chunks_mut(stride).enumerate() {
                    add_masked(column, &stream[5..], index >> bit & 1 == 1);
                }
            }
            assert_eq!((columns, sum), (expected, expected_sum), "k = {k}, {stride} blocks");
        }
    }

    #[test]
    fn the_hash_is_linear_and_sees_every_block() {
        let mut rng = ChaCha12Rng::seed_from_u64(2);
        let hash = ColumnHash::new(Block::random(&mut rng));
        for len in 1..12 {
            let a: Vec<Block> = (0..len).map(|_| Block::random(&mut rng)).collect();
            let b: Vec<Block> = (0..len).map(|_| Block::random(&mut rng)).collect();
            let mut both = a.clone();
            add(&mut both, &b);
            assert_eq!(hash.hash(&both), hash.hash(&a) ^ hash.hash(&b));
            for at in 0..len {
                let mut changed = a.clone();
                changed[at] ^= Block::from(1);
                assert_ne!(hash.hash(&changed), hash.hash(&a), "block {at} of {len}");
            }
        }
        assert_eq!(hash.hash(&[Block::from(3)]), Block::from(3));
    }

    #[test]
    fn the_hash_is_polyval() {
        // RFC 8452, appendix A: H, X_1, X_2 and POLYVAL(H, X_1, X_2), each byte string in the order of the
        // RFC.
        let bytes = |hex: u128| Block::from_bytes(hex.to_be_bytes());
        let hash = ColumnHash::new(bytes(0x25629347589242761d31f826ba4b757b));
        let (x1, x2) = (bytes(0x4f4f95668c83dfb6401762bb2d01a262), bytes(0xd1a24ddd2721d006bbe45f20d3c9f362));
        assert_eq!(hash.hash(&[x1, x2, Block::ZERO]), bytes(0xf7a3b47b846119fae5b7866cf5e5b77e));
    }

    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    #[test]
    fn corrections_take_the_same_steps_for_all_secrets() {
        let from = [Block::from(7); 40];
        crate::block::steps::assert_same_steps("corrections", &[false, true], |&bit| {
            let mut to = [Block::from(9); 40];
            add_masked(&mut to, &from, bit);
            to
        });
    }

    #[test]
    fn seeds_of_a_tree_have_counters_of_their_own() {
        let (mut columns, mut sum) = (vec![Block::ZERO; 6], vec![Block::ZERO; 3]);
        expand_tree(&[Block::from(7); 4], (Block::from(1), 0), 0, &mut columns, &mut sum);
        assert!(sum.iter().all(|&block| block != Block::ZERO), "equal streams would cancel");
    }
}
