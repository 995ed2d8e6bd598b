//! The circuit of a run of layers, with what it reads in shares or at the client, against the program's
//! layers.

use rand::{Rng as _, RngExt as _, SeedableRng as _};
use xonn_circuits::tiled::evaluate::evaluate;
use xonn_program::circuit::{self, Held, Run, RunOfModel, Sharing};
use xonn_program::op::{Cut, Line, Linear, Planes};
use xonn_program::{InputEncoding, Kind, Layer, Op, OutputEncoding, Program, Range, Tensor};

type Dice = chacha20::ChaCha12Rng;

/// Four numbers of three bits, sums, a threshold, sums of signs, lines.
fn program(output: OutputEncoding) -> Program {
    let input =
        InputEncoding { shape: vec![4], bits: 3, signed: true, scale: 1.0, zero: 0, features: Vec::new() };
    let int = |lo, hi| Kind::Int(Range { lo, hi });
    let layer = |op, reads: &[usize], n: usize, kind, secret| Layer {
        op,
        reads: reads.to_vec(),
        shape: vec![n],
        kind,
        secret,
    };
    let mut layers = vec![
        layer(Op::Input, &[], 4, int(-4, 3), None),
        layer(Op::Linear(Linear::dense(4, 3, Planes::Ternary)), &[0], 3, int(-32, 32), Some(0)),
        layer(Op::Threshold { cuts: 3 }, &[1], 3, Kind::Bit, Some(1)),
        layer(Op::Linear(Linear::dense(3, 3, Planes::Sign)), &[2], 3, int(-3, 3), Some(2)),
    ];
    match output {
        OutputEncoding::Labels { .. } => {
            layers.push(layer(Op::Threshold { cuts: 1 }, &[3], 3, Kind::Bit, Some(3)));
        }
        _ => layers.push(layer(Op::Scale { lines: 3, bits: 4 }, &[3], 3, int(-64, 63), Some(3))),
    }
    Program::new(input, layers, output).expect("a program")
}

fn programs() -> Vec<Program> {
    let scores = OutputEncoding::Scores { count: 3, bits: 7, scale: 0.5 };
    [OutputEncoding::Labels { units: 3 }, OutputEncoding::Argmax { classes: 3 }, scores].map(program).into()
}

fn model(program: &Program, dice: &mut Dice) -> Vec<Tensor> {
    let mut below = |n: u64| dice.next_u64() % n;
    let mut weights = |planes: Planes, n: usize| {
        let weight = |_| planes.weight(below(planes.largest() as u64 + 1)).expect("a weight");
        Tensor::Weights((0..n).map(weight).collect())
    };
    let mut tensors = vec![weights(Planes::Ternary, 12), Tensor::Cuts(vec![]), weights(Planes::Sign, 9)];
    let mut cut =
        |range: i64| Cut { rising: below(2) == 1, at: below(2 * range as u64 + 3) as i64 - range - 1 };
    tensors[1] = Tensor::Cuts((0..3).map(|_| cut(32)).collect());
    tensors.push(match program.output() {
        OutputEncoding::Labels { .. } => Tensor::Cuts(vec![cut(3)]),
        _ => Tensor::Lines(
            (0..3).map(|_| Line { scale: below(15) as i64 - 7, offset: below(60) as i64 - 30 }).collect(),
        ),
    });
    tensors
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

#[test]
fn a_run_on_shares_gives_what_the_layers_give() {
    let dice = &mut Dice::seed_from_u64(1);
    let mut tried = 0;
    for program in programs() {
        let last = program.layers().len() - 1;
        for cut in 0..=last {
            let layers: Vec<usize> = (cut + 1..=last).collect();
            let kind = program.layers()[cut].kind;
            for sharing in rings(kind.range(), kind == Kind::Bit) {
                let tensors = model(&program, dice);
                let reads = [(cut, Held::Shares(sharing))];
                let RunOfModel { run, secret } =
                    circuit::run_with(&program, &tensors, &layers, &reads).unwrap();
                let public: Run = circuit::run(&program, &layers, &reads).unwrap();
                assert_eq!(run.circuit(), public.circuit(), "public, whatever the model");
                let (mut inputs, mut expected) = (Vec::new(), Vec::new());
                for _ in 0..100 {
                    let sample: Vec<i64> = (0..4).map(|_| dice.random_range(-4..=3)).collect();
                    let values = xonn_program::evaluate::tensors(program.layers(), &tensors, &sample);
                    let (y1, y0, offsets) = share(&values[cut], sharing, dice);
                    let mut bits = Vec::new();
                    public.bits_of_client(&[&y1], &mut bits).unwrap();
                    assert_eq!(bits.len(), run.share_bits());
                    run.bits_of_server(&[(&y0, &offsets)], &mut bits).unwrap();
                    assert_eq!(bits.len(), run.share_bits() + run.server_bits());
                    inputs.push(bits);
                    expected.push(output_bits(&program, &values[last]));
                }
                let found = evaluate(run.circuit(), &secret, &inputs).unwrap();
                assert_eq!(found, expected, "layer {cut} in {sharing:?}");
                tried += 1;
            }
        }
    }
    assert!(tried > 200, "{tried}");
}

/// Where the ring has room for a sign, a threshold costs one AND a bit of the shares but one.
#[test]
fn a_threshold_on_shares_is_their_sign() {
    let program = program(OutputEncoding::Labels { units: 3 });
    let ands = |bits: u32, fraction| {
        let sharing = Sharing { bits, fraction, step: 2, span: 3 };
        let run = circuit::run(&program, &[4], &[(3, Held::Shares(sharing))]).unwrap();
        let costs = run.circuit().costs();
        (run.server_bits(), costs.full + costs.half)
    };
    assert_eq!(ands(3, 0), (9, 6));
    assert_eq!(ands(5, 2), (15, 12));
    // Bits of the shares above those needed are not looked at.
    assert_eq!(ands(12, 2), (15, 12));
    // No room: the sum, its lowest bit beside it, and a comparison.
    let (servers, more) = ands(2, 0);
    assert!(servers == 9 && more > 6, "{servers} {more}");
}

/// Without shares it is the circuit of the whole program, byte for byte.
#[test]
fn a_run_of_all_layers_is_the_program() {
    for program in programs() {
        let all: Vec<usize> = (0..program.layers().len()).collect();
        for layers in [&all[..], &all[1..]] {
            let run = circuit::run(&program, layers, &[(0, Held::Client)]).unwrap();
            assert_eq!(*run.circuit(), circuit::lower(&program).unwrap());
            assert_eq!((run.input_bits(), run.share_bits(), run.server_bits()), (12, 0, 0));
        }
        let tensors = model(&program, &mut Dice::seed_from_u64(2));
        let run = circuit::run_with(&program, &tensors, &all, &[(0, Held::Client)]).unwrap();
        assert_eq!(run.secret, circuit::lower_with(&program, &tensors).unwrap().secret);
    }
}

#[test]
fn what_is_no_run_is_refused() {
    let program = program(OutputEncoding::Argmax { classes: 3 });
    let shares = |bits, fraction, step, span| Held::Shares(Sharing { bits, fraction, step, span });
    let good = shares(8, 2, 1, 63);
    let why = |layers: &[usize], reads: &[(usize, Held)], part: &str| {
        let reason = circuit::run(&program, layers, reads).unwrap_err().to_string();
        assert!(reason.contains(part), "{reason}");
    };
    why(&[2, 3, 4], &[(1, Held::Client)], "not the client's input");
    why(&[2, 3, 4], &[(9, good)], "no such layer");
    why(&[2, 3, 4], &[(1, good), (1, good)], "two forms");
    why(&[3, 2, 4], &[(1, good)], "in order");
    why(&[2, 3, 9], &[(1, good)], "in order");
    why(&[3, 4], &[(1, good)], "nobody holds");
    why(&[2, 3], &[(1, good)], "last tensor");
    why(&[0, 1, 2, 3, 4], &[], "is computed");
    why(&[], &[], "last tensor");
    for bad in [
        shares(0, 0, 1, 0),
        shares(63, 0, 1, 1),
        shares(u32::MAX, 0, 1, 1),
        shares(8, 8, 1, 0),
        shares(8, u32::MAX, 1, 0),
        shares(8, 2, 0, 1),
        shares(8, 2, i64::MIN, 1),
        shares(8, 2, 1, 64),
        shares(8, 2, 1, u64::MAX),
    ] {
        why(&[2, 3, 4], &[(1, bad)], "no shares that a circuit can read");
    }
    // Sums from -3 to 3 in steps of 1 are 0 to 6.
    why(&[4], &[(3, shares(2, 0, 1, 3))], "do not hold numbers from -3 to 3");
    circuit::run(&program, &[4], &[(3, shares(2, 0, i64::MAX, 3))]).unwrap();
}

#[test]
fn shares_of_another_shape_are_errors() {
    let program = program(OutputEncoding::Argmax { classes: 3 });
    let sharing = Sharing { bits: 5, fraction: 1, step: 2, span: 3 };
    let run = circuit::run(&program, &[4], &[(3, Held::Shares(sharing))]).unwrap();
    let bits = &mut Vec::new();
    assert!(run.bits_of_client(&[], bits).is_err());
    assert!(run.bits_of_client(&[&[1, 2]], bits).is_err());
    assert!(run.bits_of_client(&[&[1, 2, 3], &[1, 2, 3]], bits).is_err());
    assert!(run.bits_of_server(&[(&[1, 2, 3], &[1, 2])], bits).is_err());
    // A bit in steps of 2 has no place for an offset that is even.
    let sharing = Sharing { bits: 1, fraction: 0, step: 2, span: 1 };
    let run = circuit::run(&program, &[3, 4], &[(2, Held::Shares(sharing))]).unwrap();
    assert!(run.bits_of_server(&[(&[0, 0, 0], &[-1, -1, 1])], bits).is_ok());
    assert!(run.bits_of_server(&[(&[0, 0, 0], &[-1, -1, 0])], bits).is_err());
}
