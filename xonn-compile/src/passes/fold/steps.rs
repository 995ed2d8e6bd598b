//! Quantisers of many values: integers are scaled, rounded and kept between two ends.
//!
//! Where everything in front is a multiple of one power of two, as QKeras makes it, that is exact: offsets
//! are added and bits are dropped, ties to even. Any other line is a secret scale and an offset, chosen so
//! that each step is where the float32 functions themselves have it.

use xonn_program::op::Line as ScaleLine;
use xonn_program::{Kind, Op, Range, Tensor};

use super::accuracy::{Accuracy, Typical};
use super::{Fold, Value};
use crate::graph::{Grid, Layer, Line, Quantizer, Steps};
use crate::network::Made;
use crate::passes::float_fn::{FloatFn, Origin};

/// Most bits that are dropped of what is a multiple of a power of two.
const MOST_DROPPED: u32 = 40;

/// Most bits of an integer and its scale together.
const SUM_BITS: u32 = 57;

/// Bits of a scale beside those of the integers that it multiplies.
const FINE: u32 = 20;

/// Most bits of an integer that is scaled.
const SCALED_BITS: u32 = 30;

/// Largest share of the sums between the first step and the last that may be off by one step.
const WRONG: f64 = 1.0 / 64.0;

/// Most steps of one channel that are looked at, evenly taken.
const LOOKED_AT: i64 = 512;

/// Lines as integers: `(factor t + offset) / 2^drop` steps.
struct Dyadic {
    factor: i64,
    offsets: Vec<i64>,
    drop: u32,
}

impl Fold<'_> {
    /// The integers from `lo` to `hi` that a quantiser of many values gives.
    pub(super) fn quantize_steps(
        &mut self,
        layer: &Layer,
        value: &Value,
        steps: Steps,
    ) -> Result<Value, String> {
        let grid = steps.grid().ok_or_else(|| format!("{steps:?} on activations, expected few values"))?;
        let lines = self.lines(value)?;
        let public = value.f.public_slope().is_some();
        let exact = public.then(|| dyadic(&lines, grid, value.f.adds_nothing())).flatten();
        let node = match exact {
            Some(dyadic) => self.rounded_exactly(layer, value, &dyadic, grid)?,
            None => self.rounded_by_edges(layer, value, (steps, grid))?,
        };
        let ends = Range { lo: grid.lo, hi: grid.hi };
        let node = self.push_number(layer, Op::Clamp(ends), &[node])?;
        let middle = (grid.lo + grid.hi) as f64 / 2.0 * grid.unit + grid.origin;
        let typical = Typical::SIGN.line(Line::new((grid.hi - grid.lo) as f64 / 4.0 * grid.unit, middle));
        let f = FloatFn::line(vec![Line::new(grid.unit, grid.origin)], Origin::Public);
        let shape = value.shape.clone();
        Ok(Value { node, f, parity: None, shape, stream: None, accuracy: Accuracy::all(typical) })
    }

    fn rounded_exactly(
        &mut self,
        layer: &Layer,
        value: &Value,
        &Dyadic { factor, ref offsets, drop }: &Dyadic,
        grid: Grid,
    ) -> Result<xonn_program::LayerId, String> {
        let mut node = value.node;
        if self.kind(value) == Kind::Bit || factor != 1 {
            node = self.push_number(layer, Op::Recode { step: factor, offset: 0 }, &[node])?;
        }
        if !offsets.is_empty() {
            // Beyond this every sum is at one of the ends, so the width follows from what is public alone.
            let range = self.nodes[node].kind.range();
            let most = (grid.hi - grid.lo + 2)
                .checked_shl(drop)
                .filter(|most| most >> drop == grid.hi - grid.lo + 2);
            let most =
                most.and_then(|most| most.checked_add(range.magnitude())).filter(|&most| most < 1 << 58);
            let most = most.ok_or("its steps are too fine beside what it reads, expected fewer bits")?;
            let offsets: Vec<i64> = offsets.iter().map(|&x| x.clamp(-most, most)).collect();
            let bits = 64 - most.leading_zeros() + 1;
            let op = Op::Offset { offsets: offsets.len(), bits };
            let made = Made { op, tensor: Some(Tensor::Offsets(offsets)) };
            node = self.push_number(layer, made, &[node])?;
        }
        match drop {
            0 => Ok(node),
            bits => self.push_number(layer, Op::TiesToEven { bits }, &[node]),
        }
    }

    fn rounded_by_edges(
        &mut self,
        layer: &Layer,
        value: &Value,
        (steps, grid): (Steps, Grid),
    ) -> Result<xonn_program::LayerId, String> {
        let value = &self.narrow(layer, value, SCALED_BITS)?;
        let lines = &self.lines(value)?[..];
        let range = self.kind(value).range();
        let width = range.signed_bits();
        let edges = (0..lines.len()).map(|channel| self.edges(value, channel, range, (steps, grid)));
        let edges: Vec<Vec<(i64, i64)>> = edges.collect::<Result<_, String>>()?;
        // What is told of the weights is how many bits are dropped, and nothing else.
        let bits = (width + FINE).min(SUM_BITS - width);
        let Placed { mut lines, drop, moved, wrong } = Placed::new(lines, &edges, grid.step, bits);
        if wrong > WRONG && !self.options.allow_error {
            return Err(format!(
                "{:.1} % of the sums that its quantiser tells apart would be rounded to another step than \
                 Keras's, as what it reads has too many bits to be scaled exactly; expected fewer bits in \
                 front of it, or --allow-error",
                100.0 * wrong
            ));
        }
        if moved > 0 {
            self.notes.push(format!(
                "layer {:?}: {moved} of {} steps of its quantiser are not exactly where Keras's are: of the \
                 sums that it tells apart {wrong:.1e} at most are off by one step",
                layer.name,
                edges.iter().map(Vec::len).sum::<usize>()
            ));
        }
        // Beyond this every sum is at one of the ends.
        let steps = i128::from(grid.hi - grid.lo + 2) << drop;
        let sums = i128::from(range.magnitude()) << (bits - 1);
        let most = i64::try_from(steps + sums).ok().filter(|&most| most < 1 << 59);
        let most = most.ok_or("its steps are too fine beside what it reads, expected fewer bits")?;
        lines.iter_mut().for_each(|line| line.offset = line.offset.clamp(-most, most));
        let made = Made { op: Op::Scale { lines: lines.len(), bits }, tensor: Some(Tensor::Lines(lines)) };
        let shape = self.nodes[value.node].shape.clone();
        let largest = 2 * most;
        let node =
            self.push(layer, made, &[value.node], shape, Kind::Int(Range { lo: -largest, hi: largest }));
        self.push_number(layer, Op::Truncate { bits: drop }, &[node])
    }

    /// Where a channel's steps are: the first integer that reaches number `j` going up, or the one behind the
    /// last going up where numbers fall.
    fn edges(
        &self,
        value: &Value,
        channel: usize,
        range: Range,
        (steps, grid): (Steps, Grid),
    ) -> Result<Vec<(i64, i64)>, String> {
        let count = grid.hi - grid.lo;
        let stride = (count / LOOKED_AT).max(1);
        let mut edges = Vec::new();
        for j in (grid.lo + 1..=grid.hi).step_by(stride as usize) {
            // The least number that is rounded to j, as the quantiser's own arithmetic has it.
            let at = |j: f64| (j * grid.step) as f32;
            let below = ((j as f64 - 0.5) * grid.unit + grid.origin) as f32;
            let edge = steps.rises_above(below, at(j as f64 - 1.0), at(j as f64 + 0.25));
            let at = edge.ok_or_else(|| format!("step {j} of {steps:?} is not where its middle is"))?;
            let cut =
                value.f.cut(channel, range, Quantizer::From { at }).map_err(super::overflow(channel))?;
            let at = if cut.rising { cut.at } else { cut.at + 1 };
            if at > range.lo && at <= range.hi {
                edges.push((at, j));
            }
        }
        Ok(edges)
    }
}

/// Lines of integers that put steps where they should be.
struct Placed {
    lines: Vec<ScaleLine>,
    /// Bits that are dropped of what the lines give.
    drop: u32,
    /// Steps that are not where they should be.
    moved: usize,
    /// Of the channel with most of them, the share of sums between the first step and the last that are
    /// rounded wrong.
    wrong: f64,
}

impl Placed {
    /// * `edges`: of each line where its steps are, and which.
    fn new(lines: &[Line], edges: &[Vec<(i64, i64)>], step: f64, bits: u32) -> Self {
        let steepest = lines.iter().map(|line| line.scale.abs() / step).fold(0.0, f64::max);
        let most = ((1i64 << (bits - 1)) - 1) as f64;
        let drop = if steepest > 0.0 { (most / steepest).log2().floor().clamp(1.0, 56.0) } else { 1.0 };
        let mut placed =
            Self { lines: Vec::with_capacity(lines.len()), drop: drop as u32, moved: 0, wrong: 0.0 };
        let whole = |x: f64, most: f64| (x * drop.exp2()).round().clamp(-most, most) as i64;
        for (line, edges) in lines.iter().zip(edges) {
            let nominal = ScaleLine {
                scale: whole(line.scale / step, most),
                offset: whole(line.offset / step + 0.5, (1i64 << 58) as f64),
            };
            let line = better(nominal, placed.drop, edges, most);
            let mut beside = 0;
            for &(at, j) in edges {
                let goal = (i128::from(j) << placed.drop) - i128::from(line.offset);
                let own = match i128::from(line.scale) {
                    0 => i128::from(at) + (1 << 40),
                    // The first that reaches it, or the first behind the last that does.
                    scale @ 1.. => (goal + scale - 1).div_euclid(scale),
                    scale => (-goal).div_euclid(-scale) + 1,
                };
                beside += (own - i128::from(at)).unsigned_abs();
                placed.moved += usize::from(own != i128::from(at));
            }
            let places = || edges.iter().map(|edge| edge.0);
            let spanned = places().max().zip(places().min()).map_or(1, |(last, first)| last - first + 1);
            placed.wrong = placed.wrong.max(beside as f64 / spanned as f64);
            placed.lines.push(line);
        }
        placed
    }
}

/// A line that puts each edge where it is, near to `line` and with a scale up to `most`; `line` if there is
/// none.
fn better(line: ScaleLine, drop: u32, edges: &[(i64, i64)], most: f64) -> ScaleLine {
    let span = edges.iter().map(|edge| edge.0.unsigned_abs()).max().unwrap_or(1).max(1);
    // Sixty-four slopes, which move the farthest edge by an integer at most.
    let fine = (line.scale.unsigned_abs() / span / 32).max(1) as i64;
    let slopes = (0..=32).flat_map(|n| [n, -n]).map(|n| line.scale + n * fine);
    let same_side =
        |scale: &i64| scale.signum() == line.scale.signum() && scale.unsigned_abs() as f64 <= most;
    let fitting = |scale: i64| {
        // Rising: scale (at - 1) + offset < j 2^drop <= scale at + offset. Falling: the other way round.
        let (mut lo, mut hi) = (i128::MIN, i128::MAX);
        for &(at, j) in edges {
            let goal = i128::from(j) << drop;
            let [before, behind] = [at - 1, at].map(|t| goal - i128::from(scale) * i128::from(t));
            let (least, most) = if scale > 0 { (behind, before - 1) } else { (before, behind - 1) };
            (lo, hi) = (lo.max(least), hi.min(most));
        }
        let offset = i128::from(line.offset).clamp(lo, hi.max(lo));
        (lo <= hi).then(|| i64::try_from(offset).ok()).flatten().map(|offset| ScaleLine { scale, offset })
    };
    if edges.is_empty() { line } else { slopes.filter(same_side).find_map(fitting).unwrap_or(line) }
}

/// Lines that are multiples of one power of two of a step, with one slope for all channels.
///
/// * `alone`: whether there are no offsets, whatever the weights are.
fn dyadic(lines: &[Line], grid: Grid, alone: bool) -> Option<Dyadic> {
    let slope = lines[0].scale / grid.step;
    let whole = |x: f64| x.fract() == 0.0 && x.abs() < (1i64 << 50) as f64;
    if !(slope > 0.0 && lines.iter().all(|line| line.scale == lines[0].scale)) {
        return None;
    }
    let drop = (0..=MOST_DROPPED).find(|&drop| {
        let fine = f64::from(drop).exp2();
        whole(slope * fine) && lines.iter().all(|line| whole(line.offset / grid.step * fine))
    })?;
    let fine = f64::from(drop).exp2();
    let factor = (slope * fine) as i64;
    let offsets: Vec<i64> = lines.iter().map(|line| (line.offset / grid.step * fine) as i64).collect();
    (factor < 1 << 24).then(|| Dyadic { factor, offsets: if alone { Vec::new() } else { offsets }, drop })
}
