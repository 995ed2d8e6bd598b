//! Numbers of several encodings brought into one.

use xonn_circuits::gadgets::popcount::width_of;
use xonn_circuits::tiled::{Axis, IndexMap, Port, Tile};

use super::template::{Placing, Template, Term};
use super::{Encoding, LowerError, Lowering, Place};
use crate::op::gcd;
use crate::program::LayerId;

/// One encoding for numbers `step * u + lo`, `u` from 0 to `max`, given as `(lo, max, step)`; and how each is
/// placed in it.
///
/// Where windows hang over the edge, sums of fewer inputs begin at other numbers.
pub(super) fn common_encoding(numbers: &[(i64, i64, i64)]) -> (Encoding, Vec<Placing>) {
    let lo = numbers.iter().map(|(lo, ..)| *lo).min().unwrap_or(0);
    let step = numbers.iter().fold(0, |g, &(l, _, step)| gcd(gcd(g, step), l - lo)).max(1);
    let placing = |&(l, _, s): &(i64, i64, i64)| Placing {
        factor: (s / step) as u64,
        constant: ((l - lo) / step) as u64,
    };
    let placings: Vec<Placing> = numbers.iter().map(placing).collect();
    let largest = numbers.iter().zip(&placings).map(|((_, max, _), p)| p.factor * *max as u64 + p.constant);
    let width = width_of(largest.max().unwrap_or(0)).max(1);
    (Encoding { width, lo, step, top_inverted: false }, placings)
}

/// The sum of the tensors that layer `id` reads.
pub(super) fn add(lowering: &mut Lowering<'_>, id: LayerId) -> Result<Place, LowerError> {
    let tensors = lowering.inputs_of(id);
    let shape = lowering.program.layers()[id].shape.clone();
    let step = tensors.iter().fold(0, |g, x| gcd(g, x.encoding.step)).max(1);
    let lo = tensors.iter().fold(0i64, |lo, x| lo.wrapping_add(x.encoding.lo));
    let term = |x: &Place| Term {
        width: x.encoding.width,
        top_inverted: x.encoding.top_inverted,
        factor: (x.encoding.step / step) as u64,
    };
    let terms: Vec<Term> = tensors.iter().map(term).collect();
    let largest = terms.iter().try_fold(0u64, |sum, t| {
        1u64.checked_shl(t.width as u32)?.checked_sub(1)?.checked_mul(t.factor)?.checked_add(sum)
    });
    let largest = largest.filter(|&largest| largest < 1 << 60).ok_or_else(|| {
        lowering.unsupported(id, "a sum of several tensors is wider than 60 bits, lower --scale-bits".into())
    })?;
    let encoding = Encoding { width: width_of(largest).max(1), lo, step, top_inverted: false };
    let shape_of = Template::Add { terms, constant: 0, drop: 0, out: encoding.width };
    elementwise(lowering, "add", &tensors, shape_of, &shape, encoding)
}

/// The product of the two tensors of bits that layer `id` reads.
pub(super) fn product(lowering: &mut Lowering<'_>, id: LayerId) -> Result<Place, LowerError> {
    let tensors = lowering.inputs_of(id);
    let shape = lowering.program.layers()[id].shape.clone();
    elementwise(lowering, "product", &tensors, Template::Equal, &shape, Encoding::BIT)
}

/// The tensor that layer `id` reads without its lowest bits: an addition of a public number at most.
pub(super) fn truncate(lowering: &mut Lowering<'_>, id: LayerId, bits: usize) -> Result<Place, LowerError> {
    let x = lowering.input_of(id);
    // A multiple of what is dropped, so that the numbers are shifted by a whole one.
    let low = lowering.range_of(lowering.program.layers()[id].reads[0]).lo.min(x.encoding.lo) >> bits;
    let lo = low << bits;
    let Encoding { width, step, top_inverted, .. } = x.encoding;
    let term = Term { width, top_inverted, factor: step as u64 };
    let largest = x.encoding.max() * step + x.encoding.lo - lo;
    let out = width_of(largest as u64).max(bits + 1);
    let constant = (x.encoding.lo - lo) as u64;
    let template = Template::Add { terms: vec![term], constant, drop: bits, out };
    let encoding = Encoding { width: out - bits, lo: low, step: 1, top_inverted: false };
    let shape = lowering.program.layers()[id].shape.clone();
    elementwise(lowering, "truncate", &[x], template, &shape, encoding)
}

/// The tensors that layer `id` reads, along the last axis.
pub(super) fn concatenate(lowering: &mut Lowering<'_>, id: LayerId) -> Result<Place, LowerError> {
    let tensors = lowering.inputs_of(id);
    let shape = lowering.program.layers()[id].shape.clone();
    let same = tensors.iter().all(|x| x.encoding == tensors[0].encoding);
    // Signed numbers are u offset by 2^(w-1), which is what their lo says.
    let numbers: Vec<_> =
        tensors.iter().map(|x| (x.encoding.lo, x.encoding.max(), x.encoding.step)).collect();
    let (encoding, placings) = if same {
        (tensors[0].encoding, vec![Placing::AS_IT_IS; tensors.len()])
    } else {
        common_encoding(&numbers)
    };
    let channels = shape.last().copied().unwrap_or(1);
    let rows = shape.iter().product::<usize>() / channels.max(1);
    let width = encoding.width;
    let mut tiles = Vec::with_capacity(tensors.len());
    let mut first = 0;
    for (x, placing) in tensors.iter().zip(placings) {
        let (own, w) = (x.elements() / rows.max(1), x.encoding.width);
        let template = if same {
            Template::Copy { width }
        } else {
            let term = Term { width: w, top_inverted: x.encoding.top_inverted, factor: placing.factor };
            Template::Add { terms: vec![term], constant: placing.constant, drop: 0, out: width }
        };
        let line = |extent: usize| vec![Axis { extent: extent as u32, stride: 1 }];
        let read = IndexMap { base: 0, outer: vec![(own * w) as u64, w as u64], inner: line(w) };
        tiles.push(Tile {
            template: lowering.templates.get(&template)?,
            grid: vec![rows as u32, own as u32],
            inputs: vec![Port { source: x.source, map: read }],
            output: IndexMap {
                base: (first * width) as u64,
                outer: vec![(channels * width) as u64, width as u64],
                inner: line(width),
            },
        });
        first += own;
    }
    lowering.push("concatenate", 0, &shape, encoding, tiles)
}

/// A tensor in two's complement of `width` bits, as a layer of this kind.
pub(super) fn twos_complement(
    lowering: &mut Lowering<'_>,
    x: &Place,
    kind: &str,
    width: usize,
) -> Result<Place, LowerError> {
    let Encoding { lo, step, .. } = x.encoding;
    // Offset numbers have lo added back, modulo 2^width.
    let term = Term { width: x.encoding.width, top_inverted: x.encoding.top_inverted, factor: step as u64 };
    let template = Template::Add { terms: vec![term], constant: lo as u64, drop: 0, out: width };
    elementwise(lowering, kind, std::slice::from_ref(x), template, &x.shape, Encoding::signed(width))
}

/// One instance of a template for each element of the tensors, which have equal shapes.
pub(super) fn elementwise(
    lowering: &mut Lowering<'_>,
    kind: &str,
    tensors: &[Place],
    template: Template,
    shape: &[usize],
    encoding: Encoding,
) -> Result<Place, LowerError> {
    let map = |width: usize| IndexMap {
        base: 0,
        outer: vec![width as u64],
        inner: vec![Axis { extent: width as u32, stride: 1 }],
    };
    let tile = Tile {
        template: lowering.templates.get(&template)?,
        grid: vec![shape.iter().product::<usize>() as u32],
        inputs: tensors.iter().map(|x| Port { source: x.source, map: map(x.encoding.width) }).collect(),
        output: map(encoding.width),
    };
    lowering.push(kind, 0, shape, encoding, vec![tile])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_keeps_its_value() {
        for numbers in [
            vec![(-9, 9, 2), (-6, 6, 2), (-4, 4, 2)],
            vec![(-10, 7, 3), (0, 5, 3)],
            vec![(0, 255, 1), (-1, 1, 2)],
            vec![(5, 3, 4)],
        ] {
            let (encoding, placings) = common_encoding(&numbers);
            for (&(lo, max, step), placing) in numbers.iter().zip(&placings) {
                for u in 0..=max {
                    let stored = placing.factor as i64 * u + placing.constant as i64;
                    assert!((0..=encoding.max()).contains(&stored));
                    assert_eq!(encoding.step * stored + encoding.lo, step * u + lo);
                }
            }
        }
    }
}
