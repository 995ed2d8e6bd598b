//! Rounding: the lowest bits of a number are dropped, and what is left is kept in a public number of bits.
//!
//! `y = floor(x / 2^drop + U)` modulo `2^bits`, as a signed number. `U` is a half in the clear and in
//! circuits, which is rounding to the nearest. Hosts that hold shares drop bits of their shares, which is a
//! `U` of its own for each number, uniform in [0, 1) ([MiniONN, section 5.3] calls it truncation): on the
//! average right, with a deviation of at most a half. [`Rounding`] says which of them the evaluation takes.

use chacha20::ChaCha8Rng;
use rand::{Rng as _, SeedableRng as _};

/// What is dropped, and what is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Round {
    /// How many of the lowest bits are dropped; may be none.
    pub drop: u32,
    /// Bits of the result in two's complement. A number that does not fit them is taken modulo `2^bits`: a
    /// wrong number, which `check` counts.
    pub bits: u32,
}

/// How numbers are rounded where bits are dropped.
#[derive(Debug, Default)]
pub enum Rounding {
    /// To the nearest number, a half upwards: what circuits give.
    #[default]
    Half,
    /// Up or down by chance, on the average right: what shares give, with other dice.
    Stochastic(Box<ChaCha8Rng>),
}

impl Rounding {
    /// By chance, repeatable.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::Stochastic(Box::new(ChaCha8Rng::seed_from_u64(seed)))
    }

    /// `U` in units of the lowest bit that is dropped, `0..2^drop`.
    fn addend(&mut self, drop: u32) -> i64 {
        match self {
            Self::Half => (1 << drop) >> 1,
            Self::Stochastic(dice) => (dice.next_u64() & ((1 << drop) - 1)) as i64,
        }
    }
}

impl Round {
    /// Most bits that are dropped.
    pub const MOST_DROPPED: u32 = 60;

    pub(crate) fn check(self) -> Result<(), String> {
        match self {
            Self { drop, .. } if drop > Self::MOST_DROPPED => {
                Err(format!("it drops {drop} bits, expected at most {}", Self::MOST_DROPPED))
            }
            Self { bits, .. } if !(2..=60).contains(&bits) => {
                Err(format!("it keeps {bits} bits, expected 2 to 60"))
            }
            _ => Ok(()),
        }
    }

    /// The smallest and the largest number that is kept.
    #[must_use]
    pub fn ends(self) -> [i64; 2] {
        let half = 1i64 << (self.bits - 1);
        [-half, half - 1]
    }

    /// The rounded number before it is kept in [`Round::bits`].
    fn rounded(self, x: i64, rounding: &mut Rounding) -> i64 {
        // x is below 2^60, as is what is added.
        x.wrapping_add(rounding.addend(self.drop)) >> self.drop
    }

    fn kept(self, y: i64) -> i64 {
        let unused = 64 - self.bits;
        y << unused >> unused
    }

    /// The results, and how many numbers did not fit.
    #[must_use]
    pub fn evaluate(self, x: &[i64], rounding: &mut Rounding) -> (Vec<i64>, usize) {
        let mut lost = 0;
        let mut one = |&x: &i64| {
            let y = self.rounded(x, rounding);
            let kept = self.kept(y);
            lost += usize::from(kept != y);
            kept
        };
        let y = x.iter().map(&mut one).collect();
        (y, lost)
    }

    /// The range of the results, of numbers from `lo` to `hi`.
    pub(crate) fn range(self, lo: i64, hi: i64) -> [i64; 2] {
        let [least, most] = self.ends();
        // Both ends of U.
        let [lowest, highest] = [lo >> self.drop, (hi.saturating_add((1 << self.drop) - 1)) >> self.drop];
        if lowest >= least && highest <= most { [lowest, highest] } else { [least, most] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_to_the_nearest_and_wrap() {
        let round = Round { drop: 2, bits: 4 };
        let (y, lost) = round.evaluate(&[-6, -5, -2, -1, 1, 2, 29, 30, -34, -35], &mut Rounding::Half);
        assert_eq!((y, lost), (vec![-1, -1, 0, 0, 0, 1, 7, -8, -8, 7], 2));
        let (y, lost) = Round { drop: 0, bits: 3 }.evaluate(&[3, 4, -4, -5], &mut Rounding::Half);
        assert_eq!((y, lost), (vec![3, -4, -4, 3], 2));
    }

    #[test]
    fn chance_is_right_on_the_average() {
        let round = Round { drop: 4, bits: 20 };
        for x in [-37i64, -16, 5, 8, 1000] {
            let (y, lost) = round.evaluate(&vec![x; 20_000], &mut Rounding::seeded(3));
            let mean = y.iter().sum::<i64>() as f64 / y.len() as f64;
            assert!((mean - x as f64 / 16.0).abs() < 0.02, "{x}: {mean}");
            assert!(lost == 0 && y.iter().all(|&y| y == x >> 4 || y == (x + 15) >> 4));
        }
        assert_eq!(
            round.evaluate(&[5; 40], &mut Rounding::seeded(1)),
            round.evaluate(&[5; 40], &mut Rounding::seeded(1))
        );
    }

    #[test]
    fn ranges_hold_both_ends_of_chance() {
        assert_eq!(Round { drop: 2, bits: 8 }.range(-5, 5), [-2, 2]);
        assert_eq!(Round { drop: 2, bits: 2 }.range(-5, 5), [-2, 1], "what does not fit may be anything");
    }
}
