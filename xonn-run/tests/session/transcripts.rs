//! Every byte of whole sessions for fixed seeds, as SHA-256: what is moved or renamed leaves the wire as it
//! is.
//!
//! A change of the wire changes these digests and says so in the changelog; `XONN_PRINT_TRANSCRIPTS=1` prints
//! the new ones.

use sha2::{Digest as _, Sha256};
use xonn_crypto::garble::Scheme;
use xonn_run::session::{FirstLayer, Limits};

use crate::fixture::{Fixture, addition, neurons, numbers, on_shares};
use crate::programs::{self, Numbers};

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
    let (garbled, oca, shares) = (FirstLayer::Gc, FirstLayer::Oca, FirstLayer::Shares);
    let classes = programs::classes(10, 3, 9, 4);
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
        ("numbers, shares", by(on_shares(&conv.program(), 1), half, shares, 0), false),
        ("classes, shares, package, ahead", by(on_shares(&classes, 2), half, shares, 2), true),
    ]
}

/// Digests of all that the client sent and of all that the server sent.
const RECORDED: &[(&str, &str)] = &[
    ("netlist, half gates", "f0d9a4b08fffb0c52fbb0b20cbe87abd8f4ce55020879ce5d206125d4e2769bc"),
    ("netlist, three halves", "616247fd2d603acfaaae768696b9be28ee63fb3c7bdd8f67f288e44629df0e48"),
    ("netlist, half gates, ahead", "39bdd3b66173ca1b6975fdf0137fb0b661f120e4d7524f8217f048b2acd3c0f3"),
    ("layer, half gates, package", "44074402c235ee794bc70def14c53b40a9c2d03a4dad3145ce904b2ae6df755b"),
    ("layer, three halves, ahead", "c1e65252fe435fc02c5013a3cf5de13bbfc51d71c2bf292330f9b42b37c40932"),
    ("numbers, half gates", "7a45f1c34c38cb3f8675810765aa1a26f663509bc8ea68c80771573ffe6e0625"),
    ("numbers, half gates, oca", "2f784b247cfa578a9ebcaf800bed4e508a24e52cd3977d78805d2711b5d9586b"),
    (
        "numbers, three halves, oca, package",
        "5af33259008dfdf427bfc8334308675614c35d44c422a4ec93711375ee522539",
    ),
    ("numbers, three halves, oca, ahead", "df2473a2dbb1b4ab54bb716d5c045b7219339081d9e7d5c427ec9510061fe785"),
    ("numbers, shares", "b62d7a57bf8e9f6266db6f5cd42b8710f93723dd927c10f7ee17e5ecc768c5e3"),
    ("classes, shares, package, ahead", "f4ba9c193de649e9b4b79ea590f5a32d4cf182076dc8c500c67e31d51529bb88"),
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
