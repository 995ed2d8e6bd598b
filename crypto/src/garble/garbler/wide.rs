//! Garbling up to [`LANES`](crate::block::LANES) instances side by side.

use zeroize::Zeroize;

use crate::block::{Gates, Wide, Work};
use crate::garble::tables::Writer;
use crate::garble::tape::{Op, Tape};
use crate::garble::walk::{self, Group};
use crate::label::{Delta, ZeroLabel};
use crate::wiped::wipe;

/// Values of a running tape: labels, and bits with one lane a bit. Wiped when dropped.
#[derive(Default)]
pub(super) struct Slots {
    labels: Vec<Wide>,
    bits: Vec<u16>,
    /// Bits of the eight template inputs from the number on, read ahead.
    ahead: Option<(u32, [u16; 8])>,
}

impl walk::Slots for Slots {
    fn fit(&mut self, tape: &Tape) {
        self.labels.resize(tape.label_slots as usize, Wide::ZERO);
        self.bits.resize(tape.bit_slots as usize, 0);
        self.ahead = None;
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        wipe(&mut self.labels);
        wipe(&mut self.bits);
        if let Some((_, bits)) = &mut self.ahead {
            bits.zeroize();
        }
    }
}

/// Part of a tape on `lanes` instances.
pub(super) struct Run<'a, 't> {
    pub group: Group<'a, ZeroLabel>,
    pub secret: &'a [bool],
    pub delta: &'a Delta,
    pub slots: &'a mut Slots,
    /// Where ciphertexts go.
    pub tables: &'a mut Writer<'t>,
    /// Template outputs of the first instance, then of the next.
    pub outputs: &'a mut [ZeroLabel],
}

impl Work for Run<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<G: Gates>(self, gates: &mut G) {
        let Self { group: Group { ops, inputs, lanes }, secret, delta, slots, tables, outputs } = self;
        let mut deltas = gates.splat(delta.block());
        let Slots { labels, bits, ahead } = slots;
        let (labels, bits) = (&mut labels[..], &mut bits[..]);
        let width = outputs.len() / lanes;
        for op in ops {
            match *op {
                Op::Load { to, input } => labels[to as usize] = inputs.labels(gates, input),
                Op::Xor { to, a, b } => {
                    labels[to as usize] = gates.xor(&labels[a as usize], &labels[b as usize]);
                }
                Op::Flip { to, a } => labels[to as usize] = gates.xor(&labels[a as usize], &deltas),
                Op::XorBit { to, a, bit } => {
                    labels[to as usize] = gates.xor_where(&labels[a as usize], &deltas, bits[bit as usize]);
                }
                Op::And { .. } | Op::FullAdder { .. } => {
                    let (to, sum, [x, y, c]) = match *op {
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
                    let out = tables.and(gates, delta.block(), [x, y, c], lanes);
                    if let Some((slot, sum)) = sum {
                        labels[slot as usize] = sum;
                    }
                    labels[to as usize] = out;
                }
                Op::AndBit { to, a, bit } => {
                    let (a, bits) = (&labels[a as usize], bits[bit as usize]);
                    labels[to as usize] = tables.half(gates, delta.block(), a, bits, lanes);
                }
                Op::BitLoad { to, input } => {
                    let at = |(first, eight): (u32, [u16; 8])| {
                        eight.get((input.wrapping_sub(first)) as usize).copied()
                    };
                    bits[to as usize] = ahead.and_then(at).unwrap_or_else(|| {
                        *ahead = inputs.eight_bits(input, secret).map(|eight| (input, eight));
                        ahead.and_then(at).unwrap_or_else(|| inputs.bits(input, secret))
                    });
                }
                Op::BitXor { to, a, b } => bits[to as usize] = bits[a as usize] ^ bits[b as usize],
                Op::BitAnd { to, a, b } => bits[to as usize] = bits[a as usize] & bits[b as usize],
                Op::BitFlip { to, a } => bits[to as usize] = !bits[a as usize],
                Op::Store { output, a } => store(outputs, width, output, &labels[a as usize]),
                Op::StoreBit { output, bit } => {
                    let known = gates.xor_where(&Wide::ZERO, &deltas, bits[bit as usize]);
                    store(outputs, width, output, &known);
                }
                Op::StoreConst { output, value } => {
                    store(outputs, width, output, if value { &deltas } else { &Wide::ZERO });
                }
                Op::Batch { .. } => unreachable!("batches are of single instances"),
            }
        }
        deltas.zeroize();
    }
}

/// Template output `output` of every instance.
#[inline(always)]
fn store(outputs: &mut [ZeroLabel], width: usize, output: u32, values: &Wide) {
    for (instance, &value) in outputs.chunks_exact_mut(width).zip(&values.0) {
        instance[output as usize] = ZeroLabel::from_block(value);
    }
}
