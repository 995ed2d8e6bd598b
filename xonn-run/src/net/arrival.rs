//! A connection until it has said what it wants: who it is of, TLS, and the client's hello.

use std::io;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::door::Ticket;
use super::metrics::Metrics;
use super::proxy::{self, ProxyError};
use super::server::Caller;
use super::tls::{Connection, ServerTls};
use crate::session::channel::{Channel, Transport, is_silence};
use crate::session::server::{self, Greeted, Model};
use crate::session::{Limits, SessionError};

/// What a server does.
const GREETING: &str = "greeting";

/// How connections are received.
pub struct Arrival<'m> {
    pub tls: Option<&'m ServerTls>,
    /// Whether each begins with a header of the PROXY protocol.
    pub proxy: bool,
    pub model: &'m Model,
    pub limits: &'m Limits,
    pub metrics: &'m Metrics,
}

/// Why a connection ended before it said what it wants.
pub enum Early {
    /// It said nothing at all and left, as a check whether the port is open does.
    Silent,
    /// The header of the PROXY protocol is not there, or not right.
    Proxy(ProxyError),
    /// All else.
    Session(SessionError),
}

impl<'m> Arrival<'m> {
    /// A client's hello, if it fits. The client's address is that which a balancer names, if one does.
    pub fn greet(
        &self,
        stream: TcpStream,
        caller: &mut Caller,
        ticket: &Ticket<'_>,
    ) -> Result<Greeted<'m, Metered<'m>>, Early> {
        let lost =
            |source| Early::Session(SessionError::Transport { doing: "accepting a connection", source });
        stream.set_nonblocking(false).and_then(|()| stream.set_nodelay(true)).map_err(lost)?;
        let limit = self.limits.message.min(self.limits.hello);
        let deadline = Instant::now() + limit;
        if self.proxy {
            match proxy::read(&stream, deadline) {
                Ok(Some(peer)) => {
                    caller.peer = peer;
                    ticket.is_of(*caller);
                }
                // A check by the balancer, or a client of which it does not know more.
                Ok(None) => {}
                Err(ProxyError::Nothing) => return Err(Early::Silent),
                Err(error) => return Err(Early::Proxy(error)),
            }
        }
        let speaks = speaks(&stream, deadline).map_err(lost)?;
        if speaks == Some(false) {
            return Err(Early::Silent);
        }
        let connection = Connection::of_server(stream, self.tls).map_err(lost)?;
        let metered = Metered { connection, metrics: self.metrics };
        if speaks.is_none() {
            let slow = SessionError::TimedOut { doing: GREETING, limit };
            Channel::new(metered, limit).refuse(&slow);
            return Err(Early::Session(slow));
        }
        // One limit for all of it would be told as another one for the hello; so that it is twice at most.
        server::greet(metered, self.model, self.limits).map_err(Early::Session)
    }
}

/// Whether a first byte comes; none if neither it nor an end does in time.
fn speaks(stream: &TcpStream, deadline: Instant) -> io::Result<Option<bool>> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        stream.set_read_timeout(Some(left))?;
        match stream.peek(&mut [0]) {
            Ok(read) => return Ok(Some(read > 0)),
            Err(error) if is_silence(&error) => {}
            Err(error) if is_loss(&error) => return Ok(Some(false)),
            Err(error) => return Err(error),
        }
    }
}

/// Whether the peer has gone without an end.
fn is_loss(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe
    )
}

/// A connection whose bytes are counted.
pub struct Metered<'m, T = Connection> {
    pub connection: T,
    metrics: &'m Metrics,
}

impl<T: Transport> Transport for Metered<'_, T> {
    fn read_within(&mut self, buffer: &mut [u8], limit: Duration) -> io::Result<usize> {
        let read = self.connection.read_within(buffer, limit);
        read.inspect(|&bytes| self.metrics.received(bytes))
    }

    fn write_within(&mut self, bytes: &[u8], limit: Duration) -> io::Result<usize> {
        let written = self.connection.write_within(bytes, limit);
        written.inspect(|&bytes| self.metrics.sent(bytes))
    }

    fn write_both_within(&mut self, head: &[u8], body: &[u8], limit: Duration) -> io::Result<usize> {
        let written = self.connection.write_both_within(head, body, limit);
        written.inspect(|&bytes| self.metrics.sent(bytes))
    }

    fn begins_within(&mut self, limit: Duration) -> io::Result<Option<bool>> {
        self.connection.begins_within(limit)
    }

    fn hang_up(&mut self, limit: Duration) {
        self.connection.hang_up(limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes all, and notes how long each piece is.
    struct Noting(Vec<usize>);

    impl Transport for Noting {
        fn read_within(&mut self, _: &mut [u8], _: Duration) -> io::Result<usize> {
            Ok(0)
        }

        fn write_within(&mut self, bytes: &[u8], _: Duration) -> io::Result<usize> {
            self.0.push(bytes.len());
            Ok(bytes.len())
        }

        fn write_both_within(&mut self, head: &[u8], body: &[u8], _: Duration) -> io::Result<usize> {
            self.0.push(head.len() + body.len());
            Ok(head.len() + body.len())
        }

        fn hang_up(&mut self, _: Duration) {}
    }

    #[test]
    fn counting_bytes_does_not_part_heads_from_bodies() {
        let metrics = Metrics::new();
        let mut metered = Metered { connection: Noting(Vec::new()), metrics: &metrics };
        let limit = Duration::from_secs(1);
        assert_eq!(metered.write_both_within(b"head", b"body", limit).expect("it takes all"), 8);
        assert_eq!(metered.write_within(b"more", limit).expect("it takes all"), 4);
        assert_eq!(metered.connection.0, [8, 4]);
        let text = metrics.text();
        assert!(text.contains("direction=\"sent\"} 12\n"), "{text}");
    }
}
