//! Sums under lattice encryption: a linear layer of exact shares, without a message once the input is there.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xonn_crypto::rlwe::Params;
use xonn_program::{Program, Tensor};

use crate::plan::Stage;
use crate::protocol::{ClientSide, Protocol, ServerSide, StageError, Trust};

/// What a stage leaves to choose. Public; a client takes what is on its menu.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// Degree and bits of q, a row of [`Params::ALL`].
    ring: [u32; 2],
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
    /// Inputs and rows of a dense layer.
    Dense([u32; 2]),
    /// Height, width, channels and filters of tiles.
    Tiles([u32; 4]),
}

impl Choice {
    /// The ring.
    #[must_use]
    pub fn params(&self) -> Params {
        Params::find(self.ring[0] as usize, self.ring[1]).unwrap_or(Params::N1024Q21)
    }
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

    fn cost(&self, _stage: &Stage, _program: &Program) -> Result<crate::cost::StageCost, StageError> {
        todo!()
    }

    fn server(
        &self,
        _stage: &Stage,
        _program: &Program,
        _tensors: &[Tensor],
    ) -> Result<Arc<dyn ServerSide>, StageError> {
        todo!()
    }

    fn client(&self, _stage: &Stage, _program: &Program) -> Result<Arc<dyn ClientSide>, StageError> {
        todo!()
    }
}

/// interim
pub fn sigmas_for(_neurons: usize) -> f64 {
    todo!()
}

/// interim
pub fn search(
    _linear: &xonn_program::op::Linear,
    _span: u64,
    _bits: u32,
    _sigmas: f64,
    _terms: u32,
) -> Option<Choice> {
    todo!()
}
