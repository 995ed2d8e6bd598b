//! The ways of computing a whole program, beside each other.

use serde::Serialize;
use xonn_crypto::garble::Scheme;
use xonn_program::Program;
use xonn_protocols::cost::{Cost, Link};
use xonn_protocols::planner::{Candidate, Way};
use xonn_protocols::protocol::Trust;

use super::shares::OnLink;

/// What a prediction costs by a plan.
#[derive(Clone, Debug, Serialize)]
pub struct PlanRow {
    /// The plan, as `--first-layer` has it.
    pub first_layer: &'static str,
    /// Which clients it protects the server from, as `xonn-run serve --clients` has it.
    pub clients: &'static str,
    /// How its circuit is garbled, as `--scheme` has it.
    pub scheme: String,
    /// Its stages' protocols, in order, each once.
    pub protocols: Vec<&'static str>,
    /// Bytes of a first prediction, its set-up included.
    pub first_bytes: u64,
    /// Its round trips.
    pub first_round_trips: f64,
    /// Bytes of one that follows.
    pub further_bytes: u64,
    /// Its round trips.
    pub further_round_trips: f64,
    /// Time on links, the hosts' own work included.
    pub links: Vec<OnLink>,
    /// Of a first prediction, of one that follows, and of what comes with the input: the plan with the fewest
    /// bytes, and others that links with long round trips may be quicker with.
    #[serde(skip)]
    pub costs: Vec<[Cost; 3]>,
}

impl PlanRow {
    /// Bytes and round trips of the plan that is quickest on this link.
    pub(super) fn choose(&mut self, link: Link) {
        let time = |[first, ..]: &&[Cost; 3]| first.time(link);
        if let Some(&[first, further, _]) = self.costs.iter().min_by(|a, b| time(a).total_cmp(&time(b))) {
            (self.first_bytes, self.first_round_trips) = (first.bytes(), first.rounds);
            (self.further_bytes, self.further_round_trips) = (further.bytes(), further.rounds);
        }
    }
}

/// All plans of a program, with the scheme that is taken by default.
#[must_use]
pub fn rows(program: &Program) -> Vec<PlanRow> {
    Way::ALL.into_iter().filter_map(|way| row(way, Scheme::ALL[0], program)).collect()
}

/// Of a first prediction, of one that follows, and of what comes with the input.
pub(super) fn costs_of(found: &Candidate) -> [Cost; 3] {
    [found.cost.first(), found.cost.further(), found.cost.online()]
}

fn row(way: Way, scheme: Scheme, program: &Program) -> Option<PlanRow> {
    let plans = way.plans(program, scheme).ok()?;
    let found = plans.first()?;
    let mut protocols = Vec::new();
    for stage in &found.plan.stages {
        let name = stage.how.protocol().name();
        if !protocols.contains(&name) {
            protocols.push(name);
        }
    }
    let costs: Vec<[Cost; 3]> = plans.iter().map(costs_of).collect();
    let [first, further, _] = costs[0];
    Some(PlanRow {
        first_layer: match way {
            Way::Garbled => "gc",
            Way::WeightOt => "oca",
            Way::OnShares => "shares",
        },
        clients: if found.plan.holds() == Trust::Hostile { "hostile" } else { "semi-honest" },
        scheme: scheme.to_string(),
        protocols,
        first_bytes: first.bytes(),
        first_round_trips: first.rounds,
        further_bytes: further.bytes(),
        further_round_trips: further.rounds,
        links: OnLink::all(&costs),
        costs,
    })
}
