//! Every byte of whole sessions for fixed seeds, as SHA-256: what is moved or renamed leaves the wire as it is.
//!
//! A change of the wire changes these digests and says so in the changelog; `XONN_PRINT_TRANSCRIPTS=1` prints the
//! new ones.

use sha2::{Digest as _, Sha256};
use xonn_run::bench::FirstLayerShape;
use xonn_run::garble::Scheme;
use xonn_run::oca::FirstLayer;
use xonn_run::session::Limits;

use crate::fixture::{Fixture, addition, neurons, numbers};

/// What a session is called here, how it goes, and whether the client asks for the package first.
fn sessions() -> Vec<(&'static str, Fixture, bool)> {
    let by = |fixture: Fixture, scheme: Scheme, form: FirstLayer, ahead: u16| Fixture {
        schemes: vec![scheme],
        first_layers: vec![form],
        ahead: [ahead, ahead],
        ..fixture
    };
    let dense = FirstLayerShape::dense(30, 8, 12);
    let conv = FirstLayerShape { positions: 20, filters: 3, taps: 5, padded: true, also_bits: true, ..dense };
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
    ("layer, half gates, package", "92c3d636804e7c2aa64775a64a1d90d287b6fec42c9eddaf8b0397555cc72723"),
    ("layer, three halves, ahead", "abc7fae52feb6ad842dc5c94c63d5987f7c6314d360e1de8fcb9be9e3ed5cf9a"),
    ("numbers, half gates", "4c1ec6fdac62dfeca96d0ce35e681dd756defba11b10e256f098c06af2e804ed"),
    ("numbers, half gates, oca", "b6a5ce5e6513d6c633e225ad67669900cce11cbfa5fdf3ec9afb9e0b6f43d39f"),
    (
        "numbers, three halves, oca, package",
        "3b0085a05daeaa30f2aabd28bb95dc17214b3c22bf7298a120e049784b30bf53",
    ),
    ("numbers, three halves, oca, ahead", "6c3d6e4355cf7434bc5f1704764a2cdd13331b5959aa64caa8e0e67a64be777c"),
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
