//! A real server from the hello on, whose client is an honest one with harms.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xonn_fuzz::allocations::Memory;
use xonn_fuzz::cases::{cases, record_all};
use xonn_fuzz::peer::Peer;
use xonn_fuzz::script::{Frame, Script, frames};
use xonn_run::session::msgs::ClientHello;

fuzz_target!(init: record_all(), |script: Script| {
    let case = &cases()[usize::from(script.case) % cases().len()];
    let honest = &case.whole().to_server;
    let hello = |frames: &[Frame]| ClientHello::decode(&frames.first()?.payload).ok();
    let same_hello = hello(&frames(&script.stream(honest))) == hello(honest);
    let (peer, told) = Peer::new(&script, honest);
    let (served, memory) = Memory::of(|| case.serve_whole(peer));
    memory.check(case.whole().memory, 0);
    let said = told.before_refusal();
    if same_hello {
        // On shares what is answered to other numbers has other numbers.
        let same = |known: &Frame, frame: &Frame| {
            let alike = (known.kind, known.claimed) == (frame.kind, frame.claimed);
            known == frame || case.is_planned() && alike
        };
        let mut honest = case.whole().to_client.clone();
        for frame in said {
            let known = honest.iter().position(|known| same(known, &frame));
            honest.remove(known.expect("the server says what it would not say to an honest client"));
        }
    } else {
        // Another session: its client cannot have the OTs that it says.
        assert!(served.as_ref().map_or(0, |served| served.inferences) == 0, "OTs of another session");
    }
    if let Err(error) = served {
        assert!(!script.is_honest(), "{error}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
});
