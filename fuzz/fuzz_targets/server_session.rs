//! A real server behind its set-up, in each kind of session, whose client is an honest one with harms.
//! Whatever comes, the server says nothing but what it said to the honest client, each message at most
//! once, or refuses.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xonn_fuzz::allocations::Memory;
use xonn_fuzz::cases::cases;
use xonn_fuzz::peer::Peer;
use xonn_fuzz::script::{Frame, Script};

fuzz_target!(init: { cases(); }, |script: Script| {
    let case = &cases()[usize::from(script.case) % cases().len()];
    let (peer, told) = Peer::new(&script, &case.behind.to_server);
    let (served, memory) = Memory::of(|| case.serve_behind(peer));
    memory.check(case.behind.memory, 0);
    // On shares what is answered to other numbers has other numbers, of the same kinds and lengths.
    let same = |known: &Frame, frame: &Frame| {
        known == frame || case.is_planned() && (known.kind, known.claimed) == (frame.kind, frame.claimed)
    };
    let mut honest = case.behind.to_client.clone();
    for frame in told.before_refusal() {
        let known = honest.iter().position(|known| same(known, &frame));
        honest.remove(known.expect("the server says what it would not say to an honest client"));
    }
    match served {
        Ok(served) => assert!(served.inferences as usize <= case.questions()),
        Err(error) => {
            assert!(!script.is_honest(), "{error}");
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }
});
