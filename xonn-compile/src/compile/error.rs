//! Why a model was not compiled.

use std::error::Error;
use std::fmt;

use xonn_program::data::DataError;

use crate::inspect::{Problem, Stage};
use crate::keras::KerasError;
use crate::network::NetworkError;
use crate::passes::{self, PassError};

/// Why a model was not compiled.
#[derive(Debug)]
#[non_exhaustive]
pub enum CompileError {
    /// The model cannot be read, or parts of it are not supported.
    Read {
        /// What is wrong with the file.
        error: Box<KerasError>,
        /// What keeps the layers that could be read from being compiled: layers and reasons.
        further: Vec<(String, String)>,
    },
    /// The model has no integer form.
    Network {
        /// The file.
        file: String,
        /// Why.
        error: Box<PassError>,
        /// The same, layer by layer.
        problems: Vec<Problem>,
    },
    /// The model has no circuit.
    Circuit {
        /// The file.
        file: String,
        /// Why.
        error: Box<NetworkError>,
        /// The same, as a problem of its layer.
        problem: Box<Problem>,
    },
    /// The calibration samples cannot be read.
    Data(DataError),
    /// The calibration samples tell no encoding of the input.
    Calibration {
        /// Their file.
        file: String,
        /// Why.
        reason: String,
    },
    /// The model's numbers are none that its program takes: a bug of this crate.
    Secret {
        /// Why.
        reason: String,
    },
}

impl CompileError {
    pub(super) fn read(error: KerasError, options: &passes::Options) -> Self {
        let further = match &error {
            KerasError::Refused { rest, .. } => passes::problems_of_part(rest, options),
            _ => Vec::new(),
        };
        Self::Read { error: Box::new(error), further }
    }

    /// * `classes`: layers and their classes in the file.
    pub(super) fn network(file: &str, error: PassError, classes: &[(String, String)]) -> Self {
        let problems = Problem::of_passes(&error).into_iter().map(|problem| problem.of_class_in(classes));
        Self::Network { file: file.to_owned(), problems: problems.collect(), error: Box::new(error) }
    }

    /// * `classes`: layers and their classes in the file.
    pub(super) fn circuit(file: &str, error: NetworkError, classes: &[(String, String)]) -> Self {
        let problem = Box::new(Problem::of_lowering(&error).of_class_in(classes));
        Self::Circuit { file: file.to_owned(), error: Box::new(error), problem }
    }

    /// Everything that is wrong: the layer, the reason, what to do. A problem of the model as a whole, or of
    /// the calibration samples, names no layer.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        match self {
            Self::Read { error, further } => {
                let mut problems = Problem::of_reading(error);
                if !further.is_empty() {
                    problems.extend(Problem::of_passes(&PassError::of_layers(further.clone())));
                }
                problems
            }
            Self::Network { problems, .. } => problems.clone(),
            Self::Circuit { problem, .. } => vec![Problem::clone(problem)],
            Self::Data(_) | Self::Calibration { .. } | Self::Secret { .. } => {
                vec![Problem::of_text(Stage::Compile, "", &xonn_program::text::sentence(self))]
            }
        }
    }
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { error, further } => {
                error.fmt(f)?;
                if !further.is_empty() {
                    f.write_str("\n  and, of the layers in front of these:")?;
                }
                further.iter().try_for_each(|(layer, reason)| write!(f, "\n  layer {layer:?}: {reason}"))
            }
            Self::Network { file, error, .. } => write!(f, "{file}: {error}"),
            Self::Circuit { file, error, .. } => write!(f, "{file}: {error}"),
            Self::Data(error) => error.fmt(f),
            Self::Calibration { file, reason } => write!(f, "{file}: {reason}"),
            Self::Secret { reason } => f.write_str(reason),
        }
    }
}

impl Error for CompileError {
    /// The cause of what is shown: the errors within are shown themselves.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Read { error, .. } => error.source(),
            Self::Network { error, .. } => error.source(),
            Self::Circuit { error, .. } => error.source(),
            Self::Data(error) => error.source(),
            Self::Calibration { .. } | Self::Secret { .. } => None,
        }
    }
}
