//! `xonn-compile optimize` as a command.

use std::path::Path;

use assert_cmd::Command;
use xonn_circuits::bristol::{self, Dialect};

/// A majority with three products and two ORs: 5 ANDs.
const MAJORITY: &str = "11 14\n1 3\n1 1\n\n2 1 0 1 3 AND\n2 1 0 2 4 AND\n2 1 1 2 5 AND\n1 1 3 6 INV\n1 1 4 7 \
                        INV\n1 1 5 8 INV\n2 1 6 7 9 AND\n2 1 9 8 10 AND\n1 1 10 11 INV\n1 1 11 12 INV\n1 1 \
                        12 13 INV\n";

fn optimize(folder: &Path, options: &[&str]) -> std::process::Output {
    let mut command = Command::cargo_bin("xonn-compile").expect("the binary is built");
    command.current_dir(folder).arg("optimize").args(options).output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_majority_becomes_one_and() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("in.txt"), MAJORITY).expect("written");
    let done = optimize(folder.path(), &["in.txt", "-o", "out.txt"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let said = text(&done.stdout);
    assert!(said.contains("rewrite") && said.contains("5 -> 1"), "{said}");
    assert!(said.contains("equal to the original on all 8 inputs"), "{said}");
    let out = bristol::read_path(&folder.path().join("out.txt")).expect("a Bristol file");
    assert_eq!((out.dialect, out.netlist.stats().and, out.netlist.stats().eq), (Dialect::Fashion, 1, 0));

    let json = optimize(folder.path(), &["in.txt", "-o", "out.txt", "--json", "--passes", "fold,share"]);
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(report["before"]["and"], 5);
    assert_eq!(report["after"]["and"], 5);
    assert_eq!(report["passes"].as_array().map(Vec::len), Some(2));
    assert_eq!(report["compared"]["exhaustive"], true);
}

#[test]
fn files_without_inputs_and_outputs() {
    let folder = tempfile::tempdir().expect("a folder");
    let constants = "2 2\n0\n1 2\n\n1 1 1 0 EQ\n1 1 0 1 EQ\n";
    std::fs::write(folder.path().join("in.txt"), constants).expect("written");
    let done = optimize(folder.path(), &["in.txt", "-o", "out.txt"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let out = bristol::read_path(&folder.path().join("out.txt")).expect("a Bristol file").netlist;
    assert_eq!(xonn_circuits::eval::evaluate_bits(&out, &[]), [true, false]);

    std::fs::write(folder.path().join("in.txt"), "1 3\n1 1 0\n\n2 1 0 1 2 AND\n").expect("written");
    let done = optimize(folder.path(), &["in.txt", "-o", "none.txt"]);
    assert_eq!(done.status.code(), Some(1));
    assert!(
        text(&done.stderr).contains("in.txt, line 2: the circuit has no output bits"),
        "{}",
        text(&done.stderr)
    );
    assert!(!folder.path().join("none.txt").exists(), "nothing is written");
}

#[test]
fn errors_name_the_file_and_usage_errors_exit_with_two() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("in.txt"), MAJORITY).expect("written");
    std::fs::write(folder.path().join("bad.txt"), MAJORITY.replace("2 1 9 8 10", "2 1 9 8 99"))
        .expect("written");
    let bad = optimize(folder.path(), &["bad.txt", "-o", "out.txt"]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(text(&bad.stderr).contains("bad.txt, line 12: wire 99 is out of range"), "{}", text(&bad.stderr));
    assert!(!folder.path().join("out.txt").exists(), "nothing is written");
    let nowhere = optimize(folder.path(), &["in.txt", "-o", "no/out.txt"]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(text(&nowhere.stderr).contains("no/out.txt: cannot be written"), "{}", text(&nowhere.stderr));
    for usage in
        [&["in.txt"][..], &["in.txt", "-o", "o", "--leaves", "9"], &["in.txt", "-o", "o", "--passes", "x"]]
    {
        assert_eq!(optimize(folder.path(), usage).status.code(), Some(2), "{usage:?}");
    }
}
