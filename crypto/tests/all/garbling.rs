//! Garbler and evaluator joined in memory against plaintext evaluation.

use crate::common::{arbitrary_netlist, bits};
use proptest::prelude::*;
use proptest::sample::Index;
use xonn_circuits::bristol;
use xonn_circuits::builder::Builder;
use xonn_circuits::eval::evaluate_bits;
use xonn_circuits::netlist::Netlist;
use xonn_circuits::tiled::sample::binary_layer;
use xonn_circuits::tiled::{
    Axis, IndexMap, Layer, LayerInfo, Port, Source, Tile, TiledCircuit, evaluate::evaluate, flatten::flatten,
};
use xonn_crypto::block::{Block, Tccr};
use xonn_crypto::garble::schedule::{Role, Schedule};
use xonn_crypto::garble::{Ciphertexts, EvaluateError, Evaluator, Garbler, Scheme, Secrets};
use xonn_crypto::label::{Label, ZeroLabel};

/// One garbled run with each scheme, which must agree.
fn run(program: &TiledCircuit, secret: &[bool], input: &[bool], most: usize) -> Vec<bool> {
    let by = |scheme| run_damaged(scheme, program, secret, input, most, |_, _| ()).expect("untouched");
    let outputs = Scheme::ALL.map(by);
    assert_eq!(outputs[0], outputs[1], "half gates, then three halves");
    outputs.into_iter().next().expect("two")
}

/// One garbled run; `damage` may change tables and decoding in between.
fn run_damaged(
    scheme: Scheme,
    program: &TiledCircuit,
    secret: &[bool],
    input: &[bool],
    most: usize,
    damage: impl FnOnce(&mut Vec<Vec<Ciphertexts>>, &mut Vec<Block>),
) -> Result<Vec<bool>, EvaluateError> {
    let rng = &mut rand::rng();
    let (garbling, evaluation) =
        (Schedule::new(program, Role::Garbler), Schedule::new(program, Role::Evaluator));
    check_bytes(&garbling, scheme);
    assert!(
        garbling.segment_lengths(scheme).eq(evaluation.segment_lengths(scheme)),
        "both hosts cut at the same places"
    );
    let (secrets, hash) = (Secrets::random(rng), Tccr::new(Block::random(rng)));
    let zero: Vec<ZeroLabel> = input.iter().map(|_| ZeroLabel::random(rng)).collect();
    let active = zero.iter().zip(input).map(|(&zero, &bit)| zero.label(bit, &secrets.delta)).collect();
    let mut garbler = Garbler::new(&garbling, scheme, secret, secrets, hash, zero);
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

/// What is sent is what the papers say: 256 bits, or 192 and 5 bits, for an AND of hidden wires, 128 for one
/// with a known bit.
fn check_bytes(schedule: &Schedule, scheme: Scheme) {
    let costs = schedule.program().costs();
    let halves: u64 = 8 * (costs.half_gate_bytes() / 16 - 2 * costs.full) * 16;
    let bits = |full_bits| costs.full * full_bits + halves;
    let (bytes, segments) = (schedule.bytes(scheme), schedule.segment_lengths(scheme).len() as u64);
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
        let program = TiledCircuit::from_netlist(netlist, &groups).expect("valid");
        prop_assert_eq!(run(&program, &secret, &mine, 3), want);
    }
}

/// Full adders, some of which begin with a sum that is already there, as the half of another adder: what the
/// fusing of full adders has to tell apart.
fn arbitrary_adders() -> impl Strategy<Value = Netlist> {
    let adder = (any::<[Index; 3]>(), any::<Option<Index>>(), any::<[u8; 5]>(), any::<[bool; 2]>());
    let groups = prop::collection::vec(1usize..3, 3);
    (groups, prop::collection::vec(adder, 2..8)).prop_map(|(groups, adders)| {
        let mut b = Builder::new();
        let mut wires: Vec<_> = groups.iter().flat_map(|&bits| b.input(bits)).collect();
        // XORs that are there, with their operands.
        let mut xors = Vec::new();
        let mut outputs = Vec::new();
        for (operands, begun, seen, [sum_first, by_y]) in adders {
            let [x, y, c] = operands.map(|at| *at.get(&wires));
            // The newest are the likeliest to be near enough.
            let recent = &xors[xors.len().saturating_sub(3)..];
            let (xc, x, c) = match begun.filter(|_| !recent.is_empty()) {
                Some(at) => *at.get(recent),
                None => (b.xor(x, c), x, c),
            };
            let yc = b.xor(y, c);
            let sum = |b: &mut Builder| if by_y { (b.xor(yc, x), yc, x) } else { (b.xor(xc, y), xc, y) };
            let early = sum_first.then(|| sum(&mut b));
            let both = b.and(xc, yc);
            let late = early.unwrap_or_else(|| sum(&mut b));
            let carry = b.xor(both, c);
            xors.extend([late, (late.0, late.2, late.1), (carry, both, c)]);
            let made = [late.0, xc, yc, both, carry];
            wires.extend(made.iter().zip(seen).filter(|(_, seen)| seen % 4 == 0).map(|(&wire, _)| wire));
            // What nobody reads is not in the netlist.
            outputs.push(carry);
            outputs.extend((seen[0] % 3 > 0).then_some(late.0));
        }
        b.finish(&[outputs])
    })
}

/// So many instances of a netlist side by side, each with inputs of its own, the garbler holding some groups
/// of each.
fn side_by_side(netlist: Netlist, garblers: &[usize], count: u32) -> TiledCircuit {
    let axis = |extent: u32| vec![Axis { extent, stride: 1 }];
    let bits_of = |whose: bool| {
        let groups = netlist.inputs().iter().enumerate();
        groups
            .filter(|(group, _)| garblers.contains(group) == whose)
            .map(|(_, &bits)| u64::from(bits))
            .sum::<u64>()
    };
    let (secret, input, outputs) = (bits_of(true), bits_of(false), netlist.output_bits() as u32);
    let (mut secrets, mut inputs) = (0, 0);
    let ports = netlist.inputs().iter().enumerate().map(|(group, &bits)| {
        let (source, of, at) = match garblers.contains(&group) {
            true => (Source::Secret, secret, &mut secrets),
            false => (Source::Input, input, &mut inputs),
        };
        let map = IndexMap { base: *at, outer: vec![of], inner: axis(bits) };
        *at += u64::from(bits);
        Port { source, map }
    });
    let block = Tile {
        template: 0,
        grid: vec![count],
        inputs: ports.collect(),
        output: IndexMap { base: 0, outer: vec![outputs.into()], inner: axis(outputs) },
    };
    let info = LayerInfo { name: "adders".into(), kind: "adders".into(), shape: vec![count], fan_in: 1 };
    let layer = Layer { info, bits: u64::from(outputs * count), tiles: vec![block] };
    let secret_bits = secret * u64::from(count);
    TiledCircuit::new(input * u64::from(count), secret_bits, vec![netlist], vec![layer]).expect("valid")
}

/// The carry of one adder is inside of the next, and the sum of the one is an operand of the other.
#[test]
fn adders_that_share_wires_agree_with_plaintext() {
    let mut b = Builder::new();
    let [x, y, c, z] = b.input(4)[..] else { unreachable!("four were asked for") };
    let (xc, yc) = (b.xor(x, c), b.xor(y, c));
    let a1 = b.and(xc, yc);
    let s1 = b.xor(xc, y);
    let c1 = b.xor(a1, c);
    let zy = b.xor(z, y);
    let a2 = b.and(s1, zy);
    let s2 = b.xor(s1, z);
    let c2 = b.xor(a2, y);
    let program = side_by_side(b.finish(&[vec![c1, s2, c2]]), &[], 16);
    let input: Vec<bool> = (0..16).flat_map(|row| (0..4).map(move |bit| row >> bit & 1 == 1)).collect();
    let want = evaluate(&program, &[], std::slice::from_ref(&input)).expect("lengths fit").remove(0);
    assert_eq!(run(&program, &[], &input, 3), want);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn any_adders_side_by_side_with_any_owner_of_inputs(
        netlist in prop_oneof![arbitrary_adders(), arbitrary_netlist()],
        count in 2u32..20,
        garbler_holds in prop::collection::vec(prop::bool::weighted(0.2), 3),
        seed in any::<u64>(),
    ) {
        let groups: Vec<usize> = (0..3).filter(|&g| garbler_holds[g]).collect();
        prop_assume!(groups.len() < 3);
        let program = side_by_side(netlist, &groups, count);
        let secret = bits(seed, program.secret_bits() as usize);
        let input = bits(!seed, program.input_bits());
        let want = evaluate(&program, &secret, std::slice::from_ref(&input)).expect("lengths fit").remove(0);
        prop_assert_eq!(run(&program, &secret, &input, 3), want);
    }
}

#[test]
fn layers_of_many_instances_agree_with_plaintext_whatever_the_batch() {
    for fan_in in [1u32, 2, 9, 128] {
        let program = binary_layer(fan_in, 1024);
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
    let program = binary_layer(9, 1024);
    let mut text = Vec::new();
    flatten(&program, &mut text, |_, _| ()).expect("it can be written");
    let netlist = bristol::read(&text[..], "flat").expect("it is valid").netlist;
    let flat = TiledCircuit::from_netlist(netlist, &[0]).expect("valid");
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
    let program = TiledCircuit::from_netlist(netlist.clone(), &[0]).expect("valid");
    assert!(Schedule::new(&program, Role::Garbler).segment_lengths(Scheme::HalfGates).len() >= 3);
    for seed in 0..3 {
        let (secret, input) = (bits(seed, 8), bits(seed + 9, 8));
        let all: Vec<bool> = secret.iter().chain(&input).copied().collect();
        let want = evaluate_bits(&netlist, &all);
        assert_eq!(run(&program, &secret, &input, 4), want);
    }
}

#[test]
fn damaged_tables_or_decoding_give_an_error_or_the_right_answer() {
    let program = binary_layer(9, 1024);
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
    let program = binary_layer(3, 1024);
    let schedule = Schedule::new(&program, Role::Evaluator);
    let rng = &mut rand::rng();
    let labels = vec![Label::from_block(Block::random(rng)); program.input_bits()];
    for scheme in Scheme::ALL {
        let mut evaluator = Evaluator::new(&schedule, scheme, Tccr::new(Block::ZERO), labels.clone());
        let mut short = Ciphertexts::default();
        short.resize(evaluator.upcoming(1)[0] - 1);
        let error = evaluator.evaluate(&[short]).expect_err("too short");
        assert!(matches!(error, EvaluateError::Length { .. }));
    }
}
