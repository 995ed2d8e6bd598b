//! Embeddings: rows of a table, as a float graph, as integers and through the circuit; what is refused.

use std::sync::Arc;

use serde_json::{Value, json};
use xonn_circuits::tiled::evaluate::evaluate;
use xonn_program::InputEncoding;

use crate::graph::{Array, LayerGraph};
use crate::keras::config;
use crate::keras::layers::{Origin, build};
use crate::keras::quantizer::CustomNames;
use crate::keras::weights::Weights;
use crate::keras::{KerasError, ReadOptions};
use crate::passes::{self, NumberOptions, NumberSamples, Options, Ranges, infer_shapes};

const TOKENS: usize = 4;
const DEPTH: usize = 7;
const WIDTH: usize = 3;

fn number(i: usize) -> f32 {
    ((i * 7919 + 13) % 201) as f32 / 100.0 - 1.0
}

fn array(shape: &[usize], from: usize) -> Array {
    let count: usize = shape.iter().product();
    Array { shape: shape.to_vec(), data: (from..from + count).map(number).collect() }
}

/// Embedding, ReLU, Flatten, Dense; `more` goes into the Embedding's fields, `first` stands in front of it.
fn read(more: Value, first: Option<Value>) -> Result<LayerGraph, KerasError> {
    let mut embedding = json!({ "name": "e", "input_dim": DEPTH, "output_dim": WIDTH, "mask_zero": false });
    embedding.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let mut layers = vec![json!({ "class_name": "InputLayer",
        "config": { "name": "in", "batch_shape": [null, TOKENS], "dtype": "int32" } })];
    layers.extend(first);
    layers.extend([
        json!({ "class_name": "Embedding", "config": embedding }),
        json!({ "class_name": "ReLU", "config": { "name": "r" } }),
        json!({ "class_name": "Flatten", "config": { "name": "f" } }),
        json!({ "class_name": "Dense",
                "config": { "name": "d", "units": 3, "use_bias": false, "activation": "linear" } }),
    ]);
    let model = json!({ "class_name": "Sequential", "config": { "layers": layers } });
    let model = config::parse(&model, "m", &CustomNames::new())?;
    let options = ReadOptions::default();
    let weights = [
        ("e".to_owned(), vec![("embeddings".to_owned(), array(&[DEPTH, WIDTH], 0))]),
        ("d".to_owned(), vec![("kernel".to_owned(), array(&[TOKENS * WIDTH, 3], 50))]),
    ];
    let mut graph =
        build(&model, Ok(Weights::of_layers(weights)), Origin { file: "m", keras: 3, options: &options })?;
    infer_shapes(&mut graph, &mut Vec::new()).expect("shapes fit");
    Ok(graph)
}

/// Every sample of two tokens beside two fixed ones.
fn samples() -> Vec<Vec<f64>> {
    let all = (0..DEPTH * DEPTH).map(|i| vec![(i % DEPTH) as f64, 6.0, (i / DEPTH) as f64, 0.0]);
    all.collect()
}

fn scores(sample: &[f64]) -> Vec<f64> {
    let row = |&token: &f64| (0..WIDTH).map(move |c| f64::from(number(token as usize * WIDTH + c)).max(0.0));
    let x: Vec<f64> = sample.iter().flat_map(row).collect();
    (0..3).map(|c| x.iter().enumerate().map(|(i, x)| x * f64::from(number(50 + i * 3 + c))).sum()).collect()
}

#[test]
fn rows_of_the_table_are_taken() {
    let graph = read(json!({}), None).expect("it can be read");
    let samples = samples();
    for sample in &samples {
        let x: Vec<f32> = sample.iter().map(|&token| token as f32).collect();
        let found = &graph.evaluate(&[x]).expect("tokens")[&graph.output];
        assert!(found.iter().zip(scores(sample)).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-5));
    }
    for wrong in [7.0, -1.0, 0.5, f32::NAN] {
        let error = graph.evaluate(&[vec![0.0, wrong, 0.0, 0.0]]).expect_err("no token");
        assert!(error.contains("\"e\"") && error.contains("a whole number from 0 to 6"), "{error}");
    }

    let inputs = samples.iter().map(|s| vec![s.iter().map(|&token| token as f32).collect()]).collect();
    let ranges = Ranges::Seen(Arc::new(NumberSamples::new(inputs)));
    let numbers = NumberOptions { activation_bits: 10, weight_bits: 8, ranges };
    let options = Options { numbers: Some(numbers), allow_error: true, ..Options::default() };
    let compiled = passes::run(&graph, &options).expect("it compiles");
    assert!(compiled.notes.iter().any(|note| note.contains("tokens, whole numbers from 0 to 6")));
    let network = compiled.network;
    let want = InputEncoding {
        shape: vec![TOKENS as u32, DEPTH as u32],
        bits: 1,
        signed: false,
        scale: 1.0,
        zero: 0,
        features: Vec::new(),
        tokens: true,
    };
    assert_eq!(*network.input(), want);
    let q: Vec<Vec<i64>> =
        samples.iter().map(|s| want.codes_of(s.iter().copied()).expect("tokens")).collect();
    let found = network.evaluate(&q).expect("in range");
    let lowered = network.lower().expect("it has a circuit");
    let bits: Vec<Vec<bool>> = q.iter().map(|q| q.iter().map(|&bit| bit == 1).collect()).collect();
    let outputs = evaluate(&lowered.circuit, &lowered.secret, &bits).expect("lengths fit");
    let mut equal = 0;
    for ((sample, found), output) in samples.iter().zip(&found).zip(&outputs) {
        let scores = scores(sample);
        let class = (0..3).max_by(|&a, &b| scores[a].total_cmp(&scores[b]));
        equal += usize::from(class == Some(found.class));
        assert_eq!(network.output().decode(output), network.prediction(found));
    }
    assert!(equal >= samples.len() - 1, "{equal} of {}", samples.len());
}

#[test]
fn what_is_not_taken_is_refused_in_a_sentence() {
    let scaled = json!({ "class_name": "Rescaling", "config": { "name": "s", "scale": 2.0, "offset": 0.0 } });
    for (more, first, words) in [
        (json!({ "mask_zero": true }), None, "padded or cut to one length"),
        (json!({ "lora_rank": 4 }), None, "lora_rank is 4"),
        (json!({ "input_dim": 1 << 25 }), None, "4194304 bits together at most"),
        (json!({ "input_dim": 1 }), None, "expected 2 or more"),
        (json!({ "input_dim": 8 }), None, "embeddings"),
        (json!({}), Some(scaled), "expected tokens of the model's input"),
    ] {
        let error = read(more.clone(), first).map(drop).expect_err("refused").to_string();
        assert!(error.contains("\"e\"") && error.contains(words), "{more}: {error}");
    }
}

/// An input that is looked up is read by nothing else.
#[test]
fn an_input_of_tokens_has_no_other_readers() {
    let mut graph = read(json!({}), None).expect("it can be read");
    let (input, last) = (graph.inputs[0], graph.output);
    let kernel = Arc::new(array(&[TOKENS, 3], 90));
    let op = crate::graph::LayerOp::Dense { kernel, bias: None, secret_scale: false };
    let beside = graph.add("beside", "Dense", op, &[input]);
    graph.output = graph.add("sum", "Add", crate::graph::LayerOp::Add, &[last, beside]);
    let error = passes::run(&graph, &Options::default()).map(drop).expect_err("refused").to_string();
    assert!(
        error.contains("\"e\"") && error.contains("read by \"beside\" too, which takes its numbers"),
        "{error}"
    );
}
