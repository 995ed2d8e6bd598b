//! NumPy's `.npy` files (NEP 1; format versions 1.0, 2.0 and 3.0).
//!
//! ```text
//! 93 "NUMPY" major minor length "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }" data
//! ```
//!
//! The header is parsed by a grammar of just these three keys rather than as a Python literal: hostile literals nest
//! deeply, and shapes overflow. So every `dtype` with fields, objects, text or complex numbers is refused.

use std::io::{BufWriter, Read, Write};
use std::path::Path;

use nom::branch::alt;
use nom::bytes::complete::{tag, take_until};
use nom::character::complete::{multispace0, u64 as decimal};
use nom::combinator::{eof, opt, value};
use nom::multi::separated_list0;
use nom::sequence::{delimited, preceded, terminated};
use nom::{IResult, Parser};

use super::{DataError, MAX_ELEMENTS, Tensor, Values};

const MAGIC: &[u8] = b"\x93NUMPY";

/// Longest header that is read; NumPy itself refuses more than 10,000 bytes.
const MAX_HEADER: u64 = 1 << 16;

/// Most axes; NumPy allows 64.
const MAX_AXES: usize = 64;

const SUPPORTED: &str = "an .npy file of a bool, integer or floating-point dtype (u1 to u8, i1 to i8, f2 to f8), as np.save writes it";

/// Reads one array; `name` is for errors.
///
/// Any byte order; Fortran order is turned into row-major order. The reader must end with the array.
///
/// # Errors
/// [`DataError`]: no `.npy` file, an unsupported dtype, too many elements, or data of another length.
pub fn read(mut reader: impl Read, name: &str) -> Result<Tensor, DataError> {
    let io = |source| DataError::Read { name: name.into(), source };
    let mut collect = |bytes: u64| {
        let mut buffer = Vec::new();
        (&mut reader).take(bytes).read_to_end(&mut buffer).map(|_| buffer).map_err(io)
    };
    let format = |found: String| DataError::Format { name: name.into(), found, expected: SUPPORTED };

    let start = collect(8)?;
    let length_bytes = match start.strip_prefix(MAGIC) {
        Some([1, 0]) => 2,
        Some([2 | 3, 0]) => 4,
        Some([major, minor]) => return Err(format(format!("format version {major}.{minor}"))),
        _ => return Err(format("a file that does not start like one".into())),
    };
    let length = collect(length_bytes)?;
    if (length.len() as u64) < length_bytes {
        return Err(format("a file that ends in its header".into()));
    }
    let length = little_endian(&length);
    if length > MAX_HEADER {
        return Err(format(format!("a header of {length} bytes")));
    }
    let text = collect(length)?;
    if (text.len() as u64) < length {
        return Err(format("a file that ends in its header".into()));
    }
    let text = String::from_utf8_lossy(&text);
    let header = header(&text)
        .map_err(|_| format(format!("the header {:?}", text.trim().chars().take(120).collect::<String>())))?;
    let dtype = Dtype::of(&header.descr).ok_or_else(|| format(format!("dtype {:?}", header.descr)))?;

    let count = header.shape.iter().try_fold(1u64, |n, &side| n.checked_mul(side));
    let (Some(count @ 0..=MAX_ELEMENTS), 0..=MAX_AXES) = (count, header.shape.len()) else {
        return Err(DataError::TooLarge { name: name.into(), shape: header.shape, limit: MAX_ELEMENTS });
    };
    let expected = count * dtype.size as u64;
    // Grows as bytes come; one byte more tells data that is too long.
    let data = collect(expected + 1)?;
    if data.len() as u64 != expected {
        let found = data.len() as u64;
        return Err(DataError::Length { name: name.into(), shape: header.shape, found, expected });
    }
    let mut shape = Vec::new();
    for &side in &header.shape {
        // An axis of length 0 hides axes of any length behind it.
        shape.push(usize::try_from(side).map_err(|_| format(format!("an axis of length {side}")))?);
    }
    let values = dtype.decode(data).ok_or_else(|| format("an integer above 2^63 - 1".into()))?;
    let values = if header.fortran_order { row_major(values, &shape) } else { values };
    Ok(Tensor::new(shape, values).expect("the data has the length of the shape"))
}

struct Header {
    descr: String,
    fortran_order: bool,
    shape: Vec<u64>,
}

enum Entry {
    Descr(String),
    FortranOrder(bool),
    Shape(Vec<u64>),
}

/// A token and the white space after it.
fn token<'t>(
    text: &'static str,
) -> impl Parser<&'t str, Output = &'t str, Error = nom::error::Error<&'t str>> {
    terminated(tag(text), multispace0)
}

fn string(input: &str) -> IResult<&str, &str> {
    let quoted = alt((
        delimited(tag("'"), take_until("'"), tag("'")),
        delimited(tag("\""), take_until("\""), tag("\"")),
    ));
    terminated(quoted, multispace0).parse(input)
}

fn entry(input: &str) -> IResult<&str, Entry> {
    let (rest, key) = terminated(string, token(":")).parse(input)?;
    match key {
        "descr" => string.map(|s| Entry::Descr(s.into())).parse(rest),
        "fortran_order" => alt((value(true, token("True")), value(false, token("False"))))
            .map(Entry::FortranOrder)
            .parse(rest),
        "shape" => {
            // Python 2 wrote some lengths as `3L`.
            let side = terminated(decimal, (opt(tag("L")), multispace0));
            let sides = separated_list0(token(","), side);
            delimited(token("("), sides, (opt(token(",")), token(")"))).map(Entry::Shape).parse(rest)
        }
        _ => Err(nom::Err::Error(nom::error::Error::new(input, nom::error::ErrorKind::Tag))),
    }
}

fn header(text: &str) -> Result<Header, ()> {
    let entries = separated_list0(token(","), entry);
    let mut dict = delimited(token("{"), entries, (opt(token(",")), token("}"), eof));
    let (_, entries) = preceded(multispace0, |i| dict.parse(i)).parse(text).map_err(|_| ())?;
    let (mut descr, mut order, mut shape) = (None, None, None);
    for entry in entries {
        let repeated = match entry {
            Entry::Descr(d) => descr.replace(d).is_some(),
            Entry::FortranOrder(f) => order.replace(f).is_some(),
            Entry::Shape(s) => shape.replace(s).is_some(),
        };
        if repeated {
            return Err(());
        }
    }
    match (descr, order, shape) {
        (Some(descr), Some(fortran_order), Some(shape)) => Ok(Header { descr, fortran_order, shape }),
        _ => Err(()),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bool,
    Unsigned,
    Signed,
    Float,
}

/// A number's form in the file.
struct Dtype {
    kind: Kind,
    /// Bytes of one number.
    size: usize,
    big_endian: bool,
}

impl Dtype {
    /// `<f4` and the like.
    fn of(descr: &str) -> Option<Self> {
        let (big_endian, rest) = match descr.split_at_checked(1)? {
            (">", rest) => (true, rest),
            // `=` is the order of the machine, and NumPy's machines that are in use are little-endian.
            ("<" | "|" | "=", rest) => (false, rest),
            _ => return None,
        };
        let (kind, size) = match rest {
            "b1" | "?" => (Kind::Bool, 1),
            "u1" => (Kind::Unsigned, 1),
            "u2" => (Kind::Unsigned, 2),
            "u4" => (Kind::Unsigned, 4),
            "u8" => (Kind::Unsigned, 8),
            "i1" => (Kind::Signed, 1),
            "i2" => (Kind::Signed, 2),
            "i4" => (Kind::Signed, 4),
            "i8" => (Kind::Signed, 8),
            "f2" => (Kind::Float, 2),
            "f4" => (Kind::Float, 4),
            "f8" => (Kind::Float, 8),
            _ => return None,
        };
        Some(Self { kind, size, big_endian })
    }

    /// The numbers of `data`; `None` if one is too large for `i64`.
    fn decode(&self, data: Vec<u8>) -> Option<Values> {
        if (self.kind, self.size) == (Kind::Unsigned, 1) {
            return Some(Values::Bytes(data));
        }
        let words = data.chunks_exact(self.size).map(|chunk| {
            if self.big_endian {
                chunk.iter().fold(0, |w, &b| w << 8 | u64::from(b))
            } else {
                little_endian(chunk)
            }
        });
        Some(match self.kind {
            Kind::Bool => Values::Bytes(data.iter().map(|&b| u8::from(b != 0)).collect()),
            Kind::Unsigned => Values::Integers(words.map(|w| i64::try_from(w).ok()).collect::<Option<_>>()?),
            Kind::Signed => {
                let unused = 64 - 8 * self.size as u32;
                Values::Integers(words.map(|w| (w << unused) as i64 >> unused).collect())
            }
            Kind::Float => Values::Reals(match self.size {
                2 => words.map(|w| half(w as u16)).collect(),
                4 => words.map(|w| f32::from_bits(w as u32).into()).collect(),
                _ => words.map(f64::from_bits).collect(),
            }),
        })
    }
}

/// Up to 8 bytes as a number, least significant first.
fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |w, &b| w << 8 | u64::from(b))
}

/// The value of an IEEE 754 half-precision number: 1 sign bit, 5 bits of exponent, 10 bits of fraction.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

/// Moves values from Fortran order (first axis fastest) to row-major order.
fn row_major(values: Values, shape: &[usize]) -> Values {
    fn reorder<T: Copy>(from: &[T], shape: &[usize]) -> Vec<T> {
        let strides: Vec<usize> = shape
            .iter()
            .scan(1usize, |stride, &side| Some(std::mem::replace(stride, stride.saturating_mul(side))))
            .collect();
        let mut index = vec![0usize; shape.len()];
        let mut at = 0;
        let mut to = Vec::with_capacity(from.len());
        for _ in 0..from.len() {
            to.push(from[at]);
            for axis in (0..shape.len()).rev() {
                index[axis] += 1;
                at += strides[axis];
                if index[axis] < shape[axis] {
                    break;
                }
                at -= strides[axis] * shape[axis];
                index[axis] = 0;
            }
        }
        to
    }
    match values {
        Values::Bytes(v) => Values::Bytes(reorder(&v, shape)),
        Values::Integers(v) => Values::Integers(reorder(&v, shape)),
        Values::Reals(v) => Values::Reals(reorder(&v, shape)),
    }
}

/// A number that is written to `.npy` files.
pub trait NpyElement: Copy {
    /// NumPy's name of the type, little-endian.
    const DESCR: &'static str;

    /// Appends the number's bytes, least significant first.
    fn append(self, to: &mut Vec<u8>);
}

impl NpyElement for u8 {
    const DESCR: &'static str = "|u1";
    fn append(self, to: &mut Vec<u8>) {
        to.push(self);
    }
}

impl NpyElement for i64 {
    const DESCR: &'static str = "<i8";
    fn append(self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.to_le_bytes());
    }
}

impl NpyElement for f32 {
    const DESCR: &'static str = "<f4";
    fn append(self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.to_le_bytes());
    }
}

impl NpyElement for f64 {
    const DESCR: &'static str = "<f8";
    fn append(self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.to_le_bytes());
    }
}

/// Writes `values`, in row-major order, as an `.npy` file of version 1.0.
///
/// # Errors
/// [`DataError::Write`].
///
/// # Panics
/// If the shape does not have as many elements as there are values.
pub fn write_npy<T: NpyElement>(path: &Path, values: &[T], shape: &[usize]) -> Result<(), DataError> {
    let write = || {
        let mut file = BufWriter::new(std::fs::File::create(path)?);
        write_to(&mut file, values, shape)?;
        file.flush()
    };
    write().map_err(|source| DataError::Write { name: path.display().to_string(), source })
}

/// [`write_npy`] to any writer.
///
/// # Errors
/// What the writer says.
///
/// # Panics
/// If the shape does not have as many elements as there are values.
pub fn write_to<T: NpyElement>(mut writer: impl Write, values: &[T], shape: &[usize]) -> std::io::Result<()> {
    assert_eq!(
        shape.iter().product::<usize>(),
        values.len(),
        "the shape has as many elements as there are values"
    );
    let sides: String = shape.iter().map(|side| format!("{side}, ")).collect();
    // A tuple of one keeps its comma in Python.
    let sides = if shape.len() == 1 { sides.trim_end() } else { sides.trim_end_matches(", ") };
    let mut header = format!("{{'descr': '{}', 'fortran_order': False, 'shape': ({sides}), }}", T::DESCR);
    // Padded so that the data starts at a multiple of 64 bytes, which lets NumPy map it into memory.
    let padding = 63 - (MAGIC.len() + 4 + header.len()) % 64;
    header.extend(std::iter::repeat_n(' ', padding));
    header.push('\n');
    let length = u16::try_from(header.len()).expect("an array has few axes").to_le_bytes();
    writer.write_all(MAGIC)?;
    writer.write_all(&[1, 0])?;
    writer.write_all(&length)?;
    writer.write_all(header.as_bytes())?;
    let mut buffer = Vec::new();
    for chunk in values.chunks(1 << 12) {
        buffer.clear();
        chunk.iter().for_each(|v| v.append(&mut buffer));
        writer.write_all(&buffer)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_follows_ieee_754() {
        assert_eq!(half(0x3c00), 1.0);
        assert_eq!(half(0xc000), -2.0);
        assert_eq!(half(0x7bff), 65504.0);
        assert_eq!(half(0x0001), 2f64.powi(-24));
        assert_eq!(half(0x0400), 2f64.powi(-14));
        assert_eq!(half(0x3555), 0.333_251_953_125);
        assert!(half(0x8000) == 0.0 && half(0x8000).is_sign_negative());
        assert!(half(0xfc00) == f64::NEG_INFINITY && half(0x7e00).is_nan());
        // Rising bits are rising values, subnormal numbers included.
        assert!((0..0x7c00u16).all(|b| half(b) < half(b + 1)));
    }

    #[test]
    fn headers_of_every_writer_are_read_and_no_others() {
        let shape = |text: &str| header(text).ok().map(|h| h.shape);
        assert_eq!(
            shape("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }   \n"),
            Some(vec![3, 4])
        );
        assert_eq!(shape("{\"shape\":(3,),\"descr\":\"<f4\",\"fortran_order\":True}"), Some(vec![3]));
        assert_eq!(shape("{'descr': '<f4', 'fortran_order': False, 'shape': (3L, 4L)}"), Some(vec![3, 4]));
        assert_eq!(shape("{'descr': '<f4', 'fortran_order': False, 'shape': ()}"), Some(vec![]));
        for bad in [
            "",
            "{}",
            "{'descr': '<f4', 'fortran_order': False}",
            "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': ()}",
            "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}",
            "{'descr': '<f4', 'fortran_order': 0, 'shape': ()}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551616,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'more': 1}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)} 1",
        ] {
            assert!(header(bad).is_err(), "{bad}");
        }
        assert!(header(&"(".repeat(60_000)).is_err());
    }
}
