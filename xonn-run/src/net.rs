//! TCP around sessions: a server with bounded connections, and a client's connection.

pub mod allowance;
pub mod door;
mod places;
pub mod tls;

use std::io;
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use chacha20::ChaCha20Rng;
use rand::SeedableRng;

use self::allowance::{Allowances, ClientId};
use self::door::Door;
use self::places::Places;
use self::tls::{ClientTls, Connection, ServerTls};
use crate::session::server::{self, Allowance, Greeted, Model, Served};
use crate::session::{Limits, SessionError};

/// The port of a server if none is named.
pub const PORT: u16 = 7070;

/// How often a listener is asked that cannot be waited for.
const POLL: Duration = Duration::from_millis(2);

/// How a server accepts clients.
#[derive(Clone)]
pub struct ServerOptions {
    /// TLS, if connections are to be inside of it.
    pub tls: Option<ServerTls>,
    /// What each client is granted.
    pub limits: Limits,
    /// Clients served at the same time; more wait.
    pub at_once: usize,
    /// Clients that wait for one of these places, in the order in which they came; more are turned away.
    pub queue: usize,
    /// Connections that have not said what they want yet; for one more the oldest is closed.
    pub half_open: usize,
    /// Inferences that a client is granted in an hour over all its connections, or none for as many as it
    /// wants.
    pub per_hour: Option<u64>,
    /// Set to have no more clients accepted; those that are served stay, those that wait for a place are
    /// turned away. A listener that waits for a client has to be connected to once, to notice.
    pub stop: Arc<AtomicBool>,
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
    /// A connection was closed because another came, and it was the oldest of many that have not said what
    /// they want.
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
    let (at_once, total) = (options.at_once, options.total);
    let places = Places::new(at_once, options.queue, options.limits.queue, total);
    let (door, report) = (Door::new(options.half_open), &report);
    let allowances = Allowances::new(options.per_hour.unwrap_or(u64::MAX));
    // A listener that has to notice the last client's goodbye cannot wait in the system for another one.
    let polled = options.total.is_some();
    if let Err(error) = listener.set_nonblocking(polled) {
        return report(Event::AcceptFailed { error: &error });
    }
    std::thread::scope(|scope| {
        while !places.all_given() && !options.stop.load(Ordering::Acquire) {
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
            if options.stop.load(Ordering::Acquire) {
                break;
            }
            let Some(ticket) = let_in(&door, peer, &stream, report) else { continue };
            let (places, allowances) = (&places, &allowances);
            let started = std::thread::Builder::new().spawn_scoped(scope, move || {
                let begin = Instant::now();
                // Who has not said a fitting hello, inside of TLS where there is TLS, takes no place from those who have.
                let greeted = greet(stream, options.tls.as_ref(), model, &options.limits);
                let result = match greeted {
                    Ok(mut client) => {
                        drop(ticket);
                        let Some(place) = places.take(|wait| client.wait(wait.before, wait.seconds)) else {
                            report(Event::Full { peer });
                            return client.turn_away();
                        };
                        let id = ClientId::new(client.transport().peer_certificate(), peer.ip());
                        let allowance = Own { allowances, id };
                        let result = client.serve_within(&options.limits, &allowance, &mut fresh_rng());
                        drop(place);
                        result
                    }
                    // It has been told of already.
                    Err(_) if ticket.is_evicted() => return,
                    Err(error) => Err(error),
                };
                report(Event::Ended { peer, result: &result, elapsed: begin.elapsed() });
            });
            if let Err(error) = started {
                report(Event::AcceptFailed { error: &error });
            }
        }
        places.close();
        // Whoever comes while others are still served is let go at once, and not left to wait for an answer.
        while options.stop.load(Ordering::Acquire) && places.busy() && listener.set_nonblocking(true).is_ok()
        {
            if listener.accept().is_err() {
                std::thread::sleep(POLL);
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

/// Lets a connection in that has said nothing yet, and tells `report` who had to leave for it, or why it
/// could not come in.
fn let_in<'d>(
    door: &'d Door,
    peer: SocketAddr,
    stream: &TcpStream,
    report: &impl Fn(Event<'_>),
) -> Option<door::Ticket<'d>> {
    match door.admit(peer, stream) {
        Ok((ticket, left)) => {
            left.into_iter().for_each(|peer| report(Event::HalfOpen { peer }));
            Some(ticket)
        }
        Err(error) => {
            report(Event::AcceptFailed { error: &error });
            None
        }
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
    let (door, report) = (Door::new(door::HALF_OPEN), &report);
    std::thread::scope(|scope| {
        let (fits, clients) = mpsc::channel();
        loop {
            match listener.accept() {
                Ok((stream, peer)) => {
                    let Some(ticket) = let_in(&door, peer, &stream, report) else { continue };
                    let fits = fits.clone();
                    // It ends soon: a hello has a short limit.
                    let started = std::thread::Builder::new().spawn_scoped(scope, move || {
                        let begin = Instant::now();
                        match greet(stream, tls, model, limits) {
                            Ok(client) => drop(fits.send((peer, client))),
                            Err(_) if ticket.is_evicted() => {}
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

/// The address with [`PORT`] if it names none: `host`, `host:port`, an address of IPv6 with or without
/// brackets.
#[must_use]
pub fn with_port(server: &str) -> String {
    match server.rsplit_once(':') {
        _ if server.parse::<Ipv6Addr>().is_ok() => format!("[{server}]:{PORT}"),
        Some((host, _)) if !host.contains(':') || host.ends_with(']') => server.to_owned(),
        _ => format!("{server}:{PORT}"),
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

/// Whether [`connect`] may succeed another time, with nothing changed: not with an address that is none.
#[must_use]
pub fn is_transient(error: &io::Error) -> bool {
    !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput)
}

/// A generator seeded by the operating system, one for each session: ChaCha20.
#[must_use]
pub fn fresh_rng() -> ChaCha20Rng {
    ChaCha20Rng::from_rng(&mut rand::rng())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_a_port_has_the_usual_one() {
        for (named, meant) in [
            ("host", "host:7070"),
            ("host.example:1", "host.example:1"),
            ("10.0.0.1", "10.0.0.1:7070"),
            ("::1", "[::1]:7070"),
            ("2001:db8::1", "[2001:db8::1]:7070"),
            ("[::1]:80", "[::1]:80"),
            ("[::1]", "[::1]:7070"),
        ] {
            assert_eq!(with_port(named), meant);
        }
    }
}
