//! A plan, run: the loop over its stages, ahead of an input and behind it. Both hosts' loops are the same.
//!
//! Ahead, phase by phase over all stages and predictions, so that the round trips do not grow with the depth;
//! with the input, stage by stage. A prediction that is prepared is used once: [`Server::answer`] and
//! [`Client::ask`] take it.

use std::collections::VecDeque;
use std::sync::Arc;

use rand::CryptoRng;
use sha2::{Digest as _, Sha256};
use xonn_crypto::Wiped;
use xonn_crypto::ot::SessionId;
use xonn_crypto::rlwe::Params;
use xonn_program::{LayerId, Program, Tensor};

use crate::cost::PlanCost;
use crate::link::{ClientBase, ClientLink, ClientRows, ServerBase, ServerLink, ServerRows};
use crate::plan::{How, Plan, Stage};
use crate::protocol::{
    ClientContext, ClientRun, ClientSide, Kept, Phase, ProtocolError, Rows, ServerContext, ServerRun,
    ServerSide, SetUp, StageError,
};
use crate::steps::rows;
use crate::value::{ClientValue, Form, ServerValue};
use crate::wire::Wire;

/// Where each stage's rows and tweaks begin in a prediction's block, and how many the block has.
#[derive(Clone, Debug)]
struct Places {
    each: Vec<[Rows; 2]>,
    all: Rows,
}

impl Places {
    fn of(rows: impl Iterator<Item = Rows>) -> Self {
        let mut all = Rows::default();
        let each = rows.map(|rows| {
            let begin = all;
            all.leaves += rows.leaves;
            all.masks += rows.masks;
            all.tweaks += rows.tweaks;
            [begin, rows]
        });
        let each = each.collect();
        Self { each, all }
    }
}

/// The rings of lattice encryption that a plan takes, each once.
pub(crate) fn rings(plan: &Plan) -> Vec<Params> {
    let mut rings = Vec::new();
    for stage in &plan.stages {
        if let How::Rlwe(choice) = &stage.how
            && !rings.contains(&choice.params())
        {
            rings.push(choice.params());
        }
    }
    rings
}

/// What binds a stage's set-up to the connection and to itself.
fn stage_session(session: &SessionId, number: usize) -> SessionId {
    let number = (number as u64).to_le_bytes();
    Sha256::new_with_prefix(b"xonn stage").chain_update(number).chain_update(session).finalize().into()
}

/// Values by layer: a client's input and the shares made of it are values of one layer.
struct Values<V> {
    /// Of each stage what it left.
    left: Vec<Option<V>>,
}

/// For each stage and each of its reads the stage that left it, or none for the client's own numbers.
fn makers(plan: &Plan) -> Vec<Vec<Option<usize>>> {
    let maker = |number: usize, (layer, form): (LayerId, Form)| {
        let left =
            |earlier: &usize| (plan.stages[*earlier].last(), plan.stages[*earlier].leaves) == (layer, form);
        (0..number).rev().find(left)
    };
    let reads =
        |(number, stage): (usize, &Stage)| stage.reads.iter().map(|&read| maker(number, read)).collect();
    plan.stages.iter().enumerate().map(reads).collect()
}

macro_rules! host {
    ($(#[$doc:meta])* $host:ident, $side:ident, $base:ident, $link:ident, $rows:ident, $run:ident, $value:ident,
     $prepared:ident, $connection:ident) => {
        $(#[$doc])*
        pub struct $host {
            plan: Plan,
            sides: Vec<Arc<dyn $side>>,
            makers: Vec<Vec<Option<usize>>>,
            places: Places,
            rings: Vec<Params>,
            cost: PlanCost,
        }

        /// What this host has for a connection.
        pub struct $connection {
            link: $link,
            /// Of each stage.
            kept: Vec<Kept>,
        }

        /// A prediction that waits for its input. Wiped when dropped.
        pub struct $prepared {
            runs: Vec<Option<Box<dyn $run>>>,
            rows: $rows,
            values: Values<$value>,
            /// Whether the last phase is still to come.
            open: bool,
        }

        impl $prepared {
            /// Whether the last phase is still to come, which is taken with the answer then.
            #[must_use]
            pub fn is_open(&self) -> bool {
                self.open
            }
        }

        impl $host {
            fn of(plan: Plan, program: &Program, sides: Vec<Arc<dyn $side>>) -> Result<Self, StageError> {
                let places = Places::of(sides.iter().map(|side| side.rows()));
                let (makers, rings) = (makers(&plan), rings(&plan));
                let cost = plan.cost(program)?;
                Ok(Self { plan, sides, makers, places, rings, cost })
            }

            /// What it costs.
            #[must_use]
            pub fn cost(&self) -> &PlanCost {
                &self.cost
            }

            /// The plan.
            #[must_use]
            pub fn plan(&self) -> &Plan {
                &self.plan
            }

            /// What a prediction takes of both pools.
            #[must_use]
            pub fn rows(&self) -> Rows {
                self.places.all
            }

            /// The set-up of a connection.
            ///
            /// # Errors
            /// [`ProtocolError`]; the connection is over then.
            pub fn set_up(
                &self,
                session: SessionId,
                wire: &mut dyn Wire,
                rng: &mut dyn CryptoRng,
            ) -> Result<$connection, ProtocolError> {
                let base = $base::set_up(session, self.places.all.masks > 0, wire, rng)?;
                self.set_up_behind(base, wire, rng)
            }

            /// The base OTs alone, for a fuzzer.
            ///
            /// # Errors
            /// As [`Self::set_up`].
            #[cfg(feature = "fuzzing")]
            #[doc(hidden)]
            pub fn set_up_base(
                &self,
                session: SessionId,
                wire: &mut dyn Wire,
                rng: &mut dyn CryptoRng,
            ) -> Result<$base, ProtocolError> {
                let base = $base::set_up(session, self.places.all.masks > 0, wire, rng)?;
                wire.flush()?;
                Ok(base)
            }

            /// What follows the base OTs.
            ///
            /// # Errors
            /// As [`Self::set_up`].
            #[doc(hidden)]
            pub fn set_up_behind(
                &self,
                base: $base,
                wire: &mut dyn Wire,
                rng: &mut dyn CryptoRng,
            ) -> Result<$connection, ProtocolError> {
                let session = base.session;
                let link = $link::extended(base, self.places.all, wire, rng)?;
                let mut kept: Vec<Kept> = self.sides.iter().map(|_| None).collect();
                for step in [SetUp::Asks, SetUp::Answers] {
                    for (number, (side, kept)) in self.sides.iter().zip(&mut kept).enumerate() {
                        side.set_up(step, &stage_session(&session, number), kept, wire, rng)?;
                    }
                }
                Ok($connection { link, kept })
            }

            fn begin(&self, rows: $rows) -> $prepared {
                let runs = self.sides.iter().map(|side| Some(side.begin())).collect();
                let left = self.sides.iter().map(|_| None).collect();
                $prepared { runs, rows, values: Values { left }, open: true }
            }
        }
    };
}

host! {
    /// One model's server of a plan, for all clients.
    Server, ServerSide, ServerBase, ServerLink, ServerRows, ServerRun, ServerValue, PreparedServer,
    ServerConnection
}
host! {
    /// A client of a plan.
    Client, ClientSide, ClientBase, ClientLink, ClientRows, ClientRun, ClientValue, PreparedClient,
    ClientConnection
}

/// The rows and tweaks of a stage.
macro_rules! context {
    ($context:ident, $connection:expr, $number:expr, $wire:expr, $rng:expr, $rows:expr, $place:expr, $leaves:expr, $masks:expr) => {{
        let [begin, count] = $place;
        let leaves = &$rows.leaves[begin.leaves..][..count.leaves];
        let masks = &$rows.masks[begin.masks..][..count.masks];
        let (link, kept) = (&$connection.link, &mut $connection.kept[$number]);
        let tweaks = link.tweaks($rows.first_tweak).behind(begin.tweaks);
        $context { wire: $wire, rng: $rng, link, kept, leaves: $leaves(leaves), masks: $masks(masks), tweaks }
    }};
}

impl Server {
    /// `tensors`: one for each of [`Program::tensors`].
    ///
    /// # Errors
    /// [`StageError`] for a stage that cannot be.
    pub fn new(plan: Plan, program: &Program, tensors: &[Tensor]) -> Result<Self, StageError> {
        plan.check(program)?;
        let side = |stage: &Stage| stage.how.protocol().server(stage, program, tensors);
        let sides = plan.stages.iter().map(side).collect::<Result<_, _>>()?;
        Self::of(plan, program, sides)
    }

    /// `count` predictions, as far as they go without an input.
    ///
    /// # Errors
    /// [`ProtocolError`]; the connection is over then.
    pub fn prepare(
        &self,
        connection: &mut ServerConnection,
        count: usize,
        wire: &mut dyn Wire,
        rng: &mut dyn CryptoRng,
    ) -> Result<VecDeque<PreparedServer>, ProtocolError> {
        let rows = connection.link.reserve(self.places.all, count, wire, rng)?;
        let mut all: VecDeque<PreparedServer> = rows.into_iter().map(|rows| self.begin(rows)).collect();
        for phase in Phase::ALL {
            for prepared in &mut all {
                if phase == Phase::One {
                    connection.link.renew_keys(&self.rings, wire)?;
                }
                self.phase(phase, connection, prepared, wire, rng)?;
            }
        }
        wire.flush()?;
        Ok(all)
    }

    fn phase(
        &self,
        phase: Phase,
        connection: &mut ServerConnection,
        prepared: &mut PreparedServer,
        wire: &mut dyn Wire,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), ProtocolError> {
        let delta = connection.link.delta()?;
        for (number, (run, &place)) in prepared.runs.iter_mut().zip(&self.places.each).enumerate() {
            let Some(run) = run else { continue };
            let (senders, choosers) = (|keys| rows::SenderRows::new(keys, delta), rows::ReceiverRows::new);
            let mut context = context!(
                ServerContext,
                connection,
                number,
                &mut *wire,
                &mut *rng,
                prepared.rows,
                place,
                senders,
                choosers
            );
            run.prepare(phase, &mut context)?;
        }
        Ok(())
    }

    /// A prediction with its input: the client learns the output.
    ///
    /// # Errors
    /// [`ProtocolError`]; the connection is over then.
    pub fn answer(
        &self,
        connection: &mut ServerConnection,
        prepared: PreparedServer,
        wire: &mut dyn Wire,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), ProtocolError> {
        let PreparedServer { runs, rows, mut values, .. } = prepared;
        let (delta, nothing) = (connection.link.delta()?, ServerValue::Nothing);
        for (number, run) in runs.into_iter().enumerate() {
            let Some(run) = run else { continue };
            let (senders, choosers) = (|keys| rows::SenderRows::new(keys, delta), rows::ReceiverRows::new);
            let place = self.places.each[number];
            let mut context = context!(
                ServerContext,
                connection,
                number,
                &mut *wire,
                &mut *rng,
                rows,
                place,
                senders,
                choosers
            );
            let makers = self.makers[number].iter();
            let reads: Vec<&ServerValue> = makers
                .map(|maker| maker.and_then(|maker| values.left[maker].as_ref()).unwrap_or(&nothing))
                .collect();
            let left = run.run(&mut context, &reads)?;
            values.left[number] = Some(left);
        }
        wire.flush()?;
        Ok(())
    }
}

impl Client {
    /// # Errors
    /// [`StageError`] for a stage that this client does not run.
    pub fn new(plan: Plan, program: &Program) -> Result<Self, StageError> {
        plan.check(program)?;
        let side = |stage: &Stage| stage.how.protocol().client(stage, program);
        let sides = plan.stages.iter().map(side).collect::<Result<_, _>>()?;
        Self::of(plan, program, sides)
    }

    /// `count` predictions, as far as they go without an input. Unless they are `kept` for later, what the
    /// server sends last is taken with the answer, so that it costs no round trip of its own. That is for one
    /// prediction whose input follows: of several the server would have sent all of it before the first
    /// answer.
    ///
    /// # Errors
    /// [`ProtocolError::Misuse`] for several that are not kept, before anything is sent; after any other one
    /// the connection is over.
    pub fn prepare(
        &self,
        connection: &mut ClientConnection,
        (count, kept): (usize, bool),
        wire: &mut dyn Wire,
        rng: &mut dyn CryptoRng,
    ) -> Result<VecDeque<PreparedClient>, ProtocolError> {
        if count > 1 && !kept {
            let reason = format!("{count} predictions to be prepared for inputs that follow, expected 1");
            return Err(ProtocolError::Misuse(reason));
        }
        let rows = connection.link.reserve(self.places.all, count, wire, rng)?;
        let mut all: VecDeque<PreparedClient> = rows.into_iter().map(|rows| self.begin(rows)).collect();
        for phase in Phase::ALL {
            for prepared in &mut all {
                match phase {
                    Phase::One => connection.link.renew_keys(&self.rings, wire, rng)?,
                    Phase::Four if !kept => continue,
                    _ => {}
                }
                self.phase(phase, connection, prepared, wire, rng)?;
            }
        }
        Ok(all)
    }

    fn phase(
        &self,
        phase: Phase,
        connection: &mut ClientConnection,
        prepared: &mut PreparedClient,
        wire: &mut dyn Wire,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), ProtocolError> {
        let delta = connection.link.delta()?;
        prepared.open &= phase != Phase::Four;
        for number in 0..prepared.runs.len() {
            let Some(run) = &mut prepared.runs[number] else { continue };
            let (choosers, senders) = (rows::ReceiverRows::new, |keys| rows::SenderRows::new(keys, delta));
            let place = self.places.each[number];
            let mut context = context!(
                ClientContext,
                connection,
                number,
                &mut *wire,
                &mut *rng,
                prepared.rows,
                place,
                choosers,
                senders
            );
            let left = &prepared.values.left;
            let reads: Vec<Option<&ClientValue>> = self.makers[number]
                .iter()
                .map(|maker| maker.and_then(|maker| left[maker].as_ref()))
                .collect();
            if let Some(value) = run.prepare(phase, &mut context, &reads)? {
                prepared.values.left[number] = Some(value);
            }
        }
        Ok(())
    }

    /// A prediction: the output bits. `input` are the codes that the program's input takes.
    ///
    /// # Errors
    /// [`ProtocolError::Evaluate`] if the output is none, which the server must not learn; after any other
    /// one the connection is over.
    pub fn ask(
        &self,
        connection: &mut ClientConnection,
        mut prepared: PreparedClient,
        input: &[i64],
        wire: &mut dyn Wire,
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<bool>, ProtocolError> {
        let delta = connection.link.delta()?;
        let input = ClientValue::Clear(input.iter().copied().collect());
        for number in 0..prepared.runs.len() {
            // What waits to be sent leaves with the first wait, so the input is on its way already.
            if prepared.is_open() && !matches!(self.plan.stages[number].how, How::Mask) {
                self.phase(Phase::Four, connection, &mut prepared, wire, rng)?;
            }
            let Some(run) = prepared.runs[number].take() else { continue };
            let (choosers, senders) = (rows::ReceiverRows::new, |keys| rows::SenderRows::new(keys, delta));
            let place = self.places.each[number];
            let mut context = context!(
                ClientContext,
                connection,
                number,
                &mut *wire,
                &mut *rng,
                prepared.rows,
                place,
                choosers,
                senders
            );
            let left = &prepared.values.left;
            let known = |maker: &Option<usize>| match maker {
                None => &input,
                Some(maker) => left[*maker].as_ref().expect("a stage before it has left it"),
            };
            let reads: Vec<&ClientValue> = self.makers[number].iter().map(known).collect();
            if let Some(value) = run.run(&mut context, &reads)? {
                prepared.values.left[number] = Some(value);
            }
        }
        match prepared.values.left.pop().flatten() {
            Some(ClientValue::Output(bits)) => Ok(bits),
            _ => Ok(Vec::new()),
        }
    }
}

/// The numbers of a client's input, for a protocol that reads them.
///
/// # Panics
/// If it is something else, which [`Plan::check`] does not let through.
#[must_use]
pub fn clear(value: &ClientValue) -> &Wiped<i64> {
    match value {
        ClientValue::Clear(numbers) => numbers,
        _ => panic!("a stage that reads the client's numbers comes first"),
    }
}
