//! The server's side: weights transformed once a model, an answer a prediction, and its share in the clear.

use std::sync::{Arc, Mutex, PoisonError};

use xonn_crypto::Wiped;
use xonn_crypto::rlwe::{Kept, Masks, ServerKey, Weights};
use xonn_crypto::share::RingTensor;
use xonn_program::{Program, Tensor};

use super::sums::Sums;
use super::{clear, margin, rounded};
use crate::cost::StageCost;
use crate::plan::Stage;
use crate::protocol::{Phase, ProtocolError, ServerContext, ServerRun, ServerSide, StageError};
use crate::value::ServerValue;

/// A layer of one model.
pub(super) struct Side {
    sums: Sums,
    /// For the answer.
    weights: Weights,
    own: Own,
}

/// What the server does with its own share.
enum Own {
    Exact(Box<Exact>),
    Rounded {
        weights: clear::Weights,
        /// What is added to the sums, one a filter or one an element.
        offsets: Wiped<i64>,
    },
}

/// Of sums with bits of fraction.
struct Exact {
    /// The weights over their common factor, for the server's sums.
    reduced: clear::Weights,
    /// As they are.
    whole: Wiped<u64>,
    /// What each sum is moved up by, so that its least value is 0.
    moved: Wiped<i64>,
    /// Offsets of the inputs that were seen last, and those of the sums for them; a model's are always the
    /// same.
    offsets: Mutex<[Wiped<i64>; 2]>,
}

impl Side {
    pub fn of(stage: &Stage, program: &Program, tensors: &[Tensor]) -> Result<Self, StageError> {
        let sums = Sums::of(stage, program)?;
        let layer = &program.layers()[stage.layers[0]];
        let tensor = layer.secret.and_then(|id| tensors.get(id));
        let all = tensor.map_or_else(|| Wiped::zeros(0), rounded::weights_of);
        if all.len() != sums.linear.weight_count() {
            let expected = sums.linear.weight_count();
            return Err(stage.error(format!("{} secret weights, expected {expected}", all.len())));
        }
        // Numbers are what they are; exact sums are of multiples of a step.
        let reduced: Wiped<i32> = match sums.rounded {
            None => sums.numbers.reduce(&all),
            Some(_) => all.clone(),
        };
        let kernels = sums.shape.kernels(&reduced);
        let wrong = |error: &dyn std::fmt::Display| stage.error(error.to_string());
        let squares = sums.layout.square_sums(&kernels).map_err(|error| wrong(&error))?;
        let most = squares.into_iter().fold(0.0, f64::max);
        let own = match &sums.rounded {
            None => {
                let least = layer.reads.first().map_or(0, |&read| program.layers()[read].kind.range().lo);
                enough(&sums, most, margin::sigmas_for(margin::neurons(program))).map_err(|e| wrong(&e))?;
                Own::Exact(Box::new(Exact::of(&sums, (&all, &reduced), least)))
            }
            Some(rounded) => {
                let found = rounded::std(sums.params, &sums.rounding, most);
                if found > rounded::MOST_STD {
                    return Err(stage.error(format!(
                        "noise of {found:.3} units of the last bit, expected {} at most; take a larger ring, \
                         or fewer filters a polynomial",
                        rounded::MOST_STD
                    )));
                }
                let offsets = rounded.offsets(tensors).map_err(|reason| wrong(&reason))?;
                let weights = clear::Weights::new(sums.rounding.l(), &reduced);
                Own::Rounded { weights, offsets }
            }
        };
        let weights = Weights::new(sums.params, &sums.layout, &kernels).map_err(|error| wrong(&error))?;
        Ok(Self { sums, weights, own })
    }

    /// The server's share of what the stage leaves, and the offsets.
    fn left(
        &self,
        kept: Kept,
        share: &RingTensor,
        offsets: &Wiped<i64>,
    ) -> Result<ServerValue, ProtocolError> {
        let Self { sums, own, .. } = self;
        let l = sums.rounding.l();
        let of = |sums_of: &Wiped<i64>| -> Result<RingTensor, ProtocolError> {
            let shares = kept.into_shares(&sums.shape.filters_first(sums_of))?;
            Ok(RingTensor::new(sums.leaves.bits, sums.shape.filters_last(&shares))?)
        };
        match (own, &sums.rounded) {
            (Own::Exact(exact), _) => {
                let share = of(&exact.shifted(sums, &share.reduce(l)?))?;
                Ok(ServerValue::Shares { share, offsets: exact.offsets(sums, offsets) })
            }
            (Own::Rounded { weights, offsets: added_to }, Some(rounded)) => {
                let numbers = sums.reads.numbers_of_server(share, offsets, l)?;
                let outside = sums.linear.outside().unwrap_or(0) as u64;
                let all = weights.sums(&sums.linear, numbers.values(), outside);
                let added = |(&sum, &added): (&u64, &i64)| (sum as i64).wrapping_add(added);
                let all = all.iter().zip(added_to.iter().cycle()).map(added).collect();
                Ok(ServerValue::of_numbers(&of(&all)?, rounded.lo)?)
            }
            (Own::Rounded { .. }, None) => Err(ProtocolError::missing("what its sums become")),
        }
    }
}

/// Whether sums with weights of this sum of squares keep a margin of so many standard deviations.
fn enough(sums: &Sums, squares: f64, least: f64) -> Result<(), String> {
    let found = margin::of(sums.params, &sums.rounding, squares, 1);
    if found < least {
        return Err(format!(
            "noise with a margin of {found:.2} standard deviations, expected {least:.2}, so that a \
             prediction is wrong with a probability of 2^-40; take a larger ring or more bits of fraction"
        ));
    }
    Ok(())
}

impl Exact {
    /// `least`: the least value of an input.
    fn of(sums: &Sums, (all, reduced): (&[i32], &Wiped<i32>), least: i64) -> Self {
        let words = |weights: &[i32]| clear::Weights::new(sums.rounding.l(), weights);
        // Each sum's negative weights inside of the image, as often as an input may be large: below half of
        // 2^l.
        let negative: Wiped<i32> = reduced.iter().map(|&w| (w >> 31) & w.wrapping_neg()).collect();
        let spans: Wiped<u64> = vec![sums.reads.span; sums.inputs].into();
        let moved =
            words(&negative).sums(&sums.linear, &spans, 0).iter().map(|&moved| moved as i64).collect();
        let exact = Self {
            reduced: words(reduced),
            whole: all.iter().map(|&w| w as u64).collect(),
            moved,
            offsets: Mutex::default(),
        };
        // What they most likely are, so that the first prediction need not wait: t counted from the least
        // value.
        exact.offsets(sums, &vec![least; sums.inputs].into());
        exact
    }

    /// Offsets of the sums for these of the inputs.
    fn offsets(&self, sums: &Sums, inputs: &Wiped<i64>) -> Wiped<i64> {
        let [seen, of_sums] = &mut *self.offsets.lock().unwrap_or_else(PoisonError::into_inner);
        if seen != inputs {
            *of_sums = self.offsets_of(sums, inputs);
            seen.clone_from(inputs);
        }
        of_sums.clone()
    }

    /// Offsets of the sums: `sum w offset` and padding, less what they are moved up by.
    fn offsets_of(&self, sums: &Sums, offsets: &[i64]) -> Wiped<i64> {
        let offsets: Wiped<u64> = offsets.iter().map(|&offset| offset as u64).collect();
        let outside = sums.linear.outside().unwrap_or(0);
        let all = clear::sums(&sums.linear, &self.whole, &offsets, outside as u64);
        let step = sums.leaves.step;
        let offset = |(&sum, &moved): (&u64, &i64)| (sum as i64).wrapping_sub(step.wrapping_mul(moved));
        all.iter().zip(self.moved.iter()).map(offset).collect()
    }

    /// The sums of the server's share modulo 2^l, moved up.
    fn shifted(&self, sums: &Sums, share: &RingTensor) -> Wiped<i64> {
        let all = self.reduced.sums(&sums.linear, share.values(), 0);
        let moved = |(&sum, &moved): (&u64, &i64)| (sum as i64).wrapping_add(moved);
        all.iter().zip(self.moved.iter()).map(moved).collect()
    }
}

impl ServerSide for Arc<Side> {
    fn cost(&self) -> StageCost {
        self.sums.cost()
    }

    fn begin(&self) -> Box<dyn ServerRun> {
        Box::new(Run { side: Arc::clone(self), masks: None, kept: None })
    }
}

/// One prediction.
struct Run {
    side: Arc<Side>,
    /// With the key that they are encrypted under; the connection may have a new one later.
    masks: Option<(Arc<ServerKey>, Masks)>,
    kept: Option<Kept>,
}

impl ServerRun for Run {
    fn prepare(&mut self, phase: Phase, context: &mut ServerContext<'_>) -> Result<(), ProtocolError> {
        let sums = &self.side.sums;
        match phase {
            Phase::One => {
                let message = context.wire.receive(sums.bytes[0])?;
                let key = context
                    .link
                    .key(sums.params)
                    .ok_or_else(|| ProtocolError::out_of_turn("the client's key"))?;
                let masks = key.masks(&sums.layout, &message)?;
                self.masks = Some((key, masks));
            }
            Phase::Two => {
                let (key, masks) =
                    self.masks.take().ok_or_else(|| ProtocolError::out_of_turn("the client's masks"))?;
                let (weights, rounding) = (&self.side.weights, &sums.rounding);
                let rng = &mut &mut *context.rng;
                let (answer, kept) = key.respond(&sums.layout, weights, rounding, &masks, rng)?;
                context.wire.send(&answer)?;
                self.kept = Some(kept);
            }
            Phase::Three | Phase::Four => {}
        }
        Ok(())
    }

    fn run(
        self: Box<Self>,
        _context: &mut ServerContext<'_>,
        reads: &[&ServerValue],
    ) -> Result<ServerValue, ProtocolError> {
        let Self { side, kept, .. } = *self;
        let sums = &side.sums;
        let kept = kept.ok_or_else(|| ProtocolError::out_of_turn("the answer to the client's masks"))?;
        let [ServerValue::Shares { share, offsets }] = reads else {
            return Err(ProtocolError::out_of_turn("the server's share"));
        };
        if [share.len(), offsets.len()] != [sums.inputs; 2] {
            let reason = format!("{} numbers, expected {}", share.len(), sums.inputs);
            return Err(ProtocolError::message("the server's share", reason));
        }
        side.left(kept, share, offsets)
    }
}
