//! The margin means something: with too small a ring wrong results are seen, and the server refuses to run
//! it.

use rand::RngExt;
use xonn_crypto::rlwe::encode::{Geometry, Layout, Packing as Packed};
use xonn_crypto::rlwe::{ClientKey, Params, Role, Rounding, ServerKey, Weights};
use xonn_crypto::share::RingTensor;
use xonn_program::op::{Linear, Pad, Planes};
use xonn_program::{Op, Tensor};
use xonn_protocols::protocol::Protocol as _;
use xonn_protocols::rlwe::{self, Choice, Packing, Rlwe};
use xonn_protocols::value::Ring;

use crate::common::{Conv, Ends, Reads, Sides, leaves, program, rng, share, stage, tensors, weight};

/// How many of a dense layer's results are wrong in this ring, without anybody asking for a margin.
fn wrong(linear: &Linear, choice: &Choice, rounds: usize) -> (usize, usize) {
    let rng = &mut rng(9);
    let Packing::Dense([inputs, rows]) = choice.packing else { panic!() };
    let packing = Packed::Dense { inputs: inputs as usize, rows: rows as usize };
    let geometry = Geometry::dense(linear.fan_in(), linear.filters);
    let layout = Layout::new(geometry, packing, choice.params.n()).unwrap();
    let [ga, gb] = choice.guard;
    let rounding = Rounding::new(choice.params, choice.bits, choice.fraction as i32, ga, gb).unwrap();
    let (key, message) = ClientKey::generate(choice.params, b"noise", Role::B, rng);
    let server = ServerKey::receive(choice.params, b"noise", Role::B, &message).unwrap();
    let (mut wrong, mut all) = (0, 0);
    for _ in 0..rounds {
        let weights: Vec<i64> =
            (0..linear.weight_count()).map(|_| i64::from(weight(linear.weights, rng))).collect();
        let transformed = Weights::new(choice.params, &layout, &weights).unwrap();
        let t: Vec<u64> = (0..linear.fan_in()).map(|_| rng.random_range(0..2)).collect();
        let r = RingTensor::new(choice.bits, t.iter().map(|_| rng.random()).collect()).unwrap();
        let y0 = RingTensor::new(choice.bits, t.clone()).unwrap().sub(&r).unwrap();
        let masks = key.encrypt(choice.bits, &layout.encode_inputs(r.values()).unwrap(), rng).unwrap();
        let masks = server.masks(&layout, &masks).unwrap();
        let (answer, kept) = server.respond(&layout, &transformed, &rounding, &masks, rng).unwrap();
        let y1 = key.decrypt(&layout, &rounding, &answer).unwrap();
        let sums = |x: &[u64]| -> Vec<i64> {
            let row = |w: &[i64]| w.iter().zip(x).map(|(&w, &x)| w.wrapping_mul(x as i64)).sum();
            weights.chunks(linear.fan_in()).map(row).collect()
        };
        let shares = kept.into_shares(&sums(y0.values())).unwrap();
        for ((&y0, &y1), &expected) in shares.iter().zip(y1.iter()).zip(&sums(&t)) {
            let t = (y0 + y1) >> choice.fraction;
            all += 1;
            wrong += usize::from((t ^ expected as u64) & ((1 << choice.bits) - 1) != 0);
        }
    }
    (wrong, all)
}

#[test]
fn too_small_a_ring_is_seen_and_refused() {
    let linear = Linear::dense(1024, 16, Planes::Sign);
    let (program, reads) = (program(linear, Reads::Bits), Reads::Bits);
    let packing = Packing::Dense([512, 2]);
    let choice = |params| Choice { params, bits: 12, fraction: 1, guard: [8, 3], packing };
    let small = choice(Params::N1024Q21);
    let (seen, all) = wrong(&linear, &small, 10);
    assert!(seen > all / 20, "{seen} of {all} wrong");
    let (seen, all) = wrong(&linear, &choice(Params::N1024Q26), 10);
    assert_eq!(seen, 0, "of {all}");

    let secret = tensors(&linear, reads, vec![1; linear.weight_count()]);
    let refused = |choice| {
        let stage = stage(&linear, reads.ring(14), choice);
        Rlwe.server(&stage, &program, &secret).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(refused(choice(Params::N1024Q26)), Ok(()));
    let reason = refused(small).unwrap_err();
    assert!(reason.starts_with("layer 2: noise with a margin of 0."), "{reason}");
}

#[test]
fn sums_of_several_need_more() {
    let linear = Linear::dense(64, 32, Planes::Sign);
    let find = |terms| rlwe::search(&linear, 1, 1, 8.0, terms).unwrap();
    for terms in [1, 2, 3, 4, 9] {
        let choice = find(terms);
        assert!(2 * terms <= 1 << choice.fraction, "{choice:?}");
        let weights = vec![1; linear.weight_count()];
        let margin = rlwe::margin(&linear, &choice, &weights, terms).unwrap();
        assert!(margin >= 8.0, "{margin}");
        // more of them fail in the same choice
        assert!(rlwe::margin(&linear, &choice, &weights, 16 * terms).unwrap() < 8.0);
    }
    assert!(rlwe::search(&linear, 1 << 40, 1, 8.0, 1).is_none(), "no ring is as large");
    assert!(rlwe::search(&linear, u64::MAX, 1, 8.0, 1).is_none(), "its span overflows");
    assert!(rlwe::search(&linear, 1, u32::MAX, 8.0, 1).is_none());
    assert!(rlwe::search(&linear, 1, 1, 8.0, u32::MAX).is_none());
}

/// What a stage's results are off by, in counts of a sum: with so many bits of fraction that noise shows.
fn noise(linear: &Linear, choice: Choice, weights: &[i32], rounds: usize, seed: u64) -> Vec<f64> {
    let reads = Reads::Bits;
    let program = program(*linear, reads);
    let stage = stage(linear, reads.ring(choice.bits), choice);
    let sides = Sides::new(&stage, &program, &tensors(linear, reads, weights.to_vec())).unwrap();
    let (ring, rng) = (leaves(&stage), &mut rng(seed));
    let inputs: usize = linear.window.input.iter().product();
    let mut all = Vec::new();
    for round in 0..rounds {
        // New keys now and then: a key's own noise is in all its predictions.
        let ends = &mut Ends::new(seed + 100 * round as u64);
        for _ in 0..4 {
            let t: Vec<u64> = (0..inputs).map(|_| rng.random_range(0..2)).collect();
            let x: Vec<i64> = t.iter().map(|&t| 2 * t as i64 - 1).collect();
            let read = share(ring_of(choice), &t, &vec![-1; inputs], rng);
            let (y0, y1, offsets) = ends.predict(&sides, &read).unwrap();
            let sums = Op::Linear(*linear)
                .evaluate(Some(&Tensor::Weights(weights.to_vec())), &[(&x, linear.window.input[2])]);
            let one = f64::from(choice.fraction).exp2();
            // Two floors take half a unit each on the average.
            let centre = ring.centre_halves() as f64 / 2.0 - 1.0;
            for ((&y, offset), sum) in y0.add(&y1).unwrap().values().iter().zip(offsets).zip(sums) {
                let t = (sum - offset) / ring.step;
                all.push((y as f64 - centre) / one - t as f64);
            }
        }
    }
    all
}

/// What such a stage reads.
fn ring_of(choice: Choice) -> Ring {
    Reads::Bits.ring(choice.bits)
}

/// The standard deviation that the bound is computed with, from the margin that the server asks for.
fn sigma(linear: &Linear, choice: &Choice, weights: &[i32]) -> f64 {
    let ring = rlwe::leaves(linear, ring_of(*choice), choice).unwrap();
    let digit = (-f64::from(choice.fraction) - f64::from(choice.guard[1])).exp2();
    (ring.margin() - digit / 2.0) / rlwe::margin(linear, choice, weights, 1).unwrap()
}

/// Noise of whole stages in standard deviations of the bound: as large as that says, and hardly larger.
#[test]
fn noise_is_what_the_bound_says() {
    let rng = &mut rng(31);
    let conv = Conv([8, 8, 6], [3, 3], [1; 2], [1; 2], [1; 2], [8, 8], 8, 1).linear(Planes::Sign, Pad::Drop);
    for (linear, params, bits, fraction, guard, packing) in [
        // of the errors: many weights in a polynomial, and few
        (Linear::dense(784, 104, Planes::Sign), Params::N2048Q30, 12, 12, [6, 3], Packing::Dense([157, 13])),
        (Linear::dense(64, 128, Planes::Sign), Params::N1024Q26, 8, 16, [8, 3], Packing::Dense([8, 128])),
        (conv, Params::N1024Q26, 8, 14, [8, 3], Packing::Tiles([8, 8, 6, 1])),
        // of the rounding of A', and of both
        (Linear::dense(64, 128, Planes::Sign), Params::N1024Q26, 8, 9, [0, 0], Packing::Dense([64, 16])),
        (Linear::dense(100, 64, Planes::Ternary), Params::N1024Q21, 8, 8, [1, 1], Packing::Dense([100, 4])),
    ] {
        let choice = Choice { params, bits, fraction, guard, packing };
        let weights: Vec<i32> = (0..linear.weight_count()).map(|_| weight(linear.weights, rng)).collect();
        let bound = sigma(&linear, &choice, &weights);
        let found = noise(&linear, choice, &weights, 10, 32);
        let count = found.len() as f64;
        let mean = found.iter().sum::<f64>() / count;
        let std = (found.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count).sqrt();
        let most = found.iter().fold(0.0f64, |most, x| most.max(x.abs()));
        println!(
            "{params:?} {packing:?}: {count} sums, mean {:.3}, std {:.3}, largest {:.2} of the bound's std",
            mean / bound,
            std / bound,
            most / bound
        );
        assert!(mean.abs() < 0.1 * bound, "mean {mean}, bound {bound}");
        assert!((0.7..1.05).contains(&(std / bound)), "std {std}, bound {bound}");
        assert!(most < 6.0 * bound, "{most} is far above {bound}");
    }
}

/// In rings with too small a margin sums are wrong now and then: no more often than the margin says, and at
/// least a twentieth as often.
#[test]
fn the_failures_are_those_that_the_margin_says() {
    let linear = Linear::dense(512, 32, Planes::Sign);
    for rows in [1, 2, 4] {
        let packing = Packing::Dense([512 / 2, rows]);
        let choice = Choice { params: Params::N1024Q21, bits: 11, fraction: 2, guard: [8, 3], packing };
        let margin = rlwe::margin(&linear, &choice, &vec![1; linear.weight_count()], 1).unwrap();
        let (wrong, all) = wrong(&linear, &choice, 150);
        // The share of a Gaussian that lies outside: 2 Q(margin), by Simpson's rule.
        let density = |x: f64| (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let step = |i: usize| density(margin + i as f64 / 100.0);
        let tail = 2.0 / 300.0
            * (0..500).map(|i| step(2 * i) + 4.0 * step(2 * i + 1) + step(2 * i + 2)).sum::<f64>();
        let rate = wrong as f64 / all as f64;
        println!("margin {margin:.2}: {wrong} of {all} wrong, {rate:.5}; at most {tail:.5} by the margin");
        assert!(rate < 1.25 * tail && rate > 0.05 * tail, "{rate} {tail}");
        assert!(wrong > 3);
    }
}

/// A server runs a stage if its weights keep the bound of 2^-40 a prediction, and no other.
#[test]
fn the_bound_is_exactly_what_is_refused() {
    let linear = Linear::dense(300, 24, Planes::Ternary);
    let reads = Reads::Bits;
    let program = program(linear, reads);
    let least = rlwe::sigmas_for(rlwe::neurons(&program));
    let (mut taken, mut refused, mut by_weights) = (0, 0, 0);
    for params in Params::ALL {
        for (bits, fraction, ga) in (10..16)
            .flat_map(|bits| (1..4).flat_map(move |fraction| [0, 3, 6].map(|ga| (bits, fraction, ga))))
        {
            let packing = Packing::Dense([32, 24]);
            let choice = Choice { params, bits, fraction, guard: [ga, ga / 2], packing };
            let stage = stage(&linear, reads.ring(16), choice);
            let run = |kept: usize| {
                let weight = |i| if i % kept == 0 { 2 } else { 0 };
                let weights: Vec<i32> = (0..linear.weight_count()).map(weight).collect();
                let margin = rlwe::margin(&linear, &choice, &weights, 1).unwrap();
                match Rlwe.server(&stage, &program, &tensors(&linear, reads, weights)) {
                    Ok(_) => assert!(margin >= least, "{margin} {choice:?}"),
                    Err(error) => {
                        assert!(margin < least, "{margin} {choice:?}: {error}");
                        assert!(error.to_string().contains("standard deviations"), "{error}");
                    }
                }
                margin >= least
            };
            let (all, few) = (run(1), run(64));
            assert!(few || !all, "fewer weights make no more noise");
            taken += usize::from(all);
            refused += usize::from(!few);
            by_weights += usize::from(few && !all);
        }
    }
    println!("{taken} taken, {refused} refused, {by_weights} for the weights");
    assert!(taken > 50 && refused > 50 && by_weights > 3);
    // 2^-40: twice the tail of a Gaussian behind so many deviations, for each sum.
    let log2 = xonn_crypto::rlwe::noise::log2_failure([(rlwe::neurons(&program), least)]);
    assert!((log2 + 40.0).abs() < 1e-6, "{log2}");
}
