//! What a server sees of a client whose numbers do not fit, or whose evaluation fails: nothing.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};

use crate::model::{Model, samples};
use crate::{MASKS, serve};

/// Messages of both hosts that matter here: the last of an inference.
const DECODING: u8 = 9;

/// Runs `infer` through a wire that notes kind and length of each message to the server, and damages the server's
/// `damaged`-th decoding. `names` go to its standard input.
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

/// The encoding in a package that the server sends is the server's: whether a number has a code would be an answer to a
/// question of its choice. So the messages are those of a client whose numbers all have one, and the user is told.
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
        assert_eq!(output.status.code(), Some(1));
        let told = text(&output.stderr);
        assert!(told.contains("bad.npy[1], column 3 of 4") && told.contains("99"), "{told}");
        // What came before it is the user's.
        assert_eq!(text(&output.stdout), format!("{bad}[0]: {}\n", model.class(&samples[0])));
        let log = server.finish();
        assert_eq!(log.matches("3 inferences").count(), 2, "{log}");
    }
}

/// The same where names of files come late: a file whose numbers do not fit is asked for as if they did.
#[test]
fn a_server_does_not_see_that_a_named_file_does_not_fit() {
    let model = Model::new(MASKS);
    let (a, b) = (model.write_samples("a.npy", &samples(1)), model.write_samples("b.npy", &[[1, 2, 99, 4]]));
    let server = serve(&model, &["--connections", "2", "--pool", "2"]);
    let late = ["--ahead", "2", "--input", "-"];
    let (_, seen) = infer_seen(&server.address, &late, &format!("{a}\n{a}\n{a}\n"), None);
    let (output, of_bad) = infer_seen(&server.address, &late, &format!("{a}\n{b}\n{a}\n"), None);
    assert_eq!(of_bad, seen);
    assert!(output.status.success());
    assert!(text(&output.stderr).contains("b.npy, column 3 of 4"), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).lines().count(), 2);
    server.finish();
}

/// A server that garbles one label wrongly on purpose learns a bit if it sees which evaluations fail.
#[test]
fn a_server_does_not_see_that_an_evaluation_failed() {
    let model = Model::new(MASKS);
    let samples = samples(4);
    let file = model.write_samples("x.npy", &samples);
    let one = model.write_samples("one.npy", &samples[..1]);
    let names = |count: usize| format!("{one}\n").repeat(count);
    let late = ["--ahead", "2", "--input", "-"];
    for (more, typed, damaged) in [
        (&["--input", &file][..], String::new(), 1),
        (&["--ahead", "2", "--input", &file][..], String::new(), 1),
        // Names come late, and the second was the last that did.
        (&late[..], names(2), 1),
    ] {
        let server = serve(&model, &["--connections", "2", "--pool", "2"]);
        let (output, seen) = infer_seen(&server.address, more, &typed, None);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let (output, of_failed) = infer_seen(&server.address, more, &typed, Some(damaged));
        assert_eq!(of_failed, seen, "{more:?}");
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains("the evaluation failed"), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout).lines().count(), 1);
        let log = server.finish();
        assert!(!log.contains("failed"), "{log}");
    }
}
