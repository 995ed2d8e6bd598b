//! What a sum over the client's own numbers is, for protocols that hold it in two shares; see [`Linear`].

use xonn_circuits::gadgets::popcount::width_of;
use xonn_circuits::tiled::{Linear, Source};

use super::sum::Sum;
use super::template::{Placing, Template, sum_width};
use super::{LowerError, Lowering, Place};
use crate::op::Planes;

/// What becomes of a sum.
#[derive(Clone, Copy)]
pub(super) enum After {
    /// It fires if it carries, its addend having as many bits as the sum without it.
    Threshold,
    /// It is stored as a number of `out` bits, with a correction of `correction` bits added.
    Stored { correction: usize, placing: Placing, out: usize },
}

/// The description of a tile that adds up `sum` over numbers of `x`; none if these are not the client's.
pub(super) fn linear(
    lowering: &mut Lowering<'_>,
    x: &Place,
    planes: Planes,
    sum: Sum,
    after: After,
) -> Result<Option<Linear>, LowerError> {
    if x.source != Source::Input || sum.n == 0 {
        return Ok(None);
    }
    let shifts: Vec<u32> = planes.shifts().into_iter().map(|shift| shift as u32).collect();
    // One bit more than the highest shift needs, so that twice a number is still one.
    let least = shifts.iter().max().map_or(0, |&shift| shift as usize) + 2;
    let (addend, bits, shape) = match after {
        After::Threshold => {
            let width = sum_width(sum.n, x.encoding.width);
            let bits = (width + 1).max(least);
            (width, bits, Template::SharedThreshold { bits, carry: width })
        }
        After::Stored { correction, placing, out } => {
            let largest = sum.n as u64 * x.encoding.max() as u64 + ((1u64 << correction) - 1);
            let bits = width_of(largest).max(least);
            (correction, bits, Template::SharedSum { bits, placing, out })
        }
    };
    Ok(Some(Linear {
        width: x.encoding.width as u32,
        top_inverted: x.encoding.top_inverted,
        shifts,
        addend: addend > 0,
        bits: bits as u32,
        shared: lowering.templates.get(&shape)?,
    }))
}
