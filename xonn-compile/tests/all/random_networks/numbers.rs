//! Random networks of hidden numbers: scores are near to the float graph's, the circuit gives what the layers
//! give, and other weights give the same circuit.

use std::collections::BTreeMap;

use xonn_compile::graph::Function;
use xonn_compile::passes::{NumberOptions, NumberSamples};
use xonn_program::Op;

use super::*;

/// Images of 6 x 6 pixels of three bytes.
const SHAPE: [usize; 3] = [6, 6, 3];

impl Net {
    /// A function that hidden numbers are taken through.
    fn activation(&mut self) {
        let relu = |slope, max| LayerOp::Function(Function::Relu { slope, max });
        let op = match self.choices.below(9) {
            0..=2 => relu(0.0, None),
            3 => relu([0.25, 0.3, 0.01][self.choices.below(3)], None),
            4 => relu(0.0, Some(1.0)),
            5 => {
                let channels = self.shape().last().copied().expect("tensors have axes");
                LayerOp::PRelu { slope: self.choices.reals(channels) }
            }
            6 => LayerOp::Function(Function::HardTanh),
            7 => LayerOp::Function(Function::HardSigmoid { slope: 0.2 }),
            _ => LayerOp::Function(Function::Square),
        };
        self.push(op);
    }

    fn number_block(&mut self, samples: &[Vec<i64>]) {
        let before = self.last;
        let channels = self.shape()[2];
        match self.choices.below(7) {
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
            _ => {
                // Signs between numbers.
                self.binary_conv(channels);
                self.seen_norm(samples);
                self.activation();
            }
        }
    }
}

fn drawn(seed: u64) -> (LayerGraph, Vec<Vec<i64>>) {
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

fn with_numbers(output: OutputMode, samples: &[Vec<i64>], bits: (u32, u32)) -> Options {
    let inputs = samples.iter().map(|q| vec![q.iter().map(|&q| q as f32).collect()]).collect();
    let numbers = NumberOptions {
        activation_bits: bits.0,
        weight_bits: bits.1,
        samples: Arc::new(NumberSamples::new(inputs)),
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
    for op in ["relu", "leaky_relu", "clamp", "square", "product", "offset", "round", "scale", "threshold"] {
        assert!(ops.get(op).is_some_and(|&n| n >= 3), "{op}: {ops:?}");
    }
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
            xonn_compile::check::numbers::numbers(&network, &samples, &found).expect("it has numbers");
        equal += numbers.equal_by_chance.iter().sum::<usize>();
        all += numbers.equal_by_chance.len() * samples.len();
    }
    assert!(equal < all && equal > all / 4, "{equal} of {all}");
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
