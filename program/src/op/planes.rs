//! Integer weights as sums of signs, which is what makes them cheap.
//!
//! A product with a secret sign is an XOR with a secret bit, free; a product with a secret digit would be an
//! AND. So a weight is written as `W = sum(p_j * s_j)` with public plane weights `p_j` (powers of two) and
//! secret signs `s_j = +-1`: a binary layer has one plane, and any other layer is a few binary ones, added up
//! at different columns. With k planes of weights 1, 2, 4, ... these are the odd numbers below `2^k`; a
//! second plane of weight 1 gives the even ones.

/// Which integers the weights of a layer may be: public, it decides the circuit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Planes {
    /// `+1` and `-1`.
    Sign,
    /// The odd numbers of `-(2^bits - 1) ..= 2^bits - 1`: planes of weight 1, 2, 4, ... `2^(bits - 1)`.
    Odd {
        /// Number of planes, 1 to 24.
        bits: u32,
    },
    /// -2, 0, +2: two planes of weight 1.
    Ternary,
    /// The even numbers of `-2^(bits - 1) ..= 2^(bits - 1)`: planes of weight 1, 1, 2, 4, ... `2^(bits - 2)`.
    Even {
        /// Number of planes, 3 to 24.
        bits: u32,
    },
}

impl Planes {
    /// The logarithm of each plane's weight `p_j`.
    #[must_use]
    pub fn shifts(self) -> Vec<usize> {
        match self {
            Self::Sign => vec![0],
            Self::Odd { bits } => (0..bits as usize).collect(),
            Self::Ternary => vec![0, 0],
            Self::Even { bits } => (0..bits as usize).map(|plane| plane.saturating_sub(1)).collect(),
        }
    }

    /// Number of planes.
    #[must_use]
    pub fn count(self) -> usize {
        match self {
            Self::Sign => 1,
            Self::Odd { bits } | Self::Even { bits } => bits as usize,
            Self::Ternary => 2,
        }
    }

    /// The sum of the planes' weights: the largest weight.
    #[must_use]
    pub fn largest(self) -> i64 {
        match self {
            Self::Sign => 1,
            Self::Odd { bits } => (1 << bits) - 1,
            Self::Ternary => 2,
            Self::Even { bits } => 1 << (bits - 1),
        }
    }

    /// What all weights are multiples of.
    #[must_use]
    pub fn common_factor(self) -> i64 {
        match self {
            Self::Sign | Self::Odd { .. } => 1,
            Self::Ternary | Self::Even { .. } => 2,
        }
    }

    /// Whether `weight` can be written so.
    #[must_use]
    pub fn holds(self, weight: i32) -> bool {
        i64::from(weight).abs() <= self.largest() && (i64::from(weight) - self.largest()) % 2 == 0
    }

    /// Bits that say which weight it is: see [`Planes::code`].
    #[must_use]
    pub fn code_bits(self) -> u32 {
        self.count() as u32
    }

    /// The minus signs of `weight`, counted by the weights of their planes: `W = largest - 2 code`.
    #[must_use]
    pub fn code(self, weight: i32) -> u64 {
        ((self.largest() - i64::from(weight)) / 2) as u64
    }

    /// The weight with this [`Planes::code`]; none if there is no such weight.
    #[must_use]
    pub fn weight(self, code: u64) -> Option<i32> {
        let most = self.largest() as u64;
        (code <= most).then(|| (most as i64 - 2 * code as i64) as i32)
    }

    /// For each plane whether `weight` has a minus sign there.
    pub fn negative(self, weight: i32) -> impl Iterator<Item = bool> {
        // W = sum(p) - 2 sum(p over minus signs).
        let minus = self.code(weight);
        let planes = self.count();
        (0..planes).map(move |plane| match self {
            Self::Ternary => minus > plane as u64,
            // The first plane is one of the two of weight 1, which is needed where all have a minus sign.
            Self::Even { .. } if plane == 0 => minus == self.largest() as u64,
            Self::Even { .. } => minus == self.largest() as u64 || minus >> (plane - 1) & 1 == 1,
            Self::Sign | Self::Odd { .. } => minus >> plane & 1 == 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_the_sums_of_their_signs() {
        for planes in [
            Planes::Sign,
            Planes::Odd { bits: 1 },
            Planes::Odd { bits: 5 },
            Planes::Ternary,
            Planes::Even { bits: 3 },
            Planes::Even { bits: 6 },
        ] {
            let mut held = 0;
            for weight in -40..=40 {
                if !planes.holds(weight) {
                    continue;
                }
                held += 1;
                let signs: Vec<bool> = planes.negative(weight).collect();
                let code = planes.code(weight);
                assert!(code >> planes.code_bits() == 0);
                assert_eq!(planes.weight(code), Some(weight));
                assert_eq!(signs.len(), planes.count());
                let shifts = planes.shifts();
                let sum: i32 =
                    signs.iter().zip(&shifts).map(|(&minus, s)| if minus { -(1 << s) } else { 1 << s }).sum();
                assert_eq!(sum, weight, "{planes:?}");
                assert_eq!(shifts.iter().map(|s| 1i64 << s).sum::<i64>(), planes.largest());
            }
            // Every odd number up to the largest, or every even one.
            let want = planes.largest() + 1;
            assert_eq!(held, want, "{planes:?}");
        }
    }
}
