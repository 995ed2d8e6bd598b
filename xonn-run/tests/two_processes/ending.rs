//! A server that is asked to end, and a client that tries again.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::command::{Listening, Waiting, run, run_ok};
use crate::model::{Model, samples};
use crate::{MASKS, serve};

#[test]
fn a_server_that_is_asked_to_end_serves_who_is_there_and_nobody_else() {
    let model = Model::new(MASKS);
    let sample = samples(1)[0];
    let file = model.write_samples("x.npy", &[sample]);
    let server = serve(&model, &["--grace", "60"]);
    let mut client = Command::new(env!("CARGO_BIN_EXE_xonn-run"))
        .args(["infer", "--server", &server.address, "--input", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut log = BufReader::new(client.stderr.take().expect("piped")).lines();
    assert!(log.next().expect("a line").expect("text").starts_with("ready"));
    server.terminate();
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(&server.address).is_ok_and(|mut stream| {
        // Whoever came before the server noticed is not greeted.
        stream.write_all(b"?").is_ok() && std::io::Read::read(&mut stream, &mut [0]).is_ok_and(|n| n > 0)
    }) {
        assert!(Instant::now() < deadline, "it still accepts clients");
    }
    writeln!(client.stdin.take().expect("piped"), "{file}").expect("it listens");
    let output = client.wait_with_output().expect("a child of ours");
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{file}: {}\n", model.class(&sample)));
    let log = server.finish();
    assert!(log.contains("ending: no more clients"), "{log}");
    assert!(log.contains("ended: 1 clients served, ") && log.contains(" 1 inferences, "), "{log}");
}

#[test]
fn a_server_without_clients_ends_at_once_and_one_with_idle_clients_after_its_grace() {
    let model = Model::new(MASKS);
    let begin = Instant::now();
    let server = serve(&model, &["--grace", "60"]);
    server.terminate();
    assert!(server.finish().contains("ended: 0 clients served"));
    let server = serve(&model, &["--grace", "1"]);
    let silent = TcpStream::connect(&server.address).expect("it listens");
    std::thread::sleep(Duration::from_millis(200));
    server.terminate();
    assert!(server.finish().contains("ended: 0 clients served"));
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    drop(silent);
}

/// Somebody who asks twice does not want to wait.
#[test]
fn a_second_signal_ends_a_server_at_once() {
    let model = Model::new(MASKS);
    let file = model.write_samples("x.npy", &samples(1));
    for (first, second) in [("-TERM", "-TERM"), ("-INT", "-INT"), ("-TERM", "-INT")] {
        let server = serve(&model, &["--grace", "600"]);
        // A client that is being served, for which the server would wait.
        let mut client = Waiting::start(["infer", "--server", &server.address, "--input", "-"]);
        assert!(client.line().starts_with("ready"));
        server.signal(first);
        let begin = Instant::now();
        while run(["infer", "--server", &server.address, "--input", &file]).status.success() {
            assert!(begin.elapsed() < Duration::from_secs(10), "it has not noticed {first}");
        }
        server.signal(second);
        let (code, log) = server.end_within(Duration::from_secs(10));
        assert_eq!(code, Some(1), "{log}");
        assert!(log.contains("those that are here have 600 s"), "{log}");
    }
}

#[test]
fn a_client_tries_again_until_there_is_a_server() {
    let model = Model::new(MASKS);
    let file = model.write_samples("x.npy", &samples(1));
    // A port that was free a moment ago.
    let free =
        TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound").to_string();
    let once = run(["infer", "--server", &free, "--input", &file]);
    assert_eq!(once.status.code(), Some(5));
    std::thread::scope(|scope| {
        let infer = ["infer", "--server", &free, "--input", &file, "--retry", "8"];
        let client = scope.spawn(move || run_ok(infer));
        std::thread::sleep(Duration::from_millis(300));
        let (package, secret) = (model.package(), model.secret());
        let serve = ["serve", &package, "--secret", &secret, "--listen", &free, "--connections", "1"];
        let server = Listening::start(serve);
        let answer = client.join().expect("no panic");
        assert_eq!(answer, format!("{file}: {}\n", model.class(&samples(1)[0])));
        server.finish();
    });
}
