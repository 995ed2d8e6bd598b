//! Garbler and evaluator joined in memory against plaintext evaluation.

mod common;

use common::{arbitrary_netlist, bits};
use proptest::prelude::*;
use xonn_circuits::bristol;
use xonn_circuits::builder::Builder;
use xonn_circuits::eval::evaluate_bits;
use xonn_circuits::program::{Program, evaluate::evaluate, flatten::flatten};
use xonn_run::bench::binary_layer;
use xonn_run::block::{Block, Tccr};
use xonn_run::garble::plan::{Plan, Role};
use xonn_run::garble::{EvaluateError, Evaluator, Garbler};

/// One garbled run; `damage` may change tables and decoding in between.
fn run(
    program: &Program,
    secret: &[bool],
    input: &[bool],
    most: usize,
    damage: impl FnOnce(&mut Vec<Vec<Vec<Block>>>, &mut Vec<Block>),
) -> Result<Vec<bool>, EvaluateError> {
    let rng = &mut rand::rng();
    let (garbling, evaluation) = (Plan::new(program, Role::Garbler), Plan::new(program, Role::Evaluator));
    assert_eq!(garbling.ciphertexts(), program.costs().half_gate_bytes() / 16);
    assert!(garbling.segment_lengths().eq(evaluation.segment_lengths()), "both hosts cut at the same places");
    let (delta, hash) = (Block::random(rng).with_lsb_set(), Tccr::new(Block::random(rng)));
    let zero: Vec<Block> = input.iter().map(|_| Block::random(rng)).collect();
    let active = zero.iter().zip(input).map(|(&w, &bit)| w ^ delta.masked(bit)).collect();
    let mut garbler = Garbler::new(&garbling, secret, delta, hash, zero);
    let mut batches = Vec::new();
    loop {
        match garbler.garble(most) {
            tables if tables.is_empty() => break,
            tables => batches.push(tables),
        }
    }
    let mut decoding = garbler.decoding();
    damage(&mut batches, &mut decoding);
    let mut evaluator = Evaluator::new(&evaluation, hash, active);
    for tables in &batches {
        let lengths: Vec<usize> = tables.iter().map(Vec::len).collect();
        assert_eq!(evaluator.upcoming(most), lengths);
        evaluator.evaluate(tables)?;
    }
    assert!(evaluator.upcoming(1).is_empty());
    evaluator.decode(&decoding)
}

proptest! {
    #[test]
    fn any_netlist_with_any_owner_of_inputs(
        netlist in arbitrary_netlist(),
        values in prop::collection::vec(any::<bool>(), 64),
        garbler_holds in prop::collection::vec(any::<bool>(), 3),
    ) {
        let groups: Vec<usize> = (0..3).filter(|&g| garbler_holds[g]).collect();
        prop_assume!(groups.len() < 3);
        let input: Vec<bool> = values[..netlist.input_bits()].to_vec();
        let want = evaluate_bits(&netlist, &input);
        let (mut secret, mut mine, mut at) = (Vec::new(), Vec::new(), 0);
        for (group, &bits) in netlist.inputs().iter().enumerate() {
            let part = &input[at..at + bits as usize];
            if groups.contains(&group) { secret.extend(part) } else { mine.extend(part) }
            at += bits as usize;
        }
        let program = Program::from_netlist(netlist, &groups).expect("valid");
        prop_assert_eq!(run(&program, &secret, &mine, 3, |_, _| ()).expect("untouched"), want);
    }
}

#[test]
fn layers_of_many_instances_agree_with_plaintext_whatever_the_batch() {
    for fan_in in [1u32, 2, 9, 128] {
        let program = binary_layer(fan_in);
        let secret = bits(11, program.secret_bits() as usize);
        let input = bits(5, program.input_bits());
        let want = evaluate(&program, &secret, std::slice::from_ref(&input)).expect("lengths fit").remove(0);
        assert!(want.contains(&true) && want.contains(&false), "a test with one answer shows little");
        for most in [1, 2, 7, 1000] {
            assert_eq!(run(&program, &secret, &input, most, |_, _| ()).expect("untouched"), want);
        }
    }
}

/// The flat file of a program, read again, garbles to the program's answers.
#[test]
fn a_flattened_program_garbles_to_the_same_answers() {
    let program = binary_layer(9);
    let mut text = Vec::new();
    flatten(&program, &mut text, |_, _| ()).expect("it can be written");
    let netlist = bristol::read(&text[..], "flat").expect("it is valid").netlist;
    let flat = Program::from_netlist(netlist, &[0]).expect("valid");
    assert_eq!(flat.costs(), program.costs());
    for seed in 0..3 {
        let (secret, input) =
            (bits(seed, program.secret_bits() as usize), bits(seed + 9, program.input_bits()));
        let want = run(&program, &secret, &input, 2, |_, _| ()).expect("untouched");
        assert_eq!(run(&flat, &secret, &input, 2, |_, _| ()).expect("untouched"), want);
    }
}

/// A template of more than two pieces: a chain of 100,000 full ANDs, once and three times side by side.
#[test]
fn long_templates_are_garbled_in_pieces() {
    let mut b = Builder::new();
    let (g, x) = (b.input(8), b.input(8));
    let mut wires: Vec<_> = g.iter().zip(&x).map(|(&g, &x)| b.xor(g, x)).collect();
    for i in 0..100_000 {
        let and = b.and(wires[i % 8], wires[(i + 3) % 8]);
        wires[i % 8] = b.xor(and, wires[(i + 1) % 8]);
    }
    let netlist = b.finish(&[wires]);
    let program = Program::from_netlist(netlist.clone(), &[0]).expect("valid");
    assert!(Plan::new(&program, Role::Garbler).segment_lengths().len() >= 3);
    for seed in 0..3 {
        let (secret, input) = (bits(seed, 8), bits(seed + 9, 8));
        let all: Vec<bool> = secret.iter().chain(&input).copied().collect();
        let want = evaluate_bits(&netlist, &all);
        assert_eq!(run(&program, &secret, &input, 4, |_, _| ()).expect("untouched"), want);
    }
}

#[test]
fn damaged_tables_or_decoding_give_an_error_or_the_right_answer() {
    let program = binary_layer(9);
    let (secret, input) = (bits(1, program.secret_bits() as usize), bits(2, program.input_bits()));
    let want = evaluate(&program, &secret, std::slice::from_ref(&input)).expect("lengths fit").remove(0);
    let (mut wrong, mut right) = (0, 0);
    for at in 0..400usize {
        let outcome = run(&program, &secret, &input, 2, |batches, decoding| {
            let mut all: Vec<&mut Block> = batches.iter_mut().flatten().flatten().collect();
            let count = all.len();
            let place = at * 131 % (count + decoding.len());
            let flip = Block::from(1u128 << (at * 37 % 128));
            if place < count { *all[place] ^= flip } else { decoding[place - count] ^= flip }
        });
        match outcome {
            Ok(bits) => {
                assert_eq!(bits, want, "a damaged run may not lie");
                right += 1;
            }
            Err(error) => {
                assert!(matches!(error, EvaluateError::WrongLabel { .. }));
                wrong += 1;
            }
        }
    }
    // A ciphertext is used for half of the label pairs, so both outcomes are frequent.
    assert!(wrong > 100 && right > 100, "{wrong} noticed, {right} without effect");
}

#[test]
fn a_segment_of_another_length_is_refused() {
    let program = binary_layer(3);
    let plan = Plan::new(&program, Role::Evaluator);
    let rng = &mut rand::rng();
    let labels = vec![Block::random(rng); program.input_bits()];
    let mut evaluator = Evaluator::new(&plan, Tccr::new(Block::ZERO), labels);
    let expected = evaluator.upcoming(1)[0];
    let error = evaluator.evaluate(&[vec![Block::ZERO; expected - 1]]).expect_err("too short");
    assert!(matches!(error, EvaluateError::Length { .. }));
}
