//! Circuits whose answers are known, and both hosts run on them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chacha20::ChaCha20Rng;
use rand::SeedableRng;
use xonn_circuits::builder::Builder;
use xonn_circuits::netlist::Netlist;
use xonn_circuits::tiled::evaluate::evaluate;
use xonn_crypto::garble::Scheme;
use xonn_program::{Package, Program, Secret};
use xonn_protocols::plan::Plan;
use xonn_protocols::planner;
use xonn_protocols::run::Server;
use xonn_run::service::first_layers;
use xonn_run::session::channel::Transport;
use xonn_run::session::client::run::{Question, Unanswered};
use xonn_run::session::server::{self, Model, Plans, Served};
use xonn_run::session::{Circuit, Clients, FirstLayer, Limits, Offer, SessionError, Traffic, client};

use crate::programs::{self, Numbers};
use crate::wire::{self, Fault};

/// Bits of each number that [`adder`] adds.
pub const WIDTH: usize = 16;

/// A circuit with the garbler's bits, some inputs, and the outputs for them.
#[derive(Clone)]
pub struct Fixture {
    pub circuit: Circuit,
    pub secret: Vec<bool>,
    pub inputs: Vec<Vec<bool>>,
    pub wants: Vec<Vec<bool>>,
    /// What the server offers and the client accepts.
    pub schemes: Vec<Scheme>,
    /// The same for first layers.
    pub first_layers: Vec<FirstLayer>,
    /// What the server takes the client for.
    pub clients: Clients,
    /// Circuits ahead that the server grants, and that the client asks for.
    pub ahead: [u16; 2],
    /// Whether the server offers one delta for all inferences, and whether the client accepts it.
    pub shared_delta: [bool; 2],
    /// What the circuit was made of, if it is a package's: then it has first layers by conditional
    /// addition, too.
    pub packaged: Option<Arc<(Package, Secret)>>,
    /// How it is computed on shares, where that is on offer.
    pub plan: Option<Plan>,
}

/// Adds the garbler's number to the evaluator's: one AND a bit, and a sum with one bit more.
pub fn adder() -> Netlist {
    let mut b = Builder::new();
    let (x, y) = (b.input(WIDTH), b.input(WIDTH));
    let mut sum = vec![b.xor(x[0], y[0])];
    let mut carry = b.and(x[0], y[0]);
    for (&x, &y) in x.iter().zip(&y).skip(1) {
        let (x_carry, y_carry) = (b.xor(x, carry), b.xor(y, carry));
        sum.push(b.xor(x, y_carry));
        let both = b.and(x_carry, y_carry);
        carry = b.xor(both, carry);
    }
    sum.push(carry);
    b.finish(&[sum])
}

/// [`adder`] on 0xb7e1 and three numbers; the wanted outputs come from integers.
pub fn addition() -> Fixture {
    let bits = |n: u32, width: usize| -> Vec<bool> { (0..width).map(|i| n >> i & 1 == 1).collect() };
    let (mine, yours) = (0xb7e1, [0x5163, 0, 0xffff]);
    Fixture {
        circuit: Circuit::of_netlist(adder(), &[0]).expect("an adder is a valid program"),
        secret: bits(mine, WIDTH),
        inputs: yours.iter().map(|&n| bits(n, WIDTH)).collect(),
        wants: yours.iter().map(|&n| bits(mine + n, WIDTH + 1)).collect(),
        schemes: Scheme::ALL.to_vec(),
        first_layers: FirstLayer::ALL.to_vec(),
        clients: Clients::SemiHonest,
        ahead: [0, 0],
        shared_delta: [false; 2],
        packaged: None,
        plan: None,
    }
}

/// A packaged layer of 1024 neurons on three inputs.
pub fn neurons(fan_in: usize) -> Fixture {
    of_program(&programs::neurons(fan_in, 1024), 1)
}

/// A packaged first layer over numbers on three inputs.
pub fn numbers(shape: &Numbers) -> Fixture {
    of_program(&shape.program(), 1)
}

/// A packaged program that is computed on shares, on three inputs; `seed` is of its secret.
pub fn on_shares(program: &Program, seed: u64) -> Fixture {
    let plan = planner::on_shares(program, Scheme::HalfGates).expect("it has sums and signs");
    Fixture { first_layers: vec![FirstLayer::Shares], plan: Some(plan), ..of_program(program, seed) }
}

/// A packaged program on three inputs; the wanted outputs come from plaintext evaluation.
fn of_program(program: &Program, seed: u64) -> Fixture {
    let (package, secret) = programs::random_secret(program, seed);
    let (circuit, bits) = Circuit::with_secret(&package, &secret).expect("it has a circuit");
    let random = |seed: u64, count: usize| -> Vec<bool> {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut bytes = vec![0; count];
        rand::Rng::fill_bytes(&mut rng, &mut bytes);
        bytes.iter().map(|byte| byte & 1 == 1).collect()
    };
    let count = circuit.program.input_bits();
    let of = |inputs: &[Vec<bool>]| evaluate(&circuit.program, &bits, inputs).expect("lengths fit");
    let mut inputs: Vec<_> = (2..5).map(|seed| random(seed, count)).collect();
    let mut wants = of(&inputs);
    // Where the output is a class, one of them has another one.
    if !wants.iter().all(|w| w.contains(&true) && w.contains(&false)) {
        let mut others = (5..200).map(|seed| random(seed, count));
        let other = others.find(|input| of(std::slice::from_ref(input))[0] != wants[0]);
        inputs[1] = other.expect("one answer everywhere shows little");
        wants = of(&inputs);
    }
    Fixture {
        secret: bits.to_vec(),
        circuit,
        inputs,
        wants,
        schemes: Scheme::ALL.to_vec(),
        first_layers: FirstLayer::ALL.to_vec(),
        clients: Clients::SemiHonest,
        ahead: [0, 0],
        shared_delta: [false; 2],
        packaged: Some(Arc::new((package, secret))),
        plan: None,
    }
}

/// Limits for peers that stop answering: short, so that a test of them is.
pub fn short() -> Limits {
    let limit = Duration::from_millis(700);
    Limits { message: limit, idle: limit, ..Limits::default() }
}

/// The bits of an input as a question.
pub fn question(input: &[bool]) -> Question {
    Question::new(input.to_vec().into(), true)
}

/// How a session went on both sides.
pub struct Outcome {
    pub server: Result<Served, SessionError>,
    pub client: Result<Answers, SessionError>,
    pub elapsed: Duration,
    /// All that the server sent.
    pub to_client: Vec<u8>,
    /// All that the client sent.
    pub to_server: Vec<u8>,
}

/// What a client got.
#[derive(Debug)]
pub struct Answers {
    pub outputs: Vec<Vec<bool>>,
    pub traffic: Traffic,
    pub form: FirstLayer,
    /// Of the traffic, what came after the inputs.
    pub online: Traffic,
    /// Circuits ahead that were granted.
    pub ahead: u16,
}

impl Fixture {
    /// Of the server, or of the client.
    pub fn offer(&self, client: bool) -> Offer {
        let side = usize::from(client);
        let (ahead, shared_delta) = (self.ahead[side], self.shared_delta[side]);
        Offer {
            schemes: self.schemes.clone(),
            first_layers: self.first_layers.clone(),
            ahead,
            shared_delta,
            ..Offer::default()
        }
    }

    /// What a server brings.
    pub fn model(&self) -> Model {
        let offer = self.offer(false);
        let model = Model::new(self.circuit.clone(), self.secret.clone(), offer.clone()).expect("they fit");
        let Some((package, secret)) = self.packaged.as_deref() else { return model };
        let server = |plan: &Plan| {
            Server::new(plan.clone(), package.program(), secret.tensors()).expect("it is its own plan")
        };
        let shares = self.plan.iter().map(|plan| (Scheme::HalfGates, server(plan))).collect();
        model.with_plans(Plans {
            first_layers: first_layers(package, secret, &offer).unwrap_or_default(),
            shares,
        })
    }

    /// Serves one session.
    pub fn serve(&self, transport: impl Transport, limits: &Limits) -> Result<Served, SessionError> {
        let limits = &Limits { clients: self.clients, ..*limits };
        server::serve(transport, &self.model(), limits, &mut ChaCha20Rng::seed_from_u64(1))
    }

    /// Asks for all inputs, knowing the circuit.
    pub fn ask(&self, transport: impl Transport, limits: &Limits) -> Result<Answers, SessionError> {
        let rng = &mut ChaCha20Rng::seed_from_u64(2);
        let bits = self.circuit.program.input_bits();
        let greeted = client::greet(transport, self.circuit.digest, bits, &self.offer(true), limits, rng)?;
        let package = self.packaged.as_deref().map(|(package, _)| package);
        self.ask_all(greeted, package, rng)
    }

    /// Asks for all inputs, with the package that the server sends.
    pub fn fetch_and_ask(&self, transport: impl Transport, limits: &Limits) -> Result<Answers, SessionError> {
        let rng = &mut ChaCha20Rng::seed_from_u64(3);
        let (greeted, package) = client::greet_and_fetch(transport, None, &self.offer(true), limits, rng)?;
        assert_eq!((greeted.digest(), package.digest()), (self.circuit.digest, self.circuit.digest));
        self.ask_all(greeted, Some(&package), rng)
    }

    fn ask_all<T: Transport>(
        &self,
        greeted: client::Greeted<T>,
        package: Option<&Package>,
        rng: &mut ChaCha20Rng,
    ) -> Result<Answers, SessionError> {
        let (form, ahead) = (greeted.first_layer(), greeted.ahead());
        let mut session = match package {
            Some(package) => greeted.start_program(package.program(), rng)?,
            None => greeted.start(&self.circuit.program, rng)?,
        };
        // More than both hosts hold at once are asked for together, as the commands do.
        let together = if ahead > 8 { usize::from(ahead) } else { 1 };
        while session.has_room() {
            session.prepare_several(together, rng)?;
        }
        let mut outputs = Vec::new();
        let mut failed = None;
        for input in &self.inputs {
            match session.ask(&question(input), rng)? {
                Ok(output) => outputs.push(output),
                // Of which the server must not learn.
                Err(Unanswered::Failed(error)) => failed = failed.or(Some(SessionError::Evaluate(error))),
                Err(_) => {}
            }
        }
        let online = session.online();
        let traffic = session.finish()?;
        failed.map_or(Ok(Answers { outputs, traffic, form, online, ahead }), Err)
    }

    /// Both hosts, with at most one fault between them; seeds are fixed, so without a fault the bytes are
    /// too.
    pub fn converse(&self, fault: Option<Fault>, limits: &Limits, fetch: bool) -> Outcome {
        let (server_end, client_end) = wire::pair(fault);
        let (server_tap, client_tap) = (server_end.tap(), client_end.tap());
        let begin = Instant::now();
        let (server, client) = std::thread::scope(|scope| {
            let server = scope.spawn(|| self.serve(server_end, limits));
            let ask = if fetch { Self::fetch_and_ask } else { Self::ask };
            let client = ask(self, client_end, limits);
            (server.join().expect("a server does not panic"), client)
        });
        Outcome { server, client, elapsed: begin.elapsed(), to_client: server_tap(), to_server: client_tap() }
    }
}
