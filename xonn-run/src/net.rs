//! TCP around sessions: a server of many clients, and a client's connection.

pub mod allowance;
mod arrival;
pub mod door;
mod first;
pub mod metrics;
pub mod monitor;
mod places;
mod proxy;
mod server;
pub mod tls;

use std::io;
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::time::Duration;

use chacha20::ChaCha20Rng;
use rand::SeedableRng;
use socket2::{Domain, Protocol, Socket, Type};

use self::tls::{ClientTls, Connection};

pub use first::serve_first;
pub use proxy::ProxyError;
#[cfg(feature = "fuzzing")]
pub use proxy::decode as decode_proxy_header;
pub use server::{Caller, Event, ServerOptions, serve};

/// The port of a server if none is named.
pub const PORT: u16 = 7070;

/// Connections that the system keeps until they are accepted, where it allows so many: those of a crowd that
/// comes within a moment.
const BACKLOG: i32 = 4096;

/// Listens on an address, the first of its name that can be had.
///
/// # Errors
/// What the last address said; `NotFound` if the name has none.
pub fn listen(address: &str) -> io::Result<TcpListener> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in address.to_socket_addrs()? {
        match bind(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// As `TcpListener::bind` does it, which has a backlog of 128.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The address with [`PORT`] if it names none: `host`, `host:port`, an address of IPv6 with or without
/// brackets.
#[must_use]
pub fn with_port(server: &str) -> String {
    match server.rsplit_once(':') {
        _ if server.parse::<Ipv6Addr>().is_ok() => format!("[{server}]:{PORT}"),
        Some((host, _)) if !host.contains(':') || host.ends_with(']') => server.to_owned(),
        _ => format!("{server}:{PORT}"),
    }
}

/// Connects to a server, trying each address of its name.
///
/// # Errors
/// What the last address said; `NotFound` if the name has none.
pub fn connect(server: &str, tls: Option<&ClientTls>, limit: Duration) -> io::Result<Connection> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in server.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, limit) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Connection::of_client(stream, tls);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Whether [`connect`] may succeed another time, with nothing changed: not with an address that is none.
#[must_use]
pub fn is_transient(error: &io::Error) -> bool {
    !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput)
}

/// A generator seeded by the operating system, one for each session: ChaCha20.
#[must_use]
pub fn fresh_rng() -> ChaCha20Rng {
    ChaCha20Rng::from_rng(&mut rand::rng())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A crowd that comes within a moment is there when the server gets to it, and not half a second or more
    /// later, when its systems try again.
    #[test]
    fn a_crowd_is_kept_until_it_is_accepted() {
        let listener = listen("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let limit = Duration::from_millis(500);
        let crowd: Result<Vec<_>, _> =
            (0..300).map(|_| TcpStream::connect_timeout(&address, limit)).collect();
        assert_eq!(crowd.expect("nobody is kept out").len(), 300);
    }

    #[test]
    fn a_server_without_a_port_has_the_usual_one() {
        for (named, meant) in [
            ("host", "host:7070"),
            ("host.example:1", "host.example:1"),
            ("10.0.0.1", "10.0.0.1:7070"),
            ("::1", "[::1]:7070"),
            ("2001:db8::1", "[2001:db8::1]:7070"),
            ("[::1]:80", "[::1]:80"),
            ("[::1]", "[::1]:7070"),
        ] {
            assert_eq!(with_port(named), meant);
        }
    }
}
