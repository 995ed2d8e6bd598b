//! One delta for all inferences of a connection: the same answers for fewer bytes, and only where both hosts
//! say so.

use crate::damage::payloads;
use crate::programs::Numbers;
use sha2::{Digest, Sha256};
use xonn_crypto::garble::Scheme;
use xonn_run::session::msgs::Kind;
use xonn_run::session::{FirstLayer, Limits};

use crate::fixture::{Fixture, Outcome, addition, neurons, numbers};

fn fixtures() -> Vec<Fixture> {
    let garbled = |fixture| Fixture { first_layers: vec![FirstLayer::Gc], ..fixture };
    vec![addition(), garbled(neurons(33)), garbled(numbers(&Numbers::dense(30, 8, 12)))]
}

fn converse(fixture: &Fixture) -> Outcome {
    let outcome = fixture.converse(None, &Limits::default(), false);
    assert_eq!(outcome.client.as_ref().expect("nothing is wrong").outputs, fixture.wants);
    outcome
}

/// The corrections of labels.
fn correlates(stream: &[u8]) -> Vec<&[u8]> {
    payloads(stream, Kind::Correlate)
}

#[test]
fn answers_are_the_same_and_labels_cost_nothing_behind_the_extension() {
    for scheme in Scheme::ALL {
        for ahead in [[0, 0], [2, 2]] {
            for (apart, shared) in fixtures().into_iter().zip(fixtures()) {
                let apart = Fixture { schemes: vec![scheme], ahead, ..apart };
                let shared = Fixture { schemes: vec![scheme], ahead, shared_delta: [true; 2], ..shared };
                let (apart, shared) = (converse(&apart), converse(&shared));
                let (before, after) = (correlates(&apart.to_client), correlates(&shared.to_client));
                assert!(!before.is_empty() && before.len() == after.len());
                let mut saved = 0;
                for (before, after) in before.into_iter().zip(after) {
                    assert!(before.len() > 16 && after.len() == 16, "the start point alone");
                    saved += before.len() - after.len();
                }
                assert_eq!(apart.to_client.len() - shared.to_client.len(), saved);
                assert_eq!(apart.to_server.len(), shared.to_server.len());
            }
        }
    }
}

#[test]
fn each_host_can_leave_it() {
    let bytes =
        |shared_delta| converse(&Fixture { shared_delta, ..fixtures().swap_remove(1) }).to_client.len();
    let apart = bytes([false, false]);
    assert_eq!([bytes([true, false]), bytes([false, true])], [apart; 2]);
    assert!(bytes([true, true]) < apart);
}

/// A plan draws a delta for each prediction, whatever both hosts agree on.
#[test]
fn a_plan_is_the_same_with_it() {
    let lengths = |shared_delta| {
        let first_layers = vec![FirstLayer::Oca];
        let fixture = Fixture { shared_delta, first_layers, ..numbers(&Numbers::dense(30, 8, 12)) };
        let outcome = converse(&fixture);
        (outcome.to_client.len(), outcome.to_server.len())
    };
    assert_eq!(lengths([true; 2]), lengths([false; 2]));
}

/// Seeds are fixed, so bytes are: these are those from before there was the option, but for the version in
/// the hellos.
#[test]
fn transcripts_without_it_are_what_they_were() {
    let mut hash = Sha256::new();
    for scheme in Scheme::ALL {
        for ahead in [[0, 0], [2, 2]] {
            for fixture in fixtures() {
                let outcome = converse(&Fixture { schemes: vec![scheme], ahead, ..fixture });
                hash.update(outcome.to_client);
                hash.update(outcome.to_server);
            }
        }
    }
    let found: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(found, "bd2c2f260e96df95d49fa9106c39bcc82aeca99e9756a46d7f5603e714a51a6c");
}
