//! Binary layers between two hosts, sums by lattice encryption: each neuron is that of exact integers.

use chacha20::ChaCha12Rng;
use rand::RngExt;
use xonn_crypto::rlwe::encode::{Convolution, Geometry, Layout, Packing};
use xonn_crypto::rlwe::{ClientKey, Kept, Params, Role, Rounding, ServerKey, Weights, noise};
use xonn_crypto::share::RingTensor;
use xonn_protocols::compare_ot::narrow;
use xonn_protocols::compare_ot::sign::Plan;
use xonn_protocols::steps::column::Column;
use xonn_protocols::steps::windows::Windows;

use crate::common::{self, Layer, Pools, numbers, rng};

#[test]
fn every_sum_and_threshold_with_every_share_of_noise() {
    // y0 and y1 as a binary layer makes them: theta = (2^g + 1) / 2 in front of two floors that take away
    // less than 2, so that 2^g (sum - T) becomes one of two numbers; each T at the sum, one above, and at all
    // other places.
    let rng = &mut rng(1);
    let fan_in: i64 = 20;
    // l = ceil(log2(21)) + 1
    for (g, l) in [(1u32, 6u32), (2, 6), (3, 6)] {
        let mut x = Vec::new();
        let mut expected = Vec::new();
        for sum in 0..=fan_in {
            for threshold in 0..=fan_in + 1 {
                for lost in 0..=1 << g {
                    // 2^g (sum - T) + theta less what floors and noise within the margin take: from 1 up
                    // where the sum is not below T, to -1 at most where it is.
                    let low = ((sum - threshold) << g) + i64::from(sum >= threshold);
                    let y = low + lost.min((1 << g) - 1);
                    x.push(if sum >= threshold { y } else { y.min(-1) });
                    expected.push(i64::from(sum >= threshold));
                }
            }
        }
        let n = x.len();
        let x = RingTensor::from_signed(l + g, &x).unwrap();
        let flips = Column::from_fn(n, |i| (i / 3) as u64);
        let plan = Plan::new(l + g - 1, Windows::single(n).unwrap(), 7).unwrap();
        for _ in 0..20 {
            let layer = Layer::share(&x, flips.clone(), [n, 7], rng);
            let (share, _) = common::sign(&plan, &Pools::of(&plan.cost(), rng), &layer, &|_, _| {}).unwrap();
            let bits = share.reconstruct(&layer.rho).unwrap();
            let wrong = (0..n).filter(|&i| bits[i] != expected[i] ^ flips.bit(i) as i64).count();
            assert_eq!(wrong, 0, "g = {g}");
        }
    }
}

/// Both hosts of a linear layer.
struct Linear {
    client: ClientKey,
    server: ServerKey,
    params: Params,
    layout: Layout,
    rounding: Rounding,
    weights: Vec<i64>,
}

impl Linear {
    fn new(params: Params, geometry: Geometry, packing: Packing, l: u32, rng: &mut ChaCha12Rng) -> Self {
        let layout = Layout::new(geometry, packing, params.n()).unwrap();
        let rounding = Rounding::new(params, l, 2, 7, 4).unwrap();
        let weights: Vec<i64> = (0..layout.weight_len()).map(|_| 2 * rng.random_range(0..2) - 1).collect();
        let squares = layout.square_sums(&weights).unwrap().into_iter().fold(0.0, f64::max);
        let margin = noise::margin(params, &rounding, squares);
        assert!(margin > 8.0, "a plan of {margin:.1} sigma, which no planner takes");
        let (client, key) = ClientKey::generate(params, b"a layer", Role::B, rng);
        let server = ServerKey::receive(params, b"a layer", Role::B, &key).unwrap();
        Self { client, server, params, layout, rounding, weights }
    }

    /// Ahead: C's masks r go, C's share y1 of the sums comes; S keeps its own.
    fn ahead(&self, r: &RingTensor, rng: &mut ChaCha12Rng) -> (RingTensor, Kept) {
        let masks = self.layout.encode_inputs(r.values()).unwrap();
        let request = self.client.encrypt(self.rounding.l(), &masks, rng).unwrap();
        let masks = self.server.masks(&self.layout, &request).unwrap();
        let weights = Weights::new(self.params, &self.layout, &self.weights).unwrap();
        let (answer, kept) =
            self.server.respond(&self.layout, &weights, &self.rounding, &masks, rng).unwrap();
        let y1 = self.client.decrypt(&self.layout, &self.rounding, &answer).unwrap();
        (RingTensor::new(self.rounding.k(), y1.to_vec()).unwrap(), kept)
    }

    /// Online: S's share of the sums less thresholds, from x - r.
    fn online(&self, kept: Kept, seen: &RingTensor, sums: &Sums<'_>, thresholds: &[i64]) -> RingTensor {
        let v = sums(&self.weights, &seen.signed());
        let v: Vec<i64> = v.iter().zip(thresholds).map(|(v, t)| v - t).collect();
        RingTensor::new(self.rounding.k(), kept.into_shares(&v).unwrap().to_vec()).unwrap()
    }
}

/// Sums of a layer in the clear, from weights and inputs.
type Sums<'a> = dyn Fn(&[i64], &[i64]) -> Vec<i64> + 'a;

/// A 3x3 convolution with zero padding of 8x8 images.
fn convolve(channels: usize, w: &[i64], x: &[i64]) -> Vec<i64> {
    let mut all = Vec::new();
    for filter in w.chunks(9 * channels) {
        for (i, j) in (0..8).flat_map(|i| (0..8).map(move |j| (i, j))) {
            let mut sum = 0;
            for (at, w) in filter.iter().enumerate() {
                let (c, a, b) = (at / 9, at / 3 % 3, at % 3);
                let (y, z) = ((i + a).wrapping_sub(1), (j + b).wrapping_sub(1));
                if y < 8 && z < 8 {
                    sum += w * x[(c * 8 + y) * 8 + z];
                }
            }
            all.push(sum);
        }
    }
    all
}

fn dense(w: &[i64], x: &[i64]) -> Vec<i64> {
    w.chunks(x.len()).map(|row| row.iter().zip(x).map(|(w, x)| w * x).sum()).collect()
}

/// Thresholds at the sums or one above, and a flip of each third neuron, so that one neuron in seven fires;
/// and which do.
fn edges(sums: &[i64]) -> (Vec<i64>, Column, Vec<i64>) {
    let flips = Column::from_fn(sums.len(), |i| (i % 3 == 0) as u64);
    let fires: Vec<i64> = (0..sums.len()).map(|i| i64::from(i * 11 % 29 < 4)).collect();
    let above = |i: usize| 1 - (fires[i] ^ flips.bit(i) as i64);
    let thresholds = sums.iter().enumerate().map(|(i, sum)| sum + above(i)).collect();
    (thresholds, flips, fires)
}

#[test]
fn a_small_binary_network_from_end_to_end() {
    // 6 x 8 x 8 bits; a 3x3 convolution to 8 filters with zero padding, 2x2 OR pool, dense 128 -> 16; all of
    // it on shares. C's share of the pool's results is the mask of the next layer's input.
    let convolution = Geometry::Convolution(Convolution {
        channels: 6,
        size: [8, 8],
        kernel: [3, 3],
        padding: [[1, 1], [1, 1]],
        strides: [1, 1],
        filters: 8,
        groups: 1,
    });
    let tiles = Packing::Tiles { height: 8, width: 8, channels: 5, filters: 2 };
    let packing = Packing::Dense { inputs: 64, rows: 16 };
    for (seed, two_trips) in [(1, false), (2, true), (3, false), (4, true)] {
        let rng = &mut rng(seed);
        // sums from -54 to 54, from -128 to 128
        let first = Linear::new(Params::N1024Q24, convolution, tiles, 8, rng);
        let second = Linear::new(Params::N1024Q24, Geometry::dense(128, 16), packing, 9, rng);
        let x: Vec<i64> = (0..384).map(|_| rng.random_range(0..2)).collect();

        // In the clear.
        let [conv, full]: [&Sums<'_>; 2] = [&|w, x| convolve(6, w, x), &dense];
        let (thresholds, flips, bits) = edges(&conv(&first.weights, &x));
        let windows = Windows::pool([8, 8, 8], [2, 2]).unwrap();
        let pooled: Vec<i64> =
            windows.iter().map(|window| window.iter().fold(0, |or, &i| or | bits[i as usize])).collect();
        assert!(pooled.contains(&0) && pooled.contains(&1));
        let (next_thresholds, next_flips, expected) = edges(&full(&second.weights, &pooled));

        // Ahead: all masks, then C's shares of sums, in the order in which they follow.
        let (r, next_r) = (numbers(384, 8, rng), numbers(128, 9, rng));
        let (y1, kept) = first.ahead(&r, rng);
        let (next_y1, next_kept) = second.ahead(&next_r, rng);

        // Online: C sends x - r, and each layer's share leads to the next one's.
        let seen = RingTensor::from_signed(8, &x).unwrap().sub(&r).unwrap();
        let y0 = first.online(kept, &seen, conv, &thresholds);
        let behind = Column::zeros(windows.len());
        let layer = Layer { y0, y1, flips, behind, rho: next_r.clone(), seed };
        let seen = if two_trips {
            let plan = narrow::Plan::new(9, windows, 9).unwrap();
            common::narrow(&plan, &Pools::of(&plan.cost(), rng), &layer, &|_, _| {}).unwrap().0
        } else {
            let plan = Plan::new(9, windows, 9).unwrap();
            common::sign(&plan, &Pools::of(&plan.cost(), rng), &layer, &|_, _| {}).unwrap().0
        };
        // S has the pool's results less r, and neither host the results.
        assert_eq!(seen.reconstruct(&next_r).unwrap(), pooled);
        let y0 = second.online(next_kept, &seen, full, &next_thresholds);
        let (flips, behind) = (next_flips, Column::zeros(16));
        let layer = Layer { y0, y1: next_y1, flips, behind, rho: numbers(16, 5, rng), seed };
        let plan = Plan::new(10, Windows::single(16).unwrap(), 5).unwrap();
        let (share, _) = common::sign(&plan, &Pools::of(&plan.cost(), rng), &layer, &|_, _| {}).unwrap();
        assert_eq!(share.reconstruct(&layer.rho).unwrap(), expected);
    }
}

#[test]
fn every_threshold_of_a_dense_layer() {
    // One row of weights in all neurons, so one sum; thresholds from the least sum to one above the largest.
    let rng = &mut rng(5);
    let (inputs, rows) = (40, 42);
    let packing = Packing::Dense { inputs, rows: 25 };
    for turn in 0..3 {
        let mut linear = Linear::new(Params::N1024Q24, Geometry::dense(inputs, rows), packing, 7, rng);
        let row = linear.weights[..inputs].to_vec();
        linear.weights = row.repeat(rows);
        let x: Vec<i64> = (0..inputs).map(|_| rng.random_range(0..2)).collect();
        let sum: i64 = dense(&row, &x)[0];
        let least: i64 = row.iter().filter(|&&w| w < 0).sum();
        let thresholds: Vec<i64> = (0..rows as i64).map(|i| least + i).collect();
        assert!(thresholds.contains(&sum) && thresholds.contains(&(sum + 1)));
        let r = numbers(inputs, 7, rng);
        let (y1, kept) = linear.ahead(&r, rng);
        let seen = RingTensor::from_signed(7, &x).unwrap().sub(&r).unwrap();
        let y0 = linear.online(kept, &seen, &dense, &thresholds);
        let [flips, behind] = [(); 2].map(|()| Column::zeros(rows));
        let layer = Layer { y0, y1, flips, behind, rho: numbers(rows, 8, rng), seed: turn };
        let plan = Plan::new(8, Windows::single(rows).unwrap(), 8).unwrap();
        let (share, _) = common::sign(&plan, &Pools::of(&plan.cost(), rng), &layer, &|_, _| {}).unwrap();
        let expected: Vec<i64> = thresholds.iter().map(|&t| i64::from(sum >= t)).collect();
        assert_eq!(share.reconstruct(&layer.rho).unwrap(), expected, "turn {turn}");
    }
}
