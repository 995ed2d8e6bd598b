//! Reordering of elements: free, since a copy costs nothing.

use xonn_circuits::tiled::{Axis, IndexMap, Port, Tile};

use super::template::Template;
use super::{LowerError, Lowering, Place};
use crate::program::LayerId;

/// Lowers the permutation of layer `id`: element `i` of the output is element `source[i]` of the input.
///
/// The identity (any reshape, Flatten of channels last) adds no layer. Otherwise each run of equally spaced sources is
/// one tile of copies.
pub(super) fn permute(
    lowering: &mut Lowering<'_>,
    id: LayerId,
    source: &[usize],
) -> Result<Place, LowerError> {
    let x = lowering.input_of(id);
    let shape = lowering.program.layers()[id].shape.clone();
    if source.iter().enumerate().all(|(i, &s)| i == s) && source.len() == x.elements() {
        return Ok(Place { shape, ..x });
    }
    let width = x.encoding.width;
    let template = lowering.templates.get(&Template::Copy { width })?;
    let line = || vec![Axis { extent: width as u32, stride: 1 }];
    let mut tiles = Vec::new();
    let mut first = 0;
    while first < source.len() {
        let stride = source.get(first + 1).map_or(0, |&next| next.saturating_sub(source[first]));
        let run =
            source[first..].windows(2).take_while(|pair| pair[1] == pair[0] + stride && stride > 0).count()
                + 1;
        let at = |element: usize, stride: usize| IndexMap {
            base: (element * width) as u64,
            outer: vec![(stride * width) as u64],
            inner: line(),
        };
        let inputs = vec![Port { source: x.source, map: at(source[first], stride) }];
        lowering.check_tiles(tiles.len())?;
        tiles.push(Tile { template, grid: vec![run as u32], inputs, output: at(first, 1) });
        first += run;
    }
    lowering.push("permute", 0, &shape, x.encoding, tiles)
}
