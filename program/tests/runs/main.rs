//! The circuit of a run of layers, with what it reads in shares or at the client, against the program's
//! layers.

mod common;
mod pools;

use rand::SeedableRng as _;
use xonn_program::circuit::{self, Held, Sharing};
use xonn_program::op::{Linear, Planes};
use xonn_program::{InputEncoding, Kind, Layer, Op, OutputEncoding, Program, Range};

use common::{Dice, all_runs_are_right, model};

/// Four numbers of three bits, sums, a threshold, sums of signs, lines.
fn program(output: OutputEncoding) -> Program {
    let input = InputEncoding {
        shape: vec![4],
        bits: 3,
        signed: true,
        scale: 1.0,
        zero: 0,
        features: Vec::new(),
        tokens: false,
    };
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

#[test]
fn a_run_on_shares_gives_what_the_layers_give() {
    let dice = &mut Dice::seed_from_u64(1);
    let tried: usize = programs().iter().map(|program| all_runs_are_right(program, dice)).sum();
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
