//! Correlated trees of which the receiver gets all leaves but one, and that one plus Delta.
//!
//! Guo, Yang, Wang, Zhang, Xie, Liu and Zhao, "Half-Tree: Halving the Cost of Tree Expansion in COT and DPF",
//! EUROCRYPT 2023: the two nodes of level 1 are k and k + Delta, and a node x has the children H(x) and x +
//! H(x). So the nodes of each level add up to Delta, and one hash makes two nodes. Of each level the sender
//! offers the sum of all left children, masked by K of a row; M of that row unmasks the sum of all left
//! children if the row's c is 0, of all right ones if it is 1. So the receiver gets the side off its path,
//! which is therefore c inverted, with one block of traffic and without a hash.
//!
//! A leaf with bit 0 cleared is K of a row of the noise. The receiver has all of them but that at the end of
//! its path, and there the sum of all others, which is K + Delta with bit 0 cleared; it sets bit 0, and has M
//! with c = 1.
//!
//! H is [`Tccr`] with a tweak for each node of the session, where the paper has one key for all nodes. So an
//! evaluation of AES is a guess at one node and not at all of them.
//!
//! Nodes of a level lie in an order that makes all accesses sequential: left children where their parents
//! were, right ones behind them. Bit l - 1 of a leaf's place is its side on level l. The receiver's path is
//! secret; its code has no branch and no address that depends on it: the node on the path is computed like
//! all others, from a parent that is wrong, and what makes it and its sibling right is added by masks to all
//! nodes.

use zeroize::Zeroize;

use crate::block::{Block, Loop, Tccr, mask, vectorised};
use crate::ot::correlated::without_choice;

/// Nodes that are hashed at a time.
const PIECE: usize = 128;

/// Bits of a tweak below the number of the tree.
const NODE_BITS: u32 = 16;

/// Grows the tree with root key `key`: leaves with bit 0 cleared, and of each level the sum of its left
/// nodes.
///
/// `number` is that of the tree in the session.
pub(crate) fn grow(
    hash: &Tccr,
    number: u64,
    delta: Block,
    key: Block,
    leaves: &mut [Block],
    sums: &mut [Block],
) {
    let depth = sums.len();
    debug_assert_eq!(leaves.len(), 1 << depth);
    leaves[0] = key;
    leaves[1] = key ^ delta;
    sums[0] = key;
    for level in 1..depth {
        sums[level] = expand(hash, number, &mut leaves[..2 << level], level + 1 == depth)[0];
    }
}

/// The receiver's side of a tree: `sums` are those that it unmasked, `choices` the bits c of their rows, bit
/// l - 1 for level l.
pub(crate) fn regrow(hash: &Tccr, number: u64, choices: u32, sums: &[Block], leaves: &mut [Block]) {
    let depth = sums.len();
    debug_assert_eq!(leaves.len(), 1 << depth);
    let choice = |level: usize| mask(choices >> level & 1 == 1);
    leaves[0] = sums[0].masked_by(!choice(0));
    leaves[1] = sums[0].masked_by(choice(0));
    let path = place(choices, depth);
    for (level, &sum) in sums.iter().enumerate().skip(1) {
        let (nodes, last) = (&mut leaves[..2 << level], level + 1 == depth);
        let [left, all] = expand(hash, number, nodes, last);
        let other = left ^ all.masked_by(choice(level));
        let mut missing = sum ^ other;
        let here = path & ((2 << level) - 1);
        let sibling = here ^ 1 << level;
        if last {
            missing = without_choice(missing);
            // The sum of all others, whatever stands there.
            let all = (all ^ missing).with_lsb_set();
            vectorised(Add { nodes, at: [sibling, here], values: [missing, all] });
        } else {
            vectorised(Add { nodes, at: [sibling], values: [missing] });
        }
    }
}

/// Where the path of these choices ends: it goes left where c is 1.
pub(crate) fn place(choices: u32, depth: usize) -> usize {
    (!choices & ((1 << depth) - 1)) as usize
}

/// The lower half of `nodes` are parents; all of it becomes their children, with bit 0 cleared if they are
/// the last. Returns the sum of the left ones and that of all.
fn expand(hash: &Tccr, number: u64, nodes: &mut [Block], last: bool) -> [Block; 2] {
    let half = nodes.len() / 2;
    let (parents, rights) = nodes.split_at_mut(half);
    let mut sums = [Block::ZERO; 2];
    let mut hashes = [Block::ZERO; PIECE];
    for (piece, (parents, rights)) in parents.chunks_mut(PIECE).zip(rights.chunks_mut(PIECE)).enumerate() {
        let hashes = &mut hashes[..parents.len()];
        hashes.copy_from_slice(parents);
        let tweak = number << NODE_BITS | (half + piece * PIECE) as u64;
        hash.hash::<1>(tweak, hashes);
        let sums = &mut sums;
        if last {
            vectorised(Split::<true> { parents, rights, hashes, sums });
        } else {
            vectorised(Split::<false> { parents, rights, hashes, sums });
        }
    }
    hashes.zeroize();
    sums
}

/// Puts children where their parents were, and behind them; adds up the left ones, and all.
struct Split<'a, const LAST: bool> {
    parents: &'a mut [Block],
    rights: &'a mut [Block],
    hashes: &'a [Block],
    sums: &'a mut [Block; 2],
}

impl<const LAST: bool> Loop for Split<'_, LAST> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let [mut lefts, mut all] = *self.sums;
        for ((parent, right), &hashed) in self.parents.iter_mut().zip(self.rights).zip(self.hashes) {
            let (mut node, mut left) = (*parent, hashed);
            if LAST {
                (node, left) = (without_choice(node), without_choice(left));
            }
            *parent = left;
            *right = node ^ left;
            lefts ^= left;
            // Both children together are their parent.
            all ^= node;
        }
        *self.sums = [lefts, all];
    }
}

/// Adds values at secret places.
struct Add<'a, const VALUES: usize> {
    nodes: &'a mut [Block],
    at: [usize; VALUES],
    values: [Block; VALUES],
}

impl<const VALUES: usize> Loop for Add<'_, VALUES> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        /// Nodes that share the upper bits of their place.
        const SIDE: usize = 32;
        let equal = |a: usize, b: usize| mask(((a ^ b) as u64).wrapping_sub(1) >> 63 == 1);
        let mut columns = [[Block::ZERO; SIDE]; VALUES];
        for ((column, at), value) in columns.iter_mut().zip(self.at).zip(self.values) {
            for (i, one) in column.iter_mut().enumerate() {
                *one = value.masked_by(equal(i, at % SIDE));
            }
        }
        for (number, nodes) in self.nodes.chunks_mut(SIDE).enumerate() {
            for (column, at) in columns.iter().zip(self.at) {
                let here = equal(number, at / SIDE);
                for (node, value) in nodes.iter_mut().zip(column) {
                    *node ^= value.masked_by(here);
                }
            }
        }
        columns.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use chacha20::ChaCha12Rng;
    use rand::SeedableRng;

    use super::*;

    fn tree(depth: usize, seed: u64) -> (Tccr, Block, Vec<Block>, Vec<Block>) {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let hash = Tccr::new(Block::random(&mut rng));
        let delta = Block::random(&mut rng).with_lsb_set();
        let (mut leaves, mut sums) = (vec![Block::ZERO; 1 << depth], vec![Block::ZERO; depth]);
        grow(&hash, 7, delta, Block::random(&mut rng), &mut leaves, &mut sums);
        (hash, delta, leaves, sums)
    }

    /// What the rows unmask for these choices.
    fn unmasked(sums: &[Block], choices: u32, delta: Block) -> Vec<Block> {
        sums.iter().enumerate().map(|(level, &sum)| sum ^ delta.masked(choices >> level & 1 == 1)).collect()
    }

    #[test]
    fn the_receiver_has_all_leaves_and_delta_more_at_its_place() {
        for depth in [2, 3, 5, 8] {
            let (hash, delta, leaves, sums) = tree(depth, depth as u64);
            for choices in 0..1u32 << depth {
                let mut own = vec![Block::ZERO; 1 << depth];
                regrow(&hash, 7, choices, &unmasked(&sums, choices, delta), &mut own);
                let place = place(choices, depth);
                for (i, (&own, &leaf)) in own.iter().zip(&leaves).enumerate() {
                    assert_eq!(own, leaf ^ delta.masked(i == place), "depth {depth}, path {place}, leaf {i}");
                    assert!(!leaf.lsb() && own.lsb() == (i == place));
                }
            }
        }
    }

    #[test]
    fn trees_of_real_depth_too() {
        for depth in [10, 11, 12, 13] {
            let (hash, delta, leaves, sums) = tree(depth, 3);
            for choices in [0, 1, 0x0aaa, 0x1555, (1 << depth) - 1] {
                let choices = choices & ((1 << depth) - 1);
                let mut own = vec![Block::ZERO; 1 << depth];
                regrow(&hash, 7, choices, &unmasked(&sums, choices, delta), &mut own);
                let differing: Vec<usize> = (0..1 << depth).filter(|&i| own[i] != leaves[i]).collect();
                assert_eq!(differing, [place(choices, depth)]);
                assert_eq!(own[differing[0]], leaves[differing[0]] ^ delta);
            }
        }
    }

    #[test]
    fn the_place_of_the_noise_is_never_handed_over() {
        // Without Delta the missing leaf cannot be told from the others': under another Delta it is another
        // one.
        let (hash, delta, leaves, sums) = tree(8, 9);
        let mut own = vec![Block::ZERO; 256];
        regrow(&hash, 7, 77, &unmasked(&sums, 77, delta), &mut own);
        assert!(own.iter().all(|&node| node != leaves[place(77, 8)]));
    }

    #[test]
    fn every_tree_has_tweaks_of_its_own() {
        let (hash, delta, ..) = tree(8, 1);
        let mut seen = std::collections::HashSet::new();
        for number in 0..20 {
            let (mut leaves, mut sums) = ([Block::ZERO; 256], [Block::ZERO; 8]);
            grow(&hash, number, delta, Block::from(4), &mut leaves, &mut sums);
            assert!(seen.insert(sums[1].to_bytes()), "tree {number}");
        }
    }

    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    #[test]
    fn the_receivers_tree_takes_the_same_steps_for_all_paths() {
        let (hash, delta, _, sums) = tree(8, 2);
        let cases = [0u32, 255, 0b1010_0110, 1].map(|choices| (choices, unmasked(&sums, choices, delta)));
        crate::block::steps::assert_same_steps("half tree", &cases, |(choices, sums)| {
            let mut leaves = [Block::ZERO; 256];
            regrow(&hash, 7, *choices, sums, &mut leaves);
            leaves
        });
    }
}
