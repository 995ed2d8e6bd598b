//! The bits are right: all shares of small rings, random ones of large rings, all bits of windows.

use rand::RngExt;
use xonn_crypto::share::RingTensor;
use xonn_protocols::compare_ot::sign::Plan;
use xonn_protocols::compare_ot::{narrow, wide};
use xonn_protocols::steps::column::Column;
use xonn_protocols::steps::compare::Comparison;
use xonn_protocols::steps::digits::Digits;
use xonn_protocols::steps::windows::Windows;

use crate::common::{self, Layer, Pools, compare, numbers, random_column, rng};

/// All ways of cutting w bits into up to three digits of up to 7.
fn cuts(w: u32) -> Vec<Digits> {
    let cut = |bits: [u32; 3]| {
        let used: Vec<u32> = bits.into_iter().filter(|&bits| bits > 0).collect();
        Digits::new(&used).ok().filter(|digits| digits.total() == w)
    };
    let one = (1..=7).filter_map(|a| cut([a, 0, 0]));
    let two = (1..=7).flat_map(|a| (1..=7).filter_map(move |b| cut([a, b, 0])));
    let three = (1..=7).flat_map(|a| (1..=7).flat_map(move |b| (1..=7).filter_map(move |c| cut([a, b, c]))));
    one.chain(two).chain(three).collect()
}

/// The bits of both hosts are shares of the signs, and S's messages are C's keys, with Delta where S's bit is
/// 1.
fn check(digits: Digits, pools: &Pools, shares: [&RingTensor; 2], flips: &Column) {
    let plan = Comparison::new(flips.len(), digits);
    let (server, client, _) = compare(plan, pools, shares, flips);
    let x = shares[0].reconstruct(shares[1]).unwrap();
    for (i, x) in x.into_iter().enumerate() {
        let expected = u64::from(x >= 0) ^ flips.bit(i);
        assert_eq!(server.bits.bit(i) ^ client.bits.bit(i), expected, "{digits:?}: number {i}, {x}");
        let key = client.keys[i] ^ pools.masks.delta().masked(server.bits.bit(i) == 1);
        assert!(server.keys[i] == key, "{digits:?}: MM of number {i}");
    }
}

#[test]
fn all_shares_of_small_rings_with_all_digits() {
    let rng = &mut rng(1);
    for k in 2..=8 {
        let pairs = (0..1u64 << k).flat_map(|a| (0..1u64 << k).map(move |b| [a, b]));
        let (y0, y1): (Vec<u64>, Vec<u64>) = pairs.map(|[a, b]| (a, b)).unzip();
        let [y0, y1] = [y0, y1].map(|values| RingTensor::new(k, values).unwrap());
        let n = y0.len();
        for digits in cuts(k - 1) {
            let plan = Comparison::new(n, digits);
            let pools = Pools::deal(plan.leaf_rows(), plan.mask_rows(), rng);
            check(digits, &pools, [&y0, &y1], &random_column(n, rng));
        }
    }
    assert_eq!((2..=8).map(|k| cuts(k - 1).len()).sum::<usize>(), 63);
}

/// Extremes first, then random numbers.
fn values(k: u32, n: usize, rng: &mut chacha20::ChaCha12Rng) -> RingTensor {
    let half = 1 << (k - 1);
    let edges = [0, -1, 1, -2, half - 1, -half, half - 2, 1 - half];
    let value = |i| if i < 64 { edges[i % 8] } else { rng.random_range(-half..half) };
    RingTensor::from_signed(k, &(0..n).map(value).collect::<Vec<i64>>()).unwrap()
}

#[test]
fn random_neurons_of_wide_rings() {
    let rng = &mut rng(2);
    for digits in [10, 11, 12, 14, 18, 21, 24, 27].map(|w| Digits::cheapest(w).unwrap()).into_iter().chain(
        [&[5, 5][..], &[7, 7], &[6, 6, 6], &[1, 7, 2], &[2, 1, 7], &[9, 9], &[1, 9, 8]]
            .map(|bits| Digits::new(bits).unwrap()),
    ) {
        // Long tables have 2^9 entries.
        let n = if digits.iter().any(|digit| digit.bits > 7) { 4_000 } else { 40_000 };
        let plan = Comparison::new(n, digits);
        let pools = Pools::deal(plan.leaf_rows(), plan.mask_rows(), rng);
        let x = values(plan.ring_bits(), n, rng);
        let y1 = numbers(n, plan.ring_bits(), rng);
        check(digits, &pools, [&x.sub(&y1).unwrap(), &y1], &random_column(n, rng));
    }
}

/// ORs of the windows.
fn pooled(windows: &Windows, signs: &[i64]) -> Vec<i64> {
    windows.iter().map(|window| window.iter().fold(0, |or, &i| or | signs[i as usize])).collect()
}

fn share(x: &RingTensor, windows: &Windows, ring: u32, flip: bool) -> Layer {
    let rng = &mut rng(u64::from(ring));
    let flips = if flip { random_column(x.len(), rng) } else { Column::zeros(x.len()) };
    Layer::share(x, flips, [windows.len(), ring as usize], rng)
}

/// What S's share of the results and rho open to, as numbers below the ring's half.
fn opened(run: common::Run, layer: &Layer) -> Vec<i64> {
    run.unwrap().0.reconstruct(&layer.rho).unwrap()
}

#[test]
fn signs_become_numbers_of_a_ring() {
    let rng = &mut rng(3);
    for (w, n, ring) in [(10, 40_000, 10), (11, 40_000, 11), (3, 77, 2), (6, 65, 63), (14, 40_000, 10)] {
        let windows = Windows::single(n).unwrap();
        let layer = share(&values(w + 1, n, rng), &windows, ring, true);
        let plan = Plan::new(w, windows, ring).unwrap();
        let run = common::sign(&plan, &Pools::of(&plan.cost(), rng), &layer, &|_, _| {});
        assert_eq!(opened(run, &layer), layer.signs(), "w = {w}, l = {ring}");
    }
}

#[test]
fn windows_are_ors_of_all_bits_that_they_can_have() {
    let rng = &mut rng(4);
    let ring = 9;
    for (members, w) in [(1usize, 8), (2, 3), (3, 5), (4, 8), (4, 11)] {
        // All bits of the results b, of C's shares b1 and of S's b0 occur, in 40 copies.
        let count = 40 << (2 * members);
        let n = members * count;
        let x: Vec<i64> = (0..n)
            .map(|i| {
                let positive = (i / members) >> (i % members) & 1 == 1;
                if positive { rng.random_range(0..1 << w) } else { rng.random_range(-(1 << w)..0) }
            })
            .collect();
        let x = RingTensor::from_signed(w + 1, &x).unwrap();
        let mut indices: Vec<u32> = (0..n as u32).collect();
        // In another order, so that members are not neighbours.
        indices.reverse();
        let windows = Windows::new(n, members, indices).unwrap();
        for flip in [false, true] {
            let layer = share(&x, &windows, ring, flip);
            let expected = pooled(&windows, &layer.signs());
            assert!(expected.contains(&0) && expected.contains(&1));
            let plan = Plan::new(w, windows.clone(), ring).unwrap();
            let run = common::sign(&plan, &Pools::of(&plan.cost(), rng), &layer, &|_, _| {});
            assert_eq!(opened(run, &layer), expected, "{members} members in one round trip");
            // Flips behind the OR: all alike, and one of each.
            let count = windows.len();
            let all = [false, true].map(|bit| Column::from_fn(count, |_| bit.into()));
            for behind in all.into_iter().chain([random_column(count, rng)]) {
                let flip = |(window, or): (usize, &i64)| or ^ behind.bit(window) as i64;
                let expected: Vec<i64> = expected.iter().enumerate().map(flip).collect();
                let layer = Layer { behind, ..layer.clone() };
                let plan = Plan::new(w, windows.clone(), ring).unwrap().flipped().unwrap();
                let run = common::sign(&plan, &Pools::of(&plan.cost(), rng), &layer, &|_, _| {});
                assert_eq!(opened(run, &layer), expected, "{members} members, flipped, in one round trip");
                let plan = narrow::Plan::new(w, windows.clone(), ring).unwrap();
                let run = common::narrow(&plan, &Pools::of(&plan.cost(), rng), &layer, &|_, _| {});
                assert_eq!(opened(run, &layer), expected, "{members} members in two round trips");
                let plan = wide::Plan::new(w, windows.clone(), ring).unwrap();
                let run = common::wide(&plan, &Pools::of(&plan.cost(), rng), &layer, &|_, _| {});
                assert_eq!(opened(run, &layer), expected, "{members} members by their sum");
            }
        }
    }
}

#[test]
fn large_windows_are_ors_too() {
    let rng = &mut rng(5);
    for size in [[3, 3], [4, 4], [1, 7], [8, 8]] {
        let windows = Windows::pool([20, 24, 24], size).unwrap();
        let n = windows.elements();
        // Seldom positive, so that windows without a positive element occur.
        let x: Vec<i64> = (0..n)
            .map(|_| {
                if rng.random_range(0..40) == 0 {
                    rng.random_range(0..512)
                } else {
                    -1 - rng.random_range(0..512)
                }
            })
            .collect();
        let x = RingTensor::from_signed(10, &x).unwrap();
        let layer = share(&x, &windows, 12, false);
        let expected = pooled(&windows, &layer.signs());
        assert!(expected.contains(&0) && expected.contains(&1));
        let plan = wide::Plan::new(9, windows, 12).unwrap();
        let run = common::wide(&plan, &Pools::of(&plan.cost(), rng), &layer, &|_, _| {});
        assert_eq!(opened(run, &layer), expected, "{size:?}");
    }
}

#[test]
fn windows_may_share_elements() {
    let rng = &mut rng(6);
    // 2x2 windows at each place of a row of pairs
    let indices: Vec<u32> = (0..99u32).flat_map(|i| [i, i + 1, i + 100, i + 101]).collect();
    let windows = Windows::new(200, 4, indices).unwrap();
    let layer = share(&values(8, 200, rng), &windows, 6, true);
    let plan = Plan::new(7, windows.clone(), 6).unwrap();
    let run = common::sign(&plan, &Pools::of(&plan.cost(), rng), &layer, &|_, _| {});
    assert_eq!(opened(run, &layer), pooled(&windows, &layer.signs()));
}

#[test]
fn a_window_may_name_an_element_several_times() {
    // As at the edge of an image, where a window has fewer elements.
    let rng = &mut rng(7);
    let indices: Vec<u32> = (0..100u32).flat_map(|i| [i, i, 100 + i / 2, i]).collect();
    let windows = Windows::new(200, 4, indices).unwrap();
    for seed in 0..20 {
        let x = values(8, 200, rng);
        let layer = share(&x, &windows, 6, true);
        let layer = Layer { behind: random_column(100, rng), seed, ..layer };
        let ors = pooled(&windows, &layer.signs());
        let plan = Plan::new(7, windows.clone(), 6).unwrap();
        let run = common::sign(&plan, &Pools::of(&plan.cost(), rng), &layer, &|_, _| {});
        assert_eq!(opened(run, &layer), ors);
        let flipped: Vec<i64> = (0..100).map(|i| ors[i] ^ layer.behind.bit(i) as i64).collect();
        let plan = plan.flipped().unwrap();
        let run = common::sign(&plan, &Pools::of(&plan.cost(), rng), &layer, &|_, _| {});
        assert_eq!(opened(run, &layer), flipped);
        let plan = narrow::Plan::new(7, windows.clone(), 6).unwrap();
        let run = common::narrow(&plan, &Pools::of(&plan.cost(), rng), &layer, &|_, _| {});
        assert_eq!(opened(run, &layer), flipped);
        let plan = wide::Plan::new(7, windows.clone(), 6).unwrap();
        let run = common::wide(&plan, &Pools::of(&plan.cost(), rng), &layer, &|_, _| {});
        assert_eq!(opened(run, &layer), flipped);
    }
}

#[test]
fn all_shares_of_small_rings_as_numbers_and_in_windows() {
    let rng = &mut rng(8);
    for k in 2..=8 {
        // Each pair of shares once, in an order of its own for each place of a window.
        let pairs = 1usize << (2 * k);
        let orders: Vec<Vec<usize>> = (0..4)
            .map(|_| {
                let mut order: Vec<usize> = (0..pairs).collect();
                (1..pairs).rev().for_each(|i| order.swap(i, rng.random_range(0..=i)));
                order
            })
            .collect();
        let all = |half: u32| {
            let value = |i: usize| (i >> (half * k)) as u64 & ((1 << k) - 1);
            orders.iter().flatten().map(|&i| value(i)).collect()
        };
        let [y0, y1] = [0, 1].map(|half| RingTensor::new(k, all(half)).unwrap());
        let flips = random_column(4 * pairs, rng);
        let layer = |windows: &Windows, rng: &mut chacha20::ChaCha12Rng| Layer {
            y0: y0.clone(),
            y1: y1.clone(),
            flips: flips.clone(),
            behind: random_column(windows.len(), rng),
            rho: numbers(windows.len(), 5, rng),
            seed: 8,
        };

        let windows = Windows::single(4 * pairs).unwrap();
        let alone = layer(&windows, rng);
        let plan = Plan::new(k - 1, windows, 5).unwrap();
        let run = common::sign(&plan, &Pools::of(&plan.cost(), rng), &alone, &|_, _| {});
        assert_eq!(opened(run, &alone), alone.signs(), "numbers, k = {k}");

        // A window has the element of each order at one place.
        let indices = (0..pairs).flat_map(|at| (0..4).map(move |order| (order * pairs + at) as u32));
        let windows = Windows::new(4 * pairs, 4, indices.collect()).unwrap();
        let layer = layer(&windows, rng);
        let ors = pooled(&windows, &layer.signs());
        let plan = Plan::new(k - 1, windows.clone(), 5).unwrap();
        let run = common::sign(&plan, &Pools::of(&plan.cost(), rng), &layer, &|_, _| {});
        assert_eq!(opened(run, &layer), ors, "ORs, k = {k}");
        let flipped: Vec<i64> = (0..pairs).map(|i| ors[i] ^ layer.behind.bit(i) as i64).collect();
        let plan = plan.flipped().unwrap();
        let run = common::sign(&plan, &Pools::of(&plan.cost(), rng), &layer, &|_, _| {});
        assert_eq!(opened(run, &layer), flipped, "flipped ORs, k = {k}");
        let plan = narrow::Plan::new(k - 1, windows.clone(), 5).unwrap();
        let run = common::narrow(&plan, &Pools::of(&plan.cost(), rng), &layer, &|_, _| {});
        assert_eq!(opened(run, &layer), flipped, "ORs in two round trips, k = {k}");
        let plan = wide::Plan::new(k - 1, windows, 5).unwrap();
        let run = common::wide(&plan, &Pools::of(&plan.cost(), rng), &layer, &|_, _| {});
        assert_eq!(opened(run, &layer), flipped, "ORs by sums, k = {k}");
    }
}
