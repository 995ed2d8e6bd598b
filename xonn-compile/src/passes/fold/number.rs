//! Hidden numbers: real tensors rounded to a public number of bits, and what is computed of them.
//!
//! Sums with real weights are numbers at once: their unit goes into the weights, so that what is left is an
//! offset and a rounding ([MiniONN, section 5.3]: truncation). Anything else that is a line of integers takes
//! a secret scale.

use xonn_program::op::{Leak, Line as ScaleLine, Round};
use xonn_program::{Kind, Op, Range, Tensor};

use super::accuracy::Typical;
use super::{Fold, Value};
use crate::graph::{Array, Function, Layer, LayerOp, Line};
use crate::network::Made;
use crate::passes::float_fn::{FloatFn, Origin};
use crate::passes::numbers::Number;

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
    fn push_number(
        &mut self,
        layer: &Layer,
        made: impl Into<Made>,
        reads: &[xonn_program::LayerId],
    ) -> Result<xonn_program::LayerId, String> {
        let made = made.into();
        let kinds: Vec<Kind> = reads.iter().map(|&read| self.nodes[read].kind).collect();
        let kind = made.op.kind(&kinds)?;
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

    /// Sums of which 1 stands for `unit / 2^drop`: their offsets are added, and `drop` bits go.
    pub(super) fn rounded_sums(
        &mut self,
        layer: &Layer,
        value: Value,
        drop: u32,
        number: Number,
    ) -> Result<Value, String> {
        let fine = number.unit * (-f64::from(drop)).exp2();
        let width = drop + number.bits;
        let offsets: Vec<i64> =
            self.lines(&value)?.iter().map(|line| modulo((line.offset / fine).round(), width)).collect();
        let op = Op::Offset { offsets: offsets.len(), bits: width };
        let made = Made { op, tensor: Some(Tensor::Offsets(offsets)) };
        let node = self.push_number(layer, made, &[value.node])?;
        let node = self.push_number(layer, Op::Round(Round { drop, bits: number.bits }), &[node])?;
        let error = value.accuracy.at(0).error.hypot(number.unit / 12f64.sqrt());
        Ok(self.in_units(layer, node, number, error))
    }

    /// A tensor that is a line of integers, as numbers in given units.
    pub(super) fn number(&mut self, layer: &Layer, value: &Value, number: Number) -> Result<Value, String> {
        let is_such = |line: Line| line.offset == 0.0 && line.scale == number.unit;
        if value.f.common_line().is_some_and(is_such) {
            return Ok(value.clone());
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
        let node =
            self.push(layer, made, &[value.node], shape, Kind::Int(Range { lo: -largest, hi: largest }));
        let node =
            self.push_number(layer, Op::Round(Round { drop: drop as u32, bits: number.bits }), &[node])?;
        let error = value.accuracy.at(0).error.hypot(number.unit / 12f64.sqrt());
        Ok(Value { shape: value.shape.clone(), ..self.in_units(layer, node, number, error) })
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
            Function::HardTanh => clamp(-1.0, 1.0),
            Function::Clip { low, high } => clamp(low, high),
            Function::HardSigmoid { slope } => {
                let mut line = value.clone();
                line.f.rescale(slope, 0.5);
                let read = self.number(layer, &line, number)?;
                let node = self.push_number(layer, clamp(0.0, 1.0), &[read.node])?;
                return Ok(self.in_units(layer, node, number, read.accuracy.at(0).error));
            }
            Function::Square => {
                // In units of what is read.
                let read = match self.number_read {
                    Some(read) => self.number(layer, value, read)?,
                    None => value.clone(),
                };
                return self.number_product(layer, &[read.clone(), read], number);
            }
            other => {
                let name = format!("{other:?}");
                let name = name.split([' ', '{']).next().unwrap_or_default();
                return Err(format!(
                    "hidden numbers are not taken through {name} yet, expected ReLU (also leaky, or with a largest \
                     value), PReLU, clip, hard sigmoid, hard tanh or square"
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

    /// The product of tensors. It is rounded once, behind the last factor: samples tell nothing of what comes
    /// between.
    fn number_product(&mut self, layer: &Layer, reads: &[Value], number: Number) -> Result<Value, String> {
        let mut product: Option<Value> = None;
        for read in reads {
            let read = self.factor(layer, read)?;
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
            product = Some(Value { node, f, ..read });
        }
        let product = product.ok_or("it multiplies no tensors, expected at least 1")?;
        let product = self.number(layer, &product, number)?;
        Ok(self.in_units(layer, product.node, number, product.accuracy.at(0).error))
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
        self.number(layer, value, Number { unit, bits, mean, spread })
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
