//! Inputs of circuits that were garbled before they were there: what both hosts have to agree on.
//!
//! Ahead of an input the hosts run everything that does not depend on it: OTs of labels, which choose by
//! random pads in place of input bits, and garbled tables. When the input is there one message goes each
//! way:
//!
//! * [`super::msgs::Kind::Masked`]: each input bit XOR its pad (Beaver, "Precomputing Oblivious Transfer",
//!   CRYPTO 1995), under a digest;
//! * [`super::msgs::Kind::Labels`]: for each masked bit the label of the masked bit's own wire, a wire of
//!   which the input's wire is the XOR with the pad's (free XOR). Then the decoding.

use std::ops::BitXor;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use super::error::SessionError;
use xonn_crypto::block::Block;
use xonn_crypto::ot::SessionId;

/// Length of the digest in front of a masked input.
const DIGEST: usize = 32;

/// Bytes of a masked input of `bits` bits.
pub(super) fn message_bytes(bits: usize) -> usize {
    DIGEST + bits.div_ceil(8)
}

/// Bytes of the labels that answer a masked input of `bits` bits.
pub(super) fn label_bytes(bits: usize) -> usize {
    Block::BYTES * bits
}

/// The labels of the input bits, of those of their pads and those of the masked bits: zero labels or active
/// ones.
pub(super) fn join<L: BitXor<Output = L> + Copy>(pads: &[L], masked: &[L]) -> Vec<L> {
    pads.iter().zip(masked).map(|(&pad, &masked)| pad ^ masked).collect()
}

/// The message of a masked input: digest, masked bits, least significant first.
pub(super) fn encode(session: &SessionId, number: u64, bits: &[bool]) -> Vec<u8> {
    let packed =
        bits.chunks(8).map(|bits| bits.iter().rev().fold(0u8, |byte, &bit| byte << 1 | u8::from(bit)));
    let payload: Vec<u8> = packed.collect();
    let mut message = digest(session, number, &payload).to_vec();
    message.extend(payload);
    message
}

/// The masked bits of such a message, of which there are `bits`.
///
/// # Errors
/// [`SessionError::Misbehaved`] if it is not what the client sent.
pub(super) fn decode(
    session: &SessionId,
    number: u64,
    bits: usize,
    message: &[u8],
) -> Result<Vec<bool>, SessionError> {
    let damaged = || SessionError::Misbehaved {
        doing: "receiving the client's masked input",
        reason: "it does not have the digest that the client sent with it".into(),
    };
    let (found, payload) = message.split_first_chunk::<DIGEST>().ok_or_else(damaged)?;
    if !bool::from(found.ct_eq(&digest(session, number, payload))) || message.len() != message_bytes(bits) {
        return Err(damaged());
    }
    Ok((0..bits).map(|i| payload[i / 8] >> (i % 8) & 1 == 1).collect())
}

/// Against damage on the way, which would otherwise show as a wrong answer. It does not bind a host to
/// anything.
fn digest(session: &SessionId, number: u64, payload: &[u8]) -> [u8; DIGEST] {
    Sha256::new_with_prefix(b"masked input")
        .chain_update(session)
        .chain_update(number.to_le_bytes())
        .chain_update(payload)
        .finalize()
        .into()
}
