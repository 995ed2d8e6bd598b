//! What several tests need.

use proptest::prelude::*;
use xonn_circuits::builder::Builder;
use xonn_circuits::netlist::Netlist;

/// `count` bits that look random and depend on `seed` alone.
pub fn bits(seed: u64, count: usize) -> Vec<bool> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 62 & 1 == 1
        })
        .collect()
}

/// Random netlists with three input groups, every gate kind, and outputs of every class.
pub fn arbitrary_netlist() -> impl Strategy<Value = Netlist> {
    let groups = prop::collection::vec(1usize..6, 3);
    let gates =
        prop::collection::vec((0u8..8, any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..80);
    let outputs = prop::collection::vec(any::<prop::sample::Index>(), 1..8);
    (groups, gates, outputs).prop_map(|(groups, gates, outputs)| {
        let mut b = Builder::new();
        let mut wires: Vec<_> = groups.iter().flat_map(|&bits| b.input(bits)).collect();
        for (kind, x, y) in gates {
            let (x, y) = (*x.get(&wires), *y.get(&wires));
            wires.push(match kind {
                0..4 => b.and(x, y),
                4..6 => b.xor(x, y),
                6 => b.inv(x),
                _ => b.constant(wires.len() % 2 == 0),
            });
        }
        let outputs = outputs.iter().map(|i| *i.get(&wires)).collect();
        b.finish(&[outputs])
    })
}
