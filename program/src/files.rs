//! Files that are there whole or not at all: written beside their place under another name, then moved there.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Readers {
    /// Whoever new files are for.
    All,
    /// Its owner (mode 0600 where there are modes), from the first byte on.
    Owner,
}

/// A file with all of its bytes that is not in its place yet; it is removed if it never gets there.
#[derive(Debug)]
pub struct Staged {
    file: NamedTempFile,
    place: PathBuf,
}

impl Staged {
    /// Writes `bytes` beside `path`; a link at `path` is followed.
    ///
    /// # Errors
    /// What the file system says, and [`io::ErrorKind::InvalidInput`] if something is at `path` that is no
    /// file.
    pub fn write(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<Self> {
        let place = match std::fs::metadata(path) {
            Ok(found) if !found.is_file() => {
                let reason = "there is something that is no file, expected a name for one";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
            }
            Ok(_) => path.canonicalize()?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => path.to_owned(),
            Err(e) => return Err(e),
        };
        let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut builder = Builder::new();
        builder.prefix(".xonn-");
        #[cfg(unix)]
        if readers == Readers::All {
            // Less what the user's umask takes away; without this it is the owner's alone.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        #[cfg(not(unix))]
        let _ = readers;
        let mut file = builder.tempfile_in(folder.unwrap_or(Path::new(".")))?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        Ok(Self { file, place })
    }

    /// Moves the file to its place, over one that is there.
    ///
    /// # Errors
    /// What the file system says.
    pub fn replace(self) -> io::Result<()> {
        self.file.persist(&self.place).map(drop).map_err(|e| e.error)
    }

    /// Moves the file to its place.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] if a file is there, which is left as it is; else what the file system
    /// says.
    pub fn create(self) -> io::Result<()> {
        self.file.persist_noclobber(&self.place).map(drop).map_err(|e| e.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).expect("readable");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_whole_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a");
        let staged = Staged::write(&path, b"new", Readers::All).expect("written");
        assert!(!path.exists());
        drop(staged);
        assert!(names(folder.path()).is_empty());
        Staged::write(&path, b"new", Readers::All).expect("written").create().expect("moved");
        let refused = Staged::write(&path, b"newer", Readers::All).expect("written").create();
        assert_eq!(refused.map_err(|e| e.kind()), Err(io::ErrorKind::AlreadyExists));
        assert_eq!(std::fs::read(&path).expect("readable"), b"new");
        Staged::write(&path, b"newest", Readers::All).expect("written").replace().expect("moved");
        assert_eq!(std::fs::read(&path).expect("readable"), b"newest");
        assert_eq!(names(folder.path()), ["a"]);
        let error = Staged::write(folder.path(), b"x", Readers::All).expect_err("a folder");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    #[cfg(unix)]
    fn modes_hold_from_the_beginning_and_links_stay() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (path, link) = (folder.path().join("a"), folder.path().join("link"));
        let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
        std::fs::write(&path, b"old").expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("set");
        let staged = Staged::write(&path, b"secret", Readers::Owner).expect("written");
        assert_eq!(mode(staged.file.path()), 0o600);
        staged.replace().expect("moved");
        assert_eq!(mode(&path), 0o600);
        std::os::unix::fs::symlink(&path, &link).expect("linked");
        Staged::write(&link, b"other", Readers::All).expect("written").replace().expect("moved");
        assert!(link.is_symlink() && std::fs::read(&path).expect("readable") == b"other");
        // As a file that is made the usual way.
        std::fs::write(folder.path().join("b"), b"").expect("written");
        assert_eq!(mode(&path), mode(&folder.path().join("b")));
    }
}
