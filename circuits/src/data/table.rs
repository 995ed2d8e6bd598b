//! CSV tables: one sample a row.

use std::io::Read;

use csv::{ByteRecord, ReaderBuilder, Trim};

use super::{DataError, MAX_ELEMENTS, Tensor, Values};

/// Longest cell that an error quotes, in characters.
const QUOTED: usize = 40;

/// Reads a table of comma-separated numbers as `[rows, columns]`; `name` is for errors.
///
/// The first row is a heading if none of its cells is a number. Lines that start with `#` and blank lines are skipped.
/// The values are integers if every cell is one.
///
/// # Errors
/// [`DataError::Cell`] and [`DataError::Row`] with the line; [`DataError::Format`] if there is no row of numbers.
pub fn read(reader: impl Read, name: &str) -> Result<Tensor, DataError> {
    let mut table =
        ReaderBuilder::new().has_headers(false).flexible(true).comment(Some(b'#')).trim(Trim::All).from_reader(reader);
    let table_error = |source| DataError::Table { name: name.into(), source };
    let mut row = ByteRecord::new();
    let mut columns = None;
    let mut rows = 0;
    let mut cells = Cells::Integers(Vec::new());
    let mut first = true;
    while table.read_byte_record(&mut row).map_err(table_error)? {
        let is_heading = std::mem::replace(&mut first, false) && row.iter().all(|cell| number(cell).is_none());
        if is_heading {
            continue;
        }
        let line = row.position().map_or(0, csv::Position::line);
        let expected = *columns.get_or_insert(row.len());
        if row.len() != expected {
            return Err(DataError::Row { name: name.into(), line, found: row.len(), expected });
        }
        rows += 1;
        if rows as u64 * expected as u64 > MAX_ELEMENTS {
            let shape = vec![rows as u64, expected as u64];
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
    let Some(columns) = columns else {
        let expected = "one sample a row, as comma-separated numbers";
        return Err(DataError::Format { name: name.into(), found: "no row of numbers".into(), expected });
    };
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
