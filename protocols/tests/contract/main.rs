//! What every protocol in `registry::ALL` holds, on layers it fits: stages of sample networks (`samples.rs`),
//! prepared ahead of the input and at once with it.
//!
//! | test | what holds |
//! |---|---|
//! | `right` | what both hosts' values open to is the program's clear evaluation |
//! | `cost` | bytes, flights and rows are those of `cost()`; in each phase the host sends whose phase it is |
//! | `damage` | a flipped bit: an error or the right value; of protocols for semi-honest clients, no panic |
//! | `damage` | another length is an error |
//! | `transcript` | the same seeds give the recorded bytes |
//! | `plans` | whole plans give the program's output, and cost what `PlanCost` says |
//!
//! A protocol without a sample is an error. To add one: a network in `samples.rs` whose plan has a stage of
//! it.

#![allow(clippy::unwrap_used)] // a test that unwraps fails with a location

mod common;
mod cost;
mod damage;
mod end;
#[path = "../support/plan.rs"]
mod plan;
mod plans;
#[path = "../garbled/programs.rs"]
#[allow(dead_code)] // other tests' plain networks
mod programs;
mod right;
mod samples;
mod transcript;
mod values;

use std::collections::BTreeSet;
use std::sync::Arc;

use xonn_program::{Program, Tensor};
use xonn_protocols::cost::StageCost;
use xonn_protocols::plan::{How, Stage};
use xonn_protocols::protocol::{ClientSide, Protocol, ServerSide, StageError, Trust};
use xonn_protocols::registry;
use xonn_protocols::value::Form;

use samples::Sample;

/// For each protocol all its stages of all samples.
fn every_stage(check: impl FnMut(&'static dyn Protocol, &Sample, &Stage)) {
    every_stage_of(&registry::ALL, check);
}

fn every_stage_of(
    protocols: &[&'static dyn Protocol],
    mut check: impl FnMut(&'static dyn Protocol, &Sample, &Stage),
) {
    let samples = samples::all();
    for &protocol in protocols {
        let mut found = 0;
        for sample in &samples {
            for stage in sample.stages(protocol.name()) {
                found += 1;
                check(protocol, sample, &stage);
            }
        }
        let name = protocol.name();
        assert!(
            found > 0,
            "no sample has a stage of the protocol `{name}`: add a network whose plan has one to \
             protocols/tests/contract/samples.rs, and its transcript to transcripts.txt"
        );
    }
}

/// A protocol that somebody listed and gave no sample.
struct Forgotten;

impl Protocol for Forgotten {
    fn name(&self) -> &'static str {
        "forgotten"
    }

    fn holds(&self) -> Trust {
        Trust::Hostile
    }

    fn cost(&self, stage: &Stage, _: &Program) -> Result<StageCost, StageError> {
        Err(stage.error("none"))
    }

    fn server(&self, stage: &Stage, _: &Program, _: &[Tensor]) -> Result<Arc<dyn ServerSide>, StageError> {
        Err(stage.error("none"))
    }

    fn client(&self, stage: &Stage, _: &Program) -> Result<Arc<dyn ClientSide>, StageError> {
        Err(stage.error("none"))
    }
}

#[test]
#[should_panic(expected = "no sample has a stage of the protocol `forgotten`")]
fn a_protocol_without_a_sample_is_an_error() {
    every_stage_of(&[&Forgotten], |_, _, _| {});
}

/// What the samples of each protocol have, at least: its name, its way, and what it computes or reads.
const KINDS: [&str; 34] = [
    "argmax dense",
    "argmax round",
    "compare_ot Narrow max_pool2d threshold",
    "compare_ot Narrow threshold max_pool2d",
    "compare_ot Sign threshold max_pool2d",
    "compare_ot Sign threshold",
    "compare_ot Wide max_pool2d threshold",
    "compare_ot Wide threshold max_pool2d",
    "garbled half-gates client",
    "garbled half-gates exact noisy",
    "garbled half-gates noisy",
    "garbled three-halves client",
    "garbled three-halves exact noisy",
    "garbled three-halves noisy",
    "local add",
    "local concatenate",
    "local permute",
    "local recode",
    "local round",
    "local sum_pool2d",
    "mask input",
    "numbers clamp",
    "numbers leaky_relu",
    "numbers max_pool2d",
    "numbers max_pool2d relu",
    "numbers product round",
    "numbers relu",
    "numbers square round",
    "rlwe conv2d",
    "rlwe conv2d offset round",
    "rlwe dense",
    "rlwe dense round",
    "weight_ot conv2d",
    "weight_ot dense",
];

#[test]
fn samples_are_of_many_kinds() {
    let mut kinds = BTreeSet::new();
    every_stage(|protocol, sample, stage| {
        let ops = stage.layers.iter().map(|&layer| sample.program.layers()[layer].op.name());
        let forms = stage.reads.iter().map(|(_, form)| match form {
            Form::Client => "client",
            Form::Shares(ring) if ring.is_exact() => "exact",
            Form::Shares(_) => "noisy",
            Form::Output => "output",
        });
        let (way, what) = match &stage.how {
            How::Garbled { scheme } => (scheme.to_string(), forms.collect::<Vec<_>>()),
            How::CompareOt(choice) => (format!("{choice:?}"), ops.collect()),
            _ => (String::new(), ops.collect()),
        };
        let words = [protocol.name(), &way[..]].into_iter().chain(what).filter(|word| !word.is_empty());
        kinds.insert(words.collect::<Vec<_>>().join(" "));
    });
    let missing: Vec<_> = KINDS.into_iter().filter(|&kind| !kinds.contains(kind)).collect();
    assert!(missing.is_empty(), "{missing:?} of {kinds:#?}");
}

#[test]
fn names_are_told_apart() {
    let names: BTreeSet<_> = registry::ALL.iter().map(|protocol| protocol.name()).collect();
    assert_eq!(names.len(), registry::ALL.len(), "{names:?}");
}
