//! What hosts see and compute of a ReLU is that of a second implementation: alone, in front of a pool of
//! sums, with a slope.
//!
//! `second.txt` was recorded from one in Python, written from the formulas alone, where a row's hash is a
//! number that is looked up. A line: kind, slope, bits of both rings, x, y1, rho, C's share of the sign; of
//! the extension's row `H(M)`, `H(M + Delta)` and S's bit; of the product's row the same and C's bit; the
//! pads of both messages. Then what the second implementation made of them: u, t, the message that S opens or the
//! one that C sends in front of a pool, X, t'', and S's share.

use std::fmt::Write as _;

use xonn_crypto::block::{Block, Tccr};
use xonn_protocols::compare_ot::numbers::{Function, Shape};
use xonn_protocols::steps::column::Column;
use xonn_protocols::steps::compare::{ClientBits, Comparison, ServerBits};
use xonn_protocols::steps::digits::Digits;
use xonn_protocols::steps::frame::{Fields, Reader};
use xonn_protocols::steps::windows::Windows;

use super::{Stage, alone};
use crate::common::{Pools, compare, rng};

const ELEMENTS: usize = 8;

/// Kind, slope of 256, bits of both rings: one digit, two and three are compared.
const CASES: [(&str, u32, [u32; 2]); 10] = [
    ("relu", 0, [3, 5]),
    ("relu", 0, [5, 8]),
    ("relu", 0, [8, 9]),
    ("relu", 0, [12, 21]),
    ("pool", 0, [4, 6]),
    ("pool", 0, [13, 24]),
    ("leaky", 77, [4, 14]),
    ("leaky", 3, [6, 16]),
    ("leaky", 255, [12, 29]),
    ("leaky", 1, [15, 37]),
];

/// A stage, and what its comparison comes to.
struct Case {
    kind: &'static str,
    slope: u32,
    stage: Stage,
    comparison: Comparison,
    pools: Pools,
    server: ServerBits,
    client: ClientBits,
}

impl Case {
    fn new((kind, slope, [from, to]): (&'static str, u32, [u32; 2])) -> Self {
        let rng = &mut rng(u64::from(1000 * from + to));
        let function = match kind {
            "leaky" => Function::LeakyRelu { slope, bits: 8, drop: 0 },
            _ => Function::Relu,
        };
        let ones = || Windows::new(ELEMENTS, 1, (0..ELEMENTS as u32).collect()).unwrap();
        let shape = Shape { sums: (kind == "pool").then(ones), ..alone(ELEMENTS, [from, to], function) };
        let quarter = 1i64 << (from - 2);
        let x: Vec<i64> = (0..ELEMENTS).map(|_| rand::RngExt::random_range(rng, -quarter..quarter)).collect();
        let stage = Stage::share(shape, &[&x], rng);
        let pools = stage.pools(rng);
        let comparison = Comparison::new(ELEMENTS, Digits::cheapest(from - 1).unwrap());
        // The comparison's rows are the stage's first.
        let own = Pools {
            leaves: pools.leaves.first(comparison.leaf_rows()),
            masks: pools.masks.first(comparison.mask_rows()),
            tweaks: pools.tweaks,
        };
        let shares = [&stage.y0[0], &stage.y1[0]];
        let (server, client, _) = compare(comparison, &own, shares, &Column::zeros(ELEMENTS));
        Self { kind, slope, stage, comparison, pools, server, client }
    }

    /// Tweaks of an element: of the extension, of the product, of the messages.
    fn tweaks(&self, element: usize) -> [u64; 3] {
        let behind = |block| self.pools.tweaks.behind(self.comparison.tweaks() + block * ELEMENTS + element);
        [0, 1, 2].map(|block| behind(block).first)
    }

    /// The hashes of a row that a host received, and of that with Delta: numbers of so many bits; and its
    /// bit.
    fn row(hash: &Tccr, tweak: u64, [key, delta]: [Block; 2], bits: u32) -> [u64; 3] {
        let [own, other] = [key, key ^ delta].map(|key| number(hash, tweak, key, bits));
        [own, other, u64::from(key.lsb())]
    }

    fn pads(&self, element: usize) -> [u64; 2] {
        let ([.., tweak], to) = (self.tweaks(element), self.stage.plan.shape().to);
        let (key, delta) = (self.client.keys[element], self.pools.masks.delta());
        [key, key ^ delta].map(|key| number(&self.pools.tweaks.masks, tweak, key, to))
    }

    /// What a line says of an element before what comes of it.
    fn inputs(&self, element: usize) -> String {
        let shape = self.stage.plan.shape();
        let [from, to] = [shape.from, shape.to];
        let x = self.stage.y0[0].reconstruct(&self.stage.y1[0]).unwrap()[element];
        let (y1, rho) = (self.stage.y1[0].values()[element], self.stage.rho.values()[element]);
        let [extension, product, _] = self.tweaks(element);
        let Pools { leaves, masks, tweaks } = &self.pools;
        let key = masks.receiver().keys()[self.comparison.mask_rows() + element];
        let extension = Self::row(&tweaks.masks, extension, [key, masks.delta()], to - from);
        let key = leaves.receiver().keys()[self.comparison.leaf_rows() + element];
        let product = Self::row(&tweaks.leaves, product, [key, leaves.delta()], to);
        let mut line =
            format!("{} {} {from} {to} {x} {y1} {rho} {}", self.kind, self.slope, self.b1(element));
        for number in extension.iter().chain(&product).chain(&self.pads(element)) {
            write!(line, " {number}").unwrap();
        }
        line
    }

    fn b1(&self, element: usize) -> u64 {
        self.client.bits.bit(element)
    }

    /// u, t, a message, X, t'', and S's share, of each element, from what is sent.
    fn results(&self) -> Vec<String> {
        let shape = self.stage.plan.shape();
        let (share, sent) = self.stage.run(&self.pools, &|_, _| {}).unwrap();
        let n = ELEMENTS;
        let behind = |message: &[u8], compared: Fields, more: &[(usize, u32)]| {
            let fields = more.iter().fold(Fields::default(), |all, &(count, bits)| all.with(count, bits));
            let mut reader = Reader::new("fields", &message[compared.bytes()..], &fields).unwrap();
            let read = more.iter().map(|&(count, bits)| reader.numbers(count, bits).unwrap().to_vec());
            read.collect::<Vec<Vec<u64>>>()
        };
        let u = &behind(&sent[2], self.comparison.corrections(), &[(n, shape.to - shape.from)])[0];
        let tables = behind(&sent[3], self.comparison.tables(), &[(n, 1), (n, shape.to)]);
        let messages = if self.kind == "pool" { n } else { 2 * n };
        let answer = behind(
            &sent[4],
            self.comparison.openings(),
            &if self.kind == "pool" {
                vec![(n, 1), (messages, shape.to), (n, shape.to)]
            } else {
                vec![(n, 1), (messages, shape.to)]
            },
        );
        let message = |i: usize| match self.kind {
            "pool" => answer[1][i],
            _ => {
                let b0 = self.server.bits.bit(i) as usize;
                answer[1][2 * i + b0] ^ self.pads(i)[b0]
            }
        };
        let line = |i: usize| {
            let (t, x, opened) = (answer[0][i], tables[1][i], tables[0][i]);
            format!("{} {t} {} {x} {opened} {}", u[i], message(i), share.values()[i])
        };
        (0..n).map(line).collect()
    }
}

/// The lowest bits of a key's hash.
fn number(hash: &Tccr, tweak: u64, key: Block, bits: u32) -> u64 {
    let mut hashed = [key];
    hash.hash::<1>(tweak, &mut hashed);
    u128::from(hashed[0]) as u64 & ((1 << bits) - 1)
}

#[test]
fn a_relu_is_that_of_the_second_implementation() {
    let mut recorded = include_str!("second.txt").lines();
    for case in CASES.map(Case::new) {
        for (i, found) in case.results().into_iter().enumerate() {
            let line = recorded.next().expect("a line for each element");
            let (inputs, results) = line.split_once(" | ").unwrap();
            assert_eq!(inputs, case.inputs(i), "the rows are not those of the line");
            assert_eq!(results, found, "{line}");
        }
    }
    assert_eq!(recorded.next(), None);
}

#[test]
#[ignore = "prints what a second implementation is asked"]
fn inputs_of_the_second_implementation_of_a_relu() {
    for case in CASES.map(Case::new) {
        (0..ELEMENTS).for_each(|i| println!("{}", case.inputs(i)));
    }
}
