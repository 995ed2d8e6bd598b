//! Recurrent layers beside their formulas, which stand here in float64 as Keras's documentation has them.

use std::sync::Arc;

use serde_json::{Value, json};
use xonn_circuits::tiled::evaluate::evaluate;
use xonn_program::{Op, OutputEncoding, TensorSpec};

use crate::graph::{Array, LayerGraph};
use crate::keras::config;
use crate::keras::layers::{Origin, build};
use crate::keras::quantizer::CustomNames;
use crate::keras::weights::Weights;
use crate::keras::{KerasError, ReadOptions};
use crate::network::Network;
use crate::passes::{
    self, InputOptions, NumberOptions, NumberSamples, Options, OutputMode, Ranges, infer_shapes,
};

mod shares;

const STEPS: usize = 5;
const FEATURES: usize = 3;
const UNITS: usize = 4;
const CLASSES: usize = 3;

/// Numbers one after another (SplitMix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From -1 to 1.
    fn real(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    fn array(&mut self, shape: &[usize], size: f64) -> Array {
        let count = shape.iter().product();
        Array { shape: shape.to_vec(), data: (0..count).map(|_| (size * self.real()) as f32).collect() }
    }
}

/// A recurrent layer of the given class and further fields, with Keras's defaults.
fn layer(class: &str, more: Value) -> Value {
    let mut config = json!({
        "name": class, "units": UNITS, "activation": "tanh", "use_bias": true, "return_sequences": false,
        "return_state": false, "go_backwards": false, "stateful": false,
    });
    if class != "SimpleRNN" {
        config["recurrent_activation"] = json!("sigmoid");
    }
    if class == "GRU" {
        config["reset_after"] = json!(true);
    }
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "class_name": class, "config": config })
}

fn around(merge: &str, inner: Value) -> Value {
    json!({ "class_name": "Bidirectional",
            "config": { "name": "Bidirectional", "merge_mode": merge, "layer": inner } })
}

/// All variants, each with the major version of the Keras that wrote it.
fn variants() -> Vec<(u32, Value)> {
    let all = json!({ "return_sequences": true });
    let mut found = vec![
        (3, layer("SimpleRNN", json!({}))),
        (3, layer("SimpleRNN", json!({ "activation": "relu", "return_sequences": true }))),
        (2, layer("SimpleRNN", json!({ "use_bias": false, "go_backwards": true, "return_sequences": true }))),
        (3, layer("LSTM", json!({}))),
        (2, layer("LSTM", json!({ "dropout": 0.3, "recurrent_dropout": 0.2, "unroll": true }))),
        (3, layer("LSTM", all.clone())),
        (3, layer("LSTM", json!({ "recurrent_activation": "hard_sigmoid", "unit_forget_bias": false }))),
        (2, layer("LSTM", json!({ "recurrent_activation": "hard_sigmoid", "go_backwards": true }))),
        (3, layer("LSTM", json!({ "activation": "softsign", "use_bias": false }))),
        (3, layer("LSTM", json!({ "activation": null }))),
        (3, layer("LSTM", json!({ "stateful": true }))),
    ];
    for reset_after in [true, false] {
        let with = |more: Value| {
            let mut fields = json!({ "reset_after": reset_after });
            fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            layer("GRU", fields)
        };
        found.push((3, with(json!({}))));
        found.push((2, with(json!({ "recurrent_activation": "hard_sigmoid", "use_bias": false }))));
        found.push((3, with(json!({ "return_sequences": true, "go_backwards": true }))));
        found.push((3, with(json!({ "activation": "linear", "recurrent_activation": "hard_sigmoid" }))));
    }
    for merge in ["concat", "sum", "ave", "mul"] {
        found.push((3, around(merge, layer("LSTM", json!({})))));
        found.push((2, around(merge, layer("GRU", all.clone()))));
    }
    let mut own = around("concat", layer("LSTM", all.clone()));
    own["config"]["backward_layer"] =
        layer("GRU", json!({ "go_backwards": true, "return_sequences": true, "use_bias": false }));
    found.push((3, own));
    found.push((3, around("concat", layer("SimpleRNN", json!({ "go_backwards": true })))));
    found
}

/// The weights of one direction.
fn weights_of(config: &Value, class: &str, dice: &mut Dice) -> Vec<Array> {
    let gates = [("SimpleRNN", 1), ("LSTM", 4), ("GRU", 3)].into_iter().find(|(name, _)| *name == class);
    let columns = UNITS * gates.unwrap().1;
    let mut arrays = vec![dice.array(&[FEATURES, columns], 0.8), dice.array(&[UNITS, columns], 0.9)];
    if config["use_bias"] == true {
        let two_rows = config["reset_after"] == true;
        let shape = if two_rows { vec![2, columns] } else { vec![columns] };
        arrays.push(dice.array(&shape, 0.5));
    }
    arrays
}

/// A model of this layer and a dense one behind it, with random weights times `size`.
struct Model {
    json: Value,
    weights: Vec<(String, Vec<(String, Array)>)>,
    layer: Value,
    keras: u32,
}

impl Model {
    fn new(keras: u32, layer: &Value, seed: u64, size: f32) -> Self {
        let mut dice = Dice(seed);
        let name = layer["config"]["name"].as_str().unwrap().to_owned();
        let names = ["kernel", "recurrent_kernel", "bias"];
        let mut named = Vec::new();
        for (prefix, part) in directions(layer) {
            let arrays = weights_of(&part["config"], part["class_name"].as_str().unwrap(), &mut dice);
            let names = names.iter().map(|role| format!("{prefix}{role}"));
            named.extend(names.zip(arrays));
        }
        let width = outputs_of(layer);
        let dense = vec![
            ("kernel".to_owned(), dice.array(&[width, CLASSES], 1.0)),
            ("bias".to_owned(), dice.array(&[CLASSES], 0.2)),
        ];
        let mut weights = vec![(name, named), ("dense".to_owned(), dense)];
        for (_, array) in weights.iter_mut().flat_map(|(_, arrays)| arrays) {
            array.data.iter_mut().for_each(|w| *w *= size);
        }
        let input = json!({ "class_name": "InputLayer",
                            "config": { "name": "in", "batch_shape": [null, STEPS, FEATURES] } });
        let flat = json!({ "class_name": "Flatten", "config": { "name": "flat" } });
        let dense = json!({ "class_name": "Dense",
                            "config": { "name": "dense", "units": CLASSES, "activation": "softmax" } });
        let layers = json!([input, layer, flat, dense]);
        let json = json!({ "class_name": "Sequential", "config": { "layers": layers } });
        Self { json, weights, layer: layer.clone(), keras }
    }

    fn graph(&self) -> Result<LayerGraph, KerasError> {
        let model = config::parse(&self.json, "m", &CustomNames::new())?;
        let options = ReadOptions::default();
        let origin = Origin { file: "m", keras: self.keras, options: &options };
        let mut graph = build(&model, Ok(Weights::of_layers(self.weights.clone())), origin)?;
        infer_shapes(&mut graph, &mut Vec::new()).expect("shapes fit");
        Ok(graph)
    }

    /// The scores in front of the softmax, in float64.
    fn scores(&self, x: &[Vec<f64>]) -> Vec<f64> {
        let arrays: Vec<&Array> = self.weights[0].1.iter().map(|(_, array)| array).collect();
        let mut parts = Vec::new();
        let mut at = 0;
        for (i, (_, part)) in directions(&self.layer).into_iter().enumerate() {
            let config = &part["config"];
            let count = if config["use_bias"] == true { 3 } else { 2 };
            let own = &arrays[at..at + count];
            at += count;
            // Without a layer of its own the second direction is the other one.
            let copied = i == 1 && self.layer["config"]["backward_layer"].is_null();
            let backwards = (config["go_backwards"] == true) != copied;
            let mut states = run(&part, own, x, backwards, self.keras);
            if config["return_sequences"] != true {
                states.drain(..states.len() - 1);
            } else if i == 1 {
                states.reverse();
            }
            parts.push(states);
        }
        let merged: Vec<Vec<f64>> = match &parts[..] {
            [one] => one.clone(),
            [a, b] => {
                let merge = self.layer["config"]["merge_mode"].as_str().unwrap();
                let join = |(a, b): (&Vec<f64>, &Vec<f64>)| -> Vec<f64> {
                    let each = |f: fn(f64, f64) -> f64| a.iter().zip(b).map(|(&a, &b)| f(a, b)).collect();
                    match merge {
                        "concat" => a.iter().chain(b).copied().collect(),
                        "sum" => each(|a, b| a + b),
                        "ave" => each(|a, b| (a + b) / 2.0),
                        _ => each(|a, b| a * b),
                    }
                };
                a.iter().zip(b).map(join).collect()
            }
            _ => unreachable!("one direction or two"),
        };
        let dense = &self.weights[1].1;
        let y = product(&merged.concat(), &dense[0].1);
        y.iter().zip(&dense[1].1.data).map(|(y, &b)| y + f64::from(b)).collect()
    }
}

/// The recurrent layers of a layer, with the prefixes of their weights.
fn directions(layer: &Value) -> Vec<(&'static str, Value)> {
    if layer["class_name"] != "Bidirectional" {
        return vec![("", layer.clone())];
    }
    let forward = layer["config"]["layer"].clone();
    let own = layer["config"]["backward_layer"].clone();
    let backward = if own.is_null() { forward.clone() } else { own };
    vec![("forward_", forward), ("backward_", backward)]
}

fn outputs_of(layer: &Value) -> usize {
    let parts = directions(layer);
    let rows = if parts[0].1["config"]["return_sequences"] == true { STEPS } else { 1 };
    let concat = layer["config"]["merge_mode"] == "concat";
    rows * UNITS * if concat { 2 } else { 1 }
}

fn product(x: &[f64], w: &Array) -> Vec<f64> {
    let columns = w.shape[1];
    (0..columns)
        .map(|c| x.iter().enumerate().map(|(i, x)| x * f64::from(w.data[i * columns + c])).sum())
        .collect()
}

fn function(name: &Value, keras: u32) -> Box<dyn Fn(f64) -> f64> {
    match name.as_str().unwrap_or("linear") {
        "tanh" => Box::new(f64::tanh),
        "relu" => Box::new(|x| x.max(0.0)),
        "softsign" => Box::new(|x| x / (1.0 + x.abs())),
        "linear" => Box::new(|x| x),
        "sigmoid" => Box::new(|x| 1.0 / (1.0 + (-x).exp())),
        "hard_sigmoid" if keras == 2 => Box::new(|x| (0.2 * x + 0.5).clamp(0.0, 1.0)),
        "hard_sigmoid" => Box::new(|x| (x + 3.0).clamp(0.0, 6.0) / 6.0),
        other => panic!("{other} is not here"),
    }
}

/// The states of one direction, in the order in which they are computed.
fn run(layer: &Value, arrays: &[&Array], x: &[Vec<f64>], backwards: bool, keras: u32) -> Vec<Vec<f64>> {
    let config = &layer["config"];
    let (act, gate) =
        (function(&config["activation"], keras), function(&config["recurrent_activation"], keras));
    let (kernel, recurrent) = (arrays[0], arrays[1]);
    let columns = kernel.shape[1];
    let bias = |row: usize| -> Vec<f64> {
        let of = |bias: &&Array| {
            bias.data.iter().skip(row * columns).take(columns).map(|&b| f64::from(b)).collect()
        };
        arrays.get(2).filter(|bias| row == 0 || bias.shape.len() == 2).map_or(vec![0.0; columns], of)
    };
    let plus = |a: Vec<f64>, b: Vec<f64>| -> Vec<f64> { a.into_iter().zip(b).map(|(a, b)| a + b).collect() };
    let (mut h, mut c) = (vec![0.0; UNITS], vec![0.0; UNITS]);
    let mut states = Vec::new();
    for step in 0..x.len() {
        let x = &x[if backwards { x.len() - 1 - step } else { step }];
        let of_x = plus(product(x, kernel), bias(0));
        let of_h = plus(product(&h, recurrent), bias(1));
        let n = UNITS;
        let next: Vec<f64> = match layer["class_name"].as_str().unwrap() {
            "SimpleRNN" => (0..n).map(|u| act(of_x[u] + of_h[u])).collect(),
            "LSTM" => {
                let z = plus(of_x, of_h);
                c = (0..n).map(|u| gate(z[n + u]) * c[u] + gate(z[u]) * act(z[2 * n + u])).collect();
                (0..n).map(|u| gate(z[3 * n + u]) * act(c[u])).collect()
            }
            _ => {
                let (z, r): (Vec<f64>, Vec<f64>) =
                    (0..n).map(|u| (gate(of_x[u] + of_h[u]), gate(of_x[n + u] + of_h[n + u]))).unzip();
                let candidate: Vec<f64> = if config["reset_after"] == true {
                    (0..n).map(|u| act(of_x[2 * n + u] + r[u] * of_h[2 * n + u])).collect()
                } else {
                    let reset: Vec<f64> = r.iter().zip(&h).map(|(r, h)| r * h).collect();
                    let of_reset = product(&reset, recurrent);
                    (0..n).map(|u| act(of_x[2 * n + u] + of_reset[2 * n + u])).collect()
                };
                (0..n).map(|u| z[u] * h[u] + (1.0 - z[u]) * candidate[u]).collect()
            }
        };
        h = next;
        states.push(h.clone());
    }
    states
}

/// Bytes, and the numbers that they stand for.
fn samples(count: usize, seed: u64) -> Vec<Vec<i64>> {
    let mut dice = Dice(seed);
    (0..count).map(|_| (0..STEPS * FEATURES).map(|_| (dice.next() >> 40) as i64 & 255).collect()).collect()
}

fn real(q: i64) -> f64 {
    (q - 128) as f64 / 64.0
}

fn compiled(graph: &LayerGraph, samples: &[Vec<i64>], output: OutputMode, bits: (u32, u32)) -> Network {
    let inputs = samples.iter().map(|q| vec![q.iter().map(|&q| real(q) as f32).collect()]).collect();
    let (activation_bits, weight_bits) = bits;
    let ranges = Ranges::Seen(Arc::new(NumberSamples::new(inputs)));
    let input =
        InputOptions { bits: Some(8), scale: Some(1.0 / 64.0), zero: Some(128.0), ..InputOptions::default() };
    let numbers = Some(NumberOptions { activation_bits, weight_bits, ranges });
    let options = Options { numbers, input, output, allow_error: true, ..Options::default() };
    passes::run(graph, &options).unwrap_or_else(|e| panic!("{e}")).network
}

/// Scores in float32 are those of the formulas, and in integers near them; so are the classes.
#[test]
fn all_variants_are_their_formulas() {
    let samples = samples(60, 4);
    for (seed, (keras, layer)) in variants().into_iter().enumerate() {
        let model = Model::new(keras, &layer, seed as u64, 1.0);
        let graph = model.graph().unwrap_or_else(|e| panic!("{layer}: {e}"));
        let float = passes::float_graph(&graph).expect("it has no cycle");
        let network = compiled(&graph, &samples, OutputMode::Scores, (12, 12));
        let OutputEncoding::Scores { scale, .. } = *network.output() else { panic!("scores were asked for") };
        let found = network.evaluate(&samples).expect("in range");
        let (mut equal, mut off, mut largest) = (0, 0.0f64, 0.0f64);
        for (q, found) in samples.iter().zip(&found) {
            let x: Vec<f64> = q.iter().map(|&q| real(q)).collect();
            let rows: Vec<Vec<f64>> = x.chunks(FEATURES).map(<[f64]>::to_vec).collect();
            let want = model.scores(&rows);
            let tensors = float.evaluate(&[x.iter().map(|&x| x as f32).collect()]).expect("it is sound");
            let size = want.iter().fold(1.0f64, |most, y| most.max(y.abs()));
            for (have, want) in tensors[&float.output].iter().zip(&want) {
                assert!((f64::from(*have) - want).abs() < 1e-5 * size, "{layer}: {have}, want {want}");
            }
            let ours: Vec<f64> = found.scores.iter().map(|&y| y as f64 * scale).collect();
            largest = largest.max(size);
            off = ours.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(off, f64::max);
            let top = |scores: &[f64]| (0..CLASSES).max_by(|&a, &b| scores[a].total_cmp(&scores[b]));
            equal += usize::from(top(&ours) == top(&want));
        }
        assert!(off < 0.004 * largest, "{layer}: scores are off by {off}, the largest is {largest}");
        assert!(equal >= samples.len() - 1, "{layer}: {equal} of {} classes", samples.len());
    }
}

/// More bits bring the scores nearer.
#[test]
fn more_bits_are_nearer() {
    let samples = samples(40, 5);
    let model = Model::new(3, &layer("LSTM", json!({ "return_sequences": true })), 3, 1.0);
    let graph = model.graph().expect("it can be read");
    let off = |bits| {
        let network = compiled(&graph, &samples, OutputMode::Scores, bits);
        let OutputEncoding::Scores { scale, .. } = *network.output() else { panic!("scores were asked for") };
        let found = network.evaluate(&samples).expect("in range");
        let distance = |(q, found): (&Vec<i64>, &xonn_program::evaluate::Evaluated)| {
            let x: Vec<f64> = q.iter().map(|&q| real(q)).collect();
            let rows: Vec<Vec<f64>> = x.chunks(FEATURES).map(<[f64]>::to_vec).collect();
            let want = model.scores(&rows);
            found.scores.iter().zip(&want).map(|(&y, w)| (y as f64 * scale - w).abs()).fold(0.0, f64::max)
        };
        samples.iter().zip(&found).map(distance).sum::<f64>()
    };
    let (coarse, fine) = (off((7, 7)), off((13, 13)));
    assert!(fine < coarse / 10.0, "{coarse} with 7 bits, {fine} with 13");
}

/// All steps take the same secret numbers, have the same widths, and multiply by no secret unit.
#[test]
fn steps_share_weights_and_widths() {
    let samples = samples(32, 6);
    for (class, kernels) in [("SimpleRNN", 1), ("LSTM", 1), ("GRU", 1)] {
        let model = Model::new(3, &layer(class, json!({ "return_sequences": true })), 7, 1.0);
        let network =
            compiled(&model.graph().expect("it can be read"), &samples, OutputMode::Argmax, (12, 12));
        let specs = network.program().tensors();
        let weights = specs.iter().filter(|spec| matches!(spec, TensorSpec::Weights { .. })).count();
        // The input's kernel, the state's, and the head's.
        assert_eq!(weights, 2 + kernels, "{class}");
        let linear = network.layers().iter().filter(|layer| matches!(layer.op, Op::Linear(_))).count();
        assert_eq!(linear, 2 + kernels * (STEPS - 1), "{class}");
        let wide = |layer: &&xonn_program::Layer| matches!(layer.op, Op::Scale { bits, .. } if bits > 2);
        // The first step of a GRU has no state whose reset bias is a line of each channel.
        let scales = network.layers().iter().filter(wide).count();
        assert!(scales <= usize::from(class == "GRU"), "{class}: {scales} multiplications by secret units");
        let mut tables: Vec<_> = network
            .layers()
            .iter()
            .filter(|layer| matches!(layer.op, Op::Spline(_)))
            .map(|l| &l.op)
            .collect();
        let all = tables.len();
        tables.dedup();
        tables.sort_by_key(|op| format!("{op:?}"));
        tables.dedup();
        let functions = if class == "SimpleRNN" { 1 } else { 3 };
        assert!(tables.len() <= functions, "{class}: {} tables of {all} curves", tables.len());
    }
}

/// Weights that differ a little give the same program and other secret numbers.
#[test]
fn the_program_does_not_tell_the_weights() {
    let samples = samples(32, 8);
    for (keras, layer) in variants() {
        let networks = [1.0, 1.0001].map(|size| {
            let graph = Model::new(keras, &layer, 9, size).graph().expect("it can be read");
            compiled(&graph, &samples, OutputMode::Argmax, (12, 12))
        });
        assert_eq!(networks[0].program(), networks[1].program(), "{layer}");
        assert_ne!(networks[0].tensors(), networks[1].tensors(), "{layer}");
    }
}

/// The circuit of a small LSTM, and of the others, gives what the integers give.
#[test]
fn circuits_of_steps_are_the_integers() {
    let samples = samples(20, 10);
    let of =
        [layer("LSTM", json!({})), layer("GRU", json!({})), around("mul", layer("SimpleRNN", json!({})))];
    for layer in of {
        let graph = Model::new(3, &layer, 11, 1.0).graph().expect("it can be read");
        for output in [OutputMode::Argmax, OutputMode::Scores] {
            let network = compiled(&graph, &samples, output, (8, 6));
            let lowered = network.lower().expect("it has a circuit");
            let bits = |q: &Vec<i64>| q.iter().flat_map(|&q| network.input().bits_of(q)).collect();
            let inputs: Vec<Vec<bool>> = samples.iter().map(bits).collect();
            let outputs = evaluate(&lowered.circuit, &lowered.secret, &inputs).expect("lengths fit");
            let want = network.evaluate(&samples).expect("in range");
            for (output, want) in outputs.iter().zip(&want) {
                assert_eq!(network.output().decode(output), network.prediction(want), "{layer}");
            }
        }
    }
}

/// A reason for each, with a way out.
#[test]
fn what_is_not_taken_is_refused_in_a_sentence() {
    let refused = |layer: &Value| match Model::new(3, layer, 1, 1.0).graph() {
        Ok(_) => panic!("{layer} was taken"),
        Err(error) => error.to_string(),
    };
    let lstm = |more: Value| layer("LSTM", more);
    let mut alike = around("sum", lstm(json!({})));
    alike["config"]["backward_layer"] = lstm(json!({}));
    let mut wrong = around("sum", lstm(json!({})));
    wrong["config"]["merge_mode"] = Value::Null;
    for (layer, words) in [
        (lstm(json!({ "activation": "softmax" })), "activation is a softmax over all units"),
        (lstm(json!({ "recurrent_activation": "ste_sign" })), "a quantiser inside of a recurrent layer"),
        (lstm(json!({ "time_major": true })), "expected samples along the first axis"),
        (alike, "expected go_backwards of one of them"),
        (wrong, "expected concat, sum, ave or mul"),
    ] {
        let said = refused(&layer);
        assert!(said.contains(words) && said.contains("layer \""), "{said}");
    }
    // An activation that the file does not name is none of the defaults.
    let mut silent = lstm(json!({}));
    silent["config"].as_object_mut().unwrap().remove("activation");
    assert!(refused(&silent).contains("activation is not given"), "{}", refused(&silent));
}

/// As many steps as a number in a file says would be written out.
#[test]
fn steps_are_bounded() {
    let mut model = Model::new(3, &layer("LSTM", json!({})), 1, 1.0);
    let steps = |model: &mut Model, steps: Value| {
        model.json["config"]["layers"][0]["config"]["batch_shape"] = json!([null, steps, FEATURES]);
        model.graph().expect_err("refused").to_string()
    };
    for many in [513, 1 << 20] {
        let said = steps(&mut model, json!(many));
        assert!(said.contains("all steps are written out") && said.contains("give it fewer steps"), "{said}");
    }
    let open = steps(&mut model, Value::Null);
    assert!(open.contains("Input(shape=(steps, features))") && open.contains("--steps"), "{open}");
}

/// A node that goes is no longer alike to others: its index may become another's.
#[test]
fn nodes_that_go_are_alike_to_none() {
    let model = Model::new(3, &layer("SimpleRNN", json!({})), 12, 1.0);
    let mut graph = model.graph().expect("it can be read");
    let rows = |graph: &LayerGraph| graph.alike.iter().map(|row| row.nodes.len()).sum::<usize>();
    let (before, gone) = (rows(&graph), graph.alike[0].nodes[0]);
    graph.bypass(gone);
    assert_eq!(rows(&graph), before - 1);
    graph.output = graph.inputs[0];
    graph.retain_ancestors_of_output();
    assert_eq!(rows(&graph), 0);
}
