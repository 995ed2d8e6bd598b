//! The layer graph in float32: what Keras computes, but for the order in which it adds up.
//!
//! Slow and simple; tests and trimming compare integer networks with it. Sums are taken in float64 and
//! rounded once.

use std::collections::HashMap;

use petgraph::stable_graph::NodeIndex;

use super::{Array, Conv, Function, Layer, LayerGraph, LayerOp, Pool, shape};
use xonn_program::op::Window2d;

impl LayerGraph {
    /// Every node's tensor for one sample, row-major; `inputs` are the model's, in order. Shapes must have
    /// been inferred.
    ///
    /// # Errors
    /// The name of a layer and why it cannot be computed, as the inference of shapes says it.
    pub fn evaluate(&self, inputs: &[Vec<f32>]) -> Result<HashMap<NodeIndex, Vec<f32>>, String> {
        let mut tensors: HashMap<NodeIndex, Vec<f32>> = HashMap::new();
        let order = self.order().map_err(|e| e.to_string())?;
        for node in order {
            let layer = &self.graph[node];
            let reads = self.inputs_of(node);
            let value = match self.inputs.iter().position(|&input| input == node) {
                Some(input) => inputs.get(input).cloned().unwrap_or_default(),
                None => {
                    let values: Vec<&[f32]> = reads.iter().map(|read| tensors[read].as_slice()).collect();
                    let shapes: Vec<&[usize]> =
                        reads.iter().map(|&read| self.graph[read].shape.as_slice()).collect();
                    compute(layer, &values, &shapes).map_err(|e| format!("layer {:?}: {e}", layer.name))?
                }
            };
            tensors.insert(node, value);
        }
        Ok(tensors)
    }
}

fn compute(layer: &Layer, inputs: &[&[f32]], shapes: &[&[usize]]) -> Result<Vec<f32>, String> {
    let x = inputs.first().copied().ok_or("it reads nothing")?;
    let shape = shapes[0];
    let channels = shape.last().copied().unwrap_or(1);
    let each = |f: &dyn Fn(usize, f32) -> f32| -> Vec<f32> {
        x.iter().enumerate().map(|(i, &x)| f(i % channels, x)).collect()
    };
    Ok(match &layer.op {
        LayerOp::Input { .. } | LayerOp::NoOp | LayerOp::Reshape { .. } => x.to_vec(),
        LayerOp::Dense { kernel, bias, .. } => {
            let (fan_in, units) = (kernel.shape[0], kernel.shape[1]);
            let rows = x.chunks(fan_in).flat_map(|x| {
                (0..units).map(move |unit| {
                    let products = x.iter().enumerate();
                    products.map(|(i, &x)| product(x, kernel.data[i * units + unit])).sum::<f64>() as f32
                })
            });
            biased(rows.collect(), bias.as_deref())
        }
        LayerOp::Conv2d { kernel, bias, conv, .. } => {
            let window = shape::conv_window(shape, kernel, conv)?;
            let filters = kernel.last_axis();
            let (depth, per_group) = (kernel.shape[2], filters / conv.groups);
            let first = |filter: usize| filter / per_group * depth;
            biased(convolve(x, kernel, conv, &window, filters, depth, first), bias.as_deref())
        }
        LayerOp::DepthwiseConv2d { kernel, bias, conv, .. } => {
            let window = shape::conv_window(shape, kernel, conv)?;
            let multiplier = kernel.shape[3];
            let filters = kernel.shape[2] * multiplier;
            biased(convolve(x, kernel, conv, &window, filters, 1, |f| f / multiplier), bias.as_deref())
        }
        LayerOp::OneHot { depth } => {
            let mut rows = vec![0.0; x.len() * depth];
            for (row, &token) in rows.chunks_mut(*depth).zip(x) {
                let place = if token.fract() == 0.0 && token >= 0.0 { token as usize } else { *depth };
                *row.get_mut(place).ok_or_else(|| {
                    format!(
                        "it reads the number {token}, expected a token, a whole number from 0 to {}",
                        depth - 1
                    )
                })? = 1.0;
            }
            rows
        }
        LayerOp::Divide { by } => each(&|_, x| x / by),
        LayerOp::PRelu { slope } => each(&|channel, x| {
            if x >= 0.0 { x } else { slope.data[channel % slope.data.len()] * x }
        }),
        LayerOp::Pick { source, .. } => source.iter().map(|&i| x[i]).collect(),
        LayerOp::BatchNorm(norm) => each(&|channel, x| norm.apply(channel, x)),
        LayerOp::Rescale { scale, offset } => each(&|_, x| x * scale + offset),
        LayerOp::Normalize { mean, deviation } => each(&|channel, x| {
            let of = |array: &Array| array.data[channel % array.data.len()];
            (x - of(mean)) / of(deviation)
        }),
        LayerOp::Quantize(quantizer) => each(&|_, x| quantizer.apply(x)),
        LayerOp::Function(Function::Softmax | Function::LogSoftmax) => {
            let softmax = |row: &[f32]| -> Vec<f32> {
                let top = row.iter().copied().fold(f32::MIN, f32::max);
                let total: f32 = row.iter().map(|x| (x - top).exp()).sum();
                row.iter().map(|x| (x - top).exp() / total).collect()
            };
            x.chunks(channels).flat_map(softmax).collect()
        }
        LayerOp::Function(function) => each(&|_, x| function.apply(x)),
        LayerOp::MaxPool2d(pool) => {
            pooled(x, &window_of(shape, pool)?, |values| values.fold(f32::MIN, f32::max))
        }
        LayerOp::AveragePool2d(pool) => pooled(x, &window_of(shape, pool)?, |values| {
            let (sum, count) = values.fold((0.0, 0), |(sum, n), x| (sum + f64::from(x), n + 1));
            (sum / f64::from(count)) as f32
        }),
        LayerOp::Transpose { axes } => transposed(x, shape, axes),
        LayerOp::Pad2d { border, value } => {
            let [height, width] = [shape[0], shape[1]];
            let row = width + border[1][0] + border[1][1];
            let mut padded = vec![*value; layer.shape.iter().product()];
            for (y, line) in x.chunks(width * channels).enumerate().take(height) {
                let at = ((y + border[0][0]) * row + border[1][0]) * channels;
                padded[at..at + line.len()].copy_from_slice(line);
            }
            padded
        }
        LayerOp::Add => (0..x.len()).map(|i| inputs.iter().map(|x| x[i]).sum()).collect(),
        LayerOp::Multiply => (0..x.len()).map(|i| inputs.iter().map(|x| x[i]).product()).collect(),
        LayerOp::Maximum => {
            (0..x.len()).map(|i| inputs.iter().map(|x| x[i]).fold(f32::NEG_INFINITY, f32::max)).collect()
        }
        LayerOp::Concatenate => {
            let rows = x.len() / channels.max(1);
            let part = |(x, shape): (&&[f32], &&[usize]), row: usize| {
                let width = shape.last().copied().unwrap_or(1);
                x[row * width..][..width].to_vec()
            };
            (0..rows)
                .flat_map(|row| inputs.iter().zip(shapes).flat_map(move |pair| part(pair, row)))
                .collect()
        }
    })
}

fn product(x: f32, w: f32) -> f64 {
    f64::from(x) * f64::from(w)
}

fn biased(mut y: Vec<f32>, bias: Option<&Array>) -> Vec<f32> {
    if let Some(bias) = bias {
        y.iter_mut().enumerate().for_each(|(i, y)| *y += bias.data[i % bias.data.len()]);
    }
    y
}

/// `first(filter)` is the first of the `depth` channels that a filter reads; kernels are
/// `[row, column, depth, filter]`.
fn convolve(
    x: &[f32],
    kernel: &Array,
    conv: &Conv,
    window: &Window2d,
    filters: usize,
    depth: usize,
    first: impl Fn(usize) -> usize,
) -> Vec<f32> {
    let mut y = Vec::with_capacity(window.output[0] * window.output[1] * filters);
    for position in window.positions() {
        let taps: Vec<Option<usize>> = window.taps(position).collect();
        y.extend((0..filters).map(|filter| {
            let at = |tap: usize, i: usize| kernel.data[(tap * depth + i) * filters + filter];
            let input = |tap: Option<usize>, i: usize| {
                tap.map_or(conv.pad_value, |pixel| x[pixel * window.input[2] + first(filter) + i])
            };
            let sum: f64 = (taps.iter().enumerate())
                .flat_map(|(tap, &pixel)| (0..depth).map(move |i| (tap, pixel, i)))
                .map(|(tap, pixel, i)| product(input(pixel, i), at(tap, i)))
                .sum();
            sum as f32
        }));
    }
    y
}

fn window_of(shape: &[usize], pool: &Pool) -> Result<Window2d, String> {
    shape::pool_window(shape, pool)
}

fn pooled(x: &[f32], window: &Window2d, f: impl Fn(&mut dyn Iterator<Item = f32>) -> f32) -> Vec<f32> {
    let channels = window.input[2];
    let mut y = Vec::new();
    for position in window.positions() {
        let pixels: Vec<usize> = window.taps(position).flatten().collect();
        y.extend((0..channels).map(|c| f(&mut pixels.iter().map(|pixel| x[pixel * channels + c]))));
    }
    y
}

/// Axis `i` of the result is axis `axes[i]` of `x`.
fn transposed(x: &[f32], shape: &[usize], axes: &[usize]) -> Vec<f32> {
    let stride = |axis: usize| shape[axis + 1..].iter().product::<usize>();
    let mut index = vec![0];
    for &axis in axes {
        index = index.iter().flat_map(|&at| (0..shape[axis]).map(move |i| at + i * stride(axis))).collect();
    }
    index.into_iter().map(|at| x[at]).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::graph::Padding;

    #[test]
    fn a_convolution_by_hand() {
        let mut graph = LayerGraph::default();
        let input = graph.add("in", "InputLayer", LayerOp::Input { shape: vec![2, 2, 1] }, &[]);
        let kernel = Arc::new(Array { shape: vec![2, 2, 1, 1], data: vec![1.0, 2.0, 3.0, 4.0] });
        let conv =
            Conv { stride: [1, 1], dilation: [1, 1], padding: Padding::Same, pad_value: 10.0, groups: 1 };
        let bias = Some(Arc::new(Array::vector(vec![0.5])));
        let op = LayerOp::Conv2d { kernel, bias, conv, secret_scale: false };
        graph.output = graph.add("c", "Conv2D", op, &[input]);
        graph.inputs = vec![input];
        crate::passes::infer_shapes(&mut graph, &mut Vec::new()).expect("it fits");
        let y = &graph.evaluate(&[vec![1.0, 2.0, 3.0, 4.0]]).expect("it can be computed")[&graph.output];
        assert_eq!(y, &[30.5, 2.0 + 20.0 + 12.0 + 40.0 + 0.5, 3.0 + 8.0 + 70.5, 4.0 + 90.5]);
    }
}
