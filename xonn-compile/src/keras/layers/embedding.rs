//! `Embedding`: each token of the input is a row of a table.
//!
//! As a program it is a dense layer without a bias on bits of which one is 1, which the client sends.

use petgraph::stable_graph::NodeIndex;
use serde_json::Value;

use super::{Builder, Built, Layer};
use crate::graph::LayerOp;

/// Most bits of a sample of tokens.
const MAX_BITS: usize = 1 << 22;

impl Builder<'_> {
    pub(super) fn embedding(&mut self, layer: &Layer<'_>) -> Built<NodeIndex> {
        let fields = layer.fields();
        if fields.flag("mask_zero", false)? {
            return Err("mask_zero is true, which leaves steps out by what a sample holds, and all samples \
                are computed alike here; expected false: train with it, on samples that are padded or cut \
                to one length"
                .to_owned()
                .into());
        }
        if let Some(key) =
            ["lora_rank", "quantization_config"].into_iter().find(|key| *fields.get(key) != Value::Null)
        {
            return Err(format!("{key} is {}, expected a table as it is", fields.get(key)).into());
        }
        let (depth, width) = (fields.count("input_dim", None)?, fields.count("output_dim", None)?);
        let read = layer.only_read()?;
        if !matches!(self.graph.graph[read].op, LayerOp::Input { .. }) && self.shape(read).is_some() {
            return Err(
                "it looks up numbers that other layers compute, expected tokens of the model's input"
                    .to_owned()
                    .into(),
            );
        }
        let tokens = self.shape(read).map_or(1, |shape| shape.iter().product::<usize>());
        if depth < 2 || tokens.saturating_mul(depth) > MAX_BITS {
            return Err(format!(
                "it looks up {tokens} tokens in a table of {depth}, and a client sends a bit for each that \
                 it could be; expected 2 or more, and {MAX_BITS} bits together at most"
            )
            .into());
        }
        let kernel = self.weights(layer, &["embeddings"])?.remove(0);
        self.check_shape(layer, "embeddings", &kernel, &[Some(depth), Some(width)])?;
        let bits = self.add(layer, LayerOp::OneHot { depth }, &[read])?;
        self.add(layer, LayerOp::Dense { kernel, bias: None, secret_scale: false }, &[bits])
    }
}

#[cfg(test)]
mod tests;
