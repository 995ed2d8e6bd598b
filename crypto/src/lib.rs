//! Garbling, oblivious transfer, lattice encryption of linear layers, and arithmetic on shares: message in,
//! message out, no I/O, no clock, no randomness of its own.
//!
//! * [`block`]: 128-bit blocks and the hash, on whatever AES instructions the processor has. The only unsafe
//!   code.
//! * [`label`]: the garbler's offset, and the labels of either host, a type each.
//! * [`garble`]: half gates or three halves over tiled circuits.
//! * [`ot`]: oblivious transfer with its extension.
//! * [`rlwe`]: a client's masks go to a server encrypted, a linear layer of them comes back as additive
//!   shares.
//! * [`share`]: tensors of numbers modulo 2^l.
//! * [`bits`]: numbers of some bits each, packed into bytes.
//!
//! # Example: a linear layer on shares
//! A dense layer of three inputs and two outputs whose sums two hosts share; the client's input is not needed
//! yet.
//! ```
//! use xonn_crypto::rlwe::encode::{Geometry, Layout, Packing};
//! use xonn_crypto::rlwe::{ClientKey, Params, Role, Rounding, ServerKey, Weights};
//!
//! let rng = &mut rand::rng();
//! let params = Params::N1024Q24;
//! let layout = Layout::new(Geometry::dense(3, 2), Packing::Dense { inputs: 3, rows: 2 }, params.n())?;
//! // Sums modulo 2^8, with one bit of fraction.
//! let rounding = Rounding::new(params, 8, 1, 8, 3)?;
//!
//! // Once a connection: the client's public key.
//! let (client, key) = ClientKey::generate(params, b"session", Role::B, rng);
//! let server = ServerKey::receive(params, b"session", Role::B, &key)?;
//!
//! // Offline: the client's masks r, and the server's answer.
//! let r = [11, 222, 133];
//! let masks = server.masks(&layout, &client.encrypt(8, &layout.encode_inputs(&r)?, rng)?)?;
//! let weights = Weights::new(params, &layout, &[1, -1, 1, 1, 1, -1])?;
//! let (answer, kept) = server.respond(&layout, &weights, &rounding, &masks, rng)?;
//! let y1 = client.decrypt(&layout, &rounding, &answer)?;
//!
//! // Online: x - r is all that the server sees.
//! let x = [1, 0, 1];
//! let v = |w: [i64; 3]| (0..3).map(|i| w[i] * (x[i] - r[i] as i64)).sum::<i64>();
//! let y0 = kept.into_shares(&[v([1, -1, 1]), v([1, 1, -1])])?;
//! assert_eq!([0, 1].map(|m| (y0[m] + y1[m]) % 512 >> 1), [2, 0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Example: garbling
//! Garbler and evaluator joined in memory, on an AND gate whose first input is the garbler's:
//! ```
//! use xonn_circuits::{builder::Builder, tiled::TiledCircuit};
//! use xonn_crypto::block::{Block, Tccr};
//! use xonn_crypto::garble::{Evaluator, Garbler, Scheme, Secrets, schedule::{Role, Schedule}};
//! use xonn_crypto::label::{Delta, ZeroLabel};
//!
//! let mut b = Builder::new();
//! let (mine, yours) = (b.input(1), b.input(1));
//! let both = b.and(mine[0], yours[0]);
//! let program = TiledCircuit::from_netlist(b.finish(&[vec![both]]), &[0])?;
//!
//! let rng = &mut rand::rng();
//! let (delta, zero, hash) = (Delta::random(rng), ZeroLabel::random(rng), Tccr::new(Block::random(rng)));
//! let one = zero.label(true, &delta);
//! let (garbling, evaluation) = (Schedule::new(&program, Role::Garbler), Schedule::new(&program, Role::Evaluator));
//! let (scheme, secrets) = (Scheme::HalfGates, Secrets { delta, dice: Block::random(rng).into() });
//! let mut garbler = Garbler::new(&garbling, scheme, &[true], secrets, hash, vec![zero]);
//! let mut evaluator = Evaluator::new(&evaluation, scheme, hash, vec![one]);
//! evaluator.evaluate(&garbler.garble(1))?;
//! assert_eq!(evaluator.decode(&garbler.decoding())?, [true]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![deny(unsafe_code)]

pub mod bits;
#[allow(unsafe_code)] // the only module with unsafe code; see its invariants
pub mod block;
pub mod garble;
pub mod label;
pub mod ot;
pub mod rlwe;
pub mod share;
mod wiped;

pub use wiped::Wiped;
