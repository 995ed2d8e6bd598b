//! Dense layers and convolutions as sums of signed integers.
//!
//! With inputs `x = a t + b` and weights `s w`, `w = +-1`, a sum is `s a sum(w t) + s b sum(w)`: an integer sum, and a line
//! that joins the float steps behind it.

use super::{Fold, Value};
use crate::graph::{Array, Conv, Layer, LayerOp, shape};
use crate::integer::{Kind, NodeId, Op, Pad, Range};
use crate::passes::float_fn::FloatFn;

/// Largest sum that float32 holds exactly, so that Keras's own sums are exact too.
const EXACT: i64 = 1 << 24;

/// Largest sum at all.
const LARGEST: i64 = 1 << 46;

/// Signs of a kernel, row by row for each output channel, and the channels' scales.
struct Signs {
    weights: Vec<bool>,
    /// One for all channels, or one each.
    scales: Vec<f64>,
    /// `sum(w)` of each channel.
    sums: Vec<i64>,
}

/// What a linear layer reads.
struct Input {
    node: NodeId,
    kind: Kind,
    /// `x = a t + b`.
    line: (f64, f64),
    parity: Option<i64>,
}

impl Fold<'_> {
    pub(super) fn linear(&mut self, layer: &Layer, value: &Value) -> Result<Value, String> {
        let line = value.f.common_line().ok_or(
            "it reads real numbers that are not binarised, expected a sign between it and the normalisation or function \
             before it",
        )?;
        let node = self.shaped(layer, value);
        let input = Input { node, kind: self.kind(value), line, parity: value.parity };
        match &layer.op {
            LayerOp::Dense { kernel, bias, secret_scale } => {
                let (fan_in, units) = (kernel.shape[0], kernel.shape[1]);
                let signs = Signs::new(kernel, units, *secret_scale, |unit, i| i * units + unit)?;
                let parity = (input.parity == Some(1)).then_some(fan_in as i64 % 2);
                let leading: usize = layer.shape[..layer.shape.len() - 1].iter().product();
                let f = self.sums(layer, &input, fan_in, &signs);
                let kind = self.sum_kind(layer, &input, fan_in)?;
                let op = if leading == 1 {
                    Op::Dense { weights: signs.weights, units }
                } else {
                    // Over the last axis of several: a convolution with a kernel of one.
                    let kernel = Array { shape: vec![1, 1, fan_in, units], data: Vec::new() };
                    let window = shape::conv_window(&[1, leading, fan_in], &kernel, &ONE)?;
                    Op::Conv2d { weights: signs.weights, filters: units, groups: 1, window, pad: Pad::Drop }
                };
                let node = self.push(layer, op, &[input.node], layer.shape.clone(), kind);
                Ok(Value { node, f: with_bias(f, bias.as_ref()), parity, shape: layer.shape.clone() })
            }
            LayerOp::Conv2d { kernel, bias, conv, secret_scale } => {
                let [rows, columns, depth, filters] = kernel.shape[..] else {
                    return Err("a kernel without four axes".into());
                };
                let signs = Signs::new(kernel, filters, *secret_scale, |filter, i| i * filters + filter)?;
                let fan_in = rows * columns * depth;
                self.conv(layer, input, signs, kernel, conv, conv.groups, fan_in, bias.as_ref())
            }
            LayerOp::DepthwiseConv2d { kernel, bias, conv, secret_scale } => {
                let [rows, columns, channels, multiplier] = kernel.shape[..] else {
                    return Err("a kernel without four axes".into());
                };
                // Filter f is channel f / multiplier with the kernel's last index f % multiplier, so its elements are
                // those of column f of a matrix [tap, channel * multiplier].
                let filters = channels * multiplier;
                let signs = Signs::new(kernel, filters, *secret_scale, |filter, tap| tap * filters + filter)?;
                self.conv(layer, input, signs, kernel, conv, channels, rows * columns, bias.as_ref())
            }
            other => Err(format!("{} is no linear layer", other.name())),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "what the two convolutions differ in")]
    fn conv(
        &mut self,
        layer: &Layer,
        mut input: Input,
        signs: Signs,
        kernel: &Array,
        conv: &Conv,
        groups: usize,
        fan_in: usize,
        bias: Option<&std::sync::Arc<Array>>,
    ) -> Result<Value, String> {
        let window = shape::conv_window(&self.nodes[input.node].shape, kernel, conv)?;
        let padded = window.is_padded();
        let pad = if padded { self.pad(layer, &mut input, f64::from(conv.pad_value))? } else { Pad::Drop };
        let parity = (input.parity == Some(1) && !(padded && pad == Pad::Drop)).then_some(fan_in as i64 % 2);
        let f = self.sums(layer, &input, fan_in, &signs);
        let kind = self.sum_kind(layer, &input, fan_in)?;
        let filters = signs.sums.len();
        let op = Op::Conv2d { weights: signs.weights, filters, groups, window, pad };
        let node = self.push(layer, op, &[input.node], layer.shape.clone(), kind);
        Ok(Value { node, f: with_bias(f, bias), parity, shape: layer.shape.clone() })
    }

    /// The integer that stands for the padding `x = value`: dropped taps if it is 0, a bit, or the input recoded so that
    /// it becomes 0.
    fn pad(&mut self, layer: &Layer, input: &mut Input, value: f64) -> Result<Pad, String> {
        let (a, b) = input.line;
        let t = (value - b) / a;
        if t == 0.0 {
            return Ok(Pad::Drop);
        }
        if input.kind == Kind::Bit {
            return match t {
                1.0 => Ok(Pad::Bit(true)),
                -1.0 => Ok(Pad::Bit(false)),
                _ => Err(format!(
                    "padding with {value} is none of the two values that it reads, expected one of them or 0"
                )),
            };
        }
        // t' = m t - m t_pad is an integer that is 0 at the padding, for a small m such as 2 in x = q / 127.5 - 1.
        // Keras's scale is a float32, so t is a fraction only up to that precision.
        let whole = |m: &i64| {
            let multiple = *m as f64 * t;
            multiple.abs() < 1e6 && (multiple - multiple.round()).abs() <= 2e-7 * multiple.abs().max(1.0)
        };
        let step = (1..=16).find(whole).ok_or_else(|| {
            format!(
                "padding with {value} is {t} in units of the input, expected an integer or a simple fraction"
            )
        })?;
        let offset = -(step as f64 * t).round() as i64;
        let Range { lo, hi } = input.kind.range();
        let range = Range { lo: step * lo + offset, hi: step * hi + offset };
        let shape = self.nodes[input.node].shape.clone();
        input.node = self.push(layer, Op::Recode { step, offset }, &[input.node], shape, Kind::Int(range));
        input.kind = Kind::Int(range);
        input.line = (a / step as f64, value);
        input.parity = None;
        Ok(Pad::Drop)
    }

    /// The line of the sums; tells the user where Keras's own float32 sums round.
    fn sums(&mut self, layer: &Layer, input: &Input, fan_in: usize, signs: &Signs) -> FloatFn {
        let (a, b) = input.line;
        let most = (fan_in as i64).saturating_mul(input.kind.range().magnitude());
        let whole = |x: f64| x == 0.0 || x.abs().log2().fract() == 0.0;
        if most > EXACT {
            self.notes.push(format!(
                "layer {:?}: sums up to {most} are not exact in Keras's float32, so single predictions may differ where a sum \
                 is within rounding of a threshold",
                layer.name
            ));
        } else if !whole(a) || b.fract() != 0.0 {
            self.notes.push(format!(
                "layer {:?}: it reads numbers in units of {a} from {b}, whose sums round in Keras's float32, so single \
                 predictions may differ where a sum is within rounding of a threshold",
                layer.name
            ));
        }
        let count = if b == 0.0 { signs.scales.len() } else { signs.sums.len() };
        let line = |channel: usize| {
            let scale = signs.scales[channel % signs.scales.len()];
            let offset = if b == 0.0 { 0.0 } else { scale * b * signs.sums[channel] as f64 };
            (scale * a, offset)
        };
        FloatFn::line((0..count).map(line).collect())
    }

    fn sum_kind(&self, layer: &Layer, input: &Input, fan_in: usize) -> Result<Kind, String> {
        let most =
            (fan_in as i64).checked_mul(input.kind.range().magnitude()).filter(|&most| most <= LARGEST);
        let most = most.ok_or_else(|| {
            format!("{} sums are larger than {LARGEST}, lower the input's bits", layer.name)
        })?;
        Ok(Kind::Int(Range { lo: -most, hi: most }))
    }
}

const ONE: Conv = Conv {
    stride: [1, 1],
    dilation: [1, 1],
    padding: crate::graph::Padding::Valid,
    pad_value: 0.0,
    groups: 1,
};

fn with_bias(mut f: FloatFn, bias: Option<&std::sync::Arc<Array>>) -> FloatFn {
    if let Some(bias) = bias {
        f.bias(bias);
    }
    f
}

impl Signs {
    /// Takes a kernel of `+-s` apart; `at(channel, i)` is where input `i` of an output channel is.
    fn new(
        kernel: &Array,
        channels: usize,
        secret_scale: bool,
        at: impl Fn(usize, usize) -> usize,
    ) -> Result<Self, String> {
        let fan_in = kernel.data.len() / channels.max(1);
        let mut weights = Vec::with_capacity(kernel.data.len());
        let (mut scales, mut sums) = (Vec::with_capacity(channels), Vec::with_capacity(channels));
        for channel in 0..channels {
            let scale = kernel.data[at(channel, 0)].abs();
            let mut sum = 0;
            for i in 0..fan_in {
                let w = kernel.data[at(channel, i)];
                if w.abs() != scale {
                    return Err(not_binary(w, scale));
                }
                weights.push(w >= 0.0);
                sum += if w >= 0.0 { 1 } else { -1 };
            }
            scales.push(f64::from(scale));
            sums.push(sum);
        }
        if scales.contains(&0.0) && !secret_scale {
            return Err(not_binary(0.0, 1.0));
        }
        if !secret_scale && scales.iter().all(|&scale| scale == scales[0]) {
            scales.truncate(1);
        }
        Ok(Self { weights, scales, sums })
    }
}

fn not_binary(found: f32, scale: f32) -> String {
    format!(
        "its kernel holds {found} beside +-{scale}, expected +1 and -1 or one magnitude a channel; if these are the latent \
         weights of a quantised layer, save the model with its quantisers (larq: QuantDense with kernel_quantizer), or \
         binarise the kernel before saving (larq.context.quantized_scope(True))"
    )
}
