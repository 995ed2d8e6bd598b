//! A linear layer by oblivious conditional addition: one OT a weight (XONN's OCA), all of it ahead of
//! the input.
//!
//! A sign adds a number or subtracts it. The server's secret sign is the choice of an OT in which the client
//! sends, and both end with shares of each neuron's sum. A weight of several bits is several signs, hence
//! several OTs; a weight that a convolution uses at many positions is one OT with a message over all of them.
//!
//! In: exact shares of t, the client's r known ahead ([`crate::mask`]). Out: exact shares of the sums, the
//! client's known ahead. `W t = W (t - r) + W r`: the first is the server's alone, once it has t - r; the
//! second comes of OTs.
//! `docs/protocols/weight_ot.md` says why it holds.
//!
//! | when | message |
//! |---|---|
//! | once a connection, client to server | base OTs |
//! | once a connection, server to client | the reply, and the extension by its signs |
//! | phase One, client to server | corrections, in parts, and their digest |
//!
//! # The sums
//! A weight is `w = most - sum of 2^e c` over its signs, c = 1 for a minus, with public places e. So only `c
//! u` is shared for each number u of r, modulo `2^m` with `m = bits - e`. With `k0`, `k1` the m bits of the
//! OT's two streams the client sends `d = k0 + u - k1`, and the server takes `k_c + c d = k0 + c u`.
//!
//! ```text
//! client: sum over numbers most u, signs  + 2^e k0
//! server:                  sum over signs - 2^e (k0 + c u)     + W (t - r)
//! ```
//!
//! * `sums` is what both hosts derive from the public program: the order of OTs, and how messages are cut.
//! * `client` and `server` are the two sides; `packing` and `single` what they have in common.

mod client;
mod packing;
mod server;
mod single;
mod sums;

use std::sync::Arc;

use sha2::{Digest, Sha256};
use xonn_crypto::block::Block;
use xonn_crypto::ot::msgs::{BaseReply, BaseRequest, Extend};
use xonn_crypto::ot::{Params, SessionId};
use xonn_program::op::Linear;
use xonn_program::{Program, Tensor};

use crate::cost::{Cost, StageCost, work};
use crate::plan::Stage;
use crate::protocol::{ClientSide, Protocol, ServerSide, StageError, Trust};
use crate::value::Ring;
use sums::Sums;

/// The protocol.
pub struct WeightOt;

impl Protocol for WeightOt {
    fn name(&self) -> &'static str {
        "weight_ot"
    }

    fn holds(&self) -> Trust {
        Trust::SemiHonest
    }

    fn server(
        &self,
        stage: &Stage,
        program: &Program,
        tensors: &[Tensor],
    ) -> Result<Arc<dyn ServerSide>, StageError> {
        Ok(Arc::new(Arc::new(server::Side::new(stage, program, tensors)?)))
    }

    fn client(&self, stage: &Stage, program: &Program) -> Result<Arc<dyn ClientSide>, StageError> {
        Ok(Arc::new(client::Side(Arc::new(Sums::of(stage, program)?))))
    }
}

/// How the sums of exact shares are held in so many bits, if they fit any exact shares.
#[must_use]
pub fn leaves(linear: &Linear, reads: Ring, bits: u32) -> Option<Ring> {
    let (step, span) = (reads.step.checked_mul(linear.common_factor())?, linear.span(reads.span)?);
    let ring = Ring { bits, fraction: 0, terms: 0, step, span };
    (reads.is_exact() && sums::holds(ring)).then_some(ring)
}

impl Sums {
    /// What it costs.
    fn cost(&self) -> StageCost {
        let params = params();
        let answer = BaseReply::byte_len(params) + Extend::byte_len(params, self.ots());
        let set_up = Cost {
            rounds: 1.0,
            work: work::weights(self.ots()),
            ..Cost::of_bytes(BaseRequest::byte_len(params) as u64, answer as u64)
        };
        let offline = Cost {
            work: work::additions(self.bytes()),
            ..Cost::of_bytes(self.bytes() + DIGEST_BYTES as u64, 0)
        };
        StageCost { set_up, offline, ..StageCost::default() }
    }
}

/// Parameters of these OTs: k = 8, 2 bytes an OT, because there may be very many and they are extended once a
/// connection.
fn params() -> Params {
    Params::new(8).expect("8 divides 128")
}

/// What binds these OTs to a stage of a connection.
fn own_session(session: &SessionId) -> SessionId {
    Sha256::new_with_prefix(b"xonn weight OTs").chain_update(session).finalize().into()
}

/// Where the counters of the streams of a session's messages begin, but for [`message_tweak`]. Both streams
/// of an OT begin at the same; the receiver has one of them.
fn counters(session: &SessionId) -> Block {
    let nonce = Sha256::new_with_prefix(b"counters").chain_update(session).finalize();
    Block::from_bytes(core::array::from_fn(|i| nonce[i]))
}

/// In the upper half, which counters do not reach: the message's number on its connection.
fn message_tweak(message: u64) -> Block {
    Block::from(u128::from(message) << 64)
}

/// Length of the digest that ends a prediction's corrections.
const DIGEST_BYTES: usize = 32;

/// The hash of a prediction's corrections, before any.
///
/// It is against damage on the way, which would otherwise show as a wrong answer. It does not bind the
/// client: each correction is one that a client could have chosen.
fn digest_of(session: &SessionId, prediction: u64) -> Sha256 {
    Sha256::new_with_prefix(b"corrections").chain_update(session).chain_update(prediction.to_le_bytes())
}

/// What this host keeps for a connection, once it is set up: its streams, and how far they are used.
struct Ready<S> {
    streams: S,
    session: SessionId,
    /// Predictions begun.
    predictions: u64,
}

/// A prediction's part of the streams.
struct Turn<'a, S> {
    streams: &'a S,
    /// [`counters`].
    base: Block,
    /// The tweak and number of the first message.
    first: u64,
    digest: Sha256,
}

impl<S> Ready<S> {
    fn new(streams: S, session: SessionId) -> Self {
        Self { streams, session, predictions: 0 }
    }

    /// The next prediction's: no message has a number twice on a connection.
    fn turn(&mut self, sums: &Sums) -> Turn<'_, S> {
        let prediction = self.predictions;
        self.predictions += 1;
        Turn {
            streams: &self.streams,
            base: counters(&self.session),
            // At most 2^24 messages each.
            first: prediction * sums.ots() as u64,
            digest: digest_of(&self.session, prediction),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Streams under the same keys in two sessions, whose numbers take more than a block each: they have
    /// counters of their own, and so nothing in common.
    #[test]
    fn streams_of_other_sessions_have_counters_of_their_own() {
        let read = |session: SessionId| {
            let base = counters(&own_session(&session)) ^ message_tweak(5);
            let mut numbers = packing::Numbers::default();
            let mut stream = numbers.of((Block::from(7), base), 64, 32);
            (0..64).map(|_| stream.next(32)).collect::<Vec<_>>()
        };
        let [one, other] = [read([3; 32]), read([4; 32])];
        assert_eq!(one, read([3; 32]));
        assert!(one.iter().zip(&other).all(|(a, b)| a != b));
    }
}
