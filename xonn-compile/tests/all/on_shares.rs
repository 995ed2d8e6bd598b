//! Predictions on shares are those of the integers: two hosts in one process, every fixture and bundled model
//! that has a plan.

use std::path::Path;

use xonn_compile::keras;
use xonn_compile::network::Network;
use xonn_compile::passes::{self, InputOptions, Options};
use xonn_crypto::garble::Scheme;
use xonn_program::Program;
use xonn_protocols::plan::Plan;
use xonn_protocols::planner::{self, NotOnShares};
use xonn_protocols::run::{Client, Server};

use crate::common::{compile, fixture, options, samples};
use crate::fixtures::MODELS;
use crate::plan::{Predicted, predict};

const ON_SHARES: (Planner, Scheme) = (planner::on_shares, Scheme::ALL[0]);

/// Makes a plan of a program.
pub type Planner = fn(&Program, Scheme) -> Result<Plan, NotOnShares>;

/// Runs samples by a plan, all on one connection, `ahead` of them prepared before any input; bytes both ways.
pub fn run(network: &Network, plan: Plan, samples: &[Vec<i64>], ahead: usize) -> (Vec<Vec<bool>>, u64) {
    let program = network.program();
    let server = Server::new(plan.clone(), program, network.tensors()).expect("our own plan");
    let client = Client::new(plan, program).expect("our own plan");
    let Predicted { outputs, sent } = predict(&server, &client, samples, ahead, 1);
    (outputs, sent.as_flattened().iter().sum())
}

/// Runs samples by such a plan, whose predictions are the integers.
///
/// # Errors
/// There is none: the layer and the reason.
pub fn are_the_integers(
    name: &str,
    network: &Network,
    (planner, scheme): (Planner, Scheme),
    samples: &[Vec<i64>],
    ahead: usize,
) -> Result<(), NotOnShares> {
    let plan = planner(network.program(), scheme)?;
    let outputs = run(network, plan, samples, ahead).0;
    let reference = network.evaluate(samples).expect("in range");
    for (number, (output, want)) in outputs.iter().zip(&reference).enumerate() {
        assert_eq!(network.output().decode(output), network.prediction(want), "{name}, sample {number}");
    }
    Ok(())
}

/// Predictions of all fixtures by such plans, `count` samples each. Fails if other fixtures have none than
/// `refused` names, or for other reasons.
pub fn fixtures_give_the_integers(planner: Planner, schemes: &[Scheme], count: usize, refused: &[[&str; 2]]) {
    let mut found = Vec::new();
    for (number, &(model, data)) in MODELS.iter().enumerate() {
        let network = compile(&fixture(model)).unwrap_or_else(|e| panic!("{model}: {e}"));
        let (_, q) = samples(&fixture(data), network.input());
        let how = (planner, schemes[number % schemes.len()]);
        if let Err(reason) = are_the_integers(model, &network, how, &q[..count], number % 3) {
            found.push([model.to_owned(), reason.to_string()]);
        }
    }
    assert_eq!(found, refused, "{} of {} have a plan", MODELS.len() - found.len(), MODELS.len());
}

#[test]
fn fixtures_on_shares_give_the_integers() {
    let refused = [
        [
            "real_weights.h5",
            "layer 2 (conv2d): no ring of the menu holds its sums; take fewer bits of input or of weights",
        ],
        ["standardised.h5", "layer 1 (scale): secret scales are multiplied in a circuit only"],
    ];
    fixtures_give_the_integers(ON_SHARES.0, &[ON_SHARES.1], 6, &refused);
}

/// bm1, and the others where there is time.
#[test]
fn a_bundled_model_on_shares_gives_the_integers() {
    bundled("bm1", 20);
}

#[test]
#[ignore = "minutes: all bundled models"]
fn all_bundled_models_on_shares_give_the_integers() {
    for model in ["bm1", "bm2", "bm3", "bc1_valid", "bc1", "fitnet_half", "vgg16_half", "bc1_wide"] {
        let begin = std::time::Instant::now();
        bundled(model, 3);
        println!("{model}: {:?}", begin.elapsed());
    }
}

/// Networks for tables read numbers of 20 bits: their first sums have 24 to 26, and go on shares like all
/// others; only the head's scales stay in the circuit.
#[test]
fn inputs_of_20_bits_go_on_shares() {
    for model in ["bh1", "bh2", "bh3"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models").join(model);
        let graph = keras::read(&folder.join("model.h5"), &options()).expect("readable");
        let input = InputOptions { standardised: true, ..InputOptions::default() };
        let wide = Options { input, ..Options::default() };
        let network = passes::run(&graph, &wide).unwrap_or_else(|error| panic!("{model}: {error}")).network;
        assert_eq!(network.input().bits, 20, "{model}");

        let (plan, stop) = planner::on_shares_until(network.program(), Scheme::ALL[0])
            .unwrap_or_else(|e| panic!("{model}: {e}"));
        assert!(stop.is_none_or(|not| not.op == "scale"), "{model}");
        let names: Vec<&str> = plan.stages.iter().map(|stage| stage.how.protocol().name()).collect();
        let signs = names.iter().filter(|name| **name == "compare_ot").count();
        assert_eq!(signs, 2, "{model}: {names:?}");

        // Inputs near zero, where sums lie near their thresholds, and all over the range.
        let (lo, hi) = (*network.input().codes().start(), *network.input().codes().end());
        let mut samples = made_up(&network, 10);
        let nearly = samples.clone().into_iter().map(|sample| sample.iter().map(|q| q / 64).collect());
        samples.extend(nearly.collect::<Vec<Vec<i64>>>());
        samples.extend([lo, hi, 0, -1].map(|q| vec![q.clamp(lo, hi); network.input().elements()]));
        are_the_integers(model, &network, ON_SHARES, &samples, 3).unwrap_or_else(|e| panic!("{model}: {e}"));
        let cost = planner::Way::OnShares.plan(network.program(), Scheme::ALL[0]).expect("a plan").cost;
        println!("{model}: {} bytes at first, {} further", cost.first().bytes(), cost.further().bytes());
    }
}

fn bundled(model: &str, count: usize) {
    let (network, samples) = bundled_model(model, count);
    are_the_integers(model, &network, ON_SHARES, &samples, 2).unwrap_or_else(|e| panic!("{model}: {e}"));
}

/// A bundled model, and made-up samples.
pub fn bundled_model(model: &str, count: usize) -> (Network, Vec<Vec<i64>>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models").join(model);
    let network = compile(&folder.join("model.h5")).unwrap_or_else(|e| panic!("{model}: {e}"));
    let samples = made_up(&network, count);
    (network, samples)
}

fn made_up(network: &Network, count: usize) -> Vec<Vec<i64>> {
    let elements = network.input().elements();
    let codes = network.input().codes();
    let all = codes.end().abs_diff(*codes.start()) + 1;
    let mut state = 1u64;
    let mut number = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        codes.start() + ((state >> 33) % all) as i64
    };
    (0..count).map(|_| (0..elements).map(|_| number()).collect()).collect()
}

/// Where all sums are exact, nothing but the scales of the head is left to the circuit, or the output alone.
/// Of other networks the circuit begins no later than at the layer that is named; `--nocapture` lists them,
/// and why. `XONN_MODELS`, paths with a colon between them, adds models, which need not compile.
#[test]
fn exact_fixtures_leave_only_the_head_to_the_circuit() {
    let more = std::env::var("XONN_MODELS").unwrap_or_default();
    let more = more.split(':').filter(|path| !path.is_empty()).map(|path| (path.into(), false));
    let mut heads = 0;
    for (path, ours) in MODELS.iter().map(|(model, _)| (fixture(model), true)).chain(more) {
        let name = path.display();
        let network = match compile(&path) {
            Ok(network) => network,
            Err(error) if ours => panic!("{name}: {error}"),
            Err(error) => {
                println!("{name}: {}", error.to_string().lines().next().unwrap_or_default());
                continue;
            }
        };
        let layers = network.program().layers();
        match planner::on_shares_until(network.program(), Scheme::ALL[0]) {
            Ok((plan, None)) => {
                heads += 1;
                assert_eq!(plan.stages.last().expect("a stage").layers, [layers.len() - 1], "{name}");
                println!("{name}: all of {} layers", layers.len());
            }
            Ok((plan, Some(not))) => {
                let circuit = &plan.stages.last().expect("a stage").layers;
                heads += usize::from(circuit.len() == 1 && not.op == "scale");
                assert!(circuit[0] <= not.layer, "{name}: {not}");
                println!("{name}: the last {} of {} layers in a circuit: {not}", circuit.len(), layers.len());
            }
            Err(not) => println!("{name}: none, {not}"),
        }
    }
    assert!(heads >= 36, "only {heads} fixtures leave no more than the head to the circuit");
}
