//! What every protocol in `registry::ALL` holds, on layers it fits: stages of sample networks (`samples.rs`), prepared
//! ahead of the input and at once with it.
//!
//! | test | what holds |
//! |---|---|
//! | `right` | what both hosts' values open to is the program's clear evaluation |
//! | `cost` | bytes, flights and rows are those of `cost()`; in each phase the host sends whose phase it is |
//! | `damage` | a flipped bit: an error or the right value, or, of protocols for clients that behave, no panic |
//! | `damage` | another length is an error |
//! | `transcript` | the same seeds give the recorded bytes |
//! | `plans` | whole plans give the program's output, and cost what `PlanCost` says |
//!
//! A protocol without a sample is an error. To add one: a network in `samples.rs` whose plan has a stage of it.

mod common;
mod cost;
mod damage;
mod plans;
#[path = "../garbled/programs.rs"]
#[allow(dead_code)] // other tests' plain networks
mod programs;
mod right;
mod samples;
mod transcript;
mod values;

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
            "no sample has a stage of the protocol `{name}`: add a network to protocols/tests/contract/samples.rs \
             whose plan has one, and its transcript to transcript.rs"
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

/// Samples reach what protocols can do.
#[test]
fn samples_are_of_many_kinds() {
    let mut kinds = std::collections::BTreeMap::new();
    every_stage(|protocol, sample, stage| {
        let ops: Vec<&str> =
            stage.layers.iter().map(|&layer| sample.program.layers()[layer].op.name()).collect();
        let kind = match &stage.how {
            How::Garbled { scheme } => {
                let forms = stage.reads.iter().map(|(_, form)| match form {
                    Form::Client => "client",
                    Form::Shares(ring) if ring.is_exact() => "exact shares",
                    Form::Shares(_) => "noisy shares",
                    Form::Output => "output",
                });
                format!("{scheme} of {:?}", forms.collect::<Vec<_>>())
            }
            How::CompareOt(choice) => format!("{choice:?} of {ops:?}"),
            _ => format!("{ops:?}"),
        };
        *kinds.entry(format!("{} {kind}", protocol.name())).or_insert(0) += 1;
    });
    let kinds: Vec<String> = kinds.into_keys().collect();
    println!("{kinds:#?}");
}

#[test]
fn names_are_told_apart() {
    let names: std::collections::BTreeSet<_> = registry::ALL.iter().map(|protocol| protocol.name()).collect();
    assert_eq!(names.len(), registry::ALL.len(), "{names:?}");
}
