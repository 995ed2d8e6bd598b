//! Clients of a plan on shares that do what no honest one does: each state takes one input.

use std::time::Duration;

use xonn_protocols::wire::Wire;
use xonn_run::session::msgs::Kind;
use xonn_run::session::{Limits, SessionError};

use crate::damage::frames;
use crate::fixture::{Fixture, on_shares};
use crate::planned::small;
use crate::scripted::{Scripted, play};
use crate::wire;

/// What a client does behind the set-up.
type Script = fn(&mut Scripted<'_>);

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
