//! The class of many numbers, by a tournament.

use xonn_crypto::garble::Scheme;
use xonn_program::{OutputEncoding, Prediction};
use xonn_protocols::cost::Link;
use xonn_protocols::plan::{How, Plan};
use xonn_protocols::planner;
use xonn_protocols::run::{Client, Server};

use crate::bounds::bounds;
use crate::draw::numbers::{many, network};
use crate::draw::{self, Drawn};
use crate::hosts;

/// Bytes alone count.
const SLOW: Link = Link { rtt_ms: 0.0, mbps: 1.0 };

fn plan(drawn: &Drawn, link: Link) -> Plan {
    planner::on_shares_over(&drawn.program, Scheme::ALL[0], link).expect("a plan")
}

fn is_tournament(plan: &Plan) -> bool {
    plan.stages.last().expect("a stage").how == How::Argmax
}

/// The class of the clear evaluation, where rounding by chance leaves no other.
#[test]
fn hundreds_of_classes_are_those_of_the_clear() {
    for classes in [300, 1000] {
        // Weights may be the same in all rows.
        let drawn = (0..20).map(|seed| many(seed, classes)).find(|drawn| certain(drawn) >= 3);
        let drawn = drawn.expect("a network whose numbers are apart");
        let Drawn { program, tensors, samples } = &drawn;
        let plan = plan(&drawn, SLOW);
        assert!(is_tournament(&plan), "{classes} classes where bytes count");
        let found = hosts::predict(plan, program, tensors, samples, 2).expect("our own plan");
        let expected = program.evaluate(tensors, samples).expect("in range");
        for ((found, expected), sample) in found.iter().zip(&expected).zip(samples) {
            let found = program.output().decode(found);
            let bounds = bounds(program, tensors, sample).expect("numbers fit");
            assert!(bounds.allow(&found, program.output()), "{found:?}, expected {:?}", bounds.classes());
            if bounds.classes().len() == 1 {
                assert_eq!(found, expected.prediction(program.output()));
            }
        }
    }
}

/// How many samples have one class, however numbers are rounded.
fn certain(Drawn { program, tensors, samples }: &Drawn) -> usize {
    let one = |sample: &&Vec<i64>| {
        bounds(program, tensors, sample).is_some_and(|bounds| bounds.classes().len() == 1)
    };
    samples.iter().filter(one).count()
}

/// Bytes that both hosts send are those that the plan says.
#[test]
fn bytes_of_a_tournament_are_those_of_the_plan() {
    for classes in [2, 5, 37] {
        let drawn = many(3, classes);
        let Drawn { program, tensors, samples } = &drawn;
        let plan = plan(&drawn, SLOW);
        assert!(is_tournament(&plan));
        let cost = plan.cost(program).expect("our own plan");
        let levels = usize::BITS - (classes - 1).leading_zeros();
        assert_eq!(cost.stages.last().expect("a stage").online.rounds, f64::from(levels) + 0.5);
        let server = Server::new(plan.clone(), program, tensors).expect("our own plan");
        let client = Client::new(plan, program).expect("our own plan");
        let sent = crate::plan::predict(&server, &client, &samples[..1], 1, 4).sent;
        let ahead = [cost.set_up, cost.offline()].map(|cost| [cost.up, cost.down]);
        let ahead = [0, 1].map(|way| ahead[0][way] + ahead[1][way]);
        assert_eq!([sent[0][0], sent[1][0]], ahead);
        assert_eq!([sent[0][1], sent[1][1]], [cost.online().up, cost.online().down]);
        // A first prediction all in one go.
        let sent = crate::plan::predict(&server, &client, &samples[..1], 0, 5).sent;
        assert_eq!(sent.map(|[set_up, online]| set_up + online), [cost.first().up, cost.first().down]);
    }
}

/// A circuit where round trips are long or classes are few, a tournament where bytes are more.
#[test]
fn the_link_says_how_the_class_is_found() {
    let few = many(5, 10);
    let hundreds = many(6, 700);
    for (drawn, rtt_ms, mbps, tournament) in [
        (&few, 5.0, 100.0, false),
        (&few, 0.2, 1000.0, false),
        (&few, 40.0, 100.0, false),
        (&few, 0.0, 1.0, true),
        (&hundreds, 5.0, 100.0, true),
        (&hundreds, 0.2, 1000.0, true),
        (&hundreds, 40.0, 100.0, false),
        (&hundreds, 40.0, 10.0, true),
    ] {
        let link = Link { rtt_ms, mbps };
        let [taken, default] = [plan(drawn, link), plan(drawn, Link::default())];
        assert_eq!(
            is_tournament(&taken),
            tournament,
            "{} classes, {link:?}",
            drawn.program.layers().last().map_or(0, |layer| layer.elements())
        );
        // What is taken is never slower on its link.
        let time = |plan: &Plan| plan.cost(&drawn.program).expect("our own plan").first().time(link);
        assert!(time(&taken) <= time(&default));
    }
}

/// The plan for a network whose answer is no class has none.
#[test]
fn scores_and_labels_have_no_tournament() {
    for seed in 0..30 {
        let (drawn, _) = network(seed);
        let Ok(plan) = planner::on_shares_over(&drawn.program, Scheme::ALL[0], SLOW) else { continue };
        let class = matches!(drawn.program.output(), OutputEncoding::Argmax { .. });
        assert!(class || !is_tournament(&plan), "network {seed}");
    }
}

/// Random networks of numbers and random binary ones: the class is that of the clear, or one that rounding by
/// chance allows.
#[test]
fn random_networks_with_a_tournament_give_the_class() {
    let (mut exact, mut noisy) = (0, 0);
    let numbers = (0..60).map(|seed| network(seed).0);
    let bits = (0..120).map(draw::network);
    for (number, drawn) in numbers.chain(bits).enumerate() {
        let Drawn { program, tensors, samples } = &drawn;
        let Ok(plan) = planner::on_shares_over(program, Scheme::ALL[0], SLOW) else { continue };
        if !is_tournament(&plan) {
            continue;
        }
        let rounded = xonn_protocols::describe::is_rounded(&plan);
        *if rounded { &mut exact } else { &mut noisy } += 1;
        let found = hosts::predict(plan, program, tensors, samples, number % 3).expect("our own plan");
        let expected = program.evaluate(tensors, samples).expect("in range");
        for ((found, expected), sample) in found.iter().zip(&expected).zip(samples) {
            let found = program.output().decode(found);
            match bounds(program, tensors, sample).filter(|_| rounded) {
                Some(bounds) => assert!(bounds.allow(&found, program.output()), "network {number}"),
                None if rounded => assert!(matches!(found, Prediction::Class(_))),
                None => assert_eq!(found, expected.prediction(program.output()), "network {number}"),
            }
        }
    }
    println!("{exact} tournaments of numbers, {noisy} of sums");
    assert!(exact >= 15 && noisy >= 10, "{exact}, {noisy}");
}
