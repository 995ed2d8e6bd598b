//! Programs that are cut into stages, and random numbers for them.

use rand::{Rng as _, RngExt as _};
use xonn_program::op::{Cut, Line, Linear, Pad, Planes, Window2d};
use xonn_program::{
    InputEncoding, Kind, Layer, Op, OutputEncoding, Prediction, Program, Range, Tensor, TensorSpec,
};

use crate::common::Dice;

/// Weights of +1 and -1.
pub const SIGNS: Planes = Planes::Sign;

/// A program that grows.
pub struct Made {
    input: InputEncoding,
    layers: Vec<Layer>,
    tensors: usize,
}

pub fn int(lo: i64, hi: i64) -> Kind {
    Kind::Int(Range { lo, hi })
}

impl Made {
    pub fn new(shape: &[u32], bits: u32, signed: bool) -> Self {
        let input = InputEncoding {
            shape: shape.to_vec(),
            bits,
            signed,
            scale: 1.0,
            zero: 0,
            features: Vec::new(),
            tokens: false,
        };
        let (codes, shape) = (input.codes(), shape.iter().map(|&n| n as usize).collect());
        let kind = int(*codes.start(), *codes.end());
        Self {
            input,
            layers: vec![Layer { op: Op::Input, reads: vec![], shape, kind, secret: None }],
            tensors: 0,
        }
    }

    pub fn push(&mut self, op: Op, reads: &[usize], shape: &[usize], kind: Kind) -> usize {
        let secret = op.tensor(Range { lo: 0, hi: 0 }).is_some().then_some(self.tensors);
        self.tensors += usize::from(secret.is_some());
        self.layers.push(Layer { op, reads: reads.to_vec(), shape: shape.to_vec(), kind, secret });
        self.layers.len() - 1
    }

    /// Sums of all that layer `read` holds.
    #[allow(dead_code)] // the contract's networks
    pub fn kind(&self, layer: usize) -> Kind {
        self.layers[layer].kind
    }

    pub fn dense(&mut self, read: usize, units: usize, planes: Planes) -> usize {
        let (n, range) = (self.layers[read].elements(), self.layers[read].kind.range());
        let most = n as i64 * planes.largest() * range.magnitude().max(1);
        self.push(Op::Linear(Linear::dense(n, units, planes)), &[read], &[units], int(-most, most))
    }

    pub fn threshold(&mut self, read: usize) -> usize {
        let shape = self.layers[read].shape.clone();
        let cuts = *shape.last().unwrap();
        self.push(Op::Threshold { cuts }, &[read], &shape, Kind::Bit)
    }

    pub fn scale(&mut self, read: usize, bits: u32) -> usize {
        let (lines, range) = (self.layers[read].elements(), self.layers[read].kind.range());
        let most = (range.magnitude() << bits) + 64;
        self.push(Op::Scale { lines, bits }, &[read], &[lines], int(-most, most))
    }

    pub fn finish(self, output: OutputEncoding) -> Program {
        Program::new(self.input, self.layers, output).expect("it obeys every rule")
    }

    fn scores(self) -> Program {
        let last = self.layers.last().unwrap();
        let (count, bits) = (last.elements() as u32, last.kind.range().signed_bits());
        self.finish(OutputEncoding::Scores { count, bits, scale: 0.25 })
    }
}

/// Dense, scale, argmax behind a hidden layer.
pub fn classes() -> Program {
    let mut made = Made::new(&[6], 2, true);
    let sums = made.dense(0, 9, Planes::Sign);
    let bits = made.threshold(sums);
    let sums = made.dense(bits, 5, Planes::Sign);
    made.scale(sums, 6);
    made.finish(OutputEncoding::Argmax { classes: 5 })
}

/// Ternary weights, and several bits of weights; the numbers themselves are the answer.
pub fn scores() -> Program {
    let mut made = Made::new(&[5], 3, false);
    let sums = made.dense(0, 6, Planes::Ternary);
    let bits = made.threshold(sums);
    let sums = made.dense(bits, 4, Planes::Odd { bits: 2 });
    made.scale(sums, 4);
    made.scores()
}

/// Labels.
pub fn labels() -> Program {
    let mut made = Made::new(&[6], 2, false);
    let q = made.push(Op::Recode { step: 3, offset: -4 }, &[0], &[6], int(-4, 5));
    let sums = made.dense(q, 7, Planes::Sign);
    let bits = made.threshold(sums);
    let sums = made.dense(bits, 3, Planes::Ternary);
    made.threshold(sums);
    made.finish(OutputEncoding::Labels { units: 3 })
}

/// An image: a convolution over its edge, a pool of bits, a residual sum, a concatenation, a sum pool.
pub fn image() -> Program {
    let mut made = Made::new(&[4, 4, 1], 1, false);
    let window = |channels: usize| Window2d {
        input: [4, 4, channels],
        kernel: [3, 3],
        stride: [1, 1],
        dilation: [1, 1],
        pad_low: [1, 1],
        output: [4, 4],
    };
    let pool = Window2d { kernel: [2, 2], stride: [2, 2], pad_low: [0, 0], output: [2, 2], ..window(2) };
    let conv = |channels, weights, pad| {
        Op::Linear(Linear { weights, window: window(channels), filters: 2, groups: 1, pad })
    };
    let signs = made.push(Op::Recode { step: 2, offset: -1 }, &[0], &[4, 4, 1], int(-1, 1));
    let first = made.push(conv(1, Planes::Sign, Pad::Drop), &[signs], &[4, 4, 2], int(-9, 9));
    let bits = made.threshold(first);
    let second = made.push(conv(2, Planes::Ternary, Pad::Bit(true)), &[bits], &[4, 4, 2], int(-36, 36));
    let sum = made.push(Op::Add, &[first, second], &[4, 4, 2], int(-45, 45));
    let pooled = made.push(Op::MaxPool { window: pool }, &[bits], &[2, 2, 2], Kind::Bit);
    let summed = made.push(Op::SumPool { window: pool }, &[sum], &[2, 2, 2], int(-180, 180));
    let both = made.push(Op::Concatenate, &[pooled, summed], &[2, 2, 4], int(-180, 180));
    let source = vec![15, 3, 8, 8, 0, 1, 2, 9];
    let picked = made.push(Op::Permute { source }, &[both], &[8], int(-180, 180));
    made.push(Op::Truncate { bits: 2 }, &[picked], &[8], int(-45, 45));
    made.finish(OutputEncoding::Argmax { classes: 8 })
}

pub fn all() -> Vec<Program> {
    vec![classes(), scores(), labels(), image()]
}

/// Random numbers for a program's secrets.
pub fn model(program: &Program, dice: &mut Dice) -> Vec<Tensor> {
    let tensor = |spec: &TensorSpec| match *spec {
        TensorSpec::Weights { planes, count } => {
            let mut weight = |_| planes.weight(dice.next_u64() % (planes.largest() as u64 + 1)).unwrap();
            Tensor::Weights((0..count).map(&mut weight).collect())
        }
        TensorSpec::Cuts { count, range } => {
            let near = (range.hi - range.lo) / 8 + 1;
            let mut cut = |_| Cut { rising: dice.random(), at: dice.random_range(-near..=near) };
            Tensor::Cuts((0..count).map(&mut cut).collect())
        }
        TensorSpec::Lines { count, bits } => {
            let most = (1i64 << (bits - 1)) - 1;
            let mut line =
                |_| Line { scale: dice.random_range(-most..=most), offset: dice.random_range(-64..=64) };
            Tensor::Lines((0..count).map(&mut line).collect())
        }
        TensorSpec::Offsets { count, bits } => {
            let most = (1i64 << (bits - 1)) - 1;
            Tensor::Offsets((0..count).map(|_| dice.random_range(-most..=most)).collect())
        }
        ref other => panic!("{other:?} is new"),
    };
    program.tensors().iter().map(tensor).collect()
}

/// A random input.
pub fn sample(program: &Program, dice: &mut Dice) -> Vec<i64> {
    let codes = program.input().codes();
    (0..program.input().elements()).map(|_| dice.random_range(codes.clone())).collect()
}

/// What the network gives.
pub fn expected(program: &Program, model: &[Tensor], sample: &[i64]) -> Prediction {
    program.evaluate(model, &[sample.to_vec()]).unwrap()[0].prediction(program.output())
}
