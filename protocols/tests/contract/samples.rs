//! Sample networks and their plans, which have stages of every protocol.

use xonn_crypto::garble::Scheme;
use xonn_program::op::{Leak, Linear, Pad, Planes, Round, Spline, Window2d};
use xonn_program::{Kind, Op, OutputEncoding, Program, Range};
use xonn_protocols::compare_ot::Choice;
use xonn_protocols::cost::Link;
use xonn_protocols::plan::{How, Plan, Stage};
use xonn_protocols::planner;

use crate::programs::{self, Made, int};

/// A network and one plan for it.
pub struct Sample {
    pub name: String,
    pub program: Program,
    pub plan: Plan,
}

impl Sample {
    /// The plan's stages of a protocol, and others that do the same (`variants`): what no plan has yet goes
    /// there.
    pub fn stages(&self, protocol: &str) -> Vec<Stage> {
        let all = self.plan.stages.iter().flat_map(|stage| self.variants(stage));
        all.filter(|stage| stage.how.protocol().name() == protocol).collect()
    }

    fn variants(&self, stage: &Stage) -> Vec<Stage> {
        let hows = match stage.how {
            // Whichever of them the windows are small enough for.
            How::CompareOt(_) => [Choice::Sign, Choice::Narrow, Choice::Wide].map(How::CompareOt).to_vec(),
            How::Garbled { .. } => Scheme::ALL.map(|scheme| How::Garbled { scheme }).to_vec(),
            _ => vec![stage.how.clone()],
        };
        let with = |how| Stage { how, ..stage.clone() };
        let runs =
            |other: &Stage| *other == *stage || other.how.protocol().client(other, &self.program).is_ok();
        hows.into_iter().map(with).filter(runs).collect()
    }
}

/// Every network, in a circuit and on shares.
pub fn all() -> Vec<Sample> {
    let networks = [
        ("classes", programs::classes()),
        ("scores", programs::scores()),
        ("labels", programs::labels()),
        ("image", programs::image()),
        ("small pools", pools([2, 2])),
        ("large pools", pools([3, 3])),
        ("sums", sums()),
        ("numbers", numbers()),
        ("products", products()),
        ("curves", curves()),
    ];
    let mut all = Vec::new();
    for (name, program) in networks {
        let ways = [
            ("on shares", planner::on_shares(&program, Scheme::ThreeHalves).ok()),
            ("in a circuit", Some(planner::garbled(&program, Scheme::HalfGates))),
            ("by conditional addition", planner::by_weight_ot(&program, Scheme::ThreeHalves).ok()),
        ];
        for (way, plan) in ways {
            let plan = plan.unwrap_or_else(|| panic!("{name} has no plan {way}"));
            all.push(Sample { name: format!("{name} {way}"), program: program.clone(), plan });
        }
    }
    // Where bytes alone count, a tournament finds the class: of exact numbers and of noisy sums.
    let link = Link { rtt_ms: 0.0, mbps: 1.0 };
    for (name, program) in
        [("numbers", class_of(5, 12)), ("two numbers", class_of(2, 2)), ("sums", class_of_sums())]
    {
        let plan = planner::on_shares_over(&program, Scheme::HalfGates, link).expect("it goes on shares");
        assert_eq!(plan.stages.last().expect("a stage").how, How::Argmax, "{name}");
        all.push(Sample { name: format!("{name} by a tournament"), program, plan });
    }
    all
}

/// Kernels of 3 x 3 over an image.
fn conv(input: [usize; 3], weights: Planes, filters: usize, pad: Pad) -> Op {
    let [height, width, _] = input;
    let output = [height, width];
    let window =
        Window2d { input, kernel: [3, 3], stride: [1, 1], dilation: [1, 1], pad_low: [1, 1], output };
    Op::Linear(Linear { weights, window, filters, groups: 1, pad })
}

/// What an operation gives, in all the range that it can give.
fn next(made: &mut Made, op: Op, reads: &[usize], shape: &[usize]) -> usize {
    let kinds: Vec<Kind> = reads.iter().map(|&read| made.kind(read)).collect();
    let kind = op.kind(&kinds).expect("an operation on these");
    made.push(op, reads, shape, kind)
}

/// Numbers: sums with a bias, or without one, rounded.
fn rounded(made: &mut Made, op: Op, read: usize, shape: &[usize], bias: bool) -> usize {
    let mut sums = next(made, op, &[read], shape);
    if bias {
        sums = next(made, Op::Offset { offsets: shape[shape.len() - 1], bits: 5 }, &[sums], shape);
    }
    next(made, Op::Round(Round { drop: 3, bits: 12 }), &[sums], shape)
}

/// Hidden numbers through a pool and every function, and the moves that shares let through.
fn numbers() -> Program {
    let mut made = Made::new(&[4, 4, 1], 2, false);
    let weights = Planes::Odd { bits: 3 };
    let sums = rounded(&mut made, conv([4, 4, 1], weights, 2, Pad::Drop), 0, &[4, 4, 2], true);
    let window = Window2d {
        input: [4, 4, 2],
        kernel: [2, 2],
        stride: [2, 2],
        dilation: [1, 1],
        pad_low: [0, 0],
        output: [2, 2],
    };
    let largest = next(&mut made, Op::MaxPool { window }, &[sums], &[2, 2, 2]);
    let relu = next(&mut made, Op::Relu, &[largest], &[2, 2, 2]);
    let alone = next(&mut made, Op::MaxPool { window }, &[sums], &[2, 2, 2]);
    let sum = next(&mut made, Op::Add, &[relu, alone], &[2, 2, 2]);
    let sum = next(&mut made, Op::Round(Round { drop: 0, bits: 12 }), &[sum], &[2, 2, 2]);
    let clamped = next(&mut made, Op::Clamp(Range { lo: -2, hi: 3 }), &[sum], &[2, 2, 2]);
    let flat = next(&mut made, Op::Permute { source: (0..8).rev().collect() }, &[clamped], &[8]);
    let dense = Op::Linear(Linear::dense(8, 5, weights));
    let sums = rounded(&mut made, dense, flat, &[5], false);
    let leaky = next(&mut made, Op::LeakyRelu(Leak { slope: 77, bits: 8 }), &[sums], &[5]);
    let relu = next(&mut made, Op::Relu, &[leaky], &[5]);
    let dense = Op::Linear(Linear::dense(5, 4, weights));
    rounded(&mut made, dense, relu, &[4], true);
    made.finish(OutputEncoding::Argmax { classes: 4 })
}

/// Hidden numbers, squared and multiplied.
fn products() -> Program {
    let mut made = Made::new(&[6], 2, true);
    let weights = Planes::Odd { bits: 3 };
    let sums = rounded(&mut made, Op::Linear(Linear::dense(6, 5, weights)), 0, &[5], true);
    let square = next(&mut made, Op::Square, &[sums], &[5]);
    let square = next(&mut made, Op::Round(Round { drop: 3, bits: 12 }), &[square], &[5]);
    let product = next(&mut made, Op::Product, &[square, sums], &[5]);
    let product = next(&mut made, Op::Round(Round { drop: 4, bits: 14 }), &[product], &[5]);
    let dense = Op::Linear(Linear::dense(5, 4, weights));
    rounded(&mut made, dense, product, &[4], true);
    made.finish(OutputEncoding::Argmax { classes: 4 })
}

/// A class of hidden numbers of so many bits. Of two numbers of two bits the last answer of a tournament has
/// no field.
fn class_of(classes: usize, bits: u32) -> Program {
    let mut made = Made::new(&[4], 2, true);
    let weights = Planes::Odd { bits: 3 };
    let sums = rounded(&mut made, Op::Linear(Linear::dense(4, 5, weights)), 0, &[5], true);
    let relu = next(&mut made, Op::Relu, &[sums], &[5]);
    let sums = next(&mut made, Op::Linear(Linear::dense(5, classes, weights)), &[relu], &[classes]);
    let drop = if bits < 12 { 11 } else { 3 };
    next(&mut made, Op::Round(Round { drop, bits }), &[sums], &[classes]);
    made.finish(OutputEncoding::Argmax { classes: classes as u32 })
}

/// A class of sums of signs.
fn class_of_sums() -> Program {
    let mut made = Made::new(&[6], 2, true);
    let sums = made.dense(0, 9, Planes::Sign);
    let bits = made.threshold(sums);
    made.dense(bits, 5, Planes::Sign);
    made.finish(OutputEncoding::Argmax { classes: 5 })
}

/// Hidden numbers through curves: pieces and two flat ends, two sloped ends alone.
fn curves() -> Program {
    let mut made = Made::new(&[6], 2, true);
    let weights = Planes::Odd { bits: 3 };
    let sums = rounded(&mut made, Op::Linear(Linear::dense(6, 5, weights)), 0, &[5], true);
    let lines = vec![[2, 0], [2, 3], [26, 2], [42, 0]];
    let table = curve(&mut made, Spline { from: -8, piece: 2, lines, drop: 2 }, sums, &[5]);
    let dense = Op::Linear(Linear::dense(5, 4, weights));
    let sums = rounded(&mut made, dense, table, &[4], false);
    let two = vec![[19, 1], [40, -3]];
    let ends = curve(&mut made, Spline { from: -4, piece: 3, lines: two, drop: 1 }, sums, &[4]);
    let dense = Op::Linear(Linear::dense(4, 4, weights));
    rounded(&mut made, dense, ends, &[4], true);
    made.finish(OutputEncoding::Argmax { classes: 4 })
}

/// A curve, with room for what shares are off by.
fn curve(made: &mut Made, spline: Spline, read: usize, shape: &[usize]) -> usize {
    let [least, most] = spline.range(made.kind(read).range()).expect("it is not steep");
    let kind = int(least - Spline::SPARE, most + Spline::SPARE);
    made.push(Op::Spline(spline), &[read], shape, kind)
}

/// A pool in front of a threshold, and one behind.
fn pools(kernel: [usize; 2]) -> Program {
    let mut made = Made::new(&[6, 6, 1], 2, false);
    let window = |input: [usize; 3], stride: usize, output: [usize; 2]| Window2d {
        input,
        kernel,
        stride: [stride; 2],
        dilation: [1, 1],
        pad_low: [0, 0],
        output,
    };
    let first = made.push(conv([6, 6, 1], Planes::Sign, 2, Pad::Drop), &[0], &[6, 6, 2], int(-27, 27));
    let pooled = window([6, 6, 2], 2, [3, 3]);
    let pooled = made.push(Op::MaxPool { window: pooled }, &[first], &[3, 3, 2], int(-27, 27));
    let bits = made.threshold(pooled);
    let weights = conv([3, 3, 2], Planes::Ternary, 2, Pad::Bit(false));
    let second = made.push(weights, &[bits], &[3, 3, 2], int(-36, 36));
    let bits = made.threshold(second);
    let side = 4 - kernel[0];
    let pooled = window([3, 3, 2], 1, [side; 2]);
    let pooled = made.push(Op::MaxPool { window: pooled }, &[bits], &[side, side, 2], Kind::Bit);
    let sums = made.dense(pooled, 4, Planes::Sign);
    made.scale(sums, 5);
    made.finish(OutputEncoding::Argmax { classes: 4 })
}

/// Sums that are added, laid side by side, pooled and picked before there are signs.
fn sums() -> Program {
    let mut made = Made::new(&[4, 4, 1], 1, false);
    let signs = made.push(Op::Recode { step: 2, offset: -1 }, &[0], &[4, 4, 1], int(-1, 1));
    let first = conv([4, 4, 1], Planes::Sign, 2, Pad::Drop);
    let first = made.push(first, &[signs], &[4, 4, 2], int(-9, 9));
    let second = conv([4, 4, 1], Planes::Ternary, 2, Pad::Drop);
    let second = made.push(second, &[signs], &[4, 4, 2], int(-18, 18));
    let sum = made.push(Op::Add, &[first, second], &[4, 4, 2], int(-27, 27));
    let both = made.push(Op::Concatenate, &[sum, first], &[4, 4, 4], int(-27, 27));
    let window = Window2d {
        input: [4, 4, 4],
        kernel: [2, 2],
        stride: [2, 2],
        dilation: [1, 1],
        pad_low: [0, 0],
        output: [2, 2],
    };
    let pooled = made.push(Op::SumPool { window }, &[both], &[2, 2, 4], int(-108, 108));
    let source = (0..16).map(|at| (5 * at + 3) % 16).collect();
    let picked = made.push(Op::Permute { source }, &[pooled], &[16], int(-108, 108));
    let bits = made.threshold(picked);
    made.dense(bits, 5, Planes::Sign);
    made.finish(OutputEncoding::Argmax { classes: 5 })
}
