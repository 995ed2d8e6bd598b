//! The parameter sets.

use crate::block::Block;

/// A parameter set: how much noise there is, on how many rows, in a code of what length.
///
/// Those of emp-ot (`tuning.h`), chosen there at 128 bits against published attacks on LPN with regular
/// noise; `docs/protocols/silent_ot.md` has what is known about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Set {
    /// 870,400 rows from 74,164.
    B10,
    /// 2,396,160 rows from 144,070.
    B11,
    /// 6,225,920 rows from 280,512.
    B12,
    /// 15,564,800 rows from 549,116.
    B13,
}

/// Rows of a round that mask its check.
pub(super) const MASKS: usize = Block::BITS;

/// Rows of the code's word that are added up for a row.
pub(super) const WEIGHT: usize = 10;

impl Set {
    /// All sets, the smallest first.
    pub const ALL: [Self; 4] = [Self::B10, Self::B11, Self::B12, Self::B13];

    /// Trees, which is also the weight of the noise: one row of each tree.
    #[must_use]
    pub const fn trees(self) -> usize {
        match self {
            Self::B10 => 850,
            Self::B11 => 1170,
            Self::B12 => 1520,
            Self::B13 => 1900,
        }
    }

    /// Levels of a tree.
    #[must_use]
    pub const fn depth(self) -> usize {
        match self {
            Self::B10 => 10,
            Self::B11 => 11,
            Self::B12 => 12,
            Self::B13 => 13,
        }
    }

    /// Length of the word that the code encodes: rows that are secret of the LPN problem.
    #[must_use]
    pub const fn word(self) -> usize {
        match self {
            Self::B10 => 1 << 16,
            Self::B11 => 1 << 17,
            Self::B12 => 1 << 18,
            Self::B13 => 1 << 19,
        }
    }

    /// Rows of a tree.
    #[must_use]
    pub const fn leaves(self) -> usize {
        1 << self.depth()
    }

    /// Rows that a round uses up: masks of the check, the word, and one for each level of each tree.
    #[must_use]
    pub const fn base(self) -> usize {
        MASKS + self.word() + self.trees() * self.depth()
    }

    /// Rows that a round makes.
    #[must_use]
    pub const fn rows(self) -> usize {
        self.trees() * self.leaves()
    }

    /// Rows that a round makes beyond those it uses up.
    #[must_use]
    pub const fn gain(self) -> usize {
        self.rows() - self.base()
    }

    /// Bytes of the corrections, sender to receiver.
    #[must_use]
    pub const fn corrections_len(self) -> usize {
        self.trees() * self.depth() * Block::BYTES
    }

    /// Bytes of a round, both ways.
    #[must_use]
    pub const fn byte_len(self) -> usize {
        self.corrections_len() + Block::BYTES + 32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_bytes_are_those_of_the_documentation() {
        let numbers = Set::ALL.map(|set| (set.base(), set.rows(), set.byte_len()));
        assert_eq!(
            numbers,
            [
                (74_164, 870_400, 136_048),
                (144_070, 2_396_160, 205_968),
                (280_512, 6_225_920, 291_888),
                (549_116, 15_564_800, 395_248)
            ]
        );
        for set in Set::ALL {
            assert!(set.word().is_power_of_two() && set.gain() > Set::B10.base(), "{set:?}");
        }
    }
}
