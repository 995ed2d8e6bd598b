//! What `xonn_circuits::tiled::traffic` says of a program is what goes over the wire, kind by kind.

use xonn_circuits::tiled::traffic::Traffic;
use xonn_crypto::garble::Scheme;
use xonn_program::op::Planes;
use xonn_run::session::msgs::Kind;
use xonn_run::session::{FirstLayer, Limits};

use crate::damage::{self, frames};
use crate::fixture::{addition, neurons, numbers};
use crate::programs::Numbers;

/// Bytes of all payloads of these kinds, and how many there are.
fn payloads(stream: &[u8], kinds: &[Kind]) -> (u64, u64) {
    let all: Vec<&[u8]> = kinds.iter().flat_map(|&kind| damage::payloads(stream, kind)).collect();
    (all.iter().map(|payload| payload.len() as u64).sum(), all.len() as u64)
}

#[test]
fn bytes_told_beforehand_are_the_bytes_that_are_sent() {
    let dense = Numbers::dense(30, 8, 12);
    let conv = Numbers { positions: 20, filters: 3, taps: 5, padded: true, ..dense.clone() };
    let weights = Numbers { signed: true, weights: Planes::Odd { bits: 3 }, ..conv.clone() };
    let long = Numbers::dense(300, 8, 60); // of several segments
    let layers = [dense, conv, weights, long].map(|shape| numbers(&shape));
    for mut fixture in layers.into_iter().chain([neurons(33), addition()]) {
        fixture.inputs.truncate(1);
        fixture.wants.truncate(1);
        for told in Traffic::of(&fixture.circuit.program) {
            let scheme: Scheme = told.scheme.parse().expect("the names are ours");
            fixture.schemes = vec![scheme];
            fixture.first_layers = vec![FirstLayer::Gc];
            let outcome = fixture.converse(None, &Limits::default(), false);
            assert_eq!(outcome.client.expect("nothing is wrong").outputs, fixture.wants);
            let all = [outcome.to_server, outcome.to_client].concat();
            let sent = |kinds: &[Kind]| payloads(&all, kinds).0;
            let (tables, segments) = payloads(&all, &[Kind::Tables]);
            let filled = tables - told.tables;
            match scheme {
                Scheme::HalfGates => assert_eq!(filled, 0),
                Scheme::ThreeHalves => {
                    assert!(filled < segments.max(1), "{filled} bytes in {segments} segments")
                }
            }
            assert_eq!(sent(&[Kind::Extend, Kind::Correlate]), told.labels);
            assert_eq!(sent(&[Kind::Decoding]), told.decoding);
            let connection = [Kind::ClientHello, Kind::ServerHello, Kind::BaseRequest, Kind::BaseReply];
            assert_eq!(sent(&connection), told.connection);
            assert_eq!(told.inference, told.tables + told.labels + told.decoding);
            let everything: u64 = frames(&all).iter().map(|&(.., length)| length as u64).sum();
            assert_eq!(everything, told.inference + filled + told.connection);
        }
    }
}
