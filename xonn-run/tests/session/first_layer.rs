//! First layers over numbers, garbled and by oblivious conditional addition: the same answers, and the bytes
//! of each.

use chacha20::ChaCha20Rng;
use rand::SeedableRng;
use xonn_crypto::garble::Scheme;
use xonn_program::op::Planes;
use xonn_run::service::first_layers;
use xonn_run::session::msgs::Kind;
use xonn_run::session::{Clients, FirstLayer, Limits, Misuse, Offer, SessionError, client};

use crate::damage::{self, flip_before_the_input};
use crate::fixture::{Answers, Fixture, addition, numbers};
use crate::hostile::{frame, scripted_server, server_hello_of};
use crate::programs::Numbers;
use crate::wire::{self, Direction};

fn shapes() -> Vec<Numbers> {
    let dense = Numbers::dense(30, 8, 12);
    let conv = Numbers { positions: 20, filters: 3, taps: 5, padded: true, ..dense.clone() };
    let weights = Numbers { signed: true, weights: Planes::Odd { bits: 3 }, ..conv.clone() };
    let bits = Numbers { also_input: true, ..conv.clone() };
    vec![dense, conv, weights, bits]
}

fn by(form: FirstLayer, fixture: Fixture) -> Fixture {
    Fixture { first_layers: vec![form], ..fixture }
}

fn ask(fixture: &Fixture, fetch: bool) -> Answers {
    let outcome = fixture.converse(None, &Limits::default(), fetch);
    let (answers, served) =
        (outcome.client.expect("nothing is wrong"), outcome.server.expect("nothing is wrong"));
    assert_eq!(answers.outputs, fixture.wants);
    let (ours, theirs) = (answers.traffic, served.traffic);
    assert_eq!((ours.sent, ours.received), (theirs.received, theirs.sent));
    assert_eq!(
        (ours.first_layer_sent, ours.first_layer_received),
        (theirs.first_layer_received, theirs.first_layer_sent)
    );
    answers
}

#[test]
fn both_forms_give_the_answers_of_the_clear() {
    for shape in shapes() {
        for scheme in Scheme::ALL {
            for (form, fetch) in [(FirstLayer::Gc, false), (FirstLayer::Oca, false), (FirstLayer::Oca, true)]
            {
                let fixture = by(form, Fixture { schemes: vec![scheme], ..numbers(&shape) });
                assert_eq!(ask(&fixture, fetch).form, form);
            }
        }
    }
}

/// Bytes of the steps of `count` predictions, the client's and the server's, and round trips.
fn steps(count: usize) -> [u64; 3] {
    let mut fixture = by(FirstLayer::Oca, numbers(&shapes()[0]));
    fixture.schemes = vec![Scheme::HalfGates];
    fixture.inputs.truncate(count);
    fixture.wants.truncate(count);
    let outcome = fixture.converse(None, &Limits::default(), false);
    let all = |stream| damage::payloads(stream, Kind::Step).iter().map(|payload| payload.len() as u64).sum();
    let [up, down] = [&outcome.to_server, &outcome.to_client].map(|stream| all(stream));
    [up, down, outcome.client.expect("nothing is wrong").traffic.round_trips]
}

/// The messages of `docs/protocols/weight_ot.md`, added up, for a dense layer of 12 neurons over 30 numbers
/// of 8 bits: sums of 13 bits and a sign, corrections of 13.
#[test]
fn bytes_and_round_trips_are_those_of_the_closed_form() {
    let (neurons, share) = (12, 14);
    let [one, two, three] = [1, 2, 3].map(steps);
    let fixture = numbers(&shapes()[0]);
    let (package, secret) = fixture.packaged.as_deref().expect("it is packaged");
    let servers = first_layers(package, secret, &fixture.offer(false)).expect("it has such layers");
    let cost = servers[0].1.cost().first();
    assert_eq!((one[0], one[1]), (cost.up, cost.down));
    // Corrections and their digest; rows for labels of the client's shares and a key, which are made for
    // eight predictions at once behind the first; what they choose, with a digest; the masked input.
    let (corrections, rows) = (neurons * (30usize * 13).div_ceil(8) + 32, neurons * share + 1);
    let extend = 48 + 2048 / 8 * ((8 * rows).div_ceil(128) + 1);
    let up = corrections + rows.div_ceil(8) + 32 + (30usize * share).div_ceil(8);
    // Labels by rows; a ripple adder; labels of the server's shares; what opens the output.
    let tables = neurons * 32 * (share - 1);
    let down = 16 * rows + tables + 16 * neurons * share + 32 * neurons;
    for ([further, before], extend) in [([two, one], extend), ([three, two], 0)] {
        assert_eq!((further[0] - before[0], further[1] - before[1]), ((up + extend) as u64, down as u64));
        assert_eq!(further[2] - before[2], 1, "one round trip for each further one");
    }
    assert_eq!(one[2], 4, "hellos, base OTs, the extension of weights, the prediction");
}

/// Few weights do not pay for another set-up; many do.
#[test]
fn of_two_forms_the_one_with_fewer_bytes_is_taken() {
    for (shape, wanted) in
        [(Numbers::dense(8, 2, 12), FirstLayer::Gc), (Numbers::dense(100, 8, 40), FirstLayer::Oca)]
    {
        let one = |form| {
            let mut fixture = by(form, Fixture { schemes: vec![Scheme::HalfGates], ..numbers(&shape) });
            fixture.inputs.truncate(1);
            fixture.wants.truncate(1);
            let traffic = ask(&fixture, false).traffic;
            traffic.sent + traffic.received
        };
        let (garbled, shared) = (one(FirstLayer::Gc), one(FirstLayer::Oca));
        assert_eq!(shared < garbled, wanted == FirstLayer::Oca, "{shared} and {garbled}");
        assert_eq!(ask(&numbers(&shape), true).form, wanted);
    }
}

#[test]
fn hosts_without_a_form_in_common_are_both_told() {
    // A circuit that describes no sums has only one form, whatever its server allows.
    for (fixture, accepted, offers) in [
        (by(FirstLayer::Gc, numbers(&shapes()[0])), FirstLayer::Oca, "offers gc"),
        (by(FirstLayer::Oca, numbers(&shapes()[0])), FirstLayer::Gc, "offers oca"),
        (addition(), FirstLayer::Oca, "offers gc"),
    ] {
        let (server_end, client_end) = wire::pair(None);
        let bits = fixture.circuit.program.input_bits();
        let (server, client) = std::thread::scope(|scope| {
            let server = scope.spawn(|| fixture.serve(server_end, &Limits::default()));
            let rng = &mut ChaCha20Rng::seed_from_u64(11);
            let offer = Offer { first_layers: vec![accepted], ..Offer::default() };
            let client =
                client::greet(client_end, fixture.circuit.digest, bits, &offer, &Limits::default(), rng);
            (server.join().expect("no panic"), client.err())
        });
        for error in [server.expect_err("nothing in common"), client.expect("nothing in common")] {
            let text = error.to_string();
            let parts = [&format!("accepts first layers by {accepted}"), offers, "--first-layer"];
            assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        }
    }
}

/// By default a server takes its clients for hostile, and then no offer and no number of bytes makes it run a
/// protocol that lets them read weights.
#[test]
fn a_server_whose_clients_may_be_hostile_garbles_first_layers() {
    assert_eq!(Limits::default().clients, Clients::Hostile);
    for ahead in [[0, 0], [2, 2]] {
        let shape = Numbers::dense(100, 8, 40);
        let fixture = |clients| Fixture { clients, ahead, ..numbers(&shape) };
        assert_eq!(ask(&fixture(Clients::SemiHonest), true).form, FirstLayer::Oca);
        assert_eq!(ask(&fixture(Clients::Hostile), true).form, FirstLayer::Gc);
    }
    let fixture = Fixture { clients: Clients::Hostile, ..numbers(&shapes()[0]) };
    let asking = by(FirstLayer::Oca, fixture.clone());
    let (server_end, client_end) = wire::pair(None);
    let (server, client) = std::thread::scope(|scope| {
        let server = scope.spawn(|| fixture.serve(server_end, &Limits::default()));
        (asking.ask(client_end, &Limits::default()).err(), server.join().expect("no panic").err())
    });
    for error in [server, client] {
        let text = error.expect("nothing in common").to_string();
        assert!(
            text.contains("offers gc; it takes its clients for hostile")
                && text.contains("--clients semi-honest"),
            "{text}"
        );
    }
}

#[test]
fn a_server_that_takes_a_form_which_cannot_be_is_refused() {
    for (fixture, reason) in [
        (
            by(FirstLayer::Gc, numbers(&shapes()[0])),
            "the server computes first layers by oca, this client accepts gc",
        ),
        (addition(), "the circuit describes none"),
    ] {
        let hello = server_hello_of(fixture.circuit.digest, 0, (FirstLayer::Oca, Clients::SemiHonest));
        let (_, base) = xonn_crypto::ot::SenderSetup::start(
            xonn_crypto::ot::Params::default(),
            [0; 32],
            &mut ChaCha20Rng::seed_from_u64(12),
        );
        let (error, refusal) = scripted_server(&fixture, &Limits::default(), false, |end| {
            end.take_frame();
            end.put(&frame(Kind::ServerHello, &hello));
            end.put(&frame(Kind::BaseRequest, &base.encode()));
            end.take_refusal()
        });
        assert!(error.expect_err("it cannot be").to_string().contains(reason));
        assert!(refusal.expect("the server is told").contains(reason));
    }
}

/// The set-up, corrections, their digest and the choices of labels are bound to checks; of what the server
/// sends not all is needed.
#[test]
fn flipped_bits_give_an_error_or_the_right_answer() {
    let mut fixture = by(FirstLayer::Oca, numbers(&Numbers::dense(9, 4, 8)));
    fixture.inputs.truncate(1);
    fixture.wants.truncate(1);
    let (flips, errors) = flip_before_the_input(&fixture, Direction::ToServer, 97);
    assert!(flips > 100, "{flips}");
    assert_eq!(errors, flips, "these messages are bound to checks or a digest");
    let (flips, errors) = flip_before_the_input(&fixture, Direction::ToClient, 97);
    assert!(flips > 100 && errors > flips / 4, "{errors} of {flips}");
}

/// An input may come again, and one of another length is refused by its own client. What corrections that are
/// no input's do is tested in `protocols/tests/weight_ot/cheating.rs`.
#[test]
fn an_input_that_comes_again_gets_its_answer_and_one_of_another_length_is_refused() {
    let (mut fixture, other) =
        (by(FirstLayer::Oca, numbers(&shapes()[0])), numbers(&shapes()[0]).inputs.swap_remove(1));
    fixture.wants[0] = fixture.wants[1].clone();
    fixture.inputs[0] = other;
    assert_eq!(ask(&fixture, false).form, FirstLayer::Oca);
    let wrong: Vec<bool> = vec![true; 3];
    fixture.inputs[1] = wrong;
    let outcome = fixture.converse(None, &Limits::default(), false);
    let error = outcome.client.expect_err("three bits are no input");
    assert!(
        matches!(error, SessionError::Misuse(Misuse::InputLength { found: 3, expected: 240 })),
        "{error}"
    );
}
