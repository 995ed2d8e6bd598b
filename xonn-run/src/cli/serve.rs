//! `xonn-run serve`.

use std::error::Error;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use clap::Args;
use xonn_circuits::program::package::Package;
use xonn_circuits::program::secret::Secret;

use super::failure::{Failure, Kind};
use super::tls::ServerFlags;
use super::{Figures, FirstLayers, Outcome, Schemes, Timeouts, report};
use crate::garble::plan::{Plan, Role};
use crate::net::door::HALF_OPEN;
use crate::net::{self, Event, ServerOptions};
use crate::oca::{FirstLayer, Oca};
use crate::session::server::{Model, Shared};
use crate::session::{Circuit, Clients, Limits, Offer};

#[derive(Args)]
pub struct Serve {
    /// The package made by `xonn-compile build`
    #[arg(value_name = "NAME.xonn")]
    package: PathBuf,
    /// The secret made with it: weights and thresholds, for this host only
    #[arg(long, value_name = "NAME.secret")]
    secret: PathBuf,
    /// Address to listen on; port 0 picks a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:7070")]
    listen: String,
    /// Clients served at the same time; more wait for a place
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    max_connections: u16,
    /// Clients that wait for a place, at most ten minutes, and are told how long it is likely to take; more
    /// are turned away
    #[arg(long, value_name = "N", default_value_t = 256)]
    queue: u16,
    /// Connections that have not said what they want yet; for one more the oldest is closed
    #[arg(long, value_name = "N", default_value_t = HALF_OPEN as u16, value_parser = clap::value_parser!(u16).range(1..))]
    half_open: u16,
    /// On SIGTERM or Ctrl-C: the longest time that clients which are being served still get, in seconds. No
    /// further ones are accepted. A second signal ends at once
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    grace: u64,
    /// End after this many clients whose hello fitted
    #[arg(long, value_name = "N")]
    connections: Option<u64>,
    /// What clients are taken for. hostile: they may do anything, so only protocols are run that protect the
    /// model from them; semi-honest: they follow the protocol, and all are run, of which some send far less
    #[arg(long, value_name = "hostile|semi-honest", default_value_t = Clients::default())]
    clients: Clients,
    /// Most predictions of a client in an hour, over all its connections, since what answers tell of the
    /// model grows with their number. A client is its certificate where --tls-client-ca asks for one, else
    /// its address
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    inferences: u64,
    /// Circuits that a client may have garbled ahead of its inputs (`infer --ahead`), so that an input is answered in one round
    /// trip. They are kept with the connection, and each is used once or never
    #[arg(long, value_name = "N", default_value_t = 0)]
    pool: u16,
    /// Let a client that accepts it (`infer --shared-delta`) have one delta for all inferences of its
    /// connection: an input bit then costs 4 bytes in place of 20, and whoever finds the delta of one
    /// inference has those of the connection
    #[arg(long)]
    shared_delta: bool,
    /// Longest wait for the next inference of a connected client, in seconds; 60, and 3600 for one that holds circuits ahead
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    idle: Option<u64>,
    #[command(flatten)]
    schemes: Schemes,
    #[command(flatten)]
    first_layers: FirstLayers,
    #[command(flatten)]
    tls: ServerFlags,
    #[command(flatten)]
    timeouts: Timeouts,
    #[command(flatten)]
    figures: Figures,
}

impl Serve {
    pub fn run(self) -> Outcome {
        let first_layers = self.first_layers()?;
        let first_layers = &first_layers[..];
        let package = Package::read(&self.package)?;
        let secret = Secret::read(&self.secret, package.digest(), package.program().secret_bits())?;
        warn_of_readers(&self.secret);
        let circuit = Circuit::of_package(&package);
        let plan = Plan::new(&circuit.program, Role::Garbler);
        let wanted = first_layers.contains(&FirstLayer::Oca);
        let oca = Some(&circuit.program).filter(|_| wanted).and_then(Oca::of);
        if oca.is_none() && !first_layers.contains(&FirstLayer::Gc) {
            let package = self.package.display();
            return Err(format!(
                "{package}: no layer adds up the client's numbers by secret signs, or too many do, so --first-layer oca cannot be had; use gc or auto"
            )
            .into());
        }
        let shared_plan = oca.as_ref().map(|oca| Plan::new(oca.program(), Role::Garbler));
        let ahead = oca.as_ref().filter(|_| self.pool > 0).and_then(Oca::program_ahead);
        let ahead = ahead.map(|program| Plan::new(program, Role::Garbler));
        let shared = oca.as_ref().zip(shared_plan.as_ref());
        let shared = shared.map(|(oca, plan)| Shared { oca, plan, ahead: ahead.as_ref() });
        let tls = self.tls.tls()?;
        let listener = listen(&self.listen)?;
        // Whoever reads that it listens may ask it to end.
        let (stop, totals) = (Arc::default(), Arc::new(Totals::default()));
        let grace = Duration::from_secs(self.grace);
        drain_on_signal(listener.local_addr()?, Arc::clone(&stop), grace, Arc::clone(&totals))?;
        report::say(format_args!("serving {} (digest {})", self.package.display(), package.digest()))?;
        report::say(self.trust(first_layers))?;
        report::say(format_args!("listening on {}", listener.local_addr()?))?;
        let shared_delta = self.shared_delta;
        let offer = Offer { schemes: &self.schemes.scheme, first_layers, ahead: self.pool, shared_delta };
        let model = Model { circuit: &circuit, plan: &plan, shared, secret: &secret.bits, offer };
        let mut limits = Limits { clients: self.clients, ..self.timeouts.limits() };
        if let Some(idle) = self.idle.map(Duration::from_secs) {
            (limits.idle, limits.idle_ahead) = (idle, idle);
        }
        let (at_once, per_hour) = (self.max_connections.into(), Some(self.inferences));
        let (queue, half_open) = (self.queue.into(), self.half_open.into());
        let total = self.connections;
        let options = ServerOptions {
            tls,
            limits,
            at_once,
            queue,
            half_open,
            per_hour,
            stop: Arc::clone(&stop),
            total,
        };
        net::serve(&listener, &model, &options, |event| {
            report::log(describe(&event));
            totals.count(&event);
            if let Event::Ended { result: Ok(served), elapsed, .. } = event {
                self.figures.log(served.traffic, elapsed);
            }
        });
        if options.stop.load(Ordering::Acquire) {
            report::log(totals.text());
        }
        Ok(())
    }
}

impl Serve {
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
            "clients are taken for {}: first layers by {}; each is granted {} inferences an hour, by {}",
            self.clients,
            FirstLayer::names(first_layers.iter().copied()),
            report::grouped(self.inferences),
            if self.tls.by_certificate() { "certificate" } else { "address" }
        )
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
        report::log(format_args!(
            "warning: {name}: others than its owner may read or write the secret (mode {mode:04o}), expected \
             0600: chmod 600 {name}"
        ));
    }
}

#[cfg(not(unix))]
fn warn_of_readers(_secret: &Path) {}

/// What a server has done since it began.
#[derive(Default)]
struct Totals {
    served: AtomicU64,
    failed: AtomicU64,
    inferences: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Totals {
    fn count(&self, event: &Event<'_>) {
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

    fn text(&self) -> String {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        format!(
            "ended: {} clients served, {} failed, {} inferences, {} sent, {} received",
            of(&self.served),
            of(&self.failed),
            of(&self.inferences),
            report::bytes(of(&self.sent)),
            report::bytes(of(&self.received))
        )
    }
}

/// On the first signal to end has no more clients accepted, and ends when `grace` is over, if it has not by
/// then; on the second ends at once.
fn drain_on_signal(
    listening: SocketAddr,
    stop: Arc<AtomicBool>,
    grace: Duration,
    totals: Arc<Totals>,
) -> Outcome {
    ctrlc::set_handler(move || {
        if stop.swap(true, Ordering::AcqRel) {
            std::process::exit(1);
        }
        report::log(format_args!("ending: no more clients, those that are here have {} s", grace.as_secs()));
        // The listener waits for a client, and this is one. An address that stands for all is reached by the
        // loopback.
        let mut address = listening;
        if address.ip().is_unspecified() {
            address.set_ip(if address.is_ipv4() {
                Ipv4Addr::LOCALHOST.into()
            } else {
                Ipv6Addr::LOCALHOST.into()
            });
        }
        drop(TcpStream::connect_timeout(&address, Duration::from_secs(1)));
        let totals = Arc::clone(&totals);
        std::thread::spawn(move || {
            std::thread::sleep(grace);
            report::log(totals.text());
            std::process::exit(0);
        });
    })
    .map_err(|e| format!("signals cannot be handled: {e}").into())
}

/// Binds an address, with an error that names it.
pub fn listen(address: &str) -> Result<TcpListener, Box<dyn Error>> {
    TcpListener::bind(address).map_err(|e| format!("cannot listen on {address}: {e}").into())
}

/// One line for each event.
pub fn describe(event: &Event<'_>) -> String {
    match event {
        Event::Ended { peer, result: Ok(served), elapsed } => format!(
            "{peer}: {} inferences in {}, {}{}",
            served.inferences,
            report::time(*elapsed),
            report::traffic(served.traffic),
            match served.ahead {
                0 => String::new(),
                circuits => format!(
                    "; {circuits} circuits garbled ahead, {} of them not used, with the inputs {}",
                    circuits.saturating_sub(served.inferences),
                    report::traffic(served.online)
                ),
            }
        ),
        Event::Ended { peer, result: Err(error), elapsed } => {
            format!("{peer}: failed after {}: {}", report::time(*elapsed), report::sentence(error))
        }
        Event::Full { peer } => format!("{peer}: turned away, no place was free for it"),
        Event::HalfOpen { peer } => {
            format!("{peer}: closed, it was the oldest of many connections that have not said a word")
        }
        Event::AcceptFailed { error } => format!("a connection could not be accepted: {error}"),
    }
}
