//! Somebody between the hosts flips bits, cuts the stream, or swallows it: both hosts end in time, and no
//! answer is wrong.

use std::time::Duration;
use xonn_run::session::msgs::Kind;

use xonn_run::session::{Limits, SessionError};

use crate::fixture::{Fixture, Outcome, addition, neurons, short};
use crate::wire::{Direction, Fault, Harm};

/// Longest that a damaged session may take: each host waits for one message, and a refusal may take a second
/// more. The rest is for a busy machine.
pub const BOUND: Duration = Duration::from_secs(20);

/// Runs a damaged session and checks what must hold whatever the damage is.
fn run(fixture: &Fixture, fault: Fault, fetch: bool) -> Outcome {
    let outcome = fixture.converse(Some(fault), &short(), fetch);
    assert!(outcome.elapsed < BOUND, "{fault:?} took {:?}", outcome.elapsed);
    match &outcome.client {
        Ok(answers) => assert_eq!(answers.outputs, fixture.wants, "{fault:?} gave a wrong answer"),
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
    outcome
}

/// One question, so that a session is short.
fn one_addition() -> Fixture {
    let mut fixture = addition();
    fixture.inputs.truncate(1);
    fixture.wants.truncate(1);
    fixture
}

/// The frames of a stream: kind, offset of the head, length of the payload.
pub fn frames(stream: &[u8]) -> Vec<(u8, usize, usize)> {
    let (mut frames, mut at) = (Vec::new(), 0);
    while let Some([kind, length @ ..]) = stream[at..].first_chunk::<5>() {
        let length = u32::from_le_bytes(*length) as usize;
        frames.push((*kind, at, length));
        at += 5 + length;
    }
    assert_eq!(at, stream.len(), "a recorded stream consists of frames");
    frames
}

/// The payloads of one kind of message in a stream.
pub fn payloads(stream: &[u8], wanted: Kind) -> Vec<&[u8]> {
    let of_kind = frames(stream).into_iter().filter(|&(kind, ..)| kind == wanted as u8);
    of_kind.map(|(_, at, length)| &stream[at + 5..][..length]).collect()
}

/// Flips one bit of every byte that `wanted` names (by kind of message and offset in its payload; heads
/// always), with the bit varying from byte to byte. Returns how many flips were made, and how many of them an
/// error told of.
pub fn flip(fixture: &Fixture, fetch: bool, wanted: impl Fn(u8, usize) -> bool + Sync) -> (usize, usize) {
    flip_also_heads(fixture, fetch, true, wanted)
}

/// [`flip`], but heads only if `heads`: a head that claims too much costs a host its patience.
pub fn flip_also_heads(
    fixture: &Fixture,
    fetch: bool,
    heads: bool,
    wanted: impl Fn(u8, usize) -> bool + Sync,
) -> (usize, usize) {
    let clean = fixture.converse(None, &Limits::default(), fetch);
    assert!(clean.server.is_ok() && clean.client.is_ok());
    let mut faults = Vec::new();
    for (direction, stream) in
        [(Direction::ToServer, &clean.to_server), (Direction::ToClient, &clean.to_client)]
    {
        for (kind, begin, length) in frames(stream) {
            let head = |at: usize| at < begin + 5 && heads;
            let payload = |at: usize| at >= begin + 5 && wanted(kind, at - begin - 5);
            let bytes = (begin..begin + 5 + length).filter(|&at| head(at) || payload(at));
            faults.extend(bytes.map(|at| flipped(direction, at)));
        }
    }
    sweep(fixture, fetch, &faults)
}

fn flipped(direction: Direction, at: usize) -> Fault {
    Fault { direction, at, harm: Harm::Flip((at * 5 % 8) as u8) }
}

/// Of the plan's messages to one of the hosts, flips a bit of every `every`th byte, one bit a session.
/// Messages to the server end at the first `Ask`: what follows is the client's masked input, which has no
/// digest. With a bit flipped it is another input, and gets the right answer to that.
pub fn flip_before_the_input(fixture: &Fixture, direction: Direction, every: usize) -> (usize, usize) {
    let clean = fixture.converse(None, &Limits::default(), false);
    assert!(clean.server.is_ok() && clean.client.is_ok());
    let stream = if direction == Direction::ToServer { &clean.to_server } else { &clean.to_client };
    let messages = frames(stream).into_iter().take_while(|&(kind, ..)| kind != ASK);
    let steps = messages.filter(|&(kind, ..)| kind == STEP);
    let bytes = steps.flat_map(|(_, begin, length)| (begin + 5..begin + 5 + length).step_by(every));
    let faults: Vec<_> = bytes.map(|at| flipped(direction, at)).collect();
    sweep(fixture, false, &faults)
}

/// How many faults there are, and of how many of them an error told.
fn sweep(fixture: &Fixture, fetch: bool, faults: &[Fault]) -> (usize, usize) {
    // Several at a time: most of a session's time is waiting for the other host.
    let errors = std::sync::atomic::AtomicUsize::new(0);
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(&fault) = faults.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    let outcome = run(fixture, fault, fetch);
                    if outcome.client.is_err() || outcome.server.is_err() {
                        errors.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                }
            });
        }
    });
    (faults.len(), errors.into_inner())
}

const BASE_REQUEST: u8 = 4;
const BASE_REPLY: u8 = 5;
const EXTEND: u8 = Kind::Extend as u8;
const BYE: u8 = Kind::Bye as u8;
const ASK: u8 = Kind::Ask as u8;
const STEP: u8 = Kind::Step as u8;

#[test]
fn every_flipped_bit_of_hellos_and_heads_is_noticed() {
    let (flips, errors) = flip(&one_addition(), false, |kind, _| kind <= 2);
    // A circuit that is named needs no more of the flag, digest and bits than that they fit, so each flip
    // shows.
    assert_eq!(errors, flips);
    assert_eq!(flips, 82 + 79 + 9 * 5, "both hellos and the heads of nine messages");
}

#[test]
fn flipped_bits_of_base_transfers_and_extension_are_noticed() {
    // Every 97th byte hits each place in a point and in a block, and the last 32 bytes are a digest.
    let (flips, errors) = flip(&one_addition(), false, |kind, at| match kind {
        BASE_REQUEST => at % 97 == 0,
        BASE_REPLY => at % 97 == 0 || at >= 9248 - 32 && at % 5 == 0,
        EXTEND => at % 31 == 0,
        _ => false,
    });
    assert_eq!(errors, flips, "these messages are bound to both hosts' checks");
}

/// The same for every byte of everything.
#[test]
#[ignore = "takes minutes; the sampled sweeps above run the same code"]
fn any_flipped_bit_at_all() {
    let (flips, errors) = flip(&one_addition(), false, |_, _| true);
    println!("{errors} of {flips} flips gave an error, the others the right answer");
    assert!(errors > flips / 2);
}

#[test]
fn flipped_bits_of_labels_tables_and_hashes_give_an_error_or_the_right_answer() {
    let mut fixture = addition();
    fixture.inputs.truncate(2);
    fixture.wants.truncate(2);
    let of_circuit = [Kind::Correlate, Kind::Tables, Kind::Decoding].map(|kind| kind as u8);
    let (flips, errors) = flip(&fixture, false, |kind, at| of_circuit.contains(&kind) && at % 23 == 5);
    // Half of the ciphertexts and hashes belong to labels that this input does not meet.
    assert!(errors > flips / 4 && errors < flips, "{errors} of {flips}");
}

#[test]
fn a_damaged_package_is_refused_or_the_same_package() {
    let mut fixture = neurons(2);
    fixture.inputs.truncate(1);
    fixture.wants.truncate(1);
    let (flips, errors) = flip(&fixture, true, |kind, at| kind == Kind::Package as u8 && at % 11 == 0);
    assert!(errors > flips / 2, "{errors} of {flips}: only the archive's own unused fields may go unnoticed");
}

#[test]
fn a_stream_that_ends_early_is_a_lost_connection_at_once() {
    let fixture = one_addition();
    let clean = fixture.converse(None, &Limits::default(), false);
    for (direction, stream) in
        [(Direction::ToServer, &clean.to_server), (Direction::ToClient, &clean.to_client)]
    {
        for (kind, begin, length) in frames(stream) {
            for at in [begin, begin + 1, begin + 5, begin + 5 + length / 2] {
                if at >= stream.len() {
                    continue; // right after the last message nothing is missing
                }
                let fault = Fault { direction, at, harm: Harm::Cut };
                // The limits are long: neither host may need them to notice.
                let outcome = fixture.converse(Some(fault), &Limits::default(), false);
                assert!(outcome.elapsed < BOUND, "{fault:?} in message {kind} took {:?}", outcome.elapsed);
                let (server, client) = (outcome.server.err(), outcome.client.err());
                let lost = |e: &Option<SessionError>| matches!(e, Some(SessionError::Transport { .. }));
                match direction {
                    Direction::ToServer => assert!(lost(&server), "{fault:?}: {server:?}"),
                    Direction::ToClient => assert!(lost(&client), "{fault:?}: {client:?}"),
                }
            }
        }
    }
}

#[test]
fn a_stream_that_falls_silent_runs_into_the_time_limit() {
    let fixture = one_addition();
    let clean = fixture.converse(None, &Limits::default(), false);
    for (direction, stream) in
        [(Direction::ToServer, &clean.to_server), (Direction::ToClient, &clean.to_client)]
    {
        for (kind, begin, length) in frames(stream) {
            if kind == BYE {
                continue; // whoever has said goodbye hangs up, and silence ends in a lost connection
            }
            for at in [begin, begin + 3, begin + 5 + length / 2] {
                let fault = Fault { direction, at, harm: Harm::Silence };
                let outcome = run(&fixture, fault, false);
                assert!(outcome.elapsed >= short().message, "{fault:?} in message {kind}");
                let slow = |e: &SessionError| matches!(e, SessionError::TimedOut { .. });
                let timed_out =
                    outcome.server.is_err_and(|e| slow(&e)) || outcome.client.is_err_and(|e| slow(&e));
                assert!(timed_out, "{fault:?} in message {kind}: nobody says that the other was too slow");
            }
        }
    }
}

/// A server that garbles one label of an input bit wrongly on purpose makes the evaluation fail for one value
/// of the bit: it must see the same goodbye as after a success, or it learns the bit.
#[test]
fn a_server_cannot_tell_a_failed_evaluation_from_a_success() {
    let fixture = one_addition();
    let clean = fixture.converse(None, &Limits::default(), false);
    let (kind, begin, length) = *frames(&clean.to_client).last().expect("frames");
    assert_eq!((kind, length), (Kind::Decoding as u8, 17 * 32));
    let mut failed = 0;
    for block in 0..length / 16 {
        let fault = Fault { direction: Direction::ToClient, at: begin + 5 + 16 * block, harm: Harm::Flip(0) };
        let outcome = fixture.converse(Some(fault), &Limits::default(), false);
        failed += usize::from(matches!(outcome.client, Err(SessionError::Evaluate(_))));
        assert_eq!(outcome.to_server, clean.to_server, "the server sees the same bytes");
        assert_eq!(outcome.server.expect("nothing is wrong that it could see").inferences, 1);
    }
    assert_eq!(failed, length / 32, "of the two hashes of an output bit the client needs one");
}

/// The same with circuits ahead: those that are left get inputs, too, and the server cannot tell which.
#[test]
fn a_failed_evaluation_leaves_no_circuit_unused() {
    let fixture = Fixture { ahead: [3, 3], ..addition() };
    let clean = fixture.converse(None, &Limits::default(), false);
    let kinds = |stream: &[u8]| frames(stream).into_iter().map(|(kind, _, n)| (kind, n)).collect::<Vec<_>>();
    let (_, begin, length) = *frames(&clean.to_client)
        .iter()
        .find(|&&(kind, ..)| kind == Kind::Decoding as u8)
        .expect("an answer");
    let mut failed = 0;
    for block in (0..length / 16).step_by(5) {
        let fault = Fault { direction: Direction::ToClient, at: begin + 5 + 16 * block, harm: Harm::Flip(0) };
        let outcome = fixture.converse(Some(fault), &Limits::default(), false);
        failed += usize::from(matches!(outcome.client, Err(SessionError::Evaluate(_))));
        assert_eq!(
            kinds(&outcome.to_server),
            kinds(&clean.to_server),
            "the same messages of the same lengths"
        );
        assert_eq!(outcome.server.expect("nothing is wrong that it could see").inferences, 3);
    }
    assert!(failed > 0);
}
