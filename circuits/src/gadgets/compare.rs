//! Comparison of two numbers.

use crate::builder::Builder;
use crate::netlist::WireId;

/// `x < y`, unsigned, same width. Cost: `width` ANDs.
///
/// The borrow of `x - y`, one AND a bit: `borrow' = ((x ^ borrow) & (y ^ borrow)) ^ y` with `x` complemented.
pub fn less_than(b: &mut Builder, x: &[WireId], y: &[WireId]) -> WireId {
    assert_eq!(x.len(), y.len(), "both numbers have one width");
    let mut borrow: Option<WireId> = None;
    for (&xi, &yi) in x.iter().zip(y) {
        let not_x = b.inv(xi);
        borrow = Some(match borrow {
            None => b.and(not_x, yi),
            Some(c) => {
                let (xc, yc) = (b.xor(not_x, c), b.xor(yi, c));
                let both = b.and(xc, yc);
                b.xor(both, c) // the majority of !x, y and the borrow
            }
        });
    }
    borrow.unwrap_or_else(|| b.constant(false))
}

/// `x < y` in two's complement, same width. Cost: `width` ANDs.
pub fn less_than_signed(b: &mut Builder, x: &[WireId], y: &[WireId]) -> WireId {
    let (x, y) = (offset_binary(b, x), offset_binary(b, y));
    less_than(b, &x, &y)
}

/// A two's complement number plus `2^(width - 1)`: its top bit inverted, so that unsigned order is signed order.
fn offset_binary(b: &mut Builder, x: &[WireId]) -> Vec<WireId> {
    let mut shifted = x.to_vec();
    if let Some(top) = shifted.last_mut() {
        *top = b.inv(*top);
    }
    shifted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gadgets::popcount::tests::{bits, run};

    #[test]
    fn both_orders_are_exact_at_one_and_a_bit() {
        for width in 1..=5usize {
            let mut b = Builder::new();
            let (x, y) = (b.input(width), b.input(width));
            let unsigned = less_than(&mut b, &x, &y);
            let signed = less_than_signed(&mut b, &x, &y);
            let netlist = b.finish(&[vec![unsigned, signed]]);
            assert_eq!(netlist.stats().and, 2 * width as u64);
            let value = |v: u64| (v as i64) << (64 - width) >> (64 - width);
            for v in 0..1u64 << (2 * width) {
                let (x, y) = (v & ((1 << width) - 1), v >> width);
                assert_eq!(run(&netlist, &bits(v, 2 * width)), [x < y, value(x) < value(y)]);
            }
        }
    }
}
