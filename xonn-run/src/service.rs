//! A server as a library has it: a model, owned, that is served and can be stopped.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use xonn_crypto::garble::Scheme;
use xonn_program::circuit::LowerError;
use xonn_program::{Digest, Package, Secret};
use xonn_protocols::planner::{self, Way};
use xonn_protocols::run::Server;

use crate::net::{self, Event, ServerOptions};
use crate::session::server::{Model, Plans};
use crate::session::{Circuit, FirstLayer, Offer, SessionError};

/// A package with its secret and all that follows from them. A clone serves the same.
#[derive(Clone)]
pub struct Service {
    model: Arc<Model>,
    /// Why there is no plan on shares, if it is on offer and there is none.
    no_plan: Option<Arc<str>>,
    /// The same of first layers by conditional addition.
    no_first_layers: Option<Arc<str>>,
}

/// Why there is no service.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The program has no circuit.
    #[error("the program has no circuit")]
    Circuit(#[from] LowerError),
    /// The secret is of another package.
    #[error("the secret belongs to the package with digest {found}, expected {expected}")]
    OtherPackage {
        /// Digest of the secret's package.
        found: Digest,
        /// Digest of the package at hand.
        expected: Digest,
    },
    /// The circuit does not take the secret.
    #[error(transparent)]
    Secret(#[from] SessionError),
}

impl Service {
    /// What serves a model. Which clients it holds against is said in [`ServerOptions::limits`].
    ///
    /// # Errors
    /// [`ServiceError`] if the secret is of another package, or the program has no circuit.
    pub fn new(package: &Package, secret: &Secret, offer: Offer) -> Result<Self, ServiceError> {
        let (found, expected) = (secret.digest(), package.digest());
        if found != expected {
            return Err(ServiceError::OtherPackage { found, expected });
        }
        let mut plans = Plans::default();
        let (mut no_plan, mut no_first_layers) = (None, None);
        if offer.first_layers.contains(&FirstLayer::Shares) {
            match on_shares(package, secret, &offer) {
                Ok(servers) => plans.shares = servers,
                Err(reason) => no_plan = Some(reason.into()),
            }
        }
        if offer.first_layers.contains(&FirstLayer::Oca) {
            match first_layers(package, secret, &offer) {
                Ok(servers) => plans.first_layers = servers,
                Err(reason) => no_first_layers = Some(reason.into()),
            }
        }
        let (circuit, secret) = Circuit::with_secret(package, secret)?;
        let model = Model::new(circuit, secret, offer)?.with_plans(plans);
        Ok(Self { model: Arc::new(model), no_plan, no_first_layers })
    }

    /// What it serves.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The plan on shares.
    ///
    /// # Errors
    /// Why there is none: the layer that is not computed so, or that it is not on offer.
    pub fn plan(&self) -> Result<&Server, &str> {
        let reason = self.no_plan.as_deref().unwrap_or("shares are not on offer");
        let schemes = &self.model.offer().schemes;
        schemes.iter().find_map(|&scheme| self.model.plan(FirstLayer::Shares, scheme)).ok_or(reason)
    }

    /// Why no first layers are computed by conditional addition, if they are on offer and there are none.
    #[must_use]
    pub fn no_first_layers(&self) -> Option<&str> {
        self.no_first_layers.as_deref()
    }

    /// Serves clients on this thread, each on one of its own, until `options.stop` is set or `options.total`
    /// clients have been served; `report` hears of what happens.
    pub fn serve(&self, listener: &TcpListener, options: &ServerOptions, report: impl Fn(Event<'_>) + Sync) {
        net::serve(listener, &self.model, options, report);
    }

    /// Serves clients on a thread of its own.
    ///
    /// # Errors
    /// If the listener has no address, or no thread can be had.
    pub fn start(
        self,
        listener: TcpListener,
        options: ServerOptions,
        report: impl Fn(Event<'_>) + Send + Sync + 'static,
    ) -> io::Result<Running> {
        let address = listener.local_addr()?;
        let stop = Arc::clone(&options.stop);
        let serving = move || self.serve(&listener, &options, report);
        let thread = std::thread::Builder::new().name("xonn service".into()).spawn(serving)?;
        Ok(Running { address, stop, thread: Some(thread) })
    }
}

/// The servers of a package's plan on shares, one for each scheme on offer.
///
/// # Errors
/// A sentence that names the layer for which there is none.
fn on_shares(package: &Package, secret: &Secret, offer: &Offer) -> Result<Vec<(Scheme, Server)>, String> {
    let (program, tensors) = (package.program(), secret.tensors());
    let mut servers: Vec<(Scheme, Server)> = Vec::new();
    for &scheme in &offer.schemes {
        let server = match servers.first() {
            Some((_, first)) => first.with_scheme(scheme, program, tensors),
            None => {
                let found = Way::OnShares.plan_over(program, scheme, offer.link);
                Server::new(found.map_err(|error| error.to_string())?.plan, program, tensors)
            }
        };
        servers.push((scheme, server.map_err(|error| error.to_string())?));
    }
    Ok(servers)
}

/// The servers of a package's plans with first layers by conditional addition, one for each scheme on offer.
///
/// # Errors
/// A sentence that says why there are none.
pub fn first_layers(
    package: &Package,
    secret: &Secret,
    offer: &Offer,
) -> Result<Vec<(Scheme, Server)>, String> {
    let program = package.program();
    let server = |&scheme: &Scheme| {
        let plan = planner::by_weight_ot(program, scheme).map_err(|error| error.to_string())?;
        let server = Server::new(plan, program, secret.tensors()).map_err(|error| error.to_string())?;
        Ok((scheme, server))
    };
    offer.schemes.iter().map(server).collect()
}

/// A service that runs. Dropped, it stops.
pub struct Running {
    address: SocketAddr,
    stop: Arc<std::sync::atomic::AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more clients; waits for those that are being served.
    ///
    /// # Panics
    /// If the service's thread panicked.
    pub fn stop(mut self) {
        self.ask_to_stop();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("a service does not panic");
        }
    }

    fn ask_to_stop(&self) {
        self.stop.store(true, Ordering::Release);
        wake(self.address);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.ask_to_stop();
        }
    }
}

/// Has a listener notice that it is to stop: it waits for a client, and this is one. An address that stands
/// for all is reached by the loopback.
pub(crate) fn wake(mut address: SocketAddr) {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            Ipv4Addr::LOCALHOST.into()
        } else {
            Ipv6Addr::LOCALHOST.into()
        });
    }
    drop(TcpStream::connect_timeout(&address, Duration::from_secs(1)));
}
