//! What a model takes.

use petgraph::stable_graph::NodeIndex;
use serde_json::Value;

use super::{Builder, Built, Layer};
use crate::graph::LayerOp;
use crate::keras::inbound::brief;

/// Most numbers of a model's input: a colour image of 1,182 x 1,182, and half a gigabyte of labels at 8 bits
/// each.
const MAX_INPUT: usize = 1 << 22;

impl Builder<'_> {
    /// `InputLayer`, or what stands for one.
    pub(super) fn input(&mut self, layer: &Layer<'_>) -> Built<NodeIndex> {
        let config = &layer.config.config;
        let list = ["batch_input_shape", "batch_shape"].into_iter().find_map(|key| config[key].as_array());
        let list =
            list.ok_or_else(|| "its shape is not known; build the model before it is saved".to_owned())?;
        // The first axis behind the batch is that of steps, where there are any.
        let steps =
            |place: usize, axis: &Value| self.origin.options.steps.filter(|_| place == 0 && axis.is_null());
        let length = |(place, axis): (usize, &Value)| {
            let known = axis.as_u64().and_then(|n| usize::try_from(n).ok());
            known.or_else(|| steps(place, axis))
        };
        let axes = list.iter().skip(1).enumerate().map(length);
        let shape: Vec<usize> = axes.collect::<Option<_>>().ok_or_else(|| {
            format!(
                "its shape is {}, expected a known length for each axis but the batch, as of \
                 Input(shape=(steps, \
                 features)); --steps N says how many steps there are where the first axis is open",
                brief(&Value::from(list.clone()))
            )
        })?;
        if shape.is_empty() {
            return Err(
                "its shape is [], expected at least one axis behind the batch: give it the shape (1,)"
                    .to_owned()
                    .into(),
            );
        }
        let numbers = shape.iter().try_fold(1usize, |product, &axis| product.checked_mul(axis));
        if numbers.is_none_or(|numbers| numbers > MAX_INPUT) {
            return Err(format!("its shape is {shape:?}, expected at most {MAX_INPUT} numbers").into());
        }
        let node = self.add(layer, LayerOp::Input { shape }, &[])?;
        self.graph.inputs.push(node);
        if layer.fields().check_dtype().is_err() {
            self.integers.insert(node);
        }
        Ok(node)
    }
}
