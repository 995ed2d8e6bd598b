//! Evaluating up to [`LANES`](crate::block::LANES) instances side by side.

use crate::block::{Gates, Wide, Work};
use crate::garble::tables::Reader;
use crate::garble::tape::{Op, Tape};
use crate::garble::walk::{self, Group};
use crate::label::Label;
use crate::wiped::wipe;

/// Labels of a running tape, wiped when dropped.
#[derive(Default)]
pub(super) struct Slots(Vec<Wide>);

impl walk::Slots for Slots {
    fn fit(&mut self, tape: &Tape) {
        self.0.resize(tape.label_slots as usize, Wide::ZERO);
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// Part of a tape on `lanes` instances.
pub(super) struct Run<'a, 't> {
    pub group: Group<'a, Label>,
    pub slots: &'a mut Slots,
    /// Where the ciphertexts are.
    pub tables: &'a mut Reader<'t>,
    /// Template outputs of the first instance, then of the next.
    pub outputs: &'a mut [Label],
}

impl Work for Run<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<G: Gates>(self, gates: &mut G) {
        let Self { group: Group { ops, inputs, lanes }, slots, tables, outputs } = self;
        let labels = &mut slots.0[..];
        let width = outputs.len() / lanes;
        for op in ops {
            match *op {
                Op::Load { to, input } => labels[to as usize] = inputs.labels(gates, input),
                Op::Xor { to, a, b } => {
                    labels[to as usize] = gates.xor(&labels[a as usize], &labels[b as usize]);
                }
                Op::And { .. } | Op::FullAdder { .. } => {
                    let (to, sum, operands) = match *op {
                        Op::FullAdder { sum, carry, x, y, c } => {
                            let operands = [x, y, c].map(|slot| &labels[slot as usize]);
                            let [x, y, c] = operands;
                            (carry, Some((sum, gates.xor3(x, y, c))), operands)
                        }
                        Op::And { to, a, b } => {
                            (to, None, [&labels[a as usize], &labels[b as usize], &Wide::ZERO])
                        }
                        _ => unreachable!("matched above"),
                    };
                    let out = tables.and(gates, operands, lanes);
                    if let Some((slot, sum)) = sum {
                        labels[slot as usize] = sum;
                    }
                    labels[to as usize] = out;
                }
                Op::AndBit { to, a, .. } => {
                    labels[to as usize] = tables.half(gates, &labels[a as usize], lanes);
                }
                Op::Store { output, a } => {
                    for (instance, &value) in outputs.chunks_exact_mut(width).zip(&labels[a as usize].0) {
                        instance[output as usize] = Label::from_block(value);
                    }
                }
                // What the garbler or everybody knows has active label 0, which is what `outputs` holds.
                Op::StoreBit { .. } | Op::StoreConst { .. } => {}
                Op::Flip { .. }
                | Op::XorBit { .. }
                | Op::BitLoad { .. }
                | Op::BitXor { .. }
                | Op::BitAnd { .. }
                | Op::BitFlip { .. }
                | Op::Batch { .. } => unreachable!("no operations of the garbler or of a single instance"),
            }
        }
    }
}
