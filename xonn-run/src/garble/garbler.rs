//! The garbler: makes the ciphertexts, segment by segment. `evaluator.rs` mirrors it step by step.

use rayon::prelude::*;
use zeroize::{Zeroize, Zeroizing};

use super::OUTPUT_TWEAKS;
use super::gather::{Inputs, Vectors};
use super::plan::{LANES, Plan, Role, Segment};
use super::tape::Op;
use crate::block::{Block, Tccr};

/// One garbling of a program, to be used once.
///
/// The order of calls is: [`Garbler::garble`] until it gives nothing, then [`Garbler::decoding`].
pub struct Garbler<'p> {
    plan: &'p Plan<'p>,
    secret: &'p [bool],
    delta: Block,
    hash: Tccr,
    vectors: Vectors,
    next: usize,
    /// Slots of a template that is garbled in pieces.
    one: Slots<1>,
    many: Slots<LANES>,
}

impl<'p> Garbler<'p> {
    /// Starts a garbling.
    ///
    /// * `secret`: the garbler's bits.   * `delta`: fresh and secret, its least significant bit 1.
    /// * `hash`: with a fresh random start point, public.   * `input`: the zero labels of the client's input bits.
    ///
    /// # Panics
    /// If the plan is not a garbler's, `delta` is even, or a length is not the program's.
    #[must_use]
    pub fn new(plan: &'p Plan<'p>, secret: &'p [bool], delta: Block, hash: Tccr, input: Vec<Block>) -> Self {
        assert!(plan.role == Role::Garbler && delta.lsb(), "a garbler's plan, and colours that differ");
        assert_eq!(secret.len() as u64, plan.program.secret_bits(), "one bit for each secret bit");
        assert_eq!(input.len(), plan.program.input_bits(), "one label for each input bit");
        let vectors = Vectors::new(input, plan.layers.len());
        Self { plan, secret, delta, hash, vectors, next: 0, one: Slots::default(), many: Slots::default() }
    }

    /// Garbles the next segments, at most `most` of them side by side on the threads of the current pool, and returns
    /// their ciphertexts in order; nothing when all are garbled.
    pub fn garble(&mut self, most: usize) -> Vec<Vec<Block>> {
        let batch = self.plan.batch(self.next, most);
        let Some(first) = batch.first() else { return Vec::new() };
        let made: Vec<Made> = match first.piece {
            Some(piece) => vec![self.garble_piece(first, piece)],
            None => batch.par_iter().map(|segment| self.garble_groups(segment)).collect(),
        };
        let mut tables = Vec::with_capacity(made.len());
        for (segment, (table, outputs)) in batch.iter().zip(made) {
            debug_assert_eq!(table.len(), segment.ciphertexts, "the plan counts the tape's ciphertexts");
            self.vectors.scatter(self.plan, segment, &outputs);
            tables.push(table);
        }
        self.next += batch.len();
        let (layer, rest) = (first.layer, self.plan.batch(self.next, 1));
        if rest.first().is_none_or(|next| next.layer != layer) {
            self.vectors.finish_layer(self.plan, layer);
        }
        tables
    }

    /// What lets the evaluator read its output, and notice labels that are not of this garbling: for each output bit the
    /// hashes of its label for 0 and for 1.
    ///
    /// # Panics
    /// If segments are left to garble.
    #[must_use]
    pub fn decoding(self) -> Vec<Block> {
        assert!(self.plan.batch(self.next, 1).is_empty(), "decoding comes after the last segment");
        let output = self.vectors.output();
        let mut both = vec![Block::ZERO; 2 * output.len()]; // as long as it gets, so that no copy of a label is left behind
        for (pair, &w) in both.as_chunks_mut::<2>().0.iter_mut().zip(output) {
            *pair = [w, w ^ self.delta];
        }
        self.hash.hash::<2>(OUTPUT_TWEAKS, &mut both);
        both
    }

    /// Garbles whole groups; returns ciphertexts and output labels.
    fn garble_groups(&self, segment: &Segment) -> Made {
        let tape = &self.plan.layers[segment.layer][segment.block].tape;
        let (mut tables, mut outputs) = self.room_for(segment);
        let ops = 0..tape.ops.len();
        if segment.instances.end - segment.instances.start == 1 {
            let mut slots = Slots::<1>::default();
            self.run(segment, segment.instances.start, 1, ops, &mut slots, &mut tables, &mut outputs);
        } else {
            let mut slots = Slots::<LANES>::default();
            for first in segment.instances.clone().step_by(LANES) {
                let lanes = (segment.instances.end - first).min(LANES as u64) as usize;
                self.run(segment, first, lanes, ops.clone(), &mut slots, &mut tables, &mut outputs);
            }
        }
        (tables, outputs)
    }

    /// Garbles a piece of one group, whose slots live on from piece to piece.
    fn garble_piece(&mut self, segment: &Segment, piece: usize) -> Made {
        let ops = self.plan.layers[segment.layer][segment.block].tape.pieces[piece].ops.clone();
        let first = segment.instances.start;
        let lanes = (segment.instances.end - first) as usize;
        let (mut tables, mut outputs) = self.room_for(segment);
        if lanes == 1 {
            let mut slots = std::mem::take(&mut self.one);
            self.run(segment, first, 1, ops, &mut slots, &mut tables, &mut outputs);
            self.one = slots;
        } else {
            let mut slots = std::mem::take(&mut self.many);
            self.run(segment, first, lanes, ops, &mut slots, &mut tables, &mut outputs);
            self.many = slots;
        }
        (tables, outputs)
    }

    /// What a segment makes, empty, with room for all of it: a vector that grows leaves copies of labels behind.
    fn room_for(&self, segment: &Segment) -> Made {
        let tape = &self.plan.layers[segment.layer][segment.block].tape;
        let outputs = (segment.instances.end - segment.instances.start) as usize * tape.outputs as usize;
        (Vec::with_capacity(segment.ciphertexts), Zeroizing::new(Vec::with_capacity(outputs)))
    }

    /// Runs part of a tape on `lanes <= L` instances from `first` on.
    #[allow(clippy::too_many_arguments)] // one call site a shape; a struct of these would only rename them
    fn run<const L: usize>(
        &self,
        segment: &Segment,
        first: u64,
        lanes: usize,
        ops: std::ops::Range<usize>,
        slots: &mut Slots<L>,
        tables: &mut Vec<Block>,
        outputs: &mut Vec<Block>,
    ) {
        let plan = &self.plan.layers[segment.layer][segment.block];
        let (tape, delta) = (&plan.tape, self.delta);
        let inputs =
            Inputs::<L>::new(self.plan.program, plan, segment, first, lanes, &self.vectors, self.secret);
        slots.labels.resize(tape.label_slots as usize, [Block::ZERO; L]);
        slots.bits.resize(tape.bit_slots as usize, 0);
        let (labels, bits) = (&mut slots.labels[..], &mut slots.bits[..]);
        let mut tweak = segment.first_tweak + tables.len() as u64;
        let base = outputs.len();
        let count = tape.outputs as usize;
        let mut store = |output: u32, values: [Block; L]| {
            outputs.resize(base + count * lanes, Block::ZERO);
            for (lane, value) in values.into_iter().take(lanes).enumerate() {
                outputs[base + lane * count + output as usize] = value;
            }
        };
        let known = |bits: u16| -> [Block; L] { std::array::from_fn(|i| delta.masked(bits >> i & 1 == 1)) };
        for op in &tape.ops[ops] {
            match *op {
                Op::Load { to, input } => labels[to as usize] = inputs.labels(input),
                Op::Xor { to, a, b } => labels[to as usize] = xor(&labels[a as usize], &labels[b as usize]),
                Op::Flip { to, a } => labels[to as usize] = labels[a as usize].map(|w| w ^ delta),
                Op::XorBit { to, a, bit } => {
                    labels[to as usize] = xor(&labels[a as usize], &known(bits[bit as usize]));
                }
                Op::And { to, a, b } => {
                    let (a, b) = (labels[a as usize], labels[b as usize]);
                    labels[to as usize] = self.and(&a, &b, lanes, tweak, tables);
                    tweak += 2 * lanes as u64;
                }
                Op::AndBit { to, a, bit } => {
                    let a = labels[a as usize];
                    labels[to as usize] = self.and_bit(&a, known(bits[bit as usize]), lanes, tweak, tables);
                    tweak += lanes as u64;
                }
                Op::BitLoad { to, input } => bits[to as usize] = inputs.bits(input),
                Op::BitXor { to, a, b } => bits[to as usize] = bits[a as usize] ^ bits[b as usize],
                Op::BitAnd { to, a, b } => bits[to as usize] = bits[a as usize] & bits[b as usize],
                Op::BitFlip { to, a } => bits[to as usize] = !bits[a as usize],
                Op::Store { output, a } => store(output, labels[a as usize]),
                Op::StoreBit { output, bit } => store(output, known(bits[bit as usize])),
                Op::StoreConst { output, value } => store(output, known(if value { u16::MAX } else { 0 })),
            }
        }
    }

    /// A full AND on each lane: garbler half gate and evaluator half gate [ZRE15, figure 2]. Tweaks `2 * lane` and
    /// `2 * lane + 1` from `tweak` on; ciphertexts TG, TE lane by lane.
    #[inline]
    fn and<const L: usize>(
        &self,
        a: &[Block; L],
        b: &[Block; L],
        lanes: usize,
        tweak: u64,
        tables: &mut Vec<Block>,
    ) -> [Block; L] {
        let delta = self.delta;
        let mut h: [[Block; 4]; L] = std::array::from_fn(|i| [a[i], a[i] ^ delta, b[i], b[i] ^ delta]);
        self.hash.hash::<2>(tweak, h[..lanes].as_flattened_mut());
        let mut out = [Block::ZERO; L];
        for i in 0..lanes {
            let (pa, pb) = (a[i].lsb(), b[i].lsb());
            let [ha0, ha1, hb0, hb1] = h[i];
            let tg = ha0 ^ ha1 ^ delta.masked(pb);
            let wg = ha0 ^ tg.masked(pa);
            let te = hb0 ^ hb1 ^ a[i];
            let we = hb0 ^ (te ^ a[i]).masked(pb);
            tables.extend([tg, te]);
            out[i] = wg ^ we;
        }
        out
    }

    /// An AND with a bit of the garbler on each lane: a garbler half gate alone [ZRE15, section 3.1]. `known` holds
    /// `bit * delta`. One tweak and one ciphertext a lane.
    #[inline]
    fn and_bit<const L: usize>(
        &self,
        a: &[Block; L],
        known: [Block; L],
        lanes: usize,
        tweak: u64,
        tables: &mut Vec<Block>,
    ) -> [Block; L] {
        let mut h: [[Block; 2]; L] = std::array::from_fn(|i| [a[i], a[i] ^ self.delta]);
        self.hash.hash::<2>(tweak, h[..lanes].as_flattened_mut());
        let mut out = [Block::ZERO; L];
        for i in 0..lanes {
            let table = h[i][0] ^ h[i][1] ^ known[i];
            tables.push(table);
            out[i] = h[i][0] ^ table.masked(a[i].lsb());
        }
        out
    }
}

/// Ciphertexts and output labels of a segment; the labels are wiped when dropped.
type Made = (Vec<Block>, Zeroizing<Vec<Block>>);

impl Drop for Garbler<'_> {
    fn drop(&mut self) {
        self.delta.zeroize();
    }
}

#[inline]
fn xor<const L: usize>(a: &[Block; L], b: &[Block; L]) -> [Block; L] {
    std::array::from_fn(|i| a[i] ^ b[i])
}

/// Values of a running tape: labels, and bits with one lane a bit. Wiped when dropped.
struct Slots<const L: usize> {
    labels: Vec<[Block; L]>,
    bits: Vec<u16>,
}

impl<const L: usize> Default for Slots<L> {
    fn default() -> Self {
        Self { labels: Vec::new(), bits: Vec::new() }
    }
}

impl<const L: usize> Drop for Slots<L> {
    fn drop(&mut self) {
        self.labels.as_flattened_mut().zeroize();
        self.bits.zeroize();
    }
}
