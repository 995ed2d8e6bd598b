//! A dense first layer over numbers, of any size, with thresholds.

use rand::{CryptoRng, RngExt};
use xonn_program::op::{Cut, Linear, Planes};
use xonn_program::program::ProgramError;
use xonn_program::{InputEncoding, Kind, Layer, Op, OutputEncoding, Program, Range, Tensor};

/// A layer of `units` neurons with binary weights over `inputs` numbers of `bits` bits.
pub(super) fn dense(inputs: usize, bits: u32, units: usize) -> Result<Program, ProgramError> {
    let most = (inputs as i64) << bits;
    let layer = |op, reads, size, kind, secret| Layer { op, reads, shape: vec![size], kind, secret };
    let numbers = Kind::Int(Range { lo: 0, hi: (1 << bits) - 1 });
    let sums = Kind::Int(Range { lo: -most, hi: most });
    let linear = Op::Linear(Linear::dense(inputs, units, Planes::Sign));
    let (shape, units_out) = (vec![inputs as u32], units as u32);
    Program::new(
        InputEncoding {
            shape,
            bits,
            signed: false,
            scale: 1.0,
            zero: 0,
            features: Vec::new(),
            tokens: false,
        },
        vec![
            layer(Op::Input, vec![], inputs, numbers, None),
            layer(linear, vec![0], units, sums, Some(0)),
            layer(Op::Threshold { cuts: units }, vec![1], units, Kind::Bit, Some(1)),
        ],
        OutputEncoding::Labels { units: units_out },
    )
}

/// Random weights for it, and cuts.
pub(super) fn tensors(inputs: usize, units: usize, rng: &mut impl CryptoRng) -> Vec<Tensor> {
    let weights = (0..inputs * units).map(|_| if rng.random() { 1 } else { -1 }).collect();
    let cuts = (0..units).map(|_| Cut { rising: rng.random(), at: 0 }).collect();
    vec![Tensor::Weights(weights), Tensor::Cuts(cuts)]
}
