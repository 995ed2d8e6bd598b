//! The garbler: makes the ciphertexts, segment by segment. `evaluator.rs` mirrors it; `walk.rs` is what both
//! do.

use rand::CryptoRng;
use zeroize::Zeroizing;

use super::OUTPUT_TWEAKS;
use super::schedule::{Role, Schedule, Segment};
use super::scheme::Scheme;
use super::tables::{Ciphertexts, Writer};
use super::walk::{Engine, Group, Walk};
use crate::block::{Block, Tccr};
use crate::label::{Delta, ZeroLabel};

mod single;
mod wide;

/// What a garbler draws for a circuit, and nobody else may know. Wiped when dropped.
#[derive(Clone)]
pub struct Secrets {
    /// The difference of both labels of each wire.
    pub delta: Delta,
    /// Seed of the random bits that [`Scheme::ThreeHalves`] takes.
    pub dice: Zeroizing<Block>,
}

impl Secrets {
    /// Fresh ones.
    pub fn random<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        Self { delta: Delta::random(rng), dice: Zeroizing::new(Block::random(rng)) }
    }
}

/// One garbling of a program, to be used once.
///
/// The order of calls is: [`Garbler::garble`] until it gives nothing, then [`Garbler::decoding`].
pub struct Garbler<'p> {
    walk: Walk<'p, Gates<'p>>,
    /// Buffers of ciphertexts that were sent, to be filled again.
    spare: Vec<Ciphertexts>,
}

/// How a garbler does gates.
struct Gates<'p> {
    /// The garbler's bits.
    secret: &'p [bool],
    secrets: Secrets,
}

impl Engine for Gates<'_> {
    const ROLE: Role = Role::Garbler;
    type Label = ZeroLabel;
    type Table<'t> = &'t mut Ciphertexts;
    type Stream<'t> = Writer<'t>;
    type Single = single::Slots;
    type Wide = wide::Slots;

    fn open<'t>(
        &self,
        (scheme, hash): (Scheme, &Tccr),
        segment: &Segment,
        table: Self::Table<'t>,
    ) -> Self::Stream<'t> {
        let dice = [*self.secrets.dice, hash.start()];
        Writer::new(table, scheme, segment.ands, segment.first_tweak, dice)
    }

    fn single(
        &self,
        hash: &Tccr,
        group: Group<'_, ZeroLabel>,
        slots: &mut single::Slots,
        tables: &mut Writer<'_>,
        outputs: &mut [ZeroLabel],
    ) {
        let (secret, delta) = (self.secret, &self.secrets.delta);
        hash.run(single::Run { group, secret, delta, slots, tables, outputs });
    }

    fn wide(
        &self,
        hash: &Tccr,
        group: Group<'_, ZeroLabel>,
        slots: &mut wide::Slots,
        tables: &mut Writer<'_>,
        outputs: &mut [ZeroLabel],
    ) {
        let (secret, delta) = (self.secret, &self.secrets.delta);
        hash.run(wide::Run { group, secret, delta, slots, tables, outputs });
    }
}

impl<'p> Garbler<'p> {
    /// Starts a garbling.
    ///
    /// * `secret`: the garbler's bits.   * `secrets`: fresh.
    /// * `hash`: with a fresh random start point, public. * `input`: the zero labels of the client's input
    ///   bits.
    ///
    /// # Panics
    /// If the schedule is not a garbler's, or a length is not the program's.
    #[must_use]
    pub fn new(
        schedule: &'p Schedule,
        scheme: Scheme,
        secret: &'p [bool],
        secrets: Secrets,
        hash: Tccr,
        input: Vec<ZeroLabel>,
    ) -> Self {
        assert_eq!(secret.len() as u64, schedule.program.secret_bits(), "one bit for each secret bit");
        let walk = Walk::new(schedule, (scheme, hash), Gates { secret, secrets }, input);
        Self { walk, spare: Vec::new() }
    }

    /// Garbles the next segments, at most `most` of them side by side on the threads of the current pool, and
    /// returns their ciphertexts in order; nothing when all are garbled.
    pub fn garble(&mut self, most: usize) -> Vec<Ciphertexts> {
        let batch = self.walk.upcoming(most);
        let mut tables: Vec<Ciphertexts> = Vec::with_capacity(batch.len());
        for segment in batch {
            let mut table = self.spare.pop().unwrap_or_default();
            table.resize(self.walk.scheme.bytes(segment.ands));
            tables.push(table);
        }
        self.walk.advance(batch, tables.iter_mut().collect());
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
        let (output, delta) = (self.walk.output(), &self.walk.engine.secrets.delta);
        // As long as it gets, so that no copy of a label is left behind.
        let mut both = vec![Block::ZERO; 2 * output.len()];
        for (pair, &zero) in both.as_chunks_mut::<2>().0.iter_mut().zip(output) {
            *pair = [zero.block(), zero.label(true, delta).block()];
        }
        self.walk.hash.hash::<2>(OUTPUT_TWEAKS, &mut both);
        both
    }
}
