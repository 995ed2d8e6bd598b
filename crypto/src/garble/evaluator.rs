//! The evaluator: consumes the ciphertexts, segment by segment. `garbler.rs` mirrors it; `walk.rs` is what
//! both do.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::OUTPUT_TWEAKS;
use super::batch;
use super::schedule::{Role, Schedule, Segment};
use super::scheme::Scheme;
use super::tables::{Ciphertexts, Reader};
use super::walk::{Engine, Group, Walk};
use crate::block::{Block, Tccr};
use crate::label::Label;

mod single;
mod wide;

/// Why an evaluation gave no output. The first two are a peer's or a wire's fault, never the caller's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// The output label is none of the two that the garbler announced.
    #[error(
        "output bit {bit}: the label is neither of the garbler's two, so tables or labels were damaged or \
         forged on the way"
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

/// One evaluation of a garbled program.
///
/// The order of calls is: [`Evaluator::upcoming`] and [`Evaluator::evaluate`] until nothing is upcoming, then
/// [`Evaluator::decode`].
pub struct Evaluator<'p>(Walk<'p, Gates>);

/// How an evaluator does gates.
struct Gates;

impl Engine for Gates {
    const ROLE: Role = Role::Evaluator;
    type Label = Label;
    type Table<'t> = &'t Ciphertexts;
    type Stream<'t> = Reader<'t>;
    type Single = single::Slots;
    type Wide = wide::Slots;

    fn open<'t>(
        &self,
        (scheme, _): (Scheme, &Tccr),
        segment: &Segment,
        table: Self::Table<'t>,
    ) -> Self::Stream<'t> {
        Reader::new(table, scheme, segment.ands, segment.first_tweak)
    }

    fn single(
        &self,
        hash: &Tccr,
        group: Group<'_, Label>,
        slots: &mut single::Slots,
        tables: &mut Reader<'_>,
        outputs: &mut [Label],
    ) {
        hash.run(single::Run { group, slots, tables, outputs });
    }

    fn wide(
        &self,
        hash: &Tccr,
        group: Group<'_, Label>,
        slots: &mut wide::Slots,
        tables: &mut Reader<'_>,
        outputs: &mut [Label],
    ) {
        hash.run(wide::Run { group, slots, tables, outputs });
    }
}

impl<'p> Evaluator<'p> {
    /// What it runs.
    #[must_use]
    pub fn schedule(&self) -> &'p Schedule {
        self.0.schedule
    }

    /// Starts an evaluation.
    ///
    /// * `hash`: with the garbler's start point.   * `input`: the active labels of the client's input bits.
    ///
    /// # Panics
    /// If the schedule is not an evaluator's or there is not one label for each input bit.
    #[must_use]
    pub fn new(schedule: &'p Schedule, scheme: Scheme, hash: Tccr, input: Vec<Label>) -> Self {
        Self(Walk::new(schedule, (scheme, hash), Gates, input))
    }

    /// Bytes of the ciphertexts of the next segments that can be evaluated side by side, at most `most`; none
    /// when all are done.
    #[must_use]
    pub fn upcoming(&self, most: usize) -> Vec<usize> {
        self.0.upcoming(most).iter().map(|s| self.0.scheme.bytes(s.ands)).collect()
    }

    /// Evaluates the next segments, given the ciphertexts of as many as [`Evaluator::upcoming`] named.
    ///
    /// # Errors
    /// [`EvaluateError::Length`] if a segment's length is not the schedule's.
    pub fn evaluate(&mut self, tables: &[Ciphertexts]) -> Result<(), EvaluateError> {
        let batch = self.0.upcoming(tables.len());
        length("segments of garbled tables", tables.len(), batch.len())?;
        for (segment, table) in batch.iter().zip(tables) {
            length("bytes of a segment of garbled tables", table.len(), self.0.scheme.bytes(segment.ands))?;
        }
        self.0.advance(batch, tables.iter().collect());
        Ok(())
    }

    /// Evaluates all segments that are left, taking tables from `next` and giving their buffers `back`; ends
    /// early, without an error, if there are no more.
    ///
    /// # Errors
    /// As [`Evaluator::evaluate`].
    pub fn evaluate_from(
        &mut self,
        mut next: impl FnMut() -> Option<Ciphertexts>,
        mut back: impl FnMut(Ciphertexts),
    ) -> Result<(), EvaluateError> {
        loop {
            let upcoming = self.upcoming(batch());
            if upcoming.is_empty() {
                return Ok(());
            }
            let mut segments = Vec::with_capacity(upcoming.len());
            for length in upcoming {
                segments.push(match length {
                    0 => Ciphertexts::default(),
                    _ => match next() {
                        Some(table) => table,
                        None => return Ok(()),
                    },
                });
            }
            self.evaluate(&segments)?;
            segments.into_iter().for_each(&mut back);
        }
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
        let mut active: Zeroizing<Vec<Block>> =
            Zeroizing::new(self.0.output().iter().map(|label| label.block()).collect());
        length("bytes of the decoding", 16 * decoding.len(), super::DECODE_BYTES * active.len())?;
        self.0.hash.hash::<1>(OUTPUT_TWEAKS, &mut active);
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
}

fn length(what: &'static str, found: usize, expected: usize) -> Result<(), EvaluateError> {
    if found == expected { Ok(()) } else { Err(EvaluateError::Length { what, found, expected }) }
}
