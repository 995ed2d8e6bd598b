//! Model files taken apart: the configuration, where the weights are, and which Keras wrote them.

use std::io::{Cursor, Read};
use std::path::Path;

use serde_json::Value;

use super::KerasError;
use super::hdf5::{Container, is_hdf5};
use super::store::Store;

/// Longest model file that is read, and longest weights.
pub(super) const MAX_FILE: u64 = 512 << 20;

/// Longest configuration that is read.
const MAX_CONFIG: u64 = 64 << 20;

/// How far an archive's entry may be longer than the archive: real weights compress to a thirtieth at best.
const MAX_EXPANSION: u64 = 100;
const MIN_ENTRY: u64 = 32 << 20;

/// A file taken apart.
pub(crate) struct Source {
    /// The model's configuration.
    pub config: Value,
    /// Its weights, if the file has any; what is wrong with them does not hide what is wrong with the layers.
    pub weights: Option<Result<Store, KerasError>>,
    /// Major version of the Keras that wrote it.
    pub keras: u32,
}

pub(super) fn not_a_model(file: &str, reason: String) -> KerasError {
    KerasError::NotAModel { file: file.into(), reason }
}

/// Whether the first byte that is not white space opens a JSON object.
pub(super) fn is_json(bytes: &[u8]) -> bool {
    bytes.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{')
}

pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, KerasError> {
    let file = path.display().to_string();
    if path.is_dir() {
        let reason = "a folder, such as a SavedModel; load it in Keras and save it as .keras or .h5";
        return Err(not_a_model(&file, reason.into()));
    }
    let io = |source| KerasError::Io { file: file.clone(), source };
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(io)?.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(not_a_model(&file, format!("longer than {MAX_FILE} bytes")));
    }
    Ok(bytes)
}

/// Takes a file apart; its first bytes tell the format, not its suffix.
pub(crate) fn open(bytes: Vec<u8>, file: &str, weights_are_elsewhere: bool) -> Result<Source, KerasError> {
    if bytes.starts_with(b"PK\x03\x04") {
        return open_zip(bytes, file, weights_are_elsewhere);
    }
    if is_hdf5(&bytes) {
        return open_whole_model(bytes, file);
    }
    if is_json(&bytes) {
        let config = parse_json(&bytes, file)?;
        if config.get("weight_map").is_some() {
            let reason = "it lists weight files; give the model's configuration (model.to_json()) and this \
                          file with --weights";
            return Err(not_a_model(file, reason.into()));
        }
        let keras = major_version(config["keras_version"].as_str(), &config);
        return Ok(Source { config, weights: None, keras });
    }
    let reason = if bytes.get(4..8) == Some(b"TFL3") {
        "a TensorFlow Lite file, which holds no Keras layers; give the model that it was converted from"
    } else if bytes.starts_with(&[0x1f, 0x8b]) || bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        "a compressed file; decompress it first"
    } else {
        "neither HDF5 nor a zip archive nor JSON"
    };
    Err(not_a_model(file, reason.into()))
}

/// A whole-model `.h5`, also one that hides under the suffix `.keras` (Keras up to 2.12).
fn open_whole_model(bytes: Vec<u8>, file: &str) -> Result<Source, KerasError> {
    let h5 = Store::one(bytes, file)?;
    let text = h5.string_attribute("/", "model_config")?.ok_or_else(|| {
        not_a_model(
            file,
            "it has no model_config, only weights; give the configuration (model.to_json()) in its place and \
             these with --weights, or save the whole model with model.save()"
                .into(),
        )
    })?;
    let config = parse_json(text.as_bytes(), file)?;
    let version = h5.string_attribute("/", "keras_version")?;
    Ok(Source { keras: major_version(version.as_deref(), &config), config, weights: Some(Ok(h5)) })
}

/// A `.keras` archive: `config.json`, `metadata.json`, and `model.weights.h5` or `model.weights.json` with
/// its files.
fn open_zip(bytes: Vec<u8>, file: &str, weights_are_elsewhere: bool) -> Result<Source, KerasError> {
    let not = |reason: String| not_a_model(file, reason);
    let longest = (bytes.len() as u64).saturating_mul(MAX_EXPANSION).saturating_add(MIN_ENTRY).min(MAX_FILE);
    let mut zip =
        zip::ZipArchive::new(Cursor::new(bytes)).map_err(|e| not(format!("the archive is damaged: {e}")))?;
    let has = |zip: &zip::ZipArchive<_>, name: &str| zip.index_for_name(name).is_some();
    let sharded = has(&zip, "model.weights.json") && !has(&zip, "model.weights.h5");
    let has_config = has(&zip, "config.json");
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
    if !has_config {
        let reason = "the archive has no config.json, so it is none that model.save() wrote";
        return Err(not(reason.into()));
    }
    let config = parse_json(&entry("config.json", MAX_CONFIG.min(longest))?, file)?;
    // Keras writes it; nothing depends on it but the order of operations of one layer.
    let metadata =
        entry("metadata.json", 1 << 20).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
    let version = metadata.as_ref().and_then(|m| m["keras_version"].as_str());
    let keras = major_version(version, &config);
    let weights = if weights_are_elsewhere {
        None
    } else if sharded {
        let list = entry("model.weights.json", MAX_CONFIG.min(longest));
        let list = list.and_then(|text| parse_json(&text, file));
        Some(list.and_then(|list| Store::listed(&list, file, |name| entry(name, longest))))
    } else {
        let bytes = entry("model.weights.h5", longest);
        Some(bytes.and_then(|bytes| Store::one(bytes, &format!("{file}, model.weights.h5"))))
    };
    Ok(Source { config, weights, keras })
}

/// Major version of the writer: what the file says, or else what its form says.
fn major_version(version: Option<&str>, config: &Value) -> u32 {
    let stated = version.and_then(|v| v.split('.').next()?.parse().ok());
    stated.unwrap_or(if config.get("registered_name").is_some() { 3 } else { 2 })
}

pub(super) fn parse_json(text: &[u8], file: &str) -> Result<Value, KerasError> {
    if text.len() as u64 > MAX_CONFIG {
        return Err(not_a_model(file, format!("its configuration is longer than {MAX_CONFIG} bytes")));
    }
    // serde_json limits the depth to 128, so a hostile file cannot exhaust the stack.
    serde_json::from_slice(text)
        .map_err(|e| KerasError::Config { file: file.into(), reason: format!("not valid JSON: {e}") })
}
