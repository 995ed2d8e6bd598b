//! One circuit: its messages in order, evaluated as they come or kept.

use std::sync::mpsc;

use rand::CryptoRng;
use zeroize::Zeroizing;

use super::circuits::Circuits;
use crate::session::channel::{Channel, Transport};
use crate::session::error::SessionError;
use crate::session::msgs::{Kind, correlate_bytes};
use xonn_crypto::block::{Block, Tccr};
use xonn_crypto::garble::{Ciphertexts, DECODE_BYTES, Evaluator, batch, mask_decoding};
use xonn_crypto::label::Label;
use xonn_crypto::ot;

/// What a client does that waits for a circuit.
const RECEIVING: &str = "receiving the garbled circuit";

impl Circuits {
    /// An inference whose input is there: all in one answer.
    pub fn at_once<T: Transport>(
        &mut self,
        channel: &mut Channel<T>,
        input: &[bool],
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<bool>, SessionError> {
        let (hash, key, labels) = self.labels(channel, input, rng)?;
        let schedule = &self.schedule;
        let mut evaluator = Evaluator::new(schedule, self.scheme, hash, labels);
        // One thread receives, this one evaluates; the queue between them bounds the memory.
        let (receiver, buffers, scheme) = (&mut *channel, &mut self.buffers, self.scheme);
        std::thread::scope(|scope| {
            let (queue, tables) = mpsc::sync_channel::<Ciphertexts>(batch());
            let (back, spent) = mpsc::channel::<Ciphertexts>();
            let thread = std::thread::Builder::new();
            let receiving = thread.spawn_scoped(scope, move || {
                let segments = schedule.segment_lengths(scheme).zip(schedule.segments_of_first_layers());
                for (length, first) in segments.filter(|&(length, _)| length > 0) {
                    let used = spent.try_recv().ok().or_else(|| buffers.pop());
                    // Fresh until the first ones come back.
                    let table = receive_table(receiver, length, first, used.unwrap_or_default())?;
                    if queue.send(table).is_err() {
                        break; // the evaluation failed
                    }
                }
                buffers.extend(spent.iter());
                Ok::<_, SessionError>(())
            });
            let receiving =
                receiving.map_err(|source| SessionError::Transport { doing: RECEIVING, source })?;
            let next = || tables.recv().ok(); // none: receiving failed and says why
            let evaluated = evaluator.evaluate_from(next, |table| {
                let _ = back.send(table); // receiving may be done, and then needs no buffers
            });
            drop((tables, back));
            receiving.join().expect("receiving does not panic")?;
            Ok::<_, SessionError>(evaluated?)
        })?;
        decode(channel, evaluator, (hash, &key))
    }

    /// OTs of labels: the hash with the garbler's start point, the key that masks the decoding, and the
    /// active label of each choice.
    pub fn labels<T: Transport>(
        &mut self,
        channel: &mut Channel<T>,
        choices: &[bool],
        rng: &mut impl CryptoRng,
    ) -> Result<(Tccr, Zeroizing<Block>, Vec<Label>), SessionError> {
        let (pending, extend) = self.receiver.extend(rng, choices)?;
        channel.send(Kind::Extend, &extend.encode(), "sending oblivious choices")?;
        let shared_delta = self.receiver.params().shared_delta();
        let length = correlate_bytes(choices.len(), shared_delta);
        let message = channel.receive(Kind::Correlate, length, RECEIVING)?;
        let (start, correlate) = message.split_first_chunk().expect("the length was checked");
        let key = pending.shared_key();
        let labels = if shared_delta {
            pending.into_labels()
        } else {
            pending.correlate(&ot::msgs::Correlate::decode(choices.len(), correlate)?)?
        };
        Ok((Tccr::new(Block::from_bytes(*start)), key, labels))
    }

    /// All tables of a circuit, kept.
    pub fn tables<T: Transport>(
        &mut self,
        channel: &mut Channel<T>,
    ) -> Result<Vec<Ciphertexts>, SessionError> {
        let schedule = &self.schedule;
        let segments = schedule.segment_lengths(self.scheme).zip(schedule.segments_of_first_layers());
        let segments = segments.filter(|&(length, _)| length > 0);
        // In the order in which the circuit before gave them back, so that each is as long as its segment.
        let mut spare = std::mem::take(&mut self.buffers).into_iter();
        let tables = segments
            .map(|(length, first)| receive_table(channel, length, first, spare.next().unwrap_or_default()))
            .collect();
        self.buffers = spare.collect();
        tables
    }
}

/// The last message of an inference, and what the output is by it.
pub(super) fn decode<T: Transport>(
    channel: &mut Channel<T>,
    evaluator: Evaluator<'_>,
    (hash, key): (Tccr, &Block),
) -> Result<Vec<bool>, SessionError> {
    let length = DECODE_BYTES * evaluator.schedule().program().output_bits();
    let decoding = channel.receive(Kind::Decoding, length, RECEIVING)?;
    let mut decoding = Block::vec_from_bytes(&decoding).expect("hashes are whole blocks");
    mask_decoding(&mut decoding, key, hash.start());
    Ok(evaluator.decode(&decoding)?)
}

fn receive_table<T: Transport>(
    channel: &mut Channel<T>,
    length: usize,
    first_layer: bool,
    mut table: Ciphertexts,
) -> Result<Ciphertexts, SessionError> {
    channel.count_as_first_layer(first_layer);
    channel.receive_into(Kind::Tables, length, RECEIVING, || {
        table.resize(length);
        table.as_bytes_mut()
    })?;
    Ok(table)
}
