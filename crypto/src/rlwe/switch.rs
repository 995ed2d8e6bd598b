//! Rounding numbers modulo q to numbers modulo a power of two, with a fixed reciprocal in place of a
//! division.

use super::{Params, RlweError};

/// How the result of a layer is rounded: what both hosts have to agree on.
///
/// Inputs are numbers modulo `2^l`. The result has phi bits of fraction (binary layers), or lost its lowest
/// -phi bits (layers over numbers), and lives modulo `2^k`, k = l + phi. The answer's two parts come with
/// `ga` and `gb` bits more than k.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rounding {
    l: u32,
    phi: i32,
    ga: u32,
    gb: u32,
}

impl Rounding {
    /// Inputs modulo 2^l; a result with phi bits of fraction, or without its lowest -phi bits; guard bits of
    /// both parts.
    ///
    /// # Errors
    /// [`RlweError::Rounding`] if a number is out of the ring's reach: `1 <= l < log2 q`, `1 <= k`, `gb <=
    /// ga`, and `k + ga` of at most 38 bits.
    pub fn new(params: Params, l: u32, phi: i32, ga: u32, gb: u32) -> Result<Self, RlweError> {
        let bits = i64::from(params.bits());
        let (l, phi, ga, gb) = (i64::from(l), i64::from(phi), i64::from(ga), i64::from(gb));
        let most = 38;
        for (what, actual, least, most) in [
            ("l", l, 1, bits - 1),
            ("phi", phi, 1 - l, most - l),
            ("ga", ga, 0, most - l - phi),
            ("gb", gb, 0, ga),
        ] {
            if !(least..=most).contains(&actual) {
                return Err(RlweError::Rounding { what, actual, least, most });
            }
        }
        Ok(Self { l: l as u32, phi: phi as i32, ga: ga as u32, gb: gb as u32 })
    }

    /// Bits of the ring of inputs.
    pub fn l(self) -> u32 {
        self.l
    }

    /// Bits of fraction of the result, negative where it loses some.
    pub fn phi(self) -> i32 {
        self.phi
    }

    /// Bits of the ring of the result.
    pub fn k(self) -> u32 {
        self.l.wrapping_add_signed(self.phi)
    }

    /// Guard bits of the answer's first part.
    pub fn ga(self) -> u32 {
        self.ga
    }

    /// Guard bits of the answer's second part.
    pub fn gb(self) -> u32 {
        self.gb
    }

    /// Bits of a coefficient of the answer's first part.
    pub(super) fn a_bits(self) -> u32 {
        self.k() + self.ga
    }

    /// Bits of a coefficient of the answer's second part.
    pub(super) fn b_bits(self) -> u32 {
        self.k() + self.gb
    }
}

/// Division by a fixed q: exact, no instruction's time depends on the number.
#[derive(Clone, Copy)]
pub(super) struct Divider {
    q: u64,
    /// `floor(2^64 / q)`.
    reciprocal: u64,
}

impl Divider {
    pub fn new(q: u64) -> Self {
        Self { q, reciprocal: ((1u128 << 64) / u128::from(q)) as u64 }
    }

    /// `x / q` and the remainder.
    #[inline]
    pub fn div_rem(self, x: u64) -> (u64, u64) {
        // x / q - x reciprocal / 2^64 = (x / 2^64) (2^64 / q - reciprocal) is in [0, 1): the quotient is at
        // most one too small.
        let quotient = ((u128::from(x) * u128::from(self.reciprocal)) >> 64) as u64;
        let over = x - quotient * self.q;
        // over is below 2q, and q below 2^62
        let more = !((over.wrapping_sub(self.q) as i64) >> 63) as u64;
        (quotient.wrapping_sub(more), over.wrapping_sub(self.q & more))
    }

    /// `x 2^bits / q` and the remainder, for x below q and bits of at most 38. In two steps where a word does
    /// not hold the product: how many follows from public numbers.
    #[inline]
    pub fn scaled(self, x: u64, bits: u32) -> (u64, u64) {
        let first = bits.min(self.q.leading_zeros());
        let (quotient, remainder) = self.div_rem(x << first);
        match bits - first {
            0 => (quotient, remainder),
            rest => {
                let (more, remainder) = self.div_rem(remainder << rest);
                ((quotient << rest) + more, remainder)
            }
        }
    }

    /// `round(x 2^bits / q)` modulo 2^bits, for x below q.
    #[inline]
    pub fn round(self, x: u64, bits: u32) -> u64 {
        let (quotient, remainder) = self.scaled(x, bits);
        // Up, if the remainder is above q / 2; equal they are not, as q is odd.
        let up = (self.q / 2).wrapping_sub(remainder) >> 63;
        quotient.wrapping_add(up) & ((1 << bits) - 1)
    }
}

/// `round(r q / 2^l)` for r below 2^l: a mask as a number modulo q.
#[inline]
pub(super) fn scale_up(r: u64, q: u64, l: u32) -> u64 {
    ((u128::from(r) * u128::from(q) + (1 << (l - 1))) >> l) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row() -> impl Strategy<Value = Params> {
        prop::sample::select(Params::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn the_reciprocal_divides(params in row(), x in any::<u64>(), near in 0u64..1 << 27, off in 0u64..3) {
            let q = params.q();
            let divider = Divider::new(q);
            // around multiples of q too, where a quotient could be off by one
            for x in [x, x >> 20, (near * q + off).wrapping_sub(1)] {
                prop_assert_eq!(divider.div_rem(x), (x / q, x % q));
            }
        }

        #[test]
        fn rounding_is_to_the_nearest(params in row(), x in any::<u64>(), bits in 1u32..39) {
            let q = params.q();
            let x = x % q;
            let nearest = ((u128::from(x) << (bits + 1)) + u128::from(q)) / (2 * u128::from(q));
            prop_assert_eq!(u128::from(Divider::new(q).round(x, bits)), nearest % (1 << bits));
        }

        #[test]
        fn scaling_up_and_rounding_down_are_inverse(params in row(), r in any::<u64>(), l in 1u32..20) {
            let r = r & ((1 << l) - 1);
            let m = scale_up(r, params.q(), l);
            prop_assert!(m < params.q());
            prop_assert_eq!(Divider::new(params.q()).round(m, l), r);
        }
    }

    #[test]
    fn the_reciprocal_divides_the_largest_numbers() {
        for params in Params::ALL {
            for x in (0..5000).map(|i| u64::MAX - i) {
                assert_eq!(
                    Divider::new(params.q()).div_rem(x),
                    (x / params.q(), x % params.q()),
                    "{params:?} {x}"
                );
            }
        }
    }

    #[test]
    fn a_rounding_out_of_reach_is_refused() {
        let refused = |l, phi, ga, gb| match Rounding::new(Params::N1024Q24, l, phi, ga, gb) {
            Err(RlweError::Rounding { what, .. }) => what,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(0, 1, 8, 3), "l");
        assert_eq!(refused(24, 1, 8, 3), "l");
        assert_eq!(refused(11, -11, 8, 3), "phi");
        assert_eq!(refused(11, i32::MAX, 8, 3), "phi");
        assert_eq!(refused(11, 1, 27, 3), "ga");
        assert_eq!(refused(11, 1, u32::MAX, 3), "ga");
        assert_eq!(refused(11, 1, 8, 9), "gb");
        assert_eq!(refused(u32::MAX, 1, 8, 9), "l");
    }
}
