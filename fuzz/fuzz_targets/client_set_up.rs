//! A real client from the hello on, with the package or without it, whose server is an honest one with
//! harms: the right answer or none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xonn_fuzz::allocations::Memory;
use xonn_fuzz::cases::{cases, record_all};
use xonn_fuzz::peer::Peer;
use xonn_fuzz::script::Script;
use xonn_run::session::msgs::PACKAGE_PART;

fuzz_target!(init: record_all(), |script: Script| {
    let case = &cases()[usize::from(script.case) % cases().len()];
    let (peer, told) = Peer::new(&script, &case.whole().to_client);
    let (asked, memory) = Memory::of(|| case.ask_whole(peer));
    memory.check(case.whole().memory, if case.fetch { PACKAGE_PART } else { 0 });
    let said = told.before_refusal();
    assert!(said.len() <= case.whole().to_server.len(), "the client says more than in an honest session");
    match asked {
        Ok(finished) => {
            let right = case.right_answers(&finished);
            assert!(!script.is_honest() || right == case.questions(), "an honest server, and no answer");
        }
        Err(error) => {
            assert!(!script.is_honest(), "{error}");
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }
});
