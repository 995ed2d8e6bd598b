//! The same seeds give the same bytes: a change of a protocol's messages is seen here, and is a new version
//! of it.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::common::{Hosts, Links, Mode, dice};
use crate::{every_stage, programs, values};

/// SHA-256 of the messages of all sample stages of each protocol, by name. `local` sends none: its is of
/// names alone.
const RECORDED: [(&str, &str); 5] = [
    ("compare_ot", "0202101d2de005983912c6f155ad384cf2f2e1f07452f9f2c50551662254ba2c"),
    ("garbled", "e9e9cfd8a30d611f8500236c8be002fef75c900babc59b8e56726e658547d76b"),
    ("local", "dd091d812bcffb67632044c8e029ca37db935f23bce712124cc191be71f59a1d"),
    ("mask", "11fe6ea1beb092dfd5f88d85fadae20d92aafba95704bda7582af7b4b40ba48b"),
    ("rlwe", "ace2c973b0eaa11c967dcb73dcdf6ac20f35ba57203194db487dbbbccbd0f326"),
];

#[test]
fn messages_are_the_recorded_ones() {
    let mut hashes: BTreeMap<&str, Sha256> = BTreeMap::new();
    every_stage(|protocol, sample, stage| {
        let program = &sample.program;
        let hash = hashes.entry(protocol.name()).or_default();
        hash.update(sample.name);
        // Whatever the order of protocols is.
        let dice = &mut dice(7);
        let model = programs::model(program, dice);
        let hosts = Hosts::new(protocol, stage, program, &model);
        let links = &mut Links::new();
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
    let found: Vec<(&str, String)> = hashes.into_iter().map(|(name, hash)| (name, hex(hash))).collect();
    let found: Vec<(&str, &str)> = found.iter().map(|(name, hash)| (*name, &hash[..])).collect();
    assert_eq!(found, RECORDED, "messages changed, or a protocol has no recorded ones");
}
