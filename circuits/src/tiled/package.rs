//! The public package, `NAME.xonn`: a zip of `manifest.json` and the templates in Bristol Fashion.
//!
//! The same program gives the same bytes: entries have a fixed order, time and compression. The package's digest, which
//! two hosts compare, is the SHA-256 of `manifest.json`; that names the SHA-256 of every template.

use std::fmt;
use std::io::{Cursor, Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zip::write::SimpleFileOptions;

use super::manifest::{Counts, FORMAT, Manifest, TemplateEntry, VERSION};
use super::{CircuitError, TiledCircuit};
use crate::bristol::{self, BristolError};

/// Longest `manifest.json` that is read.
const MAX_MANIFEST: u64 = 64 << 20;

/// Longest text of all templates together that is read.
const MAX_TEMPLATES_TEXT: u64 = 512 << 20;

/// Longest package that is read.
pub const MAX_PACKAGE: u64 = 256 << 20;

/// Most templates of a package.
const MAX_TEMPLATES: usize = 4096;

const MANIFEST_FILE: &str = "manifest.json";

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
    program: TiledCircuit,
    digest: Digest,
    bytes: Vec<u8>,
}

/// Why a package could not be read or written.
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
        "{name}: package version {found}, this program reads version {expected}; build the package again"
    )]
    Version {
        /// The file.
        name: String,
        /// Version in the file.
        found: u64,
        /// Version that is read.
        expected: u32,
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
    /// An entry is damaged.
    #[error("{name}: entry {entry} does not have the digest that the manifest names, the package is damaged")]
    Damaged {
        /// The file.
        name: String,
        /// The entry.
        entry: String,
    },
    /// A template is no netlist.
    #[error("{name}: template {entry}")]
    Template {
        /// The file.
        name: String,
        /// The entry.
        entry: String,
        /// Why.
        source: BristolError,
    },
    /// The program breaks a rule.
    #[error("{name}: the program is not valid")]
    TiledCircuit {
        /// The file.
        name: String,
        /// The rule.
        source: CircuitError,
    },
}

impl Package {
    /// Packs a program.
    ///
    /// The program of the result is the one that a reader of the bytes gets: its templates have been written and read.
    ///
    /// # Errors
    /// [`PackageError::Template`] if a template cannot be written in Bristol Fashion (a constant without any input).
    pub fn new(program: &TiledCircuit) -> Result<Self, PackageError> {
        let name = "package";
        let mut entries = Vec::new();
        let mut texts = Vec::new();
        let mut templates = Vec::new();
        for (i, template) in program.templates().iter().enumerate() {
            let file = format!("templates/{i}.txt");
            let template_error =
                |source| PackageError::Template { name: name.into(), entry: file.clone(), source };
            let mut text = Vec::new();
            bristol::write(template, &mut text, &bristol::Options::default()).map_err(template_error)?;
            templates.push(bristol::read(&text[..], &file).map_err(template_error)?.netlist);
            entries.push(TemplateEntry { file, sha256: Digest::of(&text) });
            texts.push(text);
        }
        let program = TiledCircuit::new(
            program.input().clone(),
            program.output().clone(),
            program.secret_bits(),
            templates,
            program.layers().to_vec(),
        )
        .map_err(|source| PackageError::TiledCircuit { name: name.into(), source })?;
        let files: Vec<String> = entries.iter().map(|e| e.file.clone()).collect();
        let mut manifest =
            serde_json::to_vec_pretty(&Manifest::new(&program, entries)).expect("a manifest is plain data");
        manifest.push(b'\n');
        let parts = std::iter::once((MANIFEST_FILE, &manifest[..]))
            .chain(files.iter().map(String::as_str).zip(texts.iter().map(Vec::as_slice)));
        let bytes = zipped(parts).map_err(|e| PackageError::Io { name: name.into(), source: e.into() })?;
        Ok(Self { program, digest: Digest::of(&manifest), bytes })
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
        Self::parse(bytes, name, None)
    }

    /// Reads the package with this digest; of another one nothing is parsed.
    ///
    /// # Errors
    /// [`PackageError::Digest`] for another one, and those of [`Self::from_bytes`].
    pub fn with_digest(bytes: Vec<u8>, name: &str, digest: Digest) -> Result<Self, PackageError> {
        Self::parse(bytes, name, Some(digest))
    }

    fn parse(bytes: Vec<u8>, name: &str, wanted: Option<Digest>) -> Result<Self, PackageError> {
        let not = |reason: String| PackageError::NotAPackage { name: name.into(), reason };
        if bytes.len() as u64 > MAX_PACKAGE {
            return Err(not(format!("longer than {MAX_PACKAGE} bytes")));
        }
        check_directory(&bytes).map_err(not)?;
        let mut zip = zip::ZipArchive::new(Cursor::new(&bytes)).map_err(|e| not(e.to_string()))?;
        let manifest_bytes = unzipped(&mut zip, MANIFEST_FILE, MAX_MANIFEST).map_err(not)?;
        let digest = Digest::of(&manifest_bytes);
        if let Some(expected) = wanted.filter(|&wanted| wanted != digest) {
            return Err(PackageError::Digest { name: name.into(), found: digest, expected });
        }
        let manifest = parse_manifest(&manifest_bytes, name)?;
        if manifest.templates.len() > MAX_TEMPLATES {
            return Err(not(format!("more than {MAX_TEMPLATES} templates")));
        }
        let mut templates = Vec::new();
        let mut left = MAX_TEMPLATES_TEXT;
        for entry in &manifest.templates {
            let text = unzipped(&mut zip, &entry.file, left).map_err(not)?;
            left -= text.len() as u64;
            if Digest::of(&text) != entry.sha256 {
                return Err(PackageError::Damaged { name: name.into(), entry: entry.file.clone() });
            }
            let parsed = bristol::read(&text[..], &entry.file).map_err(|source| PackageError::Template {
                name: name.into(),
                entry: entry.file.clone(),
                source,
            })?;
            templates.push(parsed.netlist);
        }
        let Manifest { input, output, secret_bits, layers, counts, .. } = manifest;
        let program = TiledCircuit::new(input, output, secret_bits, templates, layers)
            .map_err(|source| PackageError::TiledCircuit { name: name.into(), source })?;
        if counts != Counts::of(&program) {
            return Err(not("its counts are not those of its templates".into()));
        }
        Ok(Self { program, digest, bytes })
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &TiledCircuit {
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

/// Whether a zip file ends as `build` writes it, with a plain directory of no more files than a package has: a reader takes memory for as
/// many as are announced.
fn check_directory(bytes: &[u8]) -> Result<(), String> {
    const END: usize = 22;
    let end =
        bytes.len().checked_sub(END).map(|at| &bytes[at..]).filter(|end| end.starts_with(b"PK\x05\x06"));
    let end = end.ok_or("it does not end with a zip file's directory")?;
    let files = usize::from(u16::from_le_bytes([end[10], end[11]]));
    let [size, start] =
        [12, 16].map(|at| u32::from_le_bytes([end[at], end[at + 1], end[at + 2], end[at + 3]]));
    if files > MAX_TEMPLATES + 1 {
        return Err(format!(
            "its directory has {files} files or more, expected at most {}",
            MAX_TEMPLATES + 1
        ));
    }
    if u64::from(size) + u64::from(start) != (bytes.len() - END) as u64 {
        return Err("its directory is not where its end says".into());
    }
    Ok(())
}

fn parse_manifest(bytes: &[u8], name: &str) -> Result<Manifest, PackageError> {
    let not = |reason: String| PackageError::NotAPackage { name: name.into(), reason };
    // Format and version first, so that a package of the future is named as such.
    #[derive(Deserialize)]
    struct Head {
        format: String,
        version: u64,
    }
    let head: Head = serde_json::from_slice(bytes).map_err(|e| not(format!("{MANIFEST_FILE}: {e}")))?;
    if head.format != FORMAT {
        return Err(not(format!("its format is {:?}", head.format)));
    }
    if head.version != u64::from(VERSION) {
        return Err(PackageError::Version { name: name.into(), found: head.version, expected: VERSION });
    }
    serde_json::from_slice(bytes).map_err(|e| not(format!("{MANIFEST_FILE}: {e}")))
}

fn zipped<'a>(parts: impl Iterator<Item = (&'a str, &'a [u8])>) -> zip::result::ZipResult<Vec<u8>> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    // The default time is 1980-01-01: no clock shows in the bytes.
    let options = SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated)
        .last_modified_time(zip::DateTime::default())
        .unix_permissions(0o644);
    for (name, bytes) in parts {
        zip.start_file(name, options)?;
        zip.write_all(bytes)?;
    }
    Ok(zip.finish()?.into_inner())
}

/// The bytes of an entry, at most `max` of them whatever its header claims.
fn unzipped(zip: &mut zip::ZipArchive<Cursor<&Vec<u8>>>, entry: &str, max: u64) -> Result<Vec<u8>, String> {
    let file = zip.by_name(entry).map_err(|e| format!("entry {entry:?}: {e}"))?;
    let mut bytes = Vec::new();
    file.take(max + 1).read_to_end(&mut bytes).map_err(|e| format!("entry {entry:?}: {e}"))?;
    if bytes.len() as u64 > max {
        return Err(format!("entry {entry:?} is longer than {max} bytes"));
    }
    Ok(bytes)
}
