//! Oblivious conditional addition: first layers over the client's numbers as correlated OTs [XONN, section 3.3].
//!
//! A binary weight adds a number or subtracts it. Instead of garbling that, the two hosts run one OT for each weight, the
//! server's secret sign being the choice, and end with two shares of each neuron's sum modulo `2^bits`. The shares enter the
//! garbled circuit: the client's as its input bits, the server's as the garbler's bits, and one addition puts them together.
//! A weight of several bits is several signs, hence several OTs. A weight that a convolution uses at many positions is one
//! OT with a message over all of them.
//!
//! * [`Oca`] is what both hosts derive from the public program: which secret bits choose, in which order sums are shared,
//!   and the program that takes the shares.
//! * [`sender`] is the client's side, [`receiver`] the server's: the roles of OT are the other way round than for labels.
//!
//! Here as in `garble` and `ot` nothing does I/O or draws randomness of its own.
//!
//! # The sums
//! With `c` the sign, `u` a number of at most `M`: `(c ? M - u : u) = u + c M - 2 c u`. The client knows the first term, the
//! server the second, so only `c u` is shared, modulo `2^m` with `m = bits - 1 - shift`: the factor `2^(shift + 1)` makes
//! up for the bits that are missing. With `k0`, `k1` the `m` bits of the OT's two streams the client sends
//! `d = k0 + u - k1` and the server takes `r = k_c + c d = k0 + c u`.
//!
//! ```text
//! client: sum over numbers, shifts of  2^shift u   + 2^(shift + 1) k0
//! server: sum over numbers, shifts of  2^shift c M - 2^(shift + 1) r     + addend
//! ```
//!
//! # One extension for a connection
//! The weights are the same in each inference, so the OTs are extended once, when a connection begins, and each inference
//! takes fresh blocks of their streams ([`xonn_crypto::ot::SenderStreams`]).

pub mod ahead;
pub mod form;
mod numbers;
mod packing;
pub mod receiver;
pub mod sender;
mod single;
mod sums;

#[cfg(test)]
mod tests;

pub use form::FirstLayer;
pub use sums::Oca;

use xonn_crypto::block::Block;
use xonn_crypto::ot::{Params, SessionId};

/// Parameters of these OTs: k = 8, 2 bytes an OT, because there may be very many and they are extended once a connection.
#[must_use]
pub fn params() -> Params {
    Params::new(8).expect("8 divides 128")
}

/// What binds these OTs to a connection whose label OTs are bound to `session`.
#[must_use]
pub fn session(session: &SessionId) -> SessionId {
    use sha2::{Digest, Sha256};
    Sha256::new_with_prefix(b"xonn oblivious conditional addition").chain_update(session).finalize().into()
}

/// Where the counters of the streams of a session's messages begin, but for [`message_tweak`]. Both streams
/// of an OT begin at the same; the receiver has one of them.
fn counters(session: &SessionId) -> Block {
    use sha2::{Digest, Sha256};
    let nonce = Sha256::new_with_prefix(b"counters").chain_update(session).finalize();
    Block::from_bytes(core::array::from_fn(|i| nonce[i]))
}

/// In the upper half, which counters do not reach: the message's number on its connection.
fn message_tweak(message: u64) -> Block {
    Block::from(u128::from(message) << 64)
}

/// Length of the digest that ends an inference's corrections.
pub const DIGEST_BYTES: usize = 32;

/// The hash of an inference's corrections, before any.
///
/// It is against damage on the way, which would otherwise show as a wrong answer. It binds nobody: each correction is one
/// that a client could have chosen.
fn digest_of(session: &SessionId, inference: u64) -> sha2::Sha256 {
    use sha2::Digest;
    sha2::Sha256::new_with_prefix(b"corrections").chain_update(session).chain_update(inference.to_le_bytes())
}

/// Corrections that cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OcaError {
    /// A part has another length than follows from the program.
    #[error("part {part} of the first layer's corrections has {found} bytes, expected {expected}")]
    Length {
        /// Number of the part, from 0.
        part: usize,
        /// Bytes found.
        found: usize,
        /// Bytes expected.
        expected: usize,
    },
    /// Parts are missing, or one came too many.
    #[error("{found} parts of the first layer's corrections came, expected {expected}")]
    Parts {
        /// Parts that came.
        found: usize,
        /// Parts expected.
        expected: usize,
    },
    /// The differences of an input that came later have another length than follows from the program.
    #[error("the first layer's differences have {found} bytes, expected {expected}")]
    Differences {
        /// Bytes found.
        found: usize,
        /// Bytes expected.
        expected: usize,
    },
    /// The corrections are not those that the client sent.
    #[error("the first layer's corrections do not have the digest that the client sent with them")]
    Damaged,
}
