//! The client's side: it evaluates.

use std::sync::Arc;

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
    labels: Zeroizing<Vec<Label>>,
    tables: Vec<Ciphertexts>,
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

    /// Message Four.
    fn receive(&self, shares: &[bool], context: &mut ClientContext<'_>) -> Result<Ready, ProtocolError> {
        let wires = self.wires;
        let message = context.wire.receive(wires.correction_bytes())?;
        let (start, corrections) = message.as_chunks::<{ Block::BYTES }>().0.split_at(1);
        let mut hashes = labels::active(context.leaves, context.tweaks, wires.transfers() + 1)?;
        let key = Zeroizing::new(hashes.pop().unwrap_or(Block::ZERO));
        let pads = context.leaves.keys().iter().take(wires.pads).map(|row| row.lsb());
        let bits = pads.chain(shares.iter().copied());
        for ((hash, correction), bit) in hashes.iter_mut().zip(corrections).zip(bits) {
            *hash ^= Block::from_bytes(*correction).masked(bit);
        }
        let labels = Zeroizing::new(Label::from_blocks(std::mem::take(&mut *hashes)));
        let lengths = self.schedule.segment_lengths(self.scheme);
        let mut tables = Vec::new();
        for length in lengths.filter(|&length| length > 0) {
            let message = context.wire.receive(length)?;
            let mut table = Ciphertexts::default();
            table.resize(length);
            table.as_bytes_mut().copy_from_slice(&message);
            tables.push(table);
        }
        Ok(Ready { hash: Tccr::new(Block::from_bytes(start[0])), key, labels, tables })
    }

    /// The output of a circuit on these labels.
    fn evaluate(
        &self,
        ready: Ready,
        labels: Vec<Label>,
        decoding: &mut [Block],
    ) -> Result<Vec<bool>, ProtocolError> {
        let mut evaluator = Evaluator::new(&self.schedule, self.scheme, ready.hash, labels);
        let mut tables = ready.tables.into_iter();
        loop {
            let upcoming = evaluator.upcoming(batch());
            if upcoming.is_empty() {
                break;
            }
            let next = |length: usize| {
                if length == 0 { Ciphertexts::default() } else { tables.next().unwrap_or_default() }
            };
            let segments: Vec<Ciphertexts> = upcoming.into_iter().map(next).collect();
            evaluator.evaluate(&segments)?;
        }
        mask_decoding(decoding, &ready.key, ready.hash.start());
        Ok(evaluator.decode(decoding)?)
    }
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
                let shares =
                    self.shares.take().ok_or_else(|| ProtocolError::out_of_turn("choices of labels"))?;
                self.ready = Some(self.side.receive(&shares, context)?);
            }
        }
        Ok(None)
    }

    fn run(
        self: Box<Self>,
        context: &mut ClientContext<'_>,
        reads: &[&ClientValue],
    ) -> Result<Option<ClientValue>, ProtocolError> {
        let Self { side, ready, .. } = *self;
        let ready = ready.ok_or_else(|| ProtocolError::out_of_turn("the garbled circuit"))?;
        let wires = side.wires;
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
        let message = Zeroizing::new(context.wire.receive(wires.output_bytes())?);
        let (answered, decoding) = message.split_at(Block::BYTES * wires.answered());
        let blocks = |bytes| Block::vec_from_bytes(bytes).expect("whole blocks were asked for");
        let answered = Zeroizing::new(Label::from_blocks(blocks(answered)));
        let mut decoding = blocks(decoding);
        let (masked, servers) = answered.split_at(wires.pads);
        let (pads, shares) = ready.labels.split_at(wires.pads);
        // As long as it gets from the start, so that no copy of a label is left behind.
        let mut labels = Vec::with_capacity(wires.transfers() + wires.servers);
        labels.extend(pads.iter().zip(masked).map(|(&pad, &masked)| pad ^ masked));
        labels.extend(shares);
        labels.extend(servers);
        let output = side.evaluate(ready, labels, &mut decoding)?;
        Ok(Some(ClientValue::Output(output)))
    }
}
