//! The closed menu of rings.

use super::RlweError;

/// A ring `Z_q[X] / (X^n + 1)` of the menu: q prime and 1 modulo 2n, the largest such below its power of two.
///
/// A host computes which row a layer takes from the public plan and never takes n or q from a message: a
/// server that could name a small n with a large q would read all masks.
///
/// # Security
/// log2 of the cost of primal uSVP, bdd and the dual hybrid attack, for a uniform ternary secret and errors
/// of standard deviation 3.24, by the lattice estimator (commit 27a581b, passagemath 10.8.13; the command is
/// in `docs/protocols/rlwe.md`):
///
/// | row | uSVP | bdd | dual hybrid | meant for |
/// |---|---|---|---|---|
/// | `N1024Q21` | 168.4 | 166.0 | 163.1 | narrow binary layers |
/// | `N1024Q24` | 146.0 | 144.0 | 142.2 | binary layers |
/// | `N1024Q26` | 134.1 | 132.3 | 131.3 | binary layers, first convolutions over numbers |
/// | `N2048Q28` | 260.2 | 257.9 | 252.0 | first layers of binary networks, numbers |
/// | `N2048Q30` | 241.5 | 239.3 | 234.5 | layers over numbers |
/// | `N2048Q32` | 224.8 | 223.0 | 219.1 | layers over numbers, wide first layers |
/// | `N2048Q36` | 197.7 | 196.0 | 193.5 | wide layers over numbers |
/// | `N2048Q44` | 158.6 | 157.4 | 156.7 | sums of up to 30 bits, such as of inputs of 20 bits |
///
/// Open: the primal hybrid and meet-in-the-middle attacks for all rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Params {
    /// n = 1024, q = 2056193.
    N1024Q21,
    /// n = 1024, q = 16760833.
    N1024Q24,
    /// n = 1024, q = 67104769.
    N1024Q26,
    /// n = 2048, q = 268369921.
    N2048Q28,
    /// n = 2048, q = 1073692673.
    N2048Q30,
    /// n = 2048, q = 4294955009.
    N2048Q32,
    /// n = 2048, q = 68719464449.
    N2048Q36,
    /// n = 2048, q = 17592186028033.
    N2048Q44,
}

impl Params {
    /// The whole menu.
    pub const ALL: [Self; 8] = [
        Self::N1024Q21,
        Self::N1024Q24,
        Self::N1024Q26,
        Self::N2048Q28,
        Self::N2048Q30,
        Self::N2048Q32,
        Self::N2048Q36,
        Self::N2048Q44,
    ];

    /// The row with this degree and this many bits of q.
    ///
    /// # Errors
    /// [`RlweError::NotOnTheMenu`] if there is none.
    pub fn find(n: usize, bits: u32) -> Result<Self, RlweError> {
        let row = Self::ALL.into_iter().find(|row| row.n() == n && row.bits() == bits);
        row.ok_or(RlweError::NotOnTheMenu { n, bits })
    }

    /// The degree: how many coefficients a polynomial has.
    pub const fn n(self) -> usize {
        match self {
            Self::N1024Q21 | Self::N1024Q24 | Self::N1024Q26 => 1024,
            Self::N2048Q28 | Self::N2048Q30 | Self::N2048Q32 | Self::N2048Q36 | Self::N2048Q44 => 2048,
        }
    }

    /// The modulus.
    pub const fn q(self) -> u64 {
        match self {
            Self::N1024Q21 => 2_056_193,
            Self::N1024Q24 => 16_760_833,
            Self::N1024Q26 => 67_104_769,
            Self::N2048Q28 => 268_369_921,
            Self::N2048Q30 => 1_073_692_673,
            Self::N2048Q32 => 4_294_955_009,
            Self::N2048Q36 => 68_719_464_449,
            Self::N2048Q44 => 17_592_186_028_033,
        }
    }

    /// Bits of a number below q: `ceil(log2 q)`.
    pub const fn bits(self) -> u32 {
        u64::BITS - self.q().leading_zeros()
    }
}

/// Whose key a public polynomial belongs to: it enters the hash that chooses it, so that no two keys of a
/// session share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The client's key, under which masks are encrypted.
    B,
    /// The server's key, under which weights would be.
    C,
}

impl Role {
    pub(super) const fn byte(self) -> u8 {
        match self {
            Self::B => b'B',
            Self::C => b'C',
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q_is_the_largest_prime_of_its_bits_that_is_1_modulo_2n() {
        let prime = |x: u64| (2..).take_while(|d| d * d <= x).all(|d| !x.is_multiple_of(d));
        for row in Params::ALL {
            let step = 2 * row.n() as u64;
            let largest = (1..).map(|i| ((1 << row.bits()) / step - i) * step + 1).find(|&x| prime(x));
            assert_eq!(Some(row.q()), largest, "{row:?}");
            assert_eq!(Params::find(row.n(), row.bits()), Ok(row));
        }
        assert_eq!(Params::find(1024, 28), Err(RlweError::NotOnTheMenu { n: 1024, bits: 28 }));
        assert_eq!(Params::find(2048, 50), Err(RlweError::NotOnTheMenu { n: 2048, bits: 50 }));
    }
}
