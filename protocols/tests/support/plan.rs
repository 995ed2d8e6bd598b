//! Both hosts of a whole plan, in two threads, over one connection.

use std::collections::VecDeque;

use chacha20::ChaCha12Rng;
use rand::SeedableRng as _;
use xonn_protocols::run::{Client, Server};
use xonn_protocols::wire::Memory;

/// Bytes that a host sent: set-up and what is prepared; with the inputs.
pub type Bytes = [u64; 2];

/// Predictions of a connection.
pub struct Predicted {
    /// The output bits of each sample.
    pub outputs: Vec<Vec<bool>>,
    /// What the client and the server sent for all of them.
    pub sent: [Bytes; 2],
}

/// Predictions on one connection: the first `ahead` are prepared together before any input, each of the
/// others with its own input. What the hosts draw comes from `seed`.
pub fn predict(server: &Server, client: &Client, samples: &[Vec<i64>], ahead: usize, seed: u64) -> Predicted {
    let [mut to_client, mut to_server] = Memory::pair();
    let session = [7; 32];
    // Each host hangs up when it is done, however that is.
    std::thread::scope(|scope| {
        let serves = scope.spawn(move || {
            let (wire, rng) = (&mut to_client, &mut ChaCha12Rng::seed_from_u64(seed));
            let (mut link, mut online) = (server.set_up(session, wire, rng).expect("a set-up"), 0);
            let mut ready = VecDeque::new();
            if ahead > 0 {
                ready = server.prepare(&mut link, (ahead, true), wire, rng).expect("prepared");
            }
            for _ in samples {
                if ready.is_empty() {
                    ready = server.prepare(&mut link, (1, false), wire, rng).expect("prepared");
                }
                let (prepared, before) = (ready.pop_front().expect("one was asked for"), wire.sent);
                server.answer(&mut link, prepared, wire, rng).expect("answered");
                online += wire.sent - before;
            }
            [wire.sent - online, online]
        });
        let asks = scope.spawn(move || {
            let (wire, rng) = (&mut to_server, &mut ChaCha12Rng::seed_from_u64(!seed));
            let (mut link, mut online) = (client.set_up(session, wire, rng).expect("a set-up"), 0);
            let (mut ready, mut outputs) = (VecDeque::new(), Vec::new());
            if ahead > 0 {
                ready = client.prepare(&mut link, (ahead, true), wire, rng).expect("prepared");
            }
            for sample in samples {
                if ready.is_empty() {
                    ready = client.prepare(&mut link, (1, false), wire, rng).expect("prepared");
                }
                let (prepared, before) = (ready.pop_front().expect("one was asked for"), wire.sent);
                outputs.push(client.ask(&mut link, prepared, sample, wire, rng).expect("an output"));
                online += wire.sent - before;
            }
            (outputs, [wire.sent - online, online])
        });
        let (asks, serves) = (asks.join(), serves.join());
        let (outputs, of_client) = asks.expect("the client does not panic");
        Predicted { outputs, sent: [of_client, serves.expect("the server does not panic")] }
    })
}
