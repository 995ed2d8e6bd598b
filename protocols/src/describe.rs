//! A plan as people read it: a row a stage.

use serde::Serialize;
use xonn_program::{Op, Program};

use crate::cost::{Cost, PlanCost};
use crate::numbers;
use crate::plan::{How, Plan, Stage};
use crate::value::Form;

/// A stage of a plan.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Row {
    /// Its layers, by number and operation.
    pub layers: String,
    /// The protocol.
    pub protocol: &'static str,
    /// Its public parameters.
    pub parameters: String,
    /// How what it leaves is held.
    pub leaves: String,
    /// Of shares, their bits, and how many of these are fraction.
    pub share_bits: Option<[u32; 2]>,
    /// Ahead of the input: bytes from the client to the server, and back.
    pub offline_bytes: [u64; 2],
    /// With the input: the same.
    pub online_bytes: [u64; 2],
    /// Round trips with the input.
    pub round_trips: f64,
}

/// The rows of a plan.
#[must_use]
pub fn rows(plan: &Plan, program: &Program, cost: &PlanCost) -> Vec<Row> {
    let row = |(stage, cost): (&Stage, &crate::cost::StageCost)| Row {
        layers: layers(stage, program),
        protocol: stage.how.protocol().name(),
        parameters: parameters(stage, program),
        leaves: form(stage.leaves),
        share_bits: match stage.leaves {
            Form::Shares(ring) => Some([ring.bits, ring.fraction]),
            Form::Client | Form::Output => None,
        },
        offline_bytes: both(cost.offline),
        online_bytes: both(cost.online),
        round_trips: cost.online.rounds,
    };
    plan.stages.iter().zip(&cost.stages).map(row).collect()
}

fn both(cost: Cost) -> [u64; 2] {
    [cost.up, cost.down]
}

fn layers(stage: &Stage, program: &Program) -> String {
    let name = |&layer: &usize| program.layers().get(layer).map_or("", |layer| layer.op.name());
    let names: Vec<&str> = stage.layers.iter().map(name).collect();
    match (stage.layers.first(), stage.layers.last()) {
        (Some(first), Some(last)) if first != last => {
            let names = if names.len() > 3 { "all".to_owned() } else { names.join(" + ") };
            format!("{first} to {last}, {names}")
        }
        (Some(first), _) => format!("{first}, {}", names.join("")),
        _ => String::new(),
    }
}

/// Whether numbers of a plan are rounded by chance, so that last bits of them are not those of the clear
/// evaluation.
#[must_use]
pub fn is_rounded(plan: &Plan) -> bool {
    plan.stages.iter().any(|stage| match &stage.how {
        How::Rlwe(_) => stage.layers.len() > 1,
        How::Numbers => true,
        _ => false,
    })
}

fn parameters(stage: &Stage, program: &Program) -> String {
    match &stage.how {
        How::Rlwe(choice) => {
            let (params, l) = (choice.params(), choice.bits);
            let dropped = match program.layers().get(stage.last()).map(|layer| &layer.op) {
                Some(Op::Round(round)) => format!(", {l} bits less {}", round.drop),
                _ => String::new(),
            };
            format!("n {}, q {}{dropped}", params.n(), params.bits())
        }
        How::CompareOt(choice) => format!("{choice:?}").to_lowercase(),
        How::Numbers => match numbers::pieces(program, &stage.layers) {
            Some(pieces) => format!("{pieces} pieces"),
            None => String::new(),
        },
        How::Argmax => {
            let numbers = program.layers().get(stage.last()).map_or(0, xonn_program::Layer::elements);
            format!("{} levels", numbers.next_power_of_two().trailing_zeros())
        }
        How::Garbled { scheme } => scheme.to_string(),
        _ => String::new(),
    }
}

fn form(form: Form) -> String {
    match form {
        Form::Client => "the client's numbers".to_owned(),
        Form::Output => "output".to_owned(),
        Form::Shares(ring) if ring.is_exact() => format!("shares of {} bits", ring.bits),
        Form::Shares(ring) => format!("shares of {} bits, {} of fraction", ring.bits, ring.fraction),
    }
}
