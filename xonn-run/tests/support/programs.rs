//! Small programs of every kind that sessions are tested on, with random numbers for their secrets.

#![allow(dead_code)] // each test binary uses a part of this

use chacha20::ChaCha20Rng;
use rand::{Rng, SeedableRng};
use xonn_program::op::{Cut, Leak, Line, Linear, Pad, Planes, Round, Window2d};
use xonn_program::{InputEncoding, Kind, Layer, Op, OutputEncoding, Package, Program, Range, Secret};
use xonn_program::{Tensor, TensorSpec};

/// A layer of neurons on 0s and 1s.
pub fn neurons(fan_in: usize, units: usize) -> Program {
    let mut made = Made::new(InputEncoding {
        shape: vec![fan_in as u32],
        bits: 1,
        signed: false,
        scale: 1.0,
        zero: 0,
        features: Vec::new(),
        tokens: false,
    });
    made.push(Op::Recode { step: 2, offset: -1 }, vec![0], vec![fan_in], int(-1, 1));
    let sums = int(-(fan_in as i64), fan_in as i64);
    made.push(Op::Linear(Linear::dense(fan_in, units, Planes::Sign)), vec![1], vec![units], sums);
    made.push(Op::Threshold { cuts: units }, vec![2], vec![units], Kind::Bit);
    made.labels()
}

/// A first layer over numbers, and thresholds: a convolution along one axis with one input channel.
#[derive(Clone, Debug)]
pub struct Numbers {
    /// Bits of a number.
    pub bits: u32,
    /// Whether numbers are in two's complement.
    pub signed: bool,
    pub weights: Planes,
    /// Weights of a filter.
    pub taps: usize,
    /// Output positions, all taps within the input; with one it is a dense layer.
    pub positions: usize,
    pub filters: usize,
    /// Whether there is one more position at each end, which lacks the first or last tap.
    pub padded: bool,
    /// Whether the numbers are compared themselves as well, so that something else reads the input.
    pub also_input: bool,
}

impl Numbers {
    /// A dense layer over unsigned numbers of `bits` bits.
    pub fn dense(inputs: usize, bits: u32, units: usize) -> Self {
        Self {
            bits,
            signed: false,
            weights: Planes::Sign,
            taps: inputs,
            positions: 1,
            filters: units,
            padded: false,
            also_input: false,
        }
    }

    pub fn program(&self) -> Program {
        let &Self { bits, signed, weights, taps, positions, filters, padded, also_input } = self;
        let length = positions + taps - 1;
        let input = InputEncoding {
            shape: vec![1, length as u32, 1],
            bits,
            signed,
            scale: 1.0,
            zero: 0,
            features: Vec::new(),
            tokens: false,
        };
        let mut made = Made::new(input);
        let border = usize::from(padded);
        let outputs = positions + 2 * border;
        let window = Window2d {
            input: [1, length, 1],
            kernel: [1, taps],
            stride: [1, 1],
            dilation: [1, 1],
            pad_low: [0, border],
            output: [1, outputs],
        };
        let most = (taps as i64 * weights.largest()) << bits;
        let linear = Op::Linear(Linear { weights, window, filters, groups: 1, pad: Pad::Drop });
        made.push(linear, vec![0], vec![1, outputs, filters], int(-most, most));
        made.push(Op::Threshold { cuts: filters }, vec![1], vec![1, outputs, filters], Kind::Bit);
        if also_input {
            made.push(Op::Threshold { cuts: length }, vec![0], vec![length], Kind::Bit);
            let sums = outputs * filters;
            let source = (0..sums).collect();
            made.push(Op::Permute { source }, vec![2], vec![sums], Kind::Bit);
            made.push(Op::Concatenate, vec![4, 3], vec![sums + length], Kind::Bit);
        }
        made.labels()
    }
}

/// The largest of some numbers, a secret one being added to each.
pub fn largest(numbers: usize, bits: u32, scale: f64) -> Program {
    let shape = vec![numbers as u32];
    let mut made = Made::new(InputEncoding {
        shape,
        bits,
        signed: false,
        scale,
        zero: 0,
        features: Vec::new(),
        tokens: false,
    });
    let sums = int(0, 2 << bits);
    made.push(Op::Scale { lines: numbers, bits: 2 }, vec![0], vec![numbers], sums);
    made.finish(OutputEncoding::Argmax { classes: numbers as u32 })
}

/// Two layers of neurons over numbers: a hidden one, and one whose largest sum is the class.
pub fn classes(numbers: usize, bits: u32, hidden: usize, classes: usize) -> Program {
    let shape = vec![numbers as u32];
    let mut made = Made::new(InputEncoding {
        shape,
        bits,
        signed: false,
        scale: 1.0,
        zero: 0,
        features: Vec::new(),
        tokens: false,
    });
    let most = (numbers as i64) << bits;
    let sums = Op::Linear(Linear::dense(numbers, hidden, Planes::Sign));
    made.push(sums, vec![0], vec![hidden], int(-most, most));
    made.push(Op::Threshold { cuts: hidden }, vec![1], vec![hidden], Kind::Bit);
    let (sums, most) = (Op::Linear(Linear::dense(hidden, classes, Planes::Sign)), hidden as i64);
    made.push(sums, vec![2], vec![classes], int(-most, most));
    made.finish(OutputEncoding::Argmax { classes: classes as u32 })
}

/// A network of numbers with every function that hosts who hold shares have a message for: a pool of the
/// largest and a ReLU, a leaky one, a residual sum, a square, a product of tensors. The numbers of random
/// weights and pixels fit it.
pub fn functions(output: OutputEncoding) -> Program {
    const SIDE: usize = 3;
    let mut made = Made::new(InputEncoding {
        shape: vec![6, 6, 1],
        bits: 8,
        signed: false,
        scale: 1.0,
        zero: 0,
        features: Vec::new(),
        tokens: false,
    });
    let conv = |side: usize, channels: usize| {
        let (kernel, pad_low) = ([3, 3], [1, 1]);
        let (input, output) = ([side, side, channels], [side, side]);
        let window = Window2d { input, kernel, stride: [1, 1], dilation: [1, 1], pad_low, output };
        Op::Linear(Linear { weights: WEIGHTS, window, filters: 2, groups: 1, pad: Pad::Drop })
    };
    let round = |drop| Op::Round(Round { drop, bits: SCORE_BITS });
    let (whole, half) = (vec![6, 6, 2], vec![SIDE, SIDE, 2]);
    made.layer(conv(6, 1), vec![0], &whole);
    made.layer(Op::Offset { offsets: 2, bits: 12 }, vec![1], &whole);
    made.layer(round(5), vec![2], &whole);
    let window = Window2d {
        input: [6, 6, 2],
        kernel: [2, 2],
        stride: [2, 2],
        dilation: [1, 1],
        pad_low: [0, 0],
        output: [SIDE, SIDE],
    };
    made.layer(Op::MaxPool { window }, vec![3], &half);
    let shortcut = made.layer(Op::Relu, vec![4], &half);
    made.layer(conv(SIDE, 2), vec![shortcut], &half);
    made.layer(round(6), vec![6], &half);
    made.layer(Op::LeakyRelu(Leak { slope: 77, bits: 8 }), vec![7], &half);
    made.layer(Op::Add, vec![shortcut, 8], &half);
    made.layer(round(0), vec![9], &half);
    made.layer(Op::Square, vec![10], &half);
    made.layer(round(10), vec![11], &half);
    made.layer(Op::Product, vec![12, shortcut], &half);
    made.layer(round(9), vec![13], &half);
    let inputs = half.iter().product();
    made.layer(Op::Permute { source: (0..inputs).collect() }, vec![14], &[inputs]);
    made.layer(Op::Linear(Linear::dense(inputs, SCORES, WEIGHTS)), vec![15], &[SCORES]);
    made.layer(Op::Offset { offsets: SCORES, bits: 12 }, vec![16], &[SCORES]);
    made.layer(round(7), vec![17], &[SCORES]);
    made.finish(output)
}

/// Numbers at the end of [`functions`].
pub const SCORES: usize = 4;

/// Bits of each number of [`functions`].
pub const SCORE_BITS: u32 = 13;

/// Weights of [`functions`].
const WEIGHTS: Planes = Planes::Odd { bits: 6 };

/// The tensor of [`largest`] that adds these.
pub fn added(numbers: &[i64]) -> Tensor {
    Tensor::Lines(numbers.iter().map(|&offset| Line { scale: 1, offset }).collect())
}

/// A package and a secret of random numbers, under which outputs are neither all 0 nor all 1.
pub fn random_secret(program: &Program, seed: u64) -> (Package, Secret) {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut below = |n: u64| rng.next_u64() % n;
    let tensor = |spec: &TensorSpec| match *spec {
        TensorSpec::Weights { planes, count } => {
            let weight =
                |_| planes.weight(below(planes.largest() as u64 + 1)).expect("a code below the most");
            Tensor::Weights((0..count).map(weight).collect())
        }
        TensorSpec::Cuts { count, range } => {
            // Near the middle, where sums of random signs are.
            let spread = (range.hi - range.lo) / 16 + 1;
            let cut = |_| Cut {
                rising: below(2) == 1,
                at: (range.lo + range.hi) / 2 + below(spread as u64) as i64 - spread / 2,
            };
            Tensor::Cuts((0..count).map(cut).collect())
        }
        TensorSpec::Offsets { count, bits } => {
            let spread = 1i64 << (bits - 2);
            Tensor::Offsets((0..count).map(|_| below(2 * spread as u64) as i64 - spread).collect())
        }
        TensorSpec::Lines { count, .. } => added(&(0..count).map(|_| below(16) as i64).collect::<Vec<_>>()),
        ref other => panic!("{other:?} is new"),
    };
    let tensors = program.tensors().iter().map(tensor).collect();
    let package = Package::new(program);
    let secret = Secret::new(&package, tensors).expect("they fit");
    (package, secret)
}

fn int(lo: i64, hi: i64) -> Kind {
    Kind::Int(Range { lo, hi })
}

struct Made {
    input: InputEncoding,
    layers: Vec<Layer>,
    tensors: usize,
}

impl Made {
    fn new(input: InputEncoding) -> Self {
        let codes = input.codes();
        let kind = int(*codes.start(), *codes.end());
        let shape = input.shape.iter().map(|&n| n as usize).collect();
        let layers = vec![Layer { op: Op::Input, reads: vec![], shape, kind, secret: None }];
        Self { input, layers, tensors: 0 }
    }

    fn push(&mut self, op: Op, reads: Vec<usize>, shape: Vec<usize>, kind: Kind) {
        let takes = op.tensor(Range { lo: 0, hi: 0 }).is_some();
        let secret = takes.then_some(self.tensors);
        self.tensors += usize::from(takes);
        self.layers.push(Layer { op, reads, shape, kind, secret });
    }

    /// A layer of the kind that follows from what it reads; its number.
    fn layer(&mut self, op: Op, reads: Vec<usize>, shape: &[usize]) -> usize {
        let kinds: Vec<Kind> = reads.iter().map(|&read| self.layers[read].kind).collect();
        let kind = op.kind(&kinds).expect("it takes such numbers");
        self.push(op, reads, shape.to_vec(), kind);
        self.layers.len() - 1
    }

    fn labels(self) -> Program {
        let units = self.layers.last().map_or(0, Layer::elements) as u32;
        self.finish(OutputEncoding::Labels { units })
    }

    fn finish(self, output: OutputEncoding) -> Program {
        Program::new(self.input, self.layers, output).expect("it obeys every rule")
    }
}
