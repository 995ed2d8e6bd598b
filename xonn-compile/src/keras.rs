//! Keras files: whatever form a model was saved in, read into a [`LayerGraph`].
//!
//! | first bytes | what it is | read |
//! |---|---|---|
//! | HDF5 magic | a whole model, by Keras up to 2.12 also as `.keras` | configuration and weights |
//! | `PK` | `.keras` archive: `config.json`, `model.weights.h5` | configuration and weights |
//! | `{` | `model.to_json()` | configuration; weights from other files, numbered or named |
//!
//! Containers ([`hdf5`], `store`, zip), the configuration (`config`), weights (`weights`) and layers
//! (`layers`) are read apart, since they come in every combination; `classes` lists the classes of layers.
//! Nothing in a file is trusted: sizes are bounded before anything is allocated, and what is not understood
//! is refused by name, all refusals of a model at once.

pub(crate) mod classes;
pub(crate) mod config;
pub(crate) mod error;
pub(crate) mod fields;
mod functions;
pub mod hdf5;
pub(crate) mod inbound;
mod layers;
pub(crate) mod quantizer;
pub(crate) mod source;
pub(crate) mod store;
pub(crate) mod weights;

use std::path::{Path, PathBuf};

use crate::graph::LayerGraph;
pub use config::{Call, LayerConfig, ModelConfig, TensorRef};
pub use error::{KerasError, Refusal};
pub use quantizer::CustomNames;
use store::Store;

/// What a user says about a model beside its file.
#[derive(Clone, Default, Debug)]
pub struct ReadOptions {
    /// Names of custom classes, quantisers and activations, and what they are.
    pub custom: CustomNames,
    /// The weights of a model whose file has the configuration only: HDF5, or the list of several
    /// (`*.weights.json`).
    pub weights: Option<PathBuf>,
    /// The layer that gives the output, for models with several outputs.
    pub output: Option<String>,
    /// The length of the first axis of inputs that leave it open: how many steps there are.
    pub steps: Option<usize>,
}

/// Reads a model.
///
/// A configuration `NAME.json` takes its weights from `NAME.weights.h5` or `NAME.weights.json` beside it, if
/// [`ReadOptions::weights`] names no file.
///
/// # Errors
/// [`KerasError`], naming the file and the layer: [`KerasError::Refused`] with everything that is wrong, if
/// several things are.
pub fn read(path: &Path, options: &ReadOptions) -> Result<LayerGraph, KerasError> {
    let bytes = source::read_file(path)?;
    let beside = || {
        let names = ["weights.h5", "weights.json"].map(|suffix| path.with_extension(suffix));
        names.into_iter().find(|name| source::is_json(&bytes) && name.is_file())
    };
    let weights = options.weights.clone().or_else(beside);
    let weights = weights.map(|path| (Store::read(&path), path.display().to_string()));
    build(bytes, &path.display().to_string(), weights, options)
}

/// Reads a model's configuration alone: what it would be, also where it cannot be read as a whole.
///
/// # Errors
/// [`KerasError`], naming the file.
pub fn read_config(path: &Path, options: &ReadOptions) -> Result<ModelConfig, KerasError> {
    config_of_bytes(source::read_file(path)?, &path.display().to_string(), options)
}

/// [`read_config`] of a file in memory.
pub(crate) fn config_of_bytes(
    bytes: Vec<u8>,
    file: &str,
    options: &ReadOptions,
) -> Result<ModelConfig, KerasError> {
    let source = source::open(bytes, file, true)?;
    config::parse(&source.config, file, &options.custom)
}

/// Reads a model from memory; the first bytes tell the format, not the suffix.
///
/// * `file`: the name for errors.
/// * `weights`: bytes and name of a second file that holds the weights; [`ReadOptions::weights`] is not
///   looked at.
///
/// # Errors
/// As [`read`].
pub fn read_bytes(
    bytes: Vec<u8>,
    file: &str,
    weights: Option<(&[u8], &str)>,
    options: &ReadOptions,
) -> Result<LayerGraph, KerasError> {
    let weights = weights.map(|(bytes, name)| (Store::one(bytes.to_vec(), name), name.to_owned()));
    build(bytes, file, weights, options)
}

/// Reads a model whose weights may be elsewhere: opened already, with the name of their file.
fn build(
    bytes: Vec<u8>,
    file: &str,
    elsewhere: Option<(Result<Store, KerasError>, String)>,
    options: &ReadOptions,
) -> Result<LayerGraph, KerasError> {
    let source = source::open(bytes, file, elsewhere.is_some())?;
    let model = config::parse(&source.config, file, &options.custom)?;
    let own = source.weights.map(|store| (store, file.to_owned()));
    // Layers are looked at even if there are no weights: whatever else is wrong is told at the same time.
    let weights = match elsewhere.or(own) {
        Some((store, name)) => store.and_then(|store| weights::Weights::read(&store, &model, &name)),
        None => {
            let reason = "it holds the configuration only; give its weights with --weights";
            Err(source::not_a_model(file, reason.into()))
        }
    };
    layers::build(&model, weights, layers::Origin { file, keras: source.keras, options })
}
