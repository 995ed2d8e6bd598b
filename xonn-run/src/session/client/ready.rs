//! Circuits that wait for the client's input.

use rand::CryptoRng;
use zeroize::Zeroizing;

use super::circuits::Circuits;
use super::round::{decode, evaluate_all};
use crate::oca::ahead::Masks;
use crate::session::ahead::Wires;
use crate::session::channel::{Channel, Transport};
use crate::session::error::SessionError;
use crate::session::first_layer;
use crate::session::msgs::Kind;
use xonn_crypto::block::{Block, Tccr};
use xonn_crypto::garble::{Ciphertexts, Evaluator};

/// A circuit whose tables are here. It takes one input: [`Circuits::answer`] uses it up.
pub(super) struct Ready {
    number: u64,
    hash: Tccr,
    /// What masks the decoding.
    key: Zeroizing<Block>,
    /// Labels of this side's shares, and of the pads.
    labels: Zeroizing<Vec<Block>>,
    /// What stands for the numbers of first layers on shares.
    masks: Option<Masks>,
    /// What masks the input bits.
    pads: Zeroizing<Vec<bool>>,
    tables: Vec<Ciphertexts>,
}

impl Circuits {
    fn wires(&self) -> Wires {
        Wires::of(self.schedule.program(), self.shared.as_ref().map(|(oca, _)| &**oca))
    }

    /// Memory that a circuit takes from when it is there until it is used, in bytes.
    #[must_use]
    pub fn bytes_ahead(&self) -> u64 {
        let wires = self.wires();
        let masks = self.shared.as_ref().map_or(0, |(oca, _)| Masks::bytes(oca));
        self.schedule.bytes(self.scheme) + (Block::BYTES * wires.transfers() + wires.pads() + masks) as u64
    }

    /// Everything that does not need the input.
    pub fn prepare<T: Transport>(
        &mut self,
        channel: &mut Channel<T>,
        rng: &mut impl CryptoRng,
    ) -> Result<(), SessionError> {
        let wires = self.wires();
        let pads: Zeroizing<Vec<bool>> =
            Zeroizing::new((0..wires.pads()).map(|_| rng.next_u32() & 1 == 1).collect());
        let (mut choices, mut masks) = (Zeroizing::new(Vec::with_capacity(wires.transfers())), None);
        if let Some((oca, sender)) = &mut self.shared {
            let drawn = Masks::random(oca, rng);
            let shares = first_layer::send(channel, sender.begin_ahead(oca, &drawn))?;
            choices.extend(shares.iter());
            masks = Some(drawn);
        }
        choices.extend(pads.iter());
        let (hash, key, labels) = self.labels(channel, &choices, rng)?;
        let (labels, tables) = (Zeroizing::new(labels), self.tables(channel)?);
        self.ready.push_back(Ready { number: self.prepared, hash, key, labels, masks, pads, tables });
        self.prepared += 1;
        Ok(())
    }

    /// Runs the oldest circuit that is ready on `input`: one message each way.
    pub fn answer<T: Transport>(
        &mut self,
        channel: &mut Channel<T>,
        input: &[bool],
    ) -> Result<Vec<bool>, SessionError> {
        let wires = self.wires();
        let mut ready = self.ready.pop_front().expect("the caller has seen that one is there");
        let differences = match (&self.shared, ready.masks.take()) {
            (Some((oca, _)), Some(masks)) => masks.differences(oca, input),
            _ => Vec::new(),
        };
        // Where no bit is masked there are no pads.
        let masked: Vec<bool> = ready.pads.iter().zip(input).map(|(pad, bit)| pad ^ bit).collect();
        let message = wires.encode(&self.session, ready.number, &differences, &masked);
        let doing = "waiting for the answer to a masked input";
        channel.send(Kind::Masked, &message, doing)?;
        let answered = Zeroizing::new(channel.receive(Kind::Labels, Block::BYTES * wires.labels(), doing)?);
        let answered = Zeroizing::new(Block::vec_from_bytes(&answered).expect("labels are whole blocks"));
        let labels = wires.join(&ready.labels, &answered);
        let mut evaluator = Evaluator::new(&self.schedule, self.scheme, ready.hash, labels);
        let mut tables = std::mem::take(&mut ready.tables).into_iter();
        evaluate_all(&mut evaluator, &mut || tables.next(), |table| self.buffers.push(table))?;
        decode(channel, evaluator, (ready.hash, &ready.key))
    }
}
