//! What the integers of a tensor can be with these very weights, channel by channel.
//!
//! A node's [`Range`] is public: it follows from the architecture, is the same for all channels, and is far
//! wider than what the weights of one model allow. Bounds follow from the weights, so they are secret. They
//! choose the units of fixed point, which are secret too, and never a width, which would show in the circuit.
//!
//! Bounds that hold for all inputs are the only source today. What calibration data has shown would be
//! another, with its own duty to count what lies outside.
//!
//! Each operation takes intervals to intervals [Moore 1966]; a channel's interval depends on its own weights
//! alone.

use xonn_program::op::{Linear, Planes, Round};
use xonn_program::{Kind, Op, Range, Tensor};

use crate::network::Made;
use crate::passes::HEADROOM;

/// The smallest and the largest integer of each element; element `i` has entry `i % len`: one for all, one a
/// channel of the node's last axis, or one an element.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Bounds(Vec<Range>);

impl Bounds {
    /// What a kind of values says by itself.
    pub fn of_kind(kind: Kind) -> Self {
        Self(vec![kind.range()])
    }

    /// The bound of element `i`, row-major.
    pub fn at(&self, i: usize) -> Range {
        self.0[i % self.0.len()]
    }

    /// After how many elements they repeat.
    pub fn period(&self) -> usize {
        self.0.len()
    }

    /// The bounds of what an operation makes of tensors with these bounds, within the public range of `kind`.
    ///
    /// * `reads`: of each input, its bounds and its number of channels.
    /// * `elements`: of the result.
    pub fn of(made: &Made, reads: &[(&Self, usize)], kind: Kind, elements: usize) -> Self {
        let Some(&(first, channels)) = reads.first() else { return Self::of_kind(kind) };
        let tensor = made.tensor.as_ref();
        let bounds = match &made.op {
            // Hidden numbers keep what the samples' ranges leave, whatever the weights are.
            Op::Offset { .. }
            | Op::Round(_)
            | Op::Relu
            | Op::LeakyRelu(_)
            | Op::Clamp(_)
            | Op::Spline(_)
            | Op::TiesToEven { .. }
            | Op::Square
            | Op::Input
            | Op::Threshold { .. }
            | Op::Product => return Self::of_kind(kind),
            Op::Linear(linear) => {
                let weights = tensor.map_or(&[][..], Tensor::weights);
                if linear.window.is_dense() {
                    first.summed(linear, weights)
                } else {
                    first.by_channel(channels).summed(linear, weights)
                }
            }
            &Op::Recode { step, offset } => first.each(|x| shifted(times(step, x), offset)),
            Op::MaxPool { .. } => first.by_channel(channels).0,
            Op::SumPool { window } => {
                let counts =
                    || window.positions().map(|position| window.taps(position).flatten().count() as i64);
                let (least, most) = (counts().min().unwrap_or(1), counts().max().unwrap_or(1));
                first.by_channel(channels).each(|x| union(times(least, x), times(most, x)))
            }
            Op::Scale { lines, .. } => {
                let line = |i: usize| tensor.map_or(&[][..], Tensor::lines)[i % lines];
                (0..common(first.period(), *lines, elements))
                    .map(|i| shifted(times(line(i).scale, first.at(i)), line(i).offset))
                    .collect()
            }
            &Op::Truncate { bits } => first.each(|x| Range { lo: x.lo >> bits, hi: x.hi >> bits }),
            Op::Add => {
                let count = reads.iter().fold(1, |count, (read, _)| common(count, read.period(), elements));
                (0..count).map(|i| reads.iter().map(|(read, _)| read.at(i)).fold(ZERO, plus)).collect()
            }
            Op::Concatenate => {
                let width: usize = reads.iter().map(|(_, channels)| channels).sum();
                let by_channel = reads.iter().all(|(read, channels)| channels.is_multiple_of(read.period()));
                let rows = if by_channel { 1 } else { elements / width.max(1) };
                let row = |row: usize| {
                    reads.iter().flat_map(move |(read, n)| (0..*n).map(move |i| read.at(row * n + i)))
                };
                (0..rows).flat_map(row).collect()
            }
            Op::Permute { source } if first.period() > 1 => source.iter().map(|&i| first.at(i)).collect(),
            // Any other keeps its elements where they are.
            _ => first.0.clone(),
        };
        let public = kind.range();
        Self(bounds.into_iter().map(|x| Range { lo: x.lo.max(public.lo), hi: x.hi.min(public.hi) }).collect())
    }

    /// [`Bounds::of`], also of hidden numbers, whose ranges are to be proven.
    pub fn proven(made: &Made, reads: &[(&Self, usize)], kind: Kind, elements: usize) -> Self {
        let Some(&(first, _)) = reads.first() else { return Self::of_kind(kind) };
        // The operation itself says what it makes of a range.
        let of = |ranges: &[Range]| {
            let kinds: Vec<Kind> = ranges.iter().map(|&range| Kind::Int(range)).collect();
            made.op.kind(&kinds).map_or(kind.range(), Kind::range)
        };
        match (&made.op, &made.tensor) {
            (&Op::Offset { offsets: count, .. }, Some(Tensor::Offsets(offsets))) => {
                let count = common(first.period(), count, elements);
                Self((0..count).map(|i| shifted(first.at(i), offsets[i % offsets.len()])).collect())
            }
            (Op::Product, _) if kind != Kind::Bit => {
                let other = reads.get(1).map_or(first, |(other, _)| other);
                let count = common(first.period(), other.period(), elements);
                Self((0..count).map(|i| of(&[first.at(i), other.at(i)])).collect())
            }
            (
                Op::Round(_)
                | Op::Relu
                | Op::LeakyRelu(_)
                | Op::Clamp(_)
                | Op::Spline(_)
                | Op::TiesToEven { .. }
                | Op::Square,
                _,
            ) => Self(first.each(|x| of(&[x]))),
            _ => Self::of(made, reads, kind, elements),
        }
    }

    /// [`Bounds::proven`] of what reads tokens, of whose bits one is 1.
    pub fn of_tokens(made: &Made, reads: &[(&Self, usize)], kind: Kind, elements: usize) -> Self {
        match (&made.op, &made.tensor) {
            (Op::Linear(linear), Some(tensor)) if linear.fan_in() == reads[0].1 => {
                let weights = tensor.weights().chunks(linear.fan_in().max(1));
                let one = |row: &[i32]| {
                    let all = row.iter().map(|&w| Range { lo: w.into(), hi: w.into() });
                    all.reduce(union).unwrap_or(ZERO)
                };
                Self(weights.map(one).collect())
            }
            _ => Self::proven(made, reads, kind, elements),
        }
    }

    /// An element that a rounding may make a number of that does not fit its bits, whatever the dice.
    pub fn overflow(&self, round: Round) -> Option<Range> {
        let [least, most] = round.ends();
        let fits = |x: &Range| {
            let lowest = x.lo >> round.drop;
            let highest = x.hi.saturating_add((1 << round.drop) - 1) >> round.drop;
            lowest >= least + SPARE && highest <= most - SPARE
        };
        self.0.iter().find(|x| !fits(x)).copied()
    }

    fn each(&self, f: impl Fn(Range) -> Range) -> Vec<Range> {
        self.0.iter().map(|&x| f(x)).collect()
    }

    /// One bound a channel, whatever the position.
    fn by_channel(&self, channels: usize) -> Self {
        if channels.is_multiple_of(self.period()) {
            return self.clone();
        }
        let mut all = self.0[..channels.min(self.period())].to_vec();
        (channels..self.period().max(channels))
            .for_each(|i| all[i % channels] = union(all[i % channels], self.at(i)));
        Self(all)
    }

    fn summed(&self, linear: &Linear, weights: &[i32]) -> Vec<Range> {
        let (depth, fan_in, outside) = (linear.channels(), linear.fan_in(), linear.outside());
        let filter = |(filter, row): (usize, &[i32])| {
            let first = filter / (linear.filters / linear.groups).max(1) * depth;
            let tap = |(i, &w): (usize, &i32)| {
                let x = self.at(first + i % depth);
                times(w.into(), outside.map_or(x, |outside| union(x, Range { lo: outside, hi: outside })))
            };
            row.iter().enumerate().map(tap).fold(ZERO, plus)
        };
        weights.chunks(fan_in.max(1)).enumerate().map(filter).collect()
    }
}

/// By how much a node's public range may be wider than what is in it, as far as the architecture tells: how
/// many bits of a number are worth keeping.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Slack {
    /// Bits that a channel's bounds may have fewer than the range.
    pub unused: u32,
    /// Half bits by which bounds are wider than the deviation on data: a sum of n independent numbers grows
    /// by the root of n, its bounds by n.
    pub depth: u32,
}

impl Slack {
    /// Most unused bits, for which scales have room.
    const MOST_UNUSED: u32 = 8;

    /// Of what `op` makes of tensors of these slacks.
    pub fn of(op: &Op, reads: impl Iterator<Item = Self>) -> Self {
        let read = reads.fold(Self::default(), |a, b| Self {
            unused: a.unused.max(b.unused),
            depth: a.depth.max(b.depth),
        });
        let log2 = |n: usize| usize::BITS - n.saturating_sub(1).leading_zeros();
        let (unused, depth) = match op {
            // Evenly spread numbers reach two deviations.
            Op::Input => (0, 2),
            Op::Threshold { .. } | Op::Product => (0, 0),
            // Their units are those of samples.
            Op::Round(_) => (HEADROOM, 2),
            Op::Linear(linear) => {
                let fan_in = linear.fan_in();
                let unused = match linear.weights {
                    Planes::Sign => 0,
                    Planes::Ternary => 2,
                    Planes::Odd { .. } | Planes::Even { .. } => log2(fan_in),
                };
                (read.unused + unused, read.depth + log2(fan_in))
            }
            Op::SumPool { window } => (read.unused, read.depth + log2(window.kernel[0] * window.kernel[1])),
            _ => (read.unused, read.depth),
        };
        Self { unused: unused.min(Self::MOST_UNUSED), depth: depth.min(64) }
    }
}

/// Units of the last bit that are left for the noise of sums on shares.
const SPARE: i64 = 1;

const ZERO: Range = Range { lo: 0, hi: 0 };

fn times(factor: i64, x: Range) -> Range {
    let ends = [factor.saturating_mul(x.lo), factor.saturating_mul(x.hi)];
    Range { lo: ends[0].min(ends[1]), hi: ends[0].max(ends[1]) }
}

fn plus(a: Range, b: Range) -> Range {
    Range { lo: a.lo.saturating_add(b.lo), hi: a.hi.saturating_add(b.hi) }
}

fn shifted(x: Range, by: i64) -> Range {
    plus(x, Range { lo: by, hi: by })
}

fn union(a: Range, b: Range) -> Range {
    Range { lo: a.lo.min(b.lo), hi: a.hi.max(b.hi) }
}

/// After how many of `elements` two sequences both repeat.
fn common(a: usize, b: usize, elements: usize) -> usize {
    let (long, short) = (a.max(b), a.min(b));
    if long.is_multiple_of(short) { long } else { elements }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xonn_program::op::{Pad, Window2d};

    fn range(lo: i64, hi: i64) -> Range {
        Range { lo, hi }
    }

    const WIDE: Kind = Kind::Int(Range { lo: -1000, hi: 1000 });

    #[test]
    fn sums_are_bounded_by_their_own_weights_and_channels() {
        let x = Bounds(vec![range(0, 10), range(-1, 1)]);
        let dense = Made::sums(Linear::dense(2, 2, Planes::Odd { bits: 3 }), vec![1, 7, -3, 5]);
        assert_eq!(Bounds::of(&dense, &[(&x, 2)], WIDE, 2).0, [range(-7, 17), range(-35, 5)]);
        // The public range holds too.
        let narrow = Kind::Int(range(-8, 8));
        assert_eq!(Bounds::of(&dense, &[(&x, 2)], narrow, 2).0, [range(-7, 8), range(-8, 5)]);
    }

    #[test]
    fn borders_count_as_zero() {
        let window = Window2d {
            input: [2, 1, 1],
            kernel: [2, 1],
            stride: [1, 1],
            dilation: [1, 1],
            pad_low: [1, 0],
            output: [2, 1],
        };
        let linear = Linear { weights: Planes::Sign, filters: 1, groups: 1, window, pad: Pad::Drop };
        let conv = Made::sums(linear, vec![1, 1]);
        let x = Bounds(vec![range(3, 4)]);
        assert_eq!(Bounds::of(&conv, &[(&x, 1)], WIDE, 2).0, [range(0, 8)]);
        let sums = Op::SumPool { window }.into();
        assert_eq!(Bounds::of(&sums, &[(&x, 1)], WIDE, 2).0, [range(3, 8)]);
    }

    #[test]
    fn joined_and_moved_elements_keep_their_bounds() {
        let (a, b) = (Bounds(vec![range(0, 1)]), Bounds(vec![range(2, 3), range(4, 5)]));
        let joined = Bounds::of(&Op::Concatenate.into(), &[(&a, 1), (&b, 2)], WIDE, 6);
        assert_eq!(joined.0, [range(0, 1), range(2, 3), range(4, 5)]);
        let moved = Bounds::of(&Op::Permute { source: vec![2, 1, 0] }.into(), &[(&joined, 3)], WIDE, 3);
        assert_eq!(moved.0, [range(4, 5), range(2, 3), range(0, 1)]);
        let sum = Bounds::of(&Op::Add.into(), &[(&a, 3), (&moved, 3)], WIDE, 3);
        assert_eq!(sum.at(3), range(4, 6));
        let falling = Made::scale(&[-2], &[1], 3);
        assert_eq!(Bounds::of(&falling, &[(&b, 2)], WIDE, 2).0, [range(-5, -3), range(-9, -7)]);
    }
}
