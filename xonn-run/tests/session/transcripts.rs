//! Every byte of whole sessions for fixed seeds, as SHA-256: what is moved or renamed leaves the wire as it is.
//!
//! A change of the wire changes these digests and says so in the changelog; `XONN_PRINT_TRANSCRIPTS=1` prints the
//! new ones.

use sha2::{Digest as _, Sha256};
use xonn_crypto::garble::Scheme;
use xonn_run::oca::FirstLayer;
use xonn_run::session::Limits;

use crate::fixture::{Fixture, addition, neurons, numbers};
use crate::programs::Numbers;

/// What a session is called here, how it goes, and whether the client asks for the package first.
fn sessions() -> Vec<(&'static str, Fixture, bool)> {
    let by = |fixture: Fixture, scheme: Scheme, form: FirstLayer, ahead: u16| Fixture {
        schemes: vec![scheme],
        first_layers: vec![form],
        ahead: [ahead, ahead],
        ..fixture
    };
    let dense = Numbers::dense(30, 8, 12);
    let conv = Numbers { positions: 20, filters: 3, taps: 5, padded: true, also_input: true, ..dense };
    let (half, three) = (Scheme::HalfGates, Scheme::ThreeHalves);
    let (garbled, oca) = (FirstLayer::Gc, FirstLayer::Oca);
    vec![
        ("netlist, half gates", by(addition(), half, garbled, 0), false),
        ("netlist, three halves", by(addition(), three, garbled, 0), false),
        ("netlist, half gates, ahead", by(addition(), half, garbled, 2), false),
        ("layer, half gates, package", by(neurons(64), half, garbled, 0), true),
        ("layer, three halves, ahead", by(neurons(64), three, garbled, 2), false),
        ("numbers, half gates", by(numbers(&conv), half, garbled, 0), false),
        ("numbers, half gates, oca", by(numbers(&conv), half, oca, 0), false),
        ("numbers, three halves, oca, package", by(numbers(&conv), three, oca, 0), true),
        ("numbers, three halves, oca, ahead", by(numbers(&conv), three, oca, 2), false),
    ]
}

/// Digests of all that the client sent and of all that the server sent.
const RECORDED: &[(&str, &str)] = &[
    ("netlist, half gates", "cc4bb4895fb244b764121b1070b7c0b7811c573f56fdebd30144b46b02263935"),
    ("netlist, three halves", "5a38a345e9ecd56212deb1fb4b6d21edd434d3c664a9c74dfc74a2d0694d0a64"),
    ("netlist, half gates, ahead", "0feef3ec2cf508e9c625fde4af5f6b32aaec7eb9be5a42125238c07fe702a69f"),
    ("layer, half gates, package", "a895ce8c4cd76e5d8ef990e90f329aec6731ca7c61da331d71c2a22ed6b1af9c"),
    ("layer, three halves, ahead", "c491e7d80f28ec2fb2363c971a665e54b3eb7fe43543fa514f167596abd21b36"),
    ("numbers, half gates", "55866498bc80a7323250bbc73a3745bb80450be8d238fb6c2b35f7931ad3fac4"),
    ("numbers, half gates, oca", "bacd320eb1612f50f7cbe36c726e863514626bca0e3be0816b44dfa0da0f3d32"),
    (
        "numbers, three halves, oca, package",
        "09e8f6ce05f9edcd1cc27bb3f12d3ebb8eadab7414ce3ee57e1ae0d50d0f196f",
    ),
    ("numbers, three halves, oca, ahead", "7b414f80ad4f9221cfb75b9f4a561a4e46d55cad2fb618f26313afaee5e1207c"),
];

#[test]
fn every_byte_of_a_session_is_the_recorded_one() {
    let print = std::env::var_os("XONN_PRINT_TRANSCRIPTS").is_some();
    let mut found = Vec::new();
    for (name, fixture, fetch) in sessions() {
        let outcome = fixture.converse(None, &Limits::default(), fetch);
        assert_eq!(outcome.client.expect("nothing is wrong").outputs, fixture.wants, "{name}");
        let mut hash = Sha256::new();
        for bytes in [&outcome.to_server, &outcome.to_client] {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        }
        let digest: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        if print {
            println!("    ({name:?}, \"{digest}\"),");
        }
        found.push((name, digest));
    }
    let found: Vec<(&str, &str)> = found.iter().map(|(name, digest)| (*name, digest.as_str())).collect();
    assert_eq!(found, RECORDED);
}
