//! No branch depends on a secret: the instructions that run are the same whatever it is.
//!
//! Each instruction is a trap, so whole roles take minutes and are run when asked for:
//!
//!     cargo test --release -p xonn-crypto --test all steps -- --include-ignored
//!
//! Addresses are not looked at. What is drawn at random is drawn alike for all secrets of a test, because the
//! number of rejected words, which tells nothing of the accepted ones, does change what runs.

#![allow(clippy::unwrap_used)] // a test that unwraps fails with a location
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

#[path = "../../src/block/steps.rs"]
mod single;

use chacha20::ChaCha12Rng;
use rand::{RngExt, SeedableRng};
use single::assert_same_steps;
use xonn_crypto::bits;
use xonn_crypto::rlwe::encode::{Geometry, Layout, Packing};
use xonn_crypto::rlwe::ring::{Ring, Values};
use xonn_crypto::rlwe::sample::SeedExpander;
use xonn_crypto::rlwe::{ClientKey, Params, Role, Rounding, ServerKey, Weights};
use xonn_crypto::share::RingTensor;

fn rng(seed: u64) -> ChaCha12Rng {
    ChaCha12Rng::seed_from_u64(seed)
}

/// Zeros, the largest numbers, ones where another has zeros, and random ones.
fn numbers(count: usize, below: u64) -> Vec<Vec<u64>> {
    let mut rng = rng(1);
    vec![
        vec![0; count],
        vec![below - 1; count],
        (0..count as u64).map(|i| i % 2 * (below / 2)).collect(),
        (0..count).map(|_| rng.random_range(0..below)).collect(),
    ]
}

/// Transforms, products and sums in a ring, for some secrets each.
fn polynomials(params: Params) {
    let ring = Ring::of(params);
    let numbers = numbers(params.n(), params.q());
    let polynomials: Vec<_> = numbers[1..].iter().map(|numbers| ring.polynomial(numbers)).collect();
    let values: Vec<Values> = polynomials.iter().map(|p| p.clone().into_values()).collect();
    let other = &values[2];
    let name = |what| format!("{what}, {params:?}");
    assert_same_steps(&name("forward"), &polynomials, |p| p.clone().into_values());
    assert_same_steps(&name("inverse"), &values, |v| v.clone().into_coefficients());
    assert_same_steps(&name("five products"), &values, |v| {
        let mut sum = ring.sum();
        sum.multiply_add_all(&[(v, other), (other, v), (v, v), (other, other), (v, v)]);
        sum.into_values()
    });
    assert_same_steps(&name("sum and difference"), &polynomials, |p| {
        let mut p = p.clone();
        p.add(&polynomials[2]);
        p.sub(&polynomials[0]);
        p
    });
}

#[test]
fn polynomials_of_a_short_q() {
    polynomials(Params::N1024Q24);
}

#[test]
#[ignore = "a minute"]
fn polynomials_of_a_q_of_32_bits() {
    polynomials(Params::N2048Q32);
}

#[test]
#[ignore = "minutes"]
fn polynomials_of_a_q_of_36_bits() {
    polynomials(Params::N2048Q36);
}

#[test]
#[ignore = "a minute"]
fn errors_of_a_key() {
    let seeds = [[0; 16], [255; 16], *b"another one here"];
    assert_same_steps("binomial", &seeds, |seed| {
        SeedExpander::new(seed).binomial(Ring::of(Params::N1024Q24))
    });
}

#[test]
#[ignore = "minutes"]
fn both_roles_of_a_layer() {
    let params = Params::N1024Q24;
    let layout =
        Layout::new(Geometry::dense(64, 6), Packing::Dense { inputs: 64, rows: 6 }, params.n()).unwrap();
    let rounding = Rounding::new(params, 12, 2, 8, 3).unwrap();
    // Each generator gives another secret; the public polynomial is that of the session.
    let keys: Vec<ClientKey> =
        (0..2).map(|seed| ClientKey::generate(params, b"s", Role::B, &mut rng(seed)).0).collect();
    let (client, key) = ClientKey::generate(params, b"s", Role::B, &mut rng(0));
    let masks = numbers(64, 1 << 12);
    let encode = |r: &[u64]| layout.encode_inputs(r).unwrap();
    assert_same_steps("encode", &masks, |r| encode(r));
    let encoded: Vec<_> = masks[2..].iter().map(|r| encode(r)).collect();
    assert_same_steps("encrypt", &encoded, |r| client.encrypt(12, r, &mut rng(4)).unwrap());
    let encrypt = |key: &ClientKey| key.encrypt(12, &encoded[1], &mut rng(4)).unwrap();
    assert_same_steps("encrypt by another key", &keys, encrypt);

    let server = ServerKey::receive(params, b"s", Role::B, &key).unwrap();
    let masks = server.masks(&layout, &encrypt(&client)).unwrap();
    let signed = |w: &Vec<u64>| w.iter().map(|&w| w as i64 - 100).collect();
    let secret: Vec<Vec<i64>> = numbers(64 * 6, 200)[2..].iter().map(signed).collect();
    let weights = |w: &Vec<i64>| Weights::new(params, &layout, w).unwrap();
    assert_same_steps("weights", &secret, weights);
    let weights: Vec<Weights> = secret.iter().map(weights).collect();
    assert_same_steps("respond", &weights, |w| {
        server.respond(&layout, w, &rounding, &masks, &mut rng(6)).unwrap()
    });
    let (answer, _) = server.respond(&layout, &weights[1], &rounding, &masks, &mut rng(6)).unwrap();
    assert_same_steps("decrypt", &keys, |key| key.decrypt(&layout, &rounding, &answer).unwrap());
}

#[test]
fn shares_of_the_server() {
    let params = Params::N1024Q24;
    let layout =
        Layout::new(Geometry::dense(4, 64), Packing::Dense { inputs: 4, rows: 64 }, params.n()).unwrap();
    let (client, key) = ClientKey::generate(params, b"s", Role::B, &mut rng(0));
    let server = ServerKey::receive(params, b"s", Role::B, &key).unwrap();
    let request = client.encrypt(12, &layout.encode_inputs(&[7; 4]).unwrap(), &mut rng(4)).unwrap();
    let masks = server.masks(&layout, &request).unwrap();
    let weights = Weights::new(params, &layout, &[1; 256]).unwrap();
    for phi in [2, -3] {
        let rounding = Rounding::new(params, 12, phi, 8, 3).unwrap();
        // Sums and masks of the server, made ahead; each use takes its own.
        let secrets: Vec<_> = (0..4u64)
            .map(|seed| {
                let kept = || {
                    let (_, kept) =
                        server.respond(&layout, &weights, &rounding, &masks, &mut rng(seed)).unwrap();
                    Some(kept)
                };
                let sums: Vec<i64> =
                    numbers(64, 1 << 12)[seed as usize].iter().map(|&v| v as i64 - 2048).collect();
                std::cell::RefCell::new((sums, vec![kept(), kept()]))
            })
            .collect();
        assert_same_steps("shares", &secrets, |secret| {
            let mut secret = secret.borrow_mut();
            let kept = secret.1.pop().flatten().expect("two were made");
            kept.into_shares(&secret.0).unwrap()
        });
    }
}

#[test]
fn shares_and_packing() {
    let tensors: Vec<RingTensor> =
        numbers(60, 1 << 20).into_iter().map(|values| RingTensor::new(20, values).unwrap()).collect();
    assert_same_steps("arithmetic on shares", &tensors, |x| {
        let sum = x.add(&tensors[3]).unwrap().sub(&tensors[1]).unwrap().neg();
        (sum.signed(), sum.reduce(13).unwrap())
    });
    assert_same_steps("packing", &numbers(60, 1 << 20), |x| {
        let mut bytes = Vec::new();
        bits::pack(x, 20, &mut bytes);
        bits::unpack(&bytes, 60, 20).unwrap()
    });
}
