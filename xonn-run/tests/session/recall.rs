//! Clients that have a place and ask nothing, while others wait for one.

use std::io;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use chacha20::ChaCha20Rng;
use rand::SeedableRng;
use xonn_run::net::{self, ServerOptions};
use xonn_run::session::channel::Transport;
use xonn_run::session::client::{self, Session};
use xonn_run::session::{Limits, Offer, SessionError};

use crate::fixture::{Fixture, neurons, question};
use crate::serving::{connect, with_options};
use crate::tls::pair;

/// How long a client may ask nothing here.
const IDLE: Duration = Duration::from_millis(600);

/// Two places if nothing else is said, and clients that would keep theirs for an hour.
fn options(at_once: usize, total: u64) -> ServerOptions {
    let mut options = ServerOptions::new(at_once, 8);
    let hour = Duration::from_secs(3600);
    // So that a test fails soon whose client gets no place.
    let queue = Duration::from_secs(15);
    options.limits = Limits { idle: hour, idle_ahead: hour, queue, ..Limits::default() };
    (options.recall_after, options.total) = (IDLE, Some(total));
    options
}

/// A client that has asked once.
struct Asking<'f, T: Transport> {
    fixture: &'f Fixture,
    session: Session<T>,
    rng: ChaCha20Rng,
}

impl<'f, T: Transport> Asking<'f, T> {
    fn begin(fixture: &'f Fixture, transport: T) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(5);
        let (circuit, limits) = (&fixture.circuit, Limits::default());
        let bits = circuit.program.input_bits();
        let greeted = client::greet(transport, circuit.digest, bits, &Offer::default(), &limits, &mut rng);
        let session = greeted.expect("a place").start(&circuit.program, &mut rng).expect("base OTs");
        let mut asking = Self { fixture, session, rng };
        asking.ask().expect("nothing is wrong");
        asking
    }

    fn ask(&mut self) -> Result<(), SessionError> {
        let output =
            self.session.ask(&question(&self.fixture.inputs[0]), &mut self.rng)?.expect("an honest server");
        assert_eq!(output, self.fixture.wants[0]);
        Ok(())
    }
}

#[test]
fn the_one_that_asked_nothing_for_longest_gives_up_its_place_to_one_that_waits() {
    give_up(options(2, 4), connect);
}

/// Inside of TLS the end of a wait is told from records, and not from what is in the stream.
#[test]
fn the_same_inside_of_tls() {
    let (tls, client) = pair();
    let options = ServerOptions { tls: Some(tls), ..options(2, 4) };
    give_up(options, |address| net::connect(address, Some(&client), IDLE).expect("it listens"));
}

fn give_up<T: Transport>(options: ServerOptions, connect: impl Fn(&str) -> T + Sync) {
    let fixture = neurons(2);
    let events = with_options(&fixture, options, |address| {
        let mut idlest = Asking::begin(&fixture, connect(address));
        let mut other = Asking::begin(&fixture, connect(address));
        // Nobody waits, so both keep their places.
        std::thread::sleep(2 * IDLE);
        other.ask().expect("it has its place");
        let begin = Instant::now();
        let answers = fixture.ask(connect(address), &Limits::default()).expect("a place becomes free");
        assert_eq!(answers.outputs, fixture.wants);
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
        other.ask().expect("it has its place still");
        let error = idlest.ask().expect_err("its place has gone");
        assert!(error.is_transient(), "{error}");
        if let SessionError::Refused(text) = &error {
            assert!(text.contains("the server is full") && text.contains("asked nothing for"), "{text}");
        }
        // It comes again, as any other client does.
        drop((idlest, other));
        fixture.ask(connect(address), &Limits::default()).expect("there are places");
    });
    let recalled = events.iter().filter(|event| event.contains("its place went to a client that waits"));
    assert_eq!((recalled.count(), events.len()), (1, 4), "{events:?}");
}

/// A client whose every message pauses behind its first byte.
struct Slow(TcpStream);

const PAUSE: Duration = Duration::from_millis(1500);

impl Transport for Slow {
    fn read_within(&mut self, buffer: &mut [u8], limit: Duration) -> io::Result<usize> {
        self.0.read_within(buffer, limit)
    }

    fn write_within(&mut self, bytes: &[u8], limit: Duration) -> io::Result<usize> {
        self.0.write_within(&bytes[..1], limit)?;
        std::thread::sleep(PAUSE);
        Ok(1 + self.0.write_within(&bytes[1..], limit)?)
    }

    fn hang_up(&mut self, limit: Duration) {
        self.0.hang_up(limit);
    }
}

#[test]
fn nobody_gives_up_a_place_in_the_middle_of_a_question() {
    let fixture = neurons(2);
    let events = with_options(&fixture, options(1, 2), |address| {
        let mut slow = Asking::begin(&fixture, Slow(connect(address)));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| fixture.ask(connect(address), &Limits::default()));
            for _ in 0..2 {
                slow.ask().expect("its question has begun");
            }
            // Now it asks nothing.
            let answers = waiting.join().expect("no panic").expect("its turn");
            assert_eq!(answers.outputs, fixture.wants);
            assert!(slow.ask().is_err());
        });
    });
    assert_eq!(events.len(), 2, "{events:?}");
}

/// One byte of a question is no way to keep a place for an hour.
#[test]
fn a_question_that_has_begun_has_the_time_of_a_message() {
    let fixture = neurons(2);
    let mut options = options(1, 2);
    options.limits.message = Duration::from_secs(2);
    let events = with_options(&fixture, options, |address| {
        let stream = connect(address);
        let raw = stream.try_clone().expect("a handle");
        let held = Asking::begin(&fixture, stream);
        std::io::Write::write_all(&mut &raw, &[6]).expect("sent");
        let begin = Instant::now();
        let answers = fixture.ask(connect(address), &Limits::default()).expect("a place becomes free");
        assert_eq!(answers.outputs, fixture.wants);
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
        drop(held);
    });
    assert!(events.iter().any(|event| event.contains("the peer was too slow")), "{events:?}");
}
