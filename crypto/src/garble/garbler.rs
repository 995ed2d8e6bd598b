//! The garbler: makes the ciphertexts, segment by segment. `evaluator.rs` mirrors it step by step.

use std::ops::Range;

use rayon::prelude::*;
use zeroize::{Zeroize, Zeroizing};

use super::OUTPUT_TWEAKS;
use super::gather::{Inputs, Vectors};
use super::schedule::{LANES, Role, SIDE_BY_SIDE, Schedule, Segment};
use super::scheme::Scheme;
use super::tables::{Ciphertexts, Writer};
use crate::block::{Block, Tccr};

mod single;
mod wide;

/// Labels of a group of instances between two pieces of their template.
#[derive(Default)]
struct Slots {
    single: single::Slots,
    wide: wide::Slots,
}

/// What a garbler draws for a circuit, and nobody else may know. Named, for swapped they would compile.
#[derive(Clone, Copy, Zeroize)]
pub struct Secrets {
    /// The difference of both labels of each wire. Its lowest bit is 1.
    pub delta: Block,
    /// Seed of the coins that three halves takes.
    pub dice: Block,
}

/// One garbling of a program, to be used once.
///
/// The order of calls is: [`Garbler::garble`] until it gives nothing, then [`Garbler::decoding`].
pub struct Garbler<'p> {
    schedule: &'p Schedule,
    scheme: Scheme,
    secret: &'p [bool],
    delta: Block,
    dice: Block,
    hash: Tccr,
    vectors: Vectors,
    next: usize,
    /// For each of the groups that go side by side the slots of a template in pieces.
    slots: [Slots; SIDE_BY_SIDE],
    /// Buffers of ciphertexts that were sent, to be filled again.
    spare: Vec<Ciphertexts>,
}

impl<'p> Garbler<'p> {
    /// Starts a garbling.
    ///
    /// * `secret`: the garbler's bits.   * `delta`: fresh and secret, its least significant bit 1.
    /// * `dice`: fresh and secret, the seed of the random bits of [`Scheme::ThreeHalves`].
    /// * `hash`: with a fresh random start point, public. * `input`: the zero labels of the client's input
    ///   bits.
    ///
    /// # Panics
    /// If the schedule is not a garbler's, `delta` is even, or a length is not the program's.
    #[must_use]
    pub fn new(
        schedule: &'p Schedule,
        scheme: Scheme,
        secret: &'p [bool],
        Secrets { delta, dice }: Secrets,
        hash: Tccr,
        input: Vec<Block>,
    ) -> Self {
        assert!(
            schedule.role == Role::Garbler && delta.lsb(),
            "a garbler's schedule, and colours that differ"
        );
        assert_eq!(secret.len() as u64, schedule.program.secret_bits(), "one bit for each secret bit");
        assert_eq!(input.len(), schedule.program.input_bits(), "one label for each input bit");
        let vectors = Vectors::new(input, schedule.layers.len());
        let slots = Default::default();
        Self { schedule, scheme, secret, delta, dice, hash, vectors, next: 0, slots, spare: Vec::new() }
    }

    /// Garbles the next segments, at most `most` of them side by side on the threads of the current pool, and
    /// returns their ciphertexts in order; nothing when all are garbled.
    pub fn garble(&mut self, most: usize) -> Vec<Ciphertexts> {
        let batch = self.schedule.batch(self.next, most);
        let Some(first) = batch.first() else { return Vec::new() };
        let mut tables: Vec<Ciphertexts> = Vec::with_capacity(batch.len());
        for segment in batch {
            let mut table = self.spare.pop().unwrap_or_default();
            table.resize(self.scheme.bytes(segment.ands));
            tables.push(table);
        }
        let made: Vec<Zeroizing<Vec<Block>>> = match first.piece {
            Some(piece) => {
                // Each group's slots leave for the time that a thread works with them.
                let slots: Vec<Slots> =
                    batch.iter().map(|segment| std::mem::take(&mut self.slots[segment.place()])).collect();
                let (made, slots): (Vec<_>, Vec<_>) = (batch.par_iter().zip(&mut tables).zip(slots))
                    .map(|((segment, table), slots)| self.garble_piece(segment, piece, slots, table))
                    .unzip();
                batch.iter().zip(slots).for_each(|(segment, slots)| self.slots[segment.place()] = slots);
                made
            }
            None => {
                let pairs = batch.par_iter().zip(&mut tables);
                pairs.map(|(segment, table)| self.garble_groups(segment, table)).collect()
            }
        };
        for (segment, outputs) in batch.iter().zip(made) {
            self.vectors.scatter(self.schedule, segment, &outputs);
        }
        self.next += batch.len();
        let (layer, rest) = (first.layer, self.schedule.batch(self.next, 1));
        if rest.first().is_none_or(|next| next.layer != layer) {
            self.vectors.finish_layer(self.schedule, layer);
        }
        tables
    }

    /// Gives back buffers that [`Garbler::garble`] returned and that are of no use any more, to be filled
    /// again: fresh memory costs more than the ciphertexts written to it.
    pub fn recycle(&mut self, tables: impl IntoIterator<Item = Ciphertexts>) {
        self.spare.extend(tables);
    }

    /// Takes back what was recycled and is not in use, for another garbling.
    pub fn take_spare(&mut self) -> Vec<Ciphertexts> {
        std::mem::take(&mut self.spare)
    }

    /// What lets the evaluator read its output, and notice labels that are not of this garbling: for each
    /// output bit the hashes of its label for 0 and for 1.
    ///
    /// # Panics
    /// If segments are left to garble.
    #[must_use]
    pub fn decoding(self) -> Vec<Block> {
        assert!(self.schedule.batch(self.next, 1).is_empty(), "decoding comes after the last segment");
        let output = self.vectors.output();
        let mut both = vec![Block::ZERO; 2 * output.len()]; // as long as it gets, so that no copy of a label is left behind
        for (pair, &w) in both.as_chunks_mut::<2>().0.iter_mut().zip(output) {
            *pair = [w, w ^ self.delta];
        }
        self.hash.hash::<2>(OUTPUT_TWEAKS, &mut both);
        both
    }

    /// Garbles whole groups; returns output labels.
    fn garble_groups(&self, segment: &Segment, tables: &mut Ciphertexts) -> Zeroizing<Vec<Block>> {
        let schedule = &self.schedule.layers[segment.layer][segment.block];
        let mut outputs = self.room_for(segment);
        let ops = 0..schedule.tape.ops.len();
        let mut tables = self.writer(segment, tables);
        if schedule.single {
            self.run_single(segment, ops, &mut single::Slots::default(), &mut tables, &mut outputs);
            return outputs;
        }
        let mut slots = wide::Slots::default();
        let mut left = &mut outputs[..];
        for first in segment.instances.clone().step_by(LANES) {
            let lanes = (segment.instances.end - first).min(LANES as u64) as usize;
            let (output, others) = left.split_at_mut(schedule.tape.outputs as usize * lanes);
            self.run_wide(segment, (first, lanes), ops.clone(), &mut slots, &mut tables, output);
            left = others;
        }
        outputs
    }

    /// Garbles a piece of one group, whose slots live on from piece to piece; returns output labels.
    fn garble_piece(
        &self,
        segment: &Segment,
        piece: usize,
        mut slots: Slots,
        tables: &mut Ciphertexts,
    ) -> (Zeroizing<Vec<Block>>, Slots) {
        let schedule = &self.schedule.layers[segment.layer][segment.block];
        let ops = schedule.tape.pieces[piece].ops.clone();
        let mut outputs = self.room_for(segment);
        let mut tables = self.writer(segment, tables);
        if schedule.single {
            self.run_single(segment, ops, &mut slots.single, &mut tables, &mut outputs);
        } else {
            let first = segment.instances.start;
            let lanes = (segment.instances.end - first) as usize;
            self.run_wide(segment, (first, lanes), ops, &mut slots.wide, &mut tables, &mut outputs);
        }
        (outputs, slots)
    }

    /// Output labels of a segment, zero at first: a vector that grew would leave copies of labels behind.
    fn room_for(&self, segment: &Segment) -> Zeroizing<Vec<Block>> {
        let tape = &self.schedule.layers[segment.layer][segment.block].tape;
        let outputs = (segment.instances.end - segment.instances.start) as usize * tape.outputs as usize;
        Zeroizing::new(vec![Block::ZERO; outputs])
    }

    fn writer<'t>(&self, segment: &Segment, tables: &'t mut Ciphertexts) -> Writer<'t> {
        Writer::new(tables, self.scheme, segment.ands, segment.first_tweak, [self.dice, self.hash.start()])
    }

    fn run_single(
        &self,
        segment: &Segment,
        ops: Range<usize>,
        slots: &mut single::Slots,
        tables: &mut Writer<'_>,
        outputs: &mut [Block],
    ) {
        let schedule = &self.schedule.layers[segment.layer][segment.block];
        let first = segment.instances.start;
        let inputs = Inputs::new(&self.schedule.program, schedule, segment, first, 1, &self.vectors);
        slots.fit(&schedule.tape);
        self.hash.run(single::Run {
            ops: &schedule.tape.ops[ops],
            inputs,
            secret: self.secret,
            delta: self.delta,
            slots,
            tables,
            outputs,
        });
    }

    fn run_wide(
        &self,
        segment: &Segment,
        (first, lanes): (u64, usize),
        ops: Range<usize>,
        slots: &mut wide::Slots,
        tables: &mut Writer<'_>,
        outputs: &mut [Block],
    ) {
        let schedule = &self.schedule.layers[segment.layer][segment.block];
        let inputs = Inputs::new(&self.schedule.program, schedule, segment, first, lanes, &self.vectors);
        slots.fit(&schedule.tape);
        self.hash.run(wide::Run {
            ops: &schedule.tape.ops[ops],
            inputs,
            lanes,
            secret: self.secret,
            delta: self.delta,
            slots,
            tables,
            outputs,
        });
    }
}

impl Drop for Garbler<'_> {
    fn drop(&mut self) {
        self.delta.zeroize();
        self.dice.zeroize();
    }
}
