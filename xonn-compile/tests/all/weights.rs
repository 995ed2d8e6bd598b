//! The same weights in every form in which Keras and h5py store them give the same network.

use crate::common::{compile, fixture, options, samples};
use xonn_compile::check;
use xonn_compile::keras::{self, ReadOptions};
use xonn_compile::network::Network;
use xonn_compile::passes::{self, Options};

/// The public program and the secret bits: everything that weights decide.
fn lowered(network: &Network) -> (Vec<bool>, String) {
    let lowered = network.lower().expect("it has a circuit");
    (lowered.secret, format!("{:?}", lowered.circuit.layers()))
}

#[test]
fn number_formats_and_shards_change_nothing() {
    let reference = compile(&fixture("stored_float32.keras")).expect("it compiles");
    let (data, q) = samples(&fixture("stored.npz"), reference.input());
    let report = check::compare(&data, &reference.evaluate(&q).expect("in range")).expect("the data fits");
    assert_eq!(report.equal_to_keras, Some(64));
    for name in [
        "stored_float16.keras",
        "stored_bfloat16.keras",
        "stored_float64.keras",
        "stored_big_endian.keras",
        "sharded.json",
        "sharded.keras",
    ] {
        let network = compile(&fixture(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(lowered(&network) == lowered(&reference), "{name}: other weights");
    }
    // Other weights are noticed by this comparison.
    let other = compile(&fixture("keras3_stock.keras")).expect("it compiles");
    assert!(lowered(&other).0 != lowered(&reference).0);
}

#[test]
fn a_list_of_shards_may_lie_elsewhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = folder.path().join("m.json");
    std::fs::copy(fixture("sharded.json"), &model).expect("it can be copied");
    let weights = Some(fixture("sharded.weights.json"));
    let graph = keras::read(&model, &ReadOptions { weights, ..options() }).expect("it can be read");
    let network = passes::run(&graph, &Options::default()).expect("it compiles").network;
    let reference = compile(&fixture("stored_float32.keras")).expect("it compiles");
    assert!(lowered(&network) == lowered(&reference));
}

#[test]
fn weights_beside_a_configuration_are_found_by_its_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = folder.path().join("m.json");
    let archive = std::fs::File::open(fixture("stored_float32.keras")).expect("readable");
    let mut archive = zip::ZipArchive::new(archive).expect("it is an archive");
    for (entry, name) in [("config.json", "m.json"), ("model.weights.h5", "m.weights.h5")] {
        let mut file = std::fs::File::create(folder.path().join(name)).expect("writable");
        std::io::copy(&mut archive.by_name(entry).expect("it is there"), &mut file).expect("writable");
    }
    let graph = keras::read(&model, &options()).expect("it can be read");
    let network = passes::run(&graph, &Options::default()).expect("it compiles").network;
    assert!(lowered(&network) == lowered(&compile(&fixture("stored_float32.keras")).expect("it compiles")));
}

/// Configurations that say neither how kernels are quantised nor how long they are; latent zeros are +1 by
/// the map.
#[test]
fn classes_of_ones_own_are_what_the_custom_map_says() {
    for name in ["own_classes.keras", "own_classes.h5"] {
        let network = compile(&fixture(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let (data, q) = samples(&fixture("own_classes.npz"), network.input());
        let report = check::compare(&data, &network.evaluate(&q).expect("in range")).expect("the data fits");
        assert_eq!(report.equal_to_keras, Some(48), "{name}");

        let mut options = options();
        options.custom.insert("own>Product".into(), "QuantDense".into());
        let error =
            keras::read(&fixture(name), &options).expect_err("nothing says how kernels are quantised");
        assert!(error.to_string().contains("QuantDense(ste_sign)"), "{name}: {error}");
        options.custom.insert("own>Product".into(), "BinaryDense".into());
        let other = keras::read(&fixture(name), &options).expect("it can be read");
        let other = passes::run(&other, &Options::default()).expect("it compiles").network;
        assert!(lowered(&other).0 != lowered(&network).0, "{name}: a latent 0 is -1 in BinaryNet");
    }
}
