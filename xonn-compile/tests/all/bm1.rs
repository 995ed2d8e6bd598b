//! The bundled model on the real test set, where that is at hand.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::common::compile;
use xonn_circuits::tiled::evaluate::evaluate;
use xonn_program::data;
use xonn_program::package::Package;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The 10,000 test images, 784 bytes each; `None`, and a word why, if the data is not there.
fn test_images() -> Option<Vec<u8>> {
    let folder = std::env::var_os("XONN_DATA").map_or_else(|| root().join("../shared/data"), PathBuf::from);
    let file = folder.join("mnist/t10k-images-idx3-ubyte.gz");
    let Ok(compressed) = std::fs::read(&file) else {
        eprintln!("skipped: {} is not there, set XONN_DATA to a folder with mnist/", file.display());
        return None;
    };
    let mut images = Vec::new();
    flate2::read::GzDecoder::new(&compressed[..]).read_to_end(&mut images).expect("the data set is readable");
    Some(images.split_off(16))
}

#[test]
fn both_files_give_keras_labels_on_all_test_images() {
    let Some(images) = test_images() else { return };
    let keras = data::load(&root().join("models/bm1/keras_labels.npy")).expect("readable").x;
    let samples: Vec<Vec<i64>> = images.chunks(784).map(|i| i.iter().map(|&p| p.into()).collect()).collect();
    assert_eq!(samples.len(), 10_000);
    let mut secrets = Vec::new();
    for file in ["model.h5", "model.keras"] {
        let network = compile(&root().join("models/bm1").join(file)).expect("it compiles");
        let reference = network.evaluate(&samples).expect("in range");
        let differ =
            (0..samples.len()).filter(|&i| keras.values().integer(i) != Some(reference[i].class as i64));
        assert_eq!(differ.count(), 0, "{file}");

        // The circuit on a part of them; `xonn-compile check` runs it on all.
        let lowered = network.lower().expect("it has a circuit");
        let bits = |q: &Vec<i64>| q.iter().flat_map(|&q| network.input().bits_of(q)).collect();
        let inputs: Vec<Vec<bool>> = samples.iter().step_by(20).map(bits).collect();
        let outputs = evaluate(&lowered.circuit, &lowered.secret, &inputs).expect("the lengths fit");
        for (output, want) in outputs.iter().zip(reference.iter().step_by(20)) {
            let class = output.iter().rev().fold(0, |n, &bit| n << 1 | usize::from(bit));
            assert_eq!(class, want.class);
        }
        secrets.push(lowered.secret);
    }
    assert!(secrets[0] == secrets[1], "both files hold the same weights");
}

/// The package in `models/` is what the compiler makes of the model, byte for byte.
#[test]
fn the_bundled_package_is_up_to_date() {
    let network = compile(&root().join("models/bm1/model.h5")).expect("it compiles");
    let package = Package::new(network.program());
    let bundled = std::fs::read(root().join("models/bm1/bm1.xonn")).expect("readable");
    assert!(package.bytes() == bundled, "build models/bm1/model.h5 again with -o models/bm1/bm1.xonn");
}

/// Gate counts of BM1, layer by layer, at their closed forms.
#[test]
fn and_counts_are_the_closed_forms() {
    use xonn_circuits::gadgets::argmax::argmax_cost;
    use xonn_circuits::gadgets::popcount::{popcount_cost, threshold_cost};
    let network = compile(&root().join("models/bm1/model.h5")).expect("it compiles");
    let program = network.lower().expect("it has a circuit").circuit;
    let ands: Vec<u64> = program.layers().iter().map(|layer| program.layer_costs(layer).total()).collect();
    let [first, hidden, head, scale, argmax] = ands[..] else { panic!("five layers: {ands:?}") };
    assert_eq!(first, 128 * threshold_cost(784, 8));
    assert_eq!(hidden, 128 * threshold_cost(128, 1));
    assert_eq!(head, 10 * popcount_cost(128));
    assert_eq!(scale, 10 * 391); // 8 bits times 24, and the 34-bit sum of 9 rows
    // 3 A Y + 1 with A = 2^23 - 1 and Y = 128 needs 32 bits and a sign.
    assert_eq!(argmax, argmax_cost(10, 33));
}
