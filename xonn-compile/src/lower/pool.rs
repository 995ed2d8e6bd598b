//! Pooling: the maximum of bits is their OR, the sum of numbers is a sum.

use xonn_circuits::program::{Axis, Block, IndexMap, Port, Source};

use super::linear::Sum;
use super::template::{Shape, sum_width};
use super::window::{self, Class};
use super::{Encoding, LowerError, Lowering, Tensor};
use crate::integer::{Cut, NodeId, Window2d};

/// Lowers the max-pooling of node `id`, whose input must be bits.
pub(super) fn max_pool(
    lowering: &mut Lowering<'_>,
    id: NodeId,
    window: &Window2d,
) -> Result<Tensor, LowerError> {
    let x = lowering.input_of(id);
    if x.encoding != Encoding::BIT {
        let reason = "max-pooling of numbers has no circuit yet, expected a sign in front of it or behind it";
        return Err(lowering.unsupported(id, reason.into()));
    }
    let blocks = blocks(lowering, id, &x, window, 1, |_, n| (Shape::Or { n }, None))?;
    Ok(lowering.push("max_pool2d", 0, &shape(window), Encoding::BIT, blocks))
}

/// Pools bits that were sums before their cuts: OR where a channel's cut rises, AND where it falls. Which of them it is
/// stays secret, as the sign of gamma does.
pub(super) fn pool_bits(
    lowering: &mut Lowering<'_>,
    id: NodeId,
    bits: &Tensor,
    window: &Window2d,
    cuts: &[Cut],
) -> Result<Tensor, LowerError> {
    let flips = lowering.secret.next();
    cuts.iter().for_each(|cut| lowering.secret.bit(!cut.rising));
    let blocks = blocks(lowering, id, bits, window, 1, |_, n| (Shape::FlippedOr { n }, Some(flips)))?;
    Ok(lowering.push("max_pool2d", 0, &shape(window), Encoding::BIT, blocks))
}

/// Lowers the sum-pooling of node `id`.
pub(super) fn sum_pool(
    lowering: &mut Lowering<'_>,
    id: NodeId,
    window: &Window2d,
) -> Result<Tensor, LowerError> {
    let x = lowering.input_of(id);
    let Encoding { width, lo, step, top_inverted } = x.encoding;
    let n = window.kernel[0] * window.kernel[1];
    if window.is_padded() {
        return Err(lowering
            .unsupported(id, "summing over the edge has no circuit yet, expected padding \"valid\"".into()));
    }
    Sum { n, x: x.encoding }.check().map_err(|reason| lowering.unsupported(id, reason))?;
    let out = Encoding { width: sum_width(n, width), lo: lo * n as i64, step, top_inverted: false };
    let blocks =
        blocks(lowering, id, &x, window, out.width, |_, n| (Shape::Sum { n, width, top_inverted }, None))?;
    Ok(lowering.push("sum_pool2d", n, &shape(window), out, blocks))
}

fn shape(window: &Window2d) -> [usize; 3] {
    [window.output[0], window.output[1], window.input[2]]
}

/// One block a class of positions; `template` gives its shape for a number of taps, and where its per-channel secret bits
/// begin if it has any.
fn blocks(
    lowering: &mut Lowering<'_>,
    id: NodeId,
    x: &Tensor,
    window: &Window2d,
    out_width: usize,
    template: impl Fn(&Class, usize) -> (Shape, Option<u64>),
) -> Result<Vec<Block>, LowerError> {
    let channels = window.input[2];
    let width = x.encoding.width;
    let run = |extent: usize| Axis { extent: extent as u32, stride: 1 };
    let mut blocks = Vec::new();
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
        blocks.push(Block { template: lowering.templates.get(&shape), grid, inputs, output });
    }
    Ok(blocks)
}
