//! Evaluating one instance, its own independent ANDs side by side.

use zeroize::Zeroize;

use super::Inputs;
use crate::block::{Block, Gates, LANES, Tables, Wide, Work};
use crate::garble::tape::{Op, Tape};

/// Labels of a running tape, wiped when dropped.
#[derive(Default)]
pub(super) struct Slots(Vec<Block>);

impl Slots {
    /// Makes room for a tape; what is there stays.
    pub fn fit(&mut self, tape: &Tape) {
        self.0.resize(tape.label_slots as usize, Block::ZERO);
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Part of a tape on one instance.
pub(super) struct Run<'a> {
    pub ops: &'a [Op],
    pub inputs: Inputs<'a>,
    /// Tweak of the first ciphertext.
    pub tweak: u64,
    pub slots: &'a mut Slots,
    /// The ciphertexts, and no others.
    pub tables: &'a [Block],
    /// The template's outputs.
    pub outputs: &'a mut [Block],
}

impl Work for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn run<G: Gates>(self, gates: &G) {
        let Self { ops, inputs, mut tweak, slots, mut tables, outputs } = self;
        let labels = &mut slots.0[..];
        let (mut left, mut right) = (Wide::ZERO, Wide::ZERO);
        let mut filled = Tables::default();
        let mut rest = ops.iter();
        while let Some(op) = rest.next() {
            match *op {
                Op::Load { to, input } => labels[to as usize] = inputs.label(input),
                Op::Xor { to, a, b } => labels[to as usize] = labels[a as usize] ^ labels[b as usize],
                Op::Batch { count } => {
                    let count = count as usize;
                    let (batch, after) = rest.as_slice().split_at(count);
                    rest = after.iter();
                    let mut full = true;
                    for (lane, op) in batch.iter().enumerate().take(LANES) {
                        match *op {
                            Op::And { a, b, .. } => {
                                (left.0[lane], right.0[lane]) = (labels[a as usize], labels[b as usize]);
                            }
                            Op::AndBit { a, .. } => {
                                left.0[lane] = labels[a as usize];
                                full = false;
                            }
                            _ => unreachable!("a batch is of gates that cost something"),
                        }
                    }
                    let used = if full { 2 * count } else { count };
                    let (table, others) = tables.split_at(used);
                    let (first, second) = table.split_at(count);
                    filled[0][..count].copy_from_slice(first);
                    let out = if full {
                        filled[1][..count].copy_from_slice(second);
                        let tweaks = [tweak, tweak + count as u64];
                        gates.evaluate_and([&left, &right, &Wide::ZERO], tweaks, &filled[0], &filled[1])
                    } else {
                        gates.evaluate_half(&left, tweak, &filled[0])
                    };
                    for (op, &value) in batch.iter().zip(&out.0) {
                        if let Op::And { to, .. } | Op::AndBit { to, .. } = *op {
                            labels[to as usize] = value;
                        }
                    }
                    tables = others;
                    tweak += used as u64;
                }
                Op::Store { output, a } => outputs[output as usize] = labels[a as usize],
                // What the garbler or everybody knows has active label 0, which is what `outputs` holds.
                Op::StoreBit { .. } | Op::StoreConst { .. } => {}
                Op::And { .. } | Op::AndBit { .. } | Op::FullAdder { .. } => {
                    unreachable!("a single instance's ANDs are in batches")
                }
                Op::Flip { .. }
                | Op::XorBit { .. }
                | Op::BitLoad { .. }
                | Op::BitXor { .. }
                | Op::BitAnd { .. }
                | Op::BitFlip { .. } => unreachable!("an evaluator's tape has no operations of the garbler"),
            }
        }
        left.zeroize();
        right.zeroize();
    }
}
