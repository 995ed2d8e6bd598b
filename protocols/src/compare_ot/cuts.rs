//! The server's cuts, taken from its share in units of t: `[v >= at] = [t >= T]`, and `y0 - 2^fraction T` is
//! its share of a number with a sign.
//!
//! `v = step t + offset`, so `T = ceil((at - offset) / step)`: [`Cut::edge`]. A falling cut `v <= at` is the
//! opposite of a rising one at `at + 1`. Cuts, offsets and shares are secret: no branch and no address
//! depends on them.

use xonn_crypto::share::{RingTensor, ShareError};
use xonn_program::op::Cut;

use crate::steps::column::Column;
use crate::value::Ring;

/// The server's share of `2^fraction (t - T)`, with noise as `share` has it; element i has cut `i % cuts`.
///
/// # Errors
/// [`ShareError`] unless there is an offset for each element, and the share is of this ring.
pub fn taken_from(
    share: &RingTensor,
    offsets: &[i64],
    ring: Ring,
    cuts: &[Cut],
) -> Result<RingTensor, ShareError> {
    let step = ring.step.unsigned_abs();
    let edge = |(&offset, &cut): (&i64, &Cut)| cut.edge(step, ring.span, offset) << ring.fraction;
    let edges = offsets.iter().zip(cuts.iter().cycle()).map(edge).collect();
    share.sub(&RingTensor::new(ring.bits, edges)?)
}

/// 1 for each element whose cut is a falling one.
#[must_use]
pub fn falling(count: usize, cuts: &[Cut]) -> Column {
    Column::from_fn(count, |i| u64::from(!cuts[i % cuts.len()].rising))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_another_length_or_ring_is_an_error() {
        let ring = Ring { bits: 6, fraction: 1, terms: 0, step: 1, span: 3 };
        let cuts = [Cut { rising: false, at: 1 }, Cut { rising: true, at: 1 }];
        let taken = |bits, count| {
            let share = RingTensor::new(bits, vec![9; 3]).unwrap();
            taken_from(&share, &vec![0; count], ring, &cuts)
        };
        assert_eq!(taken(6, 3).unwrap().values(), [5, 7, 5]);
        assert_eq!(taken(6, 2), Err(ShareError::Lengths { left: 3, right: 2 }));
        assert_eq!(taken(7, 3), Err(ShareError::Rings { left: 7, right: 6 }));
        let bits = [1, 0, 1].map(|bit| bit == 1);
        assert_eq!(falling(3, &cuts), Column::from_bools(&bits));
    }
}
