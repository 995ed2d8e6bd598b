//! Headers of the PROXY protocol, version 2: the client that was written is the one that is read, whatever
//! else the header holds and in whatever pieces it comes; nothing behind it is taken; and whatever comes, no
//! more than the longest header is, and nobody is named that the bytes do not name.
#![no_main]

use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use xonn_fuzz::allocations::Memory;
use xonn_run::net::{ProxyError, decode_proxy_header};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const FIXED: usize = 16;
/// Longest header that is read.
const MOST: usize = 4096;

#[derive(Arbitrary, Debug)]
struct Input {
    front: Front,
    /// What the client says behind the header.
    behind: Vec<u8>,
    /// Most bytes of one read; 0 for as many as are asked for.
    piece: u8,
}

#[derive(Arbitrary, Debug)]
enum Front {
    /// What a balancer writes.
    Header { local: bool, datagrams: bool, addresses: Addresses, more: Vec<u8> },
    /// A signature, and bytes of the fuzzer's.
    Signed(Vec<u8>),
    /// Those bytes alone.
    Bytes(Vec<u8>),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Addresses {
    None,
    V4 { client: ([u8; 4], u16), to: ([u8; 4], u16) },
    V6 { client: ([u8; 16], u16), to: ([u8; 16], u16) },
    Unix([u8; 4]),
}

impl Addresses {
    /// The family, and what stands of it in a header.
    fn encode(self) -> (u8, Vec<u8>) {
        fn pair<const N: usize>(client: ([u8; N], u16), to: ([u8; N], u16)) -> Vec<u8> {
            [&client.0[..], &to.0, &client.1.to_be_bytes(), &to.1.to_be_bytes()].concat()
        }
        match self {
            Self::None => (0, Vec::new()),
            Self::V4 { client, to } => (1, pair(client, to)),
            Self::V6 { client, to } => (2, pair(client, to)),
            Self::Unix(path) => (3, path.repeat(54)),
        }
    }

    /// The client, where it is on a network.
    fn client(self) -> Option<SocketAddr> {
        match self {
            Self::V4 { client: (ip, port), .. } => Some((Ipv4Addr::from(ip), port).into()),
            Self::V6 { client: (ip, port), .. } => Some((Ipv6Addr::from(ip), port).into()),
            Self::None | Self::Unix(_) => None,
        }
    }
}

/// What is read of bytes that come in pieces, and how many of them were taken.
fn decoded(bytes: &[u8], piece: u8) -> (Result<Option<SocketAddr>, ProxyError>, usize) {
    let piece = if piece == 0 { usize::MAX } else { piece.into() };
    let mut left = bytes;
    let read = |room: &mut [u8]| -> io::Result<usize> {
        assert!(!room.is_empty(), "a read of nothing looks like an end");
        let most = room.len().min(piece);
        left.read(&mut room[..most])
    };
    let (result, memory) = Memory::of(|| decode_proxy_header(read));
    memory.check(Memory { largest: 0, peak: 0 }, 0);
    (result, bytes.len() - left.len())
}

/// The client by its place in the bytes alone.
fn named(header: &[u8]) -> Option<SocketAddr> {
    let ip = |from: usize, to: usize| -> IpAddr {
        match to - from {
            4 => Ipv4Addr::from(<[u8; 4]>::try_from(&header[from..to]).expect("its length")).into(),
            _ => Ipv6Addr::from(<[u8; 16]>::try_from(&header[from..to]).expect("its length")).into(),
        }
    };
    let port = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    match (header[12], header[13]) {
        (0x21, 0x11) => Some((ip(16, 20), port(24)).into()),
        (0x21, 0x21) => Some((ip(16, 32), port(48)).into()),
        _ => None,
    }
}

fuzz_target!(|input: Input| {
    let mut bytes = Vec::new();
    let mut want = None;
    match &input.front {
        &Front::Header { local, datagrams, addresses, ref more } => {
            let (family, encoded) = addresses.encode();
            let transport = if family == 0 { 0 } else { 1 + u8::from(datagrams) };
            let length = encoded.len() + more.len();
            bytes.extend(SIGNATURE);
            bytes.extend([if local { 0x20 } else { 0x21 }, family << 4 | transport]);
            bytes.extend((length.min(0xffff) as u16).to_be_bytes());
            bytes.extend(encoded);
            bytes.extend(more);
            let client = if local { None } else { addresses.client() };
            want = Some((client.filter(|_| !datagrams), client.is_some() && datagrams || bytes.len() > MOST));
        }
        Front::Signed(rest) => bytes.extend([SIGNATURE, rest].concat()),
        Front::Bytes(all) => bytes.extend(all),
    }
    let header = bytes.len();
    bytes.extend(&input.behind);
    let (found, taken) = decoded(&bytes, input.piece);
    assert!(taken <= MOST);
    // What it says does not depend on the pieces.
    let (whole, taken_whole) = decoded(&bytes, 0);
    assert_eq!(found.as_ref().ok(), whole.as_ref().ok());
    if let Some((client, refused)) = want {
        assert_eq!(found.as_ref().is_err(), refused, "{found:?}");
        if !refused {
            assert_eq!((found.as_ref().ok(), taken), (Some(&client), header));
        }
    }
    match found {
        Ok(client) => {
            let length = FIXED + usize::from(u16::from_be_bytes([bytes[14], bytes[15]]));
            assert_eq!((taken, taken_whole), (length, length), "something else than the header is taken");
            assert!(bytes.starts_with(SIGNATURE) && matches!(bytes[12], 0x20 | 0x21));
            assert_eq!(client, named(&bytes));
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control), "{error}"),
    }
});
