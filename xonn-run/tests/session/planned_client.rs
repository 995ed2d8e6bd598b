//! Clients of a plan on shares that do what no honest one does: each state takes one input.

use std::collections::VecDeque;
use std::time::Duration;

use chacha20::ChaCha20Rng;
use rand::SeedableRng;
use xonn_protocols::plan::Plan;
use xonn_protocols::run::{Client, ClientConnection, PreparedClient};
use xonn_protocols::wire::{Wire, WireError};
use xonn_run::session::msgs::{self, ClientHello, Kind, ServerHello};
use xonn_run::session::server::Served;
use xonn_run::session::{Channel, Limits, SessionError};

use crate::damage::frames;
use crate::fixture::{Fixture, on_shares};
use crate::planned::small;
use crate::wire::{self, End};

const DOING: &str = "testing";

/// A channel as the plan's protocols see it.
struct Steps(Channel<End>);

fn lost(error: SessionError) -> WireError {
    WireError(Box::new(error))
}

impl Wire for Steps {
    fn send(&mut self, message: &[u8]) -> Result<(), WireError> {
        self.0.send(Kind::Step, message, DOING).map_err(lost)
    }

    fn receive(&mut self, length: usize) -> Result<Vec<u8>, WireError> {
        self.0.receive(Kind::Step, length, DOING).map_err(lost)
    }

    fn flush(&mut self) -> Result<(), WireError> {
        self.0.flush(DOING).map_err(lost)
    }
}

/// A client that can do everything right, message by message, and anything else.
struct Scripted<'f> {
    fixture: &'f Fixture,
    wire: Steps,
    client: Client,
    connection: ClientConnection,
    ready: VecDeque<PreparedClient>,
    rng: ChaCha20Rng,
}

impl<'f> Scripted<'f> {
    /// The hellos and the set-up.
    fn new(fixture: &'f Fixture, end: End) -> Self {
        let rng = &mut ChaCha20Rng::seed_from_u64(9);
        let mut channel = Channel::new(end, Duration::from_secs(5));
        let bits = fixture.circuit.program.input_bits() as u32;
        let hello = ClientHello::new(Some(fixture.circuit.digest), bits, &fixture.offer(true), rng);
        channel.send(Kind::ClientHello, &hello.encode(), DOING).expect("sent");
        let answer = channel.receive(Kind::ServerHello, ServerHello::BYTES, DOING).expect("received");
        let session = msgs::session_id(&hello, &ServerHello::decode(&answer).expect("a hello"));
        let plan = channel.receive_up_to(Kind::Plan, msgs::MAX_PLAN, DOING).expect("received");
        let program = fixture.packaged.as_ref().expect("it is on shares").0.program();
        let plan = Plan::from_bytes(&plan, program).expect("an honest server");
        let client = Client::new(plan, program).expect("an honest server");
        let mut wire = Steps(channel);
        let connection = client.set_up(session, &mut wire, rng).expect("an honest server");
        let ready = VecDeque::new();
        Self { fixture, wire, client, connection, ready, rng: ChaCha20Rng::seed_from_u64(10) }
    }

    fn send(&mut self, kind: Kind, payload: &[u8]) {
        // A server that is gone is part of the game.
        let _ = self.wire.0.send(kind, payload, DOING);
    }

    /// States, as an honest client has them made.
    fn prepare(&mut self, count: u32) {
        self.send(Kind::Prepare, &count.to_le_bytes());
        let Self { wire, client, connection, rng, .. } = self;
        let prepared = client.prepare(connection, (count as usize, true), wire, rng);
        self.ready.extend(prepared.expect("an honest server"));
    }

    /// The answer to an input, as an honest client asks for it.
    fn ask(&mut self, number: usize) {
        self.send(Kind::Ask, &[]);
        let (package, _) = &**self.fixture.packaged.as_ref().expect("it is on shares");
        let bits = package.program().input().bits as usize;
        let code = |bits: &[bool]| bits.iter().rev().fold(0, |code, &bit| 2 * code + i64::from(bit));
        let codes: Vec<i64> = self.fixture.inputs[number].chunks(bits).map(code).collect();
        let prepared = self.ready.pop_front().expect("a state");
        let Self { wire, client, connection, rng, .. } = self;
        let answer = client.ask(connection, prepared, &codes, wire, rng);
        assert_eq!(answer.expect("an honest server"), self.fixture.wants[number]);
    }

    /// What the server says if it refuses; other messages are skipped.
    fn refusal(&mut self) -> Option<String> {
        let channel = &mut self.wire.0;
        channel.flush(DOING).ok()?;
        loop {
            match channel.head(Duration::from_secs(5), DOING).ok()? {
                (Kind::Refusal, length) => return Some(channel.refusal(length, DOING).ok()?.to_string()),
                (_, length) => drop(channel.payload(length, DOING).ok()?),
            }
        }
    }
}

/// What a client does behind the set-up.
type Script = fn(&mut Scripted<'_>);

/// How a server fares with such a client, and what the client hears of it.
fn play(
    fixture: &Fixture,
    limits: &Limits,
    script: impl FnOnce(&mut Scripted<'_>),
) -> (Result<Served, SessionError>, Option<String>) {
    let (server_end, client_end) = wire::pair(None);
    std::thread::scope(|scope| {
        let server = scope.spawn(|| fixture.serve(server_end, limits));
        let mut scripted = Scripted::new(fixture, client_end);
        script(&mut scripted);
        let refusal = scripted.refusal();
        drop(scripted);
        (server.join().expect("a server does not panic"), refusal)
    })
}

fn fixture(ahead: u16) -> Fixture {
    Fixture { ahead: [ahead; 2], ..on_shares(&small(), 1) }
}

/// Both are told a sentence with these words, and the server has sent nothing for what it refused.
fn refused(fixture: &Fixture, reason: &str, script: impl FnOnce(&mut Scripted<'_>)) {
    let (server, refusal) = play(fixture, &Limits::default(), script);
    let error = server.expect_err("not a message of the protocol");
    assert!(matches!(error, SessionError::Misbehaved { .. }), "{error}");
    assert!(error.to_string().contains(reason), "{error} does not say {reason:?}");
    let refusal = refusal.expect("the client is told");
    assert!(refusal.contains(reason), "{refusal} does not say {reason:?}");
}

#[test]
fn a_state_answers_once() {
    let none = "an input, and no prediction is left that was prepared";
    for ahead in [0, 2] {
        let fixture = fixture(ahead);
        refused(&fixture, none, |client| client.send(Kind::Ask, &[]));
        refused(&fixture, none, |client| {
            client.prepare(1);
            client.ask(0);
            client.send(Kind::Ask, &[]);
            // As if it were the same masked input once more, or another one.
            client.send(Kind::Step, &[7; 20]);
        });
    }
    refused(&fixture(2), none, |client| {
        client.prepare(2);
        client.ask(1);
        client.ask(2);
        client.send(Kind::Ask, &[]);
    });
}

#[test]
fn several_states_may_be_prepared_in_one_go() {
    let (server, refusal) = play(&fixture(3), &Limits::default(), |client| {
        client.prepare(2);
        client.prepare(1);
        client.ask(0);
        client.ask(1);
        client.prepare(2);
        client.ask(2);
        client.send(Kind::Bye, &[]);
    });
    let served = server.expect("nothing is wrong");
    assert_eq!((served.inferences, served.ahead, refusal), (3, 5, None));
}

/// A client of ours asks for as many as both hosts hold at once, and then for more.
#[test]
fn many_states_are_prepared_eight_by_eight() {
    let mut fixture = fixture(20);
    let again = |all: &[Vec<bool>]| all.iter().cycle().take(20).cloned().collect();
    (fixture.inputs, fixture.wants) = (again(&fixture.inputs), again(&fixture.wants));
    let outcome = fixture.converse(None, &Limits::default(), false);
    assert_eq!(outcome.client.expect("nothing is wrong").outputs, fixture.wants);
    assert_eq!(outcome.server.expect("nothing is wrong").ahead, 20);
    let payloads = frames(&outcome.to_server).into_iter().filter(|&(kind, ..)| kind == Kind::Prepare as u8);
    let counts: Vec<u8> = payloads.map(|(_, at, _)| outcome.to_server[at + 5]).collect();
    assert_eq!(counts, [8, 8, 4]);
}

#[test]
fn more_or_fewer_than_were_granted_are_not_prepared() {
    let count =
        |count: u32| move |client: &mut Scripted<'_>| client.send(Kind::Prepare, &count.to_le_bytes());
    for (ahead, wanted, reason) in [
        (2, 0, "0 predictions to prepare, expected 1 to 2"),
        (2, 3, "3 predictions to prepare, expected 1 to 2"),
        (2, u32::MAX, "4294967295 predictions to prepare, expected 1 to 2"),
        (0, 0, "0 predictions to prepare, expected 1 to 1"),
        (0, 2, "2 predictions to prepare, expected 1 to 1"),
    ] {
        refused(&fixture(ahead), reason, count(wanted));
    }
    // However many a server grants, both hosts hold no more than eight that are under way.
    refused(&fixture(20), "9 predictions to prepare, expected 1 to 8", count(9));
    for ahead in [0, 1] {
        refused(&fixture(ahead), "1 predictions to prepare, expected an input", |client| {
            client.prepare(1);
            count(1)(client);
        });
    }
}

#[test]
fn what_does_not_belong_between_predictions_is_refused() {
    let expected = "expected Prepare of 4 bytes, Ask or Bye";
    for (kind, payload) in [
        (Kind::Prepare, &[1, 0, 0][..]),
        (Kind::Prepare, &[1, 0, 0, 0, 0]),
        (Kind::Ask, &[0]),
        (Kind::Bye, &[0]),
        (Kind::Step, &[0; 40]),
        (Kind::Plan, b"{}"),
        (Kind::Masked, &[0; 34]),
        (Kind::Extend, &[]),
        (Kind::ClientHello, &[0; 79]),
    ] {
        let reason = format!("{kind:?} of {} bytes, {expected}", payload.len());
        refused(&fixture(2), &reason, |client| client.send(kind, payload));
    }
    // Nor while a message of a stage is awaited.
    refused(&fixture(2), "Prepare of 4 bytes, expected Step", |client| {
        client.prepare(1);
        client.send(Kind::Ask, &[]);
        client.send(Kind::Prepare, &1u32.to_le_bytes());
    });
    refused(&fixture(2), "Step of 1 bytes, expected Step", |client| {
        client.prepare(1);
        client.send(Kind::Ask, &[]);
        client.send(Kind::Step, &[0]);
    });
}

#[test]
fn nothing_is_answered_after_the_goodbye() {
    let (server, refusal) = play(&fixture(2), &Limits::default(), |client| {
        client.prepare(2);
        client.ask(0);
        client.send(Kind::Bye, &[]);
        client.send(Kind::Ask, &[]);
    });
    let served = server.expect("a goodbye");
    assert_eq!((served.inferences, served.ahead, refusal), (1, 2, None));
}

#[test]
fn states_count_as_inferences_when_they_are_prepared() {
    let reason = "an inference too many, a connection is granted 2";
    let limits = Limits { inferences: 2, ..Limits::default() };
    let tries: [(u16, Script); 3] = [
        (3, |client| {
            client.prepare(2);
            client.send(Kind::Prepare, &1u32.to_le_bytes());
        }),
        (3, |client| client.send(Kind::Prepare, &3u32.to_le_bytes())),
        (0, |client| {
            for number in 0..2 {
                client.prepare(1);
                client.ask(number);
            }
            client.send(Kind::Prepare, &1u32.to_le_bytes());
        }),
    ];
    for (ahead, script) in tries {
        let (server, refusal) = play(&fixture(ahead), &limits, script);
        assert!(server.expect_err("three").to_string().contains(reason));
        assert!(refusal.expect("the client is told").contains(reason));
    }
}

/// A client that goes away takes its states with it, and one that says nothing is let go.
#[test]
fn a_client_that_leaves_or_falls_silent_ends_its_session_only() {
    let fixture = fixture(2);
    let (server_end, client_end) = wire::pair(None);
    let server = std::thread::scope(|scope| {
        let server = scope.spawn(|| fixture.serve(server_end, &Limits::default()));
        let mut client = Scripted::new(&fixture, client_end);
        client.prepare(2);
        client.send(Kind::Ask, &[]);
        client.wire.flush().expect("sent");
        drop(client);
        server.join().expect("no panic")
    });
    assert!(matches!(server, Err(SessionError::Transport { .. })), "{server:?}");
    let idle = Duration::from_millis(200);
    for (states, limits) in
        [(0, Limits { idle, ..Limits::default() }), (1, Limits { idle_ahead: idle, ..Limits::default() })]
    {
        let (server, refusal) = play(&fixture, &limits, |client| {
            (0..states).for_each(|_| client.prepare(1));
        });
        let error = server.expect_err("idle").to_string();
        assert_eq!(error, "the peer was too slow: waiting for an inference took longer than 200ms");
        assert!(refusal.expect("the client is told").contains("took longer than 200ms"));
    }
}
