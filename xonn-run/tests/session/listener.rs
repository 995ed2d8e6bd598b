//! Somebody who listens without TLS: the label of an output that the garbler knows is public, and must not
//! open it.

use xonn_circuits::builder::Builder;
use xonn_crypto::block::{Block, Tccr};
use xonn_run::session::msgs::Kind;
use xonn_run::session::{Circuit, Limits};

use crate::damage::payloads;
use crate::fixture::{Fixture, WIDTH, addition};

/// First tweak of the hashes of output labels.
const OUTPUT_TWEAKS: u64 = 1 << 63;

/// The garbler's number, inverted, and one AND so that there is something to garble.
fn known_outputs() -> Fixture {
    let mut b = Builder::new();
    let (x, y) = (b.input(WIDTH), b.input(WIDTH));
    let mut out: Vec<_> = x.iter().map(|&bit| b.inv(bit)).collect();
    out.push(b.and(x[0], y[0]));
    let mut fixture = addition();
    fixture.circuit = Circuit::of_netlist(b.finish(&[out]), &[0]).expect("a valid program");
    fixture.wants = fixture
        .inputs
        .iter()
        .map(|input| {
            let mut out: Vec<bool> = fixture.secret.iter().map(|bit| !bit).collect();
            out.push(fixture.secret[0] && input[0]);
            out
        })
        .collect();
    fixture
}

/// What somebody reads who takes all labels for 0: for each output bit its value, if one of the hashes is
/// that of 0.
fn read(start: &[u8], decoding: &[u8]) -> Vec<Option<bool>> {
    let hash = Tccr::new(Block::from_bytes(*start.first_chunk().expect("a start point")));
    let decoding = Block::vec_from_bytes(decoding).expect("whole blocks");
    let mut zeros = vec![Block::ZERO; decoding.len() / 2];
    hash.hash::<1>(OUTPUT_TWEAKS, &mut zeros);
    let pairs = decoding.as_chunks::<2>().0.iter().zip(zeros);
    pairs
        .map(
            |([zero, one], label)| if *zero == label { Some(false) } else { (*one == label).then_some(true) },
        )
        .collect()
}

#[test]
fn outputs_that_the_garbler_knows_cannot_be_read_on_the_way() {
    for ahead in [0, 2] {
        let fixture = Fixture { ahead: [ahead; 2], ..known_outputs() };
        let outcome = fixture.converse(None, &Limits::default(), false);
        assert_eq!(outcome.client.expect("nothing is wrong").outputs, fixture.wants);
        let (labels, decodings) =
            (payloads(&outcome.to_client, Kind::Correlate), payloads(&outcome.to_client, Kind::Decoding));
        assert_eq!((labels.len(), decodings.len()), (3, 3));
        for (labels, decoding) in labels.iter().zip(&decodings) {
            assert_eq!(read(labels, decoding), [None; WIDTH + 1], "{ahead} circuits ahead");
        }
    }
}
