//! Peers that say what no honest peer says, before the base OTs are done.

use std::time::{Duration, Instant};

use chacha20::ChaCha20Rng;
use rand::SeedableRng;
use xonn_crypto::garble::Scheme;
use xonn_crypto::ot;
use xonn_program::package::Digest;
use xonn_run::session::msgs::{self, ClientHello, Kind, ServerHello};
use xonn_run::session::server::Served;
use xonn_run::session::{Clients, FirstLayer, Limits, Offer, SessionError};

use crate::fixture::{Answers, Fixture, addition, neurons, short};
use crate::wire::{self, End};

/// A message as it goes over the wire.
pub fn frame(kind: Kind, payload: &[u8]) -> Vec<u8> {
    [&claim(kind, payload.len() as u32), payload].concat()
}

/// A head that claims a length, whatever follows.
pub fn claim(kind: Kind, length: u32) -> Vec<u8> {
    [&[kind as u8][..], &length.to_le_bytes()].concat()
}

pub fn client_hello(wanted: Option<Digest>, input_bits: u32) -> Vec<u8> {
    ClientHello::new(wanted, input_bits, &Offer::default(), &mut ChaCha20Rng::seed_from_u64(7)).encode()
}

pub fn server_hello(digest: Digest, package_bytes: u64) -> Vec<u8> {
    server_hello_of(digest, package_bytes, (FirstLayer::Gc, Clients::Hostile))
}

pub fn server_hello_of(digest: Digest, package_bytes: u64, chosen: (FirstLayer, Clients)) -> Vec<u8> {
    let rng = &mut ChaCha20Rng::seed_from_u64(8);
    ServerHello::new(digest, package_bytes, Scheme::HalfGates, chosen, 0, rng).encode()
}

/// Serves a client that follows a script; the script's end is kept open until the server is done.
pub fn scripted_client<R>(
    fixture: &Fixture,
    limits: &Limits,
    script: impl FnOnce(&mut End) -> R,
) -> (Result<Served, SessionError>, R) {
    let (server_end, mut client_end) = wire::pair(None);
    std::thread::scope(|scope| {
        let server = scope.spawn(|| fixture.serve(server_end, limits));
        let result = script(&mut client_end);
        (server.join().expect("a server does not panic"), result)
    })
}

/// Asks a server that follows a script; the script's end is kept open until the client is done.
pub fn scripted_server<R>(
    fixture: &Fixture,
    limits: &Limits,
    fetch: bool,
    script: impl FnOnce(&mut End) -> R,
) -> (Result<Answers, SessionError>, R) {
    let (mut server_end, client_end) = wire::pair(None);
    std::thread::scope(|scope| {
        let ask = if fetch { Fixture::fetch_and_ask } else { Fixture::ask };
        let client = scope.spawn(move || ask(fixture, client_end, limits));
        let result = script(&mut server_end);
        (client.join().expect("a client does not panic"), result)
    })
}

/// A server's answer to bytes: the peer misbehaved, for a reason that both are told. None of the claimed
/// bytes comes, so an answer before the time limit shows that nobody waits for them, let alone makes room.
fn assert_refused(bytes: &[u8], limits: &Limits, reason: &str) {
    let begin = Instant::now();
    let (server, refusal) = scripted_client(&addition(), limits, |end| {
        end.put(bytes);
        end.take_refusal()
    });
    assert!(begin.elapsed() < limits.message, "{reason}: the server waited for more");
    let error = server.expect_err("not a hello");
    assert!(matches!(error, SessionError::Misbehaved { .. }), "{error}");
    assert!(error.to_string().contains(reason), "{error} does not say {reason:?}");
    let refusal = refusal.expect("the peer is told");
    assert!(refusal.contains(reason), "{refusal} does not say {reason:?}");
}

#[test]
fn a_first_message_that_is_no_hello_is_refused() {
    let limits = Limits { message: Duration::from_secs(5), ..Limits::default() };
    let mut flag = client_hello(None, 0);
    flag[6] = 2;
    let mut magic = client_hello(None, 0);
    magic[0] = b'x';
    for (bytes, reason) in [
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "there is no message of kind 71"),
        (vec![0; 64], "there is no message of kind 0"),
        (
            claim(Kind::ClientHello, u32::MAX),
            "ClientHello of 4294967295 bytes, expected ClientHello of at most 256 bytes",
        ),
        (claim(Kind::Extend, u32::MAX), "Extend of 4294967295 bytes, expected ClientHello"),
        (claim(Kind::Package, 1 << 30), "Package of 1073741824 bytes"),
        (frame(Kind::ClientHello, &client_hello(None, 0)[..74]), "it is too short"),
        (frame(Kind::Bye, &[]), "Bye of 0 bytes, expected ClientHello"),
        (
            frame(Kind::ServerHello, &server_hello(Digest([0; 32]), 0)),
            "ServerHello of 82 bytes, expected ClientHello",
        ),
        (frame(Kind::ClientHello, &flag), "the flag for a digest is 2, expected 0 or 1"),
        (frame(Kind::ClientHello, &magic), "it does not begin with XONN"),
    ] {
        assert_refused(&bytes, &limits, reason);
    }
}

#[test]
fn a_server_that_answers_wrongly_is_refused() {
    let fixture = addition();
    let hello = frame(Kind::ServerHello, &server_hello(fixture.circuit.digest, 0));
    let base = ot::msgs::BaseRequest::byte_len(ot::Params::default());
    for (bytes, reason) in [
        (b"HTTP/1.1 400 Bad Request\r\n".to_vec(), "there is no message of kind 72"),
        (
            claim(Kind::ServerHello, u32::MAX),
            "ServerHello of 4294967295 bytes, expected ServerHello of at most 256 bytes",
        ),
        (frame(Kind::BaseRequest, &vec![0; base]), "BaseRequest of 8192 bytes, expected ServerHello"),
        (
            frame(Kind::ServerHello, &server_hello(fixture.circuit.digest, u64::MAX)),
            "a package of 18446744073709551615 bytes",
        ),
        (
            [&hello[..], &claim(Kind::BaseRequest, u32::MAX)].concat(),
            "BaseRequest of 4294967295 bytes, expected BaseRequest",
        ),
        (
            [&hello[..], &frame(Kind::Decoding, &[0; 32])].concat(),
            "Decoding of 32 bytes, expected BaseRequest",
        ),
        (
            [&hello[..], &frame(Kind::BaseRequest, &vec![0; base])].concat(),
            "point 0 of the base request message is the identity",
        ),
        ([&hello[..], &frame(Kind::BaseRequest, &vec![0xff; base])].concat(), "is not canonical"),
    ] {
        let (client, refusal) = scripted_server(&fixture, &Limits::default(), false, |end| {
            end.take_frame();
            end.put(&bytes);
            end.take_refusal()
        });
        let error = client.expect_err("not a server");
        assert!(error.to_string().contains(reason), "{error} does not say {reason:?}");
        assert!(!error.to_string().contains("misbehaved in oblivious transfer: peer"), "said twice: {error}");
        assert!(refusal.is_some(), "the server is not told: {reason}");
    }
}

#[test]
fn a_package_in_parts_of_other_lengths_or_of_nonsense_is_refused() {
    let fixture = neurons(2);
    let hello = frame(Kind::ServerHello, &server_hello(fixture.circuit.digest, 3 << 20));
    for (bytes, reason) in [
        (frame(Kind::Package, &[0; 100]), "Package of 100 bytes, expected Package of 1048576 bytes"),
        (frame(Kind::Package, &vec![7; 1 << 20]).repeat(3), "the server's package: its digest is"),
    ] {
        let (client, refusal) = scripted_server(&fixture, &Limits::default(), true, |end| {
            end.take_frame();
            end.put(&hello);
            end.put(&bytes);
            end.take_refusal()
        });
        let error = client.expect_err("not the package").to_string();
        assert!(error.contains(reason), "{error} does not say {reason:?}");
        assert!(refusal.expect("the server is told").contains(reason));
    }
}

#[test]
fn a_refusal_cannot_control_a_terminal_nor_be_endless() {
    let text = b"\x1b[31mred\x07\r\n\xff\xe2\x80\xaetxt";
    let (client, ()) =
        scripted_server(&addition(), &short(), false, |end| end.put(&frame(Kind::Refusal, text)));
    match client.expect_err("refused") {
        SessionError::Refused(text) => assert_eq!(text, " [31mred   \u{fffd} txt"),
        other => panic!("{other}"),
    }
    let begin = Instant::now();
    let endless = [claim(Kind::Refusal, u32::MAX), vec![b'a'; 100_000]].concat();
    let (client, ()) = scripted_server(&addition(), &Limits::default(), false, |end| end.put(&endless));
    match client.expect_err("refused") {
        SessionError::Refused(text) => assert_eq!(text, "a".repeat(msgs::MAX_REFUSAL)),
        other => panic!("{other}"),
    }
    let (server, ()) = scripted_client(&addition(), &Limits::default(), |end| end.put(&endless));
    assert!(matches!(server, Err(SessionError::Refused(_))));
    assert!(begin.elapsed() < Duration::from_secs(5), "more was read than is kept");
}

/// One byte every 20 ms: each read succeeds, but the message does not come in time.
#[test]
fn a_peer_that_drips_meets_the_same_deadline() {
    let drip = |end: &mut End, bytes: &[u8]| {
        for byte in bytes {
            end.put(&[*byte]);
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let limit = short().message;
    let check = |error: SessionError, elapsed: Duration| {
        assert!(matches!(error, SessionError::TimedOut { .. }), "{error}");
        assert!(error.to_string().contains(&format!("took longer than {limit:?}")), "{error}");
        assert!((limit..limit + Duration::from_secs(1)).contains(&elapsed), "{elapsed:?}");
    };
    let message = frame(Kind::ClientHello, &client_hello(None, 0));
    std::thread::scope(|scope| {
        let (server_end, mut client_end) = wire::pair(None);
        let server = scope.spawn(|| {
            let begin = Instant::now();
            (addition().serve(server_end, &short()).expect_err("too slow"), begin.elapsed())
        });
        drip(&mut client_end, &message);
        let (error, elapsed) = server.join().expect("no panic");
        check(error, elapsed);
        let refusal = client_end.take_refusal().expect("the client is told");
        assert_eq!(refusal, format!("greeting took longer than {limit:?}"));
    });
    std::thread::scope(|scope| {
        let (mut server_end, client_end) = wire::pair(None);
        let client = scope.spawn(|| {
            let begin = Instant::now();
            (addition().ask(client_end, &short()).expect_err("too slow"), begin.elapsed())
        });
        drip(&mut server_end, &frame(Kind::ServerHello, &server_hello(Digest([0; 32]), 0)));
        let (error, elapsed) = client.join().expect("no panic");
        check(error, elapsed);
    });
}
