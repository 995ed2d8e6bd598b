//! What a server sees of a client whose numbers do not fit, or whose evaluation fails: nothing.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use xonn_run::session::msgs::Kind;

use crate::model::{Model, samples};
use crate::{MASKS, serve};

/// Messages of both hosts that matter here: the last of an inference.
const DECODING: u8 = Kind::Decoding as u8;
const EXTEND: u8 = Kind::Extend as u8;

/// Runs `infer` through a wire that notes kind and length of each message to the server, and damages the
/// server's `damaged`-th decoding. `names` go to its standard input.
fn infer_seen(
    server: &str,
    more: &[&str],
    names: &str,
    damaged: Option<usize>,
) -> (Output, Vec<(u8, usize)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    let mut client = Command::new(env!("CARGO_BIN_EXE_xonn-run"))
        .args(["infer", "--server", &address])
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    client.stdin.take().expect("piped").write_all(names.as_bytes()).expect("it listens");
    let (to_client, _) = listener.accept().expect("the client connects");
    let to_server = TcpStream::connect(server).expect("the server listens");
    let mut seen = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut count = 0;
            pass(&to_server, &to_client, |kind, payload| {
                if kind == DECODING {
                    if damaged == Some(count) {
                        // One bit of each hash: none is right any more.
                        payload.iter_mut().step_by(16).for_each(|byte| *byte ^= 1);
                    }
                    count += 1;
                }
            });
        });
        pass(&to_client, &to_server, |kind, payload| seen.push((kind, payload.len())));
    });
    (client.wait_with_output().expect("a child of ours"), seen)
}

/// Passes messages on until there are no more.
fn pass(mut from: &TcpStream, mut to: &TcpStream, mut look: impl FnMut(u8, &mut [u8])) {
    let mut head = [0; 5];
    while from.read_exact(&mut head).is_ok() {
        let [kind, length @ ..] = head;
        let mut payload = vec![0; u32::from_le_bytes(length) as usize];
        if from.read_exact(&mut payload).is_err() {
            break;
        }
        look(kind, &mut payload);
        if to.write_all(&head).and_then(|()| to.write_all(&payload)).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write); // it may be gone already
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The encoding in a package that the server sends is the server's: whether a number has a code would be an
/// answer to a question of its choice. So the messages are those of a client whose numbers all have one, and
/// the user is told.
#[test]
fn a_server_does_not_see_that_a_number_has_no_code() {
    let model = Model::new(MASKS);
    let samples = samples(3);
    let good = model.write_samples("good.npy", &samples);
    let mut large = samples.clone();
    large[1][2] = 99;
    let bad = model.write_samples("bad.npy", &large);
    for ahead in ["0", "2"] {
        let server = serve(&model, &["--connections", "2", "--pool", "2"]);
        let (output, seen) = infer_seen(&server.address, &["--ahead", ahead, "--input", &good], "", None);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let (output, of_bad) = infer_seen(&server.address, &["--ahead", ahead, "--input", &bad], "", None);
        assert_eq!(of_bad, seen);
        assert_eq!(output.status.code(), Some(3));
        let told = text(&output.stderr);
        assert!(told.contains("bad.npy[1], column 3 of 4") && told.contains("99"), "{told}");
        // The other answers are the user's.
        let line = |i: usize| format!("{bad}[{i}]: {}\n", model.class(&samples[i]));
        assert_eq!(text(&output.stdout), line(0) + &line(2));
        let log = server.finish();
        assert_eq!(log.matches("3 inferences").count(), 2, "{log}");
    }
}

/// The same where names of files come late: a file whose numbers do not fit is asked for as if they did, and
/// counts as one of those that `--limit` allows.
#[test]
fn a_server_does_not_see_that_a_named_file_does_not_fit() {
    let model = Model::new(MASKS);
    let (a, b) = (model.write_samples("a.npy", &samples(1)), model.write_samples("b.npy", &[[1, 2, 99, 4]]));
    let late = ["--ahead", "2", "--input", "-"];
    let limited = ["--ahead", "2", "--limit", "3", "--input", "-"];
    for (more, names) in [(&limited[..], 2), (&late[..], 0)] {
        let server = serve(&model, &["--connections", "2", "--pool", "2"]);
        let further = format!("{a}\n").repeat(names);
        let (good, bad) = (format!("{a}\n{a}\n{a}\n{further}"), format!("{a}\n{b}\n{a}\n{further}"));
        let (_, seen) = infer_seen(&server.address, more, &good, None);
        let (output, of_bad) = infer_seen(&server.address, more, &bad, None);
        assert_eq!(of_bad, seen, "{more:?}");
        assert_eq!(output.status.code(), Some(3));
        assert!(text(&output.stderr).contains("b.npy, column 3 of 4"), "{}", text(&output.stderr));
        let line = format!("{a}: {}\n", model.class(&samples(1)[0]));
        assert_eq!(text(&output.stdout), format!("{line}{b}: no prediction\n{line}"));
        let log = server.finish();
        assert_eq!(log.matches("3 inferences").count(), 2, "{log}");
    }
}

/// A server that garbles one label wrongly on purpose learns a bit if it sees which evaluations fail: so it
/// sees the same whichever failed, the first, one in between or the last, and whether names come late or not.
#[test]
fn a_server_does_not_see_that_an_evaluation_failed() {
    let model = Model::new(MASKS);
    let samples = samples(4);
    let file = model.write_samples("x.npy", &samples);
    let one = model.write_samples("one.npy", &samples[..1]);
    let names = format!("{one}\n").repeat(4);
    for ahead in ["0", "2"] {
        for (input, typed) in [(&file[..], ""), ("-", &names[..])] {
            let more = ["--ahead", ahead, "--input", input];
            let server = serve(&model, &["--connections", "5", "--pool", "2"]);
            let (output, seen) = infer_seen(&server.address, &more, typed, None);
            assert!(output.status.success(), "{}", text(&output.stderr));
            for damaged in 0..4 {
                let (output, of_failed) = infer_seen(&server.address, &more, typed, Some(damaged));
                assert_eq!(of_failed, seen, "{more:?}, answer {damaged}");
                assert_eq!(output.status.code(), Some(4));
                let told = text(&output.stderr);
                assert!(told.contains("the evaluation failed"), "{told}");
                let (printed, late) = (text(&output.stdout), input == "-");
                let answers = printed.lines().filter(|line| !line.ends_with(": no prediction")).count();
                assert_eq!(answers, damaged, "{printed}");
                assert_eq!(printed.lines().count(), if late { 4 } else { damaged }, "{printed}");
            }
            let log = server.finish();
            assert_eq!(log.matches("4 inferences").count(), 5, "{log}");
            assert!(!log.contains("failed"), "{log}");
        }
    }
}

/// The same with `--json`, where a failure has other lines to be put into.
#[test]
fn a_server_does_not_see_of_json_that_an_evaluation_failed() {
    let model = Model::new(MASKS);
    let one = model.write_samples("one.npy", &samples(1));
    let names = format!("{one}\n").repeat(3);
    let server = serve(&model, &["--connections", "3"]);
    let more = ["--input", "-", "--json"];
    let (output, seen) = infer_seen(&server.address, &more, &names, None);
    assert!(output.status.success(), "{}", text(&output.stderr));
    for damaged in [0, 1] {
        let (output, of_failed) = infer_seen(&server.address, &more, &names, Some(damaged));
        assert_eq!(of_failed, seen, "answer {damaged}");
        assert_eq!(output.status.code(), Some(4));
        let printed = text(&output.stdout);
        let lines: Vec<serde_json::Value> =
            printed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let (last, answers) = lines.split_last().expect("a report");
        assert_eq!(answers.len(), 3, "{printed}");
        for (i, answer) in answers.iter().enumerate() {
            let prediction = (i < damaged).then(|| model.class(&samples(1)[0]));
            assert_eq!(*answer, serde_json::json!({ "input": one, "prediction": prediction }));
        }
        assert_eq!(last["error"]["kind"], "protocol", "{printed}");
    }
    let log = server.finish();
    assert_eq!(log.matches("3 inferences").count(), 3, "{log}");
}

/// A script may try again where a connection was cut, and the server cuts it when it likes. So the code of
/// that end is the same whether an evaluation before it failed or not.
#[test]
fn how_a_connection_ended_goes_before_what_came_of_evaluations() {
    let model = Model::new(MASKS);
    let file = model.write_samples("x.npy", &samples(3));
    for damaged in [None, Some(0), Some(1)] {
        let server = serve(&model, &["--inferences", "2"]);
        let (output, _) = infer_seen(&server.address, &["--input", &file, "--json"], "", damaged);
        assert_eq!(output.status.code(), Some(5), "answer {damaged:?}: {}", text(&output.stderr));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(report["error"]["kind"], "transient", "{report}");
        let failed: Vec<_> = report["errors"].as_array().expect("a list").iter().collect();
        assert_eq!(failed.len(), usize::from(damaged.is_some()), "{report}");
        assert!(failed.iter().all(|error| error["kind"] == "protocol"), "{report}");
    }
}

/// What a client does with an answer takes time that depends on it: so it does nothing before the last
/// question has left.
#[test]
fn nothing_is_made_of_answers_before_the_last_question_has_left() {
    let model = Model::new(MASKS);
    let file = model.write_samples("x.npy", &samples(3));
    let (printed, written) = (model.file("printed"), model.file("written.npy"));
    let server = serve(&model, &["--connections", "1"]);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    let mut client = Command::new(env!("CARGO_BIN_EXE_xonn-run"))
        .args(["infer", "--server", &address, "--input", &file, "--output", &written])
        .stdout(std::fs::File::create(&printed).expect("a new file"))
        .spawn()
        .expect("the program starts");
    let (to_client, _) = listener.accept().expect("the client connects");
    let to_server = TcpStream::connect(&server.address).expect("the server listens");
    let size = |path: &str| std::fs::metadata(path).map_or(0, |file| file.len());
    let mut seen = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| pass(&to_server, &to_client, |_, _| {}));
        pass(&to_client, &to_server, |kind, _| {
            if kind == EXTEND {
                // The client waits for the answer to this one.
                seen.push((size(&printed), size(&written)));
            }
        });
    });
    assert!(client.wait().expect("a child of ours").success());
    assert_eq!(seen, [(0, 0); 3], "bytes printed and written when each question left");
    assert!(size(&printed) > 0 && size(&written) > 0);
    server.finish();
}
