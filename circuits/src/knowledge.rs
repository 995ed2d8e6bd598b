//! Which host knows the value of a wire, and what an AND gate costs because of it (DESIGN: knowledge classes).
//!
//! Both hosts derive the classes from the public netlist, so nothing is said about them on the wire. Zahur, Rosulek, Evans
//! (*Two halves make a whole*, EUROCRYPT 2015, section 3) build an AND of two half gates, each of one ciphertext, where one
//! host knows an operand. Where that is so from the start, one of the two is enough:
//!
//! | AND of | with garbler's | with evaluator's | with hidden |
//! |---|---|---|---|
//! | garbler's | nothing; garbler's | 16 bytes; hidden | 16 bytes, garbler half gate; hidden |
//! | evaluator's | 16 bytes; hidden | nothing; evaluator's | 16 bytes, evaluator half gate; hidden |
//! | hidden | 16 bytes; hidden | 16 bytes; hidden | 32 bytes; hidden |
//!
//! XOR and INV cost nothing; what comes of two different classes is hidden, constants aside.
//!
//! **Why that is sound.** Let `d` be the garbler's offset, `B0` and `B1 = B0 ^ d` the labels of a wire, `C0` the output's
//! label for 0, `H` the hash.
//!
//! * *Garbler half gate*, the garbler knows `a`: the rows `H(B0) ^ C0` and `H(B1) ^ C0 ^ a d`, the first of which is made zero
//!   by the choice of `C0`. The evaluator opens one row and gets one label of the output, whatever `a` is; the other row is
//!   masked by a hash under a label that it does not have. A wire that the garbler knows needs no label at all: it is a
//!   secret constant, and XOR with it swaps the roles of two labels on the garbler's side.
//! * *Evaluator half gate*, the evaluator knows `b` and holds its label: the rows `H(B0) ^ C0` and `H(B1) ^ C0 ^ A0`. For
//!   `b = 0` it gets `C0`; for `b = 1` it adds the label `A` that it holds and gets `C0 ^ a d`. Full half gates use the same
//!   step with a wire masked by a random bit in place of `b`, so telling `b` to the one who brought it in gives nothing away,
//!   and the garbler sees no message that depends on `b`.
//! * The evaluator cannot go back on `b`: it can open only the row of the label that it got for `b`.
//! * *Evaluator's wires among themselves* are functions of the evaluator's own input, which it computes. But such a wire has
//!   no label, and where one is needed (beside a hidden or a garbler's wire) it must enter as an input bit of its own, or be
//!   garbled after all: [`split`] chooses, and says what a cheating evaluator gains by it.
//!
//! The runtime classifies the client's inputs as hidden: nothing of the evaluator's part of the table applies unless a
//! caller names inputs [`Class::Evaluator`].

pub mod analysis;
mod flow;
pub mod split;

use crate::netlist::{Gate, Netlist};

/// Who knows a wire's value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Both hosts: a constant.
    Public(bool),
    /// The garbler only: its inputs, and what follows from them and constants alone.
    Garbler,
    /// The evaluator only: its inputs, and what follows from them and constants alone.
    Evaluator,
    /// Neither host: the wire needs a label. Also right for wires that the evaluator knows, and then merely costs more.
    Hidden,
}

/// What a gate costs when it is garbled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cost {
    /// Nothing is sent.
    Free,
    /// One ciphertext of 16 bytes, a garbler half gate: an AND of a wire that the garbler knows and one that it does not.
    HalfGate,
    /// One ciphertext of 16 bytes, an evaluator half gate: an AND of a hidden wire and one that the evaluator knows.
    EvaluatorHalfGate,
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
    use Class::{Evaluator, Garbler, Hidden, Public};
    match (a, b) {
        (Public(false), _) | (_, Public(false)) => Public(false),
        (Public(true), other) | (other, Public(true)) => other,
        (Garbler, Garbler) => Garbler,
        (Evaluator, Evaluator) => Evaluator,
        _ => Hidden,
    }
}

fn xor_class(a: Class, b: Class) -> Class {
    use Class::{Evaluator, Garbler, Hidden, Public};
    match (a, b) {
        (Public(x), Public(y)) => Public(x ^ y),
        (Public(_), other) | (other, Public(_)) => other,
        (Garbler, Garbler) => Garbler,
        (Evaluator, Evaluator) => Evaluator,
        _ => Hidden,
    }
}

/// What `gate` costs, given every wire's class.
#[must_use]
pub fn cost(gate: Gate, class: &[Class]) -> Cost {
    use Class::{Evaluator, Garbler, Hidden};
    let Gate::And { a, b, .. } = gate else { return Cost::Free };
    match (class[a.index()], class[b.index()]) {
        // x & x is x: no table is needed, and none is sent.
        (Hidden, Hidden) if a == b => Cost::Free,
        (Hidden, Hidden) => Cost::FullGate,
        (Hidden | Evaluator, Garbler) | (Garbler, Hidden | Evaluator) => Cost::HalfGate,
        (Hidden, Evaluator) | (Evaluator, Hidden) => Cost::EvaluatorHalfGate,
        _ => Cost::Free,
    }
}

/// AND gates of a netlist by their cost.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, serde::Serialize, serde::Deserialize)]
pub struct AndCosts {
    /// ANDs of two hidden wires: two ciphertexts with half gates.
    pub full: u64,
    /// Garbler half gates, ANDs with a wire that the garbler knows: one ciphertext.
    pub half: u64,
    /// Evaluator half gates, ANDs of a hidden wire and one that the evaluator knows: one ciphertext. Left out of what is
    /// written where it is 0, as it is unless an input is [`Class::Evaluator`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub evaluator_half: u64,
    /// ANDs that cost nothing: of wires that one host knows, or with a constant.
    pub free: u64,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl AndCosts {
    /// All AND gates.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.full + self.half + self.evaluator_half + self.free
    }

    /// Bytes of garbled tables as half gates with 128-bit labels: 32 and 16.
    #[must_use]
    pub fn half_gate_bytes(&self) -> u64 {
        32 * self.full + 16 * (self.half + self.evaluator_half)
    }

    /// Bytes of garbled tables as three halves: 24 bytes and 5 bits a full AND, 16 bytes a half AND.
    ///
    /// A run cuts the tables into segments of some 256 KiB and fills the bits of each up to bytes, so it can have less than a byte
    /// a segment more.
    #[must_use]
    pub fn three_halves_bytes(&self) -> u64 {
        24 * self.full + (5 * self.full).div_ceil(8) + 16 * (self.half + self.evaluator_half)
    }

    /// The same for `n` copies.
    #[must_use]
    pub fn times(self, n: u64) -> Self {
        Self {
            full: self.full * n,
            half: self.half * n,
            evaluator_half: self.evaluator_half * n,
            free: self.free * n,
        }
    }

    /// Counts one AND of this cost.
    fn count(&mut self, cost: Cost) {
        match cost {
            Cost::Free => self.free += 1,
            Cost::HalfGate => self.half += 1,
            Cost::EvaluatorHalfGate => self.evaluator_half += 1,
            Cost::FullGate => self.full += 1,
        }
    }
}

impl std::ops::AddAssign for AndCosts {
    fn add_assign(&mut self, other: Self) {
        self.full += other.full;
        self.half += other.half;
        self.evaluator_half += other.evaluator_half;
        self.free += other.free;
    }
}

/// Counts the AND gates of `netlist` by their cost, given one class an input bit.
///
/// # Panics
/// If `inputs` does not have the netlist's input bits.
#[must_use]
pub fn and_costs(netlist: &Netlist, inputs: &[Class]) -> AndCosts {
    let class = classify(netlist, inputs);
    let mut costs = AndCosts::default();
    for gate in netlist.gates().iter().filter(|g| matches!(g, Gate::And { .. })) {
        costs.count(cost(gate, &class));
    }
    costs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::Builder;
    use crate::gadgets::popcount::{popcount_at_least, threshold_cost, width_of};
    use Class::{Evaluator, Garbler, Hidden, Public};

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
        assert_eq!(and_costs(&netlist, &classes), AndCosts { full: 1, half: 1, evaluator_half: 0, free: 1 });
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
        assert_eq!(and_costs(&netlist, &[Hidden, Hidden]), AndCosts { free: 1, ..AndCosts::default() });
    }

    /// The table in the module's documentation, operation by operation, for all pairs of classes.
    #[test]
    fn classes_and_costs_follow_the_table() {
        use Cost::{EvaluatorHalfGate, Free, FullGate, HalfGate};
        let text = "2 4\n2 1 1\n1 2\n\n2 1 0 1 2 AND\n2 1 0 1 3 XOR\n";
        let netlist = crate::bristol::read(text.as_bytes(), "both").expect("obeys the format").netlist;
        for (a, b, and, xor, want) in [
            (Garbler, Garbler, Garbler, Garbler, Free),
            (Evaluator, Evaluator, Evaluator, Evaluator, Free),
            (Garbler, Evaluator, Hidden, Hidden, HalfGate),
            (Garbler, Hidden, Hidden, Hidden, HalfGate),
            (Evaluator, Hidden, Hidden, Hidden, EvaluatorHalfGate),
            (Hidden, Hidden, Hidden, Hidden, FullGate),
            (Public(true), Evaluator, Evaluator, Evaluator, Free),
            (Public(false), Evaluator, Public(false), Evaluator, Free),
            (Public(true), Public(false), Public(false), Public(true), Free),
        ] {
            for inputs in [[a, b], [b, a]] {
                let class = classify(&netlist, &inputs);
                assert_eq!(class[2..], [and, xor], "{inputs:?}");
                assert_eq!(cost(netlist.gates().get(0), &class), want, "{inputs:?}");
            }
        }
    }

    #[test]
    fn packages_without_evaluator_half_gates_are_written_as_before() {
        let costs = AndCosts { full: 1, half: 2, evaluator_half: 0, free: 3 };
        let json = serde_json::to_string(&costs).expect("numbers");
        assert_eq!(json, r#"{"full":1,"half":2,"free":3}"#);
        assert_eq!(serde_json::from_str::<AndCosts>(&json).expect("just written"), costs);
        let some = AndCosts { evaluator_half: 4, ..costs };
        assert_eq!((some.total(), some.half_gate_bytes(), some.times(2).evaluator_half), (10, 128, 8));
    }
}
