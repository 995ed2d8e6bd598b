//! Which layers go on shares: the longest run of layers from the input on whose sums and signs can be
//! computed so; a garbled circuit computes the rest and the output, or a tournament the class.
//!
//! Forwards: what each tensor's shares mean, and whether they are exact. Backwards: how many bits each
//! tensor's readers want. Then each sum's ring and packing is searched for ([`rlwe::search`]), and the stages
//! are written down. Everything follows from the program alone, so a plan tells nothing of the weights.

use xonn_crypto::garble::Scheme;
use xonn_program::op::Round;
use xonn_program::{Kind, Layer, LayerId, Op, Program, circuit};

use crate::cost::Link;
use crate::plan::{How, Plan, Stage};
use crate::value::{Form, Ring};
use crate::{argmax, compare_ot, local, numbers, rlwe};

mod choose;
mod class;
mod first_layers;
mod hidden;

pub use choose::{Candidate, Way, quickest};
pub use first_layers::by_weight_ot;

/// Most bits of a comparison, without its sign.
const MOST_COMPARED: u32 = crate::steps::digits::MOST_BITS;

/// For how many sums more than meet a plan is made at most, see [`Walk::plan_that_holds`].
const MOST_MORE: u32 = 4;

const TOO_WIDE: &str =
    "its numbers are too large to be compared on shares; take fewer bits of input or of weights";
const NO_RING: &str = "no ring of the menu holds its sums; take fewer bits of input or of weights";
const NARROW: &str = "it adds up sums that no function has followed";
const NOISE: &str = "no ring of the menu holds the noise of all sums that meet in it";

/// Why a network is not computed on shares.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("layer {layer} ({op}): {reason}")]
pub struct NotOnShares {
    /// The first layer that is not.
    pub layer: LayerId,
    /// What it computes.
    pub op: &'static str,
    /// Why.
    pub reason: &'static str,
}

/// What is known of a tensor on shares before any ring is chosen.
#[derive(Clone, Copy, Debug)]
struct Meaning {
    step: i64,
    span: u64,
    /// Noisy sums that meet in an element; 0 for exact shares.
    terms: u32,
    /// Bits of fraction, as far as they can be told.
    fraction: u32,
    /// Whether these are numbers that were rounded, or what a function made of such.
    number: bool,
    /// Whether no function has brought them to a larger ring yet.
    narrow: bool,
}

/// What becomes of a layer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    Mask,
    Local,
    Sums,
    /// Signs, and the layer of their pool if there is one.
    Signs(Option<LayerId>),
    /// Sums without their lowest bits, from this linear layer on.
    Rounded(LayerId),
    /// A function of numbers, from this layer on.
    Numbers(LayerId),
    /// Computed together with the layer behind or in front of it.
    Fused,
}

/// A plan on shares, for the default [`Link`].
///
/// # Errors
/// [`NotOnShares`] with the first layer that stays in a circuit, if not even the first sums and signs go on
/// shares.
pub fn on_shares(program: &Program, scheme: Scheme) -> Result<Plan, NotOnShares> {
    on_shares_over(program, scheme, Link::default())
}

/// A plan on shares, whose class is found in a circuit or by a tournament ([`mod@argmax`]): as a first
/// prediction takes less time on this link.
///
/// # Errors
/// As [`on_shares`].
pub fn on_shares_over(program: &Program, scheme: Scheme, link: Link) -> Result<Plan, NotOnShares> {
    Ok(until(program, scheme, link)?.0)
}

/// A plan on shares for the default [`Link`], and why its circuit has more to do than the output: the layer
/// that no protocol on shares takes. The circuit may begin before it, with layers that would have been
/// computed together with it.
///
/// # Errors
/// As [`on_shares`].
pub fn on_shares_until(
    program: &Program,
    scheme: Scheme,
) -> Result<(Plan, Option<NotOnShares>), NotOnShares> {
    until(program, scheme, Link::default())
}

fn until(program: &Program, scheme: Scheme, link: Link) -> Result<(Plan, Option<NotOnShares>), NotOnShares> {
    let mut end = program.layers().len();
    let mut refused = None;
    loop {
        let walk = Walk::over(program, end)?;
        let stop = walk.stop.clone().or(refused);
        let not = |layer: LayerId, reason| {
            let op = program.layers()[layer].op.name();
            (layer, NotOnShares { layer, op, reason })
        };
        // What a protocol does not take after all begins the circuit, and so does a sum of too much noise.
        let (layer, why) = match walk.plan_that_holds(scheme) {
            Ok(plan) => match plan.cost(program) {
                Ok(cost) => return Ok((walk.quicker(plan, &cost, scheme, link), stop)),
                Err(error) => not(walk.first_of(error.layer), "no protocol takes it"),
            },
            Err(refused) => match walk.last_sum_of_sums() {
                Some(sum) if walk.stage_of(refused.layer).is_empty() => not(sum, NOISE),
                _ => (walk.first_of(refused.layer), refused),
            },
        };
        if layer == 0 || layer >= end {
            return Err(why);
        }
        (end, refused) = (layer, Some(why));
    }
}

/// The whole program in one garbled circuit.
#[must_use]
pub fn garbled(program: &Program, scheme: Scheme) -> Plan {
    let layers = program.layers();
    let input = layers.iter().position(|layer| matches!(layer.op, Op::Input)).unwrap_or(0);
    let computed = (0..layers.len()).filter(|&layer| layer != input).collect();
    Plan {
        stages: vec![Stage {
            layers: computed,
            reads: vec![(input, Form::Client)],
            leaves: Form::Output,
            how: How::Garbled { scheme },
        }],
    }
}

/// Exact shares of the client's input, as the mask leaves them.
fn input(program: &Program, bits: u32) -> Ring {
    let codes = program.input().codes();
    let span = codes.end().abs_diff(*codes.start());
    Ring { bits, fraction: 0, terms: 0, step: 1, span }
}

struct Walk<'p> {
    program: &'p Program,
    /// Of each layer the one that reads it, if there is no other.
    only_readers: Vec<Option<LayerId>>,
    /// Whether a layer's numbers come to a layer of sums, by moves and additions alone.
    summed: Vec<bool>,
    /// The circuit begins here at the latest.
    end: LayerId,
    /// Whether a tournament finds the class, and not a circuit.
    argmax: bool,
    /// Of the layers in front of the circuit.
    roles: Vec<Role>,
    meanings: Vec<Option<Meaning>>,
    /// Why the circuit begins where it does.
    stop: Option<NotOnShares>,
}

/// Bits of a number.
fn bits_of(number: u64) -> u32 {
    u64::BITS - number.leading_zeros()
}

/// Bits of t where it is compared: of the signed numbers from -(span + 1) to span.
fn compared_bits(span: u64) -> u32 {
    bits_of(span) + 1
}

impl<'p> Walk<'p> {
    /// Over the layers in front of number `end`, as far as they go.
    fn over(program: &'p Program, end: LayerId) -> Result<Self, NotOnShares> {
        let (roles, meanings) = (Vec::new(), Vec::new());
        let (only_readers, summed) = (circuit::only_readers(program, |_| true), hidden::summed(program));
        let argmax = false;
        let mut walk = Self { program, only_readers, summed, end, argmax, roles, meanings, stop: None };
        for layer in 0..end {
            match walk.step(layer) {
                Ok((role, meaning)) => {
                    walk.roles.push(role);
                    walk.meanings.push(meaning);
                }
                Err(reason) => {
                    let op = program.layers()[layer].op.name();
                    walk.stop = Some(NotOnShares { layer, op, reason });
                    break;
                }
            }
        }
        // The circuit begins in front of a pool whose signs are not on shares.
        while let Some(open) = walk.open() {
            if matches!(program.layers()[open].op, Op::Threshold { .. }) {
                // Signs whose pool is for the circuit.
                walk.roles[open] = Role::Signs(None);
                walk.meanings[open] = Some(Meaning::BITS);
            } else {
                walk.roles.truncate(open);
                walk.meanings.truncate(open);
            }
        }
        match walk.roles.iter().any(|role| matches!(role, Role::Sums | Role::Rounded(_))) {
            true => Ok(walk),
            false => Err(walk.stop.unwrap_or(NotOnShares {
                layer: 0,
                op: "input",
                reason: "there are no sums to compute on shares",
            })),
        }
    }

    /// The first layer that is to be computed with another one, which is not there.
    fn open(&self) -> Option<LayerId> {
        let closed = |id: LayerId| {
            self.roles.contains(&Role::Signs(Some(id)))
                || (id..self.roles.len()).any(|last| self.stage_of(last).contains(&id))
        };
        (0..self.roles.len()).find(|&id| self.roles[id] == Role::Fused && !closed(id))
    }

    /// The last layer in which noisy sums meet.
    fn last_sum_of_sums(&self) -> Option<LayerId> {
        let meet = |id: &LayerId| {
            self.roles[*id] == Role::Local && self.meanings[*id].is_some_and(|meaning| meaning.terms > 1)
        };
        (0..self.roles.len()).rfind(meet)
    }

    fn layer(&self, layer: LayerId) -> &'p Layer {
        &self.program.layers()[layer]
    }

    fn only_reader(&self, layer: LayerId) -> Option<LayerId> {
        self.only_readers[layer]
    }

    fn step(&self, id: LayerId) -> Result<(Role, Option<Meaning>), &'static str> {
        let layer = self.layer(id);
        let read = |number: usize| -> Result<Meaning, &'static str> {
            let read = layer.reads.get(number).ok_or("it reads nothing")?;
            self.meanings.get(*read).copied().flatten().ok_or("what it reads is in a circuit")
        };
        let all = || (0..layer.reads.len()).map(read).collect::<Result<Vec<_>, _>>();
        match &layer.op {
            Op::Input => {
                let codes = self.program.input().codes();
                let span = codes.end().abs_diff(*codes.start());
                Ok((Role::Mask, Some(Meaning { span, step: 1, ..Meaning::BITS })))
            }
            Op::Round(_) if self.roles[layer.reads[0]] == Role::Fused => Ok(self.rounded(id)),
            Op::Round(round) if round.drop == 0 && read(0).is_ok_and(|read| !read.number) => {
                Err("it is computed in a circuit only")
            }
            Op::Round(_) if read(0).is_ok_and(|read| read.number && read.narrow) && self.summed[id] => {
                self.function(id, read(0)?)
            }
            Op::Recode { .. }
            | Op::Permute { .. }
            | Op::Concatenate
            | Op::Add
            | Op::Round(Round { drop: 0, .. })
            | Op::SumPool { .. } => {
                let all = all()?;
                let rings: Vec<Ring> = all.iter().map(|meaning| meaning.ring()).collect();
                let ring = local::leaves(&layer.op, &rings).ok_or("its sums do not fit shares")?;
                let fraction = all.iter().map(|meaning| meaning.fraction).max().unwrap_or(0);
                let (step, span, terms) = (ring.step, ring.span, ring.terms);
                let [number, narrow] =
                    [|m: &Meaning| m.number, |m: &Meaning| m.narrow].map(|of| all.iter().any(of));
                Ok((Role::Local, Some(Meaning { step, span, terms, fraction, number, narrow })))
            }
            Op::Linear(_) | Op::Scale { .. } if self.rounding(id).is_some() => {
                self.may_be_rounded(id, read(0)?)?;
                Ok((Role::Fused, None))
            }
            Op::Offset { .. } if self.roles[layer.reads[0]] == Role::Fused => Ok((Role::Fused, None)),
            Op::Linear(linear) => {
                let read = read(0)?;
                if read.narrow {
                    return Err(NARROW);
                }
                if read.terms > 0 {
                    return Err("it adds up sums that no sign has followed");
                }
                let span = linear.span(read.span).ok_or("its sums are too large")?;
                let sigmas = rlwe::sigmas_for(rlwe::neurons(self.program));
                let choice =
                    rlwe::search(linear, read.span, compared_bits(span), sigmas, 1).ok_or(NO_RING)?;
                let step = read.step.checked_mul(linear.common_factor()).ok_or("its sums are too large")?;
                let fraction = choice.fraction;
                Ok((Role::Sums, Some(Meaning { step, span, terms: 1, fraction, ..Meaning::BITS })))
            }
            Op::MaxPool { .. } => {
                let before = layer.reads[0];
                let threshold = |id: LayerId| matches!(self.layer(id).op, Op::Threshold { .. });
                if threshold(before) && self.roles.get(before) == Some(&Role::Fused) {
                    return Ok((Role::Signs(Some(before)), Some(Meaning::BITS)));
                }
                let read = read(0)?;
                match self.only_reader(id) {
                    Some(reader) if threshold(reader) => Ok((Role::Fused, None)),
                    _ => self.function(id, read),
                }
            }
            Op::Relu | Op::LeakyRelu(_) | Op::Clamp(_) | Op::Spline(_) => {
                let before = layer.reads[0];
                match self.roles.get(before) {
                    Some(Role::Fused) => self.function(id, self.meaning_before(before)?),
                    _ => self.function(id, read(0)?),
                }
            }
            Op::Threshold { .. } => {
                let before = layer.reads[0];
                let pool = (self.roles.get(before) == Some(&Role::Fused)).then_some(before);
                let compared = match pool {
                    Some(pool) => {
                        self.meanings[self.layer(pool).reads[0]].ok_or("what it reads is in a circuit")?
                    }
                    None => read(0)?,
                };
                if compared_bits(compared.span) + compared.fraction - 1 > MOST_COMPARED {
                    return Err(TOO_WIDE);
                }
                if !(compared.step as u64).is_power_of_two() {
                    return Err("its numbers come in steps that are no power of two");
                }
                let pooled = |reader: LayerId| matches!(self.layer(reader).op, Op::MaxPool { .. });
                match self.only_reader(id) {
                    Some(reader) if pool.is_none() && pooled(reader) => Ok((Role::Fused, None)),
                    _ => Ok((Role::Signs(pool), Some(Meaning::BITS))),
                }
            }
            Op::Scale { .. } => Err("secret scales are multiplied in a circuit only"),
            Op::Truncate { .. } => Err("bits are dropped in a circuit only"),
            Op::Product if self.layer(layer.reads[0]).kind == Kind::Bit => {
                Err("signs are multiplied in a circuit only")
            }
            Op::Square | Op::Product => {
                self.product(id, &all()?)?;
                Ok((Role::Fused, None))
            }
            _ => Err("it is computed in a circuit only"),
        }
    }

    /// For each layer on shares the bits of t that its readers want.
    fn wanted(&self) -> Vec<u32> {
        let count = self.roles.len();
        let mut wanted = vec![1; count];
        for id in (0..self.program.layers().len()).rev() {
            let layer = self.layer(id);
            for &read in layer.reads.iter().filter(|&&read| read < count) {
                let bits = match self.roles.get(id) {
                    Some(Role::Local) => wanted[id].max(self.number_bits(id)),
                    Some(Role::Sums) => wanted[id].max(self.span_bits(id)),
                    Some(&(Role::Rounded(_) | Role::Numbers(_))) => {
                        self.want(id, &mut wanted);
                        break;
                    }
                    Some(Role::Signs(pool)) => {
                        let compared = pool.map_or(read, |pool| self.source(id, pool));
                        wanted[compared] = wanted[compared].max(self.span_bits(compared));
                        continue;
                    }
                    Some(Role::Fused) => continue,
                    Some(Role::Mask) => 1,
                    None => self.circuit_bits(read),
                };
                wanted[read] = wanted[read].max(bits);
            }
        }
        let last = self.program.layers().len() - 1;
        if let Some(Some(meaning)) = self.meanings.get(last) {
            let least = match self.argmax {
                true => argmax::bits(self.program, meaning.terms == 0, meaning.step),
                false => 1,
            };
            wanted[last] = wanted[last].max(self.circuit_bits(last)).max(least);
        }
        // A second time, for what fused layers said of tensors that are made before them.
        for id in (0..count).rev() {
            self.want(id, &mut wanted);
            if let Role::Local | Role::Sums = self.roles[id] {
                let bits = match self.roles[id] {
                    Role::Sums => wanted[id].max(self.span_bits(id)),
                    _ => wanted[id].max(self.number_bits(id)),
                };
                for &read in &self.layer(id).reads {
                    wanted[read] = wanted[read].max(bits);
                }
            }
        }
        wanted
    }

    /// The tensor that a layer of signs with this partner compares.
    fn source(&self, signs: LayerId, partner: LayerId) -> LayerId {
        self.layer(signs.min(partner)).reads[0]
    }

    fn span_bits(&self, id: LayerId) -> u32 {
        self.meanings[id].map_or(1, |meaning| compared_bits(meaning.span))
    }

    /// Bits of t that hold all of a layer's range, for a circuit.
    fn circuit_bits(&self, id: LayerId) -> u32 {
        let Some(meaning) = self.meanings[id] else { return 1 };
        let range = self.layer(id).kind.range();
        if meaning.number {
            return bits_of(range.hi.abs_diff(range.lo) / meaning.step as u64).max(bits_of(meaning.span));
        }
        bits_of(range.hi.abs_diff(range.lo) / meaning.step as u64 + 1) + 1
    }

    /// Noisy sums that meet, at most, in a tensor that is made of this one.
    fn meeting(&self) -> Vec<u32> {
        let mut meeting: Vec<u32> =
            self.meanings.iter().map(|meaning| meaning.map_or(0, |meaning| meaning.terms)).collect();
        for id in (0..self.roles.len()).rev() {
            if self.roles[id] == Role::Local {
                for &read in &self.layer(id).reads {
                    if self.meanings[read].is_some_and(|meaning| meaning.terms > 0) {
                        meeting[read] = meeting[read].max(meeting[id]);
                    }
                }
            }
        }
        meeting
    }

    /// The plan, whose sums of sums keep their margin whatever the weights. Where sums with different bits of
    /// fraction meet, more is lost than the number of them tells, so they are planned for a few more then.
    fn plan_that_holds(&self, scheme: Scheme) -> Result<Plan, NotOnShares> {
        let mut more = 0;
        loop {
            let plan = self.plan(scheme, more)?;
            match rlwe::added::check(&plan, self.program, None) {
                Ok(()) => return Ok(plan),
                Err(_) if more < MOST_MORE => more += 1,
                Err(error) => {
                    let op = self.layer(error.layer).op.name();
                    return Err(NotOnShares { layer: error.layer, op, reason: NOISE });
                }
            }
        }
    }

    /// The plan, with sums that meet being planned for `more` than they are.
    fn plan(&self, scheme: Scheme, more: u32) -> Result<Plan, NotOnShares> {
        let (wanted, mut meeting) = (self.wanted(), self.meeting());
        meeting.iter_mut().filter(|terms| **terms > 1).for_each(|terms| *terms = terms.saturating_add(more));
        if let (true, Some(last)) = (self.argmax, meeting.get_mut(self.program.layers().len() - 1)) {
            // The noise of two sums meets in a comparison, without what keeps one of them in the middle.
            *last = 2 * *last + 1 + more;
        }
        let sigmas = rlwe::sigmas_for(rlwe::neurons(self.program));
        let count = self.roles.len();
        let mut rings: Vec<Option<Ring>> = vec![None; count];
        let mut stages = Vec::new();
        let refused = |layer: LayerId, reason| NotOnShares { layer, op: self.layer(layer).op.name(), reason };
        for id in 0..count {
            let layer = self.layer(id);
            let held = |rings: &[Option<Ring>], read: LayerId| {
                rings[read]
                    .map(|ring| (read, Form::Shares(ring)))
                    .ok_or(refused(id, "it reads what is not there"))
            };
            let (layers, reads, ring, how) = match self.roles[id] {
                Role::Fused => continue,
                Role::Mask => {
                    let meaning = self.meanings[id].ok_or(refused(id, "an input of no numbers"))?;
                    let ring = input(self.program, wanted[id].max(bits_of(meaning.span)));
                    (vec![id], vec![(id, Form::Client)], ring, How::Mask)
                }
                Role::Local => {
                    let reads =
                        layer.reads.iter().map(|&read| held(&rings, read)).collect::<Result<Vec<_>, _>>()?;
                    let of: Vec<Ring> = layer.reads.iter().filter_map(|&read| rings[read]).collect();
                    let ring =
                        local::leaves(&layer.op, &of).ok_or(refused(id, "its sums do not fit shares"))?;
                    (vec![id], reads, ring, How::Local)
                }
                Role::Sums => {
                    let Op::Linear(linear) = &layer.op else { return Err(refused(id, "it adds nothing")) };
                    let read = held(&rings, layer.reads[0])?;
                    let Form::Shares(from) = read.1 else { return Err(refused(id, "it reads no shares")) };
                    let choice = rlwe::search(linear, from.span, wanted[id], sigmas, meeting[id])
                        .ok_or(refused(id, NO_RING))?;
                    let meaning = self.meanings[id].ok_or(refused(id, "sums of no numbers"))?;
                    let ring = Ring {
                        bits: choice.bits + choice.fraction,
                        fraction: choice.fraction,
                        terms: 1,
                        step: meaning.step,
                        span: meaning.span,
                    };
                    (vec![id], vec![read], ring, How::Rlwe(choice))
                }
                Role::Rounded(_) => {
                    let layers = self.stage_of(id);
                    let read = held(&rings, self.layer(layers[0]).reads[0])?;
                    let (choice, ring) = self.rounded_choice(id, wanted[id]).ok_or(refused(id, NO_RING))?;
                    (layers, vec![read], ring, How::Rlwe(choice))
                }
                Role::Numbers(_) => {
                    let layers = self.stage_of(id);
                    let reads = &self.layer(layers[0]).reads;
                    let reads =
                        reads.iter().map(|&read| held(&rings, read)).collect::<Result<Vec<_>, _>>()?;
                    (layers, reads, numbers::ring(layer.kind.range(), wanted[id]), How::Numbers)
                }
                Role::Signs(partner) => {
                    let mut layers: Vec<LayerId> = partner.into_iter().chain([id]).collect();
                    layers.sort_unstable();
                    let read = held(&rings, self.layer(layers[0]).reads[0])?;
                    let choice = compare_ot::Choice::of(partner.and_then(|_| self.window(&layers)));
                    (layers, vec![read], Ring::of_bits(wanted[id]), How::CompareOt(choice))
                }
            };
            rings[id] = Some(ring);
            stages.push(Stage { layers, reads, leaves: Form::Shares(ring), how });
        }
        stages.push(match (self.argmax, rings.last()) {
            (true, Some(&Some(ring))) => self.tournament(ring),
            _ => self.circuit(&rings, scheme)?,
        });
        Ok(Plan { stages })
    }

    /// Most elements of a window of the pool among these layers.
    fn window(&self, layers: &[LayerId]) -> Option<usize> {
        layers.iter().find_map(|&id| match &self.layer(id).op {
            Op::MaxPool { window } => Some(window.kernel[0] * window.kernel[1]),
            _ => None,
        })
    }

    /// What is left, and the output.
    fn circuit(&self, rings: &[Option<Ring>], scheme: Scheme) -> Result<Stage, NotOnShares> {
        let (count, all) = (rings.len(), self.program.layers().len());
        let layers: Vec<LayerId> = if count < all { (count..all).collect() } else { vec![all - 1] };
        let mut read: Vec<LayerId> = match count < all {
            true => layers.iter().flat_map(|&id| self.layer(id).reads.iter().copied()).collect(),
            false => vec![all - 1],
        };
        read.retain(|&id| id < count);
        read.sort_unstable();
        read.dedup();
        let held = |id: LayerId| match (rings[id], &self.layer(id).op) {
            // Its numbers are better labels than shares that have to be added again.
            (_, Op::Input) => Ok((id, Form::Client)),
            (Some(ring), _) => Ok((id, Form::Shares(ring))),
            (None, op) => {
                Err(NotOnShares { layer: id, op: op.name(), reason: "a circuit reads what is not there" })
            }
        };
        let reads = read.into_iter().map(held).collect::<Result<_, _>>()?;
        Ok(Stage { layers, reads, leaves: Form::Output, how: How::Garbled { scheme } })
    }
}

impl Meaning {
    const BITS: Self = Self { step: 2, span: 1, terms: 0, fraction: 0, number: false, narrow: false };

    /// A ring that is large enough for anything, to ask what becomes of it.
    fn ring(self) -> Ring {
        let fraction = if self.terms == 0 { 0 } else { 16 };
        Ring { bits: Ring::MOST_BITS, fraction, terms: self.terms, step: self.step, span: self.span }
    }
}
