//! The class on shares: the index of the largest of the last layer's numbers, by comparisons of two. Only the
//! client learns it.
//!
//! In: exact shares in any step, or noisy ones of sums that all come in the same steps. Out: the program's
//! output. The messages are those of [`compare_ot::argmax`](crate::compare_ot::argmax); a plan has nothing to
//! choose here.
//!
//! A circuit takes about 2 kB a class and half a round trip, a tournament some 30 bytes a class and a round
//! trip a level, of which there are `ceil(log2(classes))`. So the planner takes it for many classes, or fast
//! links.

mod client;
mod server;
mod stage;

pub(crate) use stage::{bits, margin};

use std::sync::Arc;

use xonn_program::{Program, Tensor};

use crate::plan::Stage;
use crate::protocol::{ClientSide, Protocol, ServerSide, StageError, Trust};

/// The protocol.
pub struct Argmax;

impl Protocol for Argmax {
    fn name(&self) -> &'static str {
        "argmax"
    }

    fn holds(&self) -> Trust {
        Trust::SemiHonest
    }

    fn server(
        &self,
        stage: &Stage,
        program: &Program,
        _: &[Tensor],
    ) -> Result<Arc<dyn ServerSide>, StageError> {
        Ok(Arc::new(server::Side(Arc::new(stage::Layer::of(stage, program)?))))
    }

    fn client(&self, stage: &Stage, program: &Program) -> Result<Arc<dyn ClientSide>, StageError> {
        Ok(Arc::new(client::Side(Arc::new(stage::Layer::of(stage, program)?))))
    }
}
