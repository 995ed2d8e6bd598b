//! Layers of hidden numbers: which of them are one stage, and in how many bits their readers want them.

use xonn_program::op::Round;
use xonn_program::{Kind, LayerId, Op, Program};

use super::{Meaning, Role, TOO_WIDE, Walk, bits_of};
use crate::numbers;
use crate::rlwe::{Choice, rounded, search_rounded};
use crate::steps::digits::MOST_BITS;
use crate::value::Ring;

const NARROW: &str = super::NARROW;
const NO_RING: &str = super::NO_RING;
const SHOWN: &str = "the answer would show too many bits of noisy numbers; take a class, or fewer scores";

const SHARP: &str = "a curve that bends or jumps between pieces too sharply for shares, or without room for \
                     what shares are off by: build the model again";

const LARGEST: &str = "the largest of noisy sums is found in a circuit only, unless their signs follow";

/// The longest run of layers that is one stage.
const LONGEST: usize = 3;

/// Of each layer whether its numbers come to a layer of sums, by moves and additions alone.
pub(super) fn summed(program: &Program) -> Vec<bool> {
    let mut summed = vec![false; program.layers().len()];
    for (id, layer) in program.layers().iter().enumerate().rev() {
        let comes = match layer.op {
            Op::Linear(_) | Op::Scale { .. } => true,
            Op::Recode { .. } | Op::Permute { .. } | Op::Concatenate | Op::Add | Op::SumPool { .. } => {
                summed[id]
            }
            Op::Round(Round { drop: 0, .. }) => summed[id],
            _ => false,
        };
        if comes {
            layer.reads.iter().for_each(|&read| summed[read] = true);
        }
    }
    summed
}

impl Walk<'_> {
    /// The layers from `first` on that are one stage up to `last`, each read by the next one alone.
    fn run(&self, first: LayerId, last: LayerId) -> Option<Vec<LayerId>> {
        let mut layers = vec![first];
        while *layers.last()? != last {
            if layers.len() == LONGEST {
                return None;
            }
            layers.push(self.only_reader(*layers.last()?)?);
        }
        Some(layers)
    }

    /// The layers of the stage that leaves layer `last`, if that is one of numbers.
    pub(super) fn stage_of(&self, last: LayerId) -> Vec<LayerId> {
        match self.roles.get(last) {
            Some(&(Role::Rounded(first) | Role::Numbers(first))) => self.run(first, last).unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    /// The first layer of the stage that leaves this one.
    pub(super) fn first_of(&self, last: LayerId) -> LayerId {
        self.stage_of(last).first().copied().unwrap_or(last)
    }

    /// The layer that rounds the sums of `linear`, if nothing else is made of them.
    pub(super) fn rounding(&self, linear: LayerId) -> Option<LayerId> {
        let mut layer = linear;
        for _ in 1..LONGEST {
            layer = self.only_reader(layer).filter(|&reader| reader < self.end)?;
            if let Op::Round(_) = self.layer(layer).op {
                let layers = self.run(linear, layer)?;
                return rounded::pattern(self.program, &layers).map(|_| layer);
            }
        }
        None
    }

    /// Whether sums of numbers with this meaning are computed so that their lowest bits are dropped.
    pub(super) fn may_be_rounded(&self, linear: LayerId, read: Meaning) -> Result<(), &'static str> {
        if read.narrow {
            return Err(NARROW);
        }
        if read.terms > 0 {
            return Err("it adds up sums that no sign has followed");
        }
        let Some(round) = self.rounding(linear) else { return Err("its sums are not rounded") };
        let range = self.layer(round).kind.range();
        let least = bits_of(range.hi.abs_diff(range.lo));
        if rounded::shown(self.program) > crate::rlwe::MOST_SHOWN {
            return Err(SHOWN);
        }
        self.choice_of(linear, round, least).map(|_| ()).ok_or(NO_RING)
    }

    /// What rounded sums are, or a rounded product.
    pub(super) fn rounded(&self, round: LayerId) -> (Role, Option<Meaning>) {
        let before = self.layer(round).reads[0];
        if let Op::Square | Op::Product = self.layer(before).op {
            return (Role::Numbers(before), Some(self.number(round)));
        }
        let mut first = round;
        while self.roles.get(first).is_none_or(|role| *role == Role::Fused)
            && !matches!(self.layer(first).op, Op::Linear(_) | Op::Scale { .. })
        {
            first = self.layer(first).reads[0];
        }
        (Role::Rounded(first), Some(Meaning { narrow: true, ..self.number(round) }))
    }

    fn number(&self, id: LayerId) -> Meaning {
        let range = self.layer(id).kind.range();
        Meaning {
            step: 1,
            span: range.hi.abs_diff(range.lo),
            terms: 0,
            fraction: 0,
            number: true,
            narrow: false,
        }
    }

    /// What a pool in front reads.
    pub(super) fn meaning_before(&self, pool: LayerId) -> Result<Meaning, &'static str> {
        let read = self.layer(pool).reads[0];
        self.meanings.get(read).copied().flatten().ok_or("what it reads is in a circuit")
    }

    /// A function of numbers, which are what a layer reads or what a pool in front of it does.
    pub(super) fn function(
        &self,
        id: LayerId,
        read: Meaning,
    ) -> Result<(Role, Option<Meaning>), &'static str> {
        let before = self.layer(id).reads[0];
        let first = if self.roles.get(before) == Some(&Role::Fused) { before } else { id };
        if self.layer(id).kind == Kind::Bit {
            return Err("the largest of signs is found on shares where they are made only");
        }
        if read.terms > 0 {
            return Err(match self.layer(id).op {
                Op::MaxPool { .. } => LARGEST,
                _ => "its numbers are noisy sums, which are not rounded",
            });
        }
        let of = self.layer(first).reads[0];
        if numbers::bits_for(self.layer(of).kind.range()) > MOST_BITS + 1 {
            return Err(TOO_WIDE);
        }
        // A pool goes with the function behind it.
        if let (Op::MaxPool { .. }, Some(reader)) = (&self.layer(id).op, self.only_reader(id))
            && reader < self.end
            && numbers::takes(self.program, &[id, reader])
        {
            return Ok((Role::Fused, None));
        }
        match self.run(first, id) {
            Some(layers) if numbers::takes(self.program, &layers) => {
                Ok((Role::Numbers(first), Some(self.number(id))))
            }
            _ if matches!(self.layer(id).op, Op::Spline(_)) => Err(SHARP),
            _ => Err("it is computed in a circuit only"),
        }
    }

    /// A product of numbers, which is rounded behind it.
    pub(super) fn product(&self, id: LayerId, reads: &[Meaning]) -> Result<(), &'static str> {
        let Some(round) = self.only_reader(id).filter(|&reader| reader < self.end) else {
            return Err("a product that is not rounded is computed in a circuit only");
        };
        if !numbers::takes(self.program, &[id, round]) || reads.iter().any(|read| read.terms > 0) {
            return Err("a product that is not rounded, or of noisy sums, is computed in a circuit only");
        }
        let read = self.layer(id).reads.iter().map(|&read| self.layer(read).kind.range());
        match read.map(numbers::bits_for).max() {
            Some(bits) if bits <= MOST_BITS + 1 => Ok(()),
            _ => Err(TOO_WIDE),
        }
    }

    /// Bits that hold a number; 0 of other tensors.
    pub(super) fn number_bits(&self, id: LayerId) -> u32 {
        let number = self.meanings[id].filter(|meaning| meaning.number);
        number.map_or(0, |meaning| bits_of(meaning.span))
    }

    /// Says of what a stage of numbers reads in how many bits it is wanted.
    pub(super) fn want(&self, id: LayerId, wanted: &mut [u32]) {
        let layers = self.stage_of(id);
        let Some(&first) = layers.first() else { return };
        for &read in &self.layer(first).reads {
            let range = self.layer(read).kind.range();
            let bits = match (self.roles[id], &self.layer(id).op) {
                (Role::Rounded(_), &Op::Round(Round { drop, .. })) => {
                    wanted[id].max(self.meanings[id].map_or(1, |meaning| bits_of(meaning.span))) + drop
                }
                _ => numbers::bits_for(range),
            };
            if let Some(wanted) = wanted.get_mut(read) {
                *wanted = bits.max(*wanted);
            }
        }
        let any = matches!(self.layer(first).op, Op::Square | Op::Product);
        if any {
            wanted[id] = wanted[id].max(bits_of(self.meanings[id].map_or(1, |meaning| meaning.span)));
        } else if let Role::Numbers(_) = self.roles[id] {
            // What is left has the bits of what is read at least.
            let reads = self.layer(first).reads.iter();
            let least = match self.layer(id).op {
                // A curve leaves any ring that holds its results.
                // The same number in a larger ring.
                Op::Round(_) => {
                    reads.map(|&read| 1 + numbers::bits_for(self.layer(read).kind.range())).max().unwrap_or(1)
                }
                Op::Spline(_) => bits_of(self.meanings[id].map_or(1, |meaning| meaning.span)),
                _ => reads.map(|&read| numbers::bits_for(self.layer(read).kind.range())).max().unwrap_or(1),
            };
            wanted[id] = wanted[id].max(least);
        }
    }

    /// How sums are rounded, and the ring of what is left, which has `bits` at least.
    pub(super) fn rounded_choice(&self, id: LayerId, bits: u32) -> Option<(Choice, Ring)> {
        let ring = numbers::ring(self.layer(id).kind.range(), bits.max(bits_of(self.meanings[id]?.span)));
        Some((self.choice_of(self.first_of(id), id, ring.bits)?, ring))
    }

    fn choice_of(&self, linear: LayerId, round: LayerId, k: u32) -> Option<Choice> {
        let &Op::Round(Round { drop, .. }) = &self.layer(round).op else { return None };
        let (of, terms) = rounded::sums_of(self.layer(linear))?;
        let n = if rounded::shown(self.program) > 0 { 2048 } else { 0 };
        search_rounded(&of, terms, (k, drop), n)
    }
}
