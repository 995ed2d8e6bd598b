//! What can be wrong with a message or with what a caller hands over.

use xonn_crypto::bits::BitsError;

/// A message of the other host, or the caller's plan, rows or shares, cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
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
    /// Bits behind the last number of a field are not zero.
    #[error("{what}: {source}")]
    Bits {
        /// Which message.
        what: &'static str,
        /// What is wrong.
        source: BitsError,
    },
    /// The caller's parts do not belong together.
    #[error("{what}: {actual}, expected {expected}")]
    Shape {
        /// What is counted.
        what: &'static str,
        /// How many were expected.
        expected: usize,
        /// How many there are.
        actual: usize,
    },
    /// A number of the plan is out of range.
    #[error("{what}: {actual}, expected {least} to {most}")]
    Range {
        /// Which number.
        what: &'static str,
        /// What it is.
        actual: usize,
        /// The least that is possible.
        least: usize,
        /// The most that is possible.
        most: usize,
    },
}

/// An error unless there are as many as the plan says.
pub(crate) fn expect(what: &'static str, expected: usize, actual: usize) -> Result<(), StepError> {
    match expected == actual {
        true => Ok(()),
        false => Err(StepError::Shape { what, expected, actual }),
    }
}

/// An error unless a number of the plan is in range.
pub(crate) fn within(
    what: &'static str,
    actual: usize,
    [least, most]: [usize; 2],
) -> Result<usize, StepError> {
    match (least..=most).contains(&actual) {
        true => Ok(actual),
        false => Err(StepError::Range { what, actual, least, most }),
    }
}
