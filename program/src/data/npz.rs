//! NumPy's `.npz` files: zip archives of `.npy` entries, stored or deflated.

use std::io::{Read, Seek};

use zip::ZipArchive;
use zip::result::ZipError;

use super::{DataError, Tensor, npy};

/// An open archive; arrays are read when asked for, so that one of an unsupported dtype does not spoil the others.
pub struct Npz<R> {
    archive: ZipArchive<R>,
    name: String,
}

impl<R: Read + Seek> Npz<R> {
    /// Opens an archive; `name` is for errors.
    ///
    /// # Errors
    /// [`DataError::Zip`].
    pub fn new(reader: R, name: &str) -> Result<Self, DataError> {
        match ZipArchive::new(reader) {
            Ok(archive) => Ok(Self { archive, name: name.into() }),
            Err(source) => Err(DataError::Zip { name: name.into(), source }),
        }
    }

    /// Names of the arrays, without `.npy`.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let arrays = self.archive.file_names().filter_map(Result::ok);
        arrays.filter_map(|name| name.strip_suffix(".npy").map(str::to_string)).collect()
    }

    /// An array, or `None` if there is none of that name.
    ///
    /// What the archive says of an entry's size is not used: the array's own header says how much is unpacked, and
    /// [`super::MAX_ELEMENTS`] bounds that.
    ///
    /// # Errors
    /// [`DataError`], with the archive's and the array's name.
    pub fn array(&mut self, array: &str) -> Result<Option<Tensor>, DataError> {
        let name = format!("{}, array {array:?}", self.name);
        match self.archive.by_name(&format!("{array}.npy")) {
            Ok(entry) => npy::read(entry, &name).map(Some),
            Err(ZipError::FileNotFound) => Ok(None),
            Err(source) => Err(DataError::Zip { name, source }),
        }
    }

    /// An array that must be there.
    ///
    /// # Errors
    /// [`DataError::MissingArray`], and what [`Npz::array`] says.
    pub fn required(&mut self, array: &str) -> Result<Tensor, DataError> {
        self.array(array)?.ok_or_else(|| DataError::MissingArray {
            name: self.name.clone(),
            array: array.into(),
            found: self.names().into_iter().take(20).collect(),
        })
    }
}
