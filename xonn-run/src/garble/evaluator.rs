//! The evaluator: consumes the ciphertexts, segment by segment. `garbler.rs` mirrors it step by step.

use rayon::prelude::*;
use zeroize::{Zeroize, Zeroizing};

use super::OUTPUT_TWEAKS;
use super::gather::{Inputs, Vectors};
use super::plan::{LANES, Plan, Role, Segment};
use super::tape::Op;
use crate::block::{Block, Tccr};

/// Why an evaluation gave no output. The first two are a peer's or a wire's fault, never the caller's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// The output label is none of the two that the garbler announced.
    #[error(
        "output bit {bit}: the label is neither of the garbler's two, so tables or labels were damaged or forged on the way"
    )]
    WrongLabel {
        /// The output bit.
        bit: usize,
    },
    /// A message has another length than the plan says.
    #[error("{what}: {found} blocks, expected {expected}")]
    Length {
        /// Which message.
        what: &'static str,
        /// Blocks received.
        found: usize,
        /// Blocks expected.
        expected: usize,
    },
}

/// One evaluation of a garbled program.
///
/// The order of calls is: [`Evaluator::upcoming`] and [`Evaluator::evaluate`] until nothing is upcoming, then
/// [`Evaluator::decode`].
pub struct Evaluator<'p> {
    plan: &'p Plan<'p>,
    hash: Tccr,
    vectors: Vectors,
    next: usize,
    /// Slots of a template that is evaluated in pieces.
    one: Slots<1>,
    many: Slots<LANES>,
}

impl<'p> Evaluator<'p> {
    /// Starts an evaluation.
    ///
    /// * `hash`: with the garbler's start point.   * `input`: the active labels of the client's input bits.
    ///
    /// # Panics
    /// If the plan is not an evaluator's or there is not one label for each input bit.
    #[must_use]
    pub fn new(plan: &'p Plan<'p>, hash: Tccr, input: Vec<Block>) -> Self {
        assert!(plan.role == Role::Evaluator, "an evaluator's plan");
        assert_eq!(input.len(), plan.program.input_bits(), "one label for each input bit");
        let vectors = Vectors::new(input, plan.layers.len());
        Self { plan, hash, vectors, next: 0, one: Slots::default(), many: Slots::default() }
    }

    /// Ciphertexts of the next segments that can be evaluated side by side, at most `most`; none when all are done.
    #[must_use]
    pub fn upcoming(&self, most: usize) -> Vec<usize> {
        self.plan.batch(self.next, most).iter().map(|s| s.ciphertexts).collect()
    }

    /// Evaluates the next segments, given the ciphertexts of as many as [`Evaluator::upcoming`] named.
    ///
    /// # Errors
    /// [`EvaluateError::Length`] if a segment's length is not the plan's.
    pub fn evaluate(&mut self, tables: &[Vec<Block>]) -> Result<(), EvaluateError> {
        let batch = self.plan.batch(self.next, tables.len());
        length("segments", tables.len(), batch.len())?;
        for (segment, table) in batch.iter().zip(tables) {
            length("a segment of garbled tables", table.len(), segment.ciphertexts)?;
        }
        let Some(first) = batch.first() else { return Ok(()) };
        let made: Vec<Zeroizing<Vec<Block>>> = match first.piece {
            Some(piece) => vec![self.evaluate_piece(first, piece, &tables[0])],
            None => {
                let pairs = batch.par_iter().zip(tables);
                pairs.map(|(segment, table)| self.evaluate_groups(segment, table)).collect()
            }
        };
        for (segment, outputs) in batch.iter().zip(made) {
            self.vectors.scatter(self.plan, segment, &outputs);
        }
        self.next += batch.len();
        let (layer, rest) = (first.layer, self.plan.batch(self.next, 1));
        if rest.first().is_none_or(|next| next.layer != layer) {
            self.vectors.finish_layer(self.plan, layer);
        }
        Ok(())
    }

    /// The output bits, from the hashes of [`super::Garbler::decoding`].
    ///
    /// # Errors
    /// [`EvaluateError::WrongLabel`] if a label is not of the garbling, [`EvaluateError::Length`] for a decoding of
    /// another length.
    ///
    /// # Panics
    /// If segments are left to evaluate.
    pub fn decode(self, decoding: &[Block]) -> Result<Vec<bool>, EvaluateError> {
        assert!(self.plan.batch(self.next, 1).is_empty(), "decoding comes after the last segment");
        let mut active = self.vectors.output().to_vec();
        length("the decoding", decoding.len(), 2 * active.len())?;
        self.hash.hash::<1>(OUTPUT_TWEAKS, &mut active);
        let (pairs, _) = decoding.as_chunks::<2>();
        let read =
            |(bit, (label, [zero, one])): (usize, (&Block, &[Block; 2]))| match (label == zero, label == one)
            {
                (true, false) => Ok(false),
                (false, true) => Ok(true),
                _ => Err(EvaluateError::WrongLabel { bit }),
            };
        active.iter().zip(pairs).enumerate().map(read).collect()
    }

    /// Evaluates whole groups; returns output labels.
    fn evaluate_groups(&self, segment: &Segment, tables: &[Block]) -> Zeroizing<Vec<Block>> {
        let tape = &self.plan.layers[segment.layer][segment.block].tape;
        let mut outputs = self.room_for(segment);
        let ops = 0..tape.ops.len();
        if segment.instances.end - segment.instances.start == 1 {
            let mut slots = Slots::<1>::default();
            self.run(segment, segment.instances.start, 1, ops, &mut slots, (tables, 0), &mut outputs);
        } else {
            let mut slots = Slots::<LANES>::default();
            let mut read = 0;
            for first in segment.instances.clone().step_by(LANES) {
                let lanes = (segment.instances.end - first).min(LANES as u64) as usize;
                read +=
                    self.run(segment, first, lanes, ops.clone(), &mut slots, (tables, read), &mut outputs);
            }
        }
        outputs
    }

    /// Evaluates a piece of one group, whose slots live on from piece to piece.
    fn evaluate_piece(&mut self, segment: &Segment, piece: usize, tables: &[Block]) -> Zeroizing<Vec<Block>> {
        let ops = self.plan.layers[segment.layer][segment.block].tape.pieces[piece].ops.clone();
        let first = segment.instances.start;
        let lanes = (segment.instances.end - first) as usize;
        let mut outputs = self.room_for(segment);
        if lanes == 1 {
            let mut slots = std::mem::take(&mut self.one);
            self.run(segment, first, 1, ops, &mut slots, (tables, 0), &mut outputs);
            self.one = slots;
        } else {
            let mut slots = std::mem::take(&mut self.many);
            self.run(segment, first, lanes, ops, &mut slots, (tables, 0), &mut outputs);
            self.many = slots;
        }
        outputs
    }

    /// Output labels of a segment, none yet, with room for all: a vector that grows leaves copies of labels behind.
    fn room_for(&self, segment: &Segment) -> Zeroizing<Vec<Block>> {
        let tape = &self.plan.layers[segment.layer][segment.block].tape;
        let outputs = (segment.instances.end - segment.instances.start) as usize * tape.outputs as usize;
        Zeroizing::new(Vec::with_capacity(outputs))
    }

    /// Runs part of a tape on `lanes <= L` instances from `first` on, with the ciphertexts of a segment from an index on;
    /// returns how many were used.
    #[allow(clippy::too_many_arguments)] // one call site a shape; a struct of these would only rename them
    fn run<const L: usize>(
        &self,
        segment: &Segment,
        first: u64,
        lanes: usize,
        ops: std::ops::Range<usize>,
        slots: &mut Slots<L>,
        (tables, start): (&[Block], usize),
        outputs: &mut Vec<Block>,
    ) -> usize {
        let plan = &self.plan.layers[segment.layer][segment.block];
        let tape = &plan.tape;
        let inputs = Inputs::<L>::new(self.plan.program, plan, segment, first, lanes, &self.vectors, &[]);
        slots.0.resize(tape.label_slots as usize, [Block::ZERO; L]);
        let labels = &mut slots.0[..];
        let mut read = start;
        let base = outputs.len();
        let count = tape.outputs as usize;
        let mut store = |output: u32, values: [Block; L]| {
            outputs.resize(base + count * lanes, Block::ZERO);
            for (lane, value) in values.into_iter().take(lanes).enumerate() {
                outputs[base + lane * count + output as usize] = value;
            }
        };
        for op in &tape.ops[ops] {
            match *op {
                Op::Load { to, input } => labels[to as usize] = inputs.labels(input),
                Op::Xor { to, a, b } => {
                    let (a, b) = (labels[a as usize], labels[b as usize]);
                    labels[to as usize] = std::array::from_fn(|i| a[i] ^ b[i]);
                }
                Op::And { to, a, b } => {
                    let (a, b) = (labels[a as usize], labels[b as usize]);
                    let table = &tables[read..read + 2 * lanes];
                    labels[to as usize] = self.and(&a, &b, segment.first_tweak + read as u64, table);
                    read += 2 * lanes;
                }
                Op::AndBit { to, a, .. } => {
                    let a = labels[a as usize];
                    let table = &tables[read..read + lanes];
                    labels[to as usize] = self.and_bit(&a, segment.first_tweak + read as u64, table);
                    read += lanes;
                }
                Op::Store { output, a } => store(output, labels[a as usize]),
                // What the garbler or everybody knows has active label 0.
                Op::StoreBit { output, .. } | Op::StoreConst { output, .. } => {
                    store(output, [Block::ZERO; L])
                }
                Op::Flip { .. }
                | Op::XorBit { .. }
                | Op::BitLoad { .. }
                | Op::BitXor { .. }
                | Op::BitAnd { .. }
                | Op::BitFlip { .. } => unreachable!("an evaluator's tape has no operations of the garbler"),
            }
        }
        read - start
    }

    /// A full AND on each lane [ZRE15, figure 2]: `table` holds TG, TE lane by lane.
    #[inline]
    fn and<const L: usize>(&self, a: &[Block; L], b: &[Block; L], tweak: u64, table: &[Block]) -> [Block; L] {
        let (pairs, _) = table.as_chunks::<2>();
        let mut h: [[Block; 2]; L] = std::array::from_fn(|i| [a[i], b[i]]);
        self.hash.hash::<1>(tweak, h[..pairs.len()].as_flattened_mut());
        let mut out = [Block::ZERO; L];
        for (i, &[tg, te]) in pairs.iter().enumerate() {
            let (sa, sb) = (a[i].lsb(), b[i].lsb());
            out[i] = h[i][0] ^ tg.masked(sa) ^ h[i][1] ^ (te ^ a[i]).masked(sb);
        }
        out
    }

    /// An AND with a bit of the garbler on each lane [ZRE15, section 3.1]: one ciphertext a lane.
    #[inline]
    fn and_bit<const L: usize>(&self, a: &[Block; L], tweak: u64, table: &[Block]) -> [Block; L] {
        let mut h = *a;
        self.hash.hash::<1>(tweak, &mut h[..table.len()]);
        let mut out = [Block::ZERO; L];
        for (i, &t) in table.iter().enumerate() {
            out[i] = h[i] ^ t.masked(a[i].lsb());
        }
        out
    }
}

fn length(what: &'static str, found: usize, expected: usize) -> Result<(), EvaluateError> {
    if found == expected { Ok(()) } else { Err(EvaluateError::Length { what, found, expected }) }
}

/// Labels of a running tape, wiped when dropped.
struct Slots<const L: usize>(Vec<[Block; L]>);

impl<const L: usize> Default for Slots<L> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<const L: usize> Drop for Slots<L> {
    fn drop(&mut self) {
        self.0.as_flattened_mut().zeroize();
    }
}
