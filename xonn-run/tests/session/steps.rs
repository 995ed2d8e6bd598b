//! Clients that are honest up to the base OTs, and then are not.

use std::io;
use std::time::{Duration, Instant};

use chacha20::ChaCha20Rng;
use rand::SeedableRng;
use xonn_crypto::ot::{self, SessionId};
use xonn_run::session::channel::Transport;
use xonn_run::session::client::{self, Session};
use xonn_run::session::msgs::{self, ClientHello, Kind, ServerHello};
use xonn_run::session::server::Served;
use xonn_run::session::{Channel, Limits, Offer, SessionError};

use crate::fixture::{Fixture, WIDTH, addition, question, short};
use crate::hostile::{client_hello, frame};
use crate::wire::{self, End};

/// A client that does everything right up to the base OTs, message by message, and then something else.
fn after_base_transfers(
    limits: &Limits,
    last: &[u8],
    ask_before: usize,
) -> (Result<Served, SessionError>, Option<String>) {
    let fixture = addition();
    let (server_end, client_end) = wire::pair(None);
    std::thread::scope(|scope| {
        let server = scope.spawn(|| fixture.serve(server_end, limits));
        let refusal = scripted_steps(&fixture, client_end, last, ask_before);
        (server.join().expect("a server does not panic"), refusal)
    })
}

/// A client's hello and base OTs, done right: the channel, the session's id, and the receiver of OT.
pub fn begin(fixture: &Fixture, end: End, rng: &mut ChaCha20Rng) -> (Channel<End>, SessionId, ot::Receiver) {
    let (doing, params) = ("testing", ot::Params::default());
    let mut channel = Channel::new(end, Duration::from_secs(5));
    let offer = Offer { ahead: fixture.ahead[1], ..Offer::default() };
    let hello = ClientHello::new(Some(fixture.circuit.digest), WIDTH as u32, &offer, rng);
    channel.send(Kind::ClientHello, &hello.encode(), doing).expect("sent");
    let answer = channel.receive(Kind::ServerHello, ServerHello::BYTES, doing).expect("received");
    let session = msgs::session_id(&hello, &ServerHello::decode(&answer).expect("a hello"));
    let request = channel.receive(Kind::BaseRequest, ot::msgs::BaseRequest::byte_len(params), doing);
    let request = ot::msgs::BaseRequest::decode(params, &request.expect("received")).expect("valid");
    let (receiver, reply) = ot::ReceiverSetup::reply(params, session, rng, &request).expect("valid");
    channel.send(Kind::BaseReply, &reply.encode(), doing).expect("sent");
    (channel, session, receiver)
}

/// Sends a message and takes what the server answers, of these kinds; what it says if it refuses instead.
pub fn ask(channel: &mut Channel<End>, kind: Kind, payload: &[u8], answers: &[Kind]) -> Result<(), String> {
    let doing = "testing";
    channel.send(kind, payload, doing).expect("sent");
    for &expected in answers {
        match channel.head(Duration::from_secs(5), doing).expect("received") {
            (Kind::Refusal, length) => {
                return Err(channel.refusal(length, doing).expect("a text").to_string());
            }
            (found, length) => {
                assert_eq!(found, expected);
                channel.payload(length, doing).expect("received");
            }
        }
    }
    Ok(())
}

fn scripted_steps(fixture: &Fixture, end: End, last: &[u8], ask_before: usize) -> Option<String> {
    let rng = &mut ChaCha20Rng::seed_from_u64(9);
    let (mut channel, _, mut receiver) = begin(fixture, end, rng);
    for _ in 0..ask_before {
        let (_, extend) = receiver.extend(rng, &fixture.inputs[0]).expect("few bits");
        let answers = [Kind::Correlate, Kind::Tables, Kind::Decoding];
        if let Err(refusal) = ask(&mut channel, Kind::Extend, &extend.encode(), &answers) {
            return Some(refusal);
        }
    }
    ask(&mut channel, Kind::from_byte(last[0]).expect("a kind"), &last[5..], &[Kind::Refusal]).err()
}

#[test]
fn what_does_not_belong_between_inferences_is_refused() {
    let length = ot::msgs::Extend::byte_len(ot::Params::default(), WIDTH);
    for (last, asked, reason) in [
        (
            frame(Kind::Extend, &vec![0; length - 1]),
            0,
            format!("Extend of {} bytes, expected Extend of {length} bytes or Bye", length - 1),
        ),
        (frame(Kind::Extend, &vec![0; length + 1]), 1, format!("Extend of {} bytes", length + 1)),
        (frame(Kind::Bye, &[0]), 1, "Bye of 1 bytes".into()),
        (
            frame(Kind::ClientHello, &client_hello(None, 0)),
            1,
            "ClientHello of 79 bytes, expected Extend".into(),
        ),
        (frame(Kind::Correlate, &[]), 0, "Correlate of 0 bytes".into()),
        (frame(Kind::Extend, &vec![0; length]), 0, "a check of oblivious transfer failed".into()),
        (frame(Kind::Extend, &vec![0; length]), 1, "a check of oblivious transfer failed".into()),
    ] {
        let (server, refusal) = after_base_transfers(&Limits::default(), &last, asked);
        let error = server.expect_err("not a message of the protocol");
        let known = matches!(error, SessionError::Misbehaved { .. } | SessionError::Ot(_));
        assert!(known, "{error}");
        let refusal = refusal.expect("the client is told");
        assert!(refusal.contains(&reason), "{refusal} does not say {reason:?}");
    }
}

#[test]
fn inferences_beyond_the_limit_are_refused() {
    let limits = Limits { inferences: 2, ..Limits::default() };
    let (server, refusal) = after_base_transfers(&limits, &frame(Kind::Bye, &[]), 3);
    let reason = "an inference too many, a connection is granted 2";
    assert!(server.expect_err("three").to_string().contains(reason));
    assert!(refusal.expect("the client is told").contains(reason));
}

#[test]
fn a_client_that_is_idle_for_too_long_is_let_go() {
    let limits = Limits { idle: Duration::from_millis(200), ..Limits::default() };
    let begin = Instant::now();
    let fixture = addition();
    let (server_end, client_end) = wire::pair(None);
    let (server, _client) = std::thread::scope(|scope| {
        let server = scope.spawn(|| fixture.serve(server_end, &limits));
        let client = idle_client(&fixture, client_end);
        (server.join().expect("no panic"), client)
    });
    let error = server.expect_err("idle").to_string();
    assert_eq!(error, "the peer was too slow: waiting for an inference took longer than 200ms");
    assert!(begin.elapsed() < Duration::from_secs(5), "the idle limit counts, not that of a message");
}

/// Asks once and then keeps the connection open in silence.
fn idle_client(fixture: &Fixture, end: End) -> Session<End> {
    let rng = &mut ChaCha20Rng::seed_from_u64(10);
    let greeted =
        client::greet(end, fixture.circuit.digest, WIDTH, &Offer::default(), &Limits::default(), rng)
            .expect("fits");
    let mut session = greeted.start(&fixture.circuit.program, rng).expect("an honest server");
    assert_eq!(
        session.ask(&question(&fixture.inputs[0]), rng).expect("an honest server"),
        Ok(fixture.wants[0].clone())
    );
    session
}

/// A server's end whose client stops reading: after so many bytes nothing more can be written.
struct Deaf {
    end: End,
    room: usize,
}

impl Transport for Deaf {
    fn read_within(&mut self, buffer: &mut [u8], limit: Duration) -> io::Result<usize> {
        self.end.read_within(buffer, limit)
    }

    fn write_within(&mut self, bytes: &[u8], limit: Duration) -> io::Result<usize> {
        let fits = bytes.len().min(self.room);
        self.room -= fits;
        if fits == 0 {
            std::thread::sleep(limit); // as a socket with a full buffer
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.end.write_within(&bytes[..fits], limit)
    }

    fn hang_up(&mut self, _limit: Duration) {
        panic!("nobody took the refusal, so there is nobody to wait for");
    }
}

#[test]
fn a_client_that_stops_reading_is_let_go() {
    let fixture = addition();
    let clean = fixture.converse(None, &Limits::default(), false).to_client.len();
    // Within the base OTs, within the tables, and a byte before the end.
    for room in [100, 8_400, clean - 1] {
        let (server_end, client_end) = wire::pair(None);
        std::thread::scope(|scope| {
            let client = scope.spawn(|| fixture.ask(client_end, &Limits::default()));
            let begin = Instant::now();
            let server = fixture.serve(Deaf { end: server_end, room }, &short());
            assert!(matches!(server, Err(SessionError::TimedOut { .. })), "{room} bytes: {server:?}");
            // One limit for the message, and one for the refusal.
            assert!(begin.elapsed() >= short().message, "{room} bytes: {:?}", begin.elapsed());
            assert!(begin.elapsed() < Duration::from_secs(3), "{room} bytes: {:?}", begin.elapsed());
            assert!(client.join().expect("no panic").is_err());
        });
    }
}
