//! The same seeds give the same bytes: a change of the messages is seen here, and is a new version of the
//! protocol.

use sha2::{Digest as _, Sha256};

use super::damage::stages;
use crate::common::rng;

#[test]
fn messages_are_the_recorded_ones() {
    // The first eight bytes of each SHA-256.
    let recorded = [
        "8c4312351552723c",
        "ca8ed5c7d7046718",
        "7cee5e11aef3be37",
        "6a7b78f9cc0a6d1c",
        "0e5bae5515788b52",
        "ed599f9796653c57",
    ];
    let found: Vec<String> = stages(1)
        .iter()
        .map(|stage| {
            let (index, sent) = stage.run(&stage.pools(&mut rng(2)), &|_, _| {}).unwrap();
            let mut hash = Sha256::new();
            for message in &sent {
                hash.update((message.len() as u64).to_le_bytes());
                hash.update(message);
            }
            index.iter().for_each(|&bit| hash.update([u8::from(bit)]));
            hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
        })
        .collect();
    assert_eq!(found, recorded);
}
