//! Garbles and evaluates Boolean programs between two hosts.
//!
//! A server holds a network's weights, a client holds an input; the client learns the prediction and neither learns
//! anything else. The parts, from the inside out:
//!
//! * [`block`]: 128-bit blocks and the hash, on whatever AES instructions the processor has.
//! * [`garble`]: half gates or three halves over layered programs; no I/O, no randomness of its own.
//! * [`ot`]: oblivious transfer for the client's input bits; no I/O, randomness passed in.
//! * [`oca`]: first layers over numbers by oblivious transfer in place of garbling; no I/O either.
//! * [`session`]: the protocol between two hosts; `docs/protocol.md` lists its messages.
//! * [`net`]: TCP servers and clients around sessions.
//! * [`cli`]: the commands.
//!
//! # Example
//! Garbler and evaluator joined in memory, on an AND gate whose first input is the garbler's:
//! ```
//! use xonn_circuits::{builder::Builder, tiled::TiledCircuit};
//! use xonn_run::{block::{Block, Tccr}, garble::{Evaluator, Garbler, Scheme, plan::{Plan, Role}}};
//!
//! let mut b = Builder::new();
//! let (mine, yours) = (b.input(1), b.input(1));
//! let both = b.and(mine[0], yours[0]);
//! let program = TiledCircuit::from_netlist(b.finish(&[vec![both]]), &[0])?;
//!
//! let rng = &mut rand::rng();
//! let (delta, zero, hash) = (Block::random(rng).with_lsb_set(), Block::random(rng), Tccr::new(Block::random(rng)));
//! let (garbling, evaluation) = (Plan::new(&program, Role::Garbler), Plan::new(&program, Role::Evaluator));
//! let (scheme, secrets) = (Scheme::HalfGates, [delta, Block::random(rng)]);
//! let mut garbler = Garbler::new(&garbling, scheme, &[true], secrets, hash, vec![zero]);
//! let mut evaluator = Evaluator::new(&evaluation, scheme, hash, vec![zero ^ delta]); // the label for 1
//! evaluator.evaluate(&garbler.garble(1))?;
//! assert_eq!(evaluator.decode(&garbler.decoding())?, [true]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![deny(unsafe_code)]

pub mod bench;
#[allow(unsafe_code)] // the only module with unsafe code; see its invariants
pub mod block;
pub mod cli;
pub mod garble;
pub mod net;
pub mod oca;
pub mod ot;
pub mod session;
