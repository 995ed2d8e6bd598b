//! The ways of computing a whole program, and which of them is taken: the one that takes the least time on a
//! link, among those that protect the server from the clients that it has.

use xonn_crypto::garble::Scheme;
use xonn_program::Program;

use super::{NotOnShares, by_weight_ot, garbled, on_shares, on_shares_over};
use crate::compare_ot;
use crate::cost::{Cost, Link, PlanCost};
use crate::plan::{How, Plan, Stage};
use crate::protocol::{StageError, Trust};

/// How a whole program is computed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Way {
    /// In one garbled circuit: [`garbled`].
    Garbled,
    /// First layers by conditional addition, the rest in a garbled circuit: [`by_weight_ot`].
    WeightOt,
    /// On shares as far as it goes: [`on_shares`].
    OnShares,
}

/// A plan and what it costs.
#[derive(Clone, PartialEq, Debug)]
pub struct Candidate {
    /// How it goes.
    pub way: Way,
    /// The plan.
    pub plan: Plan,
    /// What it costs.
    pub cost: PlanCost,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Garbled, Self::WeightOt, Self::OnShares];

    /// Whether a plan is one of this way, whose circuits are garbled by this scheme. Of a plan that a server
    /// has sent it tells whether it is what the server said before.
    ///
    /// # Errors
    /// [`StageError`] for the first stage that is not.
    pub fn takes(self, plan: &Plan, scheme: Scheme) -> Result<(), StageError> {
        let right = |how: &How| match how {
            How::Garbled { scheme: found } => *found == scheme,
            How::Mask | How::Local => self != Self::Garbled,
            How::WeightOt => self == Self::WeightOt,
            How::Rlwe(_) | How::CompareOt(_) | How::Numbers | How::Argmax => self == Self::OnShares,
        };
        let name = |stage: &Stage| match stage.how {
            How::Garbled { scheme } => format!("garbled, {scheme}"),
            _ => stage.how.protocol().name().to_owned(),
        };
        match plan.stages.iter().find(|stage| !right(&stage.how)) {
            Some(stage) => {
                Err(stage.error(format!("by {}, which is none of the way that was said", name(stage))))
            }
            None => Ok(()),
        }
    }

    /// A plan of a program: on shares the one for the default [`Link`], pools in the fewest bytes.
    ///
    /// # Errors
    /// [`NotOnShares`] with the layer for which there is none.
    pub fn plan(self, program: &Program, scheme: Scheme) -> Result<Candidate, NotOnShares> {
        let plan = match self {
            Self::Garbled => garbled(program, scheme),
            Self::WeightOt => by_weight_ot(program, scheme)?,
            Self::OnShares => on_shares(program, scheme)?,
        };
        self.candidate(plan, program)
    }

    /// All plans of a program of this way, that with the fewest bytes first: others take fewer round trips.
    ///
    /// # Errors
    /// [`NotOnShares`] with the layer for which there is none.
    pub fn plans(self, program: &Program, scheme: Scheme) -> Result<Vec<Candidate>, NotOnShares> {
        if self != Self::OnShares {
            return Ok(vec![self.plan(program, scheme)?]);
        }
        let mut plans: Vec<Candidate> = Vec::new();
        for link in [SLOW, FAR] {
            let found = self.candidate(on_shares_over(program, scheme, link)?, program)?;
            let other = found.with_pools_at_once(program).ok().flatten();
            for candidate in [Some(found), other].into_iter().flatten() {
                if plans.iter().all(|known| known.plan != candidate.plan) {
                    plans.push(candidate);
                }
            }
        }
        Ok(plans)
    }

    /// The plan of a program whose first prediction is the quickest on a link.
    ///
    /// # Errors
    /// [`NotOnShares`] with the layer for which there is none.
    pub fn plan_over(self, program: &Program, scheme: Scheme, link: Link) -> Result<Candidate, NotOnShares> {
        let time = |candidate: &Candidate| candidate.cost.first().time(link);
        let plans = self.plans(program, scheme)?;
        let quickest = plans.into_iter().min_by(|a, b| time(a).total_cmp(&time(b)));
        quickest.map_or_else(|| self.plan(program, scheme), Ok)
    }

    fn candidate(self, plan: Plan, program: &Program) -> Result<Candidate, NotOnShares> {
        let cost = plan.cost(program).map_err(|error| NotOnShares {
            layer: error.layer,
            op: program.layers()[error.layer].op.name(),
            reason: "no protocol takes it",
        })?;
        Ok(Candidate { way: self, plan, cost })
    }
}

/// A link on which bytes alone count.
const SLOW: Link = Link { rtt_ms: 0.0, mbps: 0.001 };
/// A link on which round trips alone count.
const FAR: Link = Link { rtt_ms: 1e6, mbps: 1e6 };

impl Candidate {
    /// The same with each pool in one round trip in place of two, which takes more bytes; none if there is no
    /// pool of which that is known.
    ///
    /// # Errors
    /// [`StageError`] if the plan is none of the program.
    pub fn with_pools_at_once(&self, program: &Program) -> Result<Option<Self>, StageError> {
        let mut plan = self.plan.clone();
        for stage in &mut plan.stages {
            if let How::CompareOt(choice @ compare_ot::Choice::Narrow) = &mut stage.how {
                *choice = compare_ot::Choice::Sign;
            }
        }
        if plan == self.plan {
            return Ok(None);
        }
        Ok(Some(Self { way: self.way, cost: plan.cost(program)?, plan }))
    }
}

/// Of some ways, each with the clients that it holds against and what a first prediction costs, the one that
/// takes the least time on a link, among those that hold against these clients.
pub fn quickest<T>(
    ways: impl IntoIterator<Item = (T, Trust, Cost)>,
    link: Link,
    clients: Trust,
) -> Option<T> {
    let permitted = ways.into_iter().filter(|&(_, holds, _)| holds >= clients);
    let (way, ..) = permitted.min_by(|(.., a), (.., b)| a.time(link).total_cmp(&b.time(link)))?;
    Some(way)
}
