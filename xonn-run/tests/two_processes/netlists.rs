//! `garble` and `evaluate` on Bristol files: published test vectors, and netlists with one group and with three.
//!
//! The public circuits are no part of this project: they are looked for in `../shared/circuits` beside the workspace, or
//! where `XONN_CIRCUITS` says. Without them their tests print that they were skipped. Which bit is which in these files
//! is found out in `circuits/tests/bristol_public.rs`.

use std::net::TcpStream;
use std::path::{Path, PathBuf};

use xonn_circuits::bristol::{self, Options};
use xonn_circuits::builder::Builder;
use xonn_circuits::netlist::Netlist;
use xonn_run::net;
use xonn_run::session::client::run::Question;
use xonn_run::session::{Circuit, Limits, Offer, SessionError, client};

use crate::command::{Listening, run_failing, run_ok};

const ANY_PORT: [&str; 2] = ["--listen", "127.0.0.1:0"];

/// A public circuit's path.
fn public(path: &str) -> Option<String> {
    let folder = std::env::var_os("XONN_CIRCUITS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/circuits"), PathBuf::from);
    let file = folder.join(path);
    if file.is_file() {
        return Some(file.into_os_string().into_string().expect("a path that is text"));
    }
    println!("skipped: no file {}, set XONN_CIRCUITS to a folder with it", file.display());
    None
}

/// Garbles in one process and evaluates in another, by each scheme; what the evaluator prints.
pub fn run_both(file: &str, both: &[&str], garbler: &str, evaluator: &[&str]) -> String {
    // One host's wish is enough.
    let [half, three] = [[&["--scheme", "half-gates"][..], &[]], [&[], &["--scheme", "three-halves"]]].map(
        |[here, there]| {
            let garble = ["garble", file, "--input", garbler];
            let garbler = Listening::start(garble.iter().chain(both).chain(here).chain(&ANY_PORT));
            let evaluate = ["evaluate", file, "--connect", &garbler.address];
            let printed = run_ok(evaluate.iter().chain(both).chain(evaluator).chain(there));
            let log = garbler.finish();
            assert!(log.contains(": 1 evaluations in "), "{log}");
            printed.trim_end().to_owned()
        },
    );
    assert_eq!(half, three, "half gates, then three halves");
    half
}

/// Bytes in order, each most significant bit first.
fn forward_bits(hex: &str) -> String {
    hex.chars().map(|c| format!("{:04b}", c.to_digit(16).expect("hexadecimal"))).collect()
}

/// FIPS 197, appendix B: the garbler holds the key, the evaluator the plaintext.
const KEY: &str = "2b7e151628aed2a6abf7158809cf4f3c";
const PLAINTEXT: &str = "3243f6a8885a308d313198a2e0370734";
const CIPHERTEXT: &str = "3925841d02dc09fbdc118597196a0b32";

#[test]
fn aes_128_in_bristol_fashion_is_fips_197() {
    let Some(file) = public("fashion/aes_128.txt") else { return };
    let (key, block) = (format!("0x{KEY}"), format!("0x{PLAINTEXT}"));
    assert_eq!(run_both(&file, &[], &key, &["--input", &block, "--hex"]), format!("0x{CIPHERTEXT}"));
}

#[test]
fn aes_128_in_the_older_format_is_fips_197() {
    let Some(file) = public("classic/AES-non-expanded.txt") else { return };
    // The plaintext is group 0 of this file, the key group 1.
    let printed = run_both(
        &file,
        &["--garbler-groups", "1"],
        &forward_bits(KEY),
        &["--input", &forward_bits(PLAINTEXT)],
    );
    assert_eq!(printed, forward_bits(CIPHERTEXT));
}

/// FIPS 180-4: the padded message "abc" at the garbler, the initial state at the evaluator.
#[test]
fn sha_256_of_abc() {
    let Some(file) = public("fashion/sha256.txt") else { return };
    let block = format!("0x61626380{}18", "0".repeat(118));
    let state = "0x6a09e667bb67ae853c6ef372a54ff53a510e527f9b05688c1f83d9ab5be0cd19";
    let digest = "0xba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(run_both(&file, &[], &block, &["--input", state, "--hex"]), digest);
}

/// Writes a netlist to a file in Bristol Fashion.
fn written(folder: &tempfile::TempDir, name: &str, netlist: &Netlist) -> String {
    let path = folder.path().join(name);
    let file = std::fs::File::create(&path).expect("created");
    bristol::write(netlist, file, &Options::default()).expect("written");
    path.into_os_string().into_string().expect("a temporary path is text")
}

/// Three groups a, b, c of four bits: `(a & b) ^ c`.
fn three_groups() -> Netlist {
    let mut b = Builder::new();
    let groups: Vec<_> = (0..3).map(|_| b.input(4)).collect();
    let out = (0..4).map(|i| {
        let both = b.and(groups[0][i], groups[1][i]);
        b.xor(both, groups[2][i])
    });
    let out = out.collect();
    b.finish(&[out])
}

#[test]
fn one_group_belongs_to_the_evaluator() {
    let mut b = Builder::new();
    let x = b.input(2);
    let out = vec![b.and(x[0], x[1]), b.xor(x[0], x[1])];
    let netlist = b.finish(&[out]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = written(&folder, "one.txt", &netlist);
    for (input, output) in [("00", "00"), ("01", "01"), ("10", "01"), ("11", "10")] {
        assert_eq!(run_both(&file, &[], "", &["--input", input]), output);
    }
}

#[test]
fn three_groups_are_shared_as_the_hosts_say() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = written(&folder, "three.txt", &three_groups());
    // a = 1100 and c = 0110 at the garbler, b = 1010 at the evaluator.
    assert_eq!(run_both(&file, &["--garbler-groups", "0,2"], "11000110", &["--input", "1010"]), "1110");
    // a alone at the garbler, as without the flag.
    assert_eq!(run_both(&file, &["--garbler-groups", "0"], "1100", &["--input", "10100110"]), "1110");
    assert_eq!(run_both(&file, &[], "1100", &["--input", "10100110"]), "1110");
}

#[test]
fn hosts_that_share_the_groups_differently_are_told_so() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = written(&folder, "three.txt", &three_groups());
    let garble = ["garble", &file, "--input", "11000110", "--garbler-groups", "2,0"];
    let garbler = Listening::start(garble.iter().chain(&ANY_PORT));
    let evaluate = ["evaluate", &file, "--connect", &garbler.address, "--garbler-groups", "0"];
    let here = run_failing(evaluate.iter().chain(&["--input", "10100110"]));
    // The garbler goes on waiting for one that fits.
    let evaluate = ["evaluate", &file, "--connect", &garbler.address, "--garbler-groups", "0,2"];
    assert_eq!(run_ok(evaluate.iter().chain(&["--input", "1010"])).trim_end(), "1110");
    let there = garbler.finish();
    for text in [here, there] {
        assert!(text.contains("both hosts have the same netlist"), "{text}");
        assert!(text.contains("holds input group 0 for the client and input groups 0,2 here"), "{text}");
        assert!(text.contains("--garbler-groups"), "{text}");
    }
}

#[test]
fn hosts_with_other_netlists_are_told_so() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut b = Builder::new();
    let groups: Vec<_> = (0..3).map(|_| b.input(4)).collect();
    let out = (0..4).map(|i| b.xor(groups[0][i], groups[2][i])).collect();
    let other = b.finish(&[out]);
    let (file, other_file) =
        (written(&folder, "three.txt", &three_groups()), written(&folder, "other.txt", &other));
    let garbler = Listening::start(["garble", &file, "--input", "1100"].iter().chain(&ANY_PORT));
    let here = run_failing(["evaluate", &other_file, "--connect", &garbler.address, "--input", "1010,0110"]);
    let evaluate = ["evaluate", &file, "--connect", &garbler.address, "--input", "1010,0110"];
    assert_eq!(run_ok(evaluate).trim_end(), "1110");
    let there = garbler.finish();
    let digest = |netlist| Circuit::of_netlist(netlist, &[0]).expect("valid").digest.to_string();
    let (ours, others) = (digest(three_groups()), digest(other));
    for text in [here, there] {
        assert!(text.contains("both need the same file"), "{text}");
        assert!(text.contains(&ours) && text.contains(&others), "{text}");
    }
}

#[test]
fn a_port_scan_does_not_end_a_garbler() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = written(&folder, "three.txt", &three_groups());
    let bits = folder.path().join("bits");
    std::fs::write(&bits, "1100\n").expect("written");
    let input = format!("@{}", bits.display());
    let garbler = Listening::start(["garble", &file, "--input", &input].iter().chain(&ANY_PORT));
    let scan = || TcpStream::connect(&garbler.address).expect("it listens");
    drop(scan());
    let mut silent = scan();
    std::io::Write::write_all(&mut silent, b"GET / HTTP/1.1\r\n\r\n").expect("sent");
    let evaluate = ["evaluate", &file, "--connect", &garbler.address, "--input", "10100110"];
    assert_eq!(run_ok(evaluate).trim_end(), "1110");
    let log = garbler.finish();
    // Who says nothing and leaves has not failed.
    assert!(log.matches("failed after").count() == 1 && log.contains(": 1 evaluations in "), "{log}");
}

#[test]
fn hosts_without_a_scheme_in_common_are_both_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = written(&folder, "three.txt", &three_groups());
    let garble = ["garble", &file, "--input", "1100", "--scheme", "half-gates"];
    let garbler = Listening::start(garble.iter().chain(&ANY_PORT));
    let evaluate = ["evaluate", &file, "--connect", &garbler.address, "--input", "10100110", "--scheme"];
    let here = run_failing(evaluate.iter().chain(&["three-halves"]));
    assert_eq!(run_ok(evaluate.iter().chain(&["three-halves,half-gates"])).trim_end(), "1110");
    for text in [here, garbler.finish()] {
        assert!(text.contains("accepts the garbling schemes three-halves"), "{text}");
        assert!(text.contains("offers half-gates"), "{text}");
    }
}

#[test]
fn a_garbler_answers_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = written(&folder, "three.txt", &three_groups());
    let garbler = Listening::start(["garble", &file, "--input", "1100"].iter().chain(&ANY_PORT));
    let circuit = Circuit::of_netlist(three_groups(), &[0]).expect("valid");
    let rng = &mut net::fresh_rng();
    let stream = TcpStream::connect(&garbler.address).expect("it listens");
    let greeted = client::greet(stream, circuit.digest, 8, &Offer::default(), &Limits::default(), rng)
        .expect("the same circuit");
    let mut session = greeted.start(&circuit.program, rng).expect("an honest garbler");
    let input = [true, false, true, false, false, true, true, false];
    assert_eq!(
        session.ask(&Question::new(input.to_vec().into(), true), rng).expect("the first"),
        Ok(vec![true, true, true, false])
    );
    match session.ask(&Question::new(input.to_vec().into(), true), rng) {
        Err(SessionError::Refused(text)) => assert!(text.contains("granted 1"), "{text}"),
        other => panic!("a second evaluation shows more of the garbler's bits: {other:?}"),
    }
    assert!(garbler.fail().contains("granted 1"));
}

#[test]
fn inputs_that_do_not_fit_are_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = written(&folder, "three.txt", &three_groups());
    let text = run_failing(["garble", &file, "--input", "110"].iter().chain(&ANY_PORT));
    assert!(text.contains("--input has 3 bits, input group 0 of this host has 4 bits"), "{text}");
    let text = run_failing(["evaluate", &file, "--input", "1101,110"]);
    assert!(text.contains("part 2 of --input has 3 bits, input group 2 has 4 bits"), "{text}");
    let text = run_failing(["garble", &file, "--garbler-groups", "3"].iter().chain(&ANY_PORT));
    assert!(text.contains("three.txt") && text.contains("group 3") && text.contains("has 3"), "{text}");
    let text = run_failing(["evaluate", &folder.path().join("none.txt").display().to_string()]);
    assert!(text.contains("none.txt"), "{text}");
}
