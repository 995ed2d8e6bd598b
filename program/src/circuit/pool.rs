//! Pooling: the maximum of bits is their OR, the sum of numbers is a sum.

use xonn_circuits::tiled::{Axis, IndexMap, Port, Source, Tile};

use super::encoding::common_encoding;
use super::sum::Sum;
use super::template::{Placing, Template};
use super::window::{self, Class};
use super::{Encoding, LowerError, Lowering, Place};
use crate::op::{Cut, Window2d};
use crate::program::LayerId;

/// Lowers the max-pooling of layer `id`: of bits their OR, of numbers comparisons.
pub(super) fn max_pool(
    lowering: &mut Lowering<'_>,
    id: LayerId,
    window: &Window2d,
) -> Result<Place, LowerError> {
    let x = lowering.input_of(id);
    let Encoding { width, top_inverted, .. } = x.encoding;
    let bits = x.encoding == Encoding::BIT;
    let template = |n| if bits { Template::Or { n } } else { Template::Max { n, width, top_inverted } };
    let tiles = tiles(lowering, id, &x, window, width, |_, n| (template(n), None))?;
    lowering.push("max_pool2d", 0, &shape(window), x.encoding, tiles)
}

/// Pools bits that were sums before their cuts: OR where a channel's cut rises, AND where it falls. Which of them it is
/// stays secret, as the sign of gamma does.
pub(super) fn pool_bits(
    lowering: &mut Lowering<'_>,
    id: LayerId,
    bits: &Place,
    window: &Window2d,
    cuts: Option<&[Cut]>,
) -> Result<Place, LowerError> {
    let flips = lowering.secret.next();
    match cuts {
        Some(cuts) => cuts.iter().for_each(|cut| lowering.secret.bit(!cut.rising)),
        None => lowering.secret.skip(window.input[2] as u64),
    }
    let tiles = tiles(lowering, id, bits, window, 1, |_, n| (Template::FlippedOr { n }, Some(flips)))?;
    lowering.push("max_pool2d", 0, &shape(window), Encoding::BIT, tiles)
}

/// Lowers the sum-pooling of layer `id`.
pub(super) fn sum_pool(
    lowering: &mut Lowering<'_>,
    id: LayerId,
    window: &Window2d,
) -> Result<Place, LowerError> {
    let x = lowering.input_of(id);
    let Encoding { width, lo, step, top_inverted } = x.encoding;
    let classes = window::classes(window);
    let counts: Vec<usize> = classes.iter().map(Class::tap_count).collect();
    let n = counts.iter().copied().max().unwrap_or(0);
    Sum { n, x: x.encoding }.check().map_err(|reason| lowering.unsupported(id, reason))?;
    let own = |&n: &usize| (lo * n as i64, n as i64 * x.encoding.max(), step);
    let (out, placings) = common_encoding(&counts.iter().map(own).collect::<Vec<_>>());
    let placing = |taps: usize| {
        let class = counts.iter().position(|&count| count == taps);
        class.map_or(Placing::AS_IT_IS, |class| placings[class])
    };
    let template =
        |taps: usize| Template::Sum { n: taps, width, top_inverted, placing: placing(taps), out: out.width };
    let tiles = tiles(lowering, id, &x, window, out.width, |_, taps| (template(taps), None))?;
    lowering.push("sum_pool2d", n, &shape(window), out, tiles)
}

fn shape(window: &Window2d) -> [usize; 3] {
    [window.output[0], window.output[1], window.input[2]]
}

/// One tile a class of positions; `template` gives its shape for a number of taps, and where its per-channel secret bits
/// begin if it has any.
fn tiles(
    lowering: &mut Lowering<'_>,
    id: LayerId,
    x: &Place,
    window: &Window2d,
    out_width: usize,
    template: impl Fn(&Class, usize) -> (Template, Option<u64>),
) -> Result<Vec<Tile>, LowerError> {
    let channels = window.input[2];
    let width = x.encoding.width;
    let run = |extent: usize| Axis { extent: extent as u32, stride: 1 };
    let mut tiles = Vec::new();
    for class in window::classes(window) {
        let n = class.tap_count();
        if n == 0 {
            return Err(lowering.unsupported(id, "a window lies outside of the image".into()));
        }
        let (shape, flips) = template(&class, n);
        let (read, [rows, columns]) = class.reads(window, channels * width);
        let (write, [out_rows, out_columns]) = class.writes(window, channels * out_width);
        let [tap_rows, tap_columns] = class.tap_axes(window, channels * width);
        let grid = [class.grid().as_slice(), &[channels as u32]].concat();
        let mut inputs = vec![Port {
            source: x.source,
            map: IndexMap {
                base: read,
                outer: vec![rows, columns, width as u64],
                inner: vec![tap_rows, tap_columns, run(width)],
            },
        }];
        if let Some(base) = flips {
            let map = IndexMap { base, outer: vec![0, 0, 1], inner: vec![run(1)] };
            inputs.push(Port { source: Source::Secret, map });
        }
        let output = IndexMap {
            base: write,
            outer: vec![out_rows, out_columns, out_width as u64],
            inner: vec![run(out_width)],
        };
        lowering.check_tiles(tiles.len())?;
        tiles.push(Tile { template: lowering.templates.get(&shape)?, grid, inputs, output });
    }
    Ok(tiles)
}
