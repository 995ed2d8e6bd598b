use proptest::prelude::*;

use super::*;
use crate::eval::evaluate_bits;
use crate::knowledge::analysis::{analyse, usual_classes};
use crate::netlist::Gates;

/// Any small netlist and one class an input bit.
fn any_classified() -> impl Strategy<Value = (Netlist, Vec<Class>)> {
    let gates = proptest::collection::vec((0..9u8, any::<u32>(), any::<u32>()), 0..24);
    let classes = proptest::collection::vec(0..8u8, 6);
    (gates, classes, 1..4u32).prop_map(|(gates, classes, outputs)| {
        let mut wires = 6;
        let mut all = Gates::default();
        for (kind, a, b) in gates {
            let (a, b, out) = (WireId(a % wires), WireId(b % wires), WireId(wires));
            all.push(match kind {
                0..4 => Gate::And { a, b, out },
                4..7 => Gate::Xor { a, b, out },
                7 => Gate::Inv { a, out },
                _ => Gate::Copy { a, out },
            });
            wires += 1;
        }
        let classes = classes.into_iter().map(|c| match c {
            0 => Class::Garbler,
            1 => Class::Hidden,
            2 => Class::Public(true),
            _ => Class::Evaluator,
        });
        let netlist =
            Netlist::from_parts(wires, vec![2, 3, 1], vec![outputs], all).expect("valid by construction");
        (netlist, classes.collect())
    })
}

/// The fewest bytes, by trying every set of the evaluator's wires as inputs.
fn fewest_bytes(netlist: &Netlist, inputs: &[Class], input_bytes: u64) -> u64 {
    let class = classify(netlist, inputs);
    let own: Vec<usize> = (0..class.len()).filter(|&w| class[w] == Class::Evaluator).collect();
    let cost = |set: u32| {
        let enters = |w: usize| own.iter().position(|&o| o == w).is_some_and(|i| set >> i & 1 == 1);
        let mut needed = labelled(netlist, &class);
        let mut bytes = u64::from(set.count_ones()) * input_bytes;
        for gate in netlist.gates().iter().rev() {
            let out = gate.out().index();
            if needed[out] && !enters(out) && class[out] == Class::Evaluator {
                bytes += if is_product(gate, &class) { HALF_GATE } else { 0 };
                let own = gate.operands().filter(|w| class[w.index()] == Class::Evaluator);
                own.for_each(|w| needed[w.index()] = true);
            }
        }
        (0..inputs.len()).all(|i| !needed[i] || enters(i)).then_some(bytes)
    };
    (0..1u32 << own.len()).filter_map(cost).min().expect("all inputs may enter")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_parts_together_are_the_original((netlist, classes) in any_classified(), input_bytes in 0..40u64) {
        let split = split_evaluator_local(&netlist, &classes, input_bytes);
        prop_assert!(split.bytes_after <= split.bytes_before);
        prop_assert_eq!(split.main.outputs(), netlist.outputs());
        prop_assert_eq!(split.main.input_bits(), split.classes.len());
        prop_assert_eq!(&split_evaluator_local(&netlist, &classes, input_bytes), &split, "one choice for both hosts");
        for value in 0..64u32 {
            let bit = |i: usize| match classes[i] {
                Class::Public(value) => value,
                _ => value >> i & 1 == 1,
            };
            let (own, rest): (Vec<usize>, Vec<usize>) = (0..6).partition(|&i| classes[i] == Class::Evaluator);
            let own: Vec<bool> = own.into_iter().map(bit).collect();
            let mut input: Vec<bool> = rest.into_iter().map(bit).collect();
            input.extend(evaluate_bits(&split.local, &own));
            let all: Vec<bool> = (0..6).map(bit).collect();
            prop_assert_eq!(evaluate_bits(&split.main, &input), evaluate_bits(&netlist, &all));
        }
    }

    #[test]
    fn no_choice_takes_fewer_bytes((netlist, classes) in any_classified(), input_bytes in 1..40u64) {
        let own = classify(&netlist, &classes).iter().filter(|&&c| c == Class::Evaluator).count();
        prop_assume!(own <= 14);
        let found = split_evaluator_local(&netlist, &classes, input_bytes).bytes_after;
        prop_assert_eq!(found, fewest_bytes(&netlist, &classes, input_bytes));
    }
}

#[test]
fn a_dear_input_bit_is_not_worth_a_half_gate_that_is_there() {
    // Three products of two inputs, all of which meet the garbler's bits: three bits enter instead of two, or not.
    let mut b = Builder::new();
    let (g, e) = (b.input(4), b.input(2));
    let differ = b.xor(e[0], e[1]);
    let both = b.and(e[0], e[1]);
    let met: Vec<WireId> = [both, differ, e[0]].iter().zip(&g).map(|(&e, &g)| b.and(e, g)).collect();
    let netlist = b.finish(&[met]);
    let classes = usual_classes(&netlist);
    let dear = split_evaluator_local(&netlist, &classes, 17);
    assert_eq!((dear.bytes_after, dear.main.stats().and), (2 * 17 + 16, 4));
    let cheap = split_evaluator_local(&netlist, &classes, 15);
    assert_eq!((cheap.bytes_after, cheap.main.stats().and), (3 * 15, 3));
    let after = analyse(&cheap.main, &cheap.classes);
    assert_eq!((after.and.half, after.evaluator_local, after.and.half_gate_bytes()), (3, 0, 48));
}

#[test]
fn nothing_is_split_where_the_evaluator_computes_nothing() {
    let mut b = Builder::new();
    let (g, e) = (b.input(8), b.input(8));
    let met: Vec<WireId> = g.iter().zip(&e).map(|(&g, &e)| b.xor(g, e)).collect();
    let out = met[1..].iter().fold(met[0], |all, &bit| b.and(all, bit));
    let netlist = b.finish(&[vec![out]]);
    let split = split_evaluator_local(&netlist, &usual_classes(&netlist), 20);
    assert_eq!((split.bytes_before, split.bytes_after), (160, 160));
    assert_eq!((split.main.inputs(), split.main.stats()), (&[8, 0, 8][..], netlist.stats()));
    assert_eq!(split.local.gates().len(), 8, "inputs passed through");
}
