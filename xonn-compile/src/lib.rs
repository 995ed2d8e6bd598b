//! Compiles a trained Keras network into a layered Boolean program.
//!
//! ```text
//! model.h5, model.keras
//!   | keras     read: typed layers and weights; what is unsupported is refused by name
//! LayerGraph
//!   | passes    BatchNorm becomes integer cuts, input scaling is folded, no float is left
//! IntegerNetwork      evaluated in the clear: the reference
//!   | lower     one file an operation
//! Program + secret bits
//! ```
//!
//! This crate knows no cryptography; it meets the runtime only in `xonn-circuits`.

#![forbid(unsafe_code)]

pub mod calibrate;
pub mod check;
pub mod cli;
pub mod graph;
pub mod inspect;
pub mod integer;
pub mod keras;
pub mod keras_write;
pub mod lower;
pub mod notes;
pub mod passes;
pub mod table;
pub mod trim;
