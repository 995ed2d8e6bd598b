//! A threshold on numbers that are there already: one comparison an element.

use xonn_circuits::tiled::{Axis, IndexMap, Port, Source, Tile};

use super::sum::Sum;
use super::template::Template;
use super::{Encoding, LowerError, Lowering, Place};
use crate::program::LayerId;

/// Lowers the threshold of layer `id`, which has one cut a channel, the last axis.
pub(super) fn threshold(lowering: &mut Lowering<'_>, id: LayerId, cuts: usize) -> Result<Place, LowerError> {
    let x = lowering.input_of(id);
    let (channels, positions) = (cuts, x.elements() / cuts);
    let width = x.encoding.width;
    let base = lowering.secret.next();
    match lowering.tensor(id) {
        Some(tensor) => {
            // A sum of one number with weight +1.
            let sum = Sum { n: 1, x: x.encoding };
            for &cut in tensor.cuts() {
                let (addend, flip) = sum.threshold(cut, 0);
                lowering.secret.number(addend, width);
                lowering.secret.bit(flip);
            }
        }
        None => lowering.secret.skip((channels * (width + 1)) as u64),
    }
    let line = |extent: usize| vec![Axis { extent: extent as u32, stride: 1 }];
    let element = |bits: usize| vec![(channels * bits) as u64, bits as u64];
    let inputs = vec![
        Port { source: x.source, map: IndexMap { base: 0, outer: element(width), inner: line(width) } },
        Port {
            source: Source::Secret,
            map: IndexMap { base, outer: vec![0, width as u64 + 1], inner: line(width + 1) },
        },
    ];
    let template =
        lowering.templates.get(&Template::Threshold { width, top_inverted: x.encoding.top_inverted })?;
    let tile = Tile {
        template,
        grid: vec![positions as u32, channels as u32],
        inputs,
        output: IndexMap { base: 0, outer: element(1), inner: line(1) },
    };
    lowering.push("threshold", 0, &x.shape, Encoding::BIT, vec![tile])
}
