//! Messages that are damaged on their way.

use std::collections::BTreeMap;

use rand::RngExt as _;
use xonn_protocols::protocol::Trust;

use crate::common::{Hosts, Links, Mode, Outcome, Reads, dice};
use crate::values::Left;
use crate::{every_stage, programs, values};

/// A prediction of a stage with one message changed.
type Run<'a> = &'a dyn Fn(&mut Links, &(dyn Fn(&mut Vec<u8>) + Sync)) -> Outcome;

/// Flipped bits of each message, at most.
const FLIPS: usize = 8;

/// Calls `damage` for each message of each stage: with the stage's undamaged run, and one that can be
/// damaged.
fn every_message(seed: u64, mut damage: impl FnMut(&Case<'_>, Run<'_>, &mut Links)) {
    let (dice, links) = (&mut dice(seed), &mut Links::new());
    every_stage(|protocol, sample, stage| {
        let program = &sample.program;
        let model = programs::model(program, dice);
        let hosts = Hosts::new(protocol, stage, program, &model);
        let input = programs::sample(program, dice);
        let (reads, right) = values::reads(stage, program, &model, &input, dice);
        let reads: [Reads; 1] = [reads];
        let sent = hosts.predict(links, Mode::AtOnce, &reads, &|_, _, _| {}).sent;
        for (side, sent) in sent.iter().enumerate() {
            for (number, message) in sent.messages.iter().enumerate() {
                let run = |links: &mut Links, change: &(dyn Fn(&mut Vec<u8>) + Sync)| {
                    let tamper = |server: bool, which: usize, message: &mut Vec<u8>| {
                        if server == (side == 0) && which == number {
                            change(message);
                        }
                    };
                    hosts.predict(links, Mode::AtOnce, &reads, &tamper)
                };
                let what = format!(
                    "message {number} of the {}; {}, {}, {stage:?}",
                    ["server", "client"][side],
                    sample.name,
                    protocol.name()
                );
                let open = |outcome: &Outcome| values::opened(stage, program, outcome);
                let (length, right) = (message.len(), &right);
                let (name, holds) = (protocol.name(), protocol.holds());
                damage(
                    &Case { what, name, holds, of_server: side == 0, length, right, open: &open },
                    &run,
                    links,
                );
            }
        }
    });
}

/// A message of a stage.
struct Case<'a> {
    what: String,
    /// The protocol's.
    name: &'static str,
    holds: Trust,
    of_server: bool,
    length: usize,
    right: &'a Left,
    open: &'a dyn Fn(&Outcome) -> Option<Vec<Left>>,
}

/// Protocols with messages that are bound to a check, so that a changed one is an error: labels and tables of
/// a circuit, corrections with a digest. In the others a bit of a share is as good as the other one.
const NOTICING: [&str; 2] = ["garbled", "weight_ot"];

/// On shares nothing else notices, and nothing must: a check on what a message decrypts to would tell the
/// other host.
#[test]
fn a_flipped_bit_is_an_error_or_the_right_value_or_no_panic() {
    let dice = &mut dice(3);
    let mut noticed = BTreeMap::<&str, [usize; 2]>::new();
    every_message(4, |case, run, links| {
        let bits = 8 * case.length;
        let ends = [0, bits - 1];
        let random: Vec<usize> = (ends.len()..FLIPS).map(|_| dice.random_range(0..bits)).collect();
        for bit in ends.into_iter().chain(random) {
            let outcome = run(links, &|message| message[bit / 8] ^= 1 << (bit % 8));
            let left = (case.open)(&outcome);
            noticed.entry(case.name).or_default()[usize::from(left.is_none())] += 1;
            if let (Trust::Hostile, Some(left)) = (case.holds, left) {
                assert_eq!(left, std::slice::from_ref(case.right), "bit {bit} of {}", case.what);
            }
        }
    });
    println!("unnoticed and noticed: {noticed:?}");
    for name in NOTICING {
        let [unnoticed, noticed] = noticed[name];
        assert!(noticed > 0, "{name}: none of {unnoticed} flips is noticed");
    }
}

#[test]
fn another_length_is_an_error() {
    every_message(5, |case, run, links| {
        let length = case.length;
        for other in [0, 1, length - 1, length + 1, 2 * length] {
            if other == length {
                continue;
            }
            let outcome = run(links, &|message| message.resize(other, 0x5a));
            // At the host that it goes to.
            let error = match case.of_server {
                true => outcome.client.err(),
                false => outcome.server.err(),
            };
            assert!(error.is_some(), "{other} bytes for {length}: {}", case.what);
        }
    });
}

#[test]
fn random_messages_are_no_panic() {
    use rand::Rng as _;
    every_message(6, |case, run, links| {
        let seed = case.length as u64;
        let outcome = run(links, &|message| crate::common::dice(seed).fill_bytes(message));
        if let (Trust::Hostile, Some(left)) = (case.holds, (case.open)(&outcome)) {
            assert_eq!(left, std::slice::from_ref(case.right), "{}", case.what);
        }
    });
}
