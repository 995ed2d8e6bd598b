//! Correlated rows by SoftSpokenOT and by silent OT on one core: each role by itself, bytes a row in the
//! name.
//!
//! Each time is that of an extension and of handing out all of its rows.

use std::hint::black_box;
use std::time::{Duration, Instant};

use chacha20::ChaCha12Rng;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand::SeedableRng;
use xonn_crypto::ot::correlated::{CotSource, PoolReceiver, PoolSender, Step, Supply};
use xonn_crypto::ot::{ReceiverSetup, SenderSetup, Set};

/// One extension of `count` rows: time of the sender, of the receiver, and bytes.
fn extend(
    sender: &mut PoolSender,
    receiver: &mut PoolReceiver,
    rng: &mut ChaCha12Rng,
    count: usize,
) -> ([Duration; 2], usize) {
    let (mut times, mut bytes) = ([Duration::ZERO; 2], 0);
    fn timed<T>(total: &mut Duration, what: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = black_box(what());
        *total += start.elapsed();
        result
    }
    sender.extend(count).expect("few rows");
    receiver.extend(count).expect("few rows");
    loop {
        let own = timed(&mut times[0], || sender.step(rng)).expect("the receiver is honest");
        let other = timed(&mut times[1], || receiver.step(rng)).expect("the sender is honest");
        match (own, other) {
            (Step::Send(message), _) => {
                bytes += message.len();
                timed(&mut times[1], || receiver.receive(&message)).expect("the sender is honest");
            }
            (_, Step::Send(message)) => {
                bytes += message.len();
                timed(&mut times[0], || sender.receive(&message)).expect("the receiver is honest");
            }
            _ => break,
        }
    }
    for first in (0..count).step_by(1 << 16) {
        let some = (count - first).min(1 << 16);
        timed(&mut times[0], || sender.reserve(some)).expect("they are there");
        timed(&mut times[1], || receiver.reserve(some)).expect("they are there");
    }
    (times, bytes)
}

fn rows(c: &mut Criterion) {
    for (name, supply, count) in [
        ("soft spoken, k = 8", Supply::SoftSpoken, 1 << 17),
        ("b10", Supply::Cheapest { largest: Set::B10 }, Set::B10.gain()),
        ("b11", Supply::Cheapest { largest: Set::B11 }, Set::B11.gain()),
        ("b12", Supply::Cheapest { largest: Set::B12 }, Set::B12.gain()),
    ] {
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        let (setup, request) = SenderSetup::start(PoolSender::PARAMS, [0; 32], &mut rng);
        let (receiver, reply) =
            ReceiverSetup::reply(PoolSender::PARAMS, [0; 32], &mut rng, &request).expect("an honest request");
        let sender = setup.finish(&reply).expect("an honest reply");
        let mut sender = PoolSender::new(sender, supply).expect("it has a delta");
        let mut receiver = PoolReceiver::new(receiver, supply).expect("it has a delta");
        // What comes before the first round of the set.
        extend(&mut sender, &mut receiver, &mut rng, count);
        let (_, bytes) = extend(&mut sender, &mut receiver, &mut rng, count);
        let bytes = bytes as f64 / count as f64;
        let mut group = c.benchmark_group(format!("correlated rows, {name}, {count}, {bytes:.3} bytes"));
        group.throughput(Throughput::Elements(count as u64)).sample_size(10);
        for (role, name) in ["sender", "receiver"].into_iter().enumerate() {
            group.bench_function(name, |b| {
                b.iter_custom(|times| {
                    (0..times).map(|_| extend(&mut sender, &mut receiver, &mut rng, count).0[role]).sum()
                });
            });
        }
    }
}

criterion_group!(benches, rows);
criterion_main!(benches);
