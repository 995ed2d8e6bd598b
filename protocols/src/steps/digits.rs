//! How the low w bits of a number are cut into digits, from the low end.

use super::StepError;
use super::error::within;

/// Most digits of a number: with three, all products of masks are computed in three messages ahead.
pub const MOST_DIGITS: usize = 3;

/// Most bits of a digit. A table of 2^s entries has one tweak, which costs s bits of the hash's bound. Up to
/// 21 bits are compared by digits of at most 7; only sums of first layers have more.
pub const MOST_DIGIT_BITS: u32 = 9;

/// Most bits of a number.
pub const MOST_BITS: u32 = MOST_DIGITS as u32 * MOST_DIGIT_BITS;

/// Rows of the C-sender pool an element takes with this many digits.
const MASK_ROWS: [usize; MOST_DIGITS + 1] = [0, 1, 3, 8];

/// The digits of a number, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digits {
    bits: [u32; MOST_DIGITS],
    count: usize,
}

/// One digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digit {
    /// Its lowest bit's place in the number.
    pub low: u32,
    /// How many bits it has.
    pub bits: u32,
    /// Bits of a table's entry: 1 for the lowest digit, which is never compared for being equal, 2 for
    /// others.
    pub columns: u32,
}

impl Digits {
    /// Digits of these bits, lowest first.
    ///
    /// # Errors
    /// [`StepError::Range`] if they are not 1 to 3 digits of 1 to 9 bits.
    pub fn new(bits: &[u32]) -> Result<Self, StepError> {
        let count = within("digits of a number", bits.len(), [1, MOST_DIGITS])?;
        let mut all = [0; MOST_DIGITS];
        for (to, &bits) in all.iter_mut().zip(bits) {
            within("bits of a digit", bits as usize, [1, MOST_DIGIT_BITS as usize])?;
            *to = bits;
        }
        Ok(Self { bits: all, count })
    }

    /// The digits with which comparing numbers of w bits costs the fewest bits, each row at 0.4 bits; of
    /// equal ones those with the shortest lowest digit.
    ///
    /// # Errors
    /// [`StepError::Range`] if w is not 1 to 27.
    pub fn cheapest(w: u32) -> Result<Self, StepError> {
        within("bits to compare", w as usize, [1, MOST_BITS as usize])?;
        let mut best: Option<(usize, Self)> = None;
        let most = MOST_DIGIT_BITS;
        let second = |s0: u32| 0..=s0.min(most);
        for (s0, s1) in (1..=most).flat_map(|s0| second(s0).map(move |s1| (s0, s1))) {
            let Some(s2) = w.checked_sub(s0 + s1) else { continue };
            let used = [s0, s1, s2].into_iter().take_while(|&bits| bits > 0).count();
            if s2 > s1 {
                continue;
            }
            let digits = Self { bits: [s0, s1, s2], count: used };
            let cost = digits.tenths();
            if best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, digits));
            }
        }
        // Any w of at most 27 bits has a cut into three digits of at most 9, longest first.
        best.map(|(_, digits)| digits).ok_or(StepError::Range {
            what: "bits to compare",
            actual: w as usize,
            least: 1,
            most: MOST_BITS as usize,
        })
    }

    /// Tenths of a bit that a comparison costs.
    fn tenths(&self) -> usize {
        let w = self.total() as usize;
        let tables: usize = self.iter().map(|digit| digit.table_bits()).sum();
        let ahead = if self.count == 3 { 9 } else { 0 };
        10 * (tables + self.openings() + w + ahead) + 4 * (w + self.mask_rows())
    }

    /// How many digits.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Bits of all digits: w.
    pub fn total(&self) -> u32 {
        self.bits.iter().sum()
    }

    /// The digits, lowest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Digit> + '_ {
        (0..self.count).map(|i| Digit {
            low: self.bits[..i].iter().sum(),
            bits: self.bits[i],
            columns: if i == 0 { 1 } else { 2 },
        })
    }

    /// Rows of the C-sender pool an element takes.
    pub fn mask_rows(&self) -> usize {
        MASK_ROWS[self.count]
    }

    /// Bits that C opens of an element: those of the masked digits' comparisons that are multiplied.
    pub fn openings(&self) -> usize {
        2 * (self.count - 1)
    }

    /// Rows of the C-sender pool whose hashes are used: those opened, and for three digits one product's.
    pub(super) fn hashed_rows(&self) -> usize {
        self.openings() + usize::from(self.count == 3)
    }
}

impl Digit {
    /// Entries of its table.
    pub fn entries(self) -> usize {
        1 << self.bits
    }

    /// Bits of its table.
    pub fn table_bits(self) -> usize {
        self.entries() * self.columns as usize
    }

    /// Words of an element's table, and how many bits each has.
    pub(super) fn words(self) -> (usize, u32) {
        let bits = self.table_bits();
        (bits.div_ceil(64), bits.min(64) as u32)
    }

    /// The digit of a number.
    #[inline(always)]
    pub(super) fn of(self, number: u64) -> u64 {
        number >> self.low & ((1 << self.bits) - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cheapest_digits_are_those_of_the_tables() {
        for (w, bits) in [
            (1, &[1][..]),
            (2, &[2]),
            (3, &[3]),
            (4, &[2, 2]),
            (5, &[3, 2]),
            (7, &[4, 3]),
            (8, &[3, 3, 2]),
            (10, &[4, 3, 3]),
            (11, &[4, 4, 3]),
            (12, &[4, 4, 4]),
            (14, &[5, 5, 4]),
            (21, &[7, 7, 7]),
            (27, &[9, 9, 9]),
        ] {
            assert_eq!(Digits::cheapest(w), Digits::new(bits), "w = {w}");
        }
        for w in 1..=MOST_BITS {
            assert_eq!(Digits::cheapest(w).unwrap().total(), w);
        }
    }

    #[test]
    fn no_other_cut_is_cheaper() {
        for w in 1..=15 {
            let best = Digits::cheapest(w).unwrap().tenths();
            for bits in (0..512).map(|i| [i & 7, i >> 3 & 7, i >> 6]) {
                let used: Vec<u32> = bits.into_iter().filter(|&bits| bits > 0).collect();
                if let (Ok(digits), true) = (Digits::new(&used), used.iter().sum::<u32>() == w) {
                    assert!(digits.tenths() >= best, "w = {w}: {used:?}");
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_cut_is_refused() {
        let range = |what, actual, least, most| Err(StepError::Range { what, actual, least, most });
        assert_eq!(Digits::cheapest(0), range("bits to compare", 0, 1, 27));
        assert_eq!(Digits::cheapest(28), range("bits to compare", 28, 1, 27));
        assert_eq!(Digits::new(&[]), range("digits of a number", 0, 1, 3));
        assert_eq!(Digits::new(&[1; 4]), range("digits of a number", 4, 1, 3));
        assert_eq!(Digits::new(&[10]), range("bits of a digit", 10, 1, 9));
        assert_eq!(Digits::new(&[2, 0]), range("bits of a digit", 0, 1, 9));
    }
}
