//! The evaluator: consumes the ciphertexts, segment by segment. `garbler.rs` mirrors it step by step.

use std::ops::Range;

use rayon::prelude::*;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::OUTPUT_TWEAKS;
use super::gather::{Inputs, Vectors};
use super::schedule::{LANES, Role, SIDE_BY_SIDE, Schedule, Segment};
use super::scheme::Scheme;
use super::tables::{Ciphertexts, Reader};
use crate::block::{Block, Tccr};

mod single;
mod wide;

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
    /// A message has another length than the schedule says.
    #[error("{what}: {found}, expected {expected}")]
    Length {
        /// Which message.
        what: &'static str,
        /// Bytes received, or segments.
        found: usize,
        /// Bytes expected, or segments.
        expected: usize,
    },
}

/// Labels of a group of instances between two pieces of their template.
#[derive(Default)]
struct Slots {
    single: single::Slots,
    wide: wide::Slots,
}

/// One evaluation of a garbled program.
///
/// The order of calls is: [`Evaluator::upcoming`] and [`Evaluator::evaluate`] until nothing is upcoming, then
/// [`Evaluator::decode`].
pub struct Evaluator<'p> {
    schedule: &'p Schedule,
    scheme: Scheme,
    hash: Tccr,
    vectors: Vectors,
    next: usize,
    /// For each of the groups that go side by side the slots of a template in pieces.
    slots: [Slots; SIDE_BY_SIDE],
}

impl<'p> Evaluator<'p> {
    /// What it runs.
    #[must_use]
    pub fn schedule(&self) -> &'p Schedule {
        self.schedule
    }

    /// Starts an evaluation.
    ///
    /// * `hash`: with the garbler's start point.   * `input`: the active labels of the client's input bits.
    ///
    /// # Panics
    /// If the schedule is not an evaluator's or there is not one label for each input bit.
    #[must_use]
    pub fn new(schedule: &'p Schedule, scheme: Scheme, hash: Tccr, input: Vec<Block>) -> Self {
        assert!(schedule.role == Role::Evaluator, "an evaluator's schedule");
        assert_eq!(input.len(), schedule.program.input_bits(), "one label for each input bit");
        let vectors = Vectors::new(input, schedule.layers.len());
        let slots = Default::default();
        Self { schedule, scheme, hash, vectors, next: 0, slots }
    }

    /// Bytes of the ciphertexts of the next segments that can be evaluated side by side, at most `most`; none
    /// when all are done.
    #[must_use]
    pub fn upcoming(&self, most: usize) -> Vec<usize> {
        self.schedule.batch(self.next, most).iter().map(|s| self.scheme.bytes(s.ands)).collect()
    }

    /// Evaluates the next segments, given the ciphertexts of as many as [`Evaluator::upcoming`] named.
    ///
    /// # Errors
    /// [`EvaluateError::Length`] if a segment's length is not the schedule's.
    pub fn evaluate(&mut self, tables: &[Ciphertexts]) -> Result<(), EvaluateError> {
        let batch = self.schedule.batch(self.next, tables.len());
        length("segments of garbled tables", tables.len(), batch.len())?;
        for (segment, table) in batch.iter().zip(tables) {
            length("bytes of a segment of garbled tables", table.len(), self.scheme.bytes(segment.ands))?;
        }
        let Some(first) = batch.first() else { return Ok(()) };
        let made: Vec<Zeroizing<Vec<Block>>> = match first.piece {
            Some(piece) => {
                // Each group's slots leave for the time that a thread works with them.
                let slots: Vec<Slots> =
                    batch.iter().map(|segment| std::mem::take(&mut self.slots[segment.place()])).collect();
                let (made, slots): (Vec<_>, Vec<_>) = (batch.par_iter().zip(tables).zip(slots))
                    .map(|((segment, table), slots)| self.evaluate_piece(segment, piece, slots, table))
                    .unzip();
                batch.iter().zip(slots).for_each(|(segment, slots)| self.slots[segment.place()] = slots);
                made
            }
            None => {
                let pairs = batch.par_iter().zip(tables);
                pairs.map(|(segment, table)| self.evaluate_groups(segment, table)).collect()
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
        Ok(())
    }

    /// The output bits, from the hashes of [`super::Garbler::decoding`].
    ///
    /// # Errors
    /// [`EvaluateError::WrongLabel`] if a label is not of the garbling, [`EvaluateError::Length`] for a
    /// decoding of another length.
    ///
    /// # Panics
    /// If segments are left to evaluate.
    pub fn decode(self, decoding: &[Block]) -> Result<Vec<bool>, EvaluateError> {
        assert!(self.schedule.batch(self.next, 1).is_empty(), "decoding comes after the last segment");
        let mut active = Zeroizing::new(self.vectors.output().to_vec());
        length("bytes of the decoding", 16 * decoding.len(), super::DECODE_BYTES * active.len())?;
        self.hash.hash::<1>(OUTPUT_TWEAKS, &mut active);
        // Every label is looked at, and none decides what is done next: the garbler can measure how long it
        // takes.
        let (pairs, _) = decoding.as_chunks::<2>();
        let found = active.iter().zip(pairs);
        let found =
            found.map(|(label, [zero, one])| [label.ct_eq(zero), label.ct_eq(one)].map(|c| c.unwrap_u8()));
        let found: Vec<[u8; 2]> = found.collect();
        if found.iter().fold(1, |valid, [zero, one]| valid & (zero ^ one)) == 1 {
            return Ok(found.iter().map(|&[_, one]| one == 1).collect());
        }
        let bit = found.iter().position(|[zero, one]| zero == one).unwrap_or_default();
        Err(EvaluateError::WrongLabel { bit })
    }

    /// Evaluates whole groups; returns output labels.
    fn evaluate_groups(&self, segment: &Segment, tables: &Ciphertexts) -> Zeroizing<Vec<Block>> {
        let schedule = &self.schedule.layers[segment.layer][segment.block];
        let mut outputs = self.room_for(segment);
        let ops = 0..schedule.tape.ops.len();
        let mut tables = self.reader(segment, tables);
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

    /// Evaluates a piece of one group, whose slots live on from piece to piece; returns output labels.
    fn evaluate_piece(
        &self,
        segment: &Segment,
        piece: usize,
        mut slots: Slots,
        tables: &Ciphertexts,
    ) -> (Zeroizing<Vec<Block>>, Slots) {
        let schedule = &self.schedule.layers[segment.layer][segment.block];
        let ops = schedule.tape.pieces[piece].ops.clone();
        let mut outputs = self.room_for(segment);
        let mut tables = self.reader(segment, tables);
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

    fn reader<'t>(&self, segment: &Segment, tables: &'t Ciphertexts) -> Reader<'t> {
        Reader::new(tables, self.scheme, segment.ands, segment.first_tweak)
    }

    fn run_single(
        &self,
        segment: &Segment,
        ops: Range<usize>,
        slots: &mut single::Slots,
        tables: &mut Reader<'_>,
        outputs: &mut [Block],
    ) {
        let schedule = &self.schedule.layers[segment.layer][segment.block];
        let first = segment.instances.start;
        let inputs = Inputs::new(&self.schedule.program, schedule, segment, first, 1, &self.vectors);
        slots.fit(&schedule.tape);
        self.hash.run(single::Run { ops: &schedule.tape.ops[ops], inputs, slots, tables, outputs });
    }

    fn run_wide(
        &self,
        segment: &Segment,
        (first, lanes): (u64, usize),
        ops: Range<usize>,
        slots: &mut wide::Slots,
        tables: &mut Reader<'_>,
        outputs: &mut [Block],
    ) {
        let schedule = &self.schedule.layers[segment.layer][segment.block];
        let inputs = Inputs::new(&self.schedule.program, schedule, segment, first, lanes, &self.vectors);
        slots.fit(&schedule.tape);
        let ops = &schedule.tape.ops[ops];
        self.hash.run(wide::Run { ops, inputs, lanes, slots, tables, outputs });
    }
}

fn length(what: &'static str, found: usize, expected: usize) -> Result<(), EvaluateError> {
    if found == expected { Ok(()) } else { Err(EvaluateError::Length { what, found, expected }) }
}
