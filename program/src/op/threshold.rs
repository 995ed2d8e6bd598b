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
