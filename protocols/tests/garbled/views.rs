//! What the server sees of a client: bits that are uniform and masked once, whatever the input and the shares
//! are.

use xonn_crypto::garble::Scheme;
use xonn_program::evaluate::tensors;
use xonn_protocols::value::{ClientValue, Form, ServerValue};

use crate::common::{Hosts, Links, dice, ring, share, stage};
use crate::programs;

/// Length of the digest in front of the bits.
const DIGEST: usize = 32;

#[test]
fn each_bit_that_the_server_sees_is_as_often_one_as_zero() {
    const RUNS: usize = 400;
    let (dice, links) = (&mut dice(71), &mut Links::new(1 << 16));
    let program = programs::image();
    let model = programs::model(&program, dice);
    let layers: Vec<usize> = (1..program.layers().len()).collect();
    // Inputs and shares of zeros alone, and of ones alone.
    for code in [0, 1] {
        let sample = vec![code; program.input().elements()];
        let ring = ring(&program, 2, dice);
        let (server, client) = share(&tensors(program.layers(), &model, &sample)[2], ring, dice);
        let reads = vec![(0, Form::Client), (2, Form::Shares(ring))];
        let values = [(ServerValue::Nothing, ClientValue::Clear(sample.into())), (server, client)];
        let hosts = Hosts::new(&stage(layers.clone(), reads, Scheme::HalfGates), &program, &model);
        let mut ones: Vec<Vec<usize>> = Vec::new();
        for _ in 0..RUNS {
            let [_, messages] = hosts.predict(links, &values, &|_, _, _| {}).messages;
            ones.resize(messages.len(), Vec::new());
            for (ones, message) in ones.iter_mut().zip(&messages) {
                let payload = &message[DIGEST..];
                ones.resize(8 * payload.len(), 0);
                for (bit, ones) in ones.iter_mut().enumerate() {
                    *ones += usize::from(payload[bit / 8] >> (bit % 8) & 1);
                }
            }
        }
        // The choices have one row more than there are shares; the rest of the last byte is padding.
        let bits = [hosts.client.rows().leaves - program.input().bit_count(), program.input().bit_count()];
        for (ones, bits) in ones.iter().zip(bits) {
            let (used, padding) = ones.split_at(bits);
            assert!(padding.iter().all(|&ones| ones == 0));
            // Five standard deviations of 10.
            assert!(used.iter().all(|ones| (RUNS / 2 - 50..=RUNS / 2 + 50).contains(ones)), "{used:?}");
        }
    }
}
