//! Where weights are kept: one HDF5 file, or several that a `*.weights.json` lists
//! (`save_weights(max_shard_size=...)`).
//!
//! ```text
//! {"metadata": {"total_size": 2304}, "weight_map": {"/layers/dense/vars": ["m_00000.weights.h5",
//! "m_00001.weights.h5"]}}
//! ```
//!
//! The files lie beside the list. A layer's variables may be spread over several, so the files are read as
//! one tree.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::KerasError;
use super::hdf5::{Container, Hdf5, is_hdf5};
use super::source::{MAX_FILE, is_json, not_a_model, parse_json, read_file};
use crate::graph::Array;

/// Most files that weights are split into.
const MAX_SHARDS: usize = 1024;

/// Weights in one file or several.
pub struct Store {
    parts: Vec<Hdf5>,
}

impl Store {
    /// Weights in one file.
    ///
    /// # Errors
    /// [`KerasError`] if it is no HDF5 file; lists of files need a folder and are refused here.
    pub fn one(bytes: Vec<u8>, file: &str) -> Result<Self, KerasError> {
        if is_hdf5(&bytes) {
            return Ok(Self { parts: vec![Hdf5::open(bytes, file)?] });
        }
        let reason = if is_json(&bytes) {
            "its weights are split into several files, give the path of their list (*.weights.json) with \
             --weights"
        } else {
            "weights must be an HDF5 file or a *.weights.json, such as save_weights() writes"
        };
        Err(not_a_model(file, reason.into()))
    }

    /// Weights on disk: an HDF5 file, or a list of several beside it.
    ///
    /// # Errors
    /// [`KerasError`], naming the file.
    pub fn read(path: &Path) -> Result<Self, KerasError> {
        let (bytes, file) = (read_file(path)?, path.display().to_string());
        if !is_json(&bytes) {
            return Self::one(bytes, &file);
        }
        let list = parse_json(&bytes, &file)?;
        Self::listed(&list, &file, |name| read_file(&path.with_file_name(name)))
    }

    /// The files of a `weight_map`; `read` gives a file's bytes by its name.
    ///
    /// # Errors
    /// [`KerasError`]: no map, a name that is no plain file name, what `read` says.
    pub fn listed(
        list: &Value,
        file: &str,
        mut read: impl FnMut(&str) -> Result<Vec<u8>, KerasError>,
    ) -> Result<Self, KerasError> {
        let not = |reason: String| not_a_model(file, reason);
        let map = list["weight_map"]
            .as_object()
            .ok_or_else(|| not("it has no weight_map, expected a list of weight files".into()))?;
        let mut names = BTreeSet::new();
        for files in map.values() {
            let files = match files {
                Value::Array(list) => list.as_slice(),
                one => std::slice::from_ref(one),
            };
            for name in files {
                // A list may come from anywhere: it names files beside it, nothing else.
                let plain = name.as_str().filter(|name| {
                    name.ends_with(".h5") && !name.contains(['/', '\\', ':', '\0']) && !name.starts_with('.')
                });
                names.insert(plain.ok_or_else(|| {
                    not(format!(
                        "weight_map names the file {}, expected names of .h5 files in the same folder",
                        super::inbound::brief(name)
                    ))
                })?);
            }
        }
        if names.is_empty() || names.len() > MAX_SHARDS {
            return Err(not(format!("weight_map names {} files, expected 1 to {MAX_SHARDS}", names.len())));
        }
        let (mut parts, mut total) = (Vec::with_capacity(names.len()), 0);
        for name in names {
            let bytes = read(name)?;
            total += bytes.len() as u64;
            if total > MAX_FILE {
                return Err(not(format!("its weights are longer than {MAX_FILE} bytes")));
            }
            parts.push(Hdf5::open(bytes, &format!("{file}, {name}"))?);
        }
        Ok(Self { parts })
    }

    /// What the parts say about a group, one after the other.
    fn union<T: PartialEq>(
        &self,
        of: impl Fn(&Hdf5) -> Result<Option<Vec<T>>, KerasError>,
    ) -> Result<Option<Vec<T>>, KerasError> {
        let mut all: Option<Vec<T>> = None;
        for part in &self.parts {
            let Some(found) = of(part)? else { continue };
            match &mut all {
                None => all = Some(found),
                Some(all) => {
                    let new: Vec<T> = found.into_iter().filter(|name| !all.contains(name)).collect();
                    all.extend(new);
                }
            }
        }
        Ok(all)
    }
}

impl Container for Store {
    fn string_attribute(&self, group: &str, name: &str) -> Result<Option<String>, KerasError> {
        for part in &self.parts {
            if let Some(found) = part.string_attribute(group, name)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn strings_attribute(&self, group: &str, name: &str) -> Result<Option<Vec<String>>, KerasError> {
        for part in &self.parts {
            if let Some(found) = part.strings_attribute(group, name)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn groups(&self, group: &str) -> Result<Option<Vec<String>>, KerasError> {
        self.union(|part| part.groups(group))
    }

    fn datasets(&self, group: &str) -> Result<Option<Vec<String>>, KerasError> {
        self.union(|part| part.datasets(group))
    }

    fn array(&self, path: &str) -> Result<Array, KerasError> {
        let (group, name) = path.rsplit_once('/').unwrap_or(("", path));
        let [first, rest @ ..] = self.parts.as_slice() else {
            return Err(not_a_model(path, "there is no weight file".into()));
        };
        for part in rest {
            if part.datasets(group)?.is_some_and(|names| names.iter().any(|n| n == name)) {
                return part.array(path);
            }
        }
        first.array(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_name_files_beside_them_and_nothing_else() {
        let refused = |files: Value| {
            let list = json!({ "weight_map": { "/layers/dense/vars": files } });
            let store = Store::listed(&list, "m", |_| panic!("nothing may be read"));
            store.err().map(|e| e.to_string()).unwrap_or_default()
        };
        for name in ["../secret.h5", "/etc/x.h5", "a\\b.h5", "x.txt", "", ".h5"] {
            assert!(refused(json!([name])).contains("in the same folder"), "{name}");
        }
        assert!(refused(json!(7)).contains("in the same folder"));
        assert!(refused(json!([])).contains("0 files"));
        let many: Vec<String> = (0..2000).map(|i| format!("{i}.h5")).collect();
        assert!(refused(json!(many)).contains("2000 files"));
    }
}
