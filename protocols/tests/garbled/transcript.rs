//! The same seeds give the same bytes: a change of the messages is seen here, and is a new version of the
//! protocol.

use sha2::{Digest as _, Sha256};
use xonn_crypto::garble::Scheme;

use crate::common::{Hosts, Links, cut, dice, held, stage};
use crate::programs;

/// All cuts of all programs, the input being the client's own: the server's messages, then the client's.
fn transcript(scheme: Scheme) -> String {
    let (dice, links) = (&mut dice(61), &mut Links::new(1 << 14));
    let mut hash = Sha256::new();
    for program in programs::all() {
        let model = programs::model(&program, dice);
        let sample = programs::sample(&program, dice);
        for at in 0..program.layers().len() {
            let (layers, reads) = cut(&program, at);
            let (held, values) = held((&program, &model), &sample, &reads, dice);
            let hosts = Hosts::new(&stage(layers, held, scheme), &program, &model);
            let outcome = hosts.predict(links, &values, &|_, _, _| {});
            assert_eq!(
                program.output().decode(&outcome.output.unwrap()),
                programs::expected(&program, &model, &sample)
            );
            for message in outcome.messages.iter().flatten() {
                hash.update((message.len() as u64).to_le_bytes());
                hash.update(message);
            }
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn messages_are_the_recorded_ones() {
    assert_eq!(
        [Scheme::HalfGates, Scheme::ThreeHalves].map(transcript),
        [
            "5054c5037c2f0aef26c5b11f34b20518610e924ec41e09d384392f687b6b7d01",
            "b7863ddb58e3f5ee545ab5fc5769063e0ce634135a2163988c978465a03d5a1d"
        ]
    );
}
