//! What a stage sends is what `cost` says.

use xonn_crypto::garble::Scheme;
use xonn_protocols::garbled::{Cost, Garbled, cost};
use xonn_protocols::protocol::Protocol as _;
use xonn_protocols::value::{Form, Ring};

use crate::common::{Hosts, Links, cut, dice, held, stage};
use crate::programs;

#[test]
fn every_message_is_as_long_as_its_cost() {
    let links = &mut Links::new(1 << 15);
    let dice = &mut dice(31);
    for program in programs::all() {
        let model = programs::model(&program, dice);
        let sample = programs::sample(&program, dice);
        for at in 0..program.layers().len() {
            let (layers, reads) = cut(&program, at);
            let (held, values) = held((&program, &model), &sample, &reads, dice);
            for scheme in Scheme::ALL {
                let stage = stage(layers.clone(), held.clone(), scheme);
                let cost = cost(&stage, &program, scheme).unwrap();
                let hosts = Hosts::new(&stage, &program, &model);
                assert_eq!(hosts.client.rows(), cost.rows);
                let outcome = hosts.predict(links, &values, &|_, _, _| {});
                outcome.output.unwrap();
                let length = |messages: &[Vec<u8>]| messages.iter().map(|m| m.len() as u64).sum::<u64>();
                let [server, client] = outcome.messages;
                let (down, four) = server.split_last().unwrap();
                assert_eq!([length(four), down.len() as u64], [cost.four, cost.down]);
                assert_eq!([length(&client[..1]), length(&client[1..])], [cost.three, cost.up]);
                let reads_input = held.iter().any(|(_, form)| *form == Form::Client);
                assert_eq!(client.len(), 1 + usize::from(reads_input));
                assert_eq!([cost.ahead(), cost.online()], [cost.three + cost.four, cost.up + cost.down]);
                let general = Garbled.cost(&stage, &program).unwrap();
                assert_eq!([general.offline.up, general.offline.down], [cost.three, cost.four]);
                assert_eq!([general.online.up, general.online.down], [cost.up, cost.down]);
                // A message to the client, and one before it if the input is its own.
                assert_eq!(2.0 * general.online.rounds, client.len() as f64);
                assert_eq!(general.rows, cost.rows);
            }
        }
    }
}

/// What an argmax of so many numbers of 13 bits on shares costs.
fn argmax(classes: usize, scheme: Scheme) -> Cost {
    use xonn_program::op::{Linear, Planes};
    use xonn_program::{InputEncoding, Kind, Layer, Op, OutputEncoding, Program, Range};
    let shape = vec![4095];
    let input =
        InputEncoding { shape, bits: 1, signed: false, scale: 1.0, zero: 0, features: vec![], tokens: false };
    let kind = |lo, hi| Kind::Int(Range { lo, hi });
    let layers = vec![
        Layer { op: Op::Input, reads: vec![], shape: vec![4095], kind: kind(0, 1), secret: None },
        Layer {
            op: Op::Linear(Linear::dense(4095, classes, Planes::Sign)),
            reads: vec![0],
            shape: vec![classes],
            kind: kind(-4096, 4095),
            secret: Some(0),
        },
    ];
    let output = OutputEncoding::Argmax { classes: classes as u32 };
    let program = Program::new(input, layers, output).unwrap();
    let ring = Ring { bits: 13, fraction: 0, terms: 0, step: 1, span: 8191 };
    cost(&stage(vec![1], vec![(1, Form::Shares(ring))], scheme), &program, scheme).unwrap()
}

/// The figures of `docs/protocols/garbled.md`.
#[test]
fn an_argmax_on_shares_costs_what_the_documents_say() {
    let costs = |classes| {
        let [half, three] = [Scheme::HalfGates, Scheme::ThreeHalves].map(|scheme| argmax(classes, scheme));
        assert_eq!([half.three, half.up, half.down], [three.three, three.up, three.down]);
        [half.four, three.four, three.three, three.down]
    };
    assert_eq!(costs(10), [13_232, 10_666, 32 + 17, 130 * 16 + 4 * 32]);
    assert_eq!(costs(100), [144_208, 115_770, 32 + 163, 1300 * 16 + 7 * 32]);
    assert_eq!(costs(1000), [1_454_480, 1_167_210, 32 + 1626, 13_000 * 16 + 10 * 32]);
}
