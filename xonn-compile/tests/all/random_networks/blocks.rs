//! Residual and concatenating networks as users have them: real stems, real shortcuts, DenseNet blocks, real
//! heads, and BatchNorms that have seen data.

use super::*;

/// A random network whose BatchNorms know mean and variance of some samples.
fn trained(seed: u64) -> (LayerGraph, Vec<Vec<i64>>) {
    let choices = Choices { seed, dyadic: false };
    let shape = vec![8, 8, 3];
    let mut graph = LayerGraph::default();
    let input = graph.add("in", "InputLayer", LayerOp::Input { shape }, &[]);
    graph.inputs = vec![input];
    graph.output = input;
    infer_shapes(&mut graph, &mut Vec::new()).expect("an input has a shape");
    let mut net = Net { choices, graph, last: input, real: true, plain: false };
    let mut seen = Choices { seed: !seed, dyadic: true };
    let samples: Vec<Vec<i64>> =
        (0..24).map(|_| (0..8 * 8 * 3).map(|_| seen.below(256) as i64).collect()).collect();
    net.real_conv([3, 3], 4, 1);
    net.seen_norm(&samples);
    let dense = net.choices.one_in(2);
    for block in 0..2 + net.choices.below(7) {
        if block % 3 == 2 && net.shape()[0] > 2 {
            net.shortcut(&samples);
        } else if dense {
            net.dense_block(&samples);
        } else {
            net.residual_block(&samples);
        }
    }
    if net.choices.one_in(2) {
        net.push(LayerOp::AveragePool2d(Pool::Global { keep_axes: false }));
    } else {
        net.push(LayerOp::Quantize(Quantizer::Sign));
        net.push(LayerOp::Reshape { target: None });
    }
    let fan_in = net.shape()[0];
    let kernel = net.normal(vec![fan_in, 5]);
    let bias = Some(net.choices.reals(5));
    net.graph.output = net.push(LayerOp::Dense { kernel, bias, secret_scale: false });
    infer_shapes(&mut net.graph, &mut Vec::new()).expect("layers are chosen to fit");
    (net.graph, samples)
}

impl Net {
    /// Numbers that are spread like those of a trained kernel, rows of different size among them.
    pub(super) fn normal(&mut self, shape: Vec<usize>) -> Arc<Array> {
        let outputs = shape[shape.len() - 1];
        let sizes: Vec<f32> = (0..outputs).map(|_| [0.02, 0.1, 0.3][self.choices.below(3)]).collect();
        let mut number = || (0..4).map(|_| self.choices.real()).sum::<f32>() / 2.0;
        let data = (0..shape.iter().product()).map(|i| number() * sizes[i % outputs]).collect();
        Arc::new(Array { shape, data })
    }

    pub(super) fn real_conv(&mut self, size: [usize; 2], filters: usize, stride: usize) {
        let channels = self.shape()[2];
        let kernel = self.normal(vec![size[0], size[1], channels, filters]);
        let conv =
            Conv { stride: [stride; 2], dilation: [1, 1], padding: Padding::Same, pad_value: 0.0, groups: 1 };
        self.push(LayerOp::Conv2d { kernel, bias: None, conv, secret_scale: false });
    }

    /// Signs, and a binary convolution of them, with or without a scale a filter.
    pub(super) fn binary_conv(&mut self, filters: usize) {
        self.push(LayerOp::Quantize(Quantizer::Sign));
        let channels = self.shape()[2];
        let scaled = self.choices.one_in(2);
        let scales: Vec<f32> = (0..filters)
            .map(|_| if scaled { 0.05 + self.choices.real().abs() / 10.0 } else { 1.0 })
            .collect();
        let sign = |i: usize, c: &mut Choices| scales[i % filters] * [-1.0, 1.0][c.below(2)];
        let data = (0..9 * channels * filters).map(|i| sign(i, &mut self.choices)).collect();
        let kernel = Arc::new(Array { shape: vec![3, 3, channels, filters], data });
        let conv = Conv {
            stride: [1, 1],
            dilation: [1, 1],
            padding: Padding::Same,
            pad_value: if self.choices.one_in(3) { 1.0 } else { 0.0 },
            groups: 1,
        };
        self.push(LayerOp::Conv2d { kernel, bias: None, conv, secret_scale: scaled });
    }

    /// A BatchNorm with the mean and the variance of what comes to it.
    pub(super) fn seen_norm(&mut self, samples: &[Vec<i64>]) {
        let channels = self.shape().last().copied().expect("tensors have axes");
        let (mut sums, mut count) = (vec![(0.0f64, 0.0f64); channels], 0.0);
        for sample in samples {
            let x = sample.iter().map(|&q| q as f32).collect();
            let tensor = &self.graph.evaluate(&[x]).expect("the graph is sound")[&self.last];
            for (i, &x) in tensor.iter().enumerate() {
                sums[i % channels].0 += f64::from(x);
                sums[i % channels].1 += f64::from(x).powi(2);
            }
            count += (tensor.len() / channels) as f64;
        }
        let array = |of: &dyn Fn(&(f64, f64)) -> f64| {
            Arc::new(Array::vector(sums.iter().map(|sum| of(sum) as f32).collect()))
        };
        let norm = BatchNorm {
            gamma: Some(self.choices.reals(channels)),
            beta: Some(self.choices.reals(channels)),
            mean: array(&|(sum, _)| sum / count),
            variance: array(&|(sum, squares)| (squares / count - (sum / count).powi(2)).max(0.0)),
            epsilon: 1e-3,
            fused: true,
        };
        self.push(LayerOp::BatchNorm(norm));
    }

    fn residual_block(&mut self, samples: &[Vec<i64>]) {
        let (short, channels) = (self.last, self.shape()[2]);
        self.binary_conv(channels);
        self.seen_norm(samples);
        self.join(LayerOp::Add, &[short, self.last]);
    }

    /// Half the size, by an average and a real convolution of 1 x 1, as in Bi-Real networks.
    fn shortcut(&mut self, samples: &[Vec<i64>]) {
        let channels = self.shape()[2].min(6);
        let pool = Pool::Window { size: [2, 2], stride: [2, 2], padding: Padding::Valid };
        let before = self.last;
        self.push(LayerOp::AveragePool2d(pool));
        self.real_conv([1, 1], channels, 1);
        self.seen_norm(samples);
        let short = self.last;
        self.last = before;
        self.binary_conv(channels);
        self.push(LayerOp::MaxPool2d(pool));
        self.seen_norm(samples);
        self.join(LayerOp::Add, &[short, self.last]);
    }

    /// New channels beside the old ones: plain sums, or normalised ones.
    fn dense_block(&mut self, samples: &[Vec<i64>]) {
        let before = self.last;
        if self.choices.one_in(2) {
            self.seen_norm(samples);
        }
        self.binary_conv(2);
        if self.choices.one_in(2) {
            self.seen_norm(samples);
        }
        let both = if self.choices.one_in(2) { [before, self.last] } else { [self.last, before] };
        self.join(LayerOp::Concatenate, &both);
    }
}

/// How many labels are those of the float graph, of how many.
fn right(graph: &LayerGraph, samples: &[Vec<i64>], options: &Options) -> Result<[usize; 2], String> {
    let compiled = passes::run(graph, options).map_err(|e| e.to_string())?;
    values_are_in_range(&compiled.network, &samples[..2]);
    let ours = compiled.network.evaluate(samples).expect("in range");
    let is_right = |(sample, ours): (&Vec<i64>, &xonn_program::evaluate::Evaluated)| {
        let x = sample.iter().map(|&q| q as f32).collect();
        let scores = &graph.evaluate(&[x]).expect("the graph is sound")[&graph.output];
        let top = scores.iter().copied().fold(f32::MIN, f32::max);
        // Ties of float32 itself.
        scores[ours.class] >= top - 1e-5 * top.abs()
    };
    Ok([samples.iter().zip(&ours).filter(|&pair| is_right(pair)).count(), samples.len()])
}

fn bits(scale: u32, weight: Option<u32>) -> Options {
    Options { scale_bits: scale, weight_bits: weight, allow_error: true, ..Options::default() }
}

/// Labels are Keras's, and more bits give no fewer right ones.
#[test]
fn labels_agree_and_more_bits_agree_more() {
    let networks: u64 = std::env::var("XONN_BLOCK_NETWORKS").ok().and_then(|n| n.parse().ok()).unwrap_or(24);
    let ladder = [bits(34, Some(6)), bits(34, Some(10)), bits(34, Some(14)), bits(34, None), bits(40, None)];
    let scales = [bits(16, None), bits(22, None), bits(28, None), bits(34, None)];
    let mut sums = vec![0; ladder.len() + scales.len()];
    let (mut all, mut refused) = (0, 0);
    for seed in 0..networks {
        let (graph, samples) = trained(seed * 7919 + 5);
        // Without leave to be wrong.
        match right(&graph, &samples, &Options::default()) {
            Ok([right, of]) => assert!(right + 1 >= of, "network {seed}: {right} of {of}"),
            Err(_) => refused += 1,
        }
        for (sum, options) in sums.iter_mut().zip(ladder.iter().chain(&scales)) {
            *sum += right(&graph, &samples, options).expect("errors are allowed")[0];
        }
        all += samples.len();
    }
    println!("{sums:?} of {all}, {refused} refused");
    let (ladder, scales) = sums.split_at(ladder.len());
    assert!(refused * 10 <= networks, "{refused} of {networks} refused");
    assert!(ladder.is_sorted() && scales.is_sorted(), "{ladder:?} {scales:?} of {all}");
    assert!(ladder[3] * 200 >= all * 199, "{ladder:?} of {all}");
    assert!(ladder[0] < ladder[3], "few bits must show: {ladder:?}");
}
