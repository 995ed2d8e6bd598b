//! Choices that need data: how the client's numbers are quantised, and how many bits real weights get.

mod numbers;

use xonn_program::data::Tensor;
use xonn_program::encoding::Feature;

use crate::check::Answer;
use crate::graph::{LayerGraph, LayerOp};
use crate::network::Network;
use crate::passes::{self, Compiled, InputOptions, Options, PassError};
use xonn_program::Op;
use xonn_program::op::{Planes, gcd};

pub use numbers::{GOOD_AGREEMENT, LEAST_AGREEMENT, numbers, proven};
pub(crate) use numbers::{Samples, multiplications};

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

/// Most bits of numbers with a common step that are kept exactly where the features' ranges differ.
const EXACT_BITS: u32 = 16;

/// How much wider the range of one feature may be than that of another, until each gets a scale of its own.
const SPREAD: f64 = 4.0;

/// The encoding of a model's inputs that holds all of `x`, `[sample, ...]`; `graph` is the model, if it is
/// known.
///
/// Whole numbers, and numbers a multiple of 1/d apart for a small d, such as the 255 and 127.5 of scaled
/// images, are kept exactly in as few bits as they need. Other numbers are spread evenly over `bits` bits:
/// those of features of similar size over one range, else each feature over its own, or as the
/// `Normalization` that reads the input standardises them. The encoding becomes public.
///
/// # Errors
/// The reason: no numbers, or numbers that are not finite or too large.
pub fn input(
    x: &Tensor,
    graph: Option<&LayerGraph>,
    bits: Option<u32>,
    notes: &mut Vec<String>,
) -> Result<InputOptions, String> {
    if graph.is_some_and(looks_up) {
        return Ok(InputOptions::default());
    }
    let values: Vec<f64> = (0..x.values().len()).map(|i| x.values().get(i)).collect();
    let features = x.shape().iter().skip(1).product::<usize>();
    let (lo, hi) = range(values.iter().copied());
    if !(lo.is_finite() && hi.is_finite()) {
        return Err("the calibration data holds no numbers or some that are not finite".into());
    }
    if bits.is_some_and(|bits| !(1..=24).contains(&bits)) {
        return Err(format!("{} bits, expected 1 to 24", bits.unwrap_or(0)));
    }
    let last = x.shape().iter().skip(1).last().copied().unwrap_or(1).max(1);
    let ranges: Vec<(f64, f64)> =
        (0..last).map(|feature| range(values.iter().skip(feature).step_by(last).copied())).collect();
    let widths = ranges.iter().map(|(lo, hi)| hi - lo).filter(|&width| width > 0.0);
    let (narrowest, widest) = range(widths);
    let differ = last > 1 && widest > SPREAD * narrowest;
    if let Some(step) = common_step(&values, lo, hi)
        && let needed = width_of(((hi - lo) * step.per_one).round())
        && (bits.is_some() || !differ || needed <= EXACT_BITS)
    {
        return exactly(lo, hi, &step, needed, bits, notes);
    }
    if differ && let Some(layer) = graph.and_then(normalization_of_the_input) {
        notes.push(format!(
            "calibrated: features have ranges from {narrowest:.3} to {widest:.3} wide, so the client \
             standardises them as {layer:?} does (--input-standardised)"
        ));
        return Ok(InputOptions { bits, standardised: true, ..InputOptions::default() });
    }
    let bits = bits.unwrap_or(REAL_BITS[usize::from(features <= FEW)]);
    let codes = (1u64 << bits) as f64;
    // One code is spare, so that both ends have one whichever way the zero was rounded.
    let scale = (hi - lo) / (codes - 2.0).max(1.0);
    let far = scale == 0.0 || (lo / scale).abs() >= f64::from(1 << 24);
    if differ || far || bits < 2 || scale == 1.0 {
        // x = lo + (hi - lo) q / (2^bits - 1); a feature that is always the same has its own code 0.
        let feature =
            |&(lo, hi): &(f64, f64)| Feature { mean: lo, deviation: if hi > lo { hi - lo } else { 1.0 } };
        notes.push(format!(
            "calibrated: features have ranges from {narrowest:.3} to {widest:.3} wide, each kept in {bits} \
             bits of its own range and rounded by at most {:.1e} of it",
            0.5 / (codes - 1.0)
        ));
        return Ok(InputOptions {
            bits: Some(bits),
            scale: Some(1.0 / (codes - 1.0)),
            zero: Some(0.0),
            features: ranges.iter().map(feature).collect(),
            ..InputOptions::default()
        });
    }
    let zero = (-lo / scale).round();
    notes.push(format!(
        "calibrated: inputs from {lo} to {hi} in {bits} bits, each rounded by at most {:.1e}",
        scale / 2.0
    ));
    Ok(InputOptions { bits: Some(bits), scale: Some(scale), zero: Some(zero), ..InputOptions::default() })
}

/// What all numbers are multiples of, from the smallest.
struct Step {
    /// Steps in 1.
    per_one: f64,
    /// As it is told.
    name: String,
}

/// The coarsest step of 1/d, or a multiple of it, that all numbers are apart.
fn common_step(values: &[f64], lo: f64, hi: f64) -> Option<Step> {
    let largest = lo.abs().max(hi.abs());
    // Stored as float32, numbers are off by 2^-24 of the largest that they were computed from.
    let near = |d: u32, v: &f64| {
        let multiple = v * f64::from(d);
        (multiple - multiple.round()).abs() <= (1.2e-7 * (largest * f64::from(d)).max(10.0)).min(0.02)
    };
    let d = (1..=FINEST).find(|&d| values.iter().all(|v| near(d, v)))?;
    let multiple = |v: &f64| (v * f64::from(d)).round() as i64;
    let first = (lo * f64::from(d)).round() as i64;
    let apart = values.iter().map(multiple).fold(0, |common, m| gcd(common, m.saturating_sub(first))).max(1);
    // Numbers from 0 stay whole multiples of 1/d: a client may send those between.
    let apart =
        if first == 0 || first.unsigned_abs().is_multiple_of(apart.unsigned_abs()) { 1 } else { apart };
    let name = if apart == 1 { format!("1/{d}") } else { format!("{apart}/{d}") };
    Some(Step { per_one: f64::from(d) / apart as f64, name })
}

/// Numbers of a common step, kept as they are.
fn exactly(
    lo: f64,
    hi: f64,
    step: &Step,
    from_lowest: u32,
    bits: Option<u32>,
    notes: &mut Vec<String>,
) -> Result<InputOptions, String> {
    let first = lo * step.per_one;
    // Numbers above 0 count from 0, others from the lowest.
    let zero = if first < 0.0 { -first } else { 0.0 };
    // Halves are kept: q / 127.5 - 1 has its 0 between two numbers.
    let zero = (2.0 * zero).round() / 2.0;
    let needed = if first < 0.0 { from_lowest } else { width_of((hi * step.per_one).round()) };
    let bits = bits.unwrap_or(needed);
    let name = &step.name;
    if bits < needed || needed > 24 {
        return Err(format!(
            "multiples of {name} from {lo} to {hi} need {needed} bits, expected at most {}",
            bits.min(24)
        ));
    }
    notes.push(format!(
        "calibrated: inputs are multiples of {name} from {lo} to {hi}, kept exactly in {bits} bits"
    ));
    Ok(InputOptions {
        bits: Some(bits),
        scale: Some(1.0 / step.per_one),
        zero: Some(zero),
        ..InputOptions::default()
    })
}

/// Bits of a whole number, at least 1.
fn width_of(largest: f64) -> u32 {
    (64 - (largest.clamp(0.0, 1e18) as u64).max(1).leading_zeros()).max(1)
}

/// The smallest and largest of numbers; infinite the wrong way if there are none, NaN where one is.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| match v.is_nan() {
        true => (v, v),
        false => (lo.min(v), hi.max(v)),
    })
}

/// Whether the model looks its input up in a table.
fn looks_up(graph: &LayerGraph) -> bool {
    let mut readers = graph.inputs.iter().flat_map(|&input| graph.readers_of(input));
    readers.any(|reader| matches!(graph.graph[reader].op, LayerOp::OneHot { .. }))
}

/// The `Normalization` that alone reads the only input.
fn normalization_of_the_input(graph: &LayerGraph) -> Option<String> {
    let [input] = graph.inputs[..] else { return None };
    let [reader] = graph.readers_of(input)[..] else { return None };
    match graph.graph[reader].op {
        LayerOp::Normalize { .. } => Some(graph.graph[reader].name.clone()),
        _ => None,
    }
}

/// Compiles with the fewest bits of real weights that give the same class as the most bits do, on up to 512
/// samples.
///
/// Models without real weights are compiled as `options` say.
///
/// # Errors
/// What [`passes::run`] refuses.
pub fn weight_bits(
    graph: &LayerGraph,
    options: &Options,
    samples: impl Fn(&Network) -> Result<Vec<Vec<i64>>, String>,
) -> Result<Compiled, PassError> {
    let reference = passes::run(graph, &Options { weight_bits: Some(MOST_WEIGHT_BITS), ..options.clone() })?;
    let real = |network: &Network| {
        let real = |op: &Op| matches!(op, Op::Linear(linear) if matches!(linear.weights, Planes::Odd { .. }));
        network.layers().iter().any(|layer| real(&layer.op))
    };
    if !real(&reference.network) {
        return passes::run(graph, options);
    }
    let error = |reason: String| PassError::Input { reason };
    let mut q = samples(&reference.network).map_err(error)?;
    q.truncate(SAMPLES);
    let answers = |compiled: &Compiled| -> Result<Vec<Answer>, PassError> {
        let evaluated = compiled.network.evaluate(&q).map_err(|e| error(e.to_string()))?;
        Ok(evaluated.iter().map(|found| Answer::of(found, compiled.network.output())).collect())
    };
    let want = answers(&reference)?;
    for weight_bits in 2..MOST_WEIGHT_BITS {
        // The samples show what these bits do, so no estimate is needed.
        let options = Options { weight_bits: Some(weight_bits), allow_error: true, ..options.clone() };
        let mut compiled = passes::run(graph, &options)?;
        if answers(&compiled)? == want {
            compiled.notes.push(format!(
                "calibrated: real weights in {weight_bits} bits give the classes of {MOST_WEIGHT_BITS} bits \
                 on all {} samples",
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
    use xonn_program::data::Values;

    fn of(values: Vec<f64>, bits: Option<u32>) -> Result<InputOptions, String> {
        let x = Tensor::new(vec![values.len(), 1], Values::Reals(values)).expect("fits");
        input(&x, None, bits, &mut Vec::new())
    }

    /// Every number of the data has a code, and is off by at most half a step.
    fn holds(options: &InputOptions, x: &[f64], features: usize, most: f64) {
        let spec = options.spec(&[features], Vec::new(), &mut Vec::new()).expect("usable");
        let encoding = spec.encoding();
        assert_eq!(encoding.check(), Ok(()));
        for (i, &x) in x.iter().enumerate() {
            let q = encoding.quantise(x, i % features).unwrap_or_else(|e| panic!("{x}: {e}"));
            let lines = spec.lines();
            let back = lines[i % features % lines.len()].at(q as f64);
            assert!((back - x).abs() <= most, "{x} becomes {q}, which is {back}");
            assert!((encoding.value_of(q, i % features) - back).abs() <= 1e-9 * back.abs().max(1.0));
        }
    }

    #[test]
    fn common_steps_are_found_and_kept() {
        let options = |bits, d: f64, zero| InputOptions {
            bits: Some(bits),
            scale: Some(1.0 / d),
            zero: Some(zero),
            ..InputOptions::default()
        };
        assert_eq!(of(vec![0.0, 3.0, 200.0], None), Ok(options(8, 1.0, 0.0)));
        let scaled = (0..256).map(|q| f64::from(q as f32 / 255.0)).collect();
        assert_eq!(of(scaled, None), Ok(options(8, 255.0, 0.0)));
        assert_eq!(of(vec![-1.0, 1.0, -0.5], None), Ok(options(3, 2.0, 2.0)));
        assert!(of(vec![0.0, 300.0], Some(8)).unwrap_err().contains("9 bits"));
        assert!(of(vec![f64::NAN], None).is_err());
        assert!(of(vec![0.0, 300.0], Some(0)).is_err());
        // Larq's own preprocessing, in float32.
        let larq: Vec<f64> = (0..256).map(|q| f64::from(q as f32 / 127.5 - 1.0)).collect();
        let found = of(larq.clone(), None).expect("a common step");
        assert_eq!((found.bits, found.zero), (Some(8), Some(127.5)));
        holds(&found, &larq, 1, 1e-6);
    }

    #[test]
    fn real_numbers_are_spread_over_the_bits() {
        let x = [-1.234567, 0.1002003, 2.345678];
        let found = of(x.to_vec(), Some(10)).expect("fits");
        assert_eq!(found.bits, Some(10));
        holds(&found, &x, 1, found.scale.expect("set") / 2.0 + 1e-12);
    }

    /// The ends of the range have codes, also where its zero lies between two.
    #[test]
    fn the_samples_themselves_fit() {
        for (lo, hi) in [(-1.0, 1.0), (-0.3, 0.7), (0.1, 0.9), (-7.7, -0.2), (5000.0, 5000.5), (-1e-3, 1e3)] {
            for bits in [1, 2, 3, 8, 12, 16] {
                let x: Vec<f64> = (0..=97).map(|i| lo + (hi - lo) * (f64::from(i) / 97.0).sqrt()).collect();
                let found = of(x.clone(), Some(bits)).expect("fits");
                holds(&found, &x, 1, (hi - lo) / f64::from((1 << bits) - 1).max(1.0));
            }
        }
    }

    #[test]
    fn features_of_different_size_get_scales_of_their_own() {
        let row = |i: u32| {
            let t = (f64::from(i) * 0.6180339887).fract();
            [0.002 + 0.1 * t, 4254.0 * t * t, 7.0, -3.0 + t]
        };
        let x: Vec<f64> = (0..50).flat_map(row).collect();
        let tensor = Tensor::new(vec![50, 4], Values::Reals(x.clone())).expect("fits");
        let found = input(&tensor, None, None, &mut Vec::new()).expect("fits");
        assert_eq!((found.bits, found.features.len()), (Some(16), 4));
        for feature in 0..4 {
            let column: Vec<f64> = x.iter().skip(feature).step_by(4).copied().collect();
            let width = range(column.iter().copied());
            let own = InputOptions { features: vec![found.features[feature]], ..found.clone() };
            holds(&own, &column, 1, (width.1 - width.0) / 131_000.0 + 1e-12);
        }
    }
}
