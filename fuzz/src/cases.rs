//! Honest sessions with fixed seeds, one of each kind, recorded from the hello and from behind the set-up.

use std::sync::{Mutex, OnceLock};
use std::thread;

use chacha20::ChaCha20Rng;
use rand::SeedableRng;
use xonn_circuits::tiled::TiledCircuit;
use xonn_crypto::garble::Scheme;
use xonn_program::op::Planes;
use xonn_program::{OutputEncoding, Program};
use xonn_protocols::plan::Plan;
use xonn_protocols::{planner, registry};
use xonn_run::session::channel::Transport;
use xonn_run::session::client::run::{Finished, Question};
use xonn_run::session::server::{self, Model, Served};
use xonn_run::session::{Circuit, FirstLayer, Limits, Offer, SessionError, client};
use zeroize::Zeroizing;

use crate::allocations::Memory;
use crate::fixture::{Fixture, addition, numbers, on_shares};
use crate::peer::limits;
use crate::programs::{Numbers, SCORES, classes, functions, neurons};
use crate::script::{Frame, frames};
use crate::wire;

/// A recorded session.
pub struct Case {
    fixture: &'static Fixture,
    /// Whether the client fetches the package.
    pub fetch: bool,
    /// What the hosts allow.
    offer: Offer,
    model: &'static Model,
    limits: Limits,
    /// Both hosts behind the set-up.
    pub server: server::fuzzing::SetUp<'static>,
    client: Client,
    /// What they say from there on.
    pub behind: Recorded,
    whole: OnceLock<Recorded>,
}

/// A client behind its set-up; of a plan behind its base OTs.
enum Client {
    Circuits(client::fuzzing::SetUp),
    Planned(client::fuzzing::SetUpShares),
}

/// What two honest hosts say, and the memory that both take.
pub struct Recorded {
    pub to_server: Vec<Frame>,
    pub to_client: Vec<Frame>,
    pub memory: Memory,
}

/// One case of each kind.
pub fn cases() -> &'static [Case] {
    static CASES: OnceLock<Vec<Case>> = OnceLock::new();
    CASES.get_or_init(|| {
        let scheme = |scheme| vec![scheme];
        let form = |form| vec![form];
        let mixed = Numbers { also_input: true, weights: Planes::Odd { bits: 2 }, signed: true, ..small() };
        let gc = |fixture| Fixture { first_layers: form(FirstLayer::Gc), ..fixture };
        vec![
            Case::new(Fixture { schemes: scheme(Scheme::HalfGates), ..addition() }, false),
            Case::new(Fixture { schemes: scheme(Scheme::ThreeHalves), ..addition() }, false),
            Case::new(Fixture { ahead: [2, 2], ..addition() }, false),
            Case::new(Fixture { schemes: scheme(Scheme::ThreeHalves), ..gc(numbers(&shape())) }, true),
            Case::new(Fixture { ahead: [1, 1], ..gc(numbers(&mixed)) }, true),
            Case::new(on_shares(&classes(10, 3, 9, 4), 1), false),
            Case::new(Fixture { ahead: [2, 2], ..on_shares(&mixed.program(), 1) }, true),
            // Classes that chance does not turn.
            Case::new(Fixture { ahead: [1, 1], ..on_shares(&functions(class()), 4) }, false),
            Case::new(Fixture { first_layers: form(FirstLayer::Oca), ..numbers(&mixed) }, false),
        ]
    })
}

/// What a network of numbers shows.
fn class() -> OutputEncoding {
    OutputEncoding::Argmax { classes: SCORES as u32 }
}

/// A program and an honest plan for it.
pub struct Planned {
    pub program: Program,
    pub plan: Plan,
}

/// Programs whose plans have stages of every protocol: on shares, in a circuit, first layers by conditional
/// addition.
pub fn plans() -> &'static [Planned] {
    static PLANS: OnceLock<Vec<Planned>> = OnceLock::new();
    PLANS.get_or_init(|| {
        let mixed = Numbers { also_input: true, ..shape() };
        let simple = [classes(4, 2, 5, 3), mixed.program(), shape().program(), neurons(9, 12)];
        let programs = simple.into_iter().chain([functions(class())]);
        let all = |program: Program| {
            let shares = planner::on_shares(&program, Scheme::HalfGates).expect("it has sums and signs");
            let garbled = planner::garbled(&program, Scheme::ThreeHalves);
            // None of a program that adds up no numbers.
            let first_layers = planner::by_weight_ot(&program, Scheme::HalfGates).ok();
            let plans = [Some(shares), Some(garbled), first_layers].into_iter().flatten();
            plans.map(|plan| Planned { program: program.clone(), plan }).collect::<Vec<_>>()
        };
        let planned: Vec<_> = programs.flat_map(all).collect();
        let stages = || planned.iter().flat_map(|planned| &planned.plan.stages);
        for protocol in registry::ALL {
            let name = protocol.name();
            assert!(stages().any(|stage| stage.how.protocol().name() == name), "no plan with {name}");
        }
        planned
    })
}

/// A plain netlist, half of whose inputs the garbler knows.
pub fn netlist() -> TiledCircuit {
    addition().circuit.program
}

/// Layers of several instances.
pub fn convolution() -> TiledCircuit {
    numbers(&shape()).circuit.program
}

fn shape() -> Numbers {
    Numbers { positions: 3, filters: 7, padded: true, ..small() }
}

/// Everything that is recorded; before the first input, since it takes seconds.
pub fn record_all() {
    for case in cases() {
        case.whole();
    }
}

/// A layer over numbers with few OTs.
fn small() -> Numbers {
    Numbers::dense(3, 3, 5)
}

/// For the rest of the process. Addresses are kept, or the sanitizer takes it for a leak.
fn leak<T>(value: T) -> &'static T {
    static KEPT: Mutex<Vec<usize>> = Mutex::new(Vec::new());
    let value: &'static T = Box::leak(Box::new(value));
    KEPT.lock().expect("no holder panics").push(&raw const *value as usize);
    value
}

/// Numbers that are always the same.
pub fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// What a plan computes, if one does: all on shares, or first layers by conditional addition.
fn planned_program(fixture: &Fixture) -> Option<&Program> {
    let (package, _) = &**fixture.packaged.as_ref()?;
    (!fixture.first_layers.contains(&FirstLayer::Gc)).then(|| package.program())
}

impl Case {
    fn new(fixture: Fixture, fetch: bool) -> Self {
        let fixture = leak(fixture);
        let program = &fixture.circuit.program;
        let [ahead, _] = fixture.ahead;
        let (schemes, first_layers) = (fixture.schemes.clone(), fixture.first_layers.clone());
        let offer = Offer { schemes, first_layers, ahead, shared_delta: false, ..Offer::default() };
        let circuit = &fixture.circuit;
        let model = leak(fixture.model());
        let limits = Limits { clients: fixture.clients, ..limits() };
        // The set-up alone, then what comes behind it, then all in one.
        let (server_end, client_end) = wire::pair(None);
        let (server, client) = thread::scope(|scope| {
            let server = scope.spawn(|| {
                let greeted = server::greet(server_end, model, &limits).expect("an honest client");
                greeted.set_up_only(&mut rng(1)).expect("an honest client")
            });
            let (bits, rng) = (program.input_bits(), &mut rng(2));
            let greeted = client::greet(client_end, circuit.digest, bits, &offer, &limits, rng);
            let greeted = greeted.expect("an honest server");
            let client = match planned_program(fixture) {
                None => {
                    let session = greeted.start(program, rng).expect("an honest server");
                    Client::Circuits(session.set_up_only().expect("an honest server"))
                }
                Some(program) => {
                    let set_up = greeted.set_up_shares_only(program, rng);
                    Client::Planned(set_up.expect("an honest server"))
                }
            };
            (server.join().expect("no panic"), client)
        });
        let nothing = || Recorded {
            to_server: Vec::new(),
            to_client: Vec::new(),
            memory: Memory { largest: 0, peak: 0 },
        };
        let (behind, whole) = (nothing(), OnceLock::new());
        let mut case = Self { fixture, fetch, offer, model, limits, server, client, behind, whole };
        let ask = |case: &Self, end| case.ask_behind(end).expect("an honest server");
        case.behind = case.record(Self::serve_behind, ask);
        case
    }

    /// How many questions are asked.
    pub fn questions(&self) -> usize {
        self.fixture.inputs.len()
    }

    /// What they say from the hello on.
    pub fn whole(&self) -> &Recorded {
        let ask = |case: &Self, end| case.ask_whole(end).expect("an honest server");
        self.whole.get_or_init(|| self.record(Self::serve_whole, ask))
    }

    fn record(
        &self,
        serve: impl Fn(&Self, wire::End) -> Result<Served, SessionError> + Sync,
        ask: impl Fn(&Self, wire::End) -> Finished,
    ) -> Recorded {
        let ((server_end, client_end), serve) = (wire::pair(None), &serve);
        let (to_client, to_server) = (server_end.tap(), client_end.tap());
        let (finished, memory) = Memory::of(|| {
            thread::scope(|scope| {
                let server = scope.spawn(move || serve(self, server_end));
                let finished = ask(self, client_end);
                server.join().expect("no panic").expect("an honest client");
                finished
            })
        });
        assert_eq!(
            self.right_answers(&finished),
            self.fixture.wants.len(),
            "honest hosts come to all answers"
        );
        finished.end.expect("an honest server");
        Recorded { to_server: frames(&to_server()), to_client: frames(&to_client()), memory }
    }

    /// How many questions have the right answer. In a circuit there is no other one; by a plan damage may
    /// give one.
    pub fn right_answers(&self, finished: &Finished) -> usize {
        let mut right = 0;
        for ((answer, _), want) in finished.answers.iter().zip(&self.fixture.wants) {
            if let Ok(answer) = answer {
                let same = answer == want;
                assert!(same || self.is_planned() && answer.len() == want.len(), "a wrong answer");
                right += usize::from(same);
            }
        }
        right
    }

    /// A server from behind the set-up on.
    ///
    /// # Errors
    /// Whatever the peer does wrong.
    pub fn serve_behind(&self, transport: impl Transport) -> Result<Served, SessionError> {
        self.server.serve(transport, &self.limits, &mut rng(3))
    }

    /// A server to where it would answer a hello.
    ///
    /// # Errors
    /// Whatever the peer does wrong.
    pub fn greet(&self, transport: impl Transport) -> Result<(), SessionError> {
        server::greet(transport, self.model, &self.limits).map(|_| ())
    }

    /// A client from behind the set-up on.
    ///
    /// # Errors
    /// Whatever the peer does wrong before the first question.
    pub fn ask_behind(&self, transport: impl Transport) -> Result<Finished, SessionError> {
        let (limits, rng) = (&self.limits, &mut rng(4));
        let session = match &self.client {
            Client::Circuits(set_up) => set_up.session(transport, limits),
            Client::Planned(set_up) => set_up.session(transport, limits, rng)?,
        };
        Ok(self.ask(session, rng))
    }

    /// Whether a plan is run, all or first layers on shares: what comes of damage may be a wrong answer then.
    pub fn is_planned(&self) -> bool {
        matches!(self.client, Client::Planned(_))
    }

    /// A server.
    ///
    /// # Errors
    /// Whatever the peer does wrong.
    pub fn serve_whole(&self, transport: impl Transport) -> Result<Served, SessionError> {
        server::serve(transport, self.model, &self.limits, &mut rng(5))
    }

    /// A client.
    ///
    /// # Errors
    /// Whatever the peer does wrong before the first question.
    pub fn ask_whole(&self, transport: impl Transport) -> Result<Finished, SessionError> {
        let (circuit, limits, rng) = (self.model.circuit(), &self.limits, &mut rng(6));
        if self.fetch {
            let (greeted, package) = client::greet_and_fetch(transport, None, &self.offer, limits, rng)?;
            let session = if self.is_planned() {
                greeted.start_program(package.program(), rng)?
            } else {
                greeted.start(&Circuit::of_package(&package).expect("it has a circuit").program, rng)?
            };
            return Ok(self.ask(session, rng));
        }
        let bits = circuit.program.input_bits();
        let greeted = client::greet(transport, circuit.digest, bits, &self.offer, limits, rng)?;
        let session = match planned_program(self.fixture) {
            Some(program) => greeted.start_program(program, rng)?,
            None => greeted.start(&circuit.program, rng)?,
        };
        Ok(self.ask(session, rng))
    }

    fn ask<T: Transport>(&self, session: client::Session<T>, rng: &mut ChaCha20Rng) -> Finished {
        let question = |bits: &Vec<bool>| Question::new(Zeroizing::new(bits.clone()), true);
        let most = usize::from(self.offer.ahead);
        session.ask_all(self.fixture.inputs.iter().map(question).collect(), most, rng, || ())
    }
}
