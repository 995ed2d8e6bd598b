//! `net::serve` over TCP: several clients, bad ones among them.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use xonn_run::session::msgs::Kind;

use xonn_run::net::{self, Event, ServerOptions};
use xonn_run::session::server::Model;
use xonn_run::session::{Limits, Offer, SessionError};

use crate::fixture::{Fixture, neurons};
use crate::hostile::{client_hello, frame};

/// Silent connections that the servers here keep: with all of both ends a process may have some 1,000.
const HALF_OPEN: usize = 64;

/// Runs `clients` against a server of `fixture` that ends after `total` clients; gives what the server told
/// its operator, one line a client.
fn with_server(
    fixture: &Fixture,
    limits: Limits,
    at_once: usize,
    total: u64,
    clients: impl FnOnce(&str) + Send,
) -> Vec<String> {
    with_queue(fixture, limits, (at_once, 0), total, clients)
}

/// The same with clients that wait for places.
fn with_queue(
    fixture: &Fixture,
    limits: Limits,
    (at_once, queue): (usize, usize),
    total: u64,
    clients: impl FnOnce(&str) + Send,
) -> Vec<String> {
    let mut options = ServerOptions::new(at_once, queue);
    (options.limits, options.total) = (limits, Some(total));
    with_options(fixture, options, clients)
}

/// The same by any options.
pub fn with_options(
    fixture: &Fixture,
    options: ServerOptions,
    clients: impl FnOnce(&str) + Send,
) -> Vec<String> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    let model =
        Model::new(fixture.circuit.clone(), fixture.secret.clone(), Offer::default()).expect("they fit");
    let events = Mutex::new(Vec::new());
    let report = |event: Event<'_>| {
        let line = match event {
            Event::Ended { result: Ok(served), .. } => format!("{} inferences", served.inferences),
            Event::Ended { result: Err(error), .. } => error.to_string(),
            Event::Full { .. } => "full".into(),
            Event::HalfOpen { .. } => "half open".into(),
            Event::AcceptFailed { error } => format!("accept failed: {error}"),
            Event::Silent { .. } => "silent".into(),
            Event::NoProxyHeader { error, .. } => error.to_string(),
            Event::Named { caller, .. } => format!("named {}", caller.peer),
            Event::Connected { .. } | Event::Placed { .. } => return,
        };
        events.lock().expect("no holder panics").push(line);
    };
    let options = ServerOptions { half_open: HALF_OPEN, ..options };
    std::thread::scope(|scope| {
        scope.spawn(|| net::serve(&listener, &model, &options, report));
        let _stop = StopOnPanic(Arc::clone(&options.stop));
        clients(&address);
    });
    events.into_inner().expect("no holder panics")
}

/// Ends a server when a test fails, so that it fails and does not wait for clients.
struct StopOnPanic(Arc<AtomicBool>);

impl Drop for StopOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Release);
        }
    }
}

pub fn connect(address: &str) -> TcpStream {
    TcpStream::connect(address).expect("the server listens")
}

/// A client that has a place, and does nothing with it.
fn hold(address: &str, fixture: &Fixture) -> TcpStream {
    let mut held = connect(address);
    let bits = fixture.circuit.program.input_bits() as u32;
    held.write_all(&frame(Kind::ClientHello, &client_hello(Some(fixture.circuit.digest), bits)))
        .expect("sent");
    held.read_exact(&mut [0]).expect("the server's hello begins");
    held
}

#[test]
fn several_connections_one_after_the_other_and_at_the_same_time() {
    let fixture = neurons(9);
    let check = |address: &str, fetch: bool| {
        let ask = if fetch { Fixture::fetch_and_ask } else { Fixture::ask };
        let answers = ask(&fixture, connect(address), &Limits::default()).expect("nothing is wrong");
        assert_eq!(answers.outputs, fixture.wants);
    };
    let events = with_server(&fixture, Limits::default(), 16, 6, |address| {
        // A check whether the port is open is no client, and no failure.
        drop(connect(address));
        check(address, false);
        check(address, true);
        std::thread::scope(|scope| {
            for i in 0..4 {
                scope.spawn(move || check(address, i % 2 == 0));
            }
        });
    });
    let (silent, others): (Vec<_>, Vec<_>) = events.into_iter().partition(|event| event == "silent");
    assert_eq!((silent.len(), others), (1, vec!["3 inferences".to_owned(); 6]));
}

/// Garbage, silence, a hang-up in the middle, and a client that never reads, beside a good client that asks
/// all the time.
#[test]
fn bad_clients_do_not_disturb_a_good_one() {
    let fixture = neurons(9);
    // The message limit holds for the good client too, on a machine that may be busy; the bad ones are held
    // up by it.
    let limits = Limits { message: Duration::from_secs(2), ..Limits::default() };
    let hello = frame(Kind::ClientHello, &client_hello(Some(fixture.circuit.digest), 9));
    // Four of six say hello, and only they count.
    let events = with_server(&fixture, limits, 16, 4, |address| {
        let mut garbage = connect(address);
        garbage.write_all(&[0x5a; 4096]).expect("sent");
        let silent = connect(address);
        let mut gone = connect(address);
        gone.write_all(&hello).expect("sent");
        gone.shutdown(Shutdown::Write).expect("shut down");
        let mut stuck = connect(address);
        stuck.write_all(&hello).expect("sent");
        for _ in 0..2 {
            let answers =
                fixture.ask(connect(address), &Limits::default()).expect("the others do not matter");
            assert_eq!(answers.outputs, fixture.wants);
        }
        // The bad ones are told, even if they have sent what was never read.
        let mut text = Vec::new();
        garbage.read_to_end(&mut text).expect("the connection is ended, not reset");
        assert_eq!(text[0], 255);
        assert!(String::from_utf8_lossy(&text).contains("there is no message of kind 90"));
        drop((silent, stuck));
    });
    let count = |part: &str| events.iter().filter(|e| e.contains(part)).count();
    assert_eq!((events.len(), count("3 inferences"), count("kind 90")), (6, 2, 1), "{events:?}");
    let lost = count("connection lost while") + count("the peer was too slow") + count("silent");
    assert_eq!(lost, 3, "{events:?}");
}

#[test]
fn a_full_server_says_so_and_has_room_again_later() {
    let fixture = neurons(2);
    let events = with_server(&fixture, Limits::default(), 2, 3, |address| {
        let held = [hold(address, &fixture), hold(address, &fixture)];
        for fetch in [false, true] {
            let ask = if fetch { Fixture::fetch_and_ask } else { Fixture::ask };
            match ask(&fixture, connect(address), &Limits::default()) {
                Err(SessionError::Refused(text)) => assert!(text.contains("the server is full"), "{text}"),
                other => panic!("{other:?}"),
            }
        }
        drop(held);
        let deadline = Instant::now() + Duration::from_secs(10);
        let answers = loop {
            match fixture.ask(connect(address), &Limits::default()) {
                Ok(answers) => break answers,
                Err(SessionError::Refused(_)) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(10)); // the server has yet to notice that two have left
                }
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(answers.outputs, fixture.wants);
    });
    let full = events.iter().filter(|e| *e == "full").count();
    assert!(full >= 2, "{events:?}");
    assert_eq!(events.len() - full, 3, "{events:?}");
    assert!(events.contains(&"3 inferences".to_owned()));
}

/// Four times as many silent connections as the server keeps: a good client is answered as if they were not
/// there.
#[test]
fn a_crowd_that_says_nothing_shuts_nobody_out() {
    let fixture = neurons(2);
    let events = with_server(&fixture, Limits::default(), 64, 2, |address| {
        let crowd = |count: usize| (0..count).map(|_| connect(address)).collect::<Vec<_>>();
        let mut silent = crowd(3 * HALF_OPEN);
        for _ in 0..2 {
            let begin = Instant::now();
            let answers = fixture.ask(connect(address), &Limits::default()).expect("the crowd is silent");
            assert_eq!(answers.outputs, fixture.wants);
            assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
            silent.extend(crowd(HALF_OPEN / 2));
        }
        // The oldest was closed, the youngest still waits.
        assert_eq!(silent[0].read(&mut [0]).expect("closed, not left waiting"), 0);
    });
    assert_eq!(events.iter().filter(|event| *event == "3 inferences").count(), 2);
    let closed = events.iter().filter(|event| *event == "half open").count();
    assert!((2 * HALF_OPEN..=3 * HALF_OPEN).contains(&closed), "{closed}");
}

/// More clients than places, at once and of one address: all are answered, in turn.
#[test]
fn clients_wait_for_places() {
    let fixture = neurons(2);
    let count = 40;
    let events = with_queue(&fixture, Limits::default(), (2, 64), count, |address| {
        std::thread::scope(|scope| {
            for _ in 0..count {
                scope.spawn(|| {
                    let answers = fixture.ask(connect(address), &Limits::default()).expect("its turn comes");
                    assert_eq!(answers.outputs, fixture.wants);
                });
            }
        });
    });
    assert_eq!(events, vec!["3 inferences"; count as usize]);
}

/// Clients that are turned away and do not listen must not keep the server from accepting others.
#[test]
fn turning_away_does_not_hold_up_the_door() {
    let fixture = neurons(2);
    with_server(&fixture, Limits::default(), 1, 2, |address| {
        let held = hold(address, &fixture);
        let begin = Instant::now();
        let hello = frame(Kind::ClientHello, &client_hello(Some(fixture.circuit.digest), 2));
        let crowd: Vec<TcpStream> = (0..20).map(|_| connect(address)).collect();
        // Some are closed unheard: an address has few connections whose hello is not there yet.
        crowd.iter().for_each(|mut client| drop(client.write_all(&hello)));
        let refused = fixture.ask(connect(address), &Limits::default());
        assert!(refused.is_err());
        assert!(begin.elapsed() < Duration::from_secs(3), "20 clients were turned away one after the other");
        // None of them may be the next that has a place.
        crowd.iter().for_each(|mut client| drop(client.read_to_end(&mut Vec::new())));
        drop((held, crowd));
        let deadline = Instant::now() + Duration::from_secs(10);
        while fixture.ask(connect(address), &Limits::default()).is_err() {
            assert!(Instant::now() < deadline, "there is no room again");
            std::thread::sleep(Duration::from_millis(10));
        }
    });
}

/// Places are for those who have said who they are.
#[test]
fn silent_connections_take_no_place() {
    let fixture = neurons(2);
    with_server(&fixture, Limits::default(), 1, 1, |address| {
        let silent: Vec<TcpStream> = (0..8).map(|_| connect(address)).collect();
        let answers = fixture.ask(connect(address), &Limits::default()).expect("one place is free");
        assert_eq!(answers.outputs, fixture.wants);
        drop(silent);
    });
}
