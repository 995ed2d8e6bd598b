//! A plan, run: the loop over its stages, ahead of an input and behind it. Both hosts' loops are the same.
//!
//! Ahead, phase by phase over all stages and predictions, so that the round trips do not grow with the depth;
//! with the input, stage by stage. A prediction that is prepared is used once: [`Server::answer`] and
//! [`Client::ask`] take it.

use std::collections::VecDeque;
use std::sync::Arc;

use rand::CryptoRng;
use sha2::{Digest as _, Sha256};
use xonn_crypto::garble::Scheme;
use xonn_crypto::ot::{MAX_COUNT, SessionId};
use xonn_crypto::rlwe::Params;
use xonn_program::{LayerId, Program, Tensor};

use crate::cost::{PlanCost, StageCost};
use crate::link::{
    ClientBase, ClientLink, ClientRows, PREDICTIONS_TOGETHER, ServerBase, ServerLink, ServerRows,
};
use crate::plan::{How, Plan, Stage};
use crate::protocol::{
    ClientContext, ClientRun, ClientSide, Kept, Phase, ProtocolError, Rows, ServerContext, ServerRun,
    ServerSide, SetUp, StageError,
};
use crate::rlwe;
use crate::steps::rows;
use crate::value::{ClientValue, Form, ServerValue};
use crate::wire::Wire;

/// Bytes that a client sends at most while the server may be sending too: any system holds as many.
const MOST_UNREAD: u64 = 1 << 16;

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

/// Of each stage the stages whose values nobody reads after it.
fn spent(makers: &[Vec<Option<usize>>]) -> Vec<Vec<usize>> {
    let last = |maker: usize| makers.iter().rposition(|reads| reads.contains(&Some(maker)));
    let mut spent = vec![Vec::new(); makers.len()];
    for maker in 0..makers.len() {
        if let Some(reader) = last(maker) {
            spent[reader].push(maker);
        }
    }
    spent
}

macro_rules! host {
    ($(#[$doc:meta])* $host:ident, $side:ident, $base:ident, $link:ident, $rows:ident, $run:ident, $value:ident,
     $prepared:ident, $connection:ident $(, $open:ident)?) => {
        $(#[$doc])*
        pub struct $host {
            plan: Plan,
            sides: Vec<Arc<dyn $side>>,
            makers: Vec<Vec<Option<usize>>>,
            spent: Vec<Vec<usize>>,
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
            /// Of each stage what it left: a client's input and the shares made of it are values of one
            /// layer.
            left: Vec<Option<$value>>,
            /// Whether it waits for its input, which otherwise follows at once.
            kept: bool,
            $(
                /// Whether the last phase is still to come, which is taken with the answer then.
                $open: bool,
            )?
        }

        impl $host {
            fn of(plan: Plan, sides: Vec<Arc<dyn $side>>) -> Result<Self, StageError> {
                let costs: Vec<StageCost> = sides.iter().map(|side| side.cost()).collect();
                let places = Places::of(costs.iter().map(|cost| cost.rows));
                let (makers, rings) = (makers(&plan), rings(&plan));
                let most = places.all.leaves.max(places.all.masks);
                if most > MAX_COUNT {
                    let reason = format!("a prediction takes {most} OTs, expected at most {MAX_COUNT}");
                    return Err(StageError { layer: 0, reason });
                }
                let (spent, cost) = (spent(&makers), PlanCost::new(costs, &rings));
                Ok(Self { plan, sides, makers, spent, places, rings, cost })
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

            /// Most predictions that are prepared by one exchange of messages: it bounds what both hosts hold
            /// at once, and no pool makes more rows together.
            #[must_use]
            pub fn together(&self) -> usize {
                let rows = self.places.all.leaves.max(self.places.all.masks).max(1);
                (MAX_COUNT / rows).clamp(1, PREDICTIONS_TOGETHER)
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

            fn begin(&self, rows: $rows, kept: bool) -> $prepared {
                let runs = self.sides.iter().map(|side| Some(side.begin())).collect();
                let left = self.sides.iter().map(|_| None).collect();
                $prepared { runs, rows, left, kept $(, $open: true)? }
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
    ClientConnection, open
}

impl ServerConnection {
    /// What stage `number` works with; `rows` are its prediction's.
    fn context<'a>(
        &'a mut self,
        (places, number): (&Places, usize),
        rows: &'a ServerRows,
        wire: &'a mut dyn Wire,
        rng: &'a mut dyn CryptoRng,
    ) -> Result<ServerContext<'a>, ProtocolError> {
        let [begin, count] = places.each[number];
        let leaves = &rows.leaves[begin.leaves..][..count.leaves];
        let masks = &rows.masks[begin.masks..][..count.masks];
        let delta = self.link.delta()?;
        Ok(ServerContext {
            wire,
            rng,
            link: &self.link,
            kept: &mut self.kept[number],
            leaves: rows::SenderRows::new(leaves, delta),
            masks: rows::ReceiverRows::new(masks),
            tweaks: self.link.tweaks(rows.first_tweak).behind(begin.tweaks),
        })
    }
}

impl ClientConnection {
    /// What stage `number` works with; `rows` are its prediction's.
    fn context<'a>(
        &'a mut self,
        (places, number): (&Places, usize),
        rows: &'a ClientRows,
        wire: &'a mut dyn Wire,
        rng: &'a mut dyn CryptoRng,
    ) -> Result<ClientContext<'a>, ProtocolError> {
        let [begin, count] = places.each[number];
        let leaves = &rows.leaves[begin.leaves..][..count.leaves];
        let masks = &rows.masks[begin.masks..][..count.masks];
        let delta = self.link.delta()?;
        Ok(ClientContext {
            wire,
            rng,
            link: &self.link,
            kept: &mut self.kept[number],
            leaves: rows::ReceiverRows::new(leaves),
            masks: rows::SenderRows::new(masks, delta),
            tweaks: self.link.tweaks(rows.first_tweak).behind(begin.tweaks),
        })
    }
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
        rlwe::added::check(&plan, program, Some(tensors))?;
        Self::of(plan, sides)
    }

    /// The same, whose circuits are garbled by this scheme; all else is shared with this one.
    ///
    /// # Errors
    /// As [`Server::new`].
    pub fn with_scheme(
        &self,
        scheme: Scheme,
        program: &Program,
        tensors: &[Tensor],
    ) -> Result<Self, StageError> {
        let plan = self.plan.with_scheme(scheme);
        let pairs = plan.stages.iter().zip(&self.plan.stages).zip(&self.sides);
        let side = |((stage, was), side): ((&Stage, &Stage), &Arc<dyn ServerSide>)| match stage == was {
            true => Ok(Arc::clone(side)),
            false => stage.how.protocol().server(stage, program, tensors),
        };
        let sides = pairs.map(side).collect::<Result<_, _>>()?;
        Self::of(plan, sides)
    }

    /// `count` predictions, as far as they go without an input. Unless they are `kept` for later, circuits
    /// are sent with the answer, so that neither host holds one as a whole.
    ///
    /// # Errors
    /// [`ProtocolError`]; the connection is over then.
    pub fn prepare(
        &self,
        connection: &mut ServerConnection,
        (count, kept): (usize, bool),
        wire: &mut dyn Wire,
        rng: &mut dyn CryptoRng,
    ) -> Result<VecDeque<PreparedServer>, ProtocolError> {
        let rows = connection.link.reserve(self.places.all, count, wire, rng)?;
        let mut all: VecDeque<PreparedServer> = rows.into_iter().map(|rows| self.begin(rows, kept)).collect();
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
        for (number, run) in prepared.runs.iter_mut().enumerate() {
            let Some(run) = run else { continue };
            if phase == Phase::Four && !prepared.kept && run.sends_late() {
                continue;
            }
            let mut context =
                connection.context((&self.places, number), &prepared.rows, &mut *wire, &mut *rng)?;
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
        let PreparedServer { runs, rows, mut left, .. } = prepared;
        let nothing = ServerValue::Nothing;
        for (number, run) in runs.into_iter().enumerate() {
            let Some(run) = run else { continue };
            let mut context = connection.context((&self.places, number), &rows, &mut *wire, &mut *rng)?;
            let makers = self.makers[number].iter();
            let reads: Vec<&ServerValue> = makers
                .map(|maker| maker.and_then(|maker| left[maker].as_ref()).unwrap_or(&nothing))
                .collect();
            let value = run.run(&mut context, &reads)?;
            left[number] = Some(value);
            // Wiped as soon as nobody reads it any more.
            self.spent[number].iter().for_each(|&maker| left[maker] = None);
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
        Self::of(plan, sides)
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
        // While the server sends its last message it does not read: a long one of this host's would wait for
        // ever.
        let stages = self.plan.stages.iter().zip(&self.cost.stages);
        let first = stages.filter(|(stage, _)| stage.how.speaks_first()).map(|(_, cost)| cost.online.up);
        let reads_all = kept || first.sum::<u64>() > MOST_UNREAD;
        let rows = connection.link.reserve(self.places.all, count, wire, rng)?;
        let mut all: VecDeque<PreparedClient> = rows.into_iter().map(|rows| self.begin(rows, kept)).collect();
        for phase in Phase::ALL {
            for prepared in &mut all {
                match phase {
                    Phase::One => connection.link.renew_keys(&self.rings, wire, rng)?,
                    Phase::Four if !reads_all => continue,
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
        prepared.open &= phase != Phase::Four;
        for number in 0..prepared.runs.len() {
            let Some(run) = &mut prepared.runs[number] else { continue };
            if phase == Phase::Four && !prepared.kept && run.receives_late() {
                continue;
            }
            let mut context =
                connection.context((&self.places, number), &prepared.rows, &mut *wire, &mut *rng)?;
            let left = &prepared.left;
            let reads: Vec<Option<&ClientValue>> = self.makers[number]
                .iter()
                .map(|maker| maker.and_then(|maker| left[maker].as_ref()))
                .collect();
            if let Some(value) = run.prepare(phase, &mut context, &reads)? {
                prepared.left[number] = Some(value);
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
        let input = ClientValue::Clear(input.iter().copied().collect());
        for number in 0..prepared.runs.len() {
            // What waits to be sent leaves with the first wait, so the input is on its way already.
            if prepared.open && !self.plan.stages[number].how.speaks_first() {
                self.phase(Phase::Four, connection, &mut prepared, wire, rng)?;
            }
            let Some(run) = prepared.runs[number].take() else { continue };
            let mut context =
                connection.context((&self.places, number), &prepared.rows, &mut *wire, &mut *rng)?;
            let left = &prepared.left;
            let known = |maker: &Option<usize>| match maker {
                None => Ok(&input),
                Some(maker) => left[*maker].as_ref().ok_or_else(|| ProtocolError::missing("what it reads")),
            };
            let reads = self.makers[number].iter().map(known).collect::<Result<Vec<_>, _>>()?;
            if let Some(value) = run.run(&mut context, &reads)? {
                prepared.left[number] = Some(value);
            }
            self.spent[number].iter().for_each(|&maker| prepared.left[maker] = None);
        }
        match prepared.left.pop().flatten() {
            Some(ClientValue::Output(bits)) => Ok(bits),
            _ => Err(ProtocolError::missing("its output")),
        }
    }
}
