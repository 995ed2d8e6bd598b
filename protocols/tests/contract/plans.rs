//! Whole plans: both hosts' loops over their stages.

use xonn_protocols::protocol::ProtocolError;
use xonn_protocols::run::{Client, Server};
use xonn_protocols::wire::Memory;

use crate::common::{Mode, dice};
use crate::{programs, samples};

/// Bytes that a host sent: set-up, rows and offline part; online.
type Bytes = [u64; 2];

/// Answers to samples, and what the client and the server sent for all of them.
fn run(server: &Server, client: &Client, samples: &[Vec<i64>], mode: Mode) -> (Vec<Vec<bool>>, [Bytes; 2]) {
    let [mut to_client, mut to_server] = Memory::pair();
    let count = if mode == Mode::Ahead { samples.len() } else { 1 };
    let turns = samples.len() / count;
    std::thread::scope(|scope| {
        let serves = scope.spawn(move || {
            let (rng, mut online) = (&mut dice(11), 0);
            let mut link = server.set_up([3; 32], &mut to_client, rng).unwrap();
            for _ in 0..turns {
                for prepared in server.prepare(&mut link, count, &mut to_client, rng).unwrap() {
                    let before = to_client.sent;
                    server.answer(&mut link, prepared, &mut to_client, rng).unwrap();
                    online += to_client.sent - before;
                }
            }
            [to_client.sent - online, online]
        });
        let asks = scope.spawn(move || {
            let (rng, mut online, mut answers) = (&mut dice(12), 0, Vec::new());
            let mut link = client.set_up([3; 32], &mut to_server, rng).unwrap();
            for samples in samples.chunks(count) {
                let kept = mode == Mode::Ahead;
                let all = client.prepare(&mut link, (count, kept), &mut to_server, rng).unwrap();
                for (prepared, sample) in all.into_iter().zip(samples) {
                    let before = to_server.sent;
                    answers.push(client.ask(&mut link, prepared, sample, &mut to_server, rng).unwrap());
                    online += to_server.sent - before;
                }
            }
            (answers, [to_server.sent - online, online])
        });
        let (asks, serves) = (asks.join(), serves.join());
        let (answers, of_client) = asks.expect("the client does not panic");
        (answers, [of_client, serves.expect("the server does not panic")])
    })
}

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
            let (answers, [up, down]) = run(&server, &client, &samples, mode);
            for (answer, input) in answers.iter().zip(&samples) {
                let output = program.output().decode(answer);
                assert_eq!(output, programs::expected(program, &model, input), "{}, {mode:?}", sample.name);
            }
            let online = [up[1], down[1]];
            assert_eq!(online, [cost.online().up, cost.online().down].map(|bytes| bytes * count as u64));
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
