//! The arithmetic of sums of `+-` inputs.
//!
//! With `u = (x - lo) / step` of `w` bits and `M = 2^w - 1`, a weight of `-1` turns `u` into `M - u`, which
//! is the XOR of all bits with a secret sign. So the circuit adds up unsigned numbers, `U = sum(u ^ sign)`,
//! and
//!
//! ```text
//! y = sum(weight * x) = step * (U - M * negatives) + lo * (n - 2 * negatives)
//! ```
//!
//! A weight of several planes ([`Planes`]) is a sum of signs: `n` counts each plane by its weight, and so do
//! the negatives. A threshold on `y` is one on `U`; the secret count of negative weights goes into the
//! garbler's addend. For bits (`lo = -1, step = 2, M = 1`) this is XNOR and popcount: `y = 2 U - n` [XONN,
//! section 3.2].

use xonn_circuits::gadgets::popcount::{threshold_addend, width_of};

use super::Encoding;
use super::template::{Placing, Template};
use crate::op::{Cut, Planes};

/// The kind of a layer whose weights are more than signs says so: it counts more than one bit an input.
pub(super) fn with_weights(kind: &str, planes: Planes) -> String {
    match planes {
        Planes::Sign | Planes::Odd { bits: 1 } => kind.into(),
        Planes::Odd { bits } => format!("{kind}, {bits}-bit weights"),
        Planes::Ternary => format!("{kind}, ternary weights"),
        Planes::Even { bits } => format!("{kind}, {}-bit weights", bits - 1),
    }
}

/// The minus signs of `weights`, each counted by the weight of its plane.
pub(super) fn negatives(planes: Planes, weights: &[i32]) -> i64 {
    weights.iter().map(|&w| planes.code(w) as i64).sum()
}

/// A sum of `n` signed inputs with encoding `x`.
#[derive(Clone, Copy)]
pub(super) struct Sum {
    /// Inputs, each counted as often as its weight may be at most.
    pub n: usize,
    pub x: Encoding,
}

impl Sum {
    /// The sum of `inputs` numbers with weights of `planes`.
    pub fn of(inputs: usize, planes: Planes, x: Encoding) -> Self {
        Self { n: inputs.saturating_mul(planes.largest() as usize), x }
    }

    pub fn check(self) -> Result<(), String> {
        let bits = self.x.width + width_of(self.n as u64);
        if self.n == 0 {
            return Err("it adds up no inputs".into());
        }
        if bits > 60 {
            return Err(format!(
                "sums of {} numbers of {} bits are too wide, at most 60 bits",
                self.n, self.x.width
            ));
        }
        Ok(())
    }

    /// Whether it can be stored, if no threshold follows: `x` and `-x` must lie on one grid of steps.
    pub fn check_stored(self, threshold: bool) -> Result<(), String> {
        let Encoding { lo, step, .. } = self.x;
        if !threshold && 2 * lo % step != 0 {
            return Err(format!(
                "it adds up numbers from {lo} in steps of {step} with both signs, which lie on no common grid"
            ));
        }
        Ok(())
    }

    /// The addend and the flip that make the circuit fire as `cut` says.
    pub fn threshold(self, cut: Cut, negatives: i64) -> (i64, bool) {
        let Encoding { lo, step, .. } = self.x;
        let n = self.n as i64;
        let max = n * self.x.max();
        // y <= at is the complement of y >= at + 1.
        let at = if cut.rising { cut.at } else { cut.at.saturating_add(1) };
        let from = ceil_div(at.saturating_sub(lo * (n - 2 * negatives)), step)
            .saturating_add(self.x.max() * negatives);
        let always = from <= 0;
        // "Always" has no addend of the public width: it is "never", flipped.
        let from = if always { max + 1 } else { from.min(max + 1) };
        (threshold_addend(from as u64, max as u64) as i64, always ^ !cut.rising)
    }

    /// `lo + hi` of an input, in steps: how far a negative weight shifts `y` away from `step * U`.
    fn shift(self) -> i64 {
        (self.x.step * self.x.max() + 2 * self.x.lo) / self.x.step
    }

    /// The secret number that makes the sum's offset public: `y = step * (U + correction) + encoding().lo`.
    pub fn correction(self, negatives: i64) -> i64 {
        let shift = self.shift();
        if shift >= 0 { shift * (self.n as i64 - negatives) } else { -shift * negatives }
    }

    pub fn correction_width(self) -> usize {
        width_of(self.shift().unsigned_abs() * self.n as u64)
    }

    /// The largest `U + correction`.
    pub fn max(self) -> i64 {
        self.n as i64 * (self.x.max() + self.shift().abs())
    }

    /// How the sum is stored.
    pub fn encoding(self) -> Encoding {
        let n = self.n as i64;
        // y = step * U + lo * n - negatives * shift * step.
        let lo = self.x.lo * n - self.x.step * self.shift().max(0) * n;
        Encoding { width: width_of(self.max() as u64), lo, step: self.x.step, top_inverted: false }
    }

    /// The template that stores it as `placing` says, in `out` bits, with a secret correction of `correction`
    /// bits.
    pub fn shape(
        self,
        inputs: usize,
        planes: Planes,
        correction: usize,
        placing: Placing,
        out: usize,
    ) -> Template {
        let Encoding { width, top_inverted, .. } = self.x;
        Template::LinearSum { n: inputs, planes, width, top_inverted, correction, placing, out }
    }
}

fn ceil_div(a: i64, b: i64) -> i64 {
    a.div_euclid(b) + i64::from(a.rem_euclid(b) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::template::sum_width;
    use xonn_circuits::gadgets::popcount::width_of;

    /// All inputs and weights of a few small sums: the circuit's arithmetic against `sum(w * x)`.
    #[test]
    fn sums_and_thresholds_follow_their_formula() {
        let bytes = Encoding { width: 2, lo: 0, step: 1, top_inverted: false };
        let counts = Encoding { width: 2, lo: -3, step: 2, top_inverted: false };
        for x in [Encoding::BIT, bytes, counts, Encoding::signed(2)] {
            let sum = Sum { n: 3, x };
            let numbers = 1u32 << x.width;
            for inputs in 0..numbers.pow(3) {
                let u: Vec<i64> = (0..3).map(|i| i64::from(inputs / numbers.pow(i) % numbers)).collect();
                for signs in 0..8u32 {
                    let negative = |i: usize| signs >> i & 1 == 1;
                    let y: i64 =
                        (0..3).map(|i| (x.step * u[i] + x.lo) * if negative(i) { -1 } else { 1 }).sum();
                    let total: i64 = (0..3).map(|i| if negative(i) { x.max() - u[i] } else { u[i] }).sum();
                    let negatives = i64::from(signs.count_ones());
                    let stored = total + sum.correction(negatives);
                    let out = sum.encoding();
                    assert_eq!(out.step * stored + out.lo, y, "{x:?}");
                    assert!(stored >= 0 && width_of(stored as u64) <= out.width);
                    for at in -20..=20 {
                        for rising in [true, false] {
                            let (addend, flip) = sum.threshold(Cut { rising, at }, negatives);
                            let carry = total + addend >= 1 << sum_width(3, x.width);
                            let want = if rising { y >= at } else { y <= at };
                            assert_eq!(carry ^ flip, want, "{x:?} y {y} at {at} rising {rising}");
                        }
                    }
                }
            }
        }
    }
}
