//! Networks of hidden numbers as a user meets them: calibrated, checked, refused.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use xonn_program::data::{self, write_npy};

fn model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models").join(name)
}

fn run(arguments: &[&str]) -> (bool, String, String) {
    let output = Command::cargo_bin("xonn-compile").expect("the binary is built").args(arguments).output();
    let output = output.expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

/// The bundled digits, and the classes that their names say.
fn digits(folder: &Path, name: &str) -> (Vec<u8>, Vec<i64>) {
    let mut files: Vec<PathBuf> = std::fs::read_dir(model(name).join("samples"))
        .expect("there are samples")
        .map(|entry| entry.expect("readable").path())
        .collect();
    files.sort();
    let (mut pixels, mut classes) = (Vec::new(), Vec::new());
    for file in files {
        let stem = file.file_stem().expect("a name").to_string_lossy().into_owned();
        classes.push(stem.split('_').nth(1).and_then(|digit| digit.parse().ok()).expect("digit_D_a"));
        let x = data::load(&file).expect("an image").x;
        pixels.extend((0..x.values().len()).map(|i| x.values().get(i) as u8));
    }
    write_npy(&folder.join("digits.npy"), &pixels, &[classes.len(), 28, 28]).expect("written");
    (pixels, classes)
}

/// MiniONN's networks with squares: the bundled digits get their classes, by the circuit too.
#[test]
fn networks_with_squares_are_built_and_checked() {
    for name in ["square_mlp", "square_cnn"] {
        let folder = tempfile::tempdir().expect("a folder");
        let (_, classes) = digits(folder.path(), name);
        let data = folder.path().join("digits.npy").display().to_string();
        let file = model(name).join("model.h5").display().to_string();
        let package = folder.path().join("m.xonn").display().to_string();
        let (built, stdout, stderr) = run(&["build", &file, "--calibrate", &data, "-o", &package]);
        assert!(built, "{name}: {stderr}");
        assert!(stdout.contains("ANDs") && stderr.contains("on 100.00 % of 20 samples"), "{stdout}{stderr}");

        // What the private run gives is what `eval` gives.
        let package = xonn_program::Package::read(Path::new(&package)).expect("a package");
        let secret =
            xonn_program::Secret::read(&folder.path().join("m.secret"), &package).expect("its secret");
        let x = data::load(Path::new(&data)).expect("readable").x;
        let shape: Vec<usize> = package.program().input().shape.iter().map(|&n| n as usize).collect();
        let q: Vec<Vec<i64>> = x
            .samples_of(&shape)
            .expect("they fit")
            .iter()
            .map(|sample| package.program().input().codes_of(sample.values()).expect("codes"))
            .collect();
        let found = package.program().evaluate(secret.tensors(), &q).expect("in range");
        let found: Vec<i64> = found.iter().map(|found| found.class as i64).collect();
        assert_eq!(found, classes, "{name}");

        let (checked, stdout, stderr) = run(&["check", &file, "--calibrate", &data, "--data", &data]);
        assert!(checked, "{stderr}");
        assert!(stdout.contains("circuit = integer network on all 20 samples"), "{stdout}");
        assert!(stdout.contains("all hidden numbers fit their 15 bits"), "{stdout}");
    }
}

/// The fewest bits that keep a share of the classes.
#[test]
fn bits_are_looked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    digits(folder.path(), "square_mlp");
    let data = folder.path().join("digits.npy").display().to_string();
    let file = model("square_mlp").join("model.h5").display().to_string();
    let package = folder.path().join("m.xonn").display().to_string();
    let build = |more: &[&str]| {
        run(&[&["build", &file, "--calibrate", &data, "--force", "-o", &package], more].concat())
    };
    let (built, _, stderr) = build(&["--agreement", "95%"]);
    assert!(built && stderr.contains("tried, bits of activations / of weights: 7/6: "), "{stderr}");
    let (built, _, stderr) = build(&["--activation-bits", "9", "--weight-bits", "8"]);
    assert!(built && stderr.contains("hidden numbers in 9 bits and their weights in 8"), "{stderr}");
    // Bits with which hardly a class is right.
    let (built, _, stderr) = build(&["--activation-bits", "4", "--weight-bits", "3"]);
    assert!(!built && stderr.contains("give more --activation-bits or --weight-bits"), "{stderr}");
}

/// Numbers beyond the samples' ranges are counted, and the check fails.
#[test]
fn numbers_that_do_not_fit_are_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let (pixels, classes) = digits(folder.path(), "square_mlp");
    let dark: Vec<u8> = pixels.iter().map(|&pixel| pixel / 16).collect();
    let dark_file = folder.path().join("dark.npy");
    write_npy(&dark_file, &dark, &[classes.len(), 28, 28]).expect("written");
    let data = folder.path().join("digits.npy").display().to_string();
    let file = model("square_mlp").join("model.h5").display().to_string();
    let dark = dark_file.display().to_string();
    // The input's own range is not that of the dark digits.
    let (checked, stdout, stderr) = run(&["check", &file, "--calibrate", &dark, "--data", &data]);
    assert!(!checked && stdout.is_empty() && stderr.contains("out of the model's input range"), "{stderr}");
    let bright: Vec<u8> = pixels.iter().map(|&pixel| if pixel > 0 { 255 } else { 0 }).collect();
    let mostly: Vec<u8> = [&[255u8; 1][..], &bright[1..]].concat();
    let faint: Vec<u8> = mostly.iter().enumerate().map(|(i, &p)| if i == 0 { 255 } else { p / 9 }).collect();
    let [bright_file, faint_file] = ["bright.npy", "faint.npy"].map(|name| folder.path().join(name));
    write_npy(&bright_file, &bright, &[classes.len(), 28, 28]).expect("written");
    write_npy(&faint_file, &faint, &[classes.len(), 28, 28]).expect("written");
    let [bright, faint] = [bright_file, faint_file].map(|file| file.display().to_string());
    let (_, stdout, stderr) =
        run(&["check", &file, "--allow-error", "--calibrate", &faint, "--data", &bright]);
    assert!(stdout.contains("do not fit their bits and are wrong"), "{stdout}{stderr}");
}

#[test]
fn calibration_data_of_no_use_is_refused_in_a_sentence() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = model("square_mlp").join("model.h5").display().to_string();
    let npy = |name: &str, values: &[f32], shape: &[usize]| {
        let path = folder.path().join(name);
        write_npy(&path, values, shape).expect("written");
        path.display().to_string()
    };
    let build = |more: &[&str]| {
        let package = folder.path().join("m.xonn").display().to_string();
        let (built, _, stderr) = run(&[&["build", &file, "--force", "-o", &package], more].concat());
        assert!(!built, "{more:?}");
        stderr
    };
    let few = npy("few.npy", &[1.0; 784], &[1, 784]);
    assert!(build(&["--calibrate", &few]).contains("1 samples, expected 16 or more"));
    let shape = npy("shape.npy", &[1.0; 2000], &[20, 100]);
    assert!(build(&["--calibrate", &shape]).contains("the calibration data: the data has shape [20, 100]"));
    let nan = npy("nan.npy", &[f32::NAN; 784 * 20], &[20, 784]);
    assert!(build(&["--calibrate", &nan]).contains("not finite"));
    let fits = npy("fits.npy", &[1.0; 784 * 20], &[20, 784]);
    assert!(build(&["--calibrate", &fits, "--activation-bits", "40"]).contains("expected 4 to 20"));
    assert!(build(&["--calibrate", &fits, "--agreement", "12"]).contains("expected 50% to 100%"));
    let without = build(&[]);
    assert!(without.contains("--calibrate") && without.contains("--range proven"), "{without}");
    let bits = build(&["--activation-bits", "9"]);
    assert!(bits.contains("--calibrate D.npz, or --range proven"), "{bits}");
    // A square of sums of 784 numbers, and sums of 128 of these twice.
    let deep = build(&["--range", "proven"]);
    assert!(deep.contains("layer \"") && deep.contains("expected 30 at most"), "{deep}");
    assert!(deep.contains("--calibrate D.npz"), "{deep}");
}

/// Ranges of the worst case: no samples are needed, and the classes are those of the samples' ranges.
#[test]
fn proven_ranges_take_no_samples() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = model("tabular_relu").join("model.h5").display().to_string();
    let data = model("tabular_relu").join("samples/measured.csv").display().to_string();
    let package = folder.path().join("m.xonn").display().to_string();
    let build = |more: &[&str]| {
        let (built, _, stderr) = run(&[&["build", &file, "--force", "-o", &package], more].concat());
        assert!(built, "{more:?}: {stderr}");
        stderr
    };
    let input = ["--input-standardised"];
    let stderr = build(&[&input[..], &["--range", "proven"]].concat());
    assert!(stderr.contains("ranges are proven") && stderr.contains("no samples tell"), "{stderr}");
    let stderr = build(&["--range", "proven", "--calibrate", &data]);
    assert!(stderr.contains("ranges are proven") && stderr.contains("% of "), "{stderr}");
    let check = run(&["check", &file, "--range", "proven", "--calibrate", &data, "--data", &data]);
    assert!(check.0 && check.1.contains("all hidden numbers fit their"), "{}{}", check.1, check.2);
}
