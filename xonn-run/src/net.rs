//! TCP around sessions: a server with bounded connections, and a client's connection.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use crate::session::server::{self, Model, Served};
use crate::session::{Channel, Limits, SessionError};

/// Clients that are being turned away at the same time; beyond that they are hung up on without a word.
const TURNING_AWAY: usize = 16;

/// How a server accepts clients.
#[derive(Clone, Copy, Debug)]
pub struct ServerOptions {
    /// What each client is granted.
    pub limits: Limits,
    /// Connections served at the same time; more are turned away.
    pub at_once: usize,
    /// Connections after which the server ends, or none.
    pub total: Option<u64>,
}

/// Something that a server has to tell its operator.
pub enum Event<'a> {
    /// A client's session ended.
    Ended {
        /// The client.
        peer: SocketAddr,
        /// How the session went.
        result: &'a Result<Served, SessionError>,
        /// How long it took.
        elapsed: Duration,
    },
    /// A client was turned away because the server was full.
    Full {
        /// The client.
        peer: SocketAddr,
    },
    /// A connection could not be accepted.
    AcceptFailed {
        /// Why.
        error: &'a io::Error,
    },
}

/// Serves clients, each on a thread of its own; one client's failure is told to `report` and hurts no other.
///
/// Returns when [`ServerOptions::total`] connections have been served, else never.
pub fn serve(
    listener: &TcpListener,
    model: &Model<'_>,
    options: &ServerOptions,
    report: impl Fn(Event<'_>) + Sync,
) {
    let (busy, leaving) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let report = &report;
    let mut accepted = 0;
    std::thread::scope(|scope| {
        while options.total.is_none_or(|total| accepted < total) {
            let (stream, peer) = match listener.accept() {
                Ok(connection) => connection,
                Err(error) => {
                    report(Event::AcceptFailed { error: &error });
                    // Out of file handles, for instance: wait for sessions to end instead of spinning.
                    std::thread::sleep(Duration::from_millis(100));
                    continue;
                }
            };
            let thread = std::thread::Builder::new();
            let started = if let Some(place) = Place::take(&busy, options.at_once) {
                accepted += 1;
                thread.spawn_scoped(scope, move || {
                    let begin = Instant::now();
                    let result = serve_one(stream, model, &options.limits);
                    drop(place);
                    report(Event::Ended { peer, result: &result, elapsed: begin.elapsed() });
                })
            } else {
                report(Event::Full { peer });
                // On a thread too: a client that does not listen must not keep others waiting.
                let Some(place) = Place::take(&leaving, TURNING_AWAY) else { continue };
                thread.spawn_scoped(scope, move || {
                    turn_away(stream);
                    drop(place);
                })
            };
            if let Err(error) = started {
                report(Event::AcceptFailed { error: &error });
            }
        }
    });
}

/// A place among the connections served at the same time, given back when dropped, even if a session's thread panics.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    /// A place if fewer than `most` are taken. Only the accepting thread takes places, so none is taken in between.
    fn take(taken: &'a AtomicUsize, most: usize) -> Option<Self> {
        (taken.load(Ordering::Relaxed) < most).then(|| {
            taken.fetch_add(1, Ordering::Relaxed);
            Self(taken)
        })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn serve_one(stream: TcpStream, model: &Model<'_>, limits: &Limits) -> Result<Served, SessionError> {
    let doing = "accepting a connection";
    stream.set_nodelay(true).map_err(|source| SessionError::Transport { doing, source })?;
    server::serve(stream, model, limits, &mut fresh_rng())
}

fn turn_away(stream: TcpStream) {
    let mut channel = Channel::new(stream, Duration::from_millis(200));
    channel.refuse(&SessionError::Mismatch("the server is full, try again later".into()));
}

/// Connects to a server, trying each address of its name.
///
/// # Errors
/// What the last address said; `NotFound` if the name has none.
pub fn connect(server: &str, limit: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in server.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, limit) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// A generator seeded by the operating system, one for each session: ChaCha20.
#[must_use]
pub fn fresh_rng() -> ChaCha20Rng {
    ChaCha20Rng::from_rng(&mut rand::rng())
}
