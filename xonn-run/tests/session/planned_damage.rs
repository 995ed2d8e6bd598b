//! Sessions on shares in which somebody changes messages: no host panics or waits for ever, and what it says
//! next does not depend on its secrets.
//!
//! Seeds are fixed, so an undamaged session is the same each time. It is recorded. Then one host runs alone:
//! it reads the other one's recorded messages, one of which is damaged, so it never waits.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use xonn_run::session::msgs::Kind;

use xonn_run::session::channel::Transport;
use xonn_run::session::{FirstLayer, Limits, SessionError};

use crate::damage::{BOUND, frames};
use crate::fixture::{Fixture, on_shares, short};
use crate::planned::{ASK, STEP, small};
use crate::programs;
use crate::wire::{Direction, Fault, Harm as Break};

/// The other end of a connection, all of whose messages are there.
struct Replay {
    says: Vec<u8>,
    at: usize,
    told: Arc<Mutex<Vec<u8>>>,
}

impl Transport for Replay {
    fn read_within(&mut self, buffer: &mut [u8], _limit: Duration) -> io::Result<usize> {
        let left = &self.says[self.at..];
        let count = buffer.len().min(left.len());
        buffer[..count].copy_from_slice(&left[..count]);
        self.at += count;
        Ok(count)
    }

    fn write_within(&mut self, bytes: &[u8], _limit: Duration) -> io::Result<usize> {
        self.told.lock().expect("no holder panics").extend(bytes);
        Ok(bytes.len())
    }

    fn hang_up(&mut self, _limit: Duration) {}
}

/// What is done to a message.
#[derive(Clone, Copy, Debug)]
enum Harm {
    Nothing,
    /// A bit of a byte of its payload, in 63rds of the way to its last one.
    Flip(usize, u8),
    /// It is a byte shorter, and its head says so.
    Shorten,
    /// It is a byte longer.
    Lengthen,
    /// It has no payload.
    Empty,
    Drop,
    Twice,
    /// It comes after the next one.
    Late,
    /// It is of another kind.
    Kind(u8),
    /// Its payload is that of the message before it, as far as it reaches.
    Copied,
    /// The stream ends within it.
    Cut,
}

const HARMS: [Harm; 15] = [
    Harm::Flip(0, 0),
    Harm::Flip(13, 3),
    Harm::Flip(40, 5),
    Harm::Flip(63, 0),
    Harm::Flip(63, 7),
    Harm::Shorten,
    Harm::Lengthen,
    Harm::Empty,
    Harm::Drop,
    Harm::Twice,
    Harm::Late,
    Harm::Kind(ASK),
    Harm::Kind(STEP),
    Harm::Copied,
    Harm::Cut,
];

/// Which harms.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sample {
    Some,
    All,
}

type Message = (u8, Vec<u8>);

fn messages(stream: &[u8]) -> Vec<Message> {
    frames(stream).into_iter().map(|(kind, at, length)| (kind, stream[at + 5..][..length].to_vec())).collect()
}

/// The stream of these messages with one of them harmed.
fn harmed(messages: &[Message], number: usize, harm: Harm) -> Vec<u8> {
    let mut all = messages.to_vec();
    let before = number.checked_sub(1).map(|before| messages[before].1.clone());
    let (kind, payload) = &mut all[number];
    match harm {
        Harm::Nothing | Harm::Cut => {}
        Harm::Flip(part, bit) => {
            let last = payload.len().saturating_sub(1);
            payload.iter_mut().skip(last * part / 63).take(1).for_each(|byte| *byte ^= 1 << bit);
        }
        Harm::Shorten => drop(payload.pop()),
        Harm::Lengthen => payload.push(0),
        Harm::Empty => payload.clear(),
        Harm::Drop => drop(all.remove(number)),
        Harm::Twice => all.insert(number, messages[number].clone()),
        Harm::Late => {
            if number + 1 < all.len() {
                all.swap(number, number + 1);
            }
        }
        Harm::Kind(other) => *kind = other,
        Harm::Copied => {
            let before = before.unwrap_or_default();
            payload.iter_mut().zip(before).for_each(|(to, from)| *to = from);
        }
    }
    let mut stream = Vec::new();
    for (place, (kind, payload)) in all.iter().enumerate() {
        stream.push(*kind);
        stream.extend((payload.len() as u32).to_le_bytes());
        stream.extend(payload);
        if place == number && matches!(harm, Harm::Cut) {
            stream.truncate(stream.len() - payload.len().div_ceil(2) - 1);
            break;
        }
    }
    stream
}

/// What the other host sees of one: kinds and lengths of its messages, and the text of its refusal, whose
/// numbers are left out: they are of the message that is refused, which its sender knows.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Reaction {
    said: Vec<(u8, usize)>,
    refusal: Option<String>,
}

/// How one host reacts, and what it tells its own user.
fn react<R>(
    says: Vec<u8>,
    host: impl FnOnce(Replay) -> Result<R, SessionError>,
) -> (Reaction, Option<SessionError>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let error = host(Replay { says, at: 0, told: Arc::clone(&told) }).err();
    let mut said = messages(&told.lock().expect("no holder panics"));
    let refusal = said.pop_if(|(kind, _)| *kind == Kind::Refusal as u8);
    let refusal = refusal.map(|(_, text)| {
        let text = String::from_utf8(text).expect("our own texts are UTF-8");
        let numbers =
            |word: &str| if word.starts_with(|c: char| c.is_ascii_digit()) { "#" } else { word }.to_owned();
        text.split(' ').map(numbers).collect::<Vec<_>>().join(" ")
    });
    let said = said.into_iter().map(|(kind, payload)| (kind, payload.len())).collect();
    (Reaction { said, refusal }, error)
}

/// A session of two predictions, one of which may be ahead.
fn session(ahead: u16, seed: u64, inputs: [usize; 2]) -> Fixture {
    let program = if ahead > 1 { programs::neurons(20, 12) } else { small() };
    let mut fixture = Fixture { ahead: [ahead; 2], ..on_shares(&program, seed) };
    fixture.wants = inputs.iter().map(|&number| fixture.wants[number].clone()).collect();
    fixture.inputs = inputs.iter().map(|&number| fixture.inputs[number].clone()).collect();
    fixture
}

/// Sessions that differ in what the server keeps secret, or in what the client does.
fn sessions(ahead: u16) -> Vec<Fixture> {
    vec![session(ahead, 1, [0, 1]), session(ahead, 1, [2, 0]), session(ahead, 2, [0, 1])]
}

/// Several at a time: most of a session's time is its base OTs.
fn each<T: Sync>(all: &[T], check: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    check(one);
                }
            });
        }
    });
}

/// Whether a harm changes nothing that this host sees.
fn is_none(messages: &[Message], number: usize, harm: Harm) -> bool {
    let clean = harmed(messages, number, Harm::Nothing);
    harmed(messages, number, harm) == clean
}

/// A host's side of a session on a transport.
type Host<'a> = &'a (dyn Fn(&Fixture, Replay) -> Result<(), SessionError> + Sync);

/// Is told what was done, how the host reacted to it, how it reacts if nothing is done, and its error.
type Check<'a> = &'a (dyn Fn(&str, &Reaction, &Reaction, Option<&SessionError>) + Sync);

/// Does each harm to each message to one of the hosts, in all sessions: what the host says has to be the same
/// in all of them. `check` is called for each.
fn harm_each((ahead, sample): (u16, Sample), to_server: bool, host: Host<'_>, check: Check<'_>) {
    let sessions = sessions(ahead);
    let told: Vec<Vec<Message>> = sessions
        .iter()
        .map(|session| {
            let outcome = session.converse(None, &Limits::default(), false);
            assert_eq!(outcome.client.expect("nothing is wrong").outputs, session.wants);
            messages(if to_server { &outcome.to_server } else { &outcome.to_client })
        })
        .collect();
    let clean: Vec<Reaction> = sessions
        .iter()
        .zip(&told)
        .map(|(session, told)| {
            let (reaction, error) = react(harmed(told, 0, Harm::Nothing), |end| host(session, end));
            assert!(error.is_none(), "{error:?}");
            reaction
        })
        .collect();
    assert!(clean.iter().all(|reaction| *reaction == clean[0]), "undamaged sessions look alike");
    assert!(told.iter().all(|other| other.len() == told[0].len()));
    // The hello is tested elsewhere.
    let all = (1..told[0].len()).flat_map(|number| (0..HARMS.len()).map(move |harm| (number, harm)));
    let harms: Vec<(usize, usize)> =
        all.filter(|(number, harm)| sample == Sample::All || number % 5 == harm % 5).collect();
    each(&harms, |&(number, harm)| {
        let harm = HARMS[harm];
        if told.iter().any(|told| is_none(told, number, harm)) {
            return;
        }
        let name = format!("ahead {ahead}, message {number} of kind {}, {harm:?}", told[0][number].0);
        let reactions: Vec<Reaction> = sessions
            .iter()
            .zip(&told)
            .map(|(session, told)| {
                let (reaction, error) = react(harmed(told, number, harm), |end| host(session, end));
                assert!(error.as_ref().is_none_or(|e| !e.to_string().contains('\n')), "{name}: {error:?}");
                check(&name, &reaction, &clean[0], error.as_ref());
                reaction
            })
            .collect();
        for reaction in &reactions {
            assert_eq!(reaction, &reactions[0], "{name}: it depends on a secret");
        }
    });
}

/// What was said before the damage was seen is what is said without any.
fn assert_begins_alike(name: &str, reaction: &Reaction, clean: &Reaction) {
    let begin = clean.said.get(..reaction.said.len());
    assert_eq!(begin, Some(&reaction.said[..]), "{name}: other messages than an undamaged session's");
}

/// A server goes on as if nothing had happened, or ends with an error that it says. Gives how often each.
fn harm_servers(sample: Sample) -> [usize; 2] {
    let [unnoticed, noticed] = [const { AtomicUsize::new(0) }; 2];
    let serve: Host<'_> = &|session, end| session.serve(end, &Limits::default()).map(drop);
    for ahead in [0, 2] {
        harm_each((ahead, sample), true, serve, &|name, reaction, clean, error| {
            assert_begins_alike(name, reaction, clean);
            let count = if error.is_some() { &noticed } else { &unnoticed };
            count.fetch_add(1, Ordering::Relaxed);
            match error {
                None => assert_eq!(reaction, clean, "{name}"),
                // Nobody is told anything of a connection that is gone.
                Some(SessionError::Transport { .. } | SessionError::Refused(_)) => {
                    assert_eq!(reaction.refusal, None, "{name}");
                }
                Some(error) => assert!(reaction.refusal.is_some(), "{name}: {error}"),
            }
        });
    }
    let counts = [unnoticed, noticed].map(AtomicUsize::into_inner);
    println!("harms that a server does not notice, and that it does: {counts:?}");
    counts
}

/// A client's output may be wrong or none; nothing that it does next shows which. Gives how many were none.
fn harm_clients(sample: Sample) -> usize {
    let ask: Host<'_> = &|session, end| session.ask(end, &Limits::default()).map(drop);
    let failed = AtomicUsize::new(0);
    for ahead in [0, 2] {
        harm_each((ahead, sample), false, ask, &|name, reaction, clean, error| {
            assert_begins_alike(name, reaction, clean);
            match error {
                // It goes on to the end as if nothing had happened.
                None => assert_eq!(reaction, clean, "{name}"),
                Some(SessionError::Evaluate(_)) => {
                    assert_eq!(reaction, clean, "{name}");
                    failed.fetch_add(1, Ordering::Relaxed);
                }
                Some(SessionError::Transport { .. } | SessionError::Refused(_)) => {
                    assert_eq!(reaction.refusal, None, "{name}");
                }
                Some(error) => assert!(reaction.refusal.is_some(), "{name}: {error}"),
            }
        });
    }
    failed.into_inner()
}

#[test]
fn what_a_server_says_to_damaged_messages_depends_on_no_secret() {
    let [unnoticed, noticed] = harm_servers(Sample::Some);
    assert!(unnoticed > 0 && noticed > 0, "{unnoticed} {noticed}");
}

#[test]
fn what_a_client_says_to_damaged_messages_depends_on_no_input() {
    let failed = harm_clients(Sample::Some);
    assert!(failed > 3, "{failed} evaluations fail");
}

#[test]
#[ignore = "takes minutes; the tests above take every fifth harm"]
fn every_harm_to_every_message() {
    let [unnoticed, noticed] = harm_servers(Sample::All);
    assert!(unnoticed > 0 && noticed > 0, "{unnoticed} {noticed}");
    let failed = harm_clients(Sample::All);
    assert!(failed > 12, "{failed} evaluations fail");
}

/// The messages with the first answer once more, in place of those with the second one or in front of them.
#[test]
fn an_answer_is_taken_once() {
    let mut of_numbers = crate::numbers::fixture(2);
    of_numbers.inputs.truncate(2);
    of_numbers.wants.truncate(2);
    for session in [session(2, 1, [0, 1]), session(2, 2, [0, 1]), of_numbers] {
        let outcome = session.converse(None, &Limits::default(), false);
        let told = messages(&outcome.to_client);
        let steps = online_begins(&session, &told);
        let (first, second) = told[steps..].split_at((told.len() - steps) / 2);
        assert_eq!(
            first.iter().map(|message| message.1.len()).collect::<Vec<_>>(),
            second.iter().map(|message| message.1.len()).collect::<Vec<_>>(),
            "answers are alike"
        );
        let before = &told[..steps + first.len()];
        for again in [first.to_vec(), [first, second].concat()] {
            let stream = harmed(&[before, &again].concat(), 0, Harm::Nothing);
            let told = Arc::new(Mutex::new(Vec::new()));
            let end = Replay { says: stream, at: 0, told: Arc::clone(&told) };
            match session.ask(end, &Limits::default()) {
                Ok(answers) => panic!("answered by what was used: {:?}", answers.outputs),
                Err(error) => {
                    let known = matches!(error, SessionError::Evaluate(_) | SessionError::Misbehaved { .. });
                    assert!(known, "{error}");
                }
            }
        }
    }
}

/// Which of the server's messages is the first one with an input: those behind it have the bytes of as many
/// answers as there are inputs, by the plan.
fn online_begins(session: &Fixture, told: &[Message]) -> usize {
    let model = session.model();
    let plan = model.plan(FirstLayer::Shares, session.schemes[0]).expect("it is on shares");
    let bytes = session.inputs.len() as u64 * plan.cost().online().down;
    let (mut first, mut left) = (told.len(), bytes);
    while left > 0 {
        first -= 1;
        let (kind, payload) = &told[first];
        assert_eq!(*kind, STEP, "answers are steps of the plan");
        left =
            left.checked_sub(payload.len() as u64).expect("no message is of an answer and of what is ahead");
    }
    first
}

/// Both hosts at work, with time limits: whatever is done to the stream, both end in time.
#[test]
fn both_hosts_end_in_time() {
    let mut fixture = session(0, 1, [0, 1]);
    fixture.inputs.truncate(1);
    fixture.wants.truncate(1);
    let clean = fixture.converse(None, &Limits::default(), false);
    let mut faults = Vec::new();
    for (direction, stream) in
        [(Direction::ToServer, &clean.to_server), (Direction::ToClient, &clean.to_client)]
    {
        for (number, &(_, begin, length)) in frames(stream).iter().enumerate() {
            // A head that claims more, a payload, and an end.
            let harm = [Break::Cut, Break::Silence, Break::Flip(2)][number % 3];
            faults.push(Fault {
                direction,
                at: begin + 1 + number % 4,
                harm: Break::Flip((number % 8) as u8),
            });
            faults.push(Fault { direction, at: begin + 5 + length / 2, harm });
        }
    }
    each(&faults, |&fault| {
        let outcome = fixture.converse(Some(fault), &short(), false);
        assert!(outcome.elapsed < BOUND, "{fault:?} took {:?}", outcome.elapsed);
        for error in [outcome.server.err(), outcome.client.err()].into_iter().flatten() {
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    });
}
