//! TCP around sessions: a server with bounded connections, and a client's connection.

pub mod allowance;
pub mod tls;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use chacha20::ChaCha20Rng;
use rand::SeedableRng;

use self::allowance::{Allowances, ClientId};
use self::tls::{ClientTls, Connection, ServerTls};
use crate::session::server::{self, Allowance, Greeted, Model, Served};
use crate::session::{Limits, SessionError};

/// Connections of one address that have not said what they want yet; more are closed.
pub const HALF_OPEN: usize = 8;

/// Most of them together: a peer may have many addresses, and each holds a thread.
pub const HALF_OPEN_ALL: usize = 256;

/// How often a listener is asked that cannot be waited for.
const POLL: Duration = Duration::from_millis(2);

/// How a server accepts clients.
#[derive(Clone)]
pub struct ServerOptions {
    /// TLS, if connections are to be inside of it.
    pub tls: Option<ServerTls>,
    /// What each client is granted.
    pub limits: Limits,
    /// Clients served at the same time; more are turned away.
    pub at_once: usize,
    /// Inferences that a client is granted in an hour over all its connections, or none for as many as it
    /// wants.
    pub per_hour: Option<u64>,
    /// Clients after which the server ends, or none. Who does not greet is none.
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
    /// A connection was closed because too many, from its address or in all, have not said what they want yet.
    HalfOpen {
        /// Who connected.
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
/// Returns when [`ServerOptions::total`] clients have been served, else never.
pub fn serve(
    listener: &TcpListener,
    model: &Model<'_>,
    options: &ServerOptions,
    report: impl Fn(Event<'_>) + Sync,
) {
    let (places, half_open, report) = (Places::new(options), HalfOpen::default(), &report);
    let allowances = Allowances::new(options.per_hour.unwrap_or(u64::MAX));
    // A listener that has to notice the last client's goodbye cannot wait in the system for another one.
    let polled = options.total.is_some();
    if let Err(error) = listener.set_nonblocking(polled) {
        return report(Event::AcceptFailed { error: &error });
    }
    std::thread::scope(|scope| {
        while !places.all_given() {
            let (stream, peer) = match listener.accept() {
                Ok(connection) => connection,
                Err(error) if polled && error.kind() == io::ErrorKind::WouldBlock => {
                    std::thread::sleep(POLL);
                    continue;
                }
                Err(error) => {
                    report(Event::AcceptFailed { error: &error });
                    // Out of file handles, for instance: wait for sessions to end instead of spinning.
                    std::thread::sleep(Duration::from_millis(100));
                    continue;
                }
            };
            let Some(ticket) = half_open.admit(peer) else {
                report(Event::HalfOpen { peer });
                continue;
            };
            let (places, allowances) = (&places, &allowances);
            let started = std::thread::Builder::new().spawn_scoped(scope, move || {
                let begin = Instant::now();
                // Who has not said a fitting hello, inside of TLS where there is TLS, takes no place from those who have.
                let greeted = greet(stream, options.tls.as_ref(), model, &options.limits);
                let result = match greeted {
                    Ok(client) => {
                        let Some(place) = places.take() else {
                            report(Event::Full { peer });
                            client.turn_away();
                            return drop(ticket);
                        };
                        drop(ticket);
                        let id = ClientId::new(client.transport().peer_certificate(), peer.ip());
                        let allowance = Own { allowances, id };
                        let result = client.serve_within(&options.limits, &allowance, &mut fresh_rng());
                        drop(place);
                        result
                    }
                    Err(error) => Err(error),
                };
                report(Event::Ended { peer, result: &result, elapsed: begin.elapsed() });
            });
            if let Err(error) = started {
                report(Event::AcceptFailed { error: &error });
            }
        }
    });
}

/// One client's allowance.
struct Own<'a> {
    allowances: &'a Allowances,
    id: ClientId,
}

impl Allowance for Own<'_> {
    fn take(&self) -> Result<(), String> {
        self.allowances.take(self.id)
    }

    fn give_back(&self, count: u64) {
        self.allowances.give_back(self.id, count);
    }
}

/// The connections that are served at the same time, and in all.
struct Places {
    at_once: usize,
    taken: AtomicUsize,
    /// Those that may still be served.
    left: AtomicU64,
}

impl Places {
    fn new(options: &ServerOptions) -> Self {
        let left = options.total.unwrap_or(u64::MAX);
        Self { at_once: options.at_once, taken: AtomicUsize::new(0), left: AtomicU64::new(left) }
    }

    /// Whether no more will be served.
    fn all_given(&self) -> bool {
        self.left.load(Ordering::Acquire) == 0
    }

    /// A place, if one is free.
    fn take(&self) -> Option<Place<'_>> {
        let free = |taken| (taken < self.at_once).then_some(taken + 1);
        self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, free).ok()?;
        let place = Place(self);
        // Without a total the number is never used up.
        self.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)).ok()?;
        Some(place)
    }
}

/// One of [`Places`], given back when dropped, even if a session's thread panics.
struct Place<'a>(&'a Places);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Serves the first client whose hello fits the model, and nobody else; what others wanted is told to `report`, so a port
/// scan or a client with another circuit does not end the wait. Returns who was served, how it went, and how long it took.
///
/// # Errors
/// If the listener cannot be polled.
pub fn serve_first(
    listener: &TcpListener,
    tls: Option<&ServerTls>,
    model: &Model<'_>,
    limits: &Limits,
    report: impl Fn(Event<'_>) + Sync,
) -> io::Result<(SocketAddr, Result<Served, SessionError>, Duration)> {
    listener.set_nonblocking(true)?;
    let (half_open, report) = (HalfOpen::default(), &report);
    std::thread::scope(|scope| {
        let (fits, clients) = mpsc::channel();
        loop {
            match listener.accept() {
                Ok((stream, peer)) => {
                    let Some(ticket) = half_open.admit(peer) else {
                        report(Event::HalfOpen { peer });
                        continue;
                    };
                    let fits = fits.clone();
                    // It ends soon: a hello has a short limit.
                    let started = std::thread::Builder::new().spawn_scoped(scope, move || {
                        let begin = Instant::now();
                        match greet(stream, tls, model, limits) {
                            Ok(client) => drop(fits.send((peer, client))),
                            Err(error) => {
                                report(Event::Ended { peer, result: &Err(error), elapsed: begin.elapsed() });
                            }
                        }
                        drop(ticket);
                    });
                    if let Err(error) = started {
                        report(Event::AcceptFailed { error: &error });
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => report(Event::AcceptFailed { error: &error }),
            }
            // The listener is asked again after a while: one cannot wait for it and for a client at the same time.
            if let Ok((peer, client)) = clients.recv_timeout(POLL) {
                let begin = Instant::now();
                let result = client.serve(limits, &mut fresh_rng());
                return Ok((peer, result, begin.elapsed()));
            }
        }
    })
}

/// A client's hello, if it fits.
fn greet<'m>(
    stream: TcpStream,
    tls: Option<&ServerTls>,
    model: &'m Model<'m>,
    limits: &Limits,
) -> Result<Greeted<'m, Connection>, SessionError> {
    let blocking = stream.set_nonblocking(false).and_then(|()| stream.set_nodelay(true));
    let connection = blocking.and_then(|()| Connection::of_server(stream, tls));
    let doing = "accepting a connection";
    server::greet(connection.map_err(|source| SessionError::Transport { doing, source })?, model, limits)
}

/// Connections that have not said what they want yet, by address.
#[derive(Default)]
struct HalfOpen(Mutex<HashMap<IpAddr, usize>>);

impl HalfOpen {
    /// Counts a connection until the ticket is dropped; none if its address has [`HALF_OPEN`] already, or all have
    /// [`HALF_OPEN_ALL`].
    fn admit(&self, peer: SocketAddr) -> Option<Ticket<'_>> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let here = counts.get(&peer.ip()).copied().unwrap_or(0);
        (here < HALF_OPEN && counts.values().sum::<usize>() < HALF_OPEN_ALL).then(|| {
            counts.insert(peer.ip(), here + 1);
            Ticket { of: self, address: peer.ip() }
        })
    }
}

/// One of [`HalfOpen`].
struct Ticket<'a> {
    of: &'a HalfOpen,
    address: IpAddr,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut counts = self.of.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

/// Connects to a server, trying each address of its name.
///
/// # Errors
/// What the last address said; `NotFound` if the name has none.
pub fn connect(server: &str, tls: Option<&ClientTls>, limit: Duration) -> io::Result<Connection> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in server.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, limit) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Connection::of_client(stream, tls);
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
