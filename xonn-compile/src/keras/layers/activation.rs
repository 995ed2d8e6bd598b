//! Activations and quantisers, as fields of layers and as layers.

use petgraph::stable_graph::NodeIndex;
use serde_json::Value;

use super::{Builder, Built, Layer};
use crate::graph::{Function, LayerOp, Quantizer, Steps};
use crate::keras::quantizer::{self, Activation};

/// Most values of a quantiser on activations that is made of comparisons: 4 bits. More are rounded.
const MOST_VALUES: usize = 16;

impl Builder<'_> {
    /// What a field `activation` says.
    pub(super) fn activation(
        &mut self,
        layer: &Layer<'_>,
        json: &Value,
        read: NodeIndex,
    ) -> Built<NodeIndex> {
        let (custom, of_qkeras) = (&self.origin.options.custom, layer.config.is_of_qkeras());
        let activation = quantizer::activation(json, custom, self.origin.keras, of_qkeras)?;
        let activation = match activation {
            // QKeras looks names up among its own functions first: clip(0.5 x + 0.5, 0, 1)
            // (qkeras/quantizers.py).
            Activation::Function(Function::HardSigmoid { .. }) if of_qkeras => {
                Activation::Function(Function::HardSigmoid { slope: 0.5 })
            }
            other => other,
        };
        self.apply(layer, activation, read)
    }

    pub(super) fn apply(
        &mut self,
        layer: &Layer<'_>,
        activation: Activation,
        read: NodeIndex,
    ) -> Built<NodeIndex> {
        match activation {
            Activation::Quantize(Quantizer::Identity) => Ok(read),
            Activation::Quantize(quantizer) => self.quantized(layer, quantizer, read),
            Activation::Affine { quantizer, scale, offset } => {
                let read = self.quantized(layer, quantizer, read)?;
                self.add(layer, LayerOp::Rescale { scale, offset }, &[read])
            }
            Activation::Function(function) => self.add(layer, LayerOp::Function(function), &[read]),
        }
    }

    /// A quantiser of several values: a sum of one threshold for each step, or of more values a rounding.
    fn steps(&mut self, layer: &Layer<'_>, steps: Steps, read: NodeIndex) -> Built<NodeIndex> {
        let Some((lowest, edges)) = steps.edges(MOST_VALUES - 1) else {
            if steps.grid().is_some() {
                return self.add(layer, LayerOp::Quantize(Quantizer::Steps(steps)), &[read]);
            }
            return Err(format!(
                "its activation {steps:?} has more than {MOST_VALUES} values that are not the same distance \
                 apart, and each costs a comparison; expected at most 4 bits, or a quantiser of up to 16 \
                 bits without a slope below 0"
            )
            .into());
        };
        let Some(&(_, highest)) = edges.last() else {
            return Err(format!(
                "its activation {steps:?} gives {lowest} whatever it reads, expected two values"
            )
            .into());
        };
        let values = std::iter::once(lowest).chain(edges.iter().map(|(_, value)| *value));
        let heights: Vec<f32> = values.clone().zip(values.skip(1)).map(|(low, high)| high - low).collect();
        let even = heights.iter().all(|&height| height == heights[0]);
        let mut terms = Vec::with_capacity(edges.len());
        for (&(edge, _), &height) in edges.iter().zip(&heights) {
            let sign = self.add(layer, LayerOp::Quantize(Quantizer::From { at: edge }), &[read])?;
            terms.push(match even {
                true => sign,
                false => self.add(layer, LayerOp::Rescale { scale: height / 2.0, offset: 0.0 }, &[sign])?,
            });
        }
        let sum = if terms.len() == 1 { terms[0] } else { self.add(layer, LayerOp::Add, &terms)? };
        // Signs are half a step below and above the middle.
        let scale = if even { heights[0] / 2.0 } else { 1.0 };
        self.add(layer, LayerOp::Rescale { scale, offset: (lowest + highest) / 2.0 }, &[sum])
    }

    /// A quantiser, in front of the moves of elements that it reads: these then stand between layers of
    /// images, where they cancel. One layer leaves two moves at most.
    pub(super) fn quantized(
        &mut self,
        layer: &Layer<'_>,
        quantizer: Quantizer,
        read: NodeIndex,
    ) -> Built<NodeIndex> {
        let (mut moves, mut read) = (Vec::new(), read);
        while let (op @ (LayerOp::Reshape { .. } | LayerOp::Transpose { .. }), &[before], 0..2) =
            (&self.graph.graph[read].op, &self.graph.inputs_of(read)[..], moves.len())
        {
            moves.push(op.clone());
            read = before;
        }
        let mut made = match quantizer {
            Quantizer::Steps(steps) => self.steps(layer, steps, read)?,
            quantizer => self.add(layer, LayerOp::Quantize(quantizer), &[read])?,
        };
        for op in moves.into_iter().rev() {
            made = self.add(layer, op, &[made])?;
        }
        Ok(made)
    }
}
