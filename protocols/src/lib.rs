//! How two hosts compute a layer on additive shares: message in, message out, no I/O, no clock, no randomness
//! of its own.
//!
//! * [`compare_ot`]: layers of comparisons by correlated oblivious transfer: signs with a threshold, OR
//!   pools; and layers of hidden numbers: ReLU, maxima, products, curves.
//! * [`weight_ot`]: linear layers by conditional addition, one oblivious transfer a weight.
//! * [`steps`]: what several such layers are made of: digits, tables, keys, masks.

#![forbid(unsafe_code)]

pub mod argmax;
pub mod cost;
pub mod describe;
pub mod garbled;
pub mod link;
pub mod local;
pub mod mask;
pub mod numbers;
pub mod plan;
pub mod planner;
pub mod protocol;
pub mod registry;
pub mod rlwe;
pub mod run;
pub mod value;
pub mod wire;

pub mod compare_ot;
pub mod steps;
pub mod weight_ot;
