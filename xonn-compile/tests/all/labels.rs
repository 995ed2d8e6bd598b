//! `--reveal labels`: multi-label heads through every stage, beside Keras.

use crate::common::{fixture, options, samples};
use xonn_circuits::tiled::evaluate::evaluate;
use xonn_compile::check;
use xonn_compile::graph::{Function, LayerGraph, LayerOp};
use xonn_compile::keras;
use xonn_compile::passes::{self, Compiled, Options, OutputMode};
use xonn_program::package::Package;
use xonn_program::{OutputEncoding, Prediction};

/// Written by `xonn_scripts.fixtures.label`: a sigmoid behind BatchNorm, a hard sigmoid behind biases,
/// numbers alone.
const MODELS: [&str; 3] = ["labels_norm", "labels_bias", "labels_numbers"];

const LABELS: usize = 5;

fn read(name: &str) -> LayerGraph {
    keras::read(&fixture(&format!("{name}.keras")), &options()).expect("it can be read")
}

fn compile(name: &str, output: OutputMode) -> Compiled {
    passes::run(&read(name), &Options { output, ..Options::default() }).expect("it compiles")
}

#[test]
fn labels_are_keras_labels_at_every_stage() {
    for name in MODELS {
        let network = compile(name, OutputMode::Labels).network;
        assert_eq!(*network.output(), OutputEncoding::Labels { units: LABELS as u32 });
        let (mut data, q) = samples(&fixture(&format!("{name}.npz")), network.input());
        let reference = network.evaluate(&q).expect("in range");
        let report = check::labels::compare(&data, &reference, LABELS).expect("the data fits");
        let counts = check::labels::Counts {
            labels: q.len() * LABELS,
            correct: Some(q.len() * LABELS),
            equal_to_keras: Some(q.len() * LABELS),
        };
        assert_eq!(report.labels, Some(counts), "{name}: {:?}", report.disagreements);
        assert_eq!((report.correct, report.equal_to_keras), (Some(q.len()), Some(q.len())));

        let lowered = network.lower().expect("it has a circuit");
        let package = Package::new(network.program());
        let read = Package::from_bytes(package.bytes().to_vec(), name).expect("it can be read");
        let program = read.program();
        assert_eq!(*program.output(), OutputEncoding::Labels { units: LABELS as u32 });
        let bits = |q: &Vec<i64>| q.iter().flat_map(|&q| program.input().bits_of(q)).collect::<Vec<bool>>();
        let inputs: Vec<Vec<bool>> = q.iter().map(bits).collect();
        let outputs = evaluate(&lowered.circuit, &lowered.secret, &inputs).expect("the lengths fit");
        for (output, want) in outputs.iter().zip(&reference) {
            assert_eq!(program.output().decode(output), Prediction::Labels(want.labels()), "{name}");
            assert_eq!(network.prediction(want), Prediction::Labels(want.labels()));
        }
        // The labels of another sample are told from these.
        data.keras = None;
        let mut turned = reference.clone();
        turned.rotate_left(1);
        let other = check::labels::compare(&data, &turned, LABELS).expect("the data fits");
        assert!(other.correct < Some(q.len() / 2), "{name}");
    }
}

/// Argmax of several sigmoids is what users of such heads do not mean: it is said, and only then.
#[test]
fn a_class_of_a_multi_label_head_is_warned_of() {
    let warned = |compiled: &Compiled| compiled.notes.iter().any(|note| note.contains("--reveal labels"));
    assert!(warned(&compile("labels_norm", OutputMode::Argmax)));
    assert!(!warned(&compile("labels_norm", OutputMode::Labels)));
    assert!(!warned(&compile("labels_norm", OutputMode::Scores)));
    assert!(!warned(&compile("labels_numbers", OutputMode::Argmax)));
    let softmax = keras::read(&fixture("tiny_mlp.h5"), &options()).expect("it can be read");
    assert!(!warned(&passes::run(&softmax, &Options::default()).expect("it compiles")));
    // What is said first is what is worst.
    let notes = xonn_compile::notes::text(&compile("labels_norm", OutputMode::Argmax).notes);
    assert!(notes.lines().nth(1).is_some_and(|line| line.contains("--reveal labels")), "{notes}");
}

#[test]
fn labels_of_an_end_that_says_nothing_of_them_are_refused() {
    let options = Options { output: OutputMode::Labels, ..Options::default() };
    let refused = |graph: &LayerGraph| passes::run(graph, &options).expect_err("refused").to_string();
    let softmax = keras::read(&fixture("tiny_mlp.h5"), &crate::common::options()).expect("it can be read");
    assert!(
        refused(&softmax).contains("--reveal labels of a softmax, expected a sigmoid"),
        "{}",
        refused(&softmax)
    );
    // The sigmoid of a sigmoid is above a half whatever is computed.
    let mut graph = read("labels_norm");
    let last = graph.output;
    let shape = graph.graph[last].shape.clone();
    graph.output = graph.add("again", "Activation", LayerOp::Function(Function::Sigmoid), &[last]);
    let node = graph.output;
    graph.graph[node].shape = shape;
    assert!(refused(&graph).contains("computed from a sigmoid"), "{}", refused(&graph));
}
