//! The search for the cheapest parameters: bytes both ways, and what a bit of fraction costs where the sums
//! are compared. Everything in it is public, and weights count as large as they may be.

use xonn_crypto::bits::byte_len;
use xonn_crypto::rlwe::{ClientKey, Params, Rounding};
use xonn_program::op::Linear;

use super::shape::Shape;
use super::sums::{Numbers, layout};
use super::{Choice, Packing, margin, rounded};
use crate::compare_ot::sign;
use crate::steps::digits::MOST_BITS;
use crate::steps::windows::Windows;

/// Most guard bits of both parts that are tried.
const MOST_GUARD: [u32; 2] = [12, 6];

/// How many bits of fraction are tried, from the fewest that leave a margin.
const FRACTIONS: u32 = 3;

/// What a row of a pool costs, in bits.
const ROW_BITS: f64 = 0.4;

/// The cheapest choice for a layer that reads numbers of 0 to `span_x`: with an l of at least `bits`, and a
/// margin of `sigmas` standard deviations whatever the weights, also where `terms` of its sums are added up
/// before they are read. None if no ring of the menu holds it.
#[must_use]
pub fn search(linear: &Linear, span_x: u64, bits: u32, sigmas: f64, terms: u32) -> Option<Choice> {
    let numbers = Numbers::of(linear);
    let l = bits.max(Numbers::bits(linear.span(span_x)?));
    let terms = terms.max(1);
    let least = u32::BITS - (2 * terms.min(1 << 20) - 1).leading_zeros();
    let dense = Shape::has_one_position(linear);
    let shape = Shape::of(linear, dense)?;
    let elements = linear.elements();
    let mut best: Option<(f64, usize, Choice)> = None;
    for params in Params::ALL {
        for (filters, of_filters) in packings(linear, &shape, dense, params.n()) {
            let squares = (numbers.largest as f64).powi(2) * numbers.fan_in as f64 * filters as f64;
            for fraction in least..least + FRACTIONS {
                let price = price(l.checked_add(fraction)?)?;
                for gb in 0..=MOST_GUARD[1] {
                    let enough = |ga: &u32| {
                        Rounding::new(params, l, fraction as i32, *ga, gb)
                            .is_ok_and(|rounding| margin::of(params, &rounding, squares, terms) >= sigmas)
                    };
                    let Some(ga) = (gb..=MOST_GUARD[0]).find(enough) else { continue };
                    for packed in &of_filters {
                        let up = ClientKey::masks_bytes(params, packed.inputs);
                        let a = packed.outputs * byte_len(params.n(), l + fraction + ga);
                        let b = elements as f64 * f64::from(l + fraction + gb) / 8.0;
                        let cost = (up + a) as f64 + b + elements as f64 * price / 8.0;
                        let products = packed.inputs.saturating_mul(packed.outputs);
                        if best.is_none_or(|(least, fewest, _)| (cost, products) < (least, fewest)) {
                            let (guard, packing) = ([ga, gb], packed.packing);
                            best =
                                Some((cost, products, Choice { params, bits: l, fraction, guard, packing }));
                        }
                    }
                }
            }
        }
    }
    let (.., choice) = best?;
    // What is found is what both sides will check.
    choice.rounding().ok()?;
    layout(linear, &choice).ok()?;
    Some(choice)
}

/// The cheapest choice for sums of numbers that are left in a ring of `k` bits, without their lowest `drop`
/// bits: in a ring of degree `n` at least, with noise of [`MOST_STD`](super::MOST_STD) at most whatever the
/// weights, of which `terms` of a sum are not 0. None if no ring of the menu holds it.
#[must_use]
pub fn search_rounded(linear: &Linear, terms: usize, (k, drop): (u32, u32), n: usize) -> Option<Choice> {
    let squares = (linear.weights.largest() as f64).powi(2) * terms as f64;
    let l = k.checked_add(drop)?;
    let dense = Shape::has_one_position(linear);
    let shape = Shape::of(linear, dense)?;
    let mut best: Option<((f64, usize), Choice)> = None;
    for params in Params::ALL.into_iter().filter(|params| params.n() >= n) {
        for (filters, of_filters) in packings(linear, &shape, dense, params.n()) {
            let squares = squares * filters as f64;
            for gb in 0..=MOST_GUARD[1] {
                let quiet = |ga: &u32| {
                    Rounding::new(params, l, -(drop as i32), *ga, gb)
                        .is_ok_and(|rounding| rounded::std(params, &rounding, squares) <= rounded::MOST_STD)
                };
                let Some(ga) = (gb..=MOST_GUARD[0]).find(quiet) else { continue };
                for packed in &of_filters {
                    let up = ClientKey::masks_bytes(params, packed.inputs);
                    let a = packed.outputs * byte_len(params.n(), k + ga);
                    let b = linear.elements() as f64 * f64::from(k + gb) / 8.0;
                    let cost = ((up + a) as f64 + b, packed.inputs.saturating_mul(packed.outputs));
                    if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                        let packing = packed.packing;
                        best =
                            Some((cost, Choice { params, bits: l, fraction: 0, guard: [ga, gb], packing }));
                    }
                }
            }
        }
    }
    let (_, choice) = best?;
    choice.rounding_without(drop).ok()?;
    layout(linear, &choice).ok()?;
    Some(choice)
}

/// Bits an element that a ring of k bits costs where numbers are compared with thresholds: by OT, or garbled
/// where there are too many bits for that.
fn price(k: u32) -> Option<f64> {
    const FEW: usize = 8;
    const GARBLED_BIT: f64 = 480.0;
    let w = (k - 1).min(MOST_BITS);
    let plan = sign::Plan::new(w, Windows::single(FEW).ok()?, 1).ok()?;
    let cost = plan.cost();
    let rows = (cost.leaf_rows + cost.mask_rows) as f64;
    let compared = (cost.bits().iter().sum::<usize>() as f64 + ROW_BITS * rows) / FEW as f64;
    Some(compared + f64::from(k - 1 - w) * GARBLED_BIT)
}

/// A packing and how many polynomials of inputs and outputs it takes.
struct Packed {
    packing: Packing,
    inputs: usize,
    outputs: usize,
}

/// For each number of filters in a polynomial the packings that may be best, in a ring of degree n.
fn packings(linear: &Linear, shape: &Shape, dense: bool, n: usize) -> Vec<(usize, Vec<Packed>)> {
    let small = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
    let of_group = linear.filters / linear.groups;
    if dense {
        let packed = |rows: usize| {
            let inputs = even(linear.fan_in(), n / rows);
            Packed {
                packing: Packing::Dense([inputs, rows].map(small)),
                inputs: linear.fan_in().div_ceil(inputs),
                outputs: of_group.div_ceil(rows),
            }
        };
        return parts(of_group, n).into_iter().map(|rows| (rows, vec![packed(rows)])).collect();
    }
    let [height, width] = linear.window.output;
    let [kh, kw] = shape.phase_kernel();
    let phases = linear.channels() * shape.strides().iter().product::<usize>();
    let mut tiles = Vec::new();
    for th in parts(height, n) {
        for tw in parts(width, n) {
            let hw = (th + kh - 1).saturating_mul(tw + kw - 1);
            if hw <= n {
                tiles.push((th, tw, hw, height.div_ceil(th) * width.div_ceil(tw) * linear.groups));
            }
        }
    }
    let packed = |filters: usize| {
        let fit = tiles.iter().filter(|(.., hw, _)| hw * filters <= n);
        let each = fit.map(|&(th, tw, hw, count)| {
            let channels = even(phases, n / (hw * filters));
            Packed {
                packing: Packing::Tiles([th, tw, channels, filters].map(small)),
                inputs: count.saturating_mul(phases.div_ceil(channels)),
                outputs: count.saturating_mul(of_group.div_ceil(filters)),
            }
        });
        best_of(each.collect())
    };
    parts(of_group, n)
        .into_iter()
        .map(|filters| (filters, packed(filters)))
        .filter(|(_, all)| !all.is_empty())
        .collect()
}

/// Those that no other one beats in both numbers of polynomials.
fn best_of(mut all: Vec<Packed>) -> Vec<Packed> {
    all.sort_by_key(|packed| (packed.inputs, packed.outputs));
    let mut fewest = usize::MAX;
    all.retain(|packed| {
        let fewer = packed.outputs < fewest;
        fewest = fewest.min(packed.outputs);
        fewer
    });
    all
}

/// The size of equal parts of `all`, as few as with parts of up to `most`.
fn even(all: usize, most: usize) -> usize {
    all.div_ceil(all.div_ceil(most.clamp(1, all)))
}

/// The sizes of up to `most` in which `all` can be cut into equal parts, one for each number of parts.
fn parts(all: usize, most: usize) -> Vec<usize> {
    let mut sizes = Vec::new();
    let mut size = all.min(most);
    while size > 0 {
        size = even(all, size);
        sizes.push(size);
        // The largest size that makes one part more.
        size = (all - 1) / all.div_ceil(size);
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;
    use xonn_program::op::{Pad, Planes, Window2d};

    fn same(image: [usize; 3], kernel: usize, filters: usize) -> Linear {
        let [height, width, _] = image;
        let window = Window2d {
            input: image,
            kernel: [kernel; 2],
            stride: [1; 2],
            dilation: [1; 2],
            pad_low: [(kernel - 1) / 2; 2],
            output: [height, width],
        };
        Linear { weights: Planes::Sign, window, filters, groups: 1, pad: Pad::Drop }
    }

    fn bytes(linear: &Linear, choice: &Choice) -> [usize; 2] {
        let (_, layout) = layout(linear, choice).expect("it was found");
        let masks = ClientKey::masks_bytes(choice.params, layout.inputs());
        [masks, ClientKey::answer_bytes(&layout, &choice.rounding().expect("it was found"))]
    }

    /// Kilobytes of BC1's layers by a cost model that was written apart from this, in Python.
    #[test]
    fn the_layers_of_a_network() {
        let sigmas = margin::sigmas_for(173_066);
        for (linear, span, expected) in [
            (same([32, 32, 3], 3, 64), 255, 449.5),
            (same([32, 32, 64], 3, 64), 1, 843.8),
            (same([16, 16, 64], 3, 64), 1, 262.1),
            (same([8, 8, 64], 3, 64), 1, 129.5),
            (same([8, 8, 64], 1, 64), 1, 84.0),
            (same([8, 8, 64], 1, 16), 1, 40.4),
            (Linear::dense(1024, 10, Planes::Sign), 1, 18.3),
        ] {
            let choice = search(&linear, span, 1, sigmas, 1).expect("a choice");
            let found = bytes(&linear, &choice).iter().sum::<usize>() as f64 / 1000.0;
            println!("{found:.1} {expected} {choice:?}");
            assert!((found / expected - 1.0).abs() < 0.08, "{found} kB, expected {expected}: {choice:?}");
        }
    }

    /// VGG16 on 224 x 224 pixels: 13.6 million sums. Some 0.1 s; the bound is far above what a busy machine
    /// takes.
    #[test]
    fn a_large_network_is_searched_fast() {
        let mut layers = vec![(same([224, 224, 3], 3, 64), 255)];
        for (side, channels, filters) in [
            (224, 64, 64),
            (112, 64, 128),
            (112, 128, 128),
            (56, 128, 256),
            (56, 256, 256),
            (56, 256, 256),
            (28, 256, 512),
            (28, 512, 512),
            (28, 512, 512),
            (14, 512, 512),
            (14, 512, 512),
            (14, 512, 512),
        ] {
            layers.push((same([side, side, channels], 3, filters), 1));
        }
        for (inputs, units) in [(25_088, 4096), (4096, 4096), (4096, 1000)] {
            layers.push((Linear::dense(inputs, units, Planes::Sign), 1));
        }
        let sigmas = margin::sigmas_for(layers.iter().map(|(linear, _)| linear.elements()).sum());
        let begin = std::time::Instant::now();
        for (linear, span) in layers {
            let choice = search(&linear, span, 1, sigmas, 1).expect("a choice");
            println!("{:?} {choice:?} {:?}", bytes(&linear, &choice), begin.elapsed());
        }
        assert!(begin.elapsed().as_secs() < 20, "{:?}", begin.elapsed());
    }

    #[test]
    fn parts_are_even_and_each_number_of_them_once() {
        assert_eq!(parts(10, 100), [10, 5, 4, 3, 2, 1]);
        assert_eq!(parts(10, 4), [4, 3, 2, 1]);
        assert_eq!(parts(1, 4), [1]);
        for (all, most) in [(1000, 33), (77, 77), (4096, 1024)] {
            let sizes = parts(all, most);
            let every: std::collections::BTreeSet<usize> =
                (1..=all.min(most)).map(|size| even(all, size)).collect();
            assert!(sizes.iter().rev().copied().eq(every), "{all} {most}");
        }
    }
}
