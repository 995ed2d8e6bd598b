//! Dense layers and convolutions as sums of products with integer weights.
//!
//! With inputs `x = a t + b` and weights `w = s W`, `W` integer, a sum is `s a sum(W t) + s b sum(W)`: an
//! integer sum, and a line that joins the float steps behind it. Where the slope differs by channel (a
//! BatchNorm without a sign behind it, features standardised one by one), it goes into the kernel: `w a` is a
//! kernel of real numbers, and real kernels are written in fixed point.

mod layer;

use xonn_program::op::{self, Pad, Planes};
use xonn_program::{Kind, LayerId, Op, Range};

use super::accuracy::Accuracy;
use super::bounds::Slack;
use super::fixed::{MOST_BITS, Offsets, Units};
use super::kernel::{Weights, integer_weights, number_weights};
use super::{Fold, Value};
use crate::graph::{Array, Layer, Line};
use crate::network::Made;
use crate::passes::float_fn::{FloatFn, Origin};
use layer::{Linear, Padded};

/// Largest sum that float32 holds exactly, so that Keras's own sums are exact too.
const EXACT: i64 = 1 << 24;

/// Largest sum at all.
const LARGEST: i64 = 1 << 58;

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
    /// What an integer stands for.
    line: Line,
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
        let one_unit = value.f.common_line().filter(|_| !self.apart[1]);
        let common = one_unit.and_then(|line| Some((line, linear.padding(line, self.kind(value))?)));
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
                let scale = input.line.scale / step as f64;
                input.line = Line::new(scale, input.line.offset - scale * offset as f64);
                if let Some((_, conv, _)) = linear.image {
                    // Exactly what the padding is: the slope is a float32 number, and so is its fraction.
                    input.line.offset = f64::from(conv.pad_value);
                }
                input.parity = None;
                Pad::Drop
            }
        };
        input.node = self.widened(layer, input.node)?;
        let slope = input.line.scale;
        let weights =
            self.weights(layer, linear, &linear.kernel.data, linear.secret_scale, (input.node, slope))?;
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
        let kernel_of = |lines: &[Line]| -> Vec<f32> {
            let weights = linear.kernel.data.iter().enumerate();
            weights
                .map(|(at, &w)| {
                    let channel = linear.input_channel(at / linear.outputs, at % linear.outputs);
                    (f64::from(w) * lines[channel % lines.len()].scale) as f32
                })
                .collect()
        };
        let secret_scale = linear.secret_scale || !public;
        let loses = || {
            !of_few_values(&kernel_of(&lines), linear.outputs, secret_scale)
                && of_few_values(&linear.kernel.data, linear.outputs, linear.secret_scale)
        };
        if !by_channel || (!self.apart[1] && loses()) {
            // Numbers of one slope first: slopes differ by position, or signs would become real weights,
            // which cost and round more than scaling what they multiply.
            value = match self.number_read() {
                Some(number) => self.number(layer, &value, number)?,
                None => self.fixed_point(layer, &value, Units::Common, Offsets::Float)?,
            };
            lines = self.lines(&value)?;
        }
        let node = self.shaped(layer, &value);
        let input = Input { node, kind: self.kind(&value), line: Line::IDENTITY, parity: None };
        let kernel = kernel_of(&lines);
        let line = |pixel: usize, channel: usize| lines[(pixel * channels + channel) % lines.len()];
        if let Some(bad) = kernel.iter().find(|w| !w.is_finite()) {
            return Err(format!("a weight times the slope in front of it is {bad}, expected finite numbers"));
        }
        let common = lines.iter().all(|line| line.scale == lines[0].scale);
        let secret_scale = linear.secret_scale || !common;
        let weights = self.weights(layer, linear, &kernel, secret_scale, (node, 1.0))?;
        let offsets = match self.apart[1] && lines.iter().all(|line| line.offset == 0.0) {
            // Numbers side by side begin at 0, as what is padded does.
            true => vec![0.0; linear.outputs],
            false => linear.offsets(|pixel, channel| line(pixel, channel).offset),
        };
        let scale = |output: usize| weights.scales[output % weights.scales.len()];
        let outputs = linear.outputs;
        let line_of = |(i, &offset): (usize, &f64)| Line::new(scale(i % outputs), offset);
        let lines = offsets.iter().enumerate().map(line_of).collect();
        let public = public && weights.are_exact() && !linear.secret_scale;
        let f = FloatFn::line(lines, Origin::public_if(public));
        let accuracy = linear.accuracy(&value.accuracy, &weights, |channel, x| {
            let Line { scale, offset } = line(0, channel);
            if scale == 0.0 { 0.0 } else { x.size_from(offset) / scale.abs() }
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
            accuracy = accuracy.map(bias.data.len(), linear.outputs, |i, x| x.line(Line::new(1.0, of(i))));
        }
        let Weights { planes, weights, drop, .. } = weights;
        let kind = sum_kind(layer, input, linear.fan_in, planes)?;
        let filters = linear.outputs;
        let op = match linear.image {
            Some((window, _, groups)) => op::Linear { weights: planes, filters, groups, window, pad },
            None => op::Linear::dense(linear.fan_in, filters, planes),
        };
        let made = Made::sums(op, weights);
        // Steps of a recurrent layer are told by the architecture, so it tells nothing that they share.
        let shared = self.number.filter(|number| number.alike).map(|_| linear.kernel.data.as_ptr().addr());
        let key = shared.map(|at| (at, false));
        let node = self.push_shared(layer, made, &[input.node], layer.shape.clone(), kind, key);
        let value = Value { node, f, parity, shape: layer.shape.clone(), stream: None, accuracy };
        match drop.zip(self.number) {
            Some((drop, number)) => self.rounded_sums(layer, value, drop, number, shared),
            None => Ok(value),
        }
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

    /// Integer weights for `kernel`, which is laid out as the layer's, of integers of which 1 stands for
    /// `slope`.
    fn weights(
        &mut self,
        layer: &Layer,
        linear: &Linear<'_>,
        kernel: &[f32],
        secret_scale: bool,
        (read, slope): (LayerId, f64),
    ) -> Result<Weights, String> {
        if let Some(number) = self.number
            && !of_few_values(kernel, linear.outputs, secret_scale)
        {
            let bits = self.numbers.weight_bits;
            return number_weights(kernel, linear.outputs, slope, number.unit, bits);
        }
        let own_units = self.own_units;
        let bits = self.weight_bits_beside(layer, read, linear.fan_in);
        integer_weights(kernel, linear.outputs, secret_scale, own_units, bits, |note| {
            self.notes.push(format!("layer {:?}: {note}", layer.name));
        })
    }

    /// The line of the sums; tells the user where Keras's own float32 sums round.
    fn sums(&mut self, layer: &Layer, input: &Input, linear: &Linear<'_>, weights: &Weights) -> FloatFn {
        let Linear { fan_in, secret_scale, .. } = *linear;
        let Line { scale: a, offset: b } = input.line;
        let exact_weights = weights.are_exact();
        let most = (fan_in as i64).saturating_mul(input.kind.range().magnitude());
        let whole = |x: f64| x == 0.0 || x.abs().log2().fract() == 0.0;
        if exact_weights && most > EXACT {
            self.notes.push(format!(
                "layer {:?}: sums up to {most} are not exact in Keras's float32, so single predictions may \
                 differ where a sum is within rounding of a threshold",
                layer.name
            ));
        } else if exact_weights && (!whole(a) || b.fract() != 0.0) {
            self.notes.push(format!(
                "layer {:?}: it reads numbers in units of {a} from {b}, whose sums round in Keras's float32, \
                 so single predictions may differ where a sum is within rounding of a threshold",
                layer.name
            ));
        }
        if exact_weights && let Some(scale) = weights.scales.iter().find(|scale| !whole(**scale)) {
            self.notes.push(format!(
                "layer {:?}: its kernel is of signs times numbers such as {scale}, whose sums round in \
                 Keras's float32, so single predictions may differ where a sum is within rounding of a \
                 threshold or ties",
                layer.name
            ));
        }
        let sums = weights.sums(fan_in);
        let count = if b == 0.0 { weights.scales.len() } else { sums.len() };
        let line = |channel: usize| {
            let scale = weights.scales[channel % weights.scales.len()];
            let offset = if b == 0.0 { 0.0 } else { scale * b * sums[channel] as f64 };
            Line::new(scale * a, offset)
        };
        let lines = (0..count).map(line).collect();
        FloatFn::line(lines, Origin::public_if(exact_weights && !secret_scale))
    }
}

/// Bits that a sum of `n` numbers has more than they.
fn width_of(n: usize) -> u32 {
    usize::BITS - n.saturating_sub(1).leading_zeros()
}

/// Whether a layer's kernel is of signs, or signs and zeros, times few numbers, so that it is written without
/// rounding.
pub(in crate::passes) fn is_exact(kernel: &Array, depthwise: bool, secret_scale: bool) -> bool {
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
