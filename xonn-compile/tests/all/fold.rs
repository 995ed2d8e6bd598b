//! What folding makes of layer graphs that are written by hand.

use std::sync::Arc;

use xonn_compile::graph::{Array, BatchNorm, Conv, Function, LayerGraph, LayerOp, Padding, Pool, Quantizer};
use xonn_compile::passes::{self, Options};
use xonn_program::op::Pad;
use xonn_program::{Op, Range};

fn ones(shape: &[usize]) -> Arc<Array> {
    Arc::new(Array { shape: shape.to_vec(), data: vec![1.0; shape.iter().product()] })
}

fn conv(kernel: &[usize], padding: Padding) -> LayerOp {
    let conv = Conv { stride: [1, 1], dilation: [1, 1], padding, pad_value: 0.0, groups: 1 };
    LayerOp::Conv2d { kernel: ones(kernel), bias: None, conv, secret_scale: false }
}

fn chain(shape: &[usize], ops: Vec<LayerOp>) -> LayerGraph {
    let mut graph = LayerGraph::default();
    let mut last = graph.add("in", "InputLayer", LayerOp::Input { shape: shape.to_vec() }, &[]);
    graph.inputs = vec![last];
    for (i, op) in ops.into_iter().enumerate() {
        last = graph.add(&format!("l{i}"), "Layer", op, &[last]);
    }
    graph.output = last;
    graph
}

fn reshape(target: Option<&[usize]>) -> LayerOp {
    LayerOp::Reshape { target: target.map(|axes| axes.iter().copied().map(Some).collect()) }
}

/// A 1D convolution stands between two reshapes; its sums must still meet their sign directly, for only then
/// can border positions with fewer inputs be compared.
#[test]
fn a_reshape_does_not_part_a_sum_from_its_sign() {
    let norm = BatchNorm {
        gamma: None,
        beta: None,
        mean: Arc::new(Array::vector(vec![100.0, 300.0])),
        variance: Arc::new(Array::vector(vec![1.0, 1.0])),
        epsilon: 1e-3,
        fused: false,
    };
    let ops = vec![
        reshape(Some(&[1, 4, 1])),
        conv(&[1, 3, 1, 2], Padding::Causal),
        reshape(Some(&[4, 2])),
        LayerOp::BatchNorm(norm),
        LayerOp::Quantize(Quantizer::Sign),
        reshape(None),
        LayerOp::Dense { kernel: ones(&[8, 3]), bias: None, secret_scale: false },
    ];
    let network = passes::run(&chain(&[4, 1], ops), &Options::default()).unwrap().network;
    let names: Vec<&str> = network.layers().iter().map(|layer| layer.op.name()).collect();
    let at = names.iter().position(|&name| name == "threshold").unwrap();
    assert_eq!(
        (names[at - 1], network.layers()[at].reads.as_slice()),
        ("conv2d", &[at - 1][..]),
        "{names:?}"
    );
    // Sums of the last three inputs: 50, 150, 250, 350; bits of channel 0 from 100, of channel 1 from 300.
    let tensors = network.trace(&[50, 100, 100, 150]);
    assert_eq!(tensors[at], [-1, -1, 1, -1, 1, -1, 1, 1]);
}

/// With `x = q / 127.5 - 1` a border of zeros is q = 127.5: sums are of `2 q - 255`, for which it is 0.
#[test]
fn zeros_around_a_shifted_input_are_dropped_taps() {
    let ops = vec![
        LayerOp::Rescale { scale: (1.0f64 / 127.5) as f32, offset: -1.0 },
        conv(&[3, 3, 1, 1], Padding::Same),
        LayerOp::Quantize(Quantizer::Sign),
        reshape(None),
        LayerOp::Dense { kernel: ones(&[4, 2]), bias: None, secret_scale: false },
    ];
    let network = passes::run(&chain(&[2, 2, 1], ops), &Options::default()).unwrap().network;
    let recode = network.layers().iter().position(|layer| matches!(layer.op, Op::Recode { .. })).unwrap();
    assert_eq!(network.layers()[recode].op, Op::Recode { step: 2, offset: -255 });
    assert_eq!(network.layers()[recode].kind.range(), Range { lo: -255, hi: 255 });
    let (linear, _) = network.sums(recode + 1).expect("a convolution");
    assert_eq!(linear.pad, Pad::Drop);
    // All four windows hold the whole image: x sums to (255 + 0 + 128 + 127) / 127.5 - 4 = 0, which fires.
    for (q, bit) in [([255, 0, 128, 127], 1), ([255, 0, 127, 127], -1)] {
        assert_eq!(network.trace(&q)[recode + 2], [bit; 4]);
    }
}

/// A single unit's class is whether its sigmoid is above a half, also where moves or a maximum stand behind
/// it.
#[test]
fn a_sigmoid_that_is_not_the_last_layer_is_compared_with_a_half() {
    let sigmoid = LayerOp::Function(Function::Sigmoid);
    let hard = LayerOp::Function(Function::HardSigmoid { slope: 0.2 });
    let shifted = || LayerOp::Rescale { scale: 1.0, offset: -10.5 };
    let dense = |function: &LayerOp, behind: LayerOp| {
        vec![
            LayerOp::Dense { kernel: ones(&[4, 1]), bias: None, secret_scale: false },
            shifted(),
            function.clone(),
            behind,
        ]
    };
    let classes = |shape: &[usize], ops: Vec<LayerOp>, samples: &[[i64; 4]]| -> Vec<usize> {
        let network = passes::run(&chain(shape, ops), &Options::default()).expect("it has integers").network;
        let samples: Vec<Vec<i64>> = samples.iter().map(|sample| sample.to_vec()).collect();
        network.evaluate(&samples).expect("in range").iter().map(|evaluated| evaluated.class).collect()
    };
    let samples = [[0, 0, 0, 0], [2, 3, 2, 3], [3, 3, 2, 3], [9, 9, 9, 9]];
    for function in [&sigmoid, &hard] {
        for behind in [reshape(None), reshape(Some(&[1])), LayerOp::NoOp] {
            assert_eq!(classes(&[4], dense(function, behind), &samples), [0, 0, 1, 1], "{function:?}");
        }
        // The largest of four probabilities.
        let largest = vec![
            conv(&[1, 1, 1, 1], Padding::Valid),
            shifted(),
            function.clone(),
            LayerOp::MaxPool2d(Pool::Global { keep_axes: false }),
        ];
        let samples = [[0, 0, 0, 0], [10, 10, 10, 10], [0, 11, 0, 0], [99, 0, 0, 0]];
        assert_eq!(classes(&[2, 2, 1], largest, &samples), [0, 0, 1, 1], "{function:?}");
    }
}

/// What is computed of a last sign decides, not the sign.
#[test]
fn a_single_unit_of_one_bit_keeps_the_line_behind_it() {
    for (scale, offset, expected) in
        [(1.0, 0.0, [0, 1]), (1.0, 5.0, [1, 1]), (1.0, -5.0, [0, 0]), (-1.0, 0.0, [1, 0]), (2.0, 2.0, [0, 1])]
    {
        let ops = vec![
            LayerOp::Dense { kernel: ones(&[2, 1]), bias: None, secret_scale: false },
            LayerOp::Rescale { scale: 1.0, offset: -10.5 },
            LayerOp::Quantize(Quantizer::Sign),
            LayerOp::Rescale { scale, offset },
        ];
        let network = passes::run(&chain(&[2], ops), &Options::default()).expect("it has integers").network;
        let evaluated = network.evaluate(&[vec![5, 5], vec![5, 6]]).expect("in range");
        assert_eq!([evaluated[0].class, evaluated[1].class], expected, "{scale} x + {offset}");
    }
}

/// A sign that gives 0 at 0 is one threshold where no sum can meet 0, else two.
#[test]
fn a_ternary_sign_has_three_values_where_sums_can_be_0() {
    let network = |fan_in: usize| {
        let ops = vec![
            LayerOp::Quantize(Quantizer::Sign),
            LayerOp::Dense { kernel: ones(&[fan_in, 3]), bias: None, secret_scale: false },
            LayerOp::Quantize(Quantizer::Ternary),
            LayerOp::Dense { kernel: ones(&[3, 2]), bias: None, secret_scale: false },
        ];
        passes::run(&chain(&[fan_in], ops), &Options::default()).expect("it has integers")
    };
    let thresholds = |compiled: &passes::Compiled| {
        compiled.network.layers().iter().filter(|layer| matches!(layer.op, Op::Threshold { .. })).count()
    };
    // An odd number of +-1 never sums to 0.
    assert_eq!(thresholds(&network(5)), 2);
    let even = network(4);
    assert_eq!(thresholds(&even), 3);
    assert!(even.notes.iter().any(|note| note.contains("ste_sign")), "{:?}", even.notes);
    // Sums of 4, 2, 0, -2 and -4 signs; inputs are 0 or more, so all signs are +1: 4 everywhere.
    let last = even.network.evaluate(&[vec![0, 1, 2, 3]]).expect("in range").remove(0);
    assert_eq!(last.scores, [6, 6], "three times +1, counted in halves");
}
