//! Predictions by a plan on shares: the answers of the clear, at once and ahead, and every state once.

use std::sync::{Arc, Mutex};
use xonn_run::session::msgs::Kind;

use xonn_crypto::garble::Scheme;
use xonn_program::op::Planes;
use xonn_program::{Package, Prediction, Program};
use xonn_run::net::{Event, ServerOptions, listen};
use xonn_run::session::client::run::Unanswered;
use xonn_run::session::server::Served;
use xonn_run::session::{Clients, FirstLayer, Limits, Offer};
use xonn_run::{Client, ClientOptions, Service};

use crate::damage::frames;
use crate::fixture::{Answers, Fixture, on_shares};
use crate::programs::{self, Numbers, random_secret};
use crate::wire;

/// The kinds of messages that only a session on shares has.
pub const PLAN: u8 = Kind::Plan as u8;
pub const ASK: u8 = Kind::Ask as u8;
pub const STEP: u8 = Kind::Step as u8;

/// A network with one hidden layer, which takes little time.
pub fn small() -> Program {
    programs::classes(10, 3, 9, 4)
}

/// Programs whose plans have stages of every protocol. The last of the convolutions has input numbers that
/// the layer behind it reads, too.
fn all() -> Vec<Program> {
    let dense = Numbers::dense(20, 6, 12);
    let conv = Numbers { positions: 8, filters: 3, taps: 5, padded: true, ..dense.clone() };
    let signed = Numbers { signed: true, weights: Planes::Odd { bits: 2 }, ..conv.clone() };
    let mixed = Numbers { also_input: true, ..conv.clone() };
    let numbers = [dense, conv, signed, mixed].map(|shape| shape.program());
    numbers.into_iter().chain([programs::neurons(33, 20), small()]).collect()
}

fn ask(fixture: &Fixture, fetch: bool) -> (Answers, Served) {
    let outcome = fixture.converse(None, &Limits::default(), fetch);
    let (answers, served) =
        (outcome.client.expect("nothing is wrong"), outcome.server.expect("nothing is wrong"));
    assert_eq!(answers.outputs, fixture.wants);
    assert_eq!(answers.form, FirstLayer::Shares);
    let (ours, theirs) = (answers.traffic, served.traffic);
    assert_eq!((ours.sent, ours.received), (theirs.received, theirs.sent));
    let (ours, theirs) = (answers.online, served.online);
    assert_eq!((ours.sent, ours.received), (theirs.received, theirs.sent));
    assert_eq!(served.inferences, fixture.inputs.len() as u64);
    (answers, served)
}

#[test]
fn answers_are_those_of_the_clear() {
    for (number, program) in all().iter().enumerate() {
        let mut fixture = on_shares(program, 7 + number as u64);
        let mut online = Vec::new();
        // At once; fewer states than inputs, and as many.
        for (count, fetch) in [(0, false), (0, true), (1, false), (3, true)] {
            fixture.ahead = [count, count];
            let (answers, served) = ask(&fixture, fetch);
            assert_eq!((answers.ahead, served.ahead), (count, if count > 0 { 3 } else { 0 }));
            online.push(answers.online.sent + answers.online.received);
        }
        assert!(online[2] < online[0], "what is prepared is not sent with the input: {online:?}");
        assert_eq!((online[0], online[2]), (online[1], online[3]));
    }
}

/// With the input there the client waits as often as the plan has round trips, and both hosts send the bytes
/// that it says.
#[test]
fn bytes_and_round_trips_with_the_input_are_those_of_the_plan() {
    let fixture = Fixture { ahead: [3, 3], ..on_shares(&small(), 1) };
    let model = fixture.model();
    let online = model.plan(FirstLayer::Shares, Scheme::HalfGates).expect("it is on offer").cost().online();
    let outcome = fixture.converse(None, &Limits::default(), false);
    let waits = outcome.client.as_ref().expect("nothing is wrong").online.round_trips;
    assert_eq!(waits as f64, 3.0 * online.rounds);
    for (stream, bytes) in [(&outcome.to_server, online.up), (&outcome.to_client, online.down)] {
        let all = frames(stream);
        let first = all.iter().position(|&(kind, ..)| kind == ASK).unwrap_or(0);
        // The server's last messages are those with the inputs: it has prepared three times before.
        let steps: Vec<u64> =
            all[first..].iter().filter(|f| f.0 == STEP).map(|&(_, _, length)| length as u64).collect();
        let sum = if first > 0 {
            steps.iter().sum()
        } else {
            let mut last = steps.iter().rev().scan(0, |sum, length| {
                *sum += length;
                Some(*sum)
            });
            last.find(|&sum| sum >= 3 * bytes).expect("so many bytes")
        };
        assert_eq!(sum, 3 * bytes);
    }
}

/// What a host sends with an input, for each of several.
fn online(stream: &[u8], count: usize, each: usize) -> Vec<Vec<u8>> {
    let steps: Vec<_> = frames(stream).into_iter().filter(|&(kind, ..)| kind == STEP).collect();
    let last = &steps[steps.len() - count * each..];
    last.chunks(each)
        .map(|steps| steps.iter().flat_map(|&(_, at, length)| stream[at + 5..][..length].to_vec()).collect())
        .collect()
}

/// The same input three times: what goes over the wire has nothing in common.
#[test]
fn no_prediction_repeats_another() {
    let mut fixture = Fixture { ahead: [3, 3], ..on_shares(&programs::classes(60, 6, 40, 4), 1) };
    fixture.inputs = vec![fixture.inputs[0].clone(); 3];
    fixture.wants = vec![fixture.wants[0].clone(); 3];
    let outcome = fixture.converse(None, &Limits::default(), false);
    assert_eq!(outcome.client.expect("nothing is wrong").outputs, fixture.wants);
    let all = frames(&outcome.to_server);
    let asked = all.iter().position(|&(kind, ..)| kind == ASK).expect("three inputs");
    let steps = all[asked..].iter().filter(|f| f.0 == STEP).count();
    for (stream, each) in [(&outcome.to_server, steps / 3), (&outcome.to_client, 2)] {
        let [a, b, c] = &online(stream, 3, each)[..] else { panic!("three inputs") };
        let bits = 8 * a.len() as u32;
        for (a, b) in [(a, b), (b, c), (a, c)] {
            assert_eq!(a.len(), b.len());
            let differing: u32 = a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum();
            // Half of the bits, give or take six standard deviations and the ends of messages.
            let spread = 6.0 * f64::from(bits).sqrt() / 2.0 + 8.0 * each as f64;
            let off = (f64::from(differing) - f64::from(bits) / 2.0).abs();
            assert!(off < spread, "{differing} of {bits} bits differ");
        }
    }
    // Nor does any block of what was prepared come twice.
    for stream in [&outcome.to_server, &outcome.to_client] {
        let mut blocks = std::collections::HashSet::new();
        for (_, at, length) in frames(stream).into_iter().filter(|&(kind, ..)| kind == STEP) {
            for block in stream[at + 5..][..length].as_chunks::<16>().0 {
                assert!(blocks.insert(*block), "a block of 16 bytes comes twice");
            }
        }
    }
}

/// A server that takes its clients for hostile sends no plan, whatever they accept.
#[test]
fn hostile_clients_get_no_plan() {
    let shares = on_shares(&small(), 1);
    let both =
        Fixture { first_layers: FirstLayer::ALL.to_vec(), clients: Clients::Hostile, ..shares.clone() };
    for ahead in [0, 2] {
        let fixture = Fixture { ahead: [ahead; 2], plan: None, ..both.clone() };
        let asking = Fixture { plan: None, ..fixture.clone() };
        let serving = Fixture { ahead: [ahead; 2], ..both.clone() };
        let (server_end, client_end) = wire::pair(None);
        let tap = server_end.tap();
        let answers = std::thread::scope(|scope| {
            let server = scope.spawn(|| serving.serve(server_end, &Limits::default()));
            let answers = asking.ask(client_end, &Limits::default()).expect("all is garbled");
            server.join().expect("no panic").expect("an honest client");
            answers
        });
        assert_eq!((answers.form, answers.outputs), (FirstLayer::Gc, fixture.wants.clone()));
        assert!(frames(&tap()).iter().all(|&(kind, ..)| kind != PLAN && kind != STEP));
    }
    // Of a client that accepts nothing else both hear.
    let fixture = Fixture { clients: Clients::Hostile, ..shares };
    let outcome = fixture.converse(None, &Limits::default(), false);
    assert!(frames(&outcome.to_client).iter().all(|&(kind, ..)| kind == Kind::Refusal as u8));
    for error in [outcome.server.err(), outcome.client.err()] {
        let text = error.expect("nothing in common").to_string();
        assert!(text.contains("accepts first layers by shares, this server offers none;"), "{text}");
        assert!(text.contains("--clients semi-honest"), "{text}");
    }
}

fn samples(count: u32) -> Vec<Vec<f64>> {
    (0..count).map(|s| (0..10).map(|i| f64::from((i * 7 + s * 31 + i * i * s) % 8)).collect()).collect()
}

/// Several clients at once, one that leaves in the middle, and a number without a code.
#[test]
fn a_service_answers_several_clients_at_once() {
    let program = small();
    let (package, secret) = random_secret(&program, 3);
    let samples = samples(4);
    let codes: Vec<Vec<i64>> = samples.iter().map(|s| s.iter().map(|&x| x as i64).collect()).collect();
    let evaluated = program.evaluate(secret.tensors(), &codes).expect("in range");
    let wants: Vec<Prediction> = evaluated.iter().map(|e| e.prediction(program.output())).collect();

    let first_layers = vec![FirstLayer::Shares];
    let offer = Offer { ahead: 2, first_layers, ..Offer::default() };
    let service = Service::new(&package, &secret, offer.clone()).expect("they fit");
    assert!(service.plan().is_ok());
    let ended = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&ended);
    let mut options = ServerOptions::new(4, 4);
    options.limits = Limits { clients: Clients::SemiHonest, ..Limits::default() };
    let running = service.start(listen("127.0.0.1:0").expect("a free port"), options, move |event| {
        if let Event::Ended { result, .. } = event {
            let result = result.as_ref().map(|served| served.inferences).map_err(|error| error.to_string());
            told.lock().expect("no holder panics").push(result);
        }
    });
    let running = running.expect("it starts");
    let address = running.address().to_string();
    let connect = |package: Option<Package>, ahead: u16| {
        let offer = Offer { ahead, ..offer.clone() };
        let options = ClientOptions { package, offer, ..ClientOptions::default() };
        Client::connect(&address, &options).expect("it is served")
    };

    let mut leaving = connect(None, 2);
    assert_eq!(leaving.prepare(2).expect("an honest server"), 2);
    let mut slow = connect(Some(package.clone()), 2);
    assert_eq!(slow.prepare(1).expect("an honest server"), 1);
    std::thread::scope(|scope| {
        for ahead in [0, 2] {
            let (connect, samples, wants) = (&connect, &samples, &wants);
            scope.spawn(move || {
                let mut unfit = samples.clone();
                unfit[1][7] = 64.0;
                let finished = connect(None, ahead).predict_all(&unfit, ahead.into()).expect("shapes fit");
                finished.end.expect("a goodbye");
                let mut expected: Vec<_> = wants.iter().cloned().map(Ok).collect();
                expected[1] = Err(Unanswered::Unfit);
                assert_eq!(finished.predictions, expected);
            });
        }
        for (sample, want) in samples.iter().zip(&wants) {
            assert_eq!(slow.predict(sample).expect("an honest server").as_ref(), Ok(want));
        }
    });
    assert_eq!(leaving.predict(&samples[0]).expect("an honest server").as_ref(), Ok(&wants[0]));
    drop(leaving);
    slow.finish().expect("a goodbye");
    running.stop();
    let mut ended = ended.lock().expect("no holder panics").clone();
    ended.sort();
    assert_eq!(ended, [Ok(1), Ok(4), Ok(4), Ok(4)]);
}
