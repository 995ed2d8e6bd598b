//! `xonn-compile inspect`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use xonn_program::console;

use super::Outcome;
use super::model::{ModelOptions, output_file};
use crate::inspect::AND_RATE;
use crate::inspect::{Network, dot, html, text};
use crate::report;

#[derive(Args)]
pub struct Inspect {
    /// A Keras model (.h5, .keras, .json), a package (.xonn) or a Bristol netlist (whatever it is called)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    options: ModelOptions,
    /// How to show it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write it to a file
    #[arg(short, long, value_name = "OUT", value_parser = output_file)]
    output: Option<PathBuf>,
    /// Milliseconds of a round trip between the hosts: adds the time of an inference
    #[arg(long, value_name = "MS", requires = "mbps", value_parser = not_negative)]
    rtt: Option<f64>,
    /// Bandwidth between the hosts in millions of bits a second
    #[arg(long, value_name = "N", requires = "rtt", value_parser = positive)]
    mbps: Option<f64>,
    /// AND gates that both hosts process a second (`xonn-run bench` measures it)
    #[arg(long, value_name = "N", default_value_t = AND_RATE, value_parser = positive)]
    and_rate: f64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table for a terminal
    Text,
    /// Everything, for programs
    Json,
    /// One self-contained page
    Html,
    /// The layers, or a small netlist's gates, for Graphviz
    Dot,
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|n: &f64| n.is_finite() && *n > 0.0);
    number.ok_or_else(|| "expected a positive number".into())
}

fn not_negative(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|n: &f64| n.is_finite() && *n >= 0.0);
    number.ok_or_else(|| "expected a number that is not negative".into())
}

impl Inspect {
    pub fn run(self) -> Outcome {
        let mut report = report(&self.file, &self.options.options()?)?;
        if let Some(too_large) = report.not_drawn.as_ref().filter(|_| self.format == Format::Dot) {
            return Err(format!("{}: {too_large}", self.file.display()).into());
        }
        if self.options.is_quiet() {
            report.notes.clear();
        }
        match (self.rtt, self.mbps) {
            (Some(rtt_ms), Some(mbps)) => {
                let network = Network { rtt_ms, mbps, and_rate: self.and_rate };
                report.add_network(network);
                report.choose(network);
            }
            // A page is looked at without the command line at hand.
            _ if self.format == Format::Html => {
                for network in [Network::LAN, Network::WAN] {
                    report.add_network(Network { and_rate: self.and_rate, ..network });
                }
            }
            _ => {}
        }
        let shown = match self.format {
            Format::Text => text::text(&report),
            Format::Json => serde_json::to_string_pretty(&report)? + "\n",
            Format::Html => html::html(&report),
            Format::Dot => report.diagrams.first().map(dot::dot).unwrap_or_default(),
        };
        match &self.output {
            Some(path) => std::fs::write(path, shown)
                .map_err(|e| format!("{}: cannot be written: {e}", path.display()))?,
            None => console::put(shown)?,
        }
        match report.problems.len() {
            0 => Ok(()),
            1 => Err(format!("{}: cannot be compiled, 1 problem", self.file.display()).into()),
            n => Err(format!("{}: cannot be compiled, {n} problems", self.file.display()).into()),
        }
    }
}
