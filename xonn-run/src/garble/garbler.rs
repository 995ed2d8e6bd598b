//! The garbler: makes the ciphertexts, segment by segment. `evaluator.rs` mirrors it step by step.

use std::ops::Range;

use rayon::prelude::*;
use zeroize::{Zeroize, Zeroizing};

use super::OUTPUT_TWEAKS;
use super::gather::{Inputs, Vectors};
use super::plan::{LANES, Plan, Role, Segment};
use crate::block::{Block, Tccr};

mod single;
mod wide;

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
    one: single::Slots,
    many: wide::Slots,
    /// Buffers of ciphertexts that were sent, to be filled again.
    spare: Vec<Vec<Block>>,
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
        let (one, many) = (single::Slots::default(), wide::Slots::default());
        Self { plan, secret, delta, hash, vectors, next: 0, one, many, spare: Vec::new() }
    }

    /// Garbles the next segments, at most `most` of them side by side on the threads of the current pool, and returns
    /// their ciphertexts in order; nothing when all are garbled.
    pub fn garble(&mut self, most: usize) -> Vec<Vec<Block>> {
        let batch = self.plan.batch(self.next, most);
        let Some(first) = batch.first() else { return Vec::new() };
        let mut tables: Vec<Vec<Block>> = Vec::with_capacity(batch.len());
        for segment in batch {
            let mut table = self.spare.pop().unwrap_or_default();
            table.resize(segment.ciphertexts, Block::ZERO);
            tables.push(table);
        }
        let made: Vec<Zeroizing<Vec<Block>>> = match first.piece {
            Some(piece) => vec![self.garble_piece(first, piece, &mut tables[0])],
            None => {
                let pairs = batch.par_iter().zip(&mut tables);
                pairs.map(|(segment, table)| self.garble_groups(segment, table)).collect()
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
        tables
    }

    /// Gives back buffers that [`Garbler::garble`] returned and that are of no use any more, to be filled again: fresh
    /// memory costs more than the ciphertexts written to it.
    pub fn recycle(&mut self, tables: impl IntoIterator<Item = Vec<Block>>) {
        self.spare.extend(tables);
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

    /// Garbles whole groups; returns output labels.
    fn garble_groups(&self, segment: &Segment, mut tables: &mut [Block]) -> Zeroizing<Vec<Block>> {
        let plan = &self.plan.layers[segment.layer][segment.block];
        let mut outputs = self.room_for(segment);
        let ops = 0..plan.tape.ops.len();
        if plan.single {
            self.run_single(segment, ops, &mut single::Slots::default(), tables, &mut outputs);
            return outputs;
        }
        let mut slots = wide::Slots::default();
        let mut left = &mut outputs[..];
        for first in segment.instances.clone().step_by(LANES) {
            let lanes = (segment.instances.end - first).min(LANES as u64) as usize;
            let (table, rest) = tables.split_at_mut(plan.tape.ciphertexts as usize * lanes);
            let (output, others) = left.split_at_mut(plan.tape.outputs as usize * lanes);
            let tweak = segment.first_tweak + (segment.ciphertexts - rest.len() - table.len()) as u64;
            self.run_wide(segment, (first, lanes), ops.clone(), &mut slots, tweak, table, output);
            (tables, left) = (rest, others);
        }
        outputs
    }

    /// Garbles a piece of one group, whose slots live on from piece to piece; returns output labels.
    fn garble_piece(
        &mut self,
        segment: &Segment,
        piece: usize,
        tables: &mut [Block],
    ) -> Zeroizing<Vec<Block>> {
        let plan = &self.plan.layers[segment.layer][segment.block];
        let ops = plan.tape.pieces[piece].ops.clone();
        let mut outputs = self.room_for(segment);
        if plan.single {
            let mut slots = std::mem::take(&mut self.one);
            self.run_single(segment, ops, &mut slots, tables, &mut outputs);
            self.one = slots;
        } else {
            let mut slots = std::mem::take(&mut self.many);
            let first = segment.instances.start;
            let lanes = (segment.instances.end - first) as usize;
            self.run_wide(
                segment,
                (first, lanes),
                ops,
                &mut slots,
                segment.first_tweak,
                tables,
                &mut outputs,
            );
            self.many = slots;
        }
        outputs
    }

    /// Output labels of a segment, zero at first: a vector that grew would leave copies of labels behind.
    fn room_for(&self, segment: &Segment) -> Zeroizing<Vec<Block>> {
        let tape = &self.plan.layers[segment.layer][segment.block].tape;
        let outputs = (segment.instances.end - segment.instances.start) as usize * tape.outputs as usize;
        Zeroizing::new(vec![Block::ZERO; outputs])
    }

    fn run_single(
        &self,
        segment: &Segment,
        ops: Range<usize>,
        slots: &mut single::Slots,
        tables: &mut [Block],
        outputs: &mut [Block],
    ) {
        let plan = &self.plan.layers[segment.layer][segment.block];
        let first = segment.instances.start;
        let inputs = Inputs::new(self.plan.program, plan, segment, first, 1, &self.vectors);
        slots.fit(&plan.tape);
        self.hash.run(single::Run {
            ops: &plan.tape.ops[ops],
            inputs,
            secret: self.secret,
            delta: self.delta,
            tweak: segment.first_tweak,
            slots,
            tables,
            outputs,
        });
    }

    #[allow(clippy::too_many_arguments)] // two call sites; a struct of these would only rename them
    fn run_wide(
        &self,
        segment: &Segment,
        (first, lanes): (u64, usize),
        ops: Range<usize>,
        slots: &mut wide::Slots,
        tweak: u64,
        tables: &mut [Block],
        outputs: &mut [Block],
    ) {
        let plan = &self.plan.layers[segment.layer][segment.block];
        let inputs = Inputs::new(self.plan.program, plan, segment, first, lanes, &self.vectors);
        slots.fit(&plan.tape);
        self.hash.run(wide::Run {
            ops: &plan.tape.ops[ops],
            inputs,
            lanes,
            secret: self.secret,
            delta: self.delta,
            tweak,
            slots,
            tables,
            outputs,
        });
    }
}

impl Drop for Garbler<'_> {
    fn drop(&mut self) {
        self.delta.zeroize();
    }
}
