//! Damaged and malicious model files: a graph or an error, within a second, never a panic.
//!
//! Every test model is mutated deterministically: bytes of the container, the configuration as JSON, weights
//! as numbers. What can still be read goes on through the passes, the lowering and the page that `inspect`
//! makes of it.

#[path = "hostile/mutate.rs"]
mod mutate;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::common::{fixture, options};
use mutate::Random;
use serde_json::{Value, json};
use xonn_compile::inspect::{Diagram, FileKind, Report, html};
use xonn_compile::keras;
use xonn_compile::keras::hdf5::{Container, Hdf5, is_hdf5};
use xonn_compile::passes::{self, Options};

/// A model file taken apart, so that a mutation of one part is not caught by a checksum over all.
struct Parts {
    name: String,
    whole: Vec<u8>,
    config: Option<Value>,
    weights: Option<Vec<u8>>,
}

fn parts() -> Vec<Parts> {
    let mut names: Vec<String> = std::fs::read_dir(fixture(""))
        .expect("the fixtures are there")
        .map(|entry| entry.expect("readable").file_name().into_string().expect("UTF-8"))
        .filter(|name| [".h5", ".keras", ".json"].iter().any(|suffix| name.ends_with(suffix)))
        .collect();
    names.sort();
    names.into_iter().map(taken_apart).collect()
}

fn taken_apart(name: String) -> Parts {
    let whole = std::fs::read(fixture(&name)).expect("readable");
    let json = |text: &[u8]| Some(serde_json::from_slice(text).expect("it is JSON"));
    let (config, weights) = if is_hdf5(&whole) {
        let h5 = Hdf5::open(whole.clone(), &name).expect("the fixture is sound");
        let text = h5.string_attribute("/", "model_config").expect("the fixture is sound");
        (text.and_then(|text| json(text.as_bytes())), Some(whole.clone()))
    } else if let Ok(mut zip) = zip::ZipArchive::new(std::io::Cursor::new(&whole)) {
        let mut entry = |name: &str| {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut zip.by_name(name).ok()?, &mut bytes).ok()?;
            Some(bytes)
        };
        (entry("config.json").and_then(|text| json(&text)), entry("model.weights.h5"))
    } else {
        (json(&whole), None)
    };
    Parts { name, whole, config, weights }
}

/// Reads bytes and follows them as far as they lead. Says how far: 0 refused, 1 read, 2 compiled, 3 lowered.
fn follow(bytes: Vec<u8>, weights: Option<&[u8]>) -> usize {
    let weights = weights.map(|bytes| (bytes, "weights"));
    let Ok(graph) = keras::read_bytes(bytes, "hostile", weights, &options()) else { return 0 };
    let mut report = Report::new("hostile", FileKind::Model);
    report.diagrams.push(Diagram::of_graph(&graph));
    let compiled = passes::run(&graph, &Options::default());
    let lowered = compiled.as_ref().ok().map(|compiled| compiled.network.lower());
    let stage = match (&compiled, &lowered) {
        (Ok(compiled), Some(Ok(lowered))) => {
            report.add_circuit(compiled.network.input(), &lowered.circuit);
            3
        }
        (Ok(_), _) => 2,
        _ => 1,
    };
    assert!(html::html(&report).ends_with("</html>\n"));
    stage
}

/// Mutation number `seed` of a model, followed.
fn mutated(parts: &Parts, seed: u64) -> usize {
    let mut random = Random::new(&parts.name, seed);
    match (random.below(4), &parts.config, &parts.weights) {
        (0 | 1, Some(config), weights) => {
            let mut config = config.clone();
            for _ in 0..=random.below(3) {
                mutate::json(&mut config, &mut random);
            }
            follow(config.to_string().into_bytes(), weights.as_deref())
        }
        (2, Some(config), Some(weights)) => {
            let mut weights = weights.clone();
            mutate::numbers(&mut weights, &mut random);
            follow(config.to_string().into_bytes(), Some(&weights))
        }
        _ => {
            let mut whole = parts.whole.clone();
            mutate::bytes(&mut whole, &mut random);
            follow(whole, None)
        }
    }
}

/// As [`mutated`], with the name and seed in what is said about a panic, and a limit.
fn checked(parts: &Parts, seed: u64, within: Duration) -> usize {
    let name = &parts.name;
    let run = || {
        let begin = Instant::now();
        let stage = catch_unwind(AssertUnwindSafe(|| mutated(parts, seed)));
        let stage = stage.unwrap_or_else(|_| panic!("{name}, mutation {seed}: a panic"));
        (stage, begin.elapsed())
    };
    let (stage, mut time) = run();
    // A busy machine is no fault of the file.
    for _ in 0..2 {
        if time > within {
            time = time.min(run().1);
        }
    }
    assert!(time < within, "{name}, mutation {seed}: {time:?}");
    stage
}

#[test]
fn mutated_models_never_panic() {
    let mut stages = [0; 4];
    for parts in parts() {
        // Far above what any of them needs (a second): the machine may be busy. The long run below holds them
        // to it.
        (0..100).for_each(|seed| stages[checked(&parts, seed, Duration::from_secs(30))] += 1);
    }
    // Both sides are tested: files that are refused and files that come all the way.
    assert!(stages[0] > 1000 && stages[3] > 200, "{stages:?}");
}

/// `XONN_HOSTILE_SECONDS` and `XONN_HOSTILE_FROM` say how long and from which seed on.
#[test]
#[ignore = "takes minutes"]
fn many_mutated_models_never_panic() {
    let number =
        |name: &str, default| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let (seconds, from) = (number("XONN_HOSTILE_SECONDS", 300), number("XONN_HOSTILE_FROM", 1000));
    let (begin, parts, mut stages) = (Instant::now(), parts(), [0u64; 4]);
    let mut seed = from;
    while begin.elapsed() < Duration::from_secs(seconds) {
        parts.iter().for_each(|parts| stages[checked(parts, seed, Duration::from_secs(1))] += 1);
        seed += 1;
    }
    println!("seeds {from} to {seed}, refused, read, compiled, lowered: {stages:?}");
    assert!(stages[3] > 0);
}

/// Configurations that ask for more than anybody can give.
#[test]
fn sizes_in_a_configuration_allocate_nothing() {
    let sequential = |shape: Value, layers: Value| {
        let mut all = vec![json!({ "class_name": "InputLayer",
            "config": { "name": "i", "batch_input_shape": shape } })];
        all.extend(layers.as_array().cloned().unwrap_or_default());
        json!({ "class_name": "Sequential", "config": { "name": "s", "layers": all } })
    };
    let layer = |class: &str, config: Value| {
        let mut config = config;
        config["name"] = json!("l");
        json!({ "class_name": class, "config": config })
    };
    let huge = 1u64 << 62;
    let cases = [
        sequential(json!([null, huge, huge, huge]), json!([layer("Flatten", json!({}))])),
        sequential(json!([null, 67108864, 67108864]), json!([layer("Flatten", json!({}))])),
        sequential(
            json!([null, 2, 2, 1]),
            json!([layer("ZeroPadding2D", json!({ "padding": [1048575, 1048575] }))]),
        ),
        sequential(
            json!([null, 2, 2, 1]),
            json!([layer("MaxPooling2D", json!({ "pool_size": 67108864, "padding": "same" }))]),
        ),
        sequential(
            json!([null, 1000000, 1000000, 8]),
            json!([layer("MaxPooling2D", json!({ "pool_size": 2 }))]),
        ),
        sequential(json!([null, 100000, 100000, 8]), json!([layer("GlobalAveragePooling2D", json!({}))])),
        sequential(json!([null, 4]), json!([layer("Reshape", json!({ "target_shape": [-1, -1, -1] }))])),
        sequential(json!([null, 1u64 << 25]), json!([layer("SteSign", json!({}))])),
    ];
    let weights = std::fs::read(fixture("tiny_mlp.h5")).expect("readable");
    for config in cases {
        let begin = Instant::now();
        let stage = follow(config.to_string().into_bytes(), Some(&weights));
        assert!(begin.elapsed() < Duration::from_secs(30), "stage {stage}, {:?}: {config}", begin.elapsed());
    }
}

/// Many layers, many refusals, layers that read one tensor many times, models that call models twice each.
#[test]
fn numbers_of_layers_take_no_quadratic_time() {
    let sequential = |class: &str, n: usize| {
        let layer = |i: usize| json!({ "class_name": class, "config": { "name": format!("l{i}") } });
        let mut layers = vec![json!({ "class_name": "InputLayer",
            "config": { "name": "i", "batch_input_shape": [null, 4] } })];
        layers.extend((0..n).map(layer));
        json!({ "class_name": "Sequential", "config": { "name": "s", "layers": layers } })
    };
    let input = json!({ "class_name": "InputLayer", "name": "in", "inbound_nodes": [],
        "config": { "name": "in", "batch_input_shape": [null, 4] } });
    let functional = |layer: Value, call: usize| {
        json!({ "class_name": "Functional", "config": { "name": "f", "layers": [input, layer],
            "input_layers": [["in", 0, 0]], "output_layers": [["x", call, 0]] } })
    };
    let reads = vec![json!(["in", 0, 0, {}]); 100_000];
    let wide = functional(
        json!({ "class_name": "Add", "name": "x", "config": { "name": "x" }, "inbound_nodes": [reads] }),
        0,
    );
    let mut nested = functional(
        json!({ "class_name": "Dropout", "name": "x", "config": { "name": "x" },
            "inbound_nodes": [[["in", 0, 0, {}]]] }),
        0,
    );
    for _ in 0..14 {
        nested["name"] = json!("x");
        nested["inbound_nodes"] = json!([[["in", 0, 0, {}]], [["x", 1, 0, {}]]]);
        nested = functional(nested, 2);
    }
    let weights = std::fs::read(fixture("tiny_mlp.h5")).expect("readable");
    for (what, config) in [
        ("refusals", sequential("RNN", 10_000)),
        ("signs", sequential("SteSign", 10_000)),
        ("reads", wide),
        ("nested models", nested),
    ] {
        let begin = Instant::now();
        let stage = follow(config.to_string().into_bytes(), Some(&weights));
        assert!(begin.elapsed() < Duration::from_secs(60), "{what}: stage {stage}, {:?}", begin.elapsed());
    }
}
