//! How many correlated rows a second one core makes, by role, in processor time:
//!
//!     cargo test --release -p xonn-crypto --test all rows_a_second -- --include-ignored --nocapture

#![allow(clippy::unwrap_used)] // a test that unwraps fails with a location

use std::hint::black_box;
use std::time::{Duration, Instant};

use chacha20::ChaCha12Rng;
use rand::SeedableRng;
use xonn_crypto::block::Block;
use xonn_crypto::ot::correlated::{CotSender, CotSource, PoolReceiver, PoolSender, Step, Supply, cost};
use xonn_crypto::ot::{ReceiverSetup, SenderSetup, Set};

fn pools(supply: Supply, rng: &mut ChaCha12Rng) -> (PoolSender, PoolReceiver) {
    let (setup, request) = SenderSetup::start(PoolSender::PARAMS, [3; 32], rng);
    let (receiver, reply) = ReceiverSetup::reply(PoolSender::PARAMS, [3; 32], rng, &request).unwrap();
    let sender = PoolSender::new(setup.finish(&reply).unwrap(), supply).unwrap();
    (sender, PoolReceiver::new(receiver, supply).unwrap())
}

/// Processor time of this thread; of the clock where the system does not say.
fn processor_time(since: Instant) -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let on_processor = stat.split(' ').next().and_then(|nanos| nanos.parse().ok());
    on_processor.map_or_else(|| since.elapsed(), Duration::from_nanos)
}

/// What each role took for an extension and for handing its rows out.
#[derive(Default)]
struct Times {
    extend: [Duration; 2],
    reserve: [Duration; 2],
    bytes: usize,
}

/// One extension of `count` rows, all of which are handed out and checked.
fn extend(
    (sender, receiver): (&mut PoolSender, &mut PoolReceiver),
    rng: &mut ChaCha12Rng,
    count: usize,
) -> Times {
    let (mut times, start) = (Times::default(), Instant::now());
    macro_rules! timed {
        ($to:expr, $what:expr) => {{
            let before = processor_time(start);
            let result = black_box($what);
            $to += processor_time(start).saturating_sub(before);
            result
        }};
    }
    sender.extend(count).unwrap();
    receiver.extend(count).unwrap();
    loop {
        let own = timed!(times.extend[0], sender.step(rng).unwrap());
        let other = timed!(times.extend[1], receiver.step(rng).unwrap());
        match (own, other) {
            (Step::Send(message), _) => {
                times.bytes += message.len();
                timed!(times.extend[1], receiver.receive(&message).unwrap());
            }
            (_, Step::Send(message)) => {
                times.bytes += message.len();
                timed!(times.extend[0], sender.receive(&message).unwrap());
            }
            _ => break,
        }
    }
    let delta = sender.delta().unwrap();
    // In pieces, as predictions do.
    for piece in (0..count).step_by(1 << 16) {
        let some = (count - piece).min(1 << 16);
        let keys = timed!(times.reserve[0], sender.reserve(some).unwrap());
        let rows = timed!(times.reserve[1], receiver.reserve(some).unwrap());
        let differences =
            keys.iter().zip(rows.iter()).map(|(&key, &row)| key ^ row ^ delta.masked(row.lsb()));
        assert!(differences.fold(0, |all, difference| all | u128::from(difference)) == 0);
    }
    times
}

#[test]
fn a_pool_works_through_the_public_interface_and_its_bytes_are_the_formula() {
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    for (supply, count) in [(Supply::SoftSpoken, 5000), (Supply::default(), 160_000)] {
        let (mut sender, mut receiver) = pools(supply, &mut rng);
        let times = extend((&mut sender, &mut receiver), &mut rng, count);
        let expected = cost(PoolSender::PARAMS, supply, count);
        assert_eq!(times.bytes, expected.to_sender + expected.to_receiver);
        assert_eq!((sender.ready() == 0, Block::BYTES), (supply == Supply::SoftSpoken, 16));
    }
}

#[test]
#[ignore = "a measurement: half a minute"]
fn rows_a_second() {
    println!(
        "{:>14} {:>9} {:>7} {:>18} {:>18} {:>11}",
        "", "rows", "B/row", "sender + out", "receiver + out", "M/s a core"
    );
    for (name, supply, count, times) in [
        ("SoftSpoken k=8", Supply::SoftSpoken, 1 << 17, 9),
        ("Ferret b10", Supply::Cheapest { largest: Set::B10 }, Set::B10.gain(), 9),
        ("Ferret b11", Supply::Cheapest { largest: Set::B11 }, Set::B11.gain(), 7),
        ("Ferret b12", Supply::Cheapest { largest: Set::B12 }, Set::B12.gain(), 5),
        ("b12, all ahead", Supply::Cheapest { largest: Set::B12 }, Set::B12.gain(), 5),
        ("Ferret b13", Supply::Cheapest { largest: Set::B13 }, Set::B13.gain(), 3),
    ] {
        let mut rng = ChaCha12Rng::seed_from_u64(2);
        let (mut sender, mut receiver) = pools(supply, &mut rng);
        if name.ends_with("all ahead") {
            (sender, receiver) = (sender.with_rows_ahead(count), receiver.with_rows_ahead(count));
        }
        // What comes before the first round of the set; nothing is left over.
        extend(
            (&mut sender, &mut receiver),
            &mut rng,
            if supply == Supply::SoftSpoken { 1 } else { 200_000 },
        );
        extend((&mut sender, &mut receiver), &mut rng, count);
        let left = sender.ready();
        drop((sender.reserve(left).unwrap(), receiver.reserve(left).unwrap()));
        assert_eq!((sender.ready(), receiver.ready()), (0, 0));
        let mut all: Vec<Times> =
            (0..times).map(|_| extend((&mut sender, &mut receiver), &mut rng, count)).collect();
        let mut median = |of: &dyn Fn(&Times) -> Duration| {
            all.sort_by_key(|times| of(times));
            of(&all[times / 2]).as_nanos() as f64 / count as f64
        };
        let [extend_s, extend_r] = [0, 1].map(|role| median(&|times: &Times| times.extend[role]));
        let [out_s, out_r] = [0, 1].map(|role| median(&|times: &Times| times.reserve[role]));
        let slower = (extend_s + out_s).max(extend_r + out_r);
        let bytes = all[0].bytes as f64 / count as f64;
        println!(
            "{name:>14} {count:>9} {bytes:>7.4} {extend_s:>10.1} + {out_s:>5.1} {extend_r:>10.1} + {out_r:>5.1} {:>11.1}",
            1000.0 / slower
        );
    }
}
