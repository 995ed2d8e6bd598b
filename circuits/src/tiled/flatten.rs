//! Writes a program as one flat Bristol Fashion netlist, gate by gate, without ever holding it.
//!
//! Party 0 (the garbler) holds the secret bits, party 1 the client's input bits. Memory: one wire number (8 bytes) for
//! each bit of the layers that are alive, and one for each wire of the largest template.

use std::io::Write;

use super::{IndexMap, Source, Tile, TiledCircuit};
use crate::bristol::{BristolError, GateWriter, write_header};
use crate::netlist::{Gate, Netlist};

/// What [`flatten`] wrote.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Flattened {
    /// Gates, which is lines but the header's.
    pub gates: u64,
    /// Wires.
    pub wires: u64,
    /// AND gates.
    pub and: u64,
}

/// Writes `program` to `out` with AND, XOR and INV gates only; the outputs are the last wires, in order.
///
/// `progress` is told after each instance how many gates have been written so far, of how many.
///
/// # Errors
/// What the writer says, and [`BristolError`] if a constant is needed and there is no input to make it of.
pub fn flatten(
    program: &TiledCircuit,
    out: impl Write,
    mut progress: impl FnMut(u64, u64),
) -> Result<Flattened, BristolError> {
    let sizes = Sizes::of(program);
    let inputs = [program.secret_bits(), program.input_bits() as u64];
    let mut out = out;
    write_header(&mut out, sizes.gates, sizes.wires, &inputs, &[program.output_bits() as u64])?;
    let mut flat = Flat {
        writer: GateWriter::new(out),
        next: inputs[0] + inputs[1],
        written: 0,
        vectors: Vec::new(),
        secret_bits: program.secret_bits(),
    };
    let last_use = program.last_use();
    for (index, layer) in program.layers().iter().enumerate() {
        // The last layer's bits are the circuit's outputs: their wire numbers are known beforehand.
        let is_output = index + 1 == program.layers().len();
        let reserved = is_output.then_some(sizes.wires - layer.bits);
        let mut vector = vec![0u64; layer.bits as usize];
        for tile in &layer.tiles {
            let template = program.template(tile);
            let ports: Vec<Vec<usize>> = tile.inputs.iter().map(|p| p.map.inner_offsets()).collect();
            for instance in 0..tile.instances() {
                flat.instance(template, tile, &ports, instance, reserved, &mut vector)?;
                progress(flat.written, sizes.gates);
            }
        }
        flat.vectors.push(vector);
        for (read, vector) in flat.vectors.iter_mut().enumerate().take(index) {
            if last_use[read] <= index {
                *vector = Vec::new();
            }
        }
    }
    flat.writer.finish()?;
    debug_assert_eq!((flat.written, flat.next), (sizes.gates, sizes.wires - program.output_bits() as u64));
    Ok(Flattened { gates: sizes.gates, wires: sizes.wires, and: sizes.and })
}

/// Counts of the flat netlist.
struct Sizes {
    gates: u64,
    wires: u64,
    and: u64,
}

impl Sizes {
    fn of(program: &TiledCircuit) -> Self {
        let per_template: Vec<(u64, u64)> = program.templates().iter().map(template_size).collect();
        let (mut gates, mut and) = (0u64, 0u64);
        for tile in program.layers().iter().flat_map(|l| &l.tiles) {
            let (g, a) = per_template[tile.template as usize];
            gates += g * tile.instances();
            and += a * tile.instances();
        }
        // Every gate written defines one wire.
        Self { gates, and, wires: gates + program.secret_bits() + program.input_bits() as u64 }
    }
}

/// Gate lines and AND gates of one instance: a copy is two inverters, a constant one or two gates.
fn template_size(template: &Netlist) -> (u64, u64) {
    let mut and = 0;
    let mut lines: u64 = 0;
    for gate in template.gates().iter() {
        lines += match gate {
            Gate::And { .. } => {
                and += 1;
                1
            }
            Gate::Xor { .. } | Gate::Inv { .. } | Gate::Const { value: false, .. } => 1,
            Gate::Copy { .. } | Gate::Const { value: true, .. } => 2,
        };
    }
    (lines, and)
}

struct Flat<W: Write> {
    writer: GateWriter<W>,
    next: u64,
    written: u64,
    /// Wire of each bit of each layer.
    vectors: Vec<Vec<u64>>,
    secret_bits: u64,
}

impl<W: Write> Flat<W> {
    fn instance(
        &mut self,
        template: &Netlist,
        tile: &Tile,
        ports: &[Vec<usize>],
        instance: u64,
        reserved: Option<u64>,
        vector: &mut [u64],
    ) -> Result<(), BristolError> {
        let mut wires = Vec::with_capacity(template.wires() as usize);
        for (port, inner) in tile.inputs.iter().zip(ports) {
            let at = port.map.offset(&tile.grid, instance);
            wires.extend(inner.iter().map(|&o| match port.source {
                Source::Secret => (at + o) as u64,
                Source::Input => self.secret_bits + (at + o) as u64,
                Source::Layer(l) => self.vectors[l as usize][at + o],
            }));
        }
        wires.resize(template.wires() as usize, u64::MAX);
        let places = output_places(&tile.output, &tile.grid, instance);
        if let Some(first) = reserved {
            for (wire, &place) in template.output_wires().zip(&places) {
                wires[wire.index()] = first + place as u64;
            }
        }
        for gate in template.gates().iter() {
            self.gate(gate, &mut wires)?;
        }
        for (wire, &place) in template.output_wires().zip(&places) {
            vector[place] = wires[wire.index()];
        }
        Ok(())
    }

    fn gate(&mut self, gate: Gate, wires: &mut [u64]) -> Result<(), BristolError> {
        // The spare wire of a two-gate form comes first, so that numbers rise along the file.
        let spare = match gate {
            Gate::Copy { .. } | Gate::Const { value: true, .. } => self.fresh(),
            _ => 0,
        };
        let out = match wires[gate.out().index()] {
            u64::MAX => self.fresh(),
            reserved => reserved,
        };
        wires[gate.out().index()] = out;
        let w = |wire: crate::netlist::WireId| wires[wire.index()];
        self.written += 1;
        match gate {
            Gate::And { a, b, .. } => self.writer.and(w(a), w(b), out)?,
            Gate::Xor { a, b, .. } => self.writer.xor(w(a), w(b), out)?,
            Gate::Inv { a, .. } => self.writer.inv(w(a), out)?,
            // Verified programs read at least one bit wherever a template has inputs; wire 0 is an input.
            Gate::Const { value: false, .. } => self.writer.xor(0, 0, out)?,
            Gate::Const { value: true, .. } => {
                self.written += 1;
                self.writer.xor(0, 0, spare)?;
                self.writer.inv(spare, out)?;
            }
            Gate::Copy { a, .. } => {
                self.written += 1;
                self.writer.inv(w(a), spare)?;
                self.writer.inv(spare, out)?;
            }
        }
        Ok(())
    }

    fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }
}

fn output_places(map: &IndexMap, grid: &[u32], instance: u64) -> Vec<usize> {
    let at = map.offset(grid, instance);
    map.inner_offsets().into_iter().map(|o| at + o).collect()
}
