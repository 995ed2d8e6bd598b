//! Hellos of both hosts: what is read is written again as it was, and neither host goes on after another
//! one than it can have; texts of refusals cannot control a terminal.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use xonn_fuzz::allocations::Memory;
use xonn_fuzz::cases::{Case, cases, record_all};
use xonn_fuzz::overlay::{overlay, pick};
use xonn_fuzz::peer::Peer;
use xonn_fuzz::script::End;
use xonn_run::session::msgs::{self, ClientHello, ServerHello};

fuzz_target!(init: record_all(), |data: &[u8]| {
    let text = msgs::printable(data);
    assert!(!text.contains(char::is_control) && text.len() <= 3 * msgs::MAX_REFUSAL);
    let (number, data) = pick(data);
    let case = &cases()[number % cases().len()];
    let client = overlay(&case.whole().to_server[0].payload, data);
    if let Ok(hello) = ClientHello::decode(&client) {
        // The place of a digest that is not named may hold anything.
        let same = ClientHello::decode(&hello.encode()).is_ok_and(|again| again == hello);
        assert!(same && (hello.wanted.is_none() || hello.encode() == client));
    }
    let server = overlay(&case.whole().to_client[0].payload, data);
    if let Ok(hello) = ServerHello::decode(&server) {
        assert_eq!(hello.encode(), server);
    }
    // What a host does with the hello, to where it misses the next message.
    greet(case, 1, &client);
    if ServerHello::decode(&server).is_err() {
        greet(case, 2, &server);
    }
});

/// Either host, told a hello and nothing else.
fn greet(case: &Case, kind: u8, hello: &[u8]) {
    static HONEST: OnceLock<Memory> = OnceLock::new();
    let honest = *HONEST.get_or_init(|| cases()[0].whole().memory);
    let stream = [&[kind][..], &(hello.len() as u32).to_le_bytes(), hello].concat();
    let (peer, told) = Peer::saying(stream, usize::MAX, usize::MAX, End::Closed);
    let memory = match kind {
        1 => Memory::of(|| case.greet(peer).is_ok()).1,
        _ => Memory::of(|| assert!(case.ask_whole(peer).is_err(), "no server says so little")).1,
    };
    memory.check(honest, 0);
    told.before_refusal();
}
