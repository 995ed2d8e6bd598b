//! The server's side: it garbles.

use std::sync::{Arc, mpsc};

use xonn_crypto::Wiped;
use xonn_crypto::block::{Block, Tccr};
use xonn_crypto::garble::schedule::{Role, Schedule};
use xonn_crypto::garble::{Ciphertexts, Garbler, Scheme, Secrets, batch, mask_decoding, zero_labels};
use xonn_crypto::label::{Delta, ZeroLabel};
use xonn_program::circuit::{Run, RunOfModel};
use zeroize::{Zeroize, Zeroizing};

use super::cost::Cost;
use super::labels;
use super::{CHOICES, INPUT, Wires, decode};
use crate::cost::StageCost;
use crate::protocol::{Phase, ProtocolError, ServerContext, ServerRun, ServerSide};
use crate::value::ServerValue;
use crate::wire::{Wire, WireError};

/// Batches of garbled segments that wait to be sent.
const BATCHES_AHEAD: usize = 1;

/// One model's.
pub(super) struct Server {
    run: Run,
    secret: Zeroizing<Vec<bool>>,
    schedule: Schedule,
    scheme: Scheme,
    wires: Wires,
}

impl Server {
    pub fn new(model: RunOfModel, scheme: Scheme) -> Arc<Self> {
        let RunOfModel { run, secret } = model;
        let (schedule, wires) = (Schedule::new(run.circuit(), Role::Garbler), Wires::of(&run));
        Arc::new(Self { run, secret: secret.into(), schedule, scheme, wires })
    }
}

impl ServerSide for Arc<Server> {
    fn cost(&self) -> StageCost {
        Cost::of(self.wires, &self.schedule, self.scheme).of_stage()
    }

    fn begin(&self) -> Box<dyn ServerRun> {
        Box::new(Prediction { side: Arc::clone(self), differences: None, garbled: None })
    }
}

/// One prediction.
struct Prediction {
    side: Arc<Server>,
    /// Of each row what phase Three says of the client's choice.
    differences: Option<Vec<bool>>,
    garbled: Option<Garbled>,
}

/// What the labels are made of that are sent when the input is there. Wiped when dropped.
struct Answered {
    delta: Delta,
    /// Seed of their zero labels, and where its counters begin.
    seed: [Block; 2],
    count: usize,
}

impl Answered {
    fn zeros(&self) -> Wiped<ZeroLabel> {
        zero_labels(self.count, self.seed)
    }

    /// The labels of these bits behind what is in `message`.
    fn answer(&self, bits: &[bool], message: &mut Vec<u8>) {
        for (zero, &bit) in self.zeros().iter().zip(bits) {
            message.extend_from_slice(&zero.label(bit, &self.delta).block().to_bytes());
        }
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        self.seed.zeroize();
    }
}

/// A circuit of which nothing is sent yet.
struct Begun {
    labels: Answered,
    start: Block,
    /// What masks the decoding.
    key: Zeroizing<Block>,
    /// The start point, and a correction for each label by OT; room for the other labels.
    corrections: Vec<u8>,
}

/// A circuit whose tables are sent.
struct Garbled {
    labels: Answered,
    /// What lets the client read its output; masked.
    decoding: Vec<Block>,
}

impl Begun {
    /// Sends the tables.
    fn garble(self, garbler: Garbler<'_>, wire: &mut dyn Wire) -> Result<Garbled, ProtocolError> {
        let mut decoding = send_tables(garbler, wire)?;
        mask_decoding(&mut decoding, &self.key, self.start);
        Ok(Garbled { labels: self.labels, decoding })
    }
}

impl ServerRun for Prediction {
    fn prepare(&mut self, phase: Phase, context: &mut ServerContext<'_>) -> Result<(), ProtocolError> {
        let wires = self.side.wires;
        match phase {
            Phase::One | Phase::Two => {}
            Phase::Three => {
                let message = context.wire.receive(wires.choice_bytes())?;
                let choices = decode(CHOICES, context.tweaks.first, wires.shares + 1, &message)?;
                // A pad is its row's choice.
                let mut differences = vec![false; wires.pads];
                differences.extend(choices);
                self.differences = Some(differences);
            }
            Phase::Four => {
                let differences = self.differences.take();
                let differences =
                    differences.ok_or_else(|| ProtocolError::out_of_turn("choices of labels"))?;
                let (garbler, begun) = begin(&self.side, &differences, context)?;
                context.wire.send(&begun.corrections)?;
                self.garbled = Some(begun.garble(garbler, &mut *context.wire)?);
            }
        }
        Ok(())
    }

    fn sends_late(&self) -> bool {
        true
    }

    fn run(
        self: Box<Self>,
        context: &mut ServerContext<'_>,
        reads: &[&ServerValue],
    ) -> Result<ServerValue, ProtocolError> {
        let Self { side, differences, garbled } = *self;
        let wires = side.wires;
        if garbled.is_none() && differences.is_none() {
            return Err(out_of_turn());
        }
        let mut bits = Zeroizing::new(Vec::with_capacity(wires.answered()));
        if wires.pads > 0 {
            let message = context.wire.receive(wires.input_bytes())?;
            bits.extend(decode(INPUT, context.tweaks.first, wires.pads, &message)?);
        }
        let shares = reads.iter().filter_map(|read| match read {
            ServerValue::Shares { share, offsets } => Some((share.values(), &offsets[..])),
            ServerValue::Nothing => None,
        });
        side.run.bits_of_server(&shares.collect::<Vec<_>>(), &mut bits)?;
        match (garbled, differences) {
            (Some(garbled), _) => {
                let mut message = Vec::with_capacity(wires.answered_bytes() + wires.decoding_bytes());
                garbled.labels.answer(&bits, &mut message);
                message.extend_from_slice(Block::as_bytes(&garbled.decoding));
                context.wire.send(&message)?;
            }
            (None, Some(differences)) => {
                let (garbler, mut begun) = begin(&side, &differences, context)?;
                begun.labels.answer(&bits, &mut begun.corrections);
                context.wire.send(&begun.corrections)?;
                let garbled = begun.garble(garbler, &mut *context.wire)?;
                context.wire.send(Block::as_bytes(&garbled.decoding))?;
            }
            (None, None) => return Err(out_of_turn()),
        }
        Ok(ServerValue::Nothing)
    }
}

fn out_of_turn() -> ProtocolError {
    ProtocolError::out_of_turn("the garbled circuit")
}

/// Fresh delta and start point, and what message Four begins with.
fn begin<'s>(
    side: &'s Server,
    differences: &[bool],
    context: &mut ServerContext<'_>,
) -> Result<(Garbler<'s>, Begun), ProtocolError> {
    let wires = side.wires;
    let rng = &mut *context.rng;
    let secrets = Secrets::random(rng);
    let seed = [Block::random(rng), Block::random(rng)];
    // From here on it is wiped, however this ends.
    let labels = Answered { delta: secrets.delta.clone(), seed, count: wires.answered() };
    // The client has fixed its labels before it knows the start point.
    let start = Block::random(rng);
    let pairs = labels::pairs(context.leaves, context.tweaks, differences)?;
    let (pairs, _) = pairs.as_chunks::<2>();
    let (own, key) = pairs.split_at(wires.transfers());
    let key = Zeroizing::new(key[0][0]);
    let mut corrections = Vec::with_capacity(wires.correction_bytes() + wires.answered_bytes());
    corrections.extend_from_slice(&start.to_bytes());
    for [zero, one] in own {
        corrections.extend_from_slice(&(*zero ^ *one ^ *labels.delta.block()).to_bytes());
    }

    let answered = labels.zeros();
    let (masked, servers) = answered.split_at(wires.pads);
    let (pads, shares) = own.split_at(wires.pads);
    // As long as it gets from the start, so that no copy of a label is left behind.
    let mut input = Vec::with_capacity(wires.transfers() + wires.servers);
    let zero = |&[zero, _]: &[Block; 2]| ZeroLabel::from_block(zero);
    input.extend(pads.iter().map(zero).zip(masked).map(|(pad, &masked)| pad ^ masked));
    input.extend(shares.iter().map(zero));
    input.extend(servers);
    let garbler = Garbler::new(&side.schedule, side.scheme, &side.secret, secrets, Tccr::new(start), input);
    Ok((garbler, Begun { labels, start, key, corrections }))
}

/// One thread garbles, this one sends; the queue between them bounds the memory. Gives the decoding.
fn send_tables(mut garbler: Garbler<'_>, wire: &mut dyn Wire) -> Result<Vec<Block>, ProtocolError> {
    std::thread::scope(|scope| {
        let (queue, batches) = mpsc::sync_channel::<Vec<Ciphertexts>>(BATCHES_AHEAD);
        let (back, sent) = mpsc::channel::<Ciphertexts>();
        let garbling = std::thread::Builder::new().spawn_scoped(scope, move || {
            loop {
                garbler.recycle(sent.try_iter());
                let tables = garbler.garble(batch());
                // The sending side hangs up if the connection fails; then nobody needs the rest.
                if tables.is_empty() || queue.send(tables).is_err() {
                    return garbler;
                }
            }
        });
        let garbling = garbling.map_err(|error| WireError(Box::new(error)))?;
        for table in batches.iter().flatten() {
            if !table.is_empty() {
                wire.send(table.as_bytes())?;
            }
            let _ = back.send(table); // garbling may be done, and then needs no buffers
        }
        let garbler = garbling.join().expect("garbling does not panic on a verified circuit");
        Ok(garbler.decoding())
    })
}
