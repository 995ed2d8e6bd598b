//! A session's channel as protocols see it.

use xonn_protocols::protocol::ProtocolError;
use xonn_protocols::wire::{Wire, WireError};

use super::channel::{Channel, Transport};
use super::error::{Misuse, SessionError};
use super::msgs::Kind;

/// The channel, and what this host does with it.
pub(super) struct Steps<'c, T: Transport> {
    channel: &'c mut Channel<T>,
    doing: &'static str,
}

impl<'c, T: Transport> Steps<'c, T> {
    pub fn new(channel: &'c mut Channel<T>, doing: &'static str) -> Self {
        Self { channel, doing }
    }
}

impl<T: Transport> Wire for Steps<'_, T> {
    fn send(&mut self, message: &[u8]) -> Result<(), WireError> {
        self.channel.send(Kind::Step, message, self.doing).map_err(wrapped)
    }

    fn receive(&mut self, length: usize) -> Result<Vec<u8>, WireError> {
        self.channel.receive(Kind::Step, length, self.doing).map_err(wrapped)
    }

    fn receive_into(&mut self, room: &mut [u8]) -> Result<(), WireError> {
        let length = room.len();
        self.channel.receive_into(Kind::Step, length, self.doing, || room).map_err(wrapped)
    }

    fn flush(&mut self) -> Result<(), WireError> {
        self.channel.flush(self.doing).map_err(wrapped)
    }
}

fn wrapped(error: SessionError) -> WireError {
    WireError(Box::new(error))
}

/// What a protocol's error is in a session.
pub(super) fn ended(error: ProtocolError, doing: &'static str) -> SessionError {
    match error {
        ProtocolError::Wire(WireError(error)) => match error.downcast::<SessionError>() {
            Ok(error) => *error,
            Err(error) => SessionError::Misbehaved { doing, reason: error.to_string() },
        },
        ProtocolError::Ot(error) => SessionError::Ot(error),
        ProtocolError::Evaluate(error) => SessionError::Evaluate(error),
        // This host's own mistake, of which the peer is told nothing.
        ProtocolError::Share(_) | ProtocolError::Circuit(_) | ProtocolError::Misuse(_) => {
            SessionError::Misuse(Misuse::Protocol { reason: error.to_string() })
        }
        other => SessionError::Misbehaved { doing, reason: other.to_string() },
    }
}
