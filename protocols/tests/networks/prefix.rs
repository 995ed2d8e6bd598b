//! Where the circuit of a plan on shares begins, and why.

use chacha20::ChaCha12Rng;
use rand::SeedableRng as _;
use xonn_crypto::garble::Scheme;
use xonn_program::op::{Linear, Pad, Planes, Window2d};
use xonn_program::{Kind, LayerId, Op, OutputEncoding, Range};
use xonn_protocols::planner::{NotOnShares, on_shares_until};

use crate::draw::{Drawn, Net};
use crate::hosts;

fn window(input: [usize; 3], size: usize) -> Window2d {
    let output = [input[0] / size, input[1] / size];
    Window2d { input, kernel: [size; 2], stride: [size; 2], dilation: [1; 2], pad_low: [0; 2], output }
}

fn net(shape: [usize; 3], bits: u32) -> Net {
    Net::new(ChaCha12Rng::seed_from_u64(5), shape, bits, false)
}

/// A convolution of windows of one pixel.
fn conv(net: &mut Net, input: [usize; 3], filters: usize) {
    let window = window(input, 1);
    net.linear(Linear { weights: Planes::Sign, window, filters, groups: 1, pad: Pad::Drop });
}

fn int(lo: i64, hi: i64) -> Kind {
    Kind::Int(Range { lo, hi })
}

fn scores(net: Net) -> Drawn {
    let last = net.layers.last().expect("a layer");
    let (count, bits) = (last.elements() as u32, last.kind.range().signed_bits());
    net.finish(OutputEncoding::Scores { count, bits, scale: 1.0 })
}

/// The circuit's layers, the layer it begins for, and of each stage its protocol; predictions are right.
fn planned(drawn: &Drawn) -> (Vec<LayerId>, Option<NotOnShares>, Vec<&'static str>) {
    let Drawn { program, tensors, samples } = drawn;
    let (plan, not_taken) = on_shares_until(program, Scheme::ALL[0]).expect("its first sums are on shares");
    let circuit = plan.stages.last().expect("a stage").layers.clone();
    let protocols = plan.stages.iter().map(|stage| stage.how.protocol().name()).collect();
    let outputs = hosts::predict(plan, program, tensors, samples, 1).expect("our own plan");
    let expected = program.evaluate(tensors, samples).expect("in range");
    for (output, expected) in outputs.iter().zip(&expected) {
        assert_eq!(program.output().decode(output), expected.prediction(program.output()));
    }
    (circuit, not_taken, protocols)
}

#[test]
fn sums_at_the_end_are_added_on_shares() {
    let mut net = net([4, 4, 2], 3);
    conv(&mut net, [4, 4, 2], 3);
    net.push(Op::SumPool { window: window([4, 4, 3], 4) }, &[1], &[1, 1, 3], int(-14 * 16, 14 * 16));
    let (circuit, not_taken, protocols) = planned(&scores(net));
    assert_eq!((circuit, not_taken), (vec![2], None));
    assert_eq!(protocols, ["mask", "rlwe", "local", "garbled"]);
}

#[test]
fn signs_are_on_shares_although_their_pool_is_in_the_circuit() {
    let mut net = net([4, 4, 2], 3);
    conv(&mut net, [4, 4, 2], 2);
    net.threshold();
    let count = 4 * 4 * 2;
    net.push(Op::Permute { source: (0..count).rev().collect() }, &[1], &[4, 4, 2], int(-14, 14));
    let pool = Op::SumPool { window: window([4, 4, 2], 2) };
    net.push(pool, &[3], &[2, 2, 2], int(-14 * 4, 14 * 4));
    net.push(Op::Scale { lines: 2, bits: 4 }, &[4], &[2, 2, 2], int(-1000, 1000));
    net.push(Op::MaxPool { window: window([4, 4, 2], 2) }, &[2], &[2, 2, 2], Kind::Bit);
    net.push(Op::Add, &[5, 6], &[2, 2, 2], int(-1001, 1001));
    let (circuit, not_taken, protocols) = planned(&scores(net));
    assert_eq!(circuit, [5, 6, 7]);
    assert_eq!(not_taken.map(|not| (not.layer, not.op)), Some((5, "scale")));
    assert_eq!(protocols, ["mask", "rlwe", "compare_ot", "local", "local", "garbled"]);
}

#[test]
fn sums_that_are_too_noisy_together_begin_the_circuit() {
    let mut net = net([64, 64, 1], 8);
    conv(&mut net, [64, 64, 1], 1);
    net.push(Op::SumPool { window: window([64, 64, 1], 64) }, &[1], &[1, 1, 1], int(-255 << 12, 255 << 12));
    net.threshold();
    let (circuit, not_taken, protocols) = planned(&net.finish(OutputEncoding::Sign));
    assert_eq!(circuit, [2, 3]);
    let not_taken = not_taken.expect("a reason");
    assert_eq!((not_taken.layer, not_taken.op), (2, "sum_pool2d"));
    assert!(not_taken.reason.contains("noise"), "{not_taken}");
    assert_eq!(protocols, ["mask", "rlwe", "garbled"]);
}

#[test]
fn numbers_in_wide_steps_are_compared() {
    let mut net = net([1, 1, 6], 3);
    net.push(Op::Recode { step: 8, offset: -3 }, &[0], &[1, 1, 6], int(-3, 53));
    conv(&mut net, [1, 1, 6], 5);
    net.threshold();
    let (circuit, not_taken, protocols) = planned(&net.finish(OutputEncoding::Labels { units: 5 }));
    assert_eq!((circuit, not_taken), (vec![3], None));
    assert_eq!(protocols, ["mask", "local", "rlwe", "compare_ot", "garbled"]);
}
