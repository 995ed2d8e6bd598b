//! What the classes of a netlist's wires come to: owners of inputs, ANDs by cost, labels that are needed.

use super::{AndCosts, Class, classify, cost};
use crate::netlist::{Gate, Netlist};

/// Who brings in an input group.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Owner {
    /// All bits are the garbler's.
    Garbler,
    /// All bits are the evaluator's.
    Evaluator,
    /// All bits are public.
    Public,
    /// All bits are hidden from both, such as the output of an earlier circuit.
    Hidden,
    /// Bits of several classes, or none.
    Mixed,
}

/// An input group and its owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Group {
    /// Bits of the group.
    pub bits: u32,
    /// Who brings them in.
    pub owner: Owner,
}

/// What [`analyse`] finds.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Analysis {
    /// The input groups, in order.
    pub groups: Vec<Group>,
    /// The class of every wire, by its number.
    #[serde(skip)]
    pub class: Vec<Class>,
    /// AND gates by their cost.
    pub and: AndCosts,
    /// Those of the free ANDs that the evaluator computes for itself.
    pub evaluator_local: u64,
    /// Evaluator's inputs that need a label: they meet a hidden or a garbler's wire, or are an output.
    pub labelled_inputs: u64,
    /// Evaluator's wires, not inputs, that need a label: [`super::split`] provides it.
    pub labelled_inner: u64,
}

/// The usual classes: the first input group is the garbler's, all others are the evaluator's.
#[must_use]
pub fn usual_classes(netlist: &Netlist) -> Vec<Class> {
    let mut classes = Vec::with_capacity(netlist.input_bits());
    for (group, &bits) in netlist.inputs().iter().enumerate() {
        let class = if group == 0 { Class::Garbler } else { Class::Evaluator };
        classes.resize(classes.len() + bits as usize, class);
    }
    classes
}

/// Classifies the wires of `netlist`, given one class an input bit, and counts.
///
/// # Panics
/// If `inputs` does not have the netlist's input bits.
///
/// # Example
/// ```
/// use xonn_circuits::builder::Builder;
/// use xonn_circuits::knowledge::analysis::{analyse, usual_classes};
/// let mut b = Builder::new();
/// let (g, e) = (b.input(1), b.input(2));
/// let own = b.and(e[0], e[1]);
/// let both = b.and(g[0], own);
/// let netlist = b.finish(&[vec![both]]);
/// let found = analyse(&netlist, &usual_classes(&netlist));
/// assert_eq!((found.and.half, found.and.free, found.evaluator_local), (1, 1, 1));
/// assert_eq!((found.labelled_inputs, found.labelled_inner), (0, 1));
/// ```
#[must_use]
pub fn analyse(netlist: &Netlist, inputs: &[Class]) -> Analysis {
    let class = classify(netlist, inputs);
    let mut and = AndCosts::default();
    let mut evaluator_local = 0;
    for gate in netlist.gates().iter().filter(|g| matches!(g, Gate::And { .. })) {
        and.count(cost(gate, &class));
        evaluator_local += u64::from(gate.operands().all(|w| class[w.index()] == Class::Evaluator));
    }
    let labelled = labelled(netlist, &class);
    let count = |wires: &[bool]| wires.iter().filter(|&&l| l).count() as u64;
    let (of_inputs, inner) = labelled.split_at(inputs.len());
    Analysis {
        groups: groups(netlist, inputs),
        and,
        evaluator_local,
        labelled_inputs: count(of_inputs),
        labelled_inner: count(inner),
        class,
    }
}

/// Which of the evaluator's wires meet a wire of another class, or are outputs.
pub(super) fn labelled(netlist: &Netlist, class: &[Class]) -> Vec<bool> {
    let mut labelled = vec![false; class.len()];
    for gate in netlist.gates().iter().filter(|g| class[g.out().index()] == Class::Hidden) {
        gate.operands().for_each(|w| labelled[w.index()] = true);
    }
    netlist.output_wires().for_each(|w| labelled[w.index()] = true);
    labelled.iter_mut().zip(class).for_each(|(l, &c)| *l &= c == Class::Evaluator);
    labelled
}

fn groups(netlist: &Netlist, inputs: &[Class]) -> Vec<Group> {
    let mut rest = inputs;
    let mut groups = Vec::with_capacity(netlist.inputs().len());
    for &bits in netlist.inputs() {
        let (classes, after) = rest.split_at(bits as usize);
        rest = after;
        let owner_of = |class: &Class| match class {
            Class::Garbler => Owner::Garbler,
            Class::Evaluator => Owner::Evaluator,
            Class::Public(_) => Owner::Public,
            Class::Hidden => Owner::Hidden,
        };
        let first = classes.first().map_or(Owner::Mixed, owner_of);
        let owner = if classes.iter().all(|c| owner_of(c) == first) { first } else { Owner::Mixed };
        groups.push(Group { bits, owner });
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::Builder;

    #[test]
    fn groups_have_owners_and_outputs_need_labels() {
        let mut b = Builder::new();
        let (g, e, both, none) = (b.input(2), b.input(3), b.input(2), b.input(0));
        let own = b.xor(e[0], e[1]);
        let mixed = b.xor(e[2], g[0]);
        let netlist = b.finish(&[vec![own, mixed, both[0]]]);
        let mut classes = usual_classes(&netlist);
        assert_eq!((classes.len(), none.len()), (7, 0));
        classes[5] = Class::Hidden;
        let found = analyse(&netlist, &classes);
        let owners: Vec<Owner> = found.groups.iter().map(|g| g.owner).collect();
        assert_eq!(owners, [Owner::Garbler, Owner::Evaluator, Owner::Mixed, Owner::Mixed]);
        assert_eq!(
            (found.labelled_inputs, found.labelled_inner),
            (1, 1),
            "e[2] meets g[0], own is an output"
        );
        assert_eq!(found.class[netlist.wires() as usize - 3], Class::Evaluator);
    }
}
