//! Random networks of hidden numbers: scores are near to the float graph's, the circuit gives what the layers
//! give, and other weights give the same circuit.

use std::collections::BTreeMap;

use xonn_compile::graph::Function;
use xonn_compile::passes::{Need, NumberOptions, NumberSamples, Ranges};
use xonn_crypto::garble::Scheme;
use xonn_program::{Op, Prediction};
use xonn_protocols::planner;

use super::*;

/// Images of 6 x 6 pixels of three bytes.
pub(super) const SHAPE: [usize; 3] = [6, 6, 3];

const CURVES: [Function; 10] = [
    Function::Sigmoid,
    Function::Tanh,
    Function::Elu { alpha: 1.0 },
    Function::Selu,
    Function::Softplus,
    Function::Softsign,
    Function::Silu,
    Function::Gelu { approximate: false },
    Function::Mish,
    Function::Abs,
];

impl Net {
    /// A function that hidden numbers are taken through.
    fn activation(&mut self) {
        let relu = |slope, max| LayerOp::Function(Function::Relu { slope, max });
        let op = match self.choices.below(12) {
            0..=2 => relu(0.0, None),
            3 => relu([0.25, 0.3, 0.01][self.choices.below(3)], None),
            4 => relu(0.0, Some(1.0)),
            5 => {
                let channels = self.shape().last().copied().expect("tensors have axes");
                LayerOp::PRelu { slope: self.choices.reals(channels) }
            }
            6 => LayerOp::Function(Function::HardTanh),
            7 => LayerOp::Function(Function::HardSigmoid { slope: 0.2 }),
            8 => LayerOp::Function(Function::Square),
            _ => LayerOp::Function(CURVES[self.choices.below(CURVES.len())]),
        };
        self.push(op);
    }

    fn number_block(&mut self, samples: &[Vec<i64>]) {
        let before = self.last;
        let channels = self.shape()[2];
        match self.choices.below(8) {
            0 | 1 => {
                let filters = 2 + self.choices.below(3);
                self.real_conv([3, 3], filters, 1);
                self.seen_norm(samples);
                self.activation();
            }
            2 => {
                // A residual block.
                self.real_conv([3, 3], channels, 1);
                self.seen_norm(samples);
                self.join(LayerOp::Add, &[before, self.last]);
                self.push(LayerOp::Function(Function::Relu { slope: 0.0, max: None }));
            }
            3 => {
                self.real_conv([1, 1], 2, 1);
                self.seen_norm(samples);
                self.activation();
                self.join(LayerOp::Concatenate, &[before, self.last]);
            }
            4 => {
                // A gate.
                self.real_conv([1, 1], channels, 1);
                self.seen_norm(samples);
                self.push(LayerOp::Function(Function::HardSigmoid { slope: 0.2 }));
                self.join(LayerOp::Multiply, &[before, self.last]);
            }
            5 if self.shape()[0] > 2 => {
                let pool = Pool::Window { size: [2, 2], stride: [2, 2], padding: Padding::Valid };
                self.activation();
                let largest = self.choices.one_in(2);
                self.push(if largest { LayerOp::MaxPool2d(pool) } else { LayerOp::AveragePool2d(pool) });
            }
            6 => {
                // Bi-Real's block: a binary convolution beside a shortcut of numbers, and no function.
                self.binary_conv(channels);
                self.seen_norm(samples);
                self.join(LayerOp::Add, &[before, self.last]);
            }
            _ => {
                // Signs between numbers.
                self.binary_conv(channels);
                self.seen_norm(samples);
                self.activation();
            }
        }
    }
}

pub(super) fn drawn(seed: u64) -> (LayerGraph, Vec<Vec<i64>>) {
    let choices = Choices { seed, dyadic: false };
    let mut graph = LayerGraph::default();
    let input = graph.add("in", "InputLayer", LayerOp::Input { shape: SHAPE.to_vec() }, &[]);
    graph.inputs = vec![input];
    graph.output = input;
    infer_shapes(&mut graph, &mut Vec::new()).expect("an input has a shape");
    let mut net = Net { choices, graph, last: input, real: true, plain: false };
    let mut seen = Choices { seed: !seed, dyadic: true };
    let pixels = SHAPE.iter().product::<usize>();
    let samples: Vec<Vec<i64>> =
        (0..16).map(|_| (0..pixels).map(|_| seen.below(256) as i64).collect()).collect();
    net.push(LayerOp::Divide { by: 255.0 });
    net.real_conv([3, 3], 3, 1);
    net.seen_norm(&samples);
    net.activation();
    for _ in 0..1 + net.choices.below(4) {
        net.number_block(&samples);
    }
    if net.choices.one_in(3) {
        net.push(LayerOp::AveragePool2d(Pool::Global { keep_axes: false }));
    } else {
        net.push(LayerOp::Reshape { target: None });
    }
    for outputs in [6, 4] {
        let fan_in = net.shape()[0];
        let kernel = net.normal(vec![fan_in, outputs]);
        let bias = Some(net.choices.reals(outputs));
        net.graph.output = net.push(LayerOp::Dense { kernel, bias, secret_scale: false });
        if outputs > 4 {
            net.activation();
        }
    }
    infer_shapes(&mut net.graph, &mut Vec::new()).expect("layers are chosen to fit");
    (net.graph, samples)
}

pub(super) fn with_numbers(output: OutputMode, samples: &[Vec<i64>], bits: (u32, u32)) -> Options {
    let inputs = samples.iter().map(|q| vec![q.iter().map(|&q| q as f32).collect()]).collect();
    let numbers = NumberOptions {
        activation_bits: bits.0,
        weight_bits: bits.1,
        ranges: Ranges::Seen(Arc::new(NumberSamples::new(inputs))),
    };
    Options { numbers: Some(numbers), allow_error: true, input: InputOptions::default(), ..options(output) }
}

/// The largest difference of a score beside the largest score, of all samples where no sign is on the edge.
fn distance(graph: &LayerGraph, samples: &[Vec<i64>], bits: (u32, u32)) -> (f64, Network) {
    let network = passes::run(graph, &with_numbers(OutputMode::Scores, samples, bits))
        .unwrap_or_else(|e| panic!("{e}"))
        .network;
    let OutputEncoding::Scores { scale: unit, .. } = *network.output() else {
        panic!("scores were asked for")
    };
    let ours = network.evaluate(samples).expect("in range");
    let mut distance = 0.0f64;
    for (sample, ours) in samples.iter().zip(&ours) {
        let x = sample.iter().map(|&q| q as f32).collect();
        let tensors = graph.evaluate(&[x]).expect("the graph is sound");
        if on_an_edge(graph, &tensors) {
            continue;
        }
        let scores = &tensors[&graph.output];
        let largest = scores.iter().fold(0.0f64, |most, &score| most.max(f64::from(score.abs())));
        for (&score, &ours) in scores.iter().zip(&ours.scores) {
            distance = distance.max((f64::from(score) - ours as f64 * unit).abs() / largest);
        }
    }
    (distance, network)
}

/// Scores come nearer with more bits, and near.
#[test]
fn numbers_are_near_and_more_bits_are_nearer() {
    let (mut ops, mut coarse, mut fine) = (BTreeMap::new(), Vec::new(), Vec::new());
    for seed in 0..60u64 {
        let (graph, samples) = drawn(seed);
        coarse.push(distance(&graph, &samples, (8, 8)).0);
        let (near, network) = distance(&graph, &samples, (14, 14));
        assert!(near < 0.02, "seed {seed}: scores are off by {near} of the largest");
        fine.push(near);
        for layer in network.layers() {
            *ops.entry(layer.op.name()).or_insert(0) += 1;
        }
    }
    let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64;
    println!("off by {:.1e} with 8 bits, {:.1e} with 14; {ops:?}", mean(&coarse), mean(&fine));
    assert!(mean(&fine) < mean(&coarse) / 20.0);
    for op in [
        "relu",
        "leaky_relu",
        "clamp",
        "square",
        "product",
        "offset",
        "round",
        "scale",
        "threshold",
        "spline",
    ] {
        assert!(ops.get(op).is_some_and(|&n| n >= 3), "{op}: {ops:?}");
    }
}

/// Many more, which take minutes: every network is taken, and its scores are near.
#[test]
#[ignore = "a sweep: `just sweep-networks`"]
fn a_sweep_of_networks_of_numbers() {
    let mut far = Vec::new();
    for seed in 1000..2000u64 {
        let (graph, samples) = drawn(seed);
        match passes::run(&graph, &with_numbers(OutputMode::Scores, &samples, (14, 14))) {
            Err(error) => far.push((seed, error.to_string())),
            Ok(_) => match distance(&graph, &samples, (14, 14)).0 {
                ..0.06 => {}
                near => far.push((seed, near.to_string())),
            },
        }
    }
    assert!(far.is_empty(), "{far:#?}");
}

/// Sums of real numbers ask for samples, sums of integers do not.
#[test]
fn sums_of_real_numbers_are_hidden_numbers() {
    for (normalised, needed) in [(true, Need::Sums), (false, Need::None)] {
        let choices = Choices { seed: 5, dyadic: false };
        let mut graph = LayerGraph::default();
        let input = graph.add("in", "InputLayer", LayerOp::Input { shape: SHAPE.to_vec() }, &[]);
        (graph.inputs, graph.output) = (vec![input], input);
        infer_shapes(&mut graph, &mut Vec::new()).expect("an input has a shape");
        let mut net = Net { choices, graph, last: input, real: false, plain: true };
        net.push(LayerOp::Rescale { scale: 1.0, offset: -127.5 });
        for _ in 0..2 {
            let before = net.last;
            net.push(LayerOp::Quantize(Quantizer::Sign));
            let signs = (0..81).map(|_| [1.0, -1.0][net.choices.below(2)]).collect();
            let kernel = Arc::new(Array { shape: vec![3, 3, 3, 3], data: signs });
            let (stride, dilation) = ([1, 1], [1, 1]);
            let conv = Conv { stride, dilation, padding: Padding::Same, pad_value: 0.0, groups: 1 };
            net.push(LayerOp::Conv2d { kernel, bias: None, conv, secret_scale: false });
            if normalised {
                net.seen_norm(&[vec![7; 108], vec![200; 108]]);
            }
            net.join(LayerOp::Add, &[before, net.last]);
        }
        net.graph.output = net.last;
        assert_eq!(passes::need_of_numbers(&net.graph), Ok(needed), "{normalised}");
    }
}

/// A product is rounded, and multiplied by nothing else.
#[test]
fn products_of_numbers_are_rounded_at_once() {
    let mut found = 0;
    for seed in 0..40u64 {
        let (graph, samples) = drawn(seed);
        let compiled = passes::run(&graph, &with_numbers(OutputMode::Argmax, &samples, (10, 8)));
        let network = compiled.unwrap_or_else(|e| panic!("seed {seed}: {e}")).network;
        for (id, layer) in network.layers().iter().enumerate() {
            let of_bits = layer.kind == xonn_program::Kind::Bit;
            if of_bits || !matches!(layer.op, Op::Square | Op::Product) {
                continue;
            }
            found += 1;
            for reader in network.layers().iter().filter(|reader| reader.reads.contains(&id)) {
                assert!(matches!(reader.op, Op::Round(_)), "seed {seed}: {:?}", reader.op);
            }
        }
    }
    assert!(found >= 10, "{found}");
}

/// Dense layers with a function behind each.
fn dense(functions: &[LayerOp], seed: u64) -> (LayerGraph, Vec<Vec<i64>>) {
    let mut graph = LayerGraph::default();
    let input = graph.add("in", "InputLayer", LayerOp::Input { shape: vec![10] }, &[]);
    graph.inputs = vec![input];
    graph.output = input;
    infer_shapes(&mut graph, &mut Vec::new()).expect("an input has a shape");
    let choices = Choices { seed, dyadic: false };
    let mut net = Net { choices, graph, last: input, real: true, plain: false };
    net.push(LayerOp::Divide { by: 64.0 });
    for function in functions.iter().map(Some).chain([None]) {
        let (fan_in, outputs) = (net.shape()[0], if function.is_some() { 12 } else { 4 });
        let kernel = net.normal(vec![fan_in, outputs]);
        let bias = Some(net.choices.reals(outputs));
        net.graph.output = net.push(LayerOp::Dense { kernel, bias, secret_scale: false });
        function.into_iter().for_each(|function| {
            net.push(function.clone());
        });
    }
    infer_shapes(&mut net.graph, &mut Vec::new()).expect("layers are chosen to fit");
    let mut seen = Choices { seed: !seed, dyadic: true };
    let samples = (0..32).map(|_| (0..10).map(|_| seen.below(256) as i64).collect()).collect();
    (net.graph, samples)
}

/// Curves, what takes secret scales, and sums between dense layers: nothing but the answer is left to the
/// circuit, unless a curve has too sharp a bend, and scores are those of the integers but for what curves and
/// rounding are off by.
#[test]
fn curves_and_secret_scales_go_on_shares() {
    let mut functions: Vec<LayerOp> = CURVES.into_iter().map(LayerOp::Function).collect();
    functions.push(LayerOp::Function(Function::HardSigmoid { slope: 0.2 }));
    functions.push(LayerOp::PRelu { slope: Choices { seed: 5, dyadic: false }.reals(12) });
    // Sums behind sums, with nothing between them.
    let data = Choices { seed: 6, dyadic: false }.reals(144).data.iter().map(|x| x / 4.0).collect();
    let kernel = Arc::new(Array { shape: vec![12, 12], data });
    functions.push(LayerOp::Dense { kernel, bias: None, secret_scale: false });
    let mut taken = 0;
    for (number, function) in functions.into_iter().enumerate() {
        let (graph, samples) = dense(&[function.clone(), LayerOp::Function(Function::Tanh)], number as u64);
        let options = with_numbers(OutputMode::Scores, &samples, (12, 10));
        let network = passes::run(&graph, &options).unwrap_or_else(|e| panic!("{e}")).network;
        let (plan, stop) =
            planner::on_shares_until(network.program(), Scheme::ALL[0]).unwrap_or_else(|e| panic!("{e}"));
        let sums = matches!(function, LayerOp::Dense { .. });
        if !sums && stop.as_ref().is_some_and(|not| not.op == "spline") {
            println!("{function:?}: {stop:?}");
            continue;
        }
        taken += 1;
        // The scores' own scale, which nothing rounds as numbers are.
        assert!(stop.as_ref().is_none_or(|not| not.op == "scale"), "{function:?}: {stop:?}");
        let circuit = &plan.stages.last().expect("a stage").layers;
        assert!(circuit[0] + 2 >= network.program().layers().len(), "{function:?}: {circuit:?}");
        let cost = plan.cost(network.program()).expect("our own plan");
        let (outputs, sent) = crate::on_shares::run(&network, plan, &samples[..1], 0);
        assert_eq!(sent, cost.first().bytes(), "{function:?}");
        let OutputEncoding::Scores { scale, .. } = *network.output() else { panic!("scores") };
        let Prediction::Scores(found) = network.output().decode(&outputs[0]) else { panic!("scores") };
        let want = &network.evaluate(&samples[..1]).expect("in range")[0].scores;
        let most = want.iter().map(|score| score.abs()).max().unwrap_or(1) as f64;
        let off = found.iter().zip(want).map(|(found, want)| (found / scale - *want as f64).abs() / most);
        let off = off.fold(0.0, f64::max);
        println!("{function:?}: {sent} bytes, off by {off:.4}");
        assert!(off < 0.02, "{function:?}: off by {off}");
    }
    assert!(taken >= 10, "{taken} of 13 functions");
}

/// Labels of several units are compared one by one: with few bits chance turns some.
#[test]
fn labels_that_chance_turns_are_counted() {
    let (mut equal, mut all) = (0, 0);
    for seed in 300..312u64 {
        let (graph, samples) = drawn(seed);
        let compiled = passes::run(&graph, &with_numbers(OutputMode::Labels, &samples, (4, 4)));
        let network = compiled.unwrap_or_else(|e| panic!("seed {seed}: {e}")).network;
        let found = network.evaluate(&samples).expect("in range");
        let numbers =
            xonn_compile::check::numbers::numbers(&network, None, &samples, &found).expect("it has numbers");
        equal += numbers.equal_by_chance.iter().sum::<usize>();
        all += numbers.equal_by_chance.len() * samples.len();
    }
    assert!(equal < all && equal > all / 4, "{equal} of {all}");
}

/// What is told of each layer are the differences that rounding makes: of the first layer those of theory,
/// the root of 1/12 to the nearest and that of 1/6 by chance, and what weights and inputs add.
#[test]
fn errors_by_layer_are_those_of_rounding() {
    for seed in 400..410u64 {
        let (graph, samples) = drawn(seed);
        let values = samples.iter().flatten().copied().collect();
        let shape = [vec![samples.len()], SHAPE.to_vec()].concat();
        let x = xonn_program::data::Tensor::new(shape, xonn_program::data::Values::Integers(values));
        let x = x.expect("samples of one shape");
        let deviations = |bits| {
            let compiled = passes::run(&graph, &with_numbers(OutputMode::Scores, &samples, bits));
            let compiled = compiled.unwrap_or_else(|e| panic!("seed {seed}: {e}"));
            let twin = compiled.twin.as_ref().expect("it has numbers");
            let errors = xonn_compile::check::errors::errors(&compiled.network, twin, &x, &samples);
            let errors = errors.expect("samples that fit");
            assert!(errors.len() >= 3, "seed {seed}: {errors:?}");
            // In front of the first rounding there may be inputs, which are exact.
            let first = errors.iter().find(|error| error.bits == 13).expect("numbers of 10 bits");
            (first.nearest.deviation, first.by_chance.deviation, first.nearest.most)
        };
        let (nearest, by_chance, most) = deviations((10, 16));
        assert!((0.25..0.36).contains(&nearest) && most < 1.0, "seed {seed}: {nearest} {most}");
        assert!((0.36..0.47).contains(&by_chance), "seed {seed}: {by_chance}");
        // Weights of few bits show.
        assert!(deviations((10, 5)).0 > 2.0 * nearest, "seed {seed}");
    }
}

/// The circuit, its package and other weights.
#[test]
fn circuits_of_networks_of_numbers_are_the_integers() {
    for seed in 100..130u64 {
        let (graph, samples) = drawn(seed);
        let output = if seed % 2 == 0 { OutputMode::Argmax } else { OutputMode::Scores };
        let compiled = passes::run(&graph, &with_numbers(output, &samples, (6, 4)));
        let network = compiled.unwrap_or_else(|e| panic!("seed {seed}: {e}")).network;
        circuit_is_the_integers(&network, &samples[..4]);
        assert!(network.layers().iter().any(|layer| matches!(layer.op, Op::Round(_))));
    }
}

/// What is public does not tell the weights: only how many bits sums are dropped by, which their size
/// decides.
#[test]
fn the_program_tells_of_weights_only_the_bits_that_are_dropped() {
    let public = |network: &Network| {
        let layers = network.layers().iter().map(|layer| {
            let mut layer = layer.clone();
            if let Op::Round(round) = &mut layer.op {
                round.drop = 0;
            }
            layer.kind = xonn_program::Kind::Bit;
            if let Op::Offset { bits, .. } = &mut layer.op {
                *bits = 2;
            }
            // Units beside a curve are powers of two.
            if let Op::Spline(spline) = &mut layer.op {
                *spline = xonn_program::op::Spline { from: 0, piece: 0, lines: vec![[0, 0]; 2], drop: 0 };
            }
            if let Op::Clamp(ends) = &mut layer.op {
                *ends = xonn_program::Range { lo: 0, hi: 0 };
            }
            layer
        });
        layers.collect::<Vec<_>>()
    };
    for seed in 200..212u64 {
        let (graph, samples) = drawn(seed);
        let mut other = graph.clone();
        for layer in other.graph.node_weights_mut() {
            if let LayerOp::Conv2d { kernel, secret_scale: false, .. } | LayerOp::Dense { kernel, .. } =
                &mut layer.op
                && kernel.data.iter().any(|w| w.abs() != kernel.data[0].abs())
            {
                let data = kernel.data.iter().map(|w| 0.7 * w + 0.001).collect();
                *kernel = Arc::new(Array { shape: kernel.shape.clone(), data });
            }
        }
        let [own, other] = [&graph, &other].map(|graph| {
            passes::run(graph, &with_numbers(OutputMode::Argmax, &samples, (9, 8)))
                .expect("it compiles")
                .network
        });
        assert_ne!(own.tensors(), other.tensors());
        assert_eq!(public(&own), public(&other), "seed {seed}");
    }
}
