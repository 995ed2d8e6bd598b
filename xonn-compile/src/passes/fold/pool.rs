//! Poolings of integers and bits.

use super::{Fold, Value};
use crate::graph::{Layer, Pool, shape};
use crate::integer::{Kind, Op, Range, Window2d};

impl Fold<'_> {
    /// The maximum commutes with what rises; anything else must have been moved behind by `sign_before_pool`.
    pub(super) fn max_pool(&mut self, layer: &Layer, value: &Value, pool: &Pool) -> Result<Value, String> {
        if !value.f.rises() {
            return Err("it pools the results of a normalisation, expected a sign directly behind the pooling, or the \
                        pooling in front of the normalisation"
                .into());
        }
        let window = shape::pool_window(&value.shape, pool)?;
        let kind = self.kind(value);
        let read = self.shaped(layer, value);
        let node = self.push(layer, Op::MaxPool2d { window }, &[read], layer.shape.clone(), kind);
        Ok(Value { node, f: value.f.clone(), parity: value.parity, shape: layer.shape.clone() })
    }

    /// The mean as a sum, its division joining the float steps.
    pub(super) fn average_pool(
        &mut self,
        layer: &Layer,
        value: &Value,
        pool: &Pool,
    ) -> Result<Value, String> {
        let window = shape::pool_window(&value.shape, pool)?;
        let count = window.kernel[0] * window.kernel[1];
        if reads_padding(&window) {
            return Err(
                "average pooling over the edge divides by other numbers there, expected padding valid".into(),
            );
        }
        let elements: usize = layer.shape.iter().product();
        let is_line = (0..value.f.period().min(elements)).all(|i| value.f.as_line(i).is_some());
        if !is_line {
            return Err(
                "it averages the results of a function, expected a sign or no function in front of it".into(),
            );
        }
        if !value.f.is_identity() {
            self.notes.push(format!(
                "layer {:?}: the mean is taken before the float operations in front of it, which may round differently",
                layer.name
            ));
        }
        let Range { lo, hi } = self.kind(value).range();
        let kind = Kind::Int(Range { lo: lo * count as i64, hi: hi * count as i64 });
        let read = self.shaped(layer, value);
        let node = self.push(layer, Op::SumPool2d { window }, &[read], layer.shape.clone(), kind);
        let mut f = value.f.clone();
        f.mean_of(count);
        let parity = value.parity.map(|parity| parity * count as i64 % 2);
        Ok(Value { node, f, parity, shape: layer.shape.clone() })
    }
}

/// Whether a position of the window sees fewer inputs than others.
fn reads_padding(window: &Window2d) -> bool {
    window.is_padded()
}
