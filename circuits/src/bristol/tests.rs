//! Golden texts, every refusal, round trips of random netlists, and mutated files.

use proptest::prelude::*;

use super::*;
use crate::builder::Builder;
use crate::eval::{Lanes, evaluate_bits, evaluate_lanes};
use crate::netlist::{Gate, Gates, Netlist, WireId};

fn parsed(text: &str) -> Result<Parsed, String> {
    read(text.as_bytes(), "test").map_err(|e| e.to_string())
}

fn problem(text: impl AsRef<[u8]>) -> (u64, Problem) {
    match read(text.as_ref(), "test") {
        Err(BristolError::Line { line, problem, .. }) => (line, *problem),
        other => panic!("expected a broken line, found {other:?}"),
    }
}

fn printed(netlist: &Netlist, dialect: Dialect, extended: bool) -> Result<String, BristolError> {
    let mut text = Vec::new();
    write(netlist, &mut text, &Options { dialect, extended })?;
    Ok(String::from_utf8(text).expect("Bristol files are ASCII"))
}

fn gate(kind: &str, wires: &[u32]) -> Gate {
    let w = |i: usize| WireId(wires[i]);
    match kind {
        "AND" => Gate::And { a: w(0), b: w(1), out: w(2) },
        "XOR" => Gate::Xor { a: w(0), b: w(1), out: w(2) },
        "INV" => Gate::Inv { a: w(0), out: w(1) },
        "EQ" => Gate::Const { value: wires[0] == 1, out: w(1) },
        "EQW" => Gate::Copy { a: w(0), out: w(1) },
        other => panic!("{other} is no gate"),
    }
}

fn netlist(wires: u32, inputs: &[u32], outputs: &[u32], gates: &[(&str, &[u32])]) -> Netlist {
    let gates: Gates = gates.iter().map(|&(kind, wires)| gate(kind, wires)).collect();
    Netlist::from_parts(wires, inputs.to_vec(), outputs.to_vec(), gates).expect("a netlist of the test")
}

#[test]
fn every_gate_is_read() {
    let text = "6 12\n2 2 1\n1 2\n\n2 1 0 1 3 AND\n2 1 3 2 4 XOR\n1 1 4 5 INV\n1 1 1 6 EQ\n1 1 2 7 EQW\n\
                8 4 3 4 5 6 7 7 7 7 8 9 10 11 MAND\n";
    let want = netlist(
        12,
        &[2, 1],
        &[2],
        &[
            ("AND", &[0, 1, 3]),
            ("XOR", &[3, 2, 4]),
            ("INV", &[4, 5]),
            ("EQ", &[1, 6]),
            ("EQW", &[2, 7]),
            ("AND", &[3, 7, 8]),
            ("AND", &[4, 7, 9]),
            ("AND", &[5, 7, 10]),
            ("AND", &[6, 7, 11]),
        ],
    );
    assert_eq!(parsed(text), Ok(Parsed { netlist: want, dialect: Dialect::Fashion }));
}

#[test]
fn blanks_and_line_ends_do_not_matter() {
    let plain = "2 5\n2 2 1\n1 2\n\n2 1 0 1 3 AND\n2 1 3 2 4 XOR\n";
    let want = parsed(plain).expect("obeys the format");
    for variant in [
        plain.replace('\n', "\r\n"),
        plain.replace('\n', " \n\n\n"),
        plain.replace(' ', "\t  "),
        plain.replace("\n\n", "\n"),
        plain.trim_end().to_string(),
        format!("\n \t\n  {plain}\r\n\n"),
    ] {
        assert_eq!(parsed(&variant).as_ref(), Ok(&want), "{variant:?}");
    }
}

#[test]
fn comments_and_a_byte_order_mark_are_skipped() {
    let plain = "2 5\n2 2 1\n1 2\n\n2 1 0 1 3 AND\n1 1 3 4 INV\n";
    let want = parsed(plain).expect("obeys the format");
    for variant in [
        format!("\u{feff}{plain}"),
        format!("\u{feff}// made by \u{fc}\n{plain}"),
        format!("# one\n  // two\n\n{plain}// the end"),
        plain.replace('\n', " // 7 AND\r\n"),
        plain.replace('\n', "#\n"),
        plain.replace("INV", "NOT"),
    ] {
        assert_eq!(parsed(&variant).as_ref(), Ok(&want), "{variant:?}");
        assert!(is_begun_by(variant.as_bytes()), "{variant:?}");
    }
    assert_eq!(
        problem("1 3\n\u{feff}1 2\n"),
        (2, Problem::NotText { byte: 0xef, column: 1 }),
        "not at the start"
    );
    let long = format!("// {}\n{plain}", "x".repeat(MAX_LINE));
    assert_eq!(problem(long), (1, Problem::LineTooLong { limit: MAX_LINE }));
}

#[test]
fn other_files_do_not_begin_like_netlists() {
    for start in [&b"\x89HDF\r\n\x1a\n"[..], b"PK\x03\x04", b"{\"a\": 1}", b"XONNSEC1", b"", b"/* */", b"AND"]
    {
        assert!(!is_begun_by(start), "{start:?}");
    }
    assert!(is_begun_by(&[0x1f, 0x8b, 8]) && is_begun_by(b" \n\t7"));
}

#[test]
fn a_circuit_without_outputs_is_refused() {
    for (text, line) in [
        ("1 3\n2 1 1\n0\n\n2 1 0 1 2 AND\n", 3),
        ("1 3\n2 1 1\n2 0 0\n\n2 1 0 1 2 AND\n", 3),
        ("1 3\n1 1 0\n\n2 1 0 1 2 AND\n", 2),
    ] {
        assert_eq!(problem(text), (line, Problem::NoOutputs), "{text:?}");
    }
    assert!(parsed("1 3\n2 1 1\n2 0 1\n\n2 1 0 1 2 AND\n").is_ok(), "one of its groups may be empty");
}

#[test]
fn the_rules_hold_for_ors_in_the_files_own_numbers() {
    let with = |gates: &str, n: u32| problem(format!("{n} 6\n2 1 1\n1 1\n{gates}"));
    assert_eq!(with("2 1 0 1 2 OR\n2 1 0 6 5 OR\n", 2), (5, Problem::OutOfRange { wire: 6, wires: 6 }));
    assert_eq!(with("2 1 0 1 2 OR\n2 1 0 3 5 OR\n", 2), (5, Problem::Undefined { wire: 3 }));
    assert_eq!(with("2 1 0 1 5 OR\n2 1 0 1 5 OR\n", 2), (5, Problem::DefinedTwice { wire: 5 }));
    assert_eq!(
        with("1 1 0 5 OR\n", 1).1,
        Problem::Arity { gate: "OR", inputs: 1, outputs: 1, expected: "2 1" }
    );
}

#[test]
fn the_third_line_tells_the_dialect() {
    let dialect =
        |text: &str| parsed(text).map(|p| (p.dialect, p.netlist.inputs().to_vec(), p.netlist.output_bits()));
    use Dialect::{Classic, Fashion};
    assert_eq!(dialect("1 3\n1 1 1\n\n2 1 0 1 2 AND\n"), Ok((Classic, vec![1, 1], 1)));
    assert_eq!(dialect("1 3\n1 1 1\n2 1 0 1 2 AND\n"), Ok((Classic, vec![1, 1], 1)), "no blank line");
    assert_eq!(dialect("1 3\n2 1 1\n1 1\n2 1 0 1 2 AND\n"), Ok((Fashion, vec![1, 1], 1)));
    // The second line is the same, `2 1 1`, in both.
    assert_eq!(dialect("1 4\n2 1 1\n2 1 0 1 3 AND\n"), Ok((Classic, vec![2, 1], 1)));
    assert_eq!(dialect("0 2\n2 0 2\n"), Ok((Classic, vec![2, 0], 2)), "no gate at all");
    assert_eq!(dialect("0 2\n1 2\n1 2\n"), Ok((Fashion, vec![2], 2)));
    assert_eq!(dialect("1 1\n0\n1 1\n1 1 1 0 EQ\n"), Ok((Fashion, vec![], 1)), "no input");
    let missing = "2 input groups and 1 output group, for no line of output groups follows";
    assert_eq!(
        problem("1 3\n1 2\n2 1 0 1 2 AND\n"),
        (2, Problem::HeaderNumbers { found: 2, expected: missing })
    );
}

#[test]
fn header_lies_are_refused() {
    let counts = "the number of gates and the number of wires";
    assert_eq!(problem(""), (1, Problem::HeaderMissing { expected: counts }));
    assert_eq!(problem("\n\n"), (2, Problem::HeaderMissing { expected: counts }));
    assert_eq!(problem("1 2 3\n"), (1, Problem::HeaderNumbers { found: 3, expected: counts }));
    assert_eq!(problem("1 2\n"), (1, Problem::HeaderMissing { expected: "the input groups" }));
    let token = "2 1 0 1 2 AND".to_string();
    assert_eq!(problem("1 3\n2 1 0 1 2 AND\n"), (2, Problem::Junk { token, expected: "the input groups" }));
    let groups = |side, declared, found| Problem::Groups { side, declared, found };
    assert_eq!(problem("1 3\n3 1 1\n1 1\n"), (2, groups("input", 3, 2)));
    assert_eq!(problem("1 3\n2 1 1\n\n2 1\n"), (4, groups("output", 2, 1)));
    let limit = u64::from(u32::MAX);
    let large = |n: u64| Problem::NumberTooLarge { token: n.to_string(), limit };
    assert_eq!(problem("1 4294967296\n1 1\n1 1\n"), (1, large(1 << 32)));
    assert_eq!(problem("1 3\n1 4294967297\n1 1\n"), (2, large((1 << 32) + 1)));
    assert_eq!(problem("1 3\n1 1 4294967298\n"), (2, large((1 << 32) + 2)));
    assert_eq!(problem("1 3\n2 1 1\n1 1\n2 1 0 1 4294967299 AND\n"), (4, large((1 << 32) + 3)));
    let bits = |side, bits| Problem::TooManyBits { side, bits, wires: 3 };
    assert_eq!(problem("0 3\n2 2 2\n1 1\n"), (1, bits("input", 4)));
    assert_eq!(problem("0 3\n1 2\n2 4294967295 4294967295\n"), (1, bits("output", 2 * limit)));
    assert_eq!(
        problem("2 4\n1 2\n1 1\n\n2 1 0 1 3 AND\n"),
        (5, Problem::TooFewGates { declared: 2, found: 1 })
    );
    let one_more = "1 4\n1 2\n1 1\n\n2 1 0 1 3 AND\n2 1 0 1 2 AND\n";
    assert_eq!(problem(one_more), (6, Problem::TooManyGates { declared: 1 }));
}

#[test]
fn declared_wires_are_bounded_by_the_bytes_read() {
    let text = "0 4000000000\n1 2\n1 4000000000\n";
    let bytes = text.len() as u64;
    let limit = bytes + SPARE_WIRES;
    assert_eq!(problem(text), (1, Problem::TooManyWires { wires: 4_000_000_000, limit, bytes }));
    let endless = "18446744073709551615 4000000000\n1 4000000000\n1 1\n";
    assert_eq!(problem(endless), (3, Problem::TooFewGates { declared: u64::MAX, found: 0 }));
    assert!(parsed("0 1000000\n1 1000000\n1 1\n").is_ok(), "a million unused inputs are allowed");
}

#[test]
fn gate_lines_are_checked() {
    let with = |line: &str| problem(format!("1 6\n1 4\n1 1\n\n{line}\n")).1;
    let fashion = "AND, OR, XOR, INV (also written NOT), EQ, EQW or MAND";
    assert_eq!(with("2 1 0 1 5 NAND"), Problem::UnknownGate { found: "NAND".into(), expected: fashion });
    assert_eq!(with("2 1 0 1 5 and"), Problem::UnknownGate { found: "and".into(), expected: fashion });
    assert_eq!(with("2 1 0 1 5"), Problem::NoGate { expected: fashion });
    let arity = |gate, inputs, outputs, expected| Problem::Arity { gate, inputs, outputs, expected };
    assert_eq!(with("1 1 0 1 5 AND"), arity("AND", 1, 1, "2 1"));
    assert_eq!(with("2 2 0 1 5 XOR"), arity("XOR", 2, 2, "2 1"));
    assert_eq!(with("2 1 0 5 INV"), arity("INV", 2, 1, "1 1"));
    assert_eq!(with("2 1 0 5 EQW"), arity("EQW", 2, 1, "1 1"));
    assert_eq!(with("0 1 0 5 EQ"), arity("EQ", 0, 1, "1 1"));
    assert_eq!(with("0 0 MAND"), arity("MAND", 0, 0, "2n n, n at least 1"));
    assert_eq!(with("3 2 0 1 2 4 5 MAND"), arity("MAND", 3, 2, "2n n, n at least 1"));
    let max = u64::MAX;
    assert_eq!(
        with(&format!("{max} {max} 0 1 5 MAND")),
        Problem::GateNumbers { gate: "MAND", found: 5, expected: max }
    );
    let numbers = |gate, found, expected| Problem::GateNumbers { gate, found, expected };
    assert_eq!(with("2 1 0 1 AND"), numbers("AND", 4, 5));
    assert_eq!(with("2 1 0 1 4 5 AND"), numbers("AND", 6, 5));
    assert_eq!(with("INV"), numbers("INV", 0, 2));
    assert_eq!(with("1 1 2 5 EQ"), Problem::Constant { found: 2 });
    let after = "nothing after the gate's name".to_string();
    assert!(
        matches!(with("2 1 0 1 5 AND 7"), Problem::Junk { token, expected } if token == "7" && expected == after)
    );
    assert!(matches!(with("2 1 0 -1 5 AND"), Problem::Junk { token, .. } if token == "-1"));
    let classic = "AND, OR, XOR or INV (also written NOT)";
    for gate in ["EQ", "EQW", "MAND"] {
        let text = format!("1 3\n1 1 1\n\n1 1 1 2 {gate}\n");
        assert_eq!(problem(text), (4, Problem::UnknownGate { found: gate.into(), expected: classic }));
    }
}

#[test]
fn wire_rules_name_their_line() {
    let with = |lines: &str, gates: u32| problem(format!("{gates} 6\n1 2\n1 1\n\n{lines}"));
    let out_of_range = Problem::OutOfRange { wire: 6, wires: 6 };
    assert_eq!(with("2 1 0 1 2 AND\n\n\n2 1 0 6 5 AND\n", 2), (8, out_of_range.clone()));
    assert_eq!(with("2 1 0 1 6 AND\n", 1), (5, out_of_range));
    assert_eq!(with("2 1 0 1 2 AND\n2 1 0 3 5 XOR\n1 1 0 3 INV\n", 3), (6, Problem::Undefined { wire: 3 }));
    assert_eq!(with("1 1 0 5 INV\n\n1 1 1 5 EQW\n", 2), (7, Problem::DefinedTwice { wire: 5 }));
    assert_eq!(with("1 1 0 1 INV\n", 1), (5, Problem::DefinedTwice { wire: 1 }));
    assert_eq!(with("1 1 0 2 INV\n\n", 1), (6, Problem::OutputUndefined { wire: 5 }));
    // Both ANDs of a MAND are on its line, and the line after it is the next.
    assert_eq!(
        with("4 2 0 1 1 9 2 3 MAND\n1 1 0 5 INV\n", 2),
        (5, Problem::OutOfRange { wire: 9, wires: 6 })
    );
    assert_eq!(with("4 2 0 1 1 1 2 3 MAND\n1 1 4 5 INV\n", 2), (6, Problem::Undefined { wire: 4 }));
    assert_eq!(with("4 2 0 1 1 1 2 2 MAND\n1 1 0 5 INV\n", 2), (5, Problem::DefinedTwice { wire: 2 }));
    assert_eq!(
        with("4 2 0 2 1 1 2 5 MAND\n", 1),
        (5, Problem::Undefined { wire: 2 }),
        "a MAND is done side by side"
    );
    assert_eq!(
        read("1 504\n1 2\n1 1\n\n\n\n2 1 0 504 3 AND".as_bytes(), "f.txt").map_err(|e| e.to_string()),
        Err("f.txt, line 7: wire 504 is out of range, the header declares 504 wires".into())
    );
}

#[test]
fn files_that_are_no_text_are_refused() {
    for (magic, tool) in [(&[0x28, 0xb5, 0x2f, 0xfd, 0][..], "zstd -d"), (&[0x1f, 0x8b, 8], "gunzip")] {
        let error = read(magic, "f.txt").expect_err("compressed").to_string();
        assert!(error.starts_with("f.txt: the file is compressed") && error.contains(tool), "{error}");
    }
    assert_eq!(problem(b"1 3\n\xff\n"), (2, Problem::NotText { byte: 0xff, column: 1 }));
    assert_eq!(
        problem("1 3\n1 2\n1 1\n2 1 0 1 2 \u{c4}ND\n"),
        (4, Problem::NotText { byte: 0xc3, column: 11 })
    );
    assert!(matches!(problem([0u8; 64]), (1, Problem::NotText { byte: 0, column: 1 })));
}

#[test]
fn long_lines_are_not_collected() {
    let limit = MAX_LINE;
    // The reader has no end: only the limit ends this.
    let endless = std::io::BufReader::new(std::io::repeat(b' '));
    let error = read(endless, "endless").expect_err("too long").to_string();
    assert_eq!(error, format!("endless, line 1: the line has more than {limit} bytes"));
    let blank = |n: usize| format!("1 3\n1 2\n1 1\n{}\n2 1 0 1 2 AND\n", " ".repeat(n));
    assert!(parsed(&blank(limit)).is_ok());
    assert_eq!(problem(blank(limit + 1)), (4, Problem::LineTooLong { limit }));
}

#[test]
fn what_every_peer_reads_is_written_by_default() {
    let n = netlist(
        9,
        &[2, 1],
        &[3],
        &[
            ("AND", &[0, 1, 3]),
            ("EQ", &[1, 6]),
            ("EQW", &[3, 4]),
            ("EQ", &[0, 5]),
            ("XOR", &[4, 5, 7]),
            ("INV", &[6, 8]),
        ],
    );
    let basic = "8 11\n2 2 1\n1 3\n\n2 1 0 1 3 AND\n2 1 0 0 6 XOR\n1 1 6 8 INV\n1 1 3 7 INV\n1 1 7 4 INV\n\
                 2 1 0 0 5 XOR\n2 1 4 5 9 XOR\n1 1 8 10 INV\n";
    assert_eq!(printed(&n, Dialect::Fashion, false).expect("has inputs"), basic);
    let classic = basic.replacen("2 2 1\n1 3\n", "2 1 3\n", 1);
    assert_eq!(printed(&n, Dialect::Classic, false).expect("two groups"), classic);
    let extended =
        "6 9\n2 2 1\n1 3\n\n2 1 0 1 3 AND\n1 1 1 6 EQ\n1 1 3 4 EQW\n1 1 0 5 EQ\n2 1 4 5 7 XOR\n1 1 6 8 INV\n";
    assert_eq!(printed(&n, Dialect::Fashion, true).expect("any netlist"), extended);
}

#[test]
fn outputs_that_are_inputs_are_copied_when_wires_move() {
    // Wires 1 and 2 are inputs and outputs; the copy needs a spare wire below the outputs.
    let n = netlist(5, &[3], &[4], &[("EQW", &[0, 3]), ("AND", &[1, 2, 4])]);
    let text = printed(&n, Dialect::Fashion, false).expect("has inputs");
    assert_eq!(
        text,
        "7 10\n1 3\n1 4\n\n1 1 0 3 INV\n1 1 3 8 INV\n2 1 1 2 9 AND\n1 1 1 4 INV\n1 1 4 6 INV\n1 1 2 5 INV\n1 1 5 7 INV\n"
    );
    let back = parsed(&text).expect("just written").netlist;
    for v in 0..8 {
        let x: Vec<bool> = (0..3).map(|i| v >> i & 1 == 1).collect();
        assert_eq!(evaluate_bits(&back, &x), evaluate_bits(&n, &x));
    }
    let untouched = netlist(4, &[3], &[3], &[("AND", &[0, 1, 3])]);
    let text = printed(&untouched, Dialect::Fashion, false).expect("has inputs");
    assert_eq!(text, "1 4\n1 3\n1 3\n\n2 1 0 1 3 AND\n");
}

#[test]
fn neighbouring_ands_share_a_line() {
    let ands: [(&str, &[u32]); 4] =
        [("AND", &[0, 1, 2]), ("AND", &[1, 0, 3]), ("AND", &[2, 3, 4]), ("XOR", &[4, 0, 5])];
    let n = netlist(6, &[1, 1], &[1], &ands);
    let text = printed(&n, Dialect::Fashion, true).expect("any netlist");
    assert_eq!(text, "3 6\n2 1 1\n1 1\n\n4 2 0 1 1 0 2 3 MAND\n2 1 2 3 4 AND\n2 1 4 0 5 XOR\n");
    assert_eq!(parsed(&text).expect("just written").netlist, n);

    let many: Gates = (2..10_002).map(|out| gate("AND", &[0, 1, out])).collect();
    let n = Netlist::from_parts(10_002, vec![2], vec![1], many).expect("all read inputs");
    let text = printed(&n, Dialect::Fashion, true).expect("any netlist");
    assert_eq!(text.lines().count(), 4 + 3, "4,096 ANDs a line");
    assert_eq!(parsed(&text).expect("just written").netlist, n);
}

#[test]
fn options_that_do_not_suit_are_refused_before_a_byte_is_written() {
    let constant = netlist(1, &[], &[1], &[("EQ", &[1, 0])]);
    let mut sink = Vec::new();
    let error = write(&constant, &mut sink, &Options::default());
    assert!(matches!(error, Err(BristolError::ConstantWithoutInput)) && sink.is_empty());
    assert_eq!(printed(&constant, Dialect::Fashion, true).expect("EQ"), "1 1\n0\n1 1\n\n1 1 1 0 EQ\n");
    let three = netlist(3, &[1, 1, 1], &[1], &[]);
    assert!(matches!(
        printed(&three, Dialect::Classic, false),
        Err(BristolError::ClassicGroups { found: 3 })
    ));
    assert!(matches!(printed(&three, Dialect::Classic, true), Err(BristolError::ClassicExtended)));
    let one = netlist(2, &[2], &[1, 1], &[]);
    assert_eq!(printed(&one, Dialect::Classic, false).expect("one group"), "0 2\n2 0 2\n\n");
}

#[test]
fn the_writer_handles_numbers_of_any_length_and_reports_failures() {
    let mut gates = GateWriter::new(Vec::new());
    gates.and(0, 9, 10).expect("memory");
    gates.xor(99, 12_345_678_901, u64::MAX).expect("memory");
    gates.mand(&[[1, 2, 3], [4, 5, 6]]).expect("memory");
    let text = gates.finish().expect("memory");
    let want = "2 1 0 9 10 AND\n2 1 99 12345678901 18446744073709551615 XOR\n4 2 1 4 2 5 3 6 MAND\n";
    assert_eq!(String::from_utf8_lossy(&text), want);

    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let n = netlist(3, &[2], &[1], &[("AND", &[0, 1, 2])]);
    assert!(matches!(write(&n, Full, &Options::default()), Err(BristolError::Write { .. })));
    let mut gates = GateWriter::new(Full);
    assert!((0..10_000).any(|i| gates.inv(i, i + 1).is_err()), "a full disk shows before the end");
}

/// Any netlist that a builder makes: `picks` chooses gates, operands and outputs.
fn built(groups: &[usize], picks: &[(u8, u16, u16)], outputs: &[u16], split: usize) -> Netlist {
    let mut b = Builder::new();
    let mut wires: Vec<WireId> = groups.iter().flat_map(|&n| b.input(n)).collect();
    for &(kind, x, y) in picks {
        let (x, y) = (wires[x as usize % wires.len()], wires[y as usize % wires.len()]);
        wires.push(match kind % 6 {
            0 | 1 => b.and(x, y),
            2 => b.xor(x, y),
            3 => b.inv(x),
            4 => b.constant(kind & 8 == 8),
            _ => b.or(x, y),
        });
    }
    let outputs: Vec<WireId> =
        outputs.iter().map(|&o| wires[wires.len() - 1 - o as usize % wires.len()]).collect();
    let (first, second) = outputs.split_at(split.min(outputs.len()));
    b.finish(&[first.to_vec(), second.to_vec()])
}

fn random_netlist() -> impl Strategy<Value = Netlist> {
    let groups = proptest::collection::vec(1..9usize, 1..3);
    let picks = proptest::collection::vec(any::<(u8, u16, u16)>(), 0..80);
    let outputs = proptest::collection::vec(any::<u16>(), 1..24);
    (groups, picks, outputs, 0..24usize).prop_map(|(g, p, o, split)| built(&g, &p, &o, split))
}

proptest! {
    #[test]
    fn round_trips_compute_the_same_and_settle(n in random_netlist(), seed in any::<u64>()) {
        let mut state = seed | 1;
        let inputs: Vec<Lanes> = (0..n.input_bits()).map(|_| std::array::from_fn(|_| xorshift(&mut state))).collect();
        let want = evaluate_lanes(&n, &inputs, &mut Vec::new());
        for (dialect, extended) in [(Dialect::Fashion, false), (Dialect::Fashion, true), (Dialect::Classic, false)] {
            let text = printed(&n, dialect, extended).expect("has inputs, at most two groups");
            let back = parsed(&text).expect("just written");
            prop_assert_eq!(back.dialect, dialect);
            prop_assert_eq!(evaluate_lanes(&back.netlist, &inputs, &mut Vec::new()), want.clone());
            prop_assert_eq!(back.netlist.stats().and, n.stats().and);
            prop_assert_eq!(printed(&back.netlist, dialect, extended).expect("as before"), text.clone());
            if extended {
                prop_assert_eq!(&back.netlist, &n);
            } else {
                prop_assert!(!text.contains("EQ") && !text.contains("MAND"));
                prop_assert!(text.split_once("\n\n").is_some_and(|(_, gates)| !gates.contains("\n\n")));
            }
        }
    }
}

fn xorshift(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Damaged files give an error or a netlist that obeys every rule, and never more wires than their length allows.
#[test]
fn mutated_files_never_panic() {
    let valid = "6 12\r\n2 2 1\r\n1 2\n\n2 1 0 1 3 OR\n2 1 3 2 4 XOR # 1\n1 1 4 5 INV\n1 1 1 6 EQ\n1 1 2 7 EQW\n\
                 8 4 3 4 5 6 7 7 7 7 8 9 10 11 MAND\n";
    let pieces: [&[u8]; 10] =
        [b"0", b"9", b" ", b"\n", b"4294967295", b"18446744073709551616", b"MAND", b"OR", b"//", b"\xff"];
    let mut state = 0x9e37_79b9_7f4a_7c15;
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..30_000 {
        let mut text = valid.as_bytes().to_vec();
        for _ in 0..=xorshift(&mut state) % 3 {
            let at = xorshift(&mut state) as usize % text.len();
            let piece = pieces[xorshift(&mut state) as usize % pieces.len()];
            match xorshift(&mut state) % 4 {
                0 => text[at] = xorshift(&mut state) as u8,
                1 => drop(text.remove(at)),
                2 => drop(text.splice(at..at, piece.iter().copied())),
                _ => drop(text.splice(at..=at, piece.iter().copied())),
            }
        }
        match read(&text[..], "mutated") {
            Ok(parsed) => {
                accepted += 1;
                // An OR takes two wires more than the file declares, and a line.
                assert!(u64::from(parsed.netlist.wires()) <= 2 * text.len() as u64 + SPARE_WIRES);
                let bits = vec![true; parsed.netlist.input_bits()];
                assert_eq!(evaluate_bits(&parsed.netlist, &bits).len(), parsed.netlist.output_bits());
            }
            Err(error) => {
                refused += 1;
                assert!(error.to_string().len() < 300, "{error}");
            }
        }
    }
    assert!(accepted > 500 && refused > 5000, "{accepted} accepted, {refused} refused");
}
