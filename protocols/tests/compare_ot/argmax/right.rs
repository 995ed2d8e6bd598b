//! Indexes are right: all numbers and shares of small rings, random ones with ties of large rings.

use rand::RngExt;
use xonn_crypto::share::RingTensor;

use super::Stage;
use super::stage::largest;
use crate::common::rng;

/// All ways of taking `count` numbers of `range`.
fn all(count: usize, range: std::ops::Range<i64>) -> impl Iterator<Item = Vec<i64>> {
    let (n, lo) = ((range.end - range.start) as usize, range.start);
    (0..n.pow(count as u32))
        .map(move |code| (0..count).map(|at| lo + (code / n.pow(at as u32) % n) as i64).collect())
}

#[test]
fn all_numbers_and_all_shares_of_two_and_three() {
    let rng = &mut rng(1);
    // Numbers of which two differ by less than half of the ring.
    for (bits, count, range) in [(2, 2, 0..2), (3, 2, -2..2), (4, 2, -4..4), (2, 3, -1..1), (3, 3, 0..4)] {
        for x in all(count, range) {
            for y1 in all(count, 0..1 << bits) {
                let y1 = RingTensor::from_signed(bits, &y1).unwrap();
                let y0 = RingTensor::from_signed(bits, &x).unwrap().sub(&y1).unwrap();
                let stage = Stage::of([y0, y1.clone()], 0, rng.random());
                assert_eq!(stage.index(rng), largest(&x), "{x:?}, y1 {:?}", y1.values());
            }
        }
    }
}

#[test]
fn all_numbers_of_a_few_with_random_shares() {
    let rng = &mut rng(2);
    for (bits, count, range) in [(3, 4, -2..2), (2, 7, 0..2), (3, 5, -1..2), (8, 6, -1..1), (12, 3, -3..3)] {
        for x in all(count, range) {
            assert_eq!(Stage::share(&x, bits, rng).index(rng), largest(&x), "{x:?}");
        }
    }
}

#[test]
fn any_count_and_width_with_ties() {
    let rng = &mut rng(3);
    for count in 2..=40 {
        for bits in [2, 3, 4, 5, 9, 13, 16, 20, 28] {
            let most = 1i64 << (bits - 2);
            // Few numbers, so that many are equal; or the ends of the range; or any.
            let few = [0, most - 1, -most, rng.random_range(-most..most)];
            for kind in 0..4 {
                let mut number = || match kind {
                    0 => few[rng.random_range(0..2)],
                    1 => few[rng.random_range(0..4)],
                    2 => few[3],
                    _ => rng.random_range(-most..most),
                };
                let x: Vec<i64> = (0..count).map(|_| number()).collect();
                assert_eq!(Stage::share(&x, bits, rng).index(rng), largest(&x), "{bits} bits, {x:?}");
            }
        }
    }
}

#[test]
fn each_place_can_be_the_largest() {
    let rng = &mut rng(4);
    for count in [2, 3, 5, 17, 64, 100] {
        for place in 0..count {
            let mut x = vec![-3; count];
            x[place] = -2;
            assert_eq!(Stage::share(&x, 6, rng).index(rng), place, "of {count}");
            // Equal ones behind it do not count.
            x[place..].fill(-2);
            assert_eq!(Stage::share(&x, 6, rng).index(rng), place, "of {count}, with ties");
        }
    }
}

#[test]
fn thousands() {
    let rng = &mut rng(5);
    for count in [1000, 10_000, 16_385] {
        let x: Vec<i64> = (0..count).map(|_| rng.random_range(-900..900)).collect();
        assert_eq!(Stage::share(&x, 12, rng).index(rng), largest(&x), "of {count}");
    }
}

/// Numbers with bits of fraction below a unit, and noise of less than half of it between any two.
#[test]
fn noise_below_half_a_unit_turns_nothing() {
    let rng = &mut rng(6);
    let (bits, fraction) = (11, 4);
    for count in 2..=24 {
        for _ in 0..20 {
            let x: Vec<i64> = (0..count).map(|_| rng.random_range(-3..4)).collect();
            // A difference of noise is from -8 to 7.
            let noise: Vec<i64> = (0..count).map(|_| rng.random_range(-4..4)).collect();
            let with: Vec<i64> = x.iter().zip(&noise).map(|(x, noise)| (x << fraction) + noise).collect();
            let Stage { y0, y1, seed, .. } = Stage::share(&with, bits, rng);
            assert_eq!(Stage::of([y0, y1], fraction, seed).index(rng), largest(&x), "{x:?} with {noise:?}");
        }
    }
}

#[test]
fn numbers_too_far_apart_give_some_index() {
    let rng = &mut rng(7);
    for _ in 0..200 {
        let x: Vec<i64> = (0..9).map(|_| rng.random_range(-128..128)).collect();
        assert!(Stage::share(&x, 8, rng).index(rng) < 16);
    }
}
