//! What a prediction on shares costs, stage by stage.

use serde::Serialize;
use xonn_crypto::garble::Scheme;
use xonn_program::Program;
use xonn_protocols::cost::{Cost, Link};
use xonn_protocols::describe::{self, Row};
use xonn_protocols::planner::{self, Candidate, NotOnShares, Way};
use xonn_protocols::rlwe::FAILURE_BITS;

use super::plans;

/// The plan on shares of a program.
#[derive(Clone, Debug, Serialize)]
pub struct OnShares {
    /// A row a stage.
    pub stages: Vec<Row>,
    /// Why the circuit begins where it does; none if the output alone is left to it.
    pub not_taken: Option<NotTaken>,
    /// Bytes of a first prediction, its set-up included.
    pub first_bytes: u64,
    /// Bytes of one that follows.
    pub further_bytes: u64,
    /// Of these, bytes with the input.
    pub online_bytes: u64,
    /// Round trips of a first prediction, of one that follows, and of what comes with the input.
    pub round_trips: [f64; 3],
    /// A prediction is wrong with a probability below two to the minus this; none where numbers are rounded
    /// by chance, so that ties of their last bits come out either way.
    pub failure_bits: Option<u32>,
    /// Time on links, the hosts' own work included.
    pub links: Vec<OnLink>,
    /// What the plan costs.
    #[serde(skip)]
    costs: [Cost; 3],
    /// Plans with more bytes, for links with long round trips.
    #[serde(skip)]
    others: Vec<Self>,
}

/// The layer that no protocol on shares takes.
#[derive(Clone, Debug, Serialize)]
pub struct NotTaken {
    /// Its number.
    pub layer: usize,
    /// What it computes.
    pub op: &'static str,
    /// Why not.
    pub reason: &'static str,
}

/// Time on a link.
#[derive(Clone, Debug, Serialize)]
pub struct OnLink {
    /// Milliseconds of a round trip.
    pub rtt_ms: f64,
    /// Megabits a second.
    pub mbps: f64,
    /// Milliseconds of a first prediction, of one that follows, and of what comes with the input.
    pub first_further_online_ms: [f64; 3],
}

impl OnLink {
    /// Links that costs are told for: hosts in one place, in one town, far from each other.
    const USUAL: [Link; 3] = [
        Link { rtt_ms: 0.2, mbps: 1000.0 },
        Link { rtt_ms: 5.0, mbps: 100.0 },
        Link { rtt_ms: 40.0, mbps: 100.0 },
    ];

    /// Time of a first prediction, of one that follows, and of what comes with the input, by the plan of
    /// these whose first prediction is the quickest.
    #[must_use]
    pub fn of(plans: &[[Cost; 3]], link: Link) -> Self {
        let times = plans.iter().map(|costs| costs.map(|cost| cost.time(link)));
        let first_further_online_ms =
            times.min_by(|[a, ..], [b, ..]| a.total_cmp(b)).unwrap_or([f64::INFINITY; 3]);
        Self { rtt_ms: link.rtt_ms, mbps: link.mbps, first_further_online_ms }
    }

    /// Time on one more link, in front of those on others.
    pub(super) fn put_first(links: &mut Vec<Self>, plans: &[[Cost; 3]], link: Link) {
        links.retain(|other| (other.rtt_ms, other.mbps) != (link.rtt_ms, link.mbps));
        links.insert(0, Self::of(plans, link));
    }

    /// The same on all usual links.
    #[must_use]
    pub fn all(plans: &[[Cost; 3]]) -> Vec<Self> {
        Self::USUAL.map(|link| Self::of(plans, link)).into()
    }

    /// As a row is called.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} Mbit/s, {} ms", self.mbps, self.rtt_ms)
    }
}

impl OnShares {
    /// What noise and rounding do to an answer, in one sentence; `power` writes a power of two to the minus.
    #[must_use]
    pub fn exactness(&self, power: fn(u32) -> String) -> String {
        match self.failure_bits {
            Some(bits) => format!(
                "The noise of the sums spoils a prediction with a probability below {}, which the server \
                 checks with its weights before it serves.",
                power(bits)
            ),
            None => "Numbers are rounded by chance, on the average right, so that ties of their last bits \
                     come out either way; their noise is below 1/8 of the last bit, which the server checks \
                     with its weights before it serves."
                .to_owned(),
        }
    }

    /// The plan of a program.
    ///
    /// # Errors
    /// Why there is none, with the layer.
    pub fn of(program: &Program) -> Result<Self, String> {
        let scheme = Scheme::ALL[0];
        let (_, not_taken) = planner::on_shares_until(program, scheme).map_err(|error| error.to_string())?;
        let not_taken = not_taken.map(|NotOnShares { layer, op, reason }| NotTaken { layer, op, reason });
        let plans = Way::OnShares.plans(program, scheme).map_err(|error| error.to_string())?;
        let mut all = plans.iter().map(|found| Self::described(found, program, not_taken.clone()));
        let mut first = all.next().ok_or("there is no plan")?;
        first.others = all.collect();
        Ok(first)
    }

    /// Its time on another link.
    pub(super) fn add_link(&mut self, link: Link) {
        OnLink::put_first(&mut self.links, &[self.costs], link);
        self.others.iter_mut().for_each(|other| other.add_link(link));
    }

    /// The plan that is quickest on this link.
    pub(super) fn choose(&mut self, link: Link) {
        let time = |plan: &Self| plan.costs[0].time(link);
        let others = std::mem::take(&mut self.others).into_iter();
        if let Some(other) = others.min_by(|a, b| time(a).total_cmp(&time(b)))
            && time(&other) < time(self)
        {
            *self = other;
        }
    }

    fn described(found: &Candidate, program: &Program, not_taken: Option<NotTaken>) -> Self {
        let (plan, costs) = (&found.plan, plans::costs_of(found));
        let [first_bytes, further_bytes, online_bytes] = costs.map(Cost::bytes);
        Self {
            stages: describe::rows(plan, program, &found.cost),
            not_taken,
            first_bytes,
            further_bytes,
            online_bytes,
            round_trips: costs.map(|cost| cost.rounds),
            failure_bits: (!describe::is_rounded(plan)).then_some(FAILURE_BITS),
            links: OnLink::all(&[costs]),
            costs,
            others: Vec::new(),
        }
    }
}

impl NotTaken {
    /// In one sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Self { layer, op, reason } = self;
        format!("On shares as far as layer {layer} ({op}): {reason}.")
    }
}
