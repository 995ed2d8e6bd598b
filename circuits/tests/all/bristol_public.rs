//! The public circuits, read, written and compared with published test vectors and integer arithmetic.
//!
//! The files are not part of this project: they are looked for in `../shared/circuits` beside the workspace, or where
//! `XONN_CIRCUITS` says (folders `fashion` and `classic`). Without them these tests print that they were skipped.
//!
//! Bit orders found here, by what the circuits compute:
//!
//! | file | inputs and outputs |
//! |---|---|
//! | `fashion` arithmetic, `zero_equal`, `FP-*` | least significant bit first |
//! | `fashion/aes_128` | key, then block; the 16 bytes as one big-endian number, least significant bit first |
//! | `fashion/sha256` | block, then state; each as one big-endian number, least significant bit first |
//! | `classic/adder_32bit` | least significant bit first; the 33rd bit of the sum is the carry |
//! | `classic/AES-non-expanded` | block, then key; bytes in order, each most significant bit first |
//! | `classic/sha-1` | bytes in order, each most significant bit first; the initial state is built in |
//!
//! `fashion/udivide64` is right for divisors from 1 to 2^63 only: 0 / (2^64 - 1) gives 2^64 - 4.

use std::path::PathBuf;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use xonn_circuits::bristol::{self, Dialect, Options};
use xonn_circuits::eval::{Lanes, evaluate_bits, evaluate_lanes};
use xonn_circuits::netlist::Netlist;

/// The folder of circuits, if there is one.
fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("XONN_CIRCUITS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/circuits"),
        PathBuf::from,
    );
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no folder {}, set XONN_CIRCUITS to one with fashion/ and classic/", folder.display());
    None
}

/// A circuit by its path below the folder; a folder without it fails the test.
fn circuit(path: &str) -> Option<Netlist> {
    let file = folder()?.join(path);
    Some(bristol::read_path(&file).unwrap_or_else(|e| panic!("{e}")).netlist)
}

/// Bytes as one big-endian number, least significant bit first.
fn reversed_bits(hex: &str) -> Vec<bool> {
    let mut bits = forward_bits(hex);
    bits.reverse();
    bits
}

/// Bytes in order, each most significant bit first.
fn forward_bits(hex: &str) -> Vec<bool> {
    hex.chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).expect("hexadecimal"))
        .flat_map(|digit| (0..4).rev().map(move |i| digit >> i & 1 == 1))
        .collect()
}

fn number(bits: &[bool]) -> u64 {
    bits.iter().rev().fold(0, |n, &bit| n << 1 | u64::from(bit))
}

fn bits(number: u64, width: usize) -> Vec<bool> {
    (0..width).map(|i| number >> i & 1 == 1).collect()
}

#[test]
fn every_file_round_trips_and_has_the_counts_of_its_header() {
    let Some(folder) = folder() else { return };
    for (sub, dialect) in [("fashion", Dialect::Fashion), ("classic", Dialect::Classic)] {
        let mut files = 0;
        for entry in std::fs::read_dir(folder.join(sub)).expect("a folder of circuits") {
            let path = entry.expect("a readable folder").path();
            let text = std::fs::read_to_string(&path).expect("a readable file");
            let parsed = bristol::read_path(&path).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(parsed.dialect, dialect, "{}", path.display());
            let header: Vec<u64> = text
                .lines()
                .next()
                .expect("a header")
                .split_whitespace()
                .map(|n| n.parse().expect("digits"))
                .collect();
            let stats = parsed.netlist.stats();
            assert_eq!(header, [stats.and + stats.free(), stats.wires], "{}", path.display());
            let kinds = |name: &str| text.lines().filter(|l| l.trim_end().ends_with(name)).count() as u64;
            assert_eq!((kinds(" AND"), kinds(" XOR"), kinds(" INV")), (stats.and, stats.xor, stats.inv));
            for options in [
                Options { dialect: Dialect::Fashion, extended: false },
                Options { dialect: Dialect::Fashion, extended: true },
                Options { dialect: Dialect::Classic, extended: false },
            ] {
                round_trip(&parsed.netlist, &options);
            }
            files += 1;
        }
        assert!(files >= 3, "{sub} holds {files} files");
    }
}

/// Writes and reads a netlist; what comes back computes the same on 256 inputs and is written alike.
fn round_trip(netlist: &Netlist, options: &Options) {
    let mut text = Vec::new();
    bristol::write(netlist, &mut text, options).expect("at most two input groups");
    let back = bristol::read(&text[..], "written").expect("just written");
    let mut state = 1u64;
    let inputs: Vec<Lanes> = (0..netlist.input_bits())
        .map(|_| {
            std::array::from_fn(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                state ^ state >> 29
            })
        })
        .collect();
    let values = |n: &Netlist| evaluate_lanes(n, &inputs, &mut Vec::new());
    assert_eq!(values(&back.netlist), values(netlist));
    let mut again = Vec::new();
    bristol::write(&back.netlist, &mut again, options).expect("as before");
    assert!(again == text, "the second round trip changes the file");
}

/// FIPS 197, appendix B and appendix C.1: key, plaintext, ciphertext.
const AES: [[&str; 3]; 2] = [
    [
        "2b7e151628aed2a6abf7158809cf4f3c",
        "3243f6a8885a308d313198a2e0370734",
        "3925841d02dc09fbdc118597196a0b32",
    ],
    [
        "000102030405060708090a0b0c0d0e0f",
        "00112233445566778899aabbccddeeff",
        "69c4e0d86a7b0430d8cdb78070b4c55a",
    ],
];

#[test]
fn aes_128_is_fips_197() {
    let Some(fashion) = circuit("fashion/aes_128.txt") else { return };
    let Some(classic) = circuit("classic/AES-non-expanded.txt") else { return };
    for [key, block, cipher] in AES {
        let input = [reversed_bits(key), reversed_bits(block)].concat();
        assert_eq!(evaluate_bits(&fashion, &input), reversed_bits(cipher));
        let input = [forward_bits(block), forward_bits(key)].concat();
        assert_eq!(evaluate_bits(&classic, &input), forward_bits(cipher));
    }
}

/// A message of up to 55 bytes as one padded block of SHA-1 and SHA-256, in hexadecimal.
fn padded(message: &str) -> String {
    let mut block = message.as_bytes().to_vec();
    block.push(0x80);
    block.resize(56, 0);
    block.extend((8 * message.len() as u64).to_be_bytes());
    block.iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn sha_256_is_fips_180() {
    let Some(sha256) = circuit("fashion/sha256.txt") else { return };
    let initial = "6a09e667bb67ae853c6ef372a54ff53a510e527f9b05688c1f83d9ab5be0cd19";
    for (message, digest) in [
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ] {
        let input = [reversed_bits(&padded(message)), reversed_bits(initial)].concat();
        assert_eq!(evaluate_bits(&sha256, &input), reversed_bits(digest));
    }
}

#[test]
fn sha_1_is_fips_180() {
    let Some(sha1) = circuit("classic/sha-1.txt") else { return };
    assert_eq!((sha1.inputs(), sha1.outputs()), (&[512, 0][..], &[160][..]));
    for (message, digest) in [
        ("abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
    ] {
        assert_eq!(evaluate_bits(&sha1, &forward_bits(&padded(message))), forward_bits(digest));
    }
}

/// Compares a circuit with `f` on edge cases and random numbers of `width` bits each; `None` is not compared.
fn compare(path: &str, width: usize, f: impl Fn(u64, u64) -> Option<u64>) {
    let Some(netlist) = circuit(path) else { return };
    let out = netlist.output_bits();
    let check = |a: u64, b: u64| {
        let found = number(&evaluate_bits(&netlist, &[bits(a, width), bits(b, width)].concat()));
        assert_eq!(found, f(a, b).unwrap_or(found), "{path} of {a} and {b}, {out} bits");
    };
    let top = u64::MAX >> (64 - width);
    for a in [0, 1, 2, top / 2, top / 2 + 1, top - 1, top] {
        [0, 1, 2, 3, top / 2 + 1, top].into_iter().for_each(|b| check(a, b));
    }
    let mut runner = TestRunner::new(Config { cases: 64, failure_persistence: None, ..Config::default() });
    let pairs = (any::<u64>(), any::<u64>(), 0..width);
    let run = |(a, b, shift): (u64, u64, usize)| {
        check(a & top, (b & top) >> shift);
        Ok(())
    };
    runner.run(&pairs, run).unwrap_or_else(|e| panic!("{path}: {e}"));
}

#[test]
fn integer_circuits_are_integer_arithmetic() {
    compare("fashion/adder64.txt", 64, |a, b| Some(a.wrapping_add(b)));
    compare("fashion/sub64.txt", 64, |a, b| Some(a.wrapping_sub(b)));
    compare("fashion/mult64.txt", 64, |a, b| Some(a.wrapping_mul(b)));
    compare("fashion/udivide64.txt", 64, |a, b| match b {
        1..=0x8000_0000_0000_0000 => Some(a / b),
        _ => None,
    });
    compare("classic/adder_32bit.txt", 32, |a, b| Some(a + b));
}

#[test]
fn zero_equal_finds_the_one_zero() {
    let Some(netlist) = circuit("fashion/zero_equal.txt") else { return };
    assert_eq!(evaluate_bits(&netlist, &bits(0, 64)), [true]);
    assert!((0..64).all(|i| evaluate_bits(&netlist, &bits(1 << i, 64)) == [false]));
    assert_eq!(evaluate_bits(&netlist, &bits(u64::MAX, 64)), [false]);
}

#[test]
fn floating_point_circuits_are_ieee_754() {
    let numbers =
        [0.0, 1.0, -1.0, 0.1, 0.2, -0.3, 1.5e300, -1.5e300, 3.0, 1e16, 1.0 + f64::EPSILON, 1e-290, 12345.678];
    for path in ["fashion/FP-add.txt", "fashion/FP-eq.txt"] {
        let Some(netlist) = circuit(path) else { return };
        let add = path.ends_with("add.txt");
        let check = |a: f64, b: f64| {
            let input = [bits(a.to_bits(), 64), bits(b.to_bits(), 64)].concat();
            let found = number(&evaluate_bits(&netlist, &input));
            let want = if add { (a + b).to_bits() } else { u64::from(a == b) };
            assert_eq!(found, want, "{path} of {a} and {b}: {}", f64::from_bits(found));
        };
        for a in numbers {
            numbers.into_iter().for_each(|b| check(a, b));
        }
        let normal = proptest::num::f64::NORMAL;
        let mut runner =
            TestRunner::new(Config { cases: 256, failure_persistence: None, ..Config::default() });
        let close = (normal, -60i32..60, any::<u64>());
        let run = |(a, exponent, fraction): (f64, i32, u64)| {
            // Numbers of nearly the same size: otherwise the sum is nearly always the larger one.
            let b = a.abs().clamp(1e-200, 1e200) * 2f64.powi(exponent);
            let b = f64::from_bits(b.to_bits() ^ (fraction & ((1 << 51) - 1)));
            check(a.clamp(-1e200, 1e200), b);
            check(a.clamp(-1e200, 1e200), -b);
            check(b, b);
            Ok(())
        };
        runner.run(&close, run).unwrap_or_else(|e| panic!("{path}: {e}"));
    }
}
