//! A word of a language model in small: `Embedding(10000, 200)`, `Dense(10000)`, the class, with its argmax
//! in a garbled circuit and by a tournament. Both hosts in one process; bytes are those that they send.
//!
//!     cargo run --release -p xonn-protocols --example words [CLASSES]

#[allow(clippy::expect_used)] // it prints what went wrong and ends
#[path = "../tests/support/plan.rs"]
mod plan;

use std::time::Instant;

use chacha20::ChaCha12Rng;
use rand::{RngExt as _, SeedableRng as _};
use xonn_crypto::garble::Scheme;
use xonn_program::op::{Linear, Planes, Round};
use xonn_program::{InputEncoding, Kind, Layer, Op, OutputEncoding, Program, Range, Tensor, TensorSpec};
use xonn_protocols::cost::{Cost, Link};
use xonn_protocols::plan::How;
use xonn_protocols::planner;
use xonn_protocols::run::{Client, Server};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Numbers of an embedding.
const UNITS: usize = 200;

/// Words on one connection.
const WORDS: usize = 6;

fn program(classes: usize) -> Result<Program, Failure> {
    let input = InputEncoding {
        shape: vec![u32::try_from(classes)?],
        bits: 1,
        signed: false,
        scale: 1.0,
        zero: 0,
        features: Vec::new(),
        tokens: false,
    };
    let kind = Kind::Int(Range { lo: 0, hi: 1 });
    let mut layers = vec![Layer { op: Op::Input, reads: vec![], shape: vec![classes], kind, secret: None }];
    let weights = Planes::Odd { bits: 11 };
    let ops = [
        (Op::Linear(Linear::dense(classes, UNITS, weights)), UNITS),
        (Op::Round(Round { drop: 1, bits: 15 }), UNITS),
        (Op::Round(Round { drop: 0, bits: 15 }), UNITS),
        (Op::Linear(Linear::dense(UNITS, classes, weights)), classes),
        (Op::Round(Round { drop: 13, bits: 15 }), classes),
    ];
    let mut tensors = 0;
    for (op, units) in ops {
        let read = layers.len() - 1;
        let kind = op.kind(&[layers[read].kind]).map_err(|reason| format!("{op:?}: {reason}"))?;
        let secret = matches!(op, Op::Linear(_)).then_some(tensors);
        tensors += secret.iter().len();
        layers.push(Layer { op, reads: vec![read], shape: vec![units], kind, secret });
    }
    Ok(Program::new(input, layers, OutputEncoding::Argmax { classes: u32::try_from(classes)? })?)
}

fn kilobytes(cost: Cost) -> f64 {
    cost.bytes() as f64 / 1000.0
}

fn main() -> Result<(), Failure> {
    let classes = std::env::args().nth(1).map_or(Ok(10_000), |number| number.parse())?;
    let program = program(classes)?;
    let rng = &mut ChaCha12Rng::seed_from_u64(1);
    let mut tensors = Vec::new();
    for spec in program.tensors() {
        let TensorSpec::Weights { count, .. } = *spec else { return Err("tensors of weights alone".into()) };
        tensors.push(Tensor::Weights((0..count).map(|_| 2 * rng.random_range(-1023..1023) + 1).collect()));
    }
    let word = |number: usize| (0..classes).map(|i| i64::from(i == number)).collect::<Vec<i64>>();
    let samples: Vec<Vec<i64>> = (0..WORDS).map(|_| word(rng.random_range(0..classes))).collect();
    let expected = program.evaluate(&tensors, &samples)?;
    // The link decides: long round trips, and bytes alone.
    for link in [Link { rtt_ms: 1e9, mbps: 100.0 }, Link { rtt_ms: 0.0, mbps: 100.0 }] {
        let plan = planner::on_shares_over(&program, Scheme::HalfGates, link)?;
        let way = plan.stages.last().map_or("nothing", |stage| match stage.how {
            How::Argmax => "a tournament",
            _ => "a circuit",
        });
        let cost = plan.cost(&program)?;
        let last = cost.stages.last().copied().unwrap_or_default();
        println!(
            "argmax of {classes} by {way}: {:.1} kB ahead and {:.1} kB with the input, {} round trips",
            kilobytes(last.offline),
            kilobytes(last.online),
            last.online.rounds
        );
        println!(
            "  a word: first {:.0} kB, further {:.0} kB, {} round trips, with the input {:.0} kB, {}",
            kilobytes(cost.first()),
            kilobytes(cost.further()),
            cost.further().rounds,
            kilobytes(cost.online()),
            cost.online().rounds
        );
        for link in [Link { rtt_ms: 0.2, mbps: 1000.0 }, Link::default(), Link { rtt_ms: 40.0, mbps: 100.0 }]
        {
            let [further, online] = [cost.further(), cost.online()].map(|cost| cost.time(link));
            println!(
                "  {} Mbit/s, {} ms: {further:.0} ms, {online:.0} with the input",
                link.mbps, link.rtt_ms
            );
        }
        let server = Server::new(plan.clone(), &program, &tensors)?;
        let client = Client::new(plan, &program)?;
        let run = |samples: &[Vec<i64>]| {
            let start = Instant::now();
            (plan::predict(&server, &client, samples, 0, 2), start.elapsed())
        };
        let ((one, first), (all, time)) = (run(&samples[..1]), run(&samples));
        let sent = |predicted: &plan::Predicted| predicted.sent.iter().flatten().sum::<u64>();
        let further = (time.saturating_sub(first)).as_secs_f64() * 1e3 / (WORDS - 1) as f64;
        let right = all.outputs.iter().zip(&expected).filter(|(output, expected)| {
            program.output().decode(output) == expected.prediction(program.output())
        });
        println!(
            "  run: first {} bytes, further {} bytes on the average, {further:.0} ms each; {} of {WORDS} classes \
             are those of the clear",
            sent(&one),
            (sent(&all) - sent(&one)) / (WORDS as u64 - 1),
            right.count()
        );
    }
    Ok(())
}
