//! Two hosts of one stage, in two threads, over a connection that counts and can be tampered with.

use std::sync::Arc;

use rand::SeedableRng as _;
use xonn_crypto::rlwe::Params;
use xonn_program::{Program, Tensor};
use xonn_protocols::link::{ClientLink, ServerLink};
use xonn_protocols::plan::Stage;
use xonn_protocols::protocol::{
    ClientContext, ClientRun, ClientSide, Kept, Phase, Protocol, ProtocolError, Rows, ServerContext,
    ServerRun, ServerSide, SetUp,
};
use xonn_protocols::steps::rows::{ReceiverRows, SenderRows};
use xonn_protocols::value::{ClientValue, ServerValue};
use xonn_protocols::wire::Memory;

use crate::end::{End, Part, Sent, Tamper};

pub type Dice = chacha20::ChaCha12Rng;

pub fn dice(seed: u64) -> Dice {
    Dice::seed_from_u64(seed)
}

/// When predictions are prepared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// All ahead of their inputs.
    Ahead,
    /// Each with its input.
    AtOnce,
}

impl Mode {
    pub const ALL: [Self; 2] = [Self::Ahead, Self::AtOnce];
}

/// What a connection has, whatever its stages: pools of rows, keys for every ring.
pub struct Links {
    server: ServerLink,
    client: ClientLink,
    /// Runs so far: each draws other numbers.
    runs: u64,
}

impl Links {
    pub fn new() -> Self {
        let [mut to_client, mut to_server] = Memory::pair();
        std::thread::scope(|scope| {
            let server = scope.spawn(move || {
                let rng = &mut dice(1);
                let mut link = ServerLink::set_up([7; 32], Rows::default(), &mut to_client, rng).unwrap();
                link.renew_keys(&Params::ALL, &mut to_client).unwrap();
                link
            });
            let client = scope.spawn(move || {
                let rng = &mut dice(2);
                let mut link = ClientLink::set_up([7; 32], Rows::default(), &mut to_server, rng).unwrap();
                link.renew_keys(&Params::ALL, &mut to_server, rng).unwrap();
                link
            });
            let (client, server) = (client.join(), server.join());
            Self { server: server.unwrap(), client: client.unwrap(), runs: 0 }
        })
    }
}

/// What both hosts read.
pub type Reads = Vec<(ServerValue, ClientValue)>;

/// What came of some predictions: what each host has of what the stage leaves, and what it sent.
pub struct Outcome {
    pub server: Result<Vec<ServerValue>, ProtocolError>,
    pub client: Result<Vec<ClientValue>, ProtocolError>,
    /// The server's, the client's.
    pub sent: [Sent; 2],
}

/// Both sides of a stage.
pub struct Hosts {
    server: Arc<dyn ServerSide>,
    client: Arc<dyn ClientSide>,
}

/// What a host has under way for a prediction.
macro_rules! context {
    ($context:ident, $host:expr, $rows:expr, $leaves:expr, $masks:expr) => {
        $context {
            wire: &mut $host.wire,
            rng: &mut $host.rng,
            link: $host.link,
            kept: &mut $host.kept,
            leaves: $leaves,
            masks: $masks,
            tweaks: $host.link.tweaks($rows.first_tweak),
        }
    };
}

macro_rules! host {
    ($host:ident, $link:ident, $rows:ident, $context:ident, $leaves:expr, $masks:expr) => {
        /// A host of a connection.
        struct $host<'a> {
            wire: End<'a>,
            rng: Dice,
            link: &'a $link,
            kept: Kept,
            delta: xonn_crypto::block::Block,
        }

        impl $host<'_> {
            fn with<T>(
                &mut self,
                part: Part,
                rows: &xonn_protocols::link::$rows,
                call: impl FnOnce(&mut $context<'_>) -> T,
            ) -> T {
                self.wire.begin(part);
                let delta = self.delta;
                let (leaves, masks) = ($leaves(&rows.leaves, delta), $masks(&rows.masks, delta));
                call(&mut context!($context, self, rows, leaves, masks))
            }
        }
    };
}

host!(AtServer, ServerLink, ServerRows, ServerContext, SenderRows::new, |rows, _| ReceiverRows::new(rows));
host!(AtClient, ClientLink, ClientRows, ClientContext, |rows, _| ReceiverRows::new(rows), SenderRows::new);

impl Hosts {
    pub fn new(protocol: &dyn Protocol, stage: &Stage, program: &Program, model: &[Tensor]) -> Self {
        let server = protocol.server(stage, program, model).expect("the server takes its own stage");
        let client = protocol.client(stage, program).expect("the client takes the stage");
        Self { server, client }
    }

    /// What a prediction takes at both hosts.
    pub fn rows(&self) -> [Rows; 2] {
        [self.server.rows(), self.client.rows()]
    }

    /// One prediction for each of `reads`.
    pub fn predict(&self, links: &mut Links, mode: Mode, reads: &[Reads], tamper: Tamper<'_>) -> Outcome {
        let [mut to_client, mut to_server] = Memory::pair();
        let (rows, count) = (self.server.rows(), reads.len());
        links.runs += 1;
        let Links { server, client, runs } = links;
        let (session, seed) = ([*runs as u8; 32], 2 * *runs);
        // Each host hangs up when it is done, however that is.
        std::thread::scope(|scope| {
            let at_server = scope.spawn(move || {
                let mut rng = dice(seed);
                let rows = server.reserve(rows, count, &mut to_client, &mut rng).unwrap();
                let (link, wire) = (&*server, End::new(to_client, true, tamper));
                let mut host = AtServer { wire, rng, link, kept: None, delta: link.delta().unwrap() };
                let left = self.at_server(&mut host, session, rows.as_slices().0, mode, reads);
                (left, host.wire.sent)
            });
            let at_client = scope.spawn(move || {
                let mut rng = dice(seed + 1);
                let rows = client.reserve(rows, count, &mut to_server, &mut rng).unwrap();
                let (link, wire) = (&*client, End::new(to_server, false, tamper));
                let mut host = AtClient { wire, rng, link, kept: None, delta: link.delta().unwrap() };
                let left = self.at_client(&mut host, session, rows.as_slices().0, mode, reads);
                (left, host.wire.sent)
            });
            let (client, of_client) = at_client.join().expect("the client does not panic");
            let (server, of_server) = at_server.join().expect("the server does not panic");
            Outcome { server, client, sent: [of_server, of_client] }
        })
    }

    fn at_server(
        &self,
        host: &mut AtServer<'_>,
        session: [u8; 32],
        rows: &[xonn_protocols::link::ServerRows],
        mode: Mode,
        reads: &[Reads],
    ) -> Result<Vec<ServerValue>, ProtocolError> {
        for step in [SetUp::Asks, SetUp::Answers] {
            host.wire.begin(Part::SetUp(step));
            self.server.set_up(step, &session, &mut host.kept, &mut host.wire, &mut host.rng)?;
        }
        let mut left = Vec::new();
        let together = if mode == Mode::Ahead { reads.len() } else { 1 };
        for (rows, reads) in rows.chunks(together).zip(reads.chunks(together)) {
            let mut runs: Vec<Box<dyn ServerRun>> = rows.iter().map(|_| self.server.begin()).collect();
            for phase in Phase::ALL {
                for (run, rows) in runs.iter_mut().zip(rows) {
                    host.with(Part::Offline(phase), rows, |context| run.prepare(phase, context))?;
                }
            }
            for ((run, rows), reads) in runs.into_iter().zip(rows).zip(reads) {
                let reads: Vec<&ServerValue> = reads.iter().map(|(value, _)| value).collect();
                left.push(host.with(Part::Online, rows, |context| run.run(context, &reads))?);
            }
        }
        Ok(left)
    }

    fn at_client(
        &self,
        host: &mut AtClient<'_>,
        session: [u8; 32],
        rows: &[xonn_protocols::link::ClientRows],
        mode: Mode,
        reads: &[Reads],
    ) -> Result<Vec<ClientValue>, ProtocolError> {
        for step in [SetUp::Asks, SetUp::Answers] {
            host.wire.begin(Part::SetUp(step));
            self.client.set_up(step, &session, &mut host.kept, &mut host.wire, &mut host.rng)?;
        }
        let mut left = Vec::new();
        let together = if mode == Mode::Ahead { reads.len() } else { 1 };
        for (rows, reads) in rows.chunks(together).zip(reads.chunks(together)) {
            let mut runs: Vec<Box<dyn ClientRun>> = rows.iter().map(|_| self.client.begin()).collect();
            let mut known: Vec<Option<ClientValue>> = vec![None; runs.len()];
            for phase in Phase::ALL {
                for (((run, rows), reads), known) in runs.iter_mut().zip(rows).zip(reads).zip(&mut known) {
                    // Shares are known ahead; what the client has in the clear is its input.
                    let share = |(_, value): &'_ (ServerValue, ClientValue)| value.share().is_some();
                    let ahead: Vec<Option<&ClientValue>> =
                        reads.iter().map(|read| share(read).then_some(&read.1)).collect();
                    let value =
                        host.with(Part::Offline(phase), rows, |context| run.prepare(phase, context, &ahead))?;
                    assert!(known.is_none() || value.is_none(), "it gives back one share, once");
                    *known = known.take().or(value);
                }
            }
            for (((run, rows), reads), known) in runs.into_iter().zip(rows).zip(reads).zip(known) {
                let reads: Vec<&ClientValue> = reads.iter().map(|(_, value)| value).collect();
                let value = host.with(Part::Online, rows, |context| run.run(context, &reads))?;
                assert!(known.is_none() || value.is_none(), "it gives back one share, once");
                left.push(known.or(value).expect("it leaves something"));
            }
        }
        Ok(left)
    }
}
