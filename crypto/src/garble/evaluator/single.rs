//! Evaluating one instance, its own independent ANDs side by side.

use zeroize::Zeroize;

use crate::block::{Gates, LANES, Wide, Work};
use crate::garble::tables::Reader;
use crate::garble::tape::{Op, Tape};
use crate::garble::walk::{self, Group};
use crate::label::Label;
use crate::wiped::wipe;

/// Labels of a running tape, wiped when dropped.
#[derive(Default)]
pub(super) struct Slots(Vec<Label>);

impl walk::Slots for Slots {
    fn fit(&mut self, tape: &Tape) {
        self.0.resize(tape.label_slots as usize, Label::default());
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// Part of a tape on one instance.
pub(super) struct Run<'a, 't> {
    pub group: Group<'a, Label>,
    pub slots: &'a mut Slots,
    /// Where the ciphertexts are.
    pub tables: &'a mut Reader<'t>,
    /// The template's outputs.
    pub outputs: &'a mut [Label],
}

impl Work for Run<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<G: Gates>(self, gates: &mut G) {
        let Self { group: Group { ops, inputs, .. }, slots, tables, outputs } = self;
        let labels = &mut slots.0[..];
        let (mut left, mut right) = (Wide::ZERO, Wide::ZERO);
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
                                (left.0[lane], right.0[lane]) =
                                    (labels[a as usize].block(), labels[b as usize].block());
                            }
                            Op::AndBit { a, .. } => {
                                left.0[lane] = labels[a as usize].block();
                                full = false;
                            }
                            _ => unreachable!("a batch is of gates that cost something"),
                        }
                    }
                    let out = if full {
                        tables.and(gates, [&left, &right, &Wide::ZERO], count)
                    } else {
                        tables.half(gates, &left, count)
                    };
                    for (op, &value) in batch.iter().zip(&out.0) {
                        if let Op::And { to, .. } | Op::AndBit { to, .. } = *op {
                            labels[to as usize] = Label::from_block(value);
                        }
                    }
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
