//! What both commands print. A reader that leaves early, as `head` does, is an error that ends the command,
//! not a panic as with `println!`.

use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write};

/// The exit code of a command whose reader left: what a shell gives for one that SIGPIPE ended.
pub const READER_LEFT: u8 = 141;

/// Standard output cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("standard output: cannot be written: {0}")]
pub struct Unwritten(#[from] io::Error);

impl Unwritten {
    /// Whether the reader left. That is its right, and nothing to complain of.
    #[must_use]
    pub fn reader_left(&self) -> bool {
        self.0.kind() == io::ErrorKind::BrokenPipe
    }
}

/// Whether a command ends because the reader of its output left.
#[must_use]
pub fn reader_left(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref().is_some_and(Unwritten::reader_left)
}

/// Writes a line to standard output.
///
/// # Errors
/// If it cannot be written.
pub fn say(line: impl Display) -> Result<(), Unwritten> {
    put(format_args!("{line}\n"))
}

/// Writes text that has its own line ends to standard output.
///
/// # Errors
/// If it cannot be written.
pub fn put(text: impl Display) -> Result<(), Unwritten> {
    let mut out = io::stdout().lock();
    write!(out, "{text}")?;
    // What has no line end yet would be written, and its error lost, when the program ends.
    Ok(out.flush()?)
}

/// Writes a line to standard error. If nobody reads it, it is lost: a server must not end because its log
/// does.
pub fn log(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
