//! What a program costs, layer by layer.

use comfy_table::{CellAlignment, Table};
use serde::Serialize;
use xonn_circuits::knowledge::AndCosts;
use xonn_circuits::netlist::Netlist;
use xonn_circuits::program::Program;
use xonn_circuits::text::grouped;

/// One row of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The layer's name.
    pub name: String,
    /// What it computes.
    pub kind: String,
    /// Output shape.
    pub shape: Vec<u32>,
    /// Numbers added up for each output.
    pub fan_in: u32,
    /// Copies of the layer's templates.
    pub instances: u64,
    /// AND gates by what they cost.
    pub and: AndCosts,
    /// XOR, INV, EQ and EQW gates.
    pub free: u64,
    /// Largest number of ANDs on a way through the layer.
    pub and_depth: u32,
    /// Bytes of garbled tables as half gates.
    pub bytes: u64,
}

/// A program's costs.
#[derive(Clone, Debug, Serialize)]
pub struct Costs {
    /// One a layer.
    pub layers: Vec<Row>,
    /// Their sum; the depth is the sum of the depths.
    pub total: Row,
    /// Bits that the client brings.
    pub input_bits: usize,
    /// Bits that the server brings.
    pub secret_bits: u64,
    /// Bits that the client learns.
    pub output_bits: usize,
}

impl Costs {
    /// The costs of `program`.
    #[must_use]
    pub fn of(program: &Program) -> Self {
        let mut total = Row {
            name: "total".into(),
            kind: String::new(),
            shape: vec![],
            fan_in: 0,
            instances: 0,
            and: AndCosts::default(),
            free: 0,
            and_depth: 0,
            bytes: 0,
        };
        let mut layers = Vec::new();
        for layer in program.layers() {
            let (mut instances, mut free, mut and_depth) = (0, 0, 0);
            for block in &layer.blocks {
                let stats = program.template(block).stats();
                instances += block.instances();
                free += stats.free() * block.instances();
                and_depth = and_depth.max(stats.and_depth);
            }
            let and = program.layer_costs(layer);
            let info = layer.info.clone();
            let bytes = and.half_gate_bytes();
            total.instances += instances;
            total.and += and;
            total.free += free;
            total.and_depth += and_depth;
            total.bytes += bytes;
            layers.push(Row {
                name: info.name,
                kind: info.kind,
                shape: info.shape,
                fan_in: info.fan_in,
                instances,
                and,
                free,
                and_depth,
                bytes,
            });
        }
        Self {
            layers,
            total,
            input_bits: program.input_bits(),
            secret_bits: program.secret_bits(),
            output_bits: program.output_bits(),
        }
    }

    /// The table for people.
    #[must_use]
    pub fn table(&self) -> Table {
        let mut table = Table::new();
        table.set_header([
            "layer",
            "type",
            "shape",
            "fan-in",
            "instances",
            "AND",
            "free gates",
            "AND-depth",
            "bytes",
        ]);
        for row in self.layers.iter().chain(std::iter::once(&self.total)) {
            let shape: Vec<String> = row.shape.iter().map(u32::to_string).collect();
            table.add_row([
                row.name.clone(),
                row.kind.clone(),
                shape.join("x"),
                if row.fan_in > 0 { row.fan_in.to_string() } else { String::new() },
                grouped(row.instances),
                grouped(row.and.total()),
                grouped(row.free),
                row.and_depth.to_string(),
                grouped(row.bytes),
            ]);
        }
        for column in table.column_iter_mut().skip(3) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}

/// A plain netlist's statistics, for people.
#[must_use]
pub fn netlist_summary(netlist: &Netlist) -> String {
    let s = netlist.stats();
    let groups = |bits: &[u32]| bits.iter().map(u32::to_string).collect::<Vec<_>>().join(" + ");
    format!(
        "inputs {} bits, outputs {} bits, {} wires\nAND {}, XOR {}, INV {}, EQ/EQW {}, AND-depth {}\nhalf gates: at most {} bytes",
        groups(netlist.inputs()),
        groups(netlist.outputs()),
        grouped(s.wires),
        grouped(s.and),
        grouped(s.xor),
        grouped(s.inv),
        grouped(s.eq),
        s.and_depth,
        grouped(32 * s.and),
    )
}
