//! Why a Keras file could not be read.

use std::fmt;

use crate::graph::LayerGraph;

/// An attribute, layer, operation or weight that cannot be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The layer's name; empty if it is about the model as a whole.
    pub layer: String,
    /// Its class, if it is known.
    pub class: String,
    /// The field of its configuration, or its weight, if the refusal is about one.
    pub attribute: Option<String>,
    /// What is not supported, what was expected; what to do.
    pub reason: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.layer.is_empty() {
            return f.write_str(&self.reason);
        }
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
        "{file}: layer {layer:?} has no weight {weight}, {found}; save the model after it was built or \
         trained"
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
    /// Parts of the model are not supported, or several things are wrong with it: one line each, if they are
    /// several.
    #[error("{file}: {}", list(.refusals))]
    Refused {
        /// The file.
        file: String,
        /// All of them.
        refusals: Vec<Refusal>,
        /// The layers that none of them stands in front of, so that what keeps these from being compiled can
        /// be told as well.
        rest: Box<LayerGraph>,
    },
}

fn list(refusals: &[Refusal]) -> String {
    if let [one] = refusals {
        return one.to_string();
    }
    let lines: String = refusals.iter().map(|refusal| format!("\n  {refusal}")).collect();
    format!("{} problems{lines}", refusals.len())
}

impl KerasError {
    /// Everything that is wrong, as refusals.
    #[must_use]
    pub fn refusals(&self) -> Vec<Refusal> {
        let (layer, weight, reason) = match self {
            Self::Refused { refusals, .. } => return refusals.clone(),
            Self::MissingWeight { layer, weight, found, .. } => (
                layer,
                weight,
                format!("there is no weight {weight}, {found}; save the model after it was built or trained"),
            ),
            Self::WeightShape { layer, weight, found, expected, .. } => {
                (layer, weight, format!("weight {weight} has shape {found:?}, expected {expected:?}"))
            }
            Self::WeightValue { layer, weight, index, value, expected, .. } => {
                (layer, weight, format!("weight {weight}: element {index} is {value}, expected {expected}"))
            }
            other => {
                let reason = match other {
                    Self::NotAModel { file, reason } => format!("{file}: {reason}"),
                    other => xonn_program::text::sentence(other),
                };
                return vec![Refusal { layer: String::new(), class: String::new(), attribute: None, reason }];
            }
        };
        let attribute = Some(weight.clone());
        vec![Refusal { layer: layer.clone(), class: String::new(), attribute, reason }]
    }
}
