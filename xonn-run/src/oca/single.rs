//! Messages of one number each, as a neuron of a dense layer has them: some side by side, in vectors.

use zeroize::Zeroize;

use super::packing::mask;
use super::sums::Sum;
use xonn_crypto::block::{Block, Loop};

/// Messages whose streams are begun at a time: their blocks stay in the first cache.
pub(super) const PIECE: usize = 64;

/// Of [`PIECE`] messages, what each is about.
pub(super) struct Single {
    /// Bits that are shared.
    pub bits: [u32; PIECE],
    masks: [u64; PIECE],
    shifts: [u64; PIECE],
    /// The client's number, then the correction.
    pub numbers: [u64; PIECE],
    /// All ones where the server's sign is a minus, else 0.
    pub chosen: [u64; PIECE],
    /// The signs of a number, if they were written already at the same places.
    written: bool,
}

impl Default for Single {
    fn default() -> Self {
        let (words, bits) = ([0; PIECE], [0; PIECE]);
        Self { bits, masks: words, shifts: words, numbers: words, chosen: words, written: false }
    }
}

impl Zeroize for Single {
    fn zeroize(&mut self) {
        self.numbers.zeroize();
        self.chosen.zeroize();
    }
}

impl Single {
    /// What is public of the `count` weights of `sum` from number `first` on.
    pub fn weights(&mut self, sum: &Sum, first: usize, count: usize) {
        let shifts = &sum.linear.shifts;
        // Where pieces begin with the same sign, all are alike.
        if std::mem::replace(&mut self.written, PIECE.is_multiple_of(shifts.len())) {
            return;
        }
        let count = if self.written { PIECE } else { count };
        for (i, &shift) in shifts.iter().cycle().skip(first % shifts.len()).take(count).enumerate() {
            self.bits[i] = sum.message_bits(shift);
            self.masks[i] = mask(self.bits[i]);
            self.shifts[i] = shift.into();
        }
    }
}

/// The client's share of the sum, of some messages; numbers become corrections.
pub(super) struct Send<'a> {
    pub pairs: &'a [[Block; 2]],
    pub single: &'a mut Single,
}

impl Loop for Send<'_> {
    type Output = u64;

    #[inline(always)]
    fn run(self) -> u64 {
        let Single { masks, shifts, numbers, .. } = self.single;
        let places = numbers.iter_mut().zip(masks.iter().zip(shifts.iter()));
        let mut share = 0u64;
        for (&[zero, one], (number, (&mask, &shift))) in self.pairs.iter().zip(places) {
            let (zero, one) = (low(zero) & mask, low(one));
            let mine = (*number << shift).wrapping_add(zero << (shift + 1));
            share = share.wrapping_add(mine);
            *number = zero.wrapping_add(*number).wrapping_sub(one) & mask;
        }
        share
    }
}

/// The server's share of the sum, of some messages, with the numbers' largest value.
pub(super) struct Receive<'a> {
    pub blocks: &'a [Block],
    pub largest: u64,
    pub single: &'a Single,
}

impl Loop for Receive<'_> {
    type Output = u64;

    #[inline(always)]
    fn run(self) -> u64 {
        let Single { masks, shifts, numbers, chosen, .. } = self.single;
        let places = numbers.iter().zip(chosen).zip(masks.iter().zip(shifts));
        let mut share = 0u64;
        for (&block, ((&correction, &chosen), (&mask, &shift))) in self.blocks.iter().zip(places) {
            let r = low(block).wrapping_add(correction & chosen) & mask;
            let largest = (self.largest << shift) & chosen;
            share = share.wrapping_add(largest).wrapping_sub(r << (shift + 1));
        }
        share
    }
}

/// The lower half of a block.
#[inline(always)]
fn low(block: Block) -> u64 {
    u128::from(block) as u64
}
