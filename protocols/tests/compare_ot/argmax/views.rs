//! What each host sees is uniform, whatever the numbers are: chi-square for fixed numbers and fresh rows.

use xonn_crypto::share::RingTensor;
use xonn_protocols::steps::compare::Comparison;
use xonn_protocols::steps::digits::Digits;
use xonn_protocols::steps::frame::{Fields, Reader};

use super::Stage;
use super::stage::largest;
use crate::common::{Transcript, numbers, rng};
use crate::views::deviation;

/// Pairs of the first level.
const PAIRS: usize = 1 << 16;

/// Bits of the numbers.
const BITS: u32 = 5;

/// The same two numbers again and again, with the same shares of C.
fn fixed(x: [i64; 2], c: [i64; 2], pairs: usize) -> Stage {
    let all = |of: [i64; 2]| RingTensor::from_signed(BITS, &of.repeat(pairs)).unwrap();
    let y1 = all(c);
    Stage::of([all(x).sub(&y1).unwrap(), y1], 0, 9)
}

/// Fields of a message: numbers of so many bits.
fn fields(message: &[u8], what: &[(usize, u32)]) -> Vec<Vec<u64>> {
    let all = what.iter().fold(Fields::default(), |all, &(count, bits)| all.with(count, bits));
    let mut reader = Reader::new("view", message, &all).unwrap();
    what.iter().map(|&(count, bits)| reader.numbers(count, bits).unwrap().to_vec()).collect()
}

/// Several fields as one number each, the first one lowest.
fn join(fields: &[&[u64]], bits: &[u32]) -> Vec<u64> {
    let value = |i: usize| fields.iter().zip(bits).rev().fold(0, |all, (field, bits)| all << bits | field[i]);
    (0..fields[0].len()).map(value).collect()
}

/// Behind the tables of a level's comparisons and behind what they open: fields of a level with m bits of
/// index, `X` and `Y`; opened bits, `t`, messages, `c`.
fn level(sent: &Transcript, number: usize, pairs: usize) -> [Vec<Vec<u64>>; 2] {
    let digits = Digits::cheapest(BITS - 1).unwrap();
    let comparison = Comparison::new(pairs, digits);
    let index = number as u32;
    let (mut down, mut up) = (vec![(pairs, BITS)], vec![(pairs, 1); digits.openings() + 1]);
    up.push((2 * pairs, BITS));
    if index > 0 {
        down.push((pairs, index));
        up.push((pairs, index));
    }
    let [tables, answer] = [&sent[3 + 2 * number], &sent[4 + 2 * number]];
    [fields(&tables[comparison.tables().bytes()..], &down), fields(answer, &up)]
}

#[test]
fn views_do_not_depend_on_numbers() {
    let rng = &mut rng(1);
    let mut worst: f64 = 0.0;
    for (x, c) in [([0, 0], [0, 0]), ([7, -8], [3, 5]), ([-8, 7], [-1, 9]), ([2, 3], [-16, 15])] {
        let stage = fixed(x, c, PAIRS);
        let (_, sent) = stage.run(&stage.pools(rng), &|_, _| {}).unwrap();
        // The first level has pairs of the same two numbers; the second one of the larger of these.
        for number in 0..2 {
            let [down, up] = level(&sent, number, PAIRS >> number);
            // To the client: X, and Y; alpha and beta are of one row.
            let widths = [BITS, number as u32];
            let seen = join(&down.iter().map(Vec::as_slice).collect::<Vec<_>>(), &widths[..down.len()]);
            let to_client = deviation(&seen, widths[..down.len()].iter().sum());
            // To the server: what is opened, t, c, and the first of both messages.
            let first: Vec<u64> = up[3].iter().step_by(2).copied().collect();
            let second: Vec<u64> = up[3].iter().skip(1).step_by(2).copied().collect();
            let mut all: Vec<&[u64]> = vec![&up[0], &up[1], &up[2]];
            all.extend(up.get(4).map(Vec::as_slice));
            let widths = [1, 1, 1, number as u32];
            let bits: u32 = widths[..all.len()].iter().sum();
            for messages in [&first, &second] {
                let mut all = all.clone();
                all.push(messages);
                let widths: Vec<u32> = widths[..all.len() - 1].iter().copied().chain([BITS]).collect();
                let to_server = deviation(&join(&all, &widths), bits + BITS);
                for (who, sigma) in [("client", to_client), ("server", to_server)] {
                    assert!(sigma.abs() < 5.0, "{who}, level {number}, {x:?}, {c:?}: {sigma:.1} sigma");
                    worst = worst.max(sigma.abs());
                }
            }
        }
    }
    println!("farthest from uniform: {worst:.1} sigma");
}

#[test]
fn all_bytes_of_all_messages_are_uniform() {
    for (x, c) in [([0, 0], [0, 0]), ([7, -8], [3, 5]), ([-8, 7], [-16, 15])] {
        let stage = fixed(x, c, PAIRS / 4);
        let (_, sent) = stage.run(&stage.pools(&mut rng(2)), &|_, _| {}).unwrap();
        for (number, message) in sent.iter().enumerate().filter(|(_, message)| message.len() > 2000) {
            let bytes: Vec<u64> = message.iter().map(|&byte| byte.into()).collect();
            let sigma = deviation(&bytes, 8);
            assert!(sigma.abs() < 5.0, "message {number}, {x:?}: {sigma:.1} sigma");
        }
    }
    // The same test sees numbers that nothing masks.
    assert!(deviation(numbers(PAIRS, 7, &mut rng(3)).values(), 8) > 100.0);
}

/// A server that sends products and tables of its own gets masked bits back.
#[test]
fn a_server_that_cheats_sees_uniform_bits_too() {
    let stage = fixed([3, -2], [5, 1], PAIRS);
    for fill in [0xff, 0x3c] {
        let cheat = |number: usize, message: &mut Vec<u8>| {
            // The tables of two levels, all of whose bytes are full.
            if number == 3 || number == 5 {
                message.iter_mut().for_each(|byte| *byte ^= fill);
            }
        };
        let (_, sent) = stage.run(&stage.pools(&mut rng(4)), &cheat).unwrap();
        for number in 0..2 {
            let [_, up] = level(&sent, number, PAIRS >> number);
            let seen = join(&[&up[0], &up[1], &up[2]], &[1, 1, 1]);
            let sigma = deviation(&seen, 3);
            assert!(sigma.abs() < 5.0, "level {number}: {sigma:.1} sigma");
        }
    }
}

/// The last message is all that the client has of the index: S's share of it, which is uniform.
#[test]
fn the_opened_share_is_uniform() {
    let rng = &mut rng(5);
    let x = [4, 7, -8, 7, 0];
    let seen: Vec<u64> = (0..4096)
        .map(|_| {
            let stage = Stage::share(&x, BITS, rng);
            let (index, sent) = stage.run(&stage.pools(rng), &|_, _| {}).unwrap();
            assert_eq!(index, [true, false, false], "index {}", largest(&x));
            u64::from(sent.last().unwrap()[0])
        })
        .collect();
    let sigma = deviation(&seen, 3);
    assert!(sigma.abs() < 5.0, "{sigma:.1} sigma");
}
