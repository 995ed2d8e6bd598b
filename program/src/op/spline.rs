//! Curves: functions of one number as a public table of line pieces, lines at both ends.

use crate::program::Range;

/// `y = floor((base + slope t) / 2^drop)`, where piece `i` begins at `from + i 2^piece` and `t` counts from
/// there. Numbers in front of the first piece are on its line, those behind the last piece on that one's.
#[derive(Clone, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spline {
    /// Where the first piece begins.
    pub from: i64,
    /// Binary logarithm of a piece's length.
    pub piece: u32,
    /// Base and slope of each piece, `2^n` of them.
    pub lines: Vec<[i64; 2]>,
    /// Bits that are dropped.
    pub drop: u32,
}

/// Largest base, slope and end of a table.
const LARGEST: i64 = 1 << 50;

/// Most pieces.
const MOST_PIECES: usize = 1 << 12;

impl Spline {
    /// By how many units of the last bit hosts that hold shares may be off at most. They compute those curves
    /// whose layer has as much room on both sides of what the table gives.
    pub const SPARE: i64 = 16;

    pub(crate) fn check(&self) -> Result<(), String> {
        let Self { from, piece, lines, drop } = self;
        let count = lines.len();
        if !(2..=MOST_PIECES).contains(&count) || !count.is_power_of_two() {
            return Err(format!(
                "a curve of {count} pieces, expected a power of two from 2 to {MOST_PIECES}"
            ));
        }
        if *piece > 24 || *drop > 40 {
            return Err(format!(
                "a curve of pieces of 2^{piece} that drops {drop} bits, expected 2^24 and 40 at most"
            ));
        }
        if from.unsigned_abs() > LARGEST as u64
            || lines.iter().flatten().any(|x| x.unsigned_abs() > LARGEST as u64)
        {
            return Err("a curve with numbers beyond 2^50".into());
        }
        Ok(())
    }

    /// Of one number, so near to the table that products stay below 2^62.
    #[must_use]
    pub fn of(&self, x: i64) -> i64 {
        let u = x.wrapping_sub(self.from);
        let index = (u >> self.piece).clamp(0, self.lines.len() as i64 - 1);
        let [base, slope] = self.lines[index as usize];
        let t = u.wrapping_sub(index << self.piece);
        base.wrapping_add(slope.wrapping_mul(t)) >> self.drop
    }

    /// The smallest and the largest result for numbers of `read`.
    ///
    /// # Errors
    /// What is wrong with numbers that are too large for the table.
    pub fn range(&self, Range { lo, hi }: Range) -> Result<[i64; 2], String> {
        if lo < -LARGEST || hi > LARGEST {
            return Err(format!("a curve of numbers from {lo} to {hi}, expected within 2^50 of 0"));
        }
        // How far a number may be from where its piece begins: before the first, behind the last, or within
        // one.
        let end = self.from.wrapping_add((self.lines.len() as i64) << self.piece);
        let far = |x: i64| u128::from((x - self.from).unsigned_abs().max((x - end).unsigned_abs()));
        let widest = far(lo).max(far(hi)).max(1 << self.piece);
        let steepest = self.lines.iter().map(|line| line[1].unsigned_abs()).max().unwrap_or(0);
        if u128::from(steepest).saturating_mul(widest) >= 1 << 60 {
            return Err("a curve that is too steep for its numbers".into());
        }
        // A piece is largest and smallest at its ends, or where the numbers end.
        let last = self.lines.len() as i64 - 1;
        let begin = |index: i64| self.from + (index << self.piece);
        let ends = (0..=last).flat_map(|i| [begin(i), begin(i + 1) - 1]).chain([lo, hi]);
        let values = ends.filter(|x| (lo..=hi).contains(x)).map(|x| self.of(x));
        let all = values.fold([i64::MAX, i64::MIN], |[least, most], y| [least.min(y), most.max(y)]);
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_meet_and_ends_go_on() {
        // Slopes 0, 1, 2, 2 in quarters, of pieces of four.
        let spline = Spline { from: -8, piece: 2, lines: vec![[0, 0], [0, 1], [4, 2], [12, 2]], drop: 2 };
        let found = [-100, -8, -4, 0, 1, 2, 4, 8, 40].map(|x| spline.of(x));
        assert_eq!(found, [0, 0, 0, 1, 1, 2, 3, 5, 21]);
        assert_eq!(spline.range(Range { lo: -20, hi: 40 }), Ok([0, 21]));
        assert_eq!(spline.check(), Ok(()));
        assert!(Spline { lines: vec![[0, 0]; 3], ..spline.clone() }.check().is_err());
        assert!(spline.range(Range { lo: 0, hi: 1 << 51 }).is_err());
        assert!(Spline { from: i64::MIN, ..spline.clone() }.check().is_err());
        assert!(Spline { lines: vec![[i64::MIN, 0]; 4], ..spline }.check().is_err());
    }
}
