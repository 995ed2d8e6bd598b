//! The garbler's secret bits in a file, `NAME.secret`: weights and thresholds, bound to one package.
//!
//! Layout: the magic `XONNSEC1`, the package's digest (32 bytes), the number of bits (u64, little endian), the bits
//! (least significant first, zero padded), and the SHA-256 of all of that.

use std::io;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::package::Digest;
use crate::files::{Readers, Staged};

const MAGIC: &[u8; 8] = b"XONNSEC1";
const HEADER: usize = 8 + 32 + 8;

/// The garbler's input bits for one package.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// Digest of the package that the bits belong to.
    pub digest: Digest,
    /// The bits, in the order of [`super::Source::Secret`]; wiped when they are dropped.
    pub bits: Zeroizing<Vec<bool>>,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secret {{ digest: {}, {} bits }}", self.digest, self.bits.len())
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
    /// The secret belongs to another package.
    #[error(
        "{path}: belongs to the package with digest {found}, expected {expected}; build package and secret together"
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
    /// Writes the file, over an old one, readable by its owner only (mode 0600 where there are modes).
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        self.stage(path)?.replace()
    }

    /// Writes the file beside its place, readable by its owner only, so that another can be moved with it.
    ///
    /// # Errors
    /// What the file system says.
    pub fn stage(&self, path: &Path) -> io::Result<Staged> {
        // As long as the file is, so that no copy stays behind where it grew.
        let mut bytes = Zeroizing::new(Vec::<u8>::with_capacity(HEADER + self.bits.len().div_ceil(8) + 32));
        bytes.extend(MAGIC);
        bytes.extend(self.digest.0);
        bytes.extend((self.bits.len() as u64).to_le_bytes());
        bytes.extend(
            self.bits
                .chunks(8)
                .map(|byte| byte.iter().enumerate().fold(0u8, |b, (i, &bit)| b | u8::from(bit) << i)),
        );
        let check = Sha256::digest(&bytes[..]);
        bytes.extend(check);
        Staged::write(path, &bytes, Readers::Owner)
    }

    /// Reads a file that belongs to the package with digest `package` and has `bits` bits.
    ///
    /// # Errors
    /// [`SecretError`]: unreadable, malformed, or of another package.
    pub fn read(path: &Path, package: Digest, bits: u64) -> Result<Self, SecretError> {
        let name = path.display().to_string();
        let bytes = std::fs::read(path)
            .map(Zeroizing::new)
            .map_err(|source| SecretError::Io { path: name.clone(), source })?;
        let malformed = |reason: String| SecretError::Malformed { path: name.clone(), reason };
        if bytes.len() < HEADER + 32 || !bytes.starts_with(MAGIC) {
            return Err(malformed("not a secret file".into()));
        }
        let (body, check) = bytes.split_at(bytes.len() - 32);
        if Sha256::digest(body)[..] != *check {
            return Err(malformed("its checksum does not fit, it is cut short or damaged".into()));
        }
        let digest = Digest(body[8..40].try_into().expect("32 bytes"));
        if digest != package {
            return Err(SecretError::OtherPackage { path: name, found: digest, expected: package });
        }
        let count = u64::from_le_bytes(body[40..48].try_into().expect("8 bytes"));
        if count != bits || body.len() - HEADER != count.div_ceil(8) as usize {
            return Err(malformed(format!("it holds {count} bits, the package takes {bits}")));
        }
        let bits = (0..count as usize).map(|i| body[HEADER + i / 8] >> (i % 8) & 1 == 1).collect();
        Ok(Self { digest, bits: Zeroizing::new(bits) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_every_damage_is_noticed() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("m.secret");
        let secret =
            Secret { digest: Digest([7; 32]), bits: (0..77).map(|i| i % 3 == 0).collect::<Vec<_>>().into() };
        secret.write(&path).expect("written");
        secret.write(&path).expect("written again");
        assert_eq!(Secret::read(&path, Digest([7; 32]), 77).expect("read"), secret);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).expect("it exists").permissions().mode() & 0o777, 0o600);
        }
        assert!(matches!(Secret::read(&path, Digest([8; 32]), 77), Err(SecretError::OtherPackage { .. })));
        assert!(matches!(Secret::read(&path, Digest([7; 32]), 78), Err(SecretError::Malformed { .. })));
        let bytes = std::fs::read(&path).expect("read");
        for i in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[i] ^= 0x10;
            std::fs::write(&path, &damaged).expect("written");
            assert!(Secret::read(&path, Digest([7; 32]), 77).is_err(), "byte {i}");
            std::fs::write(&path, &bytes[..i]).expect("written");
            assert!(Secret::read(&path, Digest([7; 32]), 77).is_err(), "cut at {i}");
        }
    }
}
