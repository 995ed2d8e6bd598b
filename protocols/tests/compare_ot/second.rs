//! Every bit that a host sees or computes is that of a second implementation.
//!
//! `second.txt` was recorded from one in Python, written from the formulas alone, where a row's hash is a bit
//! that is looked up. A line: digits from the low end, y0, y1, flip; the rows' betas; hash bits of M and of
//! M + Delta, use by use; then what the second implementation made of them: all bits that S sees, all that C
//! sees, b0 and b1, coefficients T of the rows behind o.

use std::fmt::Write as _;

use xonn_crypto::block::Block;
use xonn_crypto::share::RingTensor;
use xonn_protocols::steps::column::Column;
use xonn_protocols::steps::compare::Comparison;
use xonn_protocols::steps::digits::Digits;

use crate::common::{Pools, compare, numbers, random_column, rng};
use crate::views::{client_view, server_view};

const ELEMENTS: usize = 24;

const DIGITS: [&[u32]; 7] = [&[1], &[4], &[1, 1], &[4, 3], &[1, 1, 1], &[4, 3, 3], &[5, 5, 4]];

/// Uses of hashes: a row and a bit, in the order of the lines.
fn uses(digits: Digits) -> &'static [[usize; 2]] {
    match digits.count() {
        1 => &[],
        2 => &[[1, 0], [2, 0]],
        // each row's free bit; (e2, a_e1), (e1, a_e2), (e2, a_g0), (g0, a_e2); (e2e1, a_g0), (g0, P_C)
        _ => &[[1, 0], [2, 0], [3, 0], [4, 0], [1, 1], [3, 1], [1, 2], [4, 1], [5, 1], [4, 2]],
    }
}

/// Elements of one shape of digits.
struct Case {
    plan: Comparison,
    pools: Pools,
    y0: RingTensor,
    y1: RingTensor,
    flips: Column,
}

impl Case {
    fn new(bits: &[u32]) -> Self {
        let rng = &mut rng(bits.iter().fold(0, |seed, &bits| 10 * seed + u64::from(bits)));
        let plan = Comparison::new(ELEMENTS, Digits::new(bits).unwrap());
        let pools = Pools::deal(plan.leaf_rows(), plan.mask_rows(), rng);
        let [y0, y1] = [(); 2].map(|()| numbers(ELEMENTS, plan.ring_bits(), rng));
        Self { plan, pools, y0, y1, flips: random_column(ELEMENTS, rng) }
    }

    /// M of a row, or M + Delta.
    fn received(&self, row: usize, element: usize, other: bool) -> Block {
        self.pools.masks.receiver().keys()[row * ELEMENTS + element] ^ self.pools.masks.delta().masked(other)
    }

    /// What a line says of an element before what comes of it.
    fn inputs(&self, element: usize) -> String {
        let digits = self.plan.digits();
        let mut line = String::new();
        let bits: Vec<String> = digits.iter().map(|digit| digit.bits.to_string()).collect();
        let values = [&self.y0, &self.y1].map(|share| share.values()[element]);
        write!(line, "{} {} {} {} ", bits.join(","), values[0], values[1], self.flips.bit(element)).unwrap();
        for row in 0..digits.mask_rows() {
            write!(line, "{}", u8::from(self.received(row, element, false).lsb())).unwrap();
        }
        for other in [false, true] {
            line.push_str(" -");
            for &[row, bit] in uses(digits) {
                let tweak = self.pools.tweaks.behind((digits.count() + row - 1) * ELEMENTS + element);
                let mut hash = [self.received(row, element, other)];
                self.pools.tweaks.masks.hash::<1>(tweak.first, &mut hash);
                write!(line, "{}", u128::from(hash[0]) >> bit & 1).unwrap();
            }
        }
        line
    }
}

/// Bits of an element, after a dash, since there may be none.
fn bits<'a>(columns: impl IntoIterator<Item = &'a Column>, element: usize) -> String {
    columns.into_iter().fold("-".into(), |bits, column| format!("{bits}{}", column.bit(element)))
}

#[test]
fn all_bits_are_those_of_the_second_implementation() {
    let mut recorded = include_str!("second.txt").lines();
    for digits in DIGITS {
        let case = Case::new(digits);
        let (server, client, sent) = compare(case.plan, &case.pools, [&case.y0, &case.y1], &case.flips);
        let mut seen_by_server = server_view(case.plan.digits(), &sent, &server);
        seen_by_server.pop();
        let seen_by_client = client_view(case.plan, &sent, &case.pools, &case.y1);
        // Of the digits' entries first all g, then all e.
        let (products, entries) = seen_by_client.split_at(seen_by_client.len() + 1 - 2 * digits.len());
        let greater = entries.iter().take(1).chain(entries.iter().skip(1).step_by(2));
        let seen_by_client: Vec<&Column> =
            products.iter().chain(greater).chain(entries.iter().skip(2).step_by(2)).collect();
        for i in 0..ELEMENTS {
            let line = recorded.next().expect("a line for each element");
            let (inputs, results) = line.split_once(" | ").unwrap();
            assert_eq!(inputs, case.inputs(i), "the rows are not those of the line");
            let [s, c, b0, b1, coefficients] = *results.split(' ').collect::<Vec<_>>() else {
                panic!("five results: {line}")
            };
            assert_eq!(s, bits(&seen_by_server, i), "S sees, {line}");
            assert_eq!(c, bits(seen_by_client.iter().copied(), i), "C sees, {line}");
            assert_eq!([b0, b1], [server.bits.bit(i), client.bits.bit(i)].map(|b| b.to_string()), "{line}");
            let key = |key: Block, row: usize, t: char| {
                key ^ case.pools.masks.sender().keys()[row * ELEMENTS + i].masked(t == '1')
            };
            let first = case.pools.masks.sender().keys()[i];
            let expected =
                coefficients.chars().skip(1).enumerate().fold(first, |all, (q, t)| key(all, q + 1, t));
            assert!(client.keys[i] == expected, "KK, {line}");
        }
    }
    assert_eq!(recorded.next(), None);
}

#[test]
#[ignore = "prints what a second implementation is asked"]
fn inputs_of_the_second_implementation() {
    for digits in DIGITS {
        let case = Case::new(digits);
        (0..ELEMENTS).for_each(|i| println!("{}", case.inputs(i)));
    }
}
