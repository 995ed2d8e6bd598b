//! A real client behind its set-up, in each kind of session, whose server is an honest one with harms.
//! Whatever comes, there is the right answer or none, on shares perhaps another one, and the client's
//! messages are those of an honest session as far as it goes: kinds and lengths do not depend on what came
//! of an evaluation.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xonn_fuzz::allocations::Memory;
use xonn_fuzz::cases::cases;
use xonn_fuzz::peer::Peer;
use xonn_fuzz::script::Script;

fuzz_target!(init: { cases(); }, |script: Script| {
    let case = &cases()[usize::from(script.case) % cases().len()];
    let (peer, told) = Peer::new(&script, &case.behind.to_client);
    let (finished, memory) = Memory::of(|| case.ask_behind(peer));
    memory.check(case.behind.memory, 0);
    let (said, honest) = (told.before_refusal(), &case.behind.to_server);
    assert!(said.len() <= honest.len(), "the client says more than in an honest session");
    for (said, honest) in said.iter().zip(honest) {
        assert_eq!((said.kind, said.claimed), (honest.kind, honest.claimed), "the client goes another way");
    }
    let finished = match finished {
        Ok(finished) => finished,
        Err(error) => {
            assert!(!script.is_honest() && !error.to_string().contains('\n'), "{error}");
            return;
        }
    };
    let right = case.right_answers(&finished);
    match finished.end {
        Ok(_) => {
            assert_eq!(said.len(), honest.len(), "the client leaves early");
            assert_eq!(finished.answers.len(), case.questions());
        }
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
    assert!(!script.is_honest() || right == case.questions(), "an honest server, and no answer");
});
