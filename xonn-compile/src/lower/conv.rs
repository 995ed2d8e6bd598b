//! Convolutions: one block a class of output positions, the weights shared along the positions.

use xonn_circuits::program::{Axis, Block, IndexMap, Port, Source};

use super::linear::Sum;
use super::template::{Shape, sum_width};
use super::window::{self, Class};
use super::{Encoding, LowerError, Lowering, Tensor};
use crate::integer::{Cut, NodeId, Pad, Window2d};

/// The kernels of a convolution.
pub(super) struct Kernels<'a> {
    /// `[filter][kernel row][kernel column][channel of its group]`, true = +1.
    pub weights: &'a [bool],
    pub filters: usize,
    pub groups: usize,
    pub pad: Pad,
}

/// Lowers the convolution of node `id`, with a threshold behind it if `cuts` are given.
///
/// Border positions add up fewer taps (`Pad::Drop`), so each class of positions has its own fan-in, template, and secret
/// addends for the same cuts. Padding with a bit adds a number that the garbler knows: it goes into the cut.
pub(super) fn conv2d(
    lowering: &mut Lowering<'_>,
    id: NodeId,
    kernels: &Kernels<'_>,
    window: &Window2d,
    cuts: Option<&[Cut]>,
) -> Result<Tensor, LowerError> {
    let x = lowering.input_of(id);
    let Kernels { weights, filters, groups, pad } = *kernels;
    let (channels, per_group) = (window.input[2] / groups, filters / groups);
    let kernel_size = window.kernel[0] * window.kernel[1] * channels;
    let classes = window::classes(window);
    if cuts.is_none() && (classes.len() > 1 || matches!(pad, Pad::Bit(_)) && window.is_padded()) {
        let reason =
            "a padded convolution without a sign behind it has no circuit yet, expected padding \"valid\"";
        return Err(lowering.unsupported(id, reason.into()));
    }
    let widest = classes.iter().map(Class::tap_count).max().unwrap_or(0) * channels;
    let full = Sum { n: widest, x: x.encoding };
    full.check().map_err(|reason| lowering.unsupported(id, reason))?;
    let encoding = if cuts.is_some() { Encoding::BIT } else { full.encoding() };

    let signs = lowering.secret.next();
    weights.iter().for_each(|&positive| lowering.secret.bit(!positive));

    let width = x.encoding.width;
    let pixel = window.input[2] * width;
    let mut blocks = Vec::with_capacity(classes.len());
    for class in &classes {
        let n = class.tap_count() * channels;
        let sum = Sum { n, x: x.encoding };
        let constants = lowering.secret.next();
        for (filter, kernel) in weights.chunks(kernel_size).enumerate() {
            let (inside, outside) = negatives(kernel, window, class, channels);
            match cuts {
                Some(cuts) => {
                    // What the padding adds to y: +-1 for each weight outside.
                    let padding = match pad {
                        Pad::Drop => 0,
                        Pad::Bit(bit) => {
                            let sum = (kernel_size - n) as i64 - 2 * outside;
                            if bit { sum } else { -sum }
                        }
                    };
                    let cut = cuts[filter % cuts.len()];
                    let cut = Cut { at: cut.at.saturating_sub(padding), ..cut };
                    let (addend, flip) = sum.threshold(cut, inside);
                    lowering.secret.number(addend, sum_width(n, width));
                    lowering.secret.bit(flip);
                }
                None => lowering.secret.number(sum.correction(inside), sum.correction_width()),
            }
        }
        let constant_bits = (lowering.secret.next() - constants) as usize / filters;
        let shape = match cuts {
            Some(_) => Shape::linear_threshold(n, x.encoding),
            None => sum.shape(),
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
            let first = (class.taps[0].start * window.kernel[1] + class.taps[1].start) * channels;
            let kernel_row = (window.kernel[1] * channels) as u64;
            inputs.push(Port {
                source: Source::Secret,
                map: IndexMap {
                    base: signs + first as u64,
                    outer: per_filter(kernel_size),
                    inner: vec![
                        Axis { extent: class.taps[0].len() as u32, stride: kernel_row },
                        Axis { extent: class.taps[1].len() as u32, stride: channels as u64 },
                        run(channels),
                    ],
                },
            });
        }
        if constant_bits > 0 {
            inputs.push(Port {
                source: Source::Secret,
                map: IndexMap {
                    base: constants,
                    outer: per_filter(constant_bits),
                    inner: vec![run(constant_bits)],
                },
            });
        }
        let bits = encoding.width as u64;
        let output = IndexMap {
            base: write,
            outer: vec![out_rows, out_columns, per_group as u64 * bits, bits],
            inner: vec![run(encoding.width)],
        };
        blocks.push(Block { template: lowering.templates.get(&shape), grid, inputs, output });
    }
    let [rows, columns] = window.output;
    let kind = if cuts.is_some() { "conv2d + threshold" } else { "conv2d" };
    Ok(lowering.push(kind, widest, &[rows, columns, filters], encoding, blocks))
}

/// Negative weights of a kernel inside and outside of the taps of a class.
fn negatives(kernel: &[bool], window: &Window2d, class: &Class, channels: usize) -> (i64, i64) {
    let (mut inside, mut outside) = (0, 0);
    for (tap, weights) in kernel.chunks(channels).enumerate() {
        let [row, column] = [tap / window.kernel[1], tap % window.kernel[1]];
        let negative = weights.iter().filter(|&&positive| !positive).count() as i64;
        let here = class.taps[0].contains(&row) && class.taps[1].contains(&column);
        *(if here { &mut inside } else { &mut outside }) += negative;
    }
    (inside, outside)
}
