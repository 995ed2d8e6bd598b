//! CSV tables: one sample a row, by the `csv` crate.

mod lines;

use std::io::BufRead;

use csv::{ByteRecord, ErrorKind, ReaderBuilder, Terminator, Trim};

use super::{DataError, MAX_ELEMENTS, Tensor, Values};
use lines::Lines;

/// Longest cell that an error quotes, in characters.
const QUOTED: usize = 40;

const EXPECTED: &str = "one sample a row, as comma-separated numbers";

/// Reads a table of comma-separated numbers as `[rows, columns]`; `name` is for errors.
///
/// The first row is a heading if none of its cells is a number. Lines that start with `#` and blank lines are skipped;
/// cells may be quoted. The values are integers if every cell is one.
///
/// # Errors
/// [`DataError::Cell`] and [`DataError::Row`] with the line; [`DataError::Format`] if there is no row of numbers.
pub fn read(reader: impl BufRead, name: &str) -> Result<Tensor, DataError> {
    let format = |found: String| DataError::Format { name: name.into(), found, expected: EXPECTED };
    let mut table = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .terminator(Terminator::Any(b'\n'))
        .from_reader(Lines::new(reader));
    let mut cells = Cells::Integers(Vec::new());
    let mut shape = None;
    let mut first = true;
    let mut row = ByteRecord::new();
    loop {
        table.get_mut().next_row();
        let there = table.read_byte_record(&mut row).map_err(|e| match e.into_kind() {
            ErrorKind::Io(source) => match lines::found(&source) {
                Some(found) => format(found),
                None => DataError::Read { name: name.into(), source },
            },
            other => format(format!("{other:?}")),
        })?;
        if !there {
            break;
        }
        let line = table.get_ref().line();
        if std::mem::replace(&mut first, false) && row.iter().all(|cell| number(cell).is_none()) {
            continue;
        }
        let found = row.len();
        let (rows, columns) = shape.unwrap_or((0, found));
        if found != columns {
            return Err(DataError::Row { name: name.into(), line, found, expected: columns });
        }
        shape = Some((rows + 1, columns));
        if (rows + 1) as u64 * columns as u64 > MAX_ELEMENTS {
            let shape = vec![rows as u64 + 1, columns as u64];
            return Err(DataError::TooLarge { name: name.into(), shape, limit: MAX_ELEMENTS });
        }
        for (i, cell) in row.iter().enumerate() {
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

#[derive(Clone, Copy)]
enum Number {
    Integer(i64),
    Real(f64),
}

fn number(cell: &[u8]) -> Option<Number> {
    // Quotes behind a blank are a part of the cell to the csv crate.
    let bare = cell.strip_prefix(b"\"").and_then(|cell| cell.strip_suffix(b"\"")).unwrap_or(cell);
    let text = std::str::from_utf8(bare).ok()?;
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
