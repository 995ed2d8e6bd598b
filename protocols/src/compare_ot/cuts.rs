//! The server's cuts, taken from its share in units of t: `[v >= at] = [t >= T]`, and `y0 - 2^fraction T` is
//! its share of a number with a sign.
//!
//! `v = step t + offset`, so `T = ceil((at - offset) / step)`, brought to 0 to span + 1, beyond which no t
//! tells a difference. A falling cut `v <= at` is the opposite of a rising one at `at + 1`. A step is a power
//! of two, for a processor's division takes a time that depends on what is divided. Cuts, offsets and shares
//! are secret: no branch and no address depends on them.

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
    let edge = |(&offset, &cut): (&i64, &Cut)| edge(ring, cut, offset) << ring.fraction;
    let edges = offsets.iter().zip(cuts.iter().cycle()).map(edge).collect();
    share.sub(&RingTensor::new(ring.bits, edges)?)
}

/// 1 for each element whose cut is a falling one.
#[must_use]
pub fn falling(count: usize, cuts: &[Cut]) -> Column {
    Column::from_fn(count, |i| u64::from(!cuts[i % cuts.len()].rising))
}

/// T of an element.
#[inline(always)]
fn edge(ring: Ring, cut: Cut, offset: i64) -> u64 {
    let at = i128::from(cut.at) + i128::from(!cut.rising) - i128::from(offset);
    let t = (at + i128::from(ring.step - 1)) >> ring.step.trailing_zeros();
    let most = i128::from(ring.span) + 1;
    // all ones where t is below 0, where it is above the most
    let below = t >> 127;
    let above = (most - t) >> 127;
    (t & !(below | above) | most & above) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_on_its_side_of_every_cut() {
        for (step, span) in [(1, 1), (1, 6), (2, 1), (2, 5), (4, 7), (8, 3)] {
            let ring = Ring { bits: 6, fraction: 1, terms: 0, step, span };
            for offset in [-9, -2, -1, 0, 3, 40] {
                let ats = (offset - 20..offset + 60).chain([i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX]);
                for cut in ats.flat_map(|at| [false, true].map(|rising| Cut { rising, at })) {
                    let edge = edge(ring, cut, offset);
                    assert!(edge <= span + 1);
                    for t in 0..=span {
                        let value = step * t as i64 + offset;
                        assert_eq!((t >= edge) == cut.rising, cut.fires(value), "{value}, {cut:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn offsets_of_any_size_do_not_wrap() {
        let ring = Ring { bits: 6, fraction: 0, terms: 0, step: 2, span: 3 };
        for (at, offset, expected) in [
            (i64::MAX, i64::MIN, 4),
            (i64::MIN, i64::MAX, 0),
            (i64::MAX, i64::MAX - 3, 2),
            (i64::MIN + 3, i64::MIN, 2),
        ] {
            assert_eq!(edge(ring, Cut { rising: true, at }, offset), expected);
        }
    }

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
