//! Carries in networks of little depth: adders, subtractors and comparators of prefixes, and what a second
//! run finds.

use xonn_circuits::builder::Builder;
use xonn_circuits::netlist::{Netlist, WireId};
use xonn_circuits::optimize::equivalence::compare;
use xonn_circuits::optimize::{Options, Pass, optimize};

/// ANDs after optimisation. The result is compared on more inputs than the optimiser takes, and a second run
/// may gain nothing.
fn ands(netlist: &Netlist) -> u64 {
    let run = |netlist: &Netlist| {
        optimize(netlist, &Options::default(), &mut |_, _, _| {}).expect("an optimiser keeps the function")
    };
    let once = run(netlist);
    compare(netlist, &once.netlist, 256, 99).expect("the same function");
    let twice = run(&once.netlist);
    assert!(!twice.improved, "{:?} then {:?}", once.netlist.stats(), twice.netlist.stats());
    once.netlist.stats().and
}

/// Generate and propagate of neighbouring bits.
type Span = (WireId, WireId);

/// How two spans are joined, the upper one first.
type Join = fn(&mut Builder, Span, Span) -> Span;

/// `g ^ p g'`, since both are never 1 together.
fn with_xor(b: &mut Builder, (g, p): Span, (lower_g, lower_p): Span) -> Span {
    let passed = b.and(p, lower_g);
    (b.xor(g, passed), b.and(p, lower_p))
}

/// `g | p g'`, as hardware has it.
fn with_or(b: &mut Builder, (g, p): Span, (lower_g, lower_p): Span) -> Span {
    let passed = b.and(p, lower_g);
    (b.or(g, passed), b.and(p, lower_p))
}

/// `g ? 1 : p ? g' : 0` with multiplexers.
fn with_choice(b: &mut Builder, (g, p): Span, (lower_g, lower_p): Span) -> Span {
    let differ = b.xor(g, lower_g);
    let chosen = b.and(p, differ);
    (b.xor(g, chosen), b.and(p, lower_p))
}

/// Prefixes of spans: the span from bit 0 up to each bit.
type Network = fn(&mut Builder, &[Span], Join) -> Vec<Span>;

fn sklansky(b: &mut Builder, spans: &[Span], join: Join) -> Vec<Span> {
    let mut all = spans.to_vec();
    let mut distance = 1;
    while distance < all.len() {
        for i in (0..all.len()).filter(|i| i / distance % 2 == 1) {
            let below = all[i / distance * distance - 1];
            all[i] = join(b, all[i], below);
        }
        distance *= 2;
    }
    all
}

fn kogge_stone(b: &mut Builder, spans: &[Span], join: Join) -> Vec<Span> {
    let mut all = spans.to_vec();
    let mut distance = 1;
    while distance < all.len() {
        for i in (distance..all.len()).rev() {
            all[i] = join(b, all[i], all[i - distance]);
        }
        distance *= 2;
    }
    all
}

fn brent_kung(b: &mut Builder, spans: &[Span], join: Join) -> Vec<Span> {
    if spans.len() < 2 {
        return spans.to_vec();
    }
    let pairs: Vec<Span> = spans.chunks_exact(2).map(|two| join(b, two[1], two[0])).collect();
    let of_pairs = brent_kung(b, &pairs, join);
    let prefix = |(i, &span): (usize, &Span)| match i {
        0 => span,
        i if i % 2 == 1 => of_pairs[i / 2],
        i => join(b, span, of_pairs[i / 2 - 1]),
    };
    spans.iter().enumerate().map(prefix).collect()
}

const NETWORKS: [(&str, Network); 3] =
    [("Sklansky", sklansky), ("Kogge-Stone", kogge_stone), ("Brent-Kung", brent_kung)];
const JOINS: [(&str, Join); 3] = [("XOR", with_xor), ("OR", with_or), ("choice", with_choice)];

/// Propagate is `x ^ y`, or `x | y`, which gives the same carries where spans are joined by OR.
fn spans(b: &mut Builder, x: &[WireId], y: &[WireId], by_or: bool) -> Vec<Span> {
    let span = |(&x, &y): (&WireId, &WireId)| {
        let propagate = if by_or { b.or(x, y) } else { b.xor(x, y) };
        (b.and(x, y), propagate)
    };
    x.iter().zip(y).map(span).collect()
}

/// Sum of two numbers, with the carry out or without.
fn adder(n: usize, network: Network, join: Join, by_or: bool, with_carry: bool) -> Netlist {
    let mut b = Builder::new();
    let (x, y) = (b.input(n), b.input(n));
    let spans = spans(&mut b, &x, &y, by_or);
    let carries = network(&mut b, &spans, join);
    let mut sum: Vec<WireId> = (0..n).map(|i| b.xor(x[i], y[i])).collect();
    for i in 1..n {
        sum[i] = b.xor(sum[i], carries[i - 1].0);
    }
    sum.extend(with_carry.then_some(carries[n - 1].0));
    b.finish(&[sum])
}

#[test]
fn adders_of_prefixes_take_one_and_a_bit() {
    for (name, network) in NETWORKS {
        for (joined, join) in JOINS {
            for n in [8, 16, 32] {
                let netlist = adder(n, network, join, false, false);
                assert!(n < 16 || netlist.stats().and > 2 * n as u64, "it is a network of prefixes");
                assert_eq!(ands(&netlist), n as u64 - 1, "{name}, {joined}, {n} bits");
            }
            let netlist = adder(24, network, join, false, true);
            assert_eq!(ands(&netlist), 24, "{name}, {joined}, 24 bits and the carry");
        }
        let netlist = adder(32, network, with_or, true, true);
        assert_eq!(ands(&netlist), 32, "{name}, propagate by OR, 32 bits and the carry");
    }
}

#[test]
fn an_adder_of_64_bits_takes_63_ands() {
    assert_eq!(ands(&adder(64, sklansky, with_xor, false, false)), 63);
}

#[test]
fn comparators_of_prefixes_take_one_and_a_bit() {
    for n in [8, 16, 64] {
        // x > y: the carry of x + !y, as a tree of which only the root is read.
        let mut b = Builder::new();
        let (x, y) = (b.input(n), b.input(n));
        let not_y: Vec<WireId> = y.iter().map(|&w| b.inv(w)).collect();
        let mut level = spans(&mut b, &x, &not_y, false);
        while level.len() > 1 {
            level = level.chunks(2).map(|two| with_xor(&mut b, two[1], two[0])).collect();
        }
        let netlist = b.finish(&[vec![level[0].0]]);
        assert!(netlist.stats().and > 2 * n as u64);
        assert_eq!(ands(&netlist), n as u64, "{n} bits");
    }
}

/// Blocks of 4 bits are added for both carries in, and one of the sums is chosen.
#[test]
fn a_carry_select_adder_takes_one_and_a_bit() {
    let n = 16;
    let mut b = Builder::new();
    let (x, y) = (b.input(n), b.input(n));
    let mut carry = b.constant(false);
    let mut sum = Vec::new();
    for (x, y) in x.chunks(4).zip(y.chunks(4)) {
        let both: Vec<Vec<WireId>> = [false, true]
            .into_iter()
            .map(|carry_in| {
                let mut c = b.constant(carry_in);
                let mut block = Vec::new();
                for (&x, &y) in x.iter().zip(y) {
                    let differ = b.xor(x, y);
                    block.push(b.xor(differ, c));
                    let (here, passed) = (b.and(x, y), b.and(differ, c));
                    c = b.or(here, passed);
                }
                block.push(c);
                block
            })
            .collect();
        let mut chosen: Vec<WireId> = Vec::new();
        for (&zero, &one) in both[0].iter().zip(&both[1]) {
            let differ = b.xor(zero, one);
            let taken = b.and(carry, differ);
            chosen.push(b.xor(zero, taken));
        }
        carry = chosen.pop().expect("the carry out");
        sum.extend(chosen);
    }
    sum.push(carry);
    let netlist = b.finish(&[sum]);
    assert!(netlist.stats().and > 3 * n as u64);
    assert_eq!(ands(&netlist), n as u64);
}

/// A function of rare ones is no constant: what a chain replaces is proved, not tried.
#[test]
fn conditions_that_hardly_ever_hold_stay() {
    let n = 48;
    let mut b = Builder::new();
    let (x, y) = (b.input(n), b.input(n));
    let same: Vec<WireId> = x
        .iter()
        .zip(&y)
        .map(|(&x, &y)| {
            let differ = b.xor(x, y);
            b.inv(differ)
        })
        .collect();
    let equal = same[1..].iter().fold(same[0], |all, &w| b.and(all, w));
    let spans = spans(&mut b, &x, &y, false);
    let carries = sklansky(&mut b, &spans, with_or);
    let out = b.and(equal, carries[n - 1].0);
    let netlist = b.finish(&[vec![out]]);
    let done = optimize(&netlist, &Options::default(), &mut |_, _, _| {}).expect("the same function");
    // x = y with its top bit set, and x = y without it.
    for (x, wanted) in [(1u64 << 47 | 5, true), (7, false), (1 << 47, true)] {
        let bits: Vec<bool> = (0..2 * n).map(|i| x >> (i % n) & 1 == 1).collect();
        assert_eq!(xonn_circuits::eval::evaluate_bits(&done.netlist, &bits), [wanted], "{x:x}");
    }
}

#[test]
fn rounds_bound_the_search() {
    let netlist = adder(16, sklansky, with_xor, false, false);
    let run = |rounds, passes: &[Pass]| {
        let options = Options { rounds, passes: passes.to_vec(), ..Options::default() };
        optimize(&netlist, &options, &mut |_, _, _| {}).expect("the same function")
    };
    let passes = [Pass::Fold, Pass::Share, Pass::Factor, Pass::Rewrite, Pass::Xor];
    let rounds = |rounds| run(rounds, &passes).steps.iter().filter(|s| s.pass == Pass::Rewrite).count();
    assert_eq!([rounds(0), rounds(1), rounds(2)], [0, 1, 2]);
    assert!(run(1, &passes).netlist.stats().and >= run(96, &passes).netlist.stats().and);
    assert_eq!(run(96, &passes).netlist.stats().and, 15, "without chains, starting again is enough here");
}
