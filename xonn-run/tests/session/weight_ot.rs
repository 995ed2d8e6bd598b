//! First layers by conditional addition as a service runs them: a plan of `weight_ot` and a garbled circuit.

use chacha20::ChaCha20Rng;
use rand::SeedableRng;
use xonn_crypto::garble::Scheme;
use xonn_program::op::Planes;
use xonn_program::{Program, Tensor};
use xonn_protocols::cost::Link;
use xonn_protocols::planner;
use xonn_protocols::run::Server;
use xonn_run::Service;
use xonn_run::session::client::run::Question;
use xonn_run::session::msgs::Kind;
use xonn_run::session::server::{Model, Plans};
use xonn_run::session::{Circuit, Clients, FirstLayer, Limits, Offer, SessionError, Traffic, client, server};

use crate::fixture::{Fixture, numbers};
use crate::programs::{Numbers, random_secret};
use crate::scripted::play;
use crate::wire;

fn shapes() -> Vec<Numbers> {
    let dense = Numbers::dense(30, 8, 12);
    let conv = Numbers { positions: 20, filters: 3, taps: 5, padded: true, ..dense.clone() };
    let weights = Numbers { signed: true, weights: Planes::Odd { bits: 3 }, ..conv.clone() };
    let bits = Numbers { also_input: true, ..conv.clone() };
    vec![dense, conv, weights, bits]
}

/// A session: what both hosts allow, and how many questions there are.
#[derive(Clone)]
struct Case {
    program: Program,
    offer: Offer,
    accepted: Offer,
    clients: Clients,
    questions: usize,
}

/// What a client got.
#[derive(Debug)]
struct Answers {
    form: FirstLayer,
    protocols: Vec<&'static str>,
    traffic: Traffic,
    online: Traffic,
    outputs: Vec<Vec<bool>>,
}

impl Case {
    fn new(shape: &Numbers, forms: &[FirstLayer], scheme: Scheme) -> Self {
        let offer = Offer { first_layers: forms.to_vec(), schemes: vec![scheme], ..Offer::default() };
        let (accepted, clients) = (Offer::default(), Clients::SemiHonest);
        Self { program: shape.program(), offer, accepted, clients, questions: 3 }
    }

    fn ahead(mut self, ahead: u16) -> Self {
        (self.offer.ahead, self.accepted.ahead) = (ahead, ahead);
        self
    }

    /// Both hosts; the server's error if there is one.
    fn run(self) -> (Result<Answers, SessionError>, Option<SessionError>) {
        let (package, secret) = random_secret(&self.program, 1);
        let service = Service::new(&package, &secret, self.offer.clone()).expect("they fit");
        let (server_end, client_end) = wire::pair(None);
        std::thread::scope(|scope| {
            let limits = Limits { clients: self.clients, ..Limits::default() };
            let serving = scope.spawn(move || {
                server::serve(server_end, service.model(), &limits, &mut ChaCha20Rng::seed_from_u64(1))
            });
            let asked = self.ask(client_end, secret.tensors());
            (asked, serving.join().expect("a server does not panic").err())
        })
    }

    fn ask(&self, end: wire::End, tensors: &[Tensor]) -> Result<Answers, SessionError> {
        let (program, rng) = (&self.program, &mut ChaCha20Rng::seed_from_u64(2));
        let (greeted, _) = client::greet_and_fetch(end, None, &self.accepted, &Limits::default(), rng)?;
        let form = greeted.first_layer();
        let mut session = greeted.start_program(program, rng)?;
        let stages = session.plan().map(|plan| plan.stages.clone()).unwrap_or_default();
        let protocols = stages.iter().map(|stage| stage.how.protocol().name()).collect();
        if self.accepted.ahead > 0 {
            // The tables are kept.
            assert!(session.bytes_ahead() > 1000, "{} bytes", session.bytes_ahead());
        }
        let (elements, most) = (program.input().elements() as u64, *program.input().codes().end());
        let mut outputs = Vec::new();
        while session.has_room() {
            session.prepare(rng)?;
        }
        for question in 0..self.questions as u64 {
            let least = *program.input().codes().start();
            let number =
                |i: u64| ((i * i * 31 + i * 17 + question * 7919) % (most - least + 1) as u64) as i64 + least;
            let codes: Vec<i64> = (0..elements).map(number).collect();
            let bits: Vec<bool> = codes.iter().flat_map(|&code| program.input().bits_of(code)).collect();
            let output = session.ask(&Question::new(bits.into(), true), rng)?.expect("it is evaluated");
            let want = program.evaluate(tensors, &[codes]).expect("in range")[0].prediction(program.output());
            assert_eq!(program.output().decode(&output), want);
            outputs.push(output);
        }
        let online = session.online();
        Ok(Answers { form, protocols, traffic: session.finish()?, online, outputs })
    }
}

const OCA: &[FirstLayer] = &[FirstLayer::Oca];

#[test]
fn sessions_give_the_answers_of_the_clear() {
    for shape in shapes() {
        for scheme in Scheme::ALL {
            for ahead in [0, 2] {
                let (client, server) = Case::new(&shape, OCA, scheme).ahead(ahead).run();
                let answers = client.expect("nothing is wrong");
                assert!(server.is_none(), "{server:?}");
                assert_eq!((answers.form, answers.outputs.len()), (FirstLayer::Oca, 3));
                assert_eq!(answers.protocols, ["mask", "weight_ot", "garbled"]);
            }
        }
    }
}

/// Connected, a prediction takes one round trip; prepared ahead as well.
#[test]
fn a_prediction_takes_one_round_trip() {
    let rounds = |questions, ahead| {
        let case = Case { questions, ..Case::new(&shapes()[0], OCA, Scheme::HalfGates).ahead(ahead) };
        case.run().0.expect("nothing is wrong")
    };
    let (one, three) = (rounds(1, 0).traffic, rounds(3, 0).traffic);
    assert_eq!(three.round_trips - one.round_trips, 2);
    // With the input goes the masked input, and the labels and the decoding come back: no tables.
    let (ahead, at_once) = (rounds(2, 2).online, rounds(2, 0).online);
    assert_eq!(ahead.round_trips, 2);
    assert!(3 * (ahead.sent + ahead.received) < at_once.sent + at_once.received, "{ahead:?} of {at_once:?}");
}

/// Of all forms the one whose first prediction takes the least time on the server's link is run, whatever
/// that is, and with hostile clients only the one that holds against them.
#[test]
fn the_link_decides_and_trust_before_it() {
    let shape = Numbers::dense(100, 8, 40);
    let form = |mbps, rtt_ms, clients| {
        let mut case =
            Case { clients, ..Case::new(&shape, &[FirstLayer::Gc, FirstLayer::Oca], Scheme::HalfGates) };
        case.offer.link = Link { rtt_ms, mbps };
        case.run().0.expect("nothing is wrong").form
    };
    // Few bits a second: what sends less. Far away: what takes fewer round trips.
    assert_eq!(form(1.0, 5.0, Clients::SemiHonest), FirstLayer::Oca);
    assert_eq!(form(10_000.0, 500.0, Clients::SemiHonest), FirstLayer::Gc);
    assert_eq!(form(1.0, 5.0, Clients::Hostile), FirstLayer::Gc);
}

#[test]
fn a_server_of_hostile_clients_refuses_conditional_addition_alone() {
    let case = Case { clients: Clients::Hostile, ..Case::new(&shapes()[0], OCA, Scheme::HalfGates) };
    let (client, server) = case.run();
    for error in [client.err(), server] {
        let text = error.expect("nothing in common").to_string();
        assert!(text.contains("--clients semi-honest"), "{text}");
    }
}

/// The circuit behind is garbled by a scheme that both hosts allow.
#[test]
fn the_scheme_is_one_that_the_client_accepts() {
    let mut case = Case::new(&shapes()[0], OCA, Scheme::HalfGates);
    case.offer.schemes = Scheme::ALL.to_vec();
    let bytes = Scheme::ALL.map(|scheme| {
        let mut case = case.clone();
        case.accepted.schemes = vec![scheme];
        case.run().0.expect("nothing is wrong").traffic.received
    });
    assert!(bytes[1] < bytes[0], "three halves send less: {bytes:?}");
}

/// A server that says one form and runs another is refused before anything is computed.
#[test]
fn a_plan_of_another_form_than_was_said_is_refused() {
    let program = shapes()[0].program();
    let (package, secret) = random_secret(&program, 1);
    let shares = planner::on_shares(&program, Scheme::HalfGates).expect("it has sums and signs");
    let other_scheme = planner::by_weight_ot(&program, Scheme::ThreeHalves).expect("it adds up its input");
    for (plan, named) in [(shares, "by rlwe"), (other_scheme, "by garbled")] {
        let offer =
            Offer { first_layers: OCA.to_vec(), schemes: vec![Scheme::HalfGates], ..Offer::default() };
        let (circuit, bits) = Circuit::with_secret(&package, &secret).expect("it has a circuit");
        let server = Server::new(plan, &program, secret.tensors()).expect("our own plan");
        let plans = Plans { first_layers: vec![(Scheme::HalfGates, server)], shares: Vec::new() };
        let model = Model::new(circuit, bits, offer).expect("they fit").with_plans(plans);
        let (server_end, client_end) = wire::pair(None);
        let limits = Limits { clients: Clients::SemiHonest, ..Limits::default() };
        let (client, server) = std::thread::scope(|scope| {
            let serving = scope.spawn(|| {
                server::serve(server_end, &model, &limits, &mut ChaCha20Rng::seed_from_u64(1)).err()
            });
            let rng = &mut ChaCha20Rng::seed_from_u64(2);
            let (offer, bits) = (Offer::default(), program.input().bit_count());
            let greeted = client::greet(client_end, package.digest(), bits, &offer, &Limits::default(), rng);
            let error = greeted.expect("a hello").start_program(&program, rng).err();
            (error, serving.join().expect("a server does not panic"))
        });
        for error in [client, server] {
            let text = error.expect("it is refused").to_string();
            assert!(text.contains(named), "{text}, expected {named}");
        }
    }
}

/// What was prepared answers once; more is not prepared than was granted; and nothing else belongs there.
#[test]
fn a_prediction_that_was_prepared_answers_once() {
    let none = "an input, and no prediction is left that was prepared";
    let limits = Limits { inferences: 2, ..Limits::default() };
    for ((prepared, asked), (kind, payload), reason) in [
        ((0, 0), (Kind::Ask, &[][..]), none),
        ((2, 2), (Kind::Ask, &[]), none),
        ((2, 0), (Kind::Prepare, &[1, 0, 0, 0]), "1 predictions to prepare, expected an input"),
        ((0, 0), (Kind::Prepare, &[255; 4]), "4294967295 predictions to prepare, expected 1 to 2"),
        ((2, 1), (Kind::Prepare, &[1, 0, 0, 0]), "an inference too many, a connection is granted 2"),
        ((1, 1), (Kind::Step, &[0]), "Step of 1 bytes, expected Prepare of 4 bytes, Ask or Bye"),
        ((1, 1), (Kind::Ask, &[0]), "Ask of 1 bytes, expected Prepare of 4 bytes, Ask or Bye"),
    ] {
        let fixture =
            Fixture { first_layers: OCA.to_vec(), ahead: [2, 2], ..numbers(&Numbers::dense(30, 8, 12)) };
        let (server, told) = play(&fixture, &limits, |client| {
            if prepared > 0 {
                client.prepare(prepared);
            }
            (0..asked).for_each(|number| client.ask(number));
            client.send(kind, payload);
        });
        let (error, told) =
            (server.expect_err("it is refused").to_string(), told.expect("the client is told"));
        assert!(told.contains(reason) && error.contains(reason), "{told}, {error}, expected {reason}");
    }
}
