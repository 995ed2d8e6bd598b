//! The secret tensors of one model in a file, `NAME.secret`, bound to one package.
//!
//! Layout: the magic `XONNSEC2`, the package's digest (32 bytes), the tensors' numbers one after another,
//! each in the bits that its [`TensorSpec`](crate::TensorSpec) says (least significant first, zero padded at
//! the end), and the SHA-256 of all of that.

use std::io::{self, Read as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::files::{Readers, Staged};
use crate::package::{Digest, Package};
use crate::program::Program;
use crate::tensor::{BitReader, BitWriter, Tensor};

const MAGIC: &[u8; 8] = b"XONNSEC2";
const OLD_MAGIC: &[u8; 8] = b"XONNSEC1";
const HEADER: usize = 8 + 32;

/// The server's numbers for one package; wiped when they are dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    digest: Digest,
    tensors: Zeroizing<Vec<Tensor>>,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secret {{ digest: {}, tensors: {:?} }}", self.digest, &self.tensors[..])
    }
}

/// Why a secret file could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The file could not be read at all.
    #[error("{path}: cannot be read")]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The file is something else, cut short or damaged.
    #[error("{path}: {reason}, expected a secret file written by xonn-compile build")]
    Malformed {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The file is of another version.
    #[error(
        "{path}: a secret file of version 1, this program reads version 2; build package and secret again"
    )]
    Version {
        /// The file.
        path: String,
    },
    /// The secret belongs to another package.
    #[error(
        "{path}: belongs to the package with digest {found}, expected {expected}; build package and secret \
         together"
    )]
    OtherPackage {
        /// The file.
        path: String,
        /// Digest in the file.
        found: Digest,
        /// Digest of the package at hand.
        expected: Digest,
    },
}

impl Secret {
    /// Tensors for a package.
    ///
    /// # Errors
    /// What is wrong with them, if they are not those that its program takes.
    pub fn new(package: &Package, tensors: Vec<Tensor>) -> Result<Self, String> {
        let specs = package.program().tensors();
        if tensors.len() != specs.len() {
            return Err(format!("{} secret tensors, the program takes {}", tensors.len(), specs.len()));
        }
        for (id, (spec, tensor)) in specs.iter().zip(&tensors).enumerate() {
            spec.check(tensor).map_err(|reason| format!("secret tensor {id}: {reason}"))?;
        }
        Ok(Self { digest: package.digest(), tensors: tensors.into() })
    }

    /// Digest of the package that the tensors belong to.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The tensors, one for each of [`Program::tensors`].
    #[must_use]
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// Writes the file, over an old one, readable by its owner only (mode 0600 where there are modes).
    ///
    /// * `program`: the package's.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, program: &Program, path: &Path) -> io::Result<()> {
        self.stage(program, path)?.replace()
    }

    /// Writes the file beside its place, readable by its owner only, so that another can be moved with it.
    ///
    /// # Errors
    /// What the file system says.
    pub fn stage(&self, program: &Program, path: &Path) -> io::Result<Staged> {
        // As long as the file is, so that no copy stays behind where it grew.
        let mut bytes = Zeroizing::new(Vec::<u8>::with_capacity(length(program) as usize));
        bytes.extend(MAGIC);
        bytes.extend(self.digest.0);
        let mut writer = BitWriter::new(&mut bytes);
        for (spec, tensor) in program.tensors().iter().zip(self.tensors.iter()) {
            spec.write(tensor, &mut writer);
        }
        let check = Sha256::digest(&bytes[..]);
        bytes.extend(check);
        Staged::write(path, &bytes, Readers::Owner)
    }

    /// Reads the file that belongs to `package`.
    ///
    /// # Errors
    /// [`SecretError`]: unreadable, malformed, or of another package.
    pub fn read(path: &Path, package: &Package) -> Result<Self, SecretError> {
        let name = path.display().to_string();
        let io = |source| SecretError::Io { path: name.clone(), source };
        let expected = length(package.program());
        let mut bytes = Zeroizing::new(Vec::with_capacity(expected as usize + 1));
        std::fs::File::open(path).map_err(io)?.take(expected + 1).read_to_end(&mut bytes).map_err(io)?;
        let malformed = |reason: String| SecretError::Malformed { path: name.clone(), reason };
        if bytes.starts_with(OLD_MAGIC) {
            return Err(SecretError::Version { path: name });
        }
        if bytes.len() < HEADER || !bytes.starts_with(MAGIC) {
            return Err(malformed("not a secret file".into()));
        }
        let found = Digest(bytes[8..HEADER].try_into().expect("32 bytes"));
        if found != package.digest() {
            return Err(SecretError::OtherPackage { path: name, found, expected: package.digest() });
        }
        if bytes.len() as u64 != expected {
            let than = if (bytes.len() as u64) < expected { "shorter" } else { "longer" };
            return Err(malformed(format!("{than} than the {expected} bytes that the package takes")));
        }
        let (body, check) = bytes.split_at(bytes.len() - 32);
        if Sha256::digest(body)[..] != *check {
            return Err(malformed("its checksum is wrong, it is damaged".into()));
        }
        let mut reader = BitReader::new(&body[HEADER..]);
        let specs = package.program().tensors().iter();
        let tensors: Option<Vec<Tensor>> = specs.map(|spec| spec.read(&mut reader)).collect();
        let tensors =
            tensors.ok_or_else(|| malformed("it holds numbers that the package does not".into()))?;
        Ok(Self { digest: found, tensors: tensors.into() })
    }
}

/// Bytes of the file.
fn length(program: &Program) -> u64 {
    HEADER as u64 + program.secret_bits().div_ceil(8) + 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::{InputEncoding, OutputEncoding};
    use crate::op::{Cut, Line, Linear, Op, Planes};
    use crate::program::{Kind, Layer, Range};

    /// Three numbers, two ternary sums, two lines, two cuts.
    fn program(shift: i64) -> Program {
        let range = |lo, hi| Kind::Int(Range { lo, hi });
        let layer = |op, reads, n, kind, secret| Layer { op, reads, shape: vec![n], kind, secret };
        let scaled = Op::Scale { lines: 2, bits: 7 };
        Program::new(
            InputEncoding {
                shape: vec![3],
                bits: 4,
                signed: false,
                scale: 1.0,
                zero: 0,
                features: vec![],
                tokens: false,
            },
            vec![
                layer(Op::Input, vec![], 3, range(0, 15), None),
                layer(Op::Linear(Linear::dense(3, 2, Planes::Ternary)), vec![0], 2, range(-90, 90), Some(0)),
                layer(scaled, vec![1], 2, range(-9000 - shift, 9000), Some(1)),
                layer(Op::Threshold { cuts: 2 }, vec![2], 2, Kind::Bit, Some(2)),
            ],
            OutputEncoding::Labels { units: 2 },
        )
        .expect("a valid program")
    }

    fn tensors() -> Vec<Tensor> {
        vec![
            Tensor::Weights(vec![-2, 0, 2, 2, 2, -2]),
            Tensor::Lines(vec![Line { scale: -63, offset: i64::MIN }, Line { scale: 63, offset: 7 }]),
            Tensor::Cuts(vec![Cut { rising: true, at: -9001 }, Cut { rising: false, at: 9001 }]),
        ]
    }

    #[test]
    fn round_trip_and_every_damage_is_noticed() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("m.secret");
        let (program, other) = (program(0), program(1));
        let (package, other) = (Package::new(&program), Package::new(&other));
        let secret = Secret::new(&package, tensors()).expect("they fit");
        secret.write(&program, &path).expect("written");
        secret.write(&program, &path).expect("written again");
        assert_eq!(Secret::read(&path, &package).expect("read"), secret);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).expect("it exists").permissions().mode() & 0o777, 0o600);
        }
        assert!(matches!(Secret::read(&path, &other), Err(SecretError::OtherPackage { .. })));
        let bytes = std::fs::read(&path).expect("read");
        for i in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[i] ^= 0x10;
            std::fs::write(&path, &damaged).expect("written");
            assert!(Secret::read(&path, &package).is_err(), "byte {i}");
            std::fs::write(&path, &bytes[..i]).expect("written");
            assert!(Secret::read(&path, &package).is_err(), "cut at {i}");
        }
        std::fs::write(&path, [&OLD_MAGIC[..], &[0; 80]].concat()).expect("written");
        assert!(matches!(Secret::read(&path, &package), Err(SecretError::Version { .. })));
    }

    #[test]
    fn numbers_that_a_program_does_not_take_are_refused() {
        let package = Package::new(&program(0));
        let change = |id: usize, tensor: Tensor| {
            let mut all = tensors();
            all[id] = tensor;
            Secret::new(&package, all)
        };
        assert!(Secret::new(&package, tensors()[..2].to_vec()).is_err());
        for (id, tensor) in [
            (0, Tensor::Weights(vec![1, 0, 2, 2, 2, -2])),
            (0, Tensor::Weights(vec![0; 5])),
            (1, Tensor::Lines(vec![Line { scale: 64, offset: 0 }; 2])),
            (2, Tensor::Cuts(vec![Cut { rising: true, at: 9002 }; 2])),
            (2, Tensor::Weights(vec![0; 2])),
        ] {
            let error = change(id, tensor).expect_err("it does not fit");
            assert!(error.starts_with(&format!("secret tensor {id}: ")), "{error}");
        }
    }
}
