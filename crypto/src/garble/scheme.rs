//! Which garbling scheme: what an AND of two hidden wires is made of, and what it takes on the wire.

use core::fmt;
use core::str::FromStr;

/// How an AND of two hidden wires is garbled. All else is the same in both: free XOR, labels of 128 bits, and
/// one block for an AND with a bit that the garbler knows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Scheme {
    /// Two ciphertexts of 128 bits [Zahur, Rosulek, Evans, EUROCRYPT 2015].
    HalfGates,
    /// Three slices of 64 bits and five bits [Rosulek, Roy, CRYPTO 2021]: a quarter less to send, half as
    /// many hashes more.
    ThreeHalves,
}

/// A name that is no scheme's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("garbling scheme \"{name}\" is unknown, expected one of half-gates, three-halves")]
pub struct UnknownScheme {
    /// The name as given.
    pub name: String,
}

/// ANDs that cost something, counted.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Ands {
    /// Of two hidden wires.
    pub full: u64,
    /// Of a hidden wire and one that the garbler knows.
    pub half: u64,
}

impl Ands {
    /// Tweaks that they use: one each.
    #[must_use]
    pub fn tweaks(self) -> u64 {
        self.full + self.half
    }

    /// Ciphertexts of 128 bits as half gates: the measure by which segments are cut, in both schemes.
    #[must_use]
    pub fn ciphertexts(self) -> u64 {
        2 * self.full + self.half
    }

    /// As many in each of `instances`.
    #[must_use]
    pub fn times(self, instances: u64) -> Self {
        Self { full: self.full * instances, half: self.half * instances }
    }
}

impl core::ops::AddAssign for Ands {
    fn add_assign(&mut self, other: Self) {
        self.full += other.full;
        self.half += other.half;
    }
}

impl core::iter::Sum for Ands {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |mut sum, ands| {
            sum += ands;
            sum
        })
    }
}

/// Bits of an AND's control bits, masked, in [`Scheme::ThreeHalves`].
pub const CONTROL_BITS: usize = 5;

/// How the ciphertexts of a segment lie one after the other: blocks of 16 bytes, slices of 8 bytes, control
/// bits, the last byte filled up with zeros.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Layout {
    pub blocks: usize,
    pub slices: usize,
    pub control_bytes: usize,
}

impl Layout {
    /// Length in bytes.
    pub fn bytes(self) -> usize {
        16 * self.blocks + 8 * self.slices + self.control_bytes
    }
}

impl Scheme {
    /// Every scheme, the one with the least work first.
    pub const ALL: [Self; 2] = [Self::HalfGates, Self::ThreeHalves];

    /// The bit that stands for it in a set of schemes on the wire.
    #[must_use]
    pub const fn bit(self) -> u8 {
        match self {
            Self::HalfGates => 1,
            Self::ThreeHalves => 2,
        }
    }

    /// The schemes in a set, in the order of [`Scheme::ALL`]; bits of schemes that this version does not know
    /// are passed over.
    pub fn in_set(set: u8) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |scheme| set & scheme.bit() != 0)
    }

    /// The set of some schemes, as it goes over the wire.
    #[must_use]
    pub fn set(schemes: &[Self]) -> u8 {
        schemes.iter().fold(0, |set, scheme| set | scheme.bit())
    }

    /// The names of some schemes, for people.
    #[must_use]
    pub fn names(schemes: impl IntoIterator<Item = Self>) -> String {
        let names: Vec<&str> = schemes.into_iter().map(Self::name).collect();
        if names.is_empty() { "none".into() } else { names.join(", ") }
    }

    /// What `ands` take on the wire, in bytes, sent as one segment.
    #[must_use]
    pub fn bytes(self, ands: Ands) -> usize {
        self.layout(ands).bytes()
    }

    pub(super) fn layout(self, ands: Ands) -> Layout {
        match self {
            Self::HalfGates => {
                Layout { blocks: (2 * ands.full + ands.half) as usize, slices: 0, control_bytes: 0 }
            }
            Self::ThreeHalves => Layout {
                blocks: (ands.full + ands.half) as usize,
                slices: ands.full as usize,
                control_bytes: (CONTROL_BITS * ands.full as usize).div_ceil(8),
            },
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::HalfGates => "half-gates",
            Self::ThreeHalves => "three-halves",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Scheme {
    type Err = UnknownScheme;

    fn from_str(name: &str) -> Result<Self, UnknownScheme> {
        let known = Self::ALL.into_iter().find(|scheme| scheme.name() == name);
        known.ok_or_else(|| UnknownScheme { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_bits_round_trip() {
        for scheme in Scheme::ALL {
            assert_eq!(scheme.to_string().parse(), Ok(scheme));
            assert_eq!(Scheme::in_set(Scheme::set(&[scheme]) | 0xf0).collect::<Vec<_>>(), [scheme]);
        }
        assert_eq!(Scheme::in_set(Scheme::set(&Scheme::ALL)).collect::<Vec<_>>(), Scheme::ALL);
        assert!("two-halves".parse::<Scheme>().is_err());
        assert_eq!(Scheme::names(Scheme::ALL), "half-gates, three-halves");
    }

    /// 2 · 128 bits, and 1.5 · 128 + 5 bits [RR21, theorem 1]; an AND with a known bit is 128 bits in both.
    #[test]
    fn bytes_are_those_of_the_papers() {
        let full = Ands { full: 800, half: 0 };
        assert_eq!(8 * Scheme::HalfGates.bytes(full), 800 * 256);
        assert_eq!(8 * Scheme::ThreeHalves.bytes(full), 800 * (192 + 5));
        let half = Ands { full: 0, half: 7 };
        assert_eq!(Scheme::ALL.map(|scheme| scheme.bytes(half)), [112, 112]);
        assert_eq!(Scheme::ThreeHalves.bytes(Ands { full: 1, half: 1 }), 16 + 16 + 8 + 1);
    }
}
