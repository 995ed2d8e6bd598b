//! The groups, weights and attributes of a Keras HDF5 file, in memory.

use std::collections::BTreeMap;

use hdf5_pure::{AttrValue, FileBuilder, GroupBuilder};

use super::WriteError;
use crate::graph::Array;
use crate::keras::hdf5::Container;

/// Deepest group: Keras nests layers in models in layers, a few levels each.
const MAX_DEPTH: usize = 64;

/// Most members of a group.
const MAX_MEMBERS: usize = 1 << 16;

/// Attributes that Keras reads from groups of weights: single strings and lists of them.
const TEXTS: [&str; 5] = ["backend", "keras_version", "model_config", "training_config", "name"];
const LISTS: [&str; 2] = ["layer_names", "weight_names"];

/// Groups whose arrays belong to the old weights: the optimiser's, in `.h5` and in numbered files.
const DROPPED: [&str; 3] = ["optimizer_weights", "optimizer", "_optimizer"];

/// A group of an HDF5 file.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Tree {
    /// Attributes that are one string.
    pub texts: BTreeMap<String, String>,
    /// Attributes that are lists of strings.
    pub lists: BTreeMap<String, Vec<String>>,
    /// Groups inside.
    pub groups: BTreeMap<String, Tree>,
    /// Numbers.
    pub datasets: BTreeMap<String, Array>,
}

impl Tree {
    /// Reads a whole file, but for the optimiser's slots.
    ///
    /// # Errors
    /// [`WriteError::Keras`] if it is damaged, [`WriteError::TooLarge`] if groups are nested too deep.
    pub fn read(h5: &impl Container, file: &str) -> Result<Self, WriteError> {
        Self::read_group(h5, file, "", 0)
    }

    fn read_group(h5: &impl Container, file: &str, path: &str, depth: usize) -> Result<Self, WriteError> {
        let too_large = |limit| WriteError::TooLarge { file: file.into(), group: path.into(), limit };
        if depth > MAX_DEPTH {
            return Err(too_large(MAX_DEPTH));
        }
        let at = if path.is_empty() { "/" } else { path };
        let mut tree = Self::default();
        for name in TEXTS {
            if let Some(text) = h5.string_attribute(at, name)? {
                tree.texts.insert(name.into(), text);
            }
        }
        for name in LISTS {
            if let Some(list) = h5.strings_attribute(at, name)? {
                tree.lists.insert(name.into(), list);
            }
        }
        let groups = h5.groups(at)?.unwrap_or_default();
        let datasets = h5.datasets(at)?.unwrap_or_default();
        if groups.len() + datasets.len() > MAX_MEMBERS {
            return Err(too_large(MAX_MEMBERS));
        }
        for name in groups {
            if depth == 0 && DROPPED.contains(&name.as_str()) {
                continue;
            }
            let group = Self::read_group(h5, file, &format!("{path}/{name}"), depth + 1)?;
            tree.groups.insert(name, group);
        }
        for name in datasets {
            let array = h5.array(&format!("{path}/{name}"))?;
            tree.datasets.insert(name, array);
        }
        Ok(tree)
    }

    /// The numbers at `/group/.../dataset`.
    #[must_use]
    pub fn dataset(&self, path: &str) -> Option<&Array> {
        let (groups, name) = split(path);
        groups.iter().try_fold(self, |tree, group| tree.groups.get(*group))?.datasets.get(name)
    }

    /// The numbers at `/group/.../dataset`, to be changed.
    pub fn dataset_mut(&mut self, path: &str) -> Option<&mut Array> {
        let (groups, name) = split(path);
        groups.iter().try_fold(self, |tree, group| tree.groups.get_mut(*group))?.datasets.get_mut(name)
    }

    /// The tree as an HDF5 file: groups in the order of their names, contiguous little-endian float32,
    /// strings of variable length as Keras writes them.
    ///
    /// # Errors
    /// [`WriteError::Hdf5`].
    pub fn to_hdf5(&self) -> Result<Vec<u8>, WriteError> {
        let mut file = FileBuilder::new();
        for (name, value) in self.attributes() {
            file.set_attr(name, value);
        }
        for (name, array) in &self.datasets {
            file.create_dataset(name).with_f32_data(&array.data).with_shape(&shape(array));
        }
        for (name, tree) in &self.groups {
            let mut group = file.create_group(name);
            tree.fill(&mut group);
            file.add_group(group.finish());
        }
        file.finish().map_err(|e| WriteError::Hdf5 { reason: e.to_string() })
    }

    fn fill(&self, group: &mut GroupBuilder) {
        for (name, value) in self.attributes() {
            group.set_attr(name, value);
        }
        for (name, array) in &self.datasets {
            group.create_dataset(name).with_f32_data(&array.data).with_shape(&shape(array));
        }
        for (name, tree) in &self.groups {
            let mut inner = group.create_group(name);
            tree.fill(&mut inner);
            group.add_group(inner.finish());
        }
    }

    fn attributes(&self) -> impl Iterator<Item = (&str, AttrValue)> {
        let texts =
            self.texts.iter().map(|(name, text)| (name.as_str(), AttrValue::VarLenString(text.clone())));
        let lists = self.lists.iter().map(|(name, list)| {
            // Keras saves an empty list as an array of no float64.
            let value = match list.is_empty() {
                true => AttrValue::F64Array(Vec::new()),
                false => AttrValue::VarLenStringArray(list.clone()),
            };
            (name.as_str(), value)
        });
        texts.chain(lists)
    }
}

fn shape(array: &Array) -> Vec<u64> {
    array.shape.iter().map(|&n| n as u64).collect()
}

/// The groups of a path, and its last part.
fn split(path: &str) -> (Vec<&str>, &str) {
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let name = parts.pop().unwrap_or_default();
    (parts, name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keras::hdf5::Hdf5;

    /// Configurations beyond 64 kB, scalars, empty arrays, empty lists and long lists, none of which is
    /// special to a user.
    #[test]
    fn a_written_tree_is_read_back() {
        let mut inner = Tree::default();
        inner.datasets.insert(
            "kernel:0".into(),
            Array { shape: vec![2, 3], data: vec![1.0, -2.0, 3.5, 0.0, 1e-30, -0.0] },
        );
        inner.datasets.insert("count".into(), Array { shape: vec![], data: vec![7.0] });
        inner.lists.insert("weight_names".into(), vec![]);
        let mut root = Tree::default();
        root.texts.insert("model_config".into(), "{\"é\": 1}".repeat(20_000));
        root.texts.insert("backend".into(), "tensorflow".into());
        root.lists.insert("layer_names".into(), (0..3000).map(|i| format!("layer_number_{i}")).collect());
        root.datasets.insert("v".into(), Array::vector(vec![0.25; 1000]));
        root.groups.insert("empty".into(), Tree::default());
        root.groups
            .insert("dense".into(), Tree { groups: [("dense".into(), inner)].into(), ..Tree::default() });
        let bytes = root.to_hdf5().unwrap();
        let read = Tree::read(&Hdf5::open(bytes, "written").unwrap(), "written").unwrap();
        assert_eq!(read, root);
        assert_eq!(read.dataset("/dense/dense/count").unwrap().data, [7.0]);
        assert!(read.dataset("/dense/nothing/count").is_none());
        assert_eq!(root.to_hdf5().unwrap(), root.to_hdf5().unwrap(), "the same tree gives the same bytes");
    }

    #[test]
    fn the_optimisers_slots_are_left_out() {
        let mut root = Tree::default();
        for name in ["optimizer", "layers"] {
            root.groups.insert(name.into(), Tree::default());
        }
        let bytes = root.to_hdf5().unwrap();
        let read = Tree::read(&Hdf5::open(bytes, "written").unwrap(), "written").unwrap();
        assert_eq!(read.groups.keys().collect::<Vec<_>>(), ["layers"]);
    }
}
