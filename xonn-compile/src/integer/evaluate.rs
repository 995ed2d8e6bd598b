//! The integer network in the clear: the reference that circuits are compared with.

use rayon::prelude::*;
use xonn_circuits::tiled::Prediction;

use super::{IntegerNetwork, Kernel, Kind, Op, OutputSpec, Pad, Planes, Window2d};

/// An input of the wrong length or out of range.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("sample {sample}: {reason}")]
pub struct InputError {
    /// Index of the sample.
    pub sample: usize,
    /// What was found and what was expected.
    pub reason: String,
}

/// What a network gives for one sample.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Evaluated {
    /// The class, the lowest one if scores tie; 0 where the network gives labels.
    pub class: usize,
    /// The last tensor.
    pub scores: Vec<i64>,
}

impl Evaluated {
    /// The last tensor's signs as 0 and 1.
    #[must_use]
    pub fn labels(&self) -> Vec<u8> {
        self.scores.iter().map(|&bit| u8::from(bit > 0)).collect()
    }
}

impl IntegerNetwork {
    /// Evaluates any number of samples, in parallel; each is the input's `q` in row-major order.
    ///
    /// # Errors
    /// [`InputError`] for the first sample of the wrong length or with a number out of the input's range.
    pub fn evaluate(&self, samples: &[Vec<i64>]) -> Result<Vec<Evaluated>, InputError> {
        let range = self.input.range();
        let length: usize = self.input.shape.iter().product();
        for (sample, q) in samples.iter().enumerate() {
            if q.len() != length {
                let reason = format!("{} numbers, expected {length}", q.len());
                return Err(InputError { sample, reason });
            }
            if let Some(q) = q.iter().find(|&&q| q < range.lo || q > range.hi) {
                let reason = format!("{q} is out of range, expected {} to {}", range.lo, range.hi);
                return Err(InputError { sample, reason });
            }
        }
        Ok(samples.par_iter().map(|q| self.output(&self.tensors(q))).collect())
    }

    /// Every node's tensor for one sample; bits are `+1` and `-1`.
    #[must_use]
    pub fn tensors(&self, q: &[i64]) -> Vec<Vec<i64>> {
        let mut tensors: Vec<Vec<i64>> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let read = node.inputs.first().map_or(q, |&i| tensors[i].as_slice());
            let tensor = match &node.op {
                Op::Input => q.to_vec(),
                Op::Dense { kernel, .. } => dense(read, kernel),
                &Op::Recode { step, offset } => read.iter().map(|&x| step * x + offset).collect(),
                Op::Conv2d { kernel, filters, groups, window, pad } => {
                    convolve(read, kernel, [*filters, *groups], window, *pad)
                }
                Op::MaxPool2d { window } => pool(read, window, |a, b| a.max(b)),
                Op::SumPool2d { window } => pool(read, window, |a, b| a + b),
                Op::Threshold { cuts } => {
                    let fires = read.iter().enumerate().map(|(i, &y)| cuts[i % cuts.len()].fires(y));
                    fires.map(|bit| if bit { 1 } else { -1 }).collect()
                }
                Op::Affine { scale, offset, .. } => {
                    let channel = |i: usize| (scale[i % scale.len()], offset[i % offset.len()]);
                    read.iter().enumerate().map(|(i, &y)| channel(i).0 * y + channel(i).1).collect()
                }
                &Op::Truncate { bits } => read.iter().map(|&x| x >> bits).collect(),
                Op::Add => {
                    let inputs: Vec<&[i64]> = node.inputs.iter().map(|&i| tensors[i].as_slice()).collect();
                    (0..read.len()).map(|i| inputs.iter().map(|x| x[i]).sum()).collect()
                }
                Op::Product => (0..read.len()).map(|i| read[i] * tensors[node.inputs[1]][i]).collect(),
                Op::Concatenate => {
                    let inputs: Vec<(&[i64], usize)> = node
                        .inputs
                        .iter()
                        .map(|&i| (tensors[i].as_slice(), self.nodes[i].channels()))
                        .collect();
                    let rows = node.elements() / node.channels();
                    let row = |r: usize| inputs.iter().flat_map(move |(x, n)| &x[r * n..][..*n]).copied();
                    (0..rows).flat_map(row).collect()
                }
                Op::Permute { source } => source.iter().map(|&s| read[s]).collect(),
            };
            debug_assert!(match node.kind {
                Kind::Bit => tensor.iter().all(|&v| v.abs() == 1),
                Kind::Int(range) => tensor.iter().all(|&v| range.lo <= v && v <= range.hi),
            });
            tensors.push(tensor);
        }
        tensors
    }

    /// What a circuit of the network tells the client.
    #[must_use]
    pub fn prediction(&self, evaluated: &Evaluated) -> Prediction {
        match self.output {
            OutputSpec::Scores { unit } => {
                Prediction::Scores(evaluated.scores.iter().map(|&score| score as f64 * unit).collect())
            }
            OutputSpec::Labels { .. } => Prediction::Labels(evaluated.labels()),
            OutputSpec::Argmax { .. } | OutputSpec::Sign => Prediction::Class(evaluated.class as u32),
        }
    }

    fn output(&self, tensors: &[Vec<i64>]) -> Evaluated {
        let scores = tensors.last().cloned().unwrap_or_default();
        let class = match self.output {
            OutputSpec::Scores { .. } if scores.len() == 1 => usize::from(scores[0] > 0),
            OutputSpec::Argmax { .. } | OutputSpec::Scores { .. } => (0..scores.len())
                .reduce(|best, i| if scores[i] > scores[best] { i } else { best })
                .unwrap_or(0),
            OutputSpec::Sign => usize::from(scores.first().is_some_and(|&bit| bit > 0)),
            OutputSpec::Labels { .. } => 0,
        };
        Evaluated { class, scores }
    }
}

/// One sum for each run of weights as long as `x`.
fn dense(x: &[i64], kernel: &Kernel) -> Vec<i64> {
    let rows = kernel.weights.chunks(x.len());
    if kernel.planes == Planes::Sign {
        // Twice the sum over positive weights, less the sum of all: no products.
        let all: i64 = x.iter().sum();
        let positive = |w: &[i32]| w.iter().zip(x).map(|(&w, &x)| if w > 0 { x } else { 0 }).sum::<i64>();
        rows.map(|w| 2 * positive(w) - all).collect()
    } else {
        rows.map(|w| dot(w, x)).collect()
    }
}

fn dot(weights: &[i32], x: &[i64]) -> i64 {
    weights.iter().zip(x).map(|(&w, &x)| i64::from(w) * x).sum()
}

/// `[row, column, filter]` sums over each window of `x`, an image of the window's input size.
fn convolve(
    x: &[i64],
    kernel: &Kernel,
    [filters, groups]: [usize; 2],
    window: &Window2d,
    pad: Pad,
) -> Vec<i64> {
    let all_channels = window.input[2];
    let (channels, per_group) = (all_channels / groups, filters / groups);
    let kernel_size = window.kernel[0] * window.kernel[1] * channels;
    // The pixels below a window, those of the padding as they are read.
    let outside = match pad {
        Pad::Drop => 0,
        Pad::Bit(bit) => i64::from(bit) * 2 - 1,
    };
    let mut y = Vec::with_capacity(window.output[0] * window.output[1] * filters);
    let mut seen = Vec::with_capacity(kernel_size);
    for position in window.positions() {
        let taps: Vec<Option<usize>> = window.taps(position).collect();
        for group in 0..groups {
            seen.clear();
            for tap in &taps {
                match tap {
                    Some(pixel) => {
                        seen.extend_from_slice(&x[pixel * all_channels + group * channels..][..channels]);
                    }
                    None => seen.resize(seen.len() + channels, outside),
                }
            }
            let weights = &kernel.weights[group * per_group * kernel_size..][..per_group * kernel_size];
            y.extend(weights.chunks(kernel_size).map(|weights| dot(weights, &seen)));
        }
    }
    y
}

/// `[row, column, channel]`, each window of `x` put together by `f`; what is outside of the image takes no part.
fn pool(x: &[i64], window: &Window2d, f: impl Fn(i64, i64) -> i64) -> Vec<i64> {
    let channels = window.input[2];
    let mut y = Vec::with_capacity(window.output[0] * window.output[1] * channels);
    for position in window.positions() {
        let taps: Vec<usize> = window.taps(position).flatten().collect();
        y.extend((0..channels).map(|channel| {
            let values = taps.iter().map(|pixel| x[pixel * channels + channel]);
            values.reduce(&f).unwrap_or(0)
        }));
    }
    y
}
