//! Whole linear layers between both roles: binary layers with every threshold at its edge, scores, layers
//! over numbers; and what happens when q is too small.

#![allow(clippy::unwrap_used)] // a test that unwraps fails with a location

use chacha20::ChaCha12Rng;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use xonn_crypto::rlwe::encode::{Convolution, Geometry, Layout, Packing};
use xonn_crypto::rlwe::{ClientKey, Params, Role, Rounding, ServerKey, Weights, noise};
use xonn_crypto::share::RingTensor;

/// Both hosts in one process. The layer's inputs are masked, its weights are the server's.
struct Hosts {
    rng: ChaCha12Rng,
    client: ClientKey,
    server: ServerKey,
    params: Params,
}

impl Hosts {
    fn new(params: Params, seed: u64) -> Self {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let (client, key) = ClientKey::generate(params, b"test session", Role::B, &mut rng);
        assert_eq!(key.len(), ClientKey::key_bytes(params));
        let server = ServerKey::receive(params, b"test session", Role::B, &key).unwrap();
        Self { rng, client, server, params }
    }

    fn signs(&mut self, count: usize) -> Vec<i64> {
        (0..count).map(|_| 2 * self.rng.random_range(0..2) - 1).collect()
    }

    fn numbers(&mut self, count: usize, range: core::ops::Range<i64>) -> Vec<i64> {
        (0..count).map(|_| self.rng.random_range(range.clone())).collect()
    }

    /// y0 + y1 as signed numbers, of a layer whose server adds `constants`; `sums` computes it in the clear.
    fn run(
        &mut self,
        layout: &Layout,
        rounding: &Rounding,
        [x, w, constants]: [&[i64]; 3],
        sums: impl Fn(&[i64]) -> Vec<i64>,
    ) -> Vec<i64> {
        let rng = &mut self.rng;
        let r: Vec<u64> = x.iter().map(|_| rng.random_range(0..1 << rounding.l())).collect();
        let request = self.client.encrypt(rounding.l(), &layout.encode_inputs(&r).unwrap(), rng).unwrap();
        assert_eq!(request.len(), ClientKey::masks_bytes(self.params, layout.inputs()));
        let masks = self.server.masks(layout, &request).unwrap();
        let weights = Weights::new(self.params, layout, w).unwrap();
        let (answer, kept) = self.server.respond(layout, &weights, rounding, &masks, rng).unwrap();
        assert_eq!(answer.len(), ClientKey::answer_bytes(layout, rounding));
        let y1 = self.client.decrypt(layout, rounding, &answer).unwrap();
        // What the server sees of x: modulo 2^l.
        let ring = |values: &[i64]| RingTensor::from_signed(rounding.l(), values).unwrap();
        let seen = ring(x).sub(&RingTensor::new(rounding.l(), r).unwrap()).unwrap();
        let v: Vec<i64> = sums(&seen.signed()).iter().zip(constants).map(|(sum, c)| sum + c).collect();
        let y0 = kept.into_shares(&v).unwrap();
        let [y0, y1] = [y0, y1].map(|share| RingTensor::new(rounding.k(), share.to_vec()).unwrap());
        y0.reconstruct(&y1).unwrap()
    }
}

fn dense(w: &[i64], x: &[i64]) -> Vec<i64> {
    w.chunks(x.len()).map(|row| row.iter().zip(x).map(|(w, x)| w * x).sum()).collect()
}

/// A convolution without groups, by its definition.
fn convolve(layer: &Convolution, w: &[i64], x: &[i64]) -> Vec<i64> {
    let [oh, ow] = layer.output().unwrap();
    let Convolution { channels, size: [h, width], kernel: [kh, kw], padding, strides, filters, .. } = *layer;
    let mut all = Vec::new();
    for m in 0..filters {
        for (i, j) in (0..oh).flat_map(|i| (0..ow).map(move |j| (i, j))) {
            let mut sum = 0;
            for (c, a, b) in
                (0..channels).flat_map(|c| (0..kh).flat_map(move |a| (0..kw).map(move |b| (c, a, b))))
            {
                let y = (i * strides[0] + a).wrapping_sub(padding[0][0]);
                let z = (j * strides[1] + b).wrapping_sub(padding[1][0]);
                if y < h && z < width {
                    sum += w[((m * channels + c) * kh + a) * kw + b] * x[(c * h + y) * width + z];
                }
            }
            all.push(sum);
        }
    }
    all
}

/// A binary dense layer with thresholds at the sums and one above: how many neurons are wrong.
fn wrong_neurons(
    hosts: &mut Hosts,
    rounding: &Rounding,
    [inputs, outputs]: [usize; 2],
    [iw, rows]: [usize; 2],
    range: i64,
) -> (usize, f64) {
    let packing = Packing::Dense { inputs: iw, rows };
    let layout = Layout::new(Geometry::dense(inputs, outputs), packing, hosts.params.n()).unwrap();
    let (w, x) = (hosts.signs(inputs * outputs), hosts.numbers(inputs, 0..range));
    let thresholds: Vec<i64> = dense(&w, &x).iter().zip(0..).map(|(sum, m)| -(sum + m % 2)).collect();
    let y = hosts.run(&layout, rounding, [&x, &w, &thresholds], |x| dense(&w, x));
    let squares = layout.square_sums(&w).unwrap().into_iter().fold(0.0, f64::max);
    let wrong = y.iter().zip(0..).filter(|&(y, m)| (*y >= 0) != (m % 2 == 0)).count();
    (wrong, noise::margin(hosts.params, rounding, squares))
}

#[test]
fn binary_layers_with_every_threshold_at_its_edge_are_exact() {
    // params, l, phi, ga, gb; layer; packing; inputs below; turns
    let cases = [
        (Params::N1024Q24, [10, 2, 7, 3], [980, 100], [98, 10], 2, 6),
        (Params::N1024Q21, [8, 2, 7, 4], [128, 128], [32, 32], 2, 10),
        (Params::N1024Q26, [12, 2, 7, 4], [1960, 200], [123, 8], 2, 2),
        (Params::N2048Q36, [19, 1, 8, 5], [784, 128], [157, 13], 256, 2),
        (Params::N2048Q44, [26, 2, 7, 4], [30, 32], [30, 32], 1 << 20, 8),
        (Params::N2048Q32, [18, 2, 7, 4], [784, 128], [157, 13], 256, 2),
        (Params::N2048Q28, [14, 3, 6, 3], [75, 64], [75, 16], 256, 4),
        (Params::N2048Q30, [16, 3, 6, 3], [300, 64], [75, 16], 256, 4),
    ];
    for (params, [l, phi, ga, gb], shape, packing, range, turns) in cases {
        let rounding = Rounding::new(params, l, phi as i32, ga, gb).unwrap();
        let mut hosts = Hosts::new(params, 9);
        for _ in 0..turns {
            let (wrong, margin) = wrong_neurons(&mut hosts, &rounding, shape, packing, range);
            assert!(margin > 8.0, "{params:?}: a schedule of {margin:.1} sigma, which no planner takes");
            assert_eq!(wrong, 0, "{params:?}, {shape:?}, margin {margin:.1} sigma");
        }
    }
}

#[test]
fn where_q_is_too_small_the_same_test_sees_errors() {
    // The first row above, with 21 bits of q in place of 24.
    let (params, phi) = (Params::N1024Q21, 2);
    let rounding = Rounding::new(params, 10, phi, 7, 3).unwrap();
    let mut hosts = Hosts::new(params, 9);
    let turns = 80;
    let wrong: usize =
        (0..turns).map(|_| wrong_neurons(&mut hosts, &rounding, [980, 100], [98, 10], 2).0).sum();
    // With noise nu the two floors leave 2^phi nu + theta - U, U uniform in [0, 1), where the sum is the
    // threshold, and the same from the other side where it is one below.
    let std = noise::std(params, &rounding, 9800.0);
    let (scale, parts) = (f64::from(phi).exp2(), 100);
    let beyond = |part: i32| {
        let margin = ((scale + 1.0) / 2.0 - (f64::from(part) + 0.5) / f64::from(parts)) / scale / std;
        noise::log2_failure([(1, margin)]).exp2() / 2.0
    };
    let rate = (0..parts).map(beyond).sum::<f64>() / f64::from(parts);
    let expected = rate * f64::from(100 * turns);
    assert!(expected > 20.0, "{expected:.1} expected: not too small a q");
    let off = (wrong as f64 - expected) / expected.sqrt();
    assert!(off.abs() < 4.0, "{wrong} wrong, {expected:.1} expected");
}

#[test]
fn scores_are_exact_integers() {
    for (params, phi) in [(Params::N2048Q28, 1), (Params::N2048Q28, 2), (Params::N1024Q26, 3)] {
        let rounding = Rounding::new(params, 10, phi, 8, 3).unwrap();
        let layout =
            Layout::new(Geometry::dense(128, 10), Packing::Dense { inputs: 128, rows: 4 }, params.n())
                .unwrap();
        let mut hosts = Hosts::new(params, 11);
        for _ in 0..40 {
            let (w, x) = (hosts.signs(1280), hosts.numbers(128, 0..2));
            let y = hosts.run(&layout, &rounding, [&x, &w, &[0; 10]], |x| dense(&w, x));
            let scores: Vec<i64> = y.iter().map(|y| y >> phi).collect();
            assert_eq!(scores, dense(&w, &x));
        }
    }
}

/// A binary convolution: signs of both kinds of gamma, thresholds by position, and the next layer's input.
fn binary_convolution(
    hosts: &mut Hosts,
    rounding: &Rounding,
    layer: Convolution,
    packing: Packing,
    x: &[i64],
) -> (Vec<i64>, usize) {
    let layout = Layout::new(Geometry::Convolution(layer), packing, hosts.params.n()).unwrap();
    let w = hosts.signs(layout.weight_len());
    let sums = convolve(&layer, &w, x);
    let positions = sums.len() / layer.filters;
    let mut constants = Vec::new();
    let mut flips = Vec::new();
    for filter in sums.chunks(positions) {
        // At a sum that occurs, or one above.
        let threshold = filter[hosts.rng.random_range(0..positions)] + hosts.rng.random_range(0..2);
        constants.extend(vec![-threshold; positions]);
        flips.extend(vec![hosts.rng.random_range(0..2); positions]);
    }
    let y = hosts.run(&layout, rounding, [x, &w, &constants], |x| convolve(&layer, &w, x));
    let bits: Vec<i64> = y.iter().zip(&flips).map(|(&y, flip)| i64::from(y >= 0) ^ flip).collect();
    let right = |((sum, constant), flip): ((&i64, &i64), &i64)| i64::from(sum + constant >= 0) ^ flip;
    let expected: Vec<i64> = sums.iter().zip(&constants).zip(&flips).map(right).collect();
    let wrong = bits.iter().zip(&expected).filter(|(a, b)| a != b).count();
    (expected, wrong)
}

#[test]
fn small_binary_networks_are_right_in_every_hidden_bit() {
    // 8-bit 8x8x3, two 3x3 convolutions with zero padding, 2x2 pool, dense 128 -> 16, dense scores 16 -> 10
    let same = |channels, filters| Convolution {
        channels,
        size: [8, 8],
        kernel: [3, 3],
        padding: [[1, 1], [1, 1]],
        strides: [1, 1],
        filters,
        groups: 1,
    };
    let tiles = |channels, filters| Packing::Tiles { height: 8, width: 8, channels, filters };
    let round = |params, l| Rounding::new(params, l, 2, 7, 4).unwrap();
    let (wide, narrow) = (Params::N1024Q26, Params::N1024Q24);
    let mut wrong = 0;
    for seed in 0..200 {
        let (mut first, mut hosts) = (Hosts::new(wide, seed), Hosts::new(narrow, !seed));
        let x = first.numbers(192, 0..256);
        let (x, bad) = binary_convolution(&mut first, &round(wide, 14), same(3, 6), tiles(3, 3), &x);
        wrong += bad;
        let (x, bad) = binary_convolution(&mut hosts, &round(narrow, 8), same(6, 8), tiles(5, 2), &x);
        wrong += bad;
        let pool = |i: usize| {
            let at = i / 16 * 64 + i / 4 % 4 * 16 + i % 4 * 2;
            x[at] | x[at + 1] | x[at + 8] | x[at + 9]
        };
        let x: Vec<i64> = (0..128).map(pool).collect();
        let packing = Packing::Dense { inputs: 64, rows: 16 };
        let layout = Layout::new(Geometry::dense(128, 16), packing, 1024).unwrap();
        let w = hosts.signs(128 * 16);
        let sums = dense(&w, &x);
        let constants: Vec<i64> = sums.iter().zip(0..).map(|(sum, m)| -(sum + m % 3 - 1)).collect();
        let y = hosts.run(&layout, &round(narrow, 9), [&x, &w, &constants], |x| dense(&w, x));
        wrong += y.iter().zip(0..).filter(|&(y, m)| (*y >= 0) != (m % 3 < 2)).count();
        let x: Vec<i64> = (0..16).map(|m| i64::from(m % 3 < 2)).collect();
        let packing = Packing::Dense { inputs: 16, rows: 10 };
        let layout = Layout::new(Geometry::dense(16, 10), packing, 1024).unwrap();
        let w = hosts.signs(160);
        let y = hosts.run(&layout, &round(narrow, 6), [&x, &w, &[0; 10]], |x| dense(&w, x));
        wrong += y.iter().zip(dense(&w, &x)).filter(|&(y, sum)| y >> 2 != sum).count();
    }
    assert_eq!(wrong, 0);
}

/// Mean and standard deviation.
fn moments(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt())
}

#[test]
fn layers_over_numbers_lose_their_last_bits_by_fair_rounding() {
    // floor(v / 2^f + U) with U uniform has an error of mean 0 and, for uniform fractions, of std sqrt(1/6) =
    // 0.408 ulp.
    for (params, l, f, ga, largest) in [
        (Params::N2048Q30, 20, 9, 8, 20),
        (Params::N2048Q32, 24, 11, 8, 40),
        (Params::N2048Q36, 25, 12, 8, 120),
        (Params::N1024Q26, 20, 10, 8, 8),
    ] {
        let rounding = Rounding::new(params, l, -f, ga, 3).unwrap();
        let layer = Convolution {
            channels: 5,
            size: [12, 12],
            kernel: [3, 3],
            padding: [[1, 1], [1, 1]],
            strides: [1, 1],
            filters: 8,
            groups: 1,
        };
        let packing = Packing::Tiles { height: 12, width: 12, channels: 2, filters: 1 };
        let layout = Layout::new(Geometry::Convolution(layer), packing, params.n()).unwrap();
        let mut hosts = Hosts::new(params, 5);
        let w = hosts.numbers(layout.weight_len(), -largest..largest + 1);
        let squares = layout.square_sums(&w).unwrap().into_iter().fold(0.0, f64::max);
        let std = noise::std(params, &rounding, squares) * f64::from(-f).exp2();
        assert!(std <= 1.0 / 8.0, "{params:?}: {std} ulp, which no planner takes");
        let mut errors = Vec::new();
        for _ in 0..12 {
            let x = hosts.numbers(layout.input_len(), -1500..1500);
            let bias = hosts.numbers(layout.output_len(), -1000..1000);
            let y = hosts.run(&layout, &rounding, [&x, &w, &bias], |x| convolve(&layer, &w, x));
            let exact = convolve(&layer, &w, &x);
            let ulp = f64::from(f).exp2();
            errors.extend(
                y.iter().zip(exact.iter().zip(&bias)).map(|(&y, (v, b))| y as f64 - (v + b) as f64 / ulp),
            );
        }
        let (mean, measured) = moments(&errors);
        let expected = (1.0 / 6.0 + std * std).sqrt();
        println!(
            "{params:?}: mean {mean:.4} std {measured:.4} ulp of {} outputs, {expected:.4} expected",
            errors.len()
        );
        assert!(mean.abs() < 0.02, "{params:?}: mean {mean}");
        assert!((measured / expected - 1.0).abs() < 0.03, "{params:?}: std {measured}, expected {expected}");
        let bound = 1.0 + 6.0 * std;
        assert!(errors.iter().all(|error| error.abs() < bound), "{params:?}: an error above {bound} ulp");
    }
}

#[test]
fn the_noise_is_that_of_the_formula() {
    // Scores with so many bits of fraction that the noise shows: y0 + y1 - 2^phi sum is theta + 2^phi noise,
    // floored twice.
    for (params, l, phi, [inputs, rows, outputs]) in [
        (Params::N2048Q30, 14, 12, [157, 13, 784]),
        (Params::N2048Q30, 14, 12, [64, 32, 128]),
        (Params::N1024Q26, 14, 12, [128, 8, 128]),
    ] {
        let rounding = Rounding::new(params, l, phi, 6, 3).unwrap();
        let packing = Packing::Dense { inputs, rows };
        let layout = Layout::new(Geometry::dense(outputs, rows), packing, params.n()).unwrap();
        let mut hosts = Hosts::new(params, 3);
        let w = hosts.signs(outputs * rows);
        let formula = noise::std(params, &rounding, layout.square_sums(&w).unwrap()[0]);
        let ulp = f64::from(phi).exp2();
        let mut errors = Vec::new();
        for _ in 0..60 {
            let x = hosts.numbers(outputs, 0..2);
            let y = hosts.run(&layout, &rounding, [&x, &w, &vec![0; rows]], |x| dense(&w, x));
            errors.extend(
                y.iter().zip(dense(&w, &x)).map(|(&y, sum)| (y as f64 + 0.5) / ulp - 0.5 - sum as f64),
            );
        }
        let (_, measured) = moments(&errors);
        println!("{params:?}: noise of std {measured:.5} counts, {formula:.5} by the formula");
        assert!((measured / formula - 1.0).abs() < 0.12, "{params:?}: {measured}, formula {formula}");
    }
}

/// For the same seeds the same bytes, whatever instructions compute them: recorded, so that a change of the
/// wire format is not made by accident.
#[test]
fn the_same_seeds_give_the_recorded_bytes() {
    use sha2::{Digest, Sha256};
    let recorded = [
        "b4ed29a6579cb331582c09700ba4755b",
        "62c4c4787378a603acd6441f3de6068a",
        "1eb987d3cf90c9c6f87ab45b3d853953",
        "1739f56f29506ce59cc6803050c67de0",
        "31b0661324068453f2a0c095e840511f",
        "beabf6893b26b0314e6356a9429e1d65",
        "8fddc2c8bd1ae2ca01fb6c9b7c0163b5",
        "f801d4a9649ecb35228a2ec68fa4f20f",
    ];
    let found = Params::ALL.map(|params| {
        let rounding = Rounding::new(params, 12, 1, 7, 3).unwrap();
        let packing = Packing::Dense { inputs: 50, rows: 7 };
        let layout = Layout::new(Geometry::dense(80, 10), packing, params.n()).unwrap();
        let rng = &mut ChaCha12Rng::seed_from_u64(1);
        let (client, key) = ClientKey::generate(params, b"session", Role::B, rng);
        let server = ServerKey::receive(params, b"session", Role::B, &key).unwrap();
        let r: Vec<u64> = (0..80).map(|i| i * 51).collect();
        let w: Vec<i64> = (0..800).map(|i| i % 7 - 3).collect();
        let request = client.encrypt(12, &layout.encode_inputs(&r).unwrap(), rng).unwrap();
        let weights = Weights::new(params, &layout, &w).unwrap();
        let masks = server.masks(&layout, &request).unwrap();
        let (answer, kept) = server.respond(&layout, &weights, &rounding, &masks, rng).unwrap();
        let y1 = client.decrypt(&layout, &rounding, &answer).unwrap();
        let y0 = kept.into_shares(&[3; 10]).unwrap();
        let shares = [y0, y1].map(|y| y.iter().flat_map(|y| y.to_le_bytes()).collect::<Vec<u8>>());
        let hash = [key, request, answer]
            .iter()
            .chain(&shares)
            .fold(Sha256::new(), |hash, bytes| hash.chain_update(bytes));
        hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    });
    assert_eq!(found, recorded);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn random_binary_convolutions_are_exact(
        (channels, filters, size, kernel) in (1usize..6, 1usize..5, 3usize..9, 1usize..4),
        (stride, padding) in (1usize..3, 0usize..2),
        pick in any::<[usize; 4]>(),
        seed in any::<u64>(),
    ) {
        let layer = Convolution {
            channels,
            size: [size, size + 1],
            kernel: [kernel; 2],
            padding: [[padding, padding], [0, padding]],
            strides: [stride, 1],
            filters,
            groups: 1,
        };
        let [oh, ow] = layer.output().unwrap();
        let (height, width) = (pick[0] % oh + 1, pick[1] % ow + 1);
        let packing = Packing::Tiles {
            height,
            width,
            channels: pick[2] % (channels * stride).min(4) + 1,
            filters: pick[3] % filters.min(2) + 1,
        };
        let mut hosts = Hosts::new(Params::N1024Q24, seed);
        let rounding = Rounding::new(Params::N1024Q24, 8, 2, 8, 3).unwrap();
        let x = hosts.numbers(channels * size * (size + 1), 0..2);
        prop_assert_eq!(binary_convolution(&mut hosts, &rounding, layer, packing, &x).1, 0);
    }
}
