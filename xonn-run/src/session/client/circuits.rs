//! Predictions by garbled circuits: what this side keeps between them.

use std::collections::VecDeque;
use std::sync::Arc;

use super::ready::Ready;
use crate::oca::{self, Oca};
use xonn_crypto::garble::schedule::Schedule;
use xonn_crypto::garble::{Ciphertexts, Scheme};
use xonn_crypto::ot::{self, SessionId};

/// A circuit's conditional additions and the client's side of them.
pub(super) type SharedLayers = (Arc<Oca>, oca::sender::Sender);

/// The client's side of all circuits of a connection.
pub(super) struct Circuits {
    /// Of the circuit that is garbled: the program's own, or one on shares.
    pub schedule: Schedule,
    pub receiver: ot::Receiver,
    pub scheme: Scheme,
    /// Buffers of the circuit before: fresh memory costs the system more than receiving into it.
    pub buffers: Vec<Ciphertexts>,
    /// The conditional additions of first layers, if they are not garbled, and this side of them.
    pub shared: Option<SharedLayers>,
    pub session: SessionId,
    /// Circuits that wait for an input, the oldest first.
    pub ready: VecDeque<Ready>,
    /// Circuits that were prepared so far.
    pub prepared: u64,
}

impl Circuits {
    /// With nothing garbled yet.
    pub fn new(
        schedule: Schedule,
        (receiver, shared): (ot::Receiver, Option<SharedLayers>),
        scheme: Scheme,
        session: SessionId,
    ) -> Self {
        let (buffers, ready) = (Vec::new(), VecDeque::new());
        Self { schedule, receiver, scheme, buffers, shared, session, ready, prepared: 0 }
    }

    /// Bits of the client's input.
    pub fn input_bits(&self) -> usize {
        match &self.shared {
            Some((oca, _)) => oca.input_bits(),
            None => self.schedule.program().input_bits(),
        }
    }
}
