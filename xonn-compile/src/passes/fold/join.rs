//! Sums and joins of several tensors, and the fixed point that makes real tensors addable.

use super::{Fold, Value};
use crate::graph::Layer;
use crate::integer::{Kind, NodeId, Op, Range};
use crate::passes::float_fn::FloatFn;

/// Largest public factor between the units of two tensors that are added exactly.
const LARGEST_RATIO: f64 = 4096.0;

/// Bits of a scale that the first branch of a residual stream leaves for steeper ones that join it later.
const HEADROOM: u32 = 6;

/// Bits of a real number that is computed with further.
const MOST_BITS: u32 = 32;

/// Where the offsets of a tensor in fixed point go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Offsets {
    /// They stay with the float steps, exact.
    Float,
    /// Into the integers, for operations that compare or add elements of different offsets.
    Integer,
}

impl Fold<'_> {
    /// The sum of several tensors: exact where their units are public and multiples of one, else in fixed point.
    pub(super) fn add(&mut self, layer: &Layer, reads: Vec<Value>) -> Result<Value, String> {
        if let Some(value) = self.add_exactly(layer, &reads) {
            return Ok(value);
        }
        // A tensor that is in fixed point already keeps its unit, so that a residual stream is never scaled again.
        let units = reads.iter().filter(|read| read.fixed);
        let unit = units.filter_map(|read| Some(self.lines(read).ok()?[0].0)).fold(None, smaller);
        let unit = match unit {
            Some(unit) => unit,
            None => {
                let mut steepest = 0.0f64;
                for read in &reads {
                    let slopes = self.lines(read)?.into_iter().map(|(slope, _)| slope.abs());
                    steepest = slopes.fold(steepest, f64::max);
                }
                self.unit(steepest)
            }
        };
        let (shape, channels) = (layer.shape.clone(), layer.shape.last().copied().unwrap_or(1));
        let mut offsets = vec![0.0];
        let (mut nodes, mut range) = (Vec::new(), Range { lo: 0, hi: 0 });
        for read in reads {
            let scaled = self.fixed_point(layer, &read, Some(unit), Offsets::Float)?;
            let lines = self.lines(&scaled)?;
            let period = [offsets.len(), lines.len()].into_iter().max().unwrap_or(1);
            let whole = channels.is_multiple_of(offsets.len()) && channels.is_multiple_of(lines.len());
            let count = match (period, whole) {
                (1, _) => 1,
                (_, true) => channels,
                _ => shape.iter().product(),
            };
            offsets = (0..count).map(|i| offsets[i % offsets.len()] + lines[i % lines.len()].1).collect();
            let Range { lo, hi } = self.kind(&scaled).range();
            range = Range { lo: range.lo + lo, hi: range.hi + hi };
            nodes.push(self.shaped(layer, &scaled));
        }
        let node = self.push(layer, Op::Add, &nodes, shape.clone(), Kind::Int(range));
        let f = FloatFn::secret_line(offsets.into_iter().map(|offset| (unit, offset)).collect());
        Ok(Value { node, f, parity: None, shape, fixed: true })
    }

    fn add_exactly(&mut self, layer: &Layer, reads: &[Value]) -> Option<Value> {
        let lines: Vec<(f64, f64)> = reads.iter().map(|read| read.f.public_line()).collect::<Option<_>>()?;
        let unit = lines.iter().map(|(slope, _)| *slope).reduce(f64::min).filter(|&unit| unit > 0.0)?;
        let multiple = |slope: f64| {
            let multiple = slope / unit;
            (multiple == multiple.round() && multiple <= LARGEST_RATIO).then_some(multiple as i64)
        };
        let multiples: Vec<i64> = lines.iter().map(|(slope, _)| multiple(*slope)).collect::<Option<_>>()?;
        let (mut nodes, mut range, mut parity) = (Vec::new(), Range { lo: 0, hi: 0 }, Some(0));
        for (read, &step) in reads.iter().zip(&multiples) {
            let Range { lo, hi } = self.kind(read).range();
            let (lo, hi) = (lo.checked_mul(step)?, hi.checked_mul(step)?);
            range = Range { lo: range.lo.checked_add(lo)?, hi: range.hi.checked_add(hi)? };
            let mut node = self.shaped(layer, read);
            if step != 1 {
                let (op, kind) = (Op::Recode { step, offset: 0 }, Kind::Int(Range { lo, hi }));
                node = self.push(layer, op, &[node], read.shape.clone(), kind);
            }
            nodes.push(node);
            parity = match (parity, read.parity, step % 2) {
                (Some(sum), _, 0) => Some(sum),
                (Some(sum), Some(parity), _) => Some((sum + parity) % 2),
                _ => None,
            };
        }
        let f = FloatFn::line(vec![(unit, lines.iter().map(|(_, offset)| offset).sum())]);
        let node = self.push(layer, Op::Add, &nodes, layer.shape.clone(), Kind::Int(range));
        Some(Value { node, f, parity, shape: layer.shape.clone(), fixed: false })
    }

    /// All tensors along the last axis; free.
    pub(super) fn concatenate(&mut self, layer: &Layer, reads: Vec<Value>) -> Result<Value, String> {
        let shape = layer.shape.clone();
        let nodes: Vec<NodeId> = reads.iter().map(|read| self.shaped(layer, read)).collect();
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
        Ok(Value { node, f, parity, shape, fixed: false })
    }

    /// Slope and offset of every element until they repeat.
    pub(super) fn lines(&self, value: &Value) -> Result<Vec<(f64, f64)>, String> {
        let elements: usize = value.shape.iter().product();
        let line = |i| value.f.as_line(i).filter(|(slope, offset)| slope.is_finite() && offset.is_finite());
        (0..value.f.period().min(elements)).map(line).collect::<Option<_>>().ok_or_else(|| {
            "it reads real numbers that are the results of a function or not finite, expected a sign, or no function, \
             between it and the layer before it"
                .into()
        })
    }

    /// The tensor with one slope for all elements: integers `round(slope / unit) * t`. Tensors that have the slope already
    /// are left alone.
    pub(super) fn fixed_point(
        &mut self,
        layer: &Layer,
        value: &Value,
        unit: Option<f64>,
        offsets: Offsets,
    ) -> Result<Value, String> {
        let same = |unit| self.lines(value).map(|lines| lines.iter().all(|(slope, _)| *slope == unit));
        if let (true, Some(unit), Offsets::Float) = (value.fixed, unit, offsets)
            && same(unit)?
        {
            return Ok(value.clone());
        }
        let value = &self.narrow(layer, value)?;
        let lines = self.lines(value)?;
        let steepest = lines.iter().map(|(slope, _)| slope.abs()).fold(0.0, f64::max);
        let unit = unit.unwrap_or_else(|| self.unit(steepest));
        let bits = self.options.scale_bits;
        if !(12..=32).contains(&bits) {
            return Err(format!("--scale-bits {bits}, expected 12 to 32"));
        }
        let most = (1i64 << (bits - 1)) - 1;
        let scale: Vec<i64> = lines.iter().map(|(slope, _)| (slope / unit).round() as i64).collect();
        if scale.iter().any(|scale| scale.abs() > most) {
            return Err(format!(
                "a branch with slope {steepest:.3e} joins a sum in units of {unit:.3e}, which needs more than the {bits} bits \
                 of --scale-bits"
            ));
        }
        let largest = self.kind(value).range().magnitude();
        let span = most.checked_mul(largest).filter(|&span| span < 1 << 56).ok_or_else(|| {
            format!("numbers of up to {largest} times {bits} bits are too wide, lower --scale-bits")
        })?;
        self.notes.push(format!(
            "layer {:?}: real numbers are added in fixed point, each off by at most {:.1e}; --scale-bits {bits} more or less",
            layer.name,
            unit * largest as f64 / 2.0
        ));
        let shape = self.nodes[value.node].shape.clone();
        let (offset, largest, rest) = match offsets {
            Offsets::Float => (vec![0; scale.len()], span, lines.iter().map(|(_, offset)| *offset).collect()),
            Offsets::Integer => {
                let offset: Vec<i64> =
                    lines.iter().map(|(_, offset)| (offset / unit).round() as i64).collect();
                if offset.iter().any(|offset| offset.abs() > span) {
                    return Err(format!(
                        "an offset is larger than all sums together, which does not fit {bits} bits of --scale-bits"
                    ));
                }
                (offset, 2 * span, vec![0.0])
            }
        };
        let op = Op::Affine { scale, offset, bits };
        let kind = Kind::Int(Range { lo: -largest, hi: largest });
        let node = self.push(layer, op, &[value.node], shape, kind);
        let f = FloatFn::secret_line(rest.into_iter().map(|offset| (unit, offset)).collect());
        Ok(Value { node, f, parity: None, shape: value.shape.clone(), fixed: true })
    }

    /// The tensor with at most [`MOST_BITS`] bits: finer numbers lose their lowest ones, which is far below what their own
    /// weights were rounded by.
    pub(super) fn narrow(&mut self, layer: &Layer, value: &Value) -> Result<Value, String> {
        let Range { lo, hi } = self.kind(value).range();
        let width = 64 - (hi - lo).leading_zeros();
        let Some(bits) = width.checked_sub(MOST_BITS).filter(|&bits| bits > 0) else {
            return Ok(value.clone());
        };
        let dropped = (1i64 << bits) as f64;
        // The middle of the numbers that look the same now.
        let line = |(slope, offset): (f64, f64)| (slope * dropped, offset + slope * (dropped - 1.0) / 2.0);
        let f = FloatFn::secret_line(self.lines(value)?.into_iter().map(line).collect());
        let (shape, kind) = (self.nodes[value.node].shape.clone(), Range { lo: lo >> bits, hi: hi >> bits });
        let node = self.push(layer, Op::Truncate { bits }, &[value.node], shape, Kind::Int(kind));
        Ok(Value { node, f, parity: None, shape: value.shape.clone(), fixed: false })
    }

    /// The unit of fixed point for slopes up to `steepest`: a power of two, so that slopes which are integers or halves stay
    /// exact, and with them sums that are on the edge of a sign.
    fn unit(&self, steepest: f64) -> f64 {
        let most = (1i64 << (self.options.scale_bits.clamp(12, 32) - 1 - HEADROOM)) - 1;
        if steepest > 0.0 { (steepest / most as f64).log2().ceil().exp2() } else { 1.0 }
    }
}

fn smaller(a: Option<f64>, b: f64) -> Option<f64> {
    Some(a.map_or(b, |a| a.min(b)))
}
