//! The tweakable hash of garbling and oblivious transfer: AES-128, re-keyed for every tweak.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use super::vector;
use super::{Backend, BackendError, Block, portable};

/// Lanes of a gate that share one key.
pub(super) const SHARING: usize = 4;

/// What tells the hashes of gates under one key apart: for each of three hashes of a gate, of [`SHARING`] lanes.
pub(super) type Offsets = [Block; 3 * SHARING];

/// MiTCCRH: `H(x, i) = E(S ^ i, sigma(x)) ^ sigma(x)`, E being AES-128 with key `S ^ i`.
///
/// Guo, Katz, Wang, Weng and Yu, "Better Concrete Security for Half-Gates Garbling (in the Multi-Instance
/// Setting)", CRYPTO 2020. `S` is a public start point drawn at random for each garbled circuit, the tweak
/// `i` is added by XOR into its lower 64 bits, and `sigma(xL || xR) = (xL ^ xR) || xL` is a linear
/// orthomorphism, xL being bits 64 to 127.
///
/// # Security
/// Under one fixed key, an evaluator who garbled nothing learns all inputs of the garbler in time O(2^128 /
/// C), C being the gates garbled under that key, in one circuit or in many (the paper's abstract): each
/// evaluation of AES is a guess against all C gates at once. Here each key belongs to one tweak, so that an
/// evaluation under it is a guess against the few inputs that were hashed under it. With AES an ideal
/// cipher, p evaluations find an offset with probability about 2 m p / 2^128, m being the most times that one
/// key is used in all circuits together; the random S keep m a small constant as long as fewer than 2^64
/// tweaks are used in all. That bound is recalled from the paper's theorem on MiTCCR security;
/// `docs/protocol-ot.md` says what was checked against which text.
///
/// # The tweak must not be reused
/// Under one S, one tweak belongs to one OT, or to four lanes of one gate, whose inputs are told apart by random offsets. If
/// two gates share a tweak and an active label, the difference of their table rows is free of the hash and can reveal
/// the offset of free XOR, and with it every wire.
#[derive(Clone, Copy, Debug)]
pub struct Tccr {
    pub(super) start: Block,
    pub(super) offsets: Offsets,
    // Only ever a backend that this processor has: see `new` and `with_backend`. The calls in `hash` rest on
    // it.
    pub(super) backend: Backend,
}

impl Tccr {
    /// The hash with start point `start`, on the fastest backend of this processor.
    pub fn new(start: Block) -> Self {
        Self { start, offsets: Self::offsets_of(start), backend: Backend::best() }
    }

    /// The hash on a backend of choice.
    ///
    /// # Errors
    /// [`BackendError::Unavailable`] if this processor lacks its instructions.
    pub fn with_backend(start: Block, backend: Backend) -> Result<Self, BackendError> {
        Ok(Self { start, offsets: Self::offsets_of(start), backend: backend.checked()? })
    }

    /// The start point: public, and random for each garbling.
    pub fn start(&self) -> Block {
        self.start
    }

    /// The encryptions of 0, 1, ... under the key of the last tweak, which no gate has: random like the start point.
    fn offsets_of(start: Block) -> Offsets {
        let mut offsets = [Block::ZERO; 3 * SHARING];
        portable::counter(start ^ Block::from(u128::from(u64::MAX)), Block::ZERO, 0, &mut offsets);
        offsets
    }

    /// Hashes `blocks` in place: group `g`, that is the `PER` blocks from `g * PER` on, under tweak
    /// `first_tweak + g` (modulo 2^64).
    ///
    /// `PER` is 1 or 2: an evaluator hashes the one label it holds per tweak, a garbler both labels of the
    /// wire. Every backend gives the same bytes. Fastest for 8 groups and more at a time; a slice that stays
    /// in the first cache (16 to 256 groups) suits best.
    ///
    /// # Panics
    /// If `blocks.len()` is not a multiple of `PER`, a mistake of the caller.
    ///
    /// # Example
    /// ```
    /// use xonn_crypto::block::{Block, Tccr};
    ///
    /// let hash = Tccr::new(Block::from(7));
    /// let (zero, delta) = (Block::from(1 << 90), Block::from(3));
    /// let mut both = [zero, zero ^ delta];
    /// hash.hash::<2>(40, &mut both);
    /// let mut active = [zero ^ delta];
    /// hash.hash::<1>(40, &mut active);
    /// assert_eq!(active[0], both[1]);
    /// ```
    pub fn hash<const PER: usize>(&self, first_tweak: u64, blocks: &mut [Block]) {
        const { assert!(PER == 1 || PER == 2, "a tweak hashes one or two blocks") };
        let len = blocks.len();
        let (groups, rest) = blocks.as_chunks_mut::<PER>();
        assert!(rest.is_empty(), "{len} blocks are not whole groups of {PER}");
        match self.backend {
            Backend::Portable => portable::hash(self.start, first_tweak, groups),
            // SAFETY (all of them): `self.backend` was found available on this processor when `self` was made.
            #[cfg(target_arch = "x86_64")]
            Backend::AesNi => unsafe { vector::hash_aes_ni(self.start, first_tweak, groups) },
            #[cfg(target_arch = "x86_64")]
            Backend::Vaes256 => unsafe { vector::hash_vaes_256(self.start, first_tweak, groups) },
            #[cfg(target_arch = "x86_64")]
            Backend::Vaes512 => unsafe { vector::hash_vaes_512(self.start, first_tweak, groups) },
            #[cfg(target_arch = "aarch64")]
            Backend::Armv8 => unsafe { vector::hash_armv8(self.start, first_tweak, groups) },
            _ => unreachable!("no other backend is available on this architecture"),
        }
    }

    /// Hashes blocks in place, many under each tweak: block `p * groups + g` under tweak `first_tweak + g`
    /// (modulo 2^64).
    ///
    /// The same as [`Tccr::hash`] gives; a tweak's key is scheduled once for all of its blocks. Fastest for 8
    /// tweaks and more, and as many blocks as stay in the first cache.
    ///
    /// # Panics
    /// If blocks are not whole turns of `groups`, or there are no groups, a mistake of the caller.
    pub fn hash_strided(&self, first_tweak: u64, groups: usize, blocks: &mut [Block]) {
        let len = blocks.len();
        assert!(groups > 0 && len.is_multiple_of(groups), "{len} blocks are not whole turns of {groups}");
        match self.backend {
            Backend::Portable => portable::hash_strided(self.start, first_tweak, groups, blocks),
            // SAFETY (all of them): `self.backend` was found available on this processor when `self` was
            // made.
            #[cfg(target_arch = "x86_64")]
            Backend::AesNi => unsafe { vector::strided_aes_ni(self.start, first_tweak, groups, blocks) },
            #[cfg(target_arch = "x86_64")]
            Backend::Vaes256 => unsafe { vector::strided_vaes_256(self.start, first_tweak, groups, blocks) },
            #[cfg(target_arch = "x86_64")]
            Backend::Vaes512 => unsafe { vector::strided_vaes_512(self.start, first_tweak, groups, blocks) },
            #[cfg(target_arch = "aarch64")]
            Backend::Armv8 => unsafe { vector::strided_armv8(self.start, first_tweak, groups, blocks) },
            _ => unreachable!("no other backend is available on this architecture"),
        }
    }
}

/// `sigma(xL || xR) = (xL ^ xR) || xL`, xL being bits 64 to 127.
///
/// A linear orthomorphism: `x -> sigma(x)` and `x -> sigma(x) ^ x` are both bijections.
#[inline(always)]
pub(super) fn sigma(x: Block) -> Block {
    let x = u128::from(x);
    Block::from((x << 64) ^ (x & !u128::from(u64::MAX)) ^ (x >> 64))
}

#[cfg(test)]
mod tests;
