//! Circuits to measure and to test with.

use super::{Axis, CircuitError, IndexMap, Layer, LayerInfo, Port, Source, Tile, TiledCircuit};
use crate::builder::Builder;
use crate::gadgets::adder::Columns;
use crate::gadgets::popcount::width_of;
use crate::netlist::Netlist;

/// A layer of binary neurons: each XNOR, popcount, secret threshold.
///
/// # Panics
/// If `fan_in` or `neurons` is 0.
#[must_use]
pub fn binary_layer(fan_in: u32, neurons: u32) -> TiledCircuit {
    let n = fan_in as usize;
    let width = width_of(u64::from(fan_in));
    let mut b = Builder::new();
    let (x, w, at) = (b.input(n), b.input(n), b.input(width));
    let mut columns = Columns::new(&mut b);
    for (&x, &w) in x.iter().zip(&w) {
        let matched = columns.builder().xor(x, w);
        columns.add(0, matched);
    }
    let fires = columns.carry_out(&at);
    let template = b.finish(&[vec![fires]]);
    let secret_per_neuron = (n + width) as u64;
    let axis = |extent: usize| vec![Axis { extent: extent as u32, stride: 1 }];
    let secret = |base: usize, bits: usize| Port {
        source: Source::Secret,
        map: IndexMap { base: base as u64, outer: vec![secret_per_neuron], inner: axis(bits) },
    };
    let input = Port { source: Source::Input, map: IndexMap { base: 0, outer: vec![0], inner: axis(n) } };
    let tile = Tile {
        template: 0,
        grid: vec![neurons],
        inputs: vec![input, secret(0, n), secret(n, width)],
        output: IndexMap { base: 0, outer: vec![1], inner: axis(1) },
    };
    let info =
        LayerInfo { name: "1_dense".into(), kind: "dense + threshold".into(), shape: vec![neurons], fan_in };
    TiledCircuit::new(
        fan_in.into(),
        secret_per_neuron * u64::from(neurons),
        vec![template],
        vec![Layer { info, bits: neurons.into(), tiles: vec![tile] }],
    )
    .expect("a layer of neurons is a valid program")
}

/// `copies` of a netlist side by side, all inputs the evaluator's, so that every AND costs two ciphertexts.
///
/// # Errors
/// If that many copies have more bits than a program can number.
pub fn copies(netlist: Netlist, copies: u32) -> Result<TiledCircuit, CircuitError> {
    let (inputs, outputs) = (netlist.input_bits() as u32, netlist.output_bits() as u32);
    let row = |bits: u32| IndexMap {
        base: 0,
        outer: vec![bits.into()],
        inner: vec![Axis { extent: bits, stride: 1 }],
    };
    let tile = Tile {
        template: 0,
        grid: vec![copies],
        inputs: vec![Port { source: Source::Input, map: row(inputs) }],
        output: row(outputs),
    };
    let info =
        LayerInfo { name: "copies".into(), kind: "netlist".into(), shape: vec![copies, outputs], fan_in: 0 };
    let layer = Layer { info, bits: u64::from(outputs) * u64::from(copies), tiles: vec![tile] };
    TiledCircuit::new(u64::from(copies) * u64::from(inputs), 0, vec![netlist], vec![layer])
}
