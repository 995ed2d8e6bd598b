//! How far the noise of sums is from a wrong result, and how far it has to be.

use xonn_crypto::rlwe::{Params, Rounding, noise};
use xonn_program::op::Linear;
use xonn_program::{Op, Program};

use super::Choice;
use super::sums::{Numbers, layout};
use crate::value::Ring;

/// A prediction has a wrong sum with a probability below two to the minus this.
pub const FAILURE_BITS: u32 = 40;

/// Sums of all linear layers of a program: what the probability of failure is shared among.
#[must_use]
pub fn neurons(program: &Program) -> usize {
    let sums = |layer: &xonn_program::Layer| match &layer.op {
        Op::Linear(linear) => linear.elements(),
        _ => 0,
    };
    program.layers().iter().map(sums).sum()
}

/// The margin, in standard deviations of the noise, with which so many sums are all right but with a
/// probability of 2^-40.
#[must_use]
pub fn sigmas_for(neurons: usize) -> f64 {
    noise::margin_for(neurons, f64::from(FAILURE_BITS))
}

/// The margin of the layer's sums with these weights, the one of the worst polynomial; `terms` of the sums
/// are added up before they are read. None if the choice is none of this layer.
#[must_use]
pub fn margin(linear: &Linear, choice: &Choice, weights: &[i32], terms: u32) -> Option<f64> {
    let rounding = choice.rounding().ok()?;
    let (shape, layout) = layout(linear, choice).ok()?;
    let reduced = Numbers::of(linear).reduce(weights);
    let squares = layout.square_sums(&shape.kernels(&reduced)).ok()?;
    let most = squares.into_iter().fold(0.0, f64::max);
    Some(of(choice.params, &rounding, most, terms))
}

/// The margin where weights with this sum of squares meet.
///
/// Of `terms` sums the standard deviations add up: their noise may be anything but independent, for they may
/// lie in one polynomial.
pub(super) fn of(params: Params, rounding: &Rounding, squares: f64, terms: u32) -> f64 {
    let (g, gb) = (rounding.phi(), rounding.gb());
    let Ok(fraction @ 1..) = u32::try_from(g) else { return 0.0 };
    let count = f64::from(terms);
    let ring = Ring { bits: rounding.k(), fraction, terms, step: 1, span: 0 };
    let digit = (-f64::from(g) - f64::from(gb)).exp2();
    let counts = ring.margin() - count * digit / 2.0;
    let gaussian = (noise::std(params, rounding, squares).powi(2) - digit * digit / 12.0).sqrt();
    counts / (count * gaussian)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_term_is_the_margin_of_the_encryption() {
        for (g, ga, gb) in [(1, 8, 3), (2, 6, 3), (3, 9, 5)] {
            let rounding = Rounding::new(Params::N1024Q24, 11, g, ga, gb).expect("in reach");
            let theirs = noise::margin(Params::N1024Q24, &rounding, 576.0);
            let ours = of(Params::N1024Q24, &rounding, 576.0, 1);
            assert!((ours / theirs - 1.0).abs() < 1e-12, "{ours} {theirs}");
            assert!(of(Params::N1024Q24, &rounding, 576.0, 2) < ours / 2.0);
        }
    }
}
