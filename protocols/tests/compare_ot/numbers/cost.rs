//! Costs are those of the tables, and of the messages that are sent.

use std::sync::Arc;

use rand::RngExt;
use xonn_protocols::compare_ot::Cost;
use xonn_protocols::compare_ot::numbers::{Curve, End, Function, Plan, Shape};
use xonn_protocols::steps::windows::Windows;

use super::{Stage, alone, edges, lines};
use crate::common::rng;

/// Elements: whole bytes of each field.
const N: usize = 64;

fn cost(rings: [u32; 2], function: Function) -> Cost {
    Plan::new(alone(N, rings, function)).unwrap().cost()
}

/// Bits an element: ahead, up online, down online; rows of both pools.
fn each(cost: &Cost, elements: usize) -> ([usize; 3], [usize; 2]) {
    let of = |total: usize| {
        assert_eq!(total % elements, 0);
        total / elements
    };
    let [ahead_up, ahead_down, down, up] = cost.bits();
    ([of(ahead_up + ahead_down), of(up), of(down)], [of(cost.leaf_rows), of(cost.mask_rows)])
}

#[test]
fn an_element_costs_what_the_table_says() {
    let product = |second, drop| Function::Product { second, drop };
    let flat = End { base: 9, slope: 0, drop: 0 };
    let level = |pieces, piece, low, guard| {
        let curve = lines(pieces, piece, [3, low, guard]);
        Function::Curve(Arc::new(Curve { ends: [flat; 2], ..(*curve).clone() }))
    };
    let sloped = |pieces, piece, low, guard| Function::Curve(lines(pieces, piece, [3, low, guard]));
    // bits ahead, up, down, rows of both pools, bytes
    for (rings, function, bits, rows, bytes) in [
        ([12, 21], Function::Relu, [29, 47, 86], [12, 9], 20.25),
        ([13, 24], Function::Relu, [32, 53, 105], [13, 9], 23.75),
        ([15, 29], Function::Relu, [37, 63, 158], [15, 9], 32.25),
        ([12, 12], Function::Relu, [20, 29, 76], [12, 8], 15.625),
        ([12, 21], Function::Same, [9, 21, 1], [0, 1], 3.875),
        // 8 bits more, of which none is dropped, and all.
        ([12, 21], Function::LeakyRelu { slope: 3, bits: 8, drop: 0 }, [29, 47, 86], [12, 9], 20.25),
        ([12, 21], Function::LeakyRelu { slope: 3, bits: 8, drop: 8 }, [37, 63, 94], [12, 9], 24.25),
        // Two comparisons, four messages, and one of everything else.
        ([12, 21], Function::Clamp { lo: 0, hi: 6 }, [49, 93, 150], [23, 17], 36.5),
        ([14, 24], Function::Square { drop: 12 }, [404, 24, 144], [14, 0], 71.5),
        ([13, 22], Function::Square { drop: 11 }, [343, 22, 132], [13, 0], 62.125),
        ([13, 27], product(13, 12), [830, 27, 312], [26, 0], 146.125),
        ([13, 17], product(13, 14), [638, 17, 248], [26, 0], 112.875),
        // Two comparisons of 15 bits; 2^8 lines of 21 bits each way, OLEs of 5 bits; four messages.
        ([16, 16], level(256, 5, 5, 5), [156, 74, 11_104], [45, 16], 1416.75),
        // An end with a slope of quarters: an extension by 2 bits.
        ([16, 16], sloped(64, 5, 5, 5), [156, 74, 3041], [43, 17], 408.875),
        ([16, 16], sloped(2, 5, 5, 5), [26, 37, 177], [16, 9], 30.0),
    ] {
        let cost = cost(rings, function.clone());
        assert_eq!(each(&cost, N), (bits, rows), "{function:?}, {rings:?}");
        assert_eq!(bits.iter().sum::<usize>() as f64 / 8.0, bytes, "{function:?}, {rings:?}");
        // Whole bytes, with so many elements.
        assert_eq!(cost.bytes().map(|bytes| 8 * bytes), cost.bits());
        assert_eq!(cost.round_trips(), 1);
    }
}

#[test]
fn a_maximum_costs_what_the_table_says() {
    for (bits, all, rows, bytes) in [(12, [20, 29, 76], [12, 8], 15.625), (13, [21, 31, 93], [13, 8], 18.125)]
    {
        let windows = |members: usize| Windows::new(N, members, (0..N as u32).collect()).unwrap();
        let pool =
            |members| Shape { largest: Some(windows(members)), ..alone(N, [bits, bits], Function::Same) };
        let pairs = Plan::new(pool(2)).unwrap().cost();
        assert_eq!(each(&pairs, N / 2), (all, rows), "{bits} bits");
        assert_eq!(all.iter().sum::<usize>() as f64 / 8.0, bytes);
        // A window of four: three maxima in two round trips.
        let fours = Plan::new(pool(4)).unwrap().cost();
        assert_eq!(each(&fours, N / 4), (all.map(|bits| 3 * bits), rows.map(|rows| 3 * rows)), "{bits} bits");
        assert_eq!((pairs.round_trips(), fours.round_trips()), (1, 2));
    }
}

#[test]
fn sums_behind_a_relu_cost_what_the_table_says() {
    let windows = Windows::new(N, 4, (0..N as u32).collect()).unwrap();
    let shape = Shape { sums: Some(windows), ..alone(N, [13, 24], Function::Relu) };
    assert_eq!(each(&Plan::new(shape).unwrap().cost(), N), ([32, 35, 105], [13, 9]));
}

#[test]
fn messages_are_as_long_as_the_cost_says() {
    let rng = &mut rng(1);
    // Odd numbers, so that each field has padding.
    for from in 3..=18 {
        let x = edges(13, from, rng);
        let mut shapes = Vec::new();
        let functions = [
            Function::Same,
            Function::Relu,
            Function::LeakyRelu { slope: 1, bits: 3, drop: 2 },
            Function::Clamp { lo: -1, hi: 1 },
            Function::Square { drop: from },
            Function::Product { second: from, drop: 3 },
            Function::Curve(lines(4, 1, [2, 1, from / 2])),
            Function::Curve(lines(2, from - 2, [2, 1, 1])),
        ];
        for function in functions {
            for to in [from, from + 5, 2 * from] {
                let indices: Vec<u32> = (0..35).map(|_| rng.random_range(0..13)).collect();
                let windows = Windows::new(13, 5, indices).unwrap();
                let same = matches!(function, Function::Same);
                let alone = alone(13, [from, to], function.clone());
                if !matches!(function, Function::Product { .. }) {
                    shapes.push(Shape { largest: Some(windows.clone()), ..alone.clone() });
                }
                if matches!(function, Function::Relu | Function::LeakyRelu { .. }) {
                    shapes.push(Shape { sums: Some(windows), ..alone.clone() });
                }
                if !same || to > from {
                    shapes.push(alone);
                }
            }
        }
        for shape in shapes {
            let reads = vec![&x[..]; shape.reads().len()];
            let what = format!("{shape:?}");
            let stage = Stage::share(shape, &reads, rng);
            let (_, sent) = stage.run(&stage.pools(rng), &|_, _| {}).unwrap();
            let cost = stage.plan.cost();
            let fields = cost.ahead.iter().chain(&cost.online);
            let expected: Vec<usize> = fields.map(|fields| fields.bytes()).collect();
            assert_eq!(sent.iter().map(Vec::len).collect::<Vec<_>>(), expected, "{what}");
        }
    }
}
