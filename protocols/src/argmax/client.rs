//! The client's side of a stage. `server.rs` mirrors it.

use std::mem;
use std::sync::Arc;

use super::stage::Layer;
use crate::compare_ot::argmax::{AwaitTables, Client, ClientTurn};
use crate::compare_ot::{receive, send};
use crate::cost::StageCost;
use crate::protocol::{ClientContext, ClientRun, ClientSide, Phase, ProtocolError};
use crate::value::ClientValue;

/// The client's side of a stage.
pub(super) struct Side(pub Arc<Layer>);

/// How far a prediction is.
enum State {
    Begun,
    Started(Box<Client>),
    Products(Vec<u8>, Box<Client>),
    Ready(Box<AwaitTables>),
    Spent,
}

struct Run {
    layer: Arc<Layer>,
    state: State,
}

impl ClientSide for Side {
    fn cost(&self) -> StageCost {
        self.0.cost()
    }

    fn begin(&self) -> Box<dyn ClientRun> {
        Box::new(Run { layer: Arc::clone(&self.0), state: State::Begun })
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
        self.state = match (phase, mem::replace(&mut self.state, State::Spent)) {
            (Phase::One, State::Begun) => {
                let (message, client) = Client::start(&layer.plan, context.tweaks, context.masks)?;
                send(context.wire, &message)?;
                State::Started(Box::new(client))
            }
            (Phase::Two, State::Started(client)) => {
                let [_, products, _] = &layer.ahead();
                State::Products(receive(context.wire, products)?, client)
            }
            (Phase::Three, State::Products(products, client)) => {
                let share = reads.first().copied().flatten().and_then(ClientValue::share);
                let share = share.ok_or_else(|| ProtocolError::out_of_turn("the client's share"))?;
                let share = layer.of_client(share)?;
                let (message, ready) = client.on_products(&products, &share, context.leaves, context.rng)?;
                send(context.wire, &message)?;
                State::Ready(Box::new(ready))
            }
            (Phase::Four, ready) => ready,
            _ => return Err(ProtocolError::out_of_turn("a phase")),
        };
        Ok(None)
    }

    fn run(
        self: Box<Self>,
        context: &mut ClientContext<'_>,
        _reads: &[&ClientValue],
    ) -> Result<Option<ClientValue>, ProtocolError> {
        let State::Ready(mut ready) = self.state else {
            return Err(ProtocolError::out_of_turn("the input"));
        };
        let fields = self.layer.plan.cost().online;
        let mut from_server = fields.iter().step_by(2);
        let mut next = |context: &mut ClientContext<'_>| {
            let fields = from_server.next();
            receive(context.wire, fields.ok_or_else(|| ProtocolError::out_of_turn("the last tables"))?)
        };
        loop {
            let tables = next(context)?;
            let (answer, turn) = ready.on_tables(&tables)?;
            send(context.wire, &answer)?;
            match turn {
                ClientTurn::Tables(waits) => ready = waits,
                ClientTurn::Index(waits) => {
                    let index = waits.on_index(&next(context)?)?;
                    return Ok(Some(ClientValue::Output(index)));
                }
            }
        }
    }
}
