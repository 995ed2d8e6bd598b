//! A server on threads of its own.

use std::path::PathBuf;
use std::sync::Mutex;

use pyo3::prelude::*;
use xonn_program::{Package, Secret};
use xonn_run::Service;
use xonn_run::net::tls::{Identity, ServerTls};
use xonn_run::net::{ServerOptions, listen};
use xonn_run::service::Running;
use xonn_run::session::{Clients, Offer};

use crate::errors::{DataError, Error, sentence};
use crate::waiting::wait;

/// A running server; leaving its `with` block ends it.
#[pyclass(frozen, module = "xonn")]
pub struct Server {
    address: String,
    running: Mutex<Option<Running>>,
}

/// Serves a package on threads of its own.
#[pyfunction]
#[pyo3(signature = (package, secret, *, listen_on, clients, inferences, tls, pool, at_once, rtt_ms, mbps))]
#[allow(clippy::too_many_arguments, reason = "keywords of Python")]
pub fn serve(
    py: Python<'_>,
    package: PathBuf,
    secret: PathBuf,
    listen_on: String,
    clients: &str,
    inferences: Option<u64>,
    tls: Option<(PathBuf, PathBuf)>,
    pool: u16,
    at_once: usize,
    rtt_ms: f64,
    mbps: f64,
) -> PyResult<Server> {
    let clients: Clients = clients.parse().map_err(|error| DataError::new_err(sentence(&error)))?;
    let mut options = ServerOptions::new(at_once, 16 * at_once);
    options.limits.clients = clients;
    options.per_hour = inferences;
    options.tls = tls
        .map(|(certificate, key)| ServerTls::new(Identity { certificate: &certificate, key: &key }, None))
        .transpose()
        .map_err(|error| DataError::new_err(sentence(&error)))?;
    let mut offer = Offer { ahead: pool, ..Offer::default() };
    (offer.link.rtt_ms, offer.link.mbps) = (rtt_ms, mbps);
    let started = wait(py, move || -> Result<Running, String> {
        let package = Package::read(&package).map_err(|error| sentence(&error))?;
        let secret = Secret::read(&secret, &package).map_err(|error| sentence(&error))?;
        let service = Service::new(&package, &secret, offer).map_err(|error| sentence(&error))?;
        let listener =
            listen(&listen_on).map_err(|error| format!("cannot listen on {listen_on}: {error}"))?;
        service.start(listener, options, |_| ()).map_err(|error| error.to_string())
    })?;
    let running = started.map_err(Error::new_err)?;
    Ok(Server { address: running.address().to_string(), running: Mutex::new(Some(running)) })
}

#[pymethods]
impl Server {
    /// Where it listens, `host:port`.
    #[getter]
    fn address(&self) -> &str {
        &self.address
    }

    /// Ends it; clients that are served stay until they are done.
    fn stop(&self, py: Python<'_>) -> PyResult<()> {
        let running = self.running.lock().map(|mut running| running.take()).unwrap_or_default();
        match running {
            Some(running) => wait(py, move || running.stop()),
            None => Ok(()),
        }
    }
}
