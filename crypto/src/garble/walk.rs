//! The way through a schedule, the same for both roles: a batch of segments side by side on threads, each
//! group of instances through its tape, and outputs to where later layers read them. What a role does with a
//! gate is its [`Engine`]'s business.

use std::ops::Range;

use rayon::prelude::*;

use super::gather::{Inputs, Vectors};
use super::schedule::{LANES, Role, SIDE_BY_SIDE, Schedule, Segment};
use super::scheme::Scheme;
use super::tape::{Op, Tape};
use crate::block::Tccr;
use crate::label::AnyLabel;
use crate::wiped::Wiped;

/// One role's gates.
pub(super) trait Engine: Sync {
    /// Whose they are.
    const ROLE: Role;
    /// What this role knows of a wire.
    type Label: AnyLabel;
    /// The ciphertexts of a segment.
    type Table<'t>: Send;
    /// The same, under way: gate by gate.
    type Stream<'t>;
    /// Values of a running tape, of one instance.
    type Single: Slots;
    /// Values of a running tape, of up to [`LANES`] instances.
    type Wide: Slots;

    /// The ciphertexts of a segment from its first gate on.
    fn open<'t>(
        &self,
        setting: (Scheme, &Tccr),
        segment: &Segment,
        table: Self::Table<'t>,
    ) -> Self::Stream<'t>;

    /// Runs operations on one instance.
    fn single(
        &self,
        hash: &Tccr,
        group: Group<'_, Self::Label>,
        slots: &mut Self::Single,
        tables: &mut Self::Stream<'_>,
        outputs: &mut [Self::Label],
    );

    /// Runs operations on up to [`LANES`] instances. Outputs are those of the first instance, then of the
    /// next.
    fn wide(
        &self,
        hash: &Tccr,
        group: Group<'_, Self::Label>,
        slots: &mut Self::Wide,
        tables: &mut Self::Stream<'_>,
        outputs: &mut [Self::Label],
    );
}

/// Values of a running tape.
pub(super) trait Slots: Default + Send + Sync {
    /// Makes room for a tape; what is there stays.
    fn fit(&mut self, tape: &Tape);
}

/// Instances that go through a part of their tape together.
pub(super) struct Group<'a, L> {
    pub ops: &'a [Op],
    pub inputs: Inputs<'a, L>,
    pub lanes: usize,
}

/// Labels of a group of instances between two pieces of their template.
struct Kept<E: Engine> {
    single: E::Single,
    wide: E::Wide,
}

impl<E: Engine> Default for Kept<E> {
    fn default() -> Self {
        Self { single: E::Single::default(), wide: E::Wide::default() }
    }
}

/// One garbling or evaluation under way.
pub(super) struct Walk<'p, E: Engine> {
    pub schedule: &'p Schedule,
    pub scheme: Scheme,
    pub hash: Tccr,
    pub engine: E,
    vectors: Vectors<E::Label>,
    next: usize,
    /// For each of the groups that go side by side the slots of a template in pieces.
    slots: [Kept<E>; SIDE_BY_SIDE],
}

impl<'p, E: Engine> Walk<'p, E> {
    /// In front of the first segment, with the labels of the client's input bits.
    ///
    /// # Panics
    /// If the schedule is another role's or there is not one label for each input bit.
    pub fn new(
        schedule: &'p Schedule,
        (scheme, hash): (Scheme, Tccr),
        engine: E,
        input: Vec<E::Label>,
    ) -> Self {
        assert!(schedule.role == E::ROLE, "the schedule is the other host's");
        assert_eq!(input.len(), schedule.program.input_bits(), "one label for each input bit");
        let vectors = Vectors::new(input, schedule.layers.len());
        Self { schedule, scheme, hash, engine, vectors, next: 0, slots: Default::default() }
    }

    /// The next segments that can go side by side, at most `most`; none when all are done.
    pub fn upcoming(&self, most: usize) -> &'p [Segment] {
        self.schedule.batch(self.next, most)
    }

    /// Takes these segments, which are the upcoming ones, through their tapes; each with its table.
    pub fn advance(&mut self, batch: &'p [Segment], tables: Vec<E::Table<'_>>) {
        let Some(first) = batch.first() else { return };
        let made: Vec<Wiped<E::Label>> = match first.piece {
            Some(piece) => {
                // Each group's slots leave for the time that a thread works with them.
                let slots: Vec<Kept<E>> =
                    batch.iter().map(|segment| std::mem::take(&mut self.slots[segment.place()])).collect();
                let (made, slots): (Vec<_>, Vec<_>) = (batch.par_iter().zip(tables).zip(slots))
                    .map(|((segment, table), slots)| self.piece(segment, piece, slots, table))
                    .unzip();
                batch.iter().zip(slots).for_each(|(segment, slots)| self.slots[segment.place()] = slots);
                made
            }
            None => {
                let pairs = batch.par_iter().zip(tables);
                pairs.map(|(segment, table)| self.groups(segment, table)).collect()
            }
        };
        for (segment, outputs) in batch.iter().zip(made) {
            self.vectors.scatter(self.schedule, segment, &outputs);
        }
        self.next += batch.len();
        if self.upcoming(1).first().is_none_or(|next| next.layer != first.layer) {
            self.vectors.finish_layer(self.schedule, first.layer);
        }
    }

    /// The labels of the program's output.
    ///
    /// # Panics
    /// If segments are left.
    pub fn output(&self) -> &[E::Label] {
        assert!(self.upcoming(1).is_empty(), "decoding comes after the last segment");
        self.vectors.output()
    }

    /// Takes whole groups through their tape; returns output labels.
    fn groups(&self, segment: &Segment, table: E::Table<'_>) -> Wiped<E::Label> {
        let schedule = &self.schedule.layers[segment.layer][segment.block];
        let mut outputs = self.room_for(segment);
        let ops = 0..schedule.tape.ops.len();
        let mut tables = self.open(segment, table);
        if schedule.single {
            self.single(segment, ops, &mut E::Single::default(), &mut tables, &mut outputs);
            return outputs;
        }
        let mut slots = E::Wide::default();
        let mut left = &mut outputs[..];
        for first in segment.instances.clone().step_by(LANES) {
            let lanes = (segment.instances.end - first).min(LANES as u64) as usize;
            let (output, others) = left.split_at_mut(schedule.tape.outputs as usize * lanes);
            self.wide(segment, (first, lanes), ops.clone(), &mut slots, &mut tables, output);
            left = others;
        }
        outputs
    }

    /// Takes one group through a piece of its tape, whose slots live on from piece to piece; returns output
    /// labels.
    fn piece(
        &self,
        segment: &Segment,
        piece: usize,
        mut slots: Kept<E>,
        table: E::Table<'_>,
    ) -> (Wiped<E::Label>, Kept<E>) {
        let schedule = &self.schedule.layers[segment.layer][segment.block];
        let ops = schedule.tape.pieces[piece].ops.clone();
        let mut outputs = self.room_for(segment);
        let mut tables = self.open(segment, table);
        if schedule.single {
            self.single(segment, ops, &mut slots.single, &mut tables, &mut outputs);
        } else {
            let first = segment.instances.start;
            let lanes = (segment.instances.end - first) as usize;
            self.wide(segment, (first, lanes), ops, &mut slots.wide, &mut tables, &mut outputs);
        }
        (outputs, slots)
    }

    /// Output labels of a segment, zero at first: a vector that grew would leave copies of labels behind.
    fn room_for(&self, segment: &Segment) -> Wiped<E::Label> {
        let tape = &self.schedule.layers[segment.layer][segment.block].tape;
        let outputs = (segment.instances.end - segment.instances.start) as usize * tape.outputs as usize;
        Wiped::zeros(outputs)
    }

    fn open<'t>(&self, segment: &Segment, table: E::Table<'t>) -> E::Stream<'t> {
        self.engine.open((self.scheme, &self.hash), segment, table)
    }

    fn group(
        &self,
        segment: &Segment,
        (first, lanes): (u64, usize),
        ops: Range<usize>,
    ) -> Group<'_, E::Label> {
        let schedule = &self.schedule.layers[segment.layer][segment.block];
        let inputs = Inputs::new(&self.schedule.program, schedule, segment, first, lanes, &self.vectors);
        Group { ops: &schedule.tape.ops[ops], inputs, lanes }
    }

    fn single(
        &self,
        segment: &Segment,
        ops: Range<usize>,
        slots: &mut E::Single,
        tables: &mut E::Stream<'_>,
        outputs: &mut [E::Label],
    ) {
        slots.fit(&self.schedule.layers[segment.layer][segment.block].tape);
        let group = self.group(segment, (segment.instances.start, 1), ops);
        self.engine.single(&self.hash, group, slots, tables, outputs);
    }

    fn wide(
        &self,
        segment: &Segment,
        lanes: (u64, usize),
        ops: Range<usize>,
        slots: &mut E::Wide,
        tables: &mut E::Stream<'_>,
        outputs: &mut [E::Label],
    ) {
        slots.fit(&self.schedule.layers[segment.layer][segment.block].tape);
        let group = self.group(segment, lanes, ops);
        self.engine.wide(&self.hash, group, slots, tables, outputs);
    }
}
