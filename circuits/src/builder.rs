//! Builds netlists gate by gate: constants folded, dead gates dropped, outputs moved to the last wires.

use crate::netlist::{Gate, Gates, Netlist, WireId};

/// A netlist under construction.
///
/// Inputs are declared first, group after group; then gates; [`Builder::finish`] names the outputs. Constants cost no
/// gate while they can be folded away: `and(a, zero)` is `zero`, `xor(a, one)` is `inv(a)`.
///
/// # Example
/// ```
/// use xonn_circuits::builder::Builder;
/// let mut b = Builder::new();
/// let x = b.input(2);
/// let y = b.and(x[0], x[1]);
/// let netlist = b.finish(&[vec![y]]);
/// assert_eq!((netlist.stats().and, netlist.wires()), (1, 3));
/// ```
#[derive(Default)]
pub struct Builder {
    inputs: Vec<u32>,
    gates: Gates,
    wires: u32,
    zero: Option<WireId>,
    one: Option<WireId>,
    ands: u64,
}

impl Builder {
    /// An empty builder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares the next input group and returns its wires.
    ///
    /// # Panics
    /// If a gate was already added: inputs are the first wires of a netlist.
    pub fn input(&mut self, bits: usize) -> Vec<WireId> {
        assert!(self.gates.is_empty(), "inputs are declared before gates");
        let bits = u32::try_from(bits).expect("a template has fewer than 2^32 inputs");
        self.inputs.push(bits);
        (0..bits).map(|_| self.fresh()).collect()
    }

    fn fresh(&mut self) -> WireId {
        let wire = WireId(self.wires);
        self.wires = self.wires.checked_add(1).expect("a netlist has fewer than 2^32 wires");
        wire
    }

    fn push(&mut self, gate: impl FnOnce(WireId) -> Gate) -> WireId {
        let out = self.fresh();
        self.gates.push(gate(out));
        out
    }

    fn constant_of(&self, wire: WireId) -> Option<bool> {
        match Some(wire) {
            w if w == self.zero => Some(false),
            w if w == self.one => Some(true),
            _ => None,
        }
    }

    /// The constant `value`; one wire each, made on first use.
    pub fn constant(&mut self, value: bool) -> WireId {
        let known = if value { self.one } else { self.zero };
        known.unwrap_or_else(|| {
            let wire = self.push(|out| Gate::Const { value, out });
            *(if value { &mut self.one } else { &mut self.zero }) = Some(wire);
            wire
        })
    }

    /// `a & b`: one AND gate unless an operand is constant or both are the same wire.
    pub fn and(&mut self, a: WireId, b: WireId) -> WireId {
        match (self.constant_of(a), self.constant_of(b)) {
            (Some(false), _) | (_, Some(true)) => a,
            (_, Some(false)) | (Some(true), _) => b,
            _ if a == b => a,
            _ => {
                self.ands += 1;
                self.push(|out| Gate::And { a, b, out })
            }
        }
    }

    /// `a ^ b`: free.
    pub fn xor(&mut self, a: WireId, b: WireId) -> WireId {
        match (self.constant_of(a), self.constant_of(b)) {
            (Some(false), _) => b,
            (_, Some(false)) => a,
            (Some(true), _) => self.inv(b),
            (_, Some(true)) => self.inv(a),
            _ if a == b => self.constant(false),
            _ => self.push(|out| Gate::Xor { a, b, out }),
        }
    }

    /// `!a`: free.
    pub fn inv(&mut self, a: WireId) -> WireId {
        match self.constant_of(a) {
            Some(value) => self.constant(!value),
            None => self.push(|out| Gate::Inv { a, out }),
        }
    }

    /// `a | b`: one AND gate, by De Morgan.
    pub fn or(&mut self, a: WireId, b: WireId) -> WireId {
        let (na, nb) = (self.inv(a), self.inv(b));
        let both = self.and(na, nb);
        self.inv(both)
    }

    /// `if select { a } else { b }`: one AND gate, `b ^ (select & (a ^ b))`.
    pub fn mux(&mut self, select: WireId, a: WireId, b: WireId) -> WireId {
        let differ = self.xor(a, b);
        let chosen = self.and(select, differ);
        self.xor(b, chosen)
    }

    /// [`Builder::mux`] bit by bit; `a` and `b` have the same width.
    pub fn mux_each(&mut self, select: WireId, a: &[WireId], b: &[WireId]) -> Vec<WireId> {
        assert_eq!(a.len(), b.len(), "both sides of a multiplexer have one width");
        a.iter().zip(b).map(|(&a, &b)| self.mux(select, a, b)).collect()
    }

    /// `a[i] ^ b[i]`; `a` and `b` have the same width.
    pub fn xor_each(&mut self, a: &[WireId], b: &[WireId]) -> Vec<WireId> {
        assert_eq!(a.len(), b.len(), "both operands have one width");
        a.iter().zip(b).map(|(&a, &b)| self.xor(a, b)).collect()
    }

    /// AND gates so far, dead ones included.
    #[must_use]
    pub fn and_count(&self) -> u64 {
        self.ands
    }

    /// Ends the netlist with these output groups.
    ///
    /// Gates that no output depends on are dropped, the others keep their order, wires are renumbered so that the
    /// outputs are the last ones. An output that is an input, a constant, or named twice gets a `Copy` gate.
    #[must_use]
    pub fn finish(self, outputs: &[Vec<WireId>]) -> Netlist {
        let input_bits: u32 = self.inputs.iter().sum();
        let listed: Vec<WireId> = outputs.iter().flatten().copied().collect();
        let live = self.live(&listed);

        // The first mention of a gate's wire as an output takes the output's number, later mentions are copies.
        let mut seen = vec![false; self.wires as usize];
        let first_mention: Vec<bool> = listed
            .iter()
            .map(|w| !std::mem::replace(&mut seen[w.index()], true) && w.0 >= input_bits)
            .collect();
        let live_gates = self.gates.iter().filter(|g| live[g.out().index()]).count() as u32;
        let copies = first_mention.iter().filter(|&&first| !first).count() as u32;
        let wires = input_bits + live_gates + copies;
        let first_output = wires - listed.len() as u32;
        let mut number: Vec<Option<u32>> = vec![None; self.wires as usize];
        (0..input_bits).for_each(|w| number[w as usize] = Some(w));
        for (i, wire) in listed.iter().enumerate().filter(|&(i, _)| first_mention[i]) {
            number[wire.index()] = Some(first_output + i as u32);
        }

        let mut gates = Gates::default();
        let mut next = input_bits;
        for gate in self.gates.iter().filter(|g| live[g.out().index()]) {
            let out = *number[gate.out().index()].get_or_insert_with(|| {
                next += 1;
                next - 1
            });
            gates.push(gate.map(|w| renumbered(&number, w), |_| WireId(out)));
        }
        for (i, &wire) in listed.iter().enumerate().filter(|&(i, _)| !first_mention[i]) {
            gates.push(Gate::Copy { a: renumbered(&number, wire), out: WireId(first_output + i as u32) });
        }
        let groups = outputs.iter().map(|g| g.len() as u32).collect();
        Netlist::from_parts(wires, self.inputs, groups, gates).expect("a builder makes verified netlists")
    }

    fn live(&self, outputs: &[WireId]) -> Vec<bool> {
        let mut live = vec![false; self.wires as usize];
        outputs.iter().for_each(|w| live[w.index()] = true);
        for gate in self.gates.iter().rev() {
            if live[gate.out().index()] {
                gate.operands().for_each(|w| live[w.index()] = true);
            }
        }
        live
    }
}

fn renumbered(number: &[Option<u32>], wire: WireId) -> WireId {
    WireId(number[wire.index()].expect("operands of live gates are live and come first"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::evaluate_bits;

    #[test]
    fn constants_fold_and_dead_gates_go() {
        let mut b = Builder::new();
        let x = b.input(2);
        let (zero, one) = (b.constant(false), b.constant(true));
        assert_eq!(b.and(x[0], zero), zero);
        assert_eq!(b.and(one, x[1]), x[1]);
        assert_eq!(b.xor(x[0], x[0]), zero);
        let inverted = b.xor(x[0], one);
        let dead = b.and(x[0], x[1]);
        let _ = b.inv(dead);
        let netlist = b.finish(&[vec![inverted]]);
        assert_eq!((netlist.gates().len(), netlist.stats().and), (1, 0));
    }

    #[test]
    fn outputs_may_be_inputs_constants_and_repeats() {
        let mut b = Builder::new();
        let x = b.input(2);
        let y = b.xor(x[0], x[1]);
        let one = b.constant(true);
        let z = b.and(y, x[0]);
        let netlist = b.finish(&[vec![y, x[1], y], vec![one, z, one]]);
        assert_eq!(netlist.outputs(), [3, 3]);
        for v in 0..4u8 {
            let (a, c) = (v & 1 == 1, v & 2 == 2);
            let want = [a ^ c, c, a ^ c, true, (a ^ c) & a, true];
            assert_eq!(evaluate_bits(&netlist, &[a, c]), want);
        }
    }

    #[test]
    fn mux_and_or_follow_their_truth_tables() {
        let mut b = Builder::new();
        let x = b.input(3);
        let (m, o) = (b.mux(x[0], x[1], x[2]), b.or(x[1], x[2]));
        let netlist = b.finish(&[vec![m, o]]);
        assert_eq!(netlist.stats().and, 2);
        for v in 0..8u8 {
            let bit = |i: u8| v >> i & 1 == 1;
            let want = [if bit(0) { bit(1) } else { bit(2) }, bit(1) | bit(2)];
            assert_eq!(evaluate_bits(&netlist, &[bit(0), bit(1), bit(2)]), want);
        }
    }
}
