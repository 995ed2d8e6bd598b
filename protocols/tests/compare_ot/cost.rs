//! Costs are those of the tables, and of the messages that are sent.

use xonn_crypto::share::RingTensor;
use xonn_protocols::compare_ot::sign::Plan;
use xonn_protocols::compare_ot::{Cost, narrow, wide};
use xonn_protocols::steps::windows::Windows;

use crate::common::{self, Layer, Pools, Transcript, random_column, rng};

/// Bits a neuron: ahead up, ahead down, online down, online up; rows of both pools.
fn a_neuron(cost: &Cost, neurons: usize) -> ([usize; 4], [usize; 2]) {
    let each = |total: usize| {
        assert_eq!(total % neurons, 0);
        total / neurons
    };
    (cost.bits().map(each), [each(cost.leaf_rows), each(cost.mask_rows)])
}

#[test]
fn a_neuron_costs_what_the_table_says() {
    let neurons = 64;
    let alone = || Windows::single(neurons).unwrap();
    let pool = || Windows::pool([1, 8, 8], [2, 2]).unwrap();
    let plan = |w, windows, l| Plan::new(w, windows, l).unwrap().cost();
    // offline C to S and S to C, F1, openings and messages of F2, rows, bits in all
    for (cost, bits, rows, total) in [
        (plan(10, alone(), 10), [16, 3, 48, 4 + 20], [10, 8], 91),
        (plan(11, alone(), 11), [17, 3, 64, 4 + 22], [11, 8], 110),
        (plan(11, pool(), 11), [17, 3, 64, 4 + 44], [11, 8], 132),
        (plan(14, alone(), 10), [20, 3, 128, 4 + 20], [14, 8], 175),
        // Two digits and one: no products are sent.
        (plan(7, alone(), 9), [7, 0, 16 + 16, 2 + 18], [7, 3], 59),
        (plan(3, alone(), 8), [3, 0, 8, 16], [3, 1], 27),
    ] {
        assert_eq!(a_neuron(&cost, neurons), (bits, rows));
        assert_eq!(bits.iter().sum::<usize>(), total);
        // Whole bytes, with so many neurons.
        assert_eq!(cost.bytes().map(|bytes| 8 * bytes), cost.bits());
        assert_eq!(cost.round_trips(), 1);
    }
}

#[test]
fn a_pool_in_two_round_trips_costs_a_hundred_bits_less_a_window() {
    let windows = || Windows::pool([1, 8, 8], [2, 2]).unwrap();
    let one = Plan::new(11, windows(), 11).unwrap().cost();
    let two = narrow::Plan::new(11, windows(), 11).unwrap().cost();
    let total = |cost: &Cost| cost.bits().iter().sum::<usize>() / 16;
    // 16 l against 4 + 16 + 2 l
    assert_eq!(total(&one) - total(&two), 16 * 11 - (20 + 22));
    assert_eq!((one.round_trips(), two.round_trips()), (1, 2));
    assert_eq!(two.leaf_rows - one.leaf_rows, 64);
    assert_eq!(two.mask_rows - one.mask_rows, 16);
    // S's flip behind the OR: a bit ahead, and another 16 l.
    let flipped = Plan::new(11, windows(), 11).unwrap().flipped().unwrap().cost();
    assert_eq!(total(&flipped) - total(&one), 1 + 16 * 11);
    assert_eq!((flipped.round_trips(), flipped.leaf_rows), (1, one.leaf_rows));
    assert_eq!(flipped.mask_rows - one.mask_rows, 16);
    // A window of 64 by its sum: 7 bits, a ring of 8; 64 signs and one more.
    let wide = wide::Plan::new(9, Windows::pool([2, 8, 8], [8, 8]).unwrap(), 10).unwrap();
    let [first, second] = wide.layers().map(|layer| (layer.comparison().digits().total(), layer.ring()));
    assert_eq!((first, second), ((9, 8), (7, 10)));
}

/// The cost's bytes are the messages'.
fn check(cost: &Cost, sent: &Transcript, what: &str) {
    let [first, second, third] = &cost.ahead;
    let fields = [first, second, third].into_iter().chain(&cost.online);
    let expected: Vec<usize> = fields.map(|fields| fields.bytes()).collect();
    assert_eq!(sent.iter().map(Vec::len).collect::<Vec<_>>(), expected, "{what}");
    let up: usize = sent.iter().step_by(2).map(Vec::len).sum();
    let [ahead_up, ahead_down, down, online_up] = cost.bytes();
    // Ahead up, down, up, then online down, up, ..
    assert_eq!(up, ahead_up + online_up, "{what}");
    assert_eq!(sent.iter().map(Vec::len).sum::<usize>(), up + ahead_down + down, "{what}");
}

#[test]
fn messages_are_as_long_as_the_cost_says() {
    let rng = &mut rng(1);
    // Odd numbers, so that each field has padding.
    for w in 1..=16 {
        for members in 1..=4usize {
            let indices: Vec<u32> = (0..7 * members as u32).map(|i| i % 13).collect();
            let windows = Windows::new(13, members, indices).unwrap();
            let x = RingTensor::from_signed(w + 1, &(-6..7).collect::<Vec<i64>>()).unwrap();
            let layer = Layer::share(&x, random_column(13, rng), [7, 9], rng);
            let what = format!("w = {w}, {members} members");
            let plan = Plan::new(w, windows.clone(), 9).unwrap();
            let (_, sent) = common::sign(&plan, &Pools::of(&plan.cost(), rng), &layer, &|_, _| {}).unwrap();
            check(&plan.cost(), &sent, &what);
            let plan = plan.flipped().unwrap();
            let (_, sent) = common::sign(&plan, &Pools::of(&plan.cost(), rng), &layer, &|_, _| {}).unwrap();
            check(&plan.cost(), &sent, &what);
            let plan = narrow::Plan::new(w, windows.clone(), 9).unwrap();
            let (_, sent) = common::narrow(&plan, &Pools::of(&plan.cost(), rng), &layer, &|_, _| {}).unwrap();
            check(&plan.cost(), &sent, &what);
            let plan = wide::Plan::new(w, windows.clone(), 9).unwrap();
            let (_, sent) = common::wide(&plan, &Pools::of(&plan.cost(), rng), &layer, &|_, _| {}).unwrap();
            check(&plan.cost(), &sent, &what);
        }
    }
}
