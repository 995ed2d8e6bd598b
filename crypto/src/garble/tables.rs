//! The ciphertexts of a segment as they go over the wire, and how gates are written to and read from them.

use zeroize::Zeroize;

use super::scheme::{Ands, CONTROL_BITS, Layout, Scheme};
use crate::block::{Block, Gates, LANES, Prg, Tables, Wide, tweaks};

/// Half a block.
type Slice = [u8; 8];

/// The ciphertexts of a segment: their bytes, in memory that is aligned for blocks.
#[derive(Clone, Default, Debug)]
pub struct Ciphertexts {
    blocks: Vec<Block>,
    bytes: usize,
}

impl Ciphertexts {
    /// Makes them `bytes` long; what they hold then is of no meaning.
    pub fn resize(&mut self, bytes: usize) {
        // Memory that is there stays: to fill it with zeros again costs a tenth of receiving into it.
        let blocks = bytes.div_ceil(Block::BYTES).max(self.blocks.len());
        self.blocks.resize(blocks, Block::ZERO);
        self.bytes = bytes;
    }

    /// The bytes to be sent.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &Block::as_bytes(&self.blocks)[..self.bytes]
    }

    /// The bytes, writable, for receiving in place.
    pub fn as_bytes_mut(&mut self) -> &mut [u8] {
        &mut Block::as_bytes_mut(&mut self.blocks)[..self.bytes]
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }
}

/// Bits one after the other, least significant first in each byte.
struct Bits<T> {
    bytes: T,
    at: usize,
}

impl Bits<&mut [u8]> {
    /// Appends the lower `count` bits of `value`, at most 80; those above are 0.
    #[inline(always)]
    fn put(&mut self, value: u128, count: usize) {
        let (first, shift) = (self.at / 8, self.at % 8);
        self.at += count;
        if let (0, Some(ten)) = (shift, self.bytes[first..].first_chunk_mut::<10>().filter(|_| count == 80)) {
            ten.copy_from_slice(&value.to_le_bytes()[..10]);
            return;
        }
        let value = (value << shift).to_le_bytes();
        let to = &mut self.bytes[first..self.at.div_ceil(8)];
        for (i, (to, byte)) in to.iter_mut().zip(value).enumerate() {
            // What is there may be of an earlier use of the buffer, but for the bits just put before these.
            *to = if i == 0 && shift > 0 { *to & !(0xff << shift) | byte } else { byte };
        }
    }
}

impl Bits<&[u8]> {
    /// The next `count` bits, at most 80.
    #[inline(always)]
    fn take(&mut self, count: usize) -> u128 {
        let (first, shift) = (self.at / 8, self.at % 8);
        self.at += count;
        let from = &self.bytes[first..self.at.div_ceil(8)];
        let mut value = [0; 16];
        value[..from.len()].copy_from_slice(from);
        (u128::from_le_bytes(value) >> shift) & !(u128::MAX << count)
    }
}

/// The control bits of `lanes` lanes, number by number, one bit a lane.
#[inline(always)]
fn join(control: [u16; CONTROL_BITS], lanes: usize) -> u128 {
    let within = (1u32 << lanes) - 1;
    let one = |(i, bits): (usize, u16)| u128::from(u32::from(bits) & within) << (i * lanes);
    control.into_iter().enumerate().map(one).fold(0, |all, bits| all | bits)
}

/// Undoes [`join`].
#[inline(always)]
fn split(control: u128, lanes: usize) -> [u16; CONTROL_BITS] {
    let within = (1u32 << lanes) - 1;
    std::array::from_fn(|i| ((control >> (i * lanes)) as u32 & within) as u16)
}

/// The garbler's random bits for the control bits of [`Scheme::ThreeHalves`], two an AND.
struct Dice {
    stream: Prg,
    blocks: [Block; Self::BLOCKS],
    /// Numbers of 16 bits that are used up.
    used: usize,
}

impl Dice {
    const BLOCKS: usize = 32;

    /// The dice of a segment. A batch of gates takes 32 bits and at least one tweak, so that numbering blocks
    /// by tweaks keeps segments apart.
    fn new([seed, base]: [Block; 2], first_tweak: u64) -> Self {
        Self {
            stream: Prg::based(seed, base, first_tweak),
            blocks: [Block::ZERO; Self::BLOCKS],
            used: 8 * Self::BLOCKS,
        }
    }

    #[inline(always)]
    fn roll(&mut self) -> [u16; 2] {
        if self.used == 8 * Self::BLOCKS {
            self.stream.fill(&mut self.blocks);
            self.used = 0;
        }
        let two = &Block::as_bytes(&self.blocks)[2 * self.used..][..4];
        self.used += 2;
        [u16::from_le_bytes([two[0], two[1]]), u16::from_le_bytes([two[2], two[3]])]
    }
}

impl Drop for Dice {
    fn drop(&mut self) {
        self.blocks.zeroize();
    }
}

/// Where the garbler's gates put the ciphertexts of a segment, in order.
pub(super) struct Writer<'a> {
    blocks: &'a mut [Block],
    slices: &'a mut [Slice],
    control: Bits<&'a mut [u8]>,
    dice: Option<Dice>,
    tweak: u64,
}

impl<'a> Writer<'a> {
    /// Writes to `to`, which is as long as the layout of `ands` says. `dice`: seed of the garbler's random
    /// bits, and where its counters begin.
    pub fn new(
        to: &'a mut Ciphertexts,
        scheme: Scheme,
        ands: Ands,
        first_tweak: u64,
        dice: [Block; 2],
    ) -> Self {
        let Layout { blocks, slices, control_bytes } = scheme.layout(ands);
        let (blocks, rest) = to.blocks.split_at_mut(blocks);
        let (slices, rest) = Block::as_bytes_mut(rest).split_at_mut(8 * slices);
        let dice = (scheme == Scheme::ThreeHalves).then(|| Dice::new(dice, first_tweak));
        let control = Bits { bytes: &mut rest[..control_bytes], at: 0 };
        Self { blocks, slices: slices.as_chunks_mut().0, control, dice, tweak: first_tweak }
    }

    /// A full AND of `a ^ c` and `b ^ c`, to which `c` is added, in the first `lanes` lanes.
    #[inline(always)]
    pub fn and<G: Gates>(
        &mut self,
        gates: &mut G,
        delta: &Block,
        operands: [&Wide; 3],
        lanes: usize,
    ) -> Wide {
        let tweak = self.tweak;
        self.tweak += tweaks(lanes);
        // A last group of fewer lanes is garbled as if it were whole, and then cut.
        let Some(dice) = &mut self.dice else {
            let table = take_mut(&mut self.blocks, 2 * lanes);
            if let Some(whole) = table.as_chunks_mut::<LANES>().0.first_chunk_mut::<2>() {
                return gates.garble_and(delta, operands, tweak, whole);
            }
            let mut cut = Tables::default();
            let out = gates.garble_and(delta, operands, tweak, &mut cut);
            let (tg, te) = table.split_at_mut(lanes);
            tg.copy_from_slice(&cut[0][..lanes]);
            te.copy_from_slice(&cut[1][..lanes]);
            return out;
        };
        let dice = dice.roll();
        let (pairs, slices) = (take_mut(&mut self.blocks, lanes), take_mut(&mut self.slices, lanes));
        let (out, control) = match (pairs.first_chunk_mut(), slices.first_chunk_mut()) {
            (Some(pairs), Some(slices)) => gates.garble_sliced(delta, operands, tweak, dice, pairs, slices),
            _ => {
                let (mut cut_pairs, mut cut_slices) = ([Block::ZERO; LANES], [Slice::default(); LANES]);
                let made = gates.garble_sliced(delta, operands, tweak, dice, &mut cut_pairs, &mut cut_slices);
                pairs.copy_from_slice(&cut_pairs[..lanes]);
                slices.copy_from_slice(&cut_slices[..lanes]);
                made
            }
        };
        self.control.put(join(control, lanes), CONTROL_BITS * lanes);
        out
    }

    /// An AND with bits that the garbler knows, in the first `lanes` lanes.
    #[inline(always)]
    pub fn half<G: Gates>(
        &mut self,
        gates: &mut G,
        delta: &Block,
        a: &Wide,
        bits: u16,
        lanes: usize,
    ) -> Wide {
        let tweak = self.tweak;
        self.tweak += tweaks(lanes);
        let table = take_mut(&mut self.blocks, lanes);
        if let Some(whole) = table.first_chunk_mut() {
            return gates.garble_half(delta, a, bits, tweak, whole);
        }
        let mut cut = [Block::ZERO; LANES];
        let out = gates.garble_half(delta, a, bits, tweak, &mut cut);
        table.copy_from_slice(&cut[..lanes]);
        out
    }
}

/// Where the evaluator's gates find the ciphertexts of a segment. [`Writer`] mirrors it.
pub(super) struct Reader<'a> {
    blocks: &'a [Block],
    slices: &'a [Slice],
    control: Bits<&'a [u8]>,
    sliced: bool,
    tweak: u64,
}

impl<'a> Reader<'a> {
    /// Reads from `from`, which is as long as the layout of `ands` says.
    pub fn new(from: &'a Ciphertexts, scheme: Scheme, ands: Ands, first_tweak: u64) -> Self {
        let Layout { blocks, slices, control_bytes } = scheme.layout(ands);
        let (blocks, rest) = from.blocks.split_at(blocks);
        let (slices, rest) = Block::as_bytes(rest).split_at(8 * slices);
        let control = Bits { bytes: &rest[..control_bytes], at: 0 };
        let sliced = scheme == Scheme::ThreeHalves;
        Self { blocks, slices: slices.as_chunks().0, control, sliced, tweak: first_tweak }
    }

    /// [`Writer::and`] at the evaluator.
    #[inline(always)]
    pub fn and<G: Gates>(&mut self, gates: &mut G, operands: [&Wide; 3], lanes: usize) -> Wide {
        let tweak = self.tweak;
        self.tweak += tweaks(lanes);
        // A last group of fewer lanes is evaluated as if it were whole.
        if !self.sliced {
            let table = take(&mut self.blocks, 2 * lanes);
            if let [tg, te] = table.as_chunks::<LANES>().0 {
                return gates.evaluate_and(operands, tweak, tg, te);
            }
            let (tg, te) = table.split_at(lanes);
            return gates.evaluate_and(operands, tweak, &filled(tg, Block::ZERO), &filled(te, Block::ZERO));
        }
        let (pairs, slices) = (take(&mut self.blocks, lanes), take(&mut self.slices, lanes));
        let control = split(self.control.take(CONTROL_BITS * lanes), lanes);
        match (pairs.first_chunk(), slices.first_chunk()) {
            (Some(pairs), Some(slices)) => gates.evaluate_sliced(operands, tweak, pairs, slices, control),
            _ => {
                let (pairs, slices) = (filled(pairs, Block::ZERO), filled(slices, Slice::default()));
                gates.evaluate_sliced(operands, tweak, &pairs, &slices, control)
            }
        }
    }

    /// [`Writer::half`] at the evaluator.
    #[inline(always)]
    pub fn half<G: Gates>(&mut self, gates: &mut G, a: &Wide, lanes: usize) -> Wide {
        let tweak = self.tweak;
        self.tweak += tweaks(lanes);
        let table = take(&mut self.blocks, lanes);
        match table.first_chunk() {
            Some(whole) => gates.evaluate_half(a, tweak, whole),
            None => gates.evaluate_half(a, tweak, &filled(table, Block::ZERO)),
        }
    }
}

#[inline(always)]
fn filled<T: Copy>(part: &[T], rest: T) -> [T; LANES] {
    let mut all = [rest; LANES];
    all[..part.len()].copy_from_slice(part);
    all
}

#[inline(always)]
fn take<'a, T>(from: &mut &'a [T], count: usize) -> &'a [T] {
    let (taken, rest) = from.split_at(count);
    *from = rest;
    taken
}

#[inline(always)]
fn take_mut<'a, T>(from: &mut &'a mut [T], count: usize) -> &'a mut [T] {
    let (taken, rest) = std::mem::take(from).split_at_mut(count);
    *from = rest;
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_bits_are_packed_without_gaps_whatever_was_there() {
        for lanes in [[16, 16, 16], [16, 3, 7], [1, 1, 1], [5, 16, 2]] {
            let control: Vec<[u16; 5]> = (0..3)
                .map(|n| std::array::from_fn(|i| (0x9e37u32 * (7 * n + i as u32 + 1)) as u16))
                .collect();
            let total = (CONTROL_BITS * lanes.iter().sum::<usize>()).div_ceil(8);
            let mut bytes = vec![0xff; total];
            let mut writer = Bits { bytes: &mut bytes[..], at: 0 };
            for (control, lanes) in control.iter().zip(lanes) {
                writer.put(join(*control, lanes), CONTROL_BITS * lanes);
            }
            assert_eq!(writer.at.div_ceil(8), total);
            let mut reader = Bits { bytes: &bytes[..], at: 0 };
            for (control, lanes) in control.iter().zip(lanes) {
                let within = ((1u32 << lanes) - 1) as u16;
                assert_eq!(
                    split(reader.take(CONTROL_BITS * lanes), lanes),
                    control.map(|bits| bits & within)
                );
            }
        }
    }

    #[test]
    fn dice_differ_from_batch_to_batch_and_go_on_past_a_buffer() {
        let mut dice = Dice::new([Block::from(5), Block::from(1 << 90)], 1 << 40);
        let rolls: std::collections::HashSet<[u16; 2]> = (0..1000).map(|_| dice.roll()).collect();
        assert!(rolls.len() > 990, "32 random bits seldom come twice in a thousand");
        let mut same = Dice::new([Block::from(5), Block::from(1 << 90)], 1 << 40);
        assert!((0..1000).all(|_| rolls.contains(&same.roll())));
    }
}
