//! Costs are those of the table in the docs, and of the messages that are sent.

use xonn_protocols::compare_ot::argmax::Plan;

use super::Stage;
use crate::common::rng;

#[test]
fn a_tournament_costs_what_the_table_says() {
    // Classes, bits: bytes ahead up, ahead down, online down, online up; rows of both pools; levels.
    for (classes, bits, bytes, rows, levels) in [
        (10, 16, [48, 12, 200, 55], [144, 72], 4),
        (100, 16, [297, 51, 2192, 492], [1584, 792], 7),
        (1000, 16, [2661, 387, 22_106, 4765], [15_984, 7992], 10),
        (10_000, 16, [26_310, 3771, 221_233, 47_532], [159_984, 79_992], 14),
        (1000, 13, [2277, 387, 11_746, 4019], [12_987, 7992], 10),
        (10_000, 13, [22_548, 3771, 117_500, 40_038], [129_987, 79_992], 14),
    ] {
        let plan = Plan::new(classes, bits, 0).unwrap();
        let cost = plan.cost();
        let found = (cost.bytes(), [cost.leaf_rows, cost.mask_rows], plan.index_bits());
        assert_eq!(found, (bytes, rows, levels), "{classes} of {bits} bits");
        assert_eq!(cost.round_trips(), levels as usize);
    }
}

#[test]
fn messages_are_as_long_as_the_cost_says() {
    let rng = &mut rng(1);
    for classes in 2..=33 {
        for bits in [2, 3, 5, 8, 9, 16] {
            let stage = Stage::share(&vec![0; classes], bits, rng);
            let cost = stage.plan.cost();
            let (index, sent) = stage.run(&stage.pools(rng), &|_, _| {}).unwrap();
            let expected: Vec<usize> = cost.ahead.iter().chain(&cost.online).map(|f| f.bytes()).collect();
            assert_eq!(sent.iter().map(Vec::len).collect::<Vec<_>>(), expected, "{classes} of {bits} bits");
            assert_eq!(index.len(), stage.plan.index_bits() as usize);
            let [ahead_up, ahead_down, down, up] = cost.bytes();
            assert_eq!(expected.iter().sum::<usize>(), ahead_up + ahead_down + down + up);
        }
    }
}
