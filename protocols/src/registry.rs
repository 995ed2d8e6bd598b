//! The one list of what this system can do.

use crate::protocol::Protocol;

/// Every protocol.
pub const ALL: [&dyn Protocol; 5] = [
    &crate::mask::Mask,
    &crate::local::Local,
    &crate::rlwe::Rlwe,
    &crate::compare_ot::CompareOt,
    &crate::garbled::Garbled,
];
