//! One circuit: garbled, and sent as it is garbled.

use std::sync::mpsc;

use rand::CryptoRng;

use crate::session::channel::{Channel, Transport};
use crate::session::error::SessionError;
use crate::session::msgs::Kind;
use xonn_crypto::block::{Block, Tccr};
use xonn_crypto::garble::schedule::Schedule;
use xonn_crypto::garble::{Ciphertexts, Garbler, Scheme, Secrets, batch, mask_decoding};
use xonn_crypto::label::{Delta, ZeroLabel};
use xonn_crypto::ot::SenderKeys;

/// What a server does that garbles.
const GARBLING: &str = "sending the garbled circuit";

/// Batches of garbled segments that wait to be sent.
const BATCHES_AHEAD: usize = 1;

/// What one circuit is garbled with.
pub(super) struct Round<'a> {
    pub schedule: &'a Schedule,
    pub scheme: Scheme,
    /// The OTs of the client's labels.
    pub keys: SenderKeys,
    /// Whether delta is that of the OTs.
    pub shared_delta: bool,
    /// Of the circuit before: giving out fresh memory costs the system more than garbling into it.
    pub buffers: &'a mut Vec<Ciphertexts>,
}

/// What is left of a circuit when its tables are sent.
pub(super) struct Garbled {
    pub delta: Delta,
    /// What lets the client read its output, once its input is fixed; under a key that both hosts have of the
    /// labels' OTs.
    pub decoding: Vec<Block>,
}

impl Round<'_> {
    /// An inference: everything in one answer. `secret` are the garbler's bits of the schedule's program.
    pub fn infer<T: Transport>(
        self,
        channel: &mut Channel<T>,
        secret: &[bool],
        rng: &mut impl CryptoRng,
    ) -> Result<(), SessionError> {
        let garbled = self.garble(channel, secret, |labels| labels, rng)?;
        send_decoding(channel, &garbled.decoding)
    }

    /// Fresh delta unless it is that of the OTs, fresh start point, tables, all but the decoding. `input`
    /// makes of the zero labels of the OTs those of the program's input.
    pub fn garble<T: Transport>(
        self,
        channel: &mut Channel<T>,
        secret: &[bool],
        input: impl FnOnce(Vec<ZeroLabel>) -> Vec<ZeroLabel>,
        rng: &mut impl CryptoRng,
    ) -> Result<Garbled, SessionError> {
        let mut secrets = Secrets::random(rng);
        // The client's choices are there: it has fixed its labels before it knows the start point.
        let start = Block::random(rng);
        let key = self.keys.shared_key();
        let mut message = start.to_bytes().to_vec();
        let labels = if self.shared_delta {
            let (delta, labels) = self.keys.into_labels();
            secrets.delta = delta;
            labels
        } else {
            let (labels, correlate) = self.keys.correlate(&secrets.delta);
            message.extend(correlate.encode());
            labels
        };
        channel.send(Kind::Correlate, &message, GARBLING)?;

        let (hash, delta) = (Tccr::new(start), secrets.delta.clone());
        let mut garbler = Garbler::new(self.schedule, self.scheme, secret, secrets, hash, input(labels));
        garbler.recycle(self.buffers.drain(..));
        // One thread garbles, this one sends; the queue between them bounds the memory.
        let mut decoding = std::thread::scope(|scope| {
            let (queue, batches) = mpsc::sync_channel::<Vec<Ciphertexts>>(BATCHES_AHEAD);
            let (back, sent) = mpsc::channel::<Ciphertexts>();
            let thread = std::thread::Builder::new();
            let garbling = thread.spawn_scoped(scope, move || {
                loop {
                    garbler.recycle(sent.try_iter());
                    let tables = garbler.garble(batch());
                    // The sending side hangs up if the connection fails; then nobody needs the rest.
                    if tables.is_empty() || queue.send(tables).is_err() {
                        return (garbler, sent);
                    }
                }
            });
            let garbling = garbling.map_err(|source| SessionError::Transport { doing: GARBLING, source })?;
            let of_first_layers = self.schedule.segments_of_first_layers();
            for (table, first) in batches.iter().flatten().zip(of_first_layers) {
                channel.count_as_first_layer(first);
                if !table.is_empty() {
                    channel.send(Kind::Tables, table.as_bytes(), GARBLING)?;
                }
                let _ = back.send(table); // garbling may be done, and then needs no buffers
            }
            let (mut garbler, sent) = garbling.join().expect("garbling does not panic on a verified program");
            self.buffers.extend(garbler.take_spare());
            self.buffers.extend(sent.try_iter());
            Ok::<_, SessionError>(garbler.decoding())
        })?;
        mask_decoding(&mut decoding, &key, start);
        Ok(Garbled { delta, decoding })
    }
}

/// The last words of an inference.
pub(super) fn send_decoding<T: Transport>(
    channel: &mut Channel<T>,
    decoding: &[Block],
) -> Result<(), SessionError> {
    channel.send(Kind::Decoding, Block::as_bytes(decoding), GARBLING)?;
    channel.flush(GARBLING)
}
