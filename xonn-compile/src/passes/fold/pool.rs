//! Poolings of integers and bits.

use xonn_program::{Kind, Op, Range};

use super::accuracy::Typical;
use super::fixed::{Offsets, Units};
use super::{Fold, Value};
use crate::graph::{Layer, Line, Pool, shape};
use crate::passes::float_fn::{FloatFn, Origin};

impl Fold<'_> {
    /// The maximum commutes with what rises; anything else must have been moved behind by `sign_before_pool`.
    pub(super) fn max_pool(&mut self, layer: &Layer, value: &Value, pool: &Pool) -> Result<Value, String> {
        let scaled;
        let channels = value.shape.last().copied().unwrap_or(1);
        let by_channel = channels.is_multiple_of(value.f.period());
        let value = if value.f.rises() && by_channel {
            value
        } else {
            // A line may fall: fixed point turns it round. Offsets that a window does not share join the
            // numbers.
            let offsets = if by_channel { Offsets::Float } else { Offsets::Integer };
            scaled = self.fixed_point(layer, value, Units::ByChannel, offsets)?;
            &scaled
        };
        let window = shape::pool_window(&value.shape, pool)?;
        let kind = self.kind(value);
        let read = self.shaped(layer, value);
        let node = self.push(layer, Op::MaxPool { window }, &[read], layer.shape.clone(), kind);
        Ok(Value { node, shape: layer.shape.clone(), ..value.clone() })
    }

    /// The mean as a sum, its division joining the float steps.
    pub(super) fn average_pool(
        &mut self,
        layer: &Layer,
        value: &Value,
        pool: &Pool,
    ) -> Result<Value, String> {
        let window = shape::pool_window(&value.shape, pool)?;
        let channels = value.shape.last().copied().unwrap_or(1);
        let scaled;
        let value = if channels.is_multiple_of(value.f.period()) {
            value
        } else {
            scaled = self.fixed_point(layer, value, Units::ByChannel, Offsets::Integer)?;
            &scaled
        };
        let lines = self.lines(value)?;
        if !value.f.is_identity() {
            self.notes.push(format!(
                "layer {:?}: the mean is taken before the float operations in front of it, which may round \
                 differently",
                layer.name
            ));
        }
        let counts: Vec<usize> =
            window.positions().map(|position| window.taps(position).flatten().count()).collect();
        let most = counts.iter().copied().max().unwrap_or(1);
        let Range { lo, hi } = self.kind(value).range();
        let kind = Kind::Int(Range { lo: lo.min(0) * most as i64, hi: hi.max(0) * most as i64 });
        let read = self.shaped(layer, value);
        let node = self.push(layer, Op::SumPool { window }, &[read], layer.shape.clone(), kind);
        let uniform = counts.iter().all(|&count| count == most);
        let f = if uniform {
            value.f.clone().mean_of(most)
        } else {
            // Windows over the edge have fewer elements.
            let mean = |count: usize, channel: usize| {
                let Line { scale, offset } = lines[channel % lines.len()];
                Line::new(scale / count as f64, offset)
            };
            let at = |count: usize| (0..channels).map(move |channel| mean(count, channel));
            let lines = counts.iter().flat_map(|&n| at(n)).collect();
            FloatFn::line(lines, Origin::public_if(value.f.public_line().is_some()))
        };
        let parity = value.parity.filter(|_| uniform).map(|parity| parity * most as i64 % 2);
        let smaller = (most.max(1) as f64).sqrt();
        let accuracy = value.accuracy.map(1, 1, |_, x| Typical { spread: x.spread / smaller, ..x });
        Ok(Value { node, f, parity, shape: layer.shape.clone(), stream: None, accuracy })
    }
}
