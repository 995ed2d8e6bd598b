//! Compiles a trained Keras network into a program on integers.
//!
//! ```text
//! model.h5, model.keras
//!   | keras     read: typed layers and weights; what is unsupported is refused by name
//! LayerGraph
//!   | passes    BatchNorm becomes integer cuts, input scaling is folded, no float is left
//! Network             a program and its secret tensors (`xonn-program`)
//! ```
//!
//! This crate knows no cryptography; it meets the runtime only in `xonn-program`.

#![forbid(unsafe_code)]

pub mod calibrate;
pub mod check;
pub mod cli;
pub mod graph;
pub mod inspect;
pub mod keras;
pub mod keras_write;
pub mod network;
pub mod notes;
pub mod passes;
pub mod table;
pub mod trim;
