//! Garbling of layered programs by half gates [Zahur, Rosulek, Evans, EUROCRYPT 2015] or three halves
//! [Rosulek, Roy, CRYPTO 2021], see [`Scheme`], with free XOR [Kolesnikov, Schneider, ICALP 2008] and
//! point-and-permute [Beaver, Micali, Rogaway, STOC 1990].
//!
//! Nothing here does I/O or draws randomness of its own. A [`schedule::Schedule`] is what both hosts derive
//! from the public program: the order of all ciphertexts, cut into segments of bounded size, and the tweak of
//! every gate. The [`Garbler`] makes the ciphertexts of one segment after the other, the [`Evaluator`]
//! consumes them in the same order; each holds the labels of live layers only.
//!
//! # Labels
//! A wire's labels are `W0` (for 0) and `W1 = W0 ^ delta`; the least significant bit of `delta` is 1, so that
//! of a label is its colour. The garbler holds every `W0`, the evaluator one label a wire, the *active* one.
//!
//! A wire whose value the garbler knows has active label 0 and `W0 = value * delta`. So the evaluator holds
//! nothing for it, XOR with it is nothing at the evaluator, and it needs no ciphertext, no OT and no input
//! label; see [`xonn_circuits::knowledge`].
//!
//! # Order
//! Instances of a block are garbled [`schedule::LANES`] at a time, gate by gate. A block of one instance
//! takes as many of its own independent ANDs at a time instead, in the order that `schedule.rs` gives them.
//! This order is part of the protocol; it does not depend on threads or instruction sets.

mod answer;
mod batch;
mod evaluator;
mod fuse;
mod garbler;
mod gather;
pub mod schedule;
pub mod scheme;
#[cfg(all(test, target_arch = "x86_64", target_os = "linux"))]
mod steps;
mod tables;
mod tape;
mod walk;

pub use answer::{batch, mask_decoding, zero_labels};
pub use evaluator::{EvaluateError, Evaluator};
pub use garbler::{Garbler, Secrets};
pub use scheme::Scheme;
pub use tables::Ciphertexts;

/// First tweak of the hashes of output labels; gates count up from 0 and never come near.
pub(crate) const OUTPUT_TWEAKS: u64 = 1 << 63;

/// Bytes sent for each output bit: the hashes of both its labels.
pub const DECODE_BYTES: usize = 32;
