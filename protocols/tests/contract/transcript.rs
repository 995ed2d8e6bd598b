//! The same seeds give the same bytes: a change of a protocol's messages is seen here, and is a new version
//! of it.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::common::{Hosts, Links, Mode, dice};
use crate::{every_stage, programs, values};

/// SHA-256 of the messages of all sample stages of each protocol, by name. `local` sends none: its is of
/// names alone.
const RECORDED: [(&str, &str); 5] = [
    ("compare_ot", "9c6e2afcd4217a70a8662ce6d6e96444efd818184d4fe89e7fffa36a79d61e68"),
    ("garbled", "8f3ca3aaf4d4c1e6fb0eb5df84c1dad62124d5686ecc5745c1d0fd4e991f0cf4"),
    ("local", "dd091d812bcffb67632044c8e029ca37db935f23bce712124cc191be71f59a1d"),
    ("mask", "6d1aa0b8f5a84e9e10138c0d7710a314e36ab08ec8367fac9bc13979ec4534d6"),
    ("rlwe", "8946cfd7035e372182c51802432954824c691242d2cc4b40198531349d0a73ec"),
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
