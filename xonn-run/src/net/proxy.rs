//! Version 2 of the PROXY protocol: which client a balancer speaks for.
//!
//! <https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt>. Where it is asked for, it is required: who
//! could leave it out could say that it is anybody. Bytes are read into room that is there already, and none
//! of what follows the header is taken. The `proxy-header` crate reads them.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use proxy_header::{ParseConfig, Protocol, ProxyHeader};

use crate::session::channel::is_silence;

/// What each header begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The part of a header whose length is known: signature, version and command, family, length of the rest.
const FIXED: usize = 16;

/// Longest header: addresses, and what a balancer adds to them.
const MOST: usize = 4096;

/// Version 2, and that the balancer speaks for itself.
const LOCAL: u8 = 0x20;

/// Why there is no header that says who a client is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// The connection ended before its first byte.
    #[error("the connection ended without a header of the PROXY protocol")]
    Nothing,
    /// It ended within the header, or broke.
    #[error("the connection was lost within the header of the PROXY protocol")]
    Lost(#[source] io::Error),
    /// The header did not come in time.
    #[error("no header of the PROXY protocol came in time: does a balancer send it, version 2?")]
    Slow,
    /// Something else came.
    #[error("no header of the PROXY protocol, version 2, is in front: does a balancer send it?")]
    Missing,
    /// It is longer than any that says who a client is.
    #[error("the header of the PROXY protocol has {found} bytes, expected at most {MOST}")]
    TooLong {
        /// Its length.
        found: usize,
    },
    /// It cannot be read.
    #[error("the header of the PROXY protocol is not valid: {reason}")]
    Invalid {
        /// Why.
        reason: String,
    },
}

/// Reads a header from the front of a connection, and no byte behind it: the client that the balancer speaks
/// for; none if it speaks for itself or does not say.
pub fn read(stream: &TcpStream, deadline: Instant) -> Result<Option<SocketAddr>, ProxyError> {
    let timed = |buffer: &mut [u8]| {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            stream.set_read_timeout(Some(left))?;
            match (&mut &*stream).read(buffer) {
                Err(error) if is_silence(&error) => {}
                done => return done,
            }
        }
    };
    decode(timed)
}

/// The same from anything that can be read from.
///
/// # Errors
/// Why there is none.
pub fn decode(
    mut read: impl FnMut(&mut [u8]) -> io::Result<usize>,
) -> Result<Option<SocketAddr>, ProxyError> {
    let mut room = [0; MOST];
    fill(&mut read, &mut room[..FIXED], 0)?;
    let rest = usize::from(u16::from_be_bytes([room[14], room[15]]));
    let length = FIXED + rest;
    if length > MOST {
        return Err(ProxyError::TooLong { found: length });
    }
    fill(&mut read, &mut room[FIXED..length], FIXED)?;
    // What such a header says of addresses is to be passed over.
    if room[12] == LOCAL {
        return Ok(None);
    }
    let invalid = |reason: String| ProxyError::Invalid { reason };
    let config = ParseConfig { allow_v1: false, include_tlvs: false, ..ParseConfig::default() };
    let (header, read) =
        ProxyHeader::parse(&room[..length], config).map_err(|error| invalid(format!("{error:?}")))?;
    if read != length {
        return Err(invalid(format!("{read} of {length} bytes are of it")));
    }
    match header.proxied_address() {
        Some(address) if address.protocol != Protocol::Stream => Err(invalid("it is for datagrams".into())),
        address => Ok(address.map(|address| address.source)),
    }
}

/// Fills a part of a header that begins at `at`; refuses it at the first bytes that are of none.
fn fill(
    read: &mut impl FnMut(&mut [u8]) -> io::Result<usize>,
    part: &mut [u8],
    at: usize,
) -> Result<(), ProxyError> {
    let mut filled = 0;
    while filled < part.len() {
        match read(&mut part[filled..]) {
            Ok(0) if at + filled == 0 => return Err(ProxyError::Nothing),
            Ok(0) => return Err(ProxyError::Lost(io::ErrorKind::UnexpectedEof.into())),
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return Err(ProxyError::Slow),
            Err(_) if at + filled == 0 => return Err(ProxyError::Nothing),
            Err(error) => return Err(ProxyError::Lost(error)),
        }
        let known = filled.min(SIGNATURE.len());
        if at == 0 && part[..known] != SIGNATURE[..known] {
            return Err(ProxyError::Missing);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proxy_header::ProxiedAddress;

    use super::*;

    /// What is made of bytes that come in parts, and how many of them were taken.
    fn decoded(mut bytes: &[u8], parts: usize) -> (Result<Option<SocketAddr>, ProxyError>, usize) {
        let all = bytes.len();
        let result = decode(|room| {
            let most = room.len().min(parts);
            bytes.read(&mut room[..most])
        });
        (result, all - bytes.len())
    }

    fn encoded(header: &ProxyHeader<'_>) -> Vec<u8> {
        let mut bytes = vec![0; MOST];
        let length = header.encode_to_slice_v2(&mut bytes).expect("room for it");
        bytes.truncate(length);
        bytes
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn who_is_behind_a_balancer_is_taken_from_the_header_and_nothing_else_is_taken() {
        for client in ["192.0.2.7:4711", "[2001:db8::7]:4711"] {
            let to = if client.starts_with('[') { "[2001:db8::1]:7070" } else { "198.51.100.1:7070" };
            let client = address(client);
            let mut header = ProxyHeader::with_address(ProxiedAddress::stream(client, address(to)));
            header.append_tlv(proxy_header::Tlv::UniqueId(b"a connection".as_slice().into()));
            let bytes = encoded(&header);
            for parts in [1, 7, MOST] {
                let (found, taken) = decoded(&[&bytes[..], b"hello"].concat(), parts);
                assert_eq!(found.expect("a valid header"), Some(client));
                assert_eq!(taken, bytes.len());
            }
            for end in 1..bytes.len() {
                assert!(matches!(decoded(&bytes[..end], MOST).0, Err(ProxyError::Lost(_))), "{end} bytes");
            }
        }
    }

    #[test]
    fn a_balancer_may_speak_for_itself() {
        let mut local = encoded(&ProxyHeader::with_local());
        assert_eq!(decoded(&local, 3).0.expect("valid"), None);
        // Whatever family it names.
        local[13] = 0x55;
        assert_eq!(decoded(&local, 3).0.expect("valid"), None);
        assert!(matches!(decoded(&[], 3).0, Err(ProxyError::Nothing)));
    }

    #[test]
    fn all_else_is_refused() {
        let stream = ProxiedAddress::stream(address("10.0.0.1:1"), address("10.0.0.2:2"));
        let datagram = ProxiedAddress::datagram(address("10.0.0.1:1"), address("10.0.0.2:2"));
        let good = encoded(&ProxyHeader::with_address(stream));
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            bytes
        };
        let long = with(14, 0xff);
        for (bytes, reason) in [
            (b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n".to_vec(), "is in front"),
            (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "is in front"),
            (b"\r\n\r\nx".to_vec(), "is in front"),
            (with(12, 0x11), "not valid"),
            (with(12, 0x22), "not valid"),
            (with(13, 0x41), "not valid"),
            (with(15, 11), "not valid"),
            (encoded(&ProxyHeader::with_address(datagram)), "datagrams"),
            (long, "65308 bytes, expected at most 4096"),
        ] {
            let (found, taken) = decoded(&bytes, MOST);
            let error = found.expect_err(reason).to_string();
            assert!(error.contains(reason), "{error} does not say {reason}");
            assert!(taken <= MOST);
        }
    }

    proptest! {
        /// Nothing that anybody sends makes it panic, or take more than a header.
        #[test]
        fn garbage_is_refused_or_a_header(
            garbage in proptest::collection::vec(any::<u8>(), 0..600),
            genuine in any::<bool>(),
            parts in 1usize..64,
        ) {
            let mut bytes = if genuine { SIGNATURE.to_vec() } else { Vec::new() };
            bytes.extend(garbage);
            let (found, taken) = decoded(&bytes, parts);
            prop_assert!(taken <= MOST);
            if let Ok(Some(_)) = found {
                prop_assert!(genuine && bytes[12] == 0x21 && matches!(bytes[13], 0x11 | 0x21));
            }
        }
    }
}
