//! A Keras file in memory: its configuration and its weights, both to be changed.

use std::cell::RefCell;
use std::io::{Cursor, Read, Write};
use std::path::Path;

use serde_json::Value;
use zip::write::SimpleFileOptions;

use super::{Tree, WriteError};
use crate::graph::Array;
use crate::keras::KerasError;
use crate::keras::config::{self, ModelConfig};
use crate::keras::hdf5::Container;
use crate::keras::quantizer::CustomNames;
use crate::keras::source;
use crate::keras::weights::Weights;

/// The forms in which a whole model is saved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// An HDF5 file with the configuration in an attribute.
    WholeModel,
    /// A zip archive of configuration and weights.
    Archive,
}

impl Form {
    /// The suffix without its dot.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::WholeModel => "h5",
            Self::Archive => "keras",
        }
    }
}

/// A Keras model as its file says it.
#[derive(Clone, Debug)]
pub struct Document {
    /// The configuration: `{"class_name": ..., "config": ...}`.
    pub config: Value,
    /// How it was saved.
    pub form: Form,
    tree: Tree,
    /// The archive's `metadata.json`, as found.
    metadata: Vec<u8>,
    /// The file, for messages.
    file: String,
}

/// A weight of a layer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// `kernel`, `gamma`, ...; a number in files that have numbers only.
    pub role: String,
    /// Where its numbers are in the file's tree.
    pub path: String,
}

impl Document {
    /// Reads a whole model.
    ///
    /// # Errors
    /// [`WriteError::Keras`] if the file cannot be read, [`WriteError::NotWhole`] if it holds the
    /// configuration only.
    pub fn read(path: &Path) -> Result<Self, WriteError> {
        Self::from_bytes(source::read_file(path)?, &path.display().to_string())
    }

    /// Reads a whole model from memory; `file` is the name for errors.
    ///
    /// # Errors
    /// As [`Document::read`].
    pub fn from_bytes(bytes: Vec<u8>, file: &str) -> Result<Self, WriteError> {
        let metadata = metadata_of(&bytes);
        let form = if metadata.is_some() { Form::Archive } else { Form::WholeModel };
        let source = source::open(bytes, file, false)?;
        let Some(h5) = source.weights.transpose()? else {
            return Err(WriteError::NotWhole { file: file.into(), found: "the configuration only" });
        };
        let mut tree = Tree::read(&h5, file)?;
        tree.texts.remove("model_config");
        Ok(Self {
            config: source.config,
            form,
            tree,
            metadata: metadata.unwrap_or_default(),
            file: file.into(),
        })
    }

    /// The name for messages.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The configuration, taken apart.
    ///
    /// # Errors
    /// [`KerasError::Config`].
    pub fn model(&self, custom: &CustomNames) -> Result<ModelConfig, KerasError> {
        config::parse(&self.config, &self.file, custom)
    }

    /// The JSON of the configured layers, in the order of the file.
    pub fn layers_mut(&mut self) -> &mut [Value] {
        let config = &mut self.config["config"];
        // Keras before 2.2.3 saved the bare list.
        let list = if config.is_array() { config } else { &mut config["layers"] };
        list.as_array_mut().map(Vec::as_mut_slice).unwrap_or_default()
    }

    /// Where the weights of a model's layers are: it answers by layer name.
    ///
    /// # Errors
    /// [`KerasError`] if the weights do not fit the configuration.
    pub fn places(&self, model: &ModelConfig) -> Result<Places, KerasError> {
        let tracer = Tracer { tree: &self.tree, paths: RefCell::default() };
        let weights = Weights::read(&tracer, model, &self.file)?;
        Ok(Places { weights, paths: tracer.paths.into_inner() })
    }

    /// The numbers at a place.
    #[must_use]
    pub fn array(&self, path: &str) -> Option<&Array> {
        self.tree.dataset(path)
    }

    /// The numbers at a place, to be changed.
    pub fn array_mut(&mut self, path: &str) -> Option<&mut Array> {
        self.tree.dataset_mut(path)
    }

    /// The file's bytes; the same document gives the same bytes.
    ///
    /// # Errors
    /// [`WriteError::Hdf5`], [`WriteError::Zip`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, WriteError> {
        let config = self.config.to_string();
        match self.form {
            Form::WholeModel => {
                let mut tree = self.tree.clone();
                tree.texts.insert("model_config".into(), config);
                tree.to_hdf5()
            }
            Form::Archive => {
                let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
                // Stored, with the date at its zero, as Keras itself does.
                let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
                let weights = self.tree.to_hdf5()?;
                for (name, bytes) in [
                    ("metadata.json", self.metadata.as_slice()),
                    ("config.json", config.as_bytes()),
                    ("model.weights.h5", weights.as_slice()),
                ] {
                    zip.start_file(name, options)?;
                    zip.write_all(bytes).map_err(zip::result::ZipError::from)?;
                }
                Ok(zip.finish()?.into_inner())
            }
        }
    }

    /// Whether `path` has the suffix of the form that was read.
    ///
    /// # Errors
    /// [`WriteError::Suffix`] if not: Keras decides by the suffix how to load a file.
    pub fn check_suffix(&self, path: &Path) -> Result<(), WriteError> {
        let found = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        let expected = self.form.suffix();
        if found == expected || (self.form == Form::WholeModel && found == "hdf5") {
            return Ok(());
        }
        Err(WriteError::Suffix { file: path.display().to_string(), found: found.into(), expected })
    }

    /// Writes the file.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn write(&self, path: &Path) -> Result<(), WriteError> {
        let bytes = self.to_bytes()?;
        std::fs::write(path, bytes)
            .map_err(|source| WriteError::Io { file: path.display().to_string(), source })
    }
}

/// Where the weights of each layer are.
#[derive(Debug)]
pub struct Places {
    weights: Weights,
    paths: Vec<String>,
}

impl Places {
    /// A layer's weights, in Keras's order; empty if it has none.
    #[must_use]
    pub fn of(&self, layer: &str) -> Vec<Place> {
        let path = |array: &Array| self.paths.get(*array.data.first()? as usize).cloned();
        let found = self.weights.of(layer).iter();
        found.filter_map(|(role, array)| Some(Place { role: role.clone(), path: path(array)? })).collect()
    }

    /// The places of the weights with these roles: by name or, where the file has numbers or names of its
    /// own, by order; `None` if there is another number of them.
    #[must_use]
    pub fn with_roles(&self, layer: &str, roles: &[&str]) -> Option<Vec<String>> {
        let found = self.of(layer);
        let named = |role: &&str| found.iter().find(|p| p.role == **role).map(|p| p.path.clone());
        match roles.iter().map(named).collect() {
            Some(paths) => Some(paths),
            None if found.len() == roles.len() => Some(found.into_iter().map(|p| p.path).collect()),
            None => None,
        }
    }
}

/// Reads the layout of the weights, not their numbers: each array is the number of its path in a list.
struct Tracer<'t> {
    tree: &'t Tree,
    paths: RefCell<Vec<String>>,
}

impl Tracer<'_> {
    fn group(&self, path: &str) -> Option<&Tree> {
        path.split('/')
            .filter(|part| !part.is_empty())
            .try_fold(self.tree, |tree, part| tree.groups.get(part))
    }
}

impl Container for Tracer<'_> {
    fn string_attribute(&self, group: &str, name: &str) -> Result<Option<String>, KerasError> {
        Ok(self.group(group).and_then(|tree| tree.texts.get(name).cloned()))
    }

    fn strings_attribute(&self, group: &str, name: &str) -> Result<Option<Vec<String>>, KerasError> {
        Ok(self.group(group).and_then(|tree| tree.lists.get(name).cloned()))
    }

    fn groups(&self, group: &str) -> Result<Option<Vec<String>>, KerasError> {
        Ok(self.group(group).map(|tree| tree.groups.keys().cloned().collect()))
    }

    fn datasets(&self, group: &str) -> Result<Option<Vec<String>>, KerasError> {
        Ok(self.group(group).map(|tree| tree.datasets.keys().cloned().collect()))
    }

    fn array(&self, path: &str) -> Result<Array, KerasError> {
        if self.tree.dataset(path).is_none() {
            return Err(KerasError::Hdf5 { file: path.into(), reason: "no such dataset".into() });
        }
        let mut paths = self.paths.borrow_mut();
        paths.push(path.into());
        // Fewer datasets than 2^24, the integers that a float32 holds.
        Ok(Array { shape: vec![], data: vec![(paths.len() - 1) as f32] })
    }
}

/// `metadata.json` of an archive, empty if there is none; `None` if this is no archive.
fn metadata_of(bytes: &[u8]) -> Option<Vec<u8>> {
    if !bytes.starts_with(b"PK\x03\x04") {
        return None;
    }
    let mut metadata = Vec::new();
    if let Ok(mut zip) = zip::ZipArchive::new(Cursor::new(bytes))
        && let Ok(entry) = zip.by_name("metadata.json")
        && entry.take(1 << 20).read_to_end(&mut metadata).is_err()
    {
        metadata.clear();
    }
    Some(metadata)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keras;

    fn fixture(name: &str) -> Vec<u8> {
        std::fs::read(format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    /// Every layout that Keras writes: read, written, read again.
    #[test]
    fn files_survive_a_round_trip() {
        for name in [
            "tiny_mlp.h5",
            "tiny_mlp.keras",
            "keras3_stock.h5",
            "keras3_stock.keras",
            "functional.keras",
            "conv_same.h5",
        ] {
            let options = keras::ReadOptions {
                custom: [("bnn>sign".to_owned(), "ste_sign".to_owned())].into(),
                ..Default::default()
            };
            let bytes = fixture(name);
            let document = Document::from_bytes(bytes.clone(), name).unwrap();
            let written = document.to_bytes().unwrap();
            let before = keras::read_bytes(bytes, name, None, &options).unwrap();
            let after = keras::read_bytes(written.clone(), name, None, &options).unwrap();
            let ops = |graph: &crate::graph::LayerGraph| -> Vec<_> {
                graph.graph.node_weights().cloned().collect()
            };
            assert_eq!(ops(&before), ops(&after), "{name}");
            let again = Document::from_bytes(written, name).unwrap();
            assert_eq!((&again.config, &again.tree), (&document.config, &document.tree), "{name}");
            assert_eq!(again.metadata, document.metadata, "{name}");
        }
    }

    #[test]
    fn places_are_found_by_name_and_by_number() {
        for name in ["tiny_mlp.h5", "tiny_mlp.keras"] {
            let document = Document::from_bytes(fixture(name), name).unwrap();
            let model = document.model(&Default::default()).unwrap();
            let places = document.places(&model).unwrap();
            let norm = model.layers.iter().find(|layer| layer.kind == "BatchNormalization").unwrap();
            let roles = ["gamma", "beta", "moving_mean", "moving_variance"];
            let paths = places.with_roles(&norm.name, &roles).unwrap();
            assert_eq!(paths.len(), 4);
            assert!(
                paths.iter().all(|path| document.array(path).unwrap().shape == [16]),
                "{name}: {paths:?}"
            );
            let variance = document.array(&paths[3]).unwrap();
            assert!(variance.data.iter().all(|&v| v >= 0.0));
            assert!(places.with_roles(&norm.name, &["kernel"]).is_none());
        }
    }

    #[test]
    fn the_suffix_must_be_that_of_the_form() {
        let document = Document::from_bytes(fixture("tiny_mlp.h5"), "tiny_mlp.h5").unwrap();
        assert!(document.check_suffix(Path::new("a/b.h5")).is_ok());
        let error = document.check_suffix(Path::new("a/b.keras")).unwrap_err().to_string();
        assert!(error.contains("\"keras\"") && error.contains("\"h5\""), "{error}");
    }
}
