//! No branch depends on a number, a share, a row or a Delta: see `../steps.rs`.

#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

use std::sync::Arc;

use xonn_crypto::share::RingTensor;
use xonn_protocols::compare_ot::numbers::{Function, Plan, Shape};

use super::{Stage, alone, damage, lines};
use crate::common::{Pools, numbers, rng};
use crate::steps::single::assert_same_steps;

/// Runs a shape with secrets of both hosts that differ in all that is secret. Tweaks and start points are
/// public.
fn same_steps(shape: &Shape) {
    let tweaks = Pools::deal(0, 0, &mut rng(0)).tweaks;
    let plan = Arc::new(Plan::new(shape.clone()).unwrap());
    let secrets: Vec<(Pools, Stage)> = (0..4)
        .map(|seed| {
            let rng = &mut rng(100 + seed);
            let pools = Pools { tweaks, ..Pools::of(&plan.cost(), rng) };
            // All zeros, all ones, ones against zeros, random.
            let mut share = |value: Option<u64>| -> Vec<RingTensor> {
                let all = shape.reads().into_iter();
                let fill = |bits, value| RingTensor::new(bits, vec![value; shape.elements]).unwrap();
                all.map(|bits| match value {
                    Some(value) => fill(bits, value),
                    None => numbers(shape.elements, bits, rng),
                })
                .collect()
            };
            let [y0, y1] = match seed {
                0 => [share(Some(0)), share(Some(0))],
                1 => [share(Some(u64::MAX)), share(Some(u64::MAX))],
                2 => [share(Some(0)), share(Some(u64::MAX))],
                _ => [share(None), share(None)],
            };
            let rho = numbers(plan.results(), shape.to, rng);
            // The same random numbers are drawn.
            (pools, Stage { plan: Arc::clone(&plan), y0, y1, rho, seed: 1 })
        })
        .collect();
    let what = format!("{:?}, {} to {} bits", shape.function, shape.from, shape.to);
    assert_same_steps(&what, &secrets, |(pools, stage)| stage.run(pools, &|_, _| {}).unwrap());
}

#[test]
fn a_relu_runs_the_same_steps() {
    same_steps(&alone(5, [4, 9], Function::Relu));
}

#[test]
fn a_square_runs_the_same_steps() {
    same_steps(&alone(5, [4, 9], Function::Square { drop: 3 }));
}

#[test]
fn a_curve_runs_the_same_steps() {
    same_steps(&alone(3, [4, 6], Function::Curve(lines(4, 2, [2, 2, 3]))));
}

#[test]
#[ignore = "some minutes"]
fn all_stages_of_numbers_run_the_same_steps() {
    for shape in damage::shapes(3) {
        same_steps(&shape);
        println!("{:?}, {} to {} bits: the same steps", shape.function, shape.from, shape.to);
    }
    // More elements than a chunk of a hash, and a rest.
    same_steps(&alone(66, [4, 8], Function::Relu));
}
