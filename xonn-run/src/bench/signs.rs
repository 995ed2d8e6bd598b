//! Signs of shared sums by correlated OT: the hidden layers of a binary network on shares.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::{CryptoRng, RngExt};

use super::{MeasureError, RUNS, Roles, Row, rate};
use xonn_crypto::block::{Backend, Block, Tccr};
use xonn_crypto::share::RingTensor;
use xonn_protocols::compare_ot::sign::{Client, Plan, Server};
use xonn_protocols::steps::column::Column;
use xonn_protocols::steps::rows::{ReceiverRows, SenderRows, Tweaks};
use xonn_protocols::steps::windows::Windows;

/// Neurons of the layer: 64 channels of 32 x 32.
const NEURONS: usize = 64 * 32 * 32;

/// Bits below the sign, and of the ring of results.
const BITS: u32 = 11;

/// Rows of one direction, as a dealer makes them: their own rates are measured elsewhere.
struct Dealt {
    delta: Block,
    sent: Vec<Block>,
    received: Vec<Block>,
}

impl Dealt {
    fn sent(&self) -> SenderRows<'_> {
        SenderRows::new(&self.sent, self.delta)
    }

    fn received(&self) -> ReceiverRows<'_> {
        ReceiverRows::new(&self.received)
    }
}

fn deal(count: usize, rng: &mut impl CryptoRng) -> Dealt {
    let delta = Block::random(rng).with_lsb_set();
    let received: Vec<Block> = (0..count).map(|_| Block::random(rng)).collect();
    let sent = received.iter().map(|&row| row ^ delta.masked(row.lsb())).collect();
    Dealt { delta, sent, received }
}

/// Times of a layer: ahead, then online, each at the server and the client.
type Times = [[Duration; 2]; 2];

/// Signs of 12-bit sums as numbers of 11 bits, both roles one after the other on one thread, without the OTs
/// that they use up and without a network: what can be done before the input is there, what follows, both.
///
/// # Errors
/// Never with an honest peer, which this is.
///
/// # Panics
/// If no thread can be started, or a result is wrong.
pub fn measure_signs() -> Result<[Row; 3], MeasureError> {
    let rng = &mut rand::rng();
    let plan = &Arc::new(Plan::new(BITS, Windows::single(NEURONS)?, BITS)?);
    let cost = plan.cost();
    let (leaves, masks) = (deal(cost.leaf_rows, rng), deal(cost.mask_rows, rng));
    let mut random = |bits| RingTensor::new(bits, (0..NEURONS).map(|_| rng.random()).collect());
    let shares = [random(BITS + 1)?, random(BITS + 1)?, random(BITS)?];
    let tweaks =
        Tweaks { leaves: Tccr::new(Block::random(rng)), masks: Tccr::new(Block::random(rng)), first: 0 };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread can be started");
    let run = |_| pool.install(|| layer(plan, &leaves, &masks, tweaks, &shares));
    let runs = (0..RUNS).map(run).collect::<Result<Vec<Times>, _>>()?;
    let [ahead_up, ahead_down, down, up] = cost.bytes();
    let row = |what: &str, bytes: usize, of: &dyn Fn(&Times, usize) -> Duration| {
        let rate = |host| Some(rate(NEURONS as f64, runs.iter().map(|times| of(times, host))));
        Row {
            what: format!("{BITS}-bit signs, {what}"),
            backend: Backend::best().to_string(),
            scheme: None,
            roles: Roles::Shares,
            threads: 1,
            unit: "sign",
            garble: rate(0),
            evaluate: rate(1),
            both_ns: None,
            bytes: Some(bytes as f64 / NEURONS as f64),
        }
        .with_both()
    };
    let (ahead, online) = (ahead_up + ahead_down, down + up);
    Ok([
        row("ahead", ahead, &|times, host| times[0][host]),
        row("online", online, &|times, host| times[1][host]),
        row("both", ahead + online, &|times, host| times[0][host] + times[1][host]),
    ])
}

/// One layer, checked.
fn layer(
    plan: &Arc<Plan>,
    leaves: &Dealt,
    masks: &Dealt,
    tweaks: Tweaks,
    [y0, y1, rho]: &[RingTensor; 3],
) -> Result<Times, MeasureError> {
    let mut times = Times::default();
    fn timed<T>(total: &mut Duration, step: impl FnOnce() -> T) -> T {
        let begin = Instant::now();
        let result = step();
        *total += begin.elapsed();
        result
    }
    let [[server_ahead, client_ahead], [server_online, client_online]] = &mut times;
    let (cross, client) = timed(client_ahead, || Client::start(plan, tweaks, masks.sent()))?;
    let (products, server) =
        timed(server_ahead, || Server::start(plan, tweaks, masks.received())?.on_cross_terms(&cross))?;
    let (digits, client) = timed(client_ahead, || client.on_products(&products, y1, leaves.received()))?;
    let server = timed(server_ahead, || server.on_digits(&digits, leaves.sent()))?;
    let flips = Column::zeros(NEURONS);
    let (tables, server) = timed(server_online, || server.on_share(y0, &flips))?;
    let answer = timed(client_online, || client.on_tables(&tables, rho))?;
    let share = timed(server_online, || server.on_answer(&answer))?;
    let signs = y0.reconstruct(y1)?.into_iter().map(|sum| i64::from(sum >= 0));
    assert!(signs.eq(share.reconstruct(rho)?), "a sign is wrong");
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_the_plan_and_both_phases_add_up() {
        let rows = measure_signs().expect("both hosts are honest");
        let [ahead, online, both] = rows.each_ref().map(|row| row.bytes.expect("bytes are counted"));
        let cost = Plan::new(BITS, Windows::single(NEURONS).expect("few"), BITS).expect("few bits").cost();
        let [first, second, third, fourth] = cost.bytes();
        assert_eq!(ahead * NEURONS as f64, (first + second) as f64);
        assert_eq!(online * NEURONS as f64, (third + fourth) as f64);
        assert_eq!(both, ahead + online);
        let [ahead, online, both] = rows.map(|row| row.garble.expect("the server is measured").best);
        assert!(both < ahead && both < online, "{both} signs a second, {ahead} ahead, {online} online");
    }
}
