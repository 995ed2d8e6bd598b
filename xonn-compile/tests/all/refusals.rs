//! Bad model files: one sentence naming file and layer, never a crash.

use std::time::{Duration, Instant};

use crate::common::{fixture, options};
use xonn_compile::keras;
use xonn_compile::passes::{self, Options};

/// The error of reading and compiling a model.
fn error_of(bytes: Vec<u8>) -> String {
    let graph = match keras::read_bytes(bytes, "model", None, &options()) {
        Ok(graph) => graph,
        Err(error) => return error.to_string(),
    };
    match passes::run(&graph, &Options::default()) {
        Ok(_) => panic!("the model must be refused"),
        Err(error) => error.to_string(),
    }
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).expect("the fixture is readable")
}

#[test]
fn missing_file() {
    let error = keras::read(&fixture("nowhere.h5"), &options()).expect_err("missing").to_string();
    assert!(error.contains("nowhere.h5") && error.contains("cannot be read"), "{error}");
}

#[test]
fn not_hdf5_and_not_zip() {
    for text in [&b"hello"[..], b"", b"\x89HDF\r\n", b"PK\x03\x04 but no archive"] {
        let error = error_of(text.to_vec());
        assert!(error.contains("not a Keras model"), "{error}");
    }
}

#[test]
fn other_kinds_of_models_are_recognised() {
    let error = error_of(b"\x1c\0\0\0TFL3\0\0".to_vec());
    assert!(error.contains("TensorFlow Lite"), "{error}");
    let error = error_of(bytes("tiny_mlp.npz"));
    assert!(error.contains("no config.json"), "{error}");
    let error = keras::read(&fixture(""), &options()).expect_err("a folder").to_string();
    assert!(error.contains("SavedModel") && error.contains(".keras"), "{error}");
}

#[test]
fn truncated_hdf5() {
    let whole = bytes("tiny_mlp.h5");
    for cut in [16, 100, whole.len() / 2, whole.len() - 1] {
        let error = error_of(whole[..cut].to_vec());
        assert!(error.contains("damaged HDF5") || error.contains("not a Keras model"), "{error}");
    }
}

#[test]
fn nan_weights_and_negative_variance() {
    let error = error_of(bytes("nan_weights.keras"));
    assert!(error.contains("quant_dense_1") && error.contains("kernel") && error.contains("NaN"), "{error}");
    let error = error_of(bytes("negative_variance.h5"));
    assert!(error.contains("batch_normalization") && error.contains("-3"), "{error}");
}

#[test]
fn unsupported_layers_are_all_named_and_nothing_is_blamed_on_them() {
    for file in ["unsupported_cells.h5", "unsupported_cells.keras"] {
        let error = error_of(bytes(file));
        assert!(error.contains("recurrent") && error.contains("use SimpleRNN, LSTM or GRU"), "{error}");
        assert!(!error.contains("dense"), "{error}");
    }
}

#[test]
fn unknown_functions_say_how_to_name_them() {
    let graph = keras::read(&fixture("keras3_stock.keras"), &Default::default());
    let error = graph.expect_err("bnn>sign is not known").to_string();
    assert!(error.contains("bnn>sign") && error.contains("--custom"), "{error}");
}

/// Replaces text of equal length inside of a file.
fn edited(name: &str, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len(), "offsets in the file must stay");
    let mut bytes = bytes(name);
    let at = bytes.windows(from.len()).position(|w| w == from.as_bytes()).expect("the text is in the file");
    bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
    bytes
}

#[test]
fn wrong_and_missing_weights() {
    let error = error_of(edited("tiny_mlp.h5", "\"units\": 16", "\"units\": 17"));
    assert!(
        error.contains("quant_dense") && error.contains("[12, 16]") && error.contains("[12, 17]"),
        "{error}"
    );
    let error = error_of(edited("tiny_mlp.h5", "\"use_bias\": false", "\"use_bias\": true "));
    assert!(error.contains("bias") && error.contains("quant_dense"), "{error}");
}

#[test]
fn wrong_shapes_dtypes_and_classes() {
    for (from, to, expected) in [
        ("[null, 12]", "[null, 13]", "[13, 16]"),
        ("[null, 12]", "[null, -2]", "-2"),
        ("[null, 12]", "[nu{}, 12]", "not valid JSON"),
        ("\"dtype\": \"float32\"", "\"dtype\": \"float16\"", "float16"),
        ("\"axis\": [1]", "\"axis\": [2]", "axis"),
        ("\"SteSign\"", "\"SteSogn\"", "SteSogn"),
        ("\"softmax\"", "\"softsax\"", "softsax"),
    ] {
        let error = error_of(edited("tiny_mlp.h5", from, to));
        assert!(error.contains(expected), "{from} -> {to}: {error}");
        assert!(error.starts_with("model"), "it names the file: {error}");
    }
}

/// A kernel that is not binary is no longer what its author may think; that it costs more must not go unsaid.
#[test]
fn a_float_kernel_is_written_in_fixed_point_and_the_user_is_told() {
    // A weight of a stock kernel becomes another number.
    let with = |weight: f32| {
        let mut bytes = bytes("stock_dense.h5");
        let ones = [1.0f32, 1.0].map(f32::to_le_bytes).concat();
        let at = bytes.windows(8).position(|w| w == ones).expect("two weights of +1");
        bytes[at..at + 4].copy_from_slice(&weight.to_le_bytes());
        keras::read_bytes(bytes, "model", None, &options()).expect("it can be read")
    };
    let notes = |graph| passes::run(graph, &Options::default()).expect("it has integers").notes;
    let graph = with(0.298_765_4);
    let told = notes(&graph);
    assert!(told.iter().any(|n| n.contains("real numbers, written in 16 bits")), "{told:?}");
    let told = notes(&with(0.25));
    assert!(told.iter().any(|n| n.contains("multiples of 0.25 up to 4 times")), "{told:?}");
    let none = Options { weight_bits: Some(0), ..Options::default() };
    let error = passes::run(&graph, &none).expect_err("no bits").to_string();
    assert!(error.contains("--weight-bits 0"), "{error}");
}

#[test]
fn layers_that_compute_in_another_precision_are_all_named() {
    let error = error_of(bytes("policies.keras"));
    for (layer, policy) in
        [("half", "float16"), ("mixed_half", "mixed_float16"), ("mixed_brain", "mixed_bfloat16")]
    {
        let line = error.lines().find(|line| line.contains(&format!("layer {layer:?}")));
        let line = line.unwrap_or_else(|| panic!("{layer} is not named: {error}"));
        assert!(line.contains(&format!("{policy:?}")) && line.contains("expected float32"), "{line}");
    }
    assert!(!error.contains("\"single\""), "float32 is not blamed: {error}");
}

#[test]
fn missing_shards_and_misplaced_lists_say_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let copy = |name: &str| {
        std::fs::copy(fixture(name), folder.path().join(name)).expect("it can be copied");
        folder.path().join(name)
    };
    let read = |path: &std::path::Path| keras::read(path, &options()).expect_err("incomplete").to_string();
    let model = copy("sharded.json");
    let error = read(&model);
    assert!(error.contains("configuration only") && error.contains("--weights"), "{error}");
    let list = copy("sharded.weights.json");
    copy("sharded_00000.weights.h5");
    copy("sharded_00002.weights.h5");
    let error = read(&model);
    assert!(error.contains("sharded_00001.weights.h5") && error.contains("cannot be read"), "{error}");
    let error = read(&list);
    assert!(error.contains("lists weight files") && error.contains("--weights"), "{error}");
    // The same files in the wrong order: the weights are then another layer's, which shapes tell.
    std::fs::copy(fixture("sharded_00002.weights.h5"), folder.path().join("sharded_00001.weights.h5"))
        .expect("it can be copied");
    let error = read(&model);
    assert!(error.contains("dense_1") || error.contains("layers of class"), "{error}");
}

/// Thousands of damaged files: a graph or an error, in time, never a panic.
#[test]
fn damaged_files_never_panic() {
    let mut state = 7u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut refused = 0;
    for name in [
        "tiny_mlp.h5",
        "functional.keras",
        "keras3_stock.keras",
        "tiny_mlp_deflated.keras",
        "recurrent2.h5",
        "recurrent3.keras",
    ] {
        let whole = bytes(name);
        for _ in 0..600 {
            let mut damaged = whole.clone();
            for _ in 0..1 + random(4) {
                let at = random(damaged.len());
                damaged[at] = match random(3) {
                    0 => damaged[at] ^ 1 << random(8),
                    1 => 0xff,
                    _ => random(256) as u8,
                };
            }
            if random(8) == 0 {
                damaged.truncate(random(whole.len()));
            }
            let begin = Instant::now();
            match keras::read_bytes(damaged, name, None, &options()) {
                // What can still be read goes on through the passes.
                Ok(graph) => drop(passes::run(&graph, &Options::default())),
                Err(_) => refused += 1,
            }
            // A guard against hangs, far above what a slow machine needs for 40 kB.
            assert!(begin.elapsed() < Duration::from_secs(20), "{name}");
        }
    }
    assert!(refused > 400, "{refused} of 3600 damaged files were refused");
}
