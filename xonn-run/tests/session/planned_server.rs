//! Servers that send a plan which no honest one sends: the client refuses it before it says anything more.

use serde_json::{Value, json};
use xonn_run::session::msgs::Kind;
use xonn_run::session::{Clients, FirstLayer, Limits, SessionError};

use crate::fixture::{Answers, Fixture, on_shares};
use crate::hostile::{claim, frame, scripted_server, server_hello_of};
use crate::planned::small;

const REFUSAL: u8 = Kind::Refusal as u8;

fn fixture() -> Fixture {
    on_shares(&small(), 1)
}

/// A hello by which the plan follows.
fn hello(fixture: &Fixture, form: FirstLayer, clients: Clients) -> Vec<u8> {
    frame(Kind::ServerHello, &server_hello_of(fixture.circuit.digest, 0, (form, clients)))
}

/// Kind and payload of a message.
type Message = (u8, Vec<u8>);

/// What a client says to these messages behind its own hello.
fn say(fixture: &Fixture, messages: &[Vec<u8>]) -> (Result<Answers, SessionError>, Vec<Message>) {
    scripted_server(fixture, &Limits::default(), false, |end| {
        assert_eq!(end.take_frame().expect("a hello").0, Kind::ClientHello as u8);
        messages.iter().for_each(|message| end.put(message));
        // Nothing more comes: a client that waits for it learns that at once.
        xonn_run::session::channel::Transport::hang_up(end, std::time::Duration::ZERO);
        std::iter::from_fn(|| end.take_frame()).collect()
    })
}

/// The client takes none of it, says why, and has said nothing else.
#[track_caller]
fn assert_refused(fixture: &Fixture, messages: &[Vec<u8>], reason: &str) {
    let (client, said) = say(fixture, messages);
    let error = client.expect_err("no plan to run").to_string();
    let plan = messages.last().map(|plan| String::from_utf8_lossy(&plan[..plan.len().min(2000)]));
    assert!(error.contains(reason), "{error} does not say {reason:?}: {plan:?}");
    assert!(!error.contains(|c: char| c.is_control()), "{error:?}");
    let [(kind, text)] = &said[..] else { panic!("{reason}: the client says {} messages", said.len()) };
    assert_eq!(*kind, REFUSAL, "{reason}");
    let text = std::str::from_utf8(text).expect("text");
    assert!(text.contains(&reason[..reason.len().min(400)]), "{text} does not say {reason:?}");
}

/// The server's own plan with one thing changed.
fn changed(fixture: &Fixture, change: impl Fn(&mut Value)) -> Vec<u8> {
    let plan = fixture.plan.as_ref().expect("it has one");
    let mut plan: Value = serde_json::from_slice(&plan.to_bytes()).expect("JSON");
    change(&mut plan["stages"]);
    frame(Kind::Plan, &serde_json::to_vec(&plan).expect("JSON"))
}

#[track_caller]
fn refuse_plan(plan: Vec<u8>, reason: &str) {
    let fixture = fixture();
    let hello = hello(&fixture, FirstLayer::Shares, Clients::SemiHonest);
    assert_refused(&fixture, &[hello, plan], reason);
}

#[test]
fn the_plan_of_an_honest_server_is_taken() {
    let fixture = fixture();
    let hello = hello(&fixture, FirstLayer::Shares, Clients::SemiHonest);
    let (client, said) = say(&fixture, &[hello, changed(&fixture, |_| ())]);
    let error = client.expect_err("nothing follows");
    assert!(matches!(error, SessionError::Transport { .. }), "{error}");
    assert!(said.is_empty(), "it waits for the base OTs");
}

#[test]
fn what_is_no_plan_is_refused() {
    refuse_plan(frame(Kind::Plan, b""), "EOF while parsing");
    refuse_plan(frame(Kind::Plan, b"\0\xff\xfe"), "expected value at line 1");
    refuse_plan(frame(Kind::Plan, b"null"), "invalid type: null");
    refuse_plan(frame(Kind::Plan, b"{}"), "missing field `stages`");
    refuse_plan(frame(Kind::Plan, br#"{"stages":[]}"#), "no stage computes it");
    refuse_plan(frame(Kind::Plan, br#"{"stages":[],"more":1}"#), "unknown field `more`");
    refuse_plan(frame(Kind::Plan, br#"{"stages":[]} {}"#), "trailing characters");
    // What the server calls something goes to nobody's terminal as it is.
    refuse_plan(frame(Kind::Plan, "{\"\\u001b[2J\\nx\u{202e}\":1}".as_bytes()), "unknown field ` [2J x ");
    refuse_plan(
        frame(Kind::Plan, &format!("{{\"{}\":1}}", "a".repeat(60_000)).into_bytes()),
        "unknown field `aaaa",
    );
    // The most that is read: deep, wide and long ones.
    let most = 1 << 20;
    refuse_plan(frame(Kind::Plan, &vec![b'['; most]), "layer 0: ");
    refuse_plan(frame(Kind::Plan, &vec![b' '; most]), "EOF while parsing");
    refuse_plan(frame(Kind::Plan, &[&br#"{"stages":["#[..], &vec![b'['; most - 11]].concat()), "layer 0: ");
    let nested = r#"{"stages":"#.repeat(most / 11);
    refuse_plan(frame(Kind::Plan, nested.as_bytes()), "layer 0: ");
    let length = most + 1;
    let reason = format!("Plan of {length} bytes, expected Plan of at most {most}");
    refuse_plan(claim(Kind::Plan, length as u32), &reason);
    let reason = format!("Plan of {} bytes", u32::MAX);
    refuse_plan(claim(Kind::Plan, u32::MAX), &reason);
}

#[test]
fn layers_that_are_not_the_programs_are_refused() {
    let fixture = fixture();
    let refused = |change: &dyn Fn(&mut Value), reason: &str| refuse_plan(changed(&fixture, change), reason);
    let pick = |stages: &mut Value, number: usize| stages[number].clone();
    let count = fixture.plan.as_ref().expect("it has one").stages.len();
    assert_eq!(count, 5, "the input, sums, signs, sums, the largest");
    refused(&|stages| drop(stages.as_array_mut().expect("a list").pop()), "the last stage leaves the output");
    refused(&|stages| drop(stages.as_array_mut().expect("a list").remove(0)), "in a form that nobody leaves");
    refused(&|stages| drop(stages.as_array_mut().expect("a list").remove(2)), "in a form that nobody leaves");
    refused(&|stages| stages.as_array_mut().expect("a list").swap(1, 2), "in a form that nobody leaves");
    refused(&|stages| stages[1]["layers"] = json!([]), "not layers of the program");
    refused(&|stages| stages[1]["layers"] = json!([u64::MAX]), "not layers of the program");
    refused(&|stages| stages[1]["layers"] = json!([2, 1]), "not layers of the program");
    refused(&|stages| stages[1]["layers"] = json!([-1]), "invalid value");
    refused(&|stages| stages[1]["reads"] = json!([]), "a tensor that it does not name");
    refused(&|stages| stages[2]["leaves"] = json!("output"), "the last stage leaves the output");
    refused(&|stages| stages[2]["leaves"] = json!("client"), "in a form that nobody leaves");
    // A layer that is computed once more: else a plan of a megabyte were thousands of times the work.
    for number in 0..count - 1 {
        refused(
            &|stages| {
                let again = pick(stages, number);
                stages.as_array_mut().expect("a list").insert(number + 1, again);
            },
            "a stage before it has computed it",
        );
    }
}

#[test]
fn parameters_that_are_on_no_menu_are_refused() {
    let fixture = fixture();
    let refused = |change: &dyn Fn(&mut Value), reason: &str| refuse_plan(changed(&fixture, change), reason);
    let sums = |field: &'static str, value: Value| {
        move |stages: &mut Value| {
            assert!(stages[1]["how"]["rlwe"][field] != value, "another one");
            stages[1]["how"]["rlwe"][field] = value.clone();
        }
    };
    refused(&sums("ring", json!([1024, 25])), "1024");
    refused(&sums("ring", json!([3, 24])), "3");
    refused(&sums("ring", json!([1u64 << 40, 64])), "layer 0: ");
    refused(&sums("bits", json!(0)), "layer 1: ");
    refused(&sums("bits", json!(63)), "layer 1: ");
    refused(&sums("bits", json!(u32::MAX)), "layer 1: ");
    refused(&sums("fraction", json!(0)), "layer 1: ");
    refused(&sums("fraction", json!(u32::MAX)), "layer 1: ");
    refused(&sums("guard", json!([64, 64])), "layer 1: ");
    refused(&sums("guard", json!([u32::MAX, u32::MAX])), "layer 1: ");
    refused(&sums("packing", json!({"dense": [0, 0]})), "layer 1: ");
    refused(&sums("packing", json!({"dense": [u32::MAX, u32::MAX]})), "layer 1: ");
    refused(&sums("packing", json!({"tiles": [1, 0, 1, 1]})), "layer 1: ");
    refused(&sums("packing", json!({"tiles": [u32::MAX, 1, u32::MAX, 9]})), "layer 1: ");
    refused(&|stages| stages[2]["how"] = json!({"compare_ot": "wide"}), "layer 2: ");
    refused(&|stages| stages[2]["how"] = json!({"compare_ot": "other"}), "unknown variant `other`");
    refused(&|stages| stages[2]["how"] = json!("local"), "layer 2: ");
    refused(&|stages| stages[1]["how"] = json!("mask"), "layer 1: ");
    refused(&|stages| stages[4]["how"]["garbled"]["scheme"] = json!("quarter-gates"), "quarter-gates");
    // Shares that mean something else, wherever they stand.
    for (field, value) in [
        ("bits", json!(0)),
        ("bits", json!(63)),
        ("bits", json!(u32::MAX)),
        ("fraction", json!(40)),
        ("terms", json!(u32::MAX)),
        ("step", json!(0)),
        ("step", json!(i64::MIN)),
        ("span", json!(u64::MAX)),
    ] {
        for stage in 0..4 {
            let change = |stages: &mut Value| {
                stages[stage]["leaves"]["shares"][field] = value.clone();
                let ring = stages[stage]["leaves"].clone();
                stages[stage + 1]["reads"][0][1] = ring;
            };
            refused(&change, "layer ");
        }
    }
}

#[test]
fn a_plan_comes_where_the_hello_says_so_and_nowhere_else() {
    let shares = fixture();
    let plan = changed(&shares, |_| ());
    let both = Fixture { first_layers: FirstLayer::ALL.to_vec(), ..shares.clone() };
    for clients in Clients::ALL {
        // A client of a garbled circuit awaits base OTs.
        let garbled = hello(&both, FirstLayer::Gc, clients);
        assert_refused(&both, &[garbled, plan.clone()], "expected BaseRequest of 8192 bytes");
    }
    let planned = hello(&shares, FirstLayer::Shares, Clients::SemiHonest);
    assert_refused(
        &shares,
        &[planned, frame(Kind::BaseRequest, &[0; 8192])],
        "BaseRequest of 8192 bytes, expected Plan",
    );
    // What is for clients that follow the protocol is not for such that may be hostile.
    let hostile = hello(&shares, FirstLayer::Shares, Clients::Hostile);
    assert_refused(&shares, &[hostile, plan.clone()], "by shares are not for clients taken for hostile");
    // Nor is it for those who did not accept it.
    let garbled = Fixture { first_layers: vec![FirstLayer::Gc], ..shares.clone() };
    let planned = hello(&garbled, FirstLayer::Shares, Clients::SemiHonest);
    assert_refused(&garbled, &[planned, plan], "by shares, this client accepts gc");
}
