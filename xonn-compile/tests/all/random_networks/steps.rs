//! Random networks of quantisers of several bits, as QKeras and hls4ml make them: integers throughout, so
//! exact.

use std::collections::BTreeMap;

use xonn_compile::graph::Steps;
use xonn_program::Op;

use super::*;

impl Net {
    /// A kernel or bias of `bits` bits behind the point.
    fn multiples(&mut self, shape: Vec<usize>, bits: u32) -> Arc<Array> {
        let (count, most) = (shape.iter().product(), 1usize << bits);
        let one = |_| (self.choices.below(2 * most) as f32 - most as f32) / most as f32;
        Arc::new(Array { data: (0..count).map(one).collect(), shape })
    }

    fn many_valued(&mut self) {
        let bits = 5 + self.choices.below(5) as u32;
        let integer = self.choices.below(3) as i32;
        let steps = match self.choices.below(4) {
            0 => Steps::Bits { bits, integer, symmetric: false, keep_negative: true, scale: 1.0 },
            1 => Steps::Bits { bits, integer: 0, symmetric: true, keep_negative: true, scale: 0.5 },
            2 => Steps::Sigmoid { bits, symmetric: false },
            _ => Steps::Relu { bits, integer, slope: 0.0 },
        };
        self.push(LayerOp::Quantize(Quantizer::Steps(steps)));
    }
}

fn drawn(seed: u64, norms: bool) -> LayerGraph {
    let choices = Choices { seed, dyadic: !norms };
    let mut graph = LayerGraph::default();
    let input = graph.add("in", "InputLayer", LayerOp::Input { shape: vec![4, 4, 2] }, &[]);
    (graph.inputs, graph.output) = (vec![input], input);
    infer_shapes(&mut graph, &mut Vec::new()).expect("an input has a shape");
    let mut net = Net { choices, graph, last: input, real: false, plain: true };
    net.push(LayerOp::Rescale { scale: 1.0 / 8.0, offset: 0.0 });
    for _ in 0..1 + net.choices.below(2) {
        let channels = net.shape()[2];
        let bits = 2 + net.choices.below(5) as u32;
        let kernel = net.multiples(vec![2, 2, channels, 3], bits);
        let bias = net.choices.one_in(2).then(|| net.multiples(vec![3], bits));
        let conv = Conv {
            stride: [1, 1],
            dilation: [1, 1],
            padding: if net.choices.one_in(2) { Padding::Same } else { Padding::Valid },
            pad_value: 0.0,
            groups: 1,
        };
        net.push(LayerOp::Conv2d { kernel, bias, conv, secret_scale: false });
        if norms {
            net.norm();
        }
        net.many_valued();
        if net.choices.one_in(3) {
            net.pool(false);
        }
        if net.shape()[0] < 3 {
            break;
        }
    }
    net.push(LayerOp::Reshape { target: None });
    let inputs = net.shape()[0];
    let (kernel, bias) = (net.multiples(vec![inputs, 3], 4), Some(net.multiples(vec![3], 4)));
    net.graph.output = net.push(LayerOp::Dense { kernel, bias, secret_scale: false });
    infer_shapes(&mut net.graph, &mut Vec::new()).expect("layers are chosen to fit");
    net.graph
}

/// Scores are those of the float graph, to the last bit; circuits give them, whatever the weights are.
#[test]
fn networks_of_several_bits_are_exact() {
    let mut seen = BTreeMap::new();
    for seed in 0..60u64 {
        let norms = seed % 3 == 0;
        let graph = drawn(seed, norms);
        let mut asked = options(OutputMode::Scores);
        asked.score_bits = 24;
        let network = passes::run(&graph, &asked).unwrap_or_else(|e| panic!("seed {seed}: {e}")).network;
        let OutputEncoding::Scores { scale: unit, .. } = *network.output() else { panic!("scores") };
        let samples = samples(seed, 32);
        let found = network.evaluate(&samples).expect("in range");
        for (sample, found) in samples.iter().zip(&found) {
            let x = sample.iter().map(|&q| q as f32).collect();
            let want = &graph.evaluate(&[x]).expect("the graph is sound")[&graph.output];
            for (&want, &found) in want.iter().zip(&found.scores) {
                assert_eq!(found as f64 * unit, f64::from(want), "seed {seed}");
            }
        }
        if seed % 4 == 0 {
            circuit_is_the_integers(&network, &samples[..2]);
            other_weights_give_the_same_program(&network);
        }
        for layer in network.layers() {
            *seen.entry(layer.op.name()).or_insert(0) += 1;
            if let Op::Linear(linear) = &layer.op {
                *seen.entry(["odd", "even"][linear.common_factor() as usize - 1]).or_insert(0) += 1;
            }
        }
    }
    for op in ["ties_to_even", "truncate", "scale", "offset", "even"] {
        assert!(seen.get(op).is_some_and(|&n| n >= 5), "{op}: {seen:?}");
    }
}

/// What is public of a network behind norms is how many bits are dropped, and of its kernels the step and the
/// planes: other signs, norms and biases give the same program but for these.
#[test]
fn other_numbers_give_the_same_program() {
    let program = |graph: &LayerGraph| {
        let network =
            passes::run(graph, &options(OutputMode::Scores)).unwrap_or_else(|e| panic!("{e}")).network;
        let layers = network.layers().iter().map(|layer| {
            let mut layer = layer.clone();
            if let Op::Truncate { bits } = &mut layer.op {
                *bits = 1;
                layer.kind = xonn_program::Kind::Bit;
            }
            if matches!(layer.op, Op::Scale { .. }) {
                layer.kind = xonn_program::Kind::Bit;
            }
            layer
        });
        layers.collect::<Vec<_>>()
    };
    for seed in 60..84u64 {
        let graph = drawn(seed, true);
        let mut other = graph.clone();
        let slower = |array: &mut Option<Arc<Array>>, by: f32| {
            if let Some(array) = array {
                *array = Arc::new(Array {
                    shape: array.shape.clone(),
                    data: array.data.iter().map(|x| x * by).collect(),
                });
            }
        };
        for layer in other.graph.node_weights_mut() {
            match &mut layer.op {
                LayerOp::Conv2d { kernel, bias, .. } => {
                    let data = kernel.data.iter().map(|w| -w).collect();
                    *kernel = Arc::new(Array { shape: kernel.shape.clone(), data });
                    slower(bias, -1.0);
                }
                LayerOp::BatchNorm(norm) => {
                    slower(&mut norm.gamma, 1.37);
                    slower(&mut norm.beta, -0.77);
                }
                _ => {}
            }
        }
        assert_eq!(program(&graph), program(&other), "seed {seed}");
    }
}
