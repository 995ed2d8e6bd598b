//! First layers by conditional addition, and a garbled circuit of the rest.
//!
//! On shares go the layers that add up the client's own numbers, and what only moves those numbers in front
//! of them. The circuit reads the sums as shares, and whatever else it needs of the input as the client's own
//! bits.

use std::collections::BTreeSet;

use xonn_crypto::garble::Scheme;
use xonn_program::{LayerId, Op, Program, circuit};

use super::{NotOnShares, bits_of};
use crate::local;
use crate::plan::{How, Plan, Stage};
use crate::value::{Form, Ring};
use crate::weight_ot;

/// A plan whose first linear layers are computed by conditional addition.
///
/// # Errors
/// [`NotOnShares`] if no layer adds up the client's numbers so.
pub fn by_weight_ot(program: &Program, scheme: Scheme) -> Result<Plan, NotOnShares> {
    let mut left_out = BTreeSet::new();
    loop {
        let plan = First::of(program, &left_out)?.plan(scheme)?;
        match plan.cost(program) {
            Ok(_) => return Ok(plan),
            // What the protocol does not take after all is for the circuit.
            Err(error) if error.layer > 0 && left_out.insert(error.layer) => {}
            Err(error) => return Err(refused(program, error.layer, "no protocol takes it")),
        }
    }
}

fn refused(program: &Program, layer: LayerId, reason: &'static str) -> NotOnShares {
    NotOnShares { layer, op: program.layers()[layer].op.name(), reason }
}

/// The layers on shares.
struct First<'p> {
    program: &'p Program,
    /// Of each tensor that is moved numbers of the client's, or sums of them, in as many bits as can be.
    rings: Vec<Option<Ring>>,
    sums: BTreeSet<LayerId>,
    /// Of each layer the one that reads it, if there is no other.
    only_readers: Vec<Option<LayerId>>,
}

impl<'p> First<'p> {
    fn of(program: &'p Program, left_out: &BTreeSet<LayerId>) -> Result<Self, NotOnShares> {
        let only_readers = circuit::only_readers(program, |_| true);
        let mut first = Self { program, rings: Vec::new(), sums: BTreeSet::new(), only_readers };
        for (id, layer) in program.layers().iter().enumerate() {
            let read = |read: &LayerId| first.rings[*read].filter(|_| !first.sums.contains(read));
            let reads: Option<Vec<Ring>> = layer.reads.iter().map(read).collect();
            let ring = match (&layer.op, reads.as_deref()) {
                (Op::Input, _) => Some(super::input(program, Ring::MOST_BITS)),
                _ if left_out.contains(&id) => None,
                (Op::Linear(linear), Some(&[reads])) => weight_ot::leaves(linear, reads, Ring::MOST_BITS)
                    .inspect(|_| {
                        first.sums.insert(id);
                    }),
                (op, Some(reads)) => local::leaves(op, reads),
                (_, None) => None,
            };
            first.rings.push(ring);
        }
        match first.sums.is_empty() {
            true => Err(refused(program, 0, "no layer adds up the client's numbers by secret weights")),
            false => Ok(first),
        }
    }

    fn reads(&self, id: LayerId) -> &'p [LayerId] {
        &self.program.layers()[id].reads
    }

    fn ring(&self, id: LayerId) -> Result<Ring, NotOnShares> {
        self.rings[id].ok_or(refused(self.program, id, "it is not on shares"))
    }

    /// All that `begin` reads, and what that reads, and so on, without what is behind one of `ends`; `begin`
    /// too.
    fn behind(
        &self,
        begin: impl IntoIterator<Item = LayerId>,
        ends: impl Fn(LayerId) -> bool,
    ) -> BTreeSet<LayerId> {
        let (mut found, mut next) = (BTreeSet::new(), begin.into_iter().collect::<Vec<_>>());
        while let Some(id) = next.pop() {
            if found.insert(id) && !ends(id) {
                next.extend(self.reads(id));
            }
        }
        found
    }

    /// Bits of shares of a sum that a circuit reads: of a comparison, or of the layer's numbers.
    fn bits(&self, id: LayerId) -> Result<u32, NotOnShares> {
        let (layers, ring) = (self.program.layers(), self.ring(id)?);
        if circuit::cut_by(self.program, id, &self.only_readers).is_some() {
            return Ok(bits_of(ring.span) + 1);
        }
        let range = layers[id].kind.range();
        Ok(bits_of(ring.span).max(bits_of(range.hi.abs_diff(range.lo) / ring.step.unsigned_abs())).max(1))
    }

    fn plan(&self, scheme: Scheme) -> Result<Plan, NotOnShares> {
        let last = self.program.layers().len() - 1;
        let is_input = |id: LayerId| matches!(self.program.layers()[id].op, Op::Input);
        let on_shares = self.behind(self.sums.iter().copied(), is_input);
        let mut bits = 1;
        for &id in &on_shares {
            let of = if self.sums.contains(&id) { self.bits(id)? } else { bits_of(self.ring(id)?.span) };
            bits = bits.max(of);
        }
        if bits > Ring::MOST_BITS {
            return Err(refused(self.program, last, "its sums are too large for shares"));
        }
        let (mut stages, mut rings) = (Vec::new(), vec![None; last + 1]);
        for id in on_shares {
            let held = |&read: &LayerId| {
                let ring: Option<Ring> = rings[read];
                let ring = ring.ok_or(refused(self.program, read, "it is not on shares"))?;
                Ok((read, Form::Shares(ring)))
            };
            let reads = self.reads(id).iter().map(held).collect::<Result<Vec<_>, NotOnShares>>()?;
            let (reads, how, bits) = match is_input(id) {
                true => (vec![(id, Form::Client)], How::Mask, bits),
                false if self.sums.contains(&id) => (reads, How::WeightOt, self.bits(id)?),
                false => (reads, How::Local, bits),
            };
            let ring = Ring { bits, ..self.ring(id)? };
            rings[id] = Some(ring);
            stages.push(Stage { layers: vec![id], reads, leaves: Form::Shares(ring), how });
        }
        let is_held = |id: LayerId| is_input(id) || self.sums.contains(&id);
        let (read, mut layers): (Vec<LayerId>, Vec<LayerId>) =
            self.behind([last], is_held).into_iter().partition(|&id| is_held(id));
        if layers.is_empty() {
            // The sums are the output.
            layers.push(last);
        }
        let held = |id: LayerId| match rings[id] {
            Some(ring) if !is_input(id) => (id, Form::Shares(ring)),
            _ => (id, Form::Client),
        };
        let reads = read.into_iter().map(held).collect();
        stages.push(Stage { layers, reads, leaves: Form::Output, how: How::Garbled { scheme } });
        Ok(Plan { stages })
    }
}
