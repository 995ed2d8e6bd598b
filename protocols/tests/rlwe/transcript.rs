//! The same seeds give the same bytes, so that nothing on the wire changes unnoticed.

use sha2::{Digest as _, Sha256};
use xonn_crypto::rlwe::Params;
use xonn_program::op::{Linear, Pad, Planes};
use xonn_protocols::link::PREDICTIONS_A_KEY;
use xonn_protocols::value::Ring;

use crate::common::{Conv, Ends, Reads, Sides, program, share, tensors, weight};

const CONVOLUTION: &str = r#"{
    "layers": [2],
    "reads": [[1, {"shares": {"bits": 17, "fraction": 0, "terms": 0, "step": 1, "span": 255}}]],
    "leaves": {"shares": {"bits": 16, "fraction": 2, "terms": 1, "step": 1, "span": 6885}},
    "how": {"rlwe": {
        "ring": [1024, 26], "bits": 14, "fraction": 2, "guard": [6, 2], "packing": {"tiles": [4, 7, 6, 2]}
    }}
}"#;

const DENSE: &str = r#"{
    "layers": [2],
    "reads": [[1, {"shares": {"bits": 9, "fraction": 0, "terms": 0, "step": 2, "span": 1}}]],
    "leaves": {"shares": {"bits": 9, "fraction": 1, "terms": 1, "step": 4, "span": 70}},
    "how": {"rlwe": {
        "ring": [1024, 21], "bits": 8, "fraction": 1, "guard": [8, 3], "packing": {"dense": [35, 3]}
    }}
}"#;

/// SHA-256 of what the client and the server say: the client's keys, then a prediction.
fn hashes(stage: &str, linear: Linear, reads: Reads, ring: Ring) -> [String; 2] {
    let stage = serde_json::from_str(stage).unwrap();
    let program = program(linear, reads);
    let mut ends = Ends::new(21);
    let rng = &mut crate::common::rng(22);
    let weights = (0..linear.weight_count()).map(|_| weight(linear.weights, rng)).collect();
    let sides = Sides::new(&stage, &program, &tensors(&linear, reads, weights)).unwrap();
    let inputs = linear.window.input.iter().product();
    let t: Vec<u64> = (0..inputs).map(|i| i as u64 * 37 % (ring.span + 1)).collect();
    for _ in 1..PREDICTIONS_A_KEY {
        ends.renew_keys(rng);
    }
    (ends.client.1.kept, ends.server.1.kept) = (Some(Vec::new()), Some(Vec::new()));
    // The rows that there were when it was recorded.
    ends.renew_keys_of(&Params::ALL[..7], rng);
    ends.predict(&sides, &share(ring, &t, &vec![0; inputs], rng)).unwrap();
    [&ends.client.1.kept, &ends.server.1.kept].map(|messages| {
        let all = messages.as_ref().unwrap().concat();
        Sha256::digest(all).iter().map(|byte| format!("{byte:02x}")).collect()
    })
}

#[test]
fn the_bytes_of_a_convolution() {
    let conv = Conv([8, 7, 3], [3, 3], [2, 1], [1; 2], [1; 2], [4, 7], 4, 1);
    let reads = Reads::Numbers(8, 1, 0);
    let found = hashes(CONVOLUTION, conv.linear(Planes::Sign, Pad::Drop), reads, reads.ring(17));
    let expected = [
        "a546eef58d4d13189a0ecfdefe20faff4a463ba56fed0f9521bfaab0cd7bc0ab",
        "0757f50968a411b68e61ffd715af4943a134af4b516f137b5a01f6e92fba5c65",
    ];
    assert_eq!(found, expected);
}

#[test]
fn the_bytes_of_a_dense_layer() {
    let found = hashes(DENSE, Linear::dense(70, 9, Planes::Ternary), Reads::Bits, Reads::Bits.ring(9));
    let expected = [
        "9047c47c3e60258a78106ddc91a23edcbe301e1fac4f9067fb628e8d7b23352d",
        "d3c96cb87c50e45780fb020af117f1d95843fcc2d1df9efef1d82d5909569013",
    ];
    assert_eq!(found, expected);
}
