//! The client's side of a stage. `server.rs` mirrors it.

use std::mem;
use std::sync::Arc;

use xonn_crypto::share::RingTensor;
use xonn_program::Program;

use super::stage::{Layer, Way, receive, send};
use super::{narrow, sign, wide};
use crate::cost::StageCost;
use crate::mask::random;
use crate::plan::Stage;
use crate::protocol::{ClientContext, ClientRun, ClientSide, Phase, ProtocolError, StageError};
use crate::value::ClientValue;

/// The client's side of a stage.
pub(super) struct Side(Arc<Layer>);

/// Waits for the server's products.
enum Started {
    Sign(Box<sign::Client>),
    Narrow(Box<narrow::Client>),
    Wide(Box<wide::Client>),
}

/// Waits for the tables.
enum Ready {
    Sign(Box<sign::AwaitTables>),
    Narrow(Box<narrow::AwaitTables>),
    Wide(Box<wide::AwaitTables>),
}

/// How far a prediction is; with the client's share of the results.
enum State {
    Begun,
    Started(RingTensor, Started),
    Products(RingTensor, Vec<u8>, Started),
    Ready(RingTensor, Ready),
    Spent,
}

struct Run {
    layer: Arc<Layer>,
    state: State,
}

impl Side {
    pub fn of(stage: &Stage, program: &Program) -> Result<Self, StageError> {
        Ok(Self(Arc::new(Layer::of(stage, program)?)))
    }
}

impl ClientSide for Side {
    fn cost(&self) -> StageCost {
        self.0.cost()
    }

    fn begin(&self) -> Box<dyn ClientRun> {
        Box::new(Run { layer: Arc::clone(&self.0), state: State::Begun })
    }
}

impl Run {
    /// Sends the cross terms.
    fn start(&self, context: &mut ClientContext<'_>) -> Result<Started, ProtocolError> {
        let (tweaks, rows) = (context.tweaks, context.masks);
        let (cross, started) = match &self.layer.way {
            Way::Sign(plan) => {
                let (cross, next) = sign::Client::start(plan, tweaks, rows)?;
                (cross, Started::Sign(Box::new(next)))
            }
            Way::Narrow(plan) => {
                let (cross, next) = narrow::Client::start(plan, tweaks, rows)?;
                (cross, Started::Narrow(Box::new(next)))
            }
            Way::Wide(plan) => {
                let (cross, next) = wide::Client::start(plan, tweaks, rows)?;
                (cross, Started::Wide(Box::new(next)))
            }
        };
        send(context.wire, &cross)?;
        Ok(started)
    }

    /// Sends the digits of the client's share.
    fn digits(
        context: &mut ClientContext<'_>,
        started: Started,
        products: &[u8],
        y1: &RingTensor,
    ) -> Result<Ready, ProtocolError> {
        let rows = context.leaves;
        let (digits, ready) = match started {
            Started::Sign(client) => {
                let (digits, next) = client.on_products(products, y1, rows)?;
                (digits, Ready::Sign(Box::new(next)))
            }
            Started::Narrow(client) => {
                let (digits, next) = client.on_products(products, y1, rows)?;
                (digits, Ready::Narrow(Box::new(next)))
            }
            Started::Wide(client) => {
                let (digits, next) = client.on_products(products, y1, rows, &mut context.rng)?;
                (digits, Ready::Wide(Box::new(next)))
            }
        };
        send(context.wire, &digits)?;
        Ok(ready)
    }
}

impl ClientRun for Run {
    fn prepare(
        &mut self,
        phase: Phase,
        context: &mut ClientContext<'_>,
        reads: &[Option<&ClientValue>],
    ) -> Result<Option<ClientValue>, ProtocolError> {
        let layer = &self.layer;
        let mut left = None;
        self.state = match (phase, mem::replace(&mut self.state, State::Spent)) {
            (Phase::One, State::Begun) => {
                let rho = random(layer.results, layer.leaves, context)?;
                left = Some(ClientValue::Shares(rho.clone()));
                State::Started(rho, self.start(context)?)
            }
            (Phase::Two, State::Started(rho, started)) => {
                let [_, products, _] = &layer.way.cost().ahead;
                State::Products(rho, receive(context.wire, products)?, started)
            }
            (Phase::Three, State::Products(rho, products, started)) => {
                let [Some(ClientValue::Shares(y1))] = reads else {
                    return Err(ProtocolError::out_of_turn("the client's share"));
                };
                State::Ready(rho, Self::digits(context, started, &products, y1)?)
            }
            (Phase::Four, ready) => ready,
            _ => return Err(ProtocolError::out_of_turn("a phase")),
        };
        Ok(left)
    }

    fn run(
        self: Box<Self>,
        context: &mut ClientContext<'_>,
        _reads: &[&ClientValue],
    ) -> Result<Option<ClientValue>, ProtocolError> {
        let State::Ready(rho, ready) = self.state else {
            return Err(ProtocolError::out_of_turn("the input"));
        };
        let fields = self.layer.way.cost().online;
        let tables = |context: &mut ClientContext<'_>, turn: usize| receive(context.wire, &fields[turn]);
        let last = match ready {
            Ready::Sign(ready) => ready.on_tables(&tables(context, 0)?, &rho)?,
            Ready::Narrow(ready) => {
                let (openings, next) = ready.on_tables(&tables(context, 0)?)?;
                send(context.wire, &openings)?;
                next.on_window_tables(&tables(context, 2)?, &rho)?
            }
            Ready::Wide(ready) => {
                let (answer, next) = ready.on_tables(&tables(context, 0)?)?;
                send(context.wire, &answer)?;
                next.on_tables(&tables(context, 2)?, &rho)?
            }
        };
        send(context.wire, &last)?;
        Ok(None)
    }
}
