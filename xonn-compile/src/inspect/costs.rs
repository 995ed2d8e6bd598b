//! What a program costs, layer by layer, and how far that is from the least possible.
//!
//! **The bound.** Counting the ones among `n` bits takes at least `n - H(n)` ANDs, `H(n)` being the ones in
//! the binary form of `n` [Boyar, Peralta, "Tight bounds for the multiplicative complexity of symmetric
//! functions", 2008, theorem 3]. A neuron of fan-in `n` over bits counts `n` XNORs, so a layer's bound is
//! that number times its neurons, border positions of padded convolutions with the smaller fan-in that they
//! have. Neurons that compare their count need the comparison on top, which the bound leaves out: it is a
//! bound on the count.
//!
//! Layers over integers (several bits a number) and layers that add nothing up have no bound here: none is
//! known to us that is worth showing.

use serde::Serialize;
use xonn_circuits::gadgets::popcount::popcount_cost;
use xonn_circuits::knowledge::AndCosts;
use xonn_circuits::tiled::{Layer, Source, Tile, TiledCircuit};

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
    /// The least number of ANDs that count the ones, where the layer counts ones; in the total, the sum over
    /// the layers that have one.
    pub lower_bound: Option<u64>,
    /// ANDs divided by [`Row::lower_bound`]; in the total, those of the layers that have one.
    pub bound_ratio: Option<f64>,
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
    pub fn of(program: &TiledCircuit) -> Self {
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
            lower_bound: None,
            bound_ratio: None,
        };
        let mut layers = Vec::new();
        let mut bounded = 0;
        for layer in program.layers() {
            let (mut instances, mut free, mut and_depth) = (0, 0, 0);
            for tile in &layer.tiles {
                let stats = program.template(tile).stats();
                instances += tile.instances();
                free += stats.free() * tile.instances();
                and_depth = and_depth.max(stats.and_depth);
            }
            let and = program.layer_costs(layer);
            let info = layer.info.clone();
            let bytes = and.half_gate_bytes();
            let lower_bound = lower_bound(layer);
            total.instances += instances;
            total.and += and;
            total.free += free;
            total.and_depth += and_depth;
            total.bytes += bytes;
            if let Some(bound) = lower_bound {
                *total.lower_bound.get_or_insert(0) += bound;
                bounded += and.total();
            }
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
                lower_bound,
                bound_ratio: lower_bound.and_then(|bound| ratio(and.total(), bound)),
            });
        }
        total.bound_ratio = total.lower_bound.and_then(|bound| ratio(bounded, bound));
        Self {
            layers,
            total,
            input_bits: program.input_bits(),
            secret_bits: program.secret_bits(),
            output_bits: program.output_bits(),
        }
    }
}

/// `None` for a bound of 0: a neuron of fan-in 1 or 0 counts nothing.
fn ratio(ands: u64, bound: u64) -> Option<f64> {
    (bound > 0).then(|| ands as f64 / bound as f64)
}

/// The least number of ANDs that count the layer's ones; `None` for layers over integers and layers that add
/// nothing.
fn lower_bound(layer: &Layer) -> Option<u64> {
    let adds =
        ["dense", "conv", "depthwise", "sum_pool"].iter().any(|kind| layer.info.kind.starts_with(kind));
    // Weights of more than a sign count an input more than once: no bound is known to us.
    let signs = !layer.info.kind.ends_with("weights");
    // The layer's fan-in is that of its widest tile: as many data bits as numbers means numbers of one bit.
    let widest = layer.tiles.iter().map(data_bits).max()?;
    if !adds || !signs || widest != u64::from(layer.info.fan_in) {
        return None;
    }
    layer.tiles.iter().try_fold(0u64, |sum, tile| {
        sum.checked_add(popcount_cost(data_bits(tile)).checked_mul(tile.instances())?)
    })
}

/// Bits that an instance reads of what the client's input leads to: its fan-in, if numbers have one bit.
fn data_bits(tile: &Tile) -> u64 {
    tile.inputs.iter().filter(|port| port.source != Source::Secret).map(|port| port.map.len()).sum()
}
