//! A client as a library has it: it connects, predicts and leaves, and does not tell the server what came of
//! it.
//!
//! Everything that protects the client is in here or below: a server may garble on purpose so that an
//! evaluation fails for one value of an input bit, and may send an encoding under which some numbers have no
//! code. It would learn the bit if the client then acted in another way. So after a failure the client goes
//! on with zeros in place of what is asked, samples that have no code are asked about as zeros, and the
//! goodbye is said before anything is told.

use chacha20::ChaCha20Rng;
use xonn_program::{Digest, InputEncoding, Package, Prediction};

use crate::net::tls::{ClientTls, Connection};
use crate::net::{self};
use crate::session::client::run::{Question, Unanswered};
use crate::session::client::{self, Session};
use crate::session::{Limits, Offer, SessionError, Traffic};

/// How a client connects.
#[derive(Clone, Default)]
pub struct ClientOptions {
    /// What the server may choose from.
    pub offer: Offer,
    /// What the server is granted.
    pub limits: Limits,
    /// The package that the server must serve; without one its own is fetched.
    pub package: Option<Package>,
    /// The digest of the package that is fetched; without one it is the server's word which model this is.
    pub digest: Option<Digest>,
    /// TLS, if the connection is to be inside of it.
    pub tls: Option<ClientTls>,
}

/// Why there is no connection, or none any more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The server cannot be reached.
    #[error("cannot connect to {server}")]
    Connect {
        /// Its name.
        server: String,
        /// Why.
        source: std::io::Error,
    },
    /// The session failed.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The sample has another number of elements than the model takes.
    #[error("a sample of {found} numbers, the model takes {expected}")]
    Sample {
        /// Numbers found.
        found: usize,
        /// Numbers expected.
        expected: usize,
    },
}

/// A connection to a server. Dropped, it says goodbye.
pub struct Client {
    session: Session<Connection>,
    package: Package,
    rng: ChaCha20Rng,
}

/// A prediction, or why there is none; the server does not know.
pub type Predicted = Result<Prediction, Unanswered>;

impl Client {
    /// Connects: `host`, `host:port`, or an address.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn connect(server: &str, options: &ClientOptions) -> Result<Self, ClientError> {
        let (server, mut rng) = (net::with_port(server), net::fresh_rng());
        let limits = &options.limits;
        let stream = net::connect(&server, options.tls.as_ref(), limits.message)
            .map_err(|source| ClientError::Connect { server, source })?;
        let (greeted, package) = match &options.package {
            Some(package) => {
                let bits = package.program().input().bit_count();
                let (digest, offer) = (package.digest(), &options.offer);
                (client::greet(stream, digest, bits, offer, limits, &mut rng)?, package.clone())
            }
            None => client::greet_and_fetch(stream, options.digest, &options.offer, limits, &mut rng)?,
        };
        let session = greeted.start_program(package.program(), &mut rng)?;
        Ok(Self { session, package, rng })
    }

    /// The model's public package.
    #[must_use]
    pub fn package(&self) -> &Package {
        &self.package
    }

    /// What a sample has to be: shape, bits, scale.
    #[must_use]
    pub fn input(&self) -> &InputEncoding {
        self.package.program().input()
    }

    /// Has up to `count` circuits garbled and sent for later predictions, as many as the server grants, and
    /// says how many are ready.
    ///
    /// # Errors
    /// [`ClientError::Session`]; the session is over then.
    pub fn prepare(&mut self, count: usize) -> Result<usize, ClientError> {
        let missing = count.saturating_sub(self.session.ready());
        self.session.prepare_several(missing, &mut self.rng)?;
        Ok(self.session.ready())
    }

    /// One prediction; `numbers` in row-major order. The server sees when this is called, and that must not
    /// depend on what came of the one before.
    ///
    /// # Errors
    /// [`ClientError`]; after one of the session it is over.
    pub fn predict(&mut self, numbers: &[f64]) -> Result<Predicted, ClientError> {
        let (found, expected) = (numbers.len(), self.input().sample_elements());
        if found != expected {
            return Err(ClientError::Sample { found, expected });
        }
        let question = Question::of_numbers(self.input(), numbers.iter().copied());
        let answer = self.session.ask(&question, &mut self.rng)?;
        Ok(answer.map(|output| self.package.program().output().decode(&output)))
    }

    /// All predictions, and then the goodbye; only after that anything is told.
    ///
    /// # Errors
    /// [`ClientError::Sample`] before anything is asked if a sample has another number of elements.
    pub fn predict_all(self, samples: &[Vec<f64>], ahead: usize) -> Result<Finished, ClientError> {
        let Self { session, package, mut rng } = self;
        let (input, output) = (package.program().input(), package.program().output());
        let expected = input.sample_elements();
        if let Some(found) = samples.iter().map(Vec::len).find(|&found| found != expected) {
            return Err(ClientError::Sample { found, expected });
        }
        let questions =
            samples.iter().map(|sample| Question::of_numbers(input, sample.iter().copied())).collect();
        let finished = session.ask_all(questions, ahead, &mut rng, || ());
        let answers = finished.answers.into_iter();
        let predictions = answers.map(|(answer, _)| answer.map(|bits| output.decode(&bits))).collect();
        Ok(Finished { predictions, end: finished.end })
    }

    /// What went over the wire so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.session.traffic()
    }

    /// Says goodbye.
    ///
    /// # Errors
    /// [`ClientError::Session`] if the transport fails.
    pub fn finish(self) -> Result<Traffic, ClientError> {
        Ok(self.session.finish()?)
    }
}

/// What came of [`Client::predict_all`].
#[must_use]
pub struct Finished {
    /// One for each sample that was asked about, in order.
    pub predictions: Vec<Predicted>,
    /// How the connection ended; predictions that came before an error stand.
    pub end: Result<Traffic, SessionError>,
}
