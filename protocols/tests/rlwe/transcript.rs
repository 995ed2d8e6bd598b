//! The same seeds give the same bytes, so that nothing on the wire changes unnoticed.

use sha2::{Digest as _, Sha256};
use xonn_program::op::{Pad, Planes};

use crate::common::{Conv, Ends, Reads, Sides, program, share, tensors, weight};

const STAGE: &str = r#"{
    "layers": [2],
    "reads": [[1, {"shares": {"bits": 17, "fraction": 0, "terms": 0, "step": 1, "span": 255}}]],
    "leaves": {"shares": {"bits": 16, "fraction": 2, "terms": 1, "step": 1, "span": 6885}},
    "how": {"rlwe": {
        "ring": [1024, 26], "bits": 14, "fraction": 2, "guard": [6, 2], "packing": {"tiles": [4, 7, 6, 2]}
    }}
}"#;

#[test]
fn the_bytes_of_a_layer() {
    let conv = Conv([8, 7, 3], [3, 3], [2, 1], [1; 2], [1; 2], [4, 7], 4, 1);
    let linear = conv.linear(Planes::Sign, Pad::Drop);
    let reads = Reads::Numbers(8, 1, 0);
    let program = program(linear, reads);
    let stage = serde_json::from_str(STAGE).unwrap();
    let mut ends = Ends::new(21);
    let rng = &mut crate::common::rng(22);
    let weights = (0..linear.weight_count()).map(|_| weight(linear.weights, rng)).collect();
    let sides = Sides::new(&stage, &program, &tensors(&linear, reads, weights)).unwrap();
    let t: Vec<u64> = (0..8 * 7 * 3).map(|i| i * 37 % 256).collect();
    (ends.client.1.kept, ends.server.1.kept) = (Some(Vec::new()), Some(Vec::new()));
    ends.predict(&sides, &share(reads.ring(17), &t, &vec![0; t.len()], rng)).unwrap();
    let hash = |messages: &Option<Vec<Vec<u8>>>| -> String {
        let all = messages.as_ref().unwrap().concat();
        Sha256::digest(all).iter().map(|byte| format!("{byte:02x}")).collect()
    };
    assert_eq!(hash(&ends.client.1.kept), "f1a5a66387c86f51b5c9a37a9342d77d281e866800371e40c8dcc7002c361374");
    assert_eq!(hash(&ends.server.1.kept), "7d89380c0a52b5f876e9be47f6f14a9edc7f55b20400de9eea460d654b13062a");
}
