//! The template netlists, each made once for all layers that need it.

use std::collections::HashMap;
use std::sync::Arc;

use xonn_circuits::builder::Builder;
use xonn_circuits::gadgets::adder::{Columns, add_mod};
use xonn_circuits::gadgets::argmax::argmax;
use xonn_circuits::gadgets::compare::{less_than, less_than_signed};
use xonn_circuits::gadgets::multiply::{multiply, multiply_add, square};
use xonn_circuits::gadgets::pool::or_pool;
use xonn_circuits::gadgets::popcount::width_of;
use xonn_circuits::netlist::{Netlist, WireId};

use super::{Encoding, LowerError};
use crate::op::{Leak, Planes, Spline};
use crate::program::Range;

/// What a template computes. Inputs are named in the order of the template's input groups.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Template {
    /// `n` numbers of `width` bits, the signs of each in every plane, an addend, a flip: fires or not,
    /// flipped.
    LinearThreshold { n: usize, planes: Planes, width: usize, top_inverted: bool },
    /// `n` numbers of `width` bits, the signs of each in every plane, a correction of `correction` bits: the
    /// sum, placed, in `out` bits.
    LinearSum {
        n: usize,
        planes: Planes,
        width: usize,
        top_inverted: bool,
        correction: usize,
        placing: Placing,
        out: usize,
    },
    /// Two shares of a sum, modulo `2^bits`, a flip: the top bit of the sum, flipped.
    SharedThreshold { bits: usize },
    /// Two shares modulo `2^bits`, of which `fraction` bits are noise, and a number of `rest` bits behind the
    /// second one: `step * floor(sum / 2^fraction) + rest` in `out` bits, without its `drop` lowest ones.
    Unshare { bits: usize, fraction: usize, step: u64, rest: usize, out: usize, drop: usize },
    /// `n` numbers of `width` bits: their sum, placed, in `out` bits.
    Sum { n: usize, width: usize, top_inverted: bool, placing: Placing, out: usize },
    /// Several numbers: their sum, each times a public factor, and a public number, modulo `2^out`, without
    /// its `drop` lowest bits.
    Add { terms: Vec<Term>, constant: u64, drop: usize, out: usize },
    /// Two bits: whether they are equal, the product of -1 and +1.
    Equal,
    /// `n` numbers of `width` bits: the largest.
    Max { n: usize, width: usize, top_inverted: bool },
    /// `n` bits: their OR.
    Or { n: usize },
    /// `n` bits, a flip: their OR between two flips, which is their AND where the flip is 1.
    FlippedOr { n: usize },
    /// A number, an addend of the same width, a flip: fires or not, flipped.
    Threshold { width: usize, top_inverted: bool },
    /// A number, a factor, an offset: `factor * (number << shift) + offset` in `out` bits, as many as the
    /// offset has, without its `drop` lowest bits.
    Affine { width: usize, top_inverted: bool, shift: usize, factor: usize, out: usize, drop: usize },
    /// A number, times a public factor, and an offset, both modulo `2^out`: the sum without its `drop` lowest
    /// bits.
    Offset { term: Term, drop: usize, out: usize },
    /// A number in two's complement: the number where it is above 0, else 0, without its sign.
    Relu { width: usize },
    /// A number in two's complement: a public multiple of it where it is below 0.
    LeakyRelu { width: usize, leak: Leak },
    /// A number in two's complement, kept from `lo` to `hi`: the lowest `out` bits.
    Clamp { width: usize, lo: Option<i64>, hi: Option<i64>, out: usize },
    /// A number in two's complement over `2^bits`, rounded to the nearest and to the even one of two: the
    /// lowest `out` bits.
    TiesToEven { width: usize, bits: usize, out: usize },
    /// A number with a public factor and a public number beside it, in `bits` bits of two's complement: the
    /// curve of what is counted from its first piece, in `out` bits; `inside`: no number lies beside the
    /// table.
    Spline { term: Term, constant: i64, bits: usize, out: usize, inside: bool, spline: Arc<Spline> },
    /// Two numbers: their product modulo `2^out`.
    Product { x: Operand, y: Operand, out: usize },
    /// A number: its square modulo `2^out`.
    Square { x: Operand, out: usize },
    /// `n` numbers: index of the largest.
    Argmax { n: usize, width: usize, top_inverted: bool },
    /// A number: itself.
    Copy { width: usize },
}

/// Where a sum `U` is put among sums of other sizes: at `factor * U + constant`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Placing {
    pub factor: u64,
    pub constant: u64,
}

impl Placing {
    pub const AS_IT_IS: Self = Self { factor: 1, constant: 0 };
}

/// A number with a public factor.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Term {
    pub width: usize,
    pub top_inverted: bool,
    pub factor: u64,
}

/// A number of a product.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Operand {
    pub width: usize,
    /// Whether it is two's complement.
    pub signed: bool,
}

/// The templates of a circuit.
#[derive(Default)]
pub(crate) struct Templates {
    netlists: Vec<Netlist>,
    index: HashMap<Template, u32>,
    /// Bits that all of them add up, about.
    size: usize,
}

/// Most bits that all templates add up: some ten gates each.
const MAX_SIZE: usize = 1 << 26;

impl Templates {
    /// The index of a template's netlist.
    ///
    /// # Errors
    /// [`LowerError::TooLarge`]: a small file may ask for large templates.
    pub fn get(&mut self, shape: &Template) -> Result<u32, LowerError> {
        if let Some(&index) = self.index.get(shape) {
            return Ok(index);
        }
        self.size = self.size.saturating_add(shape.size());
        if self.size > MAX_SIZE {
            return Err(LowerError::TooLarge { what: "added bits of its templates", max: MAX_SIZE });
        }
        let index = self.netlists.len() as u32;
        self.netlists.push(build(shape));
        self.index.insert(shape.clone(), index);
        Ok(index)
    }

    /// The netlists in the order of their indices.
    pub fn into_netlists(self) -> Vec<Netlist> {
        self.netlists
    }
}

/// Bits of the sum `U` of `n` numbers of `width` bits.
pub(crate) fn sum_width(n: usize, width: usize) -> usize {
    width_of(n as u64 * ((1u64 << width) - 1))
}

fn build(template: &Template) -> Netlist {
    let mut b = Builder::new();
    match *template {
        Template::LinearThreshold { n, planes, width, top_inverted } => {
            let (x, signs) = (b.input(n * width), b.input(n * planes.count()));
            let total = n * planes.largest() as usize;
            let (addend, flip) = (b.input(sum_width(total, width)), b.input(1));
            let mut columns = Columns::new(&mut b);
            add_products(&mut columns, &x, &signs, planes, width, top_inverted);
            let fires = columns.carry_out(&addend);
            let out = b.xor(fires, flip[0]);
            b.finish(&[vec![out]])
        }
        Template::LinearSum { n, planes, width, top_inverted, correction, placing, out } => {
            let (x, signs) = (b.input(n * width), b.input(n * planes.count()));
            let correction = b.input(correction);
            let mut columns = Columns::new(&mut b);
            add_products(&mut columns, &x, &signs, planes, width, top_inverted);
            correction.iter().enumerate().for_each(|(k, &bit)| columns.add(k, bit));
            let sum = placed(columns, placing, out);
            b.finish(&[sum])
        }
        Template::SharedThreshold { bits } => {
            let (mine, yours, flip) = (b.input(bits), b.input(bits), b.input(1));
            let sum = add_mod(&mut b, &mine, &yours);
            let out = b.xor(sum[bits - 1], flip[0]);
            b.finish(&[vec![out]])
        }
        Template::Unshare { bits, fraction, step, rest, out, drop } => {
            let (mine, yours, rest) = (b.input(bits), b.input(bits), b.input(rest));
            let sum = add_mod(&mut b, &mine, &yours);
            let mut columns = Columns::new(&mut b);
            add_multiple(&mut columns, &sum[fraction..], step, out);
            add_multiple(&mut columns, &rest, 1, out);
            let value = columns.sum(out);
            b.finish(&[value[drop..].to_vec()])
        }
        Template::Sum { n, width, top_inverted, placing, out } => {
            let x = b.input(n * width);
            let mut columns = Columns::new(&mut b);
            for x in x.chunks(width) {
                let x = offset_form(columns.builder(), x, top_inverted);
                x.iter().enumerate().for_each(|(k, &bit)| columns.add(k, bit));
            }
            let sum = placed(columns, placing, out);
            b.finish(&[sum])
        }
        Template::Add { ref terms, constant, drop, out } => {
            let numbers: Vec<Vec<WireId>> = terms.iter().map(|term| b.input(term.width)).collect();
            let mut columns = Columns::new(&mut b);
            for (number, term) in numbers.iter().zip(terms) {
                let u = offset_form(columns.builder(), number, term.top_inverted);
                add_multiple(&mut columns, &u, term.factor, out);
            }
            add_constant(&mut columns, constant, out);
            let sum = columns.sum(out);
            b.finish(&[sum[drop..].to_vec()])
        }
        Template::Equal => {
            let (x, y) = (b.input(1), b.input(1));
            let differ = b.xor(x[0], y[0]);
            let equal = b.inv(differ);
            b.finish(&[vec![equal]])
        }
        Template::Max { n, width, top_inverted } => {
            let numbers: Vec<Vec<WireId>> = (0..n).map(|_| b.input(width)).collect();
            let largest = numbers.into_iter().reduce(|a, x| {
                let less =
                    if top_inverted { less_than_signed(&mut b, &a, &x) } else { less_than(&mut b, &a, &x) };
                b.mux_each(less, &x, &a)
            });
            b.finish(&[largest.expect("a window reads at least one number")])
        }
        Template::Or { n } => {
            let x = b.input(n);
            let any =
                x.into_iter().reduce(|any, bit| b.or(any, bit)).expect("a window reads at least one bit");
            b.finish(&[vec![any]])
        }
        Template::FlippedOr { n } => {
            let (x, flip) = (b.input(n), b.input(1));
            let pooled = or_pool(&mut b, &x, flip[0]);
            b.finish(&[vec![pooled]])
        }
        Template::Threshold { width, top_inverted } => {
            let (x, addend, flip) = (b.input(width), b.input(width), b.input(1));
            let x = offset_form(&mut b, &x, top_inverted);
            let mut columns = Columns::new(&mut b);
            x.iter().enumerate().for_each(|(k, &bit)| columns.add(k, bit));
            let fires = columns.carry_out(&addend);
            let out = b.xor(fires, flip[0]);
            b.finish(&[vec![out]])
        }
        Template::Affine { width, top_inverted, shift, factor, out, drop } => {
            let (x, factor, offset) = (b.input(width), b.input(factor), b.input(out));
            let x = offset_form(&mut b, &x, top_inverted);
            let y = multiply_add(&mut b, &x, shift, &factor, &offset);
            b.finish(&[y[drop..].to_vec()])
        }
        Template::Offset { term: Term { width, top_inverted, factor }, drop, out } => {
            let (x, offset) = (b.input(width), b.input(out));
            let mut columns = Columns::new(&mut b);
            let u = offset_form(columns.builder(), &x, top_inverted);
            add_multiple(&mut columns, &u, factor, out);
            add_multiple(&mut columns, &offset, 1, out);
            let sum = columns.sum(out);
            b.finish(&[sum[drop..].to_vec()])
        }
        Template::Relu { width } => {
            let x = b.input(width);
            let positive = b.inv(x[width - 1]);
            let y = x[..width - 1].iter().map(|&bit| b.and(bit, positive)).collect();
            b.finish(&[y])
        }
        Template::LeakyRelu { width, leak } => {
            let x = b.input(width);
            let leaked = multiple(&mut b, &x, leak);
            let y = b.mux_each(x[width - 1], &leaked, &x);
            b.finish(&[y])
        }
        Template::Clamp { width, lo, hi, out } => {
            let mut x = b.input(width);
            for (end, is_low) in [(lo, true), (hi, false)] {
                let Some(end) = end else { continue };
                let end: Vec<WireId> = (0..width).map(|k| b.constant(end >> k & 1 == 1)).collect();
                let passed = match is_low {
                    true => less_than_signed(&mut b, &x, &end),
                    false => less_than_signed(&mut b, &end, &x),
                };
                x = b.mux_each(passed, &end, &x);
            }
            b.finish(&[x[..out].to_vec()])
        }
        Template::TiesToEven { width, bits, out } => {
            let x = b.input(width);
            let sign = x[width - 1];
            let at = |k: usize| x.get(k).copied().unwrap_or(sign);
            let all = bits + out;
            let mut columns = Columns::new(&mut b);
            (0..all).for_each(|k| columns.add(k, at(k)));
            add_constant(&mut columns, (1 << (bits - 1)) - 1, all);
            columns.add(0, at(bits));
            let y = columns.sum(all).split_off(bits);
            b.finish(&[y])
        }
        Template::Spline { term, constant, bits, out, inside, ref spline } => {
            let x = b.input(term.width);
            let mut columns = Columns::new(&mut b);
            let u = offset_form(columns.builder(), &x, term.top_inverted);
            add_multiple(&mut columns, &u, term.factor, bits);
            add_constant(&mut columns, constant as u64, bits);
            let u = columns.sum(bits);
            let y = curve(&mut b, &u, inside, spline, out);
            b.finish(&[y])
        }
        Template::Product { x, y, out } => {
            let (a, c) = (b.input(x.width), b.input(y.width));
            let product = multiply(&mut b, (&a, x.signed), (&c, y.signed), out);
            b.finish(&[product])
        }
        Template::Square { x, out } => {
            let a = b.input(x.width);
            let square = square(&mut b, &a, x.signed, out);
            b.finish(&[square])
        }
        Template::Argmax { n, width, top_inverted } => {
            let scores: Vec<Vec<WireId>> = (0..n).map(|_| b.input(width)).collect();
            let index = argmax(&mut b, &scores, top_inverted);
            b.finish(&[index])
        }
        Template::Copy { width } => {
            let x = b.input(width);
            b.finish(&[x])
        }
    }
}

/// Adds `u ^ sign` for every number and plane: `u` for a sign `+1`, `max - u` for a sign `-1`.
fn add_products(
    columns: &mut Columns<'_>,
    x: &[WireId],
    signs: &[WireId],
    planes: Planes,
    width: usize,
    top_inverted: bool,
) {
    let shifts = planes.shifts();
    // Number by number, so that a product's bits are used as soon as they are made.
    for (x, signs) in x.chunks(width).zip(signs.chunks(shifts.len())) {
        let x = offset_form(columns.builder(), x, top_inverted);
        for (&sign, shift) in signs.iter().zip(&shifts) {
            for (k, &bit) in x.iter().enumerate() {
                let product = columns.builder().xor(bit, sign);
                columns.add(k + shift, product);
            }
        }
    }
}

/// `floor(slope * x / 2^bits)` of a number in two's complement, in as many bits.
fn multiple(b: &mut Builder, x: &[WireId], leak: Leak) -> Vec<WireId> {
    let out = x.len() + leak.bits as usize;
    let sign = x[x.len() - 1];
    let extended: Vec<WireId> = (0..out).map(|k| x.get(k).copied().unwrap_or(sign)).collect();
    let mut columns = Columns::new(b);
    add_multiple(&mut columns, &extended, u64::from(leak.slope), out);
    columns.sum(out).split_off(leak.bits as usize)
}

/// The curve of a number in two's complement that counts from the first piece.
fn curve(b: &mut Builder, u: &[WireId], inside: bool, spline: &Spline, out: usize) -> Vec<WireId> {
    let piece = spline.piece as usize;
    let top = piece + spline.lines.len().trailing_zeros() as usize;
    let zero = b.constant(false);
    let at = |k: usize| u.get(k).copied().unwrap_or(zero);
    let (index, t): (Vec<WireId>, Vec<WireId>) = match inside {
        true => ((piece..top).map(at).collect(), (0..piece).map(at).chain([zero]).collect()),
        false => {
            // In front of the table index 0, behind it the last.
            let not_before = b.inv(u[u.len() - 1]);
            let behind = (top..u.len() - 1).map(at).reduce(|any, bit| b.or(any, bit)).unwrap_or(zero);
            let index = (piece..top).map(|k| b.or(at(k), behind)).collect::<Vec<_>>();
            let index: Vec<WireId> = index.into_iter().map(|bit| b.and(bit, not_before)).collect();
            // All that the index does not say: less the index, which is its complement and one.
            let mut columns = Columns::new(b);
            for (k, &bit) in u.iter().enumerate() {
                columns.add(k, bit);
                let less = match k.checked_sub(piece).and_then(|i| index.get(i)) {
                    Some(&bit) => columns.builder().inv(bit),
                    None => columns.builder().constant(true),
                };
                columns.add(k, less);
            }
            let one = columns.builder().constant(true);
            columns.add(0, one);
            let t = columns.sum(u.len());
            (index, t)
        }
    };
    let wide = out + spline.drop as usize;
    let [base, slope] = [0, 1].map(|which| {
        let numbers: Vec<i64> = spline.lines.iter().map(|line| line[which]).collect();
        let bits =
            numbers.iter().map(|&x| Range { lo: x.min(0), hi: x.max(0) }.signed_bits()).max().unwrap_or(1);
        table(b, &index, &numbers, (bits as usize).min(wide))
    });
    let product = multiply(b, (&t, true), (&slope, true), wide);
    let sign = base[base.len() - 1];
    let mut columns = Columns::new(b);
    product.iter().enumerate().for_each(|(k, &bit)| columns.add(k, bit));
    (0..wide).for_each(|k| columns.add(k, base.get(k).copied().unwrap_or(sign)));
    columns.sum(wide).split_off(spline.drop as usize)
}

/// The public number of an index, in `width` bits: a tree of multiplexers, whose first level costs nothing.
fn table(b: &mut Builder, index: &[WireId], numbers: &[i64], width: usize) -> Vec<WireId> {
    let bits = |b: &mut Builder, x: i64| (0..width).map(|k| b.constant(x >> k.min(63) & 1 == 1)).collect();
    let mut level: Vec<Vec<WireId>> = numbers.iter().map(|&x| bits(b, x)).collect();
    for &bit in index {
        level = level.chunks(2).map(|pair| b.mux_each(bit, &pair[1], &pair[0])).collect();
    }
    level.swap_remove(0)
}

/// `factor * sum + constant` in `out` bits.
fn placed(columns: Columns<'_>, placing: Placing, out: usize) -> Vec<WireId> {
    if placing == Placing::AS_IT_IS {
        return columns.sum(out);
    }
    let (sum, builder) = columns.sum_and_builder(out);
    let mut columns = Columns::new(builder);
    add_multiple(&mut columns, &sum, placing.factor, out);
    add_constant(&mut columns, placing.constant, out);
    columns.sum(out)
}

/// Adds `factor * x` modulo `2^out`.
fn add_multiple(columns: &mut Columns<'_>, x: &[WireId], factor: u64, out: usize) {
    for shift in (0..64).filter(|shift| factor >> shift & 1 == 1) {
        for (k, &bit) in x.iter().enumerate().filter(|&(k, _)| k + shift < out) {
            columns.add(k + shift, bit);
        }
    }
}

/// Adds a public number modulo `2^out`.
fn add_constant(columns: &mut Columns<'_>, constant: u64, out: usize) {
    for k in (0..out.min(64)).filter(|k| constant >> k & 1 == 1) {
        let one = columns.builder().constant(true);
        columns.add(k, one);
    }
}

/// The unsigned `u` of a number whose top bit may be stored inverted.
fn offset_form(b: &mut Builder, x: &[WireId], top_inverted: bool) -> Vec<WireId> {
    let mut u = x.to_vec();
    if let (true, Some(top)) = (top_inverted, u.last_mut()) {
        *top = b.inv(*top);
    }
    u
}

impl Template {
    /// A [`Template::LinearThreshold`] of inputs with an encoding.
    pub fn linear_threshold(n: usize, planes: Planes, x: Encoding) -> Self {
        Self::LinearThreshold { n, planes, width: x.width, top_inverted: x.top_inverted }
    }

    /// Bits that it adds up or compares, about.
    fn size(&self) -> usize {
        let product = |sizes: [usize; 3]| sizes.iter().fold(1usize, |n, &size| n.saturating_mul(size));
        match *self {
            Self::LinearThreshold { n, planes, width, .. } | Self::LinearSum { n, planes, width, .. } => {
                product([n, planes.count(), width])
            }
            Self::SharedThreshold { bits } => 2 * bits,
            Self::Unshare { bits, out, .. } => 2 * bits + product([64, out, 1]),
            Self::Sum { n, width, .. } | Self::Max { n, width, .. } | Self::Argmax { n, width, .. } => {
                product([n, width, 1])
            }
            Self::Add { ref terms, out, .. } => product([terms.len(), 64, out]),
            Self::Or { n } | Self::FlippedOr { n } => n,
            Self::Affine { factor, out, .. } => product([factor, out, 1]),
            Self::Offset { out, .. } => product([64, out, 1]),
            Self::LeakyRelu { width, .. } => product([16, width + 16, 1]),
            Self::Product { x, y, .. } => product([x.width, y.width, 2]),
            Self::Square { x, .. } => product([x.width, x.width, 1]),
            Self::Spline { bits, out, ref spline, .. } => {
                product([64, bits, 2]).saturating_add(product([spline.lines.len(), out + 64, 2]))
            }
            Self::TiesToEven { width, bits, out } => product([width + bits + out, 4, 1]),
            Self::Relu { width } | Self::Clamp { width, .. } => product([4, width, 1]),
            Self::Equal | Self::Threshold { .. } | Self::Copy { .. } => 64,
        }
    }
}
