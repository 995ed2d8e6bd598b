//! Of all plans for a program the one that takes the least time on a link, among those that protect the
//! server from the clients that it has.

use xonn_crypto::garble::Scheme;
use xonn_program::Program;

use super::{NotOnShares, by_weight_ot, garbled, on_shares};
use crate::cost::{Link, PlanCost};
use crate::plan::Plan;
use crate::protocol::Trust;

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

    /// The plan of a program.
    ///
    /// # Errors
    /// [`NotOnShares`] with the layer for which there is none.
    pub fn plan(self, program: &Program, scheme: Scheme) -> Result<Candidate, NotOnShares> {
        let plan = match self {
            Self::Garbled => garbled(program, scheme),
            Self::WeightOt => by_weight_ot(program, scheme)?,
            Self::OnShares => on_shares(program, scheme)?,
        };
        let cost = plan.cost(program).map_err(|error| NotOnShares {
            layer: error.layer,
            op: program.layers()[error.layer].op.name(),
            reason: "no protocol takes it",
        })?;
        Ok(Candidate { way: self, plan, cost })
    }
}

/// The plan whose first prediction takes the least time, set-up included; none if there is no circuit for the
/// program.
/// `clients` is what the server takes its clients for.
#[must_use]
pub fn cheapest(program: &Program, scheme: Scheme, link: Link, clients: Trust) -> Option<Candidate> {
    let plans = Way::ALL.into_iter().filter_map(|way| way.plan(program, scheme).ok());
    let permitted = plans.filter(|candidate| candidate.plan.holds() >= clients);
    permitted.min_by(|a, b| a.cost.first().time(link).total_cmp(&b.cost.first().time(link)))
}
