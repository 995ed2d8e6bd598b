//! The same seeds give the same bytes: a change of a protocol's messages is seen here, and is a new version
//! of it.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::common::{Hosts, Links, Mode, dice};
use crate::{every_stage, programs, values};

/// SHA-256 of the messages of a protocol's stages in a sample, a line each; `local` sends none.
const RECORDED: &str = include_str!("transcripts.txt");

#[test]
fn messages_are_the_recorded_ones() {
    let mut hashes: BTreeMap<String, Sha256> = BTreeMap::new();
    every_stage(|protocol, sample, stage| {
        let program = &sample.program;
        let hash = hashes.entry(format!("{}, {}", protocol.name(), sample.name)).or_default();
        // The same, whatever other stages and samples there are.
        let (dice, links) = (&mut dice(7), &mut Links::new());
        let model = programs::model(program, dice);
        let hosts = Hosts::new(protocol, stage, program, &model);
        for mode in Mode::ALL {
            let reads: Vec<_> = (0..2)
                .map(|_| values::reads(stage, program, &model, &programs::sample(program, dice), dice).0)
                .collect();
            for sent in hosts.predict(links, mode, &reads, &|_, _, _| {}).sent {
                for message in sent.messages {
                    hash.update((message.len() as u64).to_le_bytes());
                    hash.update(message);
                }
            }
        }
    });
    let hex = |hash: Sha256| hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let found: Vec<String> =
        hashes.into_iter().map(|(what, hash)| format!("{what}: {}", hex(hash))).collect();
    let recorded: Vec<&str> = RECORDED.lines().collect();
    let changed: Vec<&String> = found.iter().filter(|line| !recorded.contains(&&line[..])).collect();
    assert!(changed.is_empty(), "not in transcripts.txt: {changed:#?}");
    let gone: Vec<_> = recorded.iter().filter(|line| !found.iter().any(|found| found == *line)).collect();
    assert!(gone.is_empty(), "of no stage any more: {gone:#?}");
}
