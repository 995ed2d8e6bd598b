//! A stream in memory between two hosts, with somebody in the middle who records it and may do one harm.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use xonn_run::session::msgs::Kind;

use xonn_run::session::channel::Transport;

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// What the client sends.
    ToServer,
    /// What the server sends.
    ToClient,
}

/// What happens to a stream.
#[derive(Clone, Copy, Debug)]
pub enum Harm {
    /// One bit, 0 to 7, of one byte is flipped.
    Flip(u8),
    /// The stream ends.
    Cut,
    /// The stream stays open, but nothing comes any more.
    Silence,
}

/// A harm to the byte at an offset, and where it lasts to all that follow.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub direction: Direction,
    pub at: usize,
    pub harm: Harm,
}

/// One host's end.
pub struct End {
    incoming: Arc<Pipe>,
    outgoing: Arc<Pipe>,
}

/// The server's end and the client's.
pub fn pair(fault: Option<Fault>) -> (End, End) {
    let pipe = |direction| {
        let fault = fault.filter(|f| f.direction == direction).map(|f| (f.at, f.harm));
        Arc::new(Pipe { state: Mutex::new(State { fault, ..State::default() }), changed: Condvar::new() })
    };
    let (up, down) = (pipe(Direction::ToServer), pipe(Direction::ToClient));
    let server = End { incoming: Arc::clone(&up), outgoing: Arc::clone(&down) };
    (server, End { incoming: down, outgoing: up })
}

impl End {
    /// All that this end has sent so far, as it was before any harm; also after the end is gone.
    pub fn tap(&self) -> impl Fn() -> Vec<u8> + use<> {
        let pipe = Arc::clone(&self.outgoing);
        move || pipe.lock().sent.clone()
    }

    /// Sends all of `bytes`, or as many as the peer takes.
    pub fn put(&mut self, bytes: &[u8]) {
        let _ = self.write_within(bytes, Duration::ZERO); // writing never waits; a peer that is gone is part of the game
    }

    /// Receives what comes within 5 seconds, until the peer hangs up or `most` bytes are there.
    pub fn take(&mut self, most: usize) -> Vec<u8> {
        let deadline = Instant::now() + Duration::from_secs(5);
        let mut bytes = vec![0; most];
        let mut filled = 0;
        while filled < most {
            match self.read_within(&mut bytes[filled..], deadline.saturating_duration_since(Instant::now())) {
                Ok(1..) if Instant::now() > deadline => break,
                Ok(0) | Err(_) => break,
                Ok(n) => filled += n,
            }
        }
        bytes.truncate(filled);
        bytes
    }

    /// Receives a frame: kind and payload. None if the peer hangs up first.
    pub fn take_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let head = self.take(5);
        let [kind, length @ ..] = *head.first_chunk::<5>()?;
        let length = u32::from_le_bytes(length) as usize;
        let payload = self.take(length);
        (payload.len() == length).then_some((kind, payload))
    }

    /// The text of the next frame that is a refusal; other frames are skipped.
    pub fn take_refusal(&mut self) -> Option<String> {
        loop {
            let (kind, payload) = self.take_frame()?;
            if kind == Kind::Refusal as u8 {
                return Some(String::from_utf8(payload).expect("our own texts are UTF-8"));
            }
        }
    }
}

impl Transport for End {
    fn read_within(&mut self, buffer: &mut [u8], limit: Duration) -> io::Result<usize> {
        let state = self.incoming.lock();
        let nothing = |s: &mut State| s.bytes.is_empty() && !s.ended;
        let (mut state, waited) =
            self.incoming.changed.wait_timeout_while(state, limit, nothing).expect("no holder panics");
        if waited.timed_out() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        io::Read::read(&mut state.bytes, buffer)
    }

    fn write_within(&mut self, bytes: &[u8], _limit: Duration) -> io::Result<usize> {
        self.outgoing.lock().write(bytes)?;
        self.outgoing.changed.notify_all();
        Ok(bytes.len())
    }

    fn hang_up(&mut self, _limit: Duration) {
        self.outgoing.end();
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.outgoing.end();
        self.incoming.end();
    }
}

struct Pipe {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    bytes: VecDeque<u8>,
    sent: Vec<u8>,
    ended: bool,
    fault: Option<(usize, Harm)>,
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }

    fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }
}

impl State {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.ended {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let begin = self.sent.len();
        self.sent.extend(bytes);
        let mut through = bytes.to_vec();
        if let Some((at, harm)) = self.fault {
            let at = at.saturating_sub(begin);
            match harm {
                Harm::Flip(bit) if self.fault.is_some_and(|(at, _)| at >= begin) => {
                    if let Some(byte) = through.get_mut(at) {
                        *byte ^= 1 << bit;
                    }
                }
                Harm::Flip(_) => {}
                Harm::Cut | Harm::Silence => through.truncate(at),
            }
            self.ended = matches!(harm, Harm::Cut) && through.len() < bytes.len();
        }
        self.bytes.extend(through);
        Ok(())
    }
}
