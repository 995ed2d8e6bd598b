//! Transforms, samplers, and both roles of a linear layer, on one core.
//!
//! "encrypt", "answer" and "decrypt" are per polynomial: of a dense layer that one input and one output
//! polynomial hold; "answer" has one product of masks and weights in it.

use std::hint::black_box;

use chacha20::ChaCha12Rng;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use rand::SeedableRng;
use xonn_crypto::rlwe::encode::{Geometry, Layout, Packing};
use xonn_crypto::rlwe::ring::Ring;
use xonn_crypto::rlwe::sample::SeedExpander;
use xonn_crypto::rlwe::{ClientKey, Params, Role, Rounding, ServerKey, Weights};

fn name(params: Params) -> String {
    format!("n = {}, {} bits", params.n(), params.bits())
}

fn ring(c: &mut Criterion) {
    for params in Params::ALL {
        let mut group = c.benchmark_group(name(params));
        let ring = Ring::of(params);
        let mut seed = SeedExpander::new(&[7; 16]);
        let (a, b) = (seed.uniform(ring), seed.uniform(ring));
        let values = a.clone().into_values();
        group.bench_function("forward", |bench| {
            bench.iter_batched(|| a.clone(), |a| black_box(a.into_values()), BatchSize::SmallInput);
        });
        group.bench_function("inverse", |bench| {
            bench.iter_batched(
                || values.clone(),
                |a| black_box(a.into_coefficients()),
                BatchSize::SmallInput,
            );
        });
        let b = b.into_values();
        let mut sum = ring.sum();
        group.bench_function("multiply and add", |bench| {
            bench.iter(|| sum.multiply_add(black_box(&values), black_box(&b)));
        });
        group.bench_function("reduce", |bench| {
            bench.iter_batched(|| sum.clone(), |sum| black_box(sum.into_values()), BatchSize::SmallInput);
        });
        group.bench_function("uniform", |bench| bench.iter(|| black_box(seed.uniform(ring))));
        group.bench_function("ternary", |bench| bench.iter(|| black_box(seed.ternary(ring))));
        group.bench_function("binomial", |bench| bench.iter(|| black_box(seed.binomial(ring))));
    }
}

fn roles(c: &mut Criterion) {
    for params in Params::ALL {
        let mut group = c.benchmark_group(name(params));
        let rng = &mut ChaCha12Rng::seed_from_u64(1);
        let rows = params.n() / 16;
        let packing = Packing::Dense { inputs: 16, rows };
        let layout = Layout::new(Geometry::dense(16, rows), packing, params.n()).expect("it fits");
        let rounding = Rounding::new(params, 11, 1, 8, 3).expect("it is in reach");
        let (client, key) = ClientKey::generate(params, b"bench", Role::B, rng);
        let server = ServerKey::receive(params, b"bench", Role::B, &key).expect("a key");
        let weights = Weights::new(params, &layout, &vec![1; 16 * rows]).expect("as many as the layer has");
        let masks = layout.encode_inputs(&[1234; 16]).expect("as many as the layer has");
        group.bench_function("encrypt", |bench| {
            bench.iter(|| client.encrypt(11, black_box(&masks), rng).expect("masks"));
        });
        let message = client.encrypt(11, &masks, rng).expect("masks");
        group.bench_function("read masks", |bench| {
            bench.iter(|| server.masks(&layout, black_box(&message)).expect("masks"));
        });
        let masks = server.masks(&layout, &message).expect("masks");
        group.bench_function("answer", |bench| {
            bench.iter(|| {
                server.respond(&layout, &weights, &rounding, black_box(&masks), rng).expect("an answer")
            });
        });
        let (answer, _) = server.respond(&layout, &weights, &rounding, &masks, rng).expect("an answer");
        group.bench_function("decrypt", |bench| {
            bench.iter(|| client.decrypt(&layout, &rounding, black_box(&answer)).expect("shares"));
        });
    }
}

criterion_group!(benches, ring, roles);
criterion_main!(benches);
