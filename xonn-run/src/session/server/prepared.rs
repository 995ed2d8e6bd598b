//! A circuit that was garbled ahead of the client's input, and its one answer.

use rand::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use super::round::{Garbled, Round, send_decoding};
use crate::session::channel::{Channel, Transport};
use crate::session::error::SessionError;
use crate::session::masked;
use crate::session::msgs::Kind;
use xonn_crypto::block::Block;
use xonn_crypto::garble::zero_labels;
use xonn_crypto::label::ZeroLabel;
use xonn_crypto::ot::SessionId;

/// The server's side of a circuit whose tables the client has. It lives in this process and on this
/// connection only, and [`Prepared::answer`] takes it: there is no way to answer twice.
pub(super) struct Prepared {
    number: u64,
    garbled: Garbled,
    /// Seed of the zero labels that are sent with the answer, and where its counters begin.
    seed: [Block; 2],
    /// Bits of an input.
    bits: usize,
}

impl Prepared {
    /// Garbles circuit number `number` of the connection and sends its tables.
    pub fn garble<T: Transport>(
        round: Round<'_>,
        channel: &mut Channel<T>,
        number: u64,
        secret: &[bool],
        rng: &mut impl CryptoRng,
    ) -> Result<Box<Self>, SessionError> {
        let seed = [Block::random(rng), Block::random(rng)];
        let bits = round.schedule.program().input_bits();
        let input = |labels: Vec<ZeroLabel>| masked::join(&Zeroizing::new(labels), &zero_labels(bits, seed));
        let garbled = round.garble(channel, secret, input, rng)?;
        // In a box: a queue that grows would leave copies of secrets behind.
        let prepared = Box::new(Self { number, garbled, seed, bits });
        channel.flush("sending a circuit ahead")?;
        Ok(prepared)
    }

    /// Answers the client's masked input.
    #[expect(clippy::boxed_local, reason = "taken out of its box it would leave a copy of its secrets there")]
    pub fn answer<T: Transport>(
        self: Box<Self>,
        channel: &mut Channel<T>,
        session: &SessionId,
        message: &[u8],
    ) -> Result<(), SessionError> {
        let masked = masked::decode(session, self.number, self.bits, message)?;
        let zeros = zero_labels(self.bits, self.seed);
        let active =
            zeros.iter().zip(&masked).map(|(zero, &bit)| zero.label(bit, &self.garbled.delta).block());
        let labels: Zeroizing<Vec<Block>> = Zeroizing::new(active.collect());
        channel.send(Kind::Labels, Block::as_bytes(&labels), "answering a masked input")?;
        send_decoding(channel, &self.garbled.decoding)
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        self.seed.zeroize();
    }
}
