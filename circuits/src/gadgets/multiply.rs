//! Multiplication: by a number that the garbler knows, of two numbers that nobody knows, and squares.

use crate::builder::Builder;
use crate::gadgets::adder::Columns;
use crate::netlist::WireId;

/// `(factor * (x << shift) + offset) mod 2^width`, two's complement.
///
/// * `x`: unsigned, `x.len()` bits, unknown to both hosts.
/// * `factor`: two's complement, its last wire is the sign; `offset`: `width` bits. Both known to the
///   garbler, so that each of the `x.len() * factor.len()` products of bits is one garbler half gate (one
///   ciphertext).
/// * Cost: those products (fewer where they lie above `width`) and the carries of a `width`-bit sum of
///   `x.len() + 1` rows. The sign is handled after Baugh and Wooley (1973): the products with the factor's
///   sign bit count `-1`, which is their complement plus a public constant, folded into the offset by the
///   caller: see [`sign_correction`].
pub fn multiply_add(
    b: &mut Builder,
    x: &[WireId],
    shift: usize,
    factor: &[WireId],
    offset: &[WireId],
) -> Vec<WireId> {
    let width = offset.len();
    let mut columns = Columns::new(b);
    let sign = factor.len() - 1;
    for (i, &xi) in x.iter().enumerate() {
        for (j, &fj) in factor.iter().enumerate().filter(|&(j, _)| shift + i + j < width) {
            let product = columns.builder().and(xi, fj);
            let addend = if j == sign { columns.builder().inv(product) } else { product };
            columns.add(shift + i + j, addend);
        }
    }
    for (k, &bit) in offset.iter().enumerate() {
        columns.add(k, bit);
    }
    columns.sum(width)
}

/// What [`multiply_add`] adds too much, to be subtracted from its offset: `2^(shift + i + sign)` for each bit
/// `i` of `x`.
///
/// `-p * 2^k = (!p - 1) * 2^k` for a bit `p`. `x_bits` and `factor_bits` are the widths; modulo `2^64`, as
/// results are at most that wide.
#[must_use]
pub fn sign_correction(x_bits: usize, shift: usize, factor_bits: usize) -> i64 {
    let column = |i: usize| 1i64.checked_shl((shift + i + factor_bits - 1) as u32).unwrap_or(0);
    (0..x_bits).map(column).fold(0, i64::wrapping_add)
}

/// `x * y` modulo `2^width`; each is unsigned, or two's complement where its flag says so.
///
/// * Cost: an AND for each pair of bits below `width`, and the carries of their sum. Products with one sign
///   bit count `-2^k p`, which is `2^k (!p) - 2^k` [Baugh, Wooley 1973]: the complements are free and the
///   constants are public.
#[must_use]
pub fn multiply(
    b: &mut Builder,
    (x, x_signed): (&[WireId], bool),
    (y, y_signed): (&[WireId], bool),
    width: usize,
) -> Vec<WireId> {
    let mut terms = Terms { columns: Columns::new(b), constant: 0, width };
    for (i, &xi) in x.iter().enumerate() {
        for (j, &yj) in y.iter().enumerate().filter(|&(j, _)| i + j < width) {
            let negative = (x_signed && i + 1 == x.len()) != (y_signed && j + 1 == y.len());
            let product = terms.columns.builder().and(xi, yj);
            terms.add(i + j, product, negative);
        }
    }
    terms.sum()
}

/// `x * x` modulo `2^width`: half the ANDs of a product, since each pair of bits is met twice and a bit's
/// square is itself.
#[must_use]
pub fn square(b: &mut Builder, x: &[WireId], signed: bool, width: usize) -> Vec<WireId> {
    let mut terms = Terms { columns: Columns::new(b), constant: 0, width };
    for (i, &xi) in x.iter().enumerate() {
        if 2 * i < width {
            terms.add(2 * i, xi, false);
        }
        for (j, &xj) in x.iter().enumerate().skip(i + 1).filter(|&(j, _)| i + j + 1 < width) {
            let product = terms.columns.builder().and(xi, xj);
            terms.add(i + j + 1, product, signed && j + 1 == x.len());
        }
    }
    terms.sum()
}

/// Bits of products, some of which count negative.
struct Terms<'b> {
    columns: Columns<'b>,
    /// What the complements count too much, modulo `2^64`.
    constant: u64,
    width: usize,
}

impl Terms<'_> {
    fn add(&mut self, column: usize, bit: WireId, negative: bool) {
        let bit = if negative { self.columns.builder().inv(bit) } else { bit };
        if negative {
            self.constant = self.constant.wrapping_sub(1u64.checked_shl(column as u32).unwrap_or(0));
        }
        self.columns.add(column, bit);
    }

    fn sum(mut self) -> Vec<WireId> {
        for k in (0..self.width.min(64)).filter(|k| self.constant >> k & 1 == 1) {
            let one = self.columns.builder().constant(true);
            self.columns.add(k, one);
        }
        self.columns.sum(self.width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gadgets::popcount::tests::{bits, number, run};

    #[test]
    fn corrections_of_columns_that_no_result_has_are_nothing() {
        for (x_bits, shift, factor_bits) in [(3, 0, 4), (39, 0, 34), (40, 3, 36), (5, 60, 8)] {
            let exact: u128 = (0..x_bits).map(|i| 1u128 << (shift + i + factor_bits - 1)).sum();
            assert_eq!(sign_correction(x_bits, shift, factor_bits), exact as i64);
        }
    }

    #[test]
    fn products_of_every_sign() {
        let (x_bits, f_bits, width) = (3usize, 4usize, 9usize);
        for shift in 0..2 {
            let mut b = Builder::new();
            let (x, f, o) = (b.input(x_bits), b.input(f_bits), b.input(width));
            let y = multiply_add(&mut b, &x, shift, &f, &o);
            let netlist = b.finish(&[y]);
            let mask = (1i64 << width) - 1;
            for xv in 0..8i64 {
                for fv in -8..8i64 {
                    for ov in [-100i64, -1, 0, 5, 63] {
                        let mut input = bits(xv as u64, x_bits);
                        input.extend(bits((fv & 15) as u64, f_bits));
                        let offset = ov - sign_correction(x_bits, shift, f_bits);
                        input.extend(bits((offset & mask) as u64, width));
                        let want = (fv * (xv << shift) + ov) & mask;
                        assert_eq!(
                            number(&run(&netlist, &input)) as i64,
                            want,
                            "{fv} * ({xv} << {shift}) + {ov}"
                        );
                    }
                }
            }
        }
    }

    /// All pairs of numbers of 3 and 4 bits, of both kinds, in widths below and above that of the product.
    #[test]
    fn products_of_unknown_numbers() {
        let value = |u: i64, bits: usize, signed: bool| {
            if signed && u >> (bits - 1) == 1 { u - (1 << bits) } else { u }
        };
        for (x_signed, y_signed) in [(false, false), (true, false), (false, true), (true, true)] {
            for width in [3, 7, 10] {
                let mut b = Builder::new();
                let (x, y) = (b.input(3), b.input(4));
                let product = multiply(&mut b, (&x, x_signed), (&y, y_signed), width);
                let squared = square(&mut b, &y, y_signed, width);
                let netlist = b.finish(&[product, squared]);
                let mask = (1i64 << width) - 1;
                for (u, v) in (0..8i64).flat_map(|u| (0..16i64).map(move |v| (u, v))) {
                    let input = [bits(u as u64, 3), bits(v as u64, 4)].concat();
                    let found = run(&netlist, &input);
                    let (a, c) = (value(u, 3, x_signed), value(v, 4, y_signed));
                    assert_eq!(number(&found[..width]) as i64, (a * c) & mask, "{a} * {c} in {width} bits");
                    assert_eq!(number(&found[width..]) as i64, (c * c) & mask, "{c}^2 in {width} bits");
                }
            }
        }
    }
}
