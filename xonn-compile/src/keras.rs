//! Keras files: whatever form a model was saved in, read into a [`LayerGraph`].
//!
//! | first bytes | what it is | read |
//! |---|---|---|
//! | HDF5 magic | whole model by `model.save("x.h5")`; Keras up to 2.12 also wrote it under the suffix `.keras` | configuration and weights |
//! | `PK` | `.keras` archive: `config.json`, `model.weights.h5` | configuration and weights |
//! | `{` | `model.to_json()` | configuration; weights from a second file, numbered or named |
//!
//! Containers ([`hdf5`], zip), the configuration ([`config`]), weights ([`weights`]) and layers (`layers`) are read
//! apart, since they come in every combination. Nothing in a file is trusted: sizes are bounded before anything is
//! allocated, and what is not understood is refused by name, all refusals of a model at once.

pub mod config;
pub mod error;
pub mod fields;
pub mod hdf5;
pub mod inbound;
mod layers;
pub mod quantizer;
pub mod weights;

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::graph::LayerGraph;
pub use error::{KerasError, Refusal};
use hdf5::{Container, Hdf5};
use quantizer::CustomNames;

/// Longest model file that is read.
const MAX_FILE: u64 = 512 << 20;

/// Longest configuration that is read.
const MAX_CONFIG: u64 = 64 << 20;

/// How far an archive's entry may be longer than the archive: real weights compress to a thirtieth at best.
const MAX_EXPANSION: u64 = 100;
const MIN_ENTRY: u64 = 32 << 20;

/// What a user says about a model beside its file.
#[derive(Clone, Default, Debug)]
pub struct ReadOptions {
    /// Names of custom classes, quantisers and activations, and what they are.
    pub custom: CustomNames,
    /// The weights of a model whose file has the configuration only.
    pub weights: Option<PathBuf>,
    /// The layer that gives the output, for models with several outputs.
    pub output: Option<String>,
}

/// Reads a model.
///
/// # Errors
/// [`KerasError`], naming the file and the layer.
pub fn read(path: &Path, options: &ReadOptions) -> Result<LayerGraph, KerasError> {
    let bytes = read_file(path)?;
    let weights = match &options.weights {
        Some(path) => Some((read_file(path)?, path.display().to_string())),
        None => None,
    };
    let weights = weights.as_ref().map(|(bytes, name)| (bytes.as_slice(), name.as_str()));
    read_bytes(bytes, &path.display().to_string(), weights, options)
}

pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, KerasError> {
    let file = path.display().to_string();
    let io = |source| KerasError::Io { file: file.clone(), source };
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(io)?.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(not_a_model(&file, format!("longer than {MAX_FILE} bytes")));
    }
    Ok(bytes)
}

/// Reads a model from memory; the first bytes tell the format, not the suffix.
///
/// * `file`: the name for errors.
/// * `weights`: bytes and name of a second file that holds the weights; [`ReadOptions::weights`] is not looked at.
///
/// # Errors
/// [`KerasError`].
pub fn read_bytes(
    bytes: Vec<u8>,
    file: &str,
    weights: Option<(&[u8], &str)>,
    options: &ReadOptions,
) -> Result<LayerGraph, KerasError> {
    let source = open(bytes, file, weights.is_some())?;
    let model = config::parse(&source.config, file, &options.custom)?;
    let own;
    let (h5, weights_file) = match (weights, &source.weights) {
        (Some((bytes, name)), _) => {
            own = open_weights(bytes, name)?;
            (&own, name)
        }
        (None, Some(h5)) => (h5, file),
        (None, None) => {
            return Err(not_a_model(
                file,
                "it holds the configuration only; give its weights with --weights".into(),
            ));
        }
    };
    let weights = weights::Weights::read(h5, &model, weights_file)?;
    layers::build(&model, &weights, layers::Origin { file, keras: source.keras, options })
}

/// A file taken apart.
pub(crate) struct Source {
    pub(crate) config: Value,
    pub(crate) weights: Option<Hdf5>,
    /// Major version of the Keras that wrote it.
    keras: u32,
}

fn not_a_model(file: &str, reason: String) -> KerasError {
    KerasError::NotAModel { file: file.into(), reason }
}

pub(crate) fn open(bytes: Vec<u8>, file: &str, weights_are_elsewhere: bool) -> Result<Source, KerasError> {
    if bytes.starts_with(b"PK\x03\x04") {
        return open_zip(bytes, file, weights_are_elsewhere);
    }
    if Hdf5::is_hdf5(&bytes) {
        return open_whole_model(bytes, file);
    }
    if bytes.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{') {
        let config = parse_json(&bytes, file)?;
        if config.get("weight_map").is_some() {
            return Err(sharded(file));
        }
        let keras = major_version(config["keras_version"].as_str(), &config);
        return Ok(Source { config, weights: None, keras });
    }
    Err(not_a_model(file, "neither HDF5 nor a zip archive nor JSON".into()))
}

/// A whole-model `.h5`, also one that hides under the suffix `.keras` (Keras up to 2.12).
fn open_whole_model(bytes: Vec<u8>, file: &str) -> Result<Source, KerasError> {
    let h5 = Hdf5::open(bytes, file)?;
    let text = h5.string_attribute("/", "model_config")?.ok_or_else(|| {
        not_a_model(
            file,
            "it has no model_config, only weights; save the whole model with model.save()".into(),
        )
    })?;
    let config = parse_json(text.as_bytes(), file)?;
    let version = h5.string_attribute("/", "keras_version")?;
    Ok(Source { keras: major_version(version.as_deref(), &config), config, weights: Some(h5) })
}

/// A `.keras` archive: `config.json`, `metadata.json` and `model.weights.h5`.
fn open_zip(bytes: Vec<u8>, file: &str, weights_are_elsewhere: bool) -> Result<Source, KerasError> {
    let not = |reason: String| not_a_model(file, reason);
    let longest = (bytes.len() as u64).saturating_mul(MAX_EXPANSION).saturating_add(MIN_ENTRY).min(MAX_FILE);
    let mut zip =
        zip::ZipArchive::new(Cursor::new(bytes)).map_err(|e| not(format!("the archive is damaged: {e}")))?;
    let has = |zip: &zip::ZipArchive<_>, name: &str| zip.index_for_name(name).is_some();
    let sharded_weights = has(&zip, "model.weights.json") && !has(&zip, "model.weights.h5");
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
    let config = parse_json(&entry("config.json", MAX_CONFIG.min(longest))?, file)?;
    // Keras writes it; nothing depends on it but the order of operations of one layer.
    let metadata =
        entry("metadata.json", 1 << 20).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
    let version = metadata.as_ref().and_then(|m| m["keras_version"].as_str());
    let keras = major_version(version, &config);
    if weights_are_elsewhere {
        return Ok(Source { config, weights: None, keras });
    }
    if sharded_weights {
        return Err(sharded(file));
    }
    let h5 = Hdf5::open(entry("model.weights.h5", longest)?, &format!("{file}, model.weights.h5"))?;
    Ok(Source { config, weights: Some(h5), keras })
}

fn open_weights(bytes: &[u8], file: &str) -> Result<Hdf5, KerasError> {
    if Hdf5::is_hdf5(bytes) {
        return Hdf5::open(bytes.to_vec(), file);
    }
    if bytes.first() == Some(&b'{') {
        return Err(sharded(file));
    }
    Err(not_a_model(file, "weights must be an HDF5 file such as save_weights() writes".into()))
}

fn sharded(file: &str) -> KerasError {
    not_a_model(
        file,
        "its weights are split into several files (max_shard_size); save them as one file with model.save()"
            .into(),
    )
}

/// Major version of the writer: what the file says, or else what its form says.
fn major_version(version: Option<&str>, config: &Value) -> u32 {
    let stated = version.and_then(|v| v.split('.').next()?.parse().ok());
    stated.unwrap_or(if config.get("registered_name").is_some() { 3 } else { 2 })
}

fn parse_json(text: &[u8], file: &str) -> Result<Value, KerasError> {
    if text.len() as u64 > MAX_CONFIG {
        return Err(not_a_model(file, format!("its configuration is longer than {MAX_CONFIG} bytes")));
    }
    // serde_json limits the depth to 128, so a hostile file cannot exhaust the stack.
    serde_json::from_slice(text)
        .map_err(|e| KerasError::Config { file: file.into(), reason: format!("not valid JSON: {e}") })
}
