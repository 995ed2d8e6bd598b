//! Keras files that are changed and written again, in the form in which they were read.
//!
//! [`Document`] holds what a whole-model `.h5` or a `.keras` archive says: the configuration as JSON and the
//! tree of weights ([`Tree`]). Whoever changes a model changes these two; everything else is written as it
//! was found, so that Keras can load the result, show it and train it further. Two things are left out: the
//! optimiser's slots, whose shapes belong to the old weights, and compression. Weights are written as
//! float32.
//!
//! The HDF5 part is written by `hdf5-pure`; it is read back with this crate's own reader in the tests.

pub(crate) mod document;
pub(crate) mod tree;

pub use document::{Document, Form};
pub use tree::Tree;

use crate::keras::KerasError;

/// Why a Keras file could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The model could not be read in the first place.
    #[error(transparent)]
    Keras(#[from] KerasError),
    /// The file holds a part of a model only.
    #[error(
        "{file}: it holds {found}, expected configuration and weights in one file; save the whole model with \
         model.save()"
    )]
    NotWhole {
        /// The file.
        file: String,
        /// What it holds.
        found: &'static str,
    },
    /// The output's suffix does not go with the input's form.
    #[error(
        "{file}: the suffix is {found:?}, expected {expected:?}: a model is written in the form in which it \
         was read"
    )]
    Suffix {
        /// The file to be written.
        file: String,
        /// Its suffix.
        found: String,
        /// The suffix of the form that was read.
        expected: &'static str,
    },
    /// The tree of weights is deeper or has more members than is read.
    #[error(
        "{file}: group {group:?} of the weights is too deep or has too many members, expected at most {limit}"
    )]
    TooLarge {
        /// The file.
        file: String,
        /// The group.
        group: String,
        /// The limit that it breaks.
        limit: usize,
    },
    /// The HDF5 part could not be put together.
    #[error("the weights cannot be written as HDF5: {reason}")]
    Hdf5 {
        /// Why.
        reason: String,
    },
    /// The archive could not be put together.
    #[error("the archive cannot be written")]
    Zip(#[from] zip::result::ZipError),
    /// The file could not be written.
    #[error("{file}: cannot be written")]
    Io {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
}
