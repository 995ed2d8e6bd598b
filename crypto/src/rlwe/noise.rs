//! How far a result is from the exact one: for planning, and to be asserted when weights are known.
//!
//! Floating point, unlike all else here: two hosts never have to agree on these numbers. The server computes
//! them from its secret weights, when a model is built and when it is loaded.

use super::sample::ERROR_STD;
use super::{Params, Rounding};

/// The standard deviation of an output polynomial's noise, in counts of the layer's sum; times `2^phi`, in
/// units of the result's last bit.
///
/// `squares` is the sum of the squares of *all* weights of the polynomials that meet in it
/// ([`square_sums`](super::encode::Layout::square_sums)), not of one row's: an encryption's errors are dense
/// over all n coefficients, so that each weight of a polynomial meets each output.
///
/// `std^2 = (2^l / q)^2 ((10.5 + 1/12) squares + 10.5 (4n/3 + 1)) + 4^-phi ((n/18) 4^-ga + 4^-gb / 12)`:
/// errors of the masks and their rounding; u with the key's error, s with e1, and e0; rounding of the
/// answer's first part, n coefficients with a ternary s, and of its second.
pub fn std(params: Params, rounding: &Rounding, squares: f64) -> f64 {
    let error = ERROR_STD * ERROR_STD;
    let n = params.n() as f64;
    let scale = f64::from(rounding.l()).exp2() / params.q() as f64;
    let ring = (error + 1.0 / 12.0) * squares + error * (4.0 * n / 3.0 + 1.0);
    let switch =
        n / 18.0 * (-2.0 * f64::from(rounding.ga())).exp2() + (-2.0 * f64::from(rounding.gb())).exp2() / 12.0;
    (scale * scale * ring + (-2.0 * f64::from(rounding.phi())).exp2() * switch).sqrt()
}

/// The margin of a threshold or a score, in standard deviations of the noise: phi bits of fraction leave
/// `(2^phi - 1) / 2^(phi + 1)` counts, of which the rounding of the answer's second part takes `2^-(phi + gb
/// + 1)`; the rest is Gaussian. Zero for a result without bits of fraction, which has none.
pub fn margin(params: Params, rounding: &Rounding, squares: f64) -> f64 {
    let (phi, gb) = (f64::from(rounding.phi()), f64::from(rounding.gb()));
    if rounding.phi() < 1 {
        return 0.0;
    }
    let counts = (phi.exp2() - 1.0) / (phi + 1.0).exp2() - (-(phi + gb + 1.0)).exp2();
    let switched = (-2.0 * (phi + gb)).exp2() / 12.0;
    let gaussian = (std(params, rounding, squares).powi(2) - switched).sqrt();
    counts / gaussian
}

/// log2 of a bound of the probability that any of the neurons is wrong, each with a count and a margin in
/// standard deviations: of the sum of `neurons * erfc(margin / sqrt 2)`.
pub fn log2_failure(layers: impl IntoIterator<Item = (usize, f64)>) -> f64 {
    let terms: Vec<f64> = layers
        .into_iter()
        .filter(|&(neurons, _)| neurons > 0)
        .map(|(neurons, margin)| {
            (neurons as f64).log2() + log2_erfc(margin * core::f64::consts::FRAC_1_SQRT_2)
        })
        .collect();
    let largest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    largest + terms.iter().map(|term| (term - largest).exp2()).sum::<f64>().log2()
}

/// The least margin at which so many neurons are all right but with probability `2^-bits`.
pub fn margin_for(neurons: usize, bits: f64) -> f64 {
    // Halving an interval in which the bound falls from above to below.
    let (mut low, mut high) = (0.0, 64.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if log2_failure([(neurons, middle)]) > -bits {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// log2 of the complementary error function, for x of 0 and more.
fn log2_erfc(x: f64) -> f64 {
    use core::f64::consts::{FRAC_2_SQRT_PI, LOG2_E, PI};
    if x < 2.0 {
        // erf(x) = 2 / sqrt pi  exp(-x^2)  sum of 2^i x^(2i + 1) / (1 3 .. (2i + 1)), all terms positive
        let (mut term, mut sum) = (x, x);
        for i in 1..60 {
            term *= 2.0 * x * x / f64::from(2 * i + 1);
            sum += term;
        }
        return (1.0 - FRAC_2_SQRT_PI * (-x * x).exp() * sum).log2();
    }
    // Laplace's continued fraction: erfc(x) = exp(-x^2) / sqrt pi / (x + (1/2) / (x + 1 / (x + (3/2) / (x +
    // ..
    let fraction = (1..=80).rev().fold(x, |below, i| x + f64::from(i) / 2.0 / below);
    -x * x * LOG2_E - PI.sqrt().log2() - fraction.log2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_function_is_that_of_the_tables() {
        // erfc(x): Abramowitz and Stegun, tables 7.1 and 7.3; those with more digits by `math.erfc` of
        // Python.
        for (x, erfc) in [
            (0.0, 1.0),
            (0.5, 0.479_500_122_187),
            (1.0, 0.157_299_207_050),
            (1.9999, 0.004_679_802_093),
            (2.0, 0.004_677_734_981_05),
            (3.0, 2.209_049_699_858_5e-5),
            (5.0, 1.537_459_794_428e-12),
            (6.5, 3.842_148_327_12e-20),
        ] {
            let ours = log2_erfc(x).exp2();
            assert!((ours / erfc - 1.0).abs() < 1e-9, "erfc({x}) = {ours}, expected {erfc}");
        }
    }

    #[test]
    fn the_margins_that_networks_need() {
        // 173,066 neurons: 8.65 sigma
        assert!((margin_for(173_066, 40.0) - 8.65).abs() < 0.005, "{}", margin_for(173_066, 40.0));
        assert!((log2_failure([(100, 8.0), (66, 8.0)]) - log2_failure([(166, 8.0)])).abs() < 1e-9);
        assert_eq!(log2_failure([]), f64::NEG_INFINITY);
    }

    #[test]
    fn a_layer_of_the_tables() {
        // 64 -> 64, 3x3, one filter and one channel a polynomial: 576 weights of +-1 meet in a response
        let rounding = Rounding::new(Params::N1024Q24, 11, 1, 8, 3).unwrap();
        let margin = margin(Params::N1024Q24, &rounding, 576.0);
        assert!(margin > 8.65, "{margin}");
        let narrow = Rounding::new(Params::N1024Q21, 11, 1, 8, 3).unwrap();
        assert!(super::margin(Params::N1024Q21, &narrow, 576.0) < 2.0);
    }
}
