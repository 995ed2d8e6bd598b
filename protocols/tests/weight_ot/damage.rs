//! Messages that were damaged on the way, or have another length: an error, never a wrong sum, never a panic.

use std::sync::Arc;

use xonn_program::Tensor;
use xonn_program::op::Cut;
use xonn_protocols::protocol::{ClientSide, Kept, Protocol, ProtocolError, ServerSide, SetUp};
use xonn_protocols::weight_ot::WeightOt;

use crate::common::{Canned, Case, SESSION, Tamper, rng};
use crate::layers;

fn dense() -> Case {
    Case::new(layers::dense(xonn_program::op::Planes::Odd { bits: 2 }), 1, 255)
}

#[test]
fn flipped_corrections_are_noticed() {
    for case in [dense(), layers::all().swap_remove(9).1] {
        let mut hosts = case.connect(case.weights(&mut rng(1)), 1);
        let (t, offsets) = (vec![1; case.inputs()], vec![0; case.inputs()]);
        let lengths: Vec<usize> = hosts.predict(&t, &offsets, &|_| {}).sent.iter().map(Vec::len).collect();
        for (message, length) in lengths.into_iter().enumerate() {
            for at in (0..length).step_by(length / 20 + 1) {
                let flip = |sent: &mut Vec<Vec<u8>>| sent[message][at] ^= 1 << (at % 8);
                let error = hosts.predict(&t, &offsets, &flip).server.unwrap_err();
                assert!(error.to_string().contains("digest"), "{error}");
            }
        }
        // The next prediction is right again: both hosts went on alike.
        assert!(hosts.predict(&t, &offsets, &|_| {}).server.is_ok());
    }
}

/// A prediction's corrections are of no use in another one.
#[test]
fn corrections_that_come_again_are_noticed() {
    let case = dense();
    let mut hosts = case.connect(case.weights(&mut rng(1)), 1);
    let (t, offsets) = (vec![1; case.inputs()], vec![0; case.inputs()]);
    let old = hosts.predict(&t, &offsets, &|_| {}).sent;
    let again = hosts.predict(&t, &offsets, &|sent| sent.clone_from(&old)).server;
    assert!(again.unwrap_err().to_string().contains("digest"));
}

#[test]
fn other_lengths_are_errors() {
    let case = dense();
    let mut hosts = case.connect(case.weights(&mut rng(1)), 1);
    let (t, offsets) = (vec![1; case.inputs()], vec![0; case.inputs()]);
    for message in 0..2 {
        let tampers: [Tamper<'_>; 4] = [
            &|sent| sent[message].push(0),
            &|sent| sent[message].truncate(1),
            &|sent| sent[message].clear(),
            &|sent| sent.truncate(message),
        ];
        for tamper in tampers {
            let error = hosts.predict(&t, &offsets, &tamper).server.unwrap_err();
            assert!(matches!(error, ProtocolError::Wire(_)), "{error}");
        }
    }
}

/// Both hosts' set-up, the messages being changed: number 0 is the client's, 1 and 2 are the server's.
fn set_up(case: &Case, tamper: impl Fn(usize, &mut Vec<u8>)) -> Result<(), ProtocolError> {
    let tensors =
        [Tensor::Cuts(vec![Cut { rising: true, at: 0 }]), Tensor::Weights(case.weights(&mut rng(1)))];
    let (stage, program) = (case.stage(), case.program());
    let server: Arc<dyn ServerSide> = WeightOt.server(&stage, &program, &tensors).unwrap();
    let client: Arc<dyn ClientSide> = WeightOt.client(&stage, &program).unwrap();
    let (mut kept, mut rngs): ([Kept; 2], _) = ([None, None], [rng(2), rng(3)]);
    let [of_server, of_client] = &mut kept;
    let mut wire = Canned::default();
    client.set_up(SetUp::Asks, &SESSION, of_client, &mut wire, &mut rngs[1])?;
    let change = |first: usize, sent: Vec<Vec<u8>>| Canned {
        messages: sent
            .into_iter()
            .enumerate()
            .map(|(number, mut message)| {
                tamper(first + number, &mut message);
                message
            })
            .collect(),
        ..Canned::default()
    };
    let mut wire = change(0, wire.sent);
    server.set_up(SetUp::Asks, &SESSION, of_server, &mut wire, &mut rngs[0])?;
    server.set_up(SetUp::Answers, &SESSION, of_server, &mut wire, &mut rngs[0])?;
    let mut wire = change(1, wire.sent);
    client.set_up(SetUp::Answers, &SESSION, of_client, &mut wire, &mut rngs[1])
}

#[test]
fn a_damaged_set_up_is_an_error() {
    let case = dense();
    set_up(&case, |_, _| {}).unwrap();
    let lengths = std::cell::RefCell::new([0; 3]);
    set_up(&case, |number, message| lengths.borrow_mut()[number] = message.len()).unwrap();
    for (number, length) in lengths.into_inner().into_iter().enumerate() {
        for at in (0..length).step_by(length / 5 + 1) {
            let flipped = set_up(&case, |message, bytes| {
                if message == number {
                    bytes[at] ^= 0x10;
                }
            });
            assert!(flipped.is_err(), "message {number}, byte {at}");
        }
        for longer in [false, true] {
            let error = set_up(&case, |message, bytes| {
                if message == number {
                    bytes.resize(if longer { length + 1 } else { length - 1 }, 0);
                }
            });
            assert!(matches!(error, Err(ProtocolError::Wire(_))), "message {number}");
        }
    }
}
