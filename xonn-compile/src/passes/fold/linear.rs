//! Dense layers and convolutions as sums of products with integer weights.
//!
//! With inputs `x = a t + b` and weights `w = s W`, `W` integer, a sum is `s a sum(W t) + s b sum(W)`: an
//! integer sum, and a line that joins the float steps behind it. Where the slope differs by channel (a
//! BatchNorm without a sign behind it, features standardised one by one), it goes into the kernel: `w a` is a
//! kernel of real numbers, and real kernels are written in fixed point.

use std::sync::Arc;

use xonn_program::op::{self, Pad, Planes, Window2d};
use xonn_program::{Kind, LayerId, Op, Range};

use super::accuracy::{Accuracy, Typical};
use super::bounds::Slack;
use super::fixed::{MOST_BITS, Offsets, Units};
use super::kernel::{Weights, integer_weights};
use super::{Fold, Value};
use crate::graph::{Array, Conv, Layer, LayerOp, Padding, shape};
use crate::network::Made;
use crate::passes::float_fn::FloatFn;

/// Largest sum that float32 holds exactly, so that Keras's own sums are exact too.
const EXACT: i64 = 1 << 24;

/// Largest sum at all.
const LARGEST: i64 = 1 << 58;

/// A layer that adds up; input `i` of output `o` has the weight `kernel[i * outputs + o]`.
struct Linear<'a> {
    kernel: &'a Array,
    bias: Option<&'a Arc<Array>>,
    secret_scale: bool,
    outputs: usize,
    fan_in: usize,
    /// Geometry and groups of a convolution; a dense layer over several axes is one with a kernel of one.
    image: Option<(Window2d, &'a Conv, usize)>,
}

/// How the padding of a convolution is taken.
enum Padded {
    /// As the operation does it.
    As(Pad),
    /// Dropped, after every input has become `step * t + offset`.
    Recoded { step: i64, offset: i64 },
}

/// What integer sums stand for.
struct Sums {
    f: FloatFn,
    parity: Option<i64>,
    accuracy: Accuracy,
}

/// What a linear layer reads.
struct Input {
    node: LayerId,
    kind: Kind,
    /// `x = a t + b`.
    line: (f64, f64),
    parity: Option<i64>,
}

impl Fold<'_> {
    pub(super) fn linear(&mut self, layer: &Layer, value: &Value) -> Result<Value, String> {
        let linear = Linear::of(layer, &value.shape)?;
        let value = &if self.lines(value).is_ok() {
            // What leaves room for the sums; signs and zeros that come from a quantiser take two bits.
            let exact = of_few_values(&linear.kernel.data, linear.outputs, linear.secret_scale);
            let weight = if exact { 2 } else { self.weight_bits_beside(layer, value.node, linear.fan_in)? };
            let most = LARGEST.ilog2() - weight - width_of(linear.fan_in);
            self.narrow(layer, value, MOST_BITS.min(most))?
        } else {
            value.clone()
        };
        let common =
            value.f.common_line().and_then(|line| Some((line, linear.padding(line, self.kind(value))?)));
        match common {
            Some((line, padding)) => {
                let node = self.shaped(layer, value);
                let input = Input { node, kind: self.kind(value), line, parity: value.parity };
                self.on_a_common_line(layer, input, &linear, padding, &value.accuracy)
            }
            None => self.on_lines_by_channel(layer, value, &linear),
        }
    }

    /// All inputs are `a t + b` with the same `a` and `b`.
    fn on_a_common_line(
        &mut self,
        layer: &Layer,
        mut input: Input,
        linear: &Linear<'_>,
        padding: Padded,
        accuracy: &Accuracy,
    ) -> Result<Value, String> {
        let padded = linear.image.is_some_and(|(window, ..)| window.is_padded());
        let pad = match padding {
            Padded::As(pad) => pad,
            Padded::Recoded { step, offset } => {
                let Range { lo, hi } = input.kind.range();
                let range = Range { lo: step * lo + offset, hi: step * hi + offset };
                let shape = self.nodes[input.node].shape.clone();
                let op = Op::Recode { step, offset };
                input.node = self.push(layer, op, &[input.node], shape, Kind::Int(range));
                input.kind = Kind::Int(range);
                let (a, b) = input.line;
                input.line = (a / step as f64, b - a / step as f64 * offset as f64);
                if let Some((_, conv, _)) = linear.image {
                    // Exactly what the padding is: the slope is a float32 number, and so is its fraction.
                    input.line.1 = f64::from(conv.pad_value);
                }
                input.parity = None;
                Pad::Drop
            }
        };
        let weights = self.weights(layer, linear, &linear.kernel.data, linear.secret_scale, input.node)?;
        let f = self.sums(layer, &input, linear, &weights);
        // Of x itself, whose line is common.
        let accuracy = linear.accuracy(accuracy, &weights, |_, x| x.size_from(0.0));
        let parity = (input.parity == Some(1) && !(padded && pad == Pad::Drop))
            .then_some(linear.fan_in as i64 * weights.planes.largest() % 2);
        self.push_linear(layer, &input, linear, weights, pad, Sums { f, parity, accuracy })
    }

    /// Each channel has a line of its own: slopes join the kernel, offsets become one number an output.
    fn on_lines_by_channel(
        &mut self,
        layer: &Layer,
        value: &Value,
        linear: &Linear<'_>,
    ) -> Result<Value, String> {
        let channels = value.shape.last().copied().unwrap_or(1);
        let public = value.f.public_slope().is_some();
        let by_channel = channels.is_multiple_of(value.f.period()) || public;
        let mut value = value.clone();
        let mut lines = self.lines(&value)?;
        let kernel_of = |lines: &[(f64, f64)]| -> Vec<f32> {
            let weights = linear.kernel.data.iter().enumerate();
            weights
                .map(|(at, &w)| {
                    let channel = linear.input_channel(at / linear.outputs, at % linear.outputs);
                    (f64::from(w) * lines[channel % lines.len()].0) as f32
                })
                .collect()
        };
        let secret_scale = linear.secret_scale || !public;
        let loses = || {
            !of_few_values(&kernel_of(&lines), linear.outputs, secret_scale)
                && of_few_values(&linear.kernel.data, linear.outputs, linear.secret_scale)
        };
        if !by_channel || loses() {
            // Numbers of one slope first: slopes differ by position, or signs would become real weights,
            // which cost and round more than scaling what they multiply.
            value = self.fixed_point(layer, &value, Units::Common, Offsets::Float)?;
            lines = self.lines(&value)?;
        }
        let node = self.shaped(layer, &value);
        let input = Input { node, kind: self.kind(&value), line: (1.0, 0.0), parity: None };
        let kernel = kernel_of(&lines);
        let line = |pixel: usize, channel: usize| lines[(pixel * channels + channel) % lines.len()];
        if let Some(bad) = kernel.iter().find(|w| !w.is_finite()) {
            return Err(format!("a weight times the slope in front of it is {bad}, expected finite numbers"));
        }
        let common = lines.iter().all(|(slope, _)| *slope == lines[0].0);
        let weights = self.weights(layer, linear, &kernel, linear.secret_scale || !common, node)?;
        let offsets = linear.offsets(|pixel, channel| line(pixel, channel).1);
        let scale = |output: usize| weights.scales[output % weights.scales.len()];
        let outputs = linear.outputs;
        let lines = offsets.iter().enumerate().map(|(i, &offset)| (scale(i % outputs), offset)).collect();
        let f = if public && weights.are_exact() && !linear.secret_scale {
            FloatFn::line(lines)
        } else {
            FloatFn::secret_line(lines)
        };
        let accuracy = linear.accuracy(&value.accuracy, &weights, |channel, x| {
            let (slope, offset) = line(0, channel);
            if slope == 0.0 { 0.0 } else { x.size_from(offset) / slope.abs() }
        });
        self.push_linear(layer, &input, linear, weights, Pad::Drop, Sums { f, parity: None, accuracy })
    }

    fn push_linear(
        &mut self,
        layer: &Layer,
        input: &Input,
        linear: &Linear<'_>,
        weights: Weights,
        pad: Pad,
        Sums { mut f, parity, mut accuracy }: Sums,
    ) -> Result<Value, String> {
        if let Some(bias) = linear.bias {
            f.bias(bias);
            let of = |i: usize| f64::from(bias.data[i % bias.data.len()]);
            accuracy = accuracy.map(bias.data.len(), linear.outputs, |i, x| x.line((1.0, of(i))));
        }
        let Weights { planes, weights, .. } = weights;
        let kind = sum_kind(layer, input, linear.fan_in, planes)?;
        let filters = linear.outputs;
        let op = match linear.image {
            Some((window, _, groups)) => op::Linear { weights: planes, filters, groups, window, pad },
            None => op::Linear::dense(linear.fan_in, filters, planes),
        };
        let made = Made::sums(op, weights);
        let node = self.push(layer, made, &[input.node], layer.shape.clone(), kind);
        Ok(Value { node, f, parity, shape: layer.shape.clone(), stream: None, accuracy })
    }

    /// How many bits real weights get: fewer where they multiply long numbers that would have to be cut for
    /// them.
    ///
    /// Bits of sums are few, and shared out so that both roundings are the same beside what a sum is on data:
    /// cutting the numbers to n bits moves it by `2^(d - n - 1)` of its deviation, `d` bits being what bounds
    /// are wider than data, and b bits of a weight by
    /// `2^(1 - b)`, the largest weight being some four deviations of all.
    fn weight_bits_beside(&self, layer: &Layer, read: LayerId, fan_in: usize) -> Result<u32, String> {
        let bits = self.weight_bits(layer)?;
        let Range { lo, hi } = self.nodes[read].kind.range();
        let width = (64 - (hi - lo).leading_zeros()).min(MOST_BITS);
        let room = LARGEST.ilog2().saturating_sub(width_of(fan_in));
        let Slack { unused, depth } = self.slacks[read];
        let fair = (room + 2).saturating_sub(depth.div_ceil(2) + unused) / 2;
        Ok(bits.min(fair.max(room.saturating_sub(width))))
    }

    /// Integer weights for `kernel`, which is laid out as the layer's.
    fn weights(
        &mut self,
        layer: &Layer,
        linear: &Linear<'_>,
        kernel: &[f32],
        secret_scale: bool,
        read: LayerId,
    ) -> Result<Weights, String> {
        let own_units = self.own_units;
        let bits = self.weight_bits_beside(layer, read, linear.fan_in);
        integer_weights(kernel, linear.outputs, secret_scale, own_units, bits, |note| {
            self.notes.push(format!("layer {:?}: {note}", layer.name));
        })
    }

    /// The line of the sums; tells the user where Keras's own float32 sums round.
    fn sums(&mut self, layer: &Layer, input: &Input, linear: &Linear<'_>, weights: &Weights) -> FloatFn {
        let Linear { fan_in, secret_scale, .. } = *linear;
        let (a, b) = input.line;
        let exact_weights = weights.are_exact();
        let most = (fan_in as i64).saturating_mul(input.kind.range().magnitude());
        let whole = |x: f64| x == 0.0 || x.abs().log2().fract() == 0.0;
        if exact_weights && most > EXACT {
            self.notes.push(format!(
                "layer {:?}: sums up to {most} are not exact in Keras's float32, so single predictions may differ where a sum \
                 is within rounding of a threshold",
                layer.name
            ));
        } else if exact_weights && (!whole(a) || b.fract() != 0.0) {
            self.notes.push(format!(
                "layer {:?}: it reads numbers in units of {a} from {b}, whose sums round in Keras's float32, so single \
                 predictions may differ where a sum is within rounding of a threshold",
                layer.name
            ));
        }
        if exact_weights && let Some(scale) = weights.scales.iter().find(|scale| !whole(**scale)) {
            self.notes.push(format!(
                "layer {:?}: its kernel is of signs times numbers such as {scale}, whose sums round in Keras's float32, so single \
                 predictions may differ where a sum is within rounding of a threshold or ties",
                layer.name
            ));
        }
        let sums = weights.sums(fan_in);
        let count = if b == 0.0 { weights.scales.len() } else { sums.len() };
        let line = |channel: usize| {
            let scale = weights.scales[channel % weights.scales.len()];
            let offset = if b == 0.0 { 0.0 } else { scale * b * sums[channel] as f64 };
            (scale * a, offset)
        };
        let lines = (0..count).map(line).collect();
        if exact_weights && !secret_scale { FloatFn::line(lines) } else { FloatFn::secret_line(lines) }
    }
}

/// Bits that a sum of `n` numbers has more than they.
fn width_of(n: usize) -> u32 {
    usize::BITS - n.saturating_sub(1).leading_zeros()
}

/// Whether a layer's kernel is of signs, or signs and zeros, times few numbers, so that it is written without
/// rounding.
pub(super) fn is_exact(kernel: &Array, depthwise: bool, secret_scale: bool) -> bool {
    let outputs = kernel.shape.iter().rev().take(if depthwise { 2 } else { 1 }).product();
    of_few_values(&kernel.data, outputs, secret_scale)
}

fn of_few_values(kernel: &[f32], outputs: usize, secret_scale: bool) -> bool {
    integer_weights(kernel, outputs, secret_scale, false, Err(String::new()), |_| ()).is_ok()
}

fn sum_kind(layer: &Layer, input: &Input, fan_in: usize, planes: Planes) -> Result<Kind, String> {
    let most = (fan_in as i64)
        .checked_mul(planes.largest())
        .and_then(|n| n.checked_mul(input.kind.range().magnitude()))
        .filter(|&most| most <= LARGEST);
    let most = most.ok_or_else(|| {
        format!("{} sums are larger than {LARGEST}, lower the input's bits or --weight-bits", layer.name)
    })?;
    Ok(Kind::Int(Range { lo: -most, hi: most }))
}

const ONE: Conv =
    Conv { stride: [1, 1], dilation: [1, 1], padding: Padding::Valid, pad_value: 0.0, groups: 1 };

impl<'a> Linear<'a> {
    /// `input` is the shape of what the layer reads.
    fn of(layer: &'a Layer, input: &[usize]) -> Result<Self, String> {
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
    fn padding(&self, (a, b): (f64, f64), kind: Kind) -> Option<Padded> {
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
    fn input_channel(&self, i: usize, o: usize) -> usize {
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
    fn accuracy(
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
    fn offsets(&self, b: impl Fn(usize, usize) -> f64) -> Vec<f64> {
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
