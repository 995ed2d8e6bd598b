//! The HDF5 container behind a small trait, so that another reader can be put in its place.
//!
//! [`Hdf5`] is the reader that is used; with the cargo feature `libhdf5` there is the C library, too, for
//! tests to compare with.

#[cfg(feature = "libhdf5")]
pub mod libhdf5;
mod numbers;
mod pure;

use std::cell::Cell;

use super::KerasError;
use crate::graph::Array;
pub use pure::Hdf5;

/// Most elements of one weight.
const MAX_ELEMENTS: u64 = 1 << 26;

/// Bytes that all weights together may hold for each byte of the file, and on top of that: deflate cannot
/// reach more than about 1000, and repeated values in real weights stay far below.
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

/// A list of strings that may be split into `name0`, `name1`, ..., as Keras does with those of more than 64
/// KB.
fn whole_list(
    name: &str,
    strings: impl Fn(&str) -> Result<Option<Vec<String>>, KerasError>,
) -> Result<Option<Vec<String>>, KerasError> {
    if let Some(whole) = strings(name)? {
        return Ok(Some(whole));
    }
    let mut all: Option<Vec<String>> = None;
    for part in 0.. {
        match strings(&format!("{name}{part}"))? {
            Some(strings) => all.get_or_insert_default().extend(strings),
            None => break,
        }
    }
    Ok(all)
}

/// Bytes of weights that may still be read from a file.
#[derive(Debug)]
struct Budget(Cell<u64>);

impl Budget {
    fn of_file(bytes: u64) -> Self {
        Self(Cell::new(bytes.saturating_mul(MAX_EXPANSION).saturating_add(MIN_BUDGET)))
    }

    /// Takes `count` numbers of `size` bytes; the bytes, or why there are too many.
    fn take(&self, count: u64, size: u64) -> Result<u64, String> {
        let bytes = count.saturating_mul(size);
        let left = self.0.get().checked_sub(bytes).filter(|_| count <= MAX_ELEMENTS);
        let left =
            left.ok_or_else(|| format!("{bytes} bytes of numbers are too many for a file of this size"))?;
        self.0.set(left);
        Ok(bytes)
    }
}

/// Whether the bytes begin as HDF5, at offset 0 or behind a user block.
#[must_use]
pub fn is_hdf5(bytes: &[u8]) -> bool {
    superblock_offset(bytes).is_some()
}

/// Refuses a file that is shorter than its superblock says.
fn check_length(bytes: &[u8], name: &str) -> Result<(), KerasError> {
    match length_mismatch(bytes) {
        Some((found, declared)) => Err(KerasError::Hdf5 {
            file: name.into(),
            reason: format!("it has {found} bytes where its header declares {declared}: it is cut short"),
        }),
        None => Ok(()),
    }
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
    // Offsets of the end-of-file address for 8-byte addresses: versions 0 and 1 behind the fixed fields, 2
    // and 3 packed.
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
