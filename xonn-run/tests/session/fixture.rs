//! Circuits whose answers are known, and both hosts run on them.

use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use xonn_circuits::builder::Builder;
use xonn_circuits::netlist::Netlist;
use xonn_circuits::program::evaluate::evaluate;
use xonn_circuits::program::package::Package;
use xonn_run::bench::binary_layer;
use xonn_run::garble::Scheme;
use xonn_run::garble::plan::{Plan, Role};
use xonn_run::session::channel::Transport;
use xonn_run::session::server::{self, Model, Served};
use xonn_run::session::{Circuit, Limits, SessionError, Traffic, client};

use crate::wire::{self, Fault};

/// Bits of each number that [`adder`] adds.
pub const WIDTH: usize = 16;

/// A circuit with the garbler's bits, some inputs, and the outputs for them.
pub struct Fixture {
    pub circuit: Circuit,
    pub secret: Vec<bool>,
    pub inputs: Vec<Vec<bool>>,
    pub wants: Vec<Vec<bool>>,
    /// What the server offers and the client accepts.
    pub schemes: Vec<Scheme>,
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
    }
}

/// A packaged layer of 1024 neurons on three inputs; the wanted outputs come from plaintext evaluation.
pub fn neurons(fan_in: u32) -> Fixture {
    let program = binary_layer(fan_in);
    let package = Package::new(&program).expect("the layer can be written");
    let random = |seed: u64, count: usize| -> Vec<bool> {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut bytes = vec![0; count];
        rand::Rng::fill_bytes(&mut rng, &mut bytes);
        bytes.iter().map(|byte| byte & 1 == 1).collect()
    };
    let secret = random(1, program.secret_bits() as usize);
    let inputs: Vec<_> = (2..5).map(|seed| random(seed, program.input_bits())).collect();
    let wants = evaluate(&program, &secret, &inputs).expect("lengths fit");
    assert!(
        wants.iter().all(|w| w.contains(&true) && w.contains(&false)),
        "one answer everywhere shows little"
    );
    Fixture { circuit: Circuit::of_package(&package), secret, inputs, wants, schemes: Scheme::ALL.to_vec() }
}

/// Limits for peers that stop answering: short, so that a test of them is.
pub fn short() -> Limits {
    let limit = Duration::from_millis(300);
    Limits { message: limit, idle: limit, ..Limits::default() }
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
}

impl Fixture {
    /// Serves one session.
    pub fn serve(&self, transport: impl Transport, limits: &Limits) -> Result<Served, SessionError> {
        let plan = Plan::new(&self.circuit.program, Role::Garbler);
        let model =
            Model { circuit: &self.circuit, plan: &plan, secret: &self.secret, schemes: &self.schemes };
        server::serve(transport, &model, limits, &mut ChaCha20Rng::seed_from_u64(1))
    }

    /// Asks for all inputs, knowing the circuit.
    pub fn ask(&self, transport: impl Transport, limits: &Limits) -> Result<Answers, SessionError> {
        let rng = &mut ChaCha20Rng::seed_from_u64(2);
        let plan = Plan::new(&self.circuit.program, Role::Evaluator);
        let bits = self.circuit.program.input_bits();
        let greeted = client::greet(transport, self.circuit.digest, bits, &self.schemes, limits, rng)?;
        self.ask_all(greeted.start(rng)?, &plan, rng)
    }

    /// Asks for all inputs, with the package that the server sends.
    pub fn fetch_and_ask(&self, transport: impl Transport, limits: &Limits) -> Result<Answers, SessionError> {
        let rng = &mut ChaCha20Rng::seed_from_u64(3);
        let (greeted, package) = client::greet_and_fetch(transport, &self.schemes, limits, rng)?;
        assert_eq!((greeted.digest(), package.digest()), (self.circuit.digest, self.circuit.digest));
        let plan = Plan::new(package.program(), Role::Evaluator);
        self.ask_all(greeted.start(rng)?, &plan, rng)
    }

    fn ask_all<T: Transport>(
        &self,
        mut session: client::Session<T>,
        plan: &Plan<'_>,
        rng: &mut ChaCha20Rng,
    ) -> Result<Answers, SessionError> {
        let outputs =
            self.inputs.iter().map(|input| session.infer(plan, input, rng)).collect::<Result<_, _>>()?;
        Ok(Answers { outputs, traffic: session.finish()? })
    }

    /// Both hosts, with at most one fault between them; seeds are fixed, so without a fault the bytes are too.
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
