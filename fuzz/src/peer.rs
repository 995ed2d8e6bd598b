//! A host's end of a connection whose other end follows a script: all that it will ever say is there, so
//! nobody waits.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use xonn_run::session::Limits;
use xonn_run::session::channel::Transport;

use crate::script::{End, Frame, Script, frames};

/// What the other end says, and what it was told.
pub struct Peer {
    says: Vec<u8>,
    at: usize,
    piece: usize,
    deaf: usize,
    end: End,
    told: Arc<Mutex<Vec<u8>>>,
}

/// What a peer was told, also after the connection is gone.
pub struct Told(Arc<Mutex<Vec<u8>>>);

impl Peer {
    /// Says the stream that `script` makes of an honest peer's frames.
    pub fn new(script: &Script, honest: &[Frame]) -> (Self, Told) {
        let piece = if script.piece == 0 { usize::MAX } else { script.piece.into() };
        let deaf = script.deaf.map_or(usize::MAX, usize::from);
        let (peer, told) = Self::saying(script.stream(honest), piece, deaf, script.end);
        // Made before anybody counts: a longer record would be taken for the host's own memory.
        told.0.lock().expect("no holder panics").reserve(1 << 18);
        (peer, told)
    }

    /// Says these bytes, at most `piece` at a time, takes `deaf` bytes, and then does `end`.
    pub fn saying(says: Vec<u8>, piece: usize, deaf: usize, end: End) -> (Self, Told) {
        let told = Arc::new(Mutex::new(Vec::with_capacity(1 << 12)));
        (Self { says, at: 0, piece, deaf, end, told: Arc::clone(&told) }, Told(told))
    }
}

impl Told {
    /// The frames.
    pub fn frames(&self) -> Vec<Frame> {
        frames(&self.0.lock().expect("no holder panics"))
    }

    /// The frames but for a refusal, which comes last and is short.
    pub fn before_refusal(&self) -> Vec<Frame> {
        let mut frames = self.frames();
        if let Some(refusal) = frames.pop_if(|last| last.kind == 255) {
            assert!(refusal.payload.len() <= 512, "a refusal of {} bytes", refusal.payload.len());
        }
        assert!(frames.iter().all(|frame| frame.kind != 255), "a host goes on after it refused");
        frames
    }
}

impl Transport for Peer {
    fn read_within(&mut self, buffer: &mut [u8], _limit: Duration) -> io::Result<usize> {
        let left = &self.says[self.at..];
        if left.is_empty() {
            return match self.end {
                End::Closed => Ok(0),
                End::Silent => Err(io::ErrorKind::TimedOut.into()),
                End::Reset => Err(io::ErrorKind::ConnectionReset.into()),
            };
        }
        let count = buffer.len().min(left.len()).min(self.piece);
        buffer[..count].copy_from_slice(&left[..count]);
        self.at += count;
        Ok(count)
    }

    fn write_within(&mut self, bytes: &[u8], _limit: Duration) -> io::Result<usize> {
        let mut told = self.told.lock().expect("no holder panics");
        let count = bytes.len().min(self.deaf - told.len().min(self.deaf)).min(self.piece.saturating_mul(64));
        told.extend(&bytes[..count]);
        if count == 0 { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(count) }
    }

    fn hang_up(&mut self, _limit: Duration) {}
}

/// Limits that no run comes near: nobody waits for such a peer.
pub fn limits() -> Limits {
    let limit = Duration::from_secs(60);
    Limits { message: limit, hello: limit, idle: limit, idle_ahead: limit, queue: limit, ..Limits::default() }
}
