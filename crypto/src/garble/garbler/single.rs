//! Garbling one instance, its own independent ANDs side by side.

use zeroize::Zeroize;

use crate::block::{Gates, LANES, Wide, Work};
use crate::garble::tables::Writer;
use crate::garble::tape::{Op, Tape};
use crate::garble::walk::{self, Group};
use crate::label::{Delta, ZeroLabel};
use crate::wiped::wipe;

/// Values of a running tape. Wiped when dropped.
#[derive(Default)]
pub(super) struct Slots {
    labels: Vec<ZeroLabel>,
    bits: Vec<bool>,
}

impl walk::Slots for Slots {
    fn fit(&mut self, tape: &Tape) {
        self.labels.resize(tape.label_slots as usize, ZeroLabel::default());
        self.bits.resize(tape.bit_slots as usize, false);
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        wipe(&mut self.labels);
        wipe(&mut self.bits);
    }
}

/// Part of a tape on one instance.
pub(super) struct Run<'a, 't> {
    pub group: Group<'a, ZeroLabel>,
    pub secret: &'a [bool],
    pub delta: &'a Delta,
    pub slots: &'a mut Slots,
    /// Where ciphertexts go.
    pub tables: &'a mut Writer<'t>,
    /// The template's outputs.
    pub outputs: &'a mut [ZeroLabel],
}

impl Work for Run<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<G: Gates>(self, gates: &mut G) {
        let Self { group: Group { ops, inputs, .. }, secret, delta, slots, tables, outputs } = self;
        let Slots { labels, bits } = slots;
        let (labels, bits) = (&mut labels[..], &mut bits[..]);
        let (mut left, mut right) = (Wide::ZERO, Wide::ZERO);
        let mut rest = ops.iter();
        while let Some(op) = rest.next() {
            match *op {
                Op::Load { to, input } => labels[to as usize] = inputs.label(input),
                Op::Xor { to, a, b } => labels[to as usize] = labels[a as usize] ^ labels[b as usize],
                Op::Flip { to, a } => labels[to as usize] = labels[a as usize].moved(true, delta),
                Op::XorBit { to, a, bit } => {
                    labels[to as usize] = labels[a as usize].moved(bits[bit as usize], delta);
                }
                Op::Batch { count } => {
                    let count = count as usize;
                    let (batch, after) = rest.as_slice().split_at(count);
                    rest = after.iter();
                    let mut known = 0;
                    let mut full = true;
                    for (lane, op) in batch.iter().enumerate().take(LANES) {
                        match *op {
                            Op::And { a, b, .. } => {
                                (left.0[lane], right.0[lane]) =
                                    (labels[a as usize].block(), labels[b as usize].block());
                            }
                            Op::AndBit { a, bit, .. } => {
                                left.0[lane] = labels[a as usize].block();
                                known |= u16::from(bits[bit as usize]) << lane;
                                full = false;
                            }
                            _ => unreachable!("a batch is of gates that cost something"),
                        }
                    }
                    let out = if full {
                        tables.and(gates, delta.block(), [&left, &right, &Wide::ZERO], count)
                    } else {
                        tables.half(gates, delta.block(), &left, known, count)
                    };
                    for (op, &value) in batch.iter().zip(&out.0) {
                        if let Op::And { to, .. } | Op::AndBit { to, .. } = *op {
                            labels[to as usize] = ZeroLabel::from_block(value);
                        }
                    }
                }
                Op::BitLoad { to, input } => bits[to as usize] = inputs.bits(input, secret) == 1,
                Op::BitXor { to, a, b } => bits[to as usize] = bits[a as usize] ^ bits[b as usize],
                Op::BitAnd { to, a, b } => bits[to as usize] = bits[a as usize] & bits[b as usize],
                Op::BitFlip { to, a } => bits[to as usize] = !bits[a as usize],
                Op::Store { output, a } => outputs[output as usize] = labels[a as usize],
                Op::StoreBit { output, bit } => {
                    outputs[output as usize] = ZeroLabel::default().moved(bits[bit as usize], delta);
                }
                Op::StoreConst { output, value } => {
                    outputs[output as usize] = ZeroLabel::default().moved(value, delta);
                }
                Op::And { .. } | Op::AndBit { .. } | Op::FullAdder { .. } => {
                    unreachable!("a single instance's ANDs are in batches")
                }
            }
        }
        left.zeroize();
        right.zeroize();
    }
}
