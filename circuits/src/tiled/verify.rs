//! The rules that every [`TiledCircuit`] obeys, checked once when it is made, so that nothing later can go out of bounds.

use super::{IndexMap, Layer, Source, Tile, TiledCircuit};

/// Longest vector of bits a program may have: 2^26, which is 1 GiB of labels.
pub const MAX_BITS: u64 = 1 << 26;

/// Most bits of all layers together: 2^28.
const MAX_ALL_BITS: u64 = 1 << 28;

/// Most input bits: as many as one extension of oblivious transfer gives.
const MAX_INPUT_BITS: u64 = 1 << 24;

/// Most instances of a tile.
const MAX_INSTANCES: u64 = 1 << 26;

/// Most layers: what looks at all of them for each of them stays short.
const MAX_LAYERS: usize = 1 << 14;

/// Most axes of a grid, and of the bits that an instance reads or writes.
const MAX_AXES: usize = 8;

/// Most input and output bits of the templates of all tiles together: the places of each are kept.
const MAX_PLACES: u64 = 1 << 25;

/// Most wires that tiles have together beside those of their templates counted once: each tile's template is gone through.
const MAX_REPEATED_WIRES: u64 = 1 << 24;

/// Most wires of all instances together: some 500 times what BC1 of the XONN paper has (`models/bc1`, 2^29.0).
const MAX_WORK: u64 = 1 << 38;

/// A broken rule. Layers and tiles are counted from 0.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CircuitError {
    /// There is nothing to compute.
    #[error("the program has no layers")]
    NoLayers,
    /// A vector is too long to hold labels for.
    #[error("{what} has {bits} bits, at most {max} are supported")]
    TooLong {
        /// Which vector.
        what: String,
        /// Its length.
        bits: u64,
        /// The longest supported.
        max: u64,
    },
    /// A tile is malformed.
    #[error("layer {layer}, tile {tile}: {reason}")]
    Tile {
        /// Index of the layer.
        layer: usize,
        /// Index of the tile.
        tile: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A layer's vector is not filled exactly once.
    #[error("layer {layer}: bit {bit} of its vector is written {times} times, expected once")]
    Coverage {
        /// Index of the layer.
        layer: usize,
        /// A bit at fault.
        bit: u64,
        /// How often it is written: 0 or 2 (or more).
        times: u32,
    },
    /// A small file would ask for much work or memory.
    #[error("the program has {found} {what}, at most {max} are supported")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// How much there is; at least, if it has not been counted to the end.
        found: u64,
        /// The most supported.
        max: u64,
    },
    /// A netlist gives nothing.
    #[error("the circuit has no output bits, expected one or more: nothing would be computed")]
    NoOutputs,
    /// An input group was named that the netlist does not have.
    #[error("input group {group} does not exist, the netlist has {groups} (counted from 0)")]
    NoSuchGroup {
        /// The group named.
        group: usize,
        /// Groups of the netlist.
        groups: usize,
    },
}

pub(super) fn verify(program: &TiledCircuit) -> Result<(), CircuitError> {
    if program.layers.is_empty() {
        return Err(CircuitError::NoLayers);
    }
    let within = |what: String, bits: u64, max: u64| {
        if bits <= max { Ok(()) } else { Err(CircuitError::TooLong { what, bits, max }) }
    };
    within("the input".into(), program.input_bits, MAX_INPUT_BITS)?;
    within("the secret".into(), program.secret_bits, 1 << 32)?;
    let all = program.layers.iter().fold(0u64, |sum, layer| sum.saturating_add(layer.bits));
    within("the program".into(), all, MAX_ALL_BITS)?;
    verify_size(program)?;
    for (i, layer) in program.layers.iter().enumerate() {
        within(format!("layer {i}"), layer.bits, MAX_BITS)?;
        verify_layer(program, i, layer)?;
    }
    Ok(())
}

/// Bounds what later steps take in time and memory, before anything goes through instances. Lengths by themselves do not: a
/// manifest of some kilobytes, unpacked, can name a large template a hundred thousand times.
fn verify_size(program: &TiledCircuit) -> Result<(), CircuitError> {
    let within = |what, found: u64, max: u64| {
        if found <= max { Ok(()) } else { Err(CircuitError::TooMuch { what, found, max }) }
    };
    within("layers", program.layers.len() as u64, MAX_LAYERS as u64)?;
    let once: u64 = program.templates.iter().map(|t| u64::from(t.wires())).sum();
    let (mut places, mut wires, mut work) = (0u64, 0u64, 0u64);
    for tile in program.layers.iter().flat_map(|layer| &layer.tiles) {
        let maps = tile.inputs.iter().map(|port| &port.map).chain([&tile.output]);
        let axes = maps.map(|map| map.inner.len()).max().unwrap_or(0).max(tile.grid.len());
        within("axes in a grid or a map", axes as u64, MAX_AXES as u64)?;
        // Too many are refused with their layer, and so are templates that do not exist.
        let instances =
            tile.grid.iter().fold(1u64, |n, &axis| n.saturating_mul(axis.into())).min(MAX_INSTANCES);
        let Some(template) = program.templates.get(tile.template as usize) else { continue };
        let of_one = u64::from(template.wires());
        places = places.saturating_add((template.input_bits() + template.output_bits()) as u64);
        wires = wires.saturating_add(of_one);
        work = work.saturating_add(of_one.saturating_mul(instances));
    }
    within("input and output bits of templates, counted for each tile", places, MAX_PLACES)?;
    within("wires, counted for each tile", wires, once.saturating_add(MAX_REPEATED_WIRES))?;
    within("wires, counted for each instance", work, MAX_WORK)
}

fn verify_layer(program: &TiledCircuit, index: usize, layer: &Layer) -> Result<(), CircuitError> {
    let mut written = vec![false; layer.bits as usize];
    for (i, tile) in layer.tiles.iter().enumerate() {
        verify_tile(program, index, layer, tile).map_err(|reason| CircuitError::Tile {
            layer: index,
            tile: i,
            reason,
        })?;
        let inner = tile.output.inner_offsets();
        for instance in 0..tile.instances() {
            let at = tile.output.offset(&tile.grid, instance);
            for &offset in &inner {
                if std::mem::replace(&mut written[at + offset], true) {
                    return Err(CircuitError::Coverage { layer: index, bit: (at + offset) as u64, times: 2 });
                }
            }
        }
    }
    match written.iter().position(|&w| !w) {
        Some(bit) => Err(CircuitError::Coverage { layer: index, bit: bit as u64, times: 0 }),
        None => Ok(()),
    }
}

fn verify_tile(program: &TiledCircuit, index: usize, layer: &Layer, tile: &Tile) -> Result<(), String> {
    let template = program
        .templates
        .get(tile.template as usize)
        .ok_or_else(|| format!("template {} of {} does not exist", tile.template, program.templates.len()))?;
    let instances = tile.grid.iter().try_fold(1u64, |n, &axis| n.checked_mul(axis.into()));
    match instances {
        Some(1..=MAX_INSTANCES) => {}
        _ => return Err(format!("the grid {:?} must have 1 to {MAX_INSTANCES} instances", tile.grid)),
    }
    let mut bits = 0u64;
    for port in &tile.inputs {
        let (what, length) = match port.source {
            Source::Input => ("the input".to_owned(), program.input_bits),
            Source::Secret => ("the secret".to_owned(), program.secret_bits),
            Source::Layer(l) if (l as usize) < index => {
                (format!("layer {l}"), program.layers[l as usize].bits)
            }
            Source::Layer(l) => {
                return Err(format!("reads layer {l}, expected an earlier layer than {index}"));
            }
        };
        bits += verify_map(&port.map, &tile.grid, &what, length, template.input_bits() as u64)?;
    }
    if bits != template.input_bits() as u64 {
        return Err(format!("the ports bring {bits} bits, the template takes {}", template.input_bits()));
    }
    let out = template.output_bits() as u64;
    let written = verify_map(&tile.output, &tile.grid, "its own vector", layer.bits, out)?;
    if written != out {
        return Err(format!("the output map takes {written} bits, the template gives {out}"));
    }
    Ok(())
}

/// Checks that a map stays within `length` and enumerates at most `most` bits; returns how many.
fn verify_map(map: &IndexMap, grid: &[u32], what: &str, length: u64, most: u64) -> Result<u64, String> {
    if map.outer.len() != grid.len() {
        return Err(format!("a map has {} outer strides for a grid of {} axes", map.outer.len(), grid.len()));
    }
    let bits = map
        .inner
        .iter()
        .try_fold(1u64, |n, a| n.checked_mul(a.extent.into()))
        .filter(|n| (1..=most).contains(n))
        .ok_or_else(|| format!("a map over {what} must enumerate 1 to {most} bits"))?;
    match map.largest(grid) {
        Some(largest) if largest < length => Ok(bits),
        Some(largest) => Err(format!("a map reaches bit {largest} of {what}, which has {length} bits")),
        None => Err(format!("a map over {what} overflows")),
    }
}
