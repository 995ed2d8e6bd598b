//! Reads Bristol files line by line.

use std::io::{BufRead, Read};

use super::line::{self, Name};
use super::{BristolError, Dialect, Problem, or};
use crate::netlist::{Gate, Gates, Netlist, WireId};
use crate::verify::NetlistError;

/// Longest line that is read, in bytes: a MAND of about 30,000 ANDs.
pub const MAX_LINE: usize = 1 << 20;

/// A file may declare this many wires more than it has bytes.
pub const SPARE_WIRES: u64 = 1 << 20;

const FASHION_GATES: &str = "AND, OR, XOR, INV (also written NOT), EQ, EQW or MAND";
const CLASSIC_GATES: &str = "AND, OR, XOR or INV (also written NOT)";

/// What some editors put at the start of a file to say that it is UTF-8.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A file that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parsed {
    /// The circuit. A MAND of n is n AND gates in its place, an OR an AND and two XORs. Wires have the file's
    /// numbers as long as it has no OR: each takes two wires more, which come in front of the outputs.
    pub netlist: Netlist,
    /// The dialect that the file is written in.
    pub dialect: Dialect,
}

/// Reads a file of either dialect; `name` is for errors.
///
/// Line ends may be `\n` or `\r\n`, the last may be missing; blanks may be tabs and stand anywhere between
/// tokens; blank lines and comments (`//` or `#`, to the end of the line) may stand anywhere; a byte order
/// mark of UTF-8 may come first. Memory grows with the bytes read, whatever the header says.
///
/// # Errors
/// [`BristolError`] with the line. Rules of a single line come first: the rules about wires ([`crate::verify`]) are
/// checked once all lines are read.
pub fn read(mut reader: impl BufRead, name: &str) -> Result<Parsed, BristolError> {
    let start = reader.fill_buf().map_err(|source| BristolError::Read { name: name.into(), source })?;
    for (magic, format, tool) in COMPRESSED {
        if start.starts_with(magic) {
            return Err(BristolError::Compressed { name: name.into(), format, tool });
        }
    }
    let mut lines =
        Lines { reader, name, line: Vec::new(), number: 0, bytes: 0, numbers: Vec::new(), gate: None };
    read_lines(&mut lines)
}

/// First bytes, name and tool of the compressions that circuits are passed around in.
pub(super) const COMPRESSED: [(&[u8], &str, &str); 2] =
    [(&[0x28, 0xb5, 0x2f, 0xfd], "zstd", "zstd -d"), (&[0x1f, 0x8b], "gzip", "gunzip")];

fn read_lines<R: BufRead>(lines: &mut Lines<'_, R>) -> Result<Parsed, BristolError> {
    lines.header("the number of gates and the number of wires")?;
    let &[declared, wires] = &lines.numbers[..] else {
        return Err(lines.found_numbers("the number of gates and the number of wires"));
    };
    let counts_line = lines.number;
    let wires = lines.to_u32(wires)?;

    lines.header("the input groups")?;
    let (groups, groups_line) = (lines.numbers.clone(), lines.number);
    let mut more = lines.next()?;
    let dialect = if more && lines.gate.is_none() { Dialect::Fashion } else { Dialect::Classic };
    let mut outputs_line = lines.number;
    let (inputs, outputs) = match dialect {
        Dialect::Fashion => {
            let inputs = lines.groups("input", &groups, groups_line)?;
            let outputs = lines.groups("output", &lines.numbers, lines.number)?;
            more = lines.next()?;
            (inputs, outputs)
        }
        Dialect::Classic => {
            let &[first, second, out] = &groups[..] else {
                let expected = "2 input groups and 1 output group, for no line of output groups follows";
                return Err(lines.at(groups_line, Problem::HeaderNumbers { found: groups.len(), expected }));
            };
            let bits = |n| lines.to_u32_at(groups_line, n);
            outputs_line = groups_line;
            (vec![bits(first)?, bits(second)?], vec![bits(out)?])
        }
    };
    if outputs.iter().all(|&bits| bits == 0) {
        return Err(lines.at(outputs_line, Problem::NoOutputs));
    }

    let mut circuit =
        GateLines { dialect, gates: Gates::default(), ors: Vec::new(), origin: Vec::new(), found: 0 };
    while more {
        if circuit.found == declared {
            return Err(lines.here(Problem::TooManyGates { declared }));
        }
        circuit.push(lines)?;
        more = lines.next()?;
    }
    if circuit.found < declared {
        return Err(lines.here(Problem::TooFewGates { declared, found: circuit.found }));
    }
    let limit = lines.bytes.saturating_add(SPARE_WIRES);
    if u64::from(wires) > limit {
        let problem = Problem::TooManyWires { wires: wires.into(), limit, bytes: lines.bytes };
        return Err(lines.at(counts_line, problem));
    }
    let GateLines { gates, ors, origin, .. } = circuit;
    let netlist = Netlist::from_parts(wires, inputs, outputs, gates).map_err(|error| {
        let line = error.gate().map_or(lines.number, |gate| line_of(&origin, gate));
        match error {
            NetlistError::TooManyBits { side, bits, wires } => {
                lines.at(counts_line, Problem::TooManyBits { side, bits, wires })
            }
            NetlistError::OutOfRange { wire, wires, .. } => {
                lines.at(line, Problem::OutOfRange { wire, wires })
            }
            NetlistError::Undefined { wire, .. } => lines.at(line, Problem::Undefined { wire }),
            NetlistError::DefinedTwice { wire, .. } => lines.at(line, Problem::DefinedTwice { wire }),
            NetlistError::OutputUndefined { wire } => lines.at(line, Problem::OutputUndefined { wire }),
        }
    })?;
    let netlist = match or::expanded(netlist, &ors) {
        Some(netlist) => netlist,
        None => {
            let limit = u64::from(u32::MAX) - 2 * ors.len() as u64;
            let problem = Problem::NumberTooLarge { token: wires.to_string(), limit };
            return Err(lines.at(counts_line, problem));
        }
    };
    Ok(Parsed { netlist, dialect })
}

/// The lines of a file that are not blank, one at a time.
struct Lines<'n, R> {
    reader: R,
    name: &'n str,
    /// Bytes of the current line, without its end.
    line: Vec<u8>,
    /// Number of the current line, counted from 1.
    number: u64,
    /// Bytes read so far.
    bytes: u64,
    /// Numbers of the current line.
    numbers: Vec<u64>,
    /// Gate that ends the current line.
    gate: Option<Name>,
}

impl<R: BufRead> Lines<'_, R> {
    /// Moves to the next line that is not blank; false at the end of the file.
    fn next(&mut self) -> Result<bool, BristolError> {
        loop {
            self.line.clear();
            // One byte more than the longest line and its line feed tells a line that is too long.
            let mut limited = (&mut self.reader).take(MAX_LINE as u64 + 2);
            let length = limited
                .read_until(b'\n', &mut self.line)
                .map_err(|source| BristolError::Read { name: self.name.into(), source })?;
            if length == 0 {
                return Ok(false);
            }
            self.number += 1;
            self.bytes += length as u64;
            if self.number == 1 && self.line.starts_with(BYTE_ORDER_MARK) {
                self.line.drain(..BYTE_ORDER_MARK.len());
            }
            if self.line.last() == Some(&b'\n') {
                self.line.pop();
            }
            if self.line.len() > MAX_LINE {
                return Err(self.here(Problem::LineTooLong { limit: MAX_LINE }));
            }
            self.gate = match line::parse(&self.line, &mut self.numbers) {
                Ok(gate) => gate,
                Err(problem) => return Err(self.here(problem)),
            };
            if self.gate.is_some() || !self.numbers.is_empty() {
                return Ok(true);
            }
        }
    }

    /// Moves to the next line, which holds numbers only.
    fn header(&mut self, expected: &'static str) -> Result<(), BristolError> {
        if !self.next()? {
            return Err(self.here(Problem::HeaderMissing { expected }));
        }
        match &self.gate {
            None => Ok(()),
            Some(_) => {
                let token = String::from_utf8_lossy(&self.line).trim().chars().take(40).collect();
                Err(self.here(Problem::Junk { token, expected }))
            }
        }
    }
}

impl<R> Lines<'_, R> {
    fn at(&self, line: u64, problem: Problem) -> BristolError {
        BristolError::Line { name: self.name.into(), line, problem: Box::new(problem) }
    }

    /// An error at the current line; an empty file has a line 1 too.
    fn here(&self, problem: Problem) -> BristolError {
        self.at(self.number.max(1), problem)
    }

    fn found_numbers(&self, expected: &'static str) -> BristolError {
        self.here(Problem::HeaderNumbers { found: self.numbers.len(), expected })
    }

    fn to_u32_at(&self, line: u64, number: u64) -> Result<u32, BristolError> {
        u32::try_from(number).map_err(|_| {
            self.at(line, Problem::NumberTooLarge { token: number.to_string(), limit: u32::MAX.into() })
        })
    }

    fn to_u32(&self, number: u64) -> Result<u32, BristolError> {
        self.to_u32_at(self.number, number)
    }

    fn wire(&self, index: usize) -> Result<WireId, BristolError> {
        self.to_u32(self.numbers[index]).map(WireId)
    }

    /// Fashion's `count bits bits ...`.
    fn groups(&self, side: &'static str, numbers: &[u64], line: u64) -> Result<Vec<u32>, BristolError> {
        match numbers.split_first() {
            Some((&declared, bits)) if declared == bits.len() as u64 => {
                bits.iter().map(|&n| self.to_u32_at(line, n)).collect()
            }
            Some((&declared, bits)) => {
                Err(self.at(line, Problem::Groups { side, declared, found: bits.len() }))
            }
            None => Err(self.at(line, Problem::Groups { side, declared: 0, found: 0 })),
        }
    }
}

/// The gates read so far.
struct GateLines {
    dialect: Dialect,
    gates: Gates,
    /// Which of the ANDs are ORs in the file, in rising order.
    ors: Vec<usize>,
    /// `(gate, line)` wherever the next gate is not on the next line.
    origin: Vec<(usize, u64)>,
    /// Gate lines.
    found: u64,
}

impl GateLines {
    /// Appends the gates of the current line.
    fn push<R>(&mut self, lines: &Lines<'_, R>) -> Result<(), BristolError> {
        self.found += 1;
        let expected = match self.dialect {
            Dialect::Fashion => FASHION_GATES,
            Dialect::Classic => CLASSIC_GATES,
        };
        let unknown = |found: &str| lines.here(Problem::UnknownGate { found: found.into(), expected });
        let extended = self.dialect == Dialect::Fashion;
        match &lines.gate {
            None => Err(lines.here(Problem::NoGate { expected })),
            Some(Name::Unknown(name)) => Err(unknown(name)),
            Some(Name::And) => {
                let [a, b, out] = wires(lines, "AND", 2, "2 1")?;
                self.gate(lines.number, Gate::And { a, b, out });
                Ok(())
            }
            Some(Name::Or) => {
                let [a, b, out] = wires(lines, "OR", 2, "2 1")?;
                self.ors.push(self.gates.len());
                self.gate(lines.number, Gate::And { a, b, out });
                Ok(())
            }
            Some(Name::Xor) => {
                let [a, b, out] = wires(lines, "XOR", 2, "2 1")?;
                self.gate(lines.number, Gate::Xor { a, b, out });
                Ok(())
            }
            Some(Name::Inv) => {
                let [a, out] = wires(lines, "INV", 1, "1 1")?;
                self.gate(lines.number, Gate::Inv { a, out });
                Ok(())
            }
            Some(Name::Eq) if extended => {
                let [value, out] = wires(lines, "EQ", 1, "1 1")?;
                if value.0 > 1 {
                    return Err(lines.here(Problem::Constant { found: value.0.into() }));
                }
                self.gate(lines.number, Gate::Const { value: value.0 == 1, out });
                Ok(())
            }
            Some(Name::Eqw) if extended => {
                let [a, out] = wires(lines, "EQW", 1, "1 1")?;
                self.gate(lines.number, Gate::Copy { a, out });
                Ok(())
            }
            Some(Name::Mand) if extended => self.mand(lines),
            Some(Name::Eq) => Err(unknown("EQ")),
            Some(Name::Eqw) => Err(unknown("EQW")),
            Some(Name::Mand) => Err(unknown("MAND")),
        }
    }

    fn gate(&mut self, line: u64, gate: Gate) {
        let index = self.gates.len();
        if self.origin.is_empty() || line_of(&self.origin, index) != line {
            self.origin.push((index, line));
        }
        self.gates.push(gate);
    }

    fn mand<R>(&mut self, lines: &Lines<'_, R>) -> Result<(), BristolError> {
        let gate = "MAND";
        let numbers = &lines.numbers;
        let (inputs, n) = counts(lines, gate)?;
        if n == 0 || inputs != n.saturating_mul(2) {
            return Err(lines.here(Problem::Arity {
                gate,
                inputs,
                outputs: n,
                expected: "2n n, n at least 1",
            }));
        }
        check_length(lines, gate, n.saturating_mul(3).saturating_add(2))?;
        let n = numbers.len() / 3; // 3n + 2 numbers, just checked

        // The ANDs are done side by side: none may read what another one defines, although in a row they could.
        let mut outs = numbers[2 + 2 * n..].to_vec();
        outs.sort_unstable();
        if let Some(at) = numbers[2..2 + 2 * n].iter().position(|wire| outs.binary_search(wire).is_ok()) {
            return Err(lines.here(Problem::Undefined { wire: lines.wire(2 + at)?.0 }));
        }
        for i in 2..2 + n {
            let (a, b, out) = (lines.wire(i)?, lines.wire(i + n)?, lines.wire(i + 2 * n)?);
            self.gate(lines.number, Gate::And { a, b, out });
        }
        Ok(())
    }
}

/// The two numbers that start a gate line.
fn counts<R>(lines: &Lines<'_, R>, gate: &'static str) -> Result<(u64, u64), BristolError> {
    match lines.numbers[..] {
        [inputs, outputs, ..] => Ok((inputs, outputs)),
        _ => Err(lines.here(Problem::GateNumbers { gate, found: lines.numbers.len(), expected: 2 })),
    }
}

fn check_length<R>(lines: &Lines<'_, R>, gate: &'static str, expected: u64) -> Result<(), BristolError> {
    let found = lines.numbers.len();
    if found as u64 == expected {
        Ok(())
    } else {
        Err(lines.here(Problem::GateNumbers { gate, found, expected }))
    }
}

/// The wires of a gate with one output and `arity` inputs: `N` is one more.
fn wires<const N: usize, R>(
    lines: &Lines<'_, R>,
    gate: &'static str,
    arity: u64,
    expected: &'static str,
) -> Result<[WireId; N], BristolError> {
    let (inputs, outputs) = counts(lines, gate)?;
    if (inputs, outputs) != (arity, 1) {
        return Err(lines.here(Problem::Arity { gate, inputs, outputs, expected }));
    }
    check_length(lines, gate, N as u64 + 2)?;
    let mut wires = [WireId(0); N];
    for (i, wire) in wires.iter_mut().enumerate() {
        *wire = lines.wire(i + 2)?;
    }
    Ok(wires)
}

/// The line of gate number `gate`.
fn line_of(origin: &[(usize, u64)], gate: usize) -> u64 {
    let after = origin.partition_point(|&(first, _)| first <= gate);
    let (first, line) = origin[after.saturating_sub(1)];
    line + (gate - first) as u64
}
