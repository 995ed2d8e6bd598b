//! A server of many clients, each on a thread of its own.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::allowance::{Allowances, ClientId};
use super::arrival::{Arrival, Early};
use super::door::{self, Door};
use super::fresh_rng;
use super::metrics::Metrics;
use super::places::{Bounds, Place, Places};
use super::proxy::ProxyError;
use super::tls::ServerTls;
use crate::session::server::{Model, Served, Supervisor};
use crate::session::{Limits, SessionError};

/// How often a listener is asked that cannot be waited for.
pub(super) const POLL: Duration = Duration::from_millis(2);

/// How a server accepts clients.
#[derive(Clone)]
pub struct ServerOptions {
    /// TLS, if connections are to be inside of it.
    pub tls: Option<ServerTls>,
    /// Whether a balancer says in front of each connection who the client is: the PROXY protocol, version 2.
    pub proxy: bool,
    /// What each client is granted.
    pub limits: Limits,
    /// Clients served at the same time; more wait.
    pub at_once: usize,
    /// Of them those of one address, of IPv6 of one prefix of 64 bits.
    pub per_address: usize,
    /// Clients that wait for one of these places, in the order in which they came; more are turned away.
    pub queue: usize,
    /// How long a client may ask nothing and keep its place while others wait for one.
    pub recall_after: Duration,
    /// Connections that have not said what they want yet; for one more the oldest is closed.
    pub half_open: usize,
    /// Inferences that a client is granted in an hour over all its connections, or none for as many as it
    /// wants.
    pub per_hour: Option<u64>,
    /// Set to have no more clients accepted; those that are served stay, those that wait for a place are
    /// turned away. A listener that waits for a client has to be connected to once, to notice.
    pub stop: Arc<AtomicBool>,
    /// Clients after which the server ends, or none. A connection without a hello is not counted.
    pub total: Option<u64>,
    /// What is counted.
    pub metrics: Metrics,
}

impl ServerOptions {
    /// So many clients at the same time and in the queue; all else as it is usual.
    #[must_use]
    pub fn new(at_once: usize, queue: usize) -> Self {
        Self {
            tls: None,
            proxy: false,
            limits: Limits::default(),
            at_once,
            per_address: usize::MAX,
            queue,
            recall_after: Duration::from_secs(10),
            half_open: door::HALF_OPEN,
            per_hour: None,
            stop: Arc::default(),
            total: None,
            metrics: Metrics::new(),
        }
    }
}

/// A connection, as it is told of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Caller {
    /// Its number, from 1 on.
    pub id: u64,
    /// Whom it is of; of a client behind a balancer that says so, the client's own address.
    pub peer: SocketAddr,
}

/// Something that a server has to tell its operator.
pub enum Event<'a> {
    /// Somebody connected.
    Connected {
        /// Who.
        caller: Caller,
    },
    /// A balancer has named the client.
    Named {
        /// The client.
        caller: Caller,
        /// Whom it came by.
        balancer: SocketAddr,
    },
    /// A connection ended without a word, as one of a check whether the port is open.
    Silent {
        /// Who connected.
        caller: Caller,
    },
    /// A connection did not begin with a header of the PROXY protocol.
    NoProxyHeader {
        /// Who connected.
        caller: Caller,
        /// What was there instead.
        error: &'a ProxyError,
    },
    /// A client has a place.
    Placed {
        /// The client.
        caller: Caller,
        /// How long it waited.
        waited: Duration,
    },
    /// A client's session ended.
    Ended {
        /// The client.
        caller: Caller,
        /// How the session went.
        result: &'a Result<Served, SessionError>,
        /// How long it took.
        elapsed: Duration,
    },
    /// A client was turned away because the server was full.
    Full {
        /// The client.
        caller: Caller,
    },
    /// A connection was closed because another came, and it was the oldest of many that have not said what
    /// they want.
    HalfOpen {
        /// Who connected.
        caller: Caller,
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
    model: &Model,
    options: &ServerOptions,
    report: impl Fn(Event<'_>) + Sync,
) {
    let report = |event: Event<'_>| {
        options.metrics.count(&event);
        report(event);
    };
    // A listener that has to notice the last client's goodbye cannot wait in the system for another one.
    let polled = options.total.is_some();
    if let Err(error) = listener.set_nonblocking(polled) {
        return report(Event::AcceptFailed { error: &error });
    }
    let host = &Reception::new(model, options, &report);
    let door = &Door::new(options.half_open);
    let stopped = || options.stop.load(Ordering::Acquire);
    let mut connections = 0;
    std::thread::scope(|scope| {
        while !host.places.all_given() && !stopped() {
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
            if stopped() {
                break;
            }
            connections += 1;
            let caller = Caller { id: connections, peer };
            report(Event::Connected { caller });
            let Some(ticket) = let_in(door, caller, &stream, &report) else { continue };
            let started =
                std::thread::Builder::new().spawn_scoped(scope, move || host.attend(stream, caller, ticket));
            if let Err(error) = started {
                report(Event::AcceptFailed { error: &error });
            }
        }
        host.places.close();
        // Whoever comes while others are still served is let go at once, and not left to wait for an answer.
        while stopped() && host.places.busy() && listener.set_nonblocking(true).is_ok() {
            if listener.accept().is_err() {
                std::thread::sleep(POLL);
            }
        }
    });
}

/// What the threads of a server share.
struct Reception<'s, R> {
    options: &'s ServerOptions,
    arrival: Arrival<'s>,
    places: Places,
    allowances: Allowances,
    report: &'s R,
}

impl<'s, R: Fn(Event<'_>)> Reception<'s, R> {
    fn new(model: &'s Model, options: &'s ServerOptions, report: &'s R) -> Self {
        let ServerOptions { limits, metrics, proxy, .. } = options;
        let arrival = Arrival { tls: options.tls.as_ref(), proxy: *proxy, model, limits, metrics };
        let places = Places::new(Bounds {
            at_once: options.at_once,
            per_address: options.per_address,
            queue: options.queue,
            patience: limits.queue,
            idle: options.recall_after,
            total: options.total,
        });
        let allowances = Allowances::new(options.per_hour.unwrap_or(u64::MAX));
        Self { options, arrival, places, allowances, report }
    }

    /// One connection from its first byte to its last.
    fn attend(&self, stream: TcpStream, mut caller: Caller, ticket: door::Ticket<'_>) {
        let (begin, report, metrics) = (Instant::now(), self.report, &self.options.metrics);
        let _open = metrics.open();
        let accepted = caller.peer;
        // Who has not said a fitting hello, inside of TLS where there is TLS, takes no place from those who
        // have.
        let half_open = metrics.half_open();
        let greeted = self.arrival.greet(stream, &mut caller, &ticket);
        drop(half_open);
        let evicted = ticket.is_evicted();
        drop(ticket);
        if caller.peer != accepted {
            report(Event::Named { caller, balancer: accepted });
        }
        let result = match greeted {
            Ok(mut client) => {
                let (waits, arrived) = (metrics.waiting(), Instant::now());
                let place = self.places.take(caller.peer, |wait| client.wait(wait.before, wait.seconds));
                drop(waits);
                let Some(place) = place else {
                    report(Event::Full { caller });
                    return client.turn_away();
                };
                report(Event::Placed { caller, waited: arrived.elapsed() });
                let _served = metrics.serving();
                let certificate = client.transport().connection.peer_certificate();
                let id = ClientId::new(certificate, caller.peer.ip());
                let supervised = Supervised { allowances: &self.allowances, id, place, metrics };
                client.serve_within(&self.options.limits, &supervised, &mut fresh_rng())
            }
            // It has been told of already.
            Err(_) if evicted => return,
            Err(Early::Silent) => return report(Event::Silent { caller }),
            Err(Early::Proxy(error)) => return report(Event::NoProxyHeader { caller, error: &error }),
            Err(Early::Session(error)) => Err(error),
        };
        report(Event::Ended { caller, result: &result, elapsed: begin.elapsed() });
    }
}

/// A client that is being served.
struct Supervised<'a> {
    allowances: &'a Allowances,
    id: ClientId,
    place: Place<'a>,
    metrics: &'a Metrics,
}

impl Supervisor for Supervised<'_> {
    fn count(&self) -> Result<(), String> {
        self.allowances.take(self.id)
    }

    fn give_back(&self, count: u64) {
        self.allowances.give_back(self.id, count);
    }

    fn busy(&self) {
        self.place.busy();
    }

    fn recall(&self, since: Instant) -> bool {
        self.place.recall(since)
    }

    fn answered(&self, took: Duration) {
        self.metrics.answered(took);
    }
}

/// Lets a connection in that has said nothing yet, and tells `report` who had to leave for it, or why it
/// could not come in.
pub(super) fn let_in<'d>(
    door: &'d Door,
    caller: Caller,
    stream: &TcpStream,
    report: &impl Fn(Event<'_>),
) -> Option<door::Ticket<'d>> {
    match door.admit(caller, stream) {
        Ok((ticket, left)) => {
            left.into_iter().for_each(|caller| report(Event::HalfOpen { caller }));
            Some(ticket)
        }
        Err(error) => {
            report(Event::AcceptFailed { error: &error });
            None
        }
    }
}
