//! The command line of `xonn-compile`: what is written where, and what is said on how many columns.

use std::path::{Path, PathBuf};

use crate::common::fixture;
use assert_cmd::Command;

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("xonn-compile").expect("the binary is built");
    command.args(arguments).env("COLUMNS", "80");
    command
}

/// Standard output and error of a command that ends with `code`.
fn said(arguments: &[&str], code: i32) -> [String; 2] {
    let output = command(arguments).assert().code(code).get_output().clone();
    [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("it is UTF-8"))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary path is text")
}

/// A copy of a fixture in a folder of its own.
fn copied(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(name);
    std::fs::copy(fixture(name), &path).expect("it can be copied");
    (folder, path)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("readable");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn build_writes_beside_the_model_and_keeps_a_secret_that_is_there() {
    let (folder, model) = copied("tiny_mlp.h5");
    let [stdout, _] = said(&["build", text(&model)], 0);
    assert_eq!(names(folder.path()), ["tiny_mlp.h5", "tiny_mlp.secret", "tiny_mlp.xonn"]);
    // The figures are those of the default protocol, then those of the others behind the flag that has them.
    let lines: Vec<&str> = stdout.lines().skip(1).take(4).collect();
    let [default, flag, addition, shares] = lines[..] else { panic!("{stdout}") };
    assert!(default.ends_with(" a prediction") && addition.ends_with(" a prediction"), "{stdout}");
    assert_eq!(flag, "with serve --clients semi-honest:");
    assert!(addition.starts_with("  first layers by conditional addition: "), "{stdout}");
    assert!(shares.starts_with("  on shares: ") && shares.ends_with(" each further one"), "{stdout}");

    let (secret, package) = (model.with_extension("secret"), model.with_extension("xonn"));
    let before = [&secret, &package].map(|path| std::fs::read(path).expect("readable"));
    let other = fixture("twin_a.h5");
    let again = ["build", text(&other), "-o", text(&package)];
    let [stdout, stderr] = said(&again, 1);
    assert!(
        stderr.contains("tiny_mlp.secret: there is a secret already") && stderr.contains("--force"),
        "{stderr}"
    );
    assert!(stdout.is_empty());
    assert_eq!([&secret, &package].map(|path| std::fs::read(path).expect("readable")), before);

    said(&[&again[..], &["--force"]].concat(), 0);
    assert_ne!(std::fs::read(&secret).expect("readable"), before[0], "the weights are others");
    assert_eq!(
        names(folder.path()),
        ["tiny_mlp.h5", "tiny_mlp.secret", "tiny_mlp.xonn"],
        "nothing stays behind"
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!(mode(&secret), 0o600);
        assert_eq!(mode(&package) & 0o600, 0o600);
    }
}

/// Neither file is left where the other cannot be written, and no model is written over.
#[test]
fn build_writes_both_files_or_none() {
    let (folder, model) = copied("tiny_mlp.h5");
    // A folder where the package should go.
    std::fs::create_dir(folder.path().join("m.xonn")).expect("made");
    let package = folder.path().join("m.xonn");
    let [_, stderr] = said(&["build", text(&model), "-o", text(&package)], 1);
    assert!(stderr.contains("m.xonn: cannot be written"), "{stderr}");
    assert_eq!(names(folder.path()), ["m.xonn", "tiny_mlp.h5"]);
    let before = std::fs::read(&model).expect("readable");
    let [_, stderr] = said(&["build", text(&model), "--force", "-o", text(&model)], 1);
    assert!(stderr.contains("would be written over"), "{stderr}");
    assert_eq!(std::fs::read(&model).expect("readable"), before);
}

/// `--output scores` said what the client learns before it named a file: it must not become a file of that
/// name.
#[test]
fn the_old_mode_is_no_file() {
    let (folder, model) = copied("tiny_mlp.h5");
    for command in ["build", "inspect", "check", "trim"] {
        let [_, stderr] = said(&[command, text(&model), "--output", "scores"], 2);
        assert!(stderr.contains("--reveal scores"), "{command}: {stderr}");
    }
    assert_eq!(names(folder.path()), ["tiny_mlp.h5"]);
    let data = fixture("tiny_mlp.npz");
    let report = folder.path().join("scores.json");
    said(&["check", text(&model), "--reveal", "argmax", "--data", text(&data), "--output", text(&report)], 0);
    assert!(report.exists());
    let [stdout, _] = said(&["check", text(&model), "--reveal", "scores", "--data", text(&data)], 0);
    assert!(stdout.contains("equal to Keras: 64 of 64"), "{stdout}");
}

#[test]
fn labels_are_checked_one_by_one() {
    let map = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(map.path(), "{\"bnn>sign\": \"ste_sign\"}").expect("written");
    let (model, data) = (fixture("labels_norm.keras"), fixture("labels_norm.npz"));
    let options = ["--custom", text(map.path()), "--reveal", "labels"];
    let [stdout, _] = said(&[&["check", text(&model), "--data", text(&data)], &options[..]].concat(), 0);
    assert!(stdout.contains("single labels equal to Keras: 320 of 320 (100.00 %)"), "{stdout}");
    let [stdout, _] = said(&[&["inspect", text(&model)], &options[..]].concat(), 0);
    assert!(stdout.contains(" labels "), "{stdout}");
}

/// A model that is another than the one whose outputs the data holds, as a trimmed one is.
#[test]
fn another_models_outputs_can_be_left_out() {
    let (model, data) = (fixture("twin_a.h5"), fixture("tiny_mlp.npz"));
    let check = ["check", text(&model), "--data", text(&data)];
    let [_, stderr] = said(&check, 1);
    assert!(stderr.contains("predictions are not Keras's"), "{stderr}");
    let [stdout, _] = said(&[&check[..], &["--no-keras"]].concat(), 0);
    assert!(stdout.contains("circuit = integer network") && !stdout.contains("equal to Keras"), "{stdout}");
}

#[test]
fn notes_are_grouped_and_can_be_left_out() {
    let model = fixture("residual_norm.h5");
    let (folder, _) = copied("tiny_mlp.h5");
    let package = folder.path().join("m.xonn");
    let build = ["build", text(&model), "--force", "-o", text(&package)];
    let [_, stderr] = said(&build, 0);
    assert!(stderr.starts_with("notes, where answers may differ from Keras's:\n"), "{stderr}");
    let fixed: Vec<&str> = stderr.lines().filter(|line| line.contains("in fixed point, each off")).collect();
    let [fixed] = fixed[..] else { panic!("one line for all layers: {stderr}") };
    assert!(fixed.starts_with("  layers \"add\", \"add_1\", \"add_2\": "), "{fixed}");
    for quiet in ["-q", "--quiet"] {
        assert_eq!(said(&[&build[..], &[quiet]].concat(), 0)[1], "");
        let [stdout, stderr] = said(&["inspect", text(&model), quiet], 0);
        assert!(!stdout.contains("notes, ") && stderr.is_empty());
    }
}

#[test]
fn tables_fit_80_columns() {
    let (model, data) = (fixture("residual_norm.h5"), fixture("residual_norm.npz"));
    let mut shown = Vec::new();
    for more in [&[][..], &["--rtt", "40", "--mbps", "100"]] {
        // The last line is a sentence about the network.
        shown.push(said(&[&["inspect", text(&model), "-q"], more].concat(), 0)[0].clone());
    }
    shown.push(said(&["check", text(&model), "-q", "--data", text(&data)], 0)[0].clone());
    for shown in shown {
        for line in shown.lines().filter(|line| !line.contains(" ms and ")) {
            assert!(line.trim_end().chars().count() <= 80, "{line}");
        }
    }
}

#[test]
fn every_shell_is_offered_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let [script, _] = said(&["completions", shell], 0);
        for word in ["build", "inspect", "check", "flatten", "optimize", "trim", "weight-bits"] {
            assert!(script.contains(word), "{shell} is not offered {word}");
        }
    }
    said(&["completions", "cmd"], 2);
}

#[test]
fn each_command_has_a_manual_page() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let to = folder.path().join("share/man1");
    said(&["man", text(&to)], 0);
    assert_eq!(names(&to).len(), 7, "{:?}", names(&to));
    for (command, flag) in
        [("build", "reveal"), ("inspect", "format"), ("trim", "floor"), ("optimize", "passes")]
    {
        let page = std::fs::read_to_string(to.join(format!("xonn-compile-{command}.1"))).expect("a page");
        assert!(page.contains(".SH OPTIONS") && page.contains(flag), "{command}: {page}");
    }
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("written");
    let [_, stderr] = said(&["man", text(&file)], 1);
    assert!(stderr.contains("file: cannot be written"), "{stderr}");
}

/// Samples with a true label each, which is 0.
fn labelled(samples: &Path, folder: &tempfile::TempDir) -> PathBuf {
    let count = xonn_program::data::load(samples).expect("a fixture").x.shape()[0];
    let labels = folder.path().join("y.npy");
    xonn_program::data::write_npy(&labels, &vec![0i64; count], &[count]).expect("written");
    let read = |path: &Path| std::fs::File::open(path).expect("it is there");
    let path = folder.path().join("labelled.npz");
    let file = std::fs::File::create(&path).expect("created");
    let mut labelled = zip::ZipWriter::new(file);
    let mut fixture = zip::ZipArchive::new(read(samples)).expect("a zip file");
    labelled.raw_copy_file(fixture.by_name("x.npy").expect("samples")).expect("copied");
    labelled.start_file("y.npy", zip::write::SimpleFileOptions::default()).expect("started");
    std::io::copy(&mut read(&labels), &mut labelled).expect("copied");
    labelled.finish().expect("finished");
    path
}

/// A reader may leave, as `head` does. The command ends without a word, as one that SIGPIPE ends, and has
/// written its files.
#[test]
fn a_reader_that_leaves_ends_a_command_quietly() {
    let (folder, model) = copied("functional.h5");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (package, flat, data) =
        (path("m.xonn"), path("m.txt"), labelled(&fixture("functional.npz"), &folder));
    let written = |name: &str| folder.path().join(name).exists();
    let unread = |arguments: &[&str]| {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_xonn-compile"));
        let log = writer.try_clone().expect("open");
        // Notes and complaints go where nobody reads them either.
        let both = command.args(arguments).stdout(writer.try_clone().expect("open")).stderr(log).status();
        assert_eq!(both.expect("it starts").code(), Some(141), "{arguments:?}");
        let out = command.stdout(writer).stderr(std::process::Stdio::piped()).output().expect("it starts");
        let log = String::from_utf8(out.stderr).expect("text");
        assert_eq!((out.status.code(), log.as_str()), (Some(141), ""), "{arguments:?}");
    };
    unread(&["build", "-q", "--force", text(&model), "-o", &package, "--bristol", &flat]);
    assert!(written("m.xonn") && written("m.secret") && written("m.txt"));
    for format in ["text", "json", "html", "dot"] {
        unread(&["inspect", "-q", text(&model), "--format", format]);
    }
    let check = ["check", "-q", text(&model), "--data", text(&data)];
    unread(&check);
    unread(&[&check[..], &["--json"]].concat());
    unread(&["flatten", &package, "-o", &path("other.txt")]);
    assert!(written("other.txt"));
    for more in [&[][..], &["--json"]] {
        let (optimized, trimmed) = (path("optimized.txt"), path("trimmed.h5"));
        unread(&[&["optimize", &flat, "-o", &optimized], more].concat());
        unread(
            &[&["trim", "-q", text(&model), "--data", text(&data), "--exact-only", "-o", &trimmed], more]
                .concat(),
        );
        for name in ["optimized.txt", "trimmed.h5"] {
            std::fs::remove_file(path(name)).expect("it was written");
        }
    }
    unread(&["completions", "bash"]);
}
