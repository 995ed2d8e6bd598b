//! Dense layers and convolutions: one tile a class of output positions, the weights shared along the positions.

use xonn_circuits::gadgets::popcount::width_of;
use xonn_circuits::tiled::{Axis, IndexMap, Port, Source, Tile};

use super::encoding::common_encoding;
use super::sum::{Sum, negatives, with_weights};
use super::template::{Template, sum_width};
use super::window::{self, Class};
use super::{Encoding, LowerError, Lowering, Place};
use crate::op::{Cut, Linear, Pad};
use crate::program::LayerId;

/// What is added to the sums of one class of positions, for each filter.
#[derive(Clone, Copy)]
struct Constants<'c> {
    /// The layer's weights, if they are known.
    weights: Option<&'c [i32]>,
    /// The cuts of the threshold behind, if there is one: known as the weights are.
    cuts: Option<&'c [Cut]>,
    threshold: bool,
    /// Bits of a correction, where no threshold follows.
    correction: usize,
    /// The padding's share of a sum: secret within `-share ..= share`.
    share: i64,
}

/// Lowers the sums of layer `id`, with the threshold of layer `threshold` behind it if that is given.
///
/// Border positions add up fewer taps (`Pad::Drop`), so each class of positions has its own fan-in, template, and secret
/// addends for the same cuts. Padding with a bit adds a number that the garbler knows: it goes into the cut, or into the
/// correction of a sum.
pub(super) fn linear(
    lowering: &mut Lowering<'_>,
    id: LayerId,
    op: &Linear,
    threshold: Option<LayerId>,
) -> Result<Place, LowerError> {
    let x = lowering.input_of(id);
    let Linear { weights: planes, ref window, filters, groups, pad } = *op;
    let (channels, per_group, kernel_size) = (op.channels(), filters / groups, op.fan_in());
    let known = lowering.tensor(id).map(|tensor| tensor.weights());
    let cuts = threshold.and_then(|id| lowering.tensor(id)).map(|tensor| tensor.cuts());
    let classes = window::classes(window);
    let widest = classes.iter().map(Class::tap_count).max().unwrap_or(0) * channels;
    // The padding's share of a sum, counted by planes: secret within `-share ..= share`, or nothing.
    let share = |n: usize| match pad {
        Pad::Drop => 0,
        Pad::Bit(_) => (kernel_size - n) as i64 * planes.largest(),
    };
    let whole = Sum::of(if pad == Pad::Drop { widest } else { kernel_size }, planes, x.encoding);
    let possible = whole.check().and_then(|()| whole.check_stored(threshold.is_some()));
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
    let encoding = if threshold.is_some() { Encoding::BIT } else { sum_encoding };

    let signs = lowering.secret.next();
    match known {
        Some(weights) => {
            for &weight in weights {
                planes.negative(weight).for_each(|negative| lowering.secret.bit(negative));
            }
        }
        None => lowering.secret.skip((op.weight_count() * planes.count()) as u64),
    }

    let width = x.encoding.width;
    let pixel = window.input[2] * width;
    let mut tiles = Vec::with_capacity(classes.len());
    for (class, &placing) in classes.iter().zip(&placings) {
        let n = class.tap_count() * channels;
        let sum = Sum::of(n, planes, x.encoding);
        let first_constant = lowering.secret.next();
        let correction = match share(n) {
            0 => sum.correction_width(),
            share => width_of(share as u64),
        };
        let share = share(n);
        let constants = Constants { weights: known, cuts, threshold: threshold.is_some(), correction, share };
        let constant_bits = constants.add(lowering, op, class, sum);
        let template = match threshold {
            Some(_) => Template::linear_threshold(n, planes, x.encoding),
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
        let mut at = first_constant;
        let parts = match threshold {
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
        let template = lowering.templates.get(&template)?;
        lowering.check_tiles(tiles.len())?;
        tiles.push(Tile { template, grid, inputs, output });
    }
    let kind = match (window.is_dense(), threshold.is_some()) {
        (true, true) => "dense + threshold",
        (true, false) => "dense",
        (false, true) => "conv2d + threshold",
        (false, false) => "conv2d",
    };
    let shape = lowering.program.layers()[id].shape.clone();
    lowering.push(&with_weights(kind, planes), widest, &shape, encoding, tiles)
}

impl Constants<'_> {
    /// Adds the secret bits of all filters; gives how many one of them has.
    fn add(self, lowering: &mut Lowering<'_>, op: &Linear, class: &Class, sum: Sum) -> usize {
        let addend = sum_width(sum.n, sum.x.width);
        let bits = if self.threshold { addend + 1 } else { self.correction };
        let Some(weights) = self.weights else {
            lowering.secret.skip((op.filters * bits) as u64);
            return bits;
        };
        for (filter, kernel) in weights.chunks(op.fan_in()).enumerate() {
            let (inside, outside) = apart(op, kernel, class);
            // What the padding adds to y.
            let padding = match op.pad {
                Pad::Drop => 0,
                Pad::Bit(true) => outside,
                Pad::Bit(false) => -outside,
            };
            match self.cuts {
                Some(cuts) => {
                    let cut = cuts[filter % cuts.len()];
                    let cut = Cut { at: cut.at.saturating_sub(padding), ..cut };
                    let (number, flip) = sum.threshold(cut, inside);
                    lowering.secret.number(number, addend);
                    lowering.secret.bit(flip);
                }
                // Bits have no correction of their own: y = 2 U - n + padding.
                None if self.share > 0 => {
                    lowering.secret.number((padding + self.share) / 2, self.correction);
                }
                None => lowering.secret.number(sum.correction(inside), self.correction),
            }
        }
        bits
    }
}

/// The minus signs of a kernel inside of the taps of a class, and the sum of the weights outside of them.
fn apart(op: &Linear, kernel: &[i32], class: &Class) -> (i64, i64) {
    let (mut inside, mut outside) = (0, 0);
    for (tap, weights) in kernel.chunks(op.channels()).enumerate() {
        let [row, column] = [tap / op.window.kernel[1], tap % op.window.kernel[1]];
        if class.taps[0].contains(&row) && class.taps[1].contains(&column) {
            inside += negatives(op.weights, weights);
        } else {
            outside += weights.iter().map(|&w| i64::from(w)).sum::<i64>();
        }
    }
    (inside, outside)
}
