//! The same seeds give the same bytes: a change of the messages is seen here, and is a new version of the
//! protocol.

use sha2::{Digest, Sha256};

use crate::common::{Case, rng};
use crate::layers;

/// The set-up and two predictions, and what both hosts have of them.
fn digest(case: &Case) -> String {
    let mut hash = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    let mut hosts = case.connect(case.weights(&mut rng(1)), 2);
    hosts.set_up.concat().iter().for_each(|message| add(message));
    for prediction in 0..2 {
        let t: Vec<u64> =
            (0..case.inputs() as u64).map(|i| (i * 7 + prediction) % (case.reads.span + 1)).collect();
        let outcome = hosts.predict(&t, &vec![-1; case.inputs()], &|_| {});
        outcome.sent.iter().for_each(|message| add(message));
        let server = outcome.server.unwrap();
        let (share, offsets) = server.shares().unwrap();
        share.values().iter().chain(outcome.client.values()).for_each(|y| add(&y.to_le_bytes()));
        offsets.iter().for_each(|offset| add(&offset.to_le_bytes()));
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn messages_are_the_recorded_ones() {
    let cases = layers::all();
    let found: Vec<(&str, String)> = [0, 1, 2, 9, 12, 13, 15, 17]
        .map(|number: usize| (cases[number].0, digest(&cases[number].1)))
        .to_vec();
    let recorded = [
        ("dense", "e31b5aa240f36d57"),
        ("dense of 3 planes, more than a piece", "f68ff7f8cdb95d7d"),
        ("dense ternary", "7bac8aa2e7c0edfa"),
        ("convolution", "1e6867632f26f4b1"),
        ("ternary, padded with 1", "69a212c8bb066651"),
        ("strides and dilation", "a8a82bc5e5425928"),
        ("groups", "a700d43aa57a3cdb"),
        ("one position", "8c89338db0fada0a"),
    ];
    let found: Vec<(&str, &str)> = found.iter().map(|(what, digest)| (*what, &digest[..])).collect();
    assert_eq!(found, recorded);
}
