//! The margin of sums that meet before they are read, as in residual blocks and average pools.
//!
//! Each linear layer by itself is held to its bound where its side is made. Here the noise of all of them is
//! followed through the layers that move and add shares, up to where it is read. Deviations are added and not
//! squares, for sums that meet may have been made of the same masks.

use xonn_crypto::rlwe::noise;
use xonn_program::op::Linear;
use xonn_program::{Op, Program, Tensor};

use super::sums::{Numbers, layout};
use super::{Choice, Packing, margin};
use crate::argmax;
use crate::plan::{How, Plan, Stage};
use crate::protocol::StageError;
use crate::value::{Form, Ring};

/// Noise of a value, in units of the value.
#[derive(Clone, Copy, Default, Debug)]
struct Noise {
    /// Standard deviation of what is Gaussian.
    deviation: f64,
    /// The most that the rounding of the answers' second parts adds.
    rounded: f64,
}

impl Noise {
    fn times(self, factor: f64) -> Self {
        Self { deviation: self.deviation * factor, rounded: self.rounded * factor }
    }

    fn and(self, other: Self) -> Self {
        Self { deviation: self.deviation + other.deviation, rounded: self.rounded + other.rounded }
    }

    fn or(self, other: Self) -> Self {
        Self { deviation: self.deviation.max(other.deviation), rounded: self.rounded.max(other.rounded) }
    }

    /// The same where the difference of two such values is read.
    fn margin_of_two(self, ring: Ring) -> f64 {
        let step = ring.step as f64;
        (argmax::margin(ring) - self.rounded / step) / (self.deviation / step)
    }

    /// Standard deviations between the middle and a wrong count, where it is read in this ring.
    fn margin(self, ring: Ring) -> f64 {
        let step = ring.step as f64;
        (ring.margin() - self.rounded / step) / (self.deviation / step)
    }
}

/// The most that squares of weights meeting in one output can add up to.
fn most_squares(linear: &Linear, choice: &Choice) -> f64 {
    let numbers = Numbers::of(linear);
    let (Packing::Dense([_, filters]) | Packing::Tiles([.., filters])) = choice.packing;
    (numbers.largest as f64).powi(2) * numbers.fan_in as f64 * f64::from(filters)
}

/// Noise of the sums of a stage: with these weights, or with the largest.
fn of_sums(
    stage: &Stage,
    program: &Program,
    choice: &Choice,
    tensors: Option<&[Tensor]>,
) -> Result<Noise, StageError> {
    let wrong = |reason: String| stage.error(reason);
    if stage.layers.len() > 1 {
        // What they leave is rounded, and exact as a number.
        return Ok(Noise::default());
    }
    let (Some(layer), Form::Shares(ring)) = (program.layers().get(stage.last()), stage.leaves) else {
        return Err(wrong("it leaves no shares of a layer".into()));
    };
    let Op::Linear(linear) = &layer.op else {
        return Err(wrong(format!("sums of {}, expected a dense layer or conv2d", layer.op.name())));
    };
    let rounding = choice.rounding().map_err(|error| wrong(error.to_string()))?;
    let squares = match tensors {
        None => most_squares(linear, choice),
        Some(tensors) => {
            let weights = layer.secret.and_then(|id| tensors.get(id)).map_or(&[][..], Tensor::weights);
            let (shape, layout) = layout(linear, choice).map_err(wrong)?;
            if weights.len() != linear.weight_count() {
                let expected = linear.weight_count();
                return Err(wrong(format!("{} secret weights, expected {expected}", weights.len())));
            }
            let kernels = shape.kernels(&Numbers::of(linear).reduce(weights));
            let all = layout.square_sums(&kernels).map_err(|error| wrong(error.to_string()))?;
            all.into_iter().fold(0.0, f64::max)
        }
    };
    let digit = (-f64::from(rounding.phi()) - f64::from(rounding.gb())).exp2();
    let variance = noise::std(choice.params, &rounding, squares).powi(2) - digit * digit / 12.0;
    Ok(Noise { deviation: variance.sqrt(), rounded: digit / 2.0 }.times(ring.step as f64))
}

/// What a layer that shares let through makes of noise.
fn through(op: &Op, reads: &[Noise]) -> Noise {
    let widest = reads.iter().copied().fold(Noise::default(), Noise::or);
    match op {
        Op::Recode { step, .. } => widest.times(step.unsigned_abs() as f64),
        Op::Add => reads.iter().copied().fold(Noise::default(), Noise::and),
        Op::SumPool { window } => widest.times((window.kernel[0] * window.kernel[1]) as f64),
        _ => widest,
    }
}

/// Checks the margin of each sum of sums where it is read: with a model's weights, or else with weights as
/// large as they may be.
///
/// # Errors
/// [`StageError`] for the first stage that reads one which is wrong too often.
pub(crate) fn check(plan: &Plan, program: &Program, tensors: Option<&[Tensor]>) -> Result<(), StageError> {
    let meet = |form: &Form| matches!(form, Form::Shares(ring) if ring.terms > 1);
    let noisy = |form: &Form| matches!(form, Form::Shares(ring) if ring.terms > 0);
    let compared =
        |stage: &Stage| stage.how == How::Argmax && stage.reads.iter().any(|(_, form)| noisy(form));
    if !plan.stages.iter().any(|stage| meet(&stage.leaves) || compared(stage)) {
        return Ok(());
    }
    let least = margin::sigmas_for(margin::neurons(program));
    let mut noises = vec![Noise::default(); program.layers().len()];
    for stage in &plan.stages {
        let reads: Vec<Noise> = stage.reads.iter().map(|&(read, _)| noises[read]).collect();
        let left = match &stage.how {
            How::Rlwe(choice) => of_sums(stage, program, choice, tensors)?,
            How::Local => through(&program.layers()[stage.last()].op, &reads),
            how => {
                for (&(read, form), noise) in stage.reads.iter().zip(&reads) {
                    let Form::Shares(ring) = form else { continue };
                    let two = *how == How::Argmax;
                    let found = if two { noise.margin_of_two(ring) } else { noise.margin(ring) };
                    if ring.terms > u32::from(!two) && found < least {
                        let met = match two {
                            true => "compared with each other".to_owned(),
                            false => format!("{} noisy ones added up", ring.terms),
                        };
                        return Err(stage.error(format!(
                            "the sums of layer {read} are {met}, with a margin of {found:.2} standard \
                             deviations, expected {least:.2}, so that a prediction is wrong with a \
                             probability of 2^-40; take larger rings or more bits of fraction for them"
                        )));
                    }
                }
                Noise::default()
            }
        };
        noises[stage.last()] = left;
    }
    Ok(())
}
