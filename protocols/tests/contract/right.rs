//! What both hosts' values open to is what the program gives in the clear.

use crate::common::{Hosts, Links, Mode, dice};
use crate::{every_stage, programs, values};

#[test]
fn what_is_left_opens_to_the_clear_evaluation() {
    let (dice, links) = (&mut dice(1), &mut Links::new());
    every_stage(|protocol, sample, stage| {
        let program = &sample.program;
        let model = programs::model(program, dice);
        let hosts = Hosts::new(protocol, stage, program, &model);
        for mode in Mode::ALL {
            let (mut reads, mut expected) = (Vec::new(), Vec::new());
            for _ in 0..4 {
                let sample = programs::sample(program, dice);
                let (read, left) = values::reads(stage, program, &model, &sample, dice);
                reads.push(read);
                expected.push(left);
            }
            let outcome = hosts.predict(links, mode, &reads, &|_, _, _| {});
            let what = format!("{}, {}, {mode:?}, {stage:?}", sample.name, protocol.name());
            if let (Err(error), _) | (_, Err(error)) =
                (outcome.server.as_ref().map(|_| ()), outcome.client.as_ref().map(|_| ()))
            {
                panic!("{what}: {error}");
            }
            let opened = values::opened(stage, program, &outcome).unwrap();
            assert_eq!(opened.len(), expected.len(), "{what}");
            for (found, expected) in opened.iter().zip(&expected) {
                let right = values::is_right(stage, program, found, expected);
                assert!(right, "{what}: {found:?}, expected {expected:?}");
            }
            assert!(values::spans(stage, &outcome), "{what}");
        }
    });
}
