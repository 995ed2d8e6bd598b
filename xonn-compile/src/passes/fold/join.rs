//! Sums and joins of several tensors, and the fixed point that makes real tensors addable.

use super::{Fold, Value};
use crate::graph::Layer;
use crate::integer::{Kind, NodeId, Op, Range};
use crate::passes::float_fn::FloatFn;

/// Largest public factor between the units of two tensors that are added exactly.
const LARGEST_RATIO: f64 = 4096.0;

/// Bits that the first sum of a residual stream leaves for larger branches that join it later.
const HEADROOM: u32 = 6;

/// Bits of a real number that is computed with further.
pub(super) const MOST_BITS: u32 = 32;

/// Bits of a real number that is scaled, and at least as many of its scale but for [`SCALE_BITS`].
pub(super) const WIDEST: u32 = 26;

/// Bits of a scale beside its headroom, about those of a float32 number.
const SCALE_BITS: u32 = 22;

/// Where the offsets of a tensor in fixed point go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Offsets {
    /// They stay with the float steps, exact.
    Float,
    /// Into the integers, for operations that compare or add elements of different offsets.
    Integer,
}

/// The numbers that a tensor becomes in fixed point.
#[derive(Clone, Copy)]
pub(super) struct Fixed {
    /// What the integer 1 stands for.
    pub unit: f64,
    /// Magnitudes below `2^bits` fit; follows from the options alone.
    pub bits: u32,
}

impl Fold<'_> {
    /// The sum of several tensors: exact where their units are public and multiples of one, else in fixed point.
    pub(super) fn add(&mut self, layer: &Layer, reads: Vec<Value>) -> Result<Value, String> {
        if let Some(value) = self.add_exactly(layer, &reads) {
            return Ok(value);
        }
        let fixed = self.unit_of_sum(layer, &reads)?;
        let shape = layer.shape.clone();
        let mut offsets = vec![0.0];
        let (mut nodes, mut range) = (Vec::new(), Range { lo: 0, hi: 0 });
        for read in reads {
            let scaled = self.fixed_point(layer, &read, Some(fixed), Offsets::Float)?;
            let lines = self.lines(&scaled)?;
            offsets = sum_of_offsets(&layer.shape, &offsets, &lines);
            let Range { lo, hi } = self.kind(&scaled).range();
            range = Range { lo: range.lo + lo, hi: range.hi + hi };
            nodes.push(self.shaped(layer, &scaled));
        }
        let node = self.push(layer, Op::Add, &nodes, shape.clone(), Kind::Int(range));
        let f = FloatFn::secret_line(offsets.into_iter().map(|offset| (fixed.unit, offset)).collect());
        Ok(Value { node, f, parity: None, shape, fixed: true })
    }

    /// The unit in which tensors are added. One that is in fixed point already keeps its unit, so that a residual stream is
    /// never scaled again, unless what joins it is too large for that.
    fn unit_of_sum(&mut self, layer: &Layer, reads: &[Value]) -> Result<Fixed, String> {
        let largest: Vec<f64> =
            reads.iter().map(|read| self.largest(read, Offsets::Float)).collect::<Result<_, String>>()?;
        let largest = largest.into_iter().fold(0.0, f64::max);
        let bits = self.fixed_bits()? + HEADROOM;
        let mut kept: Option<f64> = None;
        for read in reads.iter().filter(|read| read.fixed) {
            let unit = self.lines(read)?[0].0;
            kept = Some(kept.map_or(unit, |kept| kept.min(unit)));
        }
        match kept {
            Some(unit) if largest <= unit * f64::from(bits).exp2() => Ok(Fixed { unit, bits }),
            kept => {
                if kept.is_some() {
                    self.notes.push(format!(
                        "layer {:?}: what joins a sum is more than {} times larger than the first one, so the sum is written \
                         in larger units; this depends on the weights and shows in the public file",
                        layer.name,
                        1 << HEADROOM
                    ));
                }
                Ok(Fixed { unit: unit_for(largest, bits - HEADROOM), bits })
            }
        }
    }

    fn add_exactly(&mut self, layer: &Layer, reads: &[Value]) -> Option<Value> {
        let slopes: Vec<f64> = reads.iter().map(|read| read.f.public_slope()).collect::<Option<_>>()?;
        let unit = slopes.iter().copied().reduce(f64::min).filter(|&unit| unit > 0.0)?;
        let multiple = |slope: f64| {
            let multiple = slope / unit;
            (multiple == multiple.round() && multiple <= LARGEST_RATIO).then_some(multiple as i64)
        };
        let multiples: Vec<i64> = slopes.iter().map(|&slope| multiple(slope)).collect::<Option<_>>()?;
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
        let mut offsets = vec![0.0];
        for read in reads {
            offsets = sum_of_offsets(&layer.shape, &offsets, &self.lines(read).ok()?);
        }
        let f = FloatFn::line(offsets.into_iter().map(|offset| (unit, offset)).collect());
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

    /// The tensor with one slope for all elements: integers `round(slope / unit) * t`, in the unit that fits if none is
    /// given. Tensors that have the slope already are left alone.
    ///
    /// A slope gets as many bits as its integers leave of those of the result, so that a steep slope on few integers and a
    /// flat one on many come out equally exact; on integers that leave too few, the product loses its lowest bits again.
    pub(super) fn fixed_point(
        &mut self,
        layer: &Layer,
        value: &Value,
        fixed: Option<Fixed>,
        offsets: Offsets,
    ) -> Result<Value, String> {
        let total = self.fixed_bits()?;
        let same = |unit| self.lines(value).map(|lines| lines.iter().all(|(slope, _)| *slope == unit));
        if let (true, Some(Fixed { unit, .. }), Offsets::Float) = (value.fixed, fixed, offsets)
            && same(unit)?
        {
            return Ok(value.clone());
        }
        let value = &self.narrow(layer, value, WIDEST)?;
        let largest = self.largest(value, offsets)?;
        let Fixed { unit, bits } = fixed.unwrap_or(Fixed { unit: unit_for(largest, total), bits: total });
        let lines = self.lines(value)?;
        let magnitude = self.kind(value).range().magnitude().max(1);
        let lost = SCALE_BITS.saturating_sub(total.saturating_sub(magnitude.ilog2()));
        let fine = unit * (-f64::from(lost)).exp2();
        // One more for the rounding, one for the sign.
        let scale_bits = bits.saturating_sub(magnitude.ilog2()) + lost + 2;
        let most = (1i64 << (scale_bits - 1)) - 1;
        let span = most * magnitude;
        let scale: Vec<i64> = lines.iter().map(|(slope, _)| (slope / fine).round() as i64).collect();
        if let Some(scale) = scale.iter().find(|scale| scale.abs() > most) {
            return Err(format!("a scale of {scale} units of {fine:.3e} does not fit {scale_bits} bits"));
        }
        self.notes.push(format!(
            "layer {:?}: real numbers are compared or added in fixed point, each off by at most {:.1e}; --scale-bits {total} \
             more or less",
            layer.name,
            (fine * magnitude as f64 + if lost > 0 { unit } else { 0.0 }) / 2.0
        ));
        let shape = self.nodes[value.node].shape.clone();
        let (offset, largest, rest) = match offsets {
            Offsets::Float => (vec![0; scale.len()], span, lines.iter().map(|(_, offset)| *offset).collect()),
            Offsets::Integer => {
                let offset = lines.iter().map(|(_, offset)| (offset / fine).round() as i64).collect();
                (offset, span + (1 << (bits + lost)), vec![0.0])
            }
        };
        let range = |bits: u32| Kind::Int(Range { lo: -largest >> bits, hi: largest >> bits });
        let op = Op::Affine { scale, offset, bits: scale_bits };
        let mut node = self.push(layer, op, &[value.node], shape.clone(), range(0));
        let mut middle = 0.0;
        if lost > 0 {
            node = self.push(layer, Op::Truncate { bits: lost }, &[node], shape, range(lost));
            middle = (unit - fine) / 2.0;
        }
        let f = FloatFn::secret_line(rest.into_iter().map(|offset| (unit, offset + middle)).collect());
        Ok(Value { node, f, parity: None, shape: value.shape.clone(), fixed: true })
    }

    /// The largest number of a tensor, with or without the offsets of its lines.
    fn largest(&self, value: &Value, offsets: Offsets) -> Result<f64, String> {
        let magnitude = self.kind(value).range().magnitude().max(1) as f64;
        let of = |(slope, offset): (f64, f64)| match offsets {
            Offsets::Float => slope.abs() * magnitude,
            Offsets::Integer => (slope.abs() * magnitude).max(offset.abs()),
        };
        Ok(self.lines(value)?.into_iter().map(of).fold(0.0, f64::max))
    }

    /// Bits of the numbers that are added.
    fn fixed_bits(&self) -> Result<u32, String> {
        match self.options.scale_bits {
            bits @ 16..=40 => Ok(bits),
            bits => Err(format!("--scale-bits {bits}, expected 16 to 40")),
        }
    }

    /// The tensor with at most `most` bits: finer numbers lose their lowest ones, which is far below what their own
    /// weights were rounded by.
    pub(super) fn narrow(&mut self, layer: &Layer, value: &Value, most: u32) -> Result<Value, String> {
        let Range { lo, hi } = self.kind(value).range();
        let width = 64 - (hi - lo).leading_zeros();
        let Some(bits) = width.checked_sub(most).filter(|&bits| bits > 0) else {
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
}

/// The unit of which numbers up to `largest` are at most `2^bits`; next to nothing where there are none but 0.
fn unit_for(largest: f64, bits: u32) -> f64 {
    largest.max(f64::from(f32::MIN_POSITIVE)) * (-f64::from(bits)).exp2()
}

/// The sum of two rows of offsets that both repeat: one number for all, one a channel or one an element of `shape`.
fn sum_of_offsets(shape: &[usize], offsets: &[f64], lines: &[(f64, f64)]) -> Vec<f64> {
    let channels = shape.last().copied().unwrap_or(1);
    let whole = channels.is_multiple_of(offsets.len()) && channels.is_multiple_of(lines.len());
    let count = match (offsets.len().max(lines.len()), whole) {
        (1, _) => 1,
        (_, true) => channels,
        _ => shape.iter().product(),
    };
    (0..count).map(|i| offsets[i % offsets.len()] + lines[i % lines.len()].1).collect()
}
