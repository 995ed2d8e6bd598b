//! Linear layers become integer sums; everything float between a sum and a sign becomes one integer cut a channel.
//!
//! Before: Dense, bias, BatchNorm, Sign     After: Dense, Threshold { cuts }
//! Leaves: no float. Cuts are found by asking the float32 layer itself ([`FloatFn::cut`]).

use super::float_fn::FloatFn;
use super::{Options, PassError, affine_head};
use crate::graph::{Layer, LayerGraph, Op as LayerOp};
use crate::integer::{IntegerNetwork, Kind, Node, Op, OutputSpec, Range};

/// Largest sum that float32 holds exactly, so that Keras's own sums are exact too.
const EXACT: i64 = 1 << 24;

/// Runs the pass.
pub(super) fn run(
    graph: &LayerGraph,
    options: &Options,
    notes: &mut Vec<String>,
) -> Result<IntegerNetwork, PassError> {
    let path = graph.path();
    let first = graph.layer(path[0]);
    let spec = options.input.spec(&first.shape, notes)?;
    let range = spec.range();
    let input = Node {
        name: first.name.clone(),
        op: Op::Input,
        inputs: vec![],
        shape: first.shape.clone(),
        kind: Kind::Int(range),
    };
    let (scale, offset) = (spec.scale, -spec.scale * spec.zero as f64);
    let mut fold = Fold {
        nodes: vec![input],
        pending: FloatFn::default(),
        input: (scale != 1.0 || offset != 0.0).then_some((scale, offset)),
        notes,
    };
    for &node in &path[1..] {
        fold.layer(graph.layer(node))?;
    }
    let output = fold.head(options, graph.layer(graph.output()))?;
    let network = IntegerNetwork { input: spec, nodes: fold.nodes, output };
    Ok(network)
}

struct Fold<'a> {
    nodes: Vec<Node>,
    /// Float steps on the last node's integers.
    pending: FloatFn,
    /// `x = scale * q + offset` while the last node is the input and that is not the identity.
    input: Option<(f64, f64)>,
    notes: &'a mut Vec<String>,
}

impl Fold<'_> {
    fn last(&self) -> &Node {
        &self.nodes[self.nodes.len() - 1]
    }

    fn push(&mut self, layer: &Layer, op: Op, shape: Vec<usize>, kind: Kind) {
        let inputs = vec![self.nodes.len() - 1];
        self.nodes.push(Node { name: layer.name.clone(), op, inputs, shape, kind });
    }

    fn layer(&mut self, layer: &Layer) -> Result<(), PassError> {
        let refuse = |reason: String| Err(PassError::Layer { layer: layer.name.clone(), reason });
        let at_input = self.nodes.len() == 1;
        match &layer.op {
            LayerOp::Rescale { scale, offset } if at_input && self.pending.is_identity() => {
                // x * scale + offset on what the client's encoding already scales.
                let (s, o) = self.input.unwrap_or((1.0, 0.0));
                let (scale, offset) = (f64::from(*scale), f64::from(*offset));
                if scale <= 0.0 {
                    return refuse(format!("a scale of {scale} at the input, expected a positive number"));
                }
                self.input = Some((s * scale, o * scale + offset));
            }
            LayerOp::Dense { kernel, units, bias } => self.dense(layer, kernel, *units, bias.as_ref())?,
            LayerOp::BatchNorm(norm) if !at_input => match self.last().kind {
                Kind::Int(_) => self.pending.norm(norm.clone()),
                Kind::Bit => {
                    return refuse(
                        "a BatchNormalization of bits, expected one between a layer and its sign".into(),
                    );
                }
            },
            LayerOp::Sign => self.sign(layer)?,
            LayerOp::Flatten => {
                if self.pending.is_identity() && self.input.is_none() {
                    // Row-major with channels last: the elements keep their order.
                    let elements = self.last().shape.iter().product();
                    let kind = self.last().kind;
                    self.push(
                        layer,
                        Op::Permute { source: (0..elements).collect() },
                        layer.shape.clone(),
                        kind,
                    );
                } else {
                    return refuse(
                        "a Flatten between a layer and its sign, expected it behind the sign".into(),
                    );
                }
            }
            other => return refuse(format!("{} is not supported at this place", other.name())),
        }
        Ok(())
    }

    fn dense(
        &mut self,
        layer: &Layer,
        kernel: &[f32],
        units: usize,
        bias: Option<&Vec<f32>>,
    ) -> Result<(), PassError> {
        let refuse = |reason: String| Err(PassError::Layer { layer: layer.name.clone(), reason });
        if !self.pending.is_identity() {
            return refuse("it reads real numbers, expected a sign activation before it".into());
        }
        let n = kernel.len() / units;
        let range = match self.last().kind {
            Kind::Bit => Range { lo: -1, hi: 1 },
            Kind::Int(range) => range,
        };
        let most = n as i64 * range.lo.abs().max(range.hi.abs());
        if most > EXACT {
            self.notes.push(format!(
                "layer {:?}: sums up to {most} are not exact in Keras's float32, so single predictions may differ where a \
                 sum is within rounding of a threshold",
                layer.name
            ));
        }
        // Keras has [input][unit].
        let weights: Vec<bool> =
            (0..units).flat_map(|unit| (0..n).map(move |i| kernel[i * units + unit] > 0.0)).collect();
        if let Some((scale, offset)) = self.input.take() {
            let sums: Vec<i64> = weights
                .chunks(n)
                .map(|w| w.iter().map(|&positive| if positive { 1 } else { -1 }).sum())
                .collect();
            self.pending.input(scale, offset, &sums);
        }
        self.push(layer, Op::Dense { weights, units }, vec![units], Kind::Int(Range { lo: -most, hi: most }));
        if let Some(bias) = bias {
            self.pending.bias(bias.clone());
        }
        Ok(())
    }

    fn sign(&mut self, layer: &Layer) -> Result<(), PassError> {
        let Kind::Int(range) = self.last().kind else { return Ok(()) }; // the sign of +1 and -1 is itself
        let shape = self.last().shape.clone();
        let channels = shape.last().copied().unwrap_or(1);
        if let Some((scale, offset)) = self.input.take() {
            self.pending.input(scale, offset, &vec![1; channels]);
        }
        let pending = std::mem::take(&mut self.pending);
        let cuts = (0..channels)
            .map(|channel| {
                pending.cut(channel, range).map_err(|value| PassError::Layer {
                    layer: layer.name.clone(),
                    reason: format!(
                        "channel {channel} is {value} at the end of its range, expected finite numbers"
                    ),
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        self.push(layer, Op::Threshold { cuts }, shape, Kind::Bit);
        Ok(())
    }

    /// What the network gives: the largest of its last tensor, with the pending float steps in fixed point.
    fn head(&mut self, options: &Options, layer: &Layer) -> Result<OutputSpec, PassError> {
        let refuse = |reason: String| Err(PassError::Layer { layer: layer.name.clone(), reason });
        let shape = self.last().shape.clone();
        let classes = match shape.as_slice() {
            [classes] if *classes >= 2 => *classes,
            _ => {
                return refuse(format!(
                    "the model's output has shape {shape:?}, expected a vector of at least 2 scores"
                ));
            }
        };
        let Kind::Int(range) = self.last().kind else {
            return Ok(OutputSpec::Argmax { classes });
        };
        if self.nodes.len() == 1 {
            return refuse("the model has no layer that computes anything".into());
        }
        let pending = std::mem::take(&mut self.pending);
        // A sum of bits is odd or even as its fan-in is.
        let of_bits = self.last().inputs.first().is_some_and(|&read| self.nodes[read].kind == Kind::Bit);
        let step = if of_bits && matches!(self.last().op, Op::Dense { .. }) { 2 } else { 1 };
        if let Some(head) = affine_head::fold(&pending, classes, range, step, options.head_bits, self.notes)
            .map_err(|reason| PassError::Layer { layer: layer.name.clone(), reason })?
        {
            self.push(layer, head.op, shape, Kind::Int(head.range));
        }
        Ok(OutputSpec::Argmax { classes })
    }
}
