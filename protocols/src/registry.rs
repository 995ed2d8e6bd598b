//! The one list of what this system can do.

use crate::protocol::Protocol;

/// Every protocol.
pub const ALL: [&dyn Protocol; 8] = [
    &crate::mask::Mask,
    &crate::local::Local,
    &crate::rlwe::Rlwe,
    &crate::weight_ot::WeightOt,
    &crate::compare_ot::CompareOt,
    &crate::numbers::Numbers,
    &crate::argmax::Argmax,
    &crate::garbled::Garbled,
];
