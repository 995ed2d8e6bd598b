//! A layer of 1024 binary neurons between two processes: the answers of `eval`, and the figures that `--stats` prints.

use std::path::Path;

use serde_json::Value;
use xonn_program::Program;
use xonn_program::data::write_npy;
use xonn_program::op::Planes;

use crate::command::{Listening, run_ok};
use crate::programs::{Numbers, neurons, random_secret};

/// Neurons of a layer.
const NEURONS: usize = 1024;

/// Serves a layer, asks for `samples` predictions by a scheme, checks them; gives the client's report and the server's log.
fn ask(fan_in: usize, samples: usize, scheme: &str) -> (Value, String) {
    ask_program(&neurons(fan_in, NEURONS), samples, &[], &["--scheme", scheme])
}

/// The same for any layer over 0s and 1s, with more arguments for the client.
fn ask_program(program: &Program, samples: usize, serving: &[&str], more: &[&str]) -> (Value, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str| {
        folder.path().join(name).into_os_string().into_string().expect("a temporary path is text")
    };
    let names = ["l.xonn", "l.secret", "x.npy", "clear.npy", "private.npy"];
    let [package, secret, input, clear, private] = names.map(file);
    let (packed, numbers_of_it) = random_secret(program, 1);
    std::fs::write(&package, packed.bytes()).expect("written");
    numbers_of_it.write(program, Path::new(&secret)).expect("written");
    let (numbers, shape) = (program.input().elements(), program.input().shape.iter().map(|&n| n as usize));
    let mut state = 1u32;
    let mut bit = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 31 == 1
    };
    let values: Vec<f32> = (0..samples * numbers).map(|_| f32::from(u8::from(bit()))).collect();
    write_npy(Path::new(&input), &values, &[samples].into_iter().chain(shape).collect::<Vec<_>>())
        .expect("written");

    run_ok(["eval", &package, "--secret", &secret, "--input", &input, "--output", &clear]);
    let serve = ["serve", &package, "--secret", &secret, "--listen", "127.0.0.1:0", "--connections", "1"];
    let server = Listening::start(serve.iter().chain(&["--stats"]).chain(serving));
    let infer = ["infer", "--server", &server.address, "--package", &package, "--input", &input];
    let json = run_ok(infer.iter().chain(&["--output", &private, "--json", "--stats"]).chain(more));
    let bytes = |path: &str| std::fs::read(path).expect("the predictions were written");
    assert_eq!(bytes(&private), bytes(&clear));
    (serde_json::from_str(&json).expect("JSON"), server.finish())
}

#[test]
fn a_layer_gives_the_answers_of_eval_and_both_hosts_tell_their_figures() {
    let received = ["half-gates", "three-halves"].map(|scheme| {
        let (report, log) = ask(64, 3, scheme);
        assert!(log.contains("stats: peak memory ") && log.contains(" sent, "), "{log}");
        if cfg!(target_os = "linux") {
            assert!(report["peak_memory_bytes"].as_u64().is_some_and(|bytes| bytes > 0));
        }
        assert_eq!(report["scheme"], scheme);
        (report["received_bytes"].as_u64().expect("a count"), report["and"].clone())
    });
    // All but the tables is the same: 32 bytes an AND, or 24 and five bits, in one segment.
    let full = received[0].1["full"].as_u64().expect("a count");
    assert_eq!(received[0].0 - received[1].0, 3 * (8 * full - (5 * full).div_ceil(8)));
}

/// Dense and convolution, with padded borders and weights of several bits: garbled and by conditional addition, both are
/// what `eval` says; `auto` takes what is soonest over a common link, which for these is not garbled.
#[test]
fn first_layers_give_the_answers_of_eval_by_either_protocol() {
    let dense = Numbers::dense(200, 8, 30);
    let weights = Planes::Odd { bits: 2 };
    let conv = Numbers { weights, taps: 9, positions: 60, padded: true, ..dense.clone() };
    for shape in [dense, conv] {
        let program = shape.program();
        let bytes = ["gc", "oca", "auto"].map(|form| {
            let (report, log) =
                ask_program(&program, 4, &["--clients", "semi-honest"], &["--first-layer", form]);
            assert_eq!(report["clients"], "semi-honest");
            let taken = report["first_layer"].as_str().expect("a name");
            assert!(if form == "auto" { taken != "gc" } else { taken == form }, "{form}: {taken}");
            let count = |name: &str| report[name].as_u64().expect("a count");
            // Bytes of first layers are counted where nothing but a circuit is run.
            let garbled = taken == "gc";
            assert_eq!(log.contains("(first layer ") && log.contains("; rest "), garbled, "{log}");
            assert_eq!(report["first_layer_sent_bytes"].is_null(), !garbled);
            assert!(!garbled || count("first_layer_sent_bytes") < count("sent_bytes"));
            count("sent_bytes") + count("received_bytes")
        });
        assert!(2 * bytes[1] < bytes[0], "{bytes:?}");
        assert!(2 * bytes[2] < bytes[0], "{bytes:?}");
    }
}

/// Whoever says nothing of the clients has the model protected from them, and says so if that cannot be.
#[test]
fn clients_are_taken_for_hostile_unless_said_otherwise() {
    let program = Numbers::dense(200, 8, 30).program();
    let (report, _) = ask_program(&program, 1, &[], &[]);
    assert_eq!((&report["first_layer"], &report["clients"]), (&"gc".into(), &"hostile".into()));
    for named in [&[][..], &["--clients", "hostile"]] {
        let serve = ["serve", "m.xonn", "--secret", "m.secret", "--first-layer", "oca"];
        let text = crate::command::run_failing(serve.iter().chain(named));
        assert!(text.contains("--first-layer oca lets a client that cheats read weights"), "{text}");
        assert!(text.contains("--clients semi-honest"), "{text}");
    }
}

/// 34 MB of tables an inference: neither host may come near to holding them all.
#[test]
fn memory_is_bounded_by_what_is_in_flight() {
    let (report, log) = ask(1024, 2, "half-gates");
    if cfg!(target_os = "linux") {
        let ands = report["and"]["full"].as_u64().expect("a count");
        let (peak, tables) = (report["peak_memory_bytes"].as_u64().expect("a count"), 32 * ands);
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
        // Segments of half a MiB, 2 a core, in each of at most 4 places at a time, and 20 MiB for everything else.
        assert!(peak < (20 << 20) + ((4 * 2 * cores) << 19), "{peak} bytes at the peak, {tables} of tables");
    }
    assert!(log.contains(": 2 inferences in "), "{log}");
}

/// `cargo test --release -p xonn-run --test two_processes -- --ignored --nocapture loopback`
#[test]
#[ignore = "a measurement: ANDs a second between two processes, for a machine with two free cores"]
fn loopback_rate() {
    for scheme in ["half-gates", "three-halves"] {
        let (report, log) = ask(1024, 100, scheme);
        let number = |value: &Value| value.as_f64().expect("a number");
        let costs = &report["and"];
        let ands = number(&costs["full"]) + number(&costs["half"]);
        let rate = ands / number(&report["inference_ms_median"]) / 1e3;
        println!("{scheme}: {rate:.1} million ANDs a second, median of 100 inferences of {ands} ANDs\n{log}");
        assert!(rate > 1.0);
    }
}

/// Labels go the whole way: an array of 0 and 1 for each sample, in JSON and in the file, as `eval` gives
/// them.
#[test]
fn labels_of_a_multi_label_head_are_answered_one_by_one() {
    let program = neurons(64, NEURONS);
    let (report, _) = ask_program(&program, 3, &[], &[]);
    let rows = report["predictions"].as_array().expect("a list");
    assert_eq!(rows.len(), 3);
    let mut ones = 0;
    for row in rows {
        let labels = row["prediction"].as_array().expect("an array of labels");
        assert_eq!(labels.len(), NEURONS);
        assert!(labels.iter().all(|label| *label == 0 || *label == 1));
        ones += labels.iter().filter(|label| **label == 1).count();
    }
    assert!((1..3 * NEURONS).contains(&ones));
}
