//! The transport inside of TLS: deadlines hold for peers that drip, and an end that nobody announced is no end.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use chacha20::ChaCha20Rng;
use rand::SeedableRng;
use xonn_run::net::tls::{ClientTls, Connection, Identity, ServerTls};
use xonn_run::net::{self, ServerOptions};
use xonn_run::session::channel::Transport;
use xonn_run::session::{Limits, Offer, SessionError, client};

use crate::fixture::neurons;

/// A server and a client that trust each other, in files of a folder that is removed.
pub fn pair() -> (ServerTls, ClientTls) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (certificate, key) = (folder.path().join("crt"), folder.path().join("key"));
    std::fs::write(&certificate, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let identity = Identity { certificate: &certificate, key: &key };
    let server = ServerTls::new(identity, None).expect("a valid certificate");
    (server, ClientTls::new("localhost", &certificate, None).expect("a valid root"))
}

fn streams() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let client = TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
    (listener.accept().expect("it was asked").0, client)
}

const LONG: Duration = Duration::from_secs(10);

/// Reads until `count` bytes are there.
fn take(end: &mut Connection, count: usize) -> std::io::Result<Vec<u8>> {
    let (mut bytes, mut filled) = (vec![0; count], 0);
    while filled < count {
        filled += match end.read_within(&mut bytes[filled..], LONG)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => read,
        };
    }
    Ok(bytes)
}

fn put(end: &mut Connection, bytes: &[u8]) {
    let mut sent = 0;
    while sent < bytes.len() {
        sent += end.write_within(&bytes[sent..], LONG).expect("the peer listens");
    }
}

#[test]
fn what_is_written_is_read_both_ways_whoever_begins() {
    let (server_tls, client_tls) = pair();
    for server_begins in [false, true] {
        let (server, client) = streams();
        let mut server = Connection::of_server(server, Some(&server_tls)).expect("a session");
        let mut client = Connection::of_client(client, Some(&client_tls)).expect("a session");
        let data: Vec<u8> = (0..3_000_000u32).map(|i| ((i * 7) >> 3) as u8).collect();
        std::thread::scope(|scope| {
            let (first, second) =
                if server_begins { (&mut server, &mut client) } else { (&mut client, &mut server) };
            let data = &data;
            let peer = scope.spawn(move || {
                let got = take(second, data.len()).expect("all of it comes");
                put(second, &got[..1000]);
                got
            });
            put(first, data);
            assert_eq!(take(first, 1000).expect("it comes"), data[..1000]);
            assert_eq!(peer.join().expect("no panic"), *data);
        });
        // An announced end is 0 bytes, as on a plain stream.
        client.hang_up(Duration::from_millis(1));
        assert_eq!(server.read_within(&mut [0; 10], LONG).expect("an end"), 0);
    }
}

#[test]
fn an_end_that_is_not_announced_is_an_error() {
    let (server_tls, client_tls) = pair();
    let (server, client) = streams();
    let raw = client.try_clone().expect("a handle");
    let mut server = Connection::of_server(server, Some(&server_tls)).expect("a session");
    let mut client = Connection::of_client(client, Some(&client_tls)).expect("a session");
    std::thread::scope(|scope| {
        let peer = scope.spawn(|| take(&mut server, 3));
        put(&mut client, b"abc");
        assert_eq!(peer.join().expect("no panic").expect("it comes"), b"abc");
    });
    raw.shutdown(std::net::Shutdown::Both).expect("it is open");
    let error = server.read_within(&mut [0; 10], LONG).expect_err("somebody cut it");
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
}

/// Each byte of a handshake comes in time, the handshake does not.
#[test]
fn a_peer_that_drips_a_handshake_meets_the_deadline() {
    let (server_tls, _) = pair();
    let (server, mut client) = streams();
    let mut server = Connection::of_server(server, Some(&server_tls)).expect("a session");
    std::thread::scope(|scope| {
        // The head of a record of 512 bytes, and then a byte at a time.
        let dripping = scope.spawn(move || {
            client.write_all(&[22, 3, 1, 2, 0]).expect("it listens");
            while client.write_all(&[1]).is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let begin = Instant::now();
        let error = server.read_within(&mut [0; 10], Duration::from_millis(300)).expect_err("no handshake");
        assert!(
            matches!(error.kind(), std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock),
            "{error}"
        );
        assert!(begin.elapsed() >= Duration::from_millis(290) && begin.elapsed() < Duration::from_secs(5));
        drop(server);
        dripping.join().expect("no panic");
    });
}

#[test]
fn bytes_that_are_no_tls_are_an_error_at_once() {
    let (server_tls, _) = pair();
    let (server, mut client) = streams();
    client.write_all(b"XONN, but not inside of TLS").expect("it listens");
    let mut server = Connection::of_server(server, Some(&server_tls)).expect("a session");
    let error = server.read_within(&mut [0; 10], LONG).expect_err("not TLS");
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
}

#[test]
fn a_peer_that_stops_reading_meets_the_deadline() {
    let (server_tls, client_tls) = pair();
    let (server, client) = streams();
    let mut server = Connection::of_server(server, Some(&server_tls)).expect("a session");
    let mut client = Connection::of_client(client, Some(&client_tls)).expect("a session");
    std::thread::scope(|scope| {
        let peer = scope.spawn(|| take(&mut client, 3));
        put(&mut server, b"abc");
        assert_eq!(peer.join().expect("no panic").expect("it comes"), b"abc");
    });
    // More than any system keeps for a peer.
    let (block, begin) = (vec![0; 1 << 16], Instant::now());
    let error = loop {
        match server.write_within(&block, Duration::from_millis(300)) {
            Ok(written) => assert!(written > 0 && begin.elapsed() < LONG),
            Err(error) => break error,
        }
    };
    assert!(matches!(error.kind(), std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock), "{error}");
    drop(client);
}

#[test]
fn a_client_that_is_turned_away_hears_it_inside_of_tls() {
    let (tls, client_tls) = pair();
    let fixture = neurons(2);
    let (circuit, model) = (&fixture.circuit, fixture.model());
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    let mut options = ServerOptions::new(1, 0);
    (options.tls, options.total) = (Some(tls), Some(2));
    std::thread::scope(|scope| {
        scope.spawn(|| net::serve(&listener, &model, &options, |_| ()));
        let greet = |held: &str| {
            let connection = net::connect(&address, Some(&client_tls), LONG).expect(held);
            let (rng, bits) = (&mut ChaCha20Rng::seed_from_u64(1), circuit.program.input_bits());
            client::greet(connection, circuit.digest, bits, &Offer::default(), &Limits::default(), rng)
        };
        // Without a handshake nobody has a place.
        let silent = TcpStream::connect(&address).expect("it listens");
        let held = greet("the door is open").expect("there is a place");
        let refused = greet("the door is open").err().expect("there is no room");
        assert!(matches!(&refused, SessionError::Refused(text) if text.contains("full")), "{refused}");
        drop((held, silent));
        let deadline = Instant::now() + LONG;
        while greet("it still listens").is_err() {
            assert!(Instant::now() < deadline, "there is no room again");
            std::thread::sleep(Duration::from_millis(10));
        }
    });
}
