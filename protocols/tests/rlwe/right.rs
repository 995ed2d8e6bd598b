//! Results are those of the program, for all kinds of layers.

use rand::RngExt;
use xonn_program::op::{Linear, Pad, Planes, Window2d};
use xonn_program::{Op, Tensor};
use xonn_protocols::plan::How;
use xonn_protocols::protocol::Protocol as _;
use xonn_protocols::rlwe::{self, Packing, Rlwe};

use crate::common::{
    Conv, Ends, Reads, Sides, found, leaves, open, program, rng, share, stage, tensors, weight,
};

/// Compares some predictions with the reference, and the bytes of one with the cost.
fn check(ends: &mut Ends, linear: Linear, reads: Reads, seed: u64) {
    let program = program(linear, reads);
    let stage = found(&linear, &program, reads);
    check_stage(ends, linear, reads, &stage, seed);
}

fn check_stage(
    ends: &mut Ends,
    linear: Linear,
    reads: Reads,
    stage: &xonn_protocols::plan::Stage,
    seed: u64,
) {
    let program = program(linear, reads);
    let rng = &mut rng(seed);
    let inputs: usize = linear.window.input.iter().product();
    let How::Rlwe(choice) = stage.how else { panic!() };
    let ring = reads.ring(choice.bits + 3);
    let largest = linear.weights.largest() as i32;
    for round in 0..4 {
        let weights: Vec<i32> = (0..linear.weight_count())
            .map(|_| match round {
                0 => largest,
                1 => -largest,
                _ => weight(linear.weights, rng),
            })
            .collect();
        let secret = tensors(&linear, reads, weights);
        let sides = Sides::new(stage, &program, &secret).unwrap();
        let Some(Tensor::Weights(weights)) = secret.last() else { panic!() };
        assert!(
            rlwe::margin(&linear, &choice, weights, 1).unwrap() >= rlwe::sigmas_for(rlwe::neurons(&program))
        );
        for input in 0..3 {
            let t: Vec<u64> = (0..inputs)
                .map(|_| match input {
                    0 => 0,
                    1 => ring.span,
                    _ => rng.random_range(0..=ring.span),
                })
                .collect();
            // The usual offsets, and some of each element's own where nothing says what they are.
            let offsets: Vec<i64> = (0..inputs)
                .map(|_| match (round, linear.pad) {
                    (3, Pad::Drop) => rng.random_range(-1000..1000),
                    _ => reads.offset(),
                })
                .collect();
            let x: Vec<i64> = t.iter().zip(&offsets).map(|(&t, o)| ring.step * t as i64 + o).collect();
            let expected = Op::Linear(linear).evaluate(secret.last(), &[(&x, linear.window.input[2])]);
            let sent = [ends.client.1.sent, ends.server.1.sent];
            let left = ends.predict(&sides, &share(ring, &t, &offsets, rng)).unwrap();
            assert_eq!(open(leaves(stage), &left), expected, "{linear:?} {choice:?}");
            let bytes = [ends.client.1.sent - sent[0], ends.server.1.sent - sent[1]];
            assert_eq!(rlwe::cost(stage, &program).unwrap().map(|bytes| bytes as u64), bytes);
            let cost = Rlwe.cost(stage, &program).unwrap();
            assert_eq!([cost.offline.up, cost.offline.down], bytes);
            assert_eq!((cost.online, cost.rows), Default::default());
        }
    }
}

#[test]
fn dense_layers() {
    let ends = &mut Ends::new(1);
    for (inputs, units, weights, reads) in [
        (1, 1, Planes::Sign, Reads::Bits),
        (5, 3, Planes::Sign, Reads::Bits),
        (784, 128, Planes::Sign, Reads::Numbers(8, 1, 0)),
        (130, 17, Planes::Ternary, Reads::Bits),
        (40, 33, Planes::Ternary, Reads::Numbers(4, 3, -17)),
        (64, 10, Planes::Odd { bits: 3 }, Reads::Bits),
        (33, 10, Planes::Odd { bits: 3 }, Reads::Numbers(8, 5, 900)),
        (20, 4, Planes::Odd { bits: 4 }, Reads::Numbers(8, 1, -128)),
        (20, 4, Planes::Odd { bits: 8 }, Reads::Numbers(4, 1, -8)),
        // more inputs than a polynomial has coefficients, more outputs than it has
        (3000, 2, Planes::Sign, Reads::Bits),
        (8, 2500, Planes::Sign, Reads::Bits),
    ] {
        check(ends, Linear::dense(inputs, units, weights), reads, 11);
    }
}

/// Large inputs, as far as a ring of the menu holds their sums; others are not taken.
#[test]
fn inputs_of_many_bits() {
    let ends = &mut Ends::new(8);
    for (inputs, units, reads) in [
        (7, 5, Reads::Numbers(20, 1, 0)),
        (1, 3, Reads::Numbers(20, 3, -(1 << 19))),
        (30, 32, Reads::Numbers(20, 1, -(1 << 19))),
        (512, 4, Reads::Numbers(20, 1, 0)),
        (127, 6, Reads::Numbers(16, 1, 7)),
        (10_000, 2, Reads::Numbers(8, 1, 0)),
    ] {
        check(ends, Linear::dense(inputs, units, Planes::Sign), reads, 12);
    }
    let conv = Conv([5, 5, 1], [2, 2], [1; 2], [1; 2], [1; 2], [5, 5], 2, 1);
    check(ends, conv.linear(Planes::Sign, Pad::Drop), Reads::Numbers(20, 1, 0), 13);
    let span = (1 << 20) - 1;
    check(ends, Linear::dense(7, 5, Planes::Odd { bits: 4 }), Reads::Numbers(20, 1, 0), 14);
    // Sums of 30 bits and more.
    for (inputs, weights) in [(784, Planes::Sign), (10_000, Planes::Sign), (100, Planes::Odd { bits: 4 })] {
        assert!(rlwe::search(&Linear::dense(inputs, 4, weights), span, 1, 7.0, 1).is_none(), "{inputs}");
    }
}

/// Both halves of a separable convolution where bits lie between them, and none where noisy sums do.
#[test]
fn separable_convolutions() {
    let ends = &mut Ends::new(9);
    let depthwise = Conv([8, 8, 12], [3, 3], [1; 2], [1; 2], [1; 2], [8, 8], 12, 12);
    let pointwise =
        Conv([8, 8, 12], [1, 1], [1; 2], [1; 2], [0; 2], [8, 8], 20, 1).linear(Planes::Sign, Pad::Drop);
    let depthwise = depthwise.linear(Planes::Sign, Pad::Drop);
    check(ends, depthwise, Reads::Bits, 14);
    check(ends, depthwise, Reads::Numbers(8, 1, 0), 15);
    check(ends, pointwise, Reads::Bits, 16);
    let How::Rlwe(choice) = found(&depthwise, &program(depthwise, Reads::Bits), Reads::Bits).how else {
        panic!()
    };
    let sums = rlwe::leaves(&depthwise, Reads::Bits.ring(choice.bits), &choice).unwrap();
    for bits in 1..30 {
        assert_eq!(rlwe::leaves(&pointwise, sums, &rlwe::Choice { bits, ..choice }), None);
    }
}

#[test]
fn convolutions() {
    let ends = &mut Ends::new(2);
    let two = [2, 2];
    for (number, (conv, weights, pad, reads)) in [
        // valid, same
        (Conv([7, 6, 3], [3, 3], [1; 2], [1; 2], [0; 2], [5, 4], 4, 1), Planes::Sign, Pad::Drop, Reads::Bits),
        (Conv([7, 6, 3], [3, 3], [1; 2], [1; 2], [1; 2], [7, 6], 4, 1), Planes::Sign, Pad::Drop, Reads::Bits),
        // uneven kernels, padding and images
        (Conv([9, 4, 2], [4, 1], [1; 2], [1; 2], [2, 0], [9, 4], 3, 1), Planes::Sign, Pad::Drop, Reads::Bits),
        (
            Conv([1, 40, 2], [1, 5], [1; 2], [1; 2], [0, 2], [1, 40], 3, 1),
            Planes::Sign,
            Pad::Drop,
            Reads::Bits,
        ),
        // strides, also past the kernel, and rows that no window reads
        (Conv([8, 8, 3], [3, 3], two, [1; 2], [0; 2], [4, 4], 5, 1), Planes::Sign, Pad::Drop, Reads::Bits),
        (Conv([9, 9, 3], [1, 1], two, [1; 2], [0; 2], [5, 5], 5, 1), Planes::Sign, Pad::Drop, Reads::Bits),
        (
            Conv([12, 11, 2], [2, 2], [3, 4], [1; 2], [1, 0], [4, 3], 2, 1),
            Planes::Sign,
            Pad::Drop,
            Reads::Bits,
        ),
        (
            Conv([10, 10, 2], [3, 3], [1; 2], [1; 2], [0; 2], [4, 3], 2, 1),
            Planes::Sign,
            Pad::Drop,
            Reads::Bits,
        ),
        // dilation, alone, with a stride that shares a factor, and with padding
        (Conv([9, 9, 2], [3, 3], [1; 2], two, [0; 2], [5, 5], 3, 1), Planes::Sign, Pad::Drop, Reads::Bits),
        (
            Conv([13, 9, 2], [3, 2], [2, 3], [4, 2], [1, 3], [3, 3], 3, 1),
            Planes::Sign,
            Pad::Drop,
            Reads::Bits,
        ),
        (
            Conv([9, 9, 2], [3, 3], [1; 2], [2, 3], [2, 3], [9, 9], 3, 1),
            Planes::Ternary,
            Pad::Drop,
            Reads::Bits,
        ),
        // groups, depthwise
        (Conv([6, 6, 4], [3, 3], [1; 2], [1; 2], [1; 2], [6, 6], 6, 2), Planes::Sign, Pad::Drop, Reads::Bits),
        (Conv([6, 6, 5], [3, 3], [1; 2], [1; 2], [1; 2], [6, 6], 5, 5), Planes::Sign, Pad::Drop, Reads::Bits),
        (Conv([6, 5, 3], [2, 2], two, [1; 2], [0; 2], [3, 2], 6, 3), Planes::Sign, Pad::Drop, Reads::Bits),
        (Conv([1, 1, 6], [1, 1], [1; 2], [1; 2], [0; 2], [1, 1], 4, 2), Planes::Sign, Pad::Drop, Reads::Bits),
        // padding of signs
        (
            Conv([5, 6, 3], [3, 3], [1; 2], [1; 2], [1; 2], [5, 6], 4, 1),
            Planes::Sign,
            Pad::Bit(true),
            Reads::Bits,
        ),
        (
            Conv([5, 6, 3], [3, 3], [1; 2], [1; 2], [1; 2], [5, 6], 4, 1),
            Planes::Ternary,
            Pad::Bit(false),
            Reads::Bits,
        ),
        (
            Conv([5, 6, 2], [3, 3], two, [1; 2], [1; 2], [3, 3], 4, 2),
            Planes::Sign,
            Pad::Bit(false),
            Reads::Bits,
        ),
        // numbers
        (
            Conv([8, 8, 3], [3, 3], [1; 2], [1; 2], [1; 2], [8, 8], 4, 1),
            Planes::Sign,
            Pad::Drop,
            Reads::Numbers(8, 1, 0),
        ),
        (
            Conv([8, 8, 3], [5, 5], two, [1; 2], [2; 2], [4, 4], 4, 1),
            Planes::Odd { bits: 3 },
            Pad::Drop,
            Reads::Numbers(8, 2, -255),
        ),
        (
            Conv([6, 6, 2], [3, 3], [1; 2], [1; 2], [1; 2], [6, 6], 2, 1),
            Planes::Ternary,
            Pad::Drop,
            Reads::Numbers(3, 7, 5),
        ),
        // one position that sees an image, with padding around it; several that see padding only
        (Conv([4, 4, 3], [6, 5], [3, 1], two, [2, 1], [1, 1], 7, 1), Planes::Sign, Pad::Drop, Reads::Bits),
        (Conv([2, 2, 2], [2, 2], [1; 2], [1; 2], [4, 4], [7, 6], 2, 1), Planes::Sign, Pad::Drop, Reads::Bits),
        (
            Conv([2, 2, 2], [2, 2], [1; 2], [1; 2], [4, 4], [7, 6], 2, 1),
            Planes::Sign,
            Pad::Bit(true),
            Reads::Bits,
        ),
        // larger than a polynomial
        (
            Conv([40, 37, 2], [3, 3], [1; 2], [1; 2], [1; 2], [40, 37], 2, 1),
            Planes::Sign,
            Pad::Drop,
            Reads::Bits,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        check(ends, conv.linear(weights, pad), reads, 100 + number as u64);
    }
}

#[test]
fn any_packing_gives_the_same() {
    let ends = &mut Ends::new(3);
    let linear =
        Conv([6, 5, 3], [3, 2], [2, 1], [1; 2], [1, 0], [3, 5], 4, 1).linear(Planes::Sign, Pad::Drop);
    let program = program(linear, Reads::Bits);
    let base = found(&linear, &program, Reads::Bits);
    let How::Rlwe(choice) = base.how else { panic!() };
    for tiles in [[1, 1, 1, 1], [2, 3, 2, 2], [3, 5, 6, 4], [3, 2, 4, 3]] {
        let choice = rlwe::Choice { packing: Packing::Tiles(tiles), ..choice };
        let stage = stage(&linear, Reads::Bits.ring(choice.bits + 3), choice);
        check_stage(ends, linear, Reads::Bits, &stage, 5);
    }
    // An l of more bits than are needed.
    let wide = rlwe::search(&linear, 1, 19, 8.0, 1).unwrap();
    assert_eq!(wide.bits, 19);
    check_stage(ends, linear, Reads::Bits, &stage(&linear, Reads::Bits.ring(22), wide), 6);
}

#[test]
fn layers_of_any_shape() {
    let ends = &mut Ends::new(7);
    let rng = &mut rng(77);
    let (mut checked, mut padded, mut strided, mut dilated) = (0, 0, 0, 0);
    for number in 0..200 {
        let mut side = |most: usize| rng.random_range(1..=most);
        let groups = side(3);
        let (kernel, stride, dilation) = ([side(4), side(3)], [side(4), side(3)], [side(3), side(3)]);
        let window = Window2d {
            input: [side(9), side(9), groups * side(3)],
            kernel,
            stride,
            dilation,
            pad_low: [side(4) - 1, side(4) - 1],
            output: [side(6), side(6)],
        };
        let (weights, reads, pad) = match rng.random_range(0..6) {
            0 => (Planes::Sign, Reads::Bits, Pad::Drop),
            1 => (Planes::Ternary, Reads::Bits, Pad::Bit(true)),
            2 => (Planes::Sign, Reads::Bits, Pad::Bit(false)),
            3 => (Planes::Odd { bits: 2 }, Reads::Numbers(4, 3, -20), Pad::Drop),
            4 => (Planes::Ternary, Reads::Numbers(6, 1, -32), Pad::Drop),
            _ => (Planes::Sign, Reads::Numbers(8, 2, 1), Pad::Drop),
        };
        let filters = groups * rng.random_range(1..=3);
        let linear = Linear { weights, window, filters, groups, pad };
        padded += usize::from(window.is_padded());
        strided += usize::from(stride.iter().any(|&step| step > 1));
        dilated += usize::from(dilation.iter().any(|&step| step > 1));
        check(ends, linear, reads, 1000 + number);
        checked += 1;
    }
    assert!(padded > 50 && strided > 50 && dilated > 50 && checked == 200);
}
