//! Networks of hidden numbers: their ranges from samples, and how near they come to the float network.

use std::sync::Arc;

use petgraph::stable_graph::NodeIndex;
use xonn_program::Op;
use xonn_program::data::Tensor;

use crate::check::Answer;
use crate::compile::{DEFAULT_ACTIVATION_BITS, DEFAULT_NUMBER_WEIGHT_BITS, NumberBits, quantised};
use crate::graph::{LayerGraph, LayerOp};
use crate::passes::{self, Compiled, NumberOptions, NumberSamples, Options, PassError, Ranges};

/// Most samples that are looked at.
const SAMPLES: usize = 512;

/// Least samples that are looked at, if there are as many.
const LEAST_SAMPLES: usize = 24;

/// Fewest samples that ranges are taken from, unless the user allows the error.
const FEWEST: usize = 16;

/// Multiplications of all samples together that may be spent on one look.
const WORK: usize = 10_000_000_000;

/// Bits of activations and weights that are tried where a share of equal classes is asked for, the cheapest
/// first.
const TRIED: [(u32, u32); 11] =
    [(7, 6), (8, 7), (9, 8), (10, 8), (10, 10), (11, 10), (12, 12), (13, 13), (15, 15), (17, 17), (20, 20)];

/// Of these the first that is tried where nothing is asked for.
const FIRST_OF_DEFAULT: usize = 6;

/// Share of equal classes for which more bits are tried where nothing is asked for: signs behind numbers, in
/// networks that mix both, need more bits than numbers alone do.
pub const GOOD_AGREEMENT: f64 = 0.995;

/// Share of equal classes below which a network is refused, unless the user allows the error.
pub const LEAST_AGREEMENT: f64 = 0.99;

/// Compiles a network that has hidden numbers, with their ranges from the samples `x`, and gives the share of
/// the classes on them that are those of the float network.
///
/// # Errors
/// What [`passes::run`] refuses; samples that do not fit, or too few equal classes.
pub fn numbers(
    graph: &LayerGraph,
    options: &Options,
    bits: NumberBits,
    x: &Tensor,
) -> Result<(Compiled, f64), PassError> {
    let error = |reason: String| PassError::Input { reason };
    let float = passes::float_graph(graph)?;
    let count = (WORK / multiplications(&float).max(1)).clamp(LEAST_SAMPLES, SAMPLES);
    let samples = Samples::of(&float, x, count).map_err(|e| error(format!("the calibration data: {e}")))?;
    if samples.inputs.len() < FEWEST && !options.allow_error && !bits.proven {
        return Err(error(format!(
            "the calibration data: {} samples, expected {FEWEST} or more, some hundreds at best: they tell \
             the ranges of hidden numbers, and numbers beyond them may be wrong; --allow-error builds it all \
             the same",
            samples.inputs.len()
        )));
    }
    let want = samples.answers(&float, options).map_err(error)?;
    let ranges = match bits.proven {
        true => Ranges::Proven,
        false => Ranges::Seen(Arc::new(NumberSamples::new(samples.inputs))),
    };
    let compile = |(activation_bits, weight_bits): (u32, u32)| -> Result<(Compiled, f64), PassError> {
        let numbers = Some(NumberOptions { activation_bits, weight_bits, ranges: ranges.clone() });
        // The samples show what these bits do, so no estimate is needed.
        let own = Options { numbers, allow_error: true, ..options.clone() };
        let compiled = passes::run(graph, &own)?;
        let q = quantised(&samples.x, compiled.network.input()).map_err(error)?;
        let found = compiled.network.evaluate(&q).map_err(|e| error(e.to_string()))?;
        let equal = found
            .iter()
            .zip(&want)
            .filter(|(found, want)| Answer::of(found, compiled.network.output()) == **want);
        let share = equal.count() as f64 / want.len().max(1) as f64;
        Ok((compiled, share))
    };
    let chosen = (
        bits.activations.unwrap_or(DEFAULT_ACTIVATION_BITS),
        options.weight_bits.unwrap_or(DEFAULT_NUMBER_WEIGHT_BITS),
    );
    let is_given = bits.activations.is_some() || options.weight_bits.is_some();
    let (candidates, enough): (&[(u32, u32)], f64) = match bits.agreement {
        Some(asked) => (&TRIED, asked),
        None if is_given => (&[chosen], 0.0),
        None => (&TRIED[FIRST_OF_DEFAULT..], GOOD_AGREEMENT),
    };
    let mut best: Option<(Compiled, f64, (u32, u32))> = None;
    let mut table = Vec::new();
    for &candidate in candidates {
        let (compiled, share) = match compile(candidate) {
            Ok(found) => found,
            // Wider numbers may not fit where narrower ones do.
            Err(error) if best.is_some() => {
                table.push(format!("{}/{}: {error}", candidate.0, candidate.1));
                break;
            }
            Err(error) => return Err(error),
        };
        table.push(format!("{}/{}: {:.2} %", candidate.0, candidate.1, 100.0 * share));
        if best.as_ref().is_none_or(|(_, most, _)| share > *most) {
            best = Some((compiled, share, candidate));
        }
        if share >= enough {
            break;
        }
    }
    let (mut compiled, share, used) = best.ok_or_else(|| error("no bits were tried".into()))?;
    let tried = table.join(", ");
    if bits.agreement.is_some_and(|asked| share < asked) {
        return Err(error(format!(
            "no bits give {:.2} % of {} samples the class of the float network (bits of activations / of \
             weights: {tried}); ask for less --agreement",
            100.0 * enough,
            want.len()
        )));
    }
    if bits.agreement.is_some() || table.len() > 1 {
        compiled.notes.push(format!("tried, bits of activations / of weights: {tried}"));
    }
    let told = format!(
        "hidden numbers in {} bits and their weights in {} give the class of the float network on {:.2} % of \
         {} samples",
        used.0,
        used.1,
        100.0 * share,
        want.len()
    );
    if share < LEAST_AGREEMENT && !options.allow_error {
        return Err(error(format!(
            "{told} (tried: {tried}); give more --activation-bits or --weight-bits, or --allow-error to \
             build it all the same"
        )));
    }
    compiled.notes.push(format!("calibrated: {told}; others may have other roundings, `check` counts them"));
    if bits.proven {
        compiled.notes.push(proven_note(&compiled));
    }
    Ok((compiled, share))
}

/// Compiles a network that has hidden numbers, with ranges that hold for every input.
///
/// # Errors
/// What [`passes::run`] refuses.
pub fn proven(graph: &LayerGraph, options: &Options, bits: NumberBits) -> Result<Compiled, PassError> {
    let numbers = NumberOptions {
        activation_bits: bits.activations.unwrap_or(DEFAULT_ACTIVATION_BITS),
        weight_bits: options.weight_bits.unwrap_or(DEFAULT_NUMBER_WEIGHT_BITS),
        ranges: Ranges::Proven,
    };
    let mut compiled = passes::run(graph, &Options { numbers: Some(numbers), ..options.clone() })?;
    compiled.notes.push(proven_note(&compiled));
    compiled.notes.push(
        "no samples tell how near it comes to the float network: `check --data` does, and more \
         --activation-bits and --weight-bits bring it nearer"
            .into(),
    );
    Ok(compiled)
}

/// What is said of proven ranges.
fn proven_note(compiled: &Compiled) -> String {
    let width = |layer: &xonn_program::Layer| match layer.op {
        Op::Round(round) => Some(round.bits),
        _ => None,
    };
    let widest = compiled.network.layers().iter().filter_map(width).max().unwrap_or(0);
    format!(
        "ranges are proven: no input that a client can send makes a hidden number overflow its \
         {widest} bits or fewer"
    )
}

/// Some of the samples, evenly taken.
pub(crate) struct Samples {
    /// Which of all samples they are.
    pub chosen: Vec<usize>,
    /// As the client has them.
    x: Tensor,
    /// Of each sample the model's inputs.
    pub inputs: Vec<Vec<Vec<f32>>>,
}

impl Samples {
    /// * `x`: all samples.
    /// * `most`: how many are taken, if there are as many.
    ///
    /// # Errors
    /// Samples of another size than the model's inputs.
    pub(crate) fn of(graph: &LayerGraph, x: &Tensor, most: usize) -> Result<Self, String> {
        let shape = |node: &NodeIndex| graph.graph[*node].shape.clone();
        let shapes: Vec<Vec<usize>> = graph.inputs.iter().map(shape).collect();
        // Of several inputs a sample is one row of all.
        let sample_shape = match &shapes[..] {
            [one] => one.clone(),
            all => vec![all.iter().map(|shape| shape.iter().product::<usize>()).sum()],
        };
        let all = x.samples_of(&sample_shape).map_err(|e| e.to_string())?;
        let rows: Vec<Vec<f64>> = all.iter().map(|sample| sample.values().collect()).collect();
        let count = rows.len().min(most);
        let chosen: Vec<usize> = (0..count).map(|i| i * rows.len() / count).collect();
        let parts = |row: &Vec<f64>| -> Vec<Vec<f32>> {
            let mut rest = row.as_slice();
            shapes
                .iter()
                .map(|shape| {
                    let (own, behind) = rest.split_at(shape.iter().product());
                    rest = behind;
                    own.iter().map(|&x| x as f32).collect()
                })
                .collect()
        };
        let inputs = chosen.iter().map(|&i| parts(&rows[i])).collect();
        let values = chosen.iter().flat_map(|&i| rows[i].iter().copied()).collect();
        let x = Tensor::new([vec![count], sample_shape].concat(), xonn_program::data::Values::Reals(values))
            .ok_or("samples of another size than their shape says")?;
        Ok(Self { chosen, x, inputs })
    }

    /// What the float network says.
    fn answers(&self, graph: &LayerGraph, options: &Options) -> Result<Vec<Answer>, String> {
        use rayon::prelude::*;
        let labels = options.output == passes::OutputMode::Labels;
        let of = |inputs: &Vec<Vec<f32>>| {
            let tensors = graph.evaluate(inputs)?;
            let scores = &tensors[&graph.output];
            Ok(match scores.len() {
                _ if labels => Answer::Labels(scores.iter().map(|&x| u8::from(x > 0.0)).collect()),
                1 => Answer::Class(usize::from(scores[0] > 0.0)),
                n => Answer::Class(
                    (0..n).reduce(|best, i| if scores[i] > scores[best] { i } else { best }).unwrap_or(0),
                ),
            })
        };
        self.inputs.par_iter().map(of).collect()
    }
}

/// Multiplications of one sample, about.
pub(crate) fn multiplications(graph: &LayerGraph) -> usize {
    let of = |node: NodeIndex| {
        let layer = &graph.graph[node];
        let elements: usize = layer.shape.iter().product();
        match &layer.op {
            LayerOp::Dense { kernel, .. } => elements * kernel.shape[0],
            LayerOp::Conv2d { kernel, .. } => elements * kernel.shape[..3].iter().product::<usize>(),
            LayerOp::DepthwiseConv2d { kernel, .. } => elements * kernel.shape[..2].iter().product::<usize>(),
            _ => elements,
        }
    };
    graph.graph.node_indices().map(of).sum()
}
