//! A template as straight-line code: one tape for the garbler, one for the evaluator.
//!
//! The tape knows the class of every wire ([`xonn_circuits::knowledge`]). Wires that the garbler knows are
//! *bits*, others are *labels*; both live in slots that are reused as soon as their value is dead, so that a
//! template of a million gates needs only as many slots as it has values alive at a time, and those stay in
//! cache.
//!
//! Differences between the two tapes:
//!
//! | gate | garbler | evaluator |
//! |---|---|---|
//! | `hidden ^ hidden` | `Xor` | `Xor` |
//! | `hidden ^ known`, `!hidden` | `XorBit`, `Flip` | nothing: the same label |
//! | `hidden & hidden` | `And`, 2 ciphertexts or 3 slices | `And` |
//! | `hidden & known` | `AndBit`, 1 ciphertext | `AndBit` |
//! | gates of known wires | bit operations | nothing |
//!
//! Both tapes hold their ciphertext gates in one order, which fixes the order of the ciphertexts: the
//! netlist's where instances are garbled side by side, that of [`super::batch`] where there is one
//! instance.

use xonn_circuits::knowledge::{self, Class};
use xonn_circuits::netlist::{Gate, Netlist, WireId};

use super::batch::{self, Step};
use super::fuse;
use super::scheme::Ands;
use crate::block::LANES;

/// Who runs the tape.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Holds zero labels and its own bits.
    Garbler,
    /// Holds active labels.
    Evaluator,
}

/// One operation; slots of labels and slots of bits are counted apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    /// Label slot `to` becomes template input `input`.
    Load { to: u32, input: u32 },
    /// `to = a ^ b` on labels.
    Xor { to: u32, a: u32, b: u32 },
    /// `to = a ^ delta` (garbler).
    Flip { to: u32, a: u32 },
    /// `to = a ^ bit * delta` (garbler).
    XorBit { to: u32, a: u32, bit: u32 },
    /// Full AND of labels.
    And { to: u32, a: u32, b: u32 },
    /// The next `count` operations, at most [`crate::block::LANES`], all `And` or all `AndBit`, do not need
    /// each other (single instance).
    Batch { count: u32 },
    /// `sum = x ^ y ^ c`, `carry = ((x ^ c) & (y ^ c)) ^ c`: a full AND and the XORs around it.
    FullAdder { sum: u32, carry: u32, x: u32, y: u32, c: u32 },
    /// AND of a label and a bit of the garbler (`bit` is 0 on the evaluator's tape): one ciphertext.
    AndBit { to: u32, a: u32, bit: u32 },
    /// Bit slot `to` becomes template input `input` (garbler).
    BitLoad { to: u32, input: u32 },
    /// `to = a ^ b` on bits (garbler).
    BitXor { to: u32, a: u32, b: u32 },
    /// `to = a & b` on bits (garbler).
    BitAnd { to: u32, a: u32, b: u32 },
    /// `to = !a` on bits (garbler).
    BitFlip { to: u32, a: u32 },
    /// Template output `output` becomes label slot `a`.
    Store { output: u32, a: u32 },
    /// Template output `output` becomes the bit in slot `bit`: zero label `bit * delta` (garbler), 0
    /// (evaluator).
    StoreBit { output: u32, bit: u32 },
    /// Template output `output` becomes a public constant.
    StoreConst { output: u32, value: bool },
}

/// Straight-line code for one template.
#[derive(Debug)]
pub struct Tape {
    /// The operations, in order.
    pub ops: Vec<Op>,
    /// Label slots needed.
    pub label_slots: u32,
    /// Bit slots needed.
    pub bit_slots: u32,
    /// The ANDs of one instance that cost something.
    pub ands: Ands,
    /// Template outputs.
    pub outputs: u32,
    /// Where the tape may be interrupted: the pieces of all lanes have a few more ciphertexts than
    /// [`SEGMENT_CIPHERTEXTS`].
    pub pieces: Vec<Piece>,
}

/// Part of a tape.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Piece {
    /// Operations, as indices into [`Tape::ops`].
    pub ops: std::ops::Range<usize>,
    /// The ANDs of one instance in this piece that cost something.
    pub ands: Ands,
}

/// Length of a segment in ciphertexts of half gates: 256 KiB. The segments on their way between two threads
/// are to stay in a cache.
pub const SEGMENT_CIPHERTEXTS: u64 = 1 << 14;

/// Length of a [`Piece`] in ciphertexts of one instance, so that those of all lanes are a segment.
const fn piece_ciphertexts(single: bool) -> u64 {
    if single { SEGMENT_CIPHERTEXTS } else { SEGMENT_CIPHERTEXTS / LANES as u64 }
}

/// A wire's value while the tape is made: a virtual register, or a constant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    Label(u32),
    Bit(u32),
    Public(bool),
}

impl Tape {
    /// Makes the tape of `role` for `netlist` with one class an input bit. `single`: for one instance by
    /// itself.
    pub fn new(netlist: &Netlist, inputs: &[Class], role: Role, single: bool) -> Self {
        let class = knowledge::classify(netlist, inputs);
        let mut emitter = Emitter { role, ops: Vec::new(), labels: 0, bits: 0 };
        let mut value: Vec<Option<Value>> = vec![None; netlist.wires() as usize];
        let steps = if single { batch::batched(netlist, &class) } else { batch::in_order(netlist) };
        for step in steps {
            let gates = match &step {
                Step::Gate(at) => std::slice::from_ref(at),
                Step::Batch(all) => all,
            };
            let gates = || gates.iter().map(|&at| netlist.gates().get(at));
            for wire in gates().flat_map(Gate::operands) {
                emitter.load(wire, &class, &mut value);
            }
            if let Step::Batch(all) = &step {
                emitter.ops.push(Op::Batch { count: all.len() as u32 });
            }
            for gate in gates() {
                value[gate.out().index()] = Some(match class[gate.out().index()] {
                    Class::Public(bit) => Value::Public(bit),
                    _ => emitter.gate(gate, |w| value[w.index()].expect("operands are loaded")),
                });
            }
        }
        for (output, wire) in netlist.output_wires().enumerate() {
            emitter.load(wire, &class, &mut value);
            let output = output as u32;
            emitter.ops.push(match value[wire.index()].expect("outputs are loaded") {
                Value::Label(a) => Op::Store { output, a },
                Value::Bit(bit) => Op::StoreBit { output, bit },
                Value::Public(value) => Op::StoreConst { output, value },
            });
        }
        if !single {
            fuse::full_adders(&mut emitter.ops, emitter.labels);
        }
        emitter.finish(netlist.output_bits() as u32, single)
    }
}

struct Emitter {
    role: Role,
    ops: Vec<Op>,
    labels: u32,
    bits: u32,
}

impl Emitter {
    fn label(&mut self, op: impl FnOnce(u32) -> Op) -> Value {
        self.ops.push(op(self.labels));
        self.labels += 1;
        Value::Label(self.labels - 1)
    }

    fn bit(&mut self, op: impl FnOnce(u32) -> Op) -> Value {
        if self.role == Role::Evaluator {
            return Value::Bit(0); // the evaluator has no bits: it only knows that there is one
        }
        self.ops.push(op(self.bits));
        self.bits += 1;
        Value::Bit(self.bits - 1)
    }

    /// Loads an input on its first use.
    fn load(&mut self, wire: WireId, class: &[Class], value: &mut [Option<Value>]) {
        if value[wire.index()].is_none() {
            value[wire.index()] = Some(match class[wire.index()] {
                Class::Public(bit) => Value::Public(bit),
                Class::Garbler => self.bit(|to| Op::BitLoad { to, input: wire.0 }),
                Class::Hidden | Class::Evaluator => self.label(|to| Op::Load { to, input: wire.0 }),
            });
        }
    }

    /// Emits a gate whose output is not public.
    fn gate(&mut self, gate: Gate, value: impl Fn(WireId) -> Value) -> Value {
        use Value::{Bit, Label, Public};
        match gate {
            Gate::Xor { a, b, .. } => match (value(a), value(b)) {
                (Label(a), Label(b)) => self.label(|to| Op::Xor { to, a, b }),
                (Label(a), Bit(bit)) | (Bit(bit), Label(a)) => self.xor_bit(a, bit),
                (Bit(a), Bit(b)) => self.bit(|to| Op::BitXor { to, a, b }),
                (Public(false), other) | (other, Public(false)) => other,
                (Public(true), other) | (other, Public(true)) => self.not(other),
            },
            Gate::Inv { a, .. } => self.not(value(a)),
            Gate::And { a, b, .. } => match (value(a), value(b)) {
                (Label(a), Label(b)) if gate.operands().next() == gate.operands().nth(1) => {
                    debug_assert_eq!(a, b, "one wire has one value");
                    Label(a)
                }
                (Label(a), Label(b)) => self.label(|to| Op::And { to, a, b }),
                (Label(a), Bit(bit)) | (Bit(bit), Label(a)) => self.label(|to| Op::AndBit { to, a, bit }),
                (Bit(a), Bit(b)) => self.bit(|to| Op::BitAnd { to, a, b }),
                // With 0 the output would be public.
                (Public(_), other) | (other, Public(_)) => other,
            },
            Gate::Copy { a, .. } => value(a),
            Gate::Const { value, .. } => Public(value),
        }
    }

    fn xor_bit(&mut self, a: u32, bit: u32) -> Value {
        match self.role {
            Role::Garbler => self.label(|to| Op::XorBit { to, a, bit }),
            Role::Evaluator => Value::Label(a),
        }
    }

    fn not(&mut self, a: Value) -> Value {
        match (a, self.role) {
            (Value::Public(bit), _) => Value::Public(!bit),
            (Value::Label(a), Role::Garbler) => self.label(|to| Op::Flip { to, a }),
            (Value::Bit(a), Role::Garbler) => self.bit(|to| Op::BitFlip { to, a }),
            (value, Role::Evaluator) => value,
        }
    }

    /// Assigns slots to the virtual registers and finds the pieces.
    fn finish(self, outputs: u32, single: bool) -> Tape {
        let mut label_use = vec![0usize; self.labels as usize];
        let mut bit_use = vec![0usize; self.bits as usize];
        for (at, op) in self.ops.iter().enumerate() {
            op.label_reads().into_iter().flatten().for_each(|r| label_use[r as usize] = at);
            op.bit_reads(self.role).into_iter().flatten().for_each(|r| bit_use[r as usize] = at);
        }
        let mut labels = Slots::new(label_use);
        let mut bits = Slots::new(bit_use);
        let mut tape = Tape {
            ops: Vec::with_capacity(self.ops.len()),
            label_slots: 0,
            bit_slots: 0,
            ands: Ands::default(),
            outputs,
            pieces: vec![],
        };
        let mut piece = Piece { ops: 0..0, ands: Ands::default() };
        let mut batched = 0;
        for (at, &op) in self.ops.iter().enumerate() {
            tape.ops.push(op.placed(at, &mut labels, &mut bits, self.role));
            piece.ands += op.ands();
            if let Op::Batch { count } = op {
                batched = count;
            } else if op.costs() {
                batched = batched.saturating_sub(1);
            }
            if piece.ands.ciphertexts() >= piece_ciphertexts(single) && op.costs() && batched == 0 {
                piece.ops.end = at + 1;
                let next = Piece { ops: at + 1..at + 1, ands: Ands::default() };
                tape.pieces.push(std::mem::replace(&mut piece, next));
            }
        }
        piece.ops.end = tape.ops.len();
        tape.pieces.push(piece);
        tape.ands = tape.pieces.iter().map(|p| p.ands).sum();
        (tape.label_slots, tape.bit_slots) = (labels.count, bits.count);
        tape
    }
}

impl Op {
    /// Itself, if it is an AND that costs something.
    pub fn ands(self) -> Ands {
        match self {
            Op::And { .. } | Op::FullAdder { .. } => Ands { full: 1, half: 0 },
            Op::AndBit { .. } => Ands { full: 0, half: 1 },
            _ => Ands::default(),
        }
    }

    /// Whether it has ciphertexts.
    pub fn costs(self) -> bool {
        self.ands().tweaks() > 0
    }

    /// Label registers that are read.
    pub(super) fn label_reads(self) -> [Option<u32>; 3] {
        match self {
            Op::FullAdder { x, y, c, .. } => [Some(x), Some(y), Some(c)],
            Op::Xor { a, b, .. } | Op::And { a, b, .. } => [Some(a), Some(b), None],
            Op::Flip { a, .. } | Op::Store { a, .. } | Op::XorBit { a, .. } | Op::AndBit { a, .. } => {
                [Some(a), None, None]
            }
            Op::Load { .. }
            | Op::BitLoad { .. }
            | Op::BitXor { .. }
            | Op::BitAnd { .. }
            | Op::BitFlip { .. }
            | Op::StoreBit { .. }
            | Op::StoreConst { .. }
            | Op::Batch { .. } => [None; 3],
        }
    }

    /// Label registers that are written.
    pub(super) fn label_writes(self) -> [Option<u32>; 2] {
        match self {
            Op::FullAdder { sum, carry, .. } => [Some(sum), Some(carry)],
            Op::Load { to, .. }
            | Op::Xor { to, .. }
            | Op::Flip { to, .. }
            | Op::XorBit { to, .. }
            | Op::And { to, .. }
            | Op::AndBit { to, .. } => [Some(to), None],
            Op::BitLoad { .. }
            | Op::BitXor { .. }
            | Op::BitAnd { .. }
            | Op::BitFlip { .. }
            | Op::Store { .. }
            | Op::StoreBit { .. }
            | Op::StoreConst { .. }
            | Op::Batch { .. } => [None; 2],
        }
    }

    /// Bit registers that are read; the evaluator has none.
    fn bit_reads(self, role: Role) -> [Option<u32>; 2] {
        match self {
            _ if role == Role::Evaluator => [None; 2],
            Op::XorBit { bit, .. } | Op::AndBit { bit, .. } | Op::StoreBit { bit, .. } => [Some(bit), None],
            Op::BitXor { a, b, .. } | Op::BitAnd { a, b, .. } => [Some(a), Some(b)],
            Op::BitFlip { a, .. } => [Some(a), None],
            _ => [None; 2],
        }
    }

    /// The same operation on slots; registers that are dead after operation `at` give their slot back first,
    /// so that
    /// `to` may be one of the operands.
    fn placed(self, at: usize, labels: &mut Slots, bits: &mut Slots, role: Role) -> Op {
        let ([la, lb, lc], [ba, bb]) = (self.label_reads(), self.bit_reads(role));
        let slot = |slots: &Slots, r: Option<u32>| r.map_or(0, |r| slots.slot[r as usize]);
        let (la_slot, lb_slot, lc_slot) = (slot(labels, la), slot(labels, lb), slot(labels, lc));
        let (ba_slot, bb_slot) = (slot(bits, ba), slot(bits, bb));
        labels.release([la, lb, lc], at);
        bits.release([ba, bb], at);
        match self {
            Op::Load { to, input } => Op::Load { to: labels.take(to, at), input },
            Op::Xor { to, .. } => Op::Xor { to: labels.take(to, at), a: la_slot, b: lb_slot },
            Op::FullAdder { sum, carry, .. } => {
                // Both are held before either can be given back, for they are written at once.
                let (sum, carry) = labels.take_two(sum, carry, at);
                Op::FullAdder { sum, carry, x: la_slot, y: lb_slot, c: lc_slot }
            }
            Op::Flip { to, .. } => Op::Flip { to: labels.take(to, at), a: la_slot },
            Op::XorBit { to, .. } => Op::XorBit { to: labels.take(to, at), a: la_slot, bit: ba_slot },
            Op::And { to, .. } => Op::And { to: labels.take(to, at), a: la_slot, b: lb_slot },
            Op::AndBit { to, .. } => Op::AndBit { to: labels.take(to, at), a: la_slot, bit: ba_slot },
            Op::BitLoad { to, input } => Op::BitLoad { to: bits.take(to, at), input },
            Op::BitXor { to, .. } => Op::BitXor { to: bits.take(to, at), a: ba_slot, b: bb_slot },
            Op::BitAnd { to, .. } => Op::BitAnd { to: bits.take(to, at), a: ba_slot, b: bb_slot },
            Op::BitFlip { to, .. } => Op::BitFlip { to: bits.take(to, at), a: ba_slot },
            Op::Store { output, .. } => Op::Store { output, a: la_slot },
            Op::StoreBit { output, .. } => Op::StoreBit { output, bit: ba_slot },
            Op::StoreConst { .. } | Op::Batch { .. } => self,
        }
    }
}

/// Slots for virtual registers, given where each register is read last.
struct Slots {
    last_use: Vec<usize>,
    slot: Vec<u32>,
    free: Vec<u32>,
    count: u32,
}

impl Slots {
    fn new(last_use: Vec<usize>) -> Self {
        Self { slot: vec![0; last_use.len()], last_use, free: Vec::new(), count: 0 }
    }

    fn take(&mut self, register: u32, at: usize) -> u32 {
        let slot = self.hold(register);
        self.release_unread(register, at);
        slot
    }

    fn take_two(&mut self, one: u32, other: u32, at: usize) -> (u32, u32) {
        let slots = (self.hold(one), self.hold(other));
        self.release_unread(one, at);
        self.release_unread(other, at);
        slots
    }

    fn hold(&mut self, register: u32) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.count += 1;
            self.count - 1
        });
        self.slot[register as usize] = slot;
        slot
    }

    /// Gives back a register that is never read: a dead gate of a public file.
    fn release_unread(&mut self, register: u32, at: usize) {
        if self.last_use[register as usize] <= at {
            self.free.push(self.slot[register as usize]);
        }
    }

    /// Gives back the registers that are read for the last time at `at`, each once.
    fn release<const N: usize>(&mut self, registers: [Option<u32>; N], at: usize) {
        for (i, register) in registers.iter().enumerate() {
            let Some(register) = register.filter(|_| !registers[..i].contains(register)) else { continue };
            if self.last_use[register as usize] == at {
                self.free.push(self.slot[register as usize]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xonn_circuits::builder::Builder;
    use xonn_circuits::gadgets::adder::Columns;
    use xonn_circuits::gadgets::popcount::width_of;

    #[test]
    fn a_neuron_needs_few_slots_and_no_bits_at_the_evaluator() {
        let n = 1152;
        let mut b = Builder::new();
        let (x, w, c) = (b.input(n), b.input(n), b.input(width_of(n as u64)));
        let mut columns = Columns::new(&mut b);
        for (&x, &w) in x.iter().zip(&w) {
            let matched = columns.builder().xor(x, w);
            columns.add(0, matched);
        }
        let fires = columns.carry_out(&c);
        let netlist = b.finish(&[vec![fires]]);
        let mut classes = vec![Class::Hidden; n];
        classes.resize(2 * n + width_of(n as u64), Class::Garbler);
        let garbler = Tape::new(&netlist, &classes, Role::Garbler, false);
        let evaluator = Tape::new(&netlist, &classes, Role::Evaluator, false);
        assert_eq!(garbler.ands, evaluator.ands);
        assert_eq!(
            garbler.ands.ciphertexts(),
            knowledge::and_costs(&netlist, &classes).half_gate_bytes() / 16
        );
        assert_eq!(evaluator.bit_slots, 0);
        assert!(evaluator.ops.iter().all(|op| !matches!(op, Op::Flip { .. } | Op::XorBit { .. })));
        // Two waiting bits in each of 11 columns, and the operands of one full adder.
        assert!(garbler.label_slots <= 28, "{} slots", garbler.label_slots);
        assert!(garbler.bit_slots <= 2, "{} bit slots", garbler.bit_slots);
    }
}
