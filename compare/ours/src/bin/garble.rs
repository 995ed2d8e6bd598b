//! Garbles and evaluates Bristol netlists with this project's half gates, in memory, on one thread, as
//! `emp/garble.cpp` does with emp-tool's: `compare-garble SECONDS NETLIST...`.
//!
//! A netlist, one copy of it and 64 side by side, is garbled again and again for the given time, its tables
//! going to the same memory, and then evaluated as often. The clock runs from a role's construction to the
//! decoding; the schedule, which is made once for a netlist, and the labels of inputs are there before.
//! Prints for each netlist: name, ANDs, M AND/s of processor time garbled and evaluated, a hash of the
//! outputs of the first copy.

#[path = "../../../meter.rs"]
#[allow(dead_code)]
mod meter;

use std::path::Path;
use std::time::Duration;

use meter::processor_time;
use xonn_circuits::bristol;
use xonn_circuits::tiled::TiledCircuit;
use xonn_circuits::tiled::sample;
use xonn_crypto::block::{Block, Tccr};
use xonn_crypto::garble::schedule::{Schedule, Role};
use xonn_crypto::label::{Label, ZeroLabel};
use xonn_crypto::garble::{Ciphertexts, Evaluator, Garbler, Scheme, Secrets};

/// Segments at a time.
const SEGMENTS: usize = 2;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().and_then(|seconds| seconds.parse().ok()).expect("SECONDS NETLIST...");
    // This thread is the pool, so all work is done here.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread();
    pool.build_global().expect("there is no pool yet");
    for path in arguments {
        compare(Path::new(&path), Duration::from_secs_f64(seconds));
    }
}

fn compare(path: &Path, time: Duration) {
    let netlist = bristol::read_path(path).expect("a Bristol netlist").netlist;
    let outputs = netlist.output_bits();
    let name = path.file_name().expect("it was read").display().to_string();
    for copies in [1, 64] {
        let program = match copies {
            // As a plain netlist is run.
            1 => TiledCircuit::from_netlist(netlist.clone(), &[]),
            _ => sample::copies(netlist.clone(), copies),
        };
        let program = program.expect("so many copies fit");
        let [garbled, evaluated, hash] = measure(&program, netlist.input_bits(), outputs, time);
        let ands = program.costs().total();
        let what = if copies == 1 { "ours".into() } else { format!("ours, {copies} copies") };
        let rate = |nanoseconds: u64| 1e3 * ands as f64 / nanoseconds as f64;
        println!(
            "{name}\t{what}\t{}\t{:.2}\t{:.2}\t{hash:016x}",
            ands / u64::from(copies),
            rate(garbled),
            rate(evaluated)
        );
    }
}

/// Nanoseconds to garble, to evaluate, and the hash of the first outputs.
fn measure(program: &TiledCircuit, inputs: usize, outputs: usize, time: Duration) -> [u64; 3] {
    let (garbling, evaluation) = (Schedule::new(program, Role::Garbler), Schedule::new(program, Role::Evaluator));
    let (rng, scheme) = (&mut rand::rng(), Scheme::HalfGates);
    let secrets = Secrets::random(rng);
    let hash = Tccr::new(Block::random(rng));
    let zeros: Vec<ZeroLabel> = (0..program.input_bits()).map(|_| ZeroLabel::random(rng)).collect();
    let bit = |i: usize| (i % inputs).is_multiple_of(3);
    let active: Vec<Label> =
        zeros.iter().enumerate().map(|(i, &zero)| zero.label(bit(i), &secrets.delta)).collect();
    let mut batches: Vec<Vec<Ciphertexts>> = Vec::new();
    let mut decoding = Vec::new();
    // Each run has the same labels and tweaks, as no protocol may: only time is asked for here.
    let garble = repeat(time, || {
        let mut garbler = Garbler::new(&garbling, scheme, &[], secrets.clone(), hash, zeros.clone());
        garbler.recycle(std::mem::take(&mut batches).into_iter().flatten());
        loop {
            let tables = garbler.garble(SEGMENTS);
            if tables.is_empty() {
                break;
            }
            batches.push(tables);
        }
        decoding = garbler.decoding();
    });
    let mut output = Vec::new();
    let evaluate = repeat(time, || {
        let mut evaluator = Evaluator::new(&evaluation, scheme, hash, active.clone());
        for tables in &batches {
            evaluator.evaluate(tables).expect("the tables are of this schedule");
        }
        output = evaluator.decode(&decoding).expect("the labels are of this garbling");
    });
    let fold = |hash: u64, &bit: &bool| (hash ^ u64::from(bit)).wrapping_mul(0x0100_0000_01b3);
    [garble, evaluate, output[..outputs].iter().fold(0xcbf2_9ce4_8422_2325, fold)]
}

/// Nanoseconds of processor time of one of as many runs as take `time`.
fn repeat(time: Duration, mut run: impl FnMut()) -> u64 {
    let begin = processor_time();
    for runs in 1u32.. {
        run();
        let spent = processor_time() - begin;
        if spent >= time {
            return (spent / runs).as_nanos() as u64;
        }
    }
    unreachable!("time passes")
}
