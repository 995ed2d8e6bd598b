//! Sums and joins of several tensors.

use xonn_program::{Kind, LayerId, Op, Range};

use super::accuracy::Accuracy;
use super::fixed::{Offsets, Units, common_unit};
use super::{Fold, Value};
use crate::graph::{Layer, Line};
use crate::network::Made;
use crate::passes::float_fn::{FloatFn, Origin};

/// Largest public factor between the units of two tensors that are added exactly.
const LARGEST_RATIO: f64 = 4096.0;

impl Fold<'_> {
    /// The sum of several tensors: exact where their units are public and multiples of one, else in fixed
    /// point.
    ///
    /// A tensor that is in fixed point already keeps its units, so that a residual stream is scaled once,
    /// where it begins.
    pub(super) fn add(&mut self, layer: &Layer, reads: Vec<Value>) -> Result<Value, String> {
        if let Some(value) = self.add_exactly(layer, &reads) {
            return Ok(value);
        }
        let mut largest = Vec::new();
        for read in &reads {
            largest.push(self.largest(read, Offsets::Float)?);
        }
        let kept = reads.iter().position(|read| read.stream.is_some());
        let (stream, units) = match kept.and_then(|at| Some((at, reads[at].stream.clone()?))) {
            None => (layer.name.clone().into(), self.units(&layer.name, largest.iter())),
            Some((at, stream)) => {
                let channels = layer.shape.last().copied().unwrap_or(1);
                let units: Vec<f64> =
                    self.lines(&reads[at])?.into_iter().take(channels).map(|line| line.scale).collect();
                largest.remove(at);
                self.fit(&stream, &units, largest.iter());
                (stream, units)
            }
        };
        let mut offsets = vec![0.0];
        let (mut nodes, mut range) = (Vec::new(), Range { lo: 0, hi: 0 });
        let mut summands = Vec::new();
        for read in reads {
            let scaled = self.fixed_point(layer, &read, Units::Given(&units), Offsets::Float)?;
            offsets = sum_of_offsets(&layer.shape, &offsets, &self.lines(&scaled)?);
            let Range { lo, hi } = self.kind(&scaled).range();
            range = Range { lo: range.lo + lo, hi: range.hi + hi };
            nodes.push(self.shaped(layer, &scaled));
            summands.push(scaled.accuracy);
        }
        let accuracy = Accuracy::sum(summands.iter(), layer.shape.iter().product());
        let shape = layer.shape.clone();
        let node = self.push(layer, Op::Add, &nodes, shape.clone(), Kind::Int(range));
        let count = offsets.len().max(units.len());
        let line = |i: usize| Line::new(units[i % units.len()], offsets[i % offsets.len()]);
        let f = FloatFn::line((0..count).map(line).collect(), Origin::Secret);
        Ok(Value { node, f, parity: None, shape, stream: Some(stream), accuracy })
    }

    /// The sum in whole multiples of one unit, where all slopes are public and such multiples: of signs, and
    /// of averages, also over the edge, where they are 1/9, 1/6 and 1/4. A sum that is 0 in Keras is 0 here.
    pub(super) fn add_exactly(&mut self, layer: &Layer, reads: &[Value]) -> Option<Value> {
        let slopes: Vec<Vec<f64>> =
            reads.iter().map(|read| self.public_slopes(read)).collect::<Option<_>>()?;
        let unit = common_unit(slopes.iter().flatten().copied(), LARGEST_RATIO)?;
        let (mut nodes, mut range, mut parity) = (Vec::new(), Range { lo: 0, hi: 0 }, Some(0));
        for (read, slopes) in reads.iter().zip(&slopes) {
            let scale: Vec<i64> = slopes.iter().map(|slope| (slope / unit).round() as i64).collect();
            let Range { lo, hi } = self.kind(read).range();
            let ends: Vec<i64> = scale
                .iter()
                .flat_map(|step| [lo.checked_mul(*step), hi.checked_mul(*step)])
                .collect::<Option<_>>()?;
            let (lo, hi) = (*ends.iter().min()?, *ends.iter().max()?);
            range = Range { lo: range.lo.checked_add(lo)?, hi: range.hi.checked_add(hi)? };
            let (shape, kind) = (self.nodes[read.node].shape.clone(), Kind::Int(Range { lo, hi }));
            // Of several steps nothing is known.
            let step = (scale.len() == 1).then(|| scale[0]);
            let node = match step {
                Some(1) => read.node,
                // Other numbers for the same bits, which must rise.
                Some(step) if step > 0 => {
                    self.push(layer, Op::Recode { step, offset: 0 }, &[read.node], shape, kind)
                }
                _ => {
                    let steepest = scale.iter().map(|step| step.unsigned_abs()).max()?;
                    let bits = 64 - steepest.leading_zeros() + 1;
                    let op = Made::scale(&scale, &vec![0; scale.len()], bits);
                    self.push(layer, op, &[read.node], shape, kind)
                }
            };
            nodes.push(self.shaped(layer, &Value { node, ..read.clone() }));
            parity = match (parity, read.parity, step.map(|step| step % 2 == 0)) {
                (Some(sum), _, Some(true)) => Some(sum),
                (Some(sum), Some(parity), Some(false)) => Some((sum + parity) % 2),
                _ => None,
            };
        }
        let mut offsets = vec![0.0];
        for read in reads {
            offsets = sum_of_offsets(&layer.shape, &offsets, &self.lines(read).ok()?);
        }
        // Two numbers that are each other's negative round alike; further ones meet what was rounded.
        let sums = |read: &Value| matches!(self.nodes[read.node].op, Op::Add);
        let rounds = slopes.iter().flatten().any(|slope| slope.abs().log2().fract() != 0.0);
        if rounds && (reads.len() > 2 || reads.iter().any(sums)) {
            self.notes.push(format!(
                "layer {:?}: it adds up more than two tensors, averages among them, exactly; Keras rounds in \
                 between, so single predictions may differ where a sum is within rounding of a threshold or \
                 0",
                layer.name
            ));
        }
        let f = FloatFn::line(
            offsets.into_iter().map(|offset| Line::new(unit, offset)).collect(),
            Origin::Public,
        );
        let node = self.push(layer, Op::Add, &nodes, layer.shape.clone(), Kind::Int(range));
        let accuracy = Accuracy::sum(reads.iter().map(|read| &read.accuracy), layer.shape.iter().product());
        Some(Value { node, f, parity, shape: layer.shape.clone(), stream: None, accuracy })
    }

    /// The tensor with `bits` further binary digits, all of them 0; free.
    fn shifted(&mut self, layer: &Layer, value: &Value, bits: u32) -> Value {
        let step = 1i64 << bits;
        let Range { lo, hi } = self.kind(value).range();
        let (shape, kind) =
            (self.nodes[value.node].shape.clone(), Kind::Int(Range { lo: lo * step, hi: hi * step }));
        let node = self.push(layer, Op::Recode { step, offset: 0 }, &[value.node], shape, kind);
        let f = value.f.clone().mean_of(step as usize);
        Value { node, f, parity: None, stream: None, ..value.clone() }
    }

    /// The slopes of a tensor if they are the same for every model of this architecture: one, or one for each
    /// element until they repeat.
    fn public_slopes(&self, read: &Value) -> Option<Vec<f64>> {
        match read.f.public_slope() {
            Some(slope) => Some(vec![slope]),
            None if read.f.origin_of_lines() == Origin::Public => {
                Some(self.lines(read).ok()?.into_iter().map(|line| line.scale).collect())
            }
            None => None,
        }
    }

    /// All tensors along the last axis; free.
    ///
    /// Where their units are real numbers, tensors of narrow ranges are shifted to the widest one: what reads
    /// them all rounds to one step for all channels, and drops the lowest bits of all.
    pub(super) fn concatenate(&mut self, layer: &Layer, mut reads: Vec<Value>) -> Result<Value, String> {
        let shape = layer.shape.clone();
        // Hidden numbers have one unit already. Whether other units are alike is not looked at: they are
        // secret.
        let numbers = !self.number_reads.is_empty() && self.number_reads.iter().all(Option::is_some);
        if !numbers && !reads.iter().all(|read| self.public_slopes(read).is_some()) {
            let width =
                |fold: &Self, read: &Value| 64 - fold.kind(read).range().magnitude().max(1).leading_zeros();
            let widest = reads.iter().map(|read| width(self, read)).max().unwrap_or(1);
            for read in &mut reads {
                let bits = widest - width(self, read);
                if bits > 0 {
                    *read = self.shifted(layer, read, bits);
                }
            }
        }
        let nodes: Vec<LayerId> = reads.iter().map(|read| self.shaped(layer, read)).collect();
        let kinds: Vec<Kind> = reads.iter().map(|read| self.kind(read)).collect();
        let kind = if kinds.iter().all(|&kind| kind == Kind::Bit) {
            Kind::Bit
        } else {
            let ranges = kinds.iter().map(|kind| kind.range());
            let union = |a: Range, b: Range| Range { lo: a.lo.min(b.lo), hi: a.hi.max(b.hi) };
            Kind::Int(ranges.reduce(union).ok_or("it joins no tensors, expected at least 1")?)
        };
        let parity = reads[0].parity.filter(|_| reads.iter().all(|read| read.parity == reads[0].parity));
        let common = reads[0].f.period() == 1 && reads.iter().all(|read| read.f == reads[0].f);
        let f = if common {
            reads[0].f.clone()
        } else {
            let widths: Vec<usize> =
                reads.iter().map(|read| read.shape.last().copied().unwrap_or(1)).collect();
            let by_channel = reads.iter().zip(&widths).all(|(r, width)| width.is_multiple_of(r.f.period()));
            let rows = if by_channel { 1 } else { shape[..shape.len() - 1].iter().product() };
            let row = |row: usize| {
                let parts = widths.iter().enumerate();
                parts.flat_map(move |(part, &width)| (0..width).map(move |i| (part, row * width + i)))
            };
            let of = (0..rows).flat_map(row).collect();
            FloatFn::joined(reads.iter().map(|read| read.f.clone()).collect(), of)
        };
        let node = self.push(layer, Op::Concatenate, &nodes, shape.clone(), kind);
        let all: Vec<(&Accuracy, usize)> =
            reads.iter().map(|read| (&read.accuracy, read.shape.last().copied().unwrap_or(1))).collect();
        let accuracy = Accuracy::joined(
            &all,
            shape.iter().product::<usize>() / shape.last().copied().unwrap_or(1).max(1),
        );
        Ok(Value { node, f, parity, shape, stream: None, accuracy })
    }
}

/// The sum of two rows of offsets that both repeat: one number for all, one a channel or one an element of
/// `shape`.
fn sum_of_offsets(shape: &[usize], offsets: &[f64], lines: &[Line]) -> Vec<f64> {
    let channels = shape.last().copied().unwrap_or(1);
    let whole = channels.is_multiple_of(offsets.len()) && channels.is_multiple_of(lines.len());
    let count = match (offsets.len().max(lines.len()), whole) {
        (1, _) => 1,
        (_, true) => channels,
        _ => shape.iter().product(),
    };
    (0..count).map(|i| offsets[i % offsets.len()] + lines[i % lines.len()].offset).collect()
}
