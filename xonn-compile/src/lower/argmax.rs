//! The network's output: the largest score's index, the scores, a sign, or several.

use xonn_circuits::gadgets::popcount::width_of;
use xonn_circuits::tiled::{Axis, IndexMap, OutputEncoding, Port, Tile};

use super::template::Shape;
use super::{Encoding, LowerError, Lowering, Tensor, encoding};
use crate::integer::{NodeId, OutputSpec};

/// Adds what the output needs behind `tensor`, the last node's.
pub(super) fn output(
    lowering: &mut Lowering<'_>,
    id: NodeId,
    tensor: &Tensor,
) -> Result<OutputEncoding, LowerError> {
    match lowering.network.output {
        OutputSpec::Argmax { classes } => {
            if tensor.elements() != classes {
                let reason = format!("argmax over {classes} classes of {} scores", tensor.elements());
                return Err(lowering.unsupported(id, reason));
            }
            let Encoding { width, top_inverted, .. } = tensor.encoding;
            let index = width_of(classes as u64 - 1);
            if index == 0 {
                return Err(lowering.unsupported(id, "an argmax over one class is always 0".into()));
            }
            let line = |extent: usize| vec![Axis { extent: extent as u32, stride: 1 }];
            let template = lowering.templates.get(&Shape::Argmax { n: classes, width, top_inverted });
            let tile = Tile {
                template,
                grid: vec![],
                inputs: vec![Port {
                    source: tensor.source,
                    map: IndexMap { base: 0, outer: vec![], inner: line(classes * width) },
                }],
                output: IndexMap { base: 0, outer: vec![], inner: line(index) },
                linear: None,
            };
            let encoding = Encoding { width: index, lo: 0, step: 1, top_inverted: false };
            lowering.push("argmax", classes, &[], encoding, vec![tile]);
            Ok(OutputEncoding::Argmax { classes: classes as u32 })
        }
        OutputSpec::Scores { unit } => {
            let largest = lowering.range_of(id);
            let width = width_of(largest.hi.max(-(largest.lo + 1)).max(0) as u64) + 1;
            let scores = encoding::twos_complement(lowering, tensor, width);
            Ok(OutputEncoding::Scores { count: scores.elements() as u32, bits: width as u32, scale: unit })
        }
        OutputSpec::Sign | OutputSpec::Labels { .. } => {
            let units = tensor.elements();
            if tensor.encoding != Encoding::BIT {
                return Err(lowering.unsupported(id, "its output must be signs, and is numbers".into()));
            }
            // A layer of its own, because the output is the last layer's vector and the bit may be older than that.
            let template = lowering.templates.get(&Shape::Copy { width: 1 });
            let inner = || vec![Axis { extent: 1, stride: 1 }];
            let (grid, outer, kind, shape, encoding) = match lowering.network.output {
                OutputSpec::Labels { .. } => {
                    let encoding = OutputEncoding::Labels { units: units as u32 };
                    (vec![units as u32], vec![1], "labels", vec![units], encoding)
                }
                _ => (vec![], vec![], "sign", vec![], OutputEncoding::Sign),
            };
            let map = || IndexMap { base: 0, outer: outer.clone(), inner: inner() };
            let inputs = vec![Port { source: tensor.source, map: map() }];
            let tile = Tile { template, grid, inputs, output: map(), linear: None };
            lowering.push(kind, 0, &shape, Encoding::BIT, vec![tile]);
            Ok(encoding)
        }
    }
}
