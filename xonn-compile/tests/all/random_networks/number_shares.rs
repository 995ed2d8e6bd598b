//! Random float networks on shares: two hosts' answers are those of numbers that chance has rounded.
//!
//! Two tests for each answer. Every number is less than 2 from what it would be without rounding, so scores
//! lie between the ends of intervals. And they lie near the mean of many evaluations in the clear that round
//! by other dice, where no sign turns on a number: such a mean says little of it.

use std::collections::BTreeMap;
use std::ops::Range;

use xonn_compile::network::Network;
use xonn_compile::passes::{self, OutputMode};
use xonn_crypto::garble::Scheme;
use xonn_program::evaluate::tensors_rounded;
use xonn_program::op::Rounding;
use xonn_program::{Kind, Op, OutputEncoding, Prediction};
use xonn_protocols::plan::Plan;
use xonn_protocols::planner;

use super::numbers::{drawn, with_numbers};
use crate::bounds::bounds;

/// Evaluations in the clear, and how many deviations of theirs an answer may be off.
const EVALUATIONS: u64 = 200;
const DEVIATIONS: f64 = 8.0;

/// What was run, and what was found.
#[derive(Default, Debug)]
struct Found {
    networks: usize,
    refused: usize,
    answers: usize,
    /// Answers of networks whose intervals stay in their bits, and of such without signs of numbers.
    within_bounds: usize,
    near_the_mean: usize,
    /// The farthest of these, in deviations.
    farthest: f64,
    /// Classes, those of the clear evaluation, and others that were as near.
    classes: usize,
    equal: usize,
    /// Stages by protocol and layers.
    stages: BTreeMap<String, usize>,
    wrong: Vec<String>,
}

/// Means and deviations of the last layer's numbers; none if one of them may not fit its bits.
fn by_chance(network: &Network, sample: &[i64]) -> Option<(Vec<f64>, Vec<f64>)> {
    let count = network.layers().last().expect("a layer").elements();
    let [mut sums, mut squares] = [(); 2].map(|()| vec![0.0; count]);
    for seed in 0..EVALUATIONS {
        let rounding = &mut Rounding::seeded(seed);
        let (mut tensors, lost) = tensors_rounded(network.layers(), network.tensors(), sample, rounding);
        if lost.iter().any(|&lost| lost > 0) {
            return None;
        }
        for (i, &score) in tensors.pop().expect("a layer").iter().enumerate() {
            sums[i] += score as f64;
            squares[i] += (score * score) as f64;
        }
    }
    let n = EVALUATIONS as f64;
    let means: Vec<f64> = sums.iter().map(|sum| sum / n).collect();
    let variance = |(squares, mean): (&f64, &f64)| (squares / n - mean * mean).max(0.0);
    // Noise of sums has a deviation of an eighth beside a chance of 0.41; a number that did not move may.
    let deviations = squares.iter().zip(&means).map(|both| variance(both).sqrt().max(0.5)).collect();
    Some((means, deviations))
}

/// How many deviations an answer is off, at the least; none if it is no answer that this can be said of.
fn off(answer: &Prediction, output: &OutputEncoding, (means, deviations): &(Vec<f64>, Vec<f64>)) -> f64 {
    let all = || means.iter().zip(deviations);
    match (answer, output) {
        (Prediction::Scores(scores), OutputEncoding::Scores { scale, .. }) => {
            let off =
                |(score, (mean, deviation)): (&f64, (&f64, &f64))| (score / scale - mean).abs() / deviation;
            scores.iter().zip(all()).map(off).fold(0.0, f64::max)
        }
        (&Prediction::Class(class), OutputEncoding::Argmax { .. }) => {
            let (mine, own) = (means[class as usize], deviations[class as usize]);
            all().map(|(mean, deviation)| (mean - mine) / deviation.hypot(own)).fold(0.0, f64::max)
        }
        _ => 0.0,
    }
}

/// Whether a sign is made of a number that chance has moved.
fn has_signs_of_numbers(network: &Network) -> bool {
    let layers = network.layers();
    layers.iter().any(|layer| {
        matches!(layer.op, Op::Threshold { .. })
            && layers[..layer.reads[0]].iter().any(|l| l.kind != Kind::Bit)
            && layer.reads[0] > 1
    })
}

impl Found {
    fn count(&mut self, plan: &Plan, network: &Network) {
        self.networks += 1;
        for stage in &plan.stages {
            let name = stage.how.protocol().name();
            let ops: Vec<&str> = stage.layers.iter().map(|&id| network.layers()[id].op.name()).collect();
            let ops = if name == "garbled" { String::new() } else { ops.join("+") };
            *self.stages.entry(format!("{name} {ops}")).or_default() += 1;
        }
    }

    fn check(&mut self, name: &str, network: &Network, sample: &[i64], answer: &Prediction) {
        self.answers += 1;
        let output = network.output();
        if let Some(bounds) = bounds(network.program(), network.tensors(), sample) {
            self.within_bounds += 1;
            if !bounds.allow(answer, output) {
                self.wrong.push(format!("{name}: {answer:?}, expected within {bounds:?}"));
            }
        }
        if !has_signs_of_numbers(network)
            && let Some(known) = by_chance(network, sample)
        {
            self.near_the_mean += 1;
            let off = off(answer, output, &known);
            self.farthest = self.farthest.max(off);
            if off > DEVIATIONS {
                self.wrong.push(format!("{name}: {answer:?}, {off:.1} deviations from {known:?}"));
            }
        }
    }
}

/// Runs networks of seeds between two hosts.
fn of_seeds(seeds: Range<u64>) -> Found {
    let mut found = Found::default();
    for seed in seeds {
        let (graph, samples) = drawn(seed);
        let bits = [(12, 10), (9, 8), (13, 12)][seed as usize % 3];
        let output = [OutputMode::Scores, OutputMode::Argmax, OutputMode::Labels][seed as usize / 3 % 3];
        let compiled = passes::run(&graph, &with_numbers(output, &samples, bits));
        let network = compiled.unwrap_or_else(|e| panic!("network {seed}: {e}")).network;
        let scheme = Scheme::ALL[seed as usize % Scheme::ALL.len()];
        let plan = match planner::on_shares(network.program(), scheme) {
            Ok(plan) => plan,
            // A kernel of many bits in front of a sign is exact, and no ring holds such sums.
            Err(refused) => {
                assert!(refused.to_string().contains("no ring of the menu"), "network {seed}: {refused}");
                found.refused += 1;
                continue;
            }
        };
        found.count(&plan, &network);
        let samples = &samples[..3];
        let (outputs, _) = crate::on_shares::run(&network, plan, samples, seed as usize % 3);
        let clear = network.evaluate(samples).expect("in range");
        for (number, (output, clear)) in outputs.iter().zip(&clear).enumerate() {
            let answer = network.output().decode(output);
            let name = format!("network {seed}, sample {number}");
            found.check(&name, &network, &samples[number], &answer);
            if let Prediction::Class(_) = answer {
                found.classes += 1;
                found.equal += usize::from(answer == network.prediction(clear));
            }
        }
        if seed % 50 == 0 {
            println!("network {seed}: {} wrong", found.wrong.len());
        }
    }
    println!("{found:#?}");
    found
}

#[test]
fn float_networks_on_shares_give_what_chance_may_give() {
    let found = of_seeds(400..408);
    assert!(found.wrong.is_empty(), "{:#?}", found.wrong);
    assert!(found.networks >= 7 && found.within_bounds >= 9 && found.near_the_mean >= 9, "{found:?}");
    assert!(found.farthest > 0.1, "chance is seen: {found:?}");
}

/// Other networks by `XONN_NETWORKS=FIRST..END` (`just sweep-numbers`).
#[test]
#[ignore = "a sweep: `just sweep-numbers`"]
fn many_float_networks_on_shares_give_what_chance_may_give() {
    let range = std::env::var("XONN_NETWORKS").unwrap_or_else(|_| "1000..1400".into());
    let number = |text: &str| text.parse::<u64>().expect("XONN_NETWORKS is FIRST..END");
    let (first, end) = range.split_once("..").expect("XONN_NETWORKS is FIRST..END");
    let (first, end) = (number(first), number(end));
    let found = of_seeds(first..end);
    assert!(found.wrong.is_empty(), "{:#?}", found.wrong);
    assert!(5 * found.networks as u64 >= 4 * (end - first), "{found:?}");
    for stage in ["relu", "leaky_relu", "clamp", "square+round", "max_pool2d+relu"] {
        assert!(found.stages.contains_key(&format!("numbers {stage}")), "{stage}: {found:#?}");
    }
    assert!(found.stages.keys().any(|stage| stage.starts_with("compare_ot")), "{found:#?}");
}
