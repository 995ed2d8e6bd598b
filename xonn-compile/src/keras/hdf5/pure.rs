//! HDF5 files by `hdf5-pure`, which also writes them, in pure Rust.

use hdf5_pure::{Datatype, DatatypeByteOrder, Error, File, FormatError, Group};

use super::numbers::{Stored, not_read};
use super::{Budget, Container, MAX_NAMES, check_length, whole_list};
use crate::graph::Array;
use crate::keras::KerasError;

/// A file that is in memory.
pub struct Hdf5 {
    file: File,
    name: String,
    budget: Budget,
}

impl Hdf5 {
    /// Opens a file that is in memory.
    ///
    /// # Errors
    /// [`KerasError::Hdf5`]: cut short (the superblock names the length), or not readable.
    pub fn open(bytes: Vec<u8>, name: &str) -> Result<Self, KerasError> {
        check_length(&bytes, name)?;
        let budget = Budget::of_file(bytes.len() as u64);
        let file = File::from_bytes(bytes)
            .map_err(|e| KerasError::Hdf5 { file: name.into(), reason: e.to_string() })?;
        Ok(Self { file, name: name.into(), budget })
    }

    fn damaged(&self, reason: impl std::fmt::Display) -> KerasError {
        KerasError::Hdf5 { file: self.name.clone(), reason: reason.to_string() }
    }

    fn group(&self, path: &str) -> Result<Option<Group>, KerasError> {
        match self.file.group(path) {
            Ok(group) => Ok(Some(group)),
            Err(Error::NotAGroup(_) | Error::Format(FormatError::PathNotFound(_))) => Ok(None),
            Err(e) => Err(self.damaged(format!("{path}: {e}"))),
        }
    }

    fn strings(&self, group: &str, name: &str) -> Result<Option<Vec<String>>, KerasError> {
        let Some(found) = self.group(group)? else { return Ok(None) };
        let at =
            |reason: &dyn std::fmt::Display| self.damaged(format!("{group}, attribute {name}: {reason}"));
        let attributes = found.attrs().map_err(|e| self.damaged(format!("{group}: {e}")))?;
        let Some(value) = attributes.get(name) else {
            // Attributes of types that it does not know are left out of the others.
            let types = found.attr_datatypes().map_err(|e| self.damaged(format!("{group}: {e}")))?;
            return match types.get(name) {
                Some(found) => Err(at(&format!("type {found:?}, expected strings"))),
                None => Ok(None),
            };
        };
        match (value.as_strings(), value.to_f64s()) {
            (Some(strings), _) if strings.len() as u64 > MAX_NAMES => {
                Err(at(&format!("more than {MAX_NAMES} strings")))
            }
            (Some(strings), _) => Ok(Some(strings.to_vec())),
            // An empty list is saved as an array of float64 with shape (0,).
            (None, Some(numbers)) if numbers.is_empty() => Ok(Some(Vec::new())),
            _ => Err(at(&"numbers, expected strings")),
        }
    }
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
        found.groups().map(Some).map_err(|e| self.damaged(e))
    }

    fn datasets(&self, group: &str) -> Result<Option<Vec<String>>, KerasError> {
        let Some(found) = self.group(group)? else { return Ok(None) };
        found.datasets().map(Some).map_err(|e| self.damaged(e))
    }

    fn array(&self, path: &str) -> Result<Array, KerasError> {
        let at = |reason: &dyn std::fmt::Display| self.damaged(format!("dataset {path}: {reason}"));
        let dataset = self.file.dataset(path).map_err(|e| at(&e))?;
        let sides = dataset.shape().map_err(|e| at(&e))?;
        let count = sides.iter().try_fold(1u64, |n, &side| n.checked_mul(side)).unwrap_or(u64::MAX);
        let size = dataset.element_size().map_err(|e| at(&e))?;
        self.budget.take(count, size).map_err(|e| at(&e))?;
        let datatype = dataset.datatype().map_err(|e| at(&e))?;
        let stored = stored(&datatype).ok_or_else(|| at(&not_read(&datatype)))?;
        let bytes = dataset.read_raw().map_err(|e| at(&e))?;
        let data = stored.numbers(&bytes).ok_or_else(|| at(&not_read(&datatype)))?;
        if data.len() as u64 != count {
            return Err(at(&format!("{} numbers, its shape declares {count}", data.len())));
        }
        Ok(Array { shape: sides.iter().map(|&n| n as usize).collect(), data })
    }
}

fn stored(datatype: &Datatype) -> Option<Stored> {
    let big = |order: &DatatypeByteOrder| match order {
        DatatypeByteOrder::LittleEndian => Some(false),
        DatatypeByteOrder::BigEndian => Some(true),
        DatatypeByteOrder::Vax => None,
    };
    Some(match datatype {
        Datatype::FloatingPoint { size: 2, byte_order, layout } if layout.exponent_size == 8 => {
            Stored::BrainFloat { big_endian: big(byte_order)? }
        }
        Datatype::FloatingPoint { size, byte_order, .. } => {
            Stored::Float { size: *size as usize, big_endian: big(byte_order)? }
        }
        Datatype::FixedPoint { size, byte_order, layout } => {
            Stored::Integer { size: *size as usize, signed: layout.signed, big_endian: big(byte_order)? }
        }
        // bfloat16: h5py stores it as opaque pairs of bytes, little endian.
        Datatype::Opaque { size: 2, .. } => Stored::BrainFloat { big_endian: false },
        _ => return None,
    })
}
