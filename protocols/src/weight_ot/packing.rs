//! Numbers of any width, one after the other without gaps, least significant bits first.

use zeroize::{Zeroize, Zeroizing};

use xonn_crypto::block::{Block, Prg};

/// The lowest `bits` bits.
pub(super) fn mask(bits: u32) -> u64 {
    u64::MAX >> (64 - bits)
}

/// Writes numbers to bytes.
#[derive(Default)]
pub(super) struct Packer {
    bytes: Vec<u8>,
    waiting: u64,
    /// Bits that wait, fewer than 64.
    count: u32,
}

impl Packer {
    /// With room for `bytes` bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        // A whole word is written at a time.
        Self { bytes: Vec::with_capacity(bytes + size_of::<u64>()), ..Self::default() }
    }

    /// Appends the lowest `bits` bits of `number`, 1 to 63; its other bits are 0.
    #[inline(always)]
    pub fn push(&mut self, number: u64, bits: u32) {
        self.waiting |= number << self.count;
        self.count += bits;
        if self.count >= 64 {
            self.bytes.extend(self.waiting.to_le_bytes());
            self.count -= 64;
            self.waiting = number >> (bits - self.count);
        }
    }

    /// The bytes, the last one filled up with zeros.
    pub fn finish(mut self) -> Vec<u8> {
        let rest = self.waiting.to_le_bytes();
        self.bytes.extend(&rest[..self.count.div_ceil(8) as usize]);
        self.bytes
    }
}

/// Reads numbers from bytes.
pub(super) struct Unpacker<'b> {
    bytes: &'b [u8],
    /// The next bit.
    at: usize,
}

impl<'b> Unpacker<'b> {
    /// Reads `bytes`, and zeros behind them.
    pub fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next `bits` bits, 1 to 63.
    #[inline(always)]
    pub fn next(&mut self, bits: u32) -> u64 {
        let (byte, bit) = (self.at / 8, self.at % 8);
        self.at += bits as usize;
        let words = match self.bytes.get(byte..).and_then(|rest| rest.first_chunk()) {
            Some(words) => u128::from_le_bytes(*words),
            None => self.last(byte),
        };
        (words >> bit) as u64 & mask(bits)
    }

    /// The bytes from `byte` on, fewer than 16, and zeros.
    #[cold]
    fn last(&self, byte: usize) -> u128 {
        let (mut words, rest) = ([0; 16], self.bytes.get(byte..).unwrap_or_default());
        words[..rest.len()].copy_from_slice(rest);
        u128::from_le_bytes(words)
    }
}

/// `count` numbers of `bits` bits each from a block of an OT's stream: the block's own bits if they suffice,
/// else the bits of [`Prg`] with the block as seed and its counters from `base` on. Wiped when it is dropped
/// or filled again.
#[derive(Default)]
pub(super) struct Numbers {
    blocks: Zeroizing<Vec<Block>>,
}

impl Numbers {
    /// Reads from `block` on.
    pub fn of(&mut self, (block, base): (Block, Block), count: usize, bits: u32) -> Unpacker<'_> {
        let needed = (count * bits as usize).div_ceil(Block::BITS);
        self.blocks.zeroize();
        if needed <= 1 {
            self.blocks.push(block);
        } else {
            self.blocks.resize(needed, Block::ZERO);
            Prg::based(block, base, 0).fill(&mut self.blocks);
        }
        Unpacker::new(Block::as_bytes(&self.blocks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_read_again_in_the_fewest_bytes() {
        for bits in 1..=61 {
            for count in [1usize, 7, 8, 65] {
                let number = |i: usize| (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) & mask(bits);
                let mut packer = Packer::default();
                (0..count).for_each(|i| packer.push(number(i), bits));
                let bytes = packer.finish();
                assert_eq!(bytes.len(), (count * bits as usize).div_ceil(8));
                let mut reader = Unpacker::new(&bytes);
                assert!((0..count).all(|i| reader.next(bits) == number(i)), "{count} of {bits} bits");
                assert_eq!(reader.next(bits), 0, "nothing comes behind the end");
            }
        }
    }

    #[test]
    fn numbers_of_a_block_are_its_bits_or_its_stream() {
        let (block, mut numbers) =
            (Block::from(0x1234_5678_9abc_def0_0fed_cba9_8765_4321), Numbers::default());
        let base = Block::from(5 << 70);
        let mut few = numbers.of((block, base), 8, 16);
        assert_eq!([few.next(16), few.next(16)], [0x4321, 0x8765]);
        let mut stream = [Block::ZERO; 2];
        Prg::based(block, base, 0).fill(&mut stream);
        let mut many = numbers.of((block, base), 9, 16);
        assert!((0..8).all(|_| many.next(16) <= 0xffff));
        assert_eq!(u128::from(many.next(16)), u128::from(stream[1]) & 0xffff);
    }
}
