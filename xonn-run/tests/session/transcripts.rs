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
    ("netlist, half gates", "391c8584989bba970c02ab72844fae58f4a53c4733858278355e4bb0b12d6200"),
    ("netlist, three halves", "4199288d1aff3231408419ab14a61f1c028906090fc43f63ba253e3ab4a29dc0"),
    ("netlist, half gates, ahead", "3539b39d64a53570acb18ccc8b8ea255d25bded5d672092b89dcf439b3984436"),
    ("layer, half gates, package", "a39a028d06afc7b4768ea8e94fd86a7d60d1928ef90fa97902b62023c845ca96"),
    ("layer, three halves, ahead", "4ac51b427f0146b79335dd9b56e0f1fed71772715583240c0248794359a39804"),
    ("numbers, half gates", "ade73f8ac8532b25377e3c17184ddac26f7f3014d67c7c4419d9ba6d68564791"),
    ("numbers, half gates, oca", "c50aeef86e8bfe1b4e997e63e5eb23dd0a1037ec289d9719321c153f8ee7e759"),
    (
        "numbers, three halves, oca, package",
        "7da5101f92abd84370460837c6221dabdadc24b9efd01a7846a3599d750804b4",
    ),
    ("numbers, three halves, oca, ahead", "e67d7b01bc89868fad078dab938a8440841754e5f3a8b1ffedfac9efee91c347"),
    ("numbers, shares", "f77b5cc945129ef2653dff9b2b30641b0d7cd4377aa36651b95b21975ba2e0c4"),
    ("classes, shares, package, ahead", "ec1bd199d521591461e12b93880f269b790a18efa0c2b8a1091bc86a01f429bc"),
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
