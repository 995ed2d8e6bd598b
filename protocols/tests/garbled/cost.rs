//! What a stage sends is what `cost` says.

use xonn_crypto::garble::Scheme;
use xonn_program::evaluate::tensors;
use xonn_protocols::garbled::{Garbled, cost};
use xonn_protocols::protocol::Protocol as _;
use xonn_protocols::value::{ClientValue, Form, ServerValue};

use crate::common::{Hosts, Links, cut, dice, ring, share, stage};
use crate::programs;

#[test]
fn every_message_is_as_long_as_its_cost() {
    let links = &mut Links::new(1 << 15);
    let dice = &mut dice(31);
    for program in programs::all() {
        let model = programs::model(&program, dice);
        let sample = programs::sample(&program, dice);
        let all = tensors(program.layers(), &model, &sample);
        for at in 0..program.layers().len() {
            let (layers, reads) = cut(&program, at);
            let mut held = Vec::new();
            let mut values = Vec::new();
            for layer in reads {
                if layer == 0 {
                    held.push((layer, Form::Client));
                    values.push((ServerValue::Nothing, ClientValue::Clear(sample.clone().into())));
                } else {
                    let ring = ring(&program, layer, dice);
                    held.push((layer, Form::Shares(ring)));
                    values.push(share(&all[layer], ring, dice));
                }
            }
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

/// Ten classes of 13 bits: a few kilobytes.
#[test]
fn an_argmax_of_ten_on_shares() {
    use xonn_program::op::{Linear, Planes};
    use xonn_program::{InputEncoding, Kind, Layer, Op, OutputEncoding, Program, Range};
    let input =
        InputEncoding { shape: vec![4095], bits: 1, signed: false, scale: 1.0, zero: 0, features: vec![] };
    let kind = |lo, hi| Kind::Int(Range { lo, hi });
    let layers = vec![
        Layer { op: Op::Input, reads: vec![], shape: vec![4095], kind: kind(0, 1), secret: None },
        Layer {
            op: Op::Linear(Linear::dense(4095, 10, Planes::Sign)),
            reads: vec![0],
            shape: vec![10],
            kind: kind(-4096, 4095),
            secret: Some(0),
        },
    ];
    let program = Program::new(input, layers, OutputEncoding::Argmax { classes: 10 }).unwrap();
    let ring = xonn_protocols::value::Ring { bits: 13, fraction: 0, terms: 0, step: 1, span: 8191 };
    let stage = stage(vec![1], vec![(1, Form::Shares(ring))], Scheme::ThreeHalves);
    let cost = cost(&stage, &program, Scheme::ThreeHalves).unwrap();
    assert_eq!((cost.three, cost.up, cost.down), (32 + 17, 0, 130 * 16 + 4 * 32));
    // 16 bytes a bit of the client's shares and the start point; 24.625 bytes an AND of the adders, comparisons and
    // selections.
    assert!((8_000..11_000).contains(&cost.four), "{cost:?}");
}
