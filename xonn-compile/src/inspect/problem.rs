//! Why a model cannot be compiled: all of it at once, before anything is built.

use serde::Serialize;

use crate::keras::{KerasError, Refusal};
use crate::network::NetworkError;
use crate::passes::PassError;

/// One reason why a model cannot be compiled.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Problem {
    /// How far the model came.
    pub stage: Stage,
    /// The Keras layer, empty if it is the model as a whole.
    pub layer: String,
    /// The layer's class, if it is known.
    pub class: String,
    /// The attribute of the layer's configuration, or its weight, if it is one.
    pub attribute: String,
    /// What was found and what was expected.
    pub reason: String,
    /// What to do, if there is something.
    pub advice: String,
}

/// Where a problem was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Reading the Keras file. All problems of this stage are found at once.
    Read,
    /// Turning it into integers. All problems of layers are found at once.
    Compile,
    /// Turning integers into gates. The first problem of this stage ends it.
    Lower,
}

impl Problem {
    /// The problems that kept a file from being read.
    #[must_use]
    pub fn of_reading(error: &KerasError) -> Vec<Self> {
        error.refusals().iter().map(Self::of_refusal).collect()
    }

    /// The problems that kept a model from becoming integers.
    #[must_use]
    pub fn of_passes(error: &PassError) -> Vec<Self> {
        match error {
            PassError::Layer { layer, reason } => vec![Self::of_text(Stage::Compile, layer, reason)],
            PassError::Layers { problems } => {
                problems.iter().map(|(layer, reason)| Self::of_text(Stage::Compile, layer, reason)).collect()
            }
            other => vec![Self::of_text(Stage::Compile, "", &other.to_string())],
        }
    }

    /// The same problem with the class of its layer; `classes` has layers and their classes.
    #[must_use]
    pub(crate) fn of_class_in(self, classes: &[(String, String)]) -> Self {
        let found = classes.iter().find(|(layer, _)| *layer == self.layer);
        Self { class: found.map_or(String::new(), |(_, class)| class.clone()), ..self }
    }

    /// The problem that kept integers from becoming gates.
    #[must_use]
    pub fn of_lowering(error: &NetworkError) -> Self {
        match error {
            NetworkError::Layer { layer, reason } => Self::of_text(Stage::Lower, layer, reason),
            other => Self::of_text(Stage::Lower, "", &xonn_program::text::sentence(other)),
        }
    }

    fn of_refusal(refusal: &Refusal) -> Self {
        let whole = Self::of_text(Stage::Read, &refusal.layer, &refusal.reason);
        let attribute = refusal.attribute.clone().unwrap_or_default();
        Self { class: refusal.class.clone(), attribute, ..whole }
    }

    /// Messages are "what was found, what was expected; what to do".
    pub(crate) fn of_text(stage: Stage, layer: &str, text: &str) -> Self {
        let (reason, advice) = text.split_once("; ").unwrap_or((text, ""));
        Self {
            stage,
            layer: layer.into(),
            class: String::new(),
            attribute: String::new(),
            reason: reason.into(),
            advice: advice.into(),
        }
    }
}
