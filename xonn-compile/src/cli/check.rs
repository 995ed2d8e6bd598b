//! `xonn-compile check`.

use std::error::Error;
use std::path::PathBuf;

use clap::Args;
use rayon::prelude::*;
use xonn_circuits::tiled::evaluate::evaluate;
use xonn_program::Prediction;
use xonn_program::console;
use xonn_program::data;

use super::Outcome;
use super::model::{ModelOptions, output_file, progress};
use crate::calibrate::LEAST_AGREEMENT;
use crate::check::errors::LayerError;
use crate::check::labels::Counts;
use crate::check::{self, NearTies, Report};
use crate::compile::quantised_or_advice;
use crate::network::Network;
use xonn_program::OutputEncoding;
use xonn_program::circuit::Lowered;
use xonn_program::evaluate::Evaluated;

#[derive(Args)]
pub struct Check {
    /// The Keras model: .h5 or .keras
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    #[command(flatten)]
    options: ModelOptions,
    /// Samples x, optional true labels y, optional Keras outputs keras
    #[arg(long, value_name = "D.npz")]
    data: PathBuf,
    /// Write the report as JSON
    #[arg(short, long, value_name = "REPORT.json", value_parser = output_file)]
    output: Option<PathBuf>,
    /// Leave out the array keras: of a model that is another than the one whose outputs it holds, such as a
    /// trimmed one
    #[arg(long)]
    no_keras: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Gates that samples of a network of hidden numbers may take together.
const CIRCUIT_ANDS: u64 = 4_000_000_000;

/// Fewest samples that go through the circuit.
const LEAST_CIRCUITS: u64 = 4;

/// Disagreements printed; the report file lists all.
const SHOWN: usize = 20;

impl Check {
    pub fn run(self) -> Outcome {
        let compiled = self.options.compile(&self.model)?;
        if !self.json {
            self.options.print_notes(compiled.notes());
        }
        let network = compiled.network();
        let mut data = data::load(&self.data)?;
        if self.no_keras {
            data.keras = None;
        }
        let samples = quantised_or_advice(&data.x, network.input())
            .map_err(|e| format!("{}: {e}", self.data.display()))?;

        // The integer network is the reference; the circuit must give the same on every sample.
        let reference = network.evaluate(&samples)?;
        // Circuits of hidden numbers are large: some samples tell whether they are right.
        let numbers = check::numbers::numbers(network, compiled.twin(), &samples, &reference);
        let circuit = match (compiled.lower(), &numbers) {
            (Ok(lowered), None) => through_circuit(network, &lowered, &samples)?,
            (Ok(lowered), Some(_)) => {
                let most = CIRCUIT_ANDS / lowered.circuit.costs().total().max(1);
                let most = most.clamp(LEAST_CIRCUITS, u64::MAX) as usize;
                through_circuit(network, &lowered, &samples[..samples.len().min(most)])?
            }
            // Steps of a recurrent network are soon more than fit one circuit; its numbers can be looked at.
            (Err(error), Some(_)) => {
                if !self.json {
                    console::put(format!("no circuit: {error}\n"))?;
                }
                Vec::new()
            }
            (Err(error), None) => return Err(error.into()),
        };
        if let Some(sample) = (0..circuit.len()).find(|&i| circuit[i] != network.prediction(&reference[i])) {
            return Err(format!(
                "sample {sample}: the circuit gives {}, the integer network {}; this is a bug of the \
                 compiler",
                circuit[sample],
                network.prediction(&reference[sample])
            )
            .into());
        }
        let predictions: Vec<Evaluated> = reference;
        let mut report = match *network.output() {
            OutputEncoding::Labels { units } => check::labels::compare(&data, &predictions, units as usize)?,
            OutputEncoding::Scores { count, .. }
                if check::scores::is_regression(&data, count as usize, compiled.left_out()) =>
            {
                check::scores::report(samples.len())
            }
            _ => check::compare(&data, &predictions)?,
        };
        if let OutputEncoding::Scores { scale: unit, .. } = *network.output() {
            report.largest_score_error = check::score_error(&data, &predictions, unit, compiled.left_out());
            let both = (&samples[..], &predictions[..]);
            report.scores = check::scores::scores(network, &data, both, unit, compiled.left_out())?;
        }
        report.margins = check::margins(network, &samples);
        report.numbers = numbers;
        if let Some(twin) = compiled.twin() {
            report.errors = check::errors::errors(network, twin, &data.x, &samples)?;
        }
        report.through_circuit = circuit.len();
        let json = serde_json::to_string_pretty(&report)?;
        if let Some(path) = &self.output {
            std::fs::write(path, &json).map_err(|e| format!("{}: cannot be written: {e}", path.display()))?;
        }
        if self.json {
            console::say(json)?;
        } else {
            console::put(text(&report))?;
        }
        let (n, of) = (report.disagreements.len(), report.samples);
        // Hidden numbers are near the float network's, and not equal.
        let asked = self.options.agreement().unwrap_or(LEAST_AGREEMENT);
        if let Some(scores) = report.scores.as_ref().filter(|s| s.is_regression && !s.are_near(1.0 - asked)) {
            return Err(format!(
                "scores are {:.2e} from Keras's, more than {:.2} % of their deviation, {:.2e}",
                scores.nearest,
                100.0 * (1.0 - asked),
                scores.deviation
            )
            .into());
        }
        let near = report.numbers.is_some() && n as f64 <= (1.0 - asked) * of as f64;
        if n == 0 || near { Ok(()) } else { Err(format!("{n} of {of} predictions are not Keras's").into()) }
    }
}

/// What the circuit gives.
fn through_circuit(
    network: &Network,
    lowered: &Lowered,
    samples: &[Vec<i64>],
) -> Result<Vec<Prediction>, Box<dyn Error>> {
    let Lowered { circuit, secret } = lowered;
    let bar = progress(samples.len() as u64, "checking");
    let batches: Vec<Vec<Prediction>> = samples
        .par_chunks(256)
        .map(|batch| {
            let bits = |q: &Vec<i64>| q.iter().flat_map(|&q| network.input().bits_of(q)).collect();
            let inputs: Vec<Vec<bool>> = batch.iter().map(bits).collect();
            let outputs = evaluate(circuit, secret, &inputs)?;
            bar.inc(batch.len() as u64);
            Ok(outputs.iter().map(|bits| network.output().decode(bits)).collect())
        })
        .collect::<Result<_, xonn_circuits::tiled::evaluate::LengthError>>()?;
    bar.finish_and_clear();
    Ok(batches.concat())
}

/// The report for people, a line for each figure.
fn text(report: &Report) -> String {
    let share =
        |n: usize| format!("{n} of {} ({:.2} %)", report.samples, 100.0 * n as f64 / report.samples as f64);
    let mut lines = vec![match report.through_circuit {
        0 => format!("integer network on {} samples, none through a circuit", report.samples),
        n if n == report.samples => format!("circuit = integer network on all {n} samples"),
        n => format!("circuit = integer network on the first {n} of {} samples", report.samples),
    }];
    lines.extend(report.correct.map(|correct| format!("correct: {}", share(correct))));
    lines.extend(report.labels.iter().flat_map(Counts::lines));
    lines.extend(report.equal_to_keras.map(|equal| format!("equal to Keras: {}", share(equal))));
    lines.extend(report.near_ties.map(|NearTies { within, samples }| {
        format!(
            "near-ties: those that differ have a margin of {within:.2e} at most in Keras's outputs, as \
             have {}",
            share(samples)
        )
    }));
    lines.extend(report.scores.iter().flat_map(check::scores::Scores::lines));
    let is_regression = report.scores.as_ref().is_some_and(|scores| scores.is_regression);
    if let Some(numbers) = &report.numbers {
        let by_chance = numbers.equal_by_chance.iter().map(|&equal| share(equal)).collect::<Vec<_>>();
        if !is_regression {
            lines.push(format!("rounded by chance, as on shares, the same class: {}", by_chance.join(", ")));
        }
        if numbers.lost.is_empty() {
            lines.push(format!("all hidden numbers fit their {} bits", numbers.bits));
        }
        lines.extend(numbers.lost.iter().map(|lost| {
            format!(
                "layer {}: {} of {} numbers do not fit their bits and are wrong; calibrate with more \
                 samples, or with samples that reach as far",
                lost.layer, lost.numbers, lost.of
            )
        }));
    }
    if !report.errors.is_empty() {
        lines.push("numbers less those of the float network, in units of their last bit:".into());
        lines.extend(table(&report.errors));
    }
    let error = report.largest_score_error;
    lines.extend(error.map(|error| format!("largest difference of a score to Keras's: {error:.2e}")));
    lines.extend(
        report.margins.iter().map(|margin| {
            format!("smallest margin before the sign of {}: {}", margin.layer, margin.smallest)
        }),
    );
    lines.extend(report.disagreements.iter().take(SHOWN).map(|d| {
        let margin = d.keras_margin.map_or(String::new(), |m| format!(" (its margin is {m:.2e})"));
        format!("sample {}: {}, Keras says {}{margin}", d.sample, d.ours, d.keras)
    }));
    if report.disagreements.len() > SHOWN {
        lines.push(format!("and {} more, -o REPORT.json lists all", report.disagreements.len() - SHOWN));
    }
    lines.join("\n") + "\n"
}

/// How far each layer's numbers are from the float network's.
fn table(errors: &[LayerError]) -> Vec<String> {
    let widest = errors.iter().map(|error| error.layer.chars().count()).max().unwrap_or(0).max(5);
    let mut lines = vec![format!(
        "  {:widest$}  {:>4}  {:>9}  {:>9}  {:>9}  {:>9}  {:>9}",
        "layer", "bits", "largest", "deviation", "most", "by chance", "most"
    )];
    lines.extend(errors.iter().map(|LayerError { layer, bits, largest, nearest, by_chance, .. }| {
        format!(
            "  {layer:widest$}  {bits:>4}  {largest:>9.0}  {:>9.2}  {:>9.2}  {:>9.2}  {:>9.2}",
            nearest.deviation, nearest.most, by_chance.deviation, by_chance.most
        )
    }));
    lines
}
