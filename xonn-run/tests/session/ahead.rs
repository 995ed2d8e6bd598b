//! Circuits garbled ahead of the client's inputs: the same answers, one round trip with the input, each
//! circuit once.

use chacha20::ChaCha20Rng;
use rand::SeedableRng;
use sha2::{Digest as _, Sha256};
use xonn_crypto::garble::Scheme;
use xonn_crypto::ot;
use xonn_program::op::Planes;
use xonn_run::session::msgs::{Kind, ServerHello};
use xonn_run::session::server::Served;
use xonn_run::session::{Clients, FirstLayer, Limits, Offer, SessionError, client};

use crate::damage::{flip_also_heads, payloads};
use crate::fixture::{Answers, Fixture, Outcome, WIDTH, addition, neurons, numbers, question};
use crate::hostile::{frame, scripted_server};
use crate::programs::Numbers;
use crate::steps::{ask as ask_for, begin};
use crate::wire::{self, End};

fn ahead(count: u16, fixture: Fixture) -> Fixture {
    Fixture { ahead: [count, count], ..fixture }
}

fn ask(fixture: &Fixture, fetch: bool) -> (Answers, Served) {
    let outcome = fixture.converse(None, &Limits::default(), fetch);
    let (answers, served) =
        (outcome.client.expect("nothing is wrong"), outcome.server.expect("nothing is wrong"));
    assert_eq!(answers.outputs, fixture.wants);
    let (ours, theirs) = (answers.traffic, served.traffic);
    assert_eq!((ours.sent, ours.received), (theirs.received, theirs.sent));
    let (ours, theirs) = (answers.online, served.online);
    assert_eq!((ours.sent, ours.received), (theirs.received, theirs.sent));
    assert_eq!(served.inferences, fixture.inputs.len() as u64);
    (answers, served)
}

#[test]
fn answers_are_those_of_the_clear() {
    let dense = Numbers::dense(30, 8, 12);
    let conv = Numbers { positions: 20, filters: 3, taps: 5, padded: true, ..dense.clone() };
    let weights = Numbers { signed: true, weights: Planes::Odd { bits: 3 }, ..conv.clone() };
    for scheme in Scheme::ALL {
        for (fixture, form) in [
            (addition(), FirstLayer::Gc),
            (neurons(9), FirstLayer::Gc),
            (numbers(&conv), FirstLayer::Gc),
            (numbers(&dense), FirstLayer::Oca),
            (numbers(&conv), FirstLayer::Oca),
            (numbers(&weights), FirstLayer::Oca),
            (numbers(&Numbers { also_input: true, ..conv.clone() }), FirstLayer::Oca),
        ] {
            let mut fixture = Fixture { schemes: vec![scheme], first_layers: vec![form], ..fixture };
            // Fewer circuits than inputs, as many, and more.
            for count in [1, 3, 5] {
                fixture.ahead = [count, count];
                let (answers, served) = ask(&fixture, fixture.circuit.package.is_some());
                assert_eq!((answers.form, answers.ahead), (form, count));
                assert_eq!(served.ahead, u64::from(count.max(3)));
            }
        }
    }
}

/// The messages of `docs/protocol.md` that follow the input, added up.
#[test]
fn an_input_takes_one_round_trip_and_the_bytes_of_the_closed_form() {
    let head = 5;
    let check = |fixture: Fixture, up: usize, down: usize| {
        for count in 1..=3 {
            let mut fixture = ahead(3, Fixture { schemes: vec![Scheme::HalfGates], ..fixture.clone() });
            fixture.inputs.truncate(count);
            fixture.wants.truncate(count);
            let online = ask(&fixture, false).0.online;
            assert_eq!(online.round_trips, count as u64);
            assert_eq!((online.sent, online.received), ((count * up) as u64, (count * down) as u64));
        }
    };
    // A bit of each masked bit and its label; an output bit's two hashes.
    let up = head + 32 + WIDTH / 8;
    check(addition(), up, (head + 16 * WIDTH) + (head + 32 * (WIDTH + 1)));
    // 12 sums of 13 bits and a sign over 30 numbers, masked by 14 bits each; labels of the server's shares.
    let shape = Numbers::dense(30, 8, 12);
    let fixture = Fixture { first_layers: vec![FirstLayer::Oca], ..numbers(&shape) };
    let up = head + head + (30usize * 14).div_ceil(8);
    check(fixture, up, head + 16 * 12 * 14 + 32 * 12);
}

/// Whatever is prepared, the inferences themselves are those of a connection without.
#[test]
fn the_lesser_of_both_hosts_numbers_is_granted() {
    for (both, granted) in [([0, 4], 0), ([4, 0], 0), ([2, 4], 2), ([4, 2], 2)] {
        let (answers, served) = ask(&Fixture { ahead: both, ..addition() }, false);
        assert_eq!((answers.ahead, served.ahead), (granted, if granted > 0 { 3 } else { 0 }));
        let everything = answers.traffic.sent == answers.online.sent + (5 + 79) + (5 + 9248) + 5;
        assert_eq!(everything, granted == 0);
    }
}

#[test]
fn a_server_that_grants_more_than_was_asked_is_left() {
    let fixture = Fixture { ahead: [0, 2], ..addition() };
    let rng = &mut ChaCha20Rng::seed_from_u64(8);
    let digest = fixture.circuit.digest;
    let hello =
        ServerHello::new(digest, 0, Scheme::HalfGates, (FirstLayer::Gc, Clients::Hostile), 3, rng).encode();
    let (client, refusal) = scripted_server(&fixture, &Limits::default(), false, |end| {
        end.put(&frame(Kind::ServerHello, &hello));
        end.take_refusal()
    });
    let text = client.expect_err("too many").to_string();
    assert!(text.contains("3 circuits ahead, this client asked for 2"), "{text}");
    assert!(refusal.expect("the server is told").contains("3 circuits ahead"));
}

/// Payloads of the messages that bring inputs, of both ways, and of those that bring labels.
fn with_inputs<'s>(outcome: &'s Outcome, form: FirstLayer) -> [Vec<&'s [u8]>; 2] {
    let steps = |stream: &'s [u8]| payloads(stream, Kind::Step);
    match form {
        FirstLayer::Gc => {
            [payloads(&outcome.to_server, Kind::Masked), payloads(&outcome.to_client, Kind::Labels)]
        }
        // Three questions: a masked input each, and labels together with the decoding.
        _ => {
            let [up, down] = [steps(&outcome.to_server), steps(&outcome.to_client)];
            [up[up.len() - 3..].to_vec(), down[down.len() - 3..].to_vec()]
        }
    }
}

/// The same input three times: what is sent is masked, and labelled, by other bits each time.
#[test]
fn no_masked_input_repeats_another() {
    for form in [FirstLayer::Gc, FirstLayer::Oca] {
        let shape = Numbers::dense(40, 8, 8);
        let mut fixture = ahead(3, Fixture { first_layers: vec![form], ..numbers(&shape) });
        fixture.inputs = vec![fixture.inputs[0].clone(); 3];
        fixture.wants = vec![fixture.wants[0].clone(); 3];
        let outcome = fixture.converse(None, &Limits::default(), false);
        for payloads in with_inputs(&outcome, form) {
            let [a, b, c] = &payloads[..] else { panic!("{} messages", payloads.len()) };
            let bits = 8 * a.len() as u32;
            for (a, b) in [(a, b), (b, c), (a, c)] {
                assert_eq!(a.len(), b.len());
                let differing: u32 = a.iter().zip(*b).map(|(a, b)| (a ^ b).count_ones()).sum();
                // Half of the bits, give or take six standard deviations.
                let spread = 6.0 * f64::from(bits).sqrt() / 2.0;
                let off = (f64::from(differing) - f64::from(bits) / 2.0).abs();
                assert!(off < spread, "{differing} of {bits} bits differ by {form}");
            }
        }
    }
}

/// A client that does everything right up to `circuits` circuits ahead, and then sends `last`, message by
/// message.
fn after_circuits(
    fixture: &Fixture,
    circuits: usize,
    last: impl Fn(&ot::SessionId) -> Vec<Vec<u8>>,
) -> (Result<Served, SessionError>, Option<String>) {
    let (server_end, client_end) = wire::pair(None);
    std::thread::scope(|scope| {
        let server = scope.spawn(|| fixture.serve(server_end, &Limits::default()));
        let refusal = scripted_steps(fixture, client_end, circuits, last);
        (server.join().expect("a server does not panic"), refusal)
    })
}

fn scripted_steps(
    fixture: &Fixture,
    end: End,
    circuits: usize,
    last: impl Fn(&ot::SessionId) -> Vec<Vec<u8>>,
) -> Option<String> {
    let rng = &mut ChaCha20Rng::seed_from_u64(9);
    let (mut channel, session, mut receiver) = begin(fixture, end, rng);
    for _ in 0..circuits {
        let (_, extend) = receiver.extend(rng, &[false; WIDTH]).expect("few bits");
        let answers = [Kind::Correlate, Kind::Tables];
        if let Err(refusal) = ask_for(&mut channel, Kind::Extend, &extend.encode(), &answers) {
            return Some(refusal);
        }
    }
    last(&session).iter().find_map(|message| {
        let kind = Kind::from_byte(message[0]).expect("a kind");
        ask_for(&mut channel, kind, &message[5..], &[Kind::Labels, Kind::Decoding]).err()
    })
}

/// A masked input for circuit number `number`, as docs/protocol.md has it.
fn masked(session: &ot::SessionId, number: u64, bits: [u8; WIDTH / 8]) -> Vec<u8> {
    let digest = Sha256::new_with_prefix(b"masked input")
        .chain_update(session)
        .chain_update(number.to_le_bytes())
        .chain_update(bits)
        .finalize();
    frame(Kind::Masked, &[&digest[..], &bits].concat())
}

#[test]
fn a_circuit_answers_once() {
    let fixture = ahead(2, addition());
    // An honest pair of inputs for two circuits passes; a third one finds none, however it is numbered.
    let two = |s: &ot::SessionId| vec![masked(s, 0, [1, 2]), masked(s, 1, [3, 4])];
    for again in [0, 1, 2] {
        let (server, refusal) = after_circuits(&fixture, 2, |s| {
            let mut all = two(s);
            all.push(masked(s, again, [5, 6]));
            all
        });
        let refusal = refusal.expect("the client is told");
        assert!(refusal.contains("no circuit is left"), "{refusal}");
        assert!(server.expect_err("refused").to_string().contains("no circuit is left"));
    }
    // Nor does the next circuit take what was said to the one before.
    let (_, refusal) = after_circuits(&fixture, 2, |s| vec![masked(s, 0, [1, 2]), masked(s, 0, [3, 4])]);
    assert!(refusal.expect("the client is told").contains("digest"));
}

#[test]
fn what_does_not_belong_there_is_refused() {
    let right = 32 + WIDTH / 8;
    let extend = ot::msgs::Extend::byte_len(ot::Params::default(), WIDTH);
    for (granted, circuits, last, reason) in [
        (2, 0, frame(Kind::Masked, &vec![0; right]), "no circuit is left".to_owned()),
        (2, 1, frame(Kind::Masked, &vec![0; right]), "does not have the digest".into()),
        (
            2,
            1,
            frame(Kind::Masked, &vec![0; right + 1]),
            format!("Masked of {} bytes, expected Extend", right + 1),
        ),
        (
            2,
            1,
            frame(Kind::Labels, &[]),
            format!("Labels of 0 bytes, expected Extend of {extend} bytes, Masked of {right}"),
        ),
        (
            0,
            0,
            frame(Kind::Masked, &vec![0; right]),
            format!("Masked of {right} bytes, expected Extend of {extend} bytes or Bye"),
        ),
        (1, 2, vec![], "a circuit too many ahead, a connection is granted 1".into()),
    ] {
        let (server, refusal) = after_circuits(&ahead(granted, addition()), circuits, |_| vec![last.clone()]);
        let error = server.expect_err("not a message of the protocol");
        assert!(matches!(error, SessionError::Misbehaved { .. }), "{error}");
        let refusal = refusal.expect("the client is told");
        assert!(refusal.contains(&reason), "{refusal} does not say {reason:?}");
    }
}

#[test]
fn circuits_ahead_count_as_inferences() {
    let fixture = ahead(3, addition());
    let (server_end, client_end) = wire::pair(None);
    let limits = Limits { inferences: 2, ..Limits::default() };
    let (server, client) = std::thread::scope(|scope| {
        let server = scope.spawn(|| fixture.serve(server_end, &limits));
        (fixture.ask(client_end, &Limits::default()), server.join().expect("no panic"))
    });
    let reason = "an inference too many, a connection is granted 2";
    assert!(server.expect_err("three").to_string().contains(reason));
    assert!(client.expect_err("three").to_string().contains(reason));
}

/// A client that goes away takes its circuits with it: on the next connection nothing of them is left. It
/// says goodbye even if its caller does not.
#[test]
fn a_dropped_session_says_goodbye_and_leaves_no_circuit() {
    let fixture = ahead(2, addition());
    let (server_end, client_end) = wire::pair(None);
    let server = std::thread::scope(|scope| {
        let server = scope.spawn(|| fixture.serve(server_end, &Limits::default()));
        let rng = &mut ChaCha20Rng::seed_from_u64(10);
        let offer = Offer { ahead: 2, ..Offer::default() };
        let digest = fixture.circuit.digest;
        let greeted =
            client::greet(client_end, digest, WIDTH, &offer, &Limits::default(), rng).expect("fits");
        let mut session = greeted.start(&fixture.circuit.program, rng).expect("an honest server");
        session.prepare(rng).expect("an honest server");
        session.prepare(rng).expect("an honest server");
        assert_eq!((session.ready(), session.has_room()), (2, false));
        let error = session.prepare(rng).expect_err("no room");
        assert!(error.to_string().contains("2 circuits are ready"), "{error}");
        assert_eq!(
            session.ask(&question(&fixture.inputs[0]), rng).expect("honest"),
            Ok(fixture.wants[0].clone())
        );
        drop(session);
        server.join().expect("no panic")
    });
    let served = server.expect("a goodbye");
    assert_eq!((served.inferences, served.ahead), (1, 2));
    let (_, refusal) = after_circuits(&fixture, 0, |s| vec![masked(s, 1, [0, 0])]);
    assert!(refusal.expect("the client is told").contains("no circuit is left"));
}

#[test]
fn flipped_bits_of_the_last_messages_are_noticed_or_harmless() {
    let mut fixture = ahead(1, addition());
    fixture.inputs.truncate(1);
    fixture.wants.truncate(1);
    let (flips, errors) = flip_also_heads(&fixture, false, false, |kind, at| {
        kind == Kind::Masked as u8 && at % 3 == 0
            || (kind == Kind::Labels as u8 || kind == Kind::Decoding as u8) && at % 61 == 5
    });
    assert!(errors > flips / 2, "{errors} of {flips}");
}
