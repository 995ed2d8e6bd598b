//! TLS 1.3 around the protocol, by rustls: who the hosts are, and that nobody else takes part.
//!
//! What the protocol's messages hide from the peer is hidden from the network already. TLS adds what they cannot: that the
//! peer is the one it says, and that nobody replaces it halfway.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

use crate::session::channel::{Timed, Transport, is_silence};

/// TLS that cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file is not there, or holds no certificates or no key in PEM.
    #[error("{path}: {what} cannot be read: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A file has no certificate.
    #[error("{path}: no certificate is in it, expected one or more in PEM")]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// Certificate, key or roots do not make a valid configuration.
    #[error("{path}: cannot be used for TLS")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The server's name is none that a certificate can be for.
    #[error(
        "\"{name}\" is no host name and no address, which a certificate could be for; --tls-name gives another one"
    )]
    Name {
        /// The name.
        name: String,
        /// Why.
        source: InvalidDnsNameError,
    },
}

/// A certificate chain and its private key, both PEM files.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'p> {
    /// The chain, the host's own certificate first.
    pub certificate: &'p Path,
    /// The key of that certificate.
    pub key: &'p Path,
}

/// How a server speaks TLS.
#[derive(Clone)]
pub struct ServerTls(Arc<ServerConfig>);

/// How a client speaks TLS, and to whom.
#[derive(Clone)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl ServerTls {
    /// A server that shows `identity`, and if `clients` are given serves nobody but holders of a certificate that is among them
    /// or signed by one of them.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new(identity: Identity<'_>, clients: Option<&Path>) -> Result<Self, TlsError> {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(unusable(identity.certificate))?;
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(roots(path)?.into(), provider());
                let refused = |e: rustls::server::VerifierBuilderError| {
                    unusable(path)(rustls::Error::General(e.to_string()))
                };
                builder.with_client_cert_verifier(verifier.build().map_err(refused)?)
            }
        };
        let (chain, key) = (certificates(identity.certificate)?, private_key(identity.key)?);
        let mut config = builder.with_single_cert(chain, key).map_err(unusable(identity.certificate))?;
        // Nothing of a connection outlives it.
        config.send_tls13_tickets = 0;
        Ok(Self(Arc::new(config)))
    }
}

impl ClientTls {
    /// A client that speaks to the holder of a certificate for `name`, which is among `roots` or signed by one of them; it
    /// shows `identity` if the server asks for one.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new(name: &str, roots_file: &Path, identity: Option<Identity<'_>>) -> Result<Self, TlsError> {
        let refused = |source| TlsError::Name { name: name.into(), source };
        let server = ServerName::try_from(name.to_owned()).map_err(refused)?;
        let verifier =
            WebPkiServerVerifier::builder_with_provider(roots(roots_file)?.into(), provider()).build();
        let verifier = verifier.map_err(|e| unusable(roots_file)(rustls::Error::General(e.to_string())))?;
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(unusable(roots_file))?
            .with_webpki_verifier(verifier);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => builder
                .with_client_auth_cert(certificates(identity.certificate)?, private_key(identity.key)?)
                .map_err(unusable(identity.certificate))?,
        };
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Self { config: Arc::new(config), name: server })
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn unusable(path: &Path) -> impl Fn(rustls::Error) -> TlsError + '_ {
    |source| TlsError::Unusable { path: path.into(), source }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let refused = |e: rustls::pki_types::pem::Error| TlsError::File {
        path: path.into(),
        what: "certificates",
        reason: e.to_string(),
    };
    let all: Vec<_> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(refused)?;
    if all.is_empty() { Err(TlsError::NoCertificate { path: path.into() }) } else { Ok(all) }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|e| TlsError::File {
        path: path.into(),
        what: "a private key",
        reason: e.to_string(),
    })
}

fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(unusable(path))?;
    }
    Ok(roots)
}

/// A connection's bytes, as they are or inside of TLS.
pub enum Connection {
    /// As they are.
    Plain(Timed),
    /// Inside of TLS. The handshake happens when the first bytes are read or written, within their time limit.
    Tls(Box<Tls>),
}

/// A stream inside of TLS.
pub struct Tls {
    session: rustls::Connection,
    stream: TcpStream,
}

impl Connection {
    /// A server's end.
    ///
    /// # Errors
    /// If the session cannot be made, which is no fault of the client's.
    pub fn of_server(stream: TcpStream, tls: Option<&ServerTls>) -> io::Result<Self> {
        let Some(tls) = tls else { return Ok(Self::Plain(Timed::new(stream))) };
        let session = ServerConnection::new(Arc::clone(&tls.0)).map_err(io::Error::other)?;
        Ok(Self::Tls(Box::new(Tls { session: session.into(), stream })))
    }

    /// A client's end.
    ///
    /// # Errors
    /// If the session cannot be made, which is no fault of the server's.
    pub fn of_client(stream: TcpStream, tls: Option<&ClientTls>) -> io::Result<Self> {
        let Some(tls) = tls else { return Ok(Self::Plain(Timed::new(stream))) };
        let session =
            ClientConnection::new(Arc::clone(&tls.config), tls.name.clone()).map_err(io::Error::other)?;
        Ok(Self::Tls(Box::new(Tls { session: session.into(), stream })))
    }
}

impl Connection {
    /// The certificate that the peer has shown, in DER, if it had to show one. Known once the handshake is
    /// over.
    #[must_use]
    pub fn peer_certificate(&self) -> Option<&[u8]> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(tls) => tls.session.peer_certificates()?.first().map(AsRef::as_ref),
        }
    }
}

impl Transport for Connection {
    fn read_within(&mut self, buffer: &mut [u8], limit: Duration) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read_within(buffer, limit),
            Self::Tls(tls) => tls.read_within(buffer, limit),
        }
    }

    fn write_within(&mut self, bytes: &[u8], limit: Duration) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write_within(bytes, limit),
            Self::Tls(tls) => tls.write_within(bytes, limit),
        }
    }

    fn begins_within(&mut self, limit: Duration) -> io::Result<Option<bool>> {
        match self {
            Self::Plain(stream) => stream.begins_within(limit),
            Self::Tls(tls) => tls.begins_within(limit).map(Some),
        }
    }

    fn write_both_within(&mut self, head: &[u8], body: &[u8], limit: Duration) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write_both_within(head, body, limit),
            Self::Tls(tls) => tls.write_within(if head.is_empty() { body } else { head }, limit),
        }
    }

    fn hang_up(&mut self, limit: Duration) {
        match self {
            Self::Plain(stream) => stream.hang_up(limit),
            Self::Tls(tls) => {
                let deadline = Instant::now() + limit;
                tls.session.send_close_notify();
                let _ = tls.write_out(deadline); // the connection may be gone already
                tls.stream.hang_up(deadline.saturating_duration_since(Instant::now()));
            }
        }
    }
}

impl Tls {
    fn read_within(&mut self, buffer: &mut [u8], limit: Duration) -> io::Result<usize> {
        let deadline = Instant::now() + limit;
        loop {
            match self.session.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
            // One limit for all of it: a peer that drips bytes of a record gets no further time for each.
            self.write_out(deadline)?;
            self.read_in(deadline)?;
        }
    }

    /// Whether bytes of the peer, or its end, are there in time: records are taken in until one has some.
    fn begins_within(&mut self, limit: Duration) -> io::Result<bool> {
        let deadline = Instant::now() + limit;
        loop {
            let state = self.session.process_new_packets();
            let state = state.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            if state.plaintext_bytes_to_read() > 0 || state.peer_has_closed() {
                return Ok(true);
            }
            match self.write_out(deadline).and_then(|()| self.read_in(deadline)) {
                Ok(0) => return Ok(true),
                Ok(_) => {}
                Err(error) if is_silence(&error) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    fn write_within(&mut self, bytes: &[u8], limit: Duration) -> io::Result<usize> {
        let deadline = Instant::now() + limit;
        while self.session.is_handshaking() {
            self.write_out(deadline)?;
            if self.session.is_handshaking() {
                self.read_in(deadline)?;
            }
        }
        let written = self.session.writer().write(bytes)?;
        self.write_out(deadline)?;
        Ok(written)
    }

    /// Sends all records that are ready.
    fn write_out(&mut self, deadline: Instant) -> io::Result<()> {
        while self.session.wants_write() {
            self.stream.set_write_timeout(Some(left(deadline)?))?;
            if uninterrupted(|| self.session.write_tls(&mut self.stream))? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    /// Takes in what has come, and waits for it if there is nothing; 0 bytes if the peer is gone.
    fn read_in(&mut self, deadline: Instant) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(left(deadline)?))?;
        let read = uninterrupted(|| self.session.read_tls(&mut self.stream))?;
        if read == 0 && self.session.is_handshaking() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Err(error) = self.session.process_new_packets() {
            let _ = self.write_out(deadline); // the alert that tells the peer
            let _ = self.stream.shutdown(Shutdown::Write);
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        Ok(read)
    }
}

/// A system call again until no signal comes in between. An interrupted write must not look as if nothing had been taken: the
/// session has the bytes by then.
fn uninterrupted(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}
