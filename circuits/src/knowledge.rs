//! Which host knows the value of a wire, and what an AND gate costs because of it (DESIGN: knowledge classes).
//!
//! Both hosts derive the classes from the public netlist, so nothing is said about them on the wire. A wire that the
//! garbler knows has no label at the evaluator; an AND with it is one garbler half gate, an AND of two of them is nothing
//! [Zahur, Rosulek, Evans 2015, section 3: a half gate is an AND one of whose inputs is known to one party].

use crate::netlist::{Gate, Netlist};

/// Who knows a wire's value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Both hosts: a constant.
    Public(bool),
    /// The garbler only: its inputs, and what follows from them and constants alone.
    Garbler,
    /// Neither host, or the evaluator only: the wire needs a label.
    Hidden,
}

/// What a gate costs when it is garbled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cost {
    /// Nothing is sent.
    Free,
    /// One ciphertext of 16 bytes: an AND of a hidden wire and one that the garbler knows.
    HalfGate,
    /// Two ciphertexts, 32 bytes: an AND of two hidden wires.
    FullGate,
}

/// The class of every wire of `netlist`, given one class an input bit.
///
/// # Panics
/// If `inputs` does not have the netlist's input bits.
#[must_use]
pub fn classify(netlist: &Netlist, inputs: &[Class]) -> Vec<Class> {
    assert_eq!(inputs.len(), netlist.input_bits(), "one class for each input bit");
    let mut class = vec![Class::Hidden; netlist.wires() as usize];
    class[..inputs.len()].copy_from_slice(inputs);
    for gate in netlist.gates().iter() {
        class[gate.out().index()] = match gate {
            Gate::And { a, b, .. } => and_class(class[a.index()], class[b.index()]),
            Gate::Xor { a, b, .. } if a == b => Class::Public(false),
            Gate::Xor { a, b, .. } => xor_class(class[a.index()], class[b.index()]),
            Gate::Inv { a, .. } => xor_class(class[a.index()], Class::Public(true)),
            Gate::Const { value, .. } => Class::Public(value),
            Gate::Copy { a, .. } => class[a.index()],
        };
    }
    class
}

fn and_class(a: Class, b: Class) -> Class {
    use Class::{Garbler, Hidden, Public};
    match (a, b) {
        (Public(false), _) | (_, Public(false)) => Public(false),
        (Public(true), other) | (other, Public(true)) => other,
        (Garbler, Garbler) => Garbler,
        _ => Hidden,
    }
}

fn xor_class(a: Class, b: Class) -> Class {
    use Class::{Garbler, Hidden, Public};
    match (a, b) {
        (Public(x), Public(y)) => Public(x ^ y),
        (Hidden, _) | (_, Hidden) => Hidden,
        _ => Garbler,
    }
}

/// What `gate` costs, given every wire's class.
#[must_use]
pub fn cost(gate: Gate, class: &[Class]) -> Cost {
    let Gate::And { a, b, .. } = gate else { return Cost::Free };
    match (class[a.index()], class[b.index()]) {
        // x & x is x: no table is needed, and none is sent.
        (Class::Hidden, Class::Hidden) if a == b => Cost::Free,
        (Class::Hidden, Class::Hidden) => Cost::FullGate,
        (Class::Hidden, Class::Garbler) | (Class::Garbler, Class::Hidden) => Cost::HalfGate,
        _ => Cost::Free,
    }
}

/// AND gates of a netlist by their cost.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, serde::Serialize, serde::Deserialize)]
pub struct AndCosts {
    /// ANDs of two hidden wires: two ciphertexts with half gates.
    pub full: u64,
    /// ANDs of a hidden wire and one that the garbler knows: one ciphertext.
    pub half: u64,
    /// ANDs that cost nothing: of wires that the garbler knows, or with a constant.
    pub free: u64,
}

impl AndCosts {
    /// All AND gates.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.full + self.half + self.free
    }

    /// Bytes of garbled tables as half gates with 128-bit labels: 32 and 16.
    #[must_use]
    pub fn half_gate_bytes(&self) -> u64 {
        32 * self.full + 16 * self.half
    }

    /// The same for `n` copies.
    #[must_use]
    pub fn times(self, n: u64) -> Self {
        Self { full: self.full * n, half: self.half * n, free: self.free * n }
    }
}

impl std::ops::AddAssign for AndCosts {
    fn add_assign(&mut self, other: Self) {
        self.full += other.full;
        self.half += other.half;
        self.free += other.free;
    }
}

/// Counts the AND gates of `netlist` by their cost, given one class an input bit.
#[must_use]
pub fn and_costs(netlist: &Netlist, inputs: &[Class]) -> AndCosts {
    let class = classify(netlist, inputs);
    let mut costs = AndCosts::default();
    for gate in netlist.gates().iter().filter(|g| matches!(g, Gate::And { .. })) {
        match cost(gate, &class) {
            Cost::Free => costs.free += 1,
            Cost::HalfGate => costs.half += 1,
            Cost::FullGate => costs.full += 1,
        }
    }
    costs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::Builder;
    use crate::gadgets::popcount::{popcount_at_least, threshold_cost, width_of};
    use Class::{Garbler, Hidden};

    #[test]
    fn garbler_inputs_make_half_gates_and_vanish_among_themselves() {
        let mut b = Builder::new();
        let (g, e) = (b.input(2), b.input(2));
        let gg = b.and(g[0], g[1]);
        let masked = b.xor(gg, e[0]);
        let ge = b.and(g[0], masked);
        let ee = b.and(e[0], e[1]);
        let netlist = b.finish(&[vec![gg, ge, ee]]);
        let classes = [Garbler, Garbler, Hidden, Hidden];
        assert_eq!(and_costs(&netlist, &classes), AndCosts { full: 1, half: 1, free: 1 });
        let of_outputs: Vec<_> =
            netlist.output_wires().map(|w| classify(&netlist, &classes)[w.index()]).collect();
        assert_eq!(of_outputs, [Garbler, Hidden, Hidden]);
    }

    #[test]
    fn a_folded_threshold_costs_half_gates_in_even_columns() {
        let n = 128u64;
        let mut b = Builder::new();
        let x = b.input(n as usize);
        let c = b.input(width_of(n));
        let fires = popcount_at_least(&mut b, &x, &c);
        let netlist = b.finish(&[vec![fires]]);
        let mut classes = vec![Hidden; n as usize];
        classes.resize(n as usize + width_of(n), Garbler);
        let costs = and_costs(&netlist, &classes);
        assert_eq!(costs.total(), threshold_cost(n, 1));
        assert_eq!(costs.half, 1, "only the top column of fan-in 128 holds an even number of bits");
    }

    #[test]
    fn constants_make_and_gates_free() {
        let text = "3 5\n1 2\n1 1\n\n1 1 0 2 EQ\n2 1 0 2 3 AND\n2 1 3 1 4 XOR\n";
        let netlist = crate::bristol::read(text.as_bytes(), "constants").expect("obeys the format").netlist;
        assert_eq!(and_costs(&netlist, &[Hidden, Hidden]), AndCosts { full: 0, half: 0, free: 1 });
    }
}
