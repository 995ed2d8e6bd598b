//! What a server tells its operator, in lines for people and fields for programs.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::{debug, info, warn};

use crate::cli::{Figures, report};
use crate::net::metrics::kind;
use crate::net::{Caller, Event};
use crate::session::server::Served;

/// Logs an event. Every line about a connection has its number and its peer; what a line says besides is
/// sizes, times, and why a session ended, which is told to the peer too or seen on the wire.
pub fn log(event: &Event<'_>, figures: Figures) {
    let text = describe(event);
    match event {
        Event::Ended { caller: Caller { id, peer }, result: Ok(served), elapsed } => {
            let traffic = served.traffic;
            info!(
                connection = id, %peer, event = "served", inferences = served.inferences,
                circuits_ahead = served.ahead, seconds = elapsed.as_secs_f64(), sent_bytes = traffic.sent,
                received_bytes = traffic.received, round_trips = traffic.round_trips, "{text}"
            );
            if figures.stats {
                info!(connection = id, %peer, event = "stats", "{}", report::stats(traffic, *elapsed));
            }
        }
        Event::Ended { caller: Caller { id, peer }, result: Err(error), elapsed } => info!(
            connection = id, %peer, event = "failed", kind = kind(error), seconds = elapsed.as_secs_f64(), "{text}"
        ),
        Event::Full { caller: Caller { id, peer } } => {
            info!(connection = id, %peer, event = "full", "{text}")
        }
        Event::HalfOpen { caller: Caller { id, peer } } => {
            info!(connection = id, %peer, event = "half_open", "{text}");
        }
        Event::NoProxyHeader { caller: Caller { id, peer }, .. } => {
            warn!(connection = id, %peer, event = "no_proxy_header", "{text}");
        }
        Event::AcceptFailed { .. } => warn!(event = "accept_failed", "{text}"),
        Event::Connected { caller: Caller { id, peer } } => {
            debug!(connection = id, %peer, event = "connected", "{text}");
        }
        Event::Named { caller: Caller { id, peer }, balancer } => {
            debug!(connection = id, %peer, event = "named", %balancer, "{text}");
        }
        Event::Silent { caller: Caller { id, peer } } => {
            debug!(connection = id, %peer, event = "silent", "{text}");
        }
        Event::Placed { caller: Caller { id, peer }, waited } => {
            debug!(connection = id, %peer, event = "placed", seconds = waited.as_secs_f64(), "{text}");
        }
    }
}

/// One line for an event, with its peer in front; none for those that are only for details.
pub fn line(event: &Event<'_>) -> Option<String> {
    let text = describe(event);
    match event {
        Event::Connected { .. } | Event::Named { .. } | Event::Silent { .. } | Event::Placed { .. } => None,
        Event::AcceptFailed { .. } => Some(text),
        Event::Ended { caller, .. }
        | Event::Full { caller }
        | Event::HalfOpen { caller }
        | Event::NoProxyHeader { caller, .. } => Some(format!("{}: {text}", caller.peer)),
    }
}

/// What is told, but of whom.
fn describe(event: &Event<'_>) -> String {
    match event {
        Event::Ended { result: Ok(served), elapsed, .. } => {
            let Served { inferences, traffic, .. } = served;
            let time = report::time(*elapsed);
            format!("{inferences} inferences in {time}, {}{}", report::traffic(*traffic), ahead(served))
        }
        Event::Ended { result: Err(error), elapsed, .. } => {
            format!("failed after {}: {}", report::time(*elapsed), report::sentence(error))
        }
        Event::Full { .. } => "turned away, no place was free for it".to_owned(),
        Event::HalfOpen { .. } => {
            "closed, it was the oldest of many connections that have not said a word".to_owned()
        }
        Event::NoProxyHeader { error, .. } => format!("closed: {}", report::sentence(*error)),
        Event::AcceptFailed { error } => format!("a connection could not be accepted: {error}"),
        Event::Connected { .. } => "connected".to_owned(),
        Event::Named { balancer, .. } => format!("named as the client by {balancer}"),
        Event::Silent { .. } => "left without a word".to_owned(),
        Event::Placed { waited, .. } => format!("has a place after {}", report::time(*waited)),
    }
}

/// Of circuits that were garbled ahead, if any were.
fn ahead(served: &Served) -> impl Display {
    match served.ahead {
        0 => String::new(),
        circuits => format!(
            "; {circuits} circuits garbled ahead, {} of them not used, with the inputs {}",
            circuits.saturating_sub(served.inferences),
            report::traffic(served.online)
        ),
    }
}

/// What a server has done since it began.
#[derive(Default)]
pub struct Totals {
    served: AtomicU64,
    failed: AtomicU64,
    inferences: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Totals {
    /// Counts an event.
    pub fn count(&self, event: &Event<'_>) {
        let add = |to: &AtomicU64, count| to.fetch_add(count, Ordering::Relaxed);
        match event {
            Event::Ended { result: Ok(served), .. } => {
                add(&self.served, 1);
                add(&self.inferences, served.inferences);
                add(&self.sent, served.traffic.sent);
                add(&self.received, served.traffic.received);
            }
            Event::Ended { result: Err(_), .. } => {
                add(&self.failed, 1);
            }
            _ => {}
        }
    }

    /// Logs all of it, at the end.
    pub fn log(&self) {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (served, failed, inferences) = (of(&self.served), of(&self.failed), of(&self.inferences));
        let (sent, received) = (of(&self.sent), of(&self.received));
        info!(
            event = "ended",
            served,
            failed,
            inferences,
            sent_bytes = sent,
            received_bytes = received,
            "ended: {served} clients served, {failed} failed, {inferences} inferences, {} sent, {} received",
            report::bytes(sent),
            report::bytes(received)
        );
    }
}
