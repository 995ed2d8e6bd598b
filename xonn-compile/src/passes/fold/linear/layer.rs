//! What a linear layer adds up: kernel, geometry, padding.

use std::sync::Arc;

use xonn_program::Kind;
use xonn_program::op::{Pad, Window2d};

use crate::graph::{Array, Conv, Layer, LayerOp, Line, Padding, shape};
use crate::passes::fold::accuracy::{Accuracy, Typical};
use crate::passes::fold::kernel::Weights;

/// A layer that adds up; input `i` of output `o` has the weight `kernel[i * outputs + o]`.
pub(super) struct Linear<'a> {
    pub kernel: &'a Array,
    pub bias: Option<&'a Arc<Array>>,
    pub secret_scale: bool,
    pub outputs: usize,
    pub fan_in: usize,
    /// Geometry and groups of a convolution; a dense layer over several axes is one with a kernel of one.
    pub image: Option<(Window2d, &'a Conv, usize)>,
}

/// How the padding of a convolution is taken.
pub(super) enum Padded {
    /// As the operation does it.
    As(Pad),
    /// Dropped, after every input has become `step * t + offset`.
    Recoded { step: i64, offset: i64 },
}

const ONE: Conv =
    Conv { stride: [1, 1], dilation: [1, 1], padding: Padding::Valid, pad_value: 0.0, groups: 1 };

impl<'a> Linear<'a> {
    /// `input` is the shape of what the layer reads.
    pub fn of(layer: &'a Layer, input: &[usize]) -> Result<Self, String> {
        let no_image = || "a kernel without four axes".to_owned();
        match &layer.op {
            LayerOp::Dense { kernel, bias, secret_scale } => {
                let (fan_in, outputs) = (kernel.shape[0], kernel.shape[1]);
                let leading: usize = layer.shape[..layer.shape.len() - 1].iter().product();
                let image = if leading == 1 {
                    None
                } else {
                    // Over the last axis of several: a convolution with a kernel of one.
                    let kernel = Array { shape: vec![1, 1, fan_in, outputs], data: Vec::new() };
                    Some((shape::conv_window(&[1, leading, fan_in], &kernel, &ONE)?, &ONE, 1))
                };
                let (bias, secret_scale) = (bias.as_ref(), *secret_scale);
                Ok(Self { kernel, bias, secret_scale, outputs, fan_in, image })
            }
            LayerOp::Conv2d { kernel, bias, conv, secret_scale } => {
                let [rows, columns, depth, outputs] = kernel.shape[..] else { return Err(no_image()) };
                let image = Some((shape::conv_window(input, kernel, conv)?, conv, conv.groups));
                let (bias, secret_scale) = (bias.as_ref(), *secret_scale);
                Ok(Self { kernel, bias, secret_scale, outputs, fan_in: rows * columns * depth, image })
            }
            LayerOp::DepthwiseConv2d { kernel, bias, conv, secret_scale } => {
                let [rows, columns, channels, multiplier] = kernel.shape[..] else { return Err(no_image()) };
                // Filter f is channel f / multiplier with the kernel's last index f % multiplier, so its
                // elements are those of column f of a matrix [tap, channel * multiplier].
                let outputs = channels * multiplier;
                let image = Some((shape::conv_window(input, kernel, conv)?, conv, channels));
                let (bias, secret_scale) = (bias.as_ref(), *secret_scale);
                Ok(Self { kernel, bias, secret_scale, outputs, fan_in: rows * columns, image })
            }
            other => Err(format!("{} is no linear layer", other.name())),
        }
    }

    /// What stands for the padding among inputs `a t + b`: dropped taps if it is 0, a bit, or the input
    /// recoded so that it becomes 0. `None` if no integer near the others does.
    pub fn padding(&self, Line { scale: a, offset: b }: Line, kind: Kind) -> Option<Padded> {
        let Some((window, conv, _)) = self.image else { return Some(Padded::As(Pad::Drop)) };
        let value = f64::from(conv.pad_value);
        let t = (value - b) / a;
        if !window.is_padded() || t == 0.0 || (value == 0.0 && b == 0.0) {
            return Some(Padded::As(Pad::Drop));
        }
        if kind == Kind::Bit {
            return match t {
                1.0 => Some(Padded::As(Pad::Bit(true))),
                -1.0 => Some(Padded::As(Pad::Bit(false))),
                _ => None,
            };
        }
        // t' = m t - m t_pad is an integer that is 0 at the padding, for m = 1 or m = 2 as in x = q / 127.5 -
        // 1. With a larger m the numbers of both signs of a weight would not lie on one grid of steps of m.
        // Keras's scale is a float32, so t is a fraction only up to that precision.
        let whole = |m: &i64| {
            let multiple = *m as f64 * t;
            multiple.abs() < 1e6 && (multiple - multiple.round()).abs() <= 2e-7 * multiple.abs().max(1.0)
        };
        let step = (1..=2).find(whole)?;
        Some(Padded::Recoded { step, offset: -(step as f64 * t).round() as i64 })
    }

    /// The channel of the input that input `i` of output `o` is.
    pub fn input_channel(&self, i: usize, o: usize) -> usize {
        match self.image {
            None => i,
            Some((window, _, groups)) => {
                let depth = window.input[2] / groups;
                o / (self.outputs / groups) * depth + i % depth
            }
        }
    }

    /// What is expected of the sums of inputs of which `input` is: independent ones. `sizes`: of a channel's
    /// integers, the root of their mean square in units of the weights' rounding.
    pub fn accuracy(
        &self,
        input: &Accuracy,
        weights: &Weights,
        sizes: impl Fn(usize, Typical) -> f64,
    ) -> Accuracy {
        let scale = |o: usize| weights.scales[o % weights.scales.len()];
        // Odd multiples: a rounding lies within a whole step on either side.
        let rounding = |o: usize| if weights.are_exact() { 0.0 } else { scale(o) / 3f64.sqrt() };
        let (elements, mut channels) =
            (self.image.map_or(self.fan_in, |(window, ..)| window.input[2]), Vec::new());
        // Of elements of a channel that differ the most inexact one counts.
        for channel in 0..elements {
            let all = (channel..input.period().max(channel + 1)).step_by(elements.max(1));
            let worst = all.map(|i| input.at(i)).max_by(|a, b| a.error.total_cmp(&b.error));
            channels.push(worst.unwrap_or(Typical::SIGN));
        }
        let sizes: Vec<f64> = channels.iter().enumerate().map(|(c, &x)| sizes(c, x)).collect();
        Accuracy::each((0..self.outputs).map(|o| {
            let (mut mean, mut spread, mut error) = (0.0, 0.0, 0.0);
            for i in 0..self.fan_in {
                let channel = self.input_channel(i, o);
                let (w, x) = (f64::from(self.kernel.data[i * self.outputs + o]), channels[channel]);
                mean += w * x.mean;
                spread += (w * x.spread).powi(2);
                error += (w * x.error).powi(2) + (rounding(o) * sizes[channel]).powi(2);
            }
            Typical { mean, spread: spread.sqrt(), error: error.sqrt() }
        }))
    }

    /// What is added to each output beside the integer sums: `sum(w * b)` over the inputs that are there, and
    /// `sum(w * pad)` over the others. One number an output channel where that is the same everywhere, else
    /// one an element.
    pub fn offsets(&self, b: impl Fn(usize, usize) -> f64) -> Vec<f64> {
        let w = |i: usize, o: usize| f64::from(self.kernel.data[i * self.outputs + o]);
        let Some((window, conv, groups)) = self.image else {
            return (0..self.outputs).map(|o| (0..self.fan_in).map(|i| w(i, o) * b(0, i)).sum()).collect();
        };
        let depth = window.input[2] / groups;
        let mut offsets = Vec::new();
        for position in window.positions() {
            let taps: Vec<Option<usize>> = window.taps(position).collect();
            offsets.extend((0..self.outputs).map(|o| -> f64 {
                let input = |i: usize| match taps[i / depth] {
                    Some(pixel) => b(pixel, self.input_channel(i, o)),
                    None => f64::from(conv.pad_value),
                };
                (0..self.fan_in).map(|i| w(i, o) * input(i)).sum()
            }));
        }
        if offsets.chunks(self.outputs).all(|at| at == &offsets[..self.outputs]) && !window.is_padded() {
            offsets.truncate(self.outputs);
        }
        offsets
    }
}
