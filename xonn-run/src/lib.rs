//! Private prediction between two hosts.
//!
//! A server holds a network's weights, a client holds an input; the client learns the prediction and neither
//! learns anything else. The parts, from the inside out:
//!
//! * `xonn-crypto`: garbling and oblivious transfer; no I/O, no randomness of its own.
//! * `xonn-protocols`: other ways to compute layers, and the plans that put them together; no I/O either.
//! * [`Service`] and [`Client`]: what a program calls that serves a model, or asks one.
//!   `examples/two_hosts.rs` is both.
//! * [`session`]: the protocol between two hosts; `docs/protocol.md` lists its messages.
//! * [`net`]: TCP servers and clients around sessions.
//! * [`cli`]: the commands.

#![forbid(unsafe_code)]
// They panic when the reader leaves: `xonn_program::console`.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod bench;
#[doc(hidden)]
pub mod cli;
pub mod client;
pub mod net;
pub mod service;
pub mod session;

pub use client::{Client, ClientOptions};
pub use service::Service;
