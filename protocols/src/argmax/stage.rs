//! What is public of a stage: how the numbers are held, checked against the program.

use std::sync::Arc;

use xonn_crypto::Wiped;
use xonn_crypto::share::{RingTensor, ShareError};
use xonn_program::op::Planes;
use xonn_program::{Kind, LayerId, Op, OutputEncoding, Program};

use crate::compare_ot::argmax::Plan;
use crate::cost::StageCost;
use crate::plan::{How, Stage};
use crate::protocol::{ProtocolError, Rows, StageError};
use crate::steps::frame::Fields;
use crate::value::{Form, Ring, ServerValue};

/// A stage. Public.
#[derive(Debug)]
pub(super) struct Layer {
    pub plan: Arc<Plan>,
    /// How the numbers are held.
    pub reads: Ring,
    /// The least number.
    lo: i64,
}

/// Bits of t that a tournament over the last layer's numbers takes, held in steps of `step`: those of a
/// difference of two with its sign.
#[must_use]
pub(crate) fn bits(program: &Program, exact: bool, step: i64) -> u32 {
    let range = program.layers().last().map_or(0, |layer| {
        let range = layer.kind.range();
        range.hi.abs_diff(range.lo)
    });
    let apart = if exact { range } else { range / step.unsigned_abs().max(1) };
    (u64::BITS - apart.leading_zeros() + 1).max(2)
}

/// Noise of one number, in counts of t, with which a difference of two is still read rightly: half of
/// `1 / 2 - 2 terms / 2^fraction`.
#[must_use]
pub(crate) fn margin(ring: Ring) -> f64 {
    let whole = f64::from(ring.fraction).exp2();
    (0.5 - 2.0 * f64::from(ring.terms) / whole) / 2.0
}

/// Whether all numbers of a layer of noisy sums are the same modulo the step that they come in, whatever the
/// weights are, so that the server can bring them to one offset.
fn same_steps(program: &Program, id: LayerId, ring: Ring) -> bool {
    let layer = &program.layers()[id];
    let Op::Linear(linear) = &layer.op else { return false };
    let bits = layer.reads.iter().all(|&read| program.layers()[read].kind == Kind::Bit);
    // A sum of `w (2 t - 1)` over all inputs, each w odd.
    let odd = !matches!(linear.weights, Planes::Ternary);
    let inputs: usize = linear.window.input.iter().product();
    let dense = linear.window.positions().count() == 1 && linear.fan_in() == inputs;
    ring.step == 1 || (ring.step == 2 && bits && odd && dense)
}

impl Layer {
    pub fn of(stage: &Stage, program: &Program) -> Result<Self, StageError> {
        Self::check(stage, program).map_err(|reason| stage.error(reason))
    }

    fn check(stage: &Stage, program: &Program) -> Result<Self, String> {
        if stage.how != How::Argmax {
            return Err("a stage of another protocol".into());
        }
        let last = program.layers().len() - 1;
        let (Form::Output, &OutputEncoding::Argmax { classes }) = (stage.leaves, program.output()) else {
            return Err("an argmax leaves a program's class".into());
        };
        let [(read, Form::Shares(ring))] = stage.reads[..] else {
            return Err("shares of one tensor have a largest one".into());
        };
        if read != last || stage.layers != [last] {
            return Err(format!("it reads layer {read}, expected the last one, {last}"));
        }
        if !(1..=Ring::MOST_BITS).contains(&ring.bits) || ring.step < 1 || ring.fraction >= ring.bits {
            return Err(format!("numbers held as {ring:?}, which is no ring"));
        }
        let exact = ring.is_exact() && ring.fraction == 0;
        let whole = bits(program, exact, ring.step);
        if whole > ring.whole() {
            return Err(format!("numbers held as {ring:?}, expected {whole} bits without fraction, or more"));
        }
        if !exact && (ring.terms != 1 || margin(ring) <= 0.0 || !same_steps(program, last, ring)) {
            return Err(format!(
                "noisy numbers held as {ring:?}, expected one sum each, in equal steps, with more fraction"
            ));
        }
        let plan = Plan::new(classes as usize, whole + ring.fraction, ring.fraction);
        let plan = Arc::new(plan.map_err(|error| error.to_string())?);
        Ok(Self { plan, reads: ring, lo: program.layers()[last].kind.range().lo })
    }

    fn is_exact(&self) -> bool {
        self.reads.is_exact()
    }

    /// The client's share of the numbers that are compared.
    pub fn of_client(&self, share: &RingTensor) -> Result<RingTensor, ShareError> {
        match self.is_exact() {
            true => self.reads.numbers_of_client(share, self.plan.bits()),
            false => share.reduce(self.plan.bits()),
        }
    }

    /// The server's.
    pub fn of_server(&self, read: &ServerValue) -> Result<RingTensor, ProtocolError> {
        let (share, offsets) = read.shares().ok_or_else(|| ProtocolError::missing("shares"))?;
        let bits = self.plan.bits();
        if self.is_exact() {
            return Ok(self.reads.numbers_of_server(share, offsets, bits)?);
        }
        // The step is a power of two, 1 or 2, and all offsets have the same rest.
        let shift = self.reads.step.trailing_zeros();
        let counts: Wiped<u64> =
            offsets.iter().map(|&offset| (offset.wrapping_sub(self.lo) >> shift) as u64).collect();
        let moved = counts.iter().map(|count| count << self.reads.fraction).collect();
        Ok(share.reduce(bits)?.add(&RingTensor::new(bits, moved)?)?)
    }

    /// What it costs. The last answer may have no field, and then two messages of the server's follow each
    /// other.
    pub fn cost(&self) -> StageCost {
        let cost = self.plan.cost();
        let [ahead_up, ahead_down, down, up] = cost.bytes().map(|bytes| bytes as u64);
        let turns = cost.online.iter().enumerate().filter(|(_, fields)| fields.bytes() > 0);
        let mut turns: Vec<usize> = turns.map(|(number, _)| number % 2).collect();
        turns.dedup();
        let rows = Rows { leaves: cost.leaf_rows, masks: cost.mask_rows, tweaks: cost.tweaks };
        let mut cost = StageCost::of_rows([ahead_up, ahead_down], [up, down], 0, rows);
        cost.online.rounds = turns.len() as f64 / 2.0;
        cost
    }

    /// The fields of the messages ahead.
    pub fn ahead(&self) -> [Fields; 3] {
        self.plan.cost().ahead
    }
}
