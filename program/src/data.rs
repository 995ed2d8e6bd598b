//! Sample files: what users hand to the commands, read into numbers without trusting them.
//!
//! | suffix | read as |
//! |---|---|
//! | `.npy` | one array, the samples along the first axis |
//! | `.npz` | arrays `x` (samples), and if they are there `y` (true labels) and `keras` (Keras's outputs) |
//! | `.png`, `.jpg`, `.jpeg` | one sample `[height, width, channels]` ([`image`] says which numbers) |
//! | `.csv` | one sample a row |
//!
//! How a number becomes bits is [`InputEncoding`](crate::InputEncoding)'s matter. A file may hold [`MAX_ELEMENTS`] numbers at most, and what
//! its header claims allocates nothing: memory grows with the bytes that are really there.

pub mod image;
pub mod npy;
pub mod npz;
pub mod table;
pub mod tensor;

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

pub use npy::{NpyElement, write_npy};
pub use npz::Npz;
pub use tensor::{Sample, Samples, Tensor, Values};

/// Most numbers of one array: 2 GiB in memory.
pub const MAX_ELEMENTS: u64 = 1 << 28;

/// The arrays of a sample file.
#[derive(Clone, PartialEq, Debug)]
pub struct Dataset {
    /// The samples.
    pub x: Tensor,
    /// True labels, one a sample.
    pub y: Option<Tensor>,
    /// What Keras computed for the samples.
    pub keras: Option<Tensor>,
}

impl From<Tensor> for Dataset {
    fn from(x: Tensor) -> Self {
        Self { x, y: None, keras: None }
    }
}

/// Why a sample file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The file could not be opened or read.
    #[error("{name}: cannot be read")]
    Read {
        /// The file.
        name: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file could not be written.
    #[error("{name}: cannot be written")]
    Write {
        /// The file.
        name: String,
        /// Why.
        source: std::io::Error,
    },
    /// The suffix tells no format.
    #[error("{name}: the suffix {found:?} is not known, expected .npy, .npz, .png, .jpg, .jpeg or .csv")]
    Suffix {
        /// The file.
        name: String,
        /// The suffix, empty if there is none.
        found: String,
    },
    /// The file breaks its format, or uses a part of it that is not supported.
    #[error("{name}: found {found}, expected {expected}")]
    Format {
        /// The file.
        name: String,
        /// What is wrong.
        found: String,
        /// What is read, and what to do.
        expected: &'static str,
    },
    /// The file declares more numbers than are read.
    #[error("{name}: shape {shape:?} has too many elements, expected at most {limit}")]
    TooLarge {
        /// The file.
        name: String,
        /// Declared shape.
        shape: Vec<u64>,
        /// Most elements.
        limit: u64,
    },
    /// The data is shorter or longer than declared.
    #[error("{name}: found {found} bytes of data, expected {expected} for shape {shape:?}")]
    Length {
        /// The file.
        name: String,
        /// Declared shape.
        shape: Vec<u64>,
        /// Bytes there, or one more than expected if there are more.
        found: u64,
        /// Bytes declared.
        expected: u64,
    },
    /// The zip archive is damaged.
    #[error("{name}: the archive cannot be read")]
    Zip {
        /// The file.
        name: String,
        /// Why.
        source: zip::result::ZipError,
    },
    /// An array is missing.
    #[error("{name}: no array {array:?} in the archive, found {found:?}")]
    MissingArray {
        /// The file.
        name: String,
        /// The array looked for.
        array: String,
        /// The arrays there.
        found: Vec<String>,
    },
    /// The image is damaged.
    #[error("{name}: the image cannot be read")]
    Png {
        /// The file.
        name: String,
        /// Why.
        source: png::DecodingError,
    },
    /// A table's cell is not a number.
    #[error("{name}, line {line}, column {column}: found {found:?}, expected a number")]
    Cell {
        /// The file.
        name: String,
        /// Line, counted from 1.
        line: u64,
        /// Cell of the line, counted from 1.
        column: usize,
        /// Its text, shortened.
        found: String,
    },
    /// A table's row is shorter or longer than the first.
    #[error("{name}, line {line}: found {found} numbers, expected {expected} as in the first row")]
    Row {
        /// The file.
        name: String,
        /// Line, counted from 1.
        line: u64,
        /// Cells of the line.
        found: usize,
        /// Cells of the first row.
        expected: usize,
    },
    /// The array does not hold samples of the shape asked for.
    #[error(
        "the data has shape {found:?}, expected {expected:?} for one sample, with the number of samples in front of it \
         for several; channels come last"
    )]
    Shape {
        /// The array's shape.
        found: Vec<usize>,
        /// Shape of one sample.
        expected: Vec<usize>,
    },
}

/// Reads a sample file; its suffix tells the format.
///
/// # Errors
/// [`DataError`], with the path; nothing in the file is trusted.
pub fn load(path: &Path) -> Result<Dataset, DataError> {
    let name = path.display().to_string();
    let open = || match File::open(path) {
        Ok(file) => Ok(BufReader::new(file)),
        Err(source) => Err(DataError::Read { name: name.clone(), source }),
    };
    let suffix = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    match suffix.as_str() {
        "npy" => npy::read(open()?, &name).map(Dataset::from),
        "npz" => {
            let mut npz = Npz::new(open()?, &name)?;
            Ok(Dataset { x: npz.required("x")?, y: npz.array("y")?, keras: npz.array("keras")? })
        }
        "png" => image::read(open()?, &name).map(Dataset::from),
        "jpg" | "jpeg" => image::read_jpeg(open()?, &name).map(Dataset::from),
        "csv" => table::read(open()?, &name).map(Dataset::from),
        _ => Err(DataError::Suffix { name, found: suffix }),
    }
}
