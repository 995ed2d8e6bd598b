//! A server of one client.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::arrival::{Arrival, Early};
use super::door::{Door, HALF_OPEN};
use super::fresh_rng;
use super::metrics::Metrics;
use super::server::{Caller, Event, POLL, let_in};
use super::tls::ServerTls;
use crate::session::server::{Model, Served};
use crate::session::{Limits, SessionError};

/// Serves the first client whose hello fits the model, and nobody else; what others wanted is told to `report`, so a port
/// scan or a client with another circuit does not end the wait. Returns who was served, how it went, and how long it took.
///
/// # Errors
/// If the listener cannot be polled.
pub fn serve_first(
    listener: &TcpListener,
    tls: Option<&ServerTls>,
    model: &Model,
    limits: &Limits,
    report: impl Fn(Event<'_>) + Sync,
) -> io::Result<(SocketAddr, Result<Served, SessionError>, Duration)> {
    listener.set_nonblocking(true)?;
    let (door, report, metrics) = (Door::new(HALF_OPEN), &report, &Metrics::new());
    let arrival = &Arrival { tls, proxy: false, model, limits, metrics };
    let mut connections = 0;
    std::thread::scope(|scope| {
        let (fits, clients) = mpsc::channel();
        loop {
            match listener.accept() {
                Ok((stream, peer)) => {
                    connections += 1;
                    let mut caller = Caller { id: connections, peer };
                    let Some(ticket) = let_in(&door, caller, &stream, report) else { continue };
                    let fits = fits.clone();
                    // It ends soon: a hello has a short limit.
                    let started = std::thread::Builder::new().spawn_scoped(scope, move || {
                        let begin = Instant::now();
                        match arrival.greet(stream, &mut caller, &ticket) {
                            Ok(client) => drop(fits.send((peer, client))),
                            Err(_) if ticket.is_evicted() => {}
                            Err(Early::Silent) => report(Event::Silent { caller }),
                            Err(Early::Proxy(error)) => {
                                report(Event::NoProxyHeader { caller, error: &error })
                            }
                            Err(Early::Session(error)) => {
                                report(Event::Ended {
                                    caller,
                                    result: &Err(error),
                                    elapsed: begin.elapsed(),
                                });
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
