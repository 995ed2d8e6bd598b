//! Both hosts of a plan, in two threads.

use chacha20::ChaCha12Rng;
use rand::SeedableRng as _;
use xonn_program::{Program, Tensor};
use xonn_protocols::plan::Plan;
use xonn_protocols::protocol::StageError;
use xonn_protocols::run::{Client, Server};
use xonn_protocols::wire::Memory;

/// The output bits of each sample, all on one connection: `ahead` of them prepared before any input.
pub fn predict(
    plan: Plan,
    program: &Program,
    tensors: &[Tensor],
    samples: &[Vec<i64>],
    ahead: usize,
) -> Result<Vec<Vec<bool>>, StageError> {
    // The client has the plan as it is sent.
    let sent = Plan::from_bytes(&plan.to_bytes(), program)?;
    let (server, client) = (Server::new(plan, program, tensors)?, Client::new(sent, program)?);
    let [mut to_server, mut to_client] = Memory::pair();
    let (session, count) = ([7; 32], samples.len());
    Ok(std::thread::scope(|scope| {
        let serving = scope.spawn(move || {
            let (wire, rng) = (&mut to_client, &mut ChaCha12Rng::seed_from_u64(1));
            let mut connection = server.set_up(session, wire, rng).expect("a set-up");
            let mut ready = server.prepare(&mut connection, ahead, wire, rng).expect("prepared");
            for _ in 0..count {
                if ready.is_empty() {
                    ready = server.prepare(&mut connection, 1, wire, rng).expect("prepared");
                }
                let prepared = ready.pop_front().expect("one was asked for");
                server.answer(&mut connection, prepared, wire, rng).expect("answered");
            }
        });
        let (wire, rng) = (&mut to_server, &mut ChaCha12Rng::seed_from_u64(2));
        let mut connection = client.set_up(session, wire, rng).expect("a set-up");
        let mut ready = client.prepare(&mut connection, (ahead, true), wire, rng).expect("prepared");
        let mut outputs = Vec::new();
        for sample in samples {
            if ready.is_empty() {
                ready = client.prepare(&mut connection, (1, false), wire, rng).expect("prepared");
            }
            let prepared = ready.pop_front().expect("one was asked for");
            outputs.push(client.ask(&mut connection, prepared, sample, wire, rng).expect("an output"));
        }
        serving.join().expect("the server does not panic");
        outputs
    }))
}
