//! Inputs that the client standardises: the bundled networks for tables read measured values.

use std::path::{Path, PathBuf};

use crate::common::options;
use xonn_circuits::tiled::evaluate::evaluate;
use xonn_compile::graph::LayerGraph;
use xonn_compile::keras;
use xonn_compile::passes::{self, InputOptions, Options};
use xonn_program::data;

const ROWS: usize = 2000;

fn folder_of(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models").join(name)
}

fn graph_of(name: &str) -> LayerGraph {
    keras::read(&folder_of(name).join("model.h5"), &options()).expect("readable")
}

/// Numbers from 0 to 1 (SplitMix64).
fn numbers(mut seed: u64) -> impl FnMut() -> f64 {
    move || {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

fn standardised() -> Options {
    Options { input: InputOptions { standardised: true, ..InputOptions::default() }, ..Options::default() }
}

/// The class that Keras gives a row of measured values, from the float layers themselves.
fn class_of(graph: &LayerGraph, row: &[f32]) -> usize {
    let tensors = graph.evaluate(&[row.to_vec()]).expect("shapes are known");
    let scores = &tensors[&graph.output];
    (1..scores.len()).fold(0, |best, i| if scores[i] > scores[best] { i } else { best })
}

#[test]
fn measured_values_get_the_class_of_the_float_layers() {
    for name in ["bh1", "bh2", "bh3"] {
        let mut graph = graph_of(name);
        passes::infer_shapes(&mut graph, &mut Vec::new()).expect("it has shapes");
        let compiled = passes::run(&graph, &standardised()).expect("it compiles");
        assert!(compiled.notes.iter().any(|note| note.contains("become public")), "{:?}", compiled.notes);
        let lowered = compiled.network.lower().expect("it has a circuit");
        let encoding = compiled.network.input();
        let features = &encoding.features;
        assert_eq!(features.len(), encoding.elements());

        // Rows three deviations around the mean.
        let mut unit = numbers(5);
        let rows: Vec<Vec<f32>> = (0..ROWS)
            .map(|_| features.iter().map(|f| (f.mean + (unit() * 6.0 - 3.0) * f.deviation) as f32).collect())
            .collect();
        let code = |row: &Vec<f32>| -> Vec<i64> {
            let numbers = row.iter().enumerate();
            numbers.map(|(i, &x)| encoding.quantise(x.into(), i).expect("in range")).collect()
        };
        let codes: Vec<Vec<i64>> = rows.iter().map(code).collect();
        let found = compiled.network.evaluate(&codes).expect("in range");
        let bits = |q: &Vec<i64>| q.iter().flat_map(|&q| encoding.bits_of(q)).collect();
        let inputs: Vec<Vec<bool>> = codes.iter().map(bits).collect();
        let outputs = evaluate(&lowered.circuit, &lowered.secret, &inputs).expect("the lengths fit");
        let mut classes = [0; 2];
        for ((row, network), output) in rows.iter().zip(&found).zip(&outputs) {
            let class = class_of(&graph, row);
            classes[class] += 1;
            assert_eq!(network.class, class, "{name}: {row:?}");
            assert_eq!(output.iter().rev().fold(0, |n, &bit| n << 1 | usize::from(bit)), class);
        }
        assert!(classes.iter().all(|&n| n > ROWS / 50), "{name}: {classes:?}");
    }
}

/// The client's rows come as a table with a heading.
#[test]
fn the_bundled_samples_have_codes() {
    for name in ["bh1", "bh2", "bh3"] {
        let network = passes::run(&graph_of(name), &standardised()).expect("it compiles").network;
        let encoding = network.input();
        let file = folder_of(name).join("samples/measured.csv");
        let x = data::load(&file).expect("readable").x;
        let samples = x.samples_of(&[encoding.elements()]).expect("a row for each sample");
        for sample in samples.iter() {
            for (i, value) in sample.values().enumerate() {
                encoding.quantise(value, i).expect("within 32 deviations");
            }
        }
    }
}

#[test]
fn without_a_normalization_there_is_nothing_to_standardise_by() {
    let error = passes::run(&graph_of("bm1"), &standardised()).expect_err("refused").to_string();
    assert!(error.contains("read by dense") && error.contains("expected a Normalization"), "{error}");
}

/// Who says nothing keeps the layer's numbers secret, and is told of the other way.
#[test]
fn nothing_becomes_public_unasked() {
    let compiled = passes::run(&graph_of("bh2"), &Options::default()).expect("it compiles");
    assert!(compiled.network.input().features.is_empty());
    assert!(compiled.notes.iter().any(|note| note.contains("--input-standardised")), "{:?}", compiled.notes);
}

#[test]
fn bits_and_scale_can_be_chosen() {
    let mut options = standardised();
    options.input.bits = Some(12);
    let input = passes::run(&graph_of("bh2"), &options).expect("it compiles").network.input().clone();
    assert_eq!((input.bits, input.signed, input.scale), (12, true, 1.0 / 64.0));
    options.input.scale = Some(0.5);
    assert_eq!(passes::run(&graph_of("bh2"), &options).expect("it compiles").network.input().scale, 0.5);
}
