//! Bristol files: the text formats in which Boolean circuits are exchanged.
//!
//! Two dialects are read and written. *Fashion* (Archer, Abril, Lu, Maene, Mertens, Sijacic, Smart: `'Bristol Fashion'
//! MPC Circuits`) and the older *classic* format of the University of Bristol (Tillich, Smart: `Circuits of Basic
//! Functions Suitable For MPC and FHE`):
//!
//! ```text
//! Fashion                              classic
//! gates wires                          gates wires
//! input-groups bits bits ...           bits-of-input-1 bits-of-input-2 bits-of-output
//! output-groups bits bits ...
//!
//! 2 1 a b out AND                      2 1 a b out AND
//! 2 1 a b out XOR                      2 1 a b out XOR
//! 2 1 a b out OR                       2 1 a b out OR
//! 1 1 a out INV                        1 1 a out INV        (also written NOT)
//! 1 1 0-or-1 out EQ                    (out = constant)
//! 1 1 a out EQW                        (out = a)
//! 2n n a1..an b1..bn o1..on MAND       (oi = ai & bi; one gate in the header's count)
//! ```
//!
//! Inputs are the first wires and outputs the last ones, group after group. The order of the bits inside a
//! group is not part of the format: it differs from file to file. Neither dialect's definition has OR, NOT
//! and comments (`//` or `#`, to the end of the line), but files that people pass around do. They are read,
//! and never written.
//!
//! **Which dialect.** The third line that is not blank decides: only digits and it is Fashion's line of output groups; a
//! gate, or nothing, and the file is classic. No valid file can be taken for the other kind, with or without the blank
//! line, because a gate line always ends in a name.
//!
//! **What is trusted.** Nothing. Numbers in the header allocate nothing; a line has at most [`MAX_LINE`] bytes; and a
//! file may declare at most [`SPARE_WIRES`] more wires than it has bytes. A wire that some gate names takes two bytes at
//! least, so a file that names its wires stays below half of that.

mod line;
mod or;
pub mod parse;
pub mod print;
#[cfg(test)]
mod tests;

use std::path::Path;

pub use parse::{MAX_LINE, Parsed, SPARE_WIRES, read};
pub use print::{GateWriter, Options, write, write_classic_header, write_header};

/// The two formats.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Dialect {
    /// Bristol Fashion: any number of input and output groups; gates AND, XOR, INV, EQ, EQW and MAND.
    #[default]
    Fashion,
    /// The older format: two input groups, one output group; gates AND, XOR and INV.
    Classic,
}

/// Why a Bristol file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BristolError {
    /// The file could not be opened or read.
    #[error("{name}: cannot be read")]
    Read {
        /// The file.
        name: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is compressed.
    #[error("{name}: the file is compressed with {format}, expected text; unpack it first with `{tool}`")]
    Compressed {
        /// The file.
        name: String,
        /// The kind of compression, told by the first bytes.
        format: &'static str,
        /// A command that unpacks it.
        tool: &'static str,
    },
    /// A line breaks a rule of the format or of [`crate::verify`].
    #[error("{name}, line {line}: {problem}")]
    Line {
        /// The file.
        name: String,
        /// The line, counted from 1.
        line: u64,
        /// The rule; boxed, since errors are returned from everywhere and this one is large.
        problem: Box<Problem>,
    },
    /// Writing failed.
    #[error("the circuit cannot be written")]
    Write {
        /// Why.
        #[from]
        source: std::io::Error,
    },
    /// A constant is made of an input (`0 = w ^ w`), and there is none.
    #[error(
        "the circuit has a constant and no input to make it of with XOR and INV, expected one input bit or more; \
         write it with EQ gates"
    )]
    ConstantWithoutInput,
    /// The classic header has room for two input groups.
    #[error(
        "the circuit has {found} input groups, the classic format holds at most 2; write it in Bristol Fashion"
    )]
    ClassicGroups {
        /// Input groups.
        found: usize,
    },
    /// The classic format has no EQ, EQW and MAND.
    #[error(
        "EQ, EQW and MAND gates were asked for, the classic format has none; write it in Bristol Fashion"
    )]
    ClassicExtended,
}

/// What is wrong with a line.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Not a text file.
    #[error("byte 0x{byte:02x} in column {column} is not text, expected digits, gate names and blanks")]
    NotText {
        /// The byte.
        byte: u8,
        /// Its place in the line, counted from 1.
        column: usize,
    },
    /// The line goes on and on.
    #[error("the line has more than {limit} bytes")]
    LineTooLong {
        /// Longest line that is read.
        limit: usize,
    },
    /// A token is neither a number nor a name in its place.
    #[error("found {token:?}, expected {expected}")]
    Junk {
        /// The token, shortened.
        token: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// A number is too large.
    #[error("number {token} is too large, expected at most {limit}")]
    NumberTooLarge {
        /// The number, shortened.
        token: String,
        /// Largest number allowed there.
        limit: u64,
    },
    /// A header line is missing.
    #[error("the file ends here, expected {expected}")]
    HeaderMissing {
        /// What the missing line says.
        expected: &'static str,
    },
    /// A header line has too few or too many numbers.
    #[error("found {found} numbers, expected {expected}")]
    HeaderNumbers {
        /// Numbers on the line.
        found: usize,
        /// What the line says.
        expected: &'static str,
    },
    /// A line of groups does not list as many groups as it says.
    #[error("the line declares {declared} {side} groups and lists {found}")]
    Groups {
        /// `input` or `output`.
        side: &'static str,
        /// The line's first number.
        declared: u64,
        /// Numbers after it.
        found: usize,
    },
    /// More wires than the file can name.
    #[error("{wires} wires are declared, expected at most {limit} in a file of {bytes} bytes")]
    TooManyWires {
        /// Declared wires.
        wires: u64,
        /// Most wires for this file.
        limit: u64,
        /// Length of the file.
        bytes: u64,
    },
    /// Groups exceed the wires.
    #[error("the {side} groups hold {bits} bits, more than the {wires} wires that are declared")]
    TooManyBits {
        /// `input` or `output`.
        side: &'static str,
        /// Bits of all groups.
        bits: u64,
        /// Declared wires.
        wires: u32,
    },
    /// A gate that the dialect does not have.
    #[error("unknown gate {found:?}, expected {expected}")]
    UnknownGate {
        /// The name found.
        found: String,
        /// The dialect's gates.
        expected: &'static str,
    },
    /// A gate line without a name.
    #[error("the line names no gate, expected {expected} at its end")]
    NoGate {
        /// The dialect's gates.
        expected: &'static str,
    },
    /// A gate line's first two numbers do not fit its gate.
    #[error("a line of {gate} starts with {inputs} {outputs}, expected {expected}")]
    Arity {
        /// The gate.
        gate: &'static str,
        /// Declared inputs.
        inputs: u64,
        /// Declared outputs.
        outputs: u64,
        /// The numbers that fit.
        expected: &'static str,
    },
    /// A gate line names too few or too many wires.
    #[error("the line of {gate} has {found} numbers, expected {expected}")]
    GateNumbers {
        /// The gate.
        gate: &'static str,
        /// Numbers on the line, the two counts included.
        found: usize,
        /// Numbers that its counts ask for.
        expected: u64,
    },
    /// EQ of something that is not a bit.
    #[error("EQ sets a wire to {found}, expected the constant 0 or 1")]
    Constant {
        /// The number found.
        found: u64,
    },
    /// More gate lines than declared.
    #[error("the header declares {declared} gates, this is one more")]
    TooManyGates {
        /// Declared gates.
        declared: u64,
    },
    /// Fewer gate lines than declared.
    #[error("the file ends after {found} gates, the header declares {declared}")]
    TooFewGates {
        /// Declared gates.
        declared: u64,
        /// Gates read.
        found: u64,
    },
    /// There is nothing to compute.
    #[error("the circuit has no output bits, expected one or more: nothing would be computed")]
    NoOutputs,
    /// A wire that does not exist.
    #[error("wire {wire} is out of range, the header declares {wires} wires")]
    OutOfRange {
        /// The wire.
        wire: u32,
        /// Declared wires.
        wires: u32,
    },
    /// A wire is read too early.
    #[error("wire {wire} is read before it is defined, expected the gates in topological order")]
    Undefined {
        /// The wire.
        wire: u32,
    },
    /// A wire has two definitions.
    #[error("wire {wire} is already defined, expected one definition of each wire")]
    DefinedTwice {
        /// The wire.
        wire: u32,
    },
    /// An output has no definition.
    #[error("the file ends and output wire {wire} is not defined")]
    OutputUndefined {
        /// The wire.
        wire: u32,
    },
}

/// Whether a file that begins so is to be read as a netlist: it begins with a number or a comment, behind
/// blanks and a byte order mark of UTF-8, or is compressed as netlists are passed around. No file of Keras,
/// and no package, begins so.
#[must_use]
pub fn is_begun_by(start: &[u8]) -> bool {
    let text = start.strip_prefix(parse::BYTE_ORDER_MARK).unwrap_or(start).trim_ascii_start();
    let is_compressed = parse::COMPRESSED.iter().any(|(magic, ..)| start.starts_with(magic));
    is_compressed || text.starts_with(b"//") || text.first().is_some_and(|b| b.is_ascii_digit() || *b == b'#')
}

/// Reads a Bristol file of either dialect from disk.
///
/// # Errors
/// [`BristolError`], with the path and the line; a compressed file (`.txt.zst`, `.txt.gz`) is refused by its first bytes.
pub fn read_path(path: &Path) -> Result<Parsed, BristolError> {
    let name = path.display().to_string();
    let file =
        std::fs::File::open(path).map_err(|source| BristolError::Read { name: name.clone(), source })?;
    read(std::io::BufReader::with_capacity(1 << 16, file), &name)
}
