//! The vector of AArch64: the AES instructions of ARMv8 on one block.
//!
//! The instructions are NEON and AES.

use core::arch::aarch64::*;

use super::super::Block;
use super::lanes::Lanes;

/// `AESE`: AddRoundKey, here with zeros, then ShiftRows and SubBytes.
///
/// The instruction adds its key first, where the kernels have theirs added last. Written like this, the compiler takes the
/// addition at the end of a round for the key of the next round's `AESE`, so that it costs nothing.
///
/// This and the rounds are compiled for their instructions and not `inline(always)`, as stable Rust has it one way only; the
/// compiler inlines them once their callers are part of an entry point.
#[inline]
#[target_feature(enable = "neon,aes")]
fn substitute(state: uint8x16_t) -> uint8x16_t {
    vaeseq_u8(state, vdupq_n_u8(0))
}

impl Lanes for uint8x16_t {
    const BLOCKS: usize = 1;
    const REGISTERS: usize = 32;

    #[inline(always)]
    unsafe fn load(from: *const Block) -> Self {
        unsafe { vld1q_u8(from.cast()) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut Block) {
        unsafe { vst1q_u8(to.cast(), self) }
    }
    #[inline(always)]
    unsafe fn splat(block: Self) -> Self {
        block
    }
    #[inline(always)]
    unsafe fn words(words: [u32; 4]) -> Self {
        unsafe { vreinterpretq_u8_u32(vld1q_u32(words.as_ptr())) }
    }
    #[inline(always)]
    unsafe fn count_from(first: u64) -> Self {
        unsafe { vreinterpretq_u8_u64(vcombine_u64(vcreate_u64(first), vcreate_u64(0))) }
    }
    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        unsafe { veorq_u8(self, other) }
    }
    #[inline(always)]
    unsafe fn xor3(self, b: Self, c: Self) -> Self {
        unsafe { veorq_u8(veorq_u8(self, b), c) }
    }
    #[inline(always)]
    unsafe fn and_xor(self, mask: Self, c: Self) -> Self {
        unsafe { veorq_u8(vandq_u8(self, mask), c) }
    }
    #[inline(always)]
    unsafe fn swap_halves(self) -> Self {
        unsafe { vextq_u8::<8>(self, self) }
    }
    #[inline]
    #[target_feature(enable = "neon,aes")]
    unsafe fn round(self, key: Self) -> Self {
        veorq_u8(vaesmcq_u8(substitute(self)), key)
    }
    #[inline]
    #[target_feature(enable = "neon,aes")]
    unsafe fn last_round(self, key: Self) -> Self {
        veorq_u8(substitute(self), key)
    }
    #[inline(always)]
    unsafe fn shuffle(self, index: Self) -> Self {
        unsafe { vqtbl1q_u8(self, index) }
    }
    #[inline(always)]
    unsafe fn low_words(self, other: Self) -> Self {
        unsafe { vreinterpretq_u8_u32(vzip1q_u32(vreinterpretq_u32_u8(self), vreinterpretq_u32_u8(other))) }
    }
    #[inline(always)]
    unsafe fn high_words(self, other: Self) -> Self {
        unsafe { vreinterpretq_u8_u32(vzip2q_u32(vreinterpretq_u32_u8(self), vreinterpretq_u32_u8(other))) }
    }
    #[inline(always)]
    unsafe fn low_halves(self, other: Self) -> Self {
        unsafe { vreinterpretq_u8_u64(vzip1q_u64(vreinterpretq_u64_u8(self), vreinterpretq_u64_u8(other))) }
    }
    #[inline(always)]
    unsafe fn high_halves(self, other: Self) -> Self {
        unsafe { vreinterpretq_u8_u64(vzip2q_u64(vreinterpretq_u64_u8(self), vreinterpretq_u64_u8(other))) }
    }
    #[inline(always)]
    unsafe fn unzip(self, other: Self) -> (Self, Self) {
        (self, other)
    }
    #[inline(always)]
    unsafe fn zip(self, other: Self) -> (Self, Self) {
        (self, other)
    }
    #[inline(always)]
    unsafe fn add_words(self, other: Self) -> Self {
        unsafe { vreinterpretq_u8_u32(vaddq_u32(vreinterpretq_u32_u8(self), vreinterpretq_u32_u8(other))) }
    }
    #[inline(always)]
    unsafe fn xor_coloured(self, other: Self, of: Self) -> Self {
        unsafe { of.colours().and_xor(other, self) }
    }
    #[inline(always)]
    unsafe fn xor_where(self, other: Self, bits: Self, choice: Self) -> Self {
        unsafe {
            let chosen = vtstq_u32(vreinterpretq_u32_u8(bits), vreinterpretq_u32_u8(choice));
            other.and_xor(vreinterpretq_u8_u32(chosen), self)
        }
    }
    #[inline(always)]
    unsafe fn colours(self) -> Self {
        unsafe {
            let word = vdupq_laneq_u32::<0>(vreinterpretq_u32_u8(self));
            vreinterpretq_u8_u32(vtstq_u32(word, vdupq_n_u32(1)))
        }
    }
    #[inline(always)]
    unsafe fn tops(self) -> Self {
        unsafe {
            let word = vdupq_laneq_s32::<3>(vreinterpretq_s32_u8(self));
            vreinterpretq_u8_s32(vshrq_n_s32::<31>(word))
        }
    }
    #[inline(always)]
    unsafe fn top_bits(self) -> u32 {
        unsafe { (vgetq_lane_u64::<1>(vreinterpretq_u64_u8(self)) >> 63) as u32 }
    }
    #[inline(always)]
    unsafe fn choose(mask: Self, one: Self, other: Self) -> Self {
        unsafe { vbslq_u8(mask, one, other) }
    }
    #[inline(always)]
    unsafe fn lower_upper(self, other: Self) -> Self {
        unsafe {
            vreinterpretq_u8_u64(vcopyq_laneq_u64::<1, 1>(
                vreinterpretq_u64_u8(self),
                vreinterpretq_u64_u8(other),
            ))
        }
    }
    #[inline(always)]
    unsafe fn double(self) -> Self {
        unsafe {
            let carry = vshrq_n_s64::<63>(vreinterpretq_s64_u8(self));
            let twice = vshlq_n_u64::<1>(vreinterpretq_u64_u8(self));
            vreinterpretq_u8_s64(carry)
                .and_xor(vreinterpretq_u8_u64(vdupq_n_u64(0x1b)), vreinterpretq_u8_u64(twice))
        }
    }
    #[inline(always)]
    unsafe fn pack(self, other: Self) -> Self {
        unsafe { self.low_halves(other) }
    }
    #[inline(always)]
    unsafe fn spread(self) -> (Self, Self) {
        unsafe { (self.low_halves(self), self.high_halves(self)) }
    }
}
