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
//! hosts run the same code ([`Forest`]). Only additions and factors from GF(2) occur: v and w are k columns
//! of bits each.

use polyval::Polyval;
use polyval::universal_hash::UniversalHash;
use zeroize::Zeroizing;

use super::COLUMNS;
use super::pprf::tweak;
use crate::block::{Block, Forest, Loop, mask, vectorised};

/// Expands trees of 2^k seeds each, `length` blocks of their streams from block `first` on.
///
/// * `seeds`: by tree, in each by x at the client, by y = x + D at the server (whose seed 0 counts for `sums`
///   only).
/// * `base`: where the counters of seed x = 0 of tree 0 begin; `moved`: of each tree 0 at the client, D at
///   the server.
/// * `sums`: overwritten, tree after tree, with the sum of all its streams.
///
/// Returns the columns, block after block: for each block first those of tree 0, column b being the sum of
/// the streams whose index has bit b.
pub(super) fn expand(
    k: usize,
    seeds: &[Block],
    (base, moved): (Block, &[usize]),
    (first, length): (u64, usize),
    sums: Option<&mut [Block]>,
) -> Zeroizing<Vec<Block>> {
    let mut bases = Zeroizing::new(Vec::with_capacity(seeds.len()));
    for (tree, moved) in moved.iter().enumerate() {
        bases.extend((0..1 << k).map(|index| base ^ tweak(tree, 0, index ^ moved)));
    }
    let mut columns = Zeroizing::new(vec![Block::ZERO; k * moved.len() * length]);
    Forest::new().add_up((seeds, &bases), k, (first, length), &mut columns, sums);
    columns
}

/// `to ^= from`, over the shorter length.
pub(super) fn add(to: &mut [Block], from: &[Block]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to ^= from;
    }
}

/// Step 2 at the server: to column c of each block that block of the correction of c's tree, if bit c of the
/// secret is 1, in the same time if it is 0.
///
/// `columns` are as [`expand`] returns them, `corrections` tree after tree, `length` blocks each.
pub(super) fn correct(columns: &mut [Block], corrections: &[Block], length: usize, secret: &[bool]) {
    let mut masks = Zeroizing::new(Vec::with_capacity(COLUMNS));
    masks.extend(secret.iter().map(|&bit| mask(bit)));
    vectorised(Correct { columns, corrections, length, masks: &masks });
}

struct Correct<'a> {
    columns: &'a mut [Block],
    corrections: &'a [Block],
    length: usize,
    masks: &'a [u64],
}

impl Loop for Correct<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let trees = self.corrections.len() / self.length;
        for (block, columns) in self.columns.chunks_exact_mut(COLUMNS).enumerate() {
            let k = COLUMNS / trees;
            let each = columns.chunks_exact_mut(k).zip(self.masks.chunks_exact(k));
            for ((columns, masks), corrections) in each.zip(self.corrections.chunks_exact(self.length)) {
                let correction = corrections[block];
                for (column, &mask) in columns.iter_mut().zip(masks) {
                    *column ^= correction.masked_by(mask);
                }
            }
        }
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
        let mut hash = self.0.clone();
        update(&mut hash, blocks);
        Block::from_bytes(hash.finalize().into()) ^ mask
    }

    /// The hashes of all columns, as [`expand`] returns them.
    pub(super) fn hashes(&self, columns: &[Block]) -> Zeroizing<Vec<Block>> {
        /// Blocks of a column at a time, and columns at a time: those of two cache lines.
        const RUN: usize = 64;
        const SIDE: usize = 8;
        let (blocks, masks) = columns.split_at(columns.len() - COLUMNS);
        let mut hashes = vec![self.0.clone(); COLUMNS];
        let mut runs = Zeroizing::new([[Block::ZERO; RUN]; SIDE]);
        for some in blocks.chunks(RUN * COLUMNS) {
            let length = some.len() / COLUMNS;
            for (side, hashes) in hashes.chunks_exact_mut(SIDE).enumerate() {
                for (block, columns) in some.chunks_exact(COLUMNS).enumerate() {
                    let own = &columns[side * SIDE..][..SIDE];
                    runs.iter_mut().zip(own).for_each(|(run, &column)| run[block] = column);
                }
                hashes.iter_mut().zip(runs.iter()).for_each(|(hash, run)| update(hash, &run[..length]));
            }
        }
        let mut all = Zeroizing::new(Vec::with_capacity(COLUMNS));
        all.extend(
            hashes
                .into_iter()
                .zip(masks)
                .map(|(hash, &mask)| Block::from_bytes(hash.finalize().into()) ^ mask),
        );
        all
    }
}

fn update(hash: &mut Polyval, blocks: &[Block]) {
    let (blocks, _) = Block::as_bytes(blocks).as_chunks::<16>();
    hash.update(polyval::Block::cast_slice_from_core(blocks));
}

#[cfg(test)]
mod tests {
    use chacha20::ChaCha12Rng;
    use rand::SeedableRng;

    use super::*;
    use crate::block::Prg;

    /// Against the sums as the module doc writes them, with the server's order of seeds.
    #[test]
    fn columns_are_the_weighted_sums() {
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        let (base, stride, trees) = (Block::from(0x1234_5678 << 80), 3, 16);
        for k in [1, 2, 4, 8] {
            let seeds: Vec<Block> = (0..trees << k).map(|_| Block::random(&mut rng)).collect();
            let moved: Vec<usize> = (0..trees).map(|tree| tree % (1 << k)).collect();
            let mut sums = vec![Block::from(9); trees * stride];
            let columns = expand(k, &seeds, (base, &moved), (5, stride), Some(&mut sums));
            let (mut expected, mut expected_sums) =
                (vec![Block::ZERO; columns.len()], vec![Block::ZERO; sums.len()]);
            for (number, &seed) in seeds.iter().enumerate() {
                let (tree, y) = (number >> k, number % (1 << k));
                let mut stream = vec![Block::ZERO; 5 + stride];
                Prg::based(seed, base ^ tweak(tree, 0, y ^ moved[tree]), 0).fill(&mut stream);
                add(&mut expected_sums[tree * stride..][..stride], &stream[5..]);
                for bit in (0..k).filter(|bit| y >> bit & 1 == 1) {
                    let column = expected.iter_mut().skip(tree * k + bit).step_by(trees * k);
                    column.zip(&stream[5..]).for_each(|(to, &from)| *to ^= from);
                }
            }
            assert!((&*columns, sums) == (&expected, expected_sums), "k = {k}");
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
        let corrections = [Block::from(7); 16 * 3];
        let secrets = [vec![false; COLUMNS], vec![true; COLUMNS], (0..COLUMNS).map(|i| i % 3 == 0).collect()];
        crate::block::steps::assert_same_steps("corrections", &secrets, |secret| {
            let mut columns = vec![Block::from(9); 3 * COLUMNS];
            correct(&mut columns, &corrections, 3, secret);
            columns
        });
    }

    #[test]
    fn corrections_reach_the_columns_of_the_secrets_ones() {
        let mut rng = ChaCha12Rng::seed_from_u64(4);
        let secret: Vec<bool> = (0..COLUMNS).map(|i| i % 3 == 0 || i > 120).collect();
        for trees in [16, 32, 64, 128] {
            let (length, k) = (5, COLUMNS / trees);
            let before: Vec<Block> = (0..length * COLUMNS).map(|_| Block::random(&mut rng)).collect();
            let corrections: Vec<Block> = (0..length * trees).map(|_| Block::random(&mut rng)).collect();
            let mut after = before.clone();
            correct(&mut after, &corrections, length, &secret);
            for (at, (&after, &before)) in after.iter().zip(&before).enumerate() {
                let (block, column) = (at / COLUMNS, at % COLUMNS);
                let correction = corrections[column / k * length + block];
                assert_eq!(
                    after,
                    before ^ correction.masked(secret[column]),
                    "block {block}, column {column}"
                );
            }
        }
    }

    #[test]
    fn hashes_of_all_columns_are_those_of_each() {
        let mut rng = ChaCha12Rng::seed_from_u64(5);
        let hash = ColumnHash::new(Block::random(&mut rng));
        for length in [1, 2, 64, 65, 66, 130] {
            let columns: Vec<Block> = (0..length * COLUMNS).map(|_| Block::random(&mut rng)).collect();
            let each = (0..COLUMNS)
                .map(|c| hash.hash(&columns.iter().skip(c).step_by(COLUMNS).copied().collect::<Vec<_>>()));
            assert_eq!(*hash.hashes(&columns), each.collect::<Vec<_>>(), "{length} blocks");
        }
    }

    #[test]
    fn seeds_of_a_tree_have_counters_of_their_own() {
        let mut sums = vec![Block::ZERO; 2 * 3];
        expand(2, &[Block::from(7); 8], (Block::from(1), &[0, 0]), (0, 3), Some(&mut sums));
        assert!(sums.iter().all(|&block| block != Block::ZERO), "equal streams would cancel");
        assert_ne!(sums[..3], sums[3..], "equal trees have streams of their own");
    }
}
