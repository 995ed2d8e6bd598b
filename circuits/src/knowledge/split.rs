//! Takes out of a netlist what the evaluator can compute for itself.
//!
//! A wire that only the evaluator knows, and that meets other wires, needs a label. It gets one in one of two ways: as an
//! input bit of its own, whose value the evaluator computed beforehand, or by garbling: XOR and INV for nothing, AND as an
//! evaluator half gate of 16 bytes, from wires that have labels. Which wires become inputs is chosen such that all bytes
//! together are the fewest: a smallest cut (Ford and Fulkerson 1956) of the evaluator's part of the netlist. Both hosts
//! find the same one, since they find it in public data.
//!
//! **What a cheating evaluator gains.** Inputs of the new netlist are chosen freely. Where the local part does not reach
//! every combination of its output bits, an evaluator that deviates can enter one that no input leads to, and learns what
//! the main netlist makes of it. So what the garbler agrees to reveal is the *main* netlist's function on any input. An
//! honest-but-curious evaluator learns exactly what it did before. Evaluator half gates alone, without a split, do not
//! have this problem: their operand is bound by its label.

#[cfg(test)]
mod tests;

use super::analysis::labelled;
use super::flow::{Network, SINK, SOURCE, UNLIMITED};
use super::{Class, classify};
use crate::builder::Builder;
use crate::netlist::{Gate, Netlist, WireId};

/// Bytes of an evaluator half gate.
const HALF_GATE: u64 = 16;

/// A netlist in two parts: `original(x) = main(rest of x, local(evaluator's bits of x))`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Split {
    /// What the evaluator computes in the clear. One input group: the evaluator's bits, in order. One output group: the
    /// bits that it brings into `main`, some of them inputs passed through.
    pub local: Netlist,
    /// What is garbled. The input groups of the original without the evaluator's bits, then one group more: the outputs of
    /// `local`. The output groups are the original's.
    pub main: Netlist,
    /// One class for each input bit of `main`.
    pub classes: Vec<Class>,
    /// Bytes for the evaluator's part without a split: all its input bits, and a half gate for each of its ANDs.
    pub bytes_before: u64,
    /// Bytes for the evaluator's part of `main`: its input bits, and half gates for ANDs that were cheaper to garble.
    pub bytes_after: u64,
}

/// Splits `netlist`, given one class an input bit and the bytes that an input bit of the evaluator costs (a label by
/// oblivious transfer: 20 with 4 bytes of OT extension and 16 of correction).
///
/// # Panics
/// If `inputs` does not have the netlist's input bits.
///
/// # Example
/// ```
/// use xonn_circuits::builder::Builder;
/// use xonn_circuits::knowledge::{analysis::usual_classes, split::split_evaluator_local};
/// // The garbler's bit masks the AND of four bits of the evaluator: one bit enters instead of four.
/// let mut b = Builder::new();
/// let (g, e) = (b.input(1), b.input(4));
/// let all = e[1..].iter().fold(e[0], |all, &bit| b.and(all, bit));
/// let out = b.xor(all, g[0]);
/// let netlist = b.finish(&[vec![out]]);
/// let split = split_evaluator_local(&netlist, &usual_classes(&netlist), 20);
/// assert_eq!((split.main.inputs(), split.main.stats().and, split.local.stats().and), (&[1, 0, 1][..], 0, 3));
/// assert_eq!((split.bytes_before, split.bytes_after), (4 * 20 + 3 * 16, 20));
/// ```
#[must_use]
pub fn split_evaluator_local(netlist: &Netlist, inputs: &[Class], input_bytes: u64) -> Split {
    let class = classify(netlist, inputs);
    let how = choose(netlist, &class, input_bytes);
    let entering: Vec<WireId> =
        (0..netlist.wires()).map(WireId).filter(|w| how[w.index()] == Label::Input).collect();
    let is_evaluators = |w: WireId| class[w.index()] == Class::Evaluator;
    let own_ands = |which: &dyn Fn(WireId) -> bool| {
        let ands = netlist.gates().iter().filter(|g| is_product(*g, &class) && which(g.out()));
        ands.count() as u64
    };
    let own_inputs = inputs.iter().filter(|&&c| c == Class::Evaluator).count() as u64;
    let garbled = own_ands(&|w| how[w.index()] == Label::Garbled);
    let (main, classes) = main(netlist, inputs, &class, &how, &entering);
    Split {
        local: local(netlist, inputs, &class, &entering),
        main,
        classes,
        bytes_before: own_inputs * input_bytes + own_ands(&is_evaluators) * HALF_GATE,
        bytes_after: entering.len() as u64 * input_bytes + garbled * HALF_GATE,
    }
}

/// How a wire of the evaluator gets its label.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Label {
    /// It has none.
    No,
    /// It is an input bit of the main netlist.
    Input,
    /// It follows from its operands' labels.
    Garbled,
}

/// Whether the gate is an AND of two different wires of the evaluator.
fn is_product(gate: Gate, class: &[Class]) -> bool {
    matches!(gate, Gate::And { a, b, .. }
        if a != b && [a, b].iter().all(|w| class[w.index()] == Class::Evaluator))
}

/// The choice with the fewest bytes.
///
/// For each of the evaluator's wires there are two nodes: *needed*, on the source's side if the wire needs a label, and
/// *garbled*, if it is garbled. Needed and not garbled costs an input bit; garbled costs a half gate for an AND, and has its
/// operands needed. Inputs of the netlist cannot be garbled.
fn choose(netlist: &Netlist, class: &[Class], input_bytes: u64) -> Vec<Label> {
    let wires = class.len();
    let mut node = vec![0u32; wires];
    let mut nodes = 2u32;
    for (number, _) in node.iter_mut().zip(class).filter(|(_, c)| **c == Class::Evaluator) {
        *number = nodes; // the needed one; the garbled one is the next
        nodes += 2;
    }
    let mut network = Network::new(nodes as usize);
    for (wire, is_labelled) in labelled(netlist, class).into_iter().enumerate() {
        let needed = node[wire];
        if needed == 0 {
            continue;
        }
        network.arc(needed, needed + 1, input_bytes);
        if is_labelled {
            network.arc(SOURCE, needed, UNLIMITED);
        }
        if wire < netlist.input_bits() {
            network.arc(needed + 1, SINK, UNLIMITED);
        }
    }
    for gate in netlist.gates().iter().filter(|g| class[g.out().index()] == Class::Evaluator) {
        let garbled = node[gate.out().index()] + 1;
        if is_product(gate, class) {
            network.arc(garbled, SINK, HALF_GATE);
        }
        for operand in gate.operands().filter(|w| node[w.index()] != 0) {
            network.arc(garbled, node[operand.index()], UNLIMITED);
        }
    }
    let is_chosen = network.source_side();
    let label =
        |&needed: &u32| match (needed, is_chosen.get(needed as usize), is_chosen.get(needed as usize + 1)) {
            (0, ..) | (_, Some(false), _) => Label::No,
            (_, _, Some(true)) => Label::Garbled,
            _ => Label::Input,
        };
    node.iter().map(label).collect()
}

/// Adds `gate` to a netlist in which operands have the wires `wire`.
fn copy(b: &mut Builder, gate: Gate, wire: &[Option<WireId>]) -> Option<WireId> {
    let of = |w: WireId| wire[w.index()];
    Some(match gate {
        Gate::And { a, b: c, .. } => b.and(of(a)?, of(c)?),
        Gate::Xor { a, b: c, .. } => b.xor(of(a)?, of(c)?),
        Gate::Inv { a, .. } => b.inv(of(a)?),
        Gate::Const { value, .. } => b.constant(value),
        Gate::Copy { a, .. } => of(a)?,
    })
}

fn local(netlist: &Netlist, inputs: &[Class], class: &[Class], entering: &[WireId]) -> Netlist {
    let mut b = Builder::new();
    let own: Vec<usize> = (0..inputs.len()).filter(|&i| inputs[i] == Class::Evaluator).collect();
    let mut wire: Vec<Option<WireId>> = vec![None; class.len()];
    for (input, made) in own.iter().zip(b.input(own.len())) {
        wire[*input] = Some(made);
    }
    public_inputs(&mut b, inputs, &mut wire);
    for gate in netlist.gates().iter() {
        wire[gate.out().index()] = match class[gate.out().index()] {
            Class::Evaluator => copy(&mut b, gate, &wire),
            Class::Public(value) => Some(b.constant(value)),
            Class::Garbler | Class::Hidden => None,
        };
    }
    let made =
        |w: &WireId| wire[w.index()].expect("the evaluator's wires follow from its inputs and constants");
    b.finish(&[entering.iter().map(made).collect()])
}

/// Inputs that both hosts know are constants.
fn public_inputs(b: &mut Builder, inputs: &[Class], wire: &mut [Option<WireId>]) {
    for (slot, class) in wire.iter_mut().zip(inputs) {
        if let Class::Public(value) = class {
            *slot = Some(b.constant(*value));
        }
    }
}

fn main(
    netlist: &Netlist,
    inputs: &[Class],
    class: &[Class],
    how: &[Label],
    entering: &[WireId],
) -> (Netlist, Vec<Class>) {
    let mut b = Builder::new();
    let mut wire: Vec<Option<WireId>> = vec![None; class.len()];
    let mut classes = Vec::with_capacity(inputs.len());
    let mut first = 0;
    for &bits in netlist.inputs() {
        let group = first..first + bits as usize;
        first = group.end;
        let kept: Vec<usize> = group.filter(|&i| inputs[i] != Class::Evaluator).collect();
        classes.extend(kept.iter().map(|&i| inputs[i]));
        for (input, made) in kept.iter().zip(b.input(kept.len())) {
            wire[*input] = Some(made);
        }
    }
    for (enters, made) in entering.iter().zip(b.input(entering.len())) {
        wire[enters.index()] = Some(made);
    }
    classes.resize(classes.len() + entering.len(), Class::Evaluator);
    public_inputs(&mut b, inputs, &mut wire);
    for gate in netlist.gates().iter() {
        let out = gate.out().index();
        wire[out] = match (class[out], how[out]) {
            (Class::Evaluator, Label::No) => None,
            (Class::Evaluator, Label::Input) => wire[out],
            (Class::Public(value), _) => Some(b.constant(value)),
            _ => copy(&mut b, gate, &wire),
        };
    }
    let mut outputs = netlist.output_wires();
    let groups: Vec<Vec<WireId>> = netlist
        .outputs()
        .iter()
        .map(|&bits| {
            let made = |w: WireId| wire[w.index()].expect("outputs are labelled or not the evaluator's");
            outputs.by_ref().take(bits as usize).map(made).collect()
        })
        .collect();
    (b.finish(&groups), classes)
}
