//! The client's numbers that first layers read: which bits of the input each one is, and where each sum finds its own.
//!
//! A convolution reads the same number at many positions, and several blocks may read it, too. Here each number is one
//! value, so that whatever replaces it replaces it everywhere.

use std::collections::HashMap;

use zeroize::Zeroizing;

use super::sums::Sum;

/// Most reads of numbers that are looked at, and most places for numbers of all layouts.
const MAX_READS: usize = 1 << 26;

/// No number begins here.
const NONE: u32 = u32::MAX;

/// Every number that sums read, once.
pub(super) struct Values {
    layouts: Vec<Layout>,
    /// For each sum and each of its numbers the layout.
    of_sums: Vec<Vec<u32>>,
    /// For each number its first bit and its layout.
    numbers: Vec<(u32, u32)>,
    /// Bits of the widest sum: a number may be replaced by any that is the same modulo that power of two.
    bits: u32,
}

/// How a number lies in the input.
#[derive(Default)]
struct Layout {
    /// Its bits, counted from the first, least significant first.
    bits: Vec<usize>,
    /// What inverts its top bit, if that is inverted.
    top: u64,
    /// For each bit of the input the number that begins there.
    at: Vec<u32>,
}

impl Values {
    /// The numbers of `sums`, which read an input of `input_bits` bits; none if there are too many reads.
    pub fn of(sums: &[Sum], input_bits: usize) -> Option<Self> {
        let mut reads = 0usize;
        let bits = sums.iter().map(|sum| sum.linear.bits).max().unwrap_or(1);
        let mut values = Self { layouts: Vec::new(), of_sums: Vec::new(), numbers: Vec::new(), bits };
        let mut known: HashMap<(Vec<usize>, u64), u32> = HashMap::new();
        for sum in sums {
            let width = sum.linear.width as usize;
            let top = if sum.linear.top_inverted { 1 << (width - 1) } else { 0 };
            let mut layout_of = |number: &[usize]| {
                // Wrapping: a bit may lie before the first one, and comes out right when the first is added again.
                let bits: Vec<usize> = number.iter().map(|bit| bit.wrapping_sub(number[0])).collect();
                let next = known.len() as u32;
                *known.entry((bits, top)).or_insert(next)
            };
            let layouts: Vec<u32> = sum.bits.chunks(width).map(&mut layout_of).collect();
            let firsts = sum.bits.iter().step_by(width);
            reads = reads.saturating_add(sum.count_of_begins().saturating_mul(layouts.len()));
            if reads > MAX_READS || known.len().saturating_mul(input_bits) > MAX_READS {
                return None;
            }
            // Their places, now that it is known that there is room.
            values
                .layouts
                .resize_with(known.len(), || Layout { at: vec![NONE; input_bits], ..Layout::default() });
            for begin in sum.begins() {
                for (first, &layout) in firsts.clone().zip(&layouts) {
                    let number = &mut values.layouts[layout as usize].at[begin + first];
                    if *number == NONE {
                        *number = values.numbers.len() as u32;
                        values.numbers.push(((begin + first) as u32, layout));
                    }
                }
            }
            values.of_sums.push(layouts);
        }
        for ((bits, top), number) in known {
            let layout = &mut values.layouts[number as usize];
            (layout.bits, layout.top) = (bits, top);
        }
        Some(values)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.numbers.len()
    }

    /// Bits of the widest sum.
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// Their values for an input.
    pub fn of_input(&self, input: &[bool]) -> Zeroizing<Vec<u64>> {
        let value = |&(first, layout): &(u32, u32)| {
            let layout = &self.layouts[layout as usize];
            let bit = |offset: &usize| u64::from(input[offset.wrapping_add(first as usize)]);
            layout.bits.iter().rev().fold(0, |u, offset| u << 1 | bit(offset)) ^ layout.top
        };
        let mut values = Zeroizing::new(Vec::with_capacity(self.count()));
        values.extend(self.numbers.iter().map(value));
        values
    }

    /// Of `values` those that a group of sum number `sum` reads, the group beginning with `instance`: number after
    /// number, each at all positions.
    pub fn of_group(
        &self,
        (number, sum): (usize, &Sum),
        instance: u64,
        values: &[u64],
    ) -> Zeroizing<Vec<u64>> {
        let begins: Vec<usize> =
            sum.positions.iter().map(|position| sum.begin(instance + position)).collect();
        let layouts = &self.of_sums[number];
        let mut read = Zeroizing::new(Vec::with_capacity(begins.len() * layouts.len()));
        for (first, &layout) in sum.bits.iter().step_by(sum.linear.width as usize).zip(layouts) {
            let at = &self.layouts[layout as usize].at;
            read.extend(begins.iter().map(|begin| values[at[begin + first] as usize]));
        }
        read
    }
}
