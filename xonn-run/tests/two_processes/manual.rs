//! Completions and manual pages.

use crate::command::{run, run_failing, run_ok};

#[test]
fn every_shell_is_offered_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run_ok(["completions", shell]);
        for word in ["serve", "infer", "evaluate", "certificate", "max-connections", "garbler-groups"] {
            assert!(script.contains(word), "{shell} is not offered {word}");
        }
    }
    assert_eq!(run(["completions", "cmd"]).status.code(), Some(2));
    // A shell that is there takes what is its own.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("xonn-run.bash");
    std::fs::write(&path, run_ok(["completions", "bash"])).expect("written");
    match std::process::Command::new("bash").arg("-n").arg(&path).output() {
        Ok(checked) => assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr)),
        Err(_) => println!("skipped: no bash on this system"),
    }
}

#[test]
fn each_command_has_a_manual_page() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let to = folder.path().join("share/man/man1");
    let to = to.to_str().expect("a temporary path is text");
    assert_eq!(run_ok(["man", to]), "");
    let page = |name: &str| std::fs::read_to_string(format!("{to}/{name}.1")).expect("a page");
    assert!(page("xonn-run").contains("Exit code"));
    for (name, flag) in [
        ("xonn-run-eval", "secret"),
        ("xonn-run-serve", "inferences"),
        ("xonn-run-infer", "retry"),
        ("xonn-run-garble", "input"),
        ("xonn-run-evaluate", "hex"),
        ("xonn-run-certificate", "out"),
        ("xonn-run-bench", "json"),
    ] {
        let page = page(name);
        assert!(page.contains(".SH OPTIONS") && page.contains(flag), "{name}: {page}");
    }
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("written");
    let told = run_failing(["man", file.to_str().expect("text")]);
    assert!(told.contains("file: cannot be written"), "{told}");
}
