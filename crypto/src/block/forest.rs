//! The streams of many seeds added up by the bits of the seeds' numbers: what the small-field VOLE of OT
//! extension is.

use zeroize::{Zeroize, Zeroizing};

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use super::vector;
use super::{Backend, BackendError, Block, Prg};

/// Blocks of each stream at a time: what they are added to stays in a first cache of 32 KiB.
pub(super) const PIECE: usize = 64;

/// The most levels of a tree.
pub(super) const LEVELS: usize = 8;

/// Seeds whose round keys are there at a time: those of whole trees, 44 KiB of keys.
const SEEDS: usize = 1 << LEVELS;

/// Blocks of a seed's round keys.
pub(super) const ROUND_KEYS: usize = 11;

/// Trees of 2^k seeds, expanded and added up.
///
/// Each seed's stream is that of [`Prg::based`]. A stream that comes from memory and goes back there for
/// every sum costs as much as the AES; here two streams are made side by side and added before they leave the
/// registers, and the key schedule of a seed is computed once, not once a piece, for several seeds side by
/// side. Round keys and partial sums are wiped on drop.
pub struct Forest {
    work: Zeroizing<Vec<Block>>,
    // Only ever a backend that this processor has: see `new` and `with_backend`. The calls in `add_up` rest
    // on it.
    backend: Backend,
}

/// Some trees, and where their sums belong.
#[derive(Clone, Copy)]
pub(super) struct Trees<'a> {
    pub seeds: &'a [Block],
    pub bases: &'a [Block],
    pub k: usize,
    /// First block of the streams.
    pub first: u64,
    /// Blocks of each stream.
    pub length: usize,
    /// Trees before the first of these.
    pub before: usize,
    /// Columns of all trees.
    pub width: usize,
}

/// Columns, and sums of all streams if they are wanted.
pub(super) type To<'a> = (&'a mut [Block], Option<&'a mut [Block]>);

impl Trees<'_> {
    /// Puts the sums of a piece, which begins `from` blocks behind the first, of tree `tree` where they
    /// belong.
    #[inline(always)]
    pub fn put(&self, room: &Sums, tree: usize, from: usize, (columns, sums): &mut To<'_>) {
        let (k, tree) = (self.k, self.before + tree);
        let length = PIECE.min(self.length - from);
        let rows = columns[from * self.width..].chunks_exact_mut(self.width).take(length);
        for (i, row) in rows.enumerate() {
            let own = row[tree * k..][..k].iter_mut().zip(&room.columns);
            own.for_each(|(to, column)| *to = column[i]);
        }
        if let Some(sums) = sums {
            sums[tree * self.length + from..][..length].copy_from_slice(&room.open[k][..length]);
        }
    }
}

/// What a piece of a tree is added up in.
pub(super) struct Sums {
    /// The sums of subtrees whose right sibling is still to come, by height; at the end that of all of the
    /// tree at height k.
    pub open: [[Block; PIECE]; LEVELS + 1],
    /// The sums of the streams whose number has bit b.
    pub columns: [[Block; PIECE]; LEVELS],
}

impl Sums {
    pub const ZERO: Self =
        Self { open: [[Block::ZERO; PIECE]; LEVELS + 1], columns: [[Block::ZERO; PIECE]; LEVELS] };
}

impl Forest {
    /// On the fastest backend of this processor.
    #[must_use]
    pub fn new() -> Self {
        Self { work: Zeroizing::default(), backend: Backend::best() }
    }

    /// On a backend of choice.
    ///
    /// # Errors
    /// [`BackendError::Unavailable`] if this processor lacks its instructions.
    pub fn with_backend(backend: Backend) -> Result<Self, BackendError> {
        Ok(Self { work: Zeroizing::default(), backend: backend.checked()? })
    }

    /// Expands trees of `2^k` seeds from block `first` of their streams on, `length` blocks of each; seed `i`
    /// has the counters from `bases[i]` on.
    ///
    /// Overwrites `columns` with, block after block of the streams, for each tree its k columns of that
    /// block: column b is the sum of the streams whose number in the tree has bit b. So the columns of one
    /// block lie side by side, which is how they are transposed. Overwrites `sums`, if they are wanted, tree
    /// after tree, with the sum of all its streams.
    ///
    /// # Panics
    /// If k is not 1 to 8, or lengths do not fit each other.
    pub fn add_up(
        &mut self,
        (seeds, bases): (&[Block], &[Block]),
        k: usize,
        (first, length): (u64, usize),
        columns: &mut [Block],
        mut sums: Option<&mut [Block]>,
    ) {
        assert!((1..=LEVELS).contains(&k), "a tree has 1 to 8 levels");
        let trees = seeds.len() >> k;
        assert!(seeds.len() == trees << k && bases.len() == seeds.len(), "whole trees, a base for each seed");
        let fit = columns.len() == trees * k * length && sums.iter().all(|sums| sums.len() == trees * length);
        assert!(fit, "room for each tree's sums");
        for (number, (seeds, bases)) in seeds.chunks(SEEDS).zip(bases.chunks(SEEDS)).enumerate() {
            let forest =
                Trees { seeds, bases, k, first, length, before: number * (SEEDS >> k), width: trees * k };
            let to = (&mut *columns, sums.as_deref_mut());
            match self.backend {
                Backend::Portable => portable(forest, to),
                // SAFETY (all of them): `self.backend` was found available on this processor when `self` was
                // made; lengths were checked above.
                #[cfg(target_arch = "x86_64")]
                Backend::AesNi => unsafe { vector::forest_aes_ni(self.room(), forest, to) },
                #[cfg(target_arch = "x86_64")]
                Backend::Vaes256 => unsafe { vector::forest_vaes_256(self.room(), forest, to) },
                #[cfg(target_arch = "x86_64")]
                Backend::Vaes512 => unsafe { vector::forest_vaes_512(self.room(), forest, to) },
                #[cfg(target_arch = "aarch64")]
                Backend::Armv8 => unsafe { vector::forest_armv8(self.room(), forest, to) },
                _ => unreachable!("no other backend is available on this architecture"),
            }
        }
    }

    /// Room for the round keys of [`SEEDS`] seeds.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn room(&mut self) -> &mut [Block] {
        self.work.resize(SEEDS * ROUND_KEYS, Block::ZERO);
        &mut self.work
    }
}

impl Default for Forest {
    fn default() -> Self {
        Self::new()
    }
}

/// As the documentation of [`Forest::add_up`] has it, stream by stream: on any processor, and the oracle of
/// the kernels.
fn portable(trees: Trees<'_>, mut to: To<'_>) {
    let mut room = Sums::ZERO;
    let mut stream = [Block::ZERO; PIECE];
    let k = trees.k;
    let each = trees.seeds.chunks_exact(1 << k).zip(trees.bases.chunks_exact(1 << k));
    for (tree, (seeds, bases)) in each.enumerate() {
        for from in (0..trees.length).step_by(PIECE) {
            room.columns.as_flattened_mut().fill(Block::ZERO);
            for (index, (&seed, &base)) in seeds.iter().zip(bases).enumerate() {
                Prg::based(seed, base, trees.first.wrapping_add(from as u64)).portable().fill(&mut stream);
                // A stream that ends a right subtree of height `bit` has the sum of that subtree added to it,
                // which is all of a column that its numbers add to.
                let ended = (!index).trailing_zeros() as usize;
                for (column, open) in room.columns.iter_mut().zip(&room.open).take(ended) {
                    add(column, &stream);
                    add(&mut stream, open);
                }
                room.open[ended] = stream;
            }
            trees.put(&room, tree, from, &mut to);
        }
    }
    stream.zeroize();
    room.open.as_flattened_mut().zeroize();
    room.columns.as_flattened_mut().zeroize();
}

/// `to ^= from`, over the shorter length.
fn add(to: &mut [Block], from: &[Block]) {
    to.iter_mut().zip(from).for_each(|(to, &from)| *to ^= from);
}

impl core::fmt::Debug for Forest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Forest").field("backend", &self.backend).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use chacha20::ChaCha12Rng;
    use rand::SeedableRng;

    use super::*;

    /// Against the sums as the documentation has them, for lengths around the piece and several trees.
    #[test]
    fn columns_are_sums_by_bits_on_every_backend() {
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        let mut some = |count| (0..count).map(|_| Block::random(&mut rng)).collect::<Vec<_>>();
        for (k, trees, stride) in
            [(1, 1, 1), (1, 128, 5), (2, 64, 3), (3, 40, 64), (4, 32, 65), (8, 1, 2), (8, 2, 130)]
        {
            let (seeds, bases) = (some(trees << k), some(trees << k));
            let (first, width) = (u64::MAX - 20, trees * k);
            let (mut expected, mut expected_sums) =
                (vec![Block::ZERO; width * stride], vec![Block::ZERO; trees * stride]);
            for (number, (&seed, &base)) in seeds.iter().zip(&bases).enumerate() {
                let (tree, index) = (number >> k, number % (1 << k));
                let mut stream = vec![Block::ZERO; stride];
                Prg::based(seed, base, first).fill(&mut stream);
                add(&mut expected_sums[tree * stride..][..stride], &stream);
                for bit in (0..k).filter(|bit| index >> bit & 1 == 1) {
                    let column = expected.iter_mut().skip(tree * k + bit).step_by(width);
                    column.zip(&stream).for_each(|(to, &from)| *to ^= from);
                }
            }
            for backend in Backend::available() {
                let (mut columns, mut sums) =
                    (vec![Block::from(9); width * stride], vec![Block::from(9); trees * stride]);
                let mut forest = Forest::with_backend(backend).unwrap();
                forest.add_up((&seeds, &bases), k, (first, stride), &mut columns, Some(&mut sums));
                assert!(sums == expected_sums, "sums: k = {k}, {trees} trees, {stride} blocks, {backend}");
                assert!(columns == expected, "columns: k = {k}, {trees} trees, {stride} blocks, {backend}");
            }
        }
    }
}
