use super::*;

fn monitor() -> (Monitor, std::net::SocketAddr) {
    let monitor = Monitor { metrics: Metrics::new(), stop: Arc::default() };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    monitor.clone().start(listener).expect("a thread");
    (monitor, address)
}

/// All that is answered to some bytes.
fn ask(address: std::net::SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.write_all(bytes).expect("sent");
    let mut text = String::new();
    // A connection that is reset has no answer.
    let _ = stream.read_to_string(&mut text);
    text
}

#[test]
fn a_server_is_live_and_ready_until_it_ends() {
    let (monitor, address) = monitor();
    let get = |path: &str| ask(address, format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
    assert!(get("/ready").starts_with("HTTP/1.1 200 OK\r\n"));
    monitor.stop.store(true, Ordering::Release);
    assert!(get("/ready").starts_with("HTTP/1.1 503 "));
    assert!(get("/live").ends_with("\r\nConnection: close\r\n\r\nlive\n"));
    assert!(get("/live?x=1").starts_with("HTTP/1.1 200 "));
    let text = get("/metrics");
    assert!(text.contains("Content-Type: text/plain; version=0.0.4"), "{text}");
    for line in [
        "# TYPE xonn_connections_total counter",
        "xonn_session_failures_total{kind=\"protocol\"} 0",
        "xonn_bytes_total{direction=\"sent\"} 0",
        "xonn_inference_seconds_bucket{le=\"+Inf\"} 0",
        "xonn_places_taken 0",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
}

#[test]
fn whatever_is_asked_has_an_answer_or_an_end() {
    let (_, address) = monitor();
    let long = [b"GET /live HTTP/1.1\r\nX: ".as_slice(), &[b'x'; 2 * HEAD]].concat();
    for (request, status) in [
        (b"GET /secret HTTP/1.1\r\n\r\n".as_slice(), "404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", "405"),
        (b"HEAD /ready HTTP/1.0\r\n\r\n", "200"),
        (b"GET  /live HTTP/1.1\r\n\r\n", "400"),
        (b"GET /live\r\n\r\n", "400"),
        (b"\r\n\r\n", "400"),
        (b"\xff\x00\xfe\r\n\r\n", "400"),
        (&long, ""),
    ] {
        let answer = ask(address, request);
        let found = answer.split(' ').nth(1).unwrap_or_default();
        assert_eq!(found, status, "{}: {answer}", String::from_utf8_lossy(request));
    }
}

#[test]
fn those_who_hold_connections_do_not_keep_others_from_an_answer_for_long() {
    let (_, address) = monitor();
    let connect = || TcpStream::connect(address).expect("it listens");
    let mut crowd: Vec<_> = (0..4 * AT_ONCE).map(|_| connect()).collect();
    crowd.iter_mut().take(8).for_each(|stream| drop(stream.write_all(b"GET /l")));
    let begin = Instant::now();
    while !ask(address, b"GET /live HTTP/1.1\r\n\r\n").ends_with("live\n") {
        assert!(begin.elapsed() < 3 * LIMIT, "nobody is answered");
        std::thread::sleep(Duration::from_millis(20));
    }
}
