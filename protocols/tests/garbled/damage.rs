//! Messages that are damaged or made up: an error or the right output, never a panic.

use rand::{Rng as _, RngExt as _};
use xonn_crypto::garble::{EvaluateError, Scheme};
use xonn_program::Program;
use xonn_protocols::protocol::ProtocolError;

use crate::common::{Hosts, Links, Reads, dice, held, share, stage};
use crate::programs;

/// A stage that reads the client's own input and shares, its values, and the right output.
#[derive(Clone)]
struct Case {
    hosts: Hosts,
    values: Reads,
    right: Vec<bool>,
    messages: [Vec<Vec<u8>>; 2],
}

fn case(program: &Program, layers: Vec<usize>, reads: &[usize], scheme: Scheme, links: &mut Links) -> Case {
    let dice = &mut dice(41);
    let model = programs::model(program, dice);
    let sample = programs::sample(program, dice);
    let (held, values) = held((program, &model), &sample, reads, dice);
    let hosts = Hosts::new(&stage(layers, held, scheme), program, &model);
    let outcome = hosts.predict(links, &values, &|_, _, _| {});
    let right = outcome.output.unwrap();
    assert_eq!(program.output().decode(&right), programs::expected(program, &model, &sample));
    Case { hosts, values, right, messages: outcome.messages }
}

fn cases(links: &mut Links) -> Vec<Case> {
    let image = programs::image();
    let mut cases = vec![
        case(&programs::labels(), vec![4, 5], &[3], Scheme::ThreeHalves, links),
        case(&programs::scores(), (1..=4).collect(), &[0], Scheme::HalfGates, links),
        case(&image, (1..image.layers().len()).collect(), &[0, 2], Scheme::ThreeHalves, links),
    ];
    for Case { hosts, values, right, messages } in cases.clone() {
        let hosts = hosts.at_once();
        let outcome = hosts.predict(links, &values, &|_, _, _| {});
        assert_eq!(outcome.output.unwrap(), right);
        // The same bytes in other messages.
        let bytes = |all: &[Vec<Vec<u8>>; 2]| all.each_ref().map(|all| all.concat().len());
        assert_eq!(bytes(&outcome.messages), bytes(&messages));
        cases.push(Case { hosts, values, right, messages: outcome.messages });
    }
    cases
}

#[test]
fn a_flipped_bit_gives_an_error_or_the_right_output() {
    let links = &mut Links::new(1 << 17);
    let dice = &mut dice(42);
    for case in cases(links) {
        let [mut noticed, mut unharmed] = [0, 0];
        for (side, messages) in case.messages.iter().enumerate() {
            for (number, message) in messages.iter().enumerate() {
                // All bits of short messages.
                let bits: Vec<usize> = match 8 * message.len() {
                    few @ ..400 => (0..few).collect(),
                    all => (0..60).map(|_| dice.random_range(0..all)).collect(),
                };
                for bit in bits {
                    let flip = |server: bool, which: usize, message: &mut Vec<u8>| {
                        if server == (side == 0) && which == number {
                            message[bit / 8] ^= 1 << (bit % 8);
                        }
                    };
                    match case.hosts.predict(links, &case.values, &flip).output {
                        Ok(output) => {
                            assert_eq!(output, case.right, "bit {bit} of message {number} of host {side}");
                            unharmed += 1;
                        }
                        Err(_) => noticed += 1,
                    }
                }
            }
        }
        assert!(noticed > 100 && unharmed > 10, "{noticed} {unharmed}");
    }
}

#[test]
fn the_client_sends_the_same_whatever_the_server_sends() {
    for case in cases(&mut Links::new(1 << 12)) {
        // The same rows and choices each time.
        let run = |tamper: crate::common::Tamper<'_>| {
            case.hosts.predict(&mut Links::new(1 << 12), &case.values, tamper)
        };
        let right = run(&|_, _, _| {});
        let [of_server, of_client] = right.messages;
        for number in 0..of_server.len() {
            let fill = |server: bool, which: usize, message: &mut Vec<u8>| {
                if server && which == number {
                    message.fill(0xa5);
                }
            };
            let outcome = run(&fill);
            outcome.server.unwrap();
            assert_eq!(outcome.messages[1], of_client);
            match outcome.output {
                Err(ProtocolError::Evaluate(EvaluateError::WrongLabel { .. })) => {}
                // Tables of gates that were not looked at.
                Ok(output) => assert_eq!(output, case.right),
                Err(other) => panic!("{other}"),
            }
        }
    }
}

/// A circuit whose tables are several messages.
#[test]
fn a_late_table_is_as_good_as_an_early_one() {
    let links = &mut Links::new(1 << 15);
    let mut made = programs::Made::new(&[64], 8, false);
    let sums = made.dense(0, 60, programs::SIGNS);
    let bits = made.threshold(sums);
    made.dense(bits, 5, programs::SIGNS);
    let program = made.finish(xonn_program::OutputEncoding::Argmax { classes: 5 });
    for scheme in Scheme::ALL {
        let case = case(&program, (1..program.layers().len()).collect(), &[0], scheme, links);
        let tables = 1..case.messages[0].len() - 1;
        assert!(tables.len() > 1, "{} tables", tables.len());
        let seen = tables.clone().filter(|&number| {
            let fill = |server: bool, which: usize, message: &mut Vec<u8>| {
                if server && which == number {
                    message.fill(0x5a);
                }
            };
            match case.hosts.predict(links, &case.values, &fill).output {
                Ok(output) => {
                    assert_eq!(output, case.right);
                    false
                }
                Err(_) => true,
            }
        });
        assert_eq!(seen.count(), tables.len());
        // A client that hangs up in front of the tables holds no server up.
        let cut = |server: bool, which: usize, message: &mut Vec<u8>| {
            if server && which == 0 {
                message.clear();
            }
        };
        let outcome = case.hosts.predict(links, &case.values, &cut);
        assert!(outcome.output.is_err());
        assert!(matches!(outcome.server, Err(ProtocolError::Wire(_))), "{:?}", outcome.server);
    }
}

/// What a host does in another order is an error of its own.
#[test]
fn phases_out_of_turn_are_errors() {
    use xonn_protocols::protocol::Phase;
    let links = &mut Links::new(1 << 12);
    for (phases, at_server, at_client) in [
        (vec![], "the garbled circuit", "the garbled circuit"),
        (vec![Phase::One, Phase::Two], "the garbled circuit", "the garbled circuit"),
        (vec![Phase::Four], "choices of labels", "choices of labels"),
        (vec![Phase::Three, Phase::Four, Phase::Four], "choices of labels", "choices of labels"),
    ] {
        for mut case in cases(links) {
            case.hosts.phases = phases.clone();
            let outcome = case.hosts.predict(links, &case.values, &|_, _, _| {});
            let [server, client] =
                [outcome.server.unwrap_err().to_string(), outcome.output.unwrap_err().to_string()];
            assert!(server.contains(at_server) && client.contains(at_client), "{server}; {client}");
        }
    }
}

#[test]
fn another_length_is_an_error() {
    let links = &mut Links::new(1 << 16);
    for case in cases(links) {
        for (side, messages) in case.messages.iter().enumerate() {
            for (number, message) in messages.iter().enumerate() {
                for length in [0, 1, message.len() - 1, message.len() + 1, 2 * message.len()] {
                    let resize = |server: bool, which: usize, message: &mut Vec<u8>| {
                        if server == (side == 0) && which == number {
                            message.resize(length, 0x5a);
                        }
                    };
                    let outcome = case.hosts.predict(links, &case.values, &resize);
                    let error = if side == 0 { outcome.output.err() } else { outcome.server.err() };
                    let error = error.expect("an error").to_string();
                    assert!(
                        error.contains(&format!("{length} bytes, expected {}", message.len())),
                        "{error}"
                    );
                }
            }
        }
    }
}

#[test]
fn random_messages_of_the_right_length_are_no_output() {
    let links = &mut Links::new(1 << 16);
    let seeds = &mut dice(44);
    for case in cases(links) {
        for (side, messages) in case.messages.iter().enumerate() {
            for number in 0..messages.len() {
                let seed: u64 = seeds.random();
                let random = |server: bool, which: usize, message: &mut Vec<u8>| {
                    if server == (side == 0) && which == number {
                        crate::common::dice(seed).fill_bytes(message);
                    }
                };
                let outcome = case.hosts.predict(links, &case.values, &random);
                if let Ok(output) = outcome.output {
                    assert_eq!(output, case.right);
                }
            }
        }
    }
}

/// Shares that are not what the stage reads are errors at the host that has them.
#[test]
fn shares_of_another_tensor_are_errors() {
    let links = &mut Links::new(1 << 14);
    let case = &cases(links)[0];
    let ring = crate::common::ring(&programs::labels(), 3, &mut dice(1));
    let (server, client) = share(&[1, -1], ring, &mut dice(2));
    let mut values = case.values.clone();
    values[0].1 = client;
    let outcome = case.hosts.predict(links, &values, &|_, _, _| {});
    assert!(outcome.output.unwrap_err().to_string().contains("2 elements"));
    values[0] = (server, case.values[0].1.clone());
    let outcome = case.hosts.predict(links, &values, &|_, _, _| {});
    assert!(outcome.server.unwrap_err().to_string().contains("2 elements"));
}
