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
use xonn_run::garble::{Ciphertexts, EvaluateError, Evaluator, Garbler, Scheme};

/// One garbled run with each scheme, which must agree.
fn run(program: &Program, secret: &[bool], input: &[bool], most: usize) -> Vec<bool> {
    let by = |scheme| run_damaged(scheme, program, secret, input, most, |_, _| ()).expect("untouched");
    let outputs = Scheme::ALL.map(by);
    assert_eq!(outputs[0], outputs[1], "half gates, then three halves");
    outputs.into_iter().next().expect("two")
}

/// One garbled run; `damage` may change tables and decoding in between.
fn run_damaged(
    scheme: Scheme,
    program: &Program,
    secret: &[bool],
    input: &[bool],
    most: usize,
    damage: impl FnOnce(&mut Vec<Vec<Ciphertexts>>, &mut Vec<Block>),
) -> Result<Vec<bool>, EvaluateError> {
    let rng = &mut rand::rng();
    let (garbling, evaluation) = (Plan::new(program, Role::Garbler), Plan::new(program, Role::Evaluator));
    check_bytes(&garbling, scheme);
    assert!(
        garbling.segment_lengths(scheme).eq(evaluation.segment_lengths(scheme)),
        "both hosts cut at the same places"
    );
    let (delta, hash) = (Block::random(rng).with_lsb_set(), Tccr::new(Block::random(rng)));
    let zero: Vec<Block> = input.iter().map(|_| Block::random(rng)).collect();
    let active = zero.iter().zip(input).map(|(&w, &bit)| w ^ delta.masked(bit)).collect();
    let mut garbler = Garbler::new(&garbling, scheme, secret, [delta, Block::random(rng)], hash, zero);
    let mut batches = Vec::new();
    loop {
        match garbler.garble(most) {
            tables if tables.is_empty() => break,
            tables => batches.push(tables),
        }
    }
    let mut decoding = garbler.decoding();
    damage(&mut batches, &mut decoding);
    let mut evaluator = Evaluator::new(&evaluation, scheme, hash, active);
    for tables in &batches {
        let lengths: Vec<usize> = tables.iter().map(Ciphertexts::len).collect();
        assert_eq!(evaluator.upcoming(most), lengths);
        evaluator.evaluate(tables)?;
    }
    assert!(evaluator.upcoming(1).is_empty());
    evaluator.decode(&decoding)
}

/// What is sent is what the papers say: 256 bits, or 192 and 5 bits, for an AND of hidden wires, 128 for one with a known bit.
fn check_bytes(plan: &Plan<'_>, scheme: Scheme) {
    let costs = plan.program().costs();
    let halves: u64 = 8 * (costs.half_gate_bytes() / 16 - 2 * costs.full) * 16;
    let bits = |full_bits| costs.full * full_bits + halves;
    let (bytes, segments) = (plan.bytes(scheme), plan.segment_lengths(scheme).len() as u64);
    match scheme {
        Scheme::HalfGates => assert_eq!(8 * bytes, bits(256)),
        // The control bits of a segment are filled up to a byte.
        Scheme::ThreeHalves => assert!((bits(197)..bits(197) + 8 * segments).contains(&(8 * bytes))),
    }
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
        prop_assert_eq!(run(&program, &secret, &mine, 3), want);
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
            assert_eq!(run(&program, &secret, &input, most), want);
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
        let want = run(&program, &secret, &input, 2);
        assert_eq!(run(&flat, &secret, &input, 2), want);
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
    assert!(Plan::new(&program, Role::Garbler).segment_lengths(Scheme::HalfGates).len() >= 3);
    for seed in 0..3 {
        let (secret, input) = (bits(seed, 8), bits(seed + 9, 8));
        let all: Vec<bool> = secret.iter().chain(&input).copied().collect();
        let want = evaluate_bits(&netlist, &all);
        assert_eq!(run(&program, &secret, &input, 4), want);
    }
}

#[test]
fn damaged_tables_or_decoding_give_an_error_or_the_right_answer() {
    let program = binary_layer(9);
    let (secret, input) = (bits(1, program.secret_bits() as usize), bits(2, program.input_bits()));
    let want = evaluate(&program, &secret, std::slice::from_ref(&input)).expect("lengths fit").remove(0);
    let (mut wrong, mut right) = (0, 0);
    for at in 0..800usize {
        let outcome = run_damaged(Scheme::ALL[at % 2], &program, &secret, &input, 2, |batches, decoding| {
            let tables = batches.iter_mut().flatten().flat_map(Ciphertexts::as_bytes_mut);
            let mut all: Vec<&mut u8> = tables.chain(Block::as_bytes_mut(decoding)).collect();
            let count = all.len();
            *all[at * 1_000_003 % count] ^= 1 << (at / 2 * 5 % 8);
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
    assert!(wrong > 200 && right > 200, "{wrong} noticed, {right} without effect");
}

#[test]
fn a_segment_of_another_length_is_refused() {
    let program = binary_layer(3);
    let plan = Plan::new(&program, Role::Evaluator);
    let rng = &mut rand::rng();
    let labels = vec![Block::random(rng); program.input_bits()];
    for scheme in Scheme::ALL {
        let mut evaluator = Evaluator::new(&plan, scheme, Tccr::new(Block::ZERO), labels.clone());
        let mut short = Ciphertexts::default();
        short.resize(evaluator.upcoming(1)[0] - 1);
        let error = evaluator.evaluate(&[short]).expect_err("too short");
        assert!(matches!(error, EvaluateError::Length { .. }));
    }
}
