//! `xonn-compile inspect`.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use xonn_circuits::bristol;
use xonn_program::circuit;
use xonn_program::package::Package;
use xonn_program::text::sentence;

use super::Outcome;
use super::model::{ModelOptions, output_file};
use crate::inspect::network::AND_RATE;
use crate::inspect::{Diagram, FileKind, NetlistCosts, Network, Problem, Report, dot, html, text};
use crate::keras::{self, KerasError};
use crate::passes::PassError;

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

/// What a file is taken for. Netlists have all kinds of names and are told by how they begin; a name decides
/// where that does not.
fn kind_of(file: &Path) -> FileKind {
    let mut start = Vec::new();
    // What cannot be read is refused where it is read.
    let _ = std::fs::File::open(file).and_then(|file| file.take(256).read_to_end(&mut start));
    match file.extension().and_then(|e| e.to_str()) {
        _ if bristol::is_begun_by(&start) => FileKind::Netlist,
        Some("xonn") => FileKind::Package,
        Some("txt" | "bristol" | "circ") => FileKind::Netlist,
        _ => FileKind::Model,
    }
}

impl Inspect {
    pub fn run(self) -> Outcome {
        let mut report = match kind_of(&self.file) {
            FileKind::Package => self.package()?,
            FileKind::Netlist => self.netlist()?,
            FileKind::Model => self.model()?,
        };
        match (self.rtt, self.mbps) {
            (Some(rtt_ms), Some(mbps)) => {
                report.add_network(Network { rtt_ms, mbps, and_rate: self.and_rate });
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
            None => std::io::stdout().write_all(shown.as_bytes())?,
        }
        match report.problems.len() {
            0 => Ok(()),
            1 => Err(format!("{}: cannot be compiled, 1 problem", self.file.display()).into()),
            n => Err(format!("{}: cannot be compiled, {n} problems", self.file.display()).into()),
        }
    }

    fn report(&self, kind: FileKind) -> Report {
        Report::new(&self.file.display().to_string(), kind)
    }

    fn package(&self) -> Result<Report, Box<dyn std::error::Error>> {
        let package = Package::read(&self.file)?;
        let mut report = self.report(FileKind::Package);
        report.digest = Some(package.digest().to_string());
        let circuit = circuit::lower(package.program())
            .map_err(|e| format!("{}: {}", self.file.display(), sentence(&e)))?;
        report.add_circuit(package.program().input(), &circuit);
        Ok(report)
    }

    fn netlist(&self) -> Result<Report, Box<dyn std::error::Error>> {
        let netlist = bristol::read_path(&self.file)?.netlist;
        let mut report = self.report(FileKind::Netlist);
        report.netlist = Some(NetlistCosts::of(&netlist));
        match Diagram::of_netlist(&netlist) {
            Ok(diagram) => report.diagrams.push(diagram),
            Err(too_large) if self.format == Format::Dot => {
                return Err(format!("{}: {too_large}", self.file.display()).into());
            }
            Err(_) => {}
        }
        Ok(report)
    }

    /// A model, as far as it can be compiled; what stands in the way goes into the report.
    fn model(&self) -> Result<Report, Box<dyn std::error::Error>> {
        let mut report = self.report(FileKind::Model);
        let graph = match self.options.read(&self.file)? {
            Ok(graph) => graph,
            Err(error @ KerasError::Io { .. }) => return Err(error.into()),
            Err(error) => {
                report.problems = Problem::of_reading(&error);
                let further = PassError::of_layers(self.options.further_problems(&error));
                report.problems.extend(Problem::of_passes(&further));
                // Drawn from its configuration, if it has one that can be read.
                let config = keras::read_config(&self.file, &self.options.reading()?).ok();
                report.diagrams.extend(config.map(|model| Diagram::of_config(&model, &report.problems)));
                return Ok(report);
            }
        };
        report.diagrams.push(Diagram::of_graph(&graph));
        let compiled = match self.options.fold(&graph)? {
            Ok(compiled) => compiled,
            Err(error) => {
                let problems = Problem::of_passes(&error);
                report.problems = problems.into_iter().map(|problem| problem.of_class_in(&graph)).collect();
                return Ok(report);
            }
        };
        if !self.options.is_quiet() {
            report.notes = compiled.notes;
        }
        match compiled.network.lower() {
            Ok(lowered) => report.add_circuit(compiled.network.input(), &lowered.circuit),
            Err(error) => report.problems = vec![Problem::of_lowering(&error).of_class_in(&graph)],
        }
        Ok(report)
    }
}
