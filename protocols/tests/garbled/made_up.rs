//! Stages that a server made up: a client refuses them or runs them, and never panics.

use serde_json::Value;
use xonn_crypto::garble::Scheme;
use xonn_protocols::garbled::{Garbled, cost};
use xonn_protocols::plan::{Plan, Stage};
use xonn_protocols::protocol::Protocol as _;
use xonn_protocols::run::{Client, Server};
use xonn_protocols::value::{Form, Ring};

use crate::common::{self, stage};
use crate::plan::predict;
use crate::{plans, programs};

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
        let model = programs::model(&program, &mut common::dice(51));
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
                    // The server's own program has the same rules.
                    let server = Garbled.server(&stage, &program, &model);
                    assert_eq!(server.is_ok(), Garbled.client(&stage, &program).is_ok());
                    match Garbled.client(&stage, &program) {
                        Ok(client) => {
                            taken += 1;
                            assert_eq!(server.unwrap().rows(), client.rows());
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

/// A plan that both hosts take gives the right output, whatever it says.
#[test]
fn a_plan_with_anything_replaced_is_right_or_refused() {
    let dice = &mut common::dice(52);
    let [mut refused, mut right, mut unread] = [0, 0, 0];
    for program in [programs::labels(), programs::image()] {
        let model = programs::model(&program, dice);
        for plan in plans::plans(&program, Scheme::ThreeHalves) {
            let good = serde_json::to_value(&plan).unwrap();
            let mut all = Vec::new();
            places(&good, String::new(), &mut all);
            for place in all {
                for number in numbers() {
                    let mut bad = good.clone();
                    *bad.pointer_mut(&place).unwrap() = number.clone();
                    // What the mask leaves is what the circuit reads.
                    if let Some(rest) = place.strip_prefix("/stages/0/leaves/shares") {
                        *bad.pointer_mut(&format!("/stages/1/reads/0/1/shares{rest}")).unwrap() = number;
                    }
                    let Ok(plan) = Plan::from_bytes(bad.to_string().as_bytes(), &program) else {
                        unread += 1;
                        continue;
                    };
                    let client = Client::new(plan.clone(), &program);
                    match (Server::new(plan, &program, &model), client) {
                        (Ok(server), Ok(client)) => {
                            let sample = programs::sample(&program, dice);
                            let answers =
                                predict(&server, &client, std::slice::from_ref(&sample), 1, 53).outputs;
                            let output = program.output().decode(&answers[0]);
                            assert_eq!(output, programs::expected(&program, &model, &sample), "{bad}");
                            right += 1;
                        }
                        (Err(_), Err(_)) => refused += 1,
                        (server, client) => panic!("{bad}: {:?}, {:?}", server.err(), client.err()),
                    }
                }
            }
        }
    }
    assert!(refused > 50 && right > 20 && unread > 500, "{refused} {right} {unread}");
}

/// Long lists, repeated and far away layers, rings at their ends: refused at once, and in little memory.
#[test]
fn a_plan_that_asks_for_much_is_refused() {
    let program = programs::image();
    let model = programs::model(&program, &mut common::dice(54));
    let last = program.layers().len() - 1;
    let rest: Vec<usize> = (1..=last).collect();
    let shares = |bits, fraction, step, span| Form::Shares(Ring { bits, fraction, terms: 0, step, span });
    let stages = [
        ("repeated layers", vec![1; 100_000], vec![(0, Form::Client)]),
        ("layers far away", (0..100_000).map(|i| i << 40).collect(), vec![(0, Form::Client)]),
        ("the last layer there can be", vec![usize::MAX], vec![(0, Form::Client)]),
        ("no layers", vec![], vec![(0, Form::Client)]),
        ("repeated reads", rest.clone(), vec![(0, Form::Client); 100_000]),
        ("reads in many forms", rest.clone(), (1..60).map(|b| (0, shares(b, 0, 1, 1))).collect()),
        ("reads far away", rest.clone(), (0..100_000).map(|i| (i << 40, Form::Client)).collect()),
        ("no bits", rest.clone(), vec![(0, shares(0, 0, 1, 1))]),
        ("all bits", rest.clone(), vec![(0, shares(u32::MAX, 0, 1, 1))]),
        ("all fraction", rest.clone(), vec![(0, shares(62, 62, 1, 1))]),
        ("more fraction than bits", rest.clone(), vec![(0, shares(9, u32::MAX, 1, 1))]),
        ("no step", rest.clone(), vec![(0, shares(9, 0, 0, 1))]),
        ("a step back", rest.clone(), vec![(0, shares(9, 0, i64::MIN, 1))]),
        ("a step too far", vec![last], vec![(last, shares(1, 0, i64::MAX - 1, u64::MAX))]),
        ("a span of everything", rest.clone(), vec![(0, shares(62, 0, 1, u64::MAX))]),
    ];
    let begin = std::time::Instant::now();
    for (what, layers, reads) in stages {
        let stage = stage(layers, reads, Scheme::ThreeHalves);
        let refusals = [
            Garbled.client(&stage, &program).err(),
            Garbled.server(&stage, &program, &model).err(),
            Garbled.cost(&stage, &program).err(),
            Client::new(Plan { stages: vec![stage.clone()] }, &program).err(),
            Server::new(Plan { stages: vec![stage] }, &program, &model).err(),
        ];
        for refusal in refusals {
            assert!(refusal.is_some_and(|refusal| refusal.to_string().len() < 300), "{what}");
        }
    }
    assert!(begin.elapsed().as_secs() < 20, "{:?}", begin.elapsed());
    #[cfg(target_os = "linux")]
    {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(kilobytes < 1 << 20, "{peak}");
    }
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
