//! The client's side of a stage. `server.rs` mirrors it.

use std::mem;
use std::sync::Arc;

use xonn_crypto::share::RingTensor;

use super::stage::Layer;
use crate::compare_ot::numbers::{AwaitTables, Client, ClientTurn};
use crate::compare_ot::{receive, send};
use crate::cost::StageCost;
use crate::mask::random;
use crate::protocol::{ClientContext, ClientRun, ClientSide, Phase, ProtocolError};
use crate::value::ClientValue;

/// The client's side of a stage.
pub(super) struct Side(pub Arc<Layer>);

/// How far a prediction is; with the client's share of the results.
enum State {
    Begun,
    Started(RingTensor, Box<Client>),
    Products(RingTensor, Vec<u8>, Box<Client>),
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

impl Layer {
    /// The client's shares of the numbers themselves.
    fn of_client(&self, reads: &[Option<&ClientValue>]) -> Result<Vec<RingTensor>, ProtocolError> {
        let missing = || ProtocolError::out_of_turn("the client's share");
        if reads.len() != self.reads.len() {
            return Err(missing());
        }
        let each = self.reads.iter().zip(reads).map(|(&(ring, bits), read)| {
            let share = read.and_then(ClientValue::share).ok_or_else(missing)?;
            Ok(ring.numbers_of_client(share, bits)?)
        });
        each.collect()
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
                let rho = random(layer.plan.results(), layer.leaves.bits, context)?;
                left = Some(ClientValue::Shares(rho.clone()));
                let (message, client) = Client::start(&layer.plan, context.tweaks, context.masks)?;
                send(context.wire, &message)?;
                State::Started(rho, Box::new(client))
            }
            (Phase::Two, State::Started(rho, client)) => {
                let [_, products, _] = &layer.plan.cost().ahead;
                State::Products(rho, receive(context.wire, products)?, client)
            }
            (Phase::Three, State::Products(rho, products, client)) => {
                let shares = layer.of_client(reads)?;
                let shares: Vec<&RingTensor> = shares.iter().collect();
                let (message, ready) =
                    client.on_products(&products, &shares, &rho, context.leaves, context.rng)?;
                send(context.wire, &message)?;
                State::Ready(Box::new(ready))
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
        let State::Ready(mut ready) = self.state else {
            return Err(ProtocolError::out_of_turn("the input"));
        };
        for tables in self.layer.plan.cost().online.iter().step_by(2) {
            let (answer, turn) = ready.on_tables(&receive(context.wire, tables)?)?;
            send(context.wire, &answer)?;
            match turn {
                ClientTurn::Tables(next) => *ready = next,
                ClientTurn::Done => return Ok(None),
            }
        }
        Err(ProtocolError::out_of_turn("the last tables"))
    }
}
