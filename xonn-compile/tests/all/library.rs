//! The crate as a library: models from a path and from memory, packages, and every problem of a model as
//! data.

use std::path::Path;

use crate::common::{fixture, options as reading};
use assert_cmd::Command;
use xonn_compile::inspect::FileKind;
use xonn_compile::{Calibration, CompileError, NetworkOptions, Options, ReportError, Source, Stage};
use xonn_compile::{compile, report};
use xonn_program::data::{self, Tensor, Values};

fn options() -> Options {
    Options { reading: reading(), ..Options::default() }
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).expect("readable")
}

#[test]
fn a_model_in_memory_is_the_one_on_disk_and_what_the_command_builds() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["tiny_mlp.h5", "conv_same.keras", "real_weights.h5"] {
        let of_path = compile(&fixture(name), &options()).expect("it compiles").build().expect("it builds");
        let model = bytes(name);
        let source = Source::Bytes { name, model: &model, weights: None };
        let of_bytes = compile(source, &options()).expect("it compiles").build().expect("it builds");
        assert_eq!(of_path.package.bytes(), of_bytes.package.bytes());
        assert_eq!(of_path.secret.tensors(), of_bytes.secret.tensors());
        let output = folder.path().join(name).with_extension("xonn");
        let mut command = Command::cargo_bin("xonn-compile").expect("the binary is built");
        command.arg("build").arg(fixture(name)).arg("-o").arg(&output).assert().success();
        assert_eq!(std::fs::read(&output).expect("written"), of_path.package.bytes());
        let secret = xonn_program::Secret::read(&output.with_extension("secret"), &of_path.package);
        assert_eq!(secret.expect("readable").tensors(), of_path.secret.tensors());
    }
}

#[test]
fn weights_may_be_in_memory_too() {
    let (model, weights) = (bytes("tiny_mlp.h5"), bytes("tiny_mlp.h5"));
    let whole = compile(Source::Bytes { name: "m", model: &model, weights: None }, &options());
    let apart = compile(Source::Bytes { name: "m", model: &model, weights: Some(&weights) }, &options());
    assert_eq!(whole.expect("it compiles").network(), apart.expect("it compiles").network());
    for (wrong, said) in [(bytes("conv_same.h5"), "no weight kernel"), (b"none".to_vec(), "m, weights: ")] {
        let source = Source::Bytes { name: "m", model: &model, weights: Some(&wrong) };
        let error = compile(source, &options()).expect_err("these are not its weights");
        assert!(error.problems().iter().any(|problem| problem.reason.contains(said)), "{error}");
    }
}

#[test]
fn every_problem_of_a_model_names_its_layer() {
    let error = compile(&fixture("unsupported_cells.h5"), &options()).expect_err("it is refused");
    assert!(matches!(error, CompileError::Read { .. }));
    let problems = error.problems();
    let cells = problems.iter().find(|problem| problem.class == "RNN").expect("the RNN is refused");
    assert_eq!(cells.stage, Stage::Read);
    assert!(
        !cells.layer.is_empty() && cells.reason.contains("RNN") && cells.advice.contains("use SimpleRNN")
    );
    // The report is of the same problems, and draws the layers.
    let report = report(&fixture("unsupported_cells.h5"), &options()).expect("there is a configuration");
    assert_eq!((&report.problems, report.diagrams.len()), (&problems, 1));
    assert!(report.costs.is_none());

    // A layer that can be read and has no integers.
    let network = NetworkOptions { weight_bits: Some(99), ..NetworkOptions::default() };
    let error = compile(&fixture("real_weights.h5"), &Options { network, ..options() });
    let error = error.expect_err("99 bits are too many");
    let problems = error.problems();
    assert!(matches!(error, CompileError::Network { .. }) && !problems.is_empty());
    for problem in problems {
        assert_eq!(problem.stage, Stage::Compile);
        assert!(!problem.class.is_empty() && problem.reason.contains("--weight-bits 99"), "{problem:?}");
    }
}

#[test]
fn calibration_samples_come_from_a_file_or_from_memory() {
    let file = fixture("real_weights.npz");
    let x = data::load(&file).expect("readable").x;
    let with = |calibration| {
        let options = Options { calibration: Some(calibration), ..options() };
        compile(&fixture("real_weights.h5"), &options)
    };
    let of_file = with(Calibration::File(file)).expect("it compiles");
    let of_memory = with(Calibration::Samples(x)).expect("it compiles");
    assert_eq!(of_file.network(), of_memory.network());
    assert!(of_file.notes().iter().any(|note| note.starts_with("calibrated")), "{:?}", of_file.notes());

    let nan = Tensor::new(vec![1, 1], Values::Reals(vec![f64::NAN])).expect("fits");
    let error = with(Calibration::Samples(nan)).expect_err("no numbers");
    assert!(error.to_string().starts_with("the calibration samples: "), "{error}");
    assert!(error.problems()[0].layer.is_empty());
    let error = with(Calibration::File("nowhere.npz".into())).expect_err("no file");
    assert!(matches!(error, CompileError::Data(_)) && error.to_string().contains("nowhere.npz"), "{error}");
}

#[test]
fn reports_are_of_any_file() {
    let built =
        compile(&fixture("tiny_mlp.h5"), &options()).expect("it compiles").build().expect("it builds");
    let package = Source::Bytes { name: "p.xonn", model: built.package.bytes(), weights: None };
    let of_package = report(package, &options()).expect("it is a package");
    assert_eq!(of_package.kind, FileKind::Package);
    assert_eq!(of_package.digest, Some(built.package.digest().to_string()));
    let of_model = report(&fixture("tiny_mlp.h5"), &options()).expect("it is a model");
    let ands =
        |report: &xonn_compile::Report| report.costs.as_ref().expect("it has a circuit").total.and.total();
    assert_eq!(ands(&of_package), ands(&of_model));
    let netlist = Source::Bytes { name: "n", model: b"1 3\n2 1 1\n1 1\n\n2 1 0 1 2 AND\n", weights: None };
    let of_netlist = report(netlist, &options()).expect("it is a netlist");
    assert_eq!((of_netlist.kind, of_netlist.diagrams.len()), (FileKind::Netlist, 1));

    let error = |source| report(source, &options()).expect_err("there is nothing to report on");
    let damaged = Source::Bytes { name: "d.xonn", model: b"{", weights: None };
    assert!(matches!(error(damaged), ReportError::Package(_)));
    let damaged = Source::Bytes { name: "d.txt", model: b"1 3\n", weights: None };
    assert!(matches!(error(damaged), ReportError::Netlist(_)));
    assert!(matches!(error(Source::Path(Path::new("nowhere.h5"))), ReportError::Model(_)));
}
