//! Recurrent networks on tokens, as Keras 2 and 3 have written them: calibrated, checked, and run through
//! the circuit.

use std::path::Path;
use std::sync::Arc;

use assert_cmd::Command;
use xonn_circuits::tiled::evaluate::evaluate;
use xonn_compile::check;
use xonn_compile::keras;
use xonn_compile::network::Network;
use xonn_compile::passes::{self, NumberOptions, NumberSamples, Options, Ranges};
use xonn_program::data::{self, Dataset, write_npy};
use xonn_program::package::Package;

use crate::common::{fixture, options};

/// Written by `xonn_scripts.fixtures.recurrent`, with the samples of each.
const MODELS: [(&str, &str); 3] = [
    ("recurrent2.h5", "recurrent2.npz"),
    ("recurrent2.keras", "recurrent2.npz"),
    ("recurrent3.keras", "recurrent3.npz"),
];

const STEPS: usize = 6;

fn compile(model: &str, data: &Dataset, bits: (u32, u32)) -> Network {
    let graph = keras::read(&fixture(model), &options()).unwrap_or_else(|e| panic!("{model}: {e}"));
    let samples = data.x.samples_of(&[STEPS]).expect("they fit");
    let inputs = samples.iter().map(|sample| vec![sample.values().map(|x| x as f32).collect()]);
    let numbers = NumberOptions {
        activation_bits: bits.0,
        weight_bits: bits.1,
        ranges: Ranges::Seen(Arc::new(NumberSamples::new(inputs.collect()))),
    };
    let options = Options { numbers: Some(numbers), allow_error: true, ..Options::default() };
    passes::run(&graph, &options).unwrap_or_else(|e| panic!("{model}: {e}")).network
}

fn codes(network: &Network, data: &Dataset) -> Vec<Vec<i64>> {
    let samples = data.x.samples_of(&network.input().sample_shape()).expect("they fit");
    samples.iter().map(|sample| network.input().codes_of(sample.values()).expect("tokens")).collect()
}

/// Float graph, integers, circuit and package.
#[test]
fn labels_are_keras_labels_at_every_stage() {
    for (model, data) in MODELS {
        let data = data::load(&fixture(data)).expect("readable");
        let graph = keras::read(&fixture(model), &options()).unwrap_or_else(|e| panic!("{model}: {e}"));
        let float = passes::float_graph(&graph).expect("it has no cycle");
        let keras = data.keras.as_ref().expect("Keras's outputs").values();
        for (i, sample) in data.x.samples_of(&[STEPS]).expect("they fit").iter().enumerate() {
            let x = sample.values().map(|x| x as f32).collect();
            let scores = &float.evaluate(&[x]).expect("tokens")[&float.output];
            let largest = scores.iter().copied().fold(f32::MIN, f32::max);
            let total: f32 = scores.iter().map(|score| (score - largest).exp()).sum();
            for (class, score) in scores.iter().enumerate() {
                let probability = f64::from((score - largest).exp() / total);
                let want = keras.get(i * scores.len() + class);
                assert!((probability - want).abs() < 1e-5, "{model}, {i}: {probability}, Keras has {want}");
            }
        }

        let network = compile(model, &data, (12, 12));
        let q = codes(&network, &data);
        let found = network.evaluate(&q).expect("in range");
        let report = check::compare(&data, &found).expect("the data fits");
        assert!(report.equal_to_keras >= Some(q.len() - 2), "{model}: {:?}", report.disagreements);

        // Few bits, for the time that circuits take.
        let network = compile(model, &data, (8, 6));
        let found = network.evaluate(&q).expect("in range");
        let lowered = network.lower().expect("it has a circuit");
        let package = Package::new(network.program());
        let read = Package::from_bytes(package.bytes().to_vec(), model).expect("it can be read");
        assert_eq!(read.program(), network.program(), "{model}");
        assert_eq!(xonn_program::circuit::lower(read.program()).expect("a client makes it"), lowered.circuit);
        let inputs: Vec<Vec<bool>> =
            q.iter().take(24).map(|q| q.iter().map(|&bit| bit == 1).collect()).collect();
        let outputs = evaluate(&lowered.circuit, &lowered.secret, &inputs).expect("lengths fit");
        for (output, found) in outputs.iter().zip(&found) {
            assert_eq!(network.output().decode(output), network.prediction(found), "{model}");
        }
    }
}

/// Both formats of one model are the same program with the same numbers; another version's file is another.
#[test]
fn both_formats_are_one_network() {
    let data = data::load(&fixture("recurrent2.npz")).expect("readable");
    let [h5, zip] = ["recurrent2.h5", "recurrent2.keras"].map(|model| compile(model, &data, (10, 8)));
    assert_eq!((h5.program(), h5.tensors()), (zip.program(), zip.tensors()));
}

fn run(arguments: &[&str]) -> (bool, String, String) {
    let output = Command::cargo_bin("xonn-compile").expect("the binary is built").args(arguments).output();
    let output = output.expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

fn written(folder: &Path, name: &str, tokens: &[f32]) -> String {
    let path = folder.join(name);
    write_npy(&path, tokens, &[tokens.len() / STEPS, STEPS]).expect("written");
    path.display().to_string()
}

/// As a user meets it: tokens come as other samples do, and what is no token is refused by its place.
#[test]
fn tokens_are_checked_and_wrong_ones_refused() {
    let [model, data] =
        ["recurrent3.keras", "recurrent3.npz"].map(|name| fixture(name).display().to_string());
    let (checked, stdout, stderr) = run(&["check", &model, "--calibrate", &data, "--data", &data]);
    assert!(checked && stdout.contains("circuit = integer network on all 160 samples"), "{stdout}{stderr}");
    assert!(stderr.contains("tokens, whole numbers from 0 to 10"), "{stderr}");

    let folder = tempfile::tempdir().expect("a folder");
    for (token, words) in
        [(11.0, "the value 11 is no token"), (-1.0, "-1 is no token"), (2.5, "2.5 is no token")]
    {
        let tokens = [1.0, 2.0, 3.0, 4.0, 5.0, token];
        let wrong = written(folder.path(), "wrong.npy", &tokens);
        let (checked, _, stderr) = run(&["check", &model, "--calibrate", &data, "--data", &wrong]);
        assert!(!checked && stderr.contains(words) && stderr.contains("column 6 of 6"), "{stderr}");
        let many = written(folder.path(), "many.npy", &tokens.repeat(20));
        let (checked, _, stderr) = run(&["check", &model, "--calibrate", &many, "--data", &data]);
        assert!(!checked && stderr.contains("expected a token, a whole number from 0 to 10"), "{stderr}");
    }
    // Without samples nothing tells how large numbers get.
    let (checked, _, stderr) = run(&["check", &model, "--data", &data]);
    assert!(!checked && stderr.contains("--calibrate"), "{stderr}");
}
