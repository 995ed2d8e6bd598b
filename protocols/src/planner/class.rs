//! Who finds the class: the circuit at the end of a plan, or a tournament.

use xonn_crypto::garble::Scheme;
use xonn_program::{Op, OutputEncoding};

use super::Walk;
use crate::cost::{Link, PlanCost};
use crate::plan::{How, Plan, Stage};
use crate::value::{Form, Ring};

impl Walk<'_> {
    /// Of a plan and one in which a tournament finds the class, if that can be, the one whose first
    /// prediction takes less time on this link.
    pub(super) fn quicker(mut self, plan: Plan, cost: &PlanCost, scheme: Scheme, link: Link) -> Plan {
        let layers = self.program.layers();
        let is_class = matches!(self.program.output(), OutputEncoding::Argmax { .. });
        if !is_class || self.roles.len() < layers.len() || matches!(layers[layers.len() - 1].op, Op::Input) {
            return plan;
        }
        self.argmax = true;
        let other = self.plan_that_holds(scheme).ok();
        let other = other.and_then(|other| Some((other.cost(self.program).ok()?, other)));
        match other {
            Some((other_cost, other)) if other_cost.first().time(link) < cost.first().time(link) => other,
            _ => plan,
        }
    }

    /// The class of the last layer's shares.
    pub(super) fn tournament(&self, ring: Ring) -> Stage {
        let last = self.program.layers().len() - 1;
        let reads = vec![(last, Form::Shares(ring))];
        Stage { layers: vec![last], reads, leaves: Form::Output, how: How::Argmax }
    }
}
