//! The server: it holds both labels. The steps are numbered in `extension.rs`; `receiver.rs` mirrors this
//! file.

use core::fmt;

use rand::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::streams::SenderStreams;
use super::{Progress, check_count, digest_of};
use crate::block::{Block, Tccr};
use crate::label::{Delta, ZeroLabel};
use crate::ot::msgs::{BaseReply, BaseRequest, Correlate, Extend};
use crate::ot::vole::{correct, expand};
use crate::ot::{OtError, Params, SessionId, base, bits, pprf, transpose};

/// A server that has sent its base OTs and waits for [`BaseReply`]. Wiped on drop.
pub struct SenderSetup {
    params: Params,
    session: SessionId,
    secret: Zeroizing<Block>,
    base: base::Receiver,
    request: BaseRequest,
}

impl SenderSetup {
    /// Draws the secret s and begins the base OTs, in which the server receives. If s is to be the delta of
    /// labels its bit 0 is 1.
    ///
    /// In base OT i it chooses the opposite of bit i of s: the sum of those nodes that its path does not go
    /// through.
    pub fn start<R: CryptoRng + ?Sized>(
        params: Params,
        session: SessionId,
        rng: &mut R,
    ) -> (Self, BaseRequest) {
        let mut secret = Zeroizing::new(Block::random(rng));
        if params.shared_delta() {
            *secret = secret.with_lsb_set();
        }
        let (base, pairs) = base::Receiver::request(&session, opposite(*secret), rng);
        let request = BaseRequest { pairs };
        (Self { params, session, secret, base, request: request.clone() }, request)
    }

    /// Takes the seed trees from the client's reply and checks them.
    ///
    /// # Errors
    /// [`OtError::TreeCheck`] if the trees are inconsistent: the client cheats, the connection must end.
    /// [`OtError::Shape`] if `reply` is for other parameters.
    pub fn finish(self, reply: &BaseReply) -> Result<Sender, OtError> {
        reply.check_shape(self.params)?;
        let choices = opposite(*self.secret);
        let mut keys = self.base.keys(&self.session, choices, &reply.points);
        for ((key, sums), choice) in keys.iter_mut().zip(&reply.sums).zip(bits(choices)) {
            *key ^= sums[0] ^ (sums[0] ^ sums[1]).masked(choice);
        }
        let secret: Zeroizing<Vec<bool>> = Zeroizing::new(bits(*self.secret).collect());
        let seeds = pprf::regrow(self.params, &self.session, &secret, &keys, &reply.proof)?;
        let progress = Progress::new(self.session, &self.request, reply);
        Ok(Sender { params: self.params, ready: Some(Ready { secret: self.secret, seeds, progress }) })
    }
}

/// A server that can extend, any number of times, until a check fails. Wiped on drop.
#[cfg_attr(any(test, feature = "fuzzing"), derive(Clone))]
pub struct Sender {
    params: Params,
    /// Taken out for each extension and put back if it succeeds: after a failure there is no secret left to
    /// ask about.
    pub(super) ready: Option<Ready>,
}

#[cfg_attr(any(test, feature = "fuzzing"), derive(Clone))]
pub(super) struct Ready {
    pub(super) secret: Zeroizing<Block>,
    /// 128 / k trees of 2^k seeds, by y = x + D; seed 0 of each is unknown.
    seeds: Zeroizing<Vec<Block>>,
    progress: Progress,
}

/// The server's side of some OTs, to be fitted to one delta. Wiped on drop.
pub struct SenderKeys {
    /// Row q_j of each OT.
    rows: Zeroizing<Vec<Block>>,
    secret: Zeroizing<Block>,
    /// Whether s is the delta of labels.
    shared_delta: bool,
    shared_key: Zeroizing<Block>,
    first_tweak: u64,
    hash: Tccr,
}

impl Sender {
    /// The parameters it was set up with.
    pub fn params(&self) -> Params {
        self.params
    }

    /// The session, the transcript so far, and the secret s.
    ///
    /// # Errors
    /// [`OtError::Refused`] after a failed check.
    pub(in crate::ot) fn state(&self) -> Result<(SessionId, [u8; 64], Zeroizing<Block>), OtError> {
        let ready = self.ready.as_ref().ok_or(OtError::Refused)?;
        Ok((ready.progress.session, ready.progress.transcript, ready.secret.clone()))
    }

    /// Steps 1 to 5 for `count` OTs.
    ///
    /// # Errors
    /// [`OtError::ExtensionCheck`] if the client's corrections are inconsistent: it cheats, and the
    /// connection must end. [`OtError::Shape`] if `message` is for another number of OTs,
    /// [`OtError::TooMany`] for more than [`crate::ot::MAX_COUNT`]. After any of these, [`OtError::Refused`].
    pub fn extend(&mut self, count: usize, message: &Extend) -> Result<SenderKeys, OtError> {
        let (ready, keys) = self.ready.take().ok_or(OtError::Refused)?.extend(self.params, count, message)?;
        self.ready = Some(ready);
        Ok(keys)
    }
}

impl Ready {
    fn extend(
        mut self,
        params: Params,
        count: usize,
        message: &Extend,
    ) -> Result<(Self, SenderKeys), OtError> {
        check_count(count)?;
        message.check_shape(params, count)?;
        let (k, stride) = (params.field_bits(), Extend::stride(count));
        let secret: Zeroizing<Vec<bool>> = Zeroizing::new(bits(*self.secret).collect());

        // Steps 1 and 2.
        let number = |bits: &[bool]| bits.iter().rev().fold(0, |n, &bit| n << 1 | usize::from(bit));
        let moved = Zeroizing::new(secret.chunks_exact(k).map(number).collect::<Vec<_>>());
        let blocks = (self.progress.next_block, stride);
        let mut rows = expand(k, &self.seeds, (self.progress.base(), &moved), blocks, None);
        correct(&mut rows, &message.corrections, stride, &secret);
        // Steps 3 and 4.
        let hash = self.progress.challenge(count, &message.corrections);
        let mut expected = hash.hashes(&rows);
        for (hash, &bit) in expected.iter_mut().zip(secret.iter()) {
            *hash ^= message.choices_hash.masked(bit);
        }
        let (digest, shared_key) = digest_of(&self.progress.session, &expected);
        if !bool::from(digest.ct_eq(&message.columns_digest)) {
            return Err(OtError::ExtensionCheck);
        }
        // Step 5.
        transpose::rows(&mut rows);
        rows.truncate(count);
        let first_tweak = self.progress.advance(count);
        let (secret, hash) = (self.secret.clone(), self.progress.hash);
        let shared_delta = params.shared_delta();
        let keys = SenderKeys { rows, secret, shared_delta, shared_key, first_tweak, hash };
        Ok((self, keys))
    }
}

impl SenderKeys {
    /// A key of this extension that the client has, too, and nobody who listens:
    /// [`crate::ot::PendingReceiver::shared_key`].
    #[must_use]
    pub fn shared_key(&self) -> Zeroizing<Block> {
        self.shared_key.clone()
    }

    /// Number of OTs.
    pub fn count(&self) -> usize {
        self.rows.len()
    }

    /// The OTs as keys to streams: messages of any length, and as many after one another as are wanted.
    #[must_use]
    pub fn into_streams(self) -> SenderStreams {
        SenderStreams::new(self.rows, self.secret, self.hash)
    }

    /// In place of step 6, if s is the delta of labels ([`Params::with_shared_delta`]): delta, and the zero
    /// label of each OT, which is its row. Nothing is sent.
    ///
    /// There are rows only where the consistency check has passed. `docs/protocol.md` says what one delta for
    /// a connection gives up.
    ///
    /// # Panics
    /// If s is not the delta of labels: its bit 0 may be 0 then.
    #[must_use]
    pub fn into_labels(self) -> (Delta, Vec<ZeroLabel>) {
        assert!(self.shared_delta, "the secret of these OTs is not the delta of labels");
        (Delta::from_block(*self.secret), ZeroLabel::from_blocks(self.into_rows()))
    }

    /// The row of each OT.
    pub(in crate::ot) fn into_rows(mut self) -> Vec<Block> {
        std::mem::take(&mut *self.rows)
    }

    /// Step 6: the zero label of each OT, and what the client needs to have it with `delta` added where it
    /// chose 1.
    ///
    /// Each OT is hashed under a tweak of its own, and with it used up, so that a fresh `delta` per inference
    /// is free.
    pub fn correlate(self, delta: &Delta) -> (Vec<ZeroLabel>, Correlate) {
        let mut labels = Vec::with_capacity(self.rows.len());
        let mut differences = Vec::with_capacity(self.rows.len());
        // As many rows at a time as stay in the first cache with both their hashes.
        const PIECE: usize = 128;
        let mut pairs = [Block::ZERO; 2 * PIECE];
        for (tweak, rows) in (self.first_tweak..).step_by(PIECE).zip(self.rows.chunks(PIECE)) {
            let pairs = &mut pairs[..2 * rows.len()];
            for (pair, &row) in pairs.as_chunks_mut::<2>().0.iter_mut().zip(rows) {
                *pair = [row, row ^ *self.secret];
            }
            self.hash.hash::<2>(tweak, pairs);
            for &[zero, one] in pairs.as_chunks::<2>().0 {
                labels.push(ZeroLabel::from_block(zero));
                differences.push(zero ^ one ^ *delta.block());
            }
        }
        pairs.zeroize();
        (labels, Correlate { differences })
    }
}

/// All bits exchanged.
fn opposite(bits: Block) -> Block {
    bits ^ Block::from(u128::MAX)
}

impl fmt::Debug for SenderSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SenderSetup").field("params", &self.params).finish_non_exhaustive()
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refused = self.ready.is_none();
        f.debug_struct("Sender")
            .field("params", &self.params)
            .field("refused", &refused)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SenderKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SenderKeys").field("count", &self.rows.len()).finish_non_exhaustive()
    }
}
