//! TCP around sessions: a server with bounded connections, and a client's connection.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use crate::session::server::{self, Model, Served};
use crate::session::{Channel, Limits, SessionError};

/// How a server accepts clients.
#[derive(Clone, Copy, Debug)]
pub struct ServerOptions {
    /// What each client is granted.
    pub limits: Limits,
    /// Connections served at the same time; more are refused.
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
    let busy = AtomicUsize::new(0);
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
            if busy.load(Ordering::Relaxed) >= options.at_once {
                turn_away(stream);
                report(Event::Full { peer });
                continue;
            }
            accepted += 1;
            busy.fetch_add(1, Ordering::Relaxed);
            let busy = &busy;
            scope.spawn(move || {
                let _place = Place(busy);
                let begin = Instant::now();
                let result = serve_one(stream, model, &options.limits);
                report(Event::Ended { peer, result: &result, elapsed: begin.elapsed() });
            });
        }
    });
}

/// A place among the connections served at the same time, given back even if a session's thread should panic.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn serve_one(stream: TcpStream, model: &Model<'_>, limits: &Limits) -> Result<Served, SessionError> {
    let doing = "accepting a connection";
    let transport = |source| SessionError::Transport { doing, source };
    stream.set_nodelay(true).map_err(transport)?;
    let closing = stream.try_clone().map_err(transport)?;
    let result = server::serve(stream, model, limits, &mut fresh_rng());
    hang_up(closing, result.is_err());
    result
}

/// Ends a connection. After a refusal what the peer still sends is read for a moment: closing with unread bytes would
/// reset the connection, and the peer would never see the reason.
fn hang_up(stream: TcpStream, refused: bool) {
    let _ = stream.shutdown(std::net::Shutdown::Write);
    if refused {
        let deadline = Instant::now() + Duration::from_millis(500);
        let mut rest = [0; 4096];
        let mut stream = stream;
        while let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
        {
            if stream.set_read_timeout(Some(left)).is_err()
                || !matches!(io::Read::read(&mut stream, &mut rest), Ok(1..))
            {
                break;
            }
        }
    }
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
