//! Quantisers: integers become bits by one cut a channel, or by two where a function in front of them falls
//! and rises again.

use xonn_program::op::Cut;
use xonn_program::{Kind, LayerId, Op, Range};

use super::accuracy::{Accuracy, Typical};
use super::{Fold, Value, overflow};
use crate::graph::{Layer, Line, Quantizer};
use crate::network::Made;
use crate::passes::float_fn::{FloatFn, Origin};

impl Fold<'_> {
    /// A quantiser: bits, and the line from bits to its two values.
    pub(super) fn quantize(
        &mut self,
        layer: &Layer,
        value: &Value,
        quantizer: Quantizer,
    ) -> Result<Value, String> {
        if let Quantizer::Steps(steps) = quantizer {
            return self.quantize_steps(layer, value, steps);
        }
        let Some([low, high]) = quantizer.values() else {
            return Err(format!("{quantizer:?} on activations, expected a quantiser with two values"));
        };
        let (low, high) = (f64::from(low), f64::from(high));
        let line = Line::of_bit(low, high);
        let f = FloatFn::line(vec![line], Origin::Public);
        let shape = self.nodes[value.node].shape.clone();
        // The sign of +1 and -1 is itself.
        let is_sign =
            matches!(quantizer, Quantizer::Sign | Quantizer::Ternary | Quantizer::BinaryTanh { .. });
        if self.kind(value) == Kind::Bit && value.f.is_identity() && is_sign {
            return Ok(Value { f, parity: Some(1), ..value.clone() });
        }
        self.may_be_compared(value, quantizer)?;
        let accuracy = Accuracy::all(Typical::SIGN.line(line));
        let range = self.kind(value).range();
        let turn = value.f.turn().map_err(|()| {
            format!(
                "two functions that fall and rise again stand in front of its {quantizer:?}, expected \
                one at most"
            )
        })?;
        let threshold = |fold: &mut Self, quantizer: Quantizer| -> Result<LayerId, String> {
            let mut threshold =
                |cuts| fold.push(layer, Made::threshold(cuts), &[value.node], shape.clone(), Kind::Bit);
            let Some((before, turn)) = &turn else {
                let cuts = fold.cuts(value, range, &shape, quantizer)?;
                if let Some(edges) = on_the_edge(&value.f, &shape, range, quantizer, &cuts) {
                    fold.notes.push(format!(
                        "layer {:?}: {edges} of {} channels have a sum on the very edge of the sign, where \
                         the last bit of Keras's own BatchNorm decides; that bit differs between machines, \
                         so predictions with such a sum may differ",
                        layer.name,
                        cuts.len()
                    ));
                }
                return Ok(fold.push(layer, Made::threshold(cuts), &[value.node], shape.clone(), Kind::Bit));
            };
            let pairs = for_each_channel(&value.f, &shape, |element| {
                two_edges(&value.f, before, *turn, element, range, quantizer)
            })?;
            let (first, second): (Vec<Cut>, Vec<Cut>) = pairs.into_iter().unzip();
            let bits = [threshold(first), threshold(second)];
            Ok(fold.push(layer, Op::Product, &bits, shape.clone(), Kind::Bit))
        };
        let three_valued = match quantizer {
            Quantizer::TernaryAt { .. } => true,
            Quantizer::Ternary => self.meets_zero(layer, value, range)?,
            _ => false,
        };
        if three_valued {
            // -1, 0 and +1 are half the sum of two signs.
            let [upper, lower] = match quantizer {
                Quantizer::TernaryAt { threshold } => {
                    [Quantizer::From { at: threshold }, Quantizer::Above { at: -threshold }]
                }
                _ => [Quantizer::Above { at: 0.0 }, Quantizer::From { at: 0.0 }],
            };
            let bits = [threshold(self, upper)?, threshold(self, lower)?];
            let kind = Kind::Int(Range { lo: -2, hi: 2 });
            let node = self.push(layer, Op::Add, &bits, shape, kind);
            let f = FloatFn::line(vec![Line::new(0.5, 0.0)], Origin::Public);
            let shape = value.shape.clone();
            return Ok(Value { node, f, parity: Some(0), shape, stream: None, accuracy });
        }
        let node = threshold(self, quantizer)?;
        Ok(Value { node, f, parity: Some(1), shape: value.shape.clone(), stream: None, accuracy })
    }

    /// Whether a sum can be met where the float layer gives exactly 0.
    fn meets_zero(&mut self, layer: &Layer, value: &Value, range: Range) -> Result<bool, String> {
        let elements: usize = value.shape.iter().product();
        for element in 0..value.f.period().min(elements) {
            if value.f.turn() != Ok(None) {
                return Ok(true); // maybe; asked for each side of the turn it would cost as much to tell
            }
            let mut zeros = value.f.zeros(element, range).map_err(overflow(element))?.take(2);
            let met = |y: i64| value.parity.is_none_or(|parity| (y - parity) % 2 == 0);
            if zeros.any(met) {
                self.notes.push(format!(
                    "layer {:?}: its sign gives 0 where a sum is exactly on the edge, so it has three \
                     values and what reads it costs twice as much; a sign that is +1 at 0, such as larq's \
                     ste_sign, is cheaper; if it is a function of your own named sign that is +1 there, say \
                     so with --custom map.json holding {{\"sign\": \"ste_sign\"}}",
                    layer.name
                ));
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// One cut for each element until they repeat, but at least one for each of the last axis.
    pub(super) fn cuts(
        &self,
        value: &Value,
        range: Range,
        shape: &[usize],
        quantizer: Quantizer,
    ) -> Result<Vec<Cut>, String> {
        for_each_channel(&value.f, shape, |element| {
            value.f.cut(element, range, quantizer).map_err(overflow(element))
        })
    }
}

/// How many cuts change where the factors of norms are off by one rounding; `None` if none does.
fn on_the_edge(
    f: &FloatFn,
    shape: &[usize],
    range: Range,
    quantizer: Quantizer,
    cuts: &[Cut],
) -> Option<usize> {
    let others: Vec<Vec<Cut>> = [true, false]
        .into_iter()
        .filter_map(|up| {
            let f = f.nudged(up)?;
            for_each_channel(&f, shape, |element| f.cut(element, range, quantizer).map_err(overflow(element)))
                .ok()
        })
        .collect();
    // Cuts beyond the range are the same whichever side they say.
    let meets = |cut: &Cut| (if cut.rising { cut.at } else { cut.at + 1 }).clamp(range.lo, range.hi + 1);
    let differs = |i: &usize| {
        let moved = |cut: &Cut| cut.rising == cuts[*i].rising && meets(cut) != meets(&cuts[*i]);
        others.iter().filter_map(|other| other.get(*i)).any(moved)
    };
    let count = (0..cuts.len()).filter(differs).count();
    (count > 0).then_some(count)
}

/// One of each for each element until the functions repeat, but at least one for each of the last axis.
fn for_each_channel<T: Clone>(
    f: &FloatFn,
    shape: &[usize],
    of: impl Fn(usize) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let elements: usize = shape.iter().product();
    let channels = shape.last().copied().unwrap_or(1);
    let period = f.period();
    let count = if channels % period == 0 { channels } else { period };
    if count == 0 || !elements.is_multiple_of(count) {
        return Err(format!(
            "{period} channels of numbers in a tensor of shape {shape:?}, expected whole repetitions"
        ));
    }
    let distinct: Vec<T> = (0..period).map(of).collect::<Result<_, String>>()?;
    Ok((0..count).map(|i| distinct[i % period].clone()).collect())
}

/// Two cuts whose product fires where the quantised value is the larger of its two, for a function that falls
/// on one side of its
/// `turn` and rises on the other; `before` is what is computed in front of the step that turns.
fn two_edges(
    f: &FloatFn,
    before: &FloatFn,
    turn: f32,
    element: usize,
    range: Range,
    quantizer: Quantizer,
) -> Result<(Cut, Cut), String> {
    let side = before.cut(element, range, Quantizer::From { at: turn }).map_err(overflow(element))?;
    // The first integer of the other side.
    let middle = if side.rising { side.at } else { side.at + 1 }.clamp(range.lo, range.hi + 1);
    let halves = [Range { lo: range.lo, hi: middle - 1 }, Range { lo: middle, hi: range.hi }];
    // Where it changes, going up; the last value before the middle and the first behind it may differ, too.
    let (mut edges, mut first, mut last) = (Vec::new(), None, None);
    for half in halves.into_iter().filter(|half| half.lo <= half.hi) {
        let cut = f.cut(element, half, quantizer).map_err(overflow(element))?;
        let begins = cut.fires(half.lo);
        first.get_or_insert(begins);
        if last.is_some_and(|last| last != begins) {
            edges.push(half.lo);
        }
        let edge = if cut.rising { cut.at } else { cut.at + 1 };
        if edge > half.lo && edge <= half.hi {
            edges.push(edge);
        }
        last = Some(cut.fires(half.hi));
    }
    let [one, two] = match edges[..] {
        [] => [range.hi + 1; 2],
        [one] => [one, range.hi + 1],
        [one, two] => [one, two],
        _ => {
            return Err(format!(
                "channel {element} changes its sign {} times, expected twice at most",
                edges.len()
            ));
        }
    };
    // Both fire, or neither, where the product does: it begins as `first` says and changes at each edge.
    let second = Cut { rising: true, at: two };
    match first {
        Some(true) => Ok((Cut { rising: true, at: one }, second)),
        _ => Ok((Cut { rising: false, at: one - 1 }, second)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::graph::{Array, BatchNorm, Function};

    /// Both cuts against the function itself on every integer, for slopes of either sign and norms in either
    /// direction.
    #[test]
    fn two_edges_are_those_of_the_function() {
        let vector = |data: Vec<f32>| Arc::new(Array::vector(data));
        let slopes = vec![-0.7, 0.3, 0.0, -2.0, 1.5, -0.1];
        let norm = |sign: f32, shift: f32| BatchNorm {
            gamma: Some(vector(slopes.iter().map(|s| sign * (0.2 + s * s)).collect())),
            beta: Some(vector(slopes.iter().map(|s| shift + s).collect())),
            mean: vector(vec![1.25, -3.0, 0.0, 2.0, 7.0, -20.0]),
            variance: vector(vec![4.0; 6]),
            epsilon: 1e-3,
            fused: false,
        };
        let range = Range { lo: -24, hi: 24 };
        let mut twice = 0;
        for (sign, shift) in [(1.0, 0.4), (-1.0, 0.4), (1.0, -1.5), (-1.0, 3.0)] {
            for function in
                [None, Some(Function::Silu), Some(Function::Abs), Some(Function::Gelu { approximate: false })]
            {
                let mut f = FloatFn::default();
                f.norm(&norm(sign, shift));
                match function {
                    None => f.p_relu(&vector(slopes.clone())),
                    Some(function) => f.function(function),
                }
                f.norm(&norm(-sign, shift / 2.0));
                let (before, turn) = f.turn().expect("one turns").expect("one turns");
                for element in 0..6 {
                    let (a, b) =
                        two_edges(&f, &before, turn, element, range, Quantizer::Sign).expect("two at most");
                    let fires: Vec<bool> =
                        (range.lo..=range.hi).map(|y| f.apply(element, y) >= 0.0).collect();
                    for (y, &fires) in (range.lo..=range.hi).zip(&fires) {
                        assert_eq!(a.fires(y) == b.fires(y), fires, "{function:?} {element} {y}");
                    }
                    twice += usize::from(fires.windows(2).filter(|pair| pair[0] != pair[1]).count() == 2);
                }
            }
        }
        assert!(twice > 5, "{twice} channels change twice");
    }
}
