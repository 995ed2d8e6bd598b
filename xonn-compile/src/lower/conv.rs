//! Convolutions: one tile a class of output positions, the weights shared along the positions.

use xonn_circuits::gadgets::popcount::width_of;
use xonn_circuits::tiled::{Axis, IndexMap, Port, Source, Tile};

use super::encoding::common_encoding;
use super::linear::{Sum, negatives, with_weights};
use super::shares::{self, After};
use super::template::{Shape, sum_width};
use super::window::{self, Class};
use super::{Encoding, LowerError, Lowering, Tensor};
use crate::integer::{Cut, Kernel, NodeId, Pad, Planes, Window2d};

/// The kernels of a convolution.
pub(super) struct Kernels<'a> {
    /// `[filter][kernel row][kernel column][channel of its group]`.
    pub kernel: &'a Kernel,
    pub filters: usize,
    pub groups: usize,
    pub pad: Pad,
}

/// Lowers the convolution of node `id`, with a threshold behind it if `cuts` are given.
///
/// Border positions add up fewer taps (`Pad::Drop`), so each class of positions has its own fan-in, template, and secret
/// addends for the same cuts. Padding with a bit adds a number that the garbler knows: it goes into the cut, or into the
/// correction of a sum.
pub(super) fn conv2d(
    lowering: &mut Lowering<'_>,
    id: NodeId,
    kernels: &Kernels<'_>,
    window: &Window2d,
    cuts: Option<&[Cut]>,
) -> Result<Tensor, LowerError> {
    let x = lowering.input_of(id);
    let Kernels { kernel, filters, groups, pad } = *kernels;
    let (weights, planes) = (&kernel.weights, kernel.planes);
    let (channels, per_group) = (window.input[2] / groups, filters / groups);
    let kernel_size = window.kernel[0] * window.kernel[1] * channels;
    let classes = window::classes(window);
    let widest = classes.iter().map(Class::tap_count).max().unwrap_or(0) * channels;
    // The padding's share of a sum, counted by planes: secret within `-share ..= share`, or nothing.
    let share = |n: usize| match pad {
        Pad::Drop => 0,
        Pad::Bit(_) => (kernel_size - n) as i64 * planes.largest(),
    };
    let whole = Sum::of(if pad == Pad::Drop { widest } else { kernel_size }, planes, x.encoding);
    let possible = whole.check().and_then(|()| whole.check_stored(cuts));
    possible.map_err(|reason| lowering.unsupported(id, reason))?;
    // Each class's sum by itself, and with all others in one encoding.
    let sums = classes.iter().map(|class| {
        let n = class.tap_count() * channels;
        let own = Sum::of(n, planes, x.encoding);
        let Encoding { lo, step, .. } = own.encoding();
        // y = step * (U + correction) + lo, a share of bits being one more correction.
        (lo - share(n), own.max() + share(n), step)
    });
    let (sum_encoding, placings) = common_encoding(&sums.collect::<Vec<_>>());
    let encoding = if cuts.is_some() { Encoding::BIT } else { sum_encoding };

    let signs = lowering.secret.next();
    for &weight in weights {
        planes.negative(weight).for_each(|negative| lowering.secret.bit(negative));
    }

    let width = x.encoding.width;
    let pixel = window.input[2] * width;
    let mut tiles = Vec::with_capacity(classes.len());
    for (class, &placing) in classes.iter().zip(&placings) {
        let n = class.tap_count() * channels;
        let sum = Sum::of(n, planes, x.encoding);
        let constants = lowering.secret.next();
        let mut correction = sum.correction_width();
        if share(n) > 0 {
            correction = width_of(share(n) as u64);
        }
        for (filter, kernel) in weights.chunks(kernel_size).enumerate() {
            let (inside, outside) = apart(planes, kernel, window, class, channels);
            // What the padding adds to y.
            let padding = match pad {
                Pad::Drop => 0,
                Pad::Bit(bit) => {
                    if bit {
                        outside
                    } else {
                        -outside
                    }
                }
            };
            match cuts {
                Some(cuts) => {
                    let cut = cuts[filter % cuts.len()];
                    let cut = Cut { at: cut.at.saturating_sub(padding), ..cut };
                    let (addend, flip) = sum.threshold(cut, inside);
                    lowering.secret.number(addend, sum_width(sum.n, width));
                    lowering.secret.bit(flip);
                }
                // Bits have no correction of their own: y = 2 U - n + padding.
                None if share(n) > 0 => lowering.secret.number((padding + share(n)) / 2, correction),
                None => lowering.secret.number(sum.correction(inside), correction),
            }
        }
        let after = match cuts {
            Some(_) => After::Threshold,
            None => After::Stored { correction, placing, out: encoding.width },
        };
        let linear = shares::linear(lowering, &x, planes, sum, after);
        let constant_bits = (lowering.secret.next() - constants) as usize / filters;
        let shape = match cuts {
            Some(_) => Shape::linear_threshold(n, planes, x.encoding),
            None => sum.shape(n, planes, correction, placing, encoding.width),
        };

        let grid = [class.grid().as_slice(), &[groups as u32, per_group as u32]].concat();
        let (read, [rows, columns]) = class.reads(window, pixel);
        let (write, [out_rows, out_columns]) = class.writes(window, filters * encoding.width);
        let run = |extent: usize| Axis { extent: extent as u32, stride: 1 };
        let per_filter = |bits: usize| vec![0, 0, (per_group * bits) as u64, bits as u64];
        let mut inputs = Vec::new();
        if n > 0 {
            let [tap_rows, tap_columns] = class.tap_axes(window, pixel);
            let group = (channels * width) as u64;
            inputs.push(Port {
                source: x.source,
                map: IndexMap {
                    base: read,
                    outer: vec![rows, columns, group, 0],
                    inner: vec![tap_rows, tap_columns, run(channels * width)],
                },
            });
            // Each weight has one bit a plane.
            let tap = channels * planes.count();
            let first = (class.taps[0].start * window.kernel[1] + class.taps[1].start) * tap;
            let kernel_row = (window.kernel[1] * tap) as u64;
            inputs.push(Port {
                source: Source::Secret,
                map: IndexMap {
                    base: signs + first as u64,
                    outer: per_filter(kernel_size * planes.count()),
                    inner: vec![
                        Axis { extent: class.taps[0].len() as u32, stride: kernel_row },
                        Axis { extent: class.taps[1].len() as u32, stride: tap as u64 },
                        run(tap),
                    ],
                },
            });
        }
        // A filter's addend and flip, or its correction.
        let mut at = constants;
        let parts = match cuts {
            Some(_) => [constant_bits - 1, 1],
            None => [constant_bits, 0],
        };
        for part in parts.into_iter().filter(|&part| part > 0) {
            let map = IndexMap { base: at, outer: per_filter(constant_bits), inner: vec![run(part)] };
            inputs.push(Port { source: Source::Secret, map });
            at += part as u64;
        }
        let bits = encoding.width as u64;
        let output = IndexMap {
            base: write,
            outer: vec![out_rows, out_columns, per_group as u64 * bits, bits],
            inner: vec![run(encoding.width)],
        };
        tiles.push(Tile { template: lowering.templates.get(&shape), grid, inputs, output, linear });
    }
    let [rows, columns] = window.output;
    let kind = if cuts.is_some() { "conv2d + threshold" } else { "conv2d" };
    Ok(lowering.push(&with_weights(kind, kernel.planes), widest, &[rows, columns, filters], encoding, tiles))
}

/// The minus signs of a kernel inside of the taps of a class, and the sum of the weights outside of them.
fn apart(planes: Planes, kernel: &[i32], window: &Window2d, class: &Class, channels: usize) -> (i64, i64) {
    let (mut inside, mut outside) = (0, 0);
    for (tap, weights) in kernel.chunks(channels).enumerate() {
        let [row, column] = [tap / window.kernel[1], tap % window.kernel[1]];
        if class.taps[0].contains(&row) && class.taps[1].contains(&column) {
            inside += negatives(planes, weights);
        } else {
            outside += weights.iter().map(|&w| i64::from(w)).sum::<i64>();
        }
    }
    (inside, outside)
}
