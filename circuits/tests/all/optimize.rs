//! The optimiser on circuits that are known to be bad, on random netlists, and on the public files.

use proptest::prelude::*;
use xonn_circuits::bristol;
use xonn_circuits::builder::Builder;
use xonn_circuits::eval::evaluate_bits;
use xonn_circuits::netlist::{Gate, Gates, Netlist, WireId};
use xonn_circuits::optimize::equivalence::{Difference, compare};
use xonn_circuits::optimize::{OptimizeError, Optimized, Options, Pass, optimize};

fn optimized(netlist: &Netlist) -> Optimized {
    optimize(netlist, &Options::default(), &mut |_, _, _| {}).expect("an optimiser keeps the function")
}

/// ANDs after optimisation; the groups are as they were, and the steps tell what happened.
fn ands(netlist: &Netlist) -> u64 {
    let done = optimized(netlist);
    assert_eq!((done.netlist.inputs(), done.netlist.outputs()), (netlist.inputs(), netlist.outputs()));
    let last = done.steps.last().expect("passes ran").after;
    assert!(!done.improved || last == done.netlist.stats().into());
    done.netlist.stats().and
}

/// Carry of three bits with 3 ANDs and two ORs: 5 ANDs.
fn carry_of_products(b: &mut Builder, x: WireId, y: WireId, c: WireId) -> WireId {
    let (xy, xc, yc) = (b.and(x, y), b.and(x, c), b.and(y, c));
    let first = b.or(xy, xc);
    b.or(first, yc)
}

/// Carry of three bits as half adders and an OR have it: 3 ANDs.
fn carry_of_halves(b: &mut Builder, x: WireId, y: WireId, c: WireId) -> WireId {
    let (both, differ) = (b.and(x, y), b.xor(x, y));
    let passed = b.and(differ, c);
    b.or(both, passed)
}

/// Carry of three bits with disjoint products: 2 ANDs.
fn carry_of_disjoint(b: &mut Builder, x: WireId, y: WireId, c: WireId) -> WireId {
    let (both, differ) = (b.and(x, y), b.xor(x, y));
    let passed = b.and(differ, c);
    b.xor(both, passed)
}

type Carry = fn(&mut Builder, WireId, WireId, WireId) -> WireId;
const CARRIES: [Carry; 3] = [carry_of_products, carry_of_halves, carry_of_disjoint];

/// Sum of two numbers with the carry out or without, carries made as told.
fn adder(n: usize, carry: Carry, with_carry: bool) -> Netlist {
    let mut b = Builder::new();
    let (x, y) = (b.input(n), b.input(n));
    let sum = add(&mut b, &x, &y, carry, with_carry);
    b.finish(&[sum])
}

fn add(b: &mut Builder, x: &[WireId], y: &[WireId], carry: Carry, with_carry: bool) -> Vec<WireId> {
    let mut c = b.constant(false);
    let mut sum = Vec::new();
    for (&x, &y) in x.iter().zip(y) {
        let half = b.xor(x, y);
        sum.push(b.xor(half, c));
        c = carry(b, x, y, c);
    }
    sum.extend(with_carry.then_some(c));
    sum
}

#[test]
fn ripple_adders_take_one_and_a_bit() {
    for (i, carry) in CARRIES.into_iter().enumerate() {
        for n in [1u64, 2, 8, 32] {
            assert_eq!(ands(&adder(n as usize, carry, true)), n, "carry {i}, {n} bits and the carry");
            assert_eq!(ands(&adder(n as usize, carry, false)), n - 1, "carry {i}, {n} bits");
        }
    }
}

#[test]
fn subtractors_and_comparators_take_one_and_a_bit() {
    let n = 16;
    let mut b = Builder::new();
    let (x, y) = (b.input(n), b.input(n));
    let (mut borrow, mut difference) = (b.constant(false), Vec::new());
    for (&x, &y) in x.iter().zip(&y) {
        let half = b.xor(x, y);
        difference.push(b.xor(half, borrow));
        // borrow = !x y | !(x ^ y) borrow
        let (nx, same) = (b.inv(x), b.inv(half));
        let (one, two) = (b.and(nx, y), b.and(same, borrow));
        borrow = b.or(one, two);
    }
    assert_eq!(ands(&b.finish(&[difference, vec![borrow]])), n as u64);

    // x > y, from the lowest bit up: x !y | !(x ^ y) greater.
    let mut b = Builder::new();
    let (x, y) = (b.input(n), b.input(n));
    let mut greater = b.constant(false);
    for (&x, &y) in x.iter().zip(&y) {
        let (ny, differ) = (b.inv(y), b.xor(x, y));
        let same = b.inv(differ);
        let (here, before) = (b.and(x, ny), b.and(same, greater));
        greater = b.or(here, before);
    }
    assert_eq!(ands(&b.finish(&[vec![greater]])), n as u64);
}

#[test]
fn a_comparator_from_the_top_bit_down_takes_one_and_a_bit() {
    // greater | equal so far & x & !y: no local change makes the ripple comparator with its n ANDs of this.
    let n = 16;
    let mut b = Builder::new();
    let (x, y) = (b.input(n), b.input(n));
    let (mut greater, mut equal) = (b.constant(false), b.constant(true));
    for (&x, &y) in x.iter().zip(&y).rev() {
        let ny = b.inv(y);
        let here = b.and(x, ny);
        let first = b.and(equal, here);
        greater = b.or(greater, first);
        let differ = b.xor(x, y);
        let same = b.inv(differ);
        equal = b.and(equal, same);
    }
    assert!(b.and_count() >= 4 * n as u64 - 4);
    assert_eq!(ands(&b.finish(&[vec![greater]])), n as u64);
}

#[test]
fn equality_takes_one_and_less_than_bits() {
    let n = 12;
    let mut b = Builder::new();
    let (x, y) = (b.input(n), b.input(n));
    let mut all = b.constant(true);
    for (&x, &y) in x.iter().zip(&y) {
        // x y | !x !y
        let (nx, ny) = (b.inv(x), b.inv(y));
        let (one, two) = (b.and(x, y), b.and(nx, ny));
        let same = b.or(one, two);
        all = b.and(all, same);
    }
    assert_eq!(ands(&b.finish(&[vec![all]])), n as u64 - 1);
}

#[test]
fn multiplexers_take_one_and_and_trees_one_less_than_their_leaves() {
    let naive = |b: &mut Builder, s: WireId, x: WireId, y: WireId| {
        let (sx, ns) = (b.and(s, x), b.inv(s));
        let sy = b.and(ns, y);
        b.or(sx, sy)
    };
    for levels in 1..=5 {
        let mut b = Builder::new();
        let (select, mut leaves) = (b.input(levels), b.input(1 << levels));
        for &s in &select {
            leaves = leaves.chunks(2).map(|pair| naive(&mut b, s, pair[1], pair[0])).collect();
        }
        assert_eq!(b.and_count(), 3 * ((1 << levels) - 1));
        assert_eq!(ands(&b.finish(&[leaves])), (1 << levels) - 1, "{levels} levels");
    }
}

#[test]
fn majority_takes_one_and() {
    for carry in CARRIES {
        let mut b = Builder::new();
        let x = b.input(3);
        let out = carry(&mut b, x[0], x[1], x[2]);
        assert_eq!(ands(&b.finish(&[vec![out]])), 1);
    }
}

#[test]
fn a_majority_spread_over_an_xor_tree_takes_one_and() {
    // ab ^ ac ^ bc with unrelated terms between the products, so that no small cone holds it.
    let mut b = Builder::new();
    let (x, other) = (b.input(3), b.input(9));
    let mut sum = b.constant(false);
    for (i, (p, q)) in [(0, 1), (0, 2), (1, 2)].into_iter().enumerate() {
        let product = b.and(x[p], x[q]);
        sum = b.xor(sum, product);
        for &term in &other[3 * i..3 * i + 3] {
            sum = b.xor(sum, term);
        }
    }
    assert_eq!(ands(&b.finish(&[vec![sum]])), 1);
}

#[test]
fn multipliers_of_naive_adders_take_one_and_a_full_adder() {
    for carry in CARRIES {
        let n = 6usize;
        let mut b = Builder::new();
        let (x, y) = (b.input(n), b.input(n));
        let row = |b: &mut Builder, i: usize| y.iter().map(|&y| b.and(x[i], y)).collect::<Vec<_>>();
        let mut sum = row(&mut b, 0);
        let zero = b.constant(false);
        sum.push(zero);
        let mut product = Vec::new();
        for i in 1..n {
            product.push(sum.remove(0));
            let addend = row(&mut b, i);
            sum = add(&mut b, &sum, &addend, carry, true);
        }
        product.extend(sum);
        // n^2 products, and n - 1 additions of n bits whose first carry is a half adder's.
        let want = (n * n + (n - 1) * n) as u64;
        assert_eq!(ands(&b.finish(&[product])), want);
    }
}

#[test]
fn duplicates_are_found_through_any_shape() {
    let mut b = Builder::new();
    let x = b.input(4);
    // (a ^ b ^ c) d, with the XOR tree in three shapes; then two products over one span.
    let mut outputs = Vec::new();
    for [p, q, r] in [[0, 1, 2], [2, 1, 0], [0, 2, 1]] {
        let first = b.xor(x[p], x[q]);
        let all = b.xor(first, x[r]);
        let not = b.inv(all);
        outputs.extend([b.and(all, x[3]), b.and(x[3], not)]);
    }
    let (ab, differ) = (b.and(x[0], x[1]), b.xor(x[0], x[1]));
    let not = b.inv(x[0]);
    outputs.extend([ab, b.and(differ, x[1]), b.or(x[0], x[1]), b.and(not, differ)]);
    assert_eq!(b.and_count(), 10);
    let done = optimized(&b.finish(&[outputs]));
    assert_eq!(done.netlist.stats().and, 2);
    assert_eq!(done.steps[1].pass, Pass::Share);
    assert_eq!(done.steps[1].after.and, 2, "sharing alone finds them");
}

fn netlist(wires: u32, inputs: &[u32], outputs: &[u32], gates: &[Gate]) -> Netlist {
    let gates: Gates = gates.iter().copied().collect();
    Netlist::from_parts(wires, inputs.to_vec(), outputs.to_vec(), gates).expect("a valid netlist")
}

#[test]
fn strange_netlists_stay_what_they_are() {
    let w = WireId;
    // All wires are inputs and outputs.
    let through = netlist(3, &[2, 1], &[3], &[]);
    assert_eq!(ands(&through), 0);
    // No outputs, and unused inputs.
    let nothing = netlist(3, &[1, 1], &[], &[Gate::And { a: w(0), b: w(1), out: w(2) }]);
    assert_eq!(ands(&nothing), 0);
    // No inputs.
    let constants = netlist(
        3,
        &[],
        &[2],
        &[
            Gate::Const { value: true, out: w(0) },
            Gate::Copy { a: w(0), out: w(1) },
            Gate::Inv { a: w(1), out: w(2) },
        ],
    );
    assert_eq!(evaluate_bits(&optimized(&constants).netlist, &[]), [true, false]);
    // x & x, x & !x, x ^ x, products with constants, duplicate outputs.
    let idle = netlist(
        9,
        &[1, 0, 1],
        &[3, 3],
        &[
            Gate::Const { value: true, out: w(2) },
            Gate::And { a: w(0), b: w(0), out: w(3) },
            Gate::And { a: w(0), b: w(2), out: w(4) },
            Gate::Xor { a: w(0), b: w(0), out: w(5) },
            Gate::And { a: w(1), b: w(5), out: w(6) },
            Gate::Copy { a: w(3), out: w(7) },
            Gate::Inv { a: w(2), out: w(8) },
        ],
    );
    let done = optimized(&idle).netlist;
    assert_eq!(done.stats().and, 0);
    assert_eq!(evaluate_bits(&done, &[true, false]), [true, true, false, false, true, false]);
}

#[test]
fn passes_are_run_as_asked_and_options_are_checked() {
    let adder = adder(4, carry_of_products, true);
    let run = |options: Options| optimize(&adder, &options, &mut |_, _, _| {});
    let none = run(Options { passes: vec![], ..Options::default() }).expect("nothing is done");
    assert_eq!((none.steps.len(), none.netlist.stats().and), (0, adder.stats().and));
    assert!(none.compared.exhaustive && none.compared.inputs == 256);
    let fold = run(Options { passes: vec![Pass::Fold], ..Options::default() }).expect("constants fold");
    assert_eq!(fold.steps.len(), 1);
    let again = optimize(
        &fold.netlist,
        &Options { passes: vec![Pass::Fold], ..Options::default() },
        &mut |_, _, _| {},
    )
    .expect("there is nothing left to fold");
    assert!(!again.improved && again.netlist == fold.netlist, "the original is kept");
    let leaves = 9;
    assert_eq!(run(Options { leaves, ..Options::default() }).err(), Some(OptimizeError::Leaves { found: 9 }));
    let same = run(Options::default()).expect("as before").netlist;
    assert_eq!(same, run(Options::default()).expect("as before").netlist, "one netlist, one result");
}

#[test]
fn the_comparison_finds_differences() {
    let with = |last: fn(&mut Builder, WireId, WireId) -> WireId, n: usize| {
        let mut b = Builder::new();
        let x = b.input(n);
        let mut all = x[0];
        for &x in &x[1..n - 1] {
            all = b.and(all, x);
        }
        let first = b.xor(x[0], x[1]);
        let out = last(&mut b, all, x[n - 1]);
        b.finish(&[vec![first, out]])
    };
    // They differ on 2 of 2^12 inputs only: trying all finds it.
    let (and, xor) = (with(Builder::and, 12), with(|b, x, y| b.and(x, y), 12));
    assert!(compare(&and, &xor, 1, 0).is_ok_and(|c| c.exhaustive && c.inputs == 4096));
    let inverted = |b: &mut Builder, x: WireId, y: WireId| {
        let not = b.inv(y);
        b.and(x, not)
    };
    let Err(Difference::Output { output, input }) = compare(&and, &with(inverted, 12), 1, 0) else {
        panic!("a difference is there")
    };
    assert_eq!((output, &input[..11]), (1, &[true; 11][..]));
    // 40 bits are too many to try; XOR and AND differ on most.
    let found = compare(&with(Builder::and, 40), &with(Builder::xor, 40), 4, 7);
    assert!(matches!(found, Err(Difference::Output { output: 1, .. })));
    assert_eq!(compare(&and, &with(Builder::and, 13), 1, 0), Err(Difference::Groups));
}

/// Any netlist of a few dozen gates: all kinds, operands anywhere, outputs the last wires.
fn any_netlist() -> impl Strategy<Value = Netlist> {
    let gates = proptest::collection::vec((0..12u8, any::<u32>(), any::<u32>()), 0..80);
    (1..6u32, 0..4u32, gates, 1..9u32).prop_map(|(first, second, gates, outputs)| {
        let mut wires = first + second;
        let mut all = Gates::default();
        for (kind, a, b) in gates {
            // Mostly recent wires, so that something reaches the outputs.
            let pick = |r: u32| WireId(wires - 1 - (r % wires).min((r >> 8) % wires));
            let (a, b, out) = (pick(a), pick(b), WireId(wires));
            all.push(match kind {
                0..5 => Gate::And { a, b, out },
                5..8 => Gate::Xor { a, b, out },
                8 | 9 => Gate::Inv { a, out },
                10 => Gate::Const { value: b.0 % 2 == 1, out },
                _ => Gate::Copy { a, out },
            });
            wires += 1;
        }
        let outputs = outputs.min(wires);
        Netlist::from_parts(wires, vec![first, second], vec![outputs, 0], all).expect("valid by construction")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// `optimize` itself compares on all inputs (there are 2^8 at most); here its result is compared once more, by the
    /// bit-by-bit evaluator and after it went through a file.
    #[test]
    fn random_netlists_keep_their_function(netlist in any_netlist()) {
        let done = optimize(&netlist, &Options { leaves: 6, ..Options::default() }, &mut |_, _, _| {})
            .expect("the function is kept");
        let mut counts = netlist.stats().and;
        for step in &done.steps {
            prop_assert_eq!(step.before.and, counts);
            prop_assert!(step.after.and <= step.before.and, "{:?}", step);
            counts = step.after.and;
        }
        prop_assert!(done.netlist.stats().and <= counts);
        let mut text = Vec::new();
        bristol::write(&done.netlist, &mut text, &bristol::Options::default()).expect("there are inputs");
        let back = bristol::read(&text[..], "written").expect("just written").netlist;
        prop_assert!(back.stats().eq == 0);
        let bits = netlist.input_bits();
        for value in 0..1u32 << bits {
            let input: Vec<bool> = (0..bits).map(|i| value >> i & 1 == 1).collect();
            prop_assert_eq!(evaluate_bits(&netlist, &input), evaluate_bits(&back, &input));
        }
    }
}

/// ANDs of the public files before and after. What is not in the folder is skipped.
#[test]
fn public_circuits_never_grow() {
    let folder = std::env::var_os("XONN_CIRCUITS").map_or_else(
        || std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/circuits"),
        std::path::PathBuf::from,
    );
    let files = [
        ("classic/adder_32bit.txt", 127, 32),
        ("fashion/adder64.txt", 63, 63),
        ("fashion/sub64.txt", 63, 63),
        ("fashion/zero_equal.txt", 63, 63),
        ("fashion/FP-eq.txt", 315, 312),
        ("fashion/FP-add.txt", 5385, 5045),
    ];
    for (file, before, at_most) in files {
        let path = folder.join(file);
        if !path.is_file() {
            println!("skipped: no file {}, set XONN_CIRCUITS", path.display());
            continue;
        }
        let netlist = bristol::read_path(&path).expect("a public circuit").netlist;
        assert_eq!(netlist.stats().and, before);
        let after = ands(&netlist);
        assert!(after <= at_most, "{file}: {after}");
    }
}
