//! Sums under lattice encryption: a linear layer of exact shares, without a message once the input is there.
//!
//! In: exact shares of t, `x = step t + offset`. Out: noisy shares of the layer's sums, with bits of fraction
//! that hold the noise, so that what is read of them is exact but with the probability that [`sigmas_for`]
//! grants.
//!
//! | phase | message |
//! |---|---|
//! | One, client to server | its share r of each input, encrypted: a seed and polynomials |
//! | Two, server to client | W r + M for a mask M, rounded: the client decrypts its share of the result |
//!
//! With the input the server computes W (t - r) in the clear, takes M off, and has its share.
//!
//! | file | what |
//! |---|---|
//! | `shape` | the layer as lattice encryption packs it: no padding, no dilation, channels first |
//! | `sums` | a stage, checked: layout, rounding, rings, bytes |
//! | `pack` | the search for the cheapest parameters |
//! | `rounded` | sums of numbers that lose their lowest bits |
//! | `margin` | how far the noise is from a wrong result |
//! | `added` | the same for sums that meet before they are read |
//! | `clear` | the server's sums on its share |
//! | `server`, `client` | the two sides |

pub(crate) mod added;
mod clear;
mod client;
mod margin;
mod pack;
pub(crate) mod rounded;
mod server;
mod shape;
mod sums;

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use xonn_crypto::rlwe::{Params, encode};
use xonn_program::{Program, Tensor};

pub use margin::{FAILURE_BITS, margin, neurons, sigmas_for};
pub use pack::{search, search_rounded};
pub use rounded::{MOST_SHOWN, MOST_STD};
pub use sums::leaves;

use crate::plan::Stage;
use crate::protocol::{ClientSide, Protocol, ServerSide, StageError, Trust};
use sums::Sums;

/// What a stage leaves to choose. Public; a client takes what is on its menu.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// A row of the menu; written as its degree and the bits of q, and nothing else is read.
    #[serde(rename = "ring", serialize_with = "write_row", deserialize_with = "read_row")]
    pub params: Params,
    /// Bits of the sums and of the masks: l.
    pub bits: u32,
    /// Bits of fraction of what it leaves: g.
    pub fraction: u32,
    /// Guard bits of both parts of the answer.
    pub guard: [u32; 2],
    /// How much goes into one polynomial.
    pub packing: Packing,
}

/// [`xonn_crypto::rlwe::encode::Packing`] as it is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Packing {
    /// Inputs and rows of a layer with one position.
    Dense([u32; 2]),
    /// Height, width, channels and filters of tiles.
    Tiles([u32; 4]),
}

fn write_row<S: Serializer>(params: &Params, serializer: S) -> Result<S::Ok, S::Error> {
    (params.n(), params.bits()).serialize(serializer)
}

fn read_row<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Params, D::Error> {
    let (n, bits) = Deserialize::deserialize(deserializer)?;
    Params::find(n, bits).map_err(serde::de::Error::custom)
}

impl Choice {
    /// The ring.
    #[must_use]
    pub fn params(&self) -> Params {
        self.params
    }
}

impl From<Packing> for encode::Packing {
    fn from(packing: Packing) -> Self {
        match packing {
            Packing::Dense(sizes) => {
                let [inputs, rows] = sizes.map(|size| size as usize);
                Self::Dense { inputs, rows }
            }
            Packing::Tiles(sizes) => {
                let [height, width, channels, filters] = sizes.map(|size| size as usize);
                Self::Tiles { height, width, channels, filters }
            }
        }
    }
}

/// Bytes of the messages of phases One and Two.
///
/// # Errors
/// [`StageError`] if the stage is none of this protocol and program.
pub fn cost(stage: &Stage, program: &Program) -> Result<[usize; 2], StageError> {
    Ok(Sums::of(stage, program)?.bytes)
}

/// The protocol.
pub struct Rlwe;

impl Protocol for Rlwe {
    fn name(&self) -> &'static str {
        "rlwe"
    }

    fn holds(&self) -> Trust {
        Trust::SemiHonest
    }

    fn server(
        &self,
        stage: &Stage,
        program: &Program,
        tensors: &[Tensor],
    ) -> Result<Arc<dyn ServerSide>, StageError> {
        Ok(Arc::new(Arc::new(server::Side::of(stage, program, tensors)?)))
    }

    fn client(&self, stage: &Stage, program: &Program) -> Result<Arc<dyn ClientSide>, StageError> {
        Ok(Arc::new(Arc::new(Sums::of(stage, program)?)))
    }
}
