//! Whole predictions on shares of random networks: two hosts in one process, and the program in the clear.

mod draw;
mod hosts;
#[path = "../support/plan.rs"]
#[allow(dead_code)] // bytes
mod plan;
mod prefix;

use std::collections::BTreeMap;
use std::ops::Range;

use xonn_crypto::garble::Scheme;
use xonn_protocols::plan::Plan;
use xonn_protocols::planner;

use crate::draw::{Drawn, network};

/// What was run: networks by each planner, and stages by protocol.
#[derive(Default, Debug)]
struct Run {
    networks: [usize; 2],
    stages: BTreeMap<&'static str, usize>,
    refused: BTreeMap<String, usize>,
}

/// Plans networks from seeds, and runs all plans.
fn all_are_right(seeds: Range<u64>) -> Run {
    let mut run = Run::default();
    for seed in seeds {
        if seed % 100 == 0 {
            println!("network {seed}");
        }
        let drawn = network(seed);
        let scheme = Scheme::ALL[seed as usize % Scheme::ALL.len()];
        for (number, planner) in [planner::on_shares, planner::by_weight_ot].into_iter().enumerate() {
            match planner(&drawn.program, scheme) {
                Ok(plan) => {
                    run.networks[number] += 1;
                    for stage in &plan.stages {
                        *run.stages.entry(stage.how.protocol().name()).or_default() += 1;
                    }
                    is_right(seed, plan, &drawn);
                }
                Err(refused) => {
                    assert_eq!(refused.op, drawn.program.layers()[refused.layer].op.name(), "network {seed}");
                    assert!(!refused.reason.is_empty(), "network {seed}");
                    *run.refused.entry(format!("{}: {}", refused.op, refused.reason)).or_default() += 1;
                }
            }
        }
    }
    println!("{run:#?}");
    run
}

fn is_right(seed: u64, plan: Plan, Drawn { program, tensors, samples }: &Drawn) {
    let outputs = hosts::predict(plan, program, tensors, samples, seed as usize % 3)
        .unwrap_or_else(|error| panic!("network {seed}: {error}"));
    let expected = program.evaluate(tensors, samples).expect("inputs are in range");
    for (number, (output, expected)) in outputs.iter().zip(&expected).enumerate() {
        let (found, expected) = (program.output().decode(output), expected.prediction(program.output()));
        assert_eq!(found, expected, "network {seed}, sample {number}: {:#?}", program.layers());
    }
}

#[test]
fn random_networks_on_shares_give_the_program() {
    let run = all_are_right(0..80);
    assert!(run.networks.iter().all(|&networks| networks >= 60), "{run:?}");
    for protocol in ["mask", "local", "rlwe", "compare_ot", "weight_ot", "garbled"] {
        assert!(run.stages[protocol] >= 30, "{protocol}: {run:?}");
    }
}

/// Other networks by `XONN_NETWORKS=FIRST..END`.
#[test]
#[ignore = "minutes: 2,000 networks"]
fn many_random_networks_on_shares_give_the_program() {
    let range = std::env::var("XONN_NETWORKS").unwrap_or_else(|_| "1000..3000".into());
    let number = |text: &str| text.parse().expect("XONN_NETWORKS is FIRST..END");
    let (first, end) = range.split_once("..").expect("XONN_NETWORKS is FIRST..END");
    let (first, end): (u64, u64) = (number(first), number(end));
    let run = all_are_right(first..end);
    assert!(run.networks.iter().all(|&networks| 2 * networks as u64 >= end - first), "{run:?}");
}
