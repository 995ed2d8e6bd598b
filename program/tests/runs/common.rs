//! Models, shares and outputs for the tests of runs.

use rand::{Rng as _, RngExt as _};
use xonn_circuits::tiled::evaluate::evaluate;
use xonn_program::circuit::{self, Held, Run, RunOfModel, Sharing};
use xonn_program::op::{Cut, Line};
use xonn_program::{Kind, OutputEncoding, Program, Range, Tensor, TensorSpec};

pub type Dice = chacha20::ChaCha12Rng;

/// Random numbers for a program.
pub fn model(program: &Program, dice: &mut Dice) -> Vec<Tensor> {
    let tensor = |spec: &TensorSpec| match *spec {
        TensorSpec::Weights { planes, count } => {
            let most = planes.largest() as u64 + 1;
            let weight = |_| planes.weight(dice.next_u64() % most).expect("a weight");
            Tensor::Weights((0..count).map(weight).collect())
        }
        TensorSpec::Cuts { count, range } => {
            let mut cut =
                || Cut { rising: dice.random(), at: dice.random_range(range.lo - 1..=range.hi + 1) };
            Tensor::Cuts((0..count).map(|_| cut()).collect())
        }
        TensorSpec::Lines { count, .. } => {
            let mut line = || Line { scale: dice.random_range(-7..=7), offset: dice.random_range(-30..=29) };
            Tensor::Lines((0..count).map(|_| line()).collect())
        }
        ref other => panic!("no numbers for {other:?}"),
    };
    program.tensors().iter().map(tensor).collect()
}

/// Random shares of values: the client's, the server's, the offsets.
fn share(values: &[i64], sharing: Sharing, dice: &mut Dice) -> (Vec<u64>, Vec<u64>, Vec<i64>) {
    let Sharing { bits, fraction, step, span } = sharing;
    let mut made = (Vec::new(), Vec::new(), Vec::new());
    for &value in values {
        let t = match dice.next_u64() % 4 {
            0 => 0,
            1 => span,
            _ => dice.next_u64() % (span + 1),
        };
        let noise = match dice.next_u64() % 3 {
            0 => 0,
            1 => (1u64 << fraction) - 1,
            _ => dice.next_u64() % (1 << fraction),
        };
        let y1 = dice.next_u64() % (1 << bits);
        let y0 = (t << fraction).wrapping_add(noise).wrapping_sub(y1) % (1 << bits);
        made.0.push(y1);
        made.1.push(y0);
        made.2.push(value - step * t as i64);
    }
    made
}

fn output_bits(program: &Program, last: &[i64]) -> Vec<bool> {
    match *program.output() {
        OutputEncoding::Labels { .. } => last.iter().map(|&bit| bit > 0).collect(),
        OutputEncoding::Scores { bits, .. } => {
            last.iter().flat_map(|score| (0..bits).map(move |i| score >> i & 1 == 1)).collect()
        }
        _ => {
            let best = (0..last.len()).reduce(|best, i| if last[i] > last[best] { i } else { best });
            (0..2).map(|i| best.expect("a class") >> i & 1 == 1).collect()
        }
    }
}

/// Rings in which numbers of `range` are held.
fn rings(range: Range, is_bit: bool) -> Vec<Sharing> {
    let mut rings = Vec::new();
    for step in if is_bit { vec![1, 2] } else { vec![1, 2, 3, 4, 16] } {
        let span = (range.hi - range.lo) as u64 / step as u64;
        let whole = 64 - span.leading_zeros();
        for (more, fraction) in [(0, 0), (0, 2), (1, 0), (1, 1), (3, 3)] {
            rings.push(Sharing { bits: whole.max(1) + more + fraction, fraction, step, span });
        }
    }
    rings
}

/// The runs behind each layer of a program, on the tensors that they read in shares of any kind: how many
/// gave what the layers give.
pub fn all_runs_are_right(program: &Program, dice: &mut Dice) -> usize {
    let (codes, elements) = (program.input().codes(), program.input().elements());
    let last = program.layers().len() - 1;
    let rings = |id: usize| {
        let kind = program.layers()[id].kind;
        rings(kind.range(), kind == Kind::Bit)
    };
    let mut tried = 0;
    for cut in 0..=last {
        let layers: Vec<usize> = (cut + 1..=last).collect();
        let is_read = |id: &usize| layers.iter().any(|&n| program.layers()[n].reads.contains(id));
        let others: Vec<usize> = (0..cut).filter(is_read).collect();
        for sharing in rings(cut) {
            let tensors = model(program, dice);
            let mut held = vec![(cut, sharing)];
            for &id in &others {
                let rings = rings(id);
                held.push((id, rings[dice.random_range(0..rings.len())]));
            }
            let reads: Vec<_> = held.iter().map(|&(id, sharing)| (id, Held::Shares(sharing))).collect();
            let RunOfModel { run, secret } =
                circuit::run_with(program, &tensors, &layers, &reads).expect("a run");
            let public: Run = circuit::run(program, &layers, &reads).expect("a run");
            assert_eq!(run.circuit(), public.circuit(), "public, whatever the model");
            let (mut inputs, mut expected) = (Vec::new(), Vec::new());
            for _ in 0..100 {
                let sample: Vec<i64> = (0..elements).map(|_| dice.random_range(codes.clone())).collect();
                let values = xonn_program::evaluate::tensors(program.layers(), &tensors, &sample);
                let shares: Vec<_> =
                    held.iter().map(|&(id, sharing)| share(&values[id], sharing, dice)).collect();
                let client: Vec<&[u64]> = shares.iter().map(|(y1, ..)| &y1[..]).collect();
                let server: Vec<(&[u64], &[i64])> =
                    shares.iter().map(|(_, y0, offsets)| (&y0[..], &offsets[..])).collect();
                let mut bits = Vec::new();
                public.bits_of_client(&client, &mut bits).expect("a run");
                assert_eq!(bits.len(), run.share_bits());
                run.bits_of_server(&server, &mut bits).expect("a run");
                assert_eq!(bits.len(), run.share_bits() + run.server_bits());
                inputs.push(bits);
                expected.push(output_bits(program, &values[last]));
            }
            let found = evaluate(run.circuit(), &secret, &inputs).expect("a run");
            assert_eq!(found, expected, "layers {held:?}");
            tried += 1;
        }
    }
    tried
}
