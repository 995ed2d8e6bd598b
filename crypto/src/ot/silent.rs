//! Silent OT: millions of correlated rows from some ten thousand, at a fraction of a bit of traffic each.
//!
//! Ferret: Yang, Weng, Lan, Zhang and Wang, "Ferret: Fast Extension for coRRElated oT with small
//! communication", CCS 2020, with the parameter sets of emp-ot, regular noise, half-trees and the check
//! against malicious parties. `docs/protocols/silent_ot.md` has messages, bounds and bytes. A round uses up
//! some rows ([`Set::base`]) and makes more:
//!
//! | step | sender, who has Delta | receiver |
//! |---|---|---|
//! | 1 | grows a tree for each row of noise, sends a block a level (`tree`) | regrows all but a leaf of each |
//! | 2 | | sends the sum of the weights of its noise, masked (`check`) |
//! | 3 | answers with a hash of its weighted sum | compares |
//! | 4 | leaves + code of the word (`code`) | the same: leaves are noise at its places |
//!
//! Steps 1 to 3 are [`SenderRound`] and [`ReceiverRound`]; step 4 is [`Round`], which makes rows as they are
//! wanted, growing each tree a second time, so that a round takes memory for its word and its corrections
//! alone.

mod check;
mod code;
mod round;
mod set;
mod tree;

#[cfg(test)]
mod tests;

pub(super) use code::Code;
pub(super) use round::{Public, ReceiverRound, ReceiverTrees, Round, SenderRound, SenderTrees, Trees};
pub use set::Set;
