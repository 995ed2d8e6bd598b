//! The kernels on the AES instructions of a processor, written once for vectors of 1, 2 and 4 blocks.
//!
//! [`lanes`] says what a vector can do; [`hash`], [`gates`] and [`counter`] are generic in it, and each architecture
//! has a module that implements it. The functions here are the only way in: each enables the instructions of one backend for
//! the kernel that is inlined into it.

// Vectors are indexed: iterators over arrays of them are not always seen through, and then the arrays are in memory.
#![allow(clippy::needless_range_loop)]

mod counter;
mod forest;
mod gates;
mod hash;
mod lanes;

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
use core::arch::aarch64::uint8x16_t;
#[cfg(target_arch = "x86_64")]
use core::arch::x86_64::{__m128i, __m256i, __m512i};

use super::Block;
use super::forest::{To, Trees};
use super::gates::Work;
use super::tccr::Offsets;

/// The vector of one block.
#[cfg(target_arch = "x86_64")]
type One = __m128i;

/// The vector of one block.
#[cfg(target_arch = "aarch64")]
type One = uint8x16_t;

/// A kernel for each backend, as `fn` with the instructions that its vectors need.
macro_rules! entry_points {
    ($($hash:ident, $strided:ident, $counter:ident, $forest:ident, $run:ident:
       $vector:ty, $features:literal;)*) => {$(
        /// Hashes `groups` in place, group `g` under the key `start ^ (first_tweak + g)`.
        #[target_feature(enable = $features)]
        pub(super) fn $hash<const PER: usize>(start: Block, first_tweak: u64, groups: &mut [[Block; PER]]) {
            // SAFETY: the attribute above enables every instruction that `Lanes for $vector` uses.
            unsafe { hash::groups::<$vector, PER>(start, first_tweak, groups) }
        }

        /// Hashes in place, block `p * groups + g` under the key `start ^ (first_tweak + g)`.
        #[target_feature(enable = $features)]
        pub(super) fn $strided(start: Block, first_tweak: u64, groups: usize, blocks: &mut [Block]) {
            // SAFETY: the attribute above enables every instruction that `Lanes for $vector` uses.
            unsafe { hash::strided::<$vector>(start, first_tweak, groups, blocks) }
        }

        /// Fills `out` with the encryptions under `key` of the counters `base ^ first`, `base ^ (first + 1)`,
        /// ...
        #[target_feature(enable = $features)]
        pub(super) fn $counter(key: Block, base: Block, first: u64, out: &mut [Block]) {
            // SAFETY: the attribute above enables every instruction that `Lanes for $vector` uses.
            unsafe { counter::fill::<$vector>(key, base, first, out) }
        }

        /// Expands and adds up trees of seeds, in the room of `keys`.
        ///
        /// # Safety
        /// The lengths must be those that `Forest::add_up` checks.
        #[target_feature(enable = $features)]
        pub(super) unsafe fn $forest(
            keys: &mut [Block],
            trees: Trees<'_>,
            to: To<'_>,
        ) {
            // SAFETY: the attribute above enables every instruction that `Lanes for $vector` uses; lengths
            // are the caller's.
            unsafe { forest::add_up::<$vector>(keys, trees, to) }
        }

        /// Does `work` with the gates of the hash with this start point.
        #[target_feature(enable = $features)]
        pub(super) fn $run<W: Work>(start: Block, offsets: Offsets, work: W) -> W::Output {
            // SAFETY: the attribute above enables every instruction that `Lanes for $vector` uses; `work` only borrows.
            let mut gates = unsafe { gates::Gates::<$vector>::new(start, offsets) };
            work.run(&mut gates)
        }
    )*};
}

#[cfg(target_arch = "x86_64")]
entry_points! {
    hash_aes_ni, strided_aes_ni, counter_aes_ni, forest_aes_ni, run_aes_ni:
        __m128i, "aes,ssse3";
    hash_vaes_256, strided_vaes_256, counter_vaes_256, forest_vaes_256, run_vaes_256:
        __m256i, "aes,ssse3,vaes,avx2";
    hash_vaes_512, strided_vaes_512, counter_vaes_512, forest_vaes_512, run_vaes_512:
        __m512i, "aes,ssse3,vaes,avx512f,avx512bw";
}

#[cfg(target_arch = "aarch64")]
entry_points! {
    hash_armv8, strided_armv8, counter_armv8, forest_armv8, run_armv8:
        uint8x16_t, "neon,aes";
}
