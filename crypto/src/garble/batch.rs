//! The order in which the gates of a single instance are garbled: batches of independent ANDs.
//!
//! One instance has no other instances to be garbled side by side with, and in a file its ANDs mostly follow
//! each other's results. So they are list-scheduled: of all ANDs whose operands are there, the [`LANES`] with
//! the longest chains of ANDs behind them go next. The order is part of the protocol, for it decides which
//! ciphertext is which; both hosts derive it from the public netlist and its classes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use xonn_circuits::knowledge::{self, Class, Cost};
use xonn_circuits::netlist::Netlist;

use crate::block::LANES;

/// Gates that are looked at together; of the values that wait for a batch there are at most as many.
const WINDOW: usize = 1 << 16;

/// One step of a tape.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// A gate by its number in the netlist.
    Gate(usize),
    /// Independent gates of one cost, at most [`LANES`].
    Batch(Vec<usize>),
}

/// The gates in the netlist's own order.
pub(super) fn in_order(netlist: &Netlist) -> Vec<Step> {
    (0..netlist.gates().len()).map(Step::Gate).collect()
}

/// The gates in an order that batches the ANDs that cost something; `class` holds one class a wire.
pub(super) fn batched(netlist: &Netlist, class: &[Class]) -> Vec<Step> {
    let gates = netlist.gates().len();
    let mut steps = Vec::with_capacity(gates);
    let mut producer = vec![u32::MAX; netlist.wires() as usize];
    for first in (0..gates).step_by(WINDOW) {
        Window::new(netlist, class, first, gates.min(first + WINDOW), &mut producer).schedule(&mut steps);
    }
    steps
}

/// ANDs that could go next: those before which the most others wait come first, then in the netlist's order.
type Ready = BinaryHeap<(u32, Reverse<usize>)>;

/// A part of the netlist while it is scheduled; gates are counted from its first.
struct Window {
    first: usize,
    cost: Vec<Cost>,
    /// ANDs on the longest way from here to the end of the window.
    height: Vec<u32>,
    /// Operands that are made in this window and not made yet.
    waiting: Vec<u8>,
    /// Who waits for gate `g`: `readers[begin[g]..begin[g + 1]]`.
    readers: Vec<u32>,
    begin: Vec<u32>,
}

impl Window {
    /// `producer` holds the gate of each wire made so far, in the whole netlist.
    fn new(netlist: &Netlist, class: &[Class], first: usize, end: usize, producer: &mut [u32]) -> Self {
        let gates = netlist.gates();
        let count = end - first;
        let mut edges = Vec::with_capacity(2 * count);
        let mut cost = Vec::with_capacity(count);
        let mut waiting = vec![0; count];
        let mut begin = vec![0u32; count + 1];
        for (at, waiting) in waiting.iter_mut().enumerate() {
            let gate = gates.get(first + at);
            cost.push(knowledge::cost(gate, class));
            for wire in gate.operands() {
                let made = producer[wire.index()];
                if let Some(made) = made.checked_sub(first as u32).filter(|_| made != u32::MAX) {
                    edges.push((made, at as u32));
                    begin[made as usize + 1] += 1;
                    *waiting += 1;
                }
            }
            producer[gate.out().index()] = (first + at) as u32; // a netlist has fewer than 2^32 gates: each makes a wire
        }
        let mut height = vec![0u32; count];
        for &(made, reader) in edges.iter().rev() {
            let above = height[reader as usize] + u32::from(cost[reader as usize] != Cost::Free);
            height[made as usize] = height[made as usize].max(above);
        }
        for at in 0..count {
            begin[at + 1] += begin[at];
        }
        let mut readers = vec![0; edges.len()];
        let mut next = begin.clone();
        for (made, reader) in edges {
            readers[next[made as usize] as usize] = reader;
            next[made as usize] += 1;
        }
        Self { first, cost, height, waiting, readers, begin }
    }

    fn schedule(mut self, steps: &mut Vec<Step>) {
        let (mut full, mut half) = (Ready::new(), Ready::new());
        let mut free = Vec::new();
        for at in (0..self.waiting.len()).rev() {
            if self.waiting[at] == 0 {
                self.admit(at, &mut free, &mut full, &mut half);
            }
        }
        loop {
            while let Some(at) = free.pop() {
                steps.push(Step::Gate(self.first + at));
                self.made(at, &mut free, &mut full, &mut half);
            }
            let top = |ready: &Ready| ready.peek().map(|&(height, _)| height);
            let ready = if top(&full) >= top(&half) { &mut full } else { &mut half };
            let batch: Vec<usize> =
                std::iter::from_fn(|| ready.pop()).take(LANES).map(|(_, Reverse(at))| at).collect();
            if batch.is_empty() {
                return;
            }
            steps.push(Step::Batch(batch.iter().map(|at| self.first + at).collect()));
            for at in batch {
                self.made(at, &mut free, &mut full, &mut half);
            }
        }
    }

    fn made(&mut self, at: usize, free: &mut Vec<usize>, full: &mut Ready, half: &mut Ready) {
        for i in self.begin[at]..self.begin[at + 1] {
            let reader = self.readers[i as usize] as usize;
            self.waiting[reader] -= 1;
            if self.waiting[reader] == 0 {
                self.admit(reader, free, full, half);
            }
        }
    }

    fn admit(&self, at: usize, free: &mut Vec<usize>, full: &mut Ready, half: &mut Ready) {
        match self.cost[at] {
            Cost::Free => free.push(at),
            Cost::FullGate => full.push((self.height[at], Reverse(at))),
            Cost::HalfGate | Cost::EvaluatorHalfGate => half.push((self.height[at], Reverse(at))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xonn_circuits::builder::Builder;
    use xonn_circuits::netlist::Gate;

    /// A ladder of full adders for each of `lanes` pairs of `bits`-bit numbers, one after the other.
    fn adders(lanes: usize, bits: usize) -> Netlist {
        let mut b = Builder::new();
        let mut outputs = Vec::new();
        let inputs: Vec<_> = (0..lanes).map(|_| (b.input(bits), b.input(bits))).collect();
        for (x, y) in inputs {
            let mut carry = b.and(x[0], y[0]);
            for (&x, &y) in x.iter().zip(&y).skip(1) {
                let (xc, yc) = (b.xor(x, carry), b.xor(y, carry));
                let both = b.and(xc, yc);
                carry = b.xor(both, carry);
            }
            outputs.push(carry);
        }
        b.finish(&[outputs])
    }

    #[test]
    fn every_gate_comes_once_after_its_operands_and_batches_are_independent() {
        let netlist = adders(40, 50);
        let class = knowledge::classify(&netlist, &vec![Class::Hidden; netlist.input_bits()]);
        let mut made = vec![false; netlist.wires() as usize];
        made[..netlist.input_bits()].fill(true);
        let mut check = |numbers: &[usize]| {
            let gates: Vec<Gate> = numbers.iter().map(|&at| netlist.gates().get(at)).collect();
            assert!(gates.iter().all(|gate| gate.operands().all(|wire| made[wire.index()])));
            for gate in &gates {
                assert!(!std::mem::replace(&mut made[gate.out().index()], true), "a gate comes twice");
            }
        };
        for step in batched(&netlist, &class) {
            match step {
                Step::Gate(at) => check(&[at]),
                Step::Batch(all) => check(&all),
            }
        }
        assert!(made.iter().all(|&made| made));
    }

    #[test]
    fn independent_chains_fill_the_batches() {
        let netlist = adders(LANES, 64);
        let class = knowledge::classify(&netlist, &vec![Class::Hidden; netlist.input_bits()]);
        let batches: Vec<usize> = batched(&netlist, &class)
            .iter()
            .filter_map(|step| match step {
                Step::Batch(all) => Some(all.len()),
                Step::Gate(_) => None,
            })
            .collect();
        assert_eq!(batches, [LANES; 64], "all chains go in step");
    }
}
