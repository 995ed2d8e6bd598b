//! Measures the building blocks on this machine: `xonn-run bench`.
//!
//! Everything runs in memory. A figure is the median of several runs; the processor's own AES rate is measured beside the
//! gates, because it is what bounds them.

use std::hint::black_box;
use std::time::{Duration, Instant};

use serde::Serialize;
use xonn_circuits::builder::Builder;
use xonn_circuits::data::InputEncoding;
use xonn_circuits::gadgets::adder::Columns;
use xonn_circuits::gadgets::popcount::width_of;
use xonn_circuits::program::{Axis, Block as ProgramBlock, IndexMap, Layer, LayerInfo, OutputEncoding, Port};
use xonn_circuits::program::{Program, Source};

use crate::block::{Backend, Block, Tccr};
use crate::garble::plan::{Plan, Role};
use crate::garble::{Evaluator, Garbler};

/// One measured row.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What was run.
    pub what: String,
    /// On which AES instructions.
    pub backend: String,
    /// Threads used.
    pub threads: usize,
    /// Millions a second.
    pub garble_m_per_s: f64,
    /// Millions a second.
    pub evaluate_m_per_s: f64,
    /// Of what: AND gates, or hash calls.
    pub unit: &'static str,
}

/// Neurons in the layers measured.
const NEURONS: u32 = 1024;

/// Runs of which the median counts.
const RUNS: usize = 7;

/// A layer of binary neurons: 1024 times XNOR, popcount, secret threshold.
///
/// # Panics
/// If `fan_in` is 0.
#[must_use]
pub fn binary_layer(fan_in: u32) -> Program {
    let n = fan_in as usize;
    let width = width_of(u64::from(fan_in));
    let mut b = Builder::new();
    let (x, w, at) = (b.input(n), b.input(n), b.input(width));
    let mut columns = Columns::new(&mut b);
    for (&x, &w) in x.iter().zip(&w) {
        let matched = columns.builder().xor(x, w);
        columns.add(0, matched);
    }
    let fires = columns.carry_out(&at);
    let template = b.finish(&[vec![fires]]);
    let secret_per_neuron = (n + width) as u64;
    let axis = |extent: usize| vec![Axis { extent: extent as u32, stride: 1 }];
    let secret = |base: usize, bits: usize| Port {
        source: Source::Secret,
        map: IndexMap { base: base as u64, outer: vec![secret_per_neuron], inner: axis(bits) },
    };
    let input = Port { source: Source::Input, map: IndexMap { base: 0, outer: vec![0], inner: axis(n) } };
    let block = ProgramBlock {
        template: 0,
        grid: vec![NEURONS],
        inputs: vec![input, secret(0, n), secret(n, width)],
        output: IndexMap { base: 0, outer: vec![1], inner: axis(1) },
    };
    let info =
        LayerInfo { name: "1_dense".into(), kind: "dense + threshold".into(), shape: vec![NEURONS], fan_in };
    Program::new(
        InputEncoding { shape: vec![fan_in], bits: 1, signed: false, scale: 1.0, zero: 0 },
        OutputEncoding::Bits,
        secret_per_neuron * u64::from(NEURONS),
        vec![template],
        vec![Layer { info, bits: NEURONS.into(), blocks: vec![block] }],
    )
    .expect("a layer of neurons is a valid program")
}

/// Garbles and evaluates `program` in memory on one thread.
///
/// # Panics
/// If the evaluation fails: then the engine is broken and its speed is of no interest.
#[must_use]
pub fn measure(what: &str, program: &Program, backend: Backend) -> Row {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool of one thread");
    let (garbling, evaluation) = (Plan::new(program, Role::Garbler), Plan::new(program, Role::Evaluator));
    let mut rng = rand::rng();
    let secret: Vec<bool> = (0..program.secret_bits()).map(|i| i % 3 == 0).collect();
    let (mut garble, mut evaluate) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let delta = Block::random(&mut rng).with_lsb_set();
        let hash = Tccr::with_backend(Block::random(&mut rng), backend).expect("the backend is available");
        let labels: Vec<Block> = (0..program.input_bits()).map(|_| Block::random(&mut rng)).collect();
        let begin_garbling = || Garbler::new(&garbling, &secret, delta, hash, labels.clone());
        // Timed once with the tables dropped as a server drops them once they are sent, then again to keep them.
        garble.push(pool.install(|| {
            let mut garbler = begin_garbling();
            let begin = Instant::now();
            while !black_box(garbler.garble(1)).is_empty() {}
            begin.elapsed()
        }));
        let mut garbler = begin_garbling();
        let tables: Vec<_> =
            std::iter::from_fn(|| Some(garbler.garble(1)).filter(|batch| !batch.is_empty())).collect();
        let decoding = garbler.decoding();
        let evaluated = pool.install(|| {
            let mut evaluator = Evaluator::new(&evaluation, hash, labels.clone());
            let begin = Instant::now();
            for batch in &tables {
                evaluator.evaluate(batch).expect("the tables are of this plan");
            }
            black_box(evaluator.decode(&decoding).expect("the labels are of this garbling"));
            begin.elapsed()
        });
        evaluate.push(evaluated);
    }
    let ands = program.costs().total() as f64;
    Row {
        what: what.into(),
        backend: backend.to_string(),
        threads: 1,
        garble_m_per_s: ands / median(garble) / 1e6,
        evaluate_m_per_s: ands / median(evaluate) / 1e6,
        unit: "AND",
    }
}

/// The hash alone, in the shapes in which gates use it, in cache: what bounds the gates.
///
/// # Panics
/// If the backend is not available.
#[must_use]
pub fn measure_hash(backend: Backend) -> Row {
    let hash =
        Tccr::with_backend(Block::random(&mut rand::rng()), backend).expect("the backend is available");
    let mut blocks = [Block::ZERO; 64];
    const CALLS: u64 = 20_000;
    let mut rate = |per: usize| {
        let runs = (0..RUNS).map(|_| {
            let begin = Instant::now();
            for call in 0..CALLS {
                match per {
                    2 => hash.hash::<2>(call * 32, black_box(&mut blocks)),
                    _ => hash.hash::<1>(call * 64, black_box(&mut blocks)),
                }
            }
            begin.elapsed()
        });
        CALLS as f64 * 64.0 / median(runs.collect()) / 1e6
    };
    // Four hashes under two tweaks for a gate garbled, two under two for a gate evaluated.
    let (garble_m_per_s, evaluate_m_per_s) = (rate(2) / 4.0, rate(1) / 2.0);
    Row {
        what: "hash alone".into(),
        backend: backend.to_string(),
        threads: 1,
        garble_m_per_s,
        evaluate_m_per_s,
        unit: "AND",
    }
}

fn median(mut runs: Vec<Duration>) -> f64 {
    runs.sort();
    runs[runs.len() / 2].as_secs_f64()
}

/// The processor's name, where the system tells it.
#[must_use]
pub fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}
