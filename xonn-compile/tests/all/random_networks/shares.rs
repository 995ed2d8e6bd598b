//! Random networks on shares: what two hosts compute is what the integers are.

use super::*;
use crate::on_shares;
use xonn_crypto::garble::Scheme;
use xonn_protocols::planner;

/// The lowest and the highest numbers there are, both by turns, and random ones.
fn inputs(network: &Network, seed: u64) -> Vec<Vec<i64>> {
    let (lo, hi) = (*network.input().codes().start(), *network.input().codes().end());
    let count = network.input().elements();
    let mut choices = Choices { seed, dyadic: true };
    let mut all = vec![vec![lo; count], vec![hi; count]];
    all.push((0..count).map(|i| if i % 2 == 0 { hi } else { lo }).collect());
    all.push((0..count).map(|_| lo + choices.below((hi - lo + 1) as usize) as i64).collect());
    all
}

/// Of so many networks: on shares, compiled.
#[derive(Debug)]
struct Found {
    on_shares: usize,
    compiled: usize,
}

fn are_right(graphs: impl Iterator<Item = (String, LayerGraph, Options)>) -> Found {
    let mut found = Found { on_shares: 0, compiled: 0 };
    for (name, graph, options) in graphs {
        // Some offsets are too large for fixed point, which is said.
        let compiled = match passes::run(&graph, &options) {
            Ok(compiled) => compiled,
            Err(error) => {
                println!("{name}: {error}");
                continue;
            }
        };
        let all = found.compiled;
        let network = compiled.network;
        let plan = (planner::on_shares as on_shares::Planner, Scheme::ALL[all % Scheme::ALL.len()]);
        let inputs = inputs(&network, !(all as u64));
        match on_shares::are_the_integers(&name, &network, plan, &inputs, all % 3) {
            Ok(()) => found.on_shares += 1,
            Err(reason) => println!("{name}: not on shares, {reason}"),
        }
        found.compiled += 1;
    }
    println!("{found:?}");
    found
}

fn of_seeds(seeds: std::ops::Range<u64>) -> Found {
    let graphs = seeds.map(|seed| {
        let (real, output) =
            (seed % 3 == 2, if seed % 4 == 1 { OutputMode::Scores } else { OutputMode::Argmax });
        // A seed that shares nothing with the next one.
        let graph = network(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15), real);
        let bits = [1, 3, 8, 8, 12][seed as usize % 5];
        let input = InputOptions { bits: Some(bits), signed: seed % 7 == 3, ..InputOptions::default() };
        (format!("network {seed}"), graph, Options { input, ..options(output) })
    });
    are_right(graphs)
}

#[test]
fn networks_on_shares_are_the_integers() {
    let found = of_seeds(0..40);
    assert!(found.compiled == 40 && found.on_shares >= 39, "{found:?}");
}

#[test]
#[ignore = "minutes: 600 networks"]
fn many_networks_on_shares_are_the_integers() {
    let found = of_seeds(1000..1600);
    assert!(found.compiled >= 450 && 5 * found.on_shares >= 4 * found.compiled, "{found:?}");
}
