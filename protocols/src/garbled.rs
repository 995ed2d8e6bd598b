//! Layers in a garbled circuit.

use std::sync::Arc;

use xonn_program::{Program, Tensor};

use crate::plan::Stage;
use crate::protocol::{ClientSide, Protocol, ServerSide, StageError, Trust};

/// The protocol.
pub struct Garbled;

impl Protocol for Garbled {
    fn name(&self) -> &'static str {
        "garbled"
    }

    fn holds(&self) -> Trust {
        Trust::Hostile
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
