//! A host's end of a connection, which counts what it sends and can be tampered with.

use xonn_protocols::protocol::{Phase, SetUp};
use xonn_protocols::wire::{Memory, Wire, WireError};

/// A part of a stage's messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    SetUp(SetUp),
    Offline(Phase),
    Online,
}

/// Changes a message on its way: whether it is the server's, its number, and itself.
pub type Tamper<'a> = &'a (dyn Fn(bool, usize, &mut Vec<u8>) + Sync);

/// Bytes and flights that a host sent.
#[derive(Clone, Default, Debug)]
pub struct Sent {
    pub set_up: u64,
    pub offline: u64,
    pub online: u64,
    /// How often it began to speak with the input there: messages in a row are one flight.
    pub flights: u64,
    /// What it sent when it was not its turn.
    pub out_of_turn: Vec<String>,
    pub messages: Vec<Vec<u8>>,
}

/// A host's end.
pub struct End<'a> {
    inner: Memory,
    server: bool,
    tamper: Tamper<'a>,
    part: Part,
    speaks: bool,
    pub sent: Sent,
}

impl<'a> End<'a> {
    pub fn new(inner: Memory, server: bool, tamper: Tamper<'a>) -> Self {
        Self { inner, server, tamper, part: Part::SetUp(SetUp::Asks), speaks: false, sent: Sent::default() }
    }

    pub fn begin(&mut self, part: Part) {
        (self.part, self.speaks) = (part, false);
    }
}

impl Wire for End<'_> {
    fn send(&mut self, message: &[u8]) -> Result<(), WireError> {
        let bytes = message.len() as u64;
        let turn = match self.part {
            Part::SetUp(step) => {
                self.sent.set_up += bytes;
                self.server == (step == SetUp::Answers)
            }
            Part::Offline(phase) => {
                self.sent.offline += bytes;
                self.server == matches!(phase, Phase::Two | Phase::Four)
            }
            Part::Online => {
                self.sent.online += bytes;
                self.sent.flights += u64::from(!self.speaks);
                true
            }
        };
        self.speaks = true;
        if !turn {
            self.sent.out_of_turn.push(format!("{bytes} bytes in {:?}", self.part));
        }
        let mut message = message.to_vec();
        (self.tamper)(self.server, self.sent.messages.len(), &mut message);
        self.sent.messages.push(message.clone());
        self.inner.send(&message)
    }

    fn receive(&mut self, length: usize) -> Result<Vec<u8>, WireError> {
        self.speaks = false;
        self.inner.receive(length)
    }

    fn flush(&mut self) -> Result<(), WireError> {
        self.inner.flush()
    }
}
