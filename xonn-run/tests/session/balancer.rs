//! A server behind a balancer that says who each client is.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use xonn_run::session::msgs::Kind;

use xonn_run::net::ServerOptions;
use xonn_run::session::{Limits, SessionError};

use crate::fixture::neurons;
use crate::hostile::{client_hello, frame};
use crate::serving::{connect, with_options};

/// A header of the PROXY protocol, version 2.
fn header(client: &str) -> Vec<u8> {
    let client: SocketAddr = client.parse().expect("an address");
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21".to_vec();
    let (family, octets) = match client.ip() {
        std::net::IpAddr::V4(address) => (0x11, address.octets().to_vec()),
        std::net::IpAddr::V6(address) => (0x21, address.octets().to_vec()),
    };
    header.extend([family, 0, 2 * octets.len() as u8 + 4]);
    header.extend([&octets[..], &octets].concat());
    header.extend([client.port().to_be_bytes(), 7070u16.to_be_bytes()].concat());
    header
}

/// A connection that the balancer has made for a client.
fn connect_for(address: &str, client: &str) -> TcpStream {
    let mut stream = connect(address);
    stream.write_all(&header(client)).expect("sent");
    stream
}

fn options(at_once: usize, total: u64) -> ServerOptions {
    let mut options = ServerOptions::new(at_once, 8);
    (options.proxy, options.total) = (true, Some(total));
    options
}

#[test]
fn limits_of_an_address_are_of_the_client_that_the_balancer_names() {
    let fixture = neurons(2);
    let options = ServerOptions { per_hour: Some(3), ..options(4, 5) };
    let events = with_options(&fixture, options, |address| {
        let ask = |client: &str| fixture.ask(connect_for(address, client), &Limits::default());
        for client in ["192.0.2.7:1", "192.0.2.8:1", "[2001:db8:0:1::1]:1"] {
            assert_eq!(ask(client).expect("each has its own").outputs, fixture.wants);
        }
        for client in ["192.0.2.7:2", "[2001:db8:0:1::2]:1"] {
            match ask(client) {
                Err(SessionError::Refused(text)) => assert!(text.contains("counted by address"), "{text}"),
                other => panic!("{other:?}"),
            }
        }
    });
    for named in ["named 192.0.2.7:1", "named 192.0.2.7:2", "named [2001:db8:0:1::2]:1"] {
        assert!(events.iter().any(|event| event == named), "{named} is not among {events:?}");
    }
}

#[test]
fn one_address_has_so_many_places_and_leaves_the_others_to_others() {
    let fixture = neurons(2);
    let options = ServerOptions { per_address: 1, ..options(2, 3) };
    with_options(&fixture, options, |address| {
        let hello = frame(Kind::ClientHello, &client_hello(Some(fixture.circuit.digest), 2));
        let mut crowd = ["192.0.2.7:1", "192.0.2.7:2"].map(|client| connect_for(address, client));
        for (client, kind) in crowd.iter_mut().zip([Kind::ServerHello, Kind::Wait]) {
            client.write_all(&hello).expect("sent");
            let mut first = [0];
            client.read_exact(&mut first).expect("an answer");
            assert_eq!(first[0], kind as u8, "a hello for the first, the second waits");
        }
        let answers = fixture.ask(connect_for(address, "192.0.2.8:1"), &Limits::default());
        assert_eq!(answers.expect("there is a place").outputs, fixture.wants);
        let [first, mut second] = crowd;
        drop(first);
        // What is left of being told to wait, again and again, and then a hello.
        let mut rest = [0; 12];
        second.read_exact(&mut rest).expect("the rest of the first");
        loop {
            let mut head = [0; 5];
            second.read_exact(&mut head).expect("a message");
            if head[0] == Kind::ServerHello as u8 {
                break;
            }
            second.read_exact(&mut rest[..8]).expect("told to wait");
        }
    });
}

#[test]
fn without_a_right_header_the_connection_is_closed() {
    let fixture = neurons(2);
    let events = with_options(&fixture, options(2, 1), |address| {
        for wrong in [
            frame(Kind::ClientHello, &client_hello(Some(fixture.circuit.digest), 2)),
            b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n".to_vec(),
            [&b"\r\n\r\n\0\r\nQUIT\n"[..], &[0x21, 0x11, 0xff, 0xff]].concat(),
        ] {
            let begin = Instant::now();
            let mut stream = connect(address);
            stream.write_all(&wrong).expect("sent");
            // An end or a reset, and nothing else.
            assert_eq!(stream.read(&mut [0]).unwrap_or_default(), 0);
            assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
        }
        // Checks of the balancer: with a header that it speaks for itself, and with none.
        let mut check = connect(address);
        check.write_all(b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0").expect("sent");
        drop((check, connect(address)));
        let answers = fixture.ask(connect_for(address, "192.0.2.8:1"), &Limits::default());
        assert_eq!(answers.expect("a client among them").outputs, fixture.wants);
    });
    let count = |part: &str| events.iter().filter(|event| event.contains(part)).count();
    assert_eq!((count("is in front"), count("65551 bytes"), count("silent")), (2, 1, 2), "{events:?}");
    assert_eq!(events.len(), 7, "{events:?}");
}
