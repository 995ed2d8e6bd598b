//! The client's side: it knows the numbers, and sends corrections. `receiver.rs` mirrors this file.

use rayon::prelude::*;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use super::ahead::Masks;
use super::packing::{Numbers, Packer, mask};
use super::single::{PIECE, Send, Single};
use super::sums::{Group, Oca};
use super::{DIGEST_BYTES, counters, digest_of, message_tweak};
use xonn_crypto::block::{Block, vectorised};
use xonn_crypto::ot::{SenderKeys, SenderStreams, SessionId};

/// A client whose OTs are extended.
#[cfg_attr(feature = "fuzzing", derive(Clone))]
pub struct Sender {
    streams: SenderStreams,
    session: SessionId,
    inferences: u64,
}

/// One inference: [`Sending::part`] until there is none, then [`Sending::finish`].
pub struct Sending<'a> {
    oca: &'a Oca,
    streams: &'a SenderStreams,
    /// [`counters`].
    base: Block,
    /// The client's numbers, or what stands for them.
    values: Zeroizing<Vec<u64>>,
    first_tweak: u64,
    next: usize,
    digest: Sha256,
    /// The client's input to the program on shares.
    shares: Zeroizing<Vec<bool>>,
    /// For each sum whose groups all read the same numbers, these.
    numbers: Vec<Option<Zeroizing<Vec<u64>>>>,
}

impl Sender {
    /// Takes over the keys of one extension, one OT for each of [`Oca::ots`].
    #[must_use]
    pub fn new(session: SessionId, keys: SenderKeys) -> Self {
        Self { streams: keys.into_streams(), session, inferences: 0 }
    }

    /// Begins an inference on `input`, the bits of the original program's input.
    ///
    /// # Panics
    /// If `input` has another length.
    pub fn begin<'a>(&'a mut self, oca: &'a Oca, input: &[bool]) -> Sending<'a> {
        assert_eq!(input.len(), oca.input_bits(), "the bits of the program that numbers go into");
        let behind = if oca.reads_input() { input } else { &[] };
        self.begin_on(oca, oca.values.of_input(input), behind)
    }

    /// Begins an inference whose input is not there yet, on random numbers in its place: what [`Sending::finish`] gives is
    /// the client's shares alone.
    pub fn begin_ahead<'a>(&'a mut self, oca: &'a Oca, masks: &Masks) -> Sending<'a> {
        self.begin_on(oca, masks.values(), &[])
    }

    /// `behind` goes behind the shares.
    fn begin_on<'a>(&'a mut self, oca: &'a Oca, values: Zeroizing<Vec<u64>>, behind: &[bool]) -> Sending<'a> {
        let (inference, digest) = (self.inferences, digest_of(&self.session, self.inferences));
        self.inferences += 1;
        let first_tweak = inference * oca.messages;
        let mut shares = Zeroizing::new(vec![false; oca.share_bits() + behind.len()]);
        shares[oca.share_bits()..].copy_from_slice(behind);
        let read = |(number, sum): (usize, &super::sums::Sum)| {
            sum.same_numbers.then(|| oca.values.of_group((number, sum), 0, &values))
        };
        let numbers = oca.sums.iter().enumerate().map(read).collect();
        let base = counters(&self.session);
        Sending { oca, streams: &self.streams, base, values, first_tweak, next: 0, digest, shares, numbers }
    }
}

impl Sending<'_> {
    /// The next part of the corrections.
    pub fn part(&mut self) -> Option<Vec<u8>> {
        let groups = self.oca.part(self.next)?;
        self.next += 1;
        let done: Vec<_> = groups.par_iter().map(|group| self.group(group)).collect();
        let mut bytes = Vec::with_capacity(groups.iter().map(|group| group.bytes).sum());
        for (group, (corrections, shares)) in groups.iter().zip(&done) {
            bytes.extend(corrections);
            self.oca.sums[group.sum].store(group, shares, &mut self.shares);
        }
        self.digest.update(&bytes);
        Some(bytes)
    }

    /// The digest that goes behind the last part, and the client's input bits of [`Oca::program`].
    ///
    /// # Panics
    /// If parts are left.
    #[must_use]
    pub fn finish(self) -> ([u8; DIGEST_BYTES], Zeroizing<Vec<bool>>) {
        assert_eq!(self.next, self.oca.parts(), "the digest comes after the last part");
        (self.digest.finalize().into(), self.shares)
    }

    /// The corrections of a group, and the client's share of each of its sums.
    pub(super) fn group(&self, group: &Group) -> (Vec<u8>, Zeroizing<Vec<u64>>) {
        let sum = &self.oca.sums[group.sum];
        let own;
        let numbers = match &self.numbers[group.sum] {
            Some(numbers) => numbers,
            None => {
                let values = &self.oca.values;
                own = values.of_group((group.sum, sum), group.instance, &self.values);
                &own
            }
        };
        let (ots, positions, planes) =
            (sum.ots_of(group.number), sum.positions.len(), sum.linear.shifts.len());
        let mut shares = Zeroizing::new(vec![0u64; positions]);
        let mut corrections = Packer::with_capacity(group.bytes);
        let mut pairs = [[Block::ZERO; 2]; PIECE];
        let mut streams = [Numbers::default(), Numbers::default()];
        let mut single = Zeroizing::new(Single::default());
        let first = self.first_tweak + group.first_message;
        for (piece, ots) in ots.chunks(PIECE).enumerate() {
            let (pairs, weight) = (&mut pairs[..ots.len()], piece * PIECE);
            self.streams.blocks(ots, first + weight as u64, pairs);
            if let [share] = &mut shares[..] {
                single.weights(sum, weight, ots.len());
                for (i, number) in single.numbers[..ots.len()].iter_mut().enumerate() {
                    *number = numbers[(weight + i) / planes];
                }
                *share = share.wrapping_add(vectorised(Send { pairs, single: &mut single }));
                let sent = single.numbers.iter().zip(&single.bits).take(ots.len());
                sent.for_each(|(&number, &bits)| corrections.push(number, bits));
                continue;
            }
            for (i, &[zero, one]) in pairs.iter().enumerate() {
                let weight = weight + i;
                let shift = sum.linear.shifts[weight % planes];
                let bits = sum.message_bits(shift);
                let [zeros, ones] = &mut streams;
                let base = self.base ^ message_tweak(first + weight as u64);
                let mut zeros = zeros.of((zero, base), positions, bits);
                let mut ones = ones.of((one, base), positions, bits);
                let numbers = &numbers[weight / planes * positions..][..positions];
                for (share, &u) in shares.iter_mut().zip(numbers) {
                    let (zero, one) = (zeros.next(bits), ones.next(bits));
                    corrections.push(zero.wrapping_add(u).wrapping_sub(one) & mask(bits), bits);
                    let mine = (u << shift).wrapping_add(zero << (shift + 1));
                    *share = share.wrapping_add(mine);
                }
            }
        }
        pairs.zeroize();
        (corrections.finish(), shares)
    }
}
