//! The network's output: the largest score's index, the scores, a sign, or several.

use xonn_circuits::gadgets::popcount::width_of;
use xonn_circuits::tiled::{Axis, IndexMap, Port, Tile};

use super::template::Template;
use super::{Encoding, LowerError, Lowering, Place, encoding};
use crate::encoding::OutputEncoding;
use crate::program::LayerId;

/// Adds what the output needs behind `tensor`, the last layer's.
pub(super) fn output(lowering: &mut Lowering<'_>, id: LayerId, tensor: &Place) -> Result<(), LowerError> {
    let units = tensor.elements();
    match *lowering.program.output() {
        OutputEncoding::Argmax { classes } => {
            let classes = classes as usize;
            let Encoding { width, top_inverted, .. } = tensor.encoding;
            let index = width_of(classes as u64 - 1);
            let line = |extent: usize| vec![Axis { extent: extent as u32, stride: 1 }];
            let template = lowering.templates.get(&Template::Argmax { n: classes, width, top_inverted })?;
            let tile = Tile {
                template,
                grid: vec![],
                inputs: vec![Port {
                    source: tensor.source,
                    map: IndexMap { base: 0, outer: vec![], inner: line(classes * width) },
                }],
                output: IndexMap { base: 0, outer: vec![], inner: line(index) },
            };
            let encoding = Encoding { width: index, lo: 0, step: 1, top_inverted: false };
            lowering.push("argmax", classes, &[], encoding, vec![tile])?;
        }
        OutputEncoding::Scores { bits, .. } => {
            encoding::twos_complement(lowering, tensor, "scores", bits as usize)?;
        }
        OutputEncoding::Sign => signs(lowering, id, tensor, ("sign", &[]))?,
        OutputEncoding::Labels { .. } => signs(lowering, id, tensor, ("labels", &[units]))?,
        OutputEncoding::Bits => return Err(lowering.unsupported(id, "a program gives no plain bits".into())),
    }
    Ok(())
}

/// The bits of `tensor`, in a layer of its own: the output is the last layer's vector, and the bits may be
/// older than that.
fn signs(
    lowering: &mut Lowering<'_>,
    id: LayerId,
    tensor: &Place,
    (kind, shape): (&str, &[usize]),
) -> Result<(), LowerError> {
    if tensor.encoding != Encoding::BIT {
        return Err(lowering.unsupported(id, "its output must be signs, and is numbers".into()));
    }
    let template = lowering.templates.get(&Template::Copy { width: 1 })?;
    let grid: Vec<u32> = shape.iter().map(|&units| units as u32).collect();
    let map = || IndexMap { base: 0, outer: vec![1; grid.len()], inner: vec![Axis { extent: 1, stride: 1 }] };
    let inputs = vec![Port { source: tensor.source, map: map() }];
    let tile = Tile { template, inputs, output: map(), grid };
    lowering.push(kind, 0, shape, Encoding::BIT, vec![tile])?;
    Ok(())
}
