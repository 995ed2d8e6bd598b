//! The server's side: its signs choose, and it takes corrections. `sender.rs` mirrors this file.

use rayon::prelude::*;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::packing::{Numbers, Unpacker, mask};
use super::single::{PIECE, Receive, Single};
use super::sums::{Group, Oca};
use super::{DIGEST_BYTES, OcaError, counters, digest_of, message_tweak};
use xonn_crypto::block::{Block, mask as secret_mask, vectorised};
use xonn_crypto::ot::{PendingReceiver, ReceiverStreams, SessionId};

/// A server whose OTs are extended.
#[cfg_attr(feature = "fuzzing", derive(Clone))]
pub struct Receiver {
    pub(super) streams: ReceiverStreams,
    session: SessionId,
    pub(super) inferences: u64,
}

/// One inference: [`Receiving::part`] for each part, then [`Receiving::finish`].
pub struct Receiving<'a> {
    oca: &'a Oca,
    streams: &'a ReceiverStreams,
    /// [`counters`].
    base: Block,
    first_tweak: u64,
    next: usize,
    digest: Sha256,
    /// The garbler's bits of the program on shares.
    secret: Zeroizing<Vec<bool>>,
    /// How many of them are the original ones.
    original: usize,
}

impl Receiver {
    /// Takes over the keys of one extension, with [`Oca::choices`] chosen.
    #[must_use]
    pub fn new(session: SessionId, pending: PendingReceiver) -> Self {
        Self { streams: pending.into_streams(), session, inferences: 0 }
    }

    /// Begins an inference; `secret` are the bits of the original program.
    pub fn begin<'a>(&'a mut self, oca: &'a Oca, secret: &[bool]) -> Receiving<'a> {
        let (inference, digest) = (self.inferences, digest_of(&self.session, self.inferences));
        self.inferences += 1;
        let original = secret.len();
        let mut all = Zeroizing::new(vec![false; original + oca.share_bits()]);
        all[..original].copy_from_slice(secret);
        let first_tweak = inference * oca.messages;
        let base = counters(&self.session);
        Receiving { oca, streams: &self.streams, base, first_tweak, next: 0, digest, secret: all, original }
    }
}

impl Receiving<'_> {
    /// Takes the next part of the corrections.
    ///
    /// # Errors
    /// [`OcaError::Length`] if it has another length than follows from the program, [`OcaError::Parts`] if all were there.
    pub fn part(&mut self, bytes: &[u8]) -> Result<(), OcaError> {
        let (part, parts) = (self.next, self.oca.parts());
        let groups = self.oca.part(part).ok_or(OcaError::Parts { found: part + 1, expected: parts })?;
        let expected = groups.iter().map(|group| group.bytes).sum();
        if bytes.len() != expected {
            return Err(OcaError::Length { part, found: bytes.len(), expected });
        }
        self.next += 1;
        self.digest.update(bytes);
        let mut rest = bytes;
        let corrections = groups.iter().map(|group| {
            let (corrections, others) = rest.split_at(group.bytes);
            rest = others;
            (group, corrections)
        });
        let corrections: Vec<_> = corrections.collect();
        let done: Vec<_> = corrections.par_iter().map(|(group, bytes)| self.group(group, bytes)).collect();
        for (group, shares) in groups.iter().zip(&done) {
            self.oca.sums[group.sum].store(group, shares, &mut self.secret[self.original..]);
        }
        Ok(())
    }

    /// The garbler's bits of [`Oca::program`], if the corrections are those that the client sent.
    ///
    /// # Errors
    /// [`OcaError::Parts`] if parts are missing, [`OcaError::Damaged`] if `digest` is not that of the parts.
    pub fn finish(self, digest: &[u8]) -> Result<Zeroizing<Vec<bool>>, OcaError> {
        let (found, expected) = (self.next, self.oca.parts());
        if found != expected {
            return Err(OcaError::Parts { found, expected });
        }
        let own: [u8; DIGEST_BYTES] = self.digest.finalize().into();
        if bool::from(own[..].ct_eq(digest)) { Ok(self.secret) } else { Err(OcaError::Damaged) }
    }

    /// The server's share of each of a group's sums.
    pub(super) fn group(&self, group: &Group, corrections: &[u8]) -> Zeroizing<Vec<u64>> {
        let sum = &self.oca.sums[group.sum];
        let (ots, positions, planes) =
            (sum.ots_of(group.number), sum.positions.len(), sum.linear.shifts.len());
        let mut shares = Zeroizing::new(self.addends(group));
        let mut corrections = Unpacker::new(corrections);
        let mut blocks = [Block::ZERO; PIECE];
        let (mut stream, mut single) = (Numbers::default(), Zeroizing::new(Single::default()));
        let first = self.first_tweak + group.first_message;
        for (piece, ots) in ots.chunks(PIECE).enumerate() {
            let (blocks, weight) = (&mut blocks[..ots.len()], piece * PIECE);
            self.streams.blocks(ots, first + weight as u64, blocks);
            if let [share] = &mut shares[..] {
                single.weights(sum, weight, ots.len());
                for (i, &ot) in ots.iter().enumerate() {
                    single.numbers[i] = corrections.next(single.bits[i]);
                    single.chosen[i] = u64::from(self.streams.choice(ot)).wrapping_neg();
                }
                let largest = sum.linear.largest();
                *share = share.wrapping_add(vectorised(Receive { blocks, largest, single: &single }));
                continue;
            }
            for (i, (&block, &ot)) in blocks.iter().zip(ots).enumerate() {
                let shift = sum.linear.shifts[(weight + i) % planes];
                let bits = sum.message_bits(shift);
                // All ones for a minus sign: no branch depends on a weight.
                let chosen = secret_mask(self.streams.choice(ot));
                let largest = (sum.linear.largest() << shift) & chosen;
                let base = self.base ^ message_tweak(first + (weight + i) as u64);
                let mut numbers = stream.of((block, base), positions, bits);
                for share in shares.iter_mut() {
                    let correction = corrections.next(bits) & chosen;
                    let r = numbers.next(bits).wrapping_add(correction) & mask(bits);
                    *share = share.wrapping_add(largest).wrapping_sub(r << (shift + 1));
                }
            }
        }
        blocks.zeroize();
        shares
    }

    /// The addend of each of a group's sums.
    fn addends(&self, group: &Group) -> Vec<u64> {
        let sum = &self.oca.sums[group.sum];
        let Some(port) = sum.block.inputs.get(2).filter(|_| sum.linear.addend) else {
            return vec![0; sum.positions.len()];
        };
        let bits = port.map.inner_offsets();
        let addend = |position: &u64| {
            let begin = port.map.offset(&sum.block.grid, group.instance + position);
            bits.iter().rev().fold(0, |addend, &bit| addend << 1 | u64::from(self.secret[begin + bit]))
        };
        sum.positions.iter().map(addend).collect()
    }
}
