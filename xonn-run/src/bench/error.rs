//! What can go wrong while measuring: nothing, with a whole engine.

use xonn_crypto::ot::OtError;
use xonn_crypto::rlwe::{RlweError, encode::EncodeError};
use xonn_crypto::share::ShareError;
use xonn_protocols::protocol::ProtocolError;
use xonn_protocols::steps::StepError;

/// Why something could not be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MeasureError {
    /// The set-up of oblivious transfers failed.
    #[error(transparent)]
    Ot(#[from] OtError),
    /// A message of a protocol was not taken.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// A message of lattice encryption was not taken.
    #[error(transparent)]
    Rlwe(#[from] RlweError),
    /// A layer does not go into the polynomials of a ring.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A step of a comparison was refused.
    #[error(transparent)]
    Step(#[from] StepError),
    /// Shares do not belong together.
    #[error(transparent)]
    Share(#[from] ShareError),
}
