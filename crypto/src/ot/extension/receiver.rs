//! The client: it chooses. The steps are numbered in `extension.rs`; `sender.rs` mirrors this file.

use core::fmt;

use rand::CryptoRng;
use zeroize::Zeroizing;

use super::streams::ReceiverStreams;
use super::{Progress, check_count, digest_of};
use crate::block::{Block, Tccr};
use crate::label::Label;
use crate::ot::msgs::{BaseReply, BaseRequest, Correlate, Extend};
use crate::ot::vole::{add, expand};
use crate::ot::{OtError, Params, SessionId, base, pprf, transpose};

/// The client's setup, one step.
#[derive(Clone, Copy, Debug)]
pub struct ReceiverSetup;

impl ReceiverSetup {
    /// Answers the server's base OTs, grows the seed trees, and is ready to extend.
    ///
    /// # Errors
    /// [`OtError::Shape`] if `request` lacks points; a decoded one does not.
    pub fn reply<R: CryptoRng + ?Sized>(
        params: Params,
        session: SessionId,
        rng: &mut R,
        request: &BaseRequest,
    ) -> Result<(Receiver, BaseReply), OtError> {
        request.check_shape()?;
        let (points, keys) = base::reply(&session, &request.pairs, rng);
        let roots = Zeroizing::new((0..params.trees()).map(|_| Block::random(rng)).collect::<Vec<_>>());
        let grown = pprf::grow(params, &session, &roots);
        let sums =
            grown.sums.iter().zip(keys.iter()).map(|(sums, keys)| [sums[0] ^ keys[0], sums[1] ^ keys[1]]);
        let reply = BaseReply { points, sums: sums.collect(), proof: grown.proof };
        let progress = Progress::new(session, request, &reply);
        Ok((Receiver { params, seeds: grown.seeds, progress }, reply))
    }
}

/// A client that can extend, any number of times. Wiped on drop.
#[cfg_attr(feature = "fuzzing", derive(Clone))]
pub struct Receiver {
    params: Params,
    /// 128 / k trees of 2^k seeds, by leaf index x.
    pub(super) seeds: Zeroizing<Vec<Block>>,
    pub(super) progress: Progress,
}

/// A client that has sent its choices and waits for [`Correlate`]. Wiped on drop.
#[cfg_attr(feature = "fuzzing", derive(Clone))]
pub struct PendingReceiver {
    /// Row t_j of each OT.
    rows: Zeroizing<Vec<Block>>,
    choices: Zeroizing<Vec<bool>>,
    /// Whether the server's secret is the delta of its labels.
    shared_delta: bool,
    shared_key: Zeroizing<Block>,
    first_tweak: u64,
    hash: Tccr,
}

impl Receiver {
    /// The parameters it was set up with.
    pub fn params(&self) -> Params {
        self.params
    }

    /// The session and the transcript so far.
    pub(in crate::ot) fn state(&self) -> (SessionId, [u8; 64]) {
        (self.progress.session, self.progress.transcript)
    }

    /// Steps 1 to 5: one OT for each of `choices`, in order.
    ///
    /// # Errors
    /// [`OtError::TooMany`] for more than [`crate::ot::MAX_COUNT`] choices.
    pub fn extend<R: CryptoRng + ?Sized>(
        &mut self,
        rng: &mut R,
        choices: &[bool],
    ) -> Result<(PendingReceiver, Extend), OtError> {
        let count = choices.len();
        check_count(count)?;
        let (k, stride) = (self.params.field_bits(), Extend::stride(count));
        let mut packed = Zeroizing::new(pack(choices));
        // The mask of step 4, a block of choices that stand for no OT.
        packed.push(Block::random(rng));

        // Steps 1 and 2.
        let mut corrections = vec![Block::ZERO; self.params.trees() * stride];
        let (base, moved) = (self.progress.base(), vec![0; self.params.trees()]);
        let blocks = (self.progress.next_block, stride);
        let mut rows = expand(k, &self.seeds, (base, &moved), blocks, Some(&mut corrections));
        corrections.chunks_exact_mut(stride).for_each(|correction| add(correction, &packed));
        // Steps 3 and 4.
        let hash = self.progress.challenge(count, &corrections);
        let (columns_digest, shared_key) = digest_of(&self.progress.session, &hash.hashes(&rows));
        let extend = Extend { corrections, choices_hash: hash.hash(&packed), columns_digest };
        // Step 5.
        transpose::rows(&mut rows);
        rows.truncate(count);
        let first_tweak = self.progress.advance(count);
        let choices = Zeroizing::new(choices.to_vec());
        let hash = self.progress.hash;
        let shared_delta = self.params.shared_delta();
        Ok((PendingReceiver { rows, choices, shared_delta, shared_key, first_tweak, hash }, extend))
    }
}

impl PendingReceiver {
    /// A key of this extension that the server has, too, and nobody who listens:
    /// [`crate::ot::SenderKeys::shared_key`].
    #[must_use]
    pub fn shared_key(&self) -> Zeroizing<Block> {
        self.shared_key.clone()
    }

    /// The OTs as keys to streams: messages of any length, and as many after one another as are wanted.
    #[must_use]
    pub fn into_streams(self) -> ReceiverStreams {
        ReceiverStreams::new(self.rows, self.choices, self.hash)
    }

    /// In place of step 7, if the server's secret is the delta of its labels: for each OT its zero label,
    /// plus delta if the choice was 1, which is the row. Nothing is received.
    ///
    /// # Panics
    /// If the server's secret is not that.
    #[must_use]
    pub fn into_labels(self) -> Vec<Label> {
        assert!(self.shared_delta, "the secret of these OTs is not the delta of labels");
        Label::from_blocks(self.into_rows())
    }

    /// The row of each OT.
    pub(in crate::ot) fn into_rows(mut self) -> Vec<Block> {
        std::mem::take(&mut *self.rows)
    }

    /// Step 7: for each OT the server's zero label, plus its delta if the choice was 1.
    ///
    /// # Errors
    /// [`OtError::Shape`] if `message` is for another number of OTs.
    pub fn correlate(mut self, message: &Correlate) -> Result<Vec<Label>, OtError> {
        message.check_shape(self.choices.len())?;
        self.hash.hash::<1>(self.first_tweak, &mut self.rows);
        let labels = self.rows.iter().zip(&message.differences).zip(self.choices.iter());
        Ok(labels
            .map(|((&row, difference), &choice)| Label::from_block(row ^ difference.masked(choice)))
            .collect())
    }
}

/// Bits to blocks, bit 0 of block 0 first; the last block is filled up with zeros.
fn pack(bits: &[bool]) -> Vec<Block> {
    let block = |bits: &[bool]| bits.iter().rev().fold(0, |block: u128, &bit| block << 1 | u128::from(bit));
    // One place more than there are blocks, for the mask, so that pushing it leaves no copy behind.
    let mut blocks = Vec::with_capacity(Extend::stride(bits.len()));
    blocks.extend(bits.chunks(Block::BITS).map(|bits| Block::from(block(bits))));
    blocks
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("params", &self.params).finish_non_exhaustive()
    }
}

impl fmt::Debug for PendingReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingReceiver").field("count", &self.choices.len()).finish_non_exhaustive()
    }
}
