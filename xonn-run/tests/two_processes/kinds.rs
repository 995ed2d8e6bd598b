//! Netlists of every kind between two processes, by each scheme, against plain evaluation: gates of all
//! names, both dialects, hosts without a bit, groups without a bit, many outputs.
//!
//! [`every_netlist_of_a_folder`] does that for files of the user's: `just netlists FOLDER`.

use std::path::{Path, PathBuf};

use xonn_circuits::bristol;
use xonn_circuits::eval::evaluate_bits;
use xonn_circuits::netlist::Netlist;

use crate::command::{Listening, run_failing};
use crate::netlists::run_both;

/// Random bits that are the same in each run (xorshift, Marsaglia 2003).
struct Bits(u64);

impl Bits {
    fn next(&mut self, count: u32) -> Vec<bool> {
        let mut bit = || {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 >> 40 & 1 == 1
        };
        (0..count).map(|_| bit()).collect()
    }
}

fn digits(bits: &[bool]) -> String {
    bits.iter().map(|&bit| if bit { '1' } else { '0' }).collect()
}

/// Runs a netlist on random inputs, the garbler holding `groups`; both hosts give their groups apart, the
/// outputs come apart.
fn compare(file: &str, netlist: &Netlist, groups: &[usize], random: &mut Bits) {
    let (mut all, mut parts) = (Vec::new(), [Vec::new(), Vec::new()]);
    for (group, &bits) in netlist.inputs().iter().enumerate() {
        let bits = random.next(bits);
        parts[usize::from(groups.contains(&group))].push(digits(&bits));
        all.extend(bits);
    }
    let output = evaluate_bits(netlist, &all);
    let mut rest = &output[..];
    let wanted = netlist.outputs().iter().map(|&bits| {
        let (group, more) = rest.split_at(bits as usize);
        rest = more;
        digits(group)
    });
    let wanted = wanted.collect::<Vec<_>>().join(",");
    let named: Vec<String> = groups.iter().map(usize::to_string).collect();
    let flag = format!("--garbler-groups={}", named.join(","));
    let [evaluator, garbler] = parts.map(|parts| parts.join(","));
    let printed = run_both(file, &[&flag], &garbler, &["--input", &evaluator]);
    assert_eq!(printed, wanted, "{file} with {flag}, garbler {garbler}, evaluator {evaluator}");
}

/// Ways to share up to `most` groups between two hosts: nothing, everything, and each group alone at the
/// garbler.
fn ways(groups: usize, most: usize) -> Vec<Vec<usize>> {
    let mut ways = vec![vec![], (0..groups).collect::<Vec<_>>()];
    ways.extend((0..groups.min(most)).map(|group| vec![group]));
    ways.sort();
    ways.dedup();
    ways
}

/// One netlist of each kind that the reader knows.
const KINDS: [(&str, &str); 13] = [
    ("fashion.txt", "3 6\n2 2 1\n1 2\n\n2 1 0 1 3 AND\n2 1 3 2 4 XOR\n1 1 3 5 INV\n"),
    ("classic.txt", "3 6\n2 1 2\n\n2 1 0 1 3 AND\n2 1 3 2 4 XOR\n1 1 3 5 INV\n"),
    ("names.bristol", "// OR and NOT\n2 4\n2 1 1\n1 1\n\n2 1 0 1 2 OR # out\n1 1 2 3 NOT\n"),
    ("or-classic.circ", "3 7\n2 2 2\n\n2 1 0 2 4 OR\n2 1 4 3 5 OR\n2 1 4 1 6 AND\n"),
    ("constants", "\u{feff}4 6\n2 1 1\n1 2\n\n1 1 1 2 EQ\n2 1 2 0 3 XOR\n2 1 3 1 4 AND\n1 1 0 5 EQ\n"),
    ("copies.txt", "2 5\n3 1 1 1\n1 2\n\n1 1 2 3 EQW\n1 1 0 4 EQW\n"),
    ("mand.txt", "2 10\n2 3 3\n1 3\n\n6 3 0 1 2 3 4 5 6 7 8 MAND\n1 1 8 9 EQW\n"),
    ("evaluator-empty.txt", "2 4\n2 0 1\n\n2 1 0 1 2 AND\n1 1 2 3 INV\n"),
    ("garbler-empty.txt", "2 4\n0 2 1\n\n2 1 0 1 2 OR\n1 1 2 3 INV\n"),
    ("empty-groups.txt", "1 3\n4 1 0 1 0\n3 0 1 0\n\n2 1 0 1 2 AND\n"),
    ("through.txt", "0 3\n2 2 1\n1 2\n"),
    ("through-or.txt", "1 4\n1 3\n1 3\n\n2 1 0 2 3 OR\n"),
    ("no-inputs.txt", "2 2\n0\n2 1 1\n\n1 1 1 0 EQ\n1 1 0 1 EQ\n"),
];

#[test]
fn every_kind_gives_what_plain_evaluation_gives() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut random = Bits(0x9e37_79b9_7f4a_7c15);
    for (name, text) in KINDS {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        let netlist = bristol::read_path(&path).expect("it obeys the format").netlist;
        for groups in ways(netlist.inputs().len(), 2) {
            compare(path.to_str().expect("text"), &netlist, &groups, &mut random);
        }
    }
}

#[test]
fn a_circuit_without_outputs_is_refused_by_both_hosts() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("none.txt");
    std::fs::write(&path, "1 3\n2 1 1\n1 0\n\n2 1 0 1 2 AND\n").expect("written");
    for command in ["garble", "evaluate"] {
        let text = run_failing([command, path.to_str().expect("text"), "--input", "1"]);
        assert!(text.contains("none.txt, line 3: the circuit has no output bits"), "{text}");
    }
}

/// The files of a folder and of those in it, by name.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Prints a table; files that are refused must be so by both commands, in the reader's words.
#[test]
#[ignore = "for files of your own: `just netlists FOLDER`"]
fn every_netlist_of_a_folder() {
    let folder = std::env::var_os("XONN_NETLISTS").expect("XONN_NETLISTS names a folder");
    let (mut paths, mut random) = (Vec::new(), Bits(0x9e37_79b9_7f4a_7c15));
    files(Path::new(&folder), &mut paths);
    let (mut right, mut refused) = (0, 0);
    for path in &paths {
        let file = path.to_str().expect("a name that is text");
        match bristol::read_path(path) {
            Ok(parsed) => {
                let ways = ways(parsed.netlist.inputs().len(), 3);
                for groups in &ways {
                    compare(file, &parsed.netlist, groups, &mut random);
                }
                let ands = parsed.netlist.stats().and;
                println!("right    {file}: {ands} ANDs, {} ways to share its groups, 2 schemes", ways.len());
                right += 1;
            }
            Err(error) => {
                for command in ["garble", "evaluate"] {
                    let text =
                        run_failing([command, file, "--wait", "0"].iter().take(if command == "garble" {
                            2
                        } else {
                            4
                        }));
                    assert!(text.starts_with(&error.to_string()), "{text}, expected {error}");
                }
                println!("refused  {error}");
                refused += 1;
            }
        }
    }
    println!("{right} right, {refused} refused");
    assert!(right > 0, "no netlist among {} files", paths.len());
}

/// The evaluator is started first, says that it waits, and goes on when the garbler listens.
#[test]
fn an_evaluator_waits_for_its_garbler() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("and.txt");
    std::fs::write(&path, "1 3\n2 1 1\n1 1\n\n2 1 0 1 2 AND\n").expect("written");
    let file = path.to_str().expect("text");
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
    let address = free.to_string();
    let evaluate = ["evaluate", file, "--input", "1", "--connect", &address];
    let text = run_failing(evaluate.iter().chain(&["--wait", "0"]));
    assert!(text.contains(&format!("cannot connect to {address}")) && !text.contains("waited"), "{text}");

    let mut waiting = crate::command::Waiting::start(evaluate.iter().chain(&["--wait", "60"]));
    assert!(waiting.line().contains(&format!("waiting up to 60 s for the garbler to listen on {address}")));
    let garbler = Listening::start(["garble", file, "--input", "1", "--listen", &address]);
    assert_eq!(waiting.finish().trim_end(), "1");
    garbler.finish();
}

#[test]
fn an_evaluator_does_not_wait_for_ever() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("and.txt");
    std::fs::write(&path, "1 3\n2 1 1\n1 1\n\n2 1 0 1 2 AND\n").expect("written");
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
    let address = free.to_string();
    let file = path.to_str().expect("text");
    let output = crate::run(["evaluate", file, "--input", "1", "--connect", &address, "--wait", "1"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{text}");
    assert!(text.contains("waited 1 s for `xonn-run garble` to listen there"), "{text}");
}
