//! A client takes nothing on trust: whatever stage a server makes up is run or refused, and never panics.

use std::cell::RefCell;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use serde_json::Value;
use xonn_program::Program;
use xonn_program::op::{Linear, Pad, Planes};
use xonn_protocols::plan::Stage;
use xonn_protocols::protocol::Protocol as _;
use xonn_protocols::rlwe::{self, Rlwe};

use crate::common::{Conv, Reads, found, program, tensors};

fn samples() -> Vec<(Program, Stage, Linear, Reads)> {
    let conv = Conv([6, 5, 4], [3, 3], [2, 1], [1, 2], [1, 2], [3, 5], 4, 2);
    [
        (Linear::dense(30, 4, Planes::Ternary), Reads::Bits),
        (conv.linear(Planes::Sign, Pad::Bit(true)), Reads::Bits),
        (conv.linear(Planes::Odd { bits: 3 }, Pad::Drop), Reads::Numbers(8, 3, -7)),
    ]
    .map(|(linear, reads)| {
        let program = program(linear, reads);
        let stage = found(&linear, &program, reads);
        (program, stage, linear, reads)
    })
    .into()
}

/// Every number of a page of JSON.
fn numbers<'v>(value: &'v mut Value, all: &mut Vec<&'v mut Value>) {
    match value {
        Value::Number(_) => all.push(value),
        Value::Array(values) => values.iter_mut().for_each(|value| numbers(value, all)),
        Value::Object(values) => values.iter_mut().for_each(|(_, value)| numbers(value, all)),
        _ => {}
    }
}

/// Both sides of a stage that was made up: none panics, and where the client agrees its messages are bounded.
fn try_stage(json: &Value, (program, right, linear, reads): &(Program, Stage, Linear, Reads)) -> bool {
    let Ok(stage) = serde_json::from_value::<Stage>(json.clone()) else { return false };
    let secret = tensors(linear, *reads, vec![linear.weights.largest() as i32; linear.weight_count()]);
    let client = Rlwe.client(&stage, program).is_ok();
    if client {
        assert_eq!((&stage.layers, &stage.reads[0].0), (&right.layers, &right.reads[0].0));
        let bytes = rlwe::cost(&stage, program).unwrap();
        assert!(bytes.iter().all(|&bytes| bytes <= 1 << 30), "{bytes:?}");
        drop(Rlwe.server(&stage, program, &secret));
    } else {
        assert!(Rlwe.server(&stage, program, &secret).is_err());
    }
    client
}

/// How many stages were run, and how many refused.
#[derive(Default, Debug)]
struct Answers {
    run: usize,
    refused: usize,
}

impl Answers {
    fn count(&mut self, run: bool) {
        *if run { &mut self.run } else { &mut self.refused } += 1;
    }
}

#[test]
fn every_number_of_a_stage_replaced() {
    for sample in &samples() {
        let json = serde_json::to_value(&sample.1).unwrap();
        assert!(try_stage(&json, sample), "the stage itself");
        let mut copy = json.clone();
        let mut all = Vec::new();
        numbers(&mut copy, &mut all);
        let count = all.len();
        assert!(count >= 19, "{json}");
        let mut answers = Answers::default();
        for at in 0..count {
            for new in [
                0u64,
                1,
                2,
                3,
                7,
                31,
                32,
                38,
                62,
                63,
                64,
                65,
                1024,
                2048,
                4096,
                1 << 20,
                u32::MAX as u64,
                1 << 62,
                u64::MAX,
            ] {
                let mut changed = json.clone();
                let mut all = Vec::new();
                numbers(&mut changed, &mut all);
                *all[at] = Value::from(new);
                answers.count(try_stage(&changed, sample));
            }
        }
        println!("{answers:?}");
        assert!(answers.run > 20 && answers.refused > 200, "{answers:?}");
    }
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let samples = samples();
    for (number, sample) in samples.iter().enumerate() {
        for (other, (_, stage, ..)) in samples.iter().enumerate() {
            let json = serde_json::to_value(stage).unwrap();
            assert_eq!(try_stage(&json, sample), number == other, "{number} {other}");
        }
    }
    let sample = &samples[0];
    for (pointer, new) in [
        ("/layers", Value::from(vec![1])),
        ("/layers", Value::from(vec![1, 2])),
        ("/layers", Value::from(Vec::<u64>::new())),
        ("/layers", Value::from(vec![99])),
        ("/how/rlwe/ring", Value::from(vec![1024, 28])),
        ("/how/rlwe/ring", Value::from(vec![2048, 50])),
        ("/how/rlwe/fraction", Value::from(0)),
        ("/leaves", Value::from("output")),
        ("/leaves/shares/terms", Value::from(0)),
        ("/reads", Value::from(Vec::<u64>::new())),
        ("/how", Value::from("local")),
    ] {
        let mut json = serde_json::to_value(&sample.1).unwrap();
        *json.pointer_mut(pointer).unwrap() = new;
        assert!(!try_stage(&json, sample), "{pointer} {json}");
    }
}

#[test]
fn stages_with_several_numbers_replaced() {
    let (samples, answers) = (samples(), RefCell::new(Answers::default()));
    let number = prop_oneof![0u64..70, (0u32..64).prop_map(|bits| 1 << bits), any::<u64>()];
    // Some numbers stay as they are, so that more than a few of the stages are taken.
    let number = prop::option::of(number);
    let changes = prop::collection::vec((any::<prop::sample::Index>(), number), 1..5);
    // Always the same changes: how many of them are taken is asserted below.
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::with_cases(2000), rng);
    let tried = runner.run(&(0..samples.len(), changes), |(which, changes)| {
        let sample = &samples[which];
        let mut json = serde_json::to_value(&sample.1).unwrap();
        let mut all = Vec::new();
        numbers(&mut json, &mut all);
        for (index, new) in changes {
            let at = index.index(all.len());
            if let Some(new) = new {
                *all[at] = Value::from(new);
            }
        }
        answers.borrow_mut().count(try_stage(&json, sample));
        Ok(())
    });
    let answers = answers.into_inner();
    println!("{answers:?}");
    assert!(tried.is_ok(), "{tried:?}");
    assert!(answers.run > 10 && answers.refused > 1000, "{answers:?}");
}
