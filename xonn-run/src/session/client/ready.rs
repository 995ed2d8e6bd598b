//! Circuits that wait for the client's input.

use rand::CryptoRng;
use zeroize::Zeroizing;

use super::circuits::Circuits;
use super::round::decode;
use crate::session::channel::{Channel, Transport};
use crate::session::error::SessionError;
use crate::session::masked;
use crate::session::msgs::Kind;
use xonn_crypto::block::{Block, Tccr};
use xonn_crypto::garble::{Ciphertexts, Evaluator};
use xonn_crypto::label::Label;

/// A circuit whose tables are here. It takes one input: [`Circuits::answer`] uses it up.
pub(super) struct Ready {
    number: u64,
    hash: Tccr,
    /// What masks the decoding.
    key: Zeroizing<Block>,
    /// Labels of the pads.
    labels: Zeroizing<Vec<Label>>,
    /// What masks the input bits.
    pads: Zeroizing<Vec<bool>>,
    tables: Vec<Ciphertexts>,
}

impl Circuits {
    /// Memory that a circuit takes from when it is there until it is used, in bytes.
    #[must_use]
    pub fn bytes_ahead(&self) -> u64 {
        self.schedule.bytes(self.scheme) + ((Block::BYTES + 1) * self.input_bits()) as u64
    }

    /// Everything that does not need the input.
    pub fn prepare<T: Transport>(
        &mut self,
        channel: &mut Channel<T>,
        rng: &mut impl CryptoRng,
    ) -> Result<(), SessionError> {
        let pads: Zeroizing<Vec<bool>> =
            Zeroizing::new((0..self.input_bits()).map(|_| rng.next_u32() & 1 == 1).collect());
        let (hash, key, labels) = self.labels(channel, &pads, rng)?;
        let (labels, tables) = (Zeroizing::new(labels), self.tables(channel)?);
        self.ready.push_back(Ready { number: self.prepared, hash, key, labels, pads, tables });
        self.prepared += 1;
        Ok(())
    }

    /// Runs the oldest circuit that is ready on `input`: one message each way.
    pub fn answer<T: Transport>(
        &mut self,
        channel: &mut Channel<T>,
        input: &[bool],
    ) -> Result<Vec<bool>, SessionError> {
        let mut ready = self.ready.pop_front().expect("the caller has seen that one is there");
        let masked: Vec<bool> = ready.pads.iter().zip(input).map(|(pad, bit)| pad ^ bit).collect();
        let message = masked::encode(&self.session, ready.number, &masked);
        let doing = "waiting for the answer to a masked input";
        channel.send(Kind::Masked, &message, doing)?;
        let answered =
            Zeroizing::new(channel.receive(Kind::Labels, masked::label_bytes(masked.len()), doing)?);
        let blocks = Block::vec_from_bytes(&answered).expect("labels are whole blocks");
        let answered = Zeroizing::new(Label::from_blocks(blocks));
        let labels = masked::join(&ready.labels, &answered);
        let mut evaluator = Evaluator::new(&self.schedule, self.scheme, ready.hash, labels);
        let mut tables = std::mem::take(&mut ready.tables).into_iter();
        evaluator.evaluate_from(|| tables.next(), |table| self.buffers.push(table))?;
        decode(channel, evaluator, (ready.hash, &ready.key))
    }
}
