//! Transposed convolutions: as ones that compute all phases of the stride, whose outputs are put between each
//! other.

use std::sync::Arc;

use petgraph::stable_graph::NodeIndex;
use serde_json::Value;

use super::crop::check_size;
use super::{Builder, Built, Layer};
use crate::graph::{Array, Conv, LayerOp, Padding};
use crate::keras::inbound::brief;

/// One axis. Output `o` is the sum of `x[i] k[r]` over all `i stride + r = o + before`; with `o + before = a
/// stride + phase` it is `sum of x[a - m] k[phase + m stride]`, `m` below [`taps`](Self::taps): a convolution
/// for each phase.
#[derive(Clone, Copy)]
struct Axis {
    /// Length of the kernel.
    kernel: usize,
    stride: usize,
    /// Length of the output.
    output: usize,
    /// What is cut at its beginning.
    before: usize,
    /// Zeros at the end of the input, beside those in front of it.
    behind: usize,
}

impl Axis {
    /// As TensorFlow and Keras do it (`compute_conv_transpose_output_length`).
    fn new(
        kernel: usize,
        stride: usize,
        input: usize,
        same: bool,
        padding: Option<usize>,
    ) -> Result<Self, String> {
        let whole = (input - 1) * stride + kernel;
        let output = match (padding, same) {
            (None, true) => input * stride,
            (None, false) => input * stride + kernel.saturating_sub(stride),
            (Some(more), same) => (whole + more).saturating_sub(if same { kernel / 2 * 2 } else { 0 }),
        };
        if output == 0 || same && output.div_ceil(stride) != input {
            return Err(format!(
                "its output of {output} is no transpose of {input} in strides of {stride}, expected another \
                 output_padding"
            ));
        }
        let before = if same { whole.saturating_sub(output) / 2 } else { 0 };
        let mut axis = Self { kernel, stride, output, before, behind: 0 };
        // What lies behind the last number that is read is zeros.
        axis.behind = ((output - 1 + before) / stride + 1).saturating_sub(input);
        Ok(axis)
    }

    /// Weights of a phase.
    fn taps(self) -> usize {
        self.kernel.div_ceil(self.stride)
    }

    /// Which weight of the kernel is tap `t` of a phase.
    fn weight(self, phase: usize, t: usize) -> Option<usize> {
        Some(phase + self.stride * (self.taps() - 1 - t)).filter(|&r| r < self.kernel)
    }

    /// In which place, and of which phase, an output is.
    fn place(self, output: usize) -> (usize, usize) {
        let q = output + self.before;
        (q / self.stride, q % self.stride)
    }

    fn border(self) -> [usize; 2] {
        [self.taps() - 1, self.behind]
    }
}

impl Builder<'_> {
    /// A transposed convolution over `axes` image axes.
    pub(super) fn transposed_conv(&mut self, layer: &Layer<'_>, axes: usize) -> Built<NodeIndex> {
        let fields = layer.fields();
        let quantizer = self.kernel_quantizer(layer, "kernel_quantizer")?;
        if quantizer.scales_by_weights() {
            return Err(
                "its kernel is quantised with scales that follow from the weights, expected signs or real \
                        weights"
                    .to_owned()
                    .into(),
            );
        }
        if fields.sizes("dilation_rate", axes, Some([1, 1]))? != [1, 1] {
            return Err(format!(
                "dilation_rate is {}, expected 1 in a transposed convolution",
                brief(fields.get("dilation_rate"))
            )
            .into());
        }
        let more = output_padding(fields.get("output_padding"), axes)?;
        let same = fields.padding(axes)? == Padding::Same;
        let stride = fields.sizes("strides", axes, Some([1, 1]))?;
        let (mut arrays, bias) = self.kernels(layer, &[("kernel", quantizer)])?;
        let kernel = super::linear::with_rows(arrays.remove(0), axes);
        let size = fields.sizes("kernel_size", axes, None)?;
        let filters = fields.count("filters", None)?;
        self.check_shape(layer, "kernel", &kernel, &[Some(size[0]), Some(size[1]), Some(filters), None])?;
        self.check_bias(layer, bias.as_deref(), filters)?;
        self.around_image(layer, axes, |builder, read| {
            let Some(&[rows, columns, channels]) = builder.shape(read) else {
                return builder.add(layer, LayerOp::NoOp, &[read]);
            };
            if channels != kernel.shape[3] {
                return Err(
                    format!("it reads {channels} channels, its kernel has {}", kernel.shape[3]).into()
                );
            }
            let axis = |i: usize, input| Axis::new(size[i], stride[i], input, same, more.map(|more| more[i]));
            // There is one row of 1D layers, and their other end is not padded either.
            let down = if axes == 1 { Axis::new(1, 1, 1, false, None)? } else { axis(0, rows)? };
            let along = axis(1, columns)?;
            check_size(&[down.output, along.output, filters])?;
            let phases = down.stride * along.stride;
            check_size(&[down.taps(), along.taps(), channels, phases, filters])?;
            check_size(&[rows + down.taps(), columns + along.taps(), phases, filters])?;
            let border = [down.border(), along.border()];
            let padded = builder.add(layer, LayerOp::Pad2d { border, value: 0.0 }, &[read])?;
            let kernel = of_phases(&kernel, down, along);
            let bias = bias.map(|bias| {
                let data = (0..phases).flat_map(|_| bias.data.iter().copied()).collect();
                Arc::new(Array::vector(data))
            });
            let conv =
                Conv { stride: [1, 1], dilation: [1, 1], padding: Padding::Valid, pad_value: 0.0, groups: 1 };
            let op = LayerOp::Conv2d { kernel: Arc::new(kernel), bias, conv, secret_scale: false };
            let made = builder.add(layer, op, &[padded])?;
            let Some(&[_, width, depth]) = builder.shape(made) else { return Ok(made) };
            let mut source = Vec::with_capacity(down.output * along.output * filters);
            for (row, row_phase) in (0..down.output).map(|o| down.place(o)) {
                for (column, phase) in (0..along.output).map(|o| along.place(o)) {
                    let first = (row * width + column) * depth + (row_phase * along.stride + phase) * filters;
                    source.extend(first..first + filters);
                }
            }
            let shape = vec![down.output, along.output, filters];
            builder.add(layer, LayerOp::Pick { source: Arc::new(source), shape }, &[made])
        })
    }
}

/// The kernel `[row, column, filter, channel]` as one of a convolution, `[tap, tap, channel, phase and
/// filter]`.
fn of_phases(kernel: &Array, down: Axis, along: Axis) -> Array {
    let [_, columns, filters, channels] = kernel.shape[..] else { return kernel.clone() };
    let shape = vec![down.taps(), along.taps(), channels, down.stride * along.stride * filters];
    let mut data = Vec::with_capacity(shape.iter().product());
    for (t, u) in (0..down.taps()).flat_map(|t| (0..along.taps()).map(move |u| (t, u))) {
        for channel in 0..channels {
            for (p, q) in (0..down.stride).flat_map(|p| (0..along.stride).map(move |q| (p, q))) {
                let weight = down.weight(p, t).zip(along.weight(q, u));
                data.extend((0..filters).map(|filter| {
                    let at =
                        |(r, c): (usize, usize)| ((r * columns + c) * filters + filter) * channels + channel;
                    weight.map_or(0.0, |weight| kernel.data[at(weight)])
                }));
            }
        }
    }
    Array { shape, data }
}

/// `output_padding`: how much longer an output is; `None` if the layer does not say.
fn output_padding(json: &Value, axes: usize) -> Result<Option<[usize; 2]>, String> {
    let wrong = || format!("output_padding is {}, expected numbers below the strides, or none", brief(json));
    let number = |json: &Value| json.as_u64().filter(|&n| n < 1 << 16).map(|n| n as usize).ok_or_else(wrong);
    match json {
        Value::Null => Ok(None),
        Value::Array(list) => match (axes, &list[..]) {
            (1, [one]) => Ok(Some([0, number(one)?])),
            (2, [down, along]) => Ok(Some([number(down)?, number(along)?])),
            _ => Err(wrong()),
        },
        one => number(one).map(|n| Some([n, n])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Outputs beside the definition, of one axis: each input adds the kernel, a stride apart.
    #[test]
    fn phases_give_what_the_definition_gives() {
        let mut seen = 0;
        for (kernel, stride, input) in
            (1..6).flat_map(|k| (1..4).flat_map(move |s| [1, 2, 5].map(|n| (k, s, n))))
        {
            for (same, padding) in
                [true, false].into_iter().flat_map(|s| [None, Some(0), Some(1)].map(|p| (s, p)))
            {
                let Ok(axis) = Axis::new(kernel, stride, input, same, padding) else { continue };
                seen += 1;
                let weights: Vec<f32> = (0..kernel).map(|r| 1.0 + r as f32).collect();
                let x: Vec<f32> = (0..input).map(|i| 10.0 + (i * i) as f32).collect();
                let mut want = vec![0.0; (input + 1) * stride + kernel + axis.output + axis.before];
                for (i, r) in (0..input).flat_map(|i| (0..kernel).map(move |r| (i, r))) {
                    want[i * stride + r] += x[i] * weights[r];
                }
                let one = Axis::new(1, 1, 1, false, None).expect("one element");
                let kernels = Array { shape: vec![1, kernel, 1, 1], data: weights };
                let phases = of_phases(&kernels, one, axis);
                let [front, behind] = axis.border();
                let padded = [vec![0.0; front], x, vec![0.0; behind]].concat();
                for o in 0..axis.output {
                    let (a, phase) = axis.place(o);
                    let taps = (0..axis.taps()).map(|t| padded[a + t] * phases.data[t * stride + phase]);
                    assert_eq!(taps.sum::<f32>(), want[o + axis.before], "{kernel} {stride} {input} {same}");
                }
            }
        }
        assert!(seen > 150, "{seen}");
    }
}
