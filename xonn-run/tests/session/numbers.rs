//! Networks of numbers between a service and a client over the loopback interface: on shares near the clear
//! evaluation, garbled equal to it; and each state once.

use std::sync::{Arc, Mutex};

use xonn_crypto::garble::Scheme;
use xonn_program::{OutputEncoding, Package, Prediction, Program, Secret};
use xonn_protocols::planner;
use xonn_run::net::{Event, ServerOptions, listen};
use xonn_run::service::Running;
use xonn_run::session::msgs::Kind;
use xonn_run::session::{Clients, FirstLayer, Limits, Offer, SessionError};
use xonn_run::{Client, ClientOptions, Service};

use crate::bounds::bounds;
use crate::fixture::{Fixture, on_shares};
use crate::programs::{SCORE_BITS, SCORES, functions, random_secret};
use crate::scripted::play;

const PIXELS: usize = 36;

fn scores() -> OutputEncoding {
    OutputEncoding::Scores { count: SCORES as u32, bits: SCORE_BITS, scale: 1.0 }
}

pub fn class() -> OutputEncoding {
    OutputEncoding::Argmax { classes: SCORES as u32 }
}

fn samples(count: usize) -> Vec<Vec<i64>> {
    let mut state = 7u64;
    let mut pixel = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as i64
    };
    // Bright and dark ones.
    (0..count).map(|number| (0..PIXELS).map(|_| pixel() >> (number % 3)).collect()).collect()
}

/// What a session came to: inferences, states or circuits ahead, bytes that the server sent.
type Ended = Arc<Mutex<Vec<[u64; 3]>>>;

/// Serves a package on a port of its own.
fn serve(package: &Package, secret: &Secret, clients: Clients) -> (Running, Ended) {
    let offer = Offer { ahead: 3, first_layers: FirstLayer::ALL.to_vec(), ..Offer::default() };
    let service = Service::new(package, secret, offer).expect("they fit");
    let plan = service.plan().expect("it goes on shares").plan();
    let numbers = plan.stages.iter().filter(|stage| stage.how.protocol().name() == "numbers");
    assert_eq!(numbers.count(), 4, "the pool with its ReLU, the leaky one, square, product");
    let ended = Ended::default();
    let told = Arc::clone(&ended);
    let mut options = ServerOptions::new(2, 4);
    options.limits = Limits { clients, ..Limits::default() };
    let running = service.start(listen("127.0.0.1:0").expect("a free port"), options, move |event| {
        if let Event::Ended { result: Ok(served), .. } = event {
            let ended = [served.inferences, served.ahead, served.traffic.sent];
            told.lock().expect("no holder panics").push(ended);
        }
    });
    (running.expect("it starts"), ended)
}

/// Asks for all samples on one connection, `ahead` of them prepared before the first.
fn ask(address: &str, first_layers: &[FirstLayer], ahead: usize, samples: &[Vec<i64>]) -> Vec<Prediction> {
    let offer = Offer { ahead: ahead as u16, first_layers: first_layers.to_vec(), ..Offer::default() };
    let options = ClientOptions { offer, ..ClientOptions::default() };
    let mut client = Client::connect(address, &options).expect("it is served");
    assert_eq!(client.prepare(ahead).expect("an honest server"), ahead);
    let mut one = |sample: &Vec<i64>| {
        let numbers: Vec<f64> = sample.iter().map(|&pixel| pixel as f64).collect();
        client.predict(&numbers).expect("an honest server").expect("an answer")
    };
    let answers = samples.iter().map(&mut one).collect();
    client.finish().expect("a goodbye");
    answers
}

/// The clear evaluation's answers.
fn clear(program: &Program, secret: &Secret, samples: &[Vec<i64>]) -> Vec<Prediction> {
    let evaluated = program.evaluate(secret.tensors(), samples).expect("in range");
    evaluated.iter().map(|evaluated| evaluated.prediction(program.output())).collect()
}

/// Each number less than 2 from what it would be without rounding, wherever bits are dropped.
#[test]
fn a_service_on_shares_gives_numbers_within_the_stated_error() {
    let samples = samples(6);
    for (output, seed) in [(scores(), 3), (class(), 4)] {
        let program = functions(output);
        let (package, secret) = random_secret(&program, seed);
        let wants = clear(&program, &secret, &samples);
        assert!(wants.iter().any(|want| *want != wants[0]), "one answer everywhere shows little: {wants:?}");
        let all: Vec<_> = samples
            .iter()
            .map(|sample| bounds(&program, secret.tensors(), sample).expect("numbers fit"))
            .collect();
        let (running, ended) = serve(&package, &secret, Clients::SemiHonest);
        let address = running.address().to_string();
        for ahead in [0, 3] {
            let answers = ask(&address, &[FirstLayer::Shares], ahead, &samples);
            let mut narrow = 0;
            for ((answer, want), bounds) in answers.iter().zip(&wants).zip(&all) {
                assert!(bounds.allow(answer, program.output()), "{answer:?}, {want:?}, {bounds:?}");
                narrow += usize::from(!answers.iter().all(|other| bounds.allow(other, program.output())));
            }
            assert!(2 * narrow >= samples.len(), "{narrow} bounds tell samples apart");
        }
        running.stop();
        let ended = ended.lock().expect("no holder panics");
        assert_eq!([ended[0][0], ended[1][0]], [6, 6], "inferences");
        assert_eq!([ended[0][1], ended[1][1]], [0, 6], "prepared before their inputs");
    }
}

/// The same package, for clients that may be hostile: no plan, and no chance.
#[test]
fn a_service_for_hostile_clients_gives_the_numbers_of_the_clear() {
    let samples = samples(3);
    for (output, seed) in [(scores(), 3), (class(), 4)] {
        let program = functions(output);
        let (package, secret) = random_secret(&program, seed);
        let wants = clear(&program, &secret, &samples);
        let (running, ended) = serve(&package, &secret, Clients::Hostile);
        let address = running.address().to_string();
        for ahead in [0, 2] {
            assert_eq!(ask(&address, &FirstLayer::ALL, ahead, &samples), wants);
        }
        // Who takes nothing but shares is refused.
        let offer = Offer { first_layers: vec![FirstLayer::Shares], ..Offer::default() };
        let refused = Client::connect(&address, &ClientOptions { offer, ..ClientOptions::default() });
        let text = refused.err().expect("no plan for hostile clients").to_string();
        assert!(text.contains("--clients semi-honest"), "{text}");
        running.stop();
        let sent = ended.lock().expect("no holder panics")[0][2];
        assert!(sent > 1_000_000, "tables of three circuits in {sent} bytes");
    }
}

/// A network of numbers whose classes are clear, so that chance turns none.
pub fn fixture(ahead: u16) -> Fixture {
    Fixture { ahead: [ahead; 2], ..on_shares(&functions(class()), 4) }
}

#[test]
fn a_state_of_numbers_answers_once() {
    let plan = planner::on_shares(&functions(class()), Scheme::HalfGates).expect("a plan");
    assert!(plan.stages.iter().any(|stage| stage.how.protocol().name() == "numbers"));
    let none = "an input, and no prediction is left that was prepared";
    for ahead in [0, 2] {
        let fixture = fixture(ahead);
        let used = 1 + usize::from(ahead > 0);
        let (server, refusal) = play(&fixture, &Limits::default(), |client| {
            client.prepare(used as u32);
            (0..used).for_each(|number| client.ask(number));
            client.send(Kind::Ask, &[]);
            // As if it were the same masked input once more.
            client.send(Kind::Step, &[7; PIXELS]);
        });
        let error = server.expect_err("a used state");
        assert!(matches!(error, SessionError::Misbehaved { .. }), "{error}");
        assert!(error.to_string().contains(none), "{error}");
        assert!(refusal.expect("the client is told").contains(none));
    }
}
