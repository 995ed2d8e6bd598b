//! The lines of a table for the `csv` crate, one a call, with the number that each has in the file.
//!
//! The crate's own count (`ByteRecord::position().line()`) is where it began to look for the record: the line
//! behind the record before, which is a blank line or a comment if one follows, and with `\r\n` the line
//! before. Handed line by line, a record is what came last.

use std::io::{self, BufRead, Read};

/// Longest line that is read, in bytes: about four million numbers.
const MAX_LINE: u64 = 1 << 26;

/// Gives a table's lines without blank ones, those that start with `#`, and a byte order mark.
pub struct Lines<R> {
    reader: R,
    line: u64,
    text: Vec<u8>,
    /// Bytes of the line that were given.
    given: usize,
    /// Whether a line was given for the row that is being read.
    in_row: bool,
}

impl<R: BufRead> Lines<R> {
    pub fn new(reader: R) -> Self {
        Self { reader, line: 0, text: Vec::new(), given: 0, in_row: false }
    }

    /// Says that a row begins.
    pub fn next_row(&mut self) {
        self.in_row = false;
    }

    /// The number of the line that was given last, counted from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Reads the next line that is none of those left out; an empty one at the end.
    fn next(&mut self) -> io::Result<()> {
        loop {
            self.text.clear();
            self.given = 0;
            let length = (&mut self.reader).take(MAX_LINE + 1).read_until(b'\n', &mut self.text)?;
            if length == 0 {
                return Ok(());
            }
            self.line += 1;
            if length as u64 > MAX_LINE {
                return Err(wrong(format!("a line {} of more than {MAX_LINE} bytes", self.line)));
            }
            // Spreadsheets start a file with a byte order mark.
            if self.line == 1 && self.text.starts_with(b"\xef\xbb\xbf") {
                self.text.drain(..3);
            }
            let row = self.text.trim_ascii();
            if row.is_empty() || row.starts_with(b"#") {
                continue;
            }
            if !self.text.ends_with(b"\n") {
                self.text.push(b'\n');
            }
            return Ok(());
        }
    }
}

impl<R: BufRead> Read for Lines<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.given == self.text.len() {
            let begun = self.line;
            let in_row = std::mem::replace(&mut self.in_row, true);
            self.next()?;
            if in_row {
                // A row is a line, so that one quote does not swallow the rest of a file.
                return Err(wrong(format!("a quote in line {begun} that does not end there")));
            }
        }
        let length = out.len().min(self.text.len() - self.given);
        out[..length].copy_from_slice(&self.text[self.given..][..length]);
        self.given += length;
        Ok(length)
    }
}

/// A table that is not as it should be, as an error that gets through the csv crate.
fn wrong(found: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, Wrong(found))
}

/// What [`Lines`] found wrong, if that is the error.
pub fn found(error: &io::Error) -> Option<String> {
    error.get_ref().and_then(|inner| inner.downcast_ref::<Wrong>()).map(|wrong| wrong.0.clone())
}

#[derive(Debug)]
struct Wrong(String);

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Wrong {}
