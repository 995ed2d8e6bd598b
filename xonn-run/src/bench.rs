//! Measures the building blocks on this machine: `xonn-run bench`.
//!
//! Everything runs in memory. A figure is the median of several runs, with the fastest beside it for machines
//! that are shared; the processor's own AES rate is measured beside the gates, because it is what bounds
//! them.

mod conditional_addition;
mod correlated;
mod error;
mod first_layer;
mod lattice;
mod machine;
mod signs;

use std::hint::black_box;
use std::time::{Duration, Instant};

use rand::CryptoRng;
use serde::Serialize;
use xonn_circuits::tiled::TiledCircuit;

pub use conditional_addition::measure_first_layer;
pub use correlated::measure_correlated;
pub use error::MeasureError;
pub use lattice::measure_lattice;
pub use machine::measure_memory;
pub use signs::measure_signs;
use xonn_crypto::block::{Backend, Block, Prg, Tccr};
use xonn_crypto::garble::schedule::{Role, Schedule};
use xonn_crypto::garble::{Evaluator, Garbler, Scheme, Secrets};
use xonn_crypto::label::{Delta, ZeroLabel};
use xonn_crypto::ot::{self, OtError};

/// Whose the two rates of a row are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Roles {
    /// Garbler and evaluator, or sender and receiver of OT.
    Garbling,
    /// Server and client of a prediction on shares.
    Shares,
}

/// Millions a second, over several runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rate {
    /// The median run.
    pub median: f64,
    /// The fastest run: what the machine can do when nothing else runs on it.
    pub best: f64,
}

/// One measured row.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What was run.
    pub what: String,
    /// On which AES instructions.
    pub backend: String,
    /// Garbled how, where something is garbled.
    pub scheme: Option<String>,
    /// Whose the two rates are.
    pub roles: Roles,
    /// Threads used.
    pub threads: usize,
    /// Of what there are millions a second.
    pub unit: &'static str,
    /// At the garbler, the sender of OT, or on shares the server.
    pub garble: Option<Rate>,
    /// At the evaluator, the receiver of OT, or on shares the client.
    pub evaluate: Option<Rate>,
    /// Nanoseconds of both one after the other, by their medians.
    pub both_ns: Option<f64>,
    /// Bytes sent for one of them, either way.
    pub bytes: Option<f64>,
}

/// Runs of which the median counts.
pub const RUNS: usize = 7;

/// Garbles and evaluates `program` in memory, a few segments at a time as two hosts would, each role timed by
/// itself.
///
/// # Panics
/// If the backend is not available or the evaluation fails: then the engine is broken and its speed is of no
/// interest.
#[must_use]
pub fn measure(what: &str, program: &TiledCircuit, scheme: Scheme, backend: Backend, threads: usize) -> Row {
    measure_units(what, program, ("AND", program.costs().total()), scheme, backend, threads)
}

/// The same, counted in units of which the program has so many.
fn measure_units(
    what: &str,
    program: &TiledCircuit,
    (unit, units): (&'static str, u64),
    scheme: Scheme,
    backend: Backend,
    threads: usize,
) -> Row {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
    let (garbling, evaluation) =
        (Schedule::new(program, Role::Garbler), Schedule::new(program, Role::Evaluator));
    let mut rng = rand::rng();
    let secret: Vec<bool> = (0..program.secret_bits()).map(|i| i % 3 == 0).collect();
    let ands = program.costs().total();
    // A small circuit is garbled several times a run, so that no run is shorter than what a clock can tell.
    let times = 1_000_000_u64.div_ceil(ands.max(1)).min(1000);
    let mut runs = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let (mut garble, mut evaluate) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..times {
            let secrets = Secrets::random(&mut rng);
            let hash =
                Tccr::with_backend(Block::random(&mut rng), backend).expect("the backend is available");
            let zeros: Vec<_> = (0..program.input_bits()).map(|_| ZeroLabel::random(&mut rng)).collect();
            let active = zeros.iter().map(|zero| zero.label(false, &secrets.delta)).collect();
            let mut garbler = Garbler::new(&garbling, scheme, &secret, secrets, hash, zeros);
            let mut evaluator = Evaluator::new(&evaluation, scheme, hash, active);
            pool.install(|| {
                loop {
                    let begin = Instant::now();
                    let tables = black_box(garbler.garble(2 * threads));
                    garble += begin.elapsed();
                    if tables.is_empty() {
                        break;
                    }
                    let begin = Instant::now();
                    evaluator.evaluate(&tables).expect("the tables are of this schedule");
                    evaluate += begin.elapsed();
                    garbler.recycle(tables);
                }
            });
            black_box(evaluator.decode(&garbler.decoding()).expect("the labels are of this garbling"));
        }
        runs.push((garble, evaluate));
    }
    let count = (units * times) as f64;
    Row {
        what: what.into(),
        backend: backend.to_string(),
        scheme: Some(scheme.to_string()),
        roles: Roles::Garbling,
        threads,
        unit,
        garble: Some(rate(count, runs.iter().map(|run| run.0))),
        evaluate: Some(rate(count, runs.iter().map(|run| run.1))),
        both_ns: None,
        bytes: Some(garbling.bytes(scheme) as f64 / units.max(1) as f64),
    }
    .with_both()
}

impl Row {
    /// The same with both roles together, where there are two.
    fn with_both(mut self) -> Self {
        let each = self.garble.zip(self.evaluate);
        self.both_ns = each.map(|(garble, evaluate)| 1e3 / garble.median + 1e3 / evaluate.median);
        self
    }
}

/// AES with one key, which bounds the gates, and the hash with a key for each tweak, of which OT and output
/// labels have one.
///
/// # Panics
/// If the backend is not available.
#[must_use]
pub fn measure_aes(backend: Backend) -> [Row; 2] {
    const CALLS: u64 = 20_000;
    const BLOCKS: usize = 64;
    let mut blocks = [Block::ZERO; BLOCKS];
    let timed = |call: &mut dyn FnMut(u64)| {
        let run = |_| {
            let begin = Instant::now();
            (0..CALLS).for_each(&mut *call);
            begin.elapsed()
        };
        (0..RUNS).map(run).collect::<Vec<_>>()
    };
    let start = Block::random(&mut rand::rng());
    let mut prg = Prg::with_backend(start, backend).expect("the backend is available");
    let stream = timed(&mut |_| prg.fill(black_box(&mut blocks)));
    let hash = Tccr::with_backend(start, backend).expect("the backend is available");
    let pairs = timed(&mut |call| hash.hash::<2>(call * 32, black_box(&mut blocks)));
    let ones = timed(&mut |call| hash.hash::<1>(call * 64, black_box(&mut blocks)));
    let count = CALLS as f64 * BLOCKS as f64;
    let row = |what: &str, unit, garble, evaluate| {
        let (what, backend) = (what.into(), backend.to_string());
        Row {
            what,
            backend,
            scheme: None,
            roles: Roles::Garbling,
            threads: 1,
            unit,
            garble,
            evaluate,
            both_ns: None,
            bytes: None,
        }
        .with_both()
    };
    [
        row("AES-128, one key", "block", Some(rate(count, stream)), None),
        // A sender hashes two blocks under each tweak, a receiver one.
        row("hash, a key a tweak", "tweak", Some(rate(count / 2.0, pairs)), Some(rate(count, ones))),
    ]
}

/// OT extension with `2^k` leaves a tree, after its set-up: both roles one after the other on one thread.
/// First random OTs, each host with a block of its streams, then labels of an offset that is drawn
/// afterwards.
///
/// # Errors
/// [`OtError::FieldBits`] if there are no such trees.
pub fn measure_ot(k: usize) -> Result<[Row; 2], OtError> {
    const COUNT: usize = 1 << 17;
    let mut rng = rand::rng();
    let params = ot::Params::new(k)?;
    let (mut sender, mut receiver) = connect(params, &mut rng)?;
    let choices: Vec<bool> = (0..COUNT).map(|i| i % 3 == 0).collect();
    let numbers: Vec<u32> = (0..COUNT as u32).collect();
    let extension = ot::msgs::Extend::byte_len(params, COUNT) as f64;
    let mut measured = |labels: bool| -> Result<Row, OtError> {
        let (mut sending, mut receiving) = (Vec::new(), Vec::new());
        for run in 0..RUNS as u64 {
            let tweak = |number: u32| run << 32 | u64::from(number);
            let begin = Instant::now();
            let (pending, extend) = receiver.extend(&mut rng, &choices)?;
            let received = begin.elapsed();
            let begin = Instant::now();
            let keys = sender.extend(COUNT, &extend)?;
            if labels {
                let (labels, correlate) = keys.correlate(&Delta::from_block(Block::ZERO));
                sending.push(begin.elapsed());
                black_box(labels);
                let begin = Instant::now();
                black_box(pending.correlate(&correlate)?);
                receiving.push(received + begin.elapsed());
                continue;
            }
            let (keys, mut pairs) = (keys.into_streams(), [[Block::ZERO; 2]; 64]);
            for numbers in numbers.chunks(pairs.len()) {
                keys.blocks(numbers, tweak(numbers[0]), &mut pairs[..numbers.len()]);
                black_box(&pairs);
            }
            sending.push(begin.elapsed());
            let begin = Instant::now();
            let (keys, mut blocks) = (pending.into_streams(), [Block::ZERO; 64]);
            for numbers in numbers.chunks(blocks.len()) {
                keys.blocks(numbers, tweak(numbers[0]), &mut blocks[..numbers.len()]);
                black_box(&blocks);
            }
            receiving.push(received + begin.elapsed());
        }
        let corrections = if labels { ot::msgs::Correlate::byte_len(COUNT) as f64 } else { 0.0 };
        Ok(Row {
            what: format!("OT, k = {k}, {}", if labels { "labels" } else { "random" }),
            backend: Backend::best().to_string(),
            scheme: None,
            roles: Roles::Garbling,
            threads: 1,
            unit: "OT",
            garble: Some(rate(COUNT as f64, sending)),
            evaluate: Some(rate(COUNT as f64, receiving)),
            both_ns: None,
            bytes: Some((extension + corrections) / COUNT as f64),
        }
        .with_both())
    };
    Ok([measured(false)?, measured(true)?])
}

/// Both ends of a connection's OTs.
fn connect(params: ot::Params, rng: &mut impl CryptoRng) -> Result<(ot::Sender, ot::Receiver), OtError> {
    let (setup, request) = ot::SenderSetup::start(params, [0; 32], rng);
    let (receiver, reply) = ot::ReceiverSetup::reply(params, [0; 32], rng, &request)?;
    Ok((setup.finish(&reply)?, receiver))
}

/// Millions a second, `count` in each run.
fn rate(count: f64, runs: impl IntoIterator<Item = Duration>) -> Rate {
    let mut runs: Vec<f64> = runs.into_iter().map(|run| run.as_secs_f64()).collect();
    runs.sort_by(f64::total_cmp);
    Rate { median: count / runs[runs.len() / 2] / 1e6, best: count / runs[0] / 1e6 }
}

/// The processor's name, where the system tells it.
#[must_use]
pub fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}
