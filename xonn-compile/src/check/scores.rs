//! Scores beside Keras's outputs, by error: what a regression is judged by.

use rayon::prelude::*;
use serde::Serialize;
use xonn_program::data::{Dataset, Tensor};
use xonn_program::evaluate::{Evaluated, tensors_rounded};
use xonn_program::op::Rounding;

use super::{DataMismatch, Report, apply};
use crate::graph::Function;
use crate::network::Network;

/// Dice that are tried.
const SEEDS: u64 = 3;

/// Most samples that are rounded by chance.
const SAMPLES: usize = 512;

/// How far scores are from Keras's, as Keras gives them: behind a softmax or sigmoid, if there is one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scores {
    /// Root of the mean square of the differences, with rounding to the nearest.
    pub nearest: f64,
    /// The same for each of some seeds, of numbers that are rounded by chance; of the first samples.
    pub by_chance: Vec<f64>,
    /// Deviation of Keras's outputs.
    pub deviation: f64,
    /// Root of the mean square of ours less the true values, and of Keras's less these, of a regression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_truth: Option<[f64; 2]>,
    /// Whether this is a regression, so that classes mean nothing.
    pub is_regression: bool,
}

impl Scores {
    /// Whether they are near: the root of the mean square is at most this share of the deviation.
    #[must_use]
    pub fn are_near(&self, share: f64) -> bool {
        self.nearest <= share * self.deviation
    }

    /// A line for people about each figure.
    pub fn lines(&self) -> Vec<String> {
        let share = |x: f64| match self.deviation > 0.0 {
            true => format!("{x:.2e} ({:.3} %)", 100.0 * x / self.deviation),
            false => format!("{x:.2e}"),
        };
        let mut lines = vec![format!(
            "scores less Keras's, root of the mean square: {}, of a deviation of {:.2e}",
            share(self.nearest),
            self.deviation
        )];
        if !self.by_chance.is_empty() {
            let all: Vec<String> = self.by_chance.iter().map(|&x| share(x)).collect();
            lines.push(format!("the same, rounded by chance, as on shares: {}", all.join(", ")));
        }
        lines.extend(self.to_truth.map(|[ours, keras]| {
            format!("scores less the true values, root of the mean square: {ours:.4e}, Keras's {keras:.4e}")
        }));
        lines
    }
}

/// Whether the true values are numbers and no classes: there is one for each of several scores, or of a
/// single one some are none of 0 and 1; without true values, whether a single score has no sigmoid behind it.
#[must_use]
pub fn is_regression(data: &Dataset, count: usize, left_out: &[Function]) -> bool {
    match &data.y {
        Some(y) if count > 1 => y.shape().len() == 2 && y.shape()[1] == count,
        Some(y) => (0..y.values().len()).any(|i| ![0.0, 1.0].contains(&y.values().get(i))),
        None => count == 1 && left_out.is_empty(),
    }
}

/// The report on a regression: nothing is said of classes.
#[must_use]
pub fn report(samples: usize) -> Report {
    Report { samples, ..Report::default() }
}

/// Looks at all samples; `None` without Keras's outputs, or of ones that are no scores.
///
/// * `unit`: what 1 of a score stands for.
/// * `left_out`: what Keras does with scores at the end ([`crate::passes::Compiled::left_out`]).
///
/// # Errors
/// [`DataMismatch`] if the true values do not fit the samples.
pub fn scores(
    network: &Network,
    data: &Dataset,
    (samples, found): (&[Vec<i64>], &[Evaluated]),
    unit: f64,
    left_out: &[Function],
) -> Result<Option<Scores>, DataMismatch> {
    let Some(count) = found.first().map(|found| found.scores.len()) else { return Ok(None) };
    let is_regression = is_regression(data, count, left_out);
    let truth = data.y.as_ref().filter(|_| is_regression);
    if let Some(y) = truth.filter(|y| y.values().len() != found.len() * count) {
        return Err(DataMismatch(format!(
            "array y has {} values, expected {count} for each of {} samples",
            y.values().len(),
            found.len()
        )));
    }
    let fits = |keras: &&Tensor| keras.values().len() == found.len() * count;
    let Some(keras) = data.keras.as_ref().filter(fits) else { return Ok(None) };
    let row = |scores: &[i64]| -> Vec<f64> {
        let mut row: Vec<f64> = scores.iter().map(|&score| score as f64 * unit).collect();
        left_out.iter().rev().for_each(|&function| apply(function, &mut row));
        row
    };
    let keras: Vec<f64> = (0..keras.values().len()).map(|i| keras.values().get(i)).collect();
    let ours: Vec<f64> = found.iter().flat_map(|found| row(&found.scores)).collect();
    let by_chance = |seed: u64| {
        let one = |(i, q): (usize, &Vec<i64>)| {
            let mut dice = Rounding::seeded(seed.wrapping_mul(1 << 32).wrapping_add(i as u64));
            let (mut tensors, _) = tensors_rounded(network.layers(), network.tensors(), q, &mut dice);
            row(&tensors.pop().unwrap_or_default())
        };
        let rows: Vec<Vec<f64>> =
            samples[..samples.len().min(SAMPLES)].par_iter().enumerate().map(one).collect();
        let all = rows.concat();
        distance(&all, &keras[..all.len()])
    };
    let rounds = |layer: &xonn_program::Layer| matches!(layer.op, xonn_program::Op::Round(_));
    let seeds = if network.layers().iter().any(rounds) { SEEDS } else { 0 };
    let mean = keras.iter().sum::<f64>() / keras.len() as f64;
    let to_truth = truth.map(|y| {
        let y: Vec<f64> = (0..y.values().len()).map(|i| y.values().get(i)).collect();
        [distance(&ours, &y), distance(&keras, &y)]
    });
    Ok(Some(Scores {
        nearest: distance(&ours, &keras),
        by_chance: (1..=seeds).map(by_chance).collect(),
        deviation: distance(&keras, &vec![mean; keras.len()]),
        to_truth,
        is_regression,
    }))
}

/// Root of the mean square of differences.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
    (squares / a.len().max(1) as f64).sqrt()
}
