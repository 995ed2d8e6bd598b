//! Scores in fixed point: `scale * y + offset` with a secret scale and offset for each channel.

use xonn_circuits::gadgets::multiply::sign_correction;
use xonn_circuits::gadgets::popcount::width_of;
use xonn_circuits::tiled::{Axis, IndexMap, Port, Source, Tile};

use super::number::{Rounded, rounding_of};
use super::template::Template;
use super::{Encoding, LowerError, Lowering, Place};
use crate::program::LayerId;

/// Lowers the lines of layer `id`, one a channel, `|scale| < 2^(bits - 1)`, with the rounding of layer `last`
/// behind them if that is another.
pub(super) fn scale(
    lowering: &mut Lowering<'_>,
    id: LayerId,
    lines: usize,
    bits: u32,
    last: LayerId,
) -> Result<Place, LowerError> {
    let x = lowering.input_of(id);
    let Encoding { width, lo, step, top_inverted } = x.encoding;
    let (channels, positions) = (lines, x.elements() / lines);
    // A step that is a power of two is a shift, any other goes into the secret scale.
    let (shift, factor_of_step) = match (step as u64).is_power_of_two() {
        true => (step.trailing_zeros() as usize, 1),
        false => (0, step),
    };
    let factor = bits as usize + if factor_of_step > 1 { width_of(step as u64) } else { 0 };
    let Rounded { half, drop, out } = rounding_of(lowering, last);
    if out > 62 {
        return Err(lowering.unsupported(id, format!("scores of {out} bits are too wide, at most 62")));
    }
    let base = lowering.secret.next();
    match lowering.tensor(id) {
        Some(tensor) => {
            for line in tensor.lines() {
                lowering.secret.number(line.scale.wrapping_mul(factor_of_step), factor);
                // scale * (step * u + lo) + offset
                // modulo 2^64: the result has fewer bits, and fits them.
                let correction = sign_correction(width, shift, factor);
                let constant = line.scale.wrapping_mul(lo).wrapping_add(line.offset).wrapping_sub(correction);
                let constant = constant.wrapping_add(half);
                lowering.secret.number(constant, out);
            }
        }
        None => lowering.secret.skip((channels * (factor + out)) as u64),
    }
    let line = |extent: usize| vec![Axis { extent: extent as u32, stride: 1 }];
    let element = |bits: usize| vec![(channels * bits) as u64, bits as u64];
    let secret = factor + out;
    let inputs = vec![
        Port { source: x.source, map: IndexMap { base: 0, outer: element(width), inner: line(width) } },
        Port {
            source: Source::Secret,
            map: IndexMap { base, outer: vec![0, secret as u64], inner: line(secret) },
        },
    ];
    let template =
        lowering.templates.get(&Template::Affine { width, top_inverted, shift, factor, out, drop })?;
    let tile = Tile {
        template,
        grid: vec![positions as u32, channels as u32],
        inputs,
        output: IndexMap { base: 0, outer: element(out - drop), inner: line(out - drop) },
    };
    let kind = if drop > 0 { "scale + round" } else { "scale" };
    lowering.push(kind, 0, &x.shape, Encoding::signed(out - drop), vec![tile])
}
