//! Plaintext evaluation of a program: what a garbled run must agree with.

use super::{Source, Tile, TiledCircuit};
use crate::eval::{self, LANES, Lanes};

/// An input or secret of the wrong length.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the {what} has {found} bits, expected {expected}")]
pub struct LengthError {
    /// `input` or `secret`.
    pub what: &'static str,
    /// Bits given.
    pub found: usize,
    /// Bits that the program takes.
    pub expected: usize,
}

/// Evaluates `program` on any number of inputs, 256 at a time; returns the output bits of each.
///
/// * `secret`: the garbler's bits.   * `inputs`: the client's bits of each inference.
///
/// # Errors
/// [`LengthError`] if the secret or an input does not have the program's number of bits.
pub fn evaluate(
    program: &TiledCircuit,
    secret: &[bool],
    inputs: &[Vec<bool>],
) -> Result<Vec<Vec<bool>>, LengthError> {
    let length = |what, found, expected| {
        if found == expected { Ok(()) } else { Err(LengthError { what, found, expected }) }
    };
    length("secret", secret.len(), program.secret_bits() as usize)?;
    inputs.iter().try_for_each(|bits| length("input", bits.len(), program.input_bits()))?;
    let mut outputs = Vec::with_capacity(inputs.len());
    for batch in inputs.chunks(LANES) {
        let out = evaluate_batch(program, secret, &transpose(batch, program.input_bits()));
        outputs.extend(
            (0..batch.len())
                .map(|i| out.iter().map(|lanes| lanes[i / 64] >> (i % 64) & 1 == 1).collect::<Vec<bool>>()),
        );
    }
    Ok(outputs)
}

fn transpose(batch: &[Vec<bool>], bits: usize) -> Vec<Lanes> {
    let mut lanes = vec![Lanes::default(); bits];
    for (i, input) in batch.iter().enumerate() {
        for (lane, &bit) in lanes.iter_mut().zip(input) {
            lane[i / 64] |= u64::from(bit) << (i % 64);
        }
    }
    lanes
}

fn evaluate_batch(program: &TiledCircuit, secret: &[bool], input: &[Lanes]) -> Vec<Lanes> {
    let last_use = program.last_use();
    let mut vectors: Vec<Vec<Lanes>> = Vec::with_capacity(program.layers().len());
    let mut scratch = Vec::new();
    for (i, layer) in program.layers().iter().enumerate() {
        let mut vector = vec![Lanes::default(); layer.bits as usize];
        for tile in &layer.tiles {
            run_block(program, tile, secret, input, &vectors, &mut vector, &mut scratch);
        }
        vectors.push(vector);
        for (read, vector) in vectors.iter_mut().enumerate().take(i) {
            if last_use[read] == i {
                *vector = Vec::new();
            }
        }
    }
    vectors.pop().unwrap_or_default()
}

fn run_block(
    program: &TiledCircuit,
    tile: &Tile,
    secret: &[bool],
    input: &[Lanes],
    vectors: &[Vec<Lanes>],
    out: &mut [Lanes],
    scratch: &mut Vec<Lanes>,
) {
    let template = program.template(tile);
    let inner: Vec<Vec<usize>> = tile.inputs.iter().map(|p| p.map.inner_offsets()).collect();
    let out_inner = tile.output.inner_offsets();
    let mut values = Vec::with_capacity(template.input_bits());
    for instance in 0..tile.instances() {
        values.clear();
        for (port, inner) in tile.inputs.iter().zip(&inner) {
            let at = port.map.offset(&tile.grid, instance);
            match port.source {
                Source::Input => values.extend(inner.iter().map(|&o| input[at + o])),
                Source::Layer(l) => values.extend(inner.iter().map(|&o| vectors[l as usize][at + o])),
                Source::Secret => {
                    values.extend(inner.iter().map(|&o| [if secret[at + o] { u64::MAX } else { 0 }; 4]));
                }
            }
        }
        let result = eval::evaluate_lanes(template, &values, scratch);
        let at = tile.output.offset(&tile.grid, instance);
        for (&o, value) in out_inner.iter().zip(result) {
            out[at + o] = value;
        }
    }
}
