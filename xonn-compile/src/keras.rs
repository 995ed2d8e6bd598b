//! Keras files: whatever form a model was saved in, read into a [`LayerGraph`].
//!
//! Containers ([`hdf5`], zip), the configuration ([`config`]), weights ([`weights`]) and layers ([`layers`]) are read
//! apart, since they come in every combination. Nothing in a file is trusted: sizes are bounded before anything is
//! allocated, and what is not understood is refused by name, all refusals of a model at once.

pub mod config;
pub mod error;
pub mod hdf5;
pub mod layers;
pub mod quantizer;
pub mod weights;

use std::io::{Cursor, Read};
use std::path::Path;

use serde_json::Value;

use crate::graph::LayerGraph;
pub use error::{KerasError, Refusal};
use hdf5::{Container, Hdf5};
use quantizer::CustomNames;

/// Longest model file that is read.
const MAX_FILE: u64 = 1 << 30;

/// Longest `config.json` that is read.
const MAX_CONFIG: u64 = 64 << 20;

/// What a user says about a model beside its file.
#[derive(Clone, Default, Debug)]
pub struct ReadOptions {
    /// Names of custom quantisers and activations, and what they are.
    pub custom: CustomNames,
}

/// Reads a model.
///
/// # Errors
/// [`KerasError`], naming the file and the layer.
pub fn read(path: &Path, options: &ReadOptions) -> Result<LayerGraph, KerasError> {
    let file = path.display().to_string();
    let io = |source| KerasError::Io { file: file.clone(), source };
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(io)?.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(io)?;
    read_bytes(bytes, &file, options)
}

/// Reads a model from memory; `file` is for errors. The first bytes tell the format, not the suffix.
///
/// # Errors
/// [`KerasError`].
pub fn read_bytes(bytes: Vec<u8>, file: &str, options: &ReadOptions) -> Result<LayerGraph, KerasError> {
    let not = |reason: String| KerasError::NotAModel { file: file.into(), reason };
    if bytes.len() as u64 > MAX_FILE {
        return Err(not(format!("longer than {MAX_FILE} bytes")));
    }
    if bytes.starts_with(b"PK\x03\x04") {
        read_zip(bytes, file, options)
    } else if Hdf5::is_hdf5(&bytes) {
        read_whole_model(bytes, file, options)
    } else {
        Err(not("neither HDF5 nor a zip archive".into()))
    }
}

/// A whole-model `.h5`, also one that hides under the suffix `.keras` (Keras up to 2.12).
fn read_whole_model(bytes: Vec<u8>, file: &str, options: &ReadOptions) -> Result<LayerGraph, KerasError> {
    let h5 = Hdf5::open(bytes, file)?;
    let text = h5.string_attribute("/", "model_config")?.ok_or_else(|| KerasError::NotAModel {
        file: file.into(),
        reason: "it holds weights but no model_config; save the whole model with model.save()".into(),
    })?;
    let model = config::parse(&parse_json(text.as_bytes(), file)?, file)?;
    let weights = weights::Weights::legacy(&h5, file)?;
    layers::build(&model, weights, file, options)
}

/// A `.keras` archive: `config.json` and `model.weights.h5`.
fn read_zip(bytes: Vec<u8>, file: &str, options: &ReadOptions) -> Result<LayerGraph, KerasError> {
    let not = |reason: String| KerasError::NotAModel { file: file.into(), reason };
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|e| not(e.to_string()))?;
    let mut entry = |name: &str, max: u64| -> Result<Vec<u8>, KerasError> {
        let entry = zip.by_name(name).map_err(|e| not(format!("entry {name}: {e}")))?;
        let mut bytes = Vec::new();
        entry.take(max + 1).read_to_end(&mut bytes).map_err(|e| not(format!("entry {name}: {e}")))?;
        if bytes.len() as u64 > max {
            Err(not(format!("entry {name} is longer than {max} bytes")))
        } else {
            Ok(bytes)
        }
    };
    let config = parse_json(&entry("config.json", MAX_CONFIG)?, file)?;
    let model = config::parse(&config, file)?;
    let h5 = Hdf5::open(entry("model.weights.h5", MAX_FILE)?, &format!("{file}, model.weights.h5"))?;
    let weights = weights::Weights::numbered(&h5, &model, file)?;
    layers::build(&model, weights, file, options)
}

fn parse_json(text: &[u8], file: &str) -> Result<Value, KerasError> {
    // serde_json limits the depth to 128, so a hostile file cannot exhaust the stack.
    serde_json::from_slice(text)
        .map_err(|e| KerasError::Config { file: file.into(), reason: format!("not valid JSON: {e}") })
}
