//! Numbers: offsets, roundings, rectifiers and products.
//!
//! An offset or a scale whose only reader is a rounding is lowered with it: half of what is dropped goes into
//! the garbler's number, so that rounding to the nearest costs nothing, and bits above those that are kept
//! are never made.

use xonn_circuits::tiled::{Axis, IndexMap, Port, Source, Tile};

use super::encoding::{elementwise, twos_complement};
use super::template::{Operand, Template, Term};
use super::{Encoding, LowerError, Lowering, Place};
use crate::op::{Leak, Op, Round, Spline};
use crate::program::{LayerId, Range};

/// What a rounding behind a secret number asks of it: half of what is dropped is added, `drop` of `out` bits
/// go.
#[derive(Clone, Copy)]
pub(super) struct Rounded {
    pub half: i64,
    pub drop: usize,
    pub out: usize,
}

impl Rounded {
    /// As `round` says, of numbers of `width` bits.
    fn by(round: Round, width: usize) -> Self {
        let Round { drop, bits } = round;
        // One bit more, for what half of the dropped bits may carry.
        let out = ((drop + bits) as usize).min(width + 1).max(drop as usize + 1);
        Self { half: (1 << drop) >> 1, drop: drop as usize, out }
    }

    /// No rounding: all of `width` bits.
    fn nothing(width: usize) -> Self {
        Self { half: 0, drop: 0, out: width }
    }
}

/// What the layers at `id` ask for: a scale or an offset by itself, or the rounding behind it.
pub(super) fn rounding_of(lowering: &Lowering<'_>, id: LayerId) -> Rounded {
    let layer = &lowering.program.layers()[id];
    match layer.op {
        Op::Round(round) => {
            let read = lowering.range_of(layer.reads[0]);
            Rounded::by(round, read.signed_bits() as usize)
        }
        _ => Rounded::nothing(layer.kind.range().signed_bits() as usize),
    }
}

/// Lowers the offsets of layer `id`, with the rounding of layer `last` behind them if that is another.
pub(super) fn offset(
    lowering: &mut Lowering<'_>,
    id: LayerId,
    offsets: usize,
    last: LayerId,
) -> Result<Place, LowerError> {
    let x = lowering.input_of(id);
    let Encoding { width, lo, step, top_inverted } = x.encoding;
    let (channels, positions) = (offsets, x.elements() / offsets);
    let Rounded { half, drop, out } = rounding_of(lowering, last);
    let base = lowering.secret.next();
    match lowering.tensor(id) {
        Some(tensor) => {
            for &offset in tensor.offsets() {
                lowering.secret.number(offset.wrapping_add(lo).wrapping_add(half), out);
            }
        }
        None => lowering.secret.skip((channels * out) as u64),
    }
    let line = |extent: usize| vec![Axis { extent: extent as u32, stride: 1 }];
    let element = |bits: usize| vec![(channels * bits) as u64, bits as u64];
    let inputs = vec![
        Port { source: x.source, map: IndexMap { base: 0, outer: element(width), inner: line(width) } },
        Port { source: Source::Secret, map: IndexMap { base, outer: vec![0, out as u64], inner: line(out) } },
    ];
    let term = Term { width, top_inverted, factor: step as u64 };
    let template = lowering.templates.get(&Template::Offset { term, drop, out })?;
    let tile = Tile {
        template,
        grid: vec![positions as u32, channels as u32],
        inputs,
        output: IndexMap { base: 0, outer: element(out - drop), inner: line(out - drop) },
    };
    let kind = if drop > 0 { "offset + round" } else { "offset" };
    lowering.push(kind, 0, &x.shape, Encoding::signed(out - drop), vec![tile])
}

/// Lowers a rounding by itself.
pub(super) fn round(lowering: &mut Lowering<'_>, id: LayerId) -> Result<Place, LowerError> {
    let x = lowering.input_of(id);
    let Rounded { half, drop, out } = rounding_of(lowering, id);
    let Encoding { width, lo, step, top_inverted } = x.encoding;
    let term = Term { width, top_inverted, factor: step as u64 };
    // Modulo 2^64, of which the lowest bits are added.
    let constant = lo.wrapping_add(half) as u64;
    let template = Template::Add { terms: vec![term], constant, drop, out };
    let shape = lowering.program.layers()[id].shape.clone();
    elementwise(lowering, "round", &[x], template, &shape, Encoding::signed(out - drop))
}

/// Lowers a rounding to the nearest, ties to the even number.
pub(super) fn ties_to_even(
    lowering: &mut Lowering<'_>,
    id: LayerId,
    bits: usize,
) -> Result<Place, LowerError> {
    let x = signed_input(lowering, id)?;
    let (width, shape) = (x.encoding.width, x.shape.clone());
    let out = lowering.range_of(id).signed_bits() as usize;
    let template = Template::TiesToEven { width, bits, out };
    elementwise(lowering, "round", &[x], template, &shape, Encoding::signed(out))
}

/// The tensor that layer `id` reads, in two's complement.
fn signed_input(lowering: &mut Lowering<'_>, id: LayerId) -> Result<Place, LowerError> {
    let x = lowering.input_of(id);
    let read = lowering.program.layers()[id].reads[0];
    signed(lowering, x, read)
}

fn signed(lowering: &mut Lowering<'_>, x: Place, read: LayerId) -> Result<Place, LowerError> {
    if x.encoding == Encoding::signed(x.encoding.width) {
        return Ok(x);
    }
    let width = lowering.range_of(read).signed_bits() as usize;
    twos_complement(lowering, &x, "signed", width)
}

/// Numbers from 0 upwards of a width.
fn unsigned(width: usize) -> Encoding {
    Encoding { width, lo: 0, step: 1, top_inverted: false }
}

/// Lowers a ReLU: an AND for each bit with the inverted sign.
pub(super) fn relu(lowering: &mut Lowering<'_>, id: LayerId) -> Result<Place, LowerError> {
    let x = lowering.input_of(id);
    if x.encoding.lo >= 0 {
        return Ok(x);
    }
    let mut x = signed_input(lowering, id)?;
    if x.encoding.width == 1 {
        // A sign and nothing else: of 0 and -1.
        x = twos_complement(lowering, &x, "signed", 2)?;
    }
    let (width, shape) = (x.encoding.width, x.shape.clone());
    elementwise(lowering, "relu", &[x], Template::Relu { width }, &shape, unsigned(width - 1))
}

/// Lowers a leaky ReLU: a public multiple, chosen by the sign.
pub(super) fn leaky_relu(lowering: &mut Lowering<'_>, id: LayerId, leak: Leak) -> Result<Place, LowerError> {
    let x = signed_input(lowering, id)?;
    let (width, shape) = (x.encoding.width, x.shape.clone());
    elementwise(
        lowering,
        "leaky_relu",
        &[x],
        Template::LeakyRelu { width, leak },
        &shape,
        Encoding::signed(width),
    )
}

/// Lowers a clamp to public ends.
pub(super) fn clamp(lowering: &mut Lowering<'_>, id: LayerId, ends: Range) -> Result<Place, LowerError> {
    let read = lowering.range_of(lowering.program.layers()[id].reads[0]);
    let x = signed_input(lowering, id)?;
    // Ends that no number passes cost nothing.
    let end = |passed: bool, end: i64| passed.then_some(end);
    let (lo, hi) = (end(read.lo < ends.lo, ends.lo), end(read.hi > ends.hi, ends.hi));
    let range = Range { lo: read.lo.clamp(ends.lo, ends.hi), hi: read.hi.clamp(ends.lo, ends.hi) };
    let bits = range.signed_bits() as usize;
    let (out, encoding) = match range.lo {
        0.. if bits > 1 => (bits - 1, unsigned(bits - 1)),
        _ => (bits, Encoding::signed(bits)),
    };
    let (width, shape) = (x.encoding.width.max(bits), x.shape.clone());
    let x = if x.encoding.width < width { twos_complement(lowering, &x, "signed", width)? } else { x };
    elementwise(lowering, "clamp", &[x], Template::Clamp { width, lo, hi, out }, &shape, encoding)
}

/// Lowers a curve: its public table by multiplexers, and a product with the place within a piece.
pub(super) fn spline(lowering: &mut Lowering<'_>, id: LayerId, spline: &Spline) -> Result<Place, LowerError> {
    let read = lowering.range_of(lowering.program.layers()[id].reads[0]);
    let x = lowering.input_of(id);
    let (shape, range) = (x.shape.clone(), lowering.range_of(id));
    let Encoding { width, lo, step, top_inverted } = x.encoding;
    let term = Term { width, top_inverted, factor: step as u64 };
    // What is counted from the table's first number, with room for both of its ends.
    let end = spline.from + ((spline.lines.len() as i64) << spline.piece);
    let far = |x: i64| (x - spline.from).unsigned_abs();
    let largest = [read.lo, read.hi, end].map(far).into_iter().max().unwrap_or(0);
    let bits = 64 - largest.leading_zeros() as usize + 1;
    let out = range.signed_bits() as usize;
    let template = Template::Spline {
        term,
        constant: lo.wrapping_sub(spline.from),
        bits,
        out,
        inside: read.lo >= spline.from && read.hi < end,
        spline: std::sync::Arc::new(spline.clone()),
    };
    elementwise(lowering, "spline", &[x], template, &shape, Encoding::signed(out))
}

/// Lowers the product of two tensors of numbers, or the square of one.
pub(super) fn product(lowering: &mut Lowering<'_>, id: LayerId) -> Result<Place, LowerError> {
    let layer = &lowering.program.layers()[id];
    let (shape, range) = (layer.shape.clone(), layer.kind.range());
    let mut factors = Vec::new();
    for (x, &read) in lowering.inputs_of(id).into_iter().zip(&layer.reads) {
        let plain = x.encoding == unsigned(x.encoding.width);
        factors.push(if plain { x } else { signed(lowering, x, read)? });
    }
    let operands = factors
        .iter()
        .map(|x| Operand { width: x.encoding.width, signed: x.encoding.top_inverted })
        .collect::<Vec<_>>();
    let bits = range.signed_bits() as usize;
    if bits > 60 {
        return Err(lowering.unsupported(id, format!("products of {bits} bits are too wide, at most 60")));
    }
    let (out, encoding) = match range.lo {
        0.. if bits > 1 => (bits - 1, unsigned(bits - 1)),
        _ => (bits, Encoding::signed(bits)),
    };
    let (kind, template) = match operands[..] {
        [x] => ("square", Template::Square { x, out }),
        [x, y, ..] => ("product", Template::Product { x, y, out }),
        [] => return Err(lowering.unsupported(id, "a product of nothing".into())),
    };
    elementwise(lowering, kind, &factors, template, &shape, encoding)
}
