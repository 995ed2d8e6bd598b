//! What a way of computing layers between two hosts is.
//!
//! A [`Protocol`] makes of a public [`Stage`] a [`ServerSide`] and a [`ClientSide`], once a model. Each
//! prediction begins with a run on either side, which is used up: three or four messages ahead ([`Phase`]),
//! then the input's.

use std::any::Any;
use std::sync::Arc;

use rand::CryptoRng;
use xonn_crypto::garble::EvaluateError;
use xonn_crypto::ot::{OtError, SessionId};
use xonn_crypto::rlwe::RlweError;
use xonn_crypto::share::ShareError;
use xonn_program::circuit::LowerError;
use xonn_program::{LayerId, Program, Tensor};

use crate::cost::StageCost;
use crate::link::{ClientLink, ServerLink};
use crate::plan::Stage;
use crate::steps::StepError;
use crate::steps::rows::{ReceiverRows, SenderRows, Tweaks};
use crate::value::{ClientValue, ServerValue};
use crate::wire::{Wire, WireError};

/// A way of computing layers. `registry::ALL` lists them.
pub trait Protocol: Sync {
    /// Its name, as users write it.
    fn name(&self) -> &'static str;

    /// Against which clients the server is protected.
    fn holds(&self) -> Trust;

    /// What a stage costs a prediction.
    ///
    /// # Errors
    /// [`StageError`] if the stage is none of this protocol and program.
    fn cost(&self, stage: &Stage, program: &Program) -> Result<StageCost, StageError> {
        Ok(self.client(stage, program)?.cost())
    }

    /// The server's side of a stage, for one model and all its clients. `tensors`: one for each of
    /// [`Program::tensors`].
    ///
    /// # Errors
    /// [`StageError`] if the stage is none of this protocol and program, or these weights make it fail more
    /// often than is granted.
    fn server(
        &self,
        stage: &Stage,
        program: &Program,
        tensors: &[Tensor],
    ) -> Result<Arc<dyn ServerSide>, StageError>;

    /// The client's side of a stage, which the server may have chosen: nothing in it is trusted.
    ///
    /// # Errors
    /// [`StageError`] if the stage is none of this protocol and program.
    fn client(&self, stage: &Stage, program: &Program) -> Result<Arc<dyn ClientSide>, StageError>;
}

/// Against which clients a server is protected.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Trust {
    /// Clients that follow the protocol and look at all they see.
    SemiHonest,
    /// Any client.
    Hostile,
}

/// The messages ahead of an input, for all stages of a plan: first all messages One, then all messages Two.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Phase {
    /// Client to server.
    One,
    /// Server to client.
    Two,
    /// Client to server.
    Three,
    /// Server to client.
    Four,
}

impl Phase {
    /// In order.
    pub const ALL: [Self; 4] = [Self::One, Self::Two, Self::Three, Self::Four];
}

/// What one prediction takes of both pools of correlated OTs, at this stage.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rows {
    /// Of the pool in which the server sends and the client chooses.
    pub leaves: usize,
    /// Of the pool in which the client sends and the server chooses.
    pub masks: usize,
    /// Tweaks of each pool's hash.
    pub tweaks: usize,
}

/// What is under way at the server. Tables, rows and tweaks are those of this stage and prediction.
pub struct ServerContext<'a> {
    /// To the client.
    pub wire: &'a mut dyn Wire,
    /// The operating system's.
    pub rng: &'a mut dyn CryptoRng,
    /// What the connection has.
    pub link: &'a ServerLink,
    /// What this stage has for the connection.
    pub kept: &'a mut Kept,
    /// Of the pool in which this host sends.
    pub leaves: SenderRows<'a>,
    /// Of the pool in which this host chooses.
    pub masks: ReceiverRows<'a>,
    /// The stage's.
    pub tweaks: Tweaks,
}

/// What is under way at the client; mirrors [`ServerContext`].
pub struct ClientContext<'a> {
    /// To the server.
    pub wire: &'a mut dyn Wire,
    /// The operating system's.
    pub rng: &'a mut dyn CryptoRng,
    /// What the connection has.
    pub link: &'a ClientLink,
    /// What this stage has for the connection.
    pub kept: &'a mut Kept,
    /// Of the pool in which this host chooses.
    pub leaves: ReceiverRows<'a>,
    /// Of the pool in which this host sends.
    pub masks: SenderRows<'a>,
    /// The stage's.
    pub tweaks: Tweaks,
}

/// The server's side of a stage: one model's, for all clients.
pub trait ServerSide: Send + Sync {
    /// What it costs a prediction and a connection. Both sides say the same.
    fn cost(&self) -> StageCost;

    /// What a prediction takes of the pools.
    fn rows(&self) -> Rows {
        self.cost().rows
    }

    /// What the stage has for a whole connection. First all stages' clients speak, then all servers, as far
    /// as they do in a set-up: [`SetUp::Asks`], [`SetUp::Answers`].
    ///
    /// # Errors
    /// [`ProtocolError`].
    fn set_up(
        &self,
        _step: SetUp,
        _session: &SessionId,
        _kept: &mut Kept,
        _wire: &mut dyn Wire,
        _rng: &mut dyn CryptoRng,
    ) -> Result<(), ProtocolError> {
        Ok(())
    }

    /// A prediction begins.
    fn begin(&self) -> Box<dyn ServerRun>;
}

/// A step of a connection's set-up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetUp {
    /// The client sends.
    Asks,
    /// The server sends.
    Answers,
}

/// What a stage keeps for a connection. It knows the type; nobody else looks at it.
pub type Kept = Option<Box<dyn Any + Send>>;

/// The server's side of a stage in one prediction.
pub trait ServerRun: Send {
    /// This phase's message, sent or received, if the stage has one.
    ///
    /// # Errors
    /// [`ProtocolError`]; nothing is checked on what a message decrypts to.
    fn prepare(&mut self, phase: Phase, context: &mut ServerContext<'_>) -> Result<(), ProtocolError>;

    /// Whether message Four may as well come with the input's: of a prediction that is not kept `run` sends
    /// it then. The client's side says the same.
    fn sends_late(&self) -> bool {
        false
    }

    /// The input is there: what the stage leaves. `reads` are those of [`Stage::reads`].
    ///
    /// # Errors
    /// [`ProtocolError`].
    fn run(
        self: Box<Self>,
        context: &mut ServerContext<'_>,
        reads: &[&ServerValue],
    ) -> Result<ServerValue, ProtocolError>;
}

/// The client's side of a stage.
pub trait ClientSide: Send + Sync {
    /// What it costs a prediction and a connection. Both sides say the same.
    fn cost(&self) -> StageCost;

    /// What a prediction takes of the pools.
    fn rows(&self) -> Rows {
        self.cost().rows
    }

    /// Mirrors [`ServerSide::set_up`].
    ///
    /// # Errors
    /// [`ProtocolError`].
    fn set_up(
        &self,
        _step: SetUp,
        _session: &SessionId,
        _kept: &mut Kept,
        _wire: &mut dyn Wire,
        _rng: &mut dyn CryptoRng,
    ) -> Result<(), ProtocolError> {
        Ok(())
    }

    /// A prediction begins.
    fn begin(&self) -> Box<dyn ClientRun>;
}

/// The client's side of a stage in one prediction.
pub trait ClientRun: Send {
    /// This phase's message, sent or received, if the stage has one.
    ///
    /// `reads` are those of [`Stage::reads`], as far as the client's shares of them are known yet. Where the
    /// share of what the stage leaves becomes known ahead of the input, it is given back once, in the phase
    /// in which it does.
    ///
    /// # Errors
    /// [`ProtocolError`]; nothing is checked on what a message decrypts to.
    fn prepare(
        &mut self,
        phase: Phase,
        context: &mut ClientContext<'_>,
        reads: &[Option<&ClientValue>],
    ) -> Result<Option<ClientValue>, ProtocolError>;

    /// Mirrors [`ServerRun::sends_late`].
    fn receives_late(&self) -> bool {
        false
    }

    /// The input is there: what the stage leaves, unless it was given back ahead.
    ///
    /// # Errors
    /// [`ProtocolError`].
    fn run(
        self: Box<Self>,
        context: &mut ClientContext<'_>,
        reads: &[&ClientValue],
    ) -> Result<Option<ClientValue>, ProtocolError>;
}

/// A stage is none of its protocol, or not of this program. Of a server's plan it says what the client
/// refuses.
#[derive(Debug, thiserror::Error)]
#[error("layer {layer}: {reason}")]
pub struct StageError {
    /// The stage's last layer.
    pub layer: LayerId,
    /// What is wrong.
    pub reason: String,
}

/// What ends a prediction.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The connection failed.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A message of the steps on shares.
    #[error(transparent)]
    Step(#[from] StepError),
    /// A message of oblivious transfer.
    #[error(transparent)]
    Ot(#[from] OtError),
    /// A message of lattice encryption.
    #[error(transparent)]
    Rlwe(#[from] RlweError),
    /// The evaluation of a garbled circuit gave no valid output. Only the client knows, and it goes on as if
    /// it had.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// Shares that do not belong together.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// A circuit that cannot be.
    #[error(transparent)]
    Circuit(#[from] LowerError),
    /// A message that is none.
    #[error("{what}: {reason}")]
    Message {
        /// Which message.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// This host's own caller asked for what cannot be; nothing was sent.
    #[error("{0}")]
    Misuse(String),
}

impl ProtocolError {
    /// A stage is not given what [`crate::plan::Plan::check`] says that it reads: this host's own mistake.
    pub(crate) fn missing(what: &str) -> Self {
        Self::Misuse(format!("a stage is not given {what}"))
    }

    /// Something is wrong with a message, or with what a run has of it.
    pub(crate) fn message(what: &'static str, reason: impl Into<String>) -> Self {
        Self::Message { what, reason: reason.into() }
    }

    /// A run is asked for something out of turn, to which the loop over stages does not lead.
    pub(crate) fn out_of_turn(what: &'static str) -> Self {
        Self::message(what, "it is not there yet, or was used already")
    }
}
