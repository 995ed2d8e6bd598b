//! Sums that meet before they are read: the server checks their margin with its own weights.

use xonn_crypto::garble::Scheme;
use xonn_program::op::{Cut, Linear, Planes, Window2d};
use xonn_program::{InputEncoding, Kind, Layer, Op, OutputEncoding, Program, Range, Tensor};
use xonn_protocols::plan::{How, Plan};
use xonn_protocols::run::Server;
use xonn_protocols::{planner, rlwe};

const UNITS: usize = 16;

/// Signs of the sums of two dense layers, one of all bits of the input, one of a pool of it (of `pooled` bits
/// an element, so sums of other widths); weights of any one size.
fn residual(bits: usize, pooled: usize) -> (Program, Vec<Tensor>) {
    let all = bits * pooled;
    let range = |most: usize| Kind::Int(Range { lo: -(most as i64), hi: most as i64 });
    let layer = |op, reads, shape, kind, secret| Layer { op, reads, shape, kind, secret };
    let window = Window2d {
        input: [pooled, bits, 1],
        kernel: [pooled, 1],
        stride: [1; 2],
        dilation: [1; 2],
        pad_low: [0; 2],
        output: [1, bits],
    };
    let dense = |inputs| Op::Linear(Linear::dense(inputs, UNITS, Planes::Sign));
    let flat = |count| Op::Permute { source: (0..count).collect() };
    let sums = vec![1, 1, UNITS];
    let layers = vec![
        layer(Op::Input, vec![], vec![pooled, bits, 1], Kind::Int(Range { lo: 0, hi: 1 }), None),
        layer(Op::SumPool { window }, vec![0], vec![1, bits, 1], range(pooled), None),
        layer(flat(all), vec![0], vec![1, 1, all], Kind::Int(Range { lo: 0, hi: 1 }), None),
        layer(flat(bits), vec![1], vec![1, 1, bits], range(pooled), None),
        layer(dense(all), vec![2], sums.clone(), range(all), Some(0)),
        layer(dense(bits), vec![3], sums.clone(), range(all), Some(1)),
        layer(Op::Add, vec![4, 5], sums.clone(), range(2 * all), None),
        layer(Op::Threshold { cuts: UNITS }, vec![6], sums, Kind::Bit, Some(2)),
    ];
    let shape = vec![pooled as u32, bits as u32, 1];
    let input =
        InputEncoding { shape, bits: 1, signed: false, scale: 1.0, zero: 0, features: vec![], tokens: false };
    let output = OutputEncoding::Labels { units: UNITS as u32 };
    let weights = |inputs: usize| Tensor::Weights(vec![1; inputs * UNITS]);
    let cuts = Tensor::Cuts(vec![Cut { rising: true, at: 3 }; UNITS]);
    (Program::new(input, layers, output).expect("a program"), vec![weights(all), weights(bits), cuts])
}

fn planned(program: &Program) -> Plan {
    planner::on_shares(program, Scheme::HalfGates).expect("a plan")
}

/// With few guard bits each of two sums holds its own bound, and their sum does not.
#[test]
fn the_server_refuses_sums_of_sums_with_too_much_noise() {
    let (program, tensors) = residual(40, 3);
    let plan = planned(&program);
    Server::new(plan.clone(), &program, &tensors).expect("a plan of ours holds its bound");

    let least = rlwe::sigmas_for(rlwe::neurons(&program));
    let mut noisy = plan;
    for stage in &mut noisy.stages {
        let How::Rlwe(choice) = &mut stage.how else { continue };
        let Op::Linear(linear) = &program.layers()[stage.layers[0]].op else { panic!("sums") };
        let weights = vec![1; linear.weight_count()];
        let margin = |guard, terms| {
            rlwe::margin(linear, &rlwe::Choice { guard, ..*choice }, &weights, terms).expect("a margin")
        };
        let mut guards = (0..12).flat_map(|ga| (0..=ga).map(move |gb| [ga, gb]));
        let found = guards.find(|&guard| margin(guard, 1) >= least && margin(guard, 2) < least);
        choice.guard = found.expect("guard bits for one sum, and not for two");
    }
    let error = Server::new(noisy, &program, &tensors).map(|_| ()).expect_err("too much noise").to_string();
    assert!(error.starts_with("layer 7: the sums of layer 6 are"), "{error}");
    assert!(error.contains("noisy ones added up, with a margin of"), "{error}");
}

/// Where sums of different widths meet, and so with different bits of fraction, plans of ours hold for
/// weights that make as much noise as weights can.
#[test]
fn plans_hold_whatever_meets() {
    let mut fractions = 0;
    for bits in [3, 9, 20, 40, 100, 200] {
        for pooled in [1, 2, 5, 17, 60] {
            let (program, tensors) = residual(bits, pooled);
            let plan = planned(&program);
            let of_sums = plan.stages.iter().filter_map(|stage| match stage.how {
                How::Rlwe(choice) => Some(choice.fraction),
                _ => None,
            });
            let of_sums: Vec<u32> = of_sums.collect();
            fractions += usize::from(of_sums.len() == 2 && of_sums[0] != of_sums[1]);
            Server::new(plan, &program, &tensors).unwrap_or_else(|error| panic!("{bits} {pooled}: {error}"));
        }
    }
    println!("{fractions} with two fractions");
}
