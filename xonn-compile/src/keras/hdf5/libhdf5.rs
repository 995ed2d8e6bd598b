//! HDF5 files by the C library, through `hdf5-metno`: only with the cargo feature `libhdf5`, for tests to
//! compare with.
//!
//! The library reads files, not memory, so the bytes go through a temporary one. It converts numbers to f32
//! itself.

use std::io::Write;

use hdf5_metno::types::{FixedAscii, FixedUnicode, TypeDescriptor, VarLenAscii, VarLenUnicode};
use hdf5_metno::{Attribute, File, Group, Location};

use super::{Budget, Container, MAX_NAMES, check_length, whole_list};
use crate::graph::Array;
use crate::keras::KerasError;

/// Longest string of a fixed length that is read.
const LONGEST: usize = 4096;

/// A file that was in memory.
pub struct Hdf5 {
    file: File,
    /// Removed when it is closed.
    _bytes: tempfile::NamedTempFile,
    name: String,
    budget: Budget,
}

impl Hdf5 {
    /// Opens a file that is in memory.
    ///
    /// # Errors
    /// [`KerasError::Hdf5`]: cut short (the superblock names the length), or not readable.
    pub fn open(bytes: &[u8], name: &str) -> Result<Self, KerasError> {
        let damaged = |reason: String| KerasError::Hdf5 { file: name.into(), reason };
        check_length(bytes, name)?;
        let mut file = tempfile::NamedTempFile::new().map_err(|e| damaged(e.to_string()))?;
        file.write_all(bytes).map_err(|e| damaged(e.to_string()))?;
        let opened = File::open(file.path()).map_err(|e| damaged(e.to_string()))?;
        let budget = Budget::of_file(bytes.len() as u64);
        Ok(Self { file: opened, _bytes: file, name: name.into(), budget })
    }

    fn damaged(&self, reason: impl std::fmt::Display) -> KerasError {
        KerasError::Hdf5 { file: self.name.clone(), reason: reason.to_string() }
    }

    fn group(&self, path: &str) -> Result<Option<Group>, KerasError> {
        let mut group = self.file.group("/").map_err(|e| self.damaged(e))?;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let all = group.groups().map_err(|e| self.damaged(e))?;
            let Some(found) = all.into_iter().find(|member| last_name(member) == part) else {
                return Ok(None);
            };
            group = found;
        }
        Ok(Some(group))
    }

    fn strings(&self, group: &str, name: &str) -> Result<Option<Vec<String>>, KerasError> {
        let Some(found) = self.group(group)? else { return Ok(None) };
        let at =
            |reason: &dyn std::fmt::Display| self.damaged(format!("{group}, attribute {name}: {reason}"));
        if !found.attr_names().map_err(|e| at(&e))?.iter().any(|other| other == name) {
            return Ok(None);
        }
        let attribute = found.attr(name).map_err(|e| at(&e))?;
        // An empty list is saved as an array of float64 with shape (0,).
        if attribute.shape().contains(&0) {
            return Ok(Some(Vec::new()));
        }
        if attribute.size() as u64 > MAX_NAMES {
            return Err(at(&format!("more than {MAX_NAMES} strings")));
        }
        texts(&attribute).map(Some).map_err(|e| at(&e))
    }
}

/// The strings of an attribute.
fn texts(attribute: &Attribute) -> Result<Vec<String>, hdf5_metno::Error> {
    fn all<T: hdf5_metno::H5Type + ToString>(
        attribute: &Attribute,
    ) -> Result<Vec<String>, hdf5_metno::Error> {
        Ok(attribute.read_raw::<T>()?.iter().map(ToString::to_string).collect())
    }
    match attribute.dtype()?.to_descriptor()? {
        TypeDescriptor::VarLenUnicode => all::<VarLenUnicode>(attribute),
        TypeDescriptor::VarLenAscii => all::<VarLenAscii>(attribute),
        TypeDescriptor::FixedUnicode(_) => all::<FixedUnicode<LONGEST>>(attribute),
        TypeDescriptor::FixedAscii(_) => all::<FixedAscii<LONGEST>>(attribute),
        other => Err(format!("type {other:?}, expected strings").into()),
    }
}

/// The last part of an object's path.
fn last_name(object: &Location) -> String {
    let name = object.name();
    name.rsplit('/').next().unwrap_or_default().to_owned()
}

impl Container for Hdf5 {
    fn string_attribute(&self, group: &str, name: &str) -> Result<Option<String>, KerasError> {
        Ok(self
            .strings(group, name)?
            .and_then(|mut strings| (!strings.is_empty()).then(|| strings.swap_remove(0))))
    }

    fn strings_attribute(&self, group: &str, name: &str) -> Result<Option<Vec<String>>, KerasError> {
        whole_list(name, |name| self.strings(group, name))
    }

    fn groups(&self, group: &str) -> Result<Option<Vec<String>>, KerasError> {
        let Some(found) = self.group(group)? else { return Ok(None) };
        let all = found.groups().map_err(|e| self.damaged(e))?;
        Ok(Some(all.iter().map(|member| last_name(member)).collect()))
    }

    fn datasets(&self, group: &str) -> Result<Option<Vec<String>>, KerasError> {
        let Some(found) = self.group(group)? else { return Ok(None) };
        let all = found.datasets().map_err(|e| self.damaged(e))?;
        Ok(Some(all.iter().map(|member| last_name(member)).collect()))
    }

    fn array(&self, path: &str) -> Result<Array, KerasError> {
        let at = |reason: &dyn std::fmt::Display| self.damaged(format!("dataset {path}: {reason}"));
        let dataset = self.file.dataset(path).map_err(|e| at(&e))?;
        let size = dataset.dtype().map_err(|e| at(&e))?.size() as u64;
        self.budget.take(dataset.size() as u64, size).map_err(|e| at(&e))?;
        let data = dataset.read_raw::<f32>().map_err(|e| at(&e))?;
        Ok(Array { shape: dataset.shape(), data })
    }
}
