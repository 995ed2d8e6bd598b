//! Counting ones, and counting them against a threshold.

use crate::builder::Builder;
use crate::gadgets::adder::Columns;
use crate::netlist::WireId;

/// Bits that hold the numbers `0..=max`.
#[must_use]
pub fn width_of(max: u64) -> usize {
    (u64::BITS - max.leading_zeros()) as usize
}

/// Counts the 1s among `bits`, a full-adder tree.
///
/// Returns `floor(log2 n) + 1` wires for `n = bits.len()`, none for no bits.
/// Cost: `n - ones(n)` ANDs ([`popcount_cost`]), the least possible [Boyar, Peralta 2008, theorem 3].
///
/// # Example
/// ```
/// # use xonn_circuits::{builder::Builder, gadgets::popcount::popcount};
/// let mut b = Builder::new();
/// let bits = b.input(127);
/// assert_eq!((popcount(&mut b, &bits).len(), b.and_count()), (7, 120));
/// ```
pub fn popcount(b: &mut Builder, bits: &[WireId]) -> Vec<WireId> {
    let mut columns = Columns::new(b);
    bits.iter().for_each(|&bit| columns.add(0, bit));
    columns.sum(width_of(bits.len() as u64))
}

/// AND gates of [`popcount`]: `n - ones(n)`, `ones` the 1 digits of `n` in binary.
#[must_use]
pub fn popcount_cost(n: u64) -> u64 {
    n - u64::from(n.count_ones())
}

/// Whether at least `at` of `bits` are 1, `at` given by the garbler as the addend `2^width - at`.
///
/// * `addend`: `width_of(bits.len())` wires holding `2^width - at` for `1 <= at <= n + 1` ([`threshold_addend`]); so
///   `at = n + 1` never fires, and "always" is "never" followed by a secret flip.
/// * Cost: [`threshold_cost`] ANDs with eight-bit inputs set to one bit: only the carries up to the top are made, the
///   sum bits are not.
pub fn popcount_at_least(b: &mut Builder, bits: &[WireId], addend: &[WireId]) -> WireId {
    assert_eq!(addend.len(), width_of(bits.len() as u64), "the addend is as wide as the count");
    let mut columns = Columns::new(b);
    bits.iter().for_each(|&bit| columns.add(0, bit));
    columns.carry_out(addend)
}

/// The addend that makes [`popcount_at_least`] (or [`crate::gadgets::adder::Columns::carry_out`]) fire from `at` on.
///
/// `max` is the largest sum; `at` is clamped to `1..=max + 1`. Returns `2^width - at`, `width = width_of(max)`.
#[must_use]
pub fn threshold_addend(at: u64, max: u64) -> u64 {
    (1u64 << width_of(max)) - at.clamp(1, max + 1)
}

/// AND gates of a sum of `n` numbers of `bits` bits each, compared with a folded threshold.
///
/// Column `k` receives `n` bits (for `k < bits`), the carries from below and one bit of the addend, and makes
/// `floor(m_k / 2)` carries. For `bits = 1`: 128 / 578 / 787 / 1154 for fan-in 128 / 576 / 784 / 1152.
#[must_use]
pub fn threshold_cost(n: u64, bits: u32) -> u64 {
    let max = n * ((1u64 << bits) - 1);
    let (mut carries, mut total) = (0u64, 0u64);
    for k in 0..width_of(max) {
        let fresh = if k < bits as usize { n } else { 0 };
        carries = (fresh + carries).div_ceil(2);
        total += carries;
    }
    total
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::eval::evaluate_bits;
    use crate::netlist::Netlist;

    pub(crate) fn bits(value: u64, width: usize) -> Vec<bool> {
        (0..width).map(|i| value >> i & 1 == 1).collect()
    }

    pub(crate) fn number(bits: &[bool]) -> u64 {
        bits.iter().enumerate().fold(0, |n, (i, &bit)| n | u64::from(bit) << i)
    }

    pub(crate) fn run(netlist: &Netlist, input: &[bool]) -> Vec<bool> {
        evaluate_bits(netlist, input)
    }

    /// `ones` ones among `n` bits, at places that depend on `salt`.
    fn some_bits(n: usize, ones: usize, salt: usize) -> Vec<bool> {
        let mut bits = vec![false; n];
        (0..ones).for_each(|i| bits[(i * 7 + salt) % n] = true); // 7 divides none of the n tested with ones > 1
        bits
    }

    #[test]
    fn popcount_counts_at_its_closed_form() {
        for n in 1..=40usize {
            let mut b = Builder::new();
            let x = b.input(n);
            let count = popcount(&mut b, &x);
            assert_eq!(count.len(), width_of(n as u64));
            let netlist = b.finish(&[count]);
            assert_eq!(netlist.stats().and, popcount_cost(n as u64), "fan-in {n}");
            for ones in 0..=n {
                let mut input = vec![true; ones];
                input.resize(n, false);
                input.rotate_right(ones / 2);
                assert_eq!(number(&run(&netlist, &input)), ones as u64);
            }
        }
    }

    #[test]
    fn threshold_fires_from_its_edge_on() {
        for n in 1..=20usize {
            let mut b = Builder::new();
            let x = b.input(n);
            let width = width_of(n as u64);
            let c = b.input(width);
            let fires = popcount_at_least(&mut b, &x, &c);
            let netlist = b.finish(&[vec![fires]]);
            assert_eq!(netlist.stats().and, threshold_cost(n as u64, 1), "fan-in {n}");
            for at in 1..=n as u64 + 1 {
                for ones in 0..=n {
                    let mut input = vec![true; ones];
                    input.resize(n, false);
                    input.rotate_left(ones / 3);
                    input.extend(bits(threshold_addend(at, n as u64), width));
                    assert_eq!(run(&netlist, &input), [ones as u64 >= at], "n {n}, at {at}, ones {ones}");
                }
            }
        }
    }

    #[test]
    fn costs_of_every_fan_in_to_2000_and_the_agreed_table() {
        for (n, ands) in [(128, 128), (576, 578), (784, 787), (1152, 1154)] {
            assert_eq!(threshold_cost(n, 1), ands);
        }
        for n in 1..=2000u64 {
            let mut b = Builder::new();
            let x = b.input(n as usize);
            let c = b.input(width_of(n));
            let _ = popcount_at_least(&mut b, &x, &c);
            assert_eq!(b.and_count(), threshold_cost(n, 1), "fan-in {n}");
        }
    }

    #[test]
    fn large_fan_in_keeps_its_edge() {
        let n = 1152;
        let mut b = Builder::new();
        let x = b.input(n);
        let c = b.input(width_of(n as u64));
        let fires = popcount_at_least(&mut b, &x, &c);
        let netlist = b.finish(&[vec![fires]]);
        for at in [1u64, 2, 576, 1024, 1151, 1152, 1153] {
            for ones in [0usize, 1, 575, 576, 1023, 1024, 1150, 1151, 1152] {
                let mut input = some_bits(n, ones, at as usize);
                assert_eq!(input.iter().filter(|&&b| b).count(), ones, "the places are distinct");
                input.extend(bits(threshold_addend(at, n as u64), width_of(n as u64)));
                assert_eq!(run(&netlist, &input), [ones as u64 >= at]);
            }
        }
    }
}
