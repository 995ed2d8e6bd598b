//! Layers of hidden numbers on shares, by oblivious transfer: ReLU and its kin, maxima, squares, products
//! and curves.
//!
//! In: exact shares of numbers x, in any step. Out: exact shares of the results, in a ring as large as its
//! readers want, so that the sums behind it need no message of their own. The messages are those of
//! [`compare_ot::numbers`](crate::compare_ot::numbers); what is computed follows from the layers, and the
//! rings from what is read and left, so a plan has nothing to choose here.
//!
//! | layers | results |
//! |---|---|
//! | `relu`, `leaky_relu`, `clamp`, perhaps behind a `max_pool2d` | of each number, or a window's largest |
//! | `max_pool2d` | the largest number of each window |
//! | `round` without dropped bits | the same number in a larger ring, for sums of what was rounded |
//! | `spline`, perhaps behind a `max_pool2d` | nearly the table's, within [`Spline::SPARE`] |
//! | `square`, `product`, with the `round` behind it | without its lowest bits, rounded by chance |
//!
//! A number beyond the public range of its layer is a wrong result, and nothing else.
//!
//! [`Spline::SPARE`]: xonn_program::op::Spline::SPARE

mod client;
mod server;
mod stage;

pub(crate) use stage::ring;

use std::sync::Arc;

use xonn_program::{LayerId, Program, Range, Tensor};

use crate::compare_ot::numbers::Function;
use crate::plan::Stage;
use crate::protocol::{ClientSide, Protocol, ServerSide, StageError, Trust};

/// The protocol.
pub struct Numbers;

impl Protocol for Numbers {
    fn name(&self) -> &'static str {
        "numbers"
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

/// Bits of a ring that numbers of this range are computed in: those of two's complement, and one to spare.
#[must_use]
pub fn bits_for(range: Range) -> u32 {
    (range.signed_bits() + 1).max(3)
}

/// Whether these layers, each of which reads the one before it alone, are one stage.
#[must_use]
pub fn takes(program: &Program, layers: &[LayerId]) -> bool {
    stage::function(program, layers).is_ok()
}

/// How many pieces a curve has that these layers are; none if they are another function.
pub(crate) fn pieces(program: &Program, layers: &[LayerId]) -> Option<usize> {
    match stage::function(program, layers) {
        Ok((Function::Curve(curve), _)) => Some(curve.lines.len()),
        _ => None,
    }
}
