//! How two hosts compute a layer on additive shares: message in, message out, no I/O, no clock, no randomness
//! of its own.
//!
//! * [`compare_ot`]: layers of comparisons by correlated oblivious transfer: signs with a threshold, OR
//!   pools.
//! * [`steps`]: what several such layers are made of: digits, tables, keys, masks.

#![forbid(unsafe_code)]

pub mod compare_ot;
pub mod steps;
