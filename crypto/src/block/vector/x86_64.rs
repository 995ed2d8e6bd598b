//! The vectors of x86-64: AES-NI on one block, VAES on two (AVX2) or four (AVX-512).
//!
//! The instructions are SSSE3 and AES-NI for `__m128i`, also AVX2 and VAES for `__m256i`, also AVX-512 F and BW for `__m512i`.

use core::arch::x86_64::*;

use super::super::Block;
use super::lanes::Lanes;

impl Lanes for __m128i {
    const BLOCKS: usize = 1;
    const REGISTERS: usize = 16;

    #[inline(always)]
    unsafe fn load(from: *const Block) -> Self {
        unsafe { _mm_loadu_si128(from.cast()) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut Block) {
        unsafe { _mm_storeu_si128(to.cast(), self) }
    }
    #[inline(always)]
    unsafe fn splat(block: __m128i) -> Self {
        block
    }
    #[inline(always)]
    unsafe fn words(words: [u32; 4]) -> Self {
        unsafe { _mm_set_epi32(words[3] as i32, words[2] as i32, words[1] as i32, words[0] as i32) }
    }
    #[inline(always)]
    unsafe fn count_from(first: u64) -> Self {
        unsafe { _mm_set_epi64x(0, first as i64) }
    }
    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        unsafe { _mm_xor_si128(self, other) }
    }
    #[inline(always)]
    unsafe fn xor3(self, b: Self, c: Self) -> Self {
        unsafe { _mm_xor_si128(_mm_xor_si128(self, b), c) }
    }
    #[inline(always)]
    unsafe fn and_xor(self, mask: Self, c: Self) -> Self {
        unsafe { _mm_xor_si128(_mm_and_si128(self, mask), c) }
    }
    #[inline(always)]
    unsafe fn swap_halves(self) -> Self {
        unsafe { _mm_shuffle_epi32::<0x4e>(self) }
    }
    #[inline(always)]
    unsafe fn round(self, key: Self) -> Self {
        unsafe { _mm_aesenc_si128(self, key) }
    }
    #[inline(always)]
    unsafe fn last_round(self, key: Self) -> Self {
        unsafe { _mm_aesenclast_si128(self, key) }
    }
    #[inline(always)]
    unsafe fn shuffle(self, index: Self) -> Self {
        unsafe { _mm_shuffle_epi8(self, index) }
    }
    #[inline(always)]
    unsafe fn low_words(self, other: Self) -> Self {
        unsafe { _mm_unpacklo_epi32(self, other) }
    }
    #[inline(always)]
    unsafe fn high_words(self, other: Self) -> Self {
        unsafe { _mm_unpackhi_epi32(self, other) }
    }
    #[inline(always)]
    unsafe fn low_halves(self, other: Self) -> Self {
        unsafe { _mm_unpacklo_epi64(self, other) }
    }
    #[inline(always)]
    unsafe fn high_halves(self, other: Self) -> Self {
        unsafe { _mm_unpackhi_epi64(self, other) }
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
        unsafe { _mm_add_epi32(self, other) }
    }
    #[inline(always)]
    unsafe fn xor_coloured(self, other: Self, of: Self) -> Self {
        unsafe {
            let mask = _mm_srai_epi32::<31>(_mm_slli_epi32::<31>(_mm_shuffle_epi32::<0>(of)));
            self.xor(_mm_and_si128(other, mask))
        }
    }
    #[inline(always)]
    unsafe fn xor_where(self, other: Self, bits: Self, choice: Self) -> Self {
        unsafe {
            let chosen = _mm_cmpeq_epi32(_mm_and_si128(bits, choice), choice);
            _mm_xor_si128(self, _mm_and_si128(other, chosen))
        }
    }
    #[inline(always)]
    unsafe fn colours(self) -> Self {
        unsafe { _mm_srai_epi32::<31>(_mm_slli_epi32::<31>(_mm_shuffle_epi32::<0>(self))) }
    }
    #[inline(always)]
    unsafe fn tops(self) -> Self {
        unsafe { _mm_srai_epi32::<31>(_mm_shuffle_epi32::<0xff>(self)) }
    }
    #[inline(always)]
    unsafe fn top_bits(self) -> u32 {
        unsafe { (_mm_movemask_pd(_mm_castsi128_pd(self)) as u32) >> 1 }
    }
    #[inline(always)]
    unsafe fn choose(mask: Self, one: Self, other: Self) -> Self {
        unsafe { _mm_or_si128(_mm_and_si128(mask, one), _mm_andnot_si128(mask, other)) }
    }
    #[inline(always)]
    unsafe fn lower_upper(self, other: Self) -> Self {
        unsafe { _mm_castpd_si128(_mm_shuffle_pd::<0b10>(_mm_castsi128_pd(self), _mm_castsi128_pd(other))) }
    }
    #[inline(always)]
    unsafe fn double(self) -> Self {
        unsafe {
            let carry = _mm_srai_epi32::<31>(_mm_shuffle_epi32::<0xf5>(self));
            _mm_xor_si128(_mm_add_epi64(self, self), _mm_and_si128(carry, _mm_set1_epi64x(0x1b)))
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

impl Lanes for __m256i {
    const BLOCKS: usize = 2;
    const REGISTERS: usize = 16;

    #[inline(always)]
    unsafe fn load(from: *const Block) -> Self {
        unsafe { _mm256_loadu_si256(from.cast()) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut Block) {
        unsafe { _mm256_storeu_si256(to.cast(), self) }
    }
    #[inline(always)]
    unsafe fn splat(block: __m128i) -> Self {
        unsafe { _mm256_broadcastsi128_si256(block) }
    }
    #[inline(always)]
    unsafe fn words(words: [u32; 4]) -> Self {
        unsafe { Self::splat(__m128i::words(words)) }
    }
    #[inline(always)]
    unsafe fn count_from(first: u64) -> Self {
        unsafe {
            _mm256_add_epi64(
                _mm256_set_epi64x(0, first as i64, 0, first as i64),
                _mm256_set_epi64x(0, 1, 0, 0),
            )
        }
    }
    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        unsafe { _mm256_xor_si256(self, other) }
    }
    #[inline(always)]
    unsafe fn xor3(self, b: Self, c: Self) -> Self {
        unsafe { _mm256_xor_si256(_mm256_xor_si256(self, b), c) }
    }
    #[inline(always)]
    unsafe fn and_xor(self, mask: Self, c: Self) -> Self {
        unsafe { _mm256_xor_si256(_mm256_and_si256(self, mask), c) }
    }
    #[inline(always)]
    unsafe fn swap_halves(self) -> Self {
        unsafe { _mm256_shuffle_epi32::<0x4e>(self) }
    }
    #[inline(always)]
    unsafe fn round(self, key: Self) -> Self {
        unsafe { _mm256_aesenc_epi128(self, key) }
    }
    #[inline(always)]
    unsafe fn last_round(self, key: Self) -> Self {
        unsafe { _mm256_aesenclast_epi128(self, key) }
    }
    #[inline(always)]
    unsafe fn shuffle(self, index: Self) -> Self {
        unsafe { _mm256_shuffle_epi8(self, index) }
    }
    #[inline(always)]
    unsafe fn low_words(self, other: Self) -> Self {
        unsafe { _mm256_unpacklo_epi32(self, other) }
    }
    #[inline(always)]
    unsafe fn high_words(self, other: Self) -> Self {
        unsafe { _mm256_unpackhi_epi32(self, other) }
    }
    #[inline(always)]
    unsafe fn low_halves(self, other: Self) -> Self {
        unsafe { _mm256_unpacklo_epi64(self, other) }
    }
    #[inline(always)]
    unsafe fn high_halves(self, other: Self) -> Self {
        unsafe { _mm256_unpackhi_epi64(self, other) }
    }
    #[inline(always)]
    unsafe fn unzip(self, other: Self) -> (Self, Self) {
        unsafe {
            (_mm256_permute2x128_si256::<0x20>(self, other), _mm256_permute2x128_si256::<0x31>(self, other))
        }
    }
    #[inline(always)]
    unsafe fn zip(self, other: Self) -> (Self, Self) {
        // With two lanes the permutation is its own inverse.
        unsafe { self.unzip(other) }
    }
    #[inline(always)]
    unsafe fn add_words(self, other: Self) -> Self {
        unsafe { _mm256_add_epi32(self, other) }
    }
    #[inline(always)]
    unsafe fn xor_coloured(self, other: Self, of: Self) -> Self {
        unsafe {
            let mask = _mm256_srai_epi32::<31>(_mm256_slli_epi32::<31>(_mm256_shuffle_epi32::<0>(of)));
            self.xor(_mm256_and_si256(other, mask))
        }
    }
    #[inline(always)]
    unsafe fn xor_where(self, other: Self, bits: Self, choice: Self) -> Self {
        unsafe {
            let chosen = _mm256_cmpeq_epi32(_mm256_and_si256(bits, choice), choice);
            _mm256_xor_si256(self, _mm256_and_si256(other, chosen))
        }
    }
    #[inline(always)]
    unsafe fn colours(self) -> Self {
        unsafe { _mm256_srai_epi32::<31>(_mm256_slli_epi32::<31>(_mm256_shuffle_epi32::<0>(self))) }
    }
    #[inline(always)]
    unsafe fn tops(self) -> Self {
        unsafe { _mm256_srai_epi32::<31>(_mm256_shuffle_epi32::<0xff>(self)) }
    }
    #[inline(always)]
    unsafe fn top_bits(self) -> u32 {
        let halves = unsafe { _mm256_movemask_pd(_mm256_castsi256_pd(self)) as u32 };
        halves >> 1 & 1 | halves >> 2 & 2
    }
    #[inline(always)]
    unsafe fn choose(mask: Self, one: Self, other: Self) -> Self {
        unsafe { _mm256_or_si256(_mm256_and_si256(mask, one), _mm256_andnot_si256(mask, other)) }
    }
    #[inline(always)]
    unsafe fn lower_upper(self, other: Self) -> Self {
        unsafe { _mm256_blend_epi32::<0b1100_1100>(self, other) }
    }
    #[inline(always)]
    unsafe fn double(self) -> Self {
        unsafe {
            let carry = _mm256_srai_epi32::<31>(_mm256_shuffle_epi32::<0xf5>(self));
            let carry = _mm256_and_si256(carry, _mm256_set1_epi64x(0x1b));
            _mm256_xor_si256(_mm256_add_epi64(self, self), carry)
        }
    }
    #[inline(always)]
    unsafe fn pack(self, other: Self) -> Self {
        // Words [self 0, other 0, self 1, other 1] into [self 0, self 1, other 0, other 1].
        unsafe { _mm256_permute4x64_epi64::<0b11_01_10_00>(self.low_halves(other)) }
    }
    #[inline(always)]
    unsafe fn spread(self) -> (Self, Self) {
        unsafe {
            let low = _mm256_permute4x64_epi64::<0b01_01_00_00>(self);
            (low, _mm256_permute4x64_epi64::<0b11_11_10_10>(self))
        }
    }
}

impl Lanes for __m512i {
    const BLOCKS: usize = 4;
    const REGISTERS: usize = 32;

    #[inline(always)]
    unsafe fn load(from: *const Block) -> Self {
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut Block) {
        unsafe { _mm512_storeu_si512(to.cast(), self) }
    }
    #[inline(always)]
    unsafe fn splat(block: __m128i) -> Self {
        unsafe { _mm512_broadcast_i32x4(block) }
    }
    #[inline(always)]
    unsafe fn words(words: [u32; 4]) -> Self {
        unsafe { Self::splat(__m128i::words(words)) }
    }
    #[inline(always)]
    unsafe fn count_from(first: u64) -> Self {
        let n = first as i64;
        unsafe {
            _mm512_add_epi64(
                _mm512_set_epi64(0, n, 0, n, 0, n, 0, n),
                _mm512_set_epi64(0, 3, 0, 2, 0, 1, 0, 0),
            )
        }
    }
    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        unsafe { _mm512_xor_si512(self, other) }
    }
    #[inline(always)]
    unsafe fn xor3(self, b: Self, c: Self) -> Self {
        // 0x96 is the truth table of the XOR of three bits.
        unsafe { _mm512_ternarylogic_epi64::<0x96>(self, b, c) }
    }
    #[inline(always)]
    unsafe fn and_xor(self, mask: Self, c: Self) -> Self {
        // The truth table of (a & b) ^ c, read from a = b = c = 1 down.
        unsafe { _mm512_ternarylogic_epi64::<0b0110_1010>(self, mask, c) }
    }
    #[inline(always)]
    unsafe fn swap_halves(self) -> Self {
        unsafe { _mm512_shuffle_epi32::<0x4e>(self) }
    }
    #[inline(always)]
    unsafe fn round(self, key: Self) -> Self {
        unsafe { _mm512_aesenc_epi128(self, key) }
    }
    #[inline(always)]
    unsafe fn last_round(self, key: Self) -> Self {
        unsafe { _mm512_aesenclast_epi128(self, key) }
    }
    #[inline(always)]
    unsafe fn shuffle(self, index: Self) -> Self {
        unsafe { _mm512_shuffle_epi8(self, index) }
    }
    #[inline(always)]
    unsafe fn low_words(self, other: Self) -> Self {
        unsafe { _mm512_unpacklo_epi32(self, other) }
    }
    #[inline(always)]
    unsafe fn high_words(self, other: Self) -> Self {
        unsafe { _mm512_unpackhi_epi32(self, other) }
    }
    #[inline(always)]
    unsafe fn low_halves(self, other: Self) -> Self {
        unsafe { _mm512_unpacklo_epi64(self, other) }
    }
    #[inline(always)]
    unsafe fn high_halves(self, other: Self) -> Self {
        unsafe { _mm512_unpackhi_epi64(self, other) }
    }
    #[inline(always)]
    unsafe fn unzip(self, other: Self) -> (Self, Self) {
        // Lanes are chosen by two bits each: 0b10_00_10_00 takes 0 and 2 of both, 0b11_01_11_01 takes 1 and
        // 3.
        unsafe { (_mm512_shuffle_i64x2::<0x88>(self, other), _mm512_shuffle_i64x2::<0xdd>(self, other)) }
    }
    #[inline(always)]
    unsafe fn zip(self, other: Self) -> (Self, Self) {
        // Eight 64-bit words from the sixteen of both: 0 to 7 are `self`, 8 to 15 are `other`.
        unsafe {
            let low = _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0);
            let high = _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4);
            (_mm512_permutex2var_epi64(self, low, other), _mm512_permutex2var_epi64(self, high, other))
        }
    }
    #[inline(always)]
    unsafe fn add_words(self, other: Self) -> Self {
        unsafe { _mm512_add_epi32(self, other) }
    }
    #[inline(always)]
    unsafe fn xor_coloured(self, other: Self, of: Self) -> Self {
        unsafe {
            let mask = _mm512_test_epi32_mask(_mm512_shuffle_epi32::<0>(of), _mm512_set1_epi32(1));
            _mm512_mask_xor_epi32(self, mask, self, other)
        }
    }
    #[inline(always)]
    unsafe fn xor_where(self, other: Self, bits: Self, choice: Self) -> Self {
        unsafe { _mm512_mask_xor_epi32(self, _mm512_test_epi32_mask(bits, choice), self, other) }
    }
    #[inline(always)]
    unsafe fn colours(self) -> Self {
        unsafe { _mm512_srai_epi32::<31>(_mm512_slli_epi32::<31>(_mm512_shuffle_epi32::<0>(self))) }
    }
    #[inline(always)]
    unsafe fn tops(self) -> Self {
        unsafe { _mm512_srai_epi32::<31>(_mm512_shuffle_epi32::<0xff>(self)) }
    }
    #[inline(always)]
    unsafe fn top_bits(self) -> u32 {
        let halves = unsafe { u32::from(_mm512_cmplt_epi64_mask(self, _mm512_setzero_si512())) };
        // Bits 1, 3, 5 and 7 are those of the upper halves.
        let pairs = (halves >> 1 & 0b0001_0001) | (halves >> 2 & 0b0010_0010);
        (pairs | pairs >> 2) & 0b1111
    }
    #[inline(always)]
    unsafe fn choose(mask: Self, one: Self, other: Self) -> Self {
        // 0xca is the truth table of a choice.
        unsafe { _mm512_ternarylogic_epi64::<0xca>(mask, one, other) }
    }
    #[inline(always)]
    unsafe fn lower_upper(self, other: Self) -> Self {
        unsafe { _mm512_mask_mov_epi64(self, 0b1010_1010, other) }
    }
    #[inline(always)]
    unsafe fn double(self) -> Self {
        unsafe {
            let carry = _mm512_srai_epi64::<63>(self);
            carry.and_xor(_mm512_set1_epi64(0x1b), _mm512_add_epi64(self, self))
        }
    }
    #[inline(always)]
    unsafe fn pack(self, other: Self) -> Self {
        // Eight 64-bit words from the sixteen of both: 0 to 7 are `self`, 8 to 15 are `other`.
        unsafe { _mm512_permutex2var_epi64(self, _mm512_set_epi64(14, 12, 10, 8, 6, 4, 2, 0), other) }
    }
    #[inline(always)]
    unsafe fn spread(self) -> (Self, Self) {
        unsafe {
            let low = _mm512_permutexvar_epi64(_mm512_set_epi64(3, 3, 2, 2, 1, 1, 0, 0), self);
            (low, _mm512_permutexvar_epi64(_mm512_set_epi64(7, 7, 6, 6, 5, 5, 4, 4), self))
        }
    }
}
