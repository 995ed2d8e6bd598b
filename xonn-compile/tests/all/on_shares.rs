//! Predictions on shares are those of the integers: two hosts in one process, every fixture and bundled model
//! that has a plan.

use std::path::Path;

use chacha20::ChaCha12Rng;
use rand::SeedableRng as _;
use xonn_compile::keras;
use xonn_compile::network::Network;
use xonn_compile::passes::{self, InputOptions, Options};
use xonn_crypto::garble::Scheme;
use xonn_program::Program;
use xonn_protocols::plan::Plan;
use xonn_protocols::planner::{self, NotOnShares};
use xonn_protocols::run::{Client, Server};
use xonn_protocols::wire::Memory;

use crate::common::{compile, fixture, options, samples};
use crate::fixtures::MODELS;

const ON_SHARES: (Planner, Scheme) = (planner::on_shares, Scheme::ALL[0]);

fn rng(seed: u64) -> ChaCha12Rng {
    ChaCha12Rng::seed_from_u64(seed)
}

/// Makes a plan of a program.
pub type Planner = fn(&Program, Scheme) -> Result<Plan, NotOnShares>;

/// Runs samples by a plan, all on one connection, `ahead` of them prepared before any input; bytes both ways.
pub fn run(network: &Network, plan: Plan, samples: &[Vec<i64>], ahead: usize) -> (Vec<Vec<bool>>, u64) {
    let program = network.program();
    let server = Server::new(plan.clone(), program, network.tensors()).expect("our own plan");
    let client = Client::new(plan, program).expect("our own plan");
    let [mut client_end, mut server_end] = Memory::pair();
    let count = samples.len();
    let session = [7; 32];
    let outputs = std::thread::scope(|scope| {
        let serving = scope.spawn(|| {
            let (wire, rng) = (&mut server_end, &mut rng(1));
            let mut connection = server.set_up(session, wire, rng).expect("a set-up");
            let mut ready = Default::default();
            for number in 0..count {
                if number == 0 && ahead > 0 {
                    ready = server.prepare(&mut connection, ahead, wire, rng).expect("prepared");
                }
                let prepared = match ready.pop_front() {
                    Some(prepared) => prepared,
                    None => {
                        let mut one = server.prepare(&mut connection, 1, wire, rng).expect("prepared");
                        one.pop_front().expect("one was asked for")
                    }
                };
                server.answer(&mut connection, prepared, wire, rng).expect("answered");
            }
        });
        let (wire, rng) = (&mut client_end, &mut rng(2));
        let mut connection = client.set_up(session, wire, rng).expect("a set-up");
        let mut ready = Default::default();
        let mut outputs = Vec::new();
        for (number, sample) in samples.iter().enumerate() {
            if number == 0 && ahead > 0 {
                ready = client.prepare(&mut connection, (ahead, true), wire, rng).expect("prepared");
            }
            let prepared = match ready.pop_front() {
                Some(prepared) => prepared,
                None => {
                    let mut one = client.prepare(&mut connection, (1, false), wire, rng).expect("prepared");
                    one.pop_front().expect("one was asked for")
                }
            };
            outputs.push(client.ask(&mut connection, prepared, sample, wire, rng).expect("an output"));
        }
        serving.join().expect("the server does not panic");
        outputs
    });
    (outputs, client_end.sent + server_end.sent)
}

/// Whether there is such a plan; its predictions are the integers.
pub fn are_the_integers(
    name: &str,
    network: &Network,
    (planner, scheme): (Planner, Scheme),
    samples: &[Vec<i64>],
    ahead: usize,
) -> bool {
    let outputs = match planner(network.program(), scheme) {
        Ok(plan) => run(network, plan, samples, ahead).0,
        Err(reason) => {
            println!("{name}: not on shares, {reason}");
            return false;
        }
    };
    let reference = network.evaluate(samples).expect("in range");
    for (number, (output, want)) in outputs.iter().zip(&reference).enumerate() {
        assert_eq!(network.output().decode(output), network.prediction(want), "{name}, sample {number}");
    }
    true
}

#[test]
fn fixtures_on_shares_give_the_integers() {
    let mut run = 0;
    for &(model, data) in MODELS {
        let network = compile(&fixture(model)).unwrap_or_else(|e| panic!("{model}: {e}"));
        let (_, q) = samples(&fixture(data), network.input());
        run += usize::from(are_the_integers(model, &network, ON_SHARES, &q[..6], run % 3));
    }
    assert!(run >= 25, "only {run} models were run on shares");
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
        assert!(are_the_integers(model, &network, ON_SHARES, &samples, 3), "{model} is on shares");
        let cost = planner::Way::OnShares.plan(network.program(), Scheme::ALL[0]).expect("a plan").cost;
        println!("{model}: {} bytes at first, {} further", cost.first().bytes(), cost.further().bytes());
    }
}

fn bundled(model: &str, count: usize) {
    let (network, samples) = bundled_model(model, count);
    assert!(are_the_integers(model, &network, ON_SHARES, &samples, 2), "{model} is on shares");
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

/// Of networks whose sums are exact the circuit has the head's scales to do, or nothing but the output. What
/// stays in circuits otherwise is said with its reason; `--nocapture` lists it. `XONN_MODELS`, of paths with
/// a colon between them, adds models to the list.
#[test]
fn exact_fixtures_leave_only_the_head_to_the_circuit() {
    let more = std::env::var("XONN_MODELS").unwrap_or_default();
    let more = more.split(':').filter(|path| !path.is_empty()).map(std::path::PathBuf::from);
    let mut heads = 0;
    for path in MODELS.iter().map(|(model, _)| fixture(model)).chain(more) {
        let name = path.display();
        let network = match compile(&path) {
            Ok(network) => network,
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
    assert!(heads >= 32, "only {heads} fixtures leave no more than the head to the circuit");
}
