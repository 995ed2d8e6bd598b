//! Ranges and units of hidden numbers: proven ones hold all that can be, joined parts keep their own, and
//! what leaves the samples is counted.

use xonn_compile::check::{numbers::numbers, scores};
use xonn_compile::graph::Function;
use xonn_compile::passes::{NumberOptions, Ranges};
use xonn_program::Op;
use xonn_program::data::{Dataset, Tensor as Data, Values};
use xonn_program::evaluate::tensors_rounded;
use xonn_program::op::Rounding;

use super::numbers::{SHAPE, drawn, with_numbers};
use super::*;

/// Inputs at the ends of what a client can send, all of them, each by chance, and in halves.
fn corners(seed: u64, elements: usize, ends: [i64; 2]) -> Vec<Vec<i64>> {
    let mut choices = Choices { seed, dyadic: false };
    let mut all = vec![vec![ends[0]; elements], vec![ends[1]; elements]];
    for (at, half) in [(0, 2), (1, 2), (0, 3), (1, 3), (2, 3)] {
        all.push((0..elements).map(|i| ends[usize::from(i % half == at)]).collect());
    }
    all.extend((0..20).map(|_| (0..elements).map(|_| ends[choices.below(2)]).collect()));
    all
}

/// Proven ranges hold all that can be: nothing is lost at the ends of the input's range, where the largest
/// numbers are, rounded to the nearest and by chance. Scores are near. What takes too many bits is refused,
/// by layer and width.
#[test]
fn proven_ranges_never_overflow() {
    let (mut taken, mut refused, mut widest, mut near) = (0, 0, 0, Vec::new());
    for seed in 500..580u64 {
        let (graph, samples) = drawn(seed);
        let numbers = NumberOptions { activation_bits: 9, weight_bits: 12, ranges: Ranges::Proven };
        let own = Options { numbers: Some(numbers), ..with_numbers(OutputMode::Scores, &samples, (9, 12)) };
        let network = match passes::run(&graph, &own) {
            Ok(compiled) => compiled.network,
            Err(error) => {
                let text = error.to_string();
                // Scores of the worst case may be larger than what is told of them.
                let advice = text.contains("--calibrate") || text.contains("lower --score-bits");
                assert!(advice && text.contains("layer \""), "seed {seed}: {text}");
                refused += 1;
                continue;
            }
        };
        taken += 1;
        let bits = network.layers().iter().filter_map(|layer| match layer.op {
            Op::Round(round) => Some(round.bits),
            _ => None,
        });
        widest = widest.max(bits.max().expect("it has numbers"));
        let corners = corners(seed, SHAPE.iter().product(), [0, 255]);
        for (at, q) in corners.iter().enumerate() {
            for mut rounding in [Rounding::Half, Rounding::seeded(at as u64)] {
                let (_, lost) = tensors_rounded(network.layers(), network.tensors(), q, &mut rounding);
                let lost: usize = lost.iter().sum();
                assert_eq!(lost, 0, "seed {seed}, corner {at}: {lost} numbers do not fit");
            }
        }
        // The float graph's scores, also far from every sample.
        let OutputEncoding::Scores { scale: unit, .. } = *network.output() else { panic!("scores") };
        for q in samples.iter().chain(&corners) {
            let ours = &network.evaluate(std::slice::from_ref(q)).expect("in range")[0];
            let tensors = graph.evaluate(&[q.iter().map(|&q| q as f32).collect()]).expect("it is sound");
            if on_an_edge(&graph, &tensors) {
                continue;
            }
            let scores = &tensors[&graph.output];
            let largest = scores.iter().fold(0.0f64, |most, &score| most.max(f64::from(score.abs())));
            let off = scores.iter().zip(&ours.scores);
            let off = off.map(|(&score, &ours)| (f64::from(score) - ours as f64 * unit).abs());
            near.push(off.fold(0.0, f64::max) / largest);
        }
    }
    near.sort_by(f64::total_cmp);
    let [half, most] = [near[near.len() / 2], near[near.len() * 99 / 100]];
    println!(
        "{taken} taken in up to {widest} bits, {refused} refused; off by {half:.1e}, 99 % by {most:.1e}"
    );
    assert!(taken >= 30 && widest > 12, "{taken} taken, {refused} refused, {widest} bits");
    assert!(half < 0.01 && most < 0.1, "off by {half}, {most}");
}

/// A net of 8 bytes.
fn begun(seed: u64) -> Net {
    let mut graph = LayerGraph::default();
    let input = graph.add("in", "InputLayer", LayerOp::Input { shape: vec![8] }, &[]);
    (graph.inputs, graph.output) = (vec![input], input);
    infer_shapes(&mut graph, &mut Vec::new()).expect("an input has a shape");
    let choices = Choices { seed, dyadic: false };
    Net { choices, graph, last: input, real: true, plain: false }
}

fn bytes(seed: u64, count: usize) -> Vec<Vec<i64>> {
    let mut choices = Choices { seed, dyadic: false };
    (0..count).map(|_| (0..8).map(|_| choices.below(256) as i64).collect()).collect()
}

impl Net {
    fn dense(&mut self, outputs: usize, of: impl Fn(usize, f32) -> f32) -> NodeIndex {
        let fan_in = self.shape()[0];
        let data = (0..fan_in * outputs).map(|i| of(i / outputs, self.choices.real())).collect();
        let kernel = Arc::new(Array { shape: vec![fan_in, outputs], data });
        self.push(LayerOp::Dense { kernel, bias: None, secret_scale: false })
    }

    fn relu(&mut self) -> NodeIndex {
        self.push(LayerOp::Function(Function::Relu { slope: 0.0, max: None }))
    }
}

/// Of two joined parts one is two thousand times as small, and counts as much: in one unit nothing would be
/// left of it.
#[test]
fn joined_parts_keep_units_of_their_own() {
    for seed in 0..8u64 {
        let samples = bytes(seed, 40);
        let mut net = begun(seed);
        let input = net.push(LayerOp::Divide { by: 255.0 });
        net.dense(6, |_, w| w);
        let large = net.relu();
        net.last = input;
        net.dense(6, |_, w| w / 2000.0);
        let small = net.relu();
        net.join(LayerOp::Concatenate, &[large, small]);
        net.dense(4, |input, w| if input < 6 { w } else { 2000.0 * w });
        net.graph.output = net.last;
        let off = |bits| {
            let compiled = passes::run(&net.graph, &with_numbers(OutputMode::Scores, &samples, bits));
            let network = compiled.expect("it compiles").network;
            circuit_is_the_integers(&network, &samples[..2]);
            let OutputEncoding::Scores { scale, .. } = *network.output() else { panic!("scores") };
            let (mut off, mut largest) = (0.0f64, 0.0f64);
            for q in &samples {
                let ours = &network.evaluate(std::slice::from_ref(q)).expect("in range")[0];
                let x = q.iter().map(|&q| q as f32).collect();
                let scores = &net.graph.evaluate(&[x]).expect("it is sound")[&net.graph.output];
                for (&score, &ours) in scores.iter().zip(&ours.scores) {
                    off = off.max((f64::from(score) - ours as f64 * scale).abs());
                    largest = largest.max(f64::from(score.abs()));
                }
            }
            off / largest
        };
        assert!(off((9, 9)) < 0.02, "seed {seed}: {}", off((9, 9)));
    }
}

/// A channel that no sample changes, behind a norm that divides by next to nothing: where it does change,
/// numbers are wrong, and counted.
#[test]
fn steep_channels_are_counted_where_they_leave_the_samples() {
    let mut net = begun(3);
    net.push(LayerOp::Rescale { scale: 1.0, offset: -127.5 });
    net.push(LayerOp::Quantize(Quantizer::Sign));
    let mut signs: Vec<f32> = (0..24).map(|_| [1.0, -1.0][net.choices.below(2)]).collect();
    // The first unit takes the signs of the last four inputs from those of the first.
    (0..8).for_each(|i| signs[3 * i] = if i < 4 { 1.0 } else { -1.0 });
    let kernel = Arc::new(Array { shape: vec![8, 3], data: signs });
    net.push(LayerOp::Dense { kernel, bias: None, secret_scale: false });
    let array = |data: Vec<f32>| Arc::new(Array::vector(data));
    net.push(LayerOp::BatchNorm(BatchNorm {
        gamma: None,
        beta: Some(array(vec![0.5, 0.1, -0.2])),
        mean: array(vec![0.0; 3]),
        variance: array(vec![0.0, 8.0, 8.0]),
        epsilon: 1e-14,
        fused: false,
    }));
    net.relu();
    net.dense(2, |_, w| w);
    net.graph.output = net.last;
    let calm: Vec<Vec<i64>> = bytes(4, 40).iter().map(|q| [&q[..4], &q[..4]].concat()).collect();
    let others = bytes(5, 20);
    let compiled = passes::run(&net.graph, &with_numbers(OutputMode::Argmax, &calm, (12, 12)));
    let compiled = compiled.expect("it compiles");
    let twin = compiled.twin.as_ref().expect("it has numbers");
    assert!(!twin.tamed.is_empty());
    let lost = |samples: &[Vec<i64>], twin| {
        let found = compiled.network.evaluate(samples).expect("in range");
        let found = numbers(&compiled.network, twin, samples, &found).expect("it has numbers");
        found.lost.iter().map(|lost| lost.numbers).sum::<usize>()
    };
    assert_eq!(lost(&calm, Some(twin)), 0);
    let [seen, all] = [None, Some(twin)].map(|twin| lost(&others, twin));
    assert!(all >= seen + 10, "{seen} {all}");
}

/// Scores of a regression are judged by error, rounded to the nearest and by chance.
#[test]
fn regressions_are_judged_by_error() {
    let (graph, samples) = drawn(402);
    let compiled = passes::run(&graph, &with_numbers(OutputMode::Scores, &samples, (12, 12)));
    let network = compiled.expect("it compiles").network;
    let OutputEncoding::Scores { scale, count, .. } = *network.output() else { panic!("scores") };
    let found = network.evaluate(&samples).expect("in range");
    let keras: Vec<f64> = samples
        .iter()
        .flat_map(|q| {
            let x = q.iter().map(|&q| q as f32).collect();
            graph.evaluate(&[x]).expect("it is sound")[&graph.output].clone()
        })
        .map(f64::from)
        .collect();
    let shape = vec![samples.len(), count as usize];
    let array = |values: &[f64]| Data::new(shape.clone(), Values::Reals(values.to_vec()));
    let data = |keras: &[f64]| Dataset {
        x: array(keras).expect("fits"),
        y: array(&keras.iter().map(|x| x + 3.0).collect::<Vec<_>>()),
        keras: array(keras),
    };
    let of = |keras: &[f64]| {
        let data = data(keras);
        assert!(scores::is_regression(&data, count as usize, &[]));
        let found = scores::scores(&network, &data, (&samples, &found), scale, &[]);
        found.expect("it fits").expect("there are outputs")
    };
    let near = of(&keras);
    assert!(near.are_near(0.02) && near.by_chance.len() == 3, "{near:?}");
    assert!(near.by_chance.iter().all(|&x| x > 0.0 && x < 0.05 * near.deviation), "{near:?}");
    let [ours, theirs] = near.to_truth.expect("the true values are numbers");
    assert!((theirs - 3.0).abs() < 1e-9 && (ours - 3.0).abs() < 0.1, "{near:?}");
    let moved: Vec<f64> = keras.iter().map(|x| x + near.deviation).collect();
    assert!(!of(&moved).are_near(0.5));
}
