//! Hidden numbers: real tensors rounded to a public number of bits, and what is computed of them.
//!
//! Sums with real weights are numbers at once: their unit goes into the weights, so that what is left is an
//! offset and a rounding ([MiniONN, section 5.3]: truncation). Anything else that is a line of integers takes
//! a secret scale.

use std::collections::HashSet;

use xonn_program::op::{Leak, Line as ScaleLine, Round, Spline};
use xonn_program::{Kind, Op, Range, Tensor};

use super::accuracy::Typical;
use super::{Fold, Tamed, Value};
use crate::graph::{Array, Function, Layer, LayerOp, Line};
use crate::network::Made;
use crate::passes::float_fn::{FloatFn, Origin};
use crate::passes::numbers::{Number, is_curve};

/// Most bits of an integer that is scaled.
const SCALED_BITS: u32 = 30;

/// Binary digits of a public slope, if it is a multiple of that, and else.
const SLOPE_BITS: [u32; 2] = [8, 16];

impl Fold<'_> {
    /// What a layer gives that computes numbers of numbers; `None` if what other layers do is right for it.
    pub(super) fn number_layer(
        &mut self,
        layer: &Layer,
        reads: &mut [Value],
        number: Number,
    ) -> Result<Option<Value>, String> {
        let of_numbers = reads.iter().any(|read| self.kind(read) != Kind::Bit);
        match (&layer.op, &mut reads[..]) {
            (LayerOp::Function(function), [value]) if of_numbers => {
                let value = value.clone();
                self.number_function(layer, &value, *function, number).map(Some)
            }
            (LayerOp::PRelu { slope }, [value]) if of_numbers => {
                let value = value.clone();
                self.number_p_relu(layer, &value, slope, number).map(Some)
            }
            (LayerOp::Add, [_, _, ..]) => {
                if let Some(exact) = self.add_exactly(layer, reads) {
                    return Ok(Some(exact));
                }
                let mut nodes = Vec::new();
                for read in reads.iter() {
                    let read = self.number(layer, read, number)?;
                    nodes.push(self.shaped(layer, &read));
                }
                let sum = self.push_number(layer, Op::Add, &nodes)?;
                let round = Op::Round(Round { drop: 0, bits: number.bits });
                let node = self.push_number(layer, round, &[sum])?;
                let error = reads.iter().map(|read| read.accuracy.at(0).error).fold(0.0, f64::hypot);
                Ok(Some(self.in_units(layer, node, number, error)))
            }
            (LayerOp::Multiply, [_, _, ..]) if of_numbers => {
                self.number_product(layer, reads, number).map(Some)
            }
            (LayerOp::Concatenate | LayerOp::Maximum, [_, _, ..]) if of_numbers => {
                for read in reads.iter_mut() {
                    *read = self.number(layer, read, number)?;
                }
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// Adds a layer whose values its operation tells.
    pub(super) fn push_number(
        &mut self,
        layer: &Layer,
        made: impl Into<Made>,
        reads: &[xonn_program::LayerId],
    ) -> Result<xonn_program::LayerId, String> {
        let made = made.into();
        let kinds: Vec<Kind> = reads.iter().map(|&read| self.nodes[read].kind).collect();
        let kind = made.op.kind(&kinds)?;
        if let Op::Round(round) = made.op
            && self.numbers.proven
            && let Some(Range { lo, hi }) = self.bounds[reads[0]].overflow(round)
        {
            let Round { drop, bits } = round;
            return Err(format!(
                "its numbers may be from {} to {} for some inputs, which do not fit its {bits} bits; give \
                 samples that the model was trained on with --calibrate D.npz (array x) and leave out \
                 --range proven",
                lo >> drop,
                hi >> drop
            ));
        }
        let shape = self.nodes[reads[0]].shape.clone();
        Ok(self.push(layer, made, reads, shape, kind))
    }

    /// The tensor `node` as a number in its units.
    fn in_units(&self, layer: &Layer, node: xonn_program::LayerId, number: Number, error: f64) -> Value {
        let Number { unit, mean, spread, .. } = number;
        let f = FloatFn::line(vec![Line::new(unit, 0.0)], Origin::Secret);
        let accuracy = super::Accuracy::all(Typical { mean, spread, error });
        Value { node, f, parity: None, shape: layer.shape.clone(), stream: None, accuracy }
    }

    /// What a layer of sums reads. Sums that were rounded, with no function behind them, are handed on by a
    /// layer that changes no number: on shares that is where they come to a ring with room for further sums,
    /// in a circuit it takes no gate.
    pub(super) fn widened(
        &mut self,
        layer: &Layer,
        node: xonn_program::LayerId,
    ) -> Result<xonn_program::LayerId, String> {
        if self.number_read().is_none() || !self.are_rounded_sums(node) {
            return Ok(node);
        }
        let Range { lo, hi } = self.nodes[node].kind.range();
        let bits = 1 + u64::BITS - (!lo).max(hi).unsigned_abs().leading_zeros();
        self.push_number(layer, Op::Round(Round { drop: 0, bits }), &[node])
    }

    /// Whether nothing but moves and additions is between a tensor and sums that were rounded.
    fn are_rounded_sums(&self, node: xonn_program::LayerId) -> bool {
        let (mut open, mut seen) = (vec![node], HashSet::new());
        while let Some(node) = open.pop() {
            let of = &self.nodes[node];
            let sums = |&read: &xonn_program::LayerId| {
                matches!(self.nodes[read].op, Op::Linear(_) | Op::Offset { .. } | Op::Scale { .. })
            };
            match of.op {
                Op::Round(_) if of.reads.iter().any(sums) => return true,
                Op::Add | Op::Concatenate | Op::SumPool { .. } | Op::Permute { .. } | Op::Recode { .. } => {
                    open.extend(of.reads.iter().filter(|&&read| seen.insert(read)));
                }
                _ => {}
            }
        }
        false
    }

    /// Sums of which 1 stands for `unit / 2^drop`: their offsets are added, and `drop` bits go.
    pub(super) fn rounded_sums(
        &mut self,
        layer: &Layer,
        value: Value,
        drop: u32,
        number: Number,
        shared: Option<usize>,
    ) -> Result<Value, String> {
        let fine = number.unit * (-f64::from(drop)).exp2();
        let width = drop + number.bits;
        let offsets: Vec<i64> =
            self.lines(&value)?.iter().map(|line| modulo((line.offset / fine).round(), width)).collect();
        let op = Op::Offset { offsets: offsets.len(), bits: width };
        let made = Made { op, tensor: Some(Tensor::Offsets(offsets)) };
        let kind = made.op.kind(&[self.kind(&value)])?;
        let shape = self.nodes[value.node].shape.clone();
        let node = self.push_shared(layer, made, &[value.node], shape, kind, shared.map(|at| (at, true)));
        let node = self.push_number(layer, Op::Round(Round { drop, bits: number.bits }), &[node])?;
        let error = value.accuracy.at(0).error.hypot(number.unit / 12f64.sqrt());
        Ok(self.in_units(layer, node, number, error))
    }

    /// How the first tensor that the layer reads is kept.
    pub(super) fn number_read(&self) -> Option<Number> {
        self.number_reads.first().copied().flatten()
    }

    /// A tensor of which 1 stands for `ratio` of the wanted unit: for a power of two, or one below 0, nothing
    /// is multiplied. What `ratio` is must be public. `None` for any other.
    fn shifted_number(
        &mut self,
        layer: &Layer,
        value: &Value,
        ratio: f64,
        number: Number,
    ) -> Result<Option<Value>, String> {
        let digits = ratio.abs().log2();
        if digits.fract() != 0.0 || !(-40.0..=20.0).contains(&digits) {
            return Ok(None);
        }
        let mut node = self.shaped(layer, value);
        if ratio < 0.0 {
            let Range { lo, hi } = self.nodes[node].kind.range();
            let (shape, kind) = (self.nodes[node].shape.clone(), Kind::Int(Range { lo: -hi, hi: -lo }));
            node = self.push(layer, Made::scale(&[-1], &[0], 2), &[node], shape, kind);
        }
        if digits > 0.0 {
            node = self.push_number(layer, Op::Recode { step: 1 << digits as u32, offset: 0 }, &[node])?;
        }
        let drop = (-digits).max(0.0) as u32;
        let node = self.push_number(layer, Op::Round(Round { drop, bits: number.bits }), &[node])?;
        let error = value.accuracy.at(0).error.hypot(number.unit / 12f64.sqrt());
        Ok(Some(Value { shape: value.shape.clone(), ..self.in_units(layer, node, number, error) }))
    }

    /// A tensor that is a line of integers, as numbers in given units.
    pub(super) fn number(&mut self, layer: &Layer, value: &Value, number: Number) -> Result<Value, String> {
        let is_such = |line: Line| line.offset == 0.0 && line.scale == number.unit;
        if value.f.common_line().is_some_and(is_such) {
            return Ok(value.clone());
        }
        // A public multiple of a number of this very unit: `-x` or `x / 2`.
        if let Some(factor) = value.f.public_factor()
            && value.f.common_line().is_some_and(|line| line == Line::new(factor * number.unit, 0.0))
            && let Some(made) = self.shifted_number(layer, value, factor, number)?
        {
            return Ok(made);
        }
        let value = &self.narrow(layer, value, SCALED_BITS)?;
        let lines = self.lines(value)?;
        // As exact as weights; and a few large integers become as fine as all numbers are.
        let bits = (self.numbers.weight_bits + 3).max(number.bits + 2);
        let most = ((1i64 << (bits - 1)) - 1) as f64;
        // A line so steep that one step leads out of all numbers is that of a channel which does not change
        // on the samples. It is as steep as can be, and right at the channel's mean.
        let steepest_of_all = f64::from(1u32 << (number.bits - 1));
        let steepness = |line: &Line| line.scale.abs() / number.unit;
        let steepest = lines.iter().map(steepness).filter(|&x| x <= steepest_of_all).fold(0.0, f64::max);
        let drop = if steepest > 0.0 { (most / steepest).log2().floor().min(40.0) } else { 0.0 };
        let tamed = |(channel, &line): (usize, &Line)| {
            let largest = most * (-drop).exp2() * number.unit;
            if line.scale.abs() <= largest {
                return line;
            }
            let mean = value.accuracy.at(channel).mean;
            let at = (mean - line.offset) / line.scale;
            let scale = largest.copysign(line.scale);
            Line::new(scale, mean - scale * at)
        };
        let of = lines.len();
        let too_steep = |(_, line): &(usize, &Line)| line.scale.abs() > most * (-drop).exp2() * number.unit;
        let far = lines.iter().enumerate().filter(too_steep).map(|(channel, line)| {
            let at = (value.accuracy.at(channel).mean - line.offset) / line.scale;
            Tamed { read: value.node, layer: self.nodes.len(), channel, of, at }
        });
        let far: Vec<Tamed> = far.collect();
        self.tamed.extend(far);
        let lines: Vec<Line> = lines.iter().enumerate().map(tamed).collect();
        let width = drop as u32 + number.bits;
        let line = |line: &Line| ScaleLine {
            scale: (line.scale / number.unit * drop.exp2()).round() as i64,
            offset: modulo((line.offset / number.unit * drop.exp2()).round(), width),
        };
        let scaled: Vec<ScaleLine> = lines.iter().map(line).collect();
        let largest = (1i64 << (bits - 1)).checked_mul(self.kind(value).range().magnitude().max(1));
        let largest = largest.and_then(|n| n.checked_add(1 << width)).filter(|&n| n < 1 << 60);
        let largest =
            largest.ok_or("numbers that are too wide to be scaled, give fewer --activation-bits")?;
        let made = Made { op: Op::Scale { lines: scaled.len(), bits }, tensor: Some(Tensor::Lines(scaled)) };
        let shape = self.nodes[value.node].shape.clone();
        let read = self.widened(layer, value.node)?;
        let node = self.push(layer, made, &[read], shape, Kind::Int(Range { lo: -largest, hi: largest }));
        let node =
            self.push_number(layer, Op::Round(Round { drop: drop as u32, bits: number.bits }), &[node])?;
        let error = value.accuracy.at(0).error.hypot(number.unit / 12f64.sqrt());
        Ok(Value { shape: value.shape.clone(), ..self.in_units(layer, node, number, error) })
    }

    /// Tensors side by side, each in its own unit.
    pub(super) fn joined_apart(&mut self, layer: &Layer, mut reads: Vec<Value>) -> Result<Value, String> {
        let numbers = self.number_reads.clone();
        for (read, number) in reads.iter_mut().zip(numbers) {
            let number = number.ok_or("it joins a tensor that is kept as no number")?;
            *read = self.number(layer, read, number)?;
        }
        let widths: Vec<usize> = reads.iter().map(|read| read.shape.last().copied().unwrap_or(1)).collect();
        let lines: Vec<Line> = reads
            .iter()
            .zip(&widths)
            .flat_map(|(read, &width)| std::iter::repeat_n(read.f.common_line(), width))
            .collect::<Option<_>>()
            .ok_or("it joins numbers that have no common unit")?;
        let nodes: Vec<xonn_program::LayerId> = reads.iter().map(|read| self.shaped(layer, read)).collect();
        let kinds: Vec<Kind> = nodes.iter().map(|&node| self.nodes[node].kind).collect();
        let kind = Op::Concatenate.kind(&kinds)?;
        let shape = layer.shape.clone();
        let node = self.push(layer, Op::Concatenate, &nodes, shape.clone(), kind);
        let parts: Vec<(&super::Accuracy, usize)> =
            reads.iter().zip(&widths).map(|(read, &width)| (&read.accuracy, width)).collect();
        let rows = shape.iter().product::<usize>() / widths.iter().sum::<usize>().max(1);
        let accuracy = super::Accuracy::joined(&parts, rows);
        Ok(Value {
            node,
            f: FloatFn::line(lines, Origin::Secret),
            parity: None,
            shape,
            stream: None,
            accuracy,
        })
    }

    /// A function of numbers.
    fn number_function(
        &mut self,
        layer: &Layer,
        value: &Value,
        function: Function,
        number: Number,
    ) -> Result<Value, String> {
        let whole = |x: f32| (f64::from(x) / number.unit).round().clamp(-1e15, 1e15) as i64;
        let clamp = |lo: f32, hi: f32| Op::Clamp(Range { lo: whole(lo), hi: whole(hi) });
        let op = match function {
            Function::Relu { slope: 0.0, max: None } => Op::Relu,
            Function::Relu { slope: 0.0, max: Some(max) } => clamp(0.0, max),
            Function::Relu { slope, max: None } => Op::LeakyRelu(leak(slope)?),
            Function::Relu { slope, max: Some(max) } => {
                let read = self.number(layer, value, number)?;
                let node = self.push_number(layer, clamp(f32::NEG_INFINITY, max), &[read.node])?;
                let node = self.push_number(layer, Op::LeakyRelu(leak(slope)?), &[node])?;
                return Ok(self.in_units(layer, node, number, read.accuracy.at(0).error));
            }
            Function::HardTanh => clamp(-1.0, 1.0),
            Function::Clip { low, high } => clamp(low, high),
            Function::HardSigmoid { slope } => {
                // The ends come first: a line of what lies far beyond them need not fit the result's bits.
                let read = self.own_number(layer, value, number)?;
                let value = self.number(layer, value, read)?;
                let end = (0.5 / f64::from(slope) / read.unit).clamp(0.0, 1e15);
                let ends = Range { lo: -end.ceil() as i64, hi: end.ceil() as i64 };
                let node = self.push_number(layer, Op::Clamp(ends), &[value.node])?;
                let mut line = Value { node, ..value };
                line.f.rescale(slope, 0.5);
                let read = self.number(layer, &line, number)?;
                let node = self.push_number(layer, clamp(0.0, 1.0), &[read.node])?;
                return Ok(self.in_units(layer, node, number, read.accuracy.at(0).error));
            }
            Function::Square => {
                // In units of what is read.
                let read = match self.number_read() {
                    Some(read) => self.number(layer, value, read)?,
                    None => value.clone(),
                };
                return self.number_product(layer, &[read.clone(), read], number);
            }
            curve if is_curve(curve) => {
                let read = self.own_number(layer, value, number)?;
                let value = self.number(layer, value, read)?;
                let table = self.curves.table(curve, read, number);
                let [least, most] = table.range(self.kind(&value).range())?;
                // Room for what hosts that hold shares are off by.
                let range = Range { lo: least - Spline::SPARE, hi: most + Spline::SPARE };
                let (op, shape) = (Op::Spline(table), self.nodes[value.node].shape.clone());
                let mut node = self.push(layer, op, &[value.node], shape, Kind::Int(range));
                if let Function::ReluFrom { max: Some(max), .. } = curve {
                    node = self.push_number(layer, clamp(f32::NEG_INFINITY, max), &[node])?;
                }
                let round = Op::Round(Round { drop: 0, bits: number.bits });
                let node = self.push_number(layer, round, &[node])?;
                // About as steep as what it gives is wide beside what it reads.
                let steep = if read.spread > 0.0 { (number.spread / read.spread).min(2.0) } else { 1.0 };
                let error = (steep * value.accuracy.at(0).error).hypot(number.unit / 12f64.sqrt());
                return Ok(self.in_units(layer, node, number, error));
            }
            other => {
                let name = format!("{other:?}");
                let name = name.split([' ', '{']).next().unwrap_or_default();
                return Err(format!(
                    "hidden numbers are not taken through {name} yet, expected ReLU (also leaky, or with a \
                     largest value), PReLU, clip, abs, square, sigmoid, tanh, their hard forms, ELU, SELU, \
                     GELU, swish, mish, softplus or softsign"
                ));
            }
        };
        let read = self.number(layer, value, number)?;
        let node = self.push_number(layer, op, &[read.node])?;
        Ok(self.in_units(layer, node, number, read.accuracy.at(0).error))
    }

    /// `relu(x) + slope min(x, 0)` with a secret slope a channel.
    fn number_p_relu(
        &mut self,
        layer: &Layer,
        value: &Value,
        slope: &Array,
        number: Number,
    ) -> Result<Value, String> {
        let read = self.number(layer, value, number)?;
        let positive = self.push_number(layer, Op::Relu, &[read.node])?;
        let lo = self.kind(&read).range().lo.min(0);
        let negative = self.push_number(layer, Op::Clamp(Range { lo, hi: 0 }), &[read.node])?;
        let lines = slope.data.iter().map(|&slope| Line::new(f64::from(slope) * number.unit, 0.0)).collect();
        let below = Value { node: negative, f: FloatFn::line(lines, Origin::Secret), ..read.clone() };
        let below = self.number(layer, &below, number)?;
        let sum = self.push_number(layer, Op::Add, &[positive, below.node])?;
        let node = self.push_number(layer, Op::Round(Round { drop: 0, bits: number.bits }), &[sum])?;
        Ok(self.in_units(layer, node, number, below.accuracy.at(0).error))
    }

    /// How what a function reads is kept; inputs by their own largest values, which are public.
    fn own_number(&mut self, layer: &Layer, value: &Value, number: Number) -> Result<Number, String> {
        if let Some(read) = self.number_read() {
            return Ok(read);
        }
        self.lines(value).map_err(|reason| format!("{:?}: {reason}", layer.name))?;
        let largest = self.largest(value, super::fixed::Offsets::Integer)?.into_iter().fold(0.0, f64::max);
        let unit = (largest.max(f64::MIN_POSITIVE).log2().ceil() - f64::from(number.bits - 3)).exp2();
        let Typical { mean, spread, .. } = value.accuracy.at(0);
        Ok(Number { unit, bits: number.bits, mean, spread, public: true, alike: false })
    }

    /// The product of tensors. It is rounded once, behind the last factor: samples tell nothing of what comes
    /// between.
    fn number_product(&mut self, layer: &Layer, reads: &[Value], number: Number) -> Result<Value, String> {
        let mut product: Option<Value> = None;
        // Whether all units are public; a square reads one tensor twice.
        let mut public = number.public;
        for (at, read) in reads.iter().enumerate() {
            let known = self.number_reads.get(at).copied().flatten().or_else(|| self.number_read());
            let read = match known.filter(|known| known.public && read.f.public_factor() != Some(1.0)) {
                Some(known) if read.f.public_factor().is_some() => self.number(layer, read, known)?,
                _ => self.factor(layer, read)?,
            };
            let line = read.f.common_line();
            public &= known.is_some_and(|known| {
                known.public && line.is_some_and(|line| line == Line::new(known.unit, 0.0))
            });
            let Some(other) = product else {
                product = Some(read);
                continue;
            };
            let slope = |value: &Value| self.lines(value).map(|lines| lines[0].scale);
            let unit = slope(&other)? * slope(&read)?;
            let nodes = [self.shaped(layer, &other), self.shaped(layer, &read)];
            let node = match nodes[0] == nodes[1] {
                true => self.push_number(layer, Op::Square, &nodes[..1])?,
                false => self.push_number(layer, Op::Product, &nodes)?,
            };
            let f = FloatFn::line(vec![Line::new(unit, 0.0)], Origin::Secret);
            let (a, b) = (other.accuracy.at(0), read.accuracy.at(0));
            let sizes = [a.size_from(0.0), b.size_from(0.0)];
            let error = (sizes[0] * b.error).hypot(sizes[1] * a.error);
            let typical = Typical { mean: a.mean * b.mean, spread: sizes[0] * sizes[1], error };
            product = Some(Value { node, f, accuracy: super::Accuracy::all(typical), ..read });
        }
        let product = product.ok_or("it multiplies no tensors, expected at least 1")?;
        if public && let Some(line) = product.f.common_line() {
            let ratio = line.scale / number.unit;
            if let Some(made) = self.shifted_number(layer, &product, ratio, number)? {
                return Ok(made);
            }
        }
        // Without its lowest bits: in the power of two of its own unit that is nearest to the one asked for,
        // so that nothing is multiplied once more.
        let own = self.lines(&product)?[0].scale;
        let drop = (number.unit / own).log2().round().clamp(0.0, f64::from(Round::MOST_DROPPED));
        let number = Number { unit: own * drop.exp2(), ..number };
        let round = Op::Round(Round { drop: drop as u32, bits: number.bits });
        let node = self.push_number(layer, round, &[product.node])?;
        let error = product.accuracy.at(0).error.hypot(number.unit / 12f64.sqrt());
        Ok(self.in_units(layer, node, number, error))
    }

    /// A factor of a product: numbers of one unit from 0.
    fn factor(&mut self, layer: &Layer, value: &Value) -> Result<Value, String> {
        let plain = value.f.common_line().is_some_and(|line| line.offset == 0.0);
        if plain && self.kind(value) != Kind::Bit {
            return Ok(value.clone());
        }
        // Its own largest value tells its unit.
        let largest = self.largest(value, super::fixed::Offsets::Integer)?.into_iter().fold(0.0, f64::max);
        let bits = self.number.map_or(16, |number| number.bits);
        let unit = if largest > 0.0 { largest / f64::from(1u32 << (bits - 3)) } else { 1.0 };
        let Typical { mean, spread, .. } = value.accuracy.at(0);
        self.number(layer, value, Number { unit, bits, mean, spread, public: false, alike: false })
    }
}

/// A public slope, in as few digits as it has.
fn leak(slope: f32) -> Result<Leak, String> {
    let exact = |bits: &u32| (f64::from(slope) * f64::from(1u32 << bits)).fract() == 0.0;
    let bits = SLOPE_BITS.into_iter().find(exact).unwrap_or(SLOPE_BITS[1]);
    Leak::near(f64::from(slope), bits)
        .ok_or_else(|| format!("a slope of {slope} below 0, expected one from 0 to 1"))
}

/// A whole number modulo `2^bits`, as the nearest to 0 that has no number beyond it on the other side.
fn modulo(x: f64, bits: u32) -> i64 {
    let size = (1u64 << bits) as f64;
    let near = x - (x / size).round() * size;
    let most = (1i64 << (bits - 1)) - 1;
    (near as i64).clamp(-most, most)
}
