//! What each host sees is uniform, whatever the secrets are: chi-square over all values of the seen bits
//! together, for fixed secrets and fresh rows. Seeds are fixed, so the test is the same each time.

use xonn_crypto::share::RingTensor;
use xonn_protocols::compare_ot::sign::Plan;
use xonn_protocols::compare_ot::{narrow, wide};
use xonn_protocols::steps::column::Column;
use xonn_protocols::steps::compare::{Comparison, ServerBits};
use xonn_protocols::steps::digits::Digits;
use xonn_protocols::steps::frame::{Fields, Reader};
use xonn_protocols::steps::leaves;
use xonn_protocols::steps::windows::Windows;

use crate::common::{self, Layer, Pools, Transcript, compare, rng};

const COUNT: usize = 200_000;

/// Chi-square of so many seen values of `bits` bits against the uniform distribution, in standard deviations.
pub fn deviation(seen: &[u64], bits: u32) -> f64 {
    let mut counts = vec![0u32; 1 << bits];
    seen.iter().for_each(|&value| counts[value as usize] += 1);
    let expected = seen.len() as f64 / counts.len() as f64;
    let square: f64 = counts.iter().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum();
    let freedom = (counts.len() - 1) as f64;
    (square - freedom) / (2.0 * freedom).sqrt()
}

/// Reads all columns of a message, of `len` elements each.
pub fn columns(message: &[u8], count: usize, len: usize) -> Vec<Column> {
    let fields = Fields::default().with_columns(count, len);
    let mut reader = Reader::new("view", message, &fields).unwrap();
    (0..count).map(|_| reader.column(len).unwrap()).collect()
}

fn join(columns: &[&Column]) -> Vec<u64> {
    let value = |i| columns.iter().enumerate().fold(0, |value, (at, column)| value | column.bit(i) << at);
    (0..COUNT).map(value).collect()
}

/// The bits that a server sees: cross terms, openings, its own bit.
pub fn server_view(digits: Digits, sent: &Transcript, server: &ServerBits) -> Vec<Column> {
    let (three, len) = (digits.count() == 3, server.bits.len());
    let mut all = columns(&sent[0], if three { 4 } else { 0 }, len);
    if three {
        let fields = digits.iter().fold(Fields::default(), |all, digit| all.with(len, digit.bits));
        all.extend(columns(&sent[2][fields.bytes()..], 2, len));
    }
    all.extend(columns(&sent[4], digits.openings(), len));
    all.push(server.bits.clone());
    all
}

/// The bits that a client sees: shares of products, and the entries that it opens.
pub fn client_view(plan: Comparison, sent: &Transcript, pools: &Pools, y1: &RingTensor) -> Vec<Column> {
    let (digits, len) = (plan.digits(), plan.elements());
    let mut all = columns(&sent[1], if digits.count() == 3 { 3 } else { 0 }, len);
    let mut tables = Reader::new("tables", &sent[3], &plan.tables()).unwrap();
    for (i, digit) in digits.iter().enumerate() {
        let word_bits = digit.table_bits().min(64);
        let table = tables.numbers(len * digit.table_bits() / word_bits, word_bits as u32).unwrap();
        let own: Vec<u64> = y1.values().iter().map(|y1| y1 >> digit.low & ((1 << digit.bits) - 1)).collect();
        let tweak = pools.tweaks.behind(i * len).first;
        let rows = pools.leaves.receiver();
        let pads = leaves::entry_pads(&pools.tweaks.leaves, tweak, rows, digit, len);
        let opened = leaves::select(&table, digit, &own, &pads);
        all.extend((0..digit.columns).map(|bit| Column::of_bit(&opened, bit)));
    }
    all
}

#[test]
fn views_do_not_depend_on_secrets() {
    let rng = &mut rng(1);
    let mut worst: f64 = 0.0;
    for bits in [&[4][..], &[3, 3], &[4, 3, 3]] {
        let digits = Digits::new(bits).unwrap();
        let plan = Comparison::new(COUNT, digits);
        let k = plan.ring_bits();
        let half = 1i64 << (k - 1);
        for (x, c, flip) in
            [(0, 0, false), (-1, 5, false), (half - 1, half - 1, true), (-half, 1, false), (3, -half, true)]
        {
            // One x and one y1 for all.
            let y1 = RingTensor::from_signed(k, &vec![c; COUNT]).unwrap();
            let y0 = RingTensor::from_signed(k, &vec![x - c; COUNT]).unwrap();
            let flips = Column::from_fn(COUNT, |_| flip.into());
            let pools = Pools::deal(plan.leaf_rows(), plan.mask_rows(), rng);
            let (server, client, sent) = compare(plan, &pools, [&y0, &y1], &flips);
            let seen = server_view(digits, &sent, &server);
            assert_eq!(seen.len(), [1, 3, 11][digits.count() - 1]);
            let seen_by_server = deviation(&join(&seen.iter().collect::<Vec<_>>()), seen.len() as u32);
            let mut seen = client_view(plan, &sent, &pools, &y1);
            assert_eq!(seen.len(), [1, 3, 8][digits.count() - 1]);
            let seen_by_client = deviation(&join(&seen.iter().collect::<Vec<_>>()), seen.len() as u32);
            // b1 follows from what it sees; it is uniform by itself, too.
            seen.push(client.bits.clone());
            let own = deviation(&join(&[&client.bits]), 1);
            for (what, sigma) in [("server", seen_by_server), ("client", seen_by_client), ("b1", own)] {
                assert!(sigma.abs() < 5.0, "{what}, {bits:?}, x = {x}, y1 = {c}: {sigma:.1} sigma");
                worst = worst.max(sigma.abs());
            }
        }
    }
    println!("farthest from uniform: {worst:.1} sigma");
}

#[test]
fn a_server_that_cheats_sees_uniform_bits_too() {
    // It sends its own products and tables: what comes back is masked by bits that it does not know.
    let rng = &mut rng(4);
    let windows = Windows::single(COUNT).unwrap();
    let plan = Plan::with_digits(Digits::new(&[2, 2, 1]).unwrap(), windows, 1).unwrap();
    let x = RingTensor::from_signed(6, &vec![3; COUNT]).unwrap();
    for fill in [0, 0xff, 0x3c] {
        let layer = Layer::share(&x, Column::zeros(COUNT), [COUNT, 1], rng);
        let y1 = RingTensor::from_signed(6, &vec![-7; COUNT]).unwrap();
        let layer = Layer { y0: x.sub(&y1).unwrap(), y1, ..layer };
        let pools = Pools::of(&plan.cost(), rng);
        let cheat = |number: usize, message: &mut Vec<u8>| {
            if number == 1 || number == 3 {
                message.iter_mut().for_each(|byte| *byte ^= fill);
            }
        };
        let (_, sent) = common::sign(&plan, &pools, &layer, &cheat).unwrap();
        let mut seen = columns(&sent[0], 4, COUNT);
        let digits = Fields::default().with(COUNT, 2).with(COUNT, 2).with(COUNT, 1).bytes();
        seen.extend(columns(&sent[2][digits..], 2, COUNT));
        let openings = plan.comparison().openings().bytes();
        seen.extend(columns(&sent[4][..openings], 4, COUNT));
        let sigma = deviation(&join(&seen.iter().collect::<Vec<_>>()), 10);
        assert!(sigma.abs() < 5.0, "{fill:#x}: {sigma:.1} sigma");
    }
}

#[test]
fn the_same_test_sees_a_mask_that_is_missing() {
    // The server's view with the value e1 less its mask: far from uniform.
    let rng = &mut rng(2);
    let digits = Digits::new(&[3, 3]).unwrap();
    let plan = Comparison::new(COUNT, digits);
    let y1 = RingTensor::from_signed(7, &vec![9; COUNT]).unwrap();
    let y0 = RingTensor::from_signed(7, &vec![-9; COUNT]).unwrap();
    let pools = Pools::deal(plan.leaf_rows(), plan.mask_rows(), rng);
    let (_, _, sent) = compare(plan, &pools, [&y0, &y1], &Column::zeros(COUNT));
    let opened = columns(&sent[4], 2, COUNT);
    assert!(deviation(&join(&[&opened[0], &opened[1]]), 2).abs() < 5.0);
    let tables = client_view(plan, &sent, &pools, &y1);
    // openings + what the client opened = a, C's masks: with S's they are the values
    let betas: Vec<Column> =
        (1..3).map(|q| Column::of_lsbs(&pools.masks.receiver().keys()[q * COUNT..][..COUNT])).collect();
    let e1 = &(&tables[2] ^ &betas[0]);
    assert!(deviation(&join(&[e1, &opened[1]]), 2) > 1000.0);
}

#[test]
fn digits_and_results_that_the_server_sees_are_uniform() {
    let rng = &mut rng(3);
    let n = 4 * COUNT;
    for (members, flip) in [(1, false), (4, true)] {
        let windows = Windows::new(n, members, (0..(COUNT * members) as u32).collect()).unwrap();
        let plan = Plan::new(6, windows, 5).unwrap();
        let x = RingTensor::from_signed(7, &vec![2; n]).unwrap();
        let layer = Layer::share(&x, Column::from_fn(n, |_| flip.into()), [COUNT, 5], rng);
        // C's share of all sums is the same number: what hides it is the rows.
        let y1 = RingTensor::from_signed(7, &vec![-20; n]).unwrap();
        let layer = Layer { y0: x.sub(&y1).unwrap(), y1, ..layer };
        let pools = Pools::of(&plan.cost(), rng);
        let (share, sent) = common::sign(&plan, &pools, &layer, &|_, _| {}).unwrap();
        let fields = plan.comparison().corrections();
        let mut reader = Reader::new("digits", &sent[2], &fields).unwrap();
        for _ in 0..2 {
            let sigma = deviation(&reader.numbers(n, 3).unwrap(), 3);
            assert!(sigma.abs() < 5.0, "{sigma:.1} sigma");
        }
        // S's share is masked by rho, which is uniform.
        let sigma = deviation(share.values(), 5);
        assert!(sigma.abs() < 5.0, "{sigma:.1} sigma");
    }
}

#[test]
fn all_bytes_of_all_messages_are_uniform() {
    // Fixed shares and flips, fresh rows; C's share of the results is fresh, too, and S's masks are its rows.
    let n = COUNT / 2;
    for (x, c, flip) in [(0, 0, false), (-1, -1, true), (31, -32, false)] {
        let y1 = RingTensor::from_signed(6, &vec![c; n]).unwrap();
        let y0 = RingTensor::from_signed(6, &vec![x - c; n]).unwrap();
        let rng = &mut rng(6);
        let windows = Windows::new(n, 4, (0..n as u32).collect()).unwrap();
        let rho = common::numbers(n / 4, 8, rng);
        let [flips, behind] = [n, n / 4].map(|len| Column::from_fn(len, |_| flip.into()));
        let layer = Layer { y0, y1, flips, behind, rho, seed: 6 };
        let digits = Digits::new(&[2, 2, 1]).unwrap();
        let sign = Plan::with_digits(digits, windows.clone(), 8).unwrap();
        let narrow = narrow::Plan::new(5, windows.clone(), 8).unwrap();
        let wide = wide::Plan::new(5, windows, 8).unwrap();
        let runs = [
            common::sign(&sign, &Pools::of(&sign.cost(), rng), &layer, &|_, _| {}),
            common::narrow(&narrow, &Pools::of(&narrow.cost(), rng), &layer, &|_, _| {}),
            common::wide(&wide, &Pools::of(&wide.cost(), rng), &layer, &|_, _| {}),
        ];
        for (way, run) in runs.into_iter().enumerate() {
            for (number, message) in run.unwrap().1.iter().enumerate().filter(|(_, m)| !m.is_empty()) {
                let bytes: Vec<u64> = message.iter().map(|&byte| byte.into()).collect();
                let sigma = deviation(&bytes, 8);
                assert!(sigma.abs() < 5.0, "way {way}, message {number}, x = {x}: {sigma:.1} sigma");
            }
        }
    }
}
