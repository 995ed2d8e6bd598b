//! Both sides of a stage: what their shares open to is what the program's layers give.

use rand::RngExt;
use xonn_protocols::compare_ot::{Choice, CompareOt, cost};
use xonn_protocols::protocol::{Protocol as _, Rows};
use xonn_protocols::value::Ring;

use crate::common::rng;
use crate::stage::{Case, Pool, check, program, stage, window};

/// Exact and noisy shares, of 2 bits and of as many as can be compared, with spans as large as fit.
const RINGS: [Ring; 8] = [
    Ring { bits: 2, fraction: 0, terms: 0, step: 2, span: 1 },
    Ring { bits: 5, fraction: 0, terms: 0, step: 1, span: 15 },
    Ring { bits: 7, fraction: 0, terms: 0, step: 4, span: 40 },
    Ring { bits: 6, fraction: 1, terms: 1, step: 1, span: 15 },
    Ring { bits: 9, fraction: 2, terms: 1, step: 2, span: 63 },
    Ring { bits: 12, fraction: 3, terms: 4, step: 1, span: 200 },
    Ring { bits: 12, fraction: 0, terms: 0, step: 2, span: 2047 },
    Ring { bits: 22, fraction: 1, terms: 1, step: 1, span: (1 << 20) - 1 },
];

#[test]
fn every_ring_at_every_edge_without_a_pool() {
    let rng = &mut rng(1);
    let mut cases = Vec::new();
    for ring in RINGS {
        for (bits, cuts) in [(1, 5), (9, 3), (62, 15)] {
            cases.push(Case::edges(([8, 16, 15], Pool::None, cuts), (Choice::Sign, ring, bits), rng));
        }
    }
    check(&cases);
}

#[test]
fn every_t_and_every_cut_of_a_small_ring() {
    // 8 values of t, each with 4 fractions, 17 edges rising and falling.
    let ring = Ring { bits: 6, fraction: 2, terms: 1, step: 2, span: 7 };
    for pooled in [false, true] {
        let shape = if pooled { [64, 1, 34] } else { [32, 1, 34] };
        // Windows of an element and one that never counts more.
        let window = window(shape, [2, 1], [2, 1], false);
        let pools = if pooled { vec![Pool::InFront(window), Pool::Behind(window)] } else { vec![Pool::None] };
        let mut cases = Vec::new();
        for pool in pools {
            let choices: &[Choice] = match pool {
                Pool::None => &[Choice::Sign],
                Pool::InFront(_) => &[Choice::Sign, Choice::Narrow, Choice::Wide],
                Pool::Behind(_) => &[Choice::Sign, Choice::Narrow, Choice::Wide],
            };
            for &choice in choices {
                let case = Case::edges((shape, pool, 34), (choice, ring, 8), &mut rng(2));
                cases.push(case.exhaustive(ring, [shape[0], if pooled { 2 } else { 1 }]));
            }
        }
        check(&cases);
    }
}

#[test]
fn pools_in_front_and_behind() {
    let rng = &mut rng(3);
    let shape = [7, 9, 6];
    let windows = [
        window(shape, [2, 2], [2, 2], false),
        // At the edges of the image windows have one or two elements.
        window(shape, [2, 2], [2, 2], true),
        window(shape, [3, 3], [2, 2], true),
        window(shape, [3, 3], [1, 1], true),
        window(shape, [3, 2], [1, 2], false),
        window(shape, [1, 4], [1, 3], true),
        window(shape, [7, 9], [1, 1], false),
    ];
    let mut cases = Vec::new();
    for ring in RINGS {
        for window in windows {
            let small = window.kernel[0] * window.kernel[1] <= 4;
            for (choice, pool) in [
                (Choice::Sign, Pool::InFront(window)),
                (Choice::Narrow, Pool::InFront(window)),
                (Choice::Wide, Pool::InFront(window)),
                (Choice::Sign, Pool::Behind(window)),
                (Choice::Narrow, Pool::Behind(window)),
                (Choice::Wide, Pool::Behind(window)),
            ] {
                if small || choice == Choice::Wide {
                    let cuts = [6, 3, 2, 1][rng.random_range(0..4)];
                    let bits = rng.random_range(1..=14);
                    cases.push(Case::edges((shape, pool, cuts), (choice, ring, bits), rng));
                }
            }
        }
    }
    assert_eq!(cases.len(), RINGS.len() * (3 * 6 + 4 * 2));
    let fires = |case: &&Case| case.expected().contains(&1) && case.expected().contains(&-1);
    let both = cases.iter().filter(fires).count();
    assert!(both > cases.len() / 2, "{both} of {} cases have windows of both kinds", cases.len());
    check(&cases);
}

#[test]
fn a_large_layer() {
    let rng = &mut rng(4);
    let ring = Ring { bits: 12, fraction: 2, terms: 1, step: 2, span: 400 };
    let shape = [32, 32, 64];
    let pool = Pool::InFront(window(shape, [2, 2], [2, 2], false));
    check(&[
        Case::edges((shape, Pool::None, 64), (Choice::Sign, ring, 11), rng),
        Case::edges((shape, pool, 64), (Choice::Narrow, ring, 11), rng),
    ]);
}

#[test]
fn rows_are_those_of_the_cost_at_both_sides() {
    let ring = RINGS[4];
    let window = window([6, 6, 4], [2, 2], [2, 2], true);
    for (choice, pool) in [
        (Choice::Sign, Pool::None),
        (Choice::Sign, Pool::InFront(window)),
        (Choice::Narrow, Pool::InFront(window)),
        (Choice::Wide, Pool::Behind(window)),
    ] {
        let case = Case::edges(([6, 6, 4], pool, 4), (choice, ring, 8), &mut rng(5));
        let (program, stage) = (program([6, 6, 4], pool, 4), stage(&case.program, choice, ring, 8));
        let cost = cost(&stage, &program).unwrap();
        let rows = Rows { leaves: cost.leaf_rows, masks: cost.mask_rows, tweaks: cost.tweaks };
        assert_eq!(CompareOt.client(&stage, &program).unwrap().rows(), rows);
        assert_eq!(CompareOt.server(&stage, &program, &case.tensors()).unwrap().rows(), rows);
    }
}

#[test]
fn what_is_chosen_for_a_pool_runs() {
    let (shape, ring) = ([4, 4, 3], RINGS[4]);
    let mut cases = vec![Case::edges((shape, Pool::None, 3), (Choice::of(None), ring, 8), &mut rng(6))];
    for kernel in [[1, 1], [1, 2], [2, 2], [3, 2], [4, 4]] {
        let window = window(shape, kernel, kernel, true);
        let choice = Choice::of(Some(kernel[0] * kernel[1]));
        for pool in [Pool::InFront(window), Pool::Behind(window)] {
            cases.push(Case::edges((shape, pool, 3), (choice, ring, 8), &mut rng(6)));
        }
    }
    check(&cases);
}
