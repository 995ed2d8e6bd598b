//! An integer becomes a bit, by one secret cut a channel.

use crate::program::Range;

/// Where a channel fires.
#[derive(Clone, Copy, PartialEq, Eq, Debug, zeroize::Zeroize)]
pub struct Cut {
    /// Fires from `at` upwards (`y >= at`), else downwards (`y <= at`).
    pub rising: bool,
    /// The edge.
    pub at: i64,
}

impl Cut {
    /// Whether `y` fires.
    #[must_use]
    pub fn fires(self, y: i64) -> bool {
        if self.rising { y >= self.at } else { y <= self.at }
    }

    /// The cut that fires alike for every number of `range` and lies at most one beside it.
    #[must_use]
    pub fn within(self, range: Range) -> Self {
        Self { at: self.at.clamp(range.lo - 1, range.hi + 1), ..self }
    }

    /// The T for which a value `step t + offset`, `0 <= t <= span`, is at this cut or above it where `t >=
    /// T`: from 0 to span + 1. A falling cut fires where t is below it. Cut and offset are secret, step and
    /// span are not.
    #[inline(always)]
    #[must_use]
    pub fn edge(self, step: u64, span: u64, offset: i64) -> u64 {
        // y <= at is the complement of y >= at + 1.
        let at = i128::from(self.at) + i128::from(!self.rising) - i128::from(offset);
        let (t, _) = split(at + i128::from(step - 1), step);
        let most = i128::from(span) + 1;
        // all ones where t is below 0, where it is above the most
        let below = t >> 127;
        let above = (most - t) >> 127;
        (t & !(below | above) | most & above) as u64
    }
}

/// q and r of `x = q step + r`, `0 <= r < step`, for a secret x of at most 2^65 either way and a public step
/// of at least 1. A processor's division takes a time that depends on what is divided; this takes shifts, or
/// where the step is no power of two as many subtractions whatever x is.
#[inline(always)]
#[must_use]
pub(crate) fn split(x: i128, step: u64) -> (i128, u64) {
    if step.is_power_of_two() {
        return (x >> step.trailing_zeros(), (x & i128::from(step - 1)) as u64);
    }
    // Moved up by steps, so that nothing is below 0.
    let moved = (1 << 65) / i128::from(step) + 1;
    let mut rest = (x + moved * i128::from(step)) as u128;
    let mut q = 0u128;
    for place in (0..=67 - step.ilog2()).rev() {
        let (less, borrow) = rest.overflowing_sub(u128::from(step) << place);
        let taken = u128::from(borrow).wrapping_sub(1);
        rest = less & taken | rest & !taken;
        q |= (1 << place) & taken;
    }
    (q as i128 - moved, rest as u64)
}

/// `+1` for each element that its channel's cut fires on, else `-1`.
pub(super) fn evaluate(x: &[i64], cuts: &[Cut]) -> Vec<i64> {
    let fires = x.iter().enumerate().map(|(i, &y)| cuts[i % cuts.len()].fires(y));
    fires.map(|bit| if bit { 1 } else { -1 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_split_by_any_step() {
        let ends = [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX].map(i128::from);
        let numbers = (-40..40).chain(ends).chain([-(1 << 65), 1 << 65]);
        for x in numbers {
            for step in (1..20).chain([1000, 1 << 40, (1 << 40) + 1, i64::MAX as u64]) {
                let (q, r) = split(x, step);
                let by = i128::from(step);
                assert_eq!((q, i128::from(r)), (x.div_euclid(by), x.rem_euclid(by)), "{x} by {step}");
            }
        }
    }

    #[test]
    fn every_value_is_on_its_side_of_every_cut() {
        for (step, span) in [(1, 1), (1, 6), (2, 1), (2, 5), (3, 5), (4, 7), (6, 2), (8, 3)] {
            for offset in [-9, -2, -1, 0, 3, 40] {
                let ats = (offset - 20..offset + 60).chain([i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX]);
                for cut in ats.flat_map(|at| [false, true].map(|rising| Cut { rising, at })) {
                    let edge = cut.edge(step, span, offset);
                    assert!(edge <= span + 1);
                    for t in 0..=span {
                        let value = (step * t) as i64 + offset;
                        assert_eq!((t >= edge) == cut.rising, cut.fires(value), "{value}, {cut:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn offsets_of_any_size_do_not_wrap() {
        for (at, offset, expected) in [
            (i64::MAX, i64::MIN, 4),
            (i64::MIN, i64::MAX, 0),
            (i64::MAX, i64::MAX - 3, 2),
            (i64::MIN + 3, i64::MIN, 2),
        ] {
            assert_eq!(Cut { rising: true, at }.edge(2, 3, offset), expected);
        }
    }

    #[test]
    fn a_cut_within_a_range_fires_alike() {
        let range = Range { lo: -3, hi: 4 };
        for rising in [false, true] {
            for at in [i64::MIN, -9, -5, -4, -3, 0, 4, 5, 6, i64::MAX] {
                let cut = Cut { rising, at };
                let within = cut.within(range);
                assert!((-4..=5).contains(&within.at));
                assert!((range.lo..=range.hi).all(|y| cut.fires(y) == within.fires(y)), "{cut:?}");
            }
        }
    }
}
