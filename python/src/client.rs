//! A client on one connection.

use std::path::PathBuf;
use std::sync::Mutex;

use pyo3::prelude::*;
use xonn_program::Prediction;
use xonn_run::client::{ClientError, ClientOptions, Predicted};
use xonn_run::net::tls::ClientTls;
use xonn_run::session::Offer;
use xonn_run::session::client::run::Unanswered;

use crate::arrays;
use crate::errors::{self, DataError, ProtocolError, sentence};
use crate::waiting::wait;

/// A connection to a server; leaving its `with` block says goodbye.
#[pyclass(frozen, module = "xonn")]
pub struct Client {
    ahead: usize,
    digest: String,
    /// None once it is over, and while a call has it.
    session: Mutex<Option<xonn_run::Client>>,
}

/// All predictions of an array. After a failed one the client goes on with the others, so that the server
/// does not see which one it was.
fn ask(
    mut client: xonn_run::Client,
    samples: &[Vec<f64>],
    ahead: usize,
) -> Result<(xonn_run::Client, Vec<Predicted>), ClientError> {
    let mut answers = Vec::with_capacity(samples.len());
    for (number, sample) in samples.iter().enumerate() {
        if ahead > 0 {
            client.prepare(ahead.min(samples.len() - number))?;
        }
        answers.push(client.predict(sample)?);
    }
    Ok((client, answers))
}

impl Client {
    /// The session, which is gone while a call has it: nothing is locked while Python waits.
    fn take(&self) -> PyResult<xonn_run::Client> {
        let held = self.session.lock().ok().and_then(|mut session| session.take());
        held.ok_or_else(|| ProtocolError::new_err("the connection is over, or another thread asks on it"))
    }

    fn put(&self, client: xonn_run::Client) {
        if let Ok(mut session) = self.session.lock() {
            *session = Some(client);
        }
    }
}

#[pymethods]
impl Client {
    #[new]
    #[pyo3(signature = (server, *, digest=None, tls_ca=None, ahead=0))]
    fn new(
        py: Python<'_>,
        server: String,
        digest: Option<String>,
        tls_ca: Option<PathBuf>,
        ahead: u16,
    ) -> PyResult<Self> {
        let digest = digest
            .map(|digest| digest.parse())
            .transpose()
            .map_err(|error| DataError::new_err(format!("the digest: {error}")))?;
        let host = server.rsplit_once(':').map_or(&server[..], |(host, _)| host).trim_matches(['[', ']']);
        let tls = tls_ca
            .map(|roots| ClientTls::new(host, &roots, None))
            .transpose()
            .map_err(|error| DataError::new_err(sentence(&error)))?;
        let offer = Offer { ahead, ..Offer::default() };
        let options = ClientOptions { offer, digest, tls, ..ClientOptions::default() };
        let connected = wait(py, move || xonn_run::Client::connect(&server, &options))?;
        let session = connected.map_err(|error| errors::client(&error))?;
        let digest = session.package().digest().to_string();
        Ok(Self { ahead: usize::from(ahead), digest, session: Mutex::new(Some(session)) })
    }

    /// The digest of the package that is served.
    #[getter]
    fn digest(&self) -> &str {
        &self.digest
    }

    /// Private predictions of samples `[n, ...]`, or of one. An error is raised after all were asked about.
    fn predict<'py>(&self, py: Python<'py>, x: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let x = arrays::tensor(x)?;
        let client = self.take()?;
        let samples = match arrays::samples(&x, client.input()) {
            Ok(samples) => samples,
            Err(error) => {
                self.put(client);
                return Err(error);
            }
        };
        let ahead = self.ahead;
        let (client, answers) =
            wait(py, move || ask(client, &samples, ahead))?.map_err(|error| errors::client(&error))?;
        self.put(client);
        let mut found: Vec<Prediction> = Vec::with_capacity(answers.len());
        for (number, answer) in answers.into_iter().enumerate() {
            found.push(answer.map_err(|error| {
                let text = format!("sample {number}: {}", sentence(&error));
                if error == Unanswered::Unfit {
                    DataError::new_err(text)
                } else {
                    ProtocolError::new_err(text)
                }
            })?);
        }
        if found.is_empty() { Ok(arrays::none(py)) } else { arrays::predictions(py, &found) }
    }

    /// Bytes sent and received so far, and round trips.
    fn traffic(&self) -> PyResult<(u64, u64, u64)> {
        let client = self.take()?;
        let traffic = client.traffic();
        self.put(client);
        Ok((traffic.sent, traffic.received, traffic.round_trips))
    }

    /// Says goodbye.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        // It may be over, or another thread's, which puts it back.
        let Ok(client) = self.take() else { return Ok(()) };
        match wait(py, move || client.finish())? {
            Ok(_) => Ok(()),
            Err(error) => Err(errors::client(&error)),
        }
    }
}
