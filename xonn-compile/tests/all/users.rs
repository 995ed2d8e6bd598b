//! What users' models have beside plain layers: own classes and what the custom map says of them, several
//! problems at once, inputs that are scaled.

use std::sync::Arc;

use crate::common::{fixture, options, samples};
use xonn_compile::check;
use xonn_compile::graph::{Array, Function, LayerGraph, LayerOp, Quantizer};
use xonn_compile::keras::{self, ReadOptions};
use xonn_compile::passes::{self, InputOptions, Options, PassError};

/// Why a model is not read under a custom map.
fn refusal(model: &str, custom: &[(&str, &str)]) -> String {
    let custom = custom.iter().map(|(name, meaning)| ((*name).to_owned(), (*meaning).to_owned())).collect();
    let options = ReadOptions { custom, ..ReadOptions::default() };
    keras::read(&fixture(model), &options).expect_err("it must be refused").to_string()
}

#[test]
fn a_class_called_as_binary_nets_needs_the_map() {
    for model in ["functions3.h5", "functions3.keras"] {
        let said = refusal(model, &[]);
        assert!(
            said.contains("own>BinaryDense") && said.contains("QuantDense(magnitude_aware_sign)"),
            "{said}"
        );
    }
    // The map decides: BinaryNet's signs without a scale are other numbers.
    let labels = |meaning: &str| {
        let mut options = options();
        options.custom.insert("own>BinaryDense".into(), meaning.into());
        let graph = keras::read(&fixture("functions3.keras"), &options).expect("it is read");
        let network = passes::run(&graph, &Options::default()).expect("it has integers").network;
        let (data, q) = samples(&fixture("functions3.npz"), network.input());
        let predictions = network.evaluate(&q).expect("in range");
        check::compare(&data, &predictions).expect("the data fits").equal_to_keras
    };
    assert_eq!(labels("QuantDense(magnitude_aware_sign)"), Some(48));
    assert!(labels("BinaryDense") < Some(48));
}

#[test]
fn a_map_that_leaves_out_weights_is_refused() {
    let prelu = ("RPReLU", "prelu(x - before, slope) + behind");
    let said = refusal("shifts.h5", &[("RSign", "ste_sign"), prelu]);
    assert!(said.contains("[\"shift\"]") && said.contains("{\"RSign\": \"ste_sign(x + shift)\"}"), "{said}");
    let sign = ("RSign", "ste_sign(x + shift)");
    for (meaning, expected) in [
        ("prelu(x - before, slope)", "[\"behind\"] do not occur"),
        ("prelu(x - before, slope) + beyond", "\"beyond\" is none of the layer's weights"),
        ("prelu(x - before, slope) + behind)", "left over"),
        ("prelu(x - before, slope + behind", "not closed"),
        ("nothing(x - before, slope) + behind", "\"nothing\" with 2 arguments"),
        ("before + slope / behind + 0 * x(", "missing"),
        ("x / (before - before) + slope + behind", "divides by 0"),
    ] {
        let said = refusal("shifts.h5", &[sign, ("RPReLU", meaning)]);
        assert!(said.contains(expected), "{meaning}: {said}");
    }
    let deep = format!("{}x{}", "(".repeat(200), ")".repeat(200));
    assert!(refusal("shifts.h5", &[sign, ("RPReLU", &deep)]).contains("too deep"));
    // Without a map the hint names the weights.
    let said = refusal("shifts.h5", &[prelu]);
    assert!(said.contains("{\"RSign\": \"ste_sign(x + shift)\"}"), "{said}");
}

#[test]
fn a_model_of_an_own_class_is_taken_as_its_graph_with_a_note() {
    for model in ["renormalised.h5", "renormalised.keras"] {
        let graph = keras::read(&fixture(model), &options()).expect("it is read");
        let compiled = passes::run(&graph, &Options::default()).expect("it has integers");
        assert!(compiled.notes.iter().any(|note| note.contains("OwnTraining")), "{:?}", compiled.notes);
    }
}

/// Each line of layers `ops`, beginning at an input of four numbers.
fn chain(ops: Vec<(&str, LayerOp)>) -> LayerGraph {
    let mut graph = LayerGraph::default();
    let mut last = graph.add("in", "InputLayer", LayerOp::Input { shape: vec![4] }, &[]);
    graph.inputs = vec![last];
    for (name, op) in ops {
        last = graph.add(name, "Layer", op, &[last]);
    }
    graph.output = last;
    graph
}

fn dense(outputs: usize) -> LayerOp {
    let data = (0..4 * outputs).map(|i| if i % 3 == 0 { 1.0 } else { -1.0 }).collect();
    LayerOp::Dense {
        kernel: Arc::new(Array { shape: vec![4, outputs], data }),
        bias: None,
        secret_scale: false,
    }
}

#[test]
fn problems_of_all_layers_are_told_at_once_and_nothing_is_blamed_on_them() {
    let relu = || LayerOp::Function(Function::Relu { slope: 0.0, max: None });
    let graph = chain(vec![
        ("one", dense(4)),
        ("relu_one", relu()),
        ("two", dense(4)),
        ("behind_two", dense(4)),
        ("sign", LayerOp::Quantize(Quantizer::Sign)),
        ("three", dense(4)),
        ("relu_two", relu()),
        ("four", dense(4)),
    ]);
    let error = passes::run(&graph, &Options::default()).expect_err("two layers read a ReLU");
    let PassError::Layers { problems } = &error else { panic!("{error}") };
    let layers: Vec<&str> = problems.iter().map(|(layer, _)| layer.as_str()).collect();
    assert_eq!(layers, ["two", "four"], "{error}");
    for ((_, reason), relu) in problems.iter().zip(["relu_one", "relu_two"]) {
        assert!(
            reason.contains("ReLU") && reason.contains(relu) && reason.contains("--calibrate"),
            "{reason}"
        );
    }
    assert!(error.to_string().starts_with("2 problems\n"), "{error}");
}

/// `q / 127.5 - 1`: the network computes with the same numbers as the float graph, and the client's code is
/// the pixel.
#[test]
fn a_zero_between_two_numbers_is_that_of_scaled_pixels() {
    let graph =
        chain(vec![("one", dense(4)), ("sign", LayerOp::Quantize(Quantizer::Sign)), ("two", dense(3))]);
    let input = InputOptions {
        bits: Some(8),
        scale: Some(1.0 / 127.5),
        zero: Some(127.5),
        ..InputOptions::default()
    };
    let compiled = passes::run(&graph, &Options { input, ..Options::default() }).expect("it has integers");
    let encoding = compiled.network.input();
    assert_eq!(encoding.check(), Ok(()));
    let mut shaped = graph.clone();
    passes::infer_shapes(&mut shaped, &mut Vec::new()).expect("it fits");
    for pixel in 0..256 {
        let x = pixel as f32 / 127.5 - 1.0;
        for element in 0..4 {
            assert_eq!(encoding.quantise(f64::from(x), element), Ok(pixel));
        }
        let q = vec![pixel, 255 - pixel, (pixel * 7) % 256, 0];
        // A sum of exactly 0 is rounded to either side by float32.
        let sign = |i: usize| if i.is_multiple_of(3) { 1 } else { -1 };
        let sum = |o: usize| (0..4).map(|i| (2 * q[i] - 255) * sign(4 * i + o)).sum::<i64>();
        if (0..4).any(|o| sum(o) == 0) {
            continue;
        }
        let floats: Vec<f32> = q.iter().map(|&q| q as f32 / 127.5 - 1.0).collect();
        let ours = compiled.network.trace(&q);
        let want = &shaped.evaluate(&[floats]).expect("it can be computed")[&shaped.output];
        let ours: Vec<f32> = ours.last().expect("it has a head").iter().map(|&y| y as f32).collect();
        assert_eq!(&ours, want, "{pixel}");
    }
}

/// Keras 3's int8 kernel behind a sign is the real kernel that it stands for.
#[test]
fn an_int8_layer_behind_a_sign_is_read() {
    let graph = keras::read(&fixture("int8.keras"), &options()).expect("it is read");
    let network = passes::run(&graph, &Options::default()).expect("it has integers").network;
    let (data, q) = samples(&fixture("int8.npz"), network.input());
    let report = check::compare(&data, &network.evaluate(&q).expect("in range")).expect("the data fits");
    assert_eq!(report.equal_to_keras, Some(q.len()), "{:?}", report.disagreements);
}
