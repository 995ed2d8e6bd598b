//! The public package, `NAME.xonn`: a program as a page of JSON.
//!
//! The same program gives the same bytes. The package's digest, which two hosts compare, is the SHA-256 of the file. Both
//! hosts make the circuit themselves, so the version of what makes it ([`circuit::VERSION`]) stands in the file, and with
//! that in the digest: hosts that would make different circuits refuse each other.

use std::fmt;
use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::circuit;
use crate::encoding::{InputEncoding, OutputEncoding};
use crate::program::{Layer, Program, ProgramError};

/// Longest package that is read.
pub const MAX_PACKAGE: u64 = 64 << 20;

/// The `format` entry.
const FORMAT: &str = "xonn-package";

/// The `version` entry that this code writes and reads.
const VERSION: u64 = 3;

/// A SHA-256 digest, printed and stored as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::str::FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a digest, expected 64 hexadecimal digits");
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut bytes = [0u8; 32];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A program with the bytes that it is stored as.
#[derive(Clone, Debug)]
pub struct Package {
    program: Program,
    digest: Digest,
    bytes: Vec<u8>,
}

/// Why a package could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// The file could not be read.
    #[error("{name}: cannot be read")]
    Io {
        /// The file.
        name: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not a package.
    #[error("{name}: not a package ({reason}), expected a .xonn file written by xonn-compile build")]
    NotAPackage {
        /// The file.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The package is of another version.
    #[error(
        "{name}: a package of {found}, this program reads version {VERSION}; build the package and its secret again"
    )]
    Version {
        /// The file.
        name: String,
        /// What version it is of.
        found: String,
    },
    /// The circuit would be made by another version.
    #[error(
        "{name}: built for circuits of version {found}, this program makes version {expected}; build the package and its \
         secret again, with the version of xonn that runs it"
    )]
    Circuit {
        /// The file.
        name: String,
        /// Version in the file.
        found: u64,
        /// Version of this program.
        expected: u64,
    },
    /// It is another package than the one wanted.
    #[error("{name}: its digest is {found}, expected {expected}")]
    Digest {
        /// The file.
        name: String,
        /// Its digest.
        found: Digest,
        /// The digest wanted.
        expected: Digest,
    },
    /// The program breaks a rule.
    #[error("{name}: the program is not valid")]
    Program {
        /// The file.
        name: String,
        /// The rule.
        source: ProgramError,
    },
}

/// The file's entries, in the order in which they are written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "format")]
    _format: String,
    #[serde(rename = "version")]
    _version: u64,
    #[serde(rename = "circuit")]
    _circuit: u64,
    input: InputEncoding,
    output: OutputEncoding,
    layers: Vec<Layer>,
}

impl Package {
    /// Packs a program.
    #[must_use]
    pub fn new(program: &Program) -> Self {
        let bytes = text(program).into_bytes();
        Self { program: program.clone(), digest: Digest::of(&bytes), bytes }
    }

    /// Reads a package file.
    ///
    /// # Errors
    /// [`PackageError`]; nothing in the file is trusted.
    pub fn read(path: &Path) -> Result<Self, PackageError> {
        let name = path.display().to_string();
        let io = |source| PackageError::Io { name: name.clone(), source };
        let file = std::fs::File::open(path).map_err(io)?;
        let mut bytes = Vec::new();
        file.take(MAX_PACKAGE + 1).read_to_end(&mut bytes).map_err(io)?;
        Self::from_bytes(bytes, &name)
    }

    /// Reads a package from memory; `name` is for errors.
    ///
    /// # Errors
    /// [`PackageError`]; nothing in the bytes is trusted.
    pub fn from_bytes(bytes: Vec<u8>, name: &str) -> Result<Self, PackageError> {
        let not = |reason: String| PackageError::NotAPackage { name: name.into(), reason };
        if bytes.len() as u64 > MAX_PACKAGE {
            return Err(not(format!("longer than {MAX_PACKAGE} bytes")));
        }
        if bytes.starts_with(b"PK") {
            return Err(PackageError::Version { name: name.into(), found: "version 2 or older".into() });
        }
        let parsed = |e: serde_json::Error| not(format!("it is not the JSON expected: {e}"));
        // Format and versions first, so that a package of the future is named as such.
        #[derive(Deserialize)]
        struct Head {
            format: String,
            version: u64,
            #[serde(default)]
            circuit: u64,
        }
        let head: Head = serde_json::from_slice(&bytes).map_err(parsed)?;
        if head.format != FORMAT {
            return Err(not(format!("its format is {:?}", head.format)));
        }
        if head.version != VERSION {
            return Err(PackageError::Version {
                name: name.into(),
                found: format!("version {}", head.version),
            });
        }
        if head.circuit != circuit::VERSION {
            let (found, expected) = (head.circuit, circuit::VERSION);
            return Err(PackageError::Circuit { name: name.into(), found, expected });
        }
        let File { input, output, layers, .. } = serde_json::from_slice(&bytes).map_err(parsed)?;
        let program = Program::new(input, layers, output)
            .map_err(|source| PackageError::Program { name: name.into(), source })?;
        Ok(Self { program, digest: Digest::of(&bytes), bytes })
    }

    /// Reads the package with this digest; of another one nothing is parsed.
    ///
    /// # Errors
    /// [`PackageError::Digest`] for another one, and those of [`Self::from_bytes`].
    pub fn with_digest(bytes: Vec<u8>, name: &str, expected: Digest) -> Result<Self, PackageError> {
        let found = Digest::of(&bytes);
        if found != expected {
            return Err(PackageError::Digest { name: name.into(), found, expected });
        }
        Self::from_bytes(bytes, name)
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// What two hosts compare.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The file's bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A line for each entry, and for each layer.
fn text(program: &Program) -> String {
    fn json<T: Serialize>(value: &T) -> String {
        serde_json::to_string(value).expect("programs are plain data")
    }
    let mut text = String::new();
    let layers: Vec<String> = program.layers().iter().map(|layer| format!("    {}", json(layer))).collect();
    write!(
        text,
        "{{\n  \"format\": {},\n  \"version\": {VERSION},\n  \"circuit\": {},\n  \"input\": {},\n  \"output\": \
         {},\n  \"layers\": [\n{}\n  ]\n}}\n",
        json(&FORMAT),
        circuit::VERSION,
        json(program.input()),
        json(program.output()),
        layers.join(",\n")
    )
    .expect("strings take any text");
    text
}
