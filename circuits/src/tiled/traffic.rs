//! Bytes of a prediction whose layers are all garbled, from the public program alone, for each garbling
//! scheme.
//!
//! The messages are those of `docs/protocol.md` without their heads of 5 bytes. What runs them counts them; `xonn-run`'s tests
//! hold both to each other.

use serde::Serialize;

use super::TiledCircuit;
use crate::knowledge::AndCosts;

/// Bytes of one way to compute a prediction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Traffic {
    /// How first layers are computed, as `--first-layer` has it: `gc` or `oca`.
    pub first_layer: &'static str,
    /// Which clients this protects the server from, as `xonn-run serve --clients` has it: `hostile`, which is
    /// what it does by itself, or `semi-honest`.
    pub clients: &'static str,
    /// How gates are garbled, as `--scheme` has it: `half-gates` or `three-halves`.
    pub scheme: &'static str,
    /// AND gates by what they cost.
    pub and: AndCosts,
    /// Garbled tables.
    pub tables: u64,
    /// Labels of the input: extension and corrections of one oblivious transfer a bit, and the start point of the hash.
    pub labels: u64,
    /// What is sent for layers that are not garbled; 0 if all are.
    pub corrections: u64,
    /// What opens the output.
    pub decoding: u64,
    /// All that an inference takes.
    pub inference: u64,
    /// What a connection takes once: hellos and the set-up of oblivious transfers.
    pub connection: u64,
}

/// Bytes of an extension of `count` oblivious transfers with parameter `k`.
const fn extend(count: u64, k: u64) -> u64 {
    48 + 2048 / k * (count.div_ceil(128) + 1)
}

/// Bytes of base oblivious transfers and seed trees with parameter `k`.
const fn base(k: u64) -> u64 {
    8192 + 8224 + 4096 / k
}

/// Both hellos and the set-up for labels.
pub const CONNECT: u64 = 79 + 82 + base(4);

/// Bytes of an inference's labels, for `bits` bits of input.
#[must_use]
pub const fn labels(bits: u64) -> u64 {
    extend(bits, 4) + 16 + 16 * bits
}

/// Bytes that open `bits` bits of output.
#[must_use]
pub const fn decoding(bits: u64) -> u64 {
    32 * bits
}

impl Traffic {
    /// Whether hosts that are told nothing else do it this way.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.clients == "hostile" && self.scheme == "half-gates"
    }

    /// All layers garbled, by either scheme.
    #[must_use]
    pub fn of(program: &TiledCircuit) -> [Self; 2] {
        let and = program.costs();
        let schemes = [("half-gates", and.half_gate_bytes()), ("three-halves", and.three_halves_bytes())];
        schemes.map(|(scheme, tables)| {
            let labels = labels(program.input_bits() as u64);
            let decoding = decoding(program.output_bits() as u64);
            Self {
                first_layer: "gc",
                clients: "hostile",
                scheme,
                and,
                tables,
                labels,
                corrections: 0,
                decoding,
                inference: tables + labels + decoding,
                connection: CONNECT,
            }
        })
    }
}
