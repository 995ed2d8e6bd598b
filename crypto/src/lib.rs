//! Lattice encryption of linear layers and arithmetic on shares: message in, message out, no I/O, no clock.
//!
//! * [`rlwe`]: a client's masks go to a server encrypted, a linear layer of them comes back as additive
//!   shares.
//! * [`share`]: tensors of numbers modulo 2^l.
//! * [`bits`]: numbers of some bits each, packed into bytes.
//!
//! # Example
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

#![forbid(unsafe_code)]

pub mod bits;
pub mod rlwe;
pub mod share;
mod wiped;

pub use wiped::Wiped;
