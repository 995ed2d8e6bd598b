//! Exit codes and `--json`: what a script can tell of a failure without reading sentences.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::command::{Listening, run};
use crate::model::{Model, samples};
use crate::{MASKS, serve};

const OTHER: i32 = 1;
const USAGE: i32 = 2;
const DATA: i32 = 3;
const PROTOCOL: i32 = 4;
const TRANSIENT: i32 = 5;

/// The one JSON object that a failed command printed, checked against its exit code and its sentence.
fn error(output: &Output, code: i32) -> Value {
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{told}");
    let json: Value = serde_json::from_slice(&output.stdout).expect("one JSON value");
    let error = json["error"].clone();
    assert_eq!(error["code"], code, "{json}");
    let kind = ["other", "usage", "data", "protocol", "transient"][code as usize - 1];
    assert_eq!(error["kind"], kind, "{json}");
    let message = error["message"].as_str().expect("a sentence");
    assert!(told.ends_with(&format!("xonn-run: {message}\n")), "{told}");
    json
}

#[test]
fn samples_and_files_that_do_not_fit_are_data() {
    let model = Model::new(MASKS);
    let (good, large) = (model.write_samples("x.npy", &samples(3)), model.file("large.npy"));
    let mut values = samples(3);
    values[1][2] = 99;
    model.write_samples("large.npy", &values);
    let (package, secret, missing) = (model.package(), model.secret(), model.file("missing"));
    let wrong = model.file("wrong.npy");
    xonn_program::data::write_npy(wrong.as_ref(), &[1.0f32; 10], &[2, 5]).expect("written");
    let server = serve(&model, &["--connections", "2"]);
    let infer = ["infer", "--json", "--server", &server.address, "--input"];
    for more in [
        &[&missing[..]][..],
        &[&good, "--package", &missing],
        &[&good, "--tls-ca", &missing],
        &[&large, "--package", &package],
        // The package is the server's.
        &[&wrong],
    ] {
        error(&run(infer.iter().chain(more)), DATA);
    }
    // The answers that came are kept.
    let json = error(&run(infer.iter().chain(&[&large[..]])), DATA);
    let rows: Vec<_> = json["predictions"].as_array().expect("a list").iter().collect();
    assert_eq!(rows.len(), 2, "{json}");
    for (row, i) in rows.iter().zip([0, 2]) {
        assert_eq!(row["input"], format!("{large}[{i}]"));
        assert_eq!(row["prediction"], model.class(&samples(3)[i]));
    }
    assert!(json["errors"][0]["message"].as_str().expect("text").contains("[1], column 3 of 4"), "{json}");
    server.finish();
    let eval = ["eval", &package, "--json", "--input", &large, "--secret"];
    error(&run(eval.iter().chain(&[&secret[..]])), DATA);
    error(&run(eval.iter().chain(&[&missing[..]])), DATA);
    for arguments in
        [&["evaluate", &missing][..], &["garble", &missing], &["serve", &package, "--secret", &good]]
    {
        assert_eq!(run(arguments).status.code(), Some(DATA), "{arguments:?}");
    }
}

#[test]
fn peers_that_run_another_thing_are_a_matter_of_protocol() {
    let (model, other) = (Model::new(MASKS), Model::with_scale(MASKS, 2.0));
    let (file, digest) = (model.write_samples("x.npy", &samples(1)), other.digest.to_string());
    let server = serve(&model, &[]);
    let infer = ["infer", "--json", "--input", &file, "--server"];
    let package = other.package();
    for more in [["--digest", &digest], ["--package", &package]] {
        error(&run(infer.iter().chain(&[&server.address[..]]).chain(&more)), PROTOCOL);
    }
    // Not with TLS, and so not in a while either.
    let prefix = model.file("host");
    assert!(run(["certificate", "127.0.0.1", "-o", &prefix]).status.success());
    let ca = format!("{prefix}.crt");
    let tls = ["--tls-ca", &ca, "--retry", "9"];
    error(&run(infer.iter().chain(&[&server.address[..]]).chain(&tls)), PROTOCOL);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = listener.accept().expect("a client");
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").expect("it listens");
            // It may be gone in the middle of its hello.
            let _ = stream.read(&mut [0; 1]);
        });
        error(&run(infer.iter().chain(&[&address[..]])), PROTOCOL);
    });
}

#[test]
fn an_evaluator_tells_the_same_of_its_garbler() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.into_os_string().into_string().expect("a temporary path is text")
    };
    let and = write("and.txt", "1 3\n2 1 1\n1 1\n\n2 1 0 1 2 AND\n");
    let xor = write("xor.txt", "1 3\n2 1 1\n1 1\n\n2 1 0 1 2 XOR\n");
    let broken = write("broken.txt", "1 3\n2 1 1\n1 1\n\n2 1 0 9 2 AND\n");
    let garbler = Listening::start(["garble", &and, "--input", "1", "--listen", "127.0.0.1:0"]);
    let evaluate = |file: &str, input: &str| {
        let connect = ["--connect", &garbler.address, "--wait", "0"];
        run(["evaluate", file, "--input", input].iter().chain(&connect)).status.code()
    };
    assert_eq!(evaluate(&xor, "1"), Some(PROTOCOL));
    assert_eq!(evaluate(&and, "11"), Some(DATA));
    assert_eq!(evaluate(&broken, "1"), Some(DATA));
    assert_eq!(evaluate(&and, "@no such file"), Some(DATA));
    assert_eq!(evaluate(&and, "2"), Some(USAGE));
    assert_eq!(evaluate(&and, "1"), Some(0));
    let address = garbler.address.clone();
    garbler.finish();
    let gone = run(["evaluate", &and, "--input", "1", "--connect", &address, "--wait", "0"]);
    assert_eq!(gone.status.code(), Some(TRANSIENT));
}

#[test]
fn what_may_go_better_another_time_is_transient() {
    let model = Model::new(MASKS);
    let file = model.write_samples("x.npy", &samples(3));
    let infer = ["infer", "--json", "--input", &file, "--server"];
    // A port that was free a moment ago; one that says nothing; one that hangs up.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    error(&run(infer.iter().chain(&[&address[..], "--timeout", "1"])), TRANSIENT);
    std::thread::scope(|scope| {
        scope.spawn(|| drop((listener.accept().expect("the first"), listener.accept().expect("another"))));
        error(&run(infer.iter().chain(&[&address[..]])), TRANSIENT);
    });
    drop(listener);
    error(&run(infer.iter().chain(&[&address[..]])), TRANSIENT);

    // A server that is full, while another client thinks.
    let server = serve(&model, &["--max-connections", "1", "--queue", "0", "--connections", "2"]);
    let mut first = late(&server.address);
    let mut log = BufReader::new(first.stderr.take().expect("piped")).lines();
    assert!(log.next().expect("a line").expect("text").starts_with("ready"));
    error(&run(infer.iter().chain(&[&server.address[..]])), TRANSIENT);
    drop(first.stdin.take());
    assert!(first.wait().expect("a child of ours").success());
    drop(server);

    // Two of three answers came before the hour's were used up.
    let server = serve(&model, &["--inferences", "2", "--connections", "1"]);
    let json = error(&run(infer.iter().chain(&[&server.address[..]])), TRANSIENT);
    let classes: Vec<_> = json["predictions"].as_array().expect("a list").iter().collect();
    assert_eq!(classes.len(), 2, "{json}");
    assert!(classes.iter().zip(samples(3)).all(|(row, x)| row["prediction"] == model.class(&x)), "{json}");
}

#[test]
fn usage_and_all_else_have_codes_of_their_own() {
    let model = Model::new(MASKS);
    let file = model.write_samples("x.npy", &samples(1));
    let (package, secret) = (model.package(), model.secret());
    error(&run(["infer", "--json", "--input", "-", &file]), USAGE);
    let oca = ["serve", &package, "--secret", &secret, "--first-layer", "oca"];
    assert_eq!(run(oca).status.code(), Some(USAGE));
    let nowhere = ["serve", &package, "--secret", &secret, "--listen", "nowhere"];
    assert_eq!(run(nowhere).status.code(), Some(OTHER));
    // The answer is there, and is not lost with the file that it should have been written to.
    let server = serve(&model, &["--connections", "1"]);
    let to = model.file("no/folder.npy");
    let infer = ["infer", "--json", "--server", &server.address, "--input", &file, "--output", &to];
    let json = error(&run(infer), OTHER);
    assert_eq!(json["predictions"][0]["prediction"], model.class(&samples(1)[0]));
    server.finish();
}

fn late(address: &str) -> std::process::Child {
    Command::new(env!("CARGO_BIN_EXE_xonn-run"))
        .args(["infer", "--json", "--server", address, "--input", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

/// JSON Lines: each name that is written gets its line before the next one is, whatever came of it.
#[test]
fn names_that_come_late_have_a_line_each_at_once() {
    let model = Model::new(MASKS);
    let samples = samples(2);
    let (a, b) = (model.write_samples("a.npy", &samples[..1]), model.write_samples("b.npy", &samples[1..]));
    let (bad, missing) = (model.write_samples("bad.npy", &[[1, 2, 99, 4]]), model.file("missing.npy"));
    let server = serve(&model, &["--connections", "1"]);
    let mut client = late(&server.address);
    let mut names = client.stdin.take().expect("piped");
    let mut lines = BufReader::new(client.stdout.take().expect("piped")).lines();
    let mut line = || -> Value {
        let line = lines.next().expect("a line").expect("text");
        serde_json::from_str(&line).expect("each line is JSON")
    };
    let classes = [&samples[0], &samples[1]].map(|sample| Value::from(model.class(sample)));
    for (name, prediction) in
        [(&a, classes[0].clone()), (&bad, Value::Null), (&missing, Value::Null), (&b, classes[1].clone())]
    {
        writeln!(names, "{name}").expect("it listens");
        let line = line();
        assert_eq!((&line["input"], &line["prediction"]), (&Value::from(&name[..]), &prediction));
        // Of a name, which is no secret, the reason is told at once.
        assert_eq!(line["error"]["kind"] == "data", name == &missing, "{line}");
    }
    drop(names);
    let last = line();
    assert_eq!(
        (&last["error"]["code"], last["errors"].as_array().map(Vec::len)),
        (&Value::from(DATA), Some(2))
    );
    assert!(
        last["sent_bytes"].as_u64().is_some_and(|n| n > 0) && last.get("predictions").is_none(),
        "{last}"
    );
    assert_eq!(client.wait().expect("a child of ours").code(), Some(DATA));
    server.finish();
}

#[cfg(unix)]
#[test]
fn a_server_warns_of_a_secret_that_others_may_read() {
    use std::os::unix::fs::PermissionsExt;
    let model = Model::new(MASKS);
    for (mode, warned) in [(0o600, false), (0o644, true), (0o640, true), (0o400, false)] {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(model.secret(), permissions).expect("it is there");
        let log = serve(&model, &["--connections", "0"]).finish();
        assert_eq!(log.contains("m.secret: others than its owner may read"), warned, "{mode:o}: {log}");
    }
}

/// What the command says to standard error when nobody reads its standard output; it ends as one that SIGPIPE
/// ends.
fn unread(arguments: &[&str]) -> String {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_xonn-run"));
    let ended = command.args(arguments).stdin(Stdio::null()).stdout(writer).output().expect("it starts");
    let log = String::from_utf8(ended.stderr).expect("text");
    assert_eq!(ended.status.code(), Some(141), "{arguments:?}: {log}");
    log
}

/// A reader may leave, as `head` does: the command ends without a word.
#[test]
fn a_reader_that_leaves_ends_a_command_quietly() {
    let model = Model::new(MASKS);
    let (package, secret, file) =
        (model.package(), model.secret(), model.write_samples("x.npy", &samples(3)));
    let answers = model.file("answers.npy");
    let eval = ["eval", &package, "--secret", &secret, "--input", &file, "--output", &answers];
    // Of bench one kind of output is enough: it takes seconds.
    let bench = ["bench", "--fan-in", "1", "--threads", "1", "--backend", "portable"];
    let made = model.file("made");
    let (certificate, key) = (format!("{made}.crt"), format!("{made}.key"));
    for arguments in [
        &eval[..],
        &[&eval[..], &["--json"]].concat(),
        &bench,
        &["certificate", "localhost", "-o", &made],
        &["serve", &package, "--secret", &secret, "--listen", "127.0.0.1:0"],
        &["completions", "bash"],
    ] {
        assert_eq!(unread(arguments), "", "{arguments:?}");
    }
    assert!([&certificate, &key].into_iter().all(|path| std::fs::exists(path).expect("readable")));
    // The answers of a client are where it was told to write them, and the server has seen nothing of it.
    let server = serve(&model, &["--connections", "2"]);
    for more in [&[][..], &["--json"]] {
        std::fs::remove_file(&answers).expect("they were written");
        let infer = ["infer", "--server", &server.address, "--input", &file, "--output", &answers];
        assert_eq!(unread(&[&infer[..], more].concat()), "");
    }
    assert!(std::fs::exists(&answers).expect("readable"));
    let log = server.finish();
    assert_eq!(log.matches(": 3 inferences in ").count(), 2, "{log}");
}

/// A failure that has a sentence of its own keeps its code, and is said.
#[test]
fn a_failure_is_told_though_nobody_reads_the_json() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_xonn-run"));
    command.args(["eval", "missing.xonn", "--secret", "missing.secret", "--input", "x.npy", "--json"]);
    let ended = command.stdout(writer).output().expect("it starts");
    assert_eq!(ended.status.code(), Some(DATA));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("missing.xonn"));
}
