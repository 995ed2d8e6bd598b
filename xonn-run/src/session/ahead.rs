//! Circuits that are garbled before the client's input is there: what both hosts have to agree on.
//!
//! Ahead of an input the hosts run everything that does not depend on it: OTs, shares of first layers' sums, garbled tables.
//! The OTs of labels then choose by bits that the client does have: its shares of sums of random numbers
//! ([`crate::oca::ahead`]), and random pads in place of input bits. When the input is there one message goes each way:
//!
//! * [`super::msgs::Kind::Masked`]: the differences of the numbers, and each input bit XOR its pad (Beaver, "Precomputing
//!   Oblivious Transfer", CRYPTO 1995), under a digest;
//! * [`super::msgs::Kind::Labels`]: for each of the server's share bits its label; for each masked bit the label of the masked bit's
//!   own wire, a wire of which the input's wire is the XOR with the pad's (free XOR). Then the decoding.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use xonn_circuits::tiled::TiledCircuit;

use super::error::SessionError;
use crate::oca::Oca;
use xonn_crypto::block::Block;
use xonn_crypto::ot::SessionId;

/// Length of the digest in front of a masked input.
const DIGEST: usize = 32;

/// The input bits of a program that is garbled ahead, by where their labels come from. They lie in this order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wires {
    /// The client's shares: by OT, ahead.
    own: usize,
    /// The server's shares: with the answer.
    servers: usize,
    /// Input bits: the XOR of a pad's label, by OT, and a masked bit's label, with the answer.
    masked: usize,
    /// Bytes of the numbers' differences.
    differences: usize,
}

impl Wires {
    /// Of a program that runs ahead: [`Oca::program_ahead`], or without first layers on shares the circuit's own.
    pub fn of(program: &TiledCircuit, oca: Option<&Oca>) -> Self {
        match oca {
            None => Self { own: 0, servers: 0, masked: program.input_bits(), differences: 0 },
            Some(oca) => {
                let shares = oca.share_bits();
                let masked = program.input_bits() - 2 * shares;
                Self { own: shares, servers: shares, masked, differences: oca.difference_bytes() }
            }
        }
    }

    /// Bits whose labels come by OT.
    pub fn transfers(self) -> usize {
        self.own + self.masked
    }

    /// Input bits that are masked.
    pub fn pads(self) -> usize {
        self.masked
    }

    /// Labels that come with the answer.
    pub fn labels(self) -> usize {
        self.servers + self.masked
    }

    /// Bytes of a masked input.
    pub fn masked_bytes(self) -> usize {
        DIGEST + self.differences + self.masked.div_ceil(8)
    }

    /// The labels of all input bits, of those by OT and those with the answer: zero labels or active ones.
    pub fn join(self, transferred: &[Block], answered: &[Block]) -> Vec<Block> {
        let (own, pads) = transferred.split_at(self.own);
        let (servers, masked) = answered.split_at(self.servers);
        // As long as it gets from the start, so that no copy of a label is left behind.
        let mut labels = Vec::with_capacity(own.len() + servers.len() + masked.len());
        labels.extend(own);
        labels.extend(servers);
        labels.extend(pads.iter().zip(masked).map(|(&pad, &masked)| pad ^ masked));
        labels
    }

    /// The message of a masked input: digest, differences, masked bits, least significant first.
    pub fn encode(self, session: &SessionId, number: u64, differences: &[u8], bits: &[bool]) -> Vec<u8> {
        debug_assert_eq!((differences.len(), bits.len()), (self.differences, self.masked));
        let packed =
            bits.chunks(8).map(|bits| bits.iter().rev().fold(0u8, |byte, &bit| byte << 1 | u8::from(bit)));
        let payload: Vec<u8> = differences.iter().copied().chain(packed).collect();
        let mut message = digest(session, number, &payload).to_vec();
        message.extend(payload);
        message
    }

    /// Takes such a message apart, which is [`Wires::masked_bytes`] long.
    ///
    /// # Errors
    /// [`SessionError::Misbehaved`] if it is not what the client sent.
    pub fn decode<'m>(
        self,
        session: &SessionId,
        number: u64,
        message: &'m [u8],
    ) -> Result<(&'m [u8], Vec<bool>), SessionError> {
        let damaged = || SessionError::Misbehaved {
            doing: "receiving the client's masked input",
            reason: "it does not have the digest that the client sent with it".into(),
        };
        let (found, payload) = message.split_first_chunk::<DIGEST>().ok_or_else(damaged)?;
        if !bool::from(found.ct_eq(&digest(session, number, payload))) || message.len() != self.masked_bytes()
        {
            return Err(damaged());
        }
        let (differences, packed) = payload.split_at(self.differences);
        let bits = (0..self.masked).map(|i| packed[i / 8] >> (i % 8) & 1 == 1).collect();
        Ok((differences, bits))
    }
}

/// Against damage on the way, which would otherwise show as a wrong answer. It binds nobody.
fn digest(session: &SessionId, number: u64, payload: &[u8]) -> [u8; DIGEST] {
    Sha256::new_with_prefix(b"masked input")
        .chain_update(session)
        .chain_update(number.to_le_bytes())
        .chain_update(payload)
        .finalize()
        .into()
}
