//! Whole plans: both hosts' loops over their stages.

use xonn_protocols::describe;
use xonn_protocols::protocol::ProtocolError;
use xonn_protocols::run::{Client, Server};
use xonn_protocols::wire::Memory;

use crate::common::{Mode, dice};
use crate::plan::{Predicted, predict};
use crate::{programs, samples};

#[test]
fn plans_give_the_output_and_cost_what_they_say() {
    let dice = &mut dice(10);
    for sample in samples::all() {
        let program = &sample.program;
        let model = programs::model(program, dice);
        let server = Server::new(sample.plan.clone(), program, &model).unwrap();
        let client = Client::new(sample.plan.clone(), program).unwrap();
        let cost = server.cost();
        for (mode, count) in [(Mode::Ahead, 3), (Mode::AtOnce, 3), (Mode::AtOnce, 1)] {
            let samples: Vec<_> = (0..count).map(|_| programs::sample(program, dice)).collect();
            let ahead = if mode == Mode::Ahead { count } else { 0 };
            let Predicted { outputs, sent: [up, down] } = predict(&server, &client, &samples, ahead, 11);
            for (answer, input) in outputs.iter().zip(&samples) {
                let (output, expected) =
                    (program.output().decode(answer), programs::expected(program, &model, input));
                // Of numbers that are rounded by chance ties come out either way; what each stage does to
                // them is looked at in `right`, and in tests/networks.
                if !describe::is_rounded(&sample.plan) {
                    assert_eq!(output, expected, "{}, {mode:?}", sample.name);
                }
            }
            let online = [up[1], down[1]];
            let expected = [cost.online().up, cost.online().down].map(|bytes| bytes * count as u64);
            match mode {
                Mode::Ahead => assert_eq!(online, expected, "{}", sample.name),
                // Circuits come with the answer then.
                Mode::AtOnce => assert!(online[0] == expected[0] && online[1] >= expected[1]),
            }
            if count == 1 {
                let first = cost.first();
                let all = [up, down].map(|bytes| bytes.iter().sum::<u64>());
                assert_eq!(all, [first.up, first.down], "{}: {cost:?}", sample.name);
            }
        }
    }
}

/// What a server sends last for several predictions would come before the first answer.
#[test]
fn several_predictions_are_prepared_for_later_only() {
    let dice = &mut dice(13);
    let sample = samples::all().swap_remove(0);
    let model = programs::model(&sample.program, dice);
    let server = Server::new(sample.plan.clone(), &sample.program, &model).unwrap();
    let client = Client::new(sample.plan, &sample.program).unwrap();
    let [mut to_client, mut to_server] = Memory::pair();
    std::thread::scope(|scope| {
        let serves = scope.spawn(|| server.set_up([4; 32], &mut to_client, &mut self::dice(14)).map(drop));
        let mut link = client.set_up([4; 32], &mut to_server, dice).unwrap();
        serves.join().expect("the server does not panic").unwrap();
        let before = to_server.sent;
        let error = client.prepare(&mut link, (2, false), &mut to_server, dice).err().expect("not kept");
        assert!(matches!(error, ProtocolError::Misuse(_)), "{error}");
        assert_eq!(to_server.sent, before, "nothing is sent for them");
    });
}
