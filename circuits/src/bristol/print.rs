//! Writes Bristol files.
//!
//! By default only what every reader of Bristol files understands: AND, XOR and INV gates, one blank line after the
//! header, gates in topological order, outputs as the last wires in order. (Readers are known that take EQ and EQW for
//! INV, or skip them.) A constant is `w ^ w`, inverted for 1; a copy is two inverters.

use std::io::Write;

use super::{BristolError, Dialect};
use crate::netlist::{Gate, Netlist, WireId};

/// Most ANDs of one MAND line, so that no line is longer than 150 kB.
const MAX_MAND: usize = 4096;

/// Bytes collected before they are handed on.
const BUFFER: usize = 1 << 16;

/// How a file is written.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Options {
    /// The header's form.
    pub dialect: Dialect,
    /// Whether EQ, EQW and MAND may be used: shorter files, and fewer programs that read them. Fashion only.
    pub extended: bool,
}

/// Writes a netlist. Wires keep their numbers unless a constant or a copy needs a spare wire; then the spare wires are
/// numbered just before the outputs.
///
/// # Errors
/// What the writer says; [`BristolError::ConstantWithoutInput`], [`BristolError::ClassicGroups`] and
/// [`BristolError::ClassicExtended`] if the options do not suit the netlist. Then nothing was written.
pub fn write(netlist: &Netlist, mut writer: impl Write, options: &Options) -> Result<(), BristolError> {
    let plan = Plan::new(netlist, options)?;
    let wide = |groups: &[u32]| groups.iter().map(|&n| u64::from(n)).collect::<Vec<_>>();
    let (inputs, outputs) = (wide(netlist.inputs()), wide(netlist.outputs()));
    match options.dialect {
        Dialect::Fashion => write_header(&mut writer, plan.lines, plan.wires(), &inputs, &outputs)?,
        Dialect::Classic => {
            let bits = |i: usize| inputs.get(i).copied().unwrap_or(0);
            let outputs = netlist.output_bits() as u64;
            write_classic_header(&mut writer, plan.lines, plan.wires(), [bits(0), bits(1)], outputs)?;
        }
    }
    let mut gates = GateWriter::new(writer);
    if options.extended {
        for_each_line(netlist, |line| match line {
            Line::Ands(ands) if ands.len() > 1 => gates.mand(ands),
            Line::Ands(ands) => ands.iter().try_for_each(|&[a, b, out]| gates.and(a, b, out)),
            Line::Other(gate) => write_extended(&mut gates, gate),
        })?;
    } else {
        plan.write_basic(netlist, &mut gates)?;
    }
    gates.finish()?;
    Ok(())
}

/// Writes the header of a Bristol Fashion file and the blank line after it.
///
/// * `gates`, `wires`: the counts of the lines and wires that follow.   * `inputs`, `outputs`: bits of each group.
///
/// # Errors
/// What the writer says.
pub fn write_header(
    mut writer: impl Write,
    gates: u64,
    wires: u64,
    inputs: &[u64],
    outputs: &[u64],
) -> std::io::Result<()> {
    writeln!(writer, "{gates} {wires}")?;
    for groups in [inputs, outputs] {
        write!(writer, "{}", groups.len())?;
        groups.iter().try_for_each(|bits| write!(writer, " {bits}"))?;
        writeln!(writer)?;
    }
    writeln!(writer)
}

/// Writes the header of a classic Bristol file and the blank line after it.
///
/// # Errors
/// What the writer says.
pub fn write_classic_header(
    mut writer: impl Write,
    gates: u64,
    wires: u64,
    inputs: [u64; 2],
    output: u64,
) -> std::io::Result<()> {
    let [first, second] = inputs;
    writeln!(writer, "{gates} {wires}\n{first} {second} {output}\n")
}

/// Writes gate lines, for circuits too large to be held: wires are `u64`, lines are collected in one small buffer.
///
/// Nothing is checked: the caller keeps the counts of the header and the order of the wires. A writer that is dropped
/// without [`GateWriter::finish`] loses its last lines.
#[must_use = "the last lines are only written by `finish`"]
pub struct GateWriter<W: Write> {
    writer: W,
    buffer: Vec<u8>,
}

impl<W: Write> GateWriter<W> {
    /// A writer of gate lines; the header is written before ([`write_header`]).
    pub fn new(writer: W) -> Self {
        Self { writer, buffer: Vec::with_capacity(BUFFER + 128) }
    }

    /// `out = a & b`.
    ///
    /// # Errors
    /// What the writer says.
    pub fn and(&mut self, a: u64, b: u64, out: u64) -> std::io::Result<()> {
        self.line(b"2 1 ", &[a, b, out], b"AND\n")
    }

    /// `out = a ^ b`.
    ///
    /// # Errors
    /// What the writer says.
    pub fn xor(&mut self, a: u64, b: u64, out: u64) -> std::io::Result<()> {
        self.line(b"2 1 ", &[a, b, out], b"XOR\n")
    }

    /// `out = !a`.
    ///
    /// # Errors
    /// What the writer says.
    pub fn inv(&mut self, a: u64, out: u64) -> std::io::Result<()> {
        self.line(b"1 1 ", &[a, out], b"INV\n")
    }

    /// `out = value`, an extended gate of Fashion.
    ///
    /// # Errors
    /// What the writer says.
    pub fn eq(&mut self, value: bool, out: u64) -> std::io::Result<()> {
        self.line(b"1 1 ", &[value.into(), out], b"EQ\n")
    }

    /// `out = a`, an extended gate of Fashion.
    ///
    /// # Errors
    /// What the writer says.
    pub fn eqw(&mut self, a: u64, out: u64) -> std::io::Result<()> {
        self.line(b"1 1 ", &[a, out], b"EQW\n")
    }

    /// `out = a & b` for each `[a, b, out]`, none of which reads what another one defines; an extended gate of Fashion
    /// and one line.
    ///
    /// # Errors
    /// What the writer says.
    pub fn mand(&mut self, ands: &[[u64; 3]]) -> std::io::Result<()> {
        let n = ands.len() as u64;
        push_number(&mut self.buffer, 2 * n);
        push_number(&mut self.buffer, n);
        for column in 0..3 {
            ands.iter().for_each(|and| push_number(&mut self.buffer, and[column]));
        }
        self.line(b"", &[], b"MAND\n")
    }

    /// Hands on all that is collected, flushes, and gives the writer back.
    ///
    /// # Errors
    /// What the writer says.
    pub fn finish(mut self) -> std::io::Result<W> {
        self.writer.write_all(&self.buffer)?;
        self.writer.flush()?;
        Ok(self.writer)
    }

    fn line(&mut self, counts: &[u8], wires: &[u64], gate: &[u8]) -> std::io::Result<()> {
        self.buffer.extend_from_slice(counts);
        wires.iter().for_each(|&wire| push_number(&mut self.buffer, wire));
        self.buffer.extend_from_slice(gate);
        if self.buffer.len() >= BUFFER {
            self.writer.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }
}

/// Appends `number` in decimal and a blank. `write!` takes five times as long, and files have billions of numbers.
fn push_number(buffer: &mut Vec<u8>, mut number: u64) {
    let mut text = [b' '; 21]; // u64::MAX has 20 digits
    let mut at = 20;
    loop {
        at -= 1;
        text[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    buffer.extend_from_slice(&text[at..]);
}

/// How a netlist's wires are numbered in the file.
struct Plan {
    /// Gate lines.
    lines: u64,
    /// Wires that the netlist does not have, numbered from `first_output`.
    spares: u64,
    /// The first output wire in the netlist.
    first_output: u64,
    /// The first outputs that are inputs. They are copied when spare wires come between inputs and outputs.
    shared: u64,
    /// Wires of the netlist.
    netlist_wires: u64,
    /// Input bits.
    inputs: u64,
}

impl Plan {
    fn new(netlist: &Netlist, options: &Options) -> Result<Self, BristolError> {
        if options.dialect == Dialect::Classic {
            if options.extended {
                return Err(BristolError::ClassicExtended);
            }
            if netlist.inputs().len() > 2 {
                return Err(BristolError::ClassicGroups { found: netlist.inputs().len() });
            }
        }
        let inputs = netlist.input_bits() as u64;
        let netlist_wires = u64::from(netlist.wires());
        let first_output = netlist_wires - netlist.output_bits() as u64;
        let mut plan = Self { lines: 0, spares: 0, first_output, shared: 0, netlist_wires, inputs };
        if options.extended {
            for_each_line(netlist, |_| {
                plan.lines += 1;
                Ok(())
            })?;
            return Ok(plan);
        }
        for gate in netlist.gates().iter() {
            if inputs == 0 && matches!(gate, Gate::Const { .. }) {
                return Err(BristolError::ConstantWithoutInput);
            }
            plan.spares += u64::from(needs_spare(gate));
        }
        if plan.spares > 0 {
            plan.shared = inputs.saturating_sub(first_output);
            plan.spares += plan.shared;
        }
        // A spare wire is defined by a line of its own; a copied input by two.
        plan.lines = netlist.gates().len() as u64 + plan.spares + plan.shared;
        Ok(plan)
    }

    fn wires(&self) -> u64 {
        self.netlist_wires + self.spares + self.shared
    }

    /// The file's number of a wire that a gate reads or defines.
    fn number(&self, wire: WireId) -> u64 {
        let wire = u64::from(wire.0);
        let moved = wire >= self.first_output && wire >= self.inputs;
        if moved { wire + self.spares + self.shared } else { wire }
    }

    /// Writes every gate as AND, XOR and INV.
    fn write_basic<W: Write>(&self, netlist: &Netlist, gates: &mut GateWriter<W>) -> std::io::Result<()> {
        let mut spare = self.first_output.max(self.inputs);
        let n = |wire| self.number(wire);
        for gate in netlist.gates().iter() {
            match gate {
                Gate::And { a, b, out } => gates.and(n(a), n(b), n(out))?,
                Gate::Xor { a, b, out } => gates.xor(n(a), n(b), n(out))?,
                Gate::Inv { a, out } => gates.inv(n(a), n(out))?,
                Gate::Const { value: false, out } => gates.xor(0, 0, n(out))?,
                Gate::Const { value: true, out } => {
                    gates.xor(0, 0, spare)?;
                    gates.inv(spare, n(out))?;
                }
                Gate::Copy { a, out } => {
                    gates.inv(n(a), spare)?;
                    gates.inv(spare, n(out))?;
                }
            }
            spare += u64::from(needs_spare(gate));
        }
        // The outputs start right after the last spare wire, and the shared ones are the first of them.
        let first_output = spare + self.shared;
        for i in 0..self.shared {
            gates.inv(self.first_output + i, spare + i)?;
            gates.inv(spare + i, first_output + i)?;
        }
        Ok(())
    }
}

/// Whether a gate is written as two lines with a wire between them.
fn needs_spare(gate: Gate) -> bool {
    matches!(gate, Gate::Copy { .. } | Gate::Const { value: true, .. })
}

fn write_extended<W: Write>(gates: &mut GateWriter<W>, gate: Gate) -> std::io::Result<()> {
    let n = |wire: WireId| u64::from(wire.0);
    match gate {
        Gate::And { a, b, out } => gates.and(n(a), n(b), n(out)),
        Gate::Xor { a, b, out } => gates.xor(n(a), n(b), n(out)),
        Gate::Inv { a, out } => gates.inv(n(a), n(out)),
        Gate::Const { value, out } => gates.eq(value, n(out)),
        Gate::Copy { a, out } => gates.eqw(n(a), n(out)),
    }
}

/// A line of an extended file.
enum Line<'l> {
    /// Neighbouring ANDs that do not depend on each other: `[a, b, out]`.
    Ands(&'l [[u64; 3]]),
    /// Any other gate.
    Other(Gate),
}

/// Calls `f` for every line of the extended form.
fn for_each_line(
    netlist: &Netlist,
    mut f: impl FnMut(Line<'_>) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let mut run: Vec<[u64; 3]> = Vec::new();
    // Which run, counted from 1, defines a wire.
    let mut defined_in = vec![0u32; netlist.wires() as usize];
    let mut current = 1u32;
    for gate in netlist.gates().iter() {
        let depends = gate.operands().any(|w| defined_in[w.index()] == current);
        let Gate::And { a, b, out } = gate else {
            if !run.is_empty() {
                f(Line::Ands(&run))?;
                run.clear();
                current += 1;
            }
            f(Line::Other(gate))?;
            continue;
        };
        if depends || run.len() == MAX_MAND {
            f(Line::Ands(&run))?;
            run.clear();
            current += 1;
        }
        run.push([a.0.into(), b.0.into(), out.0.into()]);
        defined_in[out.index()] = current;
    }
    if run.is_empty() { Ok(()) } else { f(Line::Ands(&run)) }
}
