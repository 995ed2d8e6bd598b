//! Whole predictions on shares of random networks: two hosts in one process, and the program in the clear.

mod draw;
mod hosts;
mod prefix;

use xonn_crypto::garble::Scheme;
use xonn_protocols::planner;

use crate::draw::{Drawn, network};

/// Runs networks from seeds; how many were on shares, and how many stages of each protocol there were.
fn all_are_right(seeds: std::ops::Range<u64>) -> (usize, std::collections::BTreeMap<&'static str, usize>) {
    let (mut run, mut stages) = (0, std::collections::BTreeMap::new());
    let mut reasons = std::collections::BTreeMap::<String, usize>::new();
    for seed in seeds {
        if seed % 100 == 0 {
            println!("network {seed}");
        }
        let Drawn { program, tensors, samples } = network(seed);
        let planned = planner::on_shares(&program, Scheme::ALL[seed as usize % Scheme::ALL.len()]);
        let plan = match planned {
            Ok(plan) => plan,
            Err(refused) => {
                let layer = &program.layers()[refused.layer];
                assert_eq!(refused.op, layer.op.name(), "network {seed}");
                assert!(!refused.reason.is_empty(), "network {seed}");
                *reasons.entry(format!("{}: {}", refused.op, refused.reason)).or_default() += 1;
                continue;
            }
        };
        run += 1;
        for stage in &plan.stages {
            *stages.entry(stage.how.protocol().name()).or_default() += 1;
        }
        let ahead = seed as usize % 3;
        let outputs = hosts::predict(plan, &program, &tensors, &samples, ahead)
            .unwrap_or_else(|error| panic!("network {seed}: {error}"));
        let expected = program.evaluate(&tensors, &samples).expect("inputs are in range");
        for (number, (output, expected)) in outputs.iter().zip(&expected).enumerate() {
            let found = program.output().decode(output);
            let expected = expected.prediction(program.output());
            assert_eq!(found, expected, "network {seed}, sample {number}: {:#?}", program.layers());
        }
    }
    assert!(run > 0, "none were on shares");
    println!("{run} on shares: {stages:?}; not: {reasons:#?}");
    (run, stages)
}

#[test]
fn random_networks_on_shares_give_the_program() {
    let (run, stages) = all_are_right(0..80);
    assert!(run >= 60, "only {run} networks were run on shares");
    for protocol in ["mask", "local", "rlwe", "compare_ot", "garbled"] {
        assert!(stages[protocol] >= 30, "{protocol}: {stages:?}");
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
    let (run, _) = all_are_right(first..end);
    assert!(2 * run as u64 >= end - first, "only {run} networks were run on shares");
}
