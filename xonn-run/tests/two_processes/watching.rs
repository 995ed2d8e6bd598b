//! What a server tells those who watch over it: its log, its metrics, whether it is ready.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::command::{Listening, Waiting, run, run_ok};
use crate::model::{Model, samples};
use crate::{MASKS, serve};

/// Of the server's metrics, the answer to a request.
fn get(server: &Listening, path: &str) -> String {
    let told = server.said.iter().find_map(|line| line.strip_prefix("metrics on http://"));
    let address = told.and_then(|told| told.strip_suffix("/metrics")).expect("it says where");
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    text
}

/// The value of a line of metrics.
fn value(text: &str, name: &str) -> f64 {
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("{name} is not in {text}")).parse().expect("a number")
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(10), "not {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(unix)]
#[test]
fn metrics_count_what_clients_did_and_a_server_that_ends_is_not_ready() {
    let model = Model::new(MASKS);
    let file = model.write_samples("x.npy", &samples(3));
    let server = serve(&model, &["--metrics", "127.0.0.1:0", "--grace", "60", "--max-connections", "1"]);
    assert!(get(&server, "/ready").starts_with("HTTP/1.1 200 "));
    let json = run_ok(["infer", "--server", &server.address, "--input", &file, "--json"]);
    let report: Value = serde_json::from_str(&json).expect("JSON");
    drop(TcpStream::connect(&server.address).expect("it listens"));
    let mut garbage = TcpStream::connect(&server.address).expect("it listens");
    garbage.write_all(&[90; 99]).expect("sent");
    garbage.read_to_end(&mut Vec::new()).expect("an end");
    let of = |name: &str| value(&get(&server, "/metrics"), name);
    wait_until("all ended", || of("xonn_open_connections") == 0.0);
    let text = get(&server, "/metrics");
    for (name, wanted) in [
        ("xonn_inferences_total", 3.0),
        ("xonn_inference_seconds_count", 3.0),
        ("xonn_connections_total", 3.0),
        ("xonn_connections_ended_total{how=\"served\"}", 1.0),
        ("xonn_connections_ended_total{how=\"silent\"}", 1.0),
        ("xonn_connections_ended_total{how=\"failed\"}", 1.0),
        ("xonn_session_failures_total{kind=\"protocol\"}", 1.0),
        ("xonn_places_taken", 0.0),
        ("xonn_half_open_connections", 0.0),
    ] {
        assert_eq!(value(&text, name), wanted, "{name}");
    }
    // Of the client's bytes all, and what the others sent and were told.
    let sent = report["received_bytes"].as_f64().expect("a number");
    let counted = value(&text, "xonn_bytes_total{direction=\"sent\"}");
    assert!(counted >= sent && counted < sent + 1000.0, "{counted}, the client has {sent}");

    let mut held = Waiting::start(["infer", "--server", &server.address, "--input", "-"]);
    assert!(held.line().starts_with("ready"));
    let mut waiting = Waiting::start(["infer", "--server", &server.address, "--input", &file]);
    assert!(waiting.line().contains("the server is full"));
    assert_eq!((of("xonn_places_taken"), of("xonn_queue_clients")), (1.0, 1.0));
    server.terminate();
    wait_until("ending", || get(&server, "/ready").starts_with("HTTP/1.1 503 "));
    assert!(get(&server, "/live").starts_with("HTTP/1.1 200 "));
    server.signal("-TERM");
    assert_eq!(server.end_within(Duration::from_secs(10)).0, Some(1));
}

#[test]
fn a_log_for_people_has_a_line_for_each_client_with_its_number() {
    let model = Model::new(MASKS);
    let file = model.write_samples("x.npy", &samples(1));
    for (flags, variables, details) in [
        (&[][..], &[][..], false),
        (&["-v"], &[], true),
        (&[], &[("RUST_LOG", "debug")], true),
        (&["-v"], &[("RUST_LOG", "info")], false),
    ] {
        let (package, secret) = (model.package(), model.secret());
        let arguments =
            ["serve", &package, "--secret", &secret, "--listen", "127.0.0.1:0", "--connections", "2"];
        let server = Listening::start_with(arguments.iter().chain(flags), variables);
        run_ok(["infer", "--server", &server.address, "--input", &file]);
        // A check whether the port is open is nothing to be told of.
        drop(TcpStream::connect(&server.address).expect("it listens"));
        run_ok(["infer", "--server", &server.address, "--input", &file]);
        let log = server.finish();
        let served: Vec<_> = log.lines().filter(|line| line.contains(": 1 inferences in ")).collect();
        assert_eq!(served.len(), 2, "{log}");
        for (line, id) in served.iter().zip(["#1 127.0.0.1:", "#3 127.0.0.1:"]) {
            assert!(line.starts_with(id), "{line}");
        }
        assert_eq!(
            log.contains("debug: #2 127.0.0.1:") && log.contains("left without a word"),
            details,
            "{log}"
        );
        assert_eq!(log.lines().count() > 2, details, "{log}");
    }
    let (package, secret) = (model.package(), model.secret());
    let output = Command::new(env!("CARGO_BIN_EXE_xonn-run"))
        .args(["serve", &package, "--secret", &secret, "--listen", "127.0.0.1:0"])
        .env("RUST_LOG", "xonn=loud")
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("RUST_LOG"));
}

/// Each line is an object, each of a client has its connection, and none has what a client asked or was told.
#[test]
fn a_log_for_programs_is_json_and_tells_no_input_and_no_answer() {
    let model = Model::new(MASKS);
    let file = model.write_samples("x.npy", &samples(1));
    let server = serve(&model, &["--log", "json", "-v", "--stats", "--connections", "1"]);
    let mut garbage = TcpStream::connect(&server.address).expect("it listens");
    garbage.write_all(b"GET /secret HTTP/1.1\r\n\r\n").expect("sent");
    garbage.read_to_end(&mut Vec::new()).expect("an end");
    run_ok(["infer", "--server", &server.address, "--input", &file]);
    let log = server.finish();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let known = [
        "timestamp",
        "level",
        "target",
        "message",
        "event",
        "connection",
        "peer",
        "kind",
        "seconds",
        "inferences",
        "circuits_ahead",
        "sent_bytes",
        "received_bytes",
        "round_trips",
    ];
    for line in &lines {
        let object = line.as_object().expect("an object");
        assert!(object.keys().all(|key| known.contains(&key.as_str())), "{line}");
        assert!(line["connection"].is_u64() && line["peer"].is_string(), "{line}");
    }
    let of = |event: &str| lines.iter().find(|line| line["event"] == event).expect("it is told");
    assert_eq!((&of("served")["connection"], &of("served")["inferences"]), (&2.into(), &1.into()));
    assert_eq!((&of("failed")["kind"], &of("failed")["connection"]), (&"protocol".into(), &1.into()));
    for event in ["connected", "placed", "stats"] {
        assert_eq!(of(event)["level"], if event == "stats" { "INFO" } else { "DEBUG" });
    }
    // What makes it fail is JSON too.
    let (package, secret) = (model.package(), model.file("missing"));
    let output = run(["serve", &package, "--secret", &secret, "--log", "json"]);
    let line: Value = serde_json::from_slice(&output.stderr).expect("one line of JSON");
    assert_eq!((&line["code"], &line["kind"], output.status.code()), (&3.into(), &"data".into(), Some(3)));
}

#[test]
fn a_server_whose_log_nobody_reads_serves_on() {
    let model = Model::new(MASKS);
    let file = model.write_samples("x.npy", &samples(1));
    for format in ["text", "json"] {
        let mut server = Command::new(env!("CARGO_BIN_EXE_xonn-run"))
            .args(["serve", &model.package(), "--secret", &model.secret(), "--listen", "127.0.0.1:0"])
            .args(["--connections", "2", "-v", "--log", format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        drop(server.stderr.take());
        let mut said = std::io::BufReader::new(server.stdout.take().expect("piped"));
        let mut line = String::new();
        while !line.starts_with("listening on ") {
            line.clear();
            std::io::BufRead::read_line(&mut said, &mut line).expect("text");
        }
        let address = line["listening on ".len()..].trim();
        for _ in 0..2 {
            run_ok(["infer", "--server", address, "--input", &file]);
        }
        assert!(server.wait().expect("a child of ours").success());
    }
}

/// Clients that hold circuits may hold their places for an hour, but not while others wait.
#[test]
fn clients_with_circuits_and_nothing_to_ask_give_way_to_one_that_asks() {
    let model = Model::new(MASKS);
    let file = model.write_samples("x.npy", &samples(1));
    let flags = ["--max-connections", "2", "--pool", "8", "--recall-after", "1", "--connections", "4"];
    let server = serve(&model, &flags);
    let ahead = ["infer", "--server", &server.address, "--ahead", "8", "--input", "-"];
    let mut held = [Waiting::start(ahead), Waiting::start(ahead)];
    held.iter_mut().for_each(|client| assert!(client.line().starts_with("ready")));
    let begin = Instant::now();
    for _ in 0..2 {
        run_ok(["infer", "--server", &server.address, "--input", &file]);
    }
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    drop(held);
    let log = server.finish();
    assert_eq!(log.matches("its place went to a client that waits").count(), 1, "{log}");
}
