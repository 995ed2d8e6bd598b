//! The layers that tests go through.

use xonn_program::op::{Linear, Pad, Planes, Window2d};

use crate::common::Case;

pub const SAME: Window2d = Window2d {
    input: [5, 6, 4],
    kernel: [3, 2],
    stride: [1, 1],
    dilation: [1, 1],
    pad_low: [1, 0],
    output: [5, 6],
};

pub fn conv(window: Window2d, filters: usize, groups: usize, weights: Planes, pad: Pad) -> Linear {
    Linear { weights, window, filters, groups, pad }
}

pub fn dense(weights: Planes) -> Linear {
    Linear::dense(13, 5, weights)
}

/// Every kind of weight, window, border and group.
pub fn all() -> Vec<(&'static str, Case)> {
    let odd = |bits| Planes::Odd { bits };
    let strided = Window2d { stride: [2, 3], dilation: [1, 2], pad_low: [2, 1], output: [4, 3], ..SAME };
    // One position, and of the kernel's 5 x 5 taps 2 x 3 that see the image.
    let one = Window2d { input: [2, 3, 2], kernel: [5, 5], pad_low: [2, 1], output: [1, 1], ..SAME };
    let spread = Window2d { dilation: [9, 1], pad_low: [9, 0], ..SAME };
    let bytes = |linear| Case::new(linear, 1, 255);
    let bits = |linear| Case::new(linear, 2, 1);
    let wide = |case: Case, reads, bits| Case {
        reads: xonn_protocols::value::Ring { bits: reads, ..case.reads },
        bits,
        ..case
    };
    vec![
        ("dense", bytes(dense(Planes::Sign))),
        ("dense of 3 planes, more than a piece", bytes(Linear::dense(70, 3, odd(3)))),
        ("dense ternary", bytes(Linear::dense(100, 4, Planes::Ternary))),
        ("dense of 24 planes", Case::new(dense(odd(24)), 1, 15)),
        ("one weight, nothing to send", bits(Linear::dense(1, 1, Planes::Sign))),
        ("ternary of one bit", bits(Linear::dense(1, 3, Planes::Ternary))),
        (
            "inputs of no span",
            Case {
                bits: 3,
                reads: xonn_protocols::value::Ring { bits: 5, fraction: 0, terms: 0, step: 7, span: 0 },
                linear: dense(Planes::Sign),
            },
        ),
        ("many more bits", wide(bytes(dense(odd(2))), 62, 62)),
        ("fewer bits than are read", wide(bytes(dense(odd(2))), 40, 17)),
        ("convolution", bytes(conv(SAME, 3, 1, Planes::Sign, Pad::Drop))),
        ("convolution of bits, padded with 1", bits(conv(SAME, 3, 1, Planes::Sign, Pad::Bit(true)))),
        ("convolution of bits, padded with -1", bits(conv(SAME, 3, 1, odd(2), Pad::Bit(false)))),
        ("ternary, padded with 1", bits(conv(SAME, 4, 2, Planes::Ternary, Pad::Bit(true)))),
        ("strides and dilation", Case::new(conv(strided, 3, 1, odd(2), Pad::Drop), 3, 1000)),
        ("strides and dilation of bits", bits(conv(strided, 2, 1, Planes::Ternary, Pad::Bit(false)))),
        ("groups", bytes(conv(SAME, 6, 2, Planes::Ternary, Pad::Drop))),
        ("depthwise", bytes(conv(strided, 8, 4, odd(2), Pad::Drop))),
        ("one position", bytes(conv(one, 4, 1, odd(3), Pad::Drop))),
        ("one position of bits, in groups", bits(conv(one, 4, 2, Planes::Sign, Pad::Bit(true)))),
        ("rows that see nothing", bytes(conv(spread, 2, 1, Planes::Sign, Pad::Drop))),
    ]
}

/// A layer whose corrections are several parts, and a filter's several runs.
pub fn large() -> Case {
    let window = Window2d { input: [64, 60, 4], kernel: [3, 3], pad_low: [1, 1], output: [64, 60], ..SAME };
    Case::new(conv(window, 5, 1, Planes::Ternary, Pad::Drop), 1, 255)
}
