//! Circuits garbled ahead of inputs, between two processes, one of which may die.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::command::run_ok;
use crate::model::{Model, samples};
use crate::{MASKS, classes, serve};

#[test]
fn inputs_take_one_round_trip_each_and_get_the_answers_of_integers() {
    let model = Model::new(MASKS);
    let samples = samples(30);
    let file = model.write_samples("x.npy", &samples);
    let wanted: Vec<u64> = samples.iter().map(|s| model.class(s)).collect();
    let server = serve(&model, &["--pool", "8", "--connections", "3"]);
    for (ask, granted) in [("0", 0), ("5", 5), ("50", 8)] {
        let json = run_ok(["infer", "--server", &server.address, "--input", &file, "--json", "--ahead", ask]);
        assert_eq!(classes(&json, &file), wanted);
        let report: Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(report["circuits_ahead"], granted);
        let count = |phase: &str, name: &str| report[phase][name].as_u64().expect("a count");
        assert_eq!(count("online", "round_trips"), 30);
        assert_eq!(count("offline", "circuits"), if granted > 0 { 30 } else { 0 });
        for name in ["sent_bytes", "received_bytes", "round_trips"] {
            assert_eq!(
                count("offline", name) + count("online", name),
                report[name].as_u64().expect("a count")
            );
        }
        if granted > 0 {
            assert!(count("online", "received_bytes") < count("offline", "received_bytes"));
        }
    }
    let log = server.finish();
    assert_eq!(log.matches("30 circuits garbled ahead, 0 of them not used").count(), 2, "{log}");
}

/// A client that is killed with circuits at hand takes them with it; one that comes after is served as if nothing was.
#[test]
fn a_client_that_waits_for_names_may_be_killed() {
    let model = Model::new(MASKS);
    let samples = samples(3);
    let files: Vec<String> =
        samples.iter().enumerate().map(|(i, s)| model.write_samples(&format!("{i}.npy"), &[*s])).collect();
    let server = serve(&model, &["--pool", "4", "--connections", "2"]);
    let start = || {
        Command::new(env!("CARGO_BIN_EXE_xonn-run"))
            .args(["infer", "--server", &server.address, "--ahead", "4", "--input", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts")
    };
    for killed in [true, false] {
        let mut client = start();
        let mut log = BufReader::new(client.stderr.take().expect("piped")).lines();
        let ready = log.next().expect("a line").expect("text");
        assert!(ready.starts_with("ready, with 4 circuits"), "{ready}");
        let (mut names, answers) =
            (client.stdin.take().expect("piped"), BufReader::new(client.stdout.take().expect("piped")));
        let mut answers = answers.lines();
        for (file, sample) in files.iter().zip(&samples) {
            writeln!(names, "{file}").expect("it listens");
            let answer = answers.next().expect("a line").expect("text");
            assert_eq!(answer, format!("{file}: {}", model.class(sample)));
        }
        writeln!(names, "no such file.npy").expect("it listens");
        let complaint = log.next().expect("a line").expect("text");
        assert!(complaint.contains("no such file.npy: cannot be read"), "{complaint}");
        if killed {
            client.kill().expect("a child of ours");
        } else {
            drop(names);
        }
        // A name that cannot be read fails the command, at its end.
        let code = client.wait().expect("a child of ours").code();
        assert_eq!(code, if killed { None } else { Some(3) });
    }
    let log = server.finish();
    assert_eq!(log.matches("failed after").count(), 1, "{log}");
    assert!(
        log.contains("3 inferences") && log.contains("7 circuits garbled ahead, 4 of them not used"),
        "{log}"
    );
}

/// A client that waits for names while nothing is prepared has said all that the server waits for.
#[test]
fn a_client_may_wait_for_names_without_circuits() {
    let model = Model::new(MASKS);
    let sample = samples(1)[0];
    let file = model.write_samples("x.npy", &[sample]);
    let server = serve(&model, &["--connections", "1", "--timeout", "1"]);
    let mut client = Command::new(env!("CARGO_BIN_EXE_xonn-run"))
        .args(["infer", "--server", &server.address, "--input", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // Longer than the server waits for a message.
    std::thread::sleep(std::time::Duration::from_millis(1500));
    writeln!(client.stdin.take().expect("piped"), "{file}").expect("it listens");
    let output = client.wait_with_output().expect("a child of ours");
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{file}: {}\n", model.class(&sample)));
    assert!(server.finish().contains("1 inferences"));
}

#[test]
fn circuits_that_do_not_fit_into_memory_are_not_asked_for() {
    let model = Model::new(MASKS);
    let file = model.write_samples("x.npy", &samples(2));
    let server = serve(&model, &["--pool", "4", "--connections", "1"]);
    let infer =
        ["infer", "--server", &server.address, "--input", &file, "--ahead", "4", "--ahead-memory", "0"];
    let text = crate::command::run_failing(infer);
    assert!(text.contains("--ahead-memory allows 0 MB"), "{text}");
    server.finish();
}
