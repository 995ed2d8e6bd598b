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
/// Where a circuit changes, [`circuit::VERSION`] must rise, and with it all digests do.
const DIGESTS: &[(&str, &str, &str)] = &[
    (
        "bc1",
        "bbb402aada7ed32f3cf7c90b4d8b11dfb79930f5b65ccb58c747a2181898eca1",
        "ca1605919e739828b08f0587e4eabbb1baefede2eebadae7145d080a7e5f84d5",
    ),
    (
        "bc1_valid",
        "3864c066401d8f5e5dd8d99738efa2b9629a94f2232feebdea7235c5bfc2d61c",
        "0700769d02387d2ff94c0d685b09fe83dceda9aa34b9837fac051614bd5885d4",
    ),
    (
        "bc1_wide",
        "0ed59da67a923a811c55e74ec63557d9b2f0a487897b5b569ef46dd7999667b8",
        "c6a9d810760abf8e6bc6df1cff2a5bfd3504480ecfb10a896fec28990a27ba33",
    ),
    (
        "bh1",
        "20c4a1256801a39205e36186db40dc5b3f112c0b2ec11ca8df7ad1c1cae2bccb",
        "81a9a22ec7f265776a995483cf7cc20e89d877703e507ed6addccd77e24e8fcc",
    ),
    (
        "bh2",
        "28b2327f9a9a8a0f6e67f857fe00ca4f9308a2d08c28aad37b0c798dbc88aad7",
        "7e4bfffe36add7034d53f1ba3790f6082f35807449246b43d153c0bc6ef79b2d",
    ),
    (
        "bh3",
        "a027a1ba8b54ef1871af3f7a461a6c35d446c5e0287c9fcdd14e9309580ab612",
        "856fbef4452c260a624dce10dd07decbe8c571bff25d33e60150982247ef9c92",
    ),
    (
        "bh4",
        "a3de1092d243ca83ded1c0d29ae243d3c316c11a84d1285b30c460cd6f6aa029",
        "6804b56ec32968eab730a155295e43f7dc3b681f9d1bb85f746d7cef9505822a",
    ),
    (
        "bm1",
        "360a1250334d707d414147436d94cc5508ac8eacd65f8c17c8afabea28cbb7a9",
        "07362b3b0aff1527fd3555ed3b4ef9f682ba9c089c99044de1088e20071d1244",
    ),
    (
        "bm2",
        "98da85903de59b35e53ac69f897d4217ff37090d426b289f1f0f16c99536c9c4",
        "4dcff60ddc30ea74451ec04c7c4d901a61bc1b96535c93a099db1ce78691fe27",
    ),
    (
        "bm3",
        "5e64c43cb3e774b49fe4772f0d981af8147a95416bfda91115a1b3e56f45043e",
        "616caa9e6544c1ee0c2a1a45e56a536373539fe900c80557c34084e8e4a74e44",
    ),
    (
        "fitnet_half",
        "1dd18ceaab89d298f48125ebc6867f2ec3bed6fc12427142ce0f12787287c0df",
        "4c4f48e072b7707ebeff7c341a6ac64c6a3e631a0732460d99439e52c21e0d15",
    ),
    (
        "vgg16_half",
        "7996afe9878ee6af2a726aa5507e0e8444c10748c49626faa7c7f9ebd34acc4d",
        "c5d99642cba6d928aa2ccefbcb0331956747bd3e1bdc3dbd186e654c4995ebc0",
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
