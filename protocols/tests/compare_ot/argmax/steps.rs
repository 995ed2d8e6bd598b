//! No branch depends on a number, a share, a row or a Delta: see `../steps.rs`.

#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

use xonn_crypto::share::RingTensor;

use super::Stage;
use crate::common::{Pools, numbers, rng};
use crate::steps::single::assert_same_steps;

/// Runs a tournament with secrets of both hosts that differ in all that is secret.
fn same_steps(count: usize, bits: u32) {
    let tweaks = Pools::deal(0, 0, &mut rng(0)).tweaks;
    let secrets: Vec<(Pools, Stage)> = (0..4)
        .map(|seed| {
            let rng = &mut rng(100 + seed);
            let mut share = |value: Option<u64>| match value {
                Some(value) => RingTensor::new(bits, vec![value; count]).unwrap(),
                None => numbers(count, bits, rng),
            };
            // All zeros, all ones, ones against zeros, random.
            let shares = match seed {
                0 => [share(Some(0)), share(Some(0))],
                1 => [share(Some(u64::MAX)), share(Some(u64::MAX))],
                2 => [share(Some(0)), share(Some(u64::MAX))],
                _ => [share(None), share(None)],
            };
            // The same random numbers are drawn.
            let stage = Stage::of(shares, 0, 1);
            (Pools { tweaks, ..stage.pools(rng) }, stage)
        })
        .collect();
    let what = format!("the largest of {count} numbers of {bits} bits");
    assert_same_steps(&what, &secrets, |(pools, stage)| stage.run(pools, &|_, _| {}).unwrap());
}

#[test]
fn a_tournament_of_three_runs_the_same_steps() {
    same_steps(3, 3);
}

#[test]
#[ignore = "some minutes"]
fn tournaments_run_the_same_steps() {
    for (count, bits) in [(2, 3), (3, 5), (5, 9), (7, 12), (140, 4)] {
        same_steps(count, bits);
    }
}
