//! A client of a plan that does all that an honest one does, message by message, and whatever else a test
//! wants.

use std::collections::VecDeque;
use std::time::Duration;

use chacha20::ChaCha20Rng;
use rand::SeedableRng;
use xonn_protocols::plan::Plan;
use xonn_protocols::run::{Client, ClientConnection, PreparedClient};
use xonn_protocols::wire::{Wire, WireError};
use xonn_run::session::msgs::{self, ClientHello, Kind, ServerHello};
use xonn_run::session::server::Served;
use xonn_run::session::{Channel, Limits, SessionError};

use crate::fixture::Fixture;
use crate::wire::{self, End};

pub const DOING: &str = "testing";

/// A channel as the plan's protocols see it.
pub struct Steps(Channel<End>);

fn lost(error: SessionError) -> WireError {
    WireError(Box::new(error))
}

impl Wire for Steps {
    fn send(&mut self, message: &[u8]) -> Result<(), WireError> {
        self.0.send(Kind::Step, message, DOING).map_err(lost)
    }

    fn receive(&mut self, length: usize) -> Result<Vec<u8>, WireError> {
        self.0.receive(Kind::Step, length, DOING).map_err(lost)
    }

    fn flush(&mut self) -> Result<(), WireError> {
        self.0.flush(DOING).map_err(lost)
    }
}

/// A client that can do everything right, message by message, and anything else.
pub struct Scripted<'f> {
    fixture: &'f Fixture,
    pub wire: Steps,
    client: Client,
    connection: ClientConnection,
    ready: VecDeque<PreparedClient>,
    rng: ChaCha20Rng,
}

impl<'f> Scripted<'f> {
    /// The hellos and the set-up.
    pub fn new(fixture: &'f Fixture, end: End) -> Self {
        let rng = &mut ChaCha20Rng::seed_from_u64(9);
        let mut channel = Channel::new(end, Duration::from_secs(5));
        let bits = fixture.circuit.program.input_bits() as u32;
        let hello = ClientHello::new(Some(fixture.circuit.digest), bits, &fixture.offer(true), rng);
        channel.send(Kind::ClientHello, &hello.encode(), DOING).expect("sent");
        let answer = channel.receive(Kind::ServerHello, ServerHello::BYTES, DOING).expect("received");
        let session = msgs::session_id(&hello, &ServerHello::decode(&answer).expect("a hello"));
        let plan = channel.receive_up_to(Kind::Plan, msgs::MAX_PLAN, DOING).expect("received");
        let program = fixture.packaged.as_ref().expect("it is on shares").0.program();
        let plan = Plan::from_bytes(&plan, program).expect("an honest server");
        let client = Client::new(plan, program).expect("an honest server");
        let mut wire = Steps(channel);
        let connection = client.set_up(session, &mut wire, rng).expect("an honest server");
        let ready = VecDeque::new();
        Self { fixture, wire, client, connection, ready, rng: ChaCha20Rng::seed_from_u64(10) }
    }

    pub fn send(&mut self, kind: Kind, payload: &[u8]) {
        // A server that is gone is part of the game.
        let _ = self.wire.0.send(kind, payload, DOING);
    }

    /// States, as an honest client has them made.
    pub fn prepare(&mut self, count: u32) {
        self.send(Kind::Prepare, &count.to_le_bytes());
        let Self { wire, client, connection, rng, .. } = self;
        let prepared = client.prepare(connection, (count as usize, true), wire, rng);
        self.ready.extend(prepared.expect("an honest server"));
    }

    /// The answer to an input, as an honest client asks for it.
    pub fn ask(&mut self, number: usize) {
        self.send(Kind::Ask, &[]);
        let (package, _) = &**self.fixture.packaged.as_ref().expect("it is on shares");
        let bits = package.program().input().bits as usize;
        let code = |bits: &[bool]| bits.iter().rev().fold(0, |code, &bit| 2 * code + i64::from(bit));
        let codes: Vec<i64> = self.fixture.inputs[number].chunks(bits).map(code).collect();
        let prepared = self.ready.pop_front().expect("a state");
        let Self { wire, client, connection, rng, .. } = self;
        let answer = client.ask(connection, prepared, &codes, wire, rng);
        assert_eq!(answer.expect("an honest server"), self.fixture.wants[number]);
    }

    /// What the server says if it refuses; other messages are skipped.
    pub fn refusal(&mut self) -> Option<String> {
        let channel = &mut self.wire.0;
        channel.flush(DOING).ok()?;
        loop {
            match channel.head(Duration::from_secs(5), DOING).ok()? {
                (Kind::Refusal, length) => return Some(channel.refusal(length, DOING).ok()?.to_string()),
                (_, length) => drop(channel.payload(length, DOING).ok()?),
            }
        }
    }
}

/// How a server fares with such a client, and what the client hears of it.
pub fn play(
    fixture: &Fixture,
    limits: &Limits,
    script: impl FnOnce(&mut Scripted<'_>),
) -> (Result<Served, SessionError>, Option<String>) {
    let (server_end, client_end) = wire::pair(None);
    std::thread::scope(|scope| {
        let server = scope.spawn(|| fixture.serve(server_end, limits));
        let mut scripted = Scripted::new(fixture, client_end);
        script(&mut scripted);
        let refusal = scripted.refusal();
        drop(scripted);
        (server.join().expect("a server does not panic"), refusal)
    })
}
