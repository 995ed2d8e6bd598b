//! The commands of `xonn-run`, run as two processes that speak over the loopback interface.

#[path = "two_processes/ahead.rs"]
mod ahead;
#[path = "two_processes/codes.rs"]
mod codes;
#[path = "two_processes/command.rs"]
mod command;
#[path = "two_processes/eavesdropper.rs"]
mod eavesdropper;
#[cfg(unix)]
#[path = "two_processes/ending.rs"]
mod ending;
#[path = "two_processes/kinds.rs"]
mod kinds;
#[path = "two_processes/layer.rs"]
mod layer;
#[path = "two_processes/manual.rs"]
mod manual;
#[path = "two_processes/model.rs"]
mod model;
#[path = "two_processes/netlists.rs"]
mod netlists;
#[path = "support/programs.rs"]
mod programs;
#[path = "two_processes/shares.rs"]
mod shares;
#[path = "two_processes/tls.rs"]
mod tls;
#[path = "two_processes/watching.rs"]
mod watching;

use std::net::TcpListener;

use command::{Listening, run, run_failing, run_ok};
use model::{Model, NUMBERS, samples};
use serde_json::Value;

const MASKS: [u8; NUMBERS] = [3, 0, 2, 1];

fn serve(model: &Model, more: &[&str]) -> Listening {
    let (package, secret) = (model.package(), model.secret());
    let arguments = ["serve", &package, "--secret", &secret, "--listen", "127.0.0.1:0"];
    Listening::start(arguments.iter().chain(more))
}

/// The classes in a report, with the names of their inputs checked.
fn classes(json: &str, file: &str) -> Vec<u64> {
    let report: Value = serde_json::from_str(json).expect("JSON");
    let rows = report["predictions"].as_array().expect("a list");
    for (i, row) in rows.iter().enumerate() {
        let name = row["input"].as_str().expect("a name");
        assert!(name == format!("{file}[{i}]") || rows.len() == 1 && name == file, "{name}");
    }
    rows.iter().map(|row| row["prediction"].as_u64().expect("a class")).collect()
}

#[test]
fn a_hundred_predictions_on_one_connection_are_those_of_eval_and_of_integers() {
    let model = Model::new(MASKS);
    let samples = samples(100);
    let file = model.write_samples("x.npy", &samples);
    let (clear, private, local) =
        (model.file("clear.npy"), model.file("private.npy"), model.file("local.npy"));
    let (package, secret) = (model.package(), model.secret());
    let json =
        run_ok(["eval", &package, "--secret", &secret, "--input", &file, "--output", &clear, "--json"]);
    let wanted: Vec<u64> = samples.iter().map(|s| model.class(s)).collect();
    assert_eq!(classes(&json, &file), wanted);
    assert!((0..NUMBERS as u64).all(|class| wanted.contains(&class)));

    let server = serve(&model, &["--connections", "2"]);
    let infer = ["infer", "--server", &server.address, "--input", &file, "--json", "--output"];
    let json = run_ok(infer.iter().chain(&[&private[..]]));
    assert_eq!(classes(&json, &file), wanted);
    let report: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(report["round_trips"], 101);
    assert_eq!(report["digest"], model.digest.to_string());
    assert!(
        ["set_up_ms", "inference_ms_median", "total_ms"]
            .iter()
            .all(|t| report[t].as_f64().is_some_and(|t| t > 0.0))
    );

    // With the package at hand it does not travel.
    let json = run_ok(infer.iter().copied().chain([&local[..], "--package", &package]));
    assert_eq!(classes(&json, &file), wanted);
    let at_hand: Value = serde_json::from_str(&json).expect("JSON");
    let saved = 5 + std::fs::metadata(&package).expect("it is there").len();
    let received = |report: &Value| report["received_bytes"].as_u64().expect("a number");
    assert_eq!(received(&report), received(&at_hand) + saved);
    assert_eq!(report["sent_bytes"], at_hand["sent_bytes"]);

    let bytes = |path: &str| std::fs::read(path).expect("the predictions were written");
    assert_eq!(bytes(&private), bytes(&clear));
    assert_eq!(bytes(&local), bytes(&clear));
    let log = server.finish();
    assert_eq!(log.matches(": 100 inferences in ").count(), 2, "{log}");
}

#[test]
fn separate_connections_give_the_same_answers_in_words() {
    let model = Model::new(MASKS);
    let server = serve(&model, &["--connections", "4"]);
    for (i, sample) in samples(3).iter().enumerate() {
        let file = model.write_samples(&format!("{i}.npy"), &[*sample]);
        let printed = run_ok(["infer", "--server", &server.address, "--input", &file]);
        assert_eq!(printed, format!("{file}: {}\n", model.class(sample)));
    }
    // Several files, of which only the first samples are wanted; the digest is the expected one.
    let (digest, samples) = (model.digest.to_string(), samples(5));
    let files = [model.write_samples("a.npy", &samples[..2]), model.write_samples("b.npy", &samples[2..])];
    let infer = ["infer", "--server", &server.address, "--limit", "3", "--digest", &digest, "--input"];
    let printed = run_ok(infer.iter().copied().chain(files.iter().map(String::as_str)));
    let names = [format!("{}[0]", files[0]), format!("{}[1]", files[0]), format!("{}[0]", files[1])];
    let lines: Vec<String> =
        names.iter().zip(&samples).map(|(n, s)| format!("{n}: {}", model.class(s))).collect();
    assert_eq!(printed.lines().collect::<Vec<_>>(), lines);
    server.finish();
}

/// What answers tell of a model grows with their number: a client has so many an hour, whatever the number of
/// connections.
#[test]
fn a_client_is_granted_so_many_inferences_over_all_its_connections() {
    let model = Model::new(MASKS);
    let (two, one) = (model.write_samples("2.npy", &samples(2)), model.write_samples("1.npy", &samples(1)));
    // Of circuits ahead those count that answer.
    let granted = ["--inferences", "5", "--connections", "5", "--pool", "4"];
    let server = serve(&model, &granted);
    let infer = |file: &str, ahead: &str| {
        run(["infer", "--server", &server.address, "--input", file, "--ahead", ahead])
    };
    assert!(infer(&two, "0").status.success());
    assert!(infer(&one, "4").status.success());
    assert!(infer(&two, "4").status.success());
    for ahead in ["0", "4"] {
        let refused = infer(&one, ahead);
        let text = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(5), "{text}");
        assert!(text.contains("a client is granted 5 inferences an hour, counted by address"), "{text}");
        assert!(refused.stdout.is_empty());
    }
    server.finish();
}

#[test]
fn hosts_with_different_models_are_both_told() {
    let (model, other) = (Model::new(MASKS), Model::with_scale(MASKS, 2.0));
    assert_ne!(model.digest, other.digest);
    let file = model.write_samples("x.npy", &samples(1));
    let both = [model.digest.to_string(), other.digest.to_string()];
    let server = serve(&model, &["--connections", "2"]);
    let infer = ["infer", "--server", &server.address, "--input", &file];
    let other_package = other.package();
    for more in [["--package", &other_package], ["--digest", &both[1]]] {
        let text = run_failing(infer.iter().chain(&more));
        assert!(both.iter().all(|digest| text.contains(digest)), "{text}");
    }
    // A hello that names no circuit fits, and so does this one.
    run_ok(infer);
    let log = server.finish();
    assert_eq!(log.matches("failed after").count(), 2, "{log}");
    assert_eq!(log.matches(&both[1]).count(), 2, "the server is told what the client expects: {log}");
}

#[test]
fn a_secret_of_another_package_is_refused() {
    let (model, other) = (Model::new(MASKS), Model::with_scale(MASKS, 2.0));
    let file = model.write_samples("x.npy", &samples(1));
    let (package, secret) = (model.package(), other.secret());
    for arguments in [
        vec!["serve", &package, "--secret", &secret, "--listen", "127.0.0.1:0"],
        vec!["eval", &package, "--secret", &secret, "--input", &file],
    ] {
        let text = run_failing(arguments);
        assert!(
            text.contains(&model.digest.to_string()) && text.contains(&other.digest.to_string()),
            "{text}"
        );
    }
}

#[test]
fn files_that_are_missing_or_of_another_shape_are_named() {
    let model = Model::new(MASKS);
    let (package, secret, missing) = (model.package(), model.secret(), model.file("missing"));
    let wrong = model.file("wrong.npy");
    xonn_program::data::write_npy(wrong.as_ref(), &[1.0f32; 10], &[2, 5]).expect("written");
    let outside = model.file("outside.npy");
    xonn_program::data::write_npy(outside.as_ref(), &[1.0f32, 2.0, 3.0, 16.0], &[4]).expect("written");
    let missing_npy = format!("{missing}.npy");
    for (arguments, parts) in [
        (vec!["eval", &missing, "--secret", &secret, "--input", &wrong], [&missing[..], "cannot be read"]),
        (vec!["eval", &package, "--secret", &missing, "--input", &wrong], [&missing, "cannot be read"]),
        (vec!["eval", &secret, "--secret", &secret, "--input", &wrong], [&secret, "not a package"]),
        (
            vec!["eval", &package, "--secret", &secret, "--input", &missing_npy],
            [&missing_npy, "cannot be read"],
        ),
        (vec!["eval", &package, "--secret", &secret, "--input", &wrong], [&wrong, "[2, 5]"]),
        (
            vec!["eval", &package, "--secret", &secret, "--input", &outside],
            [&outside, "column 4 of 4: the value 16"],
        ),
        (vec!["serve", &missing, "--secret", &secret], [&missing, "cannot be read"]),
        (
            vec!["serve", &package, "--secret", &secret, "--listen", "nowhere"],
            ["cannot listen on nowhere", ":"],
        ),
    ] {
        let text = run_failing(&arguments);
        assert!(parts.iter().all(|part| text.contains(part)), "{arguments:?}: {text}");
    }
}

#[test]
fn an_input_that_does_not_fit_the_servers_package_ends_the_session_for_both() {
    let model = Model::new(MASKS);
    let wrong = model.file("wrong.npy");
    xonn_program::data::write_npy(wrong.as_ref(), &[1.0f32; 10], &[2, 5]).expect("written");
    let server = serve(&model, &["--connections", "1"]);
    let text = run_failing(["infer", "--server", &server.address, "--input", &wrong]);
    assert!(text.contains(&wrong) && text.contains("[2, 5]") && text.contains("[4]"), "{text}");
    let log = server.finish();
    assert!(log.contains("the shape of the client's input does not fit the package"), "{log}");
}

#[test]
fn nobody_listens() {
    let model = Model::new(MASKS);
    let file = model.write_samples("x.npy", &samples(1));
    // A port that was free a moment ago.
    let free =
        TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound").to_string();
    let text = run_failing(["infer", "--server", &free, "--input", &file]);
    assert!(text.contains(&format!("cannot connect to {free}")), "{text}");
}

#[test]
fn a_server_that_says_nothing_runs_into_the_time_limit() {
    let model = Model::new(MASKS);
    let file = model.write_samples("x.npy", &samples(1));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    let text = run_failing(["infer", "--server", &address, "--input", &file, "--timeout", "1"]);
    assert!(text.contains("the peer was too slow") && text.contains("longer than 1s"), "{text}");
}

#[test]
fn wrong_usage_has_another_exit_code() {
    for arguments in [
        &[][..],
        &["predict"],
        &["infer"],
        &["infer", "--input", "x.npy", "--digest", "abc"],
        &["infer", "--input", "x.npy", "--limit", "0"],
        &["serve", "m.xonn"],
        &["garble", "f.txt", "--input", "012"],
        &["evaluate", "f.txt", "--input", "0xg"],
        &["evaluate", "f.txt", "--timeout", "0"],
        &["evaluate", "f.txt", "--garbler-groups", "0,,1"],
        &["serve", "m.xonn", "--secret", "m.secret", "--tls-cert", "a.pem"],
        &["serve", "m.xonn", "--secret", "m.secret", "--tls-client-ca", "a.pem"],
        &["infer", "--input", "x.npy", "--tls-name", "localhost"],
        &["certificate", "localhost"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
    assert!(run_ok(["--help"]).contains("serve"));
    assert!(run_ok(["--version"]).starts_with("xonn-run "));
}

/// Output that has no room is an error to report, not a crash.
#[cfg(unix)]
#[test]
fn answers_have_no_room() {
    let model = Model::new(MASKS);
    let file = model.write_samples("x.npy", &samples(1));
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    let Ok(full) = full else {
        println!("skipped: no /dev/full on this system");
        return;
    };
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_xonn-run"))
        .args(["eval", &model.package(), "--secret", &model.secret(), "--input", &file])
        .stdout(full)
        .output()
        .expect("the program starts");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.starts_with("xonn-run: standard output: cannot be written"), "{text}");
}
