//! Expansion of a 16-byte seed: AES-128 in counter mode.

use core::fmt;

use zeroize::Zeroize;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use super::vector;
use super::{Backend, BackendError, Block, portable};

/// The stream `E(seed, base ^ 0), E(seed, base ^ 1), ...`, E being AES-128 and the counters little-endian
/// 128-bit numbers.
///
/// The base is public: a nonce of a session, XOR a tweak in its upper half that tells the session's seeds
/// apart ([`Prg::based`]). If all streams began at counter 0, one evaluation of AES would be a guess at every
/// seed there ever was; with a base it is a guess at the one seed whose inputs these are.
///
/// A pseudorandom generator if AES-128 is a pseudorandom permutation, up to the birthday bound: n blocks
/// differ from uniform ones by at most n^2 / 2^129. Only the seed is held; the key schedule is computed in
/// each [`Prg::fill`], so many generators with little to do cost little memory. The seed is wiped on drop and
/// not printed.
#[derive(Clone)]
pub struct Prg {
    seed: Block,
    base: Block,
    next: u64,
    // Only ever a backend that this processor has: see `at` and `with_backend`. The calls in `fill` rest on
    // it.
    backend: Backend,
}

impl Prg {
    /// The stream of `seed` from its first block, on the fastest backend of this processor.
    pub fn new(seed: Block) -> Self {
        Self::at(seed, 0)
    }

    /// The stream of `seed` from block number `next` on.
    pub fn at(seed: Block, next: u64) -> Self {
        Self::based(seed, Block::ZERO, next)
    }

    /// The stream of `seed` on the counters `base ^ next`, `base ^ (next + 1)`, ...
    pub fn based(seed: Block, base: Block, next: u64) -> Self {
        Self { seed, base, next, backend: Backend::best() }
    }

    /// The stream of `seed` from its first block, on a backend of choice.
    ///
    /// # Errors
    /// [`BackendError::Unavailable`] if this processor lacks its instructions.
    pub fn with_backend(seed: Block, backend: Backend) -> Result<Self, BackendError> {
        Ok(Self { seed, base: Block::ZERO, next: 0, backend: backend.checked()? })
    }

    /// The same stream on the portable backend.
    pub(super) fn portable(mut self) -> Self {
        self.backend = Backend::Portable;
        self
    }

    /// The same stream with another base.
    #[must_use]
    pub fn on_base(mut self, base: Block) -> Self {
        self.base = base;
        self
    }

    /// Overwrites `out` with the next `out.len()` blocks of the stream. The counter wraps after 2^64 blocks.
    pub fn fill(&mut self, out: &mut [Block]) {
        match self.backend {
            Backend::Portable => portable::counter(self.seed, self.base, self.next, out),
            // SAFETY (all of them): `self.backend` was found available on this processor when `self` was made.
            #[cfg(target_arch = "x86_64")]
            Backend::AesNi => unsafe { vector::counter_aes_ni(self.seed, self.base, self.next, out) },
            #[cfg(target_arch = "x86_64")]
            Backend::Vaes256 => unsafe { vector::counter_vaes_256(self.seed, self.base, self.next, out) },
            #[cfg(target_arch = "x86_64")]
            Backend::Vaes512 => unsafe { vector::counter_vaes_512(self.seed, self.base, self.next, out) },
            #[cfg(target_arch = "aarch64")]
            Backend::Armv8 => unsafe { vector::counter_armv8(self.seed, self.base, self.next, out) },
            _ => unreachable!("no other backend is available on this architecture"),
        }
        self.next = self.next.wrapping_add(out.len() as u64);
    }
}

impl fmt::Debug for Prg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prg")
            .field("next", &self.next)
            .field("backend", &self.backend)
            .finish_non_exhaustive()
    }
}

impl Drop for Prg {
    fn drop(&mut self) {
        self.seed.zeroize();
    }
}
