//! AES hashing, the generator and OT extension on one core.
//!
//! `garble` and `evaluate` count AND gates: the hashing of one half-gates AND is 2 tweaks of 2 blocks, and 2
//! tweaks of 1 block. The rates here are bounds for a garbler, which also XORs rows and moves labels.

use std::hint::black_box;
use std::time::{Duration, Instant};

use chacha20::ChaCha12Rng;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand::SeedableRng;
use xonn_crypto::block::{Backend, Block, Prg, Tccr};
use xonn_crypto::ot::msgs::{BaseReply, BaseRequest, Extend};
use xonn_crypto::ot::{Params, ReceiverSetup, SenderSetup};

fn hashing(c: &mut Criterion) {
    for gates in [1_usize, 8, 32, 128] {
        hash_gates::<2>(c, "garble", gates);
        hash_gates::<1>(c, "evaluate", gates);
    }
}

fn hash_gates<const PER: usize>(c: &mut Criterion, name: &str, gates: usize) {
    let mut group = c.benchmark_group(format!("{name} {gates} AND"));
    group.throughput(Throughput::Elements(gates as u64));
    for backend in Backend::available() {
        let hash = Tccr::with_backend(Block::from(1), backend).expect("it is among the available");
        let mut blocks = vec![Block::from(2); 2 * PER * gates];
        group.bench_function(backend.to_string(), |b| {
            let mut tweak = 0;
            b.iter(|| {
                hash.hash::<PER>(tweak, black_box(&mut blocks));
                tweak += 2 * gates as u64;
            });
        });
    }
}

fn generator(c: &mut Criterion) {
    for blocks in [8_usize, 64, 512] {
        let mut group = c.benchmark_group(format!("generate {blocks} blocks"));
        group.throughput(Throughput::Elements(blocks as u64));
        for backend in Backend::available() {
            let mut prg = Prg::with_backend(Block::from(1), backend).expect("it is among the available");
            let mut out = vec![Block::ZERO; blocks];
            group.bench_function(backend.to_string(), |b| b.iter(|| prg.fill(black_box(&mut out))));
        }
    }
}

/// Base OTs and seed trees, both roles one after the other; bytes of both messages in the name.
fn ot_setup(c: &mut Criterion) {
    for k in [1, 2, 4, 8] {
        let params = Params::new(k).expect("k is a divisor of 128");
        let bytes = BaseRequest::byte_len(params) + BaseReply::byte_len(params);
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        c.bench_function(&format!("ot setup/k = {k}, {bytes} bytes"), |b| {
            b.iter(|| {
                let (setup, request) = SenderSetup::start(params, [0; 32], &mut rng);
                let (receiver, reply) =
                    ReceiverSetup::reply(params, [0; 32], &mut rng, &request).expect("the request is honest");
                (setup.finish(&reply).expect("the reply is honest"), receiver)
            });
        });
    }
}

/// Each role of the extension by itself: OTs per second, and the bytes that the client sends per OT in the
/// name.
fn ot_extension(c: &mut Criterion) {
    for count in [784, 6_272, 100_352] {
        for k in [1, 2, 4, 8] {
            let params = Params::new(k).expect("k is a divisor of 128");
            let mut rng = ChaCha12Rng::seed_from_u64(2);
            let (setup, request) = SenderSetup::start(params, [0; 32], &mut rng);
            let (mut receiver, reply) =
                ReceiverSetup::reply(params, [0; 32], &mut rng, &request).expect("the request is honest");
            let mut sender = setup.finish(&reply).expect("the reply is honest");
            let choices: Vec<bool> = (0..count).map(|i| i % 3 == 0).collect();

            let delta = xonn_crypto::label::Delta::from_block(Block::ZERO);
            let bytes = Extend::byte_len(params, count) as f64 / count as f64;
            let mut group = c.benchmark_group(format!("ot extension {count}, k = {k}, {bytes:.2} bytes"));
            group.throughput(Throughput::Elements(count as u64));
            // Both roles have to stay in step, so each is timed while the other one follows outside of the
            // clock.
            group.bench_function("receiver", |b| {
                b.iter_custom(|times| {
                    let mut total = Duration::ZERO;
                    for _ in 0..times {
                        let start = Instant::now();
                        let (pending, extend) =
                            receiver.extend(&mut rng, &choices).expect("the count is small");
                        total += start.elapsed();
                        let keys = sender.extend(count, &extend).expect("the client is honest");
                        let (_, correlate) = keys.correlate(&delta);
                        let start = Instant::now();
                        black_box(pending.correlate(&correlate).expect("the server is honest"));
                        total += start.elapsed();
                    }
                    total
                });
            });
            group.bench_function("sender", |b| {
                b.iter_custom(|times| {
                    let mut total = Duration::ZERO;
                    for _ in 0..times {
                        let (_, extend) = receiver.extend(&mut rng, &choices).expect("the count is small");
                        let start = Instant::now();
                        let keys = sender.extend(count, &extend).expect("the client is honest");
                        black_box(keys.correlate(&delta));
                        total += start.elapsed();
                    }
                    total
                });
            });
        }
    }
}

criterion_group!(benches, hashing, generator, ot_setup, ot_extension);
criterion_main!(benches);
