//! Why a Keras file could not be read.

use std::fmt;

/// An attribute, layer or operation that is not supported.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The layer's name.
    pub layer: String,
    /// Its class.
    pub class: String,
    /// The field of its configuration, or its weight, if the refusal is about one.
    pub attribute: Option<String>,
    /// What is not supported, what was expected; what to do.
    pub reason: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "layer {:?} ({}): {}", self.layer, self.class, self.reason)
    }
}

/// Why a model could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KerasError {
    /// The file could not be opened or read.
    #[error("{file}: cannot be read")]
    Io {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no Keras model.
    #[error("{file}: not a Keras model ({reason}), expected a file written by model.save()")]
    NotAModel {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The HDF5 container is damaged.
    #[error("{file}: damaged HDF5 file, {reason}")]
    Hdf5 {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The model's configuration is malformed.
    #[error("{file}: model configuration, {reason}")]
    Config {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A layer's weights are missing.
    #[error(
        "{file}: layer {layer:?} has no weight {weight}, {found}; save the model after it was built or trained"
    )]
    MissingWeight {
        /// The file.
        file: String,
        /// The layer.
        layer: String,
        /// The weight looked for.
        weight: String,
        /// What is there instead.
        found: String,
    },
    /// A weight has another shape than the layer's configuration says.
    #[error("{file}: layer {layer:?}, weight {weight}: shape {found:?}, expected {expected:?}")]
    WeightShape {
        /// The file.
        file: String,
        /// The layer.
        layer: String,
        /// The weight.
        weight: String,
        /// Shape in the file.
        found: Vec<usize>,
        /// Shape that the configuration asks for.
        expected: Vec<usize>,
    },
    /// A weight is not a usable number.
    #[error("{file}: layer {layer:?}, weight {weight}: element {index} is {value}, expected {expected}")]
    WeightValue {
        /// The file.
        file: String,
        /// The layer.
        layer: String,
        /// The weight.
        weight: String,
        /// Index in row-major order.
        index: usize,
        /// The value.
        value: f32,
        /// What is allowed.
        expected: &'static str,
    },
    /// Parts of the model are not supported.
    #[error("{file}: {}", list(.refusals))]
    Refused {
        /// The file.
        file: String,
        /// All of them.
        refusals: Vec<Refusal>,
    },
}

fn list(refusals: &[Refusal]) -> String {
    let all: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    all.join("; ")
}
