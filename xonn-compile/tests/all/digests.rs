//! The digests of the bundled models' packages and circuits: both are the same on all machines, and a change of either
//! is made on purpose.

use std::path::Path;

use crate::common::options;
use xonn_circuits::tiled::TiledCircuit;
use xonn_compile::keras;
use xonn_compile::passes::{self, InputOptions, Options};
use xonn_program::{Digest, Package, circuit};

/// Model, digest of its package, digest of its circuit's layers and templates.
///
/// Where a circuit changes in what is garbled, [`circuit::VERSION`] must rise, and with it all digests do.
const DIGESTS: &[(&str, &str, &str)] = &[
    (
        "bc1",
        "bbb402aada7ed32f3cf7c90b4d8b11dfb79930f5b65ccb58c747a2181898eca1",
        "b767a19622bfa4a9dcee1097ab7c6f89a977ad305dc55402695b05a2181358be",
    ),
    (
        "bc1_valid",
        "3864c066401d8f5e5dd8d99738efa2b9629a94f2232feebdea7235c5bfc2d61c",
        "7faafdcbfb78abc5cb10c21f1684f7f7739168cd24915eafe72caaff0d6ab2e8",
    ),
    (
        "bc1_wide",
        "0ed59da67a923a811c55e74ec63557d9b2f0a487897b5b569ef46dd7999667b8",
        "0e13ed5825047a35d387d3f0d21b30e9329db1a117a4a5bdab09b8eb6e67ca1d",
    ),
    (
        "bh1",
        "20c4a1256801a39205e36186db40dc5b3f112c0b2ec11ca8df7ad1c1cae2bccb",
        "cb62aaf9c4b13cc1607e116d651b8816d0c3188c5fc28e732fe4f26ef11136f8",
    ),
    (
        "bh2",
        "28b2327f9a9a8a0f6e67f857fe00ca4f9308a2d08c28aad37b0c798dbc88aad7",
        "96290252042248379d15477a16ccc6325a22427d3bb0e83b5f6d9b30b5b9f271",
    ),
    (
        "bh3",
        "a027a1ba8b54ef1871af3f7a461a6c35d446c5e0287c9fcdd14e9309580ab612",
        "ce98ca10a242248654b0d728cac861430c3778a0ff641bf9c9358db50db560f6",
    ),
    (
        "bh4",
        "a3de1092d243ca83ded1c0d29ae243d3c316c11a84d1285b30c460cd6f6aa029",
        "6e95684c8a9cb7951d7cfaeb82c95937b049287a3db87ffa47ff0ad7721e6a4d",
    ),
    (
        "bm1",
        "360a1250334d707d414147436d94cc5508ac8eacd65f8c17c8afabea28cbb7a9",
        "fa2ab8f32ebd46bad26250aa1ae8548fe4ace5eca6e80562b85050e91d971ef8",
    ),
    (
        "bm2",
        "98da85903de59b35e53ac69f897d4217ff37090d426b289f1f0f16c99536c9c4",
        "5937b68ff6412bf1f162ad4947ec929db3d19dee849526d853699f2f80597a63",
    ),
    (
        "bm3",
        "5e64c43cb3e774b49fe4772f0d981af8147a95416bfda91115a1b3e56f45043e",
        "3b21063adeb5ee60d58a398877a659f1c03068bbf42eee5ecad87b91dfa665eb",
    ),
    (
        "fitnet_half",
        "1dd18ceaab89d298f48125ebc6867f2ec3bed6fc12427142ce0f12787287c0df",
        "826ed85f12f5a993fd7ae33ed6e0b59fab77d916efa27c9c3496e82445a5ec8d",
    ),
    (
        "vgg16_half",
        "7996afe9878ee6af2a726aa5507e0e8444c10748c49626faa7c7f9ebd34acc4d",
        "9b57f6368c8ff0930e8e46087be7181c1aa27c2b378f919aa90005a4f7d37da7",
    ),
];

#[test]
fn packages_and_circuits_of_the_bundled_models_are_the_recorded_ones() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    let mut found = Vec::new();
    let names = ["bc1", "bc1_valid", "bc1_wide", "bh1", "bh2", "bh3", "bh4", "bm1", "bm2", "bm3"];
    for name in names.into_iter().chain(["fitnet_half", "vgg16_half"]) {
        let graph = keras::read(&models.join(name).join("model.h5"), &options()).expect("readable");
        let standardised = ["bh1", "bh2", "bh3"].contains(&name);
        let input = InputOptions { standardised, ..InputOptions::default() };
        let compiled = passes::run(&graph, &Options { input, ..Options::default() }).expect("it compiles");
        let package = Package::new(compiled.network.program());
        let circuit = circuit::lower(package.program()).expect("it has a circuit");
        found.push((name, package.digest().to_string(), digest(&circuit)));
    }
    if std::env::var_os("XONN_PRINT_DIGESTS").is_some() {
        found
            .iter()
            .for_each(|(name, package, circuit)| println!("    ({name:?}, {package:?}, {circuit:?}),"));
    }
    let found: Vec<_> = found.iter().map(|(name, p, c)| (*name, p.as_str(), c.as_str())).collect();
    assert_eq!(found, DIGESTS);
}

/// Of all gates of all templates, and of all that says how they are wired.
fn digest(circuit: &TiledCircuit) -> String {
    let mut all = format!("{} {} {:?}", circuit.input_bits(), circuit.secret_bits(), circuit.layers());
    for template in circuit.templates() {
        all += &Digest(template.digest()).to_string();
    }
    Digest::of(all.as_bytes()).to_string()
}
