//! A stage that a peer made up is refused, or is one that can be run; nothing panics.

use serde_json::{Value, json};
use xonn_program::Tensor;
use xonn_program::op::Cut;
use xonn_protocols::compare_ot::{Choice, CompareOt, comparable, cost};
use xonn_protocols::plan::Stage;
use xonn_protocols::protocol::{Protocol as _, Rows};
use xonn_protocols::value::{Form, Ring};

use crate::stage::{Pool, program, stage, window};

const RING: Ring = Ring { bits: 9, fraction: 2, terms: 1, step: 2, span: 40 };

/// The places of all values in a tree.
fn places(value: &Value, here: &str, all: &mut Vec<String>) {
    all.push(here.to_owned());
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| places(item, &format!("{here}/{i}"), all));
        }
        Value::Object(fields) => {
            fields.iter().for_each(|(name, item)| places(item, &format!("{here}/{name}"), all));
        }
        _ => {}
    }
}

/// What a value is replaced by.
fn others(value: &Value) -> Vec<Value> {
    let numbers = [0i64, 1, 2, 3, 4, 7, 8, 27, 28, 29, 31, 32, 62, 63, 64, 65, 128, 1 << 31, u32::MAX.into()];
    let mut all: Vec<Value> = numbers.map(Value::from).to_vec();
    all.extend([
        json!(-1),
        json!(i64::MIN),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(null),
        json!([]),
        json!({}),
    ]);
    all.extend(["sign", "narrow", "wide", "client", "output", "mask", "local", "garbled"].map(Value::from));
    all.extend(["sign", "narrow", "wide"].map(|choice| json!({ "compare_ot": choice })));
    if let Value::Array(items) = value {
        all.push(items.iter().chain(items).cloned().collect());
        all.push(items.iter().skip(1).cloned().collect());
        all.push(items.iter().rev().cloned().collect());
    }
    all
}

#[test]
fn a_made_up_stage_is_refused_or_runs() {
    let shape = [6, 5, 4];
    let two = window(shape, [2, 2], [2, 2], true);
    let three = window(shape, [3, 3], [2, 2], true);
    let cuts = Tensor::Cuts(vec![Cut { rising: true, at: 3 }; 4]);
    let (mut refused, mut run, mut unread) = (0, 0, 0);
    let mut try_one = |program: &xonn_program::Program, value: &Value| {
        let Ok(stage) = serde_json::from_value::<Stage>(value.clone()) else {
            unread += 1;
            return;
        };
        let client = CompareOt.client(&stage, program);
        let server = CompareOt.server(&stage, program, std::slice::from_ref(&cuts));
        let cost = cost(&stage, program);
        match (client, server, cost) {
            (Ok(client), Ok(server), Ok(cost)) => {
                let rows = Rows { leaves: cost.leaf_rows, masks: cost.mask_rows, tweaks: cost.tweaks };
                assert_eq!((client.rows(), server.rows()), (rows, rows));
                let _ = (client.begin(), server.begin());
                let [(_, Form::Shares(reads))] = stage.reads[..] else { panic!("{stage:?}") };
                // What makes the signs right.
                assert!(reads.bits <= 28 && (reads.span + 1) << reads.fraction <= 1 << (reads.bits - 1));
                run += 1;
            }
            (Err(client), Err(server), Err(_)) => {
                assert_eq!(client.to_string(), server.to_string());
                refused += 1;
            }
            _ => panic!("both sides take a stage, or none: {stage:?}"),
        }
    };
    for (pool, choice) in [
        (Pool::None, Choice::Sign),
        (Pool::InFront(two), Choice::Narrow),
        (Pool::Behind(two), Choice::Sign),
        (Pool::InFront(three), Choice::Wide),
        (Pool::Behind(three), Choice::Wide),
    ] {
        let program = program(shape, pool, 4);
        let right = serde_json::to_value(stage(&program, choice, RING, 8)).unwrap();
        try_one(&program, &right);
        let mut all = Vec::new();
        places(&right, "", &mut all);
        // Each place, and then each two.
        for first in &all {
            for other in others(right.pointer(first).unwrap()) {
                let mut changed = right.clone();
                *changed.pointer_mut(first).unwrap() = other;
                try_one(&program, &changed);
                for second in &all {
                    if let Some(place) = changed.pointer(second) {
                        let number = second.len() + first.len();
                        let others = others(place);
                        let mut twice = changed.clone();
                        *twice.pointer_mut(second).unwrap() = others[number % others.len()].clone();
                        try_one(&program, &twice);
                    }
                }
            }
        }
    }
    assert!(run > 100 && refused > 1000 && unread > 1000, "{run} run, {refused} refused, {unread} not read");
}

#[test]
fn a_refusal_says_what_was_expected() {
    let shape = [6, 5, 4];
    let two = window(shape, [2, 2], [2, 2], true);
    let three = window(shape, [3, 3], [2, 2], true);
    let refused = |pool, choice, change: &dyn Fn(&mut Stage)| {
        let program = program(shape, pool, 4);
        let mut stage = stage(&program, choice, RING, 8);
        change(&mut stage);
        CompareOt.client(&stage, &program).err().expect("it is refused").to_string()
    };
    let said = |text: String, part: &str| assert!(text.contains(part), "{text:?} without {part:?}");
    let same = |_: &mut Stage| {};
    said(refused(Pool::None, Choice::Narrow, &same), "layer 1: Narrow for windows of 1 elements");
    said(refused(Pool::InFront(three), Choice::Sign, &same), "layer 2: Sign for windows of 9 elements");
    said(refused(Pool::InFront(three), Choice::Narrow, &same), "Narrow for windows of 9 elements");
    said(refused(Pool::Behind(three), Choice::Sign, &same), "Sign for windows of 9 elements");
    let part = |stage: &mut Stage| stage.layers = vec![1];
    said(refused(Pool::InFront(two), Choice::Narrow, &part), "a layer max_pool2d, expected a threshold");
    let gap = |stage: &mut Stage| stage.layers = vec![1, 7];
    said(refused(Pool::InFront(two), Choice::Narrow, &gap), "layer 7: there is no such layer");
    let none = |stage: &mut Stage| stage.layers = vec![];
    said(refused(Pool::None, Choice::Sign, &none), "one threshold, or a threshold and a pool in a row");
    let other = |stage: &mut Stage| stage.reads[0].0 = 1;
    said(
        refused(Pool::InFront(two), Choice::Narrow, &other),
        "it reads layer 1, which its first layer does not",
    );
    let clear = |stage: &mut Stage| stage.reads[0].1 = Form::Client;
    said(refused(Pool::None, Choice::Sign, &clear), "shares of one tensor become shares");
    let sums = |stage: &mut Stage| stage.leaves = Form::Shares(RING);
    said(refused(Pool::None, Choice::Sign, &sums), "expected shares of bits");
    let large = |stage: &mut Stage| stage.leaves = Form::Shares(Ring::of_bits(63));
    said(refused(Pool::None, Choice::Sign, &large), "expected shares of bits");
    let ring = |ring: Ring| comparable(ring).expect_err("it is refused");
    said(ring(Ring { bits: 29, ..RING }), "shares of 29 bits to compare, expected 2 to 28");
    said(ring(Ring { bits: 1, fraction: 0, terms: 0, ..RING }), "shares of 1 bits to compare");
    said(ring(Ring { span: 64, ..RING }), "numbers up to 64 in 9 bits with 2 of fraction");
    assert_eq!(comparable(Ring { span: 63, ..RING }), Ok(()));
    said(ring(Ring { fraction: 9, ..RING }), "in 9 bits with 9 of fraction");
    said(ring(Ring { fraction: u32::MAX, ..RING }), "of fraction");
    for step in [0, -1, i64::MIN, 3, 6] {
        said(ring(Ring { step, ..RING }), "expected a power of two");
    }
    said(ring(Ring { terms: 3, ..RING }), "3 noisy sums in 2 bits of fraction");
    said(ring(Ring { terms: u32::MAX, ..RING }), "no margin");
}

#[test]
fn cuts_that_a_pool_mixes_and_other_tensors_are_refused() {
    // 12 cuts on 6 x 2 elements of 2 channels: those of a window's elements would differ.
    let pool = Pool::InFront(window([6, 2, 2], [3, 1], [3, 1], false));
    let mixed = program([6, 2, 2], pool, 8);
    let refusal = CompareOt.client(&stage(&mixed, Choice::Narrow, RING, 8), &mixed).err().unwrap();
    assert_eq!(refusal.to_string(), "layer 2: 8 cuts behind a pool, expected a whole part of its channels");
    // Behind the cuts a pool takes any.
    let behind = program([6, 2, 2], Pool::Behind(window([6, 2, 2], [3, 1], [3, 1], false)), 8);
    assert!(CompareOt.client(&stage(&behind, Choice::Narrow, RING, 8), &behind).is_ok());

    let plain = program([2, 2, 2], Pool::None, 2);
    let stage = stage(&plain, Choice::Sign, RING, 8);
    for tensors in [
        vec![],
        vec![Tensor::Weights(vec![1, 1])],
        vec![Tensor::Cuts(vec![Cut { rising: true, at: 0 }])],
        vec![Tensor::Cuts(vec![Cut { rising: true, at: i64::MAX }; 2])],
    ] {
        assert!(CompareOt.server(&stage, &plain, &tensors).is_err(), "{tensors:?}");
    }
}

#[test]
fn a_window_outside_of_the_image_is_refused() {
    let mut outside = window([4, 4, 2], [2, 2], [2, 2], false);
    outside.output = [3, 2];
    for pool in [Pool::InFront(outside), Pool::Behind(outside)] {
        let program = program([4, 4, 2], pool, 2);
        let refusal = CompareOt.client(&stage(&program, Choice::Wide, RING, 8), &program).err().unwrap();
        assert_eq!(refusal.to_string(), "layer 2: a window of a pool that is outside of the image");
    }
}
