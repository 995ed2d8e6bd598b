//! CSV tables: one sample a row.

use std::io::{BufRead, Read};

use super::{DataError, MAX_ELEMENTS, Tensor, Values};

/// Longest line that is read, in bytes: about four million numbers.
const MAX_LINE: u64 = 1 << 26;

/// Longest cell that an error quotes, in characters.
const QUOTED: usize = 40;

const EXPECTED: &str = "one sample a row, as comma-separated numbers";

/// Reads a table of comma-separated numbers as `[rows, columns]`; `name` is for errors.
///
/// The first row is a heading if none of its cells is a number. Lines that start with `#` and blank lines are skipped;
/// cells may be quoted. The values are integers if every cell is one. Lines are split here, not by a general CSV reader:
/// those count lines by the records before, which is wrong after a blank line, and a number needs none of their quoting.
///
/// # Errors
/// [`DataError::Cell`] and [`DataError::Row`] with the line; [`DataError::Format`] if there is no row of numbers.
pub fn read(mut reader: impl BufRead, name: &str) -> Result<Tensor, DataError> {
    let format = |found: String| DataError::Format { name: name.into(), found, expected: EXPECTED };
    let mut cells = Cells::Integers(Vec::new());
    let mut shape = None;
    let mut first = true;
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        let length = (&mut reader)
            .take(MAX_LINE + 1)
            .read_until(b'\n', &mut text)
            .map_err(|source| DataError::Read { name: name.into(), source })?;
        if length == 0 {
            break;
        }
        if length as u64 > MAX_LINE {
            return Err(format(format!("a line {line} of more than {MAX_LINE} bytes")));
        }
        // Spreadsheets start a file with a byte order mark.
        let row = text.strip_prefix(b"\xef\xbb\xbf").filter(|_| line == 1).unwrap_or(&text).trim_ascii();
        if row.is_empty() || row.starts_with(b"#") {
            continue;
        }
        if std::mem::replace(&mut first, false) && split(row).all(|cell| number(cell).is_none()) {
            continue;
        }
        let found = split(row).count();
        let (rows, columns) = shape.unwrap_or((0, found));
        if found != columns {
            return Err(DataError::Row { name: name.into(), line, found, expected: columns });
        }
        shape = Some((rows + 1, columns));
        if (rows + 1) as u64 * columns as u64 > MAX_ELEMENTS {
            let shape = vec![rows as u64 + 1, columns as u64];
            return Err(DataError::TooLarge { name: name.into(), shape, limit: MAX_ELEMENTS });
        }
        for (i, cell) in split(row).enumerate() {
            let number = number(cell).ok_or_else(|| DataError::Cell {
                name: name.into(),
                line,
                column: i + 1,
                found: String::from_utf8_lossy(cell).chars().take(QUOTED).collect(),
            })?;
            cells.push(number);
        }
    }
    let (rows, columns) = shape.ok_or_else(|| format("no row of numbers".into()))?;
    let values = match cells {
        Cells::Integers(v) => Values::Integers(v),
        Cells::Reals(v) => Values::Reals(v),
    };
    Ok(Tensor::new(vec![rows, columns], values).expect("every row has as many cells"))
}

/// The cells of a row, without blanks and quotes around them.
fn split(row: &[u8]) -> impl Iterator<Item = &[u8]> {
    row.split(|&b| b == b',').map(|cell| {
        let cell = cell.trim_ascii();
        let quoted = cell.strip_prefix(b"\"").and_then(|c| c.strip_suffix(b"\""));
        quoted.unwrap_or(cell)
    })
}

#[derive(Clone, Copy)]
enum Number {
    Integer(i64),
    Real(f64),
}

fn number(cell: &[u8]) -> Option<Number> {
    let text = std::str::from_utf8(cell).ok()?;
    text.parse().map(Number::Integer).or_else(|_| text.parse().map(Number::Real)).ok()
}

/// The numbers so far: integers until the first cell that is none.
enum Cells {
    Integers(Vec<i64>),
    Reals(Vec<f64>),
}

impl Cells {
    fn push(&mut self, number: Number) {
        match (&mut *self, number) {
            (Self::Integers(v), Number::Integer(n)) => v.push(n),
            (Self::Reals(v), Number::Integer(n)) => v.push(n as f64),
            (Self::Reals(v), Number::Real(x)) => v.push(x),
            (Self::Integers(v), Number::Real(x)) => {
                let reals = v.iter().map(|&n| n as f64).chain([x]).collect();
                *self = Self::Reals(reals);
            }
        }
    }
}
