//! Whole predictions on shares of random networks: two hosts in one process, and the program in the clear.

#[path = "../support/bounds.rs"]
#[allow(dead_code)] // the width of what is allowed
mod bounds;
#[path = "../contract/common.rs"]
#[allow(dead_code, clippy::unwrap_used)] // the contract's other modes, and how it fails
mod common;
mod draw;
#[path = "../contract/end.rs"]
#[allow(dead_code)] // what is counted there
mod end;
mod hosts;
mod numbers;
#[path = "../support/plan.rs"]
#[allow(dead_code)] // bytes
mod plan;
mod prefix;

use std::collections::BTreeMap;
use std::ops::Range;

use chacha20::ChaCha12Rng;
use rand::SeedableRng as _;
use xonn_crypto::garble::Scheme;
use xonn_program::OutputEncoding;
use xonn_program::op::{Linear, Planes};
use xonn_protocols::plan::{How, Plan};
use xonn_protocols::planner;

use crate::draw::{Drawn, Net, network};

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

/// Networks of the shapes that read tables, with inputs of 20 bits and cuts where samples lie: their first
/// sums have 24 to 26 bits, go through the largest ring and long digits, and nothing but the output is left
/// to the circuit.
#[test]
fn inputs_of_20_bits_go_on_shares() {
    for (seed, inputs) in [(1, 30), (2, 8), (3, 10), (4, 32)] {
        let mut net = Net::new(ChaCha12Rng::seed_from_u64(seed), [1, 1, inputs], 20, seed % 2 == 0);
        net.linear(Linear::dense(inputs, 32, Planes::Sign));
        net.threshold();
        net.linear(Linear::dense(32, 32, Planes::Sign));
        net.threshold();
        net.linear(Linear::dense(32, 2, Planes::Sign));
        let drawn = net.finish(OutputEncoding::Scores { count: 2, bits: 7, scale: 1.0 });

        let plan = planner::on_shares(&drawn.program, Scheme::HalfGates).expect("it goes on shares");
        assert_eq!(plan.stages.last().expect("a stage").layers, [5], "the circuit has the output alone");
        let rings = plan.stages.iter().filter_map(|stage| match &stage.how {
            How::Rlwe(choice) => Some((choice.params.bits(), choice.bits)),
            _ => None,
        });
        let rings: Vec<(u32, u32)> = rings.collect();
        println!("{inputs} inputs: bits of q and of sums {rings:?}");
        assert!(rings[0].0 >= 36 && rings[0].1 >= 24 && (inputs < 10 || rings[0].0 == 44), "{rings:?}");
        is_right(seed, plan, &drawn);
    }
}
