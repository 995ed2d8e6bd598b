//! The server's side of a stage. `client.rs` mirrors it.

use std::mem;
use std::sync::Arc;

use xonn_program::op::Cut;
use xonn_program::{Program, Tensor};
use zeroize::Zeroizing;

use super::stage::{Layer, Pool, Way, receive, send};
use super::{cuts, narrow, sign, wide};
use crate::cost::StageCost;
use crate::plan::Stage;
use crate::protocol::{Phase, ProtocolError, ServerContext, ServerRun, ServerSide, StageError};
use crate::steps::column::Column;
use crate::value::ServerValue;

/// One model's side of a stage.
pub(super) struct Side(Arc<Parts>);

struct Parts {
    layer: Layer,
    cuts: Zeroizing<Vec<Cut>>,
}

/// Waits for the client's digits.
enum Digits {
    Sign(Box<sign::AwaitDigits>),
    Narrow(Box<narrow::AwaitDigits>),
    Wide(Box<wide::AwaitDigits>),
}

/// Waits for the server's share.
enum Ready {
    Sign(Box<sign::AwaitShare>),
    Narrow(Box<narrow::AwaitShare>),
    Wide(Box<wide::AwaitShare>),
}

/// How far a prediction is.
enum State {
    Begun,
    Products(Vec<u8>, Digits),
    Digits(Digits),
    Ready(Ready),
    Spent,
}

struct Run {
    parts: Arc<Parts>,
    state: State,
}

impl Side {
    pub fn of(stage: &Stage, program: &Program, tensors: &[Tensor]) -> Result<Self, StageError> {
        let layer = Layer::of(stage, program)?;
        let spec = program.tensors().get(layer.tensor);
        let (Some(spec), Some(tensor)) = (spec, tensors.get(layer.tensor)) else {
            return Err(stage.error(format!("{} tensors, of which none has its cuts", tensors.len())));
        };
        spec.check(tensor).map_err(|reason| stage.error(reason))?;
        Ok(Self(Arc::new(Parts { layer, cuts: Zeroizing::new(tensor.cuts().to_vec()) })))
    }
}

impl ServerSide for Side {
    fn cost(&self) -> StageCost {
        self.0.layer.cost()
    }

    fn begin(&self) -> Box<dyn ServerRun> {
        Box::new(Run { parts: Arc::clone(&self.0), state: State::Begun })
    }
}

impl Run {
    /// Takes the cross terms; makes the products.
    fn start(&self, context: &mut ServerContext<'_>) -> Result<State, ProtocolError> {
        let (way, tweaks, rows) = (&self.parts.layer.way, context.tweaks, context.masks);
        let [cross, ..] = &way.cost().ahead;
        let cross = receive(context.wire, cross)?;
        let (products, digits) = match way {
            Way::Sign(plan) => {
                let mut server = sign::Server::start(plan, tweaks, rows)?;
                if self.parts.layer.pool == Pool::InFront {
                    server = server.flipped(cuts::falling(self.parts.layer.results, &self.parts.cuts))?;
                }
                let (products, next) = server.on_cross_terms(&cross)?;
                (products, Digits::Sign(Box::new(next)))
            }
            Way::Narrow(plan) => {
                let (products, next) = narrow::Server::start(plan, tweaks, rows)?.on_cross_terms(&cross)?;
                (products, Digits::Narrow(Box::new(next)))
            }
            Way::Wide(plan) => {
                let (products, next) = wide::Server::start(plan, tweaks, rows)?.on_cross_terms(&cross)?;
                (products, Digits::Wide(Box::new(next)))
            }
        };
        Ok(State::Products(products, digits))
    }

    /// Takes the digits.
    fn digits(&self, context: &mut ServerContext<'_>, digits: Digits) -> Result<State, ProtocolError> {
        let [_, _, fields] = &self.parts.layer.way.cost().ahead;
        let (message, rows) = (receive(context.wire, fields)?, context.leaves);
        Ok(State::Ready(match digits {
            Digits::Sign(digits) => Ready::Sign(Box::new(digits.on_digits(&message, rows)?)),
            Digits::Narrow(digits) => Ready::Narrow(Box::new(digits.on_digits(&message, rows)?)),
            Digits::Wide(digits) => Ready::Wide(Box::new(digits.on_digits(&message, rows)?)),
        }))
    }
}

impl ServerRun for Run {
    fn prepare(&mut self, phase: Phase, context: &mut ServerContext<'_>) -> Result<(), ProtocolError> {
        self.state = match (phase, mem::replace(&mut self.state, State::Spent)) {
            (Phase::One, State::Begun) => self.start(context)?,
            (Phase::Two, State::Products(products, digits)) => {
                send(context.wire, &products)?;
                State::Digits(digits)
            }
            (Phase::Three, State::Digits(digits)) => self.digits(context, digits)?,
            (Phase::Four, ready) => ready,
            _ => return Err(ProtocolError::out_of_turn("a phase")),
        };
        Ok(())
    }

    fn run(
        self: Box<Self>,
        context: &mut ServerContext<'_>,
        reads: &[&ServerValue],
    ) -> Result<ServerValue, ProtocolError> {
        let Parts { layer, cuts } = &*self.parts;
        let (State::Ready(ready), [read]) = (self.state, reads) else {
            return Err(ProtocolError::out_of_turn("the input"));
        };
        let (share, offsets) = read.shares().ok_or_else(|| ProtocolError::missing("shares"))?;
        let y0 = cuts::taken_from(share, offsets, layer.reads, cuts)?;
        let (in_front, behind) = match layer.pool {
            Pool::InFront => (Column::zeros(y0.len()), cuts::falling(layer.results, cuts)),
            Pool::None | Pool::Behind => (cuts::falling(y0.len(), cuts), Column::zeros(layer.results)),
        };
        let fields = layer.way.cost().online;
        let answer = |context: &mut ServerContext<'_>, tables: &[u8], turn: usize| {
            send(context.wire, tables)?;
            receive(context.wire, &fields[turn])
        };
        let share = match ready {
            Ready::Sign(ready) => {
                let (tables, next) = ready.on_share(&y0, &in_front)?;
                next.on_answer(&answer(context, &tables, 1)?)?
            }
            Ready::Narrow(ready) => {
                let (tables, next) = ready.on_share(&y0, &in_front)?;
                let (tables, next) = next.on_openings(&answer(context, &tables, 1)?, &behind)?;
                next.on_answer(&answer(context, &tables, 3)?)?
            }
            Ready::Wide(ready) => {
                let (tables, next) = ready.on_share(&y0, &in_front)?;
                let (tables, next) = next.on_answer(&answer(context, &tables, 1)?, &behind)?;
                next.on_answer(&answer(context, &tables, 3)?)?
            }
        };
        // A bit is 2 t - 1.
        Ok(ServerValue::Shares { share, offsets: vec![-1; layer.results].into() })
    }
}
