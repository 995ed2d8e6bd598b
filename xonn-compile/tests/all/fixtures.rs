//! Every supported test model gives Keras's labels: as integers, as a program, and as a flat Bristol Fashion
//! netlist.

use crate::common::{compile, fixture, samples};
use xonn_circuits::bristol;
use xonn_circuits::eval::evaluate_bits;
use xonn_circuits::tiled::evaluate::evaluate;
use xonn_circuits::tiled::flatten::flatten;
use xonn_compile::check;
use xonn_program::circuit;
use xonn_program::package::{Package, PackageError};
use xonn_program::{OutputEncoding, Prediction};

/// Models and the samples that belong to them.
pub const MODELS: &[(&str, &str)] = &[
    ("tiny_mlp.h5", "tiny_mlp.npz"),
    ("tiny_mlp.keras", "tiny_mlp.npz"),
    ("tiny_mlp_deflated.keras", "tiny_mlp.npz"),
    ("twin_a.h5", "twin_a.npz"),
    ("twin_b.h5", "twin_b.npz"),
    ("bare_norm.h5", "bare_norm.npz"),
    ("bare_norm.keras", "bare_norm.npz"),
    ("no_head_norm.h5", "no_head_norm.npz"),
    ("functional.h5", "functional.npz"),
    ("functional.keras", "functional.npz"),
    ("stock_dense.h5", "stock_dense.npz"),
    ("stock_dense.keras", "stock_dense.npz"),
    ("quantized_scope.h5", "quantized_scope.npz"),
    ("keras3_stock.h5", "keras3_stock.npz"),
    ("keras3_stock.keras", "keras3_stock.npz"),
    ("conv_valid.h5", "conv_valid.npz"),
    ("conv_same.h5", "conv_same.npz"),
    ("conv_same.keras", "conv_same.npz"),
    ("conv_pad_one.h5", "conv_pad_one.npz"),
    ("conv_pool_before.h5", "conv_pool_before.npz"),
    ("conv_pool_after.h5", "conv_pool_after.npz"),
    ("conv_depthwise.h5", "conv_depthwise.npz"),
    ("conv_groups.h5", "conv_groups.npz"),
    ("conv_average.h5", "conv_average.npz"),
    ("conv_global.h5", "conv_global.npz"),
    ("residual_norm.h5", "residual_norm.npz"),
    ("residual_integer.h5", "residual_integer.npz"),
    ("concatenate.h5", "concatenate.npz"),
    ("average_same.h5", "average_same.npz"),
    ("sums_of_averages.h5", "sums_of_averages.npz"),
    ("real_weights.h5", "real_weights.npz"),
    ("norm_then_dense.h5", "norm_then_dense.npz"),
    ("ternary.h5", "ternary.npz"),
    ("max_pool_numbers.h5", "max_pool_numbers.npz"),
    ("standardised.h5", "standardised.npz"),
    ("two_inputs.h5", "two_inputs.npz"),
    ("functions.h5", "functions.npz"),
    ("functions.keras", "functions.npz"),
    ("functions3.h5", "functions3.npz"),
    ("functions3.keras", "functions3.npz"),
    ("activation_objects.h5", "activation_objects.npz"),
    ("activation_objects.keras", "activation_objects.npz"),
    ("merges.h5", "merges.npz"),
    ("crops.h5", "crops.npz"),
    ("crops.keras", "crops.npz"),
    ("shifts.h5", "shifts.npz"),
    ("renormalised.h5", "renormalised.npz"),
    ("renormalised.keras", "renormalised.npz"),
    ("constants.h5", "constants.npz"),
];

/// ANDs up to which a flat netlist is written and evaluated, too.
const FLAT_LIMIT: u64 = 600_000;

#[test]
fn labels_are_keras_labels_at_every_stage() {
    for &(model, data) in MODELS {
        let network = compile(&fixture(model)).unwrap_or_else(|e| panic!("{model}: {e}"));
        let (data, q) = samples(&fixture(data), network.input());
        let reference = network.evaluate(&q).expect("in range");
        let report = check::compare(&data, &reference).expect("the data fits");
        assert!(q.len() >= 48, "{model}: few samples show little");
        assert_eq!(report.equal_to_keras, Some(q.len()), "{model}: {:?}", report.disagreements);

        let lowered = network.lower().expect("it has a circuit");
        let package = Package::new(network.program());
        let program = &lowered.circuit;
        assert_eq!(circuit::lower(package.program()).expect("a client makes it too"), *program, "{model}");
        assert_eq!(*network.output(), OutputEncoding::Argmax { classes: 4 });
        let bits = |q: &Vec<i64>| q.iter().flat_map(|&q| network.input().bits_of(q)).collect::<Vec<bool>>();
        let inputs: Vec<Vec<bool>> = q.iter().map(bits).collect();
        let outputs = evaluate(program, &lowered.secret, &inputs).expect("the lengths fit");

        if program.costs().total() > FLAT_LIMIT {
            for (sample, (output, want)) in outputs.iter().zip(&reference).enumerate() {
                assert_eq!(
                    network.output().decode(output),
                    Prediction::Class(want.class as u32),
                    "{model}, {sample}"
                );
            }
            continue;
        }
        let mut text = Vec::new();
        let flat = flatten(program, &mut text, |_, _| ()).expect("it can be written");
        let netlist = bristol::read(&text[..], model).expect("what is written is valid").netlist;
        assert_eq!(netlist.inputs(), [lowered.secret.len() as u32, inputs[0].len() as u32]);
        assert_eq!((netlist.stats().and, netlist.gates().len() as u64), (flat.and, flat.gates));
        assert_eq!(flat.and, program.costs().total());

        for (sample, (output, want)) in outputs.iter().zip(&reference).enumerate() {
            assert_eq!(
                network.output().decode(output),
                Prediction::Class(want.class as u32),
                "{model}, {sample}"
            );
            if sample % 8 == 0 {
                let all: Vec<bool> = lowered.secret.iter().chain(&inputs[sample]).copied().collect();
                assert_eq!(&evaluate_bits(&netlist, &all), output, "{model}, flat, sample {sample}");
            }
        }
    }
}

#[test]
fn other_weights_give_the_same_public_bytes() {
    let build = |name: &str| {
        let network = compile(&fixture(name)).expect("it compiles");
        let secret = network.lower().expect("it has a circuit").secret;
        (Package::new(network.program()).bytes().to_vec(), secret)
    };
    let (bytes, secret) = build("tiny_mlp.h5");
    for twin in ["twin_a.h5", "twin_b.h5", "tiny_mlp.keras", "quantized_scope.h5"] {
        let (other_bytes, other_secret) = build(twin);
        assert!(bytes == other_bytes, "{twin}: the public file depends on the weights");
        assert_eq!(secret == other_secret, twin == "tiny_mlp.keras", "{twin}");
    }
    // Another architecture is another file.
    assert!(bytes != build("no_head_norm.h5").0);
}

#[test]
fn a_package_is_read_as_it_was_written_and_damage_is_noticed() {
    let package = Package::new(compile(&fixture("tiny_mlp.h5")).expect("it compiles").program());
    let again = Package::from_bytes(package.bytes().to_vec(), "again").expect("it can be read");
    assert_eq!((again.digest(), again.program()), (package.digest(), package.program()));
    let bytes = package.bytes();
    // Whatever a damaged file still means, it is no longer this package.
    for at in 0..bytes.len() {
        let mut damaged = bytes.to_vec();
        damaged[at] ^= 1 << (at % 8);
        let digest = package.digest();
        let error = Package::with_digest(damaged.clone(), "damaged", digest).expect_err("another package");
        assert!(matches!(error, PackageError::Digest { .. }), "byte {at}: {error}");
        if let Ok(read) = Package::from_bytes(damaged, "damaged") {
            assert_ne!(read.digest(), digest, "byte {at}");
            let _ = circuit::lower(read.program()); // a circuit or an error, and no panic
        }
        // The last byte is the end of the last line.
        let cut = Package::from_bytes(bytes[..at].to_vec(), "cut");
        assert!(cut.is_err() || at + 1 == bytes.len(), "cut at {at}");
    }
    let old = Package::from_bytes(b"PK\x03\x04".to_vec(), "old").expect_err("an old package");
    assert!(old.to_string().contains("build the package and its secret again"), "{old}");
}
