//! The invariants of `docs/architecture.md` that can be read off the sources.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            all.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path).expect("readable");
            all.push((path, text));
        }
    }
    all
}

/// The part of a source file that is not a test or a comment.
fn code(text: &str) -> String {
    let body = text.split("#[cfg(test)]").next().unwrap_or_default();
    body.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn protocols_do_no_io_and_draw_nothing_of_their_own() {
    let rooms = [
        "crypto/src/block",
        "crypto/src/garble",
        "crypto/src/ot",
        "crypto/src/rlwe",
        "protocols/src/steps",
        "protocols/src/weight_ot",
    ];
    for room in rooms {
        let files = sources(&root().join(room));
        assert!(files.len() >= 5, "{room} has been moved: this test looks at nothing");
        for (path, text) in files {
            // What single-steps other code for tests is no protocol.
            if path.ends_with("tests.rs") || path.ends_with("block/steps.rs") {
                continue;
            }
            for forbidden in
                ["std::io", "std::net", "std::fs", "std::time", "rand::rng", "from_os_rng", "println!"]
            {
                assert!(!code(&text).contains(forbidden), "{} uses {forbidden}", path.display());
            }
        }
    }
}

#[test]
fn unsafe_code_is_in_block_only() {
    let mut seen = 0;
    for krate in ["circuits", "program", "crypto", "protocols", "xonn-compile", "xonn-run"] {
        for (path, text) in sources(&root().join(krate).join("src")) {
            let in_block =
                path.components().any(|c| c.as_os_str() == "block") || path.ends_with("src/block.rs");
            let uses = code(&text).lines().any(|l| l.contains("unsafe ") && !l.contains("unsafe_code"));
            seen += usize::from(uses);
            assert!(in_block || !uses, "{} has unsafe code", path.display());
        }
    }
    assert!(seen > 0, "this test finds no unsafe code at all, not even where it is");
}

/// What each crate may import of ours: docs/architecture.md has the map. Cargo holds the code to it.
#[test]
fn crates_import_what_the_map_says() {
    let names =
        ["xonn-circuits", "xonn-program", "xonn-crypto", "xonn-protocols", "xonn-compile", "xonn-run"];
    for (krate, allowed) in [
        ("circuits", &[][..]),
        ("program", &["xonn-circuits"]),
        ("crypto", &["xonn-circuits"]),
        ("protocols", &["xonn-circuits", "xonn-program", "xonn-crypto"]),
        ("xonn-compile", &["xonn-circuits", "xonn-program", "xonn-crypto", "xonn-protocols"]),
        ("xonn-run", &["xonn-circuits", "xonn-program", "xonn-crypto", "xonn-protocols"]),
    ] {
        let text = std::fs::read_to_string(root().join(krate).join("Cargo.toml")).expect("a manifest");
        let imports = |name: &&str| text.lines().any(|line| line.starts_with(&format!("{name}.")));
        assert_eq!(names.into_iter().filter(imports).collect::<Vec<_>>(), allowed, "{krate}");
    }
}
