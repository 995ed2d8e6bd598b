//! Garbled stages in whole plans, ahead of the inputs and at once.

use rand::RngExt as _;
use xonn_crypto::garble::Scheme;
use xonn_program::Program;
use xonn_protocols::plan::{How, Plan, Stage};
use xonn_protocols::protocol::Trust;
use xonn_protocols::run::{Client, Server};
use xonn_protocols::value::{Form, Ring};

use crate::common::{self, dice};
use crate::plan::predict;
use crate::programs;

/// The program garbled as a whole; or its input masked first.
pub fn plans(program: &Program, scheme: Scheme) -> [Plan; 2] {
    let all: Vec<usize> = (0..program.layers().len()).collect();
    let whole = common::stage(all.clone(), vec![(0, Form::Client)], scheme);
    let codes = program.input().codes();
    let span = codes.start().abs_diff(*codes.end());
    let ring = Ring { bits: 9, fraction: 0, terms: 0, step: 1, span };
    let mask =
        Stage { layers: vec![0], reads: vec![(0, Form::Client)], leaves: Form::Shares(ring), how: How::Mask };
    let tail = common::stage(all[1..].to_vec(), vec![(0, Form::Shares(ring))], scheme);
    [Plan { stages: vec![whole] }, Plan { stages: vec![mask, tail] }]
}

#[test]
fn plans_give_what_the_program_gives_ahead_and_at_once() {
    let dice = &mut dice(21);
    for (program, scheme) in programs::all().iter().zip(Scheme::ALL.into_iter().cycle()) {
        for plan in plans(program, scheme) {
            let plan = Plan::from_bytes(&plan.to_bytes(), program).unwrap();
            let model = programs::model(program, dice);
            let server = Server::new(plan.clone(), program, &model).unwrap();
            let client = Client::new(plan, program).unwrap();
            for ahead in [0, 3] {
                let samples: Vec<_> = (0..3).map(|_| programs::sample(program, dice)).collect();
                let answers = predict(&server, &client, &samples, ahead, dice.random()).outputs;
                for (answer, sample) in answers.iter().zip(&samples) {
                    let output = program.output().decode(answer);
                    assert_eq!(output, programs::expected(program, &model, sample));
                }
            }
        }
    }
}

/// Garbling itself protects the server against any client; shares in front of it do not.
#[test]
fn a_plan_is_as_strong_as_its_weakest_stage() {
    let [whole, masked] = plans(&programs::labels(), Scheme::HalfGates);
    assert_eq!([whole.holds(), masked.holds()], [Trust::Hostile, Trust::SemiHonest]);
}
