//! The client's side: it evaluates.

use std::sync::{Arc, mpsc};

use xonn_crypto::Wiped;
use xonn_crypto::block::{Block, Tccr};
use xonn_crypto::garble::schedule::{Role, Schedule};
use xonn_crypto::garble::{Ciphertexts, Evaluator, Scheme, batch, mask_decoding};
use xonn_crypto::label::Label;
use xonn_program::circuit::Run;
use xonn_program::{InputEncoding, Program};
use zeroize::Zeroizing;

use super::cost::Cost;
use super::labels;
use super::{CHOICES, INPUT, Wires, encode};
use crate::cost::StageCost;
use crate::protocol::{ClientContext, ClientRun, ClientSide, Phase, ProtocolError};
use crate::value::ClientValue;
use crate::wire::{Wire, WireError};

/// One model's.
pub(super) struct Client {
    run: Run,
    schedule: Schedule,
    scheme: Scheme,
    wires: Wires,
    input: InputEncoding,
}

impl Client {
    pub fn new(run: Run, scheme: Scheme, program: &Program) -> Arc<Self> {
        let (schedule, wires) = (Schedule::new(run.circuit(), Role::Evaluator), Wires::of(&run));
        Arc::new(Self { run, schedule, scheme, wires, input: program.input().clone() })
    }
}

impl ClientSide for Arc<Client> {
    fn cost(&self) -> StageCost {
        Cost::of(self.wires, &self.schedule, self.scheme).of_stage()
    }

    fn begin(&self) -> Box<dyn ClientRun> {
        Box::new(Prediction { side: Arc::clone(self), shares: None, ready: None })
    }
}

/// One prediction.
struct Prediction {
    side: Arc<Client>,
    /// The bits of this host's shares.
    shares: Option<Zeroizing<Vec<bool>>>,
    ready: Option<Ready>,
}

/// A circuit whose tables are here.
struct Ready {
    hash: Tccr,
    /// What masks the decoding.
    key: Zeroizing<Block>,
    /// Of the pads and of the shares.
    labels: Wiped<Label>,
    tables: Vec<Ciphertexts>,
}

impl Ready {
    /// The output, once all is evaluated.
    fn decode(&self, evaluator: Evaluator<'_>, mut decoding: Vec<Block>) -> Result<Vec<bool>, ProtocolError> {
        mask_decoding(&mut decoding, &self.key, self.hash.start());
        Ok(evaluator.decode(&decoding)?)
    }
}

fn out_of_turn() -> ProtocolError {
    ProtocolError::out_of_turn("the garbled circuit")
}

impl Client {
    /// The bits of this host's shares.
    fn shares(&self, reads: &[Option<&ClientValue>]) -> Result<Zeroizing<Vec<bool>>, ProtocolError> {
        let mut shares = Vec::with_capacity(reads.len());
        for read in reads {
            match read {
                Some(ClientValue::Shares(share)) => shares.push(share.values()),
                // The client's own input, which is not there yet.
                Some(ClientValue::Clear(_)) | None => {}
                Some(ClientValue::Output(_)) => return Err(ProtocolError::missing("shares")),
            }
        }
        let mut bits = Zeroizing::new(Vec::new());
        self.run.bits_of_client(&shares, &mut bits)?;
        Ok(bits)
    }

    /// The start point and the corrections of `message`: what the circuit begins with, and what is behind
    /// them.
    fn corrected<'m>(
        &self,
        message: &'m [u8],
        shares: &[bool],
        context: &ClientContext<'_>,
    ) -> Result<(Ready, &'m [u8]), ProtocolError> {
        let wires = self.wires;
        let (corrections, behind) = message.split_at(wires.correction_bytes());
        let (start, corrections) = corrections.as_chunks::<{ Block::BYTES }>().0.split_at(1);
        let mut hashes = labels::active(context.leaves, context.tweaks, wires.transfers() + 1)?;
        let (hashes, key) = hashes.split_at_mut(wires.transfers());
        let key = Zeroizing::new(key[0]);
        let pads = context.leaves.keys().iter().take(wires.pads).map(|row| row.lsb());
        let bits = pads.chain(shares.iter().copied());
        for ((hash, correction), bit) in hashes.iter_mut().zip(corrections).zip(bits) {
            *hash ^= Block::from_bytes(*correction).masked(bit);
        }
        let labels = hashes.iter().map(|&hash| Label::from_block(hash)).collect();
        let hash = Tccr::new(Block::from_bytes(start[0]));
        Ok((Ready { hash, key, labels, tables: Vec::new() }, behind))
    }

    /// Lengths of the messages that the tables are.
    fn lengths(&self) -> impl Iterator<Item = usize> {
        self.schedule.segment_lengths(self.scheme).filter(|&length| length > 0)
    }

    /// What evaluates, given the labels that come with the output.
    fn evaluator(&self, ready: &Ready, answered: &[u8]) -> Evaluator<'_> {
        let answered = Wiped::from(Label::from_blocks(blocks(answered)));
        let (masked, servers) = answered.split_at(self.wires.pads);
        let (pads, shares) = ready.labels.split_at(self.wires.pads);
        // As long as it gets from the start, so that no copy of a label is left behind.
        let mut labels = Vec::with_capacity(self.wires.transfers() + self.wires.servers);
        labels.extend(pads.iter().zip(masked).map(|(&pad, &masked)| pad ^ masked));
        labels.extend(shares);
        labels.extend(servers);
        Evaluator::new(&self.schedule, self.scheme, ready.hash, labels)
    }
}

/// The blocks that a message of whole blocks is.
fn blocks(message: &[u8]) -> Vec<Block> {
    Block::vec_from_bytes(message).expect("whole blocks were asked for")
}

fn receive_table(
    wire: &mut dyn Wire,
    length: usize,
    mut table: Ciphertexts,
) -> Result<Ciphertexts, WireError> {
    table.resize(length);
    wire.receive_into(table.as_bytes_mut())?;
    Ok(table)
}

/// Evaluates on tables that one thread receives while this one works; the queue between them bounds the
/// memory.
fn evaluate_while_receiving(
    side: &Client,
    evaluator: &mut Evaluator<'_>,
    wire: &mut dyn Wire,
) -> Result<(), ProtocolError> {
    std::thread::scope(|scope| {
        let (queue, tables) = mpsc::sync_channel::<Ciphertexts>(batch());
        let (back, spent) = mpsc::channel::<Ciphertexts>();
        let receiving = std::thread::Builder::new().spawn_scoped(scope, move || {
            for length in side.lengths() {
                // Fresh until the first ones come back.
                let table = receive_table(wire, length, spent.try_recv().unwrap_or_default())?;
                if queue.send(table).is_err() {
                    break; // the evaluation failed
                }
            }
            Ok::<_, WireError>(())
        });
        let receiving = receiving.map_err(|error| WireError(Box::new(error)))?;
        let next = || tables.recv().ok(); // none: receiving failed and says why
        let evaluated = evaluator.evaluate_from(next, |table| {
            let _ = back.send(table); // receiving may be done, and then needs no buffers
        });
        drop((tables, back));
        receiving.join().expect("receiving does not panic")?;
        Ok(evaluated?)
    })
}

impl ClientRun for Prediction {
    fn prepare(
        &mut self,
        phase: Phase,
        context: &mut ClientContext<'_>,
        reads: &[Option<&ClientValue>],
    ) -> Result<Option<ClientValue>, ProtocolError> {
        let wires = self.side.wires;
        match phase {
            Phase::One | Phase::Two => {}
            Phase::Three => {
                let shares = self.side.shares(reads)?;
                let rows = context.leaves.keys().get(wires.pads..).unwrap_or_default();
                // The last row's choice is sent as it is: 0 is what this host chooses.
                let bits = shares.iter().copied().chain([false]);
                let choices = bits.zip(rows).map(|(bit, row)| bit ^ row.lsb());
                context.wire.send(&encode(CHOICES, context.tweaks.first, choices))?;
                self.shares = Some(shares);
            }
            Phase::Four => {
                let side = &self.side;
                let shares = self.shares.take();
                let shares = shares.ok_or_else(|| ProtocolError::out_of_turn("choices of labels"))?;
                let message = context.wire.receive(side.wires.correction_bytes())?;
                let (mut ready, _) = side.corrected(&message, &shares, context)?;
                let wire = &mut *context.wire;
                let tables = side.lengths().map(|length| receive_table(wire, length, Ciphertexts::default()));
                ready.tables = tables.collect::<Result<_, _>>()?;
                self.ready = Some(ready);
            }
        }
        Ok(None)
    }

    fn receives_late(&self) -> bool {
        true
    }

    fn run(
        self: Box<Self>,
        context: &mut ClientContext<'_>,
        reads: &[&ClientValue],
    ) -> Result<Option<ClientValue>, ProtocolError> {
        let Self { side, shares, ready } = *self;
        let wires = side.wires;
        if ready.is_none() && shares.is_none() {
            return Err(out_of_turn());
        }
        if wires.pads > 0 {
            let numbers = reads.iter().find_map(|read| match read {
                ClientValue::Clear(numbers) => Some(numbers),
                _ => None,
            });
            let numbers = numbers.filter(|numbers| numbers.len() == side.input.elements());
            let numbers = numbers.ok_or_else(|| ProtocolError::missing("an input of the right length"))?;
            let bits = numbers.iter().flat_map(|&number| side.input.bits_of(number));
            let masked = bits.zip(context.leaves.keys()).map(|(bit, row)| bit ^ row.lsb());
            context.wire.send(&encode(INPUT, context.tweaks.first, masked))?;
        }
        let output = match (ready, shares) {
            (Some(mut ready), _) => {
                let length = wires.answered_bytes() + wires.decoding_bytes();
                let message = Wiped::from(context.wire.receive(length)?);
                let (answered, decoding) = message.split_at(wires.answered_bytes());
                let mut evaluator = side.evaluator(&ready, answered);
                let mut tables = std::mem::take(&mut ready.tables).into_iter();
                evaluator.evaluate_from(|| tables.next(), drop)?;
                ready.decode(evaluator, blocks(decoding))?
            }
            (None, shares) => {
                let length = wires.correction_bytes() + wires.answered_bytes();
                let message = Wiped::from(context.wire.receive(length)?);
                let (ready, answered) = side.corrected(&message, &shares.unwrap_or_default(), context)?;
                let mut evaluator = side.evaluator(&ready, answered);
                evaluate_while_receiving(&side, &mut evaluator, &mut *context.wire)?;
                let decoding = context.wire.receive(wires.decoding_bytes())?;
                ready.decode(evaluator, blocks(&decoding))?
            }
        };
        Ok(Some(ClientValue::Output(output)))
    }
}
