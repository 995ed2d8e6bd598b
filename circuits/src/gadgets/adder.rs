//! Full adder, ripple addition, and sums of weighted columns.

use crate::builder::Builder;
use crate::netlist::WireId;

/// `(sum, carry)` of three bits. Cost: 1 AND.
///
/// `carry = ((a ^ c) & (b ^ c)) ^ c` [Boyar, Peralta, Pochuev 2000].
pub fn full_adder(b: &mut Builder, x: WireId, y: WireId, c: WireId) -> (WireId, WireId) {
    let (xc, yc) = (b.xor(x, c), b.xor(y, c));
    let both = b.and(xc, yc);
    (b.xor(xc, y), b.xor(both, c))
}

/// `(x + y) mod 2^width` for two numbers of the same width. Cost: `width - 1` ANDs.
pub fn add_mod(b: &mut Builder, x: &[WireId], y: &[WireId]) -> Vec<WireId> {
    assert_eq!(x.len(), y.len(), "both summands have one width");
    let mut carry: Option<WireId> = None;
    let mut sum = Vec::with_capacity(x.len());
    for (i, (&xi, &yi)) in x.iter().zip(y).enumerate() {
        let last = i + 1 == x.len();
        let (s, next) = match carry {
            None if last => (b.xor(xi, yi), None),
            None => (b.xor(xi, yi), Some(b.and(xi, yi))),
            Some(c) if last => {
                let xy = b.xor(xi, yi);
                (b.xor(xy, c), None)
            }
            Some(c) => {
                let (s, next) = full_adder(b, xi, yi, c);
                (s, Some(next))
            }
        };
        sum.push(s);
        carry = next;
    }
    sum
}

/// Bits to be added up, column by column: a wire in column `k` counts `2^k`.
///
/// Bits are added as they come, so that few wires are alive at a time: a column that holds three bits is reduced by a
/// full adder at once (its carry goes to the next column). The order does not change the number of full adders.
pub struct Columns<'b> {
    builder: &'b mut Builder,
    waiting: Vec<Vec<WireId>>,
}

impl<'b> Columns<'b> {
    /// No bits yet.
    pub fn new(builder: &'b mut Builder) -> Self {
        Self { builder, waiting: Vec::new() }
    }

    /// The builder, to make the bits with.
    pub fn builder(&mut self) -> &mut Builder {
        self.builder
    }

    /// Adds `bit * 2^column`.
    pub fn add(&mut self, column: usize, bit: WireId) {
        let (mut column, mut bit) = (column, bit);
        loop {
            if self.waiting.len() <= column {
                self.waiting.resize(column + 1, Vec::new());
            }
            self.waiting[column].push(bit);
            let &[x, y, c] = self.waiting[column].as_slice() else { return };
            let (sum, carry) = full_adder(self.builder, x, y, c);
            self.waiting[column].clear();
            self.waiting[column].push(sum);
            (column, bit) = (column + 1, carry);
        }
    }

    /// [`Columns::sum`], and the builder to go on with.
    pub fn sum_and_builder(mut self, width: usize) -> (Vec<WireId>, &'b mut Builder) {
        let sum = self.take_sum(width);
        (sum, self.builder)
    }

    /// The sum modulo `2^width`, least significant bit first.
    ///
    /// Cost: one AND for each carry out of a column below `width - 1`, that is `floor(m_k / 2)` for a column to which
    /// `m_k` bits were added, carries from below included. The last column needs no carry and so costs none of its own
    /// beyond the full adders already spent on it.
    pub fn sum(mut self, width: usize) -> Vec<WireId> {
        self.take_sum(width)
    }

    fn take_sum(&mut self, width: usize) -> Vec<WireId> {
        let mut sum = Vec::with_capacity(width);
        for k in 0..width {
            let bits = self.waiting.get(k).cloned().unwrap_or_default();
            sum.push(match *bits.as_slice() {
                [] => self.builder.constant(false),
                [x] => x,
                [x, y] if k + 1 == width => self.builder.xor(x, y),
                [x, y] => {
                    let carry = self.builder.and(x, y);
                    self.add(k + 1, carry);
                    self.builder.xor(x, y)
                }
                _ => unreachable!("a column holds at most two waiting bits"),
            });
        }
        sum
    }

    /// The carry out of column `addend.len() - 1` when `addend` is added too: `(sum + addend) >= 2^addend.len()`.
    ///
    /// The sum itself must be below `2^addend.len()`. Cost: `floor(m_k / 2)` ANDs a column, `m_k` counting the addend's
    /// bit and the carries from below. The addend's bit comes last in its column, so that in columns with an even `m_k`
    /// it meets a half adder: where the addend is known to the garbler, that AND is one ciphertext.
    pub fn carry_out(mut self, addend: &[WireId]) -> WireId {
        let width = addend.len();
        for (k, &bit) in addend.iter().enumerate() {
            match self.waiting.get(k).map_or(0, Vec::len) {
                0 => {} // no carry out of a column that holds one bit
                1 => {
                    let carry = self.builder.and(self.waiting[k][0], bit);
                    self.add(k + 1, carry);
                }
                _ => self.add(k, bit), // the third bit: the full adder runs
            }
        }
        match self.waiting.get(width).map_or(&[][..], Vec::as_slice) {
            [carry] => *carry,
            [] => self.builder.constant(false),
            _ => unreachable!("a sum below 2^width plus an addend below 2^width carries at most once"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gadgets::popcount::tests::{bits, number, run};

    #[test]
    fn add_mod_is_exact_and_costs_width_minus_one() {
        for width in 1..=5usize {
            let mut b = Builder::new();
            let (x, y) = (b.input(width), b.input(width));
            let sum = add_mod(&mut b, &x, &y);
            let netlist = b.finish(&[sum]);
            assert_eq!(netlist.stats().and, width as u64 - 1);
            for v in 0..1u64 << (2 * width) {
                let (x, y) = (v & ((1 << width) - 1), v >> width);
                assert_eq!(number(&run(&netlist, &bits(v, 2 * width))), (x + y) & ((1 << width) - 1));
            }
        }
    }

    #[test]
    fn weighted_columns_add_up() {
        // Three 3-bit numbers and one bit of weight 4.
        let mut b = Builder::new();
        let x = b.input(10);
        let mut columns = Columns::new(&mut b);
        for (i, &bit) in x.iter().enumerate() {
            columns.add(if i == 9 { 2 } else { i % 3 }, bit);
        }
        let sum = columns.sum(5);
        let netlist = b.finish(&[sum]);
        for v in 0..1u64 << 10 {
            let want = (v & 7) + (v >> 3 & 7) + (v >> 6 & 7) + 4 * (v >> 9);
            assert_eq!(number(&run(&netlist, &bits(v, 10))), want);
        }
    }
}
