//! Where a model is.

use std::borrow::Cow;
use std::path::Path;

use crate::graph::LayerGraph;
use crate::keras::{self, KerasError, ModelConfig, ReadOptions};

/// A file to compile, or to report on; its first bytes tell its format.
#[derive(Clone, Copy, Debug)]
pub enum Source<'s> {
    /// On disk.
    ///
    /// A model's configuration `NAME.json` takes its weights from `NAME.weights.h5` or `NAME.weights.json`
    /// beside it, if [`ReadOptions::weights`] names no file.
    Path(&'s Path),
    /// In memory.
    Bytes {
        /// What it is called in messages.
        name: &'s str,
        /// The file.
        model: &'s [u8],
        /// The weights, if they are in a file of their own; [`ReadOptions::weights`] is not looked at.
        weights: Option<&'s [u8]>,
    },
}

impl<'s, P: AsRef<Path> + ?Sized> From<&'s P> for Source<'s> {
    fn from(path: &'s P) -> Self {
        Self::Path(path.as_ref())
    }
}

impl Source<'_> {
    /// What it is called in messages.
    #[must_use]
    pub fn name(&self) -> Cow<'_, str> {
        match self {
            Self::Path(path) => path.display().to_string().into(),
            Self::Bytes { name, .. } => (*name).into(),
        }
    }

    /// The model's layers.
    pub(super) fn graph(&self, options: &ReadOptions) -> Result<LayerGraph, KerasError> {
        match *self {
            Self::Path(path) => keras::read(path, options),
            Self::Bytes { name, model, weights } => {
                let called = format!("{name}, weights");
                let weights = weights.map(|bytes| (bytes, called.as_str()));
                keras::read_bytes(model.to_vec(), name, weights, options)
            }
        }
    }

    /// The model's configuration alone: also of one that cannot be read as a whole.
    pub(crate) fn config(&self, options: &ReadOptions) -> Result<ModelConfig, KerasError> {
        match *self {
            Self::Path(path) => keras::read_config(path, options),
            Self::Bytes { name, model, .. } => keras::config_of_bytes(model.to_vec(), name, options),
        }
    }
}
