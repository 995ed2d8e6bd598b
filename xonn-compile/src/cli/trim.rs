//! `xonn-compile trim`.

use std::error::Error;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use xonn_program::console;
use xonn_program::data::{self, Dataset};
use xonn_program::text::grouped;

use super::Outcome;
use super::model::{ModelOptions, output_file};
use crate::compile::quantised;
use crate::keras_write::Document;
use crate::trim::report::per_cent;
use crate::trim::{self, How, Samples, Settings, plot};
use xonn_program::InputEncoding;

#[derive(Args)]
pub struct Trim {
    /// The Keras model: .h5 or .keras
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    #[command(flatten)]
    options: ModelOptions,
    /// Labelled samples x, y; not the test data, since they decide what stays
    #[arg(long, value_name = "D.npz")]
    data: PathBuf,
    /// The least accuracy on either half of the data: a fraction such as 0.97, or 97%
    #[arg(long, value_name = "ACC", required_unless_present = "exact_only", conflicts_with = "exact_only")]
    floor: Option<Floor>,
    /// Remove only what provably never matters: no prediction changes
    #[arg(long)]
    exact_only: bool,
    /// The smaller Keras model to write, with the suffix of MODEL's form
    #[arg(short, long, value_name = "OUT", value_parser = output_file)]
    output: PathBuf,
    /// Write the report as JSON
    #[arg(long, value_name = "R.json")]
    report: Option<PathBuf>,
    /// Draw accuracy against gates as SVG
    #[arg(long, value_name = "CURVE.svg")]
    plot: Option<PathBuf>,
    /// Seed of the split of the data into a half that ranks and a half that verifies
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Most samples that a channel's effect is measured on
    #[arg(long, value_name = "N", default_value_t = 2000)]
    samples: usize,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// An accuracy, 0 to 1.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Floor(f64);

impl FromStr for Floor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.trim().trim_end_matches('%').trim_end();
        let value: f64 =
            number.parse().map_err(|_| format!("{text:?} is no number, expected 0.97 or 97%"))?;
        let share = if text.contains('%') { value / 100.0 } else { value };
        if (0.0..=1.0).contains(&share) {
            return Ok(Self(share));
        }
        let meant =
            if value > 1.0 && value <= 100.0 { format!(" (did you mean {number}%?)") } else { String::new() };
        Err(format!("{text} is out of range, expected 0 to 1 or 0% to 100%{meant}"))
    }
}

impl Trim {
    pub fn run(self) -> Outcome {
        if self.options.has_weights_file() {
            return Err("--weights is not supported here, expected configuration and weights in one file; \
                        save the whole model with model.save()"
                .into());
        }
        let document = Document::read(&self.model)?;
        document.check_suffix(&self.output)?;
        let compiled = self.options.compile(&self.model)?;
        if !self.json {
            self.options.print_notes(compiled.notes());
        }
        let data = data::load(&self.data)?;
        let samples = samples(&data, compiled.network().input())
            .map_err(|e| format!("{}: {e}", self.data.display()))?;
        let how = How::of(&self.options.options()?)?;
        let settings =
            Settings { floor: self.floor.map(|f| f.0), seed: self.seed, samples: self.samples.max(1) };
        let spinner = spinner();
        let trimmed = trim::run(document, &how, samples, &settings, &mut |step| {
            spinner.set_message(format!(
                "trimming: {} ANDs, {} right",
                grouped(step.ands),
                per_cent(step.verification)
            ));
        });
        spinner.finish_and_clear();
        let (document, report) = trimmed.map_err(|e| match e {
            // These two name the file themselves or are about the data.
            e @ (trim::TrimError::File(_) | trim::TrimError::Keras(_)) => Box::<dyn Error>::from(e),
            e => format!("{}: {e}", self.model.display()).into(),
        })?;
        document.write(&self.output)?;
        let json = serde_json::to_string_pretty(&report)?;
        let write = |path: &PathBuf, text: &str| {
            std::fs::write(path, text).map_err(|e| format!("{}: cannot be written: {e}", path.display()))
        };
        if let Some(path) = &self.report {
            write(path, &json)?;
        }
        if let Some(path) = &self.plot {
            write(path, &plot::svg(&report)?)?;
        }
        if self.json {
            console::say(json)?;
            return Ok(());
        }
        console::say(report.text())?;
        for warning in &report.warnings {
            console::log(format_args!("warning: {warning}"));
        }
        let [after, before] = [report.after.ands, report.before.ands].map(grouped);
        Ok(console::say(format_args!("{}: {after} ANDs, was {before}", self.output.display()))?)
    }
}

/// The data as the client would send it, with true labels.
fn samples(data: &Dataset, input: &InputEncoding) -> Result<Samples, Box<dyn Error>> {
    let q = quantised(&data.x, input)?;
    let y = data.y.as_ref().ok_or("there is no array y, expected the true label of each sample")?;
    if y.values().len() != q.len() {
        return Err(format!("array y has {} labels for {} samples", y.values().len(), q.len()).into());
    }
    let label = |i: usize| {
        let label = y.values().integer(i).and_then(|label| usize::try_from(label).ok());
        label.ok_or_else(|| format!("array y: element {i} is {}, expected a class index", y.values().get(i)))
    };
    let labels = (0..q.len()).map(label).collect::<Result<_, _>>()?;
    Ok(Samples { q, labels })
}

/// Shown on a terminal only: how many steps there will be is not known.
fn spinner() -> indicatif::ProgressBar {
    use std::io::IsTerminal;
    if !std::io::stderr().is_terminal() {
        return indicatif::ProgressBar::hidden();
    }
    let spinner = indicatif::ProgressBar::new_spinner().with_message("trimming");
    spinner.enable_steady_tick(std::time::Duration::from_millis(120));
    spinner
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floors_are_fractions_or_per_cent() {
        assert_eq!("0.97".parse(), Ok(Floor(0.97)));
        assert_eq!("97%".parse(), Ok(Floor(0.97)));
        assert_eq!("97.5 %".parse(), Ok(Floor(0.975)));
        assert_eq!("1".parse(), Ok(Floor(1.0)));
        assert!("97".parse::<Floor>().unwrap_err().contains("did you mean 97%?"));
        for wrong in ["", "many", "-0.1", "101%", "NaN", "inf"] {
            assert!(wrong.parse::<Floor>().is_err(), "{wrong}");
        }
    }
}
