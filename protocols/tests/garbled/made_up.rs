//! Stages that a server made up: a client refuses them or runs them, and never panics.

use serde_json::Value;
use xonn_crypto::garble::Scheme;
use xonn_protocols::garbled::{Garbled, cost};
use xonn_protocols::plan::Stage;
use xonn_protocols::protocol::Protocol as _;
use xonn_protocols::value::{Form, Ring};

use crate::common::{self, stage};
use crate::programs;

fn ring() -> Ring {
    Ring { bits: 12, fraction: 2, terms: 1, step: 2, span: 200 }
}

/// Numbers that stand in the place of others.
fn numbers() -> Vec<Value> {
    let numbers =
        [0u64, 1, 2, 3, 5, 7, 31, 32, 61, 62, 63, 64, 255, 1 << 31, u64::from(u32::MAX), u64::MAX >> 1];
    let mut all: Vec<Value> = numbers.into_iter().map(Value::from).collect();
    all.extend([-1i64, i64::MIN, -3].map(Value::from));
    all.extend([Value::from(u64::MAX), Value::Null, Value::from("three-halves"), Value::from("x")]);
    all
}

/// All paths to values that are no containers, and to containers.
fn places(value: &Value, at: String, all: &mut Vec<String>) {
    all.push(at.clone());
    match value {
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                places(item, format!("{at}/{i}"), all);
            }
        }
        Value::Object(items) => {
            for (name, item) in items {
                places(item, format!("{at}/{name}"), all);
            }
        }
        _ => {}
    }
}

#[test]
fn a_stage_with_anything_replaced_is_run_or_refused() {
    let [mut refused, mut taken, mut unread] = [0, 0, 0];
    for program in programs::all() {
        let last = program.layers().len() - 1;
        for at in [0, 1, 2, last] {
            let (layers, reads) = common::cut(&program, at);
            let form = |&layer: &usize| (layer, if layer == 0 { Form::Client } else { Form::Shares(ring()) });
            let stage = stage(layers, reads.iter().map(form).collect(), Scheme::ThreeHalves);
            let good = serde_json::to_value(&stage).unwrap();
            let mut all = Vec::new();
            places(&good, String::new(), &mut all);
            for place in all {
                for number in numbers() {
                    let mut bad = good.clone();
                    *bad.pointer_mut(&place).unwrap() = number;
                    let Ok(stage) = serde_json::from_value::<Stage>(bad) else {
                        unread += 1;
                        continue;
                    };
                    match Garbled.client(&stage, &program) {
                        Ok(client) => {
                            taken += 1;
                            assert!(client.rows().leaves > 0);
                            assert_eq!(
                                cost(&stage, &program, Scheme::HalfGates).unwrap().rows,
                                client.rows()
                            );
                        }
                        Err(error) => {
                            refused += 1;
                            assert!(!error.to_string().is_empty());
                        }
                    }
                }
            }
        }
    }
    assert!(refused > 200 && taken > 100 && unread > 200, "{refused} {taken} {unread}");
}

/// A scheme is named, and nothing else is one.
#[test]
fn a_scheme_is_written_by_its_name() {
    let stage = stage(vec![1], vec![(0, Form::Client)], Scheme::HalfGates);
    let text = serde_json::to_string(&stage).unwrap();
    assert!(text.contains(r#""how":{"garbled":{"scheme":"half-gates"}}"#), "{text}");
    assert_eq!(serde_json::from_str::<Stage>(&text).unwrap(), stage);
    let error = serde_json::from_str::<Stage>(&text.replace("half-gates", "two-halves")).unwrap_err();
    assert!(error.to_string().contains("expected one of half-gates, three-halves"), "{error}");
}

/// What is refused says why.
#[test]
fn refusals_name_the_layer() {
    let program = programs::classes();
    let why = |layers: Vec<usize>, reads: Vec<(usize, Form)>| {
        let stage = stage(layers, reads, Scheme::HalfGates);
        Garbled.client(&stage, &program).err().expect("refused").to_string()
    };
    let shares = Form::Shares(ring());
    assert!(why(vec![3], vec![(2, shares)]).contains("last tensor"));
    assert!(why(vec![3, 4], vec![]).contains("nobody holds"));
    assert!(why(vec![3, 4], vec![(2, Form::Output)]).contains("reads the output"));
    let few = Form::Shares(Ring { bits: 3, fraction: 0, terms: 0, step: 1, span: 7 });
    let reason = why(vec![4], vec![(3, few)]);
    assert!(reason.contains("layer 3") && reason.contains("do not hold numbers from -9 to 9"), "{reason}");
    let mut leaves_shares = stage(vec![4], vec![(3, shares)], Scheme::HalfGates);
    leaves_shares.leaves = shares;
    assert!(Garbled.client(&leaves_shares, &program).is_err());
}
