//! Products and maxima of several tensors, and functions of two values.

use std::sync::Arc;

use xonn_program::op::Window2d;
use xonn_program::{Kind, LayerId, Op, Range};

use super::accuracy::{Accuracy, Typical};
use super::fixed::{Offsets, Units};
use super::{Fold, Value};
use crate::graph::{Array, Function, Layer, Line};
use crate::passes::float_fn::{FloatFn, Origin};

impl Fold<'_> {
    /// A function: of bits it is a line between its two values, of anything else a step behind the others.
    pub(super) fn function(&mut self, value: &mut Value, function: Function) {
        if !self.line_of_bits(value, |_, x| function.apply(x), 1, true) {
            value.f.function(function);
        }
    }

    /// `PReLU`, as [`Fold::function`]; its slopes are weights.
    pub(super) fn p_relu(&mut self, value: &mut Value, slope: &Arc<Array>) {
        let channels = slope.data.len();
        let of = |channel: usize, x: f32| if x >= 0.0 { x } else { slope.data[channel % channels] * x };
        if !self.line_of_bits(value, of, channels, false) {
            value.f.p_relu(slope);
        }
    }

    /// Two values of every element become two other ones; false for integers of more values, and where
    /// elements have moved.
    fn line_of_bits(
        &self,
        value: &mut Value,
        of: impl Fn(usize, f32) -> f32,
        channels: usize,
        public: bool,
    ) -> bool {
        let last = value.shape.last().copied().unwrap_or(1);
        let period = value.f.period();
        let fits = last.is_multiple_of(period) && last.is_multiple_of(channels);
        if self.kind(value) != Kind::Bit || !fits {
            return false;
        }
        let count = if period == 1 && channels == 1 { 1 } else { last };
        let line = |i: usize| {
            let [low, high] = [-1, 1].map(|bit| f64::from(of(i % channels, value.f.apply(i, bit))));
            Line::of_bit(low, high)
        };
        let lines = (0..count).map(line).collect();
        let origin = if public { value.f.origin_of_lines() } else { Origin::Secret };
        value.f = FloatFn::line(lines, origin);
        true
    }

    /// The product of two-valued tensors. With `x = a t + b` and `y = c u + d`, `t` and `u` bits, it is
    /// `ac tu + ad t + bc u + bd`, and `tu` is an XNOR.
    pub(super) fn multiply(&mut self, layer: &Layer, reads: Vec<Value>) -> Result<Value, String> {
        let mut reads = reads.into_iter();
        let mut product = reads.next().ok_or("it multiplies no tensors, expected at least 1")?;
        for factor in reads {
            product = self.product(layer, &product, &factor)?;
        }
        Ok(product)
    }

    fn product(&mut self, layer: &Layer, x: &Value, y: &Value) -> Result<Value, String> {
        let two_valued = |value: &Value| self.kind(value) == Kind::Bit;
        let lines = [x, y].map(|value| value.f.public_line().filter(|_| two_valued(value)));
        let [Some(Line { scale: a, offset: b }), Some(Line { scale: c, offset: d })] = lines else {
            return Err(
                "it multiplies tensors of which one is not the result of a sign, expected tensors of two \
                 values each (-1 and +1, or 0 and 1); the range of products of real numbers has to be told: \
                 by samples that it was trained on, --calibrate D.npz, or as the worst case, --range proven"
                    .into(),
            );
        };
        let shape = layer.shape.clone();
        let nodes = [self.shaped(layer, x), self.shaped(layer, y)];
        let bits = |node: LayerId, f: FloatFn| {
            let line = f.common_line().unwrap_or(Line::IDENTITY);
            let accuracy = Accuracy::all(Typical::SIGN.line(line));
            Value { node, f, parity: Some(1), shape: shape.clone(), stream: None, accuracy }
        };
        let node = self.push(layer, Op::Product, &nodes, shape.clone(), Kind::Bit);
        if b == 0.0 && d == 0.0 {
            return Ok(bits(node, FloatFn::line(vec![Line::new(a * c, 0.0)], Origin::Public)));
        }
        let terms = [
            (node, Line::new(a * c, b * d)),
            (nodes[0], Line::new(a * d, 0.0)),
            (nodes[1], Line::new(b * c, 0.0)),
        ];
        let terms = terms.into_iter().filter(|(_, line)| line.scale != 0.0);
        let terms = terms.map(|(node, line)| bits(node, FloatFn::line(vec![line], Origin::Public))).collect();
        self.add(layer, terms)
    }

    /// The largest of several tensors, as a maximum over a window of all of them: exact where they are one
    /// rising function of their integers, else in fixed point.
    pub(super) fn maximum(&mut self, layer: &Layer, reads: Vec<Value>) -> Result<Value, String> {
        let channels = layer.shape.last().copied().unwrap_or(1);
        // Two values are the same whatever steps they came by.
        let plain = |read: Value| match read.f.public_line().filter(|_| self.kind(&read) == Kind::Bit) {
            Some(line) => Value { f: FloatFn::line(vec![line], Origin::Public), ..read },
            None => read,
        };
        let reads: Vec<Value> = reads.into_iter().map(plain).collect();
        let same = reads.iter().all(|read| read.f == reads[0].f && read.stream == reads[0].stream);
        let bits = reads.iter().filter(|read| self.kind(read) == Kind::Bit).count();
        let of_one_kind = bits == 0 || bits == reads.len();
        let reads =
            if same && of_one_kind && reads[0].f.rises() && channels.is_multiple_of(reads[0].f.period()) {
                reads
            } else {
                let mut largest = Vec::new();
                for read in &reads {
                    largest.push(self.largest(read, Offsets::Integer)?);
                }
                let units = self.units(&layer.name, largest.iter());
                let scaled = reads
                    .iter()
                    .map(|read| self.fixed_point(layer, read, Units::Given(&units), Offsets::Integer));
                scaled.collect::<Result<_, String>>()?
            };
        let (elements, count) = (layer.shape.iter().product::<usize>(), reads.len());
        let nodes: Vec<LayerId> = reads.iter().map(|read| self.flat(layer, read, elements)).collect();
        let ranges = reads.iter().map(|read| self.kind(read));
        let union = |a: Kind, b: Kind| match (a, b) {
            (Kind::Bit, Kind::Bit) => Kind::Bit,
            _ => {
                let (a, b) = (a.range(), b.range());
                Kind::Int(Range { lo: a.lo.min(b.lo), hi: a.hi.max(b.hi) })
            }
        };
        let kind = ranges.reduce(union).ok_or("it compares no tensors, expected at least 1")?;
        let joined = self.push(layer, Op::Concatenate, &nodes, vec![count * elements], kind);
        let source = (0..count * elements).collect();
        let stacked = self.push(layer, Op::Permute { source }, &[joined], vec![count, 1, elements], kind);
        let window = Window2d {
            input: [count, 1, elements],
            kernel: [count, 1],
            stride: [1, 1],
            dilation: [1, 1],
            pad_low: [0, 0],
            output: [1, 1],
        };
        let node = self.push(layer, Op::MaxPool { window }, &[stacked], vec![1, 1, elements], kind);
        let parity = reads[0].parity.filter(|_| reads.iter().all(|read| read.parity == reads[0].parity));
        // Of each element the least exact one counts.
        let accuracy = reads[1..].iter().fold(reads[0].accuracy.clone(), |worst, read| {
            let other = &read.accuracy;
            worst.map(
                other.period(),
                elements,
                |i, x| if other.at(i).error > x.error { other.at(i) } else { x },
            )
        });
        let (f, shape) = (reads[0].f.clone(), layer.shape.clone());
        let value = Value { node, f, parity, shape, stream: None, accuracy };
        // Cuts are one for each of the last axis, so the tensor gets its own again.
        let node = self.shaped(layer, &value);
        Ok(Value { node, ..value })
    }

    /// The integer tensor of `value` as one row.
    fn flat(&mut self, layer: &Layer, value: &Value, elements: usize) -> LayerId {
        if self.nodes[value.node].shape == [elements] {
            return value.node;
        }
        let kind = self.kind(value);
        self.push(layer, Op::Permute { source: (0..elements).collect() }, &[value.node], vec![elements], kind)
    }
}
