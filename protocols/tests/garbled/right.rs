//! Every cut of every program gives what the program gives.

use rand::RngExt as _;
use xonn_crypto::garble::Scheme;
use xonn_program::evaluate::tensors;
use xonn_protocols::value::{ClientValue, Form, ServerValue};

use crate::common::{Hosts, Links, cut, dice, ring, share, stage};
use crate::programs;

#[test]
fn any_run_gives_what_the_program_gives() {
    let dice = &mut dice(5);
    let links = &mut Links::new(1 << 16);
    let mut tried = 0;
    for program in programs::all() {
        for at in 0..program.layers().len() {
            let (layers, reads) = cut(&program, at);
            for (round, scheme) in Scheme::ALL.into_iter().cycle().take(3).enumerate() {
                // The input is the client's own or in shares.
                let form = |&layer: &usize| match (layer, round) {
                    (0, 0 | 1) => (layer, Form::Client),
                    _ => {
                        (layer, Form::Shares(ring(&program, layer, &mut crate::common::dice(dice.random()))))
                    }
                };
                let held: Vec<_> = reads.iter().map(form).collect();
                let tensors_of = programs::model(&program, dice);
                let kept = Hosts::new(&stage(layers.clone(), held.clone(), scheme), &program, &tensors_of);
                let at_once = kept.clone().at_once();
                for hosts in [&kept, &at_once, &kept, &at_once] {
                    let sample = programs::sample(&program, dice);
                    let all = tensors(program.layers(), &tensors_of, &sample);
                    let value = |&(layer, form): &(usize, Form)| match form {
                        Form::Shares(ring) => {
                            share(&all[layer], ring, &mut crate::common::dice(dice.random()))
                        }
                        _ => (ServerValue::Nothing, ClientValue::Clear(sample.clone().into())),
                    };
                    let values: Vec<_> = held.iter().map(value).collect();
                    let outcome = hosts.predict(links, &values, &|_, _, _| {});
                    outcome.server.unwrap();
                    let output = program.output().decode(&outcome.output.unwrap());
                    let expected = programs::expected(&program, &tensors_of, &sample);
                    assert_eq!(output, expected, "layers {layers:?} of {held:?} with {scheme}");
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 150, "{tried}");
}
