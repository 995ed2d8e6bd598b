//! Which protocol computes which layers, and how both hosts hold what is between them: public.
//!
//! The server makes a plan ([`crate::planner`]) and sends it; a client takes any that its program allows and
//! whose parameters are on its own menus ([`Plan::check`]), so two hosts never have to agree on a search.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use xonn_crypto::garble::Scheme;
use xonn_program::{LayerId, Op, Program};

use crate::cost::PlanCost;
use crate::protocol::{Protocol, StageError, Trust};
use crate::steps::windows::MOST_PLACES;
use crate::value::Form;
use crate::{compare_ot, rlwe};

/// Layers in the order in which they are computed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The input first; the last one leaves the output.
    pub stages: Vec<Stage>,
}

/// A run of layers that one protocol computes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// The layers, the last one being the one whose tensor it leaves.
    pub layers: Vec<LayerId>,
    /// The tensors that it reads, made by stages before it, and how they are held.
    pub reads: Vec<(LayerId, Form)>,
    /// How what it leaves is held.
    pub leaves: Form,
    /// By which protocol, with its public parameters.
    pub how: How,
}

/// A protocol and what it leaves to choose.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum How {
    /// The client masks its input: [`crate::mask`].
    Mask,
    /// On shares without a message: [`crate::local`].
    Local,
    /// Sums under lattice encryption: [`crate::rlwe`].
    Rlwe(rlwe::Choice),
    /// Sums by conditional addition: [`crate::weight_ot`].
    WeightOt,
    /// Comparisons by oblivious transfer: [`crate::compare_ot`].
    CompareOt(compare_ot::Choice),
    /// Hidden numbers by oblivious transfer: [`crate::numbers`].
    Numbers,
    /// The class by comparisons of two: [`crate::argmax`].
    Argmax,
    /// A garbled circuit of all layers: [`crate::garbled`].
    Garbled {
        /// How its gates are garbled.
        #[serde(with = "crate::garbled::scheme_name")]
        scheme: Scheme,
    },
}

impl How {
    /// The protocol.
    #[must_use]
    pub fn protocol(&self) -> &'static dyn Protocol {
        match self {
            Self::Mask => &crate::mask::Mask,
            Self::Local => &crate::local::Local,
            Self::Rlwe(_) => &rlwe::Rlwe,
            Self::WeightOt => &crate::weight_ot::WeightOt,
            Self::CompareOt(_) => &compare_ot::CompareOt,
            Self::Numbers => &crate::numbers::Numbers,
            Self::Argmax => &crate::argmax::Argmax,
            Self::Garbled { .. } => &crate::garbled::Garbled,
        }
    }

    /// Whether the client speaks first once its input is there, and waits for nothing.
    #[must_use]
    pub fn speaks_first(&self) -> bool {
        matches!(self, Self::Mask)
    }
}

impl Stage {
    /// The layer whose tensor it leaves.
    #[must_use]
    pub fn last(&self) -> LayerId {
        self.layers.last().copied().unwrap_or(0)
    }

    /// Why it cannot be run.
    #[must_use]
    pub fn error(&self, reason: impl Into<String>) -> StageError {
        StageError { layer: self.last(), reason: reason.into() }
    }
}

/// Elements of all windows of a pool, those of padding too.
fn pooled(op: &Op) -> usize {
    let (Op::MaxPool { window } | Op::SumPool { window }) = op else { return 0 };
    let sizes = window.kernel.into_iter().chain(window.output).chain([window.input[2]]);
    sizes.fold(1, usize::saturating_mul)
}

impl Plan {
    /// Against which clients the server is protected: by the weakest of its stages.
    #[must_use]
    pub fn holds(&self) -> Trust {
        let holds = self.stages.iter().map(|stage| stage.how.protocol().holds());
        holds.min().unwrap_or(Trust::Hostile)
    }

    /// Checks what the other host may have made up: each stage computes layers that come one after the other,
    /// reads what is there in the form in which it is there, none is computed twice, and the last one leaves
    /// the output. So a plan is no longer than its program. What is one protocol's own is checked where its
    /// side is made.
    ///
    /// # Errors
    /// [`StageError`] for the first stage that breaks a rule.
    pub fn check(&self, program: &Program) -> Result<(), StageError> {
        let mut forms: Vec<Option<Form>> = vec![None; program.layers().len()];
        let mut places = 0usize;
        for (number, stage) in self.stages.iter().enumerate() {
            let rising = stage.layers.windows(2).all(|pair| pair[0] < pair[1]);
            if stage.layers.is_empty() || !rising || stage.last() >= forms.len() {
                return Err(stage.error("its layers are not layers of the program, in order"));
            }
            let named: HashSet<LayerId> = stage.reads.iter().map(|&(read, _)| read).collect();
            for &layer in &stage.layers {
                let known = |read: &LayerId| stage.layers.binary_search(read).is_ok() || named.contains(read);
                // What only changes its form is not computed again.
                if !named.contains(&layer) && !program.layers()[layer].reads.iter().all(known) {
                    return Err(stage.error("it reads a tensor that it does not name"));
                }
            }
            if !matches!(stage.how, How::Garbled { .. }) {
                let pooled = stage.layers.iter().map(|&layer| pooled(&program.layers()[layer].op));
                places = pooled.fold(places, usize::saturating_add);
                if places > MOST_PLACES {
                    return Err(stage.error("the windows of all pools on shares have too many elements"));
                }
            }
            for (read, form) in &stage.reads {
                let input = *form == Form::Client
                    && program.layers().get(*read).is_some_and(|layer| matches!(layer.op, Op::Input));
                if !input && forms.get(*read).copied().flatten() != Some(*form) {
                    return Err(stage.error(format!("it reads layer {read} in a form that nobody leaves")));
                }
            }
            if (stage.leaves == Form::Output) != (number + 1 == self.stages.len()) {
                return Err(stage.error("the last stage leaves the output, and no other one"));
            }
            // The client's numbers are there from the start; of what stages leave each tensor is made once.
            let made = &mut forms[stage.last()];
            if made.is_some() && stage.leaves != Form::Output {
                return Err(stage.error("a stage before it has computed it"));
            }
            *made = Some(stage.leaves);
        }
        match self.stages.last() {
            Some(stage) if stage.last() + 1 == forms.len() => Ok(()),
            _ => Err(StageError {
                layer: forms.len().saturating_sub(1),
                reason: "no stage computes it".into(),
            }),
        }
    }

    /// The same, whose circuits are garbled by this scheme.
    #[must_use]
    pub fn with_scheme(&self, scheme: Scheme) -> Self {
        let mut plan = self.clone();
        for stage in &mut plan.stages {
            if let How::Garbled { scheme: of } = &mut stage.how {
                *of = scheme;
            }
        }
        plan
    }

    /// What it costs.
    ///
    /// # Errors
    /// [`StageError`] for a stage that is none of its protocol.
    pub fn cost(&self, program: &Program) -> Result<PlanCost, StageError> {
        let cost = |stage: &Stage| stage.how.protocol().cost(stage, program);
        let stages = self.stages.iter().map(cost).collect::<Result<_, _>>()?;
        Ok(PlanCost::new(stages, &crate::run::rings(self)))
    }

    /// The plan as it is sent.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("plans are plain data")
    }

    /// Reads a plan, of which nothing is trusted.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_bytes(bytes: &[u8], program: &Program) -> Result<Self, StageError> {
        let plan: Self = serde_json::from_slice(bytes)
            .map_err(|error| StageError { layer: 0, reason: error.to_string() })?;
        plan.check(program)?;
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    use xonn_program::op::Window2d;
    use xonn_program::{InputEncoding, Kind, Layer, OutputEncoding, Range};

    use super::*;
    use crate::value::Ring;

    /// `pools` pools of the input, each with a window as large as the image at every place, and their sum's
    /// signs.
    fn pools(side: usize, pools: usize) -> Program {
        let window = Window2d {
            input: [side, side, 1],
            kernel: [side, side],
            stride: [1, 1],
            dilation: [1, 1],
            pad_low: [side / 2; 2],
            output: [side, side],
        };
        let most = (side * side) as i64;
        let layer = |op, reads, hi, secret| {
            let kind = Kind::Int(Range { lo: 0, hi });
            Layer { op, reads, shape: vec![side, side, 1], kind, secret }
        };
        let mut layers = vec![layer(Op::Input, vec![], 1, None)];
        layers.extend((0..pools).map(|_| layer(Op::SumPool { window }, vec![0], most, None)));
        layers.push(layer(Op::Add, (1..=pools).collect(), most * pools as i64, None));
        let signs = layer(Op::Threshold { cuts: 1 }, vec![pools + 1], 1, Some(0));
        layers.push(Layer { kind: Kind::Bit, ..signs });
        let shape = vec![side as u32, side as u32, 1];
        let input = InputEncoding {
            shape,
            bits: 1,
            signed: false,
            scale: 1.0,
            zero: 0,
            features: Vec::new(),
            tokens: false,
        };
        let units = (side * side) as u32;
        Program::new(input, layers, OutputEncoding::Labels { units }).expect("a program")
    }

    /// A plan that pools on shares; its rings are nothing that its stages would take.
    fn on_shares(pools: usize) -> Plan {
        let (input, pooled) = (Form::Shares(Ring::of_bits(8)), Form::Shares(Ring::of_bits(9)));
        let stage = |layers, reads, leaves, how| Stage { layers, reads, leaves, how };
        let mut stages = vec![stage(vec![0], vec![(0, Form::Client)], input, How::Mask)];
        stages.extend((1..=pools).map(|pool| stage(vec![pool], vec![(0, input)], pooled, How::Local)));
        let reads = (1..=pools).map(|pool| (pool, pooled)).collect();
        let garbled = How::Garbled { scheme: Scheme::HalfGates };
        stages.push(stage(vec![pools + 1, pools + 2], reads, Form::Output, garbled));
        Plan { stages }
    }

    #[test]
    fn pools_of_a_whole_plan_are_bounded() {
        on_shares(4).check(&pools(64, 4)).expect("2^26 elements of windows");
        let error = on_shares(5).check(&pools(64, 5)).expect_err("more than 2^26");
        assert!(error.to_string().contains("too many elements"), "{error}");
    }
}
