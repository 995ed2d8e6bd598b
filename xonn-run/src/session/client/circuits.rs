//! Predictions by garbled circuits: what this side keeps between them.

use std::collections::VecDeque;

use super::ready::Ready;
use xonn_crypto::garble::schedule::Schedule;
use xonn_crypto::garble::{Ciphertexts, Scheme};
use xonn_crypto::ot::{self, SessionId};

/// The client's side of all circuits of a connection.
pub(super) struct Circuits {
    pub schedule: Schedule,
    pub receiver: ot::Receiver,
    pub scheme: Scheme,
    /// Buffers of the circuit before: fresh memory costs the system more than receiving into it.
    pub buffers: Vec<Ciphertexts>,
    pub session: SessionId,
    /// Circuits that wait for an input, the oldest first.
    pub ready: VecDeque<Ready>,
    /// Circuits that were prepared so far.
    pub prepared: u64,
}

impl Circuits {
    /// With nothing garbled yet.
    pub fn new(schedule: Schedule, receiver: ot::Receiver, scheme: Scheme, session: SessionId) -> Self {
        let (buffers, ready) = (Vec::new(), VecDeque::new());
        Self { schedule, receiver, scheme, buffers, session, ready, prepared: 0 }
    }

    /// Bits of the client's input.
    pub fn input_bits(&self) -> usize {
        self.schedule.program().input_bits()
    }
}
