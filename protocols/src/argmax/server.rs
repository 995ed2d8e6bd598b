//! The server's side of a stage. `client.rs` mirrors it.

use std::mem;
use std::sync::Arc;

use super::stage::Layer;
use crate::compare_ot::argmax::{AwaitDigits, AwaitShare, Server, ServerTurn};
use crate::compare_ot::{receive, send};
use crate::cost::StageCost;
use crate::protocol::{Phase, ProtocolError, ServerContext, ServerRun, ServerSide};
use crate::value::ServerValue;

/// The server's side of a stage.
pub(super) struct Side(pub Arc<Layer>);

/// How far a prediction is.
enum State {
    Begun,
    Products(Vec<u8>, Box<AwaitDigits>),
    Digits(Box<AwaitDigits>),
    Ready(Box<AwaitShare>),
    Spent,
}

struct Run {
    layer: Arc<Layer>,
    state: State,
}

impl ServerSide for Side {
    fn cost(&self) -> StageCost {
        self.0.cost()
    }

    fn begin(&self) -> Box<dyn ServerRun> {
        Box::new(Run { layer: Arc::clone(&self.0), state: State::Begun })
    }
}

impl ServerRun for Run {
    fn prepare(&mut self, phase: Phase, context: &mut ServerContext<'_>) -> Result<(), ProtocolError> {
        let layer = &self.layer;
        let [one, _, three] = &layer.ahead();
        self.state = match (phase, mem::replace(&mut self.state, State::Spent)) {
            (Phase::One, State::Begun) => {
                let message = receive(context.wire, one)?;
                let server = Server::start(&layer.plan, context.tweaks, context.masks)?;
                let (products, next) = server.on_cross_terms(&message)?;
                State::Products(products, Box::new(next))
            }
            (Phase::Two, State::Products(products, next)) => {
                send(context.wire, &products)?;
                State::Digits(next)
            }
            (Phase::Three, State::Digits(next)) => {
                let message = receive(context.wire, three)?;
                State::Ready(Box::new(next.on_digits(&message, context.leaves)?))
            }
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
        let Self { layer, state } = *self;
        let (State::Ready(ready), [read]) = (state, reads) else {
            return Err(ProtocolError::out_of_turn("the input"));
        };
        let (mut tables, waiting) = ready.on_share(&layer.of_server(read)?)?;
        let mut waiting = Box::new(waiting);
        for fields in layer.plan.cost().online.iter().skip(1).step_by(2) {
            send(context.wire, &tables)?;
            match waiting.on_answer(&receive(context.wire, fields)?)? {
                ServerTurn::Tables(next, turn) => (tables, waiting) = (next, turn),
                ServerTurn::Index(index) => {
                    send(context.wire, &index)?;
                    return Ok(ServerValue::Nothing);
                }
            }
        }
        Err(ProtocolError::out_of_turn("the last answer"))
    }
}
