//! A plan on shares between two processes: the answers of `eval`, at once, ahead and inside of TLS.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;
use xonn_program::data::write_npy;

use crate::command::{Listening, run, run_ok};
use crate::programs::{classes, random_secret};

/// Numbers of a sample, and how many samples there are.
const SHAPE: [usize; 2] = [5, 12];

/// A network's files, its samples, and what `eval` says of them.
struct Files {
    folder: tempfile::TempDir,
    wanted: Vec<Value>,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let program = classes(SHAPE[1], 4, 9, 4);
        let (package, secret) = random_secret(&program, 2);
        let mut files = Self { folder, wanted: Vec::new() };
        std::fs::write(files.path("m.xonn"), package.bytes()).expect("written");
        secret.write(&program, files.path("m.secret").as_ref()).expect("written");
        let [samples, numbers] = SHAPE;
        let value = |i: usize| ((i * i * 7 + i * 5 + i / numbers) % 16) as f32;
        let values: Vec<f32> = (0..samples * numbers).map(value).collect();
        write_npy(files.path("x.npy").as_ref(), &values, &SHAPE).expect("written");
        for (number, sample) in values.chunks(numbers).enumerate() {
            write_npy(files.path(&format!("{number}.npy")).as_ref(), sample, &[1, numbers]).expect("written");
        }
        let input = files.path("x.npy");
        let [package, secret] = ["m.xonn", "m.secret"].map(|name| files.path(name));
        files.wanted =
            predictions(&run_ok(["eval", &package, "--secret", &secret, "--input", &input, "--json"])).0;
        assert!(files.wanted.iter().any(|class| *class != files.wanted[0]), "{:?}", files.wanted);
        files
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).into_os_string().into_string().expect("a temporary path is text")
    }

    fn serve(&self, more: &[&str]) -> Listening {
        let (package, secret) = (self.path("m.xonn"), self.path("m.secret"));
        let serve = ["serve", &package, "--secret", &secret, "--listen", "127.0.0.1:0"];
        let shares = ["--clients", "semi-honest", "--first-layer", "shares"];
        Listening::start(serve.iter().chain(&shares).chain(more))
    }
}

/// The predictions of a report, and all of it.
fn predictions(json: &str) -> (Vec<Value>, Value) {
    let report: Value = serde_json::from_str(json).expect("JSON");
    let rows = report["predictions"].as_array().expect("a list");
    (rows.iter().map(|row| row["prediction"].clone()).collect(), report)
}

/// What is garbled behind shares is by the scheme that the client accepts, not by the server's first one.
#[test]
fn circuits_are_garbled_by_a_scheme_that_the_client_accepts() {
    let files = Files::new();
    let input = files.path("x.npy");
    let received = ["half-gates", "three-halves"].map(|scheme| {
        let server = files.serve(&["--connections", "1"]);
        let asked =
            run_ok(["infer", "--server", &server.address, "--input", &input, "--scheme", scheme, "--json"]);
        let (found, report) = predictions(&asked);
        assert_eq!(found, files.wanted, "{scheme}");
        assert_eq!([&report["scheme"], &report["first_layer"]], [scheme, "shares"]);
        server.finish();
        report["received_bytes"].as_u64().expect("a count")
    });
    assert!(received[1] < received[0], "{received:?}");
}

#[test]
fn the_answers_are_those_of_eval_at_once_ahead_and_inside_of_tls() {
    let files = Files::new();
    let (input, prefix) = (files.path("x.npy"), files.path("server"));
    run_ok(["certificate", "127.0.0.1", "-o", &prefix]);
    let [cert, key] = ["crt", "key"].map(|end| format!("{prefix}.{end}"));
    let tls = ["--tls-cert", &cert, "--tls-key", &key];
    for (serving, asking) in [(&[][..], &[][..]), (&tls[..], &["--tls-ca", &cert][..])] {
        let server = files.serve(&[&["--pool", "2", "--connections", "4"], serving].concat());
        let infer = ["infer", "--server", &server.address, "--input", &input];
        let package = files.path("m.xonn");
        let mut round_trips = Vec::new();
        for (ahead, more) in [(0, &[][..]), (2, &[][..]), (2, &["--package", &package][..])] {
            let asked = ["--json", "--ahead", if ahead > 0 { "2" } else { "0" }];
            let json = run_ok(infer.iter().chain(asking).chain(&asked).chain(more));
            let (found, report) = predictions(&json);
            assert_eq!(found, files.wanted, "ahead {ahead}, {more:?}");
            assert_eq!(
                (&report["first_layer"], &report["clients"]),
                (&"shares".into(), &"semi-honest".into())
            );
            assert_eq!(report["circuits_ahead"], ahead);
            let count = |phase: &str, name: &str| report[phase][name].as_u64().expect("a count");
            assert_eq!(count("offline", "circuits"), if ahead > 0 { 5 } else { 0 });
            for name in ["sent_bytes", "received_bytes", "round_trips"] {
                let all = report[name].as_u64().expect("a count");
                assert_eq!(count("offline", name) + count("online", name), all, "{name}");
            }
            round_trips.push(count("online", "round_trips"));
        }
        assert!(round_trips[1] < round_trips[0] && round_trips[1] == round_trips[2], "{round_trips:?}");
        let words = run_ok(infer.iter().chain(asking));
        let line = |(number, class): (usize, &Value)| format!("{input}[{number}]: {class}\n");
        assert_eq!(words, files.wanted.iter().enumerate().map(line).collect::<String>());
        let log = server.finish();
        assert_eq!(log.matches(": 5 inferences in ").count(), 4, "{log}");
        assert!(!log.contains("failed after"), "{log}");
    }
}

/// Names come one by one, each of which is answered at once; one that cannot be read costs no state.
#[test]
fn inputs_that_come_one_by_one_are_answered_one_by_one() {
    let files = Files::new();
    let server = files.serve(&["--pool", "2", "--connections", "1"]);
    let mut client = Command::new(env!("CARGO_BIN_EXE_xonn-run"))
        .args(["infer", "--server", &server.address, "--ahead", "2", "--input", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut names = client.stdin.take().expect("piped");
    let files_of = (0..SHAPE[0]).map(|number| files.path(&format!("{number}.npy")));
    for name in files_of.clone().chain([files.path("none.npy")]) {
        writeln!(names, "{name}").expect("it listens");
    }
    drop(names);
    let output = client.wait_with_output().expect("a child of ours");
    let wanted: String =
        files_of.zip(&files.wanted).map(|(name, class)| format!("{name}: {class}\n")).collect();
    assert_eq!(String::from_utf8_lossy(&output.stdout), wanted);
    assert!(String::from_utf8_lossy(&output.stderr).contains("none.npy: cannot be read"));
    assert!(server.finish().contains(": 5 inferences in "));
}

#[test]
fn predictions_on_shares_count_to_limits() {
    let files = Files::new();
    let server = files.serve(&["--pool", "2", "--inferences", "5", "--connections", "3"]);
    let infer = |ahead: &str, limit: &str| {
        let input = files.path("x.npy");
        let infer = ["infer", "--server", &server.address, "--input", &input, "--json"];
        run(infer.iter().chain(&["--ahead", ahead, "--limit", limit]))
    };
    for (ahead, limit, wanted) in [("0", "2", 2), ("2", "3", 3)] {
        let output = infer(ahead, limit);
        let json = String::from_utf8(output.stdout).expect("text");
        assert_eq!(predictions(&json).0, files.wanted[..wanted]);
    }
    let output = infer("0", "1");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(5), "{text}");
    assert!(text.contains("a client is granted 5 inferences an hour, counted by address"), "{text}");
    server.finish();
}
