//! Two hosts in one process: right answers, bytes to the last one, and what damage, hostile peers and
//! mismatches do.

#[path = "session/ahead.rs"]
mod ahead;
#[path = "session/balancer.rs"]
mod balancer;
#[path = "../../protocols/tests/support/bounds.rs"]
#[allow(dead_code)] // other tests have more of it
mod bounds;
#[path = "session/damage.rs"]
mod damage;
#[path = "session/first_layer.rs"]
mod first_layer;
#[path = "session/fixture.rs"]
mod fixture;
#[path = "session/hostile.rs"]
mod hostile;
#[path = "session/library.rs"]
mod library;
#[path = "session/listener.rs"]
mod listener;
#[path = "session/mismatch.rs"]
mod mismatch;
#[path = "session/numbers.rs"]
mod numbers;
#[path = "session/planned.rs"]
mod planned;
#[path = "session/planned_client.rs"]
mod planned_client;
#[path = "session/planned_damage.rs"]
mod planned_damage;
#[path = "session/planned_server.rs"]
mod planned_server;
#[path = "support/programs.rs"]
mod programs;
#[path = "session/recall.rs"]
mod recall;
#[path = "session/scripted.rs"]
mod scripted;
#[path = "session/serving.rs"]
mod serving;
#[path = "session/shared_delta.rs"]
mod shared_delta;
#[path = "session/steps.rs"]
mod steps;
#[path = "session/tls.rs"]
mod tls;
#[path = "session/traffic.rs"]
mod traffic;
#[path = "session/transcripts.rs"]
mod transcripts;
#[path = "session/weight_ot.rs"]
mod weight_ot;
#[path = "session/wire.rs"]
mod wire;

use fixture::{Fixture, WIDTH, addition, neurons};
use xonn_crypto::garble::Scheme;
use xonn_run::session::Limits;

#[test]
fn answers_are_those_of_the_clear_with_and_without_the_package() {
    for scheme in Scheme::ALL {
        let fixtures = [(addition(), false), (neurons(9), false), (neurons(9), true), (neurons(128), true)];
        for (fixture, fetch) in fixtures {
            check_answers(&Fixture { schemes: vec![scheme], ..fixture }, fetch);
        }
    }
}

fn check_answers(fixture: &Fixture, fetch: bool) {
    let outcome = fixture.converse(None, &Limits::default(), fetch);
    let answers = outcome.client.expect("nothing is wrong");
    assert_eq!(answers.outputs, fixture.wants);
    let served = outcome.server.expect("nothing is wrong");
    assert_eq!(served.inferences, fixture.inputs.len() as u64);
    let traffic = served.traffic;
    assert_eq!((traffic.sent, traffic.received), (answers.traffic.received, answers.traffic.sent));
}

/// The messages of `docs/protocol.md`, added up: heads of 5 bytes, base OTs on 128 pairs of points, 4 bytes
/// of OT corrections and 16 of labels for each input bit, 16 a ciphertext, 32 an output bit.
#[test]
fn bytes_and_round_trips_are_those_of_the_closed_form() {
    // The lowest AND has an operand that the garbler knows, 16 bytes; the others take 32, or 24 and 5 bits.
    for (scheme, tables) in [
        (Scheme::HalfGates, 16 + 32 * (WIDTH - 1)),
        (Scheme::ThreeHalves, 16 + 24 * (WIDTH - 1) + (5 * (WIDTH - 1)).div_ceil(8)),
    ] {
        check_closed_form(Fixture { schemes: vec![scheme], ..addition() }, tables);
    }
}

fn check_closed_form(mut fixture: Fixture, tables: usize) {
    let head = 5;
    let corrections = 32 * 16 * (WIDTH.div_ceil(128) + 1);
    let all = fixture.inputs.clone();
    for count in 1..=all.len() {
        fixture.inputs = all[..count].to_vec();
        let outcome = fixture.converse(None, &Limits::default(), false);
        let traffic = outcome.client.expect("nothing is wrong").traffic;
        let to_client = (head + 82)
            + (head + 128 * 2 * 32)
            + count * ((head + 16 + 16 * WIDTH) + (head + tables) + (head + 32 * (WIDTH + 1)));
        let to_server = (head + 79)
            + (head + 128 * (32 + 2 * 16) + 32 * 32 + 32)
            + count * (head + corrections + 16 + 32)
            + head;
        assert_eq!((traffic.received, traffic.sent), (to_client as u64, to_server as u64));
        assert_eq!((outcome.to_client.len(), outcome.to_server.len()), (to_client, to_server));
        assert_eq!(
            traffic.round_trips,
            1 + count as u64,
            "two for the first inference, one for each further one"
        );
    }
}

#[test]
fn the_package_comes_once_and_costs_its_own_bytes() {
    let fixture = neurons(9);
    let package = fixture.circuit.package.as_ref().expect("neurons are packaged").len();
    let (with, without) =
        (fixture.converse(None, &Limits::default(), true), fixture.converse(None, &Limits::default(), false));
    assert_eq!(with.to_client.len(), without.to_client.len() + 5 + package);
    assert_eq!(with.to_server.len(), without.to_server.len());
    let trips = |o: fixture::Outcome| o.client.expect("nothing is wrong").traffic.round_trips;
    assert_eq!(trips(with), trips(without), "the package travels with the hello");
}

/// No bytes of one session are of use in another: what depends on secrets is drawn anew each time.
#[test]
fn the_same_question_twice_is_answered_by_other_bytes() {
    let mut fixture = addition();
    fixture.inputs = vec![fixture.inputs[0].clone(); 2];
    let sent = fixture.converse(None, &Limits::default(), false).to_client;
    let each = (5 + 16 + 16 * WIDTH) + (5 + 16 * (1 + 2 * (WIDTH - 1))) + (5 + 32 * (WIDTH + 1));
    let (first, second) = sent[sent.len() - 2 * each..].split_at(each);
    let equal = first.chunks(16).zip(second.chunks(16)).filter(|(a, b)| a == b).count();
    assert_eq!(first[..5], second[..5], "the same head");
    assert_eq!(equal, 0, "no block of labels, tables or hashes comes twice");
}
