//! Random polynomials from AES-128 in counter mode.
//!
//! A [`SeedExpander`] is a stream of bytes: the encryptions of 0, 1, 2, .. as 128-bit big-endian numbers
//! under the seed as key. Samplers take bytes from it one after the other and leave none half used:
//!
//! * *Uniform* modulo q: words of 4 little-endian bytes (8 if q has more than 32 bits), the bits above
//!   `ceil(log2 q)` dropped, words of q and more rejected.
//! * *Ternary*: bytes of 243 and more are rejected, each other byte is five digits to base 3, the lowest
//!   first, of which 0, 1, 2 stand for 0, 1, -1. Digits left over by the last polynomial's byte are dropped.
//! * *Binomial*, 21 coins minus 21 coins: 8 bytes a coefficient, little-endian; the ones among the lowest 42
//!   bits, minus 21. (With the other 21 coins turned over, which is as likely, that is the difference.)
//!   Standard deviation 3.24.
//!
//! # Constant time
//! Binomial: no branch at all. Uniform and ternary: what is done depends on which words were rejected and on
//! nothing else. Accepted words are independent of rejected ones and uniform whatever the pattern of
//! rejections was, so it tells nothing of a secret polynomial.

use core::fmt;

use aes::Aes128;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use fearless_simd::dispatch;
use rand::CryptoRng;
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use super::ring::{Coefficients, Ring};
use super::{Params, Role};
use crate::Wiped;
use crate::wiped::wipe;

/// Bytes of a seed.
pub const SEED_BYTES: usize = 16;

/// Blocks of AES that are computed at a time.
const BLOCKS: usize = 128;

/// Bytes of those.
const CHUNK: usize = 16 * BLOCKS;

/// Coins of one sign of the binomial distribution.
const COINS: u32 = 21;

/// The standard deviation of an error coefficient: `sqrt(21 / 2)`.
pub const ERROR_STD: f64 = 3.240_370_349_203_93;

/// A stream of pseudorandom bytes, and polynomials from it. The seed is wiped when it is dropped.
pub struct SeedExpander {
    cipher: Aes128,
    counter: u128,
    chunk: Wiped<u8>,
    /// Bytes of the chunk that were taken.
    taken: usize,
}

impl SeedExpander {
    /// The stream of a seed.
    pub fn new(seed: &[u8; SEED_BYTES]) -> Self {
        Self { cipher: Aes128::new(&(*seed).into()), counter: 0, chunk: Wiped::zeros(CHUNK), taken: CHUNK }
    }

    /// A stream for secrets, under a seed that nobody sees.
    pub fn secret(rng: &mut impl CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; SEED_BYTES]);
        rng.fill_bytes(seed.as_mut());
        Self::new(&seed)
    }

    /// The next bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.taken == CHUNK {
                self.refill();
            }
            let (now, later) = rest.split_at_mut(rest.len().min(CHUNK - self.taken));
            now.copy_from_slice(&self.chunk[self.taken..self.taken + now.len()]);
            self.taken += now.len();
            rest = later;
        }
    }

    fn refill(&mut self) {
        let mut blocks = [Array::from([0; 16]); BLOCKS];
        for block in &mut blocks {
            block.0 = self.counter.to_be_bytes();
            self.counter += 1;
        }
        self.cipher.encrypt_blocks(&mut blocks);
        for (bytes, block) in self.chunk.as_chunks_mut().0.iter_mut().zip(&mut blocks) {
            *bytes = block.0;
        }
        wipe(&mut blocks);
        self.taken = 0;
    }

    /// The next bytes.
    fn bytes(&mut self, count: usize) -> Wiped<u8> {
        let mut bytes = Wiped::zeros(count);
        self.fill(&mut bytes);
        bytes
    }

    /// As many numbers, uniform modulo the ring's q.
    pub fn uniform_numbers(&mut self, ring: &Ring, count: usize) -> Wiped<u64> {
        let q = ring.q();
        let mask = u64::MAX >> q.leading_zeros();
        let mut numbers = Wiped::zeros(count);
        let mut found = 0;
        // Of words that are not there yet as many at a time as numbers are missing.
        while found < count {
            let width = if q >> 32 == 0 { 4 } else { 8 };
            let bytes = self.bytes(width * (count - found));
            let mut keep = |word: u64| {
                // Written over by the next one where it is rejected.
                numbers[found] = word & mask;
                found += usize::from(word & mask < q);
            };
            if width == 4 {
                bytes.as_chunks().0.iter().for_each(|word| keep(u32::from_le_bytes(*word).into()));
            } else {
                bytes.as_chunks().0.iter().for_each(|word| keep(u64::from_le_bytes(*word)));
            }
        }
        numbers
    }

    /// A polynomial with coefficients uniform modulo q.
    pub fn uniform(&mut self, ring: &'static Ring) -> Coefficients {
        let numbers = self.uniform_numbers(ring, ring.n());
        ring.coefficients(numbers.iter().copied())
    }

    /// As many digits, uniform among -1, 0 and 1.
    fn digits(&mut self, count: usize) -> Wiped<i64> {
        let mut packed = Wiped::zeros(count.div_ceil(5));
        let mut found = 0;
        while found < packed.len() {
            for &byte in self.bytes(packed.len() - found).iter() {
                packed[found] = byte;
                found += usize::from(byte < 243);
            }
        }
        let mut digits = Wiped::zeros(count);
        for (digits, &byte) in digits.chunks_mut(5).zip(packed.iter()) {
            let mut left = u32::from(byte);
            for digit in digits {
                // left / 3 for left below 256, without a division
                let third = (left * 171) >> 9;
                let remainder = i64::from(left - 3 * third);
                *digit = remainder - 3 * (remainder >> 1);
                left = third;
            }
        }
        digits
    }

    /// A polynomial with coefficients uniform among -1, 0 and 1: keys.
    pub fn ternary(&mut self, ring: &'static Ring) -> Coefficients {
        ring.lift(&self.digits(ring.n()))
    }

    /// The same polynomial in two rings.
    pub(super) fn ternary_in(&mut self, rings: [&'static Ring; 2]) -> [Coefficients; 2] {
        let digits = self.digits(rings[0].n());
        rings.map(|ring| ring.lift(&digits))
    }

    /// A polynomial of errors: 21 coins minus 21 coins each.
    pub fn binomial(&mut self, ring: &'static Ring) -> Coefficients {
        let errors = self.errors(ring, ring.n());
        ring.coefficients(errors.iter().copied())
    }

    /// As many errors, modulo the ring's q.
    pub(super) fn errors(&mut self, ring: &Ring, count: usize) -> Wiped<u64> {
        let bytes = self.bytes(8 * count);
        let mut words: Wiped<u64> =
            bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let q = ring.q();
        dispatch!(ring.level(), _simd => coins(&mut words, q));
        words
    }
}

/// Each word becomes the ones among its coins, minus half the coins, modulo q.
#[inline(always)]
fn coins(words: &mut [u64], q: u64) {
    let mut i = 0;
    while i < words.len() {
        let ones = u64::from((words[i] & ((1 << (2 * COINS)) - 1)).count_ones());
        let error = ones as i64 - i64::from(COINS);
        words[i] = (error + (q as i64 & (error >> 63))) as u64;
        i += 1;
    }
}

impl fmt::Debug for SeedExpander {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeedExpander").finish_non_exhaustive()
    }
}

/// The public polynomial of a key: neither host chooses it, a hash of the session does.
///
/// SHA-512 of the domain, the session id with its length, n, q and the role; the first 16 bytes are the seed
/// of a uniform polynomial.
pub fn public_polynomial(params: Params, session: &[u8], role: Role) -> Coefficients {
    let digest = Sha512::new()
        .chain_update(b"xonn rlwe public polynomial 1\0")
        .chain_update((session.len() as u64).to_le_bytes())
        .chain_update(session)
        .chain_update((params.n() as u64).to_le_bytes())
        .chain_update(params.q().to_le_bytes())
        .chain_update([role.byte()])
        .finalize();
    let seed = digest.first_chunk().expect("SHA-512 has 64 bytes");
    SeedExpander::new(seed).uniform(Ring::of(params))
}

#[cfg(test)]
mod tests;
