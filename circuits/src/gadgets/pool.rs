//! Max-pooling of bits.

use crate::builder::Builder;
use crate::netlist::WireId;

/// OR of `bits` between two flips that only the garbler knows: `OR(bits ^ flip) ^ flip`.
///
/// Max-pooling before BatchNorm and sign commutes with them: OR where gamma is positive (`flip = 0`), AND where it is
/// negative (`flip = 1`). The circuit is the same for both, so gamma's sign stays secret. Cost: `n - 1` ANDs.
pub fn or_pool(b: &mut Builder, bits: &[WireId], flip: WireId) -> WireId {
    let keep = b.inv(flip); // OR(x) = !AND(!x): the complements are folded into the flips
    let all_off = bits
        .iter()
        .fold(None, |all: Option<WireId>, &bit| {
            let off = b.xor(bit, keep);
            Some(all.map_or(off, |all| b.and(all, off)))
        })
        .expect("a pool has at least one input");
    b.xor(all_off, keep)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gadgets::popcount::tests::{bits, run};

    #[test]
    fn or_or_and_by_the_secret_flip() {
        for n in 1..=6usize {
            let mut b = Builder::new();
            let (x, flip) = (b.input(n), b.input(1));
            let y = or_pool(&mut b, &x, flip[0]);
            let netlist = b.finish(&[vec![y]]);
            assert_eq!(netlist.stats().and, n as u64 - 1);
            for v in 0..1u64 << n {
                let full = (1u64 << n) - 1;
                assert_eq!(run(&netlist, &bits(v, n + 1)), [v != 0]);
                assert_eq!(run(&netlist, &bits(v | 1 << n, n + 1)), [v == full]);
            }
        }
    }
}
