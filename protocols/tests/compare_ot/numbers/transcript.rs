//! The same seeds give the same bytes: a change of the messages is seen here, and is a new version of the
//! protocol.

use super::damage::{shapes, stage};
use crate::common::rng;
use crate::transcript::digest;

#[test]
fn messages_are_the_recorded_ones() {
    // The first eight bytes of each SHA-256, in the order of shapes.
    let recorded = [
        "54e26a6b185dc70a",
        "6008ea474d4d49fb",
        "75e020828e53848c",
        "f5375323709a5bc0",
        "e6545a1ea5ff1afd",
        "b79943a9d60e626c",
        "a82daad267b2de81",
        "90057ebddb5d2f65",
        "dca4794b2e6a5045",
        "bd206d325a77045f",
        "396ef4a11f3512fc",
        "346c5b4936712585",
    ];
    let found: Vec<String> = shapes(77)
        .iter()
        .map(|shape| {
            let stage = stage(shape, 1);
            digest([stage.run(&stage.pools(&mut rng(2)), &|_, _| {})])[..16].to_owned()
        })
        .collect();
    assert_eq!(found, recorded);
}
