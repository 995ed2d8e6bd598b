//! Messages of one number each, as a neuron of a dense layer has them: some side by side, in vectors.

use zeroize::Zeroize;

use super::packing::mask;
use super::sums::Sums;
use xonn_crypto::block::{Block, Loop};

/// Messages whose streams are begun at a time: their blocks stay in the first cache.
pub(super) const PIECE: usize = 64;

/// Of [`PIECE`] messages, what each is about.
pub(super) struct Single {
    /// Bits that are shared.
    pub bits: [u32; PIECE],
    masks: [u64; PIECE],
    places: [u64; PIECE],
    /// The client's number, then the correction.
    pub numbers: [u64; PIECE],
    /// All ones where the server's sign is a minus, else 0.
    pub chosen: [u64; PIECE],
    /// Of which signs of a number the messages are, if that was written already.
    written: Option<usize>,
}

impl Default for Single {
    fn default() -> Self {
        let (words, bits) = ([0; PIECE], [0; PIECE]);
        Self { bits, masks: words, places: words, numbers: words, chosen: words, written: None }
    }
}

impl Zeroize for Single {
    fn zeroize(&mut self) {
        self.numbers.zeroize();
        self.chosen.zeroize();
    }
}

impl Single {
    /// What is public of the messages of a filter from number `first` on.
    pub fn messages(&mut self, sums: &Sums, first: usize) {
        let (places, sign) = (sums.places(), first % sums.places().len());
        // Where pieces begin with the same sign, all are alike.
        if self.written.replace(sign) == Some(sign) {
            return;
        }
        for (i, &place) in places.iter().cycle().skip(sign).take(PIECE).enumerate() {
            self.bits[i] = sums.leaves.bits - place;
            self.masks[i] = mask(self.bits[i]);
            self.places[i] = place.into();
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
        let Single { masks, places, numbers, .. } = self.single;
        let all = numbers.iter_mut().zip(masks.iter().zip(places.iter()));
        let mut share = 0u64;
        for (&[zero, one], (number, (&mask, &place))) in self.pairs.iter().zip(all) {
            let (zero, one) = (low(zero), low(one));
            share = share.wrapping_add(zero << place);
            *number = zero.wrapping_add(*number).wrapping_sub(one) & mask;
        }
        share
    }
}

/// The server's share of the sum, of some messages.
pub(super) struct Receive<'a> {
    pub blocks: &'a [Block],
    pub single: &'a Single,
}

impl Loop for Receive<'_> {
    type Output = u64;

    #[inline(always)]
    fn run(self) -> u64 {
        let Single { places, numbers, chosen, .. } = self.single;
        let all = numbers.iter().zip(chosen).zip(places);
        let mut share = 0u64;
        for (&block, ((&correction, &chosen), &place)) in self.blocks.iter().zip(all) {
            let product = low(block).wrapping_add(correction & chosen);
            share = share.wrapping_sub(product << place);
        }
        share
    }
}

/// The lower half of a block.
#[inline(always)]
fn low(block: Block) -> u64 {
    u128::from(block) as u64
}
