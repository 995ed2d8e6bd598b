//! What a server counts, as Prometheus reads it.
//!
//! Numbers of connections, bytes and times, and coarse kinds of failures: all of it is what the server's
//! operator sees on the wire already. No client and no address is named, and nothing is known here of inputs,
//! answers and secrets.

use std::time::Duration;

use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::server::Event;
use crate::session::SessionError;

/// Counts by one label.
type By = Family<[(&'static str, &'static str); 1], Counter>;

/// How a connection may end.
const ENDS: [&str; 6] = ["served", "failed", "silent", "full", "half_open", "no_proxy_header"];

/// Kinds of failures of sessions, see [`kind`].
const KINDS: [&str; 7] =
    ["connection", "timeout", "protocol", "mismatch", "allowance", "refused", "recalled"];

/// The counters of a server; clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    connections: Counter,
    accept_failed: Counter,
    open: Gauge,
    half_open: Gauge,
    waiting: Gauge,
    serving: Gauge,
    ended: By,
    failed: By,
    inferences: Counter,
    bytes: By,
    answers: Histogram,
    sessions: Histogram,
    waits: Histogram,
}

/// One more in a gauge, until dropped.
pub struct Held(Gauge);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn hold(gauge: &Gauge) -> Held {
    gauge.inc();
    Held(gauge.clone())
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Nothing has been counted.
    #[must_use]
    pub fn new() -> Self {
        let times = || Histogram::new(exponential_buckets(0.001, 2.0, 20));
        let metrics = Self {
            connections: Counter::default(),
            accept_failed: Counter::default(),
            open: Gauge::default(),
            half_open: Gauge::default(),
            waiting: Gauge::default(),
            serving: Gauge::default(),
            ended: By::default(),
            failed: By::default(),
            inferences: Counter::default(),
            bytes: By::default(),
            answers: times(),
            sessions: times(),
            waits: times(),
        };
        // So that a rate is 0 from the start, and not missing.
        ENDS.iter().for_each(|how| drop(metrics.ended.get_or_create(&[("how", how)])));
        KINDS.iter().for_each(|kind| drop(metrics.failed.get_or_create(&[("kind", kind)])));
        metrics.sent(0);
        metrics.received(0);
        metrics
    }

    /// All of it in the text format of Prometheus, version 0.0.4.
    #[must_use]
    pub fn text(&self) -> String {
        let mut all = Registry::with_prefix("xonn");
        let r = &mut all;
        r.register("connections", "Connections accepted", self.connections.clone());
        r.register("accept_failures", "Connections that could not be accepted", self.accept_failed.clone());
        r.register("open_connections", "Connections that are open now", self.open.clone());
        r.register("half_open_connections", "Of them, without a whole hello yet", self.half_open.clone());
        r.register("queue_clients", "Clients that wait for a place", self.waiting.clone());
        r.register("places_taken", "Clients that are being served", self.serving.clone());
        r.register("connections_ended", "Connections that have ended, by how", self.ended.clone());
        r.register("session_failures", "Sessions that failed, by kind", self.failed.clone());
        r.register("inferences", "Inferences answered", self.inferences.clone());
        r.register("bytes", "Bytes of the protocol, by direction", self.bytes.clone());
        r.register(
            "inference_seconds",
            "Time of an inference, from the first byte of its question to the last of its answer",
            self.answers.clone(),
        );
        r.register("session_seconds", "Time of a session, from connection to end", self.sessions.clone());
        r.register("queue_seconds", "Time for which clients waited for their places", self.waits.clone());
        let mut text = String::new();
        prometheus_text::encode(&mut text, &all).expect("a string takes any text");
        text
    }

    /// Counts what a server tells.
    pub(super) fn count(&self, event: &Event<'_>) {
        let how = match event {
            Event::Connected { .. } => {
                self.connections.inc();
                return;
            }
            Event::AcceptFailed { .. } => {
                self.accept_failed.inc();
                return;
            }
            Event::Named { .. } => return,
            Event::Placed { waited, .. } => return self.waits.observe(waited.as_secs_f64()),
            Event::Silent { .. } => "silent",
            Event::NoProxyHeader { .. } => "no_proxy_header",
            Event::Full { .. } => "full",
            Event::HalfOpen { .. } => "half_open",
            Event::Ended { result, elapsed, .. } => {
                self.sessions.observe(elapsed.as_secs_f64());
                match result {
                    Ok(_) => "served",
                    Err(error) => {
                        self.failed.get_or_create(&[("kind", kind(error))]).inc();
                        "failed"
                    }
                }
            }
        };
        self.ended.get_or_create(&[("how", how)]).inc();
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.bytes.get_or_create(&[("direction", "sent")]).inc_by(bytes as u64);
    }

    pub(super) fn received(&self, bytes: usize) {
        self.bytes.get_or_create(&[("direction", "received")]).inc_by(bytes as u64);
    }

    pub(super) fn answered(&self, took: Duration) {
        self.inferences.inc();
        self.answers.observe(took.as_secs_f64());
    }

    pub(super) fn open(&self) -> Held {
        hold(&self.open)
    }

    pub(super) fn half_open(&self) -> Held {
        hold(&self.half_open)
    }

    pub(super) fn waiting(&self) -> Held {
        hold(&self.waiting)
    }

    pub(super) fn serving(&self) -> Held {
        hold(&self.serving)
    }
}

/// The kind of a failure, for counting: coarse, and what the wire shows anyway.
#[must_use]
pub fn kind(error: &SessionError) -> &'static str {
    match error {
        SessionError::Transport { .. } => "connection",
        SessionError::TimedOut { .. } => "timeout",
        SessionError::Full => "full",
        SessionError::Mismatch(_) | SessionError::Misuse(_) => "mismatch",
        SessionError::Exhausted(_) => "allowance",
        SessionError::Refused(_) => "refused",
        SessionError::Recalled { .. } => "recalled",
        SessionError::Misbehaved { .. } | SessionError::Ot(_) | SessionError::Evaluate(_) => "protocol",
    }
}
