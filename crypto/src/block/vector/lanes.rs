//! What the kernels need of a vector of blocks.

use super::super::Block;
use super::One;

/// A vector of [`Lanes::BLOCKS`] blocks, lane 0 first in memory; every operation works on each block by
/// itself.
///
/// # Safety
/// Each method may be called only where the instructions of the implementing type are enabled, which the entry points
/// of its architecture see to; where those of any vector are, those of [`One`] are too. Methods are
/// `inline(always)`, or enable their instructions themselves and are small: so they are compiled into the function with
/// `target_feature` that calls them, with its instructions.
pub(super) trait Lanes: Copy {
    /// Blocks in a vector: 1, 2 or 4.
    const BLOCKS: usize;
    /// Vector registers that the processor has of this width.
    const REGISTERS: usize;

    /// The blocks from `from` on. The caller vouches that [`Self::BLOCKS`] blocks can be read there.
    unsafe fn load(from: *const Block) -> Self;
    /// Writes the blocks from `to` on. The caller vouches that [`Self::BLOCKS`] blocks can be written there.
    unsafe fn store(self, to: *mut Block);
    /// The same block in every lane.
    unsafe fn splat(block: One) -> Self;
    /// The block of these 32-bit words, bits 0 to 31 first, in every lane.
    unsafe fn words(words: [u32; 4]) -> Self;
    /// The number `first + lane`, modulo 2^64, in every lane.
    unsafe fn count_from(first: u64) -> Self;
    /// `self ^ other`
    unsafe fn xor(self, other: Self) -> Self;
    /// `self ^ b ^ c`
    unsafe fn xor3(self, b: Self, c: Self) -> Self;
    /// `(self & mask) ^ c`
    unsafe fn and_xor(self, mask: Self, c: Self) -> Self;
    /// The halves of each block exchanged.
    unsafe fn swap_halves(self) -> Self;
    /// ShiftRows, SubBytes, MixColumns, then `^ key`.
    unsafe fn round(self, key: Self) -> Self;
    /// ShiftRows, SubBytes, then `^ key`.
    unsafe fn last_round(self, key: Self) -> Self;
    /// Byte `i` of the result is byte `index[i]` of `self`, or 0 where `index[i]` is 128 or more.
    unsafe fn shuffle(self, index: Self) -> Self;
    /// 32-bit words 0 and 1 of both blocks: `[self 0, other 0, self 1, other 1]`.
    unsafe fn low_words(self, other: Self) -> Self;
    /// 32-bit words 2 and 3 of both blocks: `[self 2, other 2, self 3, other 3]`.
    unsafe fn high_words(self, other: Self) -> Self;
    /// The lower halves of both blocks.
    unsafe fn low_halves(self, other: Self) -> Self;
    /// The upper halves of both blocks.
    unsafe fn high_halves(self, other: Self) -> Self;
    /// From the stream `self, other`: its blocks at even places, then those at odd places.
    unsafe fn unzip(self, other: Self) -> (Self, Self);
    /// Undoes [`Lanes::unzip`].
    unsafe fn zip(self, other: Self) -> (Self, Self);
    /// The four 32-bit words of each block added, modulo 2^32.
    unsafe fn add_words(self, other: Self) -> Self;
    /// `self ^ other` in the blocks where bit 0 of `of` is 1, else `self`.
    unsafe fn xor_coloured(self, other: Self, of: Self) -> Self;
    /// `self ^ other` in the blocks where `bits & choice` is not 0, else `self`; in both of these the four words of a
    /// block are the same.
    unsafe fn xor_where(self, other: Self, bits: Self, choice: Self) -> Self;
    /// All bits of each block like its bit 0.
    unsafe fn colours(self) -> Self;
    /// All bits of each block like its bit 127.
    unsafe fn tops(self) -> Self;
    /// Bit 127 of each block, that of block 0 first.
    unsafe fn top_bits(self) -> u32;
    /// The bits of `self` where `mask` is 1, else those of `other`.
    unsafe fn choose(mask: Self, one: Self, other: Self) -> Self;
    /// The lower half of each block of `self`, the upper one of `other`.
    unsafe fn lower_upper(self, other: Self) -> Self;
    /// Each half times x in GF(2^64), modulo x^64 + x^4 + x^3 + x + 1.
    unsafe fn double(self) -> Self;
    /// The lower halves of the blocks of `self`, then of `other`, next to each other.
    unsafe fn pack(self, other: Self) -> Self;
    /// Undoes [`Lanes::pack`], each word in both halves of its block.
    unsafe fn spread(self) -> (Self, Self);
}
