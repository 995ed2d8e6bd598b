//! Which plans networks of numbers have, and what is refused.

use xonn_crypto::garble::Scheme;
use xonn_protocols::plan::{How, Plan};
use xonn_protocols::planner;
use xonn_protocols::run::{Client, Server};

use crate::draw::Drawn;
use crate::draw::numbers::{network, shown, without_function};

fn plan(drawn: &Drawn) -> Plan {
    planner::on_shares_until(&drawn.program, Scheme::ALL[0]).expect("a plan").0
}

/// Bytes that both hosts send are those that the plan says.
#[test]
fn bytes_are_those_of_the_plan() {
    for seed in 0..12 {
        let (drawn, _) = network(seed);
        let Drawn { program, tensors, samples } = &drawn;
        let plan = plan(&drawn);
        let cost = plan.cost(program).expect("our own plan");
        let server = Server::new(plan.clone(), program, tensors).expect("our own plan");
        let client = Client::new(plan, program).expect("our own plan");
        let sent = crate::plan::predict(&server, &client, &samples[..1], 1, seed).sent;
        let ahead = [cost.set_up, cost.offline()].map(|cost| [cost.up, cost.down]);
        let ahead = [0, 1].map(|way| ahead[0][way] + ahead[1][way]);
        assert_eq!([sent[0][0], sent[1][0]], ahead, "network {seed}");
        assert_eq!([sent[0][1], sent[1][1]], [cost.online().up, cost.online().down], "network {seed}");
    }
}

#[test]
fn sums_of_sums_that_no_function_has_followed_begin_the_circuit() {
    let (drawn, second) = without_function();
    let (plan, stop) = planner::on_shares_until(&drawn.program, Scheme::ALL[0]).expect("a plan");
    let stop = stop.expect("a reason");
    assert_eq!((stop.layer, plan.stages.last().expect("a stage").layers[0]), (second, second));
    assert!(stop.reason.contains("no function"), "{stop}");
}

/// Scores of numbers: polynomials of 2048 coefficients in every layer; and no sums at all that are rounded on
/// shares where more than 1,000 bits would be shown.
#[test]
fn what_is_shown_bounds_what_goes_on_shares() {
    let drawn = shown(10, 12);
    for stage in &plan(&drawn).stages {
        if let How::Rlwe(choice) = &stage.how {
            assert_eq!(choice.params.n(), 2048);
        }
    }
    let drawn = shown(90, 12);
    let refused = planner::on_shares_until(&drawn.program, Scheme::ALL[0]).expect_err("1,080 bits");
    assert!(refused.reason.contains("too many bits"), "{refused}");

    // A plan that somebody made up for it is refused by both hosts.
    let few = shown(83, 12);
    let many = shown(84, 12);
    let made_up = plan(&few);
    let Drawn { program, tensors, .. } = &few;
    assert!(Client::new(made_up.clone(), program).is_ok());
    assert!(Server::new(made_up, program, tensors).is_ok());
    let short = plan_of_a_class(&many);
    let Drawn { program, tensors, .. } = &many;
    let error = Client::new(short.clone(), program).err().expect("1,008 bits").to_string();
    assert!(error.contains("1000 at most"), "{error}");
    let error = Server::new(short, program, tensors).err().expect("1,008 bits").to_string();
    assert!(error.contains("1000 at most"), "{error}");
}

/// The plan of the same network with a class for an answer.
fn plan_of_a_class(drawn: &Drawn) -> Plan {
    let layers = drawn.program.layers().to_vec();
    let classes = layers.last().expect("a layer").elements() as u32;
    let output = xonn_program::OutputEncoding::Argmax { classes };
    let program =
        xonn_program::Program::new(drawn.program.input().clone(), layers, output).expect("a program");
    planner::on_shares(&program, Scheme::ALL[0]).expect("a plan")
}
