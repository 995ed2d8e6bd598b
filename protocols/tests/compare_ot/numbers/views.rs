//! What each host sees is uniform, whatever the numbers are: chi-square for fixed secrets and fresh rows.

use xonn_crypto::share::RingTensor;
use xonn_protocols::compare_ot::numbers::{Function, Shape};
use xonn_protocols::steps::column::Column;
use xonn_protocols::steps::compare::Comparison;
use xonn_protocols::steps::digits::Digits;
use xonn_protocols::steps::frame::{Fields, Reader};
use xonn_protocols::steps::windows::Windows;

use super::{Stage, alone, lines};
use crate::common::{Transcript, numbers, rng};
use crate::views::{client_view, columns, deviation};

const COUNT: usize = 200_000;

/// The same numbers for all elements, of y0 + y1 and of y1; C's share of the results fresh.
fn fixed(shape: &Shape, [x, c]: [i64; 2], seed: u64) -> Stage {
    let same = |bits, value| RingTensor::from_signed(bits, &vec![value; shape.elements]).unwrap();
    let y1: Vec<RingTensor> = shape.reads().into_iter().map(|bits| same(bits, c)).collect();
    let y0 = y1.iter().map(|y1| same(y1.bits(), x).sub(y1).unwrap()).collect();
    Stage::of(shape.clone(), [y0, y1], &mut rng(seed))
}

/// The numbers of several fields as one each, the first one lowest; and how many bits they have.
fn join(fields: &[(&dyn Fn(usize) -> u64, u32)], count: usize) -> (Vec<u64>, u32) {
    let value = |i: usize| fields.iter().rev().fold(0, |all, (field, bits)| all << bits | field(i));
    ((0..count).map(value).collect(), fields.iter().map(|(_, bits)| bits).sum())
}

/// Fields of a message: numbers of so many bits.
fn fields(message: &[u8], what: &[(usize, u32)]) -> Vec<Vec<u64>> {
    let all = what.iter().fold(Fields::default(), |all, &(count, bits)| all.with(count, bits));
    let mut reader = Reader::new("view", message, &all).unwrap();
    what.iter().map(|&(count, bits)| reader.numbers(count, bits).unwrap().to_vec()).collect()
}

/// Numbers of 5 bits in a ring of 6: 4 bits are compared, as two digits.
fn relu() -> (Shape, Comparison) {
    (alone(COUNT, [5, 6], Function::Relu), Comparison::new(COUNT, Digits::cheapest(4).unwrap()))
}

/// What a server sees of a ReLU: u, two openings, t, and the message that it opens, as its share.
fn server_view(sent: &Transcript, share: &RingTensor) -> f64 {
    let n = COUNT;
    let u = fields(&sent[2], &[(n, 2), (n, 2), (n, 1)]).remove(2);
    let answer = fields(&sent[4], &[(n, 1), (n, 1), (n, 1), (2 * n, 6)]);
    let [e1, g0, t] = [0, 1, 2].map(|field: usize| &answer[field]);
    let share = |i: usize| share.values()[i];
    let (seen, bits) =
        join(&[(&|i| u[i], 1), (&|i| e1[i], 1), (&|i| g0[i], 1), (&|i| t[i], 1), (&share, 6)], n);
    deviation(&seen, bits)
}

#[test]
fn views_of_a_relu_do_not_depend_on_numbers() {
    let rng = &mut rng(1);
    let (shape, comparison) = relu();
    let mut worst: f64 = 0.0;
    for (x, c) in [(0, 0), (-1, 5), (7, -16), (-8, 15), (3, 3)] {
        let stage = fixed(&shape, [x, c], 2);
        let pools = stage.pools(rng);
        let (share, sent) = stage.run(&pools, &|_, _| {}).unwrap();
        let seen_by_server = server_view(&sent, &share);

        // The entries that the client opens, t'' and X.
        let tables = comparison.tables();
        let (compared, others) = sent[3].split_at(tables.bytes());
        let messages = vec![sent[0].clone(), sent[1].clone(), sent[2].clone(), compared.to_vec()];
        let opened: Vec<Column> = client_view(comparison, &messages, &pools, &stage.y1[0]);
        assert_eq!(opened.len(), 3);
        let others = fields(others, &[(COUNT, 1), (COUNT, 6)]);
        let (seen, bits) = join(
            &[
                (&|i| opened[0].bit(i), 1),
                (&|i| opened[1].bit(i), 1),
                (&|i| opened[2].bit(i), 1),
                (&|i| others[0][i], 1),
                (&|i| others[1][i], 6),
            ],
            COUNT,
        );
        let seen_by_client = deviation(&seen, bits);
        for (what, sigma) in [("server", seen_by_server), ("client", seen_by_client)] {
            assert!(sigma.abs() < 5.0, "{what}, x = {x}, y1 = {c}: {sigma:.1} sigma");
            worst = worst.max(sigma.abs());
        }
    }
    println!("farthest from uniform: {worst:.1} sigma");
}

#[test]
fn a_server_that_cheats_sees_uniform_bits_too() {
    let rng = &mut rng(3);
    let (shape, _) = relu();
    for fill in [0, 0xff, 0x3c] {
        let stage = fixed(&shape, [3, -7], 4);
        let cheat = |number: usize, message: &mut Vec<u8>| {
            if number == 1 || number == 3 {
                message.iter_mut().for_each(|byte| *byte ^= fill);
            }
        };
        let (share, sent) = stage.run(&stage.pools(rng), &cheat).unwrap();
        let sigma = server_view(&sent, &share);
        assert!(sigma.abs() < 5.0, "{fill:#x}: {sigma:.1} sigma");
    }
}

#[test]
fn the_same_test_sees_a_mask_that_is_missing() {
    // C's share of the results the same for all: then S's share is not masked.
    let (shape, _) = relu();
    let mut stage = fixed(&shape, [3, -7], 5);
    stage.rho = RingTensor::new(6, vec![9; COUNT]).unwrap();
    let (share, sent) = stage.run(&stage.pools(&mut rng(6)), &|_, _| {}).unwrap();
    assert!(server_view(&sent, &share) > 1000.0);
}

#[test]
fn views_of_products_do_not_depend_on_numbers() {
    let rng = &mut rng(7);
    for (x, c) in [(0, 0), (-4, 7), (3, -8)] {
        for drop in [0, 2] {
            // Numbers of 4 bits: three bits d, one correction, the share of 6 bits.
            let shape = alone(COUNT, [4, 6], Function::Square { drop });
            let stage = fixed(&shape, [x, c], 8);
            let (share, sent) = stage.run(&stage.pools(rng), &|_, _| {}).unwrap();
            let d = columns(&sent[2], 4, COUNT);
            let bit = |which: usize, i: usize| d[which].bit(i);
            let share = |i: usize| share.values()[i];
            let seen: [(&dyn Fn(usize) -> u64, u32); 5] = [
                (&|i| bit(0, i), 1),
                (&|i| bit(1, i), 1),
                (&|i| bit(2, i), 1),
                (&|i| bit(3, i), 1),
                (&share, 6),
            ];
            let (seen, bits) = join(&seen, COUNT);
            let sigma = deviation(&seen, bits);
            assert!(sigma.abs() < 5.0, "server, x = {x}, y1 = {c}: {sigma:.1} sigma");
            // What the client computes from all that it opens is masked by the server's m1, so also without
            // a mask of its own nothing is seen in its answer.
            let mut stage = stage;
            stage.rho = RingTensor::new(6, vec![0; COUNT]).unwrap();
            let (_, sent) = stage.run(&stage.pools(rng), &|_, _| {}).unwrap();
            let sigma = deviation(&fields(&sent[4], &[(COUNT, 6)])[0], 6);
            assert!(sigma.abs() < 5.0, "client, x = {x}, y1 = {c}: {sigma:.1} sigma");
        }
    }
}

#[test]
fn all_bytes_of_all_messages_are_uniform() {
    // Fixed shares, fresh rows and share of the results.
    let n = COUNT / 5;
    let windows = || Windows::new(n, 4, (0..n as u32).collect()).unwrap();
    let shape = |rings, function| alone(n, rings, function);
    let shapes = [
        shape([8, 16], Function::Same),
        shape([8, 16], Function::Relu),
        shape([8, 8], Function::LeakyRelu { slope: 9, bits: 8, drop: 8 }),
        shape([8, 16], Function::Clamp { lo: 0, hi: 6 }),
        shape([8, 16], Function::Square { drop: 8 }),
        shape([8, 16], Function::Product { second: 8, drop: 8 }),
        shape([8, 16], Function::Curve(lines(16, 4, [2, 4, 8]))),
        shape([8, 16], Function::Curve(lines(2, 4, [2, 4, 8]))),
        Shape { largest: Some(windows()), ..shape([8, 16], Function::Relu) },
        Shape { sums: Some(windows()), ..shape([8, 16], Function::Relu) },
    ];
    for (number, shape) in shapes.into_iter().enumerate() {
        for (x, c) in [(0, 0), (-64, 127), (63, -128)] {
            let stage = fixed(&shape, [x, c], 9);
            let (_, sent) = stage.run(&stage.pools(&mut rng(10 + number as u64)), &|_, _| {}).unwrap();
            for (number, message) in sent.iter().enumerate().filter(|(_, m)| !m.is_empty()) {
                let bytes: Vec<u64> = message.iter().map(|&byte| byte.into()).collect();
                let sigma = deviation(&bytes, 8);
                assert!(sigma.abs() < 5.0, "{shape:?}, message {number}, x = {x}: {sigma:.1} sigma");
            }
        }
    }
    // The same test sees numbers that nothing masks.
    let bare: Vec<u64> = numbers(n, 7, &mut rng(11)).values().to_vec();
    assert!(deviation(&bare, 8) > 100.0);
}
