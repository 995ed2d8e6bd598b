//! What can be wrong with a message or a plan.

use crate::bits::BitsError;

/// A message of the other host, or a layer's plan, cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RlweError {
    /// No row of the menu.
    #[error(
        "n = {n} with {bits} bits of q is not on the menu, expected (1024; 21, 24, 26) or \
         (2048; 28, 30, 32, 36)"
    )]
    NotOnTheMenu {
        /// The degree asked for.
        n: usize,
        /// The bits of q asked for.
        bits: u32,
    },
    /// A message has another length than the plan says.
    #[error("{what}: {actual} bytes, expected {expected}")]
    Length {
        /// Which message.
        what: &'static str,
        /// The plan's length.
        expected: usize,
        /// The message's.
        actual: usize,
    },
    /// A coefficient of a message is no number modulo q.
    #[error("{what}: coefficient {index} is {value}, expected less than q = {q}")]
    Coefficient {
        /// Which message.
        what: &'static str,
        /// Which coefficient, counted over the message.
        index: usize,
        /// What stands there.
        value: u64,
        /// The modulus.
        q: u64,
    },
    /// Bits behind the last field of a byte are not zero.
    #[error("{what}: {source}")]
    Bits {
        /// Which message.
        what: &'static str,
        /// What is wrong.
        source: BitsError,
    },
    /// The rounding asked for does not fit the ring.
    #[error("rounding: {what} is {actual}, expected {least} to {most}")]
    Rounding {
        /// Which number.
        what: &'static str,
        /// What it is.
        actual: i64,
        /// The least that is possible.
        least: i64,
        /// The most that is possible.
        most: i64,
    },
    /// The caller's numbers do not belong together.
    #[error("{what}: {actual}, expected {expected}")]
    Shape {
        /// What they are.
        what: &'static str,
        /// What was expected.
        expected: usize,
        /// What was given.
        actual: usize,
    },
    /// A packing does not fit the ring or the layer.
    #[error(transparent)]
    Encode(#[from] super::encode::EncodeError),
}
