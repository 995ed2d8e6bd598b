//! First layers over numbers, garbled and by oblivious conditional addition: the same answers, and the bytes of each.

use chacha20::ChaCha20Rng;
use rand::SeedableRng;
use xonn_crypto::garble::Scheme;
use xonn_crypto::garble::schedule::{Role, Schedule};
use xonn_program::op::Planes;
use xonn_run::oca::{FirstLayer, Oca};
use xonn_run::session::{Clients, Limits, Misuse, Offer, SessionError, client, first_layer};

use crate::damage::flip;
use crate::fixture::{Answers, Fixture, addition, numbers};
use crate::hostile::{frame, scripted_server, server_hello};
use crate::programs::Numbers;
use crate::wire;

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

/// The messages of `docs/protocol.md`, added up, for a dense layer of 12 neurons over 30 numbers of 8 bits: sums of 13
/// bits, shares of 14, corrections of 13.
#[test]
fn bytes_and_round_trips_are_those_of_the_closed_form() {
    let (head, neurons, share, weights) = (5, 12, 14, 30 * 12);
    let extend = |n: usize, k: usize| head + 48 + 2048 / k * (n.div_ceil(128) + 1);
    for count in [1, 3] {
        let mut fixture =
            by(FirstLayer::Oca, Fixture { schemes: vec![Scheme::HalfGates], ..numbers(&shapes()[0]) });
        fixture.inputs.truncate(count);
        fixture.wants.truncate(count);
        let traffic = ask(&fixture, false).traffic;
        // Each inference: a part of corrections and its digest, the choices of the shares' labels.
        let corrections =
            (head + neurons * (30usize * 13).div_ceil(8)) + (head + 32) + extend(neurons * share, 4);
        // Labels; a ripple adder whose lowest AND has an operand that the garbler knows.
        let tables = head + neurons * (16 + 32 * (share - 2));
        let labels = head + 16 + 16 * neurons * share;
        let sent = (head + 8192) + count * corrections;
        let received = (head + 8224 + 4096 / 8) + extend(weights, 8) + count * (labels + tables);
        assert_eq!((traffic.first_layer_sent, traffic.first_layer_received), (sent as u64, received as u64));
        let sent = sent + (head + 79) + (head + 8224 + 4096 / 4) + head;
        let received = received + (head + 82) + (head + 8192) + count * (head + 32 * neurons);
        assert_eq!((traffic.sent, traffic.received), (sent as u64, received as u64));
        assert_eq!(
            traffic.round_trips,
            2 + count as u64,
            "three for the first inference, one for each further one"
        );
    }
}

#[test]
fn of_two_forms_the_one_with_fewer_bytes_is_taken() {
    // Few weights do not pay for another set-up; many do.
    for (shape, wanted) in
        [(Numbers::dense(8, 2, 12), FirstLayer::Gc), (Numbers::dense(100, 8, 40), FirstLayer::Oca)]
    {
        let fixture = numbers(&shape);
        let program = &fixture.circuit.program;
        let oca = Oca::of(program).expect("its sums are described");
        let (whole, shares) =
            (Schedule::new(program, Role::Garbler), Schedule::new(oca.program(), Role::Garbler));
        let bytes = first_layer::bytes(&whole, Scheme::HalfGates);
        let on_shares = first_layer::shared_bytes(&oca, &shares, Scheme::HalfGates);
        assert_eq!(on_shares < bytes, wanted == FirstLayer::Oca, "{on_shares} and {bytes}");
        let one = |form| {
            let mut fixture = by(form, Fixture { schemes: vec![Scheme::HalfGates], ..numbers(&shape) });
            fixture.inputs.truncate(1);
            fixture.wants.truncate(1);
            let traffic = ask(&fixture, false).traffic;
            traffic.sent + traffic.received
        };
        // The estimate leaves out frames only, of which the other form has six more.
        let saved = one(FirstLayer::Gc) as i64 - one(FirstLayer::Oca) as i64;
        assert!((saved - (bytes as i64 - on_shares as i64)).abs() <= 6 * 5 + 5, "{saved}");
        assert_eq!(ask(&fixture, true).form, wanted);
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
        let mut hello = server_hello(fixture.circuit.digest, 0);
        hello[47] = FirstLayer::Oca.bit() | Clients::SemiHonest.bit();
        let (_, base) = xonn_crypto::ot::SenderSetup::start(
            xonn_crypto::ot::Params::default(),
            [0; 32],
            &mut ChaCha20Rng::seed_from_u64(12),
        );
        let (error, refusal) = scripted_server(&fixture, &Limits::default(), false, |end| {
            end.take_frame();
            end.put(&frame(2, &hello));
            end.put(&frame(4, &base.encode()));
            end.take_refusal()
        });
        assert!(error.expect_err("it cannot be").to_string().contains(reason));
        assert!(refusal.expect("the server is told").contains(reason));
    }
}

#[test]
fn flipped_bits_give_an_error_or_the_right_answer() {
    let mut fixture = by(FirstLayer::Oca, numbers(&Numbers::dense(9, 4, 8)));
    fixture.inputs.truncate(1);
    fixture.wants.truncate(1);
    // Kinds 11 to 15, and their heads; whatever else `flip` sees are heads and hellos.
    let (flips, errors) = flip(&fixture, false, |kind, at| match kind {
        11 | 12 => at % 211 == 0,
        13 => at % 67 == 0,
        14 | 15 => at % 9 == 0,
        _ => false,
    });
    assert_eq!(errors, flips, "these messages are bound to checks or a digest");
}

/// An input may come again, and one of another length is refused by its own client. What corrections that are no input's do is
/// tested in `oca/tests/cheating.rs`.
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
