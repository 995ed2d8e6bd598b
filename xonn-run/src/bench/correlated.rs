//! Correlated OTs with random choices, of which comparisons on shares are made.

use std::hint::black_box;
use std::time::{Duration, Instant};

use rand::CryptoRng;

use super::{RUNS, Roles, Row, connect, rate};
use xonn_crypto::block::Backend;
use xonn_crypto::ot::correlated::{CotSource, PoolReceiver, PoolSender, Step, Supply};
use xonn_crypto::ot::{OtError, Set};

/// Rows of an extension without silent OT.
const COUNT: usize = 1 << 17;

/// Rows that are handed out at a time.
const BLOCK: usize = 1 << 16;

/// Both roles one after the other on one thread, after the set-up: rows by SoftSpokenOT, and by rounds of
/// silent OT whose own rows come of the round before.
///
/// # Errors
/// Never with an honest peer, which this is.
pub fn measure_correlated() -> Result<[Row; 2], OtError> {
    let silent = Supply::Cheapest { largest: Set::B10 };
    Ok([
        measure_supply("correlated OT, k = 8", Supply::SoftSpoken, COUNT)?,
        measure_supply("silent OT (Ferret), b10", silent, Set::B10.gain())?,
    ])
}

/// As many rows a run.
fn measure_supply(what: &str, supply: Supply, count: usize) -> Result<Row, OtError> {
    let mut rng = rand::rng();
    let (sender, receiver) = connect(PoolSender::PARAMS, &mut rng)?;
    let mut sender = PoolSender::new(sender, supply)?;
    let mut receiver = PoolReceiver::new(receiver, supply)?;
    // The first round of silent OT begins with rows of the other kind: it is not measured.
    extend(&mut sender, &mut receiver, &mut rng, count)?;
    let mut runs = Vec::with_capacity(RUNS);
    let mut bytes = 0;
    for _ in 0..RUNS {
        let (times, sent) = extend(&mut sender, &mut receiver, &mut rng, count)?;
        runs.push(times);
        bytes += sent;
    }
    Ok(Row {
        what: what.into(),
        backend: Backend::best().to_string(),
        scheme: None,
        roles: Roles::Garbling,
        threads: 1,
        unit: "OT",
        garble: Some(rate(count as f64, runs.iter().map(|run| run[0]))),
        evaluate: Some(rate(count as f64, runs.iter().map(|run| run[1]))),
        both_ns: None,
        bytes: Some(bytes as f64 / (RUNS * count) as f64),
    }
    .with_both())
}

/// `count` rows, made and handed out: times of sender and receiver, bytes both ways.
fn extend(
    sender: &mut PoolSender,
    receiver: &mut PoolReceiver,
    rng: &mut impl CryptoRng,
    count: usize,
) -> Result<([Duration; 2], usize), OtError> {
    fn timed<T>(total: &mut Duration, what: impl FnOnce() -> T) -> T {
        let begin = Instant::now();
        let result = black_box(what());
        *total += begin.elapsed();
        result
    }
    let ([mut sending, mut receiving], mut bytes) = ([Duration::ZERO; 2], 0);
    sender.extend(count)?;
    receiver.extend(count)?;
    loop {
        let (own, other) =
            (timed(&mut sending, || sender.step(rng))?, timed(&mut receiving, || receiver.step(rng))?);
        match (own, other) {
            (Step::Send(message), _) => {
                bytes += message.len();
                timed(&mut receiving, || receiver.receive(&message))?;
            }
            (_, Step::Send(message)) => {
                bytes += message.len();
                timed(&mut sending, || sender.receive(&message))?;
            }
            _ => break,
        }
    }
    for first in (0..count).step_by(BLOCK) {
        let some = (count - first).min(BLOCK);
        timed(&mut sending, || sender.reserve(some))?;
        timed(&mut receiving, || receiver.reserve(some))?;
    }
    Ok(([sending, receiving], bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use xonn_crypto::ot::correlated::cost;

    #[test]
    fn bytes_a_row_are_those_of_a_further_extension() {
        let [soft, silent] = measure_correlated().expect("both hosts are honest");
        let traffic = cost(PoolSender::PARAMS, Supply::SoftSpoken, COUNT);
        assert_eq!(soft.bytes, Some(traffic.to_sender as f64 / COUNT as f64));
        assert_eq!(silent.bytes, Some(Set::B10.byte_len() as f64 / Set::B10.gain() as f64));
        assert!(soft.both_ns.is_some() && silent.both_ns.is_some());
    }
}
