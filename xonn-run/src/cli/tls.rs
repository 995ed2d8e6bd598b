//! TLS on the command line.

use std::path::PathBuf;

use clap::Args;

use crate::net::tls::{ClientTls, Identity, ServerTls, TlsError};

/// TLS 1.3 of a host that listens.
#[derive(Args, Clone)]
pub struct ServerFlags {
    /// Speak TLS 1.3 and show this certificate, PEM, the host's own first
    #[arg(long, value_name = "CERT.pem", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key, PEM
    #[arg(long, value_name = "KEY.pem", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Serve only clients that show one of these certificates, or one that is signed by one of them, PEM
    #[arg(long, value_name = "CA.pem", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,
}

/// TLS 1.3 of a host that connects.
#[derive(Args, Clone)]
pub struct ClientFlags {
    /// Speak TLS 1.3, and only to a server that shows one of these certificates, or one that is signed by one of them, PEM
    #[arg(long, value_name = "CA.pem")]
    tls_ca: Option<PathBuf>,
    /// The name that the server's certificate is for, if that is not the one that is connected to
    #[arg(long, value_name = "NAME", requires = "tls_ca")]
    tls_name: Option<String>,
    /// Show this certificate if the server asks for one, PEM
    #[arg(long, value_name = "CERT.pem", requires_all = ["tls_key", "tls_ca"])]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key, PEM
    #[arg(long, value_name = "KEY.pem", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

fn identity<'p>(certificate: &'p Option<PathBuf>, key: &'p Option<PathBuf>) -> Option<Identity<'p>> {
    certificate.as_deref().zip(key.as_deref()).map(|(certificate, key)| Identity { certificate, key })
}

impl ServerFlags {
    /// Whether clients have to show a certificate.
    pub fn by_certificate(&self) -> bool {
        self.tls_client_ca.is_some()
    }

    /// TLS if it is wanted.
    pub fn tls(&self) -> Result<Option<ServerTls>, TlsError> {
        identity(&self.tls_cert, &self.tls_key)
            .map(|identity| ServerTls::new(identity, self.tls_client_ca.as_deref()))
            .transpose()
    }
}

impl ClientFlags {
    /// TLS to `server`, a name or an address with a port, if it is wanted.
    pub fn tls(&self, server: &str) -> Result<Option<ClientTls>, TlsError> {
        let host = server.rsplit_once(':').map_or(server, |(host, _)| host);
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let name = self.tls_name.as_deref().unwrap_or(host);
        self.tls_ca
            .as_deref()
            .map(|roots| ClientTls::new(name, roots, identity(&self.tls_cert, &self.tls_key)))
            .transpose()
    }
}
