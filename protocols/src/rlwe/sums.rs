//! A stage, checked: what both sides have to know of it. A client trusts nothing in it.

use xonn_crypto::rlwe::encode::Layout;
use xonn_crypto::rlwe::{ClientKey, Params, RlweError, Rounding};
use xonn_crypto::share::{RingTensor, ShareError};
use xonn_program::op::Linear;
use xonn_program::{Op, Program};

use super::rounded::{self, Rounded};
use super::shape::Shape;
use super::{Choice, Packing};
use crate::cost::{Cost, StageCost, work};
use crate::plan::{How, Stage};
use crate::protocol::StageError;
use crate::value::{Form, Ring};

/// Most coefficients of a message, which both hosts hold as words: 1 GiB of them. A message has 608 MiB at
/// most then.
const MOST_COEFFICIENTS: usize = 1 << 27;

/// The weights' size once their common factor is taken out: of ternary ones 2, of others 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Numbers {
    /// What all weights are multiples of.
    pub factor: i64,
    /// The largest weight over it.
    pub largest: u64,
    /// Weights of one sum.
    pub fan_in: u64,
}

impl Numbers {
    pub fn of(linear: &Linear) -> Self {
        let factor = linear.common_factor();
        let largest = linear.weights.largest().unsigned_abs() / factor.unsigned_abs();
        Self { factor, largest, fan_in: linear.fan_in() as u64 }
    }

    /// The least l that holds sums up to `span`, and one bit more, so that a difference of two has a sign.
    pub fn bits(span: u64) -> u32 {
        u64::BITS - span.leading_zeros() + 1
    }

    /// The weights over their factor, without a branch on one.
    pub fn reduce(self, weights: &[i32]) -> xonn_crypto::Wiped<i32> {
        weights.iter().map(|&w| w >> (self.factor >> 1)).collect()
    }
}

/// How the sums of `linear` on shares in the ring `reads` are held, if the choice holds them.
#[must_use]
pub fn leaves(linear: &Linear, reads: Ring, choice: &Choice) -> Option<Ring> {
    let numbers = Numbers::of(linear);
    let span = linear.span(reads.span)?;
    let step = reads.step.checked_mul(numbers.factor)?;
    let bits = choice.bits.checked_add(choice.fraction)?;
    // Values are at most 2^60, and differ by 2^61 at most.
    let small = u128::from(span) * u128::from(step.unsigned_abs()) <= 1 << 61;
    let holds = reads.is_exact()
        && reads.fraction == 0
        && (1..=Ring::MOST_BITS).contains(&reads.bits)
        && reads.span >> reads.bits == 0
        && step >= 1
        && choice.bits <= reads.bits
        && choice.fraction >= 1
        && bits <= Ring::MOST_BITS
        && choice.bits >= Numbers::bits(span);
    (holds && small).then_some(Ring { bits, fraction: choice.fraction, terms: 1, step, span })
}

impl Choice {
    /// How results with bits of fraction are rounded.
    pub(super) fn rounding(&self) -> Result<Rounding, RlweError> {
        let phi = i32::try_from(self.fraction).unwrap_or(i32::MAX);
        Rounding::new(self.params, self.bits, phi, self.guard[0], self.guard[1])
    }

    /// The same of results that lose their lowest `drop` bits.
    pub(super) fn rounding_without(&self, drop: u32) -> Result<Rounding, RlweError> {
        let phi = i32::try_from(drop).map_or(i32::MIN, |drop| -drop);
        Rounding::new(self.params, self.bits, phi, self.guard[0], self.guard[1])
    }
}

/// The layer written out and packed.
pub(super) fn layout(linear: &Linear, choice: &Choice) -> Result<(Shape, Layout), String> {
    let dense = matches!(choice.packing, Packing::Dense(_));
    let shape = Shape::of(linear, dense)
        .ok_or_else(|| format!("{:?} of {linear:?} is none, or too large", choice.packing))?;
    let layout = Layout::new(shape.geometry(), choice.packing.into(), choice.params.n())
        .map_err(|error| error.to_string())?;
    Ok((shape, layout))
}

/// A stage, checked.
#[derive(Debug)]
pub(super) struct Sums {
    pub linear: Linear,
    pub numbers: Numbers,
    pub params: Params,
    pub rounding: Rounding,
    pub shape: Shape,
    pub layout: Layout,
    pub reads: Ring,
    pub leaves: Ring,
    /// Elements that it reads.
    pub inputs: usize,
    /// Bytes of phases One and Two.
    pub bytes: [usize; 2],
    /// What becomes of the sums, where their lowest bits are dropped.
    pub rounded: Option<Rounded>,
}

impl Sums {
    /// What it costs.
    pub fn cost(&self) -> StageCost {
        let [up, down] = self.bytes.map(|bytes| bytes as u64);
        let products = (0..self.layout.outputs()).map(|output| self.layout.reads(output).len()).sum();
        let polynomials = self.layout.inputs() + self.layout.outputs();
        let in_the_clear = (self.linear.fan_in() * self.linear.elements()) as u64;
        let work = work::lattice(polynomials, products, self.params.n(), in_the_clear);
        StageCost { offline: Cost { work, ..Cost::of_bytes(up, down) }, ..StageCost::default() }
    }

    pub fn of(stage: &Stage, program: &Program) -> Result<Self, StageError> {
        let (How::Rlwe(choice), Some((&first, rest))) = (&stage.how, stage.layers.split_first()) else {
            return Err(
                stage.error("lattice encryption computes a layer, or what follows it until bits are dropped")
            );
        };
        let Some(layer) = program.layers().get(first) else {
            return Err(stage.error("no layer of the program"));
        };
        let of = rounded::sums_of(layer).filter(|_| !rest.is_empty() || matches!(layer.op, Op::Linear(_)));
        let Some((linear, _)) = of else {
            let name = layer.op.name();
            return Err(stage.error(format!(
                "{name} under lattice encryption, expected a dense layer, conv2d, or a scale that is rounded"
            )));
        };
        let (&[(read, Form::Shares(reads))], Form::Shares(leaves)) = (&stage.reads[..], stage.leaves) else {
            return Err(stage.error("shares of one tensor become shares of its sums"));
        };
        if layer.reads != [read] {
            return Err(stage.error(format!("it reads layer {read}, expected {:?}", layer.reads)));
        }
        let rounded = match rest {
            [] => None,
            _ => Some(Rounded::of(stage, program).map_err(|reason| stage.error(reason))?),
        };
        let expected = match &rounded {
            None => self::leaves(&linear, reads, choice),
            Some(rounded) => rounded.leaves(reads, choice),
        };
        match expected {
            Some(ring) if ring == leaves => {}
            Some(ring) => return Err(stage.error(format!("it leaves {leaves:?}, expected {ring:?}"))),
            None => {
                return Err(
                    stage.error(format!("sums of {} bits do not hold those of {reads:?}", choice.bits))
                );
            }
        }
        let rounding = match &rounded {
            None => choice.rounding(),
            Some(rounded) => choice.rounding_without(rounded.drop),
        };
        let rounding = rounding.map_err(|error| stage.error(error.to_string()))?;
        if rounded.is_some() {
            rounded::may_show(program, choice.params).map_err(|reason| stage.error(reason))?;
        }
        let (shape, layout) = layout(&linear, choice).map_err(|reason| stage.error(reason))?;
        // Before anything is counted output by output.
        let polynomials = layout.inputs().max(layout.outputs());
        if polynomials.saturating_mul(choice.params.n()) > MOST_COEFFICIENTS {
            return Err(stage.error(format!(
                "{polynomials} polynomials of {} coefficients in a message, expected {MOST_COEFFICIENTS} \
                 coefficients at most",
                choice.params.n()
            )));
        }
        let masks = ClientKey::masks_bytes(choice.params, layout.inputs());
        let bytes = [masks, ClientKey::answer_bytes(&layout, &rounding)];
        let inputs = linear.window.input.iter().product();
        let (numbers, params) = (Numbers::of(&linear), choice.params);
        Ok(Self { linear, numbers, params, rounding, shape, layout, reads, leaves, inputs, bytes, rounded })
    }

    /// The client's share of what is multiplied by weights, from that of the inputs: modulo 2^l.
    pub fn masks(&self, share: &RingTensor) -> Result<RingTensor, ShareError> {
        match self.rounded {
            None => share.reduce(self.rounding.l()),
            Some(_) => self.reads.numbers_of_client(share, self.rounding.l()),
        }
    }
}
