//! Choices that need data: how the client's numbers are quantised, and how many bits real weights get.

use xonn_circuits::data::Tensor;

use crate::check::Answer;
use crate::graph::LayerGraph;
use crate::integer::evaluate::Evaluated;
use crate::integer::{IntegerNetwork, Op, OutputSpec, Planes};
use crate::passes::{self, Compiled, InputOptions, Options, PassError};

/// Samples that candidates are compared on.
const SAMPLES: usize = 512;

/// Bits of inputs that are no multiples of one number, for many features and for few.
const REAL_BITS: [u32; 2] = [12, 16];

/// Up to how many features are few.
const FEW: usize = 256;

/// Most bits of a weight.
const MOST_WEIGHT_BITS: u32 = 20;

/// Finest common step that is looked for: 1 / 1024.
const FINEST: u32 = 1024;

/// The encoding of a model's inputs that holds all of `x`, `[sample, ...]`.
///
/// Whole numbers, and multiples of 1/d for a small d such as the 255 of scaled images, are kept exactly in as few bits as
/// they need. Other numbers are spread evenly over `bits` bits. The encoding becomes public.
///
/// # Errors
/// The reason: no numbers, or numbers that are not finite or too large.
pub fn input(x: &Tensor, bits: Option<u32>, notes: &mut Vec<String>) -> Result<InputOptions, String> {
    let values: Vec<f64> = (0..x.values().len()).map(|i| x.values().get(i)).collect();
    let features = x.shape().iter().skip(1).product::<usize>();
    let lo = values.iter().copied().fold(f64::INFINITY, f64::min);
    let hi = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !(lo.is_finite() && hi.is_finite()) {
        return Err("the calibration data holds no numbers or some that are not finite".into());
    }
    let near = |d: u32| {
        values.iter().all(|v| {
            let multiple = v * f64::from(d);
            // Multiples of 1/d are stored as float32, which rounds by 2^-24 of them.
            (multiple - multiple.round()).abs() <= 1e-7 * multiple.abs().max(10.0)
        })
    };
    let options = match (1..=FINEST).find(|&d| near(d)) {
        Some(d) => {
            let (first, last) = ((lo * f64::from(d)).round() as i64, (hi * f64::from(d)).round() as i64);
            let zero = if first < 0 { -first } else { 0 };
            let needed = (64 - (last + zero).max(1).leading_zeros()).max(1);
            let bits = bits.unwrap_or(needed);
            if bits < needed || needed > 24 {
                return Err(format!(
                    "multiples of 1/{d} from {lo} to {hi} need {needed} bits, expected at most {}",
                    bits.min(24)
                ));
            }
            notes.push(format!(
                "calibrated: inputs are multiples of 1/{d} from {lo} to {hi}, kept exactly in {bits} bits"
            ));
            InputOptions {
                bits: Some(bits),
                signed: false,
                scale: Some(1.0 / f64::from(d)),
                zero: Some(zero),
                standardised: false,
            }
        }
        None => {
            let bits = bits.unwrap_or(REAL_BITS[usize::from(features <= FEW)]);
            let scale = (hi - lo) / ((1u64 << bits) - 1) as f64;
            let zero = (-lo / scale).round();
            if !(1..=24).contains(&bits) || zero.abs() >= f64::from(1 << 24) {
                return Err(format!(
                    "numbers from {lo} to {hi} in {bits} bits: their zero is too far away, expected a range around it"
                ));
            }
            notes.push(format!(
                "calibrated: inputs from {lo} to {hi} in {bits} bits, each rounded by at most {:.1e}",
                scale / 2.0
            ));
            InputOptions {
                bits: Some(bits),
                signed: false,
                scale: Some(scale),
                zero: Some(zero as i64),
                standardised: false,
            }
        }
    };
    Ok(options)
}

/// Compiles with the fewest bits of real weights that give the same class as the most bits do, on up to 512 samples.
///
/// Models without real weights are compiled as `options` say.
///
/// # Errors
/// What [`passes::run`] refuses.
pub fn weight_bits(
    graph: &LayerGraph,
    options: &Options,
    samples: impl Fn(&IntegerNetwork) -> Result<Vec<Vec<i64>>, String>,
) -> Result<Compiled, PassError> {
    let reference = passes::run(graph, &Options { weight_bits: Some(MOST_WEIGHT_BITS), ..options.clone() })?;
    let real = |network: &IntegerNetwork| {
        network.nodes.iter().any(|node| match &node.op {
            Op::Dense { kernel, .. } | Op::Conv2d { kernel, .. } => {
                matches!(kernel.planes, Planes::Odd { .. })
            }
            _ => false,
        })
    };
    if !real(&reference.network) {
        return passes::run(graph, options);
    }
    let error = |reason: String| PassError::Input { reason };
    let mut q = samples(&reference.network).map_err(error)?;
    q.truncate(SAMPLES);
    let answers = |compiled: &Compiled| -> Result<Vec<Answer>, PassError> {
        let evaluated = compiled.network.evaluate(&q).map_err(|e| error(e.to_string()))?;
        let labels = matches!(compiled.network.output, OutputSpec::Labels { .. });
        let answer = |evaluated: &Evaluated| match labels {
            true => Answer::Labels(evaluated.labels()),
            false => Answer::Class(evaluated.class),
        };
        Ok(evaluated.iter().map(answer).collect())
    };
    let want = answers(&reference)?;
    for weight_bits in 2..MOST_WEIGHT_BITS {
        // The samples show what these bits do, so no estimate is needed.
        let options = Options { weight_bits: Some(weight_bits), allow_error: true, ..options.clone() };
        let mut compiled = passes::run(graph, &options)?;
        if answers(&compiled)? == want {
            compiled.notes.push(format!(
                "calibrated: real weights in {weight_bits} bits give the classes of {MOST_WEIGHT_BITS} bits on all {} samples",
                q.len()
            ));
            return Ok(compiled);
        }
    }
    Ok(reference)
}

#[cfg(test)]
mod tests {
    use super::*;
    use xonn_circuits::data::Values;

    fn of(values: Vec<f64>, bits: Option<u32>) -> Result<InputOptions, String> {
        let x = Tensor::new(vec![values.len(), 1], Values::Reals(values)).expect("fits");
        input(&x, bits, &mut Vec::new())
    }

    #[test]
    fn common_steps_are_found_and_kept() {
        let options = |bits, d: f64, zero| InputOptions {
            bits: Some(bits),
            signed: false,
            scale: Some(1.0 / d),
            zero: Some(zero),
            standardised: false,
        };
        assert_eq!(of(vec![0.0, 3.0, 200.0], None), Ok(options(8, 1.0, 0)));
        let scaled = (0..256).map(|q| f64::from(q as f32 / 255.0)).collect();
        assert_eq!(of(scaled, None), Ok(options(8, 255.0, 0)));
        assert_eq!(of(vec![-1.0, 1.0, -0.5], None), Ok(options(3, 2.0, 2)));
        assert!(of(vec![0.0, 300.0], Some(8)).unwrap_err().contains("9 bits"));
        assert!(of(vec![f64::NAN], None).is_err());
    }

    #[test]
    fn real_numbers_are_spread_over_the_bits() {
        let InputOptions { bits, scale, zero, .. } =
            of(vec![-1.234567, 0.1002003, 2.345678], Some(10)).expect("fits");
        let (scale, zero) = (scale.expect("set"), zero.expect("set") as f64);
        assert_eq!(bits, Some(10));
        for x in [-1.234567, 0.1002003, 2.345678] {
            let q = (x / scale).round() + zero;
            assert!((0.0..1024.0).contains(&q) && (scale * (q - zero) - x).abs() <= scale / 2.0 + 1e-12);
        }
    }
}
