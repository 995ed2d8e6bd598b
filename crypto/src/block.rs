//! 128-bit blocks and the AES constructions on them: the only module of the workspace with `unsafe` code.
//!
//! * [`Block`]: a wire label, a table row, a key or a GF(2)-row of 128 columns.
//! * [`Tccr`]: the re-keyed hash that half-gates garbling and oblivious transfer are built on.
//! * [`Gates`]: half gates on 16 labels at a time under that hash, each kernel from load to store.
//! * [`Prg`]: AES-128 in counter mode, for the long streams of OT extension.
//! * [`Forest`]: the streams of many seeds, added up.
//! * [`vectorised`]: safe loops for the processor's own vectors.
//! * [`Backend`]: which instructions compute them, chosen at run time; every backend gives the same bytes.
//!
//! # Invariants
//! * `unsafe` occurs in the two byte views below, in `vector.rs` with its folder, and where `tccr.rs`,
//!   `gates.rs` and `prg.rs` call that. Every function that leaves `block` is safe: lengths are those of slices, and a value
//!   that selects an instruction set can be built only after the processor was asked whether it has it.
//! * No branch and no memory address depends on the value of a block.

mod backend;
mod forest;
mod gates;
mod loops;
mod portable;
mod prg;
#[cfg(all(test, target_arch = "x86_64", target_os = "linux"))]
pub(crate) mod steps;
mod tccr;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod vector;

pub use backend::{Backend, BackendError};
pub use forest::Forest;
pub use gates::{Gates, LANES, Tables, Wide, Work, tweaks};
pub use loops::{Loop, vectorised};
pub use prg::Prg;
pub use tccr::Tccr;

use core::fmt;
use core::ops::{BitXor, BitXorAssign};

use rand::CryptoRng;
use subtle::{Choice, ConstantTimeEq};
use zeroize::DefaultIsZeroes;

/// 128 bits, the width of a label and of the AES state.
///
/// Bit `i` is bit `i % 8` (least significant first) of byte `i / 8`, so a block is also the little-endian
/// number [`u128::from`] gives. Blocks are aligned to 16 bytes. Comparison takes the same time for all
/// values, and `Debug` prints no bit, because most blocks are secret.
#[derive(Clone, Copy, Default)]
#[repr(C, align(16))]
pub struct Block([u8; 16]);

impl Block {
    /// Length of a block in bytes.
    pub const BYTES: usize = 16;

    /// Length of a block in bits.
    pub const BITS: usize = 128;

    /// All bits 0.
    pub const ZERO: Self = Self([0; 16]);

    /// The block whose byte 0 holds bits 0 to 7.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes, bits 0 to 7 first.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// 128 fresh bits.
    pub fn random<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// Bit 0, the permute bit of a label.
    pub const fn lsb(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// This block with bit 0 set to 1, as the free-XOR offset needs it for point-and-permute.
    pub const fn with_lsb_set(mut self) -> Self {
        self.0[0] |= 1;
        self
    }

    /// This block if `bit` is 1, else zero: `delta.masked(label.lsb())`.
    ///
    /// An arithmetic mask, with neither a branch nor a table, so that secret bits can select. It is not a
    /// volatile barrier: `subtle` would force each mask through memory, which at 10^8 gates a second costs
    /// more than the AES. So `bit` must not be the same throughout a loop: the optimiser would make two loops
    /// of it and a branch on the bit in front. [`mask`] and [`Block::masked_by`] are for that.
    #[inline(always)]
    pub const fn masked(self, bit: bool) -> Self {
        // 64 bits at a time: a negated `u128` would be computed with a carry, and keep the compiler from vectors.
        let half = (bit as u64).wrapping_neg() as u128;
        Self((u128::from_le_bytes(self.0) & (half | half << 64)).to_le_bytes())
    }

    /// [`Block::masked`] by a [`mask`], for loops in which the bit stays what it is.
    #[inline(always)]
    pub const fn masked_by(self, mask: u64) -> Self {
        let half = mask as u128;
        Self((u128::from_le_bytes(self.0) & (half | half << 64)).to_le_bytes())
    }

    /// The bytes of `blocks` one after the other, for sending.
    pub fn as_bytes(blocks: &[Self]) -> &[u8] {
        // SAFETY: `Block` is `repr(C)` over `[u8; 16]` with alignment 16, so its size is 16 and it has no
        // padding; a slice of blocks is therefore `16 * len` initialised bytes, `u8` has alignment 1, and the
        // borrow is carried over.
        unsafe { core::slice::from_raw_parts(blocks.as_ptr().cast(), core::mem::size_of_val(blocks)) }
    }

    /// The bytes of `blocks`, writable, for receiving in place.
    pub fn as_bytes_mut(blocks: &mut [Self]) -> &mut [u8] {
        // SAFETY: as in `as_bytes`; besides, every byte pattern is a valid block, and the exclusive borrow is
        // carried over.
        unsafe { core::slice::from_raw_parts_mut(blocks.as_mut_ptr().cast(), core::mem::size_of_val(blocks)) }
    }

    /// The blocks whose bytes are `bytes`, or `None` if their number is not a multiple of 16.
    pub fn vec_from_bytes(bytes: &[u8]) -> Option<Vec<Self>> {
        let (whole, rest) = bytes.as_chunks::<16>();
        rest.is_empty().then(|| whole.iter().copied().map(Self).collect())
    }
}

/// All ones if `bit` is 1, else 0, and the optimiser does not see that it is one of these two.
///
/// Without that it takes a mask that a loop does not change out of the loop, as a branch in front of two
/// loops, and the time tells the bit. Tests hold the compiled code to it, see `steps.rs`.
#[inline(always)]
#[must_use]
pub fn mask(bit: bool) -> u64 {
    core::hint::black_box(u64::from(bit).wrapping_neg())
}

impl From<u128> for Block {
    #[inline(always)]
    fn from(value: u128) -> Self {
        Self(value.to_le_bytes())
    }
}

impl From<Block> for u128 {
    #[inline(always)]
    fn from(block: Block) -> Self {
        u128::from_le_bytes(block.0)
    }
}

impl BitXor for Block {
    type Output = Self;

    #[inline(always)]
    fn bitxor(self, other: Self) -> Self {
        Self::from(u128::from(self) ^ u128::from(other))
    }
}

impl BitXorAssign for Block {
    #[inline(always)]
    fn bitxor_assign(&mut self, other: Self) {
        *self = *self ^ other;
    }
}

impl ConstantTimeEq for Block {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl PartialEq for Block {
    /// Constant time, see [`ConstantTimeEq`].
    fn eq(&self, other: &Self) -> bool {
        self.ct_eq(other).into()
    }
}

impl Eq for Block {}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Block(..)")
    }
}

impl DefaultIsZeroes for Block {}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroize;

    #[test]
    fn bits_and_bytes_are_little_endian() {
        let block = Block::from(0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100_u128);
        assert_eq!(block.to_bytes(), core::array::from_fn(|i| i as u8));
        assert_eq!(Block::from_bytes(block.to_bytes()), block);
        assert!(!block.lsb() && block.with_lsb_set().lsb());
        assert_eq!(u128::from(block.with_lsb_set()), u128::from(block) + 1);
    }

    #[test]
    fn xor_and_mask_follow_the_definition() {
        let (a, b) = (Block::from(0b1100 << 100), Block::from(0b1010 << 100));
        assert_eq!(a ^ b, Block::from(0b0110 << 100));
        assert_eq!(a.masked(true), a);
        assert_eq!(a.masked(false), Block::ZERO);
    }

    #[test]
    fn equality_sees_every_bit() {
        for bit in 0..128 {
            assert_ne!(Block::from(1 << bit), Block::ZERO, "bit {bit}");
        }
    }

    #[test]
    fn views_keep_order_and_length() {
        let mut blocks = vec![Block::from(1), Block::from(2 << 120)];
        let bytes = Block::as_bytes(&blocks).to_vec();
        assert_eq!((bytes.len(), bytes[0], bytes[31]), (32, 1, 2));
        assert_eq!(Block::vec_from_bytes(&bytes), Some(blocks.clone()));
        assert_eq!(Block::vec_from_bytes(&bytes[1..]), None);
        assert_eq!(Block::vec_from_bytes(&[]), Some(vec![]));
        Block::as_bytes_mut(&mut blocks)[16] = 7;
        assert_eq!(blocks[1], Block::from((2 << 120) | 7));
        assert!(Block::as_bytes(&[]).is_empty());
    }

    #[test]
    fn debug_shows_no_bit_and_zeroize_clears() {
        let mut block = Block::from(u128::MAX);
        assert_eq!(format!("{block:?}"), "Block(..)");
        block.zeroize();
        assert_eq!(block, Block::ZERO);
    }
}
