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
//! [`compile`] goes the whole way and [`report`] tells what came of it; [`Source`] is a model on disk or in
//! memory, and [`Options`] is what a user says about it. `examples/compile.rs` builds a package and its
//! secret.
//!
//! This crate knows no cryptography; it meets the runtime only in `xonn-program`.

#![forbid(unsafe_code)]
// They panic when the reader leaves: `xonn_program::console`.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod calibrate;
pub mod check;
#[doc(hidden)]
pub mod cli;
mod compile;
pub mod graph;
pub mod inspect;
pub mod keras;
pub mod keras_write;
pub mod network;
pub mod notes;
pub mod passes;
mod table;
pub mod trim;

pub use compile::{Built, Calibration, CompileError, Compiled, NumberBits, Options, Source, compile};
pub use inspect::{Problem, Report, ReportError, Stage, report};
pub use keras::ReadOptions;
pub use network::Network;
pub use passes::{InputOptions, Options as NetworkOptions, OutputMode};
