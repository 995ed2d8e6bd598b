//! What a stage sends.

use xonn_crypto::garble::Scheme;
use xonn_crypto::garble::schedule::{Role, Schedule};
use xonn_program::Program;

use super::{Wires, lowered};
use crate::cost::{StageCost, work};
use crate::plan::Stage;
use crate::protocol::{Rows, StageError};

/// Bytes of a stage's messages, for one prediction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cost {
    /// Phase Three, client to server.
    pub three: u64,
    /// Phase Four, server to client: labels' corrections and tables.
    pub four: u64,
    /// With the input, client to server.
    pub up: u64,
    /// With the input, server to client.
    pub down: u64,
    /// ANDs, whose tables are the most of phase Four.
    pub ands: u64,
    /// How they are garbled.
    pub scheme: Scheme,
    /// Rows and tweaks.
    pub rows: Rows,
}

impl Cost {
    /// Of a circuit with these wires.
    pub(super) fn of(wires: Wires, schedule: &Schedule, scheme: Scheme) -> Self {
        Self {
            three: wires.choice_bytes() as u64,
            four: wires.correction_bytes() as u64 + schedule.bytes(scheme),
            up: wires.input_bytes() as u64,
            down: (wires.answered_bytes() + wires.decoding_bytes()) as u64,
            ands: work::ands(schedule),
            scheme,
            rows: wires.rows(),
        }
    }

    /// As a plan counts it.
    pub(super) fn of_stage(self) -> StageCost {
        let offline = crate::cost::Cost {
            streamed: work::circuit(self.ands, self.scheme),
            work: work::labels(self.rows),
            ..crate::cost::Cost::of_bytes(self.three, self.four)
        };
        // A message from the client comes before it if there is none of a mask.
        let rounds = if self.up > 0 { 1.0 } else { 0.5 };
        let online = crate::cost::Cost { rounds, ..crate::cost::Cost::of_bytes(self.up, self.down) };
        StageCost { offline, online, rows: self.rows, ..StageCost::default() }
    }

    /// What is sent ahead of the input.
    #[must_use]
    pub fn ahead(self) -> u64 {
        self.three + self.four
    }

    /// What is sent with the input.
    #[must_use]
    pub fn online(self) -> u64 {
        self.up + self.down
    }
}

/// What a stage of this protocol sends with such a scheme. The stage's own choice is not looked at.
///
/// # Errors
/// [`StageError`] if the stage has no circuit.
pub fn cost(stage: &Stage, program: &Program, scheme: Scheme) -> Result<Cost, StageError> {
    let run = lowered(stage, program)?;
    Ok(Cost::of(Wires::of(&run), &Schedule::new(run.circuit(), Role::Evaluator), scheme))
}
