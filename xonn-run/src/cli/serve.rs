//! `xonn-run serve`.

mod ending;
pub(super) mod events;
mod log;
mod plan;

use std::error::Error;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Args;
use tracing::{error, warn};
use xonn_program::package::Package;
use xonn_program::secret::Secret;
use xonn_protocols::cost::Link;

use self::ending::drain_on_signal;
use self::events::Totals;
use self::log::Log;
use super::failure::{Failure, Kind};
use super::tls::ServerFlags;
use super::{Figures, FirstLayers, Outcome, Schemes, Timeouts, report};
use crate::net::door::HALF_OPEN;
use crate::net::monitor::Monitor;
use crate::net::{self, ServerOptions};
use crate::service::Service;
use crate::session::{Clients, FirstLayer, Limits, Offer};

/// Headings of the help.
const MODEL: &str = "Model and protocols";
const CLIENTS: &str = "Clients and places";
const NETWORK: &str = "Network";
const ENDING: &str = "Ending";
const WATCHING: &str = "Watching";

#[derive(Args)]
pub struct Serve {
    /// The package made by `xonn-compile build`
    #[arg(value_name = "NAME.xonn")]
    package: PathBuf,
    /// The secret made with it: weights and thresholds, for this host only
    #[arg(long, value_name = "NAME.secret", help_heading = MODEL)]
    secret: PathBuf,
    /// What clients are taken for. hostile: they may do anything, so only protocols are run that protect the
    /// model from them; semi-honest: they follow the protocol, and all are run, of which some send far less
    #[arg(long, value_name = "hostile|semi-honest", default_value_t = Clients::default(), help_heading = MODEL)]
    clients: Clients,
    #[command(flatten, next_help_heading = MODEL)]
    first_layers: FirstLayers,
    /// Time of a round trip to clients, in milliseconds: what takes the least time on such a link is run
    #[arg(long, value_name = "MS", default_value_t = Link::default().rtt_ms, value_parser = positive)]
    #[arg(help_heading = MODEL)]
    rtt: f64,
    /// Megabits a second to clients
    #[arg(long, value_name = "N", default_value_t = Link::default().mbps, value_parser = positive)]
    #[arg(help_heading = MODEL)]
    mbps: f64,
    #[command(flatten, next_help_heading = MODEL)]
    schemes: Schemes,
    /// Most predictions of a client in an hour, over all its connections, since what answers tell of the
    /// model grows with their number. A client is its certificate where --tls-client-ca asks for one, else
    /// its address
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    #[arg(help_heading = MODEL)]
    inferences: u64,
    /// Predictions that a client may have prepared ahead of its inputs (`infer --ahead`): circuits are
    /// garbled and sent, sums on shares are made, so that an input is answered sooner. They are kept with the
    /// connection, and each is used once or never
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = MODEL)]
    pool: u16,
    /// Let a client that accepts it (`infer --shared-delta`) have one delta for all inferences of its
    /// connection: an input bit then costs 4 bytes in place of 20, and whoever finds the delta of one
    /// inference has those of the connection
    #[arg(long, help_heading = MODEL)]
    shared_delta: bool,
    /// Address to listen on; port 0 picks a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:7070", help_heading = NETWORK)]
    listen: String,
    /// Require a header of the PROXY protocol, version 2, in front of each connection, and take the client's
    /// address from it. Only for a port that nobody but the balancer reaches: whoever sends the header says
    /// who it is
    #[arg(long, help_heading = NETWORK)]
    proxy_protocol: bool,
    #[command(flatten, next_help_heading = NETWORK)]
    tls: ServerFlags,
    /// Clients served at the same time; more wait for a place
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    #[arg(help_heading = CLIENTS)]
    max_connections: u16,
    /// Of these places, those that one address may have at the same time (of IPv6, one prefix of 64 bits);
    /// its other clients wait. Without it all of them, for many clients may share an address
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), help_heading = CLIENTS)]
    places_per_address: Option<u16>,
    /// Clients that wait for a place, at most ten minutes, and are told how long it is likely to take. Beyond
    /// it the last is turned away, of the address that has most clients waiting
    #[arg(long, value_name = "N", default_value_t = 256, help_heading = CLIENTS)]
    queue: u16,
    /// While others wait, the client that has asked nothing for longest gives up its place, if that was
    /// longer than this
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    #[arg(help_heading = CLIENTS)]
    recall_after: u64,
    /// Longest wait for the next inference of a connected client, in seconds; 60, and 3600 for one that holds
    /// circuits ahead
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    #[arg(help_heading = CLIENTS)]
    idle: Option<u64>,
    #[command(flatten, next_help_heading = CLIENTS)]
    timeouts: Timeouts,
    /// Connections that have not said what they want yet; for one more the oldest is closed
    #[arg(long, value_name = "N", default_value_t = HALF_OPEN as u16, value_parser = clap::value_parser!(u16).range(1..))]
    #[arg(help_heading = CLIENTS)]
    half_open: u16,
    /// On SIGTERM or Ctrl-C: the longest time that clients which are being served still get, in seconds. No
    /// further ones are accepted. A second signal ends at once
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    #[arg(help_heading = ENDING)]
    grace: u64,
    /// End after this many clients whose hello fitted
    #[arg(long, value_name = "N", help_heading = ENDING)]
    connections: Option<u64>,
    /// Answer HTTP on this address: /metrics for Prometheus, /ready (503 when it ends) and /live. It tells
    /// whoever reaches it how much the server is used
    #[arg(long, value_name = "ADDR:PORT", help_heading = WATCHING)]
    metrics: Option<String>,
    #[command(flatten, next_help_heading = WATCHING)]
    log: Log,
    #[command(flatten, next_help_heading = WATCHING)]
    figures: Figures,
}

impl Serve {
    pub fn run(self) -> Outcome {
        self.log.start()?;
        let json = self.log.json();
        self.serve().map_err(|error| {
            if !json {
                return error;
            }
            // The one line of a failure is JSON too.
            let failure = Failure::of(error.as_ref());
            error!(event = "failure", kind = failure.kind().name(), code = failure.kind() as u8, "{failure}");
            failure.logged().into()
        })
    }

    fn serve(self) -> Outcome {
        let first_layers = self.first_layers()?;
        let package = Package::read(&self.package)?;
        let secret = Secret::read(&self.secret, &package)?;
        warn_of_readers(&self.secret);
        let trust = self.trust(&first_layers);
        let only_oca = first_layers == [FirstLayer::Oca];
        let (schemes, shared_delta) = (self.schemes.scheme.clone(), self.shared_delta);
        let link = Link { rtt_ms: self.rtt, mbps: self.mbps };
        let only_shares = first_layers == [FirstLayer::Shares];
        let on_shares = first_layers.contains(&FirstLayer::Shares);
        let offer = Offer { schemes, first_layers, ahead: self.pool, shared_delta, link };
        let service = Service::new(&package, &secret, offer)?;
        if only_oca && !service.model().has_shared_layers() {
            let package = self.package.display();
            return Err(format!(
                "{package}: no layer adds up the client's numbers by secret signs, or too many do, so --first-layer oca \
                 cannot be had; use gc or auto"
            )
            .into());
        }
        if let (true, Err(reason)) = (only_shares, service.plan()) {
            let package = self.package.display();
            return Err(
                format!("{package}: not on shares: {reason}; use --first-layer gc, oca or auto").into()
            );
        }
        let tls = self.tls.tls()?;
        let listener = listen(&self.listen)?;
        // Whoever reads that it listens may ask it to end.
        let (stop, totals) = (Arc::default(), Arc::new(Totals::default()));
        let grace = Duration::from_secs(self.grace);
        drain_on_signal(listener.local_addr()?, Arc::clone(&stop), grace, Arc::clone(&totals))?;
        report::say(format_args!("serving {} (digest {})", self.package.display(), package.digest()))?;
        report::say(trust)?;
        match service.plan() {
            Ok(server) => report::say(plan::described(server, package.program()))?,
            Err(reason) if on_shares => report::say(format_args!("not on shares: {reason}"))?,
            Err(_) => {}
        }
        if let Some(reason) = service.no_first_layers() {
            report::say(format_args!("no first layer by oca: {reason}"))?;
        }
        let mut options = ServerOptions::new(self.max_connections.into(), self.queue.into());
        options.stop = stop;
        if let Some(address) = &self.metrics {
            let listener = listen(address)?;
            report::say(format_args!("metrics on http://{}/metrics", listener.local_addr()?))?;
            let monitor = Monitor { metrics: options.metrics.clone(), stop: Arc::clone(&options.stop) };
            monitor.start(listener)?;
        }
        report::say(format_args!("listening on {}", listener.local_addr()?))?;
        options.tls = tls;
        options.proxy = self.proxy_protocol;
        options.limits = self.limits();
        options.per_address = self.places_per_address.map_or(usize::MAX, usize::from);
        options.recall_after = Duration::from_secs(self.recall_after);
        options.half_open = self.half_open.into();
        options.per_hour = Some(self.inferences);
        options.total = self.connections;
        service.serve(&listener, &options, |event| {
            events::log(&event, self.figures);
            totals.count(&event);
        });
        if options.stop.load(Ordering::Acquire) {
            totals.log();
        }
        Ok(())
    }
}

impl Serve {
    fn limits(&self) -> Limits {
        let mut limits = Limits { clients: self.clients, ..self.timeouts.limits() };
        if let Some(idle) = self.idle.map(Duration::from_secs) {
            (limits.idle, limits.idle_ahead) = (idle, idle);
        }
        limits
    }

    /// The protocols for first layers that are asked for and right for the clients.
    fn first_layers(&self) -> Result<Vec<FirstLayer>, Failure> {
        let asked = self.first_layers.first_layer;
        let permitted: Vec<_> = asked.0.iter().copied().filter(|&form| self.clients.permit(form)).collect();
        if permitted.is_empty() {
            let told = format!(
                "--first-layer {asked} lets a client that cheats read weights, and --clients {} says that they may; use --first-layer gc, or --clients semi-honest if they are known not to",
                self.clients
            );
            return Err(Failure::new(Kind::Usage, told));
        }
        Ok(permitted)
    }

    /// What clients are taken for and granted, in one line.
    fn trust(&self, first_layers: &[FirstLayer]) -> String {
        format!(
            "clients are taken for {}: layers by {}; each is granted {} inferences an hour, by {}",
            self.clients,
            FirstLayer::names(first_layers.iter().copied()),
            report::grouped(self.inferences),
            if self.tls.by_certificate() { "certificate" } else { "address" }
        )
    }
}

/// A number above 0.
fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number > 0.0 && f64::is_finite(number) => Ok(number),
        _ => Err(format!("{text} is no number above 0")),
    }
}

/// Says so if others than its owner may read a secret: its weights are what the protocol hides.
#[cfg(unix)]
fn warn_of_readers(secret: &Path) {
    use std::os::unix::fs::PermissionsExt;
    // What systemd hands to a service is the service's alone, whatever its mode looks like.
    if std::env::var_os("CREDENTIALS_DIRECTORY").is_some_and(|folder| secret.starts_with(folder)) {
        return;
    }
    // It was just read, so it is there; if not, there is nothing to warn of.
    let Ok(file) = std::fs::metadata(secret) else { return };
    let mode = file.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let name = secret.display();
        warn!(
            event = "secret_readable",
            "{name}: others than its owner may read or write the secret (mode {mode:04o}), expected 0600: \
             chmod 600 {name}"
        );
    }
}

#[cfg(not(unix))]
fn warn_of_readers(_secret: &Path) {}

/// Binds an address, with an error that names it.
pub fn listen(address: &str) -> Result<TcpListener, Box<dyn Error>> {
    net::listen(address).map_err(|e| format!("cannot listen on {address}: {e}").into())
}
