//! A report on any file that there is: a Keras model, a package, a netlist.

use std::error::Error;
use std::fmt;
use std::io::Read;
use std::path::Path;

use xonn_circuits::bristol::{self, BristolError};
use xonn_program::circuit::{self, LowerError};
use xonn_program::package::{Package, PackageError};
use xonn_program::text::sentence;

use super::{Diagram, FileKind, NetlistCosts, Report, ranges};
use crate::compile::{self, CompileError, Options, Source};
use crate::keras::KerasError;

/// What a model, a package or a netlist is and costs. What keeps a model from being compiled is in the
/// report, as far as it can be found.
///
/// * `source`: a path, or the bytes of a file.
/// * `options`: how a model is understood; packages and netlists say everything themselves.
///
/// # Errors
/// [`ReportError`] if there is nothing to report on: the file cannot be read or is none of these, or
/// the calibration samples cannot be used.
///
/// # Example
/// ```
/// use std::path::Path;
///
/// let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/bm1/model.h5");
/// let report = xonn_compile::report(Path::new(model), &xonn_compile::Options::default())?;
/// assert!(report.problems.is_empty());
/// print!("{}", xonn_compile::inspect::text::text(&report));
/// # Ok::<(), xonn_compile::ReportError>(())
/// ```
pub fn report<'s>(source: impl Into<Source<'s>>, options: &Options) -> Result<Report, ReportError> {
    let source = source.into();
    match kind_of(&source) {
        FileKind::Package => of_package(&source),
        FileKind::Netlist => of_netlist(&source),
        FileKind::Model => of_model(&source, options),
    }
}

/// Why there is no report on a file.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReportError {
    /// The model cannot be read at all, or the calibration samples cannot be used.
    Model(CompileError),
    /// The package cannot be read.
    Package(PackageError),
    /// The package has no circuit.
    Circuit {
        /// The file.
        file: String,
        /// Why.
        error: LowerError,
    },
    /// The netlist cannot be read.
    Netlist(BristolError),
}

impl fmt::Display for ReportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model(error) => error.fmt(f),
            Self::Package(error) => error.fmt(f),
            Self::Circuit { file, error } => write!(f, "{file}: {}", sentence(error)),
            Self::Netlist(error) => error.fmt(f),
        }
    }
}

impl Error for ReportError {
    /// The cause of what is shown: the errors within are shown themselves.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Model(error) => error.source(),
            Self::Package(error) => error.source(),
            Self::Circuit { .. } => None,
            Self::Netlist(error) => error.source(),
        }
    }
}

/// What a file is taken for. Netlists have all kinds of names and are told by how they begin; a name decides
/// where that does not.
fn kind_of(source: &Source<'_>) -> FileKind {
    let mut start = Vec::new();
    // What cannot be read is refused where it is read.
    let _ = match source {
        Source::Path(path) => {
            std::fs::File::open(path).and_then(|file| file.take(256).read_to_end(&mut start))
        }
        Source::Bytes { model, .. } => model.take(256).read_to_end(&mut start),
    };
    match Path::new(&*source.name()).extension().and_then(|e| e.to_str()) {
        _ if bristol::is_begun_by(&start) => FileKind::Netlist,
        Some("xonn") => FileKind::Package,
        Some("txt" | "bristol" | "circ") => FileKind::Netlist,
        _ => FileKind::Model,
    }
}

fn of_package(source: &Source<'_>) -> Result<Report, ReportError> {
    let package = match *source {
        Source::Path(path) => Package::read(path),
        Source::Bytes { name, model, .. } => Package::from_bytes(model.to_vec(), name),
    };
    let package = package.map_err(ReportError::Package)?;
    let file = source.name();
    let mut report = Report::new(&file, FileKind::Package);
    report.digest = Some(package.digest().to_string());
    let circuit = circuit::lower(package.program())
        .map_err(|error| ReportError::Circuit { file: file.to_string(), error })?;
    report.add_circuit(package.program().input(), &circuit);
    report.add_plans(package.program(), &circuit);
    Ok(report)
}

fn of_netlist(source: &Source<'_>) -> Result<Report, ReportError> {
    let parsed = match *source {
        Source::Path(path) => bristol::read_path(path),
        Source::Bytes { name, model, .. } => bristol::read(model, name),
    };
    let netlist = parsed.map_err(ReportError::Netlist)?.netlist;
    let mut report = Report::new(&source.name(), FileKind::Netlist);
    report.netlist = Some(NetlistCosts::of(&netlist));
    match Diagram::of_netlist(&netlist) {
        Ok(diagram) => report.diagrams.push(diagram),
        Err(too_large) => report.not_drawn = Some(too_large),
    }
    Ok(report)
}

/// Whether there is no file at all to report on.
fn is_unreadable(error: &CompileError) -> bool {
    matches!(error, CompileError::Read { error, .. } if matches!(**error, KerasError::Io { .. }))
}

/// A model, as far as it can be compiled; what stands in the way goes into the report.
fn of_model(source: &Source<'_>, options: &Options) -> Result<Report, ReportError> {
    let mut report = Report::new(&source.name(), FileKind::Model);
    let graph = match compile::read(source, options) {
        Ok(graph) => graph,
        Err(error) if is_unreadable(&error) => return Err(ReportError::Model(error)),
        Err(error) => {
            report.problems = error.problems();
            // Drawn from its configuration, if it has one that can be read.
            let config = source.config(&options.reading).ok();
            report.diagrams.extend(config.map(|model| Diagram::of_config(&model, &report.problems)));
            return Ok(report);
        }
    };
    report.diagrams.push(Diagram::of_graph(&graph));
    match compile::fold(&graph, &source.name(), options) {
        Ok(compiled) => {
            report.notes = compiled.notes().to_vec();
            if let (Some(twin), Some(calibration)) = (compiled.twin(), &options.calibration) {
                let x = calibration.samples().map_err(ReportError::Model)?.x;
                // Samples that were compiled with fit.
                report.ranges = ranges::ranges(compiled.network(), twin, &x).unwrap_or_default();
            }
            match compiled.lower() {
                Ok(lowered) => {
                    report.add_circuit(compiled.network().input(), &lowered.circuit);
                    report.add_plans(compiled.network().program(), &lowered.circuit);
                }
                Err(error) => report.problems = error.problems(),
            }
        }
        Err(error @ CompileError::Network { .. }) => report.problems = error.problems(),
        Err(error) => return Err(ReportError::Model(error)),
    }
    Ok(report)
}
