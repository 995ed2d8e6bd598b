//! Seed trees of which the server gets all leaves but one: a puncturable pseudorandom function.
//!
//! The client doubles a random root k times (Goldreich, Goldwasser, Micali) and offers, level by level, the
//! sum of all left and the sum of all right children in one base OT. The server chooses, on each level, the
//! side that its secret path does *not* take: with the nodes it already has it finds the one new sibling, and
//! in the end every leaf but that at its secret D (Boyle et al., CCS 2019, the GGM construction; Roy, CRYPTO
//! 2022, builds the small-field VOLE on it).
//!
//! A cheating client could offer sums that belong to no tree, and learn from the server's reaction where D
//! is. So each leaf is hashed into the seed that is used and a check value of 32 bytes, and the client also
//! sends the total of the check values of each tree and a digest of all of them. The server fills in the
//! check value it lacks by the total and compares the digest, so that the client is bound to one set of seeds
//! up to a guess of D. This is the malicious check of Boyle et al. as libOTe's `SmallFieldVole.cpp` has it:
//! there too a leaf gives two blocks to check and one to use.
//!
//! Levels count from the root; level l decides bit k - 1 - l of the leaf's index. The server keeps its nodes
//! by y = x + D rather than by x, so that the missing node is always number 0 and no address depends on D.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::oracle::{oracle, oracle_block};
use super::{OtError, Params, SessionId};
use crate::block::{Block, Prg, mask};

/// 32 bytes by which the client is bound to a leaf.
type Check = [Block; 2];

/// What the client sends about its trees, apart from the sums in the base OTs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proof {
    /// For each tree the sum of its check values.
    pub(super) totals: Vec<Check>,
    /// SHA-256 of all check values, by tree and then by leaf index x.
    pub(super) digest: [u8; 32],
}

/// The client's trees.
pub(super) struct Grown {
    /// 128 / k trees of 2^k seeds, by leaf index x.
    pub(super) seeds: Zeroizing<Vec<Block>>,
    /// For base OT i, which is level l of tree t at i = t k + k - 1 - l: the sums of the left and the right
    /// children.
    pub(super) sums: Zeroizing<Vec<[Block; 2]>>,
    /// To be sent along.
    pub(super) proof: Proof,
}

/// Grows one tree from each of `roots`.
pub(super) fn grow(params: Params, session: &SessionId, roots: &[Block]) -> Grown {
    let k = params.field_bits();
    let mut seeds = Zeroizing::new(Vec::with_capacity(roots.len() * params.leaves()));
    let mut sums = Zeroizing::new(vec![[Block::ZERO; 2]; roots.len() * k]);
    let mut totals = Vec::with_capacity(roots.len());
    let mut digest = Sha256::new();
    let nonce = nonce(session);
    for (tree, &root) in roots.iter().enumerate() {
        let mut nodes = Zeroizing::new(vec![root]);
        for level in 0..k {
            let mut sum = [Block::ZERO; 2];
            let mut children = Zeroizing::new(Vec::with_capacity(2 * nodes.len()));
            for (x, &node) in nodes.iter().enumerate() {
                let [left, right] = double(node, nonce ^ tweak(tree, level, x));
                sum[0] ^= left;
                sum[1] ^= right;
                children.extend([left, right]);
            }
            sums[tree * k + k - 1 - level] = sum;
            nodes = children;
        }
        let mut total = [Block::ZERO; 2];
        for &leaf in nodes.iter() {
            let (seed, check) = finish_leaf(session, tree, leaf);
            seeds.push(seed);
            add(&mut total, check);
            digest.update(Block::as_bytes(&check));
        }
        totals.push(total);
    }
    Grown { seeds, sums, proof: Proof { totals, digest: digest.finalize().into() } }
}

/// The server's side: `keys[i]` is the sum it got from base OT i, that of the children off its path; `secret`
/// are the bits of all D, bit i belonging to base OT i.
///
/// Returns 128 / k trees of 2^k seeds by y = x + D, seed 0 of each being unknown (all zero).
///
/// # Errors
/// [`OtError::TreeCheck`] if the seeds are not those the client is bound to.
pub(super) fn regrow(
    params: Params,
    session: &SessionId,
    secret: &[bool],
    keys: &[Block],
    proof: &Proof,
) -> Result<Zeroizing<Vec<Block>>, OtError> {
    let k = params.field_bits();
    let mut seeds = Zeroizing::new(Vec::with_capacity(params.trees() * params.leaves()));
    let mut digest = Sha256::new();
    let nonce = nonce(session);
    let trees = secret.chunks_exact(k).zip(keys.chunks_exact(k)).zip(&proof.totals);
    for (tree, ((secret, keys), &total)) in trees.enumerate() {
        let mut nodes = Zeroizing::new(vec![Block::ZERO]);
        // The path so far: number y of a level is number x = y + path there.
        let mut path = 0;
        for level in 0..k {
            let (on_path, mut sibling) = (mask(secret[k - 1 - level]), keys[k - 1 - level]);
            // As long as it gets from the start, so that no seed is left behind.
            let mut children = Zeroizing::new(Vec::with_capacity(2 * nodes.len()));
            children.extend([Block::ZERO; 2]);
            for (y, &node) in nodes.iter().enumerate().skip(1) {
                // By y the child on the side of the path comes first.
                let [left, right] = double(node, nonce ^ tweak(tree, level, y ^ path));
                let exchange = (left ^ right).masked_by(on_path);
                sibling ^= right ^ exchange;
                children.extend([left ^ exchange, right ^ exchange]);
            }
            children[1] = sibling;
            path = path << 1 | (on_path & 1) as usize;
            nodes = children;
        }
        let mut checks = Zeroizing::new(vec![total]);
        seeds.push(Block::ZERO);
        for &leaf in nodes.iter().skip(1) {
            let (seed, check) = finish_leaf(session, tree, leaf);
            seeds.push(seed);
            add(&mut checks[0], check);
            checks.push(check);
        }
        for (bit, &moved) in secret.iter().enumerate() {
            exchange_along(&mut checks, bit, moved);
        }
        digest.update(Block::as_bytes(checks.as_flattened()));
    }
    let found: [u8; 32] = digest.finalize().into();
    if !bool::from(found.ct_eq(&proof.digest)) {
        return Err(OtError::TreeCheck);
    }
    Ok(seeds)
}

/// The children of a node: the first two blocks of its stream, which begins at `base`.
fn double(node: Block, base: Block) -> [Block; 2] {
    let mut children = [Block::ZERO; 2];
    Prg::based(node, base, 0).fill(&mut children);
    children
}

/// What the counters of a session's seeds begin at, but for [`tweak`].
pub(super) fn nonce(session: &SessionId) -> Block {
    oracle_block("counters", session, &[])
}

/// In the upper half, which counters do not reach: node `x` of a level of a tree. The streams of leaves are
/// those of a level of their own, [`LEAVES`].
pub(super) fn tweak(tree: usize, level: usize, x: usize) -> Block {
    Block::from(((tree as u128) << 32 | (level as u128) << 16 | x as u128) << 64)
}

/// The level of leaves' streams.
pub(super) const LEAVES: usize = 0xff;

/// Of a leaf, the seed to use and the value to check. A random oracle, so that the check value binds the
/// client to the leaf and tells nothing of the seed.
fn finish_leaf(session: &SessionId, tree: usize, leaf: Block) -> (Block, Check) {
    let mut hash = oracle("leaf", session, &[&(tree as u64).to_le_bytes(), &leaf.to_bytes()]);
    let block = |at: usize| Block::from_bytes(core::array::from_fn(|i| hash[16 * at + i]));
    let result = (block(0), [block(1), block(2)]);
    hash.zeroize();
    result
}

fn add(to: &mut Check, from: Check) {
    to[0] ^= from[0];
    to[1] ^= from[1];
}

/// Exchanges the values whose indices differ in `bit` alone, or does as much work and leaves them.
fn exchange_along(values: &mut [Check], bit: usize, exchange: bool) {
    let mask = mask(exchange);
    for pair in values.chunks_exact_mut(2 << bit) {
        let (zeros, ones) = pair.split_at_mut(1 << bit);
        for (zero, one) in zeros.as_flattened_mut().iter_mut().zip(ones.as_flattened_mut()) {
            let difference = (*zero ^ *one).masked_by(mask);
            *zero ^= difference;
            *one ^= difference;
        }
    }
}

#[cfg(test)]
mod tests {
    use chacha20::ChaCha12Rng;
    use rand::SeedableRng;

    use super::*;
    use crate::ot::{COLUMNS, bits};

    const SESSION: SessionId = [3; 32];

    fn example(k: usize) -> (Params, Vec<bool>, Grown, Vec<Block>) {
        let mut rng = ChaCha12Rng::seed_from_u64(k as u64);
        let params = Params::new(k).unwrap();
        let secret: Vec<bool> = bits(Block::random(&mut rng)).collect();
        let roots: Vec<Block> = (0..params.trees()).map(|_| Block::random(&mut rng)).collect();
        let grown = grow(params, &SESSION, &roots);
        let keys = grown.sums.iter().zip(&secret).map(|(sums, &bit)| sums[usize::from(!bit)]).collect();
        (params, secret, grown, keys)
    }

    #[test]
    fn the_server_has_every_seed_but_one() {
        for k in [1, 2, 4, 8] {
            let (params, secret, grown, keys) = example(k);
            assert_eq!(grown.sums.len(), COLUMNS);
            let seeds = regrow(params, &SESSION, &secret, &keys, &grown.proof).unwrap();
            for tree in 0..params.trees() {
                let missing: usize = (0..k).map(|bit| usize::from(secret[tree * k + bit]) << bit).sum();
                for y in 0..params.leaves() {
                    let known = grown.seeds[tree * params.leaves() + (y ^ missing)];
                    let expected = if y == 0 { Block::ZERO } else { known };
                    assert_eq!(seeds[tree * params.leaves() + y], expected, "k = {k}, tree {tree}, y = {y}");
                }
            }
        }
    }

    #[test]
    fn a_wrong_sum_on_the_servers_side_is_caught() {
        for k in [1, 2, 4, 8] {
            let (params, secret, grown, keys) = example(k);
            for i in 0..keys.len() {
                let mut keys = keys.clone();
                keys[i] ^= Block::from(1 << (i % 128));
                let result = regrow(params, &SESSION, &secret, &keys, &grown.proof);
                assert_eq!(result.err(), Some(OtError::TreeCheck), "k = {k}, base OT {i}");
            }
        }
    }

    #[test]
    fn a_wrong_total_or_digest_is_caught() {
        let (params, secret, grown, keys) = example(4);
        for tree in 0..params.trees() {
            let mut proof = grown.proof.clone();
            proof.totals[tree][tree % 2] ^= Block::from(1);
            assert_eq!(regrow(params, &SESSION, &secret, &keys, &proof).err(), Some(OtError::TreeCheck));
        }
        let mut proof = grown.proof.clone();
        proof.digest[31] ^= 0x80;
        assert_eq!(regrow(params, &SESSION, &secret, &keys, &proof).err(), Some(OtError::TreeCheck));
        assert_eq!(regrow(params, &[4; 32], &secret, &keys, &grown.proof).err(), Some(OtError::TreeCheck));
    }

    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    #[test]
    fn the_servers_trees_take_the_same_steps_for_all_secrets() {
        let secrets = [0, u128::MAX, 0x1234_5678_9abc_def0_0fed_cba9_8765_4321, 1].map(Block::from);
        for k in [1, 2] {
            let params = Params::new(k).unwrap();
            let mut rng = ChaCha12Rng::seed_from_u64(3);
            let roots: Vec<Block> = (0..params.trees()).map(|_| Block::random(&mut rng)).collect();
            let grown = grow(params, &SESSION, &roots);
            let cases = secrets.map(|secret| {
                let secret: Vec<bool> = bits(secret).collect();
                let keys: Vec<Block> =
                    grown.sums.iter().zip(&secret).map(|(sums, &bit)| sums[usize::from(!bit)]).collect();
                (secret, keys)
            });
            // The first tree alone: all are alike.
            let proof = Proof { totals: grown.proof.totals[..1].to_vec(), digest: grown.proof.digest };
            crate::block::steps::assert_same_steps("seed trees", &cases, |(secret, keys)| {
                regrow(params, &SESSION, &secret[..k], &keys[..k], &proof).err()
            });
        }
    }

    #[test]
    fn seeds_of_other_sessions_and_nodes_have_counters_of_their_own() {
        let params = Params::new(2).unwrap();
        let roots = vec![Block::from(7); params.trees()];
        let (here, there) = (grow(params, &SESSION, &roots), grow(params, &[4; 32], &roots));
        assert!(
            here.sums.iter().zip(there.sums.iter()).all(|(a, b)| a != b),
            "the same roots, another session"
        );
        assert!(
            here.sums.chunks(2).skip(1).all(|tree| tree != &here.sums[..2]),
            "the same root, another tree"
        );
    }
}
