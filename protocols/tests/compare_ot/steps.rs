//! No branch depends on a share, a bit, a row or a Delta: the instructions that run are the same whatever
//! they are.
//!
//! Each instruction is a trap, so most layers take minutes and are run when asked for:
//!
//!     cargo test --release -p xonn-protocols --test compare_ot steps -- --include-ignored
//!
//! Addresses are not looked at.

#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

#[path = "../../../crypto/src/block/steps.rs"]
pub mod single;

use std::sync::Arc;

use rand::RngExt;
use single::assert_same_steps;
use xonn_crypto::share::RingTensor;
use xonn_program::op::Cut;
use xonn_protocols::compare_ot::sign::{Client, Plan, Server};
use xonn_protocols::compare_ot::{cuts, narrow, wide};
use xonn_protocols::steps::StepError;
use xonn_protocols::steps::column::Column;
use xonn_protocols::steps::windows::Windows;
use xonn_protocols::value::Ring;

use crate::common::{Layer, Pools, numbers, random_column, rng};

/// Elements: more than a chunk, and a rest.
const N: usize = 70;

/// Secrets of both hosts that differ in all that is secret: shares, flips, rows, Deltas. Tweaks and start
/// points are public.
fn secrets(w: u32, [n, windows]: [usize; 2], leaf_rows: usize, mask_rows: usize) -> Vec<(Pools, Layer)> {
    let tweaks = Pools::deal(0, 0, &mut rng(0)).tweaks;
    (0..4)
        .map(|seed| {
            let rng = &mut rng(100 + seed);
            let pools = Pools { tweaks, ..Pools::deal(leaf_rows, mask_rows, rng) };
            let fill = |count, bits: u32, value: u64| RingTensor::new(bits, vec![value; count]).unwrap();
            // All zeros, all ones, ones against zeros, random.
            let (y0, y1) = match seed {
                0 => (fill(n, w + 1, 0), fill(n, w + 1, 0)),
                1 => (fill(n, w + 1, u64::MAX), fill(n, w + 1, u64::MAX)),
                2 => (fill(n, w + 1, 0), fill(n, w + 1, u64::MAX)),
                _ => (numbers(n, w + 1, rng), numbers(n, w + 1, rng)),
            };
            let flips = if seed == 0 { Column::zeros(n) } else { random_column(n, rng) };
            // The same random numbers are drawn: `seed` is the generator's.
            let behind = if seed == 0 { Column::zeros(windows) } else { random_column(windows, rng) };
            (pools, Layer { y0, y1, flips, behind, rho: numbers(windows, 9, rng), seed: 1 })
        })
        .collect()
}

/// Both roles from the first row to the last share, messages included.
fn sign(plan: &Arc<Plan>, (pools, layer): &(Pools, Layer)) -> Result<RingTensor, StepError> {
    let (cross, client) = Client::start(plan, pools.tweaks, pools.masks.sender())?;
    let mut server = Server::start(plan, pools.tweaks, pools.masks.receiver())?;
    if plan.flips() > 0 {
        server = server.flipped(layer.behind.clone())?;
    }
    let (products, server) = server.on_cross_terms(&cross)?;
    let (digits, client) = client.on_products(&products, &layer.y1, pools.leaves.receiver())?;
    let server = server.on_digits(&digits, pools.leaves.sender())?;
    let (tables, server) = server.on_share(&layer.y0, &layer.flips)?;
    server.on_answer(&client.on_tables(&tables, &layer.rho)?)
}

fn windows_of(members: usize, elements: usize) -> Windows {
    let indices = (0..(elements / members * members) as u32).collect();
    Windows::new(elements, members, indices).unwrap()
}

fn signs(w: u32, members: usize, elements: usize) {
    same_steps(w, elements, Plan::new(w, windows_of(members, elements), 9).unwrap());
}

fn same_steps(w: u32, elements: usize, plan: Plan) {
    let plan = Arc::new(plan);
    let cost = plan.cost();
    let secrets = secrets(w, [elements, plan.windows().len()], cost.leaf_rows, cost.mask_rows);
    assert_same_steps(&format!("signs, w = {w}"), &secrets, |secret| sign(&plan, secret).unwrap());
}

#[test]
fn signs_of_two_digits_run_the_same_steps() {
    signs(6, 2, N);
}

#[test]
fn flipped_ors_run_the_same_steps() {
    same_steps(6, 12, Plan::new(6, windows_of(4, 12), 9).unwrap().flipped().unwrap());
}

#[test]
fn signs_of_three_digits_run_the_same_steps() {
    signs(8, 4, 12);
}

#[test]
fn cuts_are_taken_in_the_same_steps() {
    let ring = Ring { bits: 12, fraction: 2, terms: 1, step: 2, span: 300 };
    let all: Vec<(RingTensor, Vec<i64>, Vec<Cut>)> = (0..4)
        .map(|seed| {
            let rng = &mut rng(seed);
            // Edges below all that t can be, above it, and in between.
            let far = [-4000, 4000, 300, 0][seed as usize];
            let cut =
                |i: u64| Cut { rising: (i ^ seed).is_multiple_of(3), at: far + rng.random_range(-200..200) };
            let cuts = (0..7).map(cut).collect();
            let offsets = (0..N).map(|_| rng.random_range(-100..100)).collect();
            (numbers(N, 12, rng), offsets, cuts)
        })
        .collect();
    assert_same_steps("cuts", &all, |(share, offsets, cuts)| {
        (cuts::taken_from(share, offsets, ring, cuts).unwrap(), cuts::falling(N, cuts))
    });
}

#[test]
fn signs_of_one_digit_run_the_same_steps() {
    signs(3, 1, N);
}

#[test]
#[ignore = "a minute"]
fn signs_with_tables_of_several_words_run_the_same_steps() {
    signs(17, 3, 6);
}

#[test]
#[ignore = "a minute"]
fn signs_of_11_bits_run_the_same_steps() {
    signs(11, 1, N);
}

#[test]
#[ignore = "a minute"]
fn pools_in_two_round_trips_run_the_same_steps() {
    let windows = || Windows::new(N, 2, (0..N as u32).collect()).unwrap();
    let plan = narrow::Plan::new(6, windows(), 9).unwrap();
    let all = secrets(6, [N, N / 2], plan.cost().leaf_rows, plan.cost().mask_rows);
    assert_same_steps("narrow pools", &all, |(pools, layer)| {
        crate::common::narrow(&plan, pools, layer, &|_, _| {}).unwrap()
    });
    let plan = wide::Plan::new(6, windows(), 9).unwrap();
    let all = secrets(6, [N, N / 2], plan.cost().leaf_rows, plan.cost().mask_rows);
    assert_same_steps("wide pools", &all, |(pools, layer)| {
        crate::common::wide(&plan, pools, layer, &|_, _| {}).unwrap()
    });
}
