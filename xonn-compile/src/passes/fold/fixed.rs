//! Fixed point: real tensors as integers that can be added and compared.
//!
//! Each channel has a unit of its own, so that a channel of small numbers is as exact beside large ones as in
//! floating point. Units follow from the weights and are secret; how many bits there are follows from the
//! options and the architecture.

mod streams;

use xonn_program::{Kind, Op, Range};

use super::bounds::Slack;
use super::{Fold, Value};
use crate::graph::{Layer, Line};
use crate::network::Made;
use crate::passes::float_fn::{FloatFn, Origin};
use streams::unit_for;
pub(super) use streams::{Stream, Streams};

/// Most bits of a number that a linear layer reads.
pub(super) const MOST_BITS: u32 = 40;

/// Bits that a real number keeps of its deviation on data, before it is scaled: more than those of a float32
/// number.
const WIDEST: u32 = 26;

/// Most bits of a number that is scaled, for the product to fit 64 bits.
const SCALED_BITS: u32 = 39;

/// Bits of a scale beside those that its numbers leave.
const SCALE_BITS: u32 = 22;

/// Slack of tensors whose channels share a unit, or take that of others.
const UNEVEN: u32 = 4;

/// Largest whole multiple of a unit that is not written as fixed point.
const LARGEST_FACTOR: f64 = 4096.0;

/// Where the offsets of a tensor in fixed point go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Offsets {
    /// They stay with the float steps, exact.
    Float,
    /// Into the integers, for operations that compare or add elements of different offsets.
    Integer,
}

/// What the integer 1 stands for.
#[derive(Clone, Copy)]
pub(super) enum Units<'u> {
    /// These, one for all channels or one each.
    Given(&'u [f64]),
    /// What fits each channel.
    ByChannel,
    /// What fits all channels, for operations that add them up.
    Common,
}

impl Fold<'_> {
    /// The line of every element until they repeat.
    pub(super) fn lines(&self, value: &Value) -> Result<Vec<Line>, String> {
        let elements: usize = value.shape.iter().product();
        let line = |i| value.f.as_line(i).filter(|line| line.is_finite());
        (0..value.f.period().min(elements)).map(line).collect::<Option<_>>().ok_or_else(|| {
            "it reads real numbers that are the results of a function or not finite, expected a sign, or no \
             function, between it and the layer before it"
                .into()
        })
    }

    /// The tensor in fixed point: integers `round(slope / unit) * t`. Tensors that are in these units already
    /// are left alone.
    ///
    /// A slope gets as many bits as its integers leave of those of the result, so that a steep slope on few
    /// integers and a flat one on many come out equally exact; on integers that leave too few, the product
    /// loses its lowest bits again.
    pub(super) fn fixed_point(
        &mut self,
        layer: &Layer,
        value: &Value,
        units: Units<'_>,
        offsets: Offsets,
    ) -> Result<Value, String> {
        let bits = self.fixed_bits()?;
        if let (Some(_), Units::Given(units), Offsets::Float) = (&value.stream, units, offsets) {
            let lines = self.lines(value)?;
            let count = lines.len().max(units.len());
            if (0..count).all(|i| lines[i % lines.len()].scale == units[i % units.len()]) {
                return Ok(value.clone());
            }
        }
        if !matches!(units, Units::Given(_))
            && let Some(exact) = self.whole_numbers(layer, value, offsets)?
        {
            return Ok(exact);
        }
        let Slack { unused: unused_before, depth } = self.slacks[value.node];
        let most_bits = (WIDEST + unused_before + depth.div_ceil(2)).min(SCALED_BITS);
        let value = &self.narrow(layer, value, most_bits)?;
        let (units, unused) = match units {
            Units::Given(units) => (units.to_vec(), UNEVEN),
            Units::ByChannel => (self.units(&layer.name, [self.largest(value, offsets)?].iter()), 1),
            Units::Common => {
                let largest = self.largest(value, offsets)?.into_iter().fold(0.0, f64::max);
                (vec![unit_for(largest, bits)], UNEVEN)
            }
        };
        let lines = self.lines(value)?;
        let channels = value.shape.last().copied().unwrap_or(1);
        let elements: usize = value.shape.iter().product();
        let count = match units.len() {
            1 => lines.len(),
            _ if channels.is_multiple_of(lines.len()) => channels,
            _ => elements,
        };
        let unit = |i: usize| units[i % units.len()];
        let width = 64 - self.kind(value).range().magnitude().max(1).leading_zeros();
        let lost = (SCALE_BITS + width).saturating_sub(bits);
        let fine = |i: usize| unit(i) * (-f64::from(lost)).exp2();
        // One more for the sign, one because the largest number may be half of what its width holds.
        let scale_bits = (bits + lost + unused_before + 2).saturating_sub(width).max(2);
        let most = (1i64 << (scale_bits - 1)) - 1;
        let mut scale: Vec<i64> = (0..count)
            .map(|i| match self.bound(value, i).magnitude() {
                0 => 0,
                _ => (lines[i % lines.len()].scale / fine(i)).round() as i64,
            })
            .collect();
        if self.streams.again {
            // All of it is done again.
            scale.iter_mut().for_each(|scale| *scale = (*scale).clamp(-most, most));
        }
        if let Some(scale) = scale.iter().find(|scale| scale.unsigned_abs() > most as u64) {
            return Err(format!("a scale of {scale} does not fit {scale_bits} bits"));
        }
        let size = |i: usize| self.bound(value, i).magnitude() as f64;
        let error = |i: usize| (fine(i) * size(i) + if lost > 0 { unit(i) } else { 0.0 }) / 2.0;
        self.notes.push(format!(
            "layer {:?}: real numbers are compared or added in fixed point, each off by at most {:.1e}, or \
             {:.1e} of the largest possible one of its channel; --scale-bits {bits} more or less",
            layer.name,
            (0..count.max(units.len())).map(error).fold(0.0, f64::max),
            error(0) / unit(0) * (-f64::from(bits)).exp2(),
        ));
        let accuracy = value.accuracy.rounded(count, elements, |i| {
            let Line { scale, offset } = lines[i % lines.len()];
            // Integers whose scale is whole are exact; of other scales each lies within half a step.
            let exact = (scale / fine(i)).fract() == 0.0;
            let of_scale = if exact || scale == 0.0 {
                0.0
            } else {
                fine(i) / scale.abs() * value.accuracy.at(i).size_from(offset)
            };
            of_scale.hypot(if lost > 0 { unit(i) } else { 0.0 }) / 12f64.sqrt()
        });
        let shape = self.nodes[value.node].shape.clone();
        let at = |i: usize| lines[i % lines.len()].offset;
        let (offset, rest): (Vec<i64>, Vec<f64>) = match offsets {
            Offsets::Float => (vec![0; count], (0..count).map(at).collect()),
            Offsets::Integer => {
                ((0..count).map(|i| (at(i) / fine(i)).round() as i64).collect(), vec![0.0; units.len()])
            }
        };
        // Units are chosen so that the numbers fit, which the bounds of what is pushed here show.
        let largest = (1i64 << (bits + lost)) - 1;
        let range = |bits: u32| Kind::Int(Range { lo: (-largest - 1) >> bits, hi: largest >> bits });
        let op = Made::scale(&scale, &offset, scale_bits);
        let mut node = self.push(layer, op, &[value.node], shape.clone(), range(0));
        if lost > 0 {
            node = self.push(layer, Op::Truncate { bits: lost }, &[node], shape, range(lost));
        }
        self.slacks[node] = Slack { unused, depth };
        // Dropped bits are taken to be in the middle.
        let middle = |i: usize| if lost > 0 { (unit(i) - fine(i)) / 2.0 } else { 0.0 };
        let line = |(i, offset): (usize, &f64)| Line::new(unit(i), offset + middle(i));
        let lines = rest.iter().enumerate().map(line).collect();
        let stream = Some(layer.name.as_str().into());
        let f = FloatFn::line(lines, Origin::Secret);
        Ok(Value { node, f, parity: None, shape: value.shape.clone(), stream, accuracy })
    }

    /// Exact integers, where all lines are public and multiples of a small fraction: averages over the edge
    /// are sums times 1/9, 1/6 and 1/4.
    fn whole_numbers(
        &mut self,
        layer: &Layer,
        value: &Value,
        offsets: Offsets,
    ) -> Result<Option<Value>, String> {
        let lines = self.lines(value)?;
        let numbers = || {
            let offsets = lines.iter().filter(|_| offsets == Offsets::Integer).map(|line| line.offset);
            lines.iter().map(|line| line.scale).chain(offsets)
        };
        let unit = match value.f.origin_of_lines() {
            Origin::Public => common_unit(numbers(), LARGEST_FACTOR),
            Origin::Secret => None,
        };
        let Some(unit) = unit else { return Ok(None) };
        let factors = |of: fn(&Line) -> f64| -> Vec<i64> {
            lines.iter().map(|line| (of(line) / unit).round() as i64).collect()
        };
        let scale = factors(|line| line.scale);
        let (offset, rest) = match offsets {
            Offsets::Float => (vec![0; scale.len()], lines.iter().map(|line| line.offset).collect()),
            Offsets::Integer => (factors(|line| line.offset), vec![0.0]),
        };
        let largest = |row: &[i64]| row.iter().map(|x| x.abs()).max().unwrap_or(0);
        let (steepest, furthest) = (largest(&scale), largest(&offset));
        let most = self.kind(value).range().magnitude().checked_mul(steepest).map(|most| most + furthest);
        let Some(most) = most.filter(|&most| most < 1 << MOST_BITS) else { return Ok(None) };
        let shape = self.nodes[value.node].shape.clone();
        let bits = 64 - steepest.leading_zeros() + 1;
        let kind = Kind::Int(Range { lo: -most, hi: most });
        let node = self.push(layer, Made::scale(&scale, &offset, bits), &[value.node], shape, kind);
        let f =
            FloatFn::line(rest.into_iter().map(|offset| Line::new(unit, offset)).collect(), Origin::Public);
        Ok(Some(Value { node, f, parity: None, stream: None, ..value.clone() }))
    }

    /// The largest number of each channel, with or without the offsets of its lines; one for all if they
    /// share a line.
    ///
    /// A channel whose integers are far smaller than its tensor's could be, by more than its slack, counts as
    /// larger than it is: the bits of its scale are public.
    pub(super) fn largest(&self, value: &Value, offsets: Offsets) -> Result<Vec<f64>, String> {
        let public = (self.kind(value).range().magnitude().max(1) >> self.slacks[value.node].unused) as f64;
        let of = |line: Line, bound: Range| {
            let steep = line.scale.abs() * public.max(bound.magnitude() as f64);
            match offsets {
                Offsets::Float => steep,
                Offsets::Integer => {
                    let end = |t: i64| line.at(t as f64).abs();
                    steep.max(end(bound.lo)).max(end(bound.hi)).max(line.offset.abs())
                }
            }
        };
        let lines = self.lines(value)?;
        let bounds = self.bounds[value.node].period();
        if lines.len() == 1 {
            let all = (0..bounds).map(|i| of(lines[0], self.bound(value, i)));
            return Ok(vec![all.fold(0.0, f64::max)]);
        }
        let channels = value.shape.last().copied().unwrap_or(1);
        let elements: usize = value.shape.iter().product();
        let repeats = [lines.len(), bounds].iter().all(|&n| channels.is_multiple_of(n));
        let mut largest = vec![0.0f64; channels];
        for i in 0..if repeats { channels } else { elements } {
            let x = of(lines[i % lines.len()], self.bound(value, i));
            largest[i % channels] = largest[i % channels].max(x);
        }
        Ok(largest)
    }

    /// What element `i` of the integer tensor can be.
    fn bound(&self, value: &Value, i: usize) -> Range {
        self.bounds[value.node].at(i)
    }

    /// Bits of the numbers of one tensor.
    fn fixed_bits(&self) -> Result<u32, String> {
        match self.options.scale_bits {
            bits @ 16..=40 => Ok(bits),
            bits => Err(format!("--scale-bits {bits}, expected 16 to 40")),
        }
    }

    /// The tensor with at most `most` bits: finer numbers lose their lowest ones.
    pub(super) fn narrow(&mut self, layer: &Layer, value: &Value, most: u32) -> Result<Value, String> {
        let Range { lo, hi } = self.kind(value).range();
        let width = 64 - (hi - lo).leading_zeros();
        let Some(bits) = width.checked_sub(most).filter(|&bits| bits > 0) else {
            return Ok(value.clone());
        };
        let dropped = (1i64 << bits) as f64;
        // The middle of the numbers that look the same now.
        let line =
            |Line { scale, offset }| Line::new(scale * dropped, offset + scale * (dropped - 1.0) / 2.0);
        let f = FloatFn::line(self.lines(value)?.into_iter().map(line).collect(), Origin::Secret);
        let (shape, kind) = (self.nodes[value.node].shape.clone(), Range { lo: lo >> bits, hi: hi >> bits });
        let node = self.push(layer, Op::Truncate { bits }, &[value.node], shape, Kind::Int(kind));
        let (period, elements) = (f.period(), value.shape.iter().product());
        let accuracy = value
            .accuracy
            .rounded(period, elements, |i| f.as_line(i).map_or(0.0, |line| line.scale.abs()) / 12f64.sqrt());
        Ok(Value { node, f, parity: None, shape: value.shape.clone(), stream: None, accuracy })
    }
}

/// The largest unit of which all numbers are whole multiples, up to `most`: the smallest number, or a small
/// part of it.
pub(super) fn common_unit(numbers: impl Iterator<Item = f64> + Clone, most: f64) -> Option<f64> {
    let smallest = numbers.clone().map(f64::abs).filter(|&x| x > 0.0).reduce(f64::min)?;
    let whole = |unit: f64| {
        let is_whole = |x: f64| (x / unit - (x / unit).round()).abs() <= 1e-9 * (x / unit).abs();
        numbers.clone().all(|x| is_whole(x) && (x / unit).abs() <= most)
    };
    (1..=64).map(|parts| smallest / f64::from(parts)).find(|&unit| whole(unit))
}
