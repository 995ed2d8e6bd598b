//! The HDF5 container behind a small trait, so that another reader can be put in its place.

use std::cell::Cell;

use hdf5_reader::{Datatype, Hdf5File, OpenOptions};

use super::KerasError;
use crate::graph::Array;

/// Most elements of one weight.
const MAX_ELEMENTS: u64 = 1 << 26;

/// Bytes that all weights together may hold for each byte of the file, and on top of that: deflate cannot reach more
/// than about 1000, and repeated values in real weights stay far below.
const MAX_EXPANSION: u64 = 100;
const MIN_BUDGET: u64 = 32 << 20;

/// Most names of a list of layers or weights.
const MAX_NAMES: u64 = 1 << 20;

/// What a reader of HDF5 files must give.
pub trait Container {
    /// A scalar string attribute of a group, `None` if there is none of that name.
    ///
    /// # Errors
    /// [`KerasError::Hdf5`] if the file is damaged.
    fn string_attribute(&self, group: &str, name: &str) -> Result<Option<String>, KerasError>;

    /// A list of strings, also one that is split into `name0`, `name1`, ...; `None` if there is none.
    ///
    /// # Errors
    /// [`KerasError::Hdf5`] if the file is damaged.
    fn strings_attribute(&self, group: &str, name: &str) -> Result<Option<Vec<String>>, KerasError>;

    /// Names of the groups in a group, `None` if there is no such group.
    ///
    /// # Errors
    /// [`KerasError::Hdf5`] if the file is damaged.
    fn groups(&self, group: &str) -> Result<Option<Vec<String>>, KerasError>;

    /// Names of the datasets in a group, `None` if there is no such group.
    ///
    /// # Errors
    /// [`KerasError::Hdf5`] if the file is damaged.
    fn datasets(&self, group: &str) -> Result<Option<Vec<String>>, KerasError>;

    /// A dataset of numbers: f16, bfloat16, f32, f64 or integers, of any byte order.
    ///
    /// # Errors
    /// [`KerasError::Hdf5`] if the file is damaged or the dataset is missing, too large or of another type.
    fn array(&self, path: &str) -> Result<Array, KerasError>;
}

/// `hdf5-reader`, in pure Rust.
pub struct Hdf5 {
    file: Hdf5File,
    name: String,
    /// Bytes of weights that may still be read.
    budget: Cell<u64>,
}

impl Hdf5 {
    /// Whether the bytes begin as HDF5, at offset 0 or behind a user block.
    #[must_use]
    pub fn is_hdf5(bytes: &[u8]) -> bool {
        superblock_offset(bytes).is_some()
    }

    /// Opens a file that is in memory.
    ///
    /// # Errors
    /// [`KerasError::Hdf5`]: cut short (the superblock names the length), or not readable.
    pub fn open(bytes: Vec<u8>, name: &str) -> Result<Self, KerasError> {
        let damaged = |reason: String| KerasError::Hdf5 { file: name.into(), reason };
        if let Some((found, declared)) = length_mismatch(&bytes) {
            return Err(damaged(format!(
                "it has {found} bytes where its header declares {declared}: it is cut short"
            )));
        }
        let budget = (bytes.len() as u64).saturating_mul(MAX_EXPANSION).saturating_add(MIN_BUDGET);
        let options = OpenOptions::default()
            .with_max_read_bytes(MAX_ELEMENTS as usize * 8)
            .with_max_chunk_bytes(64 << 20)
            .with_max_object_header_bytes(16 << 20);
        let file = Hdf5File::from_vec_with_options(bytes, options).map_err(|e| damaged(e.to_string()))?;
        Ok(Self { file, name: name.into(), budget: Cell::new(budget) })
    }

    fn damaged(&self, reason: impl std::fmt::Display) -> KerasError {
        KerasError::Hdf5 { file: self.name.clone(), reason: reason.to_string() }
    }

    fn group(&self, path: &str) -> Result<Option<hdf5_reader::group::Group>, KerasError> {
        let mut group = self.file.root_group().map_err(|e| self.damaged(e))?;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let (groups, _) = group.member_names().map_err(|e| self.damaged(e))?;
            if !groups.iter().any(|name| name == part) {
                return Ok(None);
            }
            group = group.group(part).map_err(|e| self.damaged(format!("{path}: {e}")))?;
        }
        Ok(Some(group))
    }

    fn attribute(&self, group: &str, name: &str) -> Result<Option<hdf5_reader::Attribute>, KerasError> {
        let Some(found) = self.group(group)? else { return Ok(None) };
        let all = found.attributes().map_err(|e| self.damaged(format!("{group}: {e}")))?;
        Ok(all.into_iter().find(|a| a.name == name))
    }

    fn strings(&self, group: &str, name: &str) -> Result<Option<Vec<String>>, KerasError> {
        let Some(attribute) = self.attribute(group, name)? else { return Ok(None) };
        // An empty list is saved as an array of float64 with shape (0,).
        if attribute.shape.contains(&0) {
            return Ok(Some(Vec::new()));
        }
        if attribute.num_elements().is_ok_and(|n| n > MAX_NAMES) {
            return Err(self.damaged(format!("{group}, attribute {name}: more than {MAX_NAMES} strings")));
        }
        let strings =
            attribute.read_strings().map_err(|e| self.damaged(format!("{group}, attribute {name}: {e}")))?;
        Ok(Some(strings))
    }
}

impl Container for Hdf5 {
    fn string_attribute(&self, group: &str, name: &str) -> Result<Option<String>, KerasError> {
        Ok(self
            .strings(group, name)?
            .and_then(|mut strings| (!strings.is_empty()).then(|| strings.swap_remove(0))))
    }

    fn strings_attribute(&self, group: &str, name: &str) -> Result<Option<Vec<String>>, KerasError> {
        if let Some(whole) = self.strings(group, name)? {
            return Ok(Some(whole));
        }
        let mut all: Option<Vec<String>> = None;
        for part in 0.. {
            match self.strings(group, &format!("{name}{part}"))? {
                Some(strings) => all.get_or_insert_default().extend(strings),
                None => break,
            }
        }
        Ok(all)
    }

    fn groups(&self, group: &str) -> Result<Option<Vec<String>>, KerasError> {
        let Some(found) = self.group(group)? else { return Ok(None) };
        Ok(Some(found.member_names().map_err(|e| self.damaged(e))?.0))
    }

    fn datasets(&self, group: &str) -> Result<Option<Vec<String>>, KerasError> {
        let Some(found) = self.group(group)? else { return Ok(None) };
        Ok(Some(found.member_names().map_err(|e| self.damaged(e))?.1))
    }

    fn array(&self, path: &str) -> Result<Array, KerasError> {
        let at = |reason: &dyn std::fmt::Display| self.damaged(format!("dataset {path}: {reason}"));
        let dataset = self.file.dataset(path).map_err(|e| at(&e))?;
        let count = dataset.num_elements().map_err(|e| at(&e))?;
        let bytes = dataset.raw_byte_len().map_err(|e| at(&e))? as u64;
        let Some(budget) = self.budget.get().checked_sub(bytes).filter(|_| count <= MAX_ELEMENTS) else {
            return Err(at(&format!("{bytes} bytes of numbers are too many for a file of this size")));
        };
        self.budget.set(budget);
        let shape = dataset.shape().iter().map(|&n| n as usize).collect();
        let brain_float = dataset.raw_datatype().is_ok_and(|raw| is_brain_float(&raw));
        let bytes = dataset.read_raw_bytes().map_err(|e| at(&e))?;
        let data = convert(&bytes, dataset.dtype(), brain_float).map_err(|e| at(&e))?;
        if data.len() as u64 != count {
            return Err(at(&format!("{} numbers, its shape declares {count}", data.len())));
        }
        Ok(Array { shape, data })
    }
}

/// Whether an HDF5 floating-point type has 8 bits of exponent: the size of the exponent is byte 13 of the datatype
/// message (4 bytes class and flags, 4 size, 2 bit offset, 2 precision, 1 exponent location).
fn is_brain_float(raw: &[u8]) -> bool {
    raw.first().is_some_and(|class| class & 15 == 1) && raw.get(13) == Some(&8)
}

/// Numbers as f32, the precision in which Keras computes.
fn convert(bytes: &[u8], dtype: &Datatype, brain_float: bool) -> Result<Vec<f32>, String> {
    fn each<const N: usize>(bytes: &[u8], swap: bool, f: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        let (whole, _) = bytes.as_chunks::<N>();
        whole
            .iter()
            .map(|&b| {
                let mut b = b;
                if swap {
                    b.reverse();
                }
                f(b)
            })
            .collect()
    }
    let swap = |order: &hdf5_reader::ByteOrder| *order == hdf5_reader::ByteOrder::BigEndian;
    let brain = |b| f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16);
    Ok(match dtype {
        Datatype::FloatingPoint { size: 2, byte_order } if brain_float => {
            each(bytes, swap(byte_order), brain)
        }
        Datatype::FloatingPoint { size: 2, byte_order } => {
            each(bytes, swap(byte_order), |b| half(u16::from_le_bytes(b)))
        }
        Datatype::FloatingPoint { size: 4, byte_order } => each(bytes, swap(byte_order), f32::from_le_bytes),
        Datatype::FloatingPoint { size: 8, byte_order } => {
            each(bytes, swap(byte_order), |b| f64::from_le_bytes(b) as f32)
        }
        Datatype::FixedPoint { size: 1, signed: true, .. } => {
            each(bytes, false, |b: [u8; 1]| f32::from(b[0] as i8))
        }
        Datatype::FixedPoint { size: 1, .. } => each(bytes, false, |b: [u8; 1]| f32::from(b[0])),
        Datatype::FixedPoint { size: 2, signed: true, byte_order } => {
            each(bytes, swap(byte_order), |b| f32::from(i16::from_le_bytes(b)))
        }
        Datatype::FixedPoint { size: 4, signed: true, byte_order } => {
            each(bytes, swap(byte_order), |b| i32::from_le_bytes(b) as f32)
        }
        Datatype::FixedPoint { size: 8, signed: true, byte_order } => {
            each(bytes, swap(byte_order), |b| i64::from_le_bytes(b) as f32)
        }
        Datatype::FixedPoint { size: 2, byte_order, .. } => {
            each(bytes, swap(byte_order), |b| f32::from(u16::from_le_bytes(b)))
        }
        Datatype::FixedPoint { size: 4, byte_order, .. } => {
            each(bytes, swap(byte_order), |b| u32::from_le_bytes(b) as f32)
        }
        Datatype::FixedPoint { size: 8, byte_order, .. } => {
            each(bytes, swap(byte_order), |b| u64::from_le_bytes(b) as f32)
        }
        // bfloat16: h5py stores it as opaque pairs of bytes, little endian.
        Datatype::Opaque { size: 2, .. } => each(bytes, false, brain),
        other => {
            return Err(format!(
                "type {other:?} is not read, expected float16, bfloat16, float32, float64 or int"
            ));
        }
    })
}

/// IEEE half precision to single, exactly.
fn half(bits: u16) -> f32 {
    let sign = f32::from_bits(u32::from(bits >> 15) << 31 | 1.0f32.to_bits());
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    let magnitude = match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * 2f32.powi(exponent - 25),
    };
    sign * magnitude
}

const MAGIC: &[u8; 8] = b"\x89HDF\r\n\x1a\n";

/// The superblock is at 0, 512, 1024, 2048, ... behind a user block.
fn superblock_offset(bytes: &[u8]) -> Option<usize> {
    std::iter::once(0)
        .chain(std::iter::successors(Some(512usize), |at| at.checked_mul(2)))
        .take_while(|&at| at + MAGIC.len() <= bytes.len())
        .find(|&at| bytes[at..].starts_with(MAGIC))
}

/// `(found, declared)` if the file is shorter than its superblock says.
fn length_mismatch(bytes: &[u8]) -> Option<(u64, u64)> {
    let base = superblock_offset(bytes)?;
    let block = &bytes[base..];
    // Offsets of the end-of-file address for 8-byte addresses: versions 0 and 1 behind the fixed fields, 2 and 3 packed.
    let (size_at, eof_at) = match *block.get(8)? {
        0 => (13, 40),
        1 => (13, 44),
        2 | 3 => (9, 28),
        _ => return None,
    };
    if *block.get(size_at)? != 8 {
        return None; // other address sizes are left to the reader's own checks
    }
    let declared = u64::from_le_bytes(block.get(eof_at..eof_at + 8)?.try_into().ok()?);
    let found = bytes.len() as u64;
    (declared.saturating_add(base as u64) > found && declared > found).then_some((found, declared))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_exact() {
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xbc00, -1.0),
            (0x3555, 0.333_251_95),
            (0x0001, 5.960_464_5e-8),
            (0x7bff, 65504.0),
        ] {
            assert_eq!(half(bits), value);
        }
        assert!(half(0x7e00).is_nan());
        assert_eq!(half(0xfc00), f32::NEG_INFINITY);
        assert_eq!(half(0x8000).to_bits(), (-0.0f32).to_bits());
    }

    #[test]
    fn numbers_of_every_type_and_order() {
        let float = |size, byte_order| Datatype::FloatingPoint { size, byte_order };
        use hdf5_reader::ByteOrder::{BigEndian, LittleEndian};
        assert_eq!(convert(&1.5f64.to_be_bytes(), &float(8, BigEndian), false), Ok(vec![1.5]));
        assert_eq!(convert(&1.5f32.to_le_bytes(), &float(4, LittleEndian), false), Ok(vec![1.5]));
        assert_eq!(convert(&[0x3c, 0x00], &float(2, BigEndian), false), Ok(vec![1.0]));
        assert_eq!(
            convert(&[0xc0, 0x3f], &Datatype::Opaque { size: 2, tag: String::new() }, false),
            Ok(vec![1.5])
        );
        let i8s = Datatype::FixedPoint { size: 1, signed: true, byte_order: LittleEndian };
        assert_eq!(convert(&[255, 1], &i8s, false), Ok(vec![-1.0, 1.0]));
        assert!(convert(&[0; 4], &Datatype::Opaque { size: 4, tag: String::new() }, false).is_err());
    }
}
